//! Real-time: what a window of its own has in a host's place: a transport, a count-in, and a click for the beat.
//!
//! The standalone program has no host that starts and stops. Its sound server may: where that has a transport and it
//! starts to roll, it is followed as a host is.

#![warn(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use std::ops::Range;

/// How long a click takes to fall to 1/e, in seconds.
const FALL: f32 = 0.012;
/// The pitch of a bar's first click and of the others, in hertz.
const PITCHES: (f32, f32) = (1760.0, 1320.0);
/// Their loudness.
const LEVEL: f32 = 0.3;
/// Under this a click is over.
const INAUDIBLE: f32 = 1e-4;

/// The transport.
#[derive(Debug, Default)]
pub struct Deck {
    /// The server's transport was seen standing still, or somewhere along its way: it is one, and no mere clock.
    server: bool,
    seen: bool,
    rolled: bool,
    count: Option<Count>,
}

/// A bar of clicks before the tune begins.
#[derive(Clone, Copy, Debug)]
struct Count {
    /// Samples since it began.
    gone: f64,
    beat: f64,
    beats: u32,
    struck: u32,
}

impl Deck {
    /// Whether the sound server's transport drives, as a host's would. `place` is its sample.
    pub fn follows(&mut self, playing: bool, place: Option<i64>) -> bool {
        // A clock that only counts samples begins with the program, at 0, and never stands still.
        self.server |= !playing || !self.seen && place.unwrap_or(0) > 0;
        self.seen = true;
        self.server && playing
    }

    /// Takes in whether it is to roll; true where it has just begun to.
    pub fn starts(&mut self, rolling: bool) -> bool {
        let starts = rolling && !self.rolled;
        self.rolled = rolling;
        if !rolling {
            self.count = None;
        }
        starts
    }

    /// Counts a bar in: `beats` clicks, `beat` samples apart.
    pub fn count_in(&mut self, beat: f64, beats: u32) {
        if beat.is_finite() && beat >= 1.0 {
            self.count = Some(Count { gone: 0.0, beat, beats, struck: 0 });
        }
    }

    /// The count-in's share of the samples `at`: says each click (true: the first) and gives the sample from which the tune
    /// plays.
    pub fn count(&mut self, at: Range<u32>, click: &mut impl FnMut(u32, bool)) -> u32 {
        let Some(count) = &mut self.count else { return at.start };
        let frames = f64::from(at.end.saturating_sub(at.start));
        while count.struck < count.beats {
            let due = count.beat * f64::from(count.struck) - count.gone;
            if due >= frames {
                break;
            }
            click(at.start.saturating_add(due.max(0.0) as u32), count.struck == 0);
            count.struck = count.struck.saturating_add(1);
        }
        let left = count.beat * f64::from(count.beats) - count.gone;
        if left >= frames {
            count.gone += frames;
            return at.end;
        }
        self.count = None;
        at.start.saturating_add(left.max(0.0) as u32).min(at.end)
    }
}

/// A short click, the metronome's voice.
#[derive(Debug)]
pub struct Click {
    sample_rate: f32,
    phase: f32,
    step: f32,
    level: f32,
    fall: f32,
}

impl Click {
    /// A click at `sample_rate`, in hertz.
    pub fn new(sample_rate: f32) -> Self {
        let sample_rate = sample_rate.max(1.0);
        let fall = (-1.0 / (FALL * sample_rate)).exp();
        Self { sample_rate, phase: 0.0, step: 0.0, level: 0.0, fall }
    }

    /// Begins one; `first` is a bar's first.
    pub fn strike(&mut self, first: bool) {
        let pitch = if first { PITCHES.0 } else { PITCHES.1 };
        self.step = std::f32::consts::TAU * pitch / self.sample_rate;
        self.phase = 0.0;
        self.level = if first { LEVEL } else { LEVEL * 0.6 };
    }

    /// Adds what sounds of it.
    pub fn add_to(&mut self, left: &mut [f32], right: &mut [f32]) {
        if self.level < INAUDIBLE {
            return;
        }
        for (left, right) in left.iter_mut().zip(right) {
            let sample = self.level * self.phase.sin();
            *left += sample;
            *right += sample;
            self.phase = (self.phase + self.step) % std::f32::consts::TAU;
            self.level *= self.fall;
        }
    }

    /// Ends it at once.
    pub fn stop(&mut self) {
        self.level = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_only_counts_is_not_followed_and_a_transport_is() {
        let mut clock = Deck::default();
        assert!((0..10).all(|block| !clock.follows(true, Some(block * 512))));
        let mut transport = Deck::default();
        assert!(!transport.follows(false, Some(0)));
        assert!(transport.follows(true, Some(512)));
        assert!(!transport.follows(false, Some(1024)));
        // One that rolled before the program began.
        assert!(Deck::default().follows(true, Some(4_800_000)));
    }

    #[test]
    fn a_bar_is_counted_in_and_the_tune_begins_on_the_next_beat() {
        let mut deck = Deck::default();
        assert!(deck.starts(true));
        deck.count_in(1000.0, 3);
        let mut clicks = Vec::new();
        let mut began = None;
        for block in 0..20_u32 {
            let at = block * 256..block * 256 + 256;
            let from = deck.count(at.clone(), &mut |sample, first| clicks.push((sample, first)));
            if from < at.end && began.is_none() {
                began = Some(from);
            }
        }
        assert_eq!(clicks, [(0, true), (1000, false), (2000, false)]);
        assert_eq!(began, Some(3000));
    }

    #[test]
    fn a_click_is_heard_and_dies_away() {
        let mut click = Click::new(48_000.0);
        click.strike(true);
        let (mut left, mut right) = (vec![0.0; 9_600], vec![0.0; 9_600]);
        click.add_to(&mut left, &mut right);
        let loudest =
            |part: &[f32]| part.iter().fold(0.0, |most: f32, sample| most.max(sample.abs()));
        let (beginning, end) = (left.split_at(480).0, left.split_at(9_000).1);
        assert!(loudest(beginning) > 0.2);
        assert!(loudest(end) < 1e-5);
        assert_eq!(left, right);
    }
}
