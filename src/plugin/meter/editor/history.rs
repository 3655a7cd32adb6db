//! Interface: what was heard over the last five minutes.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use super::super::shared::{GENRES, Hearing, MeterShared};

/// How far back the history goes, in seconds of the mix.
pub const SECONDS: f64 = 300.0;
/// From one entry to the next at least, in seconds.
const STEP: f64 = 0.5;

/// A reading and when it was taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Seconds of the mix since the window first looked.
    pub time: f64,
    /// What the Meter was doing.
    pub hearing: Hearing,
    /// The probability of each genre.
    pub probabilities: [f32; GENRES],
}

/// The readings of the last five minutes of the mix, oldest first. Its clock is the mix's own: it stands still while
/// nothing is heard, and does not care how fast a host renders.
#[derive(Clone, Debug, Default)]
pub struct History {
    entries: VecDeque<Entry>,
    /// Seconds gone by before the counter of frames last started afresh.
    base: f64,
    /// The counter when last looked at.
    frames: u64,
    now: f64,
}

impl History {
    /// Takes in what is published at this moment.
    pub fn listen(&mut self, shared: &MeterShared) {
        let hop = f64::from(shared.column_seconds.load(Ordering::Relaxed));
        let frames = shared.heard_frames.load(Ordering::Relaxed);
        if hop <= 0.0 {
            return;
        }
        if frames < self.frames {
            self.base = self.now;
        } else if self.entries.is_empty() && self.now == 0.0 {
            self.base = -(frames as f64 * hop);
        }
        self.frames = frames;
        self.now = (self.base + frames as f64 * hop).max(self.now);
        let hearing = shared.hearing();
        if hearing == Hearing::Asleep {
            return;
        }
        if let Some(last) = self.entries.back()
            && self.now - last.time < STEP
        {
            return;
        }
        self.entries.push_back(Entry {
            time: self.now,
            hearing,
            probabilities: shared.probabilities(),
        });
        while self.entries.front().is_some_and(|entry| entry.time < self.now - SECONDS) {
            self.entries.pop_front();
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// The clock, in seconds.
    pub fn now(&self) -> f64 {
        self.now
    }

    /// The entries, oldest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> + ExactSizeIterator {
        self.entries.iter()
    }

    /// The entry in force at this time.
    pub fn at(&self, time: f64) -> Option<&Entry> {
        let after = self.entries.partition_point(|entry| entry.time <= time);
        after.checked_sub(1).and_then(|index| self.entries.get(index))
    }
}
