//! Core: playing a tune, in passes over one list of events.
//!
//! Each voice's elements are put in the order in which they are played ([`unfold`](super::unfold)), then in time
//! ([`timeline`]: what sounds when, and what holds there), ties are joined ([`ties`]), grace notes and ornaments are
//! played out ([`ornaments`]), and chords, drums and drones are added ([`accompaniment`](super::accompaniment)).

mod ornaments;
mod settings;
mod ties;
mod timeline;

use super::jumps::{self, Mark, Sign};
use super::model::{Finding, Severity, Voice};
use super::performance::*;
use super::unfold::unfold;
use super::{Tune, accompaniment, lyrics};
use settings::{Settings, microseconds_per_quarter};
use timeline::{Timeline, Walked};

/// The most findings of one performance.
const MOST_SAID: usize = 64;

/// Plays a tune: repeats, variant endings, part orders, jumps, ties and accidentals resolved.
///
/// A tune without Q: has the tempo of its dance ([`Tune::dance_tempo`]), else 120 quarter notes a minute. What can't
/// be played as written is said in the performance's findings.
///
/// Takes time linear in the length of what is played, which [`MOST_NOTES`] and [`MOST_TICKS`] bound.
pub fn perform(tune: &Tune, options: &PerformOptions) -> Performance {
    let mut performance = Performance { title: tune.title().to_owned(), ..Performance::default() };
    let mut channels = Channels::new(tune.voices.len());
    let has_chords = options.accompaniment
        && tune.voices.iter().any(|voice| {
            voice.elements.iter().any(|element| {
                element.attached.as_ref().is_some_and(|attached| !attached.chord_symbols.is_empty())
            })
        });
    let accompaniment = if has_chords { (channels.take(), channels.take()) } else { (0, 0) };
    let tempo = (tune.tempo.as_ref().and_then(microseconds_per_quarter))
        .or_else(|| tune.dance_tempo().as_ref().and_then(microseconds_per_quarter))
        .unwrap_or(500_000);
    performance.tempos.push(Tempo { start: 0, microseconds_per_quarter: tempo });
    performance.keys.push(KeyStart { start: 0, key: tune.key.clone() });
    if let Some(metre) = timeline::metre_at(0, &tune.metre) {
        performance.metres.push(metre);
    }
    let marks = marks_of_all(tune);
    let mut findings = Vec::new();
    let mut lengths = Vec::with_capacity(tune.voices.len());
    for (index, voice) in tune.voices.iter().enumerate() {
        // Every voice finds the same fault in the order of parts; it is said once.
        let mut of_voice = Vec::new();
        let order = unfold(&voice.elements, tune.parts.as_ref(), &marks[index], &mut of_voice);
        let start = Settings::at_start(tune, index, Channels::nth(index), accompaniment, tempo);
        let walked = Timeline::new(index, options, &mut performance, &mut channels, start)
            .walk(&voice.elements, &order);
        lengths.push((walked.end, walked.bars));
        let moments = walked.voice.moments.iter();
        lyrics::sing(
            &voice.elements,
            moments.map(|moment| (moment.element.span.start, moment.start.whole())),
            index as u16,
            &mut performance,
        );
        sound(&walked.voice, index, options, &mut performance);
        of_voice.append(&mut performance.findings);
        for finding in of_voice {
            if !findings.contains(&finding) && findings.len() < MOST_SAID {
                findings.push(finding);
            }
        }
    }
    findings.extend(drifting(tune, &lengths));
    let full = [
        performance.tempos.len(),
        performance.metres.len(),
        performance.keys.len(),
        performance.bars.len(),
        performance.programs.len(),
        performance.controls.len(),
        performance.bends.len(),
        performance.chords.len(),
    ];
    if full.contains(&MOST_CHANGES) {
        findings.push(Finding {
            severity: Severity::Error,
            span: tune.span.clone(),
            text: format!("more than {MOST_CHANGES} bars or changes are played; the rest are cut"),
            hint: "repeat fewer times or split the tune".to_owned(),
        });
    }
    performance.findings = findings;
    performance.voice_names = tune.voices.iter().map(name_of).collect();
    put_in_order(&mut performance);
    performance
}

/// Adds to a performance what a voice sounds like.
fn sound(voice: &Walked, index: usize, options: &PerformOptions, performance: &mut Performance) {
    let sounding = ties::join(&voice.moments, &voice.layer_channels, performance);
    ornaments::play(&voice.moments, &sounding, index as u16, options, performance);
    let notes = &mut performance.notes;
    if !voice.chord_changes.is_empty() {
        accompaniment::accompany(&voice.bars, &voice.chord_changes, index as u16, notes);
    }
    if !voice.drum_switches.is_empty() {
        accompaniment::drum(&voice.bars, &voice.drum_switches, index as u16, notes);
    }
    for drone in &voice.drones {
        for (key, velocity) in drone.drone.notes {
            if drone.end > drone.start && notes.len() < MOST_NOTES {
                notes.push(Note {
                    start: drone.start,
                    duration: drone.end - drone.start,
                    key,
                    velocity,
                    channel: drone.channel,
                    voice: index as u16,
                    accompaniment: true,
                    span: drone.span.clone(),
                });
            }
        }
    }
}

