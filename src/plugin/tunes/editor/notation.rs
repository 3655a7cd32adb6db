//! Interface: the tune on the desk, read, performed and engraved once for each change.

use std::ops::Range;

use super::super::practice;
use earworm_abc::{self as abc, PerformOptions, Performance, Severity, Tunebook};
use earworm_audio as audio;
use earworm_engrave::{self as engrave, Options, Score};

/// A text and all that follows from it.
#[derive(Default)]
pub(super) struct Notation {
    /// The ABC text.
    pub text: String,
    /// What the reader found in it.
    pub book: Tunebook,
    /// How it sounds, as the engine plays it.
    pub performance: Performance,
    /// How long it lasts at its own tempo, in seconds.
    pub seconds: f64,
    /// The number of each bar as it is played, as musicians count.
    pub numbers: Vec<u32>,
    /// How it is drawn, for this width.
    pub score: Score,
    width: f32,
}

impl Notation {
    /// Reads a text.
    pub(super) fn read(text: &str) -> Self {
        let book = abc::read(text);
        let performance = match book.tunes.first() {
            Some(tune) => abc::perform(tune, &PerformOptions::default()),
            None => Performance::default(),
        };
        Self {
            text: text.to_owned(),
            book,
            seconds: audio::seconds(&performance),
            numbers: practice::bar_numbers(&performance),
            performance,
            ..Self::default()
        }
    }

    /// Engraves it for a page of so many staff spaces, if it was not yet.
    pub(super) fn engrave(&mut self, width: f32) -> &Score {
        if self.width != width {
            self.width = width;
            self.score = match self.book.tunes.first() {
                Some(tune) => {
                    let options = Options { width, heading: true };
                    engrave::engrave(tune, &options)
                }
                None => Score::default(),
            };
        }
        &self.score
    }

    /// The parts of the text that sound at this tick.
    pub(super) fn sounding(&self, tick: u32) -> Vec<Range<usize>> {
        let mut spans: Vec<Range<usize>> = self
            .performance
            .notes
            .iter()
            .take_while(|note| note.start <= tick)
            .filter(|note| !note.accompaniment && tick - note.start < note.duration)
            .map(|note| note.span.clone())
            .collect();
        spans.dedup();
        spans
    }

    /// When this part of the text is first heard, or what comes next after it.
    pub(super) fn tick_of(&self, span: &Range<usize>) -> Option<u32> {
        let melody = || self.performance.notes.iter().filter(|note| !note.accompaniment);
        let inside = melody().find(|note| span.contains(&note.span.start));
        let after = || {
            melody()
                .filter(|note| note.span.start >= span.start)
                .min_by_key(|note| (note.span.start, note.start))
        };
        inside.or_else(after).map(|note| note.start)
    }

    /// How many bars are played.
    pub(super) fn bars(&self) -> u32 {
        self.numbers.last().copied().unwrap_or(0)
    }

    /// The number of the bar at a tick; 0 in a pickup.
    pub(super) fn bar_at(&self, tick: u32) -> u32 {
        let after = self.performance.bars.partition_point(|bar| bar.start <= tick);
        after.checked_sub(1).and_then(|bar| self.numbers.get(bar)).copied().unwrap_or(0)
    }

    /// The ticks of bars, by their numbers; what is short between two of them is in it.
    pub(super) fn ticks_of_bars(&self, bars: std::ops::RangeInclusive<u32>) -> Option<Range<u32>> {
        let starts = &self.performance.bars;
        let first = self.numbers.iter().position(|number| number == bars.start())?;
        let after = self.numbers.iter().position(|number| number > bars.end());
        let start = starts.get(first)?.start;
        let end =
            after.and_then(|bar| starts.get(bar)).map_or(self.performance.end, |bar| bar.start);
        (start < end).then_some(start..end)
    }

    /// Line and column, both from 1, of a byte of the text.
    pub(super) fn line_and_column(&self, at: usize) -> (usize, usize) {
        let before = &self.text.as_bytes()[..at.min(self.text.len())];
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
        let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
        (line, column)
    }

    /// How many errors and warnings there are.
    pub(super) fn faults(&self) -> usize {
        let findings = &self.book.findings;
        findings.iter().filter(|finding| finding.severity >= Severity::Warning).count()
    }
}
