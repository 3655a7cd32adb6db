//! Core: exact time.

use super::Length;
use super::performance::PPQ;

/// Exact time since the start: whole ticks and a fraction of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Clock {
    pub(super) ticks: u64,
    /// Of a tick; below the denominator.
    numerator: u64,
    denominator: u64,
}

impl Clock {
    pub(super) const START: Self = Self { ticks: 0, numerator: 0, denominator: 1 };

    /// Moves on by a length in whole notes, so many times.
    pub(super) fn advance(&mut self, length: Length, times: u32) {
        let lower = u64::from(length.denominator());
        let total = u128::from(length.numerator()) * u128::from(4 * PPQ) * u128::from(times);
        self.ticks =
            self.ticks.saturating_add(u64::try_from(total / u128::from(lower)).unwrap_or(u64::MAX));
        let rest = (total % u128::from(lower)) as u64;
        if rest == 0 {
            return;
        }
        let numerator = u128::from(self.numerator) * u128::from(lower)
            + u128::from(rest) * u128::from(self.denominator);
        let denominator = u128::from(self.denominator) * u128::from(lower);
        let (mut a, mut b) = (numerator, denominator);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        let (numerator, denominator) = (numerator / a, denominator / a);
        self.ticks = self.ticks.saturating_add((numerator / denominator) as u64);
        let numerator = numerator % denominator;
        if denominator > u128::from(u32::MAX) {
            // Finer than can be kept: the part of a tick is dropped.
            (self.numerator, self.denominator) = (0, 1);
        } else {
            (self.numerator, self.denominator) = (numerator as u64, denominator as u64);
        }
    }

    pub(super) fn whole(self) -> u32 {
        self.ticks.min(u64::from(u32::MAX)) as u32
    }
}