fn put_in_order(performance: &mut Performance) {
    performance.notes.sort_by_key(|note| (note.start, note.channel, note.key));
    performance.tempos.sort_by_key(|tempo| tempo.start);
    settle(
        &mut performance.tempos,
        |tempo| tempo.start,
        |a, b| a.microseconds_per_quarter == b.microseconds_per_quarter,
    );
    settle(
        &mut performance.metres,
        |metre| metre.start,
        |a, b| (a.numerator, a.denominator) == (b.numerator, b.denominator),
    );
    settle(&mut performance.keys, |key| key.start, |a, b| a.key == b.key);
    performance.programs.sort_by_key(|program| program.start);
    performance.programs.dedup();
    performance.controls.sort_by_key(|control| control.start);
    performance.controls.dedup();
    performance.bends.sort_by_key(|bend| bend.start);
    performance.lyrics.sort_by_key(|lyric| (lyric.start, lyric.voice));
}

/// Leaves the last of the changes at a time, and of those the ones that change something.
fn settle<T>(changes: &mut Vec<T>, start: impl Fn(&T) -> u32, equal: impl Fn(&T, &T) -> bool) {
    changes.dedup_by(|later, earlier| {
        let same = start(later) == start(earlier);
        if same {
            std::mem::swap(later, earlier);
        }
        same
    });
    changes.dedup_by(|later, earlier| equal(later, earlier));
}

/// What a voice is called: the name that V: gives it.
fn name_of(voice: &Voice) -> String {
    let name = voice.properties.iter().find(|(name, _)| matches!(name.as_str(), "name" | "nm"));
    name.map_or_else(String::new, |(_, value)| value.clone())
}

/// Where each voice jumps. A voice without a mark of its own follows the first one that has some.
fn marks_of_all(tune: &Tune) -> Vec<Vec<Mark>> {
    let mut marks: Vec<Vec<Mark>> =
        tune.voices.iter().map(|voice| jumps::marks(&voice.elements)).collect();
    let jumps = |mark: &Mark| matches!(mark.sign, Sign::Jump(..));
    let Some(leader) = marks.iter().position(|marks| marks.iter().any(jumps)) else {
        return marks;
    };
    for (index, voice) in tune.voices.iter().enumerate() {
        if marks[index].is_empty() {
            marks[index] = jumps::carried_over(
                &marks[leader],
                &tune.voices[leader].elements,
                &voice.elements,
                &tune.metre,
            );
        }
    }
    marks
}

/// Says of voices that don't last as long as the first one where they part from it.
fn drifting(tune: &Tune, lengths: &[(u32, Vec<BarStart>)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let sounding = |voice: &&(u32, Vec<BarStart>)| voice.0 > 0;
    let Some(leader) = lengths.iter().position(|voice| sounding(&voice)) else {
        return findings;
    };
    let name = |index: usize| match tune.voices[index].id.as_str() {
        "" => format!("voice {}", index + 1),
        id => format!("V:{id}"),
    };
    let (end, bars) = &lengths[leader];
    for (index, (other_end, other_bars)) in lengths.iter().enumerate().skip(leader + 1) {
        if *other_end == 0 || other_end.abs_diff(*end) <= 2 || findings.len() >= 16 {
            continue;
        }
        let apart = bars
            .iter()
            .zip(other_bars)
            .find(|(one, other)| one.start.abs_diff(other.start) > 2)
            .map(|(_, other)| other.span.clone());
        let last = || {
            let elements = &tune.voices[index].elements;
            elements.last().map_or(tune.span.clone(), |element| element.span.clone())
        };
        let quarters = |ticks: u32| f64::from(ticks) / f64::from(PPQ);
        let (one, other) = (name(leader), name(index));
        findings.push(Finding {
            severity: Severity::Warning,
            span: apart.clone().unwrap_or_else(last),
            text: format!(
                "{other} lasts {} quarter notes as it is played where {one} lasts {}{}",
                quarters(*other_end),
                quarters(*end),
                if apart.is_some() { "; here they part" } else { "" },
            ),
            hint: "give each voice the same bars, repeats and endings".to_owned(),
        });
    }
    findings
}

/// MIDI channels given out in order, the drums' left out.
struct Channels {
    next: usize,
}

impl Channels {
    fn new(voices: usize) -> Self {
        Self { next: voices }
    }

    fn nth(index: usize) -> u8 {
        let channel = index % 15;
        (channel + usize::from(channel >= 9)) as u8
    }

    fn take(&mut self) -> u8 {
        self.next += 1;
        Self::nth(self.next - 1)
    }
}

/// Adds a change while there is room.
fn keep<T>(changes: &mut Vec<T>, change: T) {
    if changes.len() < MOST_CHANGES {
        changes.push(change);
    }
}

#[cfg(test)]
mod tests;
