//! Interface: the last tunes of an instance, with their seeds and stars; a project keeps them.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::shared::{LONGEST_TUNE, Origin, PAST, Score, schedule};

/// The most that all tunes of a project's list take together, in bytes of ABC; older ones are left out.
const LONGEST_LIST: usize = 1 << 20;
/// How many steps an undo goes back at most.
const LONGEST_TRAIL: usize = 200;

/// The tunes that lay on the desk, the latest first, the present one among them. A starred one is never pushed out.
#[derive(Clone, Debug, Default)]
pub struct Past {
    tunes: VecDeque<Arc<Score>>,
    starred: HashSet<u64>,
    /// Numbers of tunes that were on the desk, in order, for undo.
    trail: Vec<u64>,
}

impl Past {
    /// Notes what lies on the desk. A tune that is being edited takes the place of what it was before.
    pub(super) fn note(&mut self, tune: &Arc<Score>) {
        let again = self
            .tunes
            .iter()
            .position(|known| known.abc == tune.abc && tune.origin != Origin::Edited);
        if let Some(index) = again
            && let Some(known) = self.tunes.remove(index)
        {
            if self.starred.remove(&known.number) {
                self.starred.insert(tune.number);
            }
            for number in &mut self.trail {
                if *number == known.number {
                    *number = tune.number;
                }
            }
        } else if tune.origin == Origin::Edited
            && self.tunes.front().is_some_and(|latest| latest.origin == Origin::Edited)
            && let Some(before) = self.tunes.pop_front()
        {
            if self.starred.remove(&before.number) {
                self.starred.insert(tune.number);
            }
            self.trail.retain(|&number| number != before.number);
        }
        self.tunes.push_front(tune.clone());
        if self.trail.last() != Some(&tune.number) {
            self.trail.push(tune.number);
        }
        if self.trail.len() > LONGEST_TRAIL {
            self.trail.remove(0);
        }
        while self.tunes.len() > PAST {
            let spare = self
                .tunes
                .iter()
                .rposition(|tune| !self.starred.contains(&tune.number))
                .unwrap_or(self.tunes.len() - 1);
            self.tunes.remove(spare);
        }
    }

    /// The tunes, the latest first.
    pub fn tunes(&self) -> impl ExactSizeIterator<Item = &Arc<Score>> {
        self.tunes.iter()
    }

    /// Whether a tune is starred.
    pub fn is_starred(&self, number: u64) -> bool {
        self.starred.contains(&number)
    }

    /// Stars a tune, or takes its star away.
    pub(super) fn star(&mut self, number: u64) {
        if !self.starred.remove(&number) && self.tunes.iter().any(|tune| tune.number == number) {
            self.starred.insert(number);
        }
    }

    /// Goes back to the tune before the present one.
    pub(super) fn undo(&mut self) -> Option<Arc<Score>> {
        self.trail.pop()?;
        loop {
            let before = self.trail.pop()?;
            // One that the list has no place for any more is passed over.
            if let Some(tune) = self.tunes.iter().find(|tune| tune.number == before) {
                return Some(tune.clone());
            }
        }
    }

    /// Whether there is something to go back to.
    pub fn can_undo(&self) -> bool {
        self.trail.len() > 1
    }

    /// Where a tune with this text came from, if it is known.
    pub(super) fn origin(&self, abc: &str) -> Option<Origin> {
        self.tunes.iter().find(|tune| tune.abc == abc).map(|tune| tune.origin)
    }

    /// As a project keeps it.
    pub(super) fn saved(&self) -> SavedPast {
        let mut bytes = 0;
        let tunes = self.tunes.iter().take_while(|tune| {
            bytes += tune.abc.len();
            bytes <= LONGEST_LIST
        });
        SavedPast {
            tunes: tunes
                .map(|tune| SavedScore {
                    abc: tune.abc.clone(),
                    origin: tune.origin,
                    starred: self.is_starred(tune.number),
                })
                .collect(),
        }
    }

    /// From a project. What can't be played is left out; `number` gives each tune its own.
    pub(super) fn restored(saved: SavedPast, mut number: impl FnMut() -> u64) -> Self {
        let mut past = Self::default();
        let sound =
            |tune: &SavedScore| tune.abc.len() <= LONGEST_TUNE && schedule(&tune.abc, 0).is_ok();
        // Beginning with the oldest, so that numbers grow as they would have.
        let tunes: Vec<SavedScore> = saved.tunes.into_iter().filter(sound).take(PAST).collect();
        for tune in tunes.into_iter().rev() {
            let score = Arc::new(Score { abc: tune.abc, origin: tune.origin, number: number() });
            if tune.starred {
                past.starred.insert(score.number);
            }
            past.trail.push(score.number);
            past.tunes.push_front(score);
        }
        past
    }
}

/// [`Past`] in a project's file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SavedPast {
    /// The latest first.
    #[serde(default)]
    pub tunes: Vec<SavedScore>,
}

/// A tune of the list in a project's file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedScore {
    /// The whole tune in ABC notation.
    pub abc: String,
    /// Where it came from, with its seed.
    pub origin: Origin,
    /// Whether it is starred.
    #[serde(default)]
    pub starred: bool,
}
