//! Worker: what was heard over the last five minutes, for the editor to show.

use std::collections::VecDeque;

use super::shared::{GENRES, Hearing};

/// How far back the history goes, in seconds of the mix.
pub const SECONDS: f64 = 300.0;

/// A reading and when it was taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Seconds of the mix on the history's clock.
    pub time: f64,
    /// What the Meter was doing.
    pub hearing: Hearing,
    /// The probability of each genre.
    pub probabilities: [f32; GENRES],
}

/// The readings of the last five minutes of the mix, oldest first. Its clock is the mix's own: it stands still while
/// nothing is heard, does not care how fast a host renders, and goes on from one activation to the next.
#[derive(Clone, Debug, Default)]
pub struct History {
    entries: VecDeque<Entry>,
    now: f64,
}

impl History {
    /// So many seconds of the mix went by.
    pub fn advance(&mut self, seconds: f64) {
        self.now += seconds.max(0.0);
        while self.entries.front().is_some_and(|entry| entry.time < self.now - SECONDS) {
            self.entries.pop_front();
        }
    }

    /// Takes in a reading of this moment; it takes the place of another of the same moment.
    pub fn push(&mut self, hearing: Hearing, probabilities: [f32; GENRES]) {
        if self.entries.back().is_some_and(|last| last.time >= self.now) {
            self.entries.pop_back();
        }
        self.entries.push_back(Entry { time: self.now, hearing, probabilities });
    }

    /// Forgets everything; the clock goes on.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// Takes back what was forgotten: entries older than all that are there.
    pub fn take_back(&mut self, older: &Self) {
        let first = self.entries.front().map_or(self.now, |entry| entry.time);
        let back = older.entries.iter().rev();
        for entry in back.filter(|entry| entry.time < first && entry.time >= self.now - SECONDS) {
            self.entries.push_front(entry.clone());
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_five_minutes_are_kept_and_no_more() {
        let mut history = History::default();
        // Ten minutes, a reading each second.
        for second in 0..600 {
            history.advance(1.0);
            history.push(Hearing::Heard, [second as f32; GENRES]);
        }
        assert_eq!(history.now(), 600.0);
        assert_eq!(history.entries().len(), 301);
        assert_eq!(history.entries().next().map(|entry| entry.time), Some(300.0));
        assert_eq!(history.at(450.5).map(|entry| entry.probabilities[0]), Some(449.0));
        history.push(Hearing::Silence, [0.0; GENRES]);
        assert_eq!(history.entries().len(), 301, "one reading a moment");
        history.clear();
        assert!(history.at(600.0).is_none());
        assert_eq!(history.now(), 600.0);
    }
}
