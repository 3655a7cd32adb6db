//! Worker: what was heard over the last five minutes, for the editor to show.

use std::collections::VecDeque;
use std::sync::Arc;

use nice_plug::params::persist::PersistentField;
use serde::{Deserialize, Serialize};

use super::shared::{GENRES, Hearing, MeterShared};

/// A project keeps a reading for each so many seconds: as many as the ribbon draws as one bar.
const KEPT_EVERY: f64 = 1.5;

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

    /// As a project keeps it: a reading each [`KEPT_EVERY`] seconds.
    fn saved(&self) -> SavedHistory {
        let mut readings: Vec<SavedEntry> = Vec::new();
        let mut last = f64::NEG_INFINITY;
        for entry in &self.entries {
            if entry.time - last >= KEPT_EVERY {
                last = entry.time;
                readings.push(SavedEntry {
                    // To a tenth, so that what was kept is kept the same again.
                    ago: ((self.now - entry.time) * 10.0).round() / 10.0,
                    hearing: entry.hearing as u8,
                    percent: entry.probabilities.map(|p| (p * 100.0).round() as u8).to_vec(),
                });
            }
        }
        SavedHistory { readings }
    }

    /// From a project; what can't be is left out.
    fn restored(saved: &SavedHistory) -> Self {
        let mut history = Self::default();
        let mut last = f64::NEG_INFINITY;
        let most = (SECONDS / KEPT_EVERY) as usize + 1;
        for entry in saved.readings.iter().take(most) {
            let time = -entry.ago;
            let sound = (-SECONDS..=0.0).contains(&time)
                && time > last
                && entry.percent.len() <= GENRES
                && entry.percent.iter().all(|&percent| percent <= 100);
            let Some(hearing) = Hearing::ALL.get(usize::from(entry.hearing)).filter(|_| sound)
            else {
                continue;
            };
            last = time;
            let mut probabilities = [0.0; GENRES];
            for (p, &percent) in probabilities.iter_mut().zip(&entry.percent) {
                *p = f32::from(percent) / 100.0;
            }
            history.entries.push_back(Entry { time, hearing: *hearing, probabilities });
        }
        history
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

/// The history that a project keeps.
pub struct KeptHistory {
    shared: Arc<MeterShared>,
}

/// [`History`] in a project's file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SavedHistory {
    /// Oldest first.
    #[serde(default)]
    readings: Vec<SavedEntry>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SavedEntry {
    /// Seconds before the project was saved.
    ago: f64,
    hearing: u8,
    /// The probability of each genre.
    percent: Vec<u8>,
}

impl KeptHistory {
    /// The history that `shared` publishes.
    pub fn new(shared: Arc<MeterShared>) -> Self {
        Self { shared }
    }
}

impl PersistentField<'_, SavedHistory> for KeptHistory {
    fn set(&self, saved: SavedHistory) {
        // What is being heard is newer than what the project knows.
        let asleep = self.shared.hearing() == Hearing::Asleep;
        let mut history = self.shared.history();
        if asleep && history.saved() != saved {
            *history = History::restored(&saved);
        }
    }

    fn map<F, R>(&self, f: F) -> R
    where
        F: Fn(&SavedHistory) -> R,
    {
        let saved = self.shared.history().saved();
        f(&saved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_keeps_the_last_five_minutes_and_keeps_them_the_same_again() {
        let mut history = History::default();
        for reading in 0..1_500 {
            history.advance(0.31);
            let mut probabilities = [0.0; GENRES];
            probabilities[reading / 200 % GENRES] = 0.7;
            history.push(Hearing::Heard, probabilities);
        }
        let saved = history.saved();
        assert!((150..=201).contains(&saved.readings.len()), "{}", saved.readings.len());
        let again = History::restored(&saved);
        assert_eq!(again.saved(), saved);
        let text = serde_json::to_string(&saved).unwrap();
        assert!(text.len() < 32 << 10, "{} bytes", text.len());
        assert_eq!(serde_json::from_str::<SavedHistory>(&text).unwrap(), saved);
        let at = |history: &History, ago: f64| {
            let entry = history.at(history.now() - ago).unwrap();
            entry.probabilities.iter().position(|&p| p > 0.5)
        };
        for ago in [5.0, 60.0, 200.0, 290.0] {
            assert_eq!(at(&again, ago), at(&history, ago), "{ago} s ago");
        }
    }

    #[test]
    fn a_history_that_cannot_be_is_left_out() {
        let entry =
            |ago, hearing, percent: &[u8]| SavedEntry { ago, hearing, percent: percent.into() };
        let readings = vec![
            entry(f64::NAN, 4, &[0]),
            entry(1e9, 4, &[0]),
            entry(20.0, 200, &[0]),
            entry(19.0, 4, &[101]),
            entry(18.0, 4, &[0; 1000]),
            entry(17.0, 4, &[90, 10]),
            entry(250.0, 4, &[90, 10]),
        ];
        let history = History::restored(&SavedHistory { readings });
        assert_eq!(history.entries().len(), 1);
        assert_eq!(history.entries().next().map(|entry| entry.time), Some(-17.0));
    }

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
