//! Interface: the last tunes of an instance, with their seeds and stars; a project keeps them.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::shared::{LONGEST_TUNE, Origin, PAST, Score, schedule};

/// The most that all tunes of a project's list take together, in bytes of ABC; older ones are left out.
const LONGEST_LIST: usize = 1 << 20;
/// The most stars that are given: the list may grow by so many beyond the usual.
const STARS: usize = 200;
/// How many steps an undo goes back at most.
const LONGEST_TRAIL: usize = 200;

/// The tunes that lay on the desk, the latest first, the present one among them. Each is kept as it was: only typing
/// on takes the place of what was typed before. A starred one is never pushed out and never replaced.
#[derive(Clone, Debug, Default)]
pub struct Past {
    tunes: VecDeque<Arc<Score>>,
    starred: HashSet<u64>,
    /// Numbers of tunes that were on the desk, in order, for undo.
    trail: Vec<u64>,
    /// Numbers of tunes that undo went back from, for redo.
    ahead: Vec<u64>,
}

/// How a tune came to the desk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// By itself: written, opened, pasted, picked, restored.
    Anew,
    /// It is the tune with this number, typed on.
    TypedOn(u64),
    /// By an undo or a redo.
    Steps,
}

impl Past {
    /// Notes what lies on the desk.
    pub(super) fn note(&mut self, tune: &Arc<Score>, arrival: Arrival) {
        if arrival != Arrival::Steps {
            self.ahead.clear();
        }
        if let Arrival::TypedOn(before) = arrival
            && !self.starred.contains(&before)
        {
            self.tunes.retain(|known| known.number != before);
            self.trail.retain(|&number| number != before);
        }
        // A text that is in the list already comes to its top.
        if let Some(index) = self.tunes.iter().position(|known| known.abc == tune.abc)
            && let Some(known) = self.tunes.remove(index)
        {
            if self.starred.remove(&known.number) {
                self.starred.insert(tune.number);
            }
            for number in self.trail.iter_mut().chain(&mut self.ahead) {
                if *number == known.number {
                    *number = tune.number;
                }
            }
        }
        self.tunes.push_front(tune.clone());
        if self.trail.last() != Some(&tune.number) {
            self.trail.push(tune.number);
        }
        if self.trail.len() > LONGEST_TRAIL {
            self.trail.remove(0);
        }
        self.shorten();
    }

    /// Keeps a tune that does not lie on the desk: below the one that does.
    pub(super) fn keep(&mut self, tune: Arc<Score>) {
        if !self.tunes.iter().any(|known| known.abc == tune.abc) {
            self.tunes.insert(self.tunes.len().min(1), tune);
            self.shorten();
        }
    }

    /// Leaves the oldest out that have no star and are not the present one.
    fn shorten(&mut self) {
        while self.tunes.len() > PAST {
            let spare = self.tunes.iter().rposition(|tune| !self.starred.contains(&tune.number));
            match spare {
                Some(spare) if spare > 0 => self.tunes.remove(spare),
                _ => return,
            };
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

    /// Stars a tune, or takes its star away. Gives no star beyond as many as the list keeps.
    pub(super) fn star(&mut self, number: u64) {
        if !self.starred.remove(&number)
            && self.starred.len() < STARS
            && self.tunes.iter().any(|tune| tune.number == number)
        {
            self.starred.insert(number);
        }
    }

    /// Goes back to the tune before the present one.
    pub(super) fn undo(&mut self) -> Option<Arc<Score>> {
        let present = self.trail.pop()?;
        while let Some(before) = self.trail.pop() {
            // One that the list has no place for any more is passed over.
            if let Some(tune) = self.tunes.iter().find(|tune| tune.number == before) {
                self.ahead.push(present);
                return Some(tune.clone());
            }
        }
        self.trail.push(present);
        None
    }

    /// Goes forth again to the tune that undo last went back from.
    pub(super) fn redo(&mut self) -> Option<Arc<Score>> {
        while let Some(ahead) = self.ahead.pop() {
            if let Some(tune) = self.tunes.iter().find(|tune| tune.number == ahead) {
                return Some(tune.clone());
            }
        }
        None
    }

    /// Whether there is something to go back to.
    pub fn can_undo(&self) -> bool {
        self.trail.len() > 1
    }

    /// Whether there is something to go forth to.
    pub fn can_redo(&self) -> bool {
        !self.ahead.is_empty()
    }

    /// Where a tune with this text came from, if it is known.
    pub(super) fn origin(&self, abc: &str) -> Option<Origin> {
        self.tunes.iter().find(|tune| tune.abc == abc).map(|tune| tune.origin)
    }

    /// As a project keeps it: the starred ones first where there is no room for all.
    pub(super) fn saved(&self) -> SavedPast {
        let mut bytes = 0;
        let mut fits = |tune: &Score| {
            bytes += tune.abc.len();
            bytes <= LONGEST_LIST
        };
        let (starred, others): (Vec<_>, Vec<_>) =
            self.tunes.iter().partition(|tune| self.is_starred(tune.number));
        let kept: HashSet<u64> = starred
            .into_iter()
            .chain(others)
            .take_while(|tune| fits(tune))
            .map(|tune| tune.number)
            .collect();
        let tunes = self.tunes.iter().filter(|tune| kept.contains(&tune.number));
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
        let tunes = saved.tunes.into_iter().take(PAST + STARS).filter(sound);
        let tunes: Vec<SavedScore> = tunes.collect();
        for tune in tunes.into_iter().rev() {
            let score = Arc::new(Score { abc: tune.abc, origin: tune.origin, number: number() });
            if tune.starred && past.starred.len() < STARS {
                past.starred.insert(score.number);
            }
            past.trail.push(score.number);
            past.tunes.push_front(score);
        }
        past.shorten();
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
