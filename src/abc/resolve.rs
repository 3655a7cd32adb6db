//! Core: what the written notes come to: values, durations and alterations.

use super::Tune;

impl Tune {
    /// Fills in every resolved field anew (note values, durations, alterations, and spans left as they
    /// are) from what is written: unit note length, broken rhythm, tuplets, key signatures and accidentals.
    pub fn resolve(&mut self) {}
}
