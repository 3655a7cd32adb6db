//! Core: whether four bars have been heard before.
//!
//! A stretch is four bars in a row: onsets, lengths and the intervals between its notes, so that a transposed copy is
//! the same stretch. Pickups are no bars. The network's file holds a 32-bit hash of every stretch of the
//! training tunes; two in a million unknown stretches are taken for known ones.

use super::context::{Context, Place};
use super::plain::PlainKey;

/// Bars of a stretch.
pub const STRETCH: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Note {
    /// From the bar's line, and sounding, in 24ths of the unit note length: a reel in 2/4 and in 4/4 is one tune.
    start: i32,
    length: i32,
    /// In semitones from any fixed pitch.
    pitch: i32,
}

/// The melody of a text, bar by bar as it is written.
#[derive(Debug, Clone, Default)]
pub struct Melody {
    bars: Vec<Vec<Note>>,
    current: Vec<Note>,
    accidental: Option<i32>,
    /// The step that the accidental before the note being written touches, once its octave is known.
    pending: Option<(i8, i32)>,
    /// What accidentals in this bar did to the steps that they touched.
    altered: Vec<(i8, i32)>,
}

impl Melody {
    /// Takes the character that `context` has just read.
    pub fn push(&mut self, character: u8, context: &Context) {
        let Some(key) = context.key else { return };
        match context.place {
            Place::Accidental => {
                self.accidental = Some(match character {
                    b'^' => 1,
                    b'_' => -1,
                    _ => 0,
                });
            }
            Place::Letter => {
                if let Some((step, change)) = self.pending.take() {
                    self.altered.retain(|(touched, _)| *touched != step);
                    self.altered.push((step, change));
                }
                if !context.has_accidental {
                    self.accidental = None;
                }
                let start = context.note_start;
                self.current.push(Note { start, length: 0, pitch: 0 });
            }
            Place::Line | Place::Colon if !self.current.is_empty() => {
                let bar = std::mem::take(&mut self.current);
                self.altered.clear();
                self.pending = None;
                if !context.ended_pickup {
                    self.bars.push(bar);
                }
                return;
            }
            Place::Mark | Place::Length(_) | Place::Broken if !context.is_rest => {}
            _ => return,
        }
        if context.place == Place::Accidental {
            return;
        }
        let pitch = self.pitch(context.step, key);
        if let Some(note) = self.current.last_mut() {
            note.length = (context.position - context.note_start).max(0);
            note.pitch = pitch;
        }
        if context.place == Place::Broken
            && let Some(note) = self.current.last_mut()
        {
            note.length = context.written;
        }
    }

    fn pitch(&mut self, step: i8, key: PlainKey) -> i32 {
        const SEMITONES: [i32; 7] = [0, 2, 4, 5, 7, 9, 11];
        let letter = step.rem_euclid(7) as u8;
        let alteration = match self.accidental {
            Some(change) => {
                self.pending = Some((step, change));
                change
            }
            None => self
                .altered
                .iter()
                .find(|(touched, _)| *touched == step)
                .map_or(i32::from(key.alteration(letter)), |(_, change)| *change),
        };
        12 * i32::from(step.div_euclid(7)) + SEMITONES[usize::from(letter)] + alteration
    }

    /// The hash of the last four whole bars.
    pub fn last_stretch(&self) -> Option<u32> {
        self.bars.len().checked_sub(STRETCH).and_then(|start| hash(&self.bars[start..]))
    }

    /// Whether a bar, counted from 0, is the same as one before it.
    pub fn came_before(&self, bar: usize) -> bool {
        self.bars.get(bar).is_some_and(|here| self.bars[..bar].contains(here))
    }

    /// How many bars have been finished.
    pub fn bars(&self) -> usize {
        self.bars.len()
    }
}

fn hash(bars: &[Vec<Note>]) -> Option<u32> {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut mix =
        |value: i32| hash = (hash ^ u64::from(value as u32)).wrapping_mul(0x100_0000_01b3);
    let mut last = None;
    for bar in bars {
        mix(-1);
        for note in bar {
            mix(note.start);
            mix(note.length);
            mix(note.pitch - last.unwrap_or(note.pitch) + 1000);
            last = Some(note.pitch);
        }
    }
    last.map(|_| (hash ^ hash >> 32) as u32)
}

/// The stretches of a tune in plain form, in its order.
pub fn stretches(text: &str) -> Vec<u32> {
    let mut context = Context::new();
    let mut melody = Melody::default();
    let mut found = Vec::new();
    for character in text.bytes() {
        context.push(character);
        let before = melody.bars();
        melody.push(character, &context);
        if melody.bars() > before {
            found.extend(melody.last_stretch());
        }
    }
    found
}

/// Sorted stretches of many tunes, each once.
pub fn index<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<u32> {
    let mut index: Vec<u32> = texts.into_iter().flat_map(stretches).collect();
    index.sort_unstable();
    index.dedup();
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    const IN_D: &str =
        "R:reel\nM:4/4\nL:1/8\nK:D\nA2|d2fd Adfd|^g2bg =cAGE|F2AF G>ABc|(3dcB AG F2D2|D8|]";
    const IN_G: &str =
        "R:reel\nM:4/4\nL:1/8\nK:G\nd2|g2bg dgbg|^c'2e'c' =fdcA|B2dB c>def|(3gfe dc B2G2|G8|]";

    #[test]
    fn a_transposed_copy_has_the_same_stretches() {
        assert_eq!(stretches(IN_D).len(), 2);
        assert_eq!(stretches(IN_D), stretches(IN_G));
    }

    #[test]
    fn another_note_makes_another_stretch() {
        let other = IN_D.replace("=cAGE", "=cAFE");
        assert_ne!(stretches(IN_D)[0], stretches(&other)[0]);
        let other = IN_D.replace("G>ABc", "GABc");
        assert_ne!(stretches(IN_D)[0], stretches(&other)[0]);
    }

    #[test]
    fn a_reel_written_in_two_four_is_the_same_reel() {
        let doubled = IN_D.replace("M:4/4\nL:1/8", "M:2/4\nL:1/16");
        assert_eq!(stretches(IN_D), stretches(&doubled));
    }
}
