//! Core: silence in a recording, which belongs to no music.

use earworm_spectrum::{BANDS, COLUMN_SECONDS, Column};

/// Columns that must all be quiet for silence, 1 s.
pub(super) const QUIET: usize = (1.0 / COLUMN_SECONDS) as usize;
/// A column whose loudest mel band stays under this is silent, dB; a sine at -80 dBFS reaches about
/// this value, and so does music some 75 dB below full scale.
const SILENCE: f32 = -50.0;

/// Whether a column of mel bands, dB, is silent.
pub(super) fn is_silent(column: &[f32; BANDS]) -> bool {
    column.iter().all(|&value| value < SILENCE)
}

/// Leaves out what is silent for a second or longer; a shorter rest is part of the music around it.
#[derive(Default)]
pub struct Gate {
    /// Silent columns that are held back, or those that were handed out last.
    held: Vec<Column>,
    handed_out: bool,
    quiet: usize,
}

impl Gate {
    /// Takes a recording's next column; returns the columns that are sound now: none, or this one and the
    /// rest before it.
    pub fn pass(&mut self, column: Column) -> &[Column] {
        if std::mem::take(&mut self.handed_out) {
            self.held.clear();
        }
        if is_silent(&column.bands) {
            self.quiet += 1;
            if self.quiet < QUIET {
                self.held.push(column);
            }
            return &[];
        }
        if self.quiet >= QUIET {
            self.held.clear();
        }
        self.quiet = 0;
        self.handed_out = true;
        self.held.push(column);
        &self.held
    }

    /// Silent columns since the last one with sound.
    pub fn quiet(&self) -> usize {
        self.quiet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_silence_is_left_out_and_a_shorter_rest_is_not() {
        let silence = Column::SILENT;
        let sound = Column { bands: [0.0; BANDS], ..silence };
        for (rest, kept) in [(1, 1), (QUIET - 1, QUIET - 1), (QUIET, 0), (3 * QUIET, 0)] {
            let mut gate = Gate::default();
            let columns =
                [vec![silence; 2 * QUIET], vec![sound; 5], vec![silence; rest], vec![sound; 5]];
            let passed: usize =
                columns.concat().into_iter().map(|column| gate.pass(column).len()).sum();
            assert_eq!(passed, 10 + kept, "a rest of {rest} columns");
        }
    }
}
