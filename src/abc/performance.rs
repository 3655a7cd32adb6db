//! Core: a tune as it is played: notes in ticks, repeats and parts unfolded. [`perform`](super::perform) makes it.

use super::Key;
use super::model::Finding;
use std::ops::Range;

/// Ticks in a quarter note, as abc2midi has.
pub const PPQ: u32 = 480;

/// The longest a performance may be, in ticks; the rest is cut and said in its findings.
pub const MOST_TICKS: u32 = 1 << 27;

/// The most notes a performance may have; the rest is cut and said in its findings.
pub const MOST_NOTES: usize = 1 << 18;

/// The most tempos, metres, keys, bars, instruments and chord symbols, of each kind; the rest is cut and
/// said in the findings.
pub const MOST_CHANGES: usize = 1 << 16;

/// General MIDI's channel of percussion, counted from 0.
pub const PERCUSSION: u8 = 9;

/// What is played beside the written notes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerformOptions {
    /// What accompanies: bass and chords from the chord symbols and drones, on channels of their own, and drums,
    /// on that of percussion.
    pub accompaniment: bool,
    /// Grace notes.
    pub grace_notes: bool,
    /// What decorations do to what is heard: trills, rolls, staccato, dynamics, fermatas.
    pub decorations: bool,
}

impl PerformOptions {
    /// The written notes alone: no accompaniment, no grace notes, no decorations.
    pub const fn melody_only() -> Self {
        Self { accompaniment: false, grace_notes: false, decorations: false }
    }
}

impl Default for PerformOptions {
    /// Everything.
    fn default() -> Self {
        Self { accompaniment: true, grace_notes: true, decorations: true }
    }
}

/// A tune in time. Times count ticks from its start, [`PPQ`] a quarter note.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Performance {
    /// The tune's title, or an empty text.
    pub title: String,
    /// The notes, by start, then channel, then key.
    pub notes: Vec<Note>,
    /// Tempos by start; the first at 0.
    pub tempos: Vec<Tempo>,
    /// Metres by start; the first at 0 unless the metre is free.
    pub metres: Vec<Metre>,
    /// Keys by start; the first at 0.
    pub keys: Vec<KeyStart>,
    /// Where bars start, by start, in the first voice.
    pub bars: Vec<BarStart>,
    /// Instruments by start.
    pub programs: Vec<Program>,
    /// Controllers by start: `%%MIDI control`.
    pub controls: Vec<Control>,
    /// Pitch bends by start; a channel that has none is not bent.
    pub bends: Vec<Bend>,
    /// Chord symbols by start, as they come by in the first voice.
    pub chords: Vec<ChordStart>,
    /// Syllables by start, then voice.
    pub lyrics: Vec<Lyric>,
    /// What voices are called, by their index; an empty text, or none, for one without a name.
    pub voice_names: Vec<String>,
    /// Where the last note or rest ends.
    pub end: u32,
    /// What was cut or could not be played as written; places are those of the tune's text.
    pub findings: Vec<Finding>,
}

/// A note that is played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// When it starts, in ticks.
    pub start: u32,
    /// How long it lasts, in ticks; at least 1.
    pub duration: u32,
    /// The MIDI key, 0 to 127; 60 is middle C.
    pub key: u8,
    /// The MIDI velocity, 1 to 127.
    pub velocity: u8,
    /// The MIDI channel, 0 to 15.
    pub channel: u8,
    /// The index of the voice; for the accompaniment, the voice whose chord symbols it follows.
    pub voice: u16,
    /// Whether it belongs to the accompaniment.
    pub accompaniment: bool,
    /// The place in the text it was written at, in bytes; the first of notes that are tied. Chord symbols'
    /// own place for the accompaniment.
    pub span: Range<usize>,
}

/// A tempo from a time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tempo {
    /// When, in ticks.
    pub start: u32,
    /// Microseconds a quarter note (500,000 is 120 a minute), at least 1. MIDI files have 24 bits for it, which
    /// end at 3.58 quarter notes a minute; slower ones are kept here.
    pub microseconds_per_quarter: u32,
}

/// A metre from a time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metre {
    /// When, in ticks.
    pub start: u32,
    /// The upper number.
    pub numerator: u16,
    /// The lower number.
    pub denominator: u16,
}

/// A key from a time on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStart {
    /// When, in ticks.
    pub start: u32,
    /// The key.
    pub key: Key,
}

/// The start of a bar as it is played (a bar that is repeated starts once for each play).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BarStart {
    /// When, in ticks.
    pub start: u32,
    /// The bar's place in the text, in bytes: from its first element to its bar line.
    pub span: Range<usize>,
}

/// An instrument from a time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    /// When, in ticks.
    pub start: u32,
    /// The MIDI channel, 0 to 15.
    pub channel: u8,
    /// The General MIDI program, 0 to 127.
    pub program: u8,
}

/// A controller's value from a time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// When, in ticks.
    pub start: u32,
    /// The MIDI channel, 0 to 15.
    pub channel: u8,
    /// The controller, 0 to 127; 7 is the volume.
    pub controller: u8,
    /// Its value, 0 to 127.
    pub value: u8,
}

/// How far a channel's notes are bent from a time on: microtones, for which MIDI has no keys. Notes that sound
/// together in one voice share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bend {
    /// When, in ticks.
    pub start: u32,
    /// The MIDI channel, 0 to 15.
    pub channel: u8,
    /// Cents (hundredths of a semitone) above the notes' keys: of a tune that is performed -50 to 50, of a MIDI file
    /// what it says.
    pub cents: i16,
}

/// A syllable that is sung.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lyric {
    /// When its note starts, in ticks.
    pub start: u32,
    /// The voice that sings it, as a note's.
    pub voice: u16,
    /// The syllable; with `-` at its end where the word goes on.
    pub text: String,
}

/// A chord symbol from a time on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChordStart {
    /// When, in ticks.
    pub start: u32,
    /// The symbol as written, `Am7`.
    pub symbol: String,
    /// The place of the note it stands on, in bytes.
    pub span: Range<usize>,
}
