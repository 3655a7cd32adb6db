//! Core: what an ABC tune consists of, as written and as resolved.
//!
//! A [`Tune`] has a header ([`Field`]s in the order of the file) and one or more [`Voice`]s, each a
//! row of [`Element`]s in the order they are written. An element keeps its place in the text, what
//! was written (enough to engrave it and to write it back), and what that comes to: the reader
//! fills in note values, sounding durations and alterations, so that nobody after it has to know
//! key signatures, accidentals in force, broken rhythm or tuplets. After changing what is written,
//! [`Tune::resolve`] fills them in anew.

use super::{Key, Length, Metre};
use std::fmt;
use std::ops::Range;

/// How much a [`Finding`] matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; the music is read as written.
    Note,
    /// The tune was read, but it is probably not what was meant: a bar that doesn't add up, say.
    Warning,
    /// Something was left out because it could not be read.
    Error,
}

/// Something the reader found wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// The place, in bytes of the text that was read.
    pub span: Range<usize>,
    /// What is wrong, in a few words.
    pub text: String,
    /// What to do about it; may be empty.
    pub hint: String,
}

/// What was read from a file: its tunes and what was wrong with it (ABC 2.1 §2.2).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tunebook {
    /// What follows `%abc` in the file's first line: `-2.1` (§2.1); none where it doesn't start so.
    pub version: Option<String>,
    /// The file header's fields and directives, which every tune inherits.
    pub header: Vec<Field>,
    /// The tunes in the order of the file.
    pub tunes: Vec<Tune>,
    /// Free text after the last tune, as written (§2.2.3).
    pub text_after: String,
    /// Everything found wrong, by place.
    pub findings: Vec<Finding>,
}

/// One tune: its header and its music (ABC 2.1 §2.2.1).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tune {
    /// The tune's place in the text that was read, in bytes.
    pub span: Range<usize>,
    /// Free text that stands before it in the file, as written (§2.2.3).
    pub text_before: String,
    /// The reference number, X:.
    pub reference: u32,
    /// The header's own fields and directives in order, X: and K: among them.
    pub header: Vec<Field>,
    /// What the file header passed down to this tune (it is not part of the tune's own text).
    pub inherited: Vec<Field>,
    /// The key at the start, K:.
    pub key: Key,
    /// The metre at the start, M:. Free metre where there is none.
    pub metre: Metre,
    /// The unit note length at the start in whole notes: L:, or what M: implies (§3.1.7).
    pub unit: Length,
    /// The tempo at the start, Q:.
    pub tempo: Option<Tempo>,
    /// The order in which parts are played, P: in the header (§3.1.9).
    pub parts: Option<PartOrder>,
    /// The voices in order of first mention; always at least one in a tune that was read.
    pub voices: Vec<Voice>,
}

impl Tune {
    /// The first title, T:, or an empty text.
    pub fn title(&self) -> &str {
        self.field('T').unwrap_or_default()
    }

    /// The text of the header's first field of this letter; the file header's where the tune has none.
    pub fn field(&self, letter: char) -> Option<&str> {
        let of = |fields: &'_ [Field]| fields.iter().position(|field| field.letter == letter);
        if let Some(at) = of(&self.header) {
            return Some(&self.header[at].text);
        }
        of(&self.inherited).map(|at| self.inherited[at].text.as_str())
    }
}

/// An information field (ABC 2.1 §3) or a stylesheet directive (§11).
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its place in the text, from its letter to its last byte.
    pub span: Range<usize>,
    /// The field's letter; `%` for a `%%` directive, [`Field::COMMENT`] for a comment.
    pub letter: char,
    /// What follows the colon (or the `%%`), without comment and outer white space, with
    /// continuations (`+:`) joined.
    pub text: String,
    /// Whether it stands inside a line of music: `[M:3/4]`; of a comment, whether it stands behind something else on
    /// its line.
    pub inline: bool,
    /// What it changes from here on.
    pub change: Change,
}

impl Field {
    /// The letter of what is no field but a comment: its text is what follows the `%`.
    pub const COMMENT: char = '#';

    /// Whether it is a comment.
    pub fn is_comment(&self) -> bool {
        self.letter == Self::COMMENT
    }
}

/// What a field changes.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Nothing that is engraved by rule or heard: titles, notes, sources, remarks.
    Nothing,
    /// K: the key (none where it only names a clef), and the clef and transposition (§3.1.14, §4.6).
    Key(Option<Key>, Clef),
    /// M: the metre (§3.1.6).
    Metre(Metre),
    /// L: the unit note length in whole notes (§3.1.7).
    Unit(Length),
    /// Q: the tempo (§3.1.8).
    Tempo(Tempo),
    /// P: in the body: the part that starts here (§3.1.9).
    Part(char),
    /// P: in the header: the order of the parts.
    PartOrder(PartOrder),
    /// w: lyrics under the line of music before (§5.1).
    Words,
    /// s: symbols over the line of music before (§4.15).
    Symbols,
    /// `%%MIDI`, split at white space, the word MIDI left out (`["gchord", "fzcz"]`); `%%percmap` with that word.
    Midi(Vec<String>),
}

/// A tempo, Q: (ABC 2.1 §3.1.8).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tempo {
    /// The beat: the sum of these lengths in whole notes; empty where only a text is given.
    pub beat: Vec<Length>,
    /// Beats a minute; 0 where only a text is given.
    pub beats_per_minute: f64,
    /// The text before the beat, as in `"Allegro" 1/4=120`.
    pub before: String,
    /// The text after the beat.
    pub after: String,
}

impl fmt::Display for Tempo {
    /// As Q: writes it: `1/4=120`, `"Allegro" 3/8=60`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        if !self.before.is_empty() {
            words.push(format!("\"{}\"", self.before));
        }
        if !self.beat.is_empty() {
            let beats: Vec<String> = (self.beat.iter())
                .map(|beat| format!("{}/{}", beat.numerator(), beat.denominator()))
                .collect();
            words.push(format!("{}={}", beats.join(" "), self.beats_per_minute));
        }
        if !self.after.is_empty() {
            words.push(format!("\"{}\"", self.after));
        }
        f.write_str(&words.join(" "))
    }
}

impl Tempo {
    /// Quarter notes a minute, where a beat is given.
    pub fn quarters_per_minute(&self) -> Option<f64> {
        let beat: f64 = self.beat.iter().map(|length| length.to_f64()).sum();
        (beat > 0.0 && self.beats_per_minute > 0.0).then_some(self.beats_per_minute * beat * 4.0)
    }
}

/// The order in which parts are played, such as `ABA(CD)2` (ABC 2.1 §3.1.9).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartOrder {
    /// As written.
    pub text: String,
}

/// A clef and what goes with it (ABC 2.1 §4.6). Fields left out are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clef {
    /// treble, alto, tenor, bass, perc or none, as written, with its line number and octave (`bass3`, `treble-8`).
    pub name: Option<String>,
    /// The note on the middle line, as written (`middle=d`).
    pub middle: Option<String>,
    /// `transpose=`: semitones that playback is moved by.
    pub transpose: Option<i8>,
    /// `octave=`: octaves that the notes are moved by.
    pub octave: Option<i8>,
    /// `stafflines=`.
    pub staff_lines: Option<u8>,
}

/// A voice: its properties and its music (ABC 2.1 §7).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Voice {
    /// The identifier after V:; empty for the only voice of a tune without V:.
    pub id: String,
    /// The V: fields' properties in order, as written: `name`, `subname`, `stem`, …
    pub properties: Vec<(String, String)>,
    /// The clef, where a property gives one.
    pub clef: Clef,
    /// The music as written.
    pub elements: Vec<Element>,
}

/// One thing in a line of music.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// Its place in the text that was read, in bytes, what is attached to it included.
    pub span: Range<usize>,
    /// What stands before it and belongs to it.
    pub attached: Option<Box<Attached>>,
    /// What it is.
    pub kind: ElementKind,
}

/// What an element is.
#[derive(Clone, Debug, PartialEq)]
pub enum ElementKind {
    /// A note.
    Note(Note),
    /// Notes sounding together, `[CEG]` (§4.17).
    Chord(Chord),
    /// A rest, `z` or `x` (§4.5).
    Rest(Rest),
    /// Whole bars of rest, `Z` or `X` (§4.5).
    BarsRest {
        /// How many bars.
        bars: u32,
        /// Written as `X`: nothing is drawn.
        invisible: bool,
    },
    /// `y`: room for what is attached to it, and its width in units of the typesetter (§6.1.2).
    Spacer(Length),
    /// White space between notes: the beam breaks here (§4.7).
    BeamBreak,
    /// `>`s (positive) or `<`s (negative) between the notes around it (§4.4).
    Broken(i8),
    /// The start of a tuplet `(p:q:r`: p notes in the time of q, for the next r notes (§4.13).
    Tuplet {
        /// How many notes.
        p: u16,
        /// In the time of how many; already the default where it was not written.
        q: u16,
        /// For how many notes; already the default where it was not written.
        r: u16,
    },
    /// `(` or `.(` (§4.11).
    SlurStart {
        /// Drawn dotted.
        dotted: bool,
        /// Where it is drawn: `('` and `(,`, as abcm2ps reads it (not in ABC 2.1).
        side: Option<CurveSide>,
    },
    /// `)` (§4.11).
    SlurEnd,
    /// A bar line with its repeat dots (§4.8).
    Bar(Bar),
    /// The start of a variant ending: `[1`, `|1`, `[1,3`, `[2-4`, `["last"` (§4.10).
    Ending(Ending),
    /// A field among the music, on a line of its own or inline.
    Field(Box<Field>),
    /// `&`: what follows sounds together with the music since this many bar lines back (§7.4).
    Overlay {
        /// The number of bar lines; 1 is the current bar.
        bars: u8,
    },
    /// The score's line ends here.
    LineBreak(LineBreak),
    /// Something that could not be read, kept so that it can be shown and written back.
    Unknown(Box<str>),
}

/// The side of the notes that a slur is drawn on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CurveSide {
    /// `('`
    Above,
    /// `(,`
    Below,
}

/// Why a line of the score ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LineBreak {
    /// The line of text ended.
    EndOfLine,
    /// `$` or the old `!` (§6.1.1).
    Mark,
}

/// What stands before a note, chord, rest, spacer or bar line and belongs to it (ABC 2.1 §4.20).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attached {
    /// Grace notes.
    pub grace: Option<Grace>,
    /// Chord symbols, `"Am7"` (§4.18).
    pub chord_symbols: Vec<String>,
    /// Annotations, `"^above"` (§4.19).
    pub annotations: Vec<Annotation>,
    /// Decorations by name, without their marks: `trill`, `.`, `segno`. A letter that U: has
    /// defined has its definition; others are the standard's names (§4.14, §4.16).
    pub decorations: Vec<Decoration>,
}

/// A decoration (ABC 2.1 §4.14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoration {
    /// The standard's name: `staccato`, `roll`, `fermata`, `upbow`, …, or the unknown one as written.
    pub name: String,
    /// The single letter it was written as, if it was.
    pub letter: Option<char>,
}

/// A text by a note (ABC 2.1 §4.19).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// Where it is drawn.
    pub place: AnnotationPlace,
    /// The text.
    pub text: String,
}

/// Where an annotation is drawn, by its first letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AnnotationPlace {
    /// `^`
    Above,
    /// `_`
    Below,
    /// `<`
    Left,
    /// `>`
    Right,
    /// `@`
    Free,
}

/// Grace notes, `{ga}`, or an acciaccatura, `{/g}` (ABC 2.1 §4.12).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grace {
    /// Whether a slash goes through the stem.
    pub acciaccatura: bool,
    /// The notes; a chord's notes stand in one group. Lengths count the unit note length.
    pub notes: Vec<Vec<Note>>,
}

/// One of the seven steps of the scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Step {
    C,
    D,
    E,
    F,
    G,
    A,
    B,
}

impl Step {
    /// From C to B.
    pub const ALL: [Self; 7] = [Self::C, Self::D, Self::E, Self::F, Self::G, Self::A, Self::B];

    /// Semitones above C.
    pub const fn semitones(self) -> i8 {
        [0, 2, 4, 5, 7, 9, 11][self as usize]
    }

    /// The capital letter.
    pub const fn letter(self) -> char {
        ['C', 'D', 'E', 'F', 'G', 'A', 'B'][self as usize]
    }

    /// The step of a letter, capital or small.
    pub const fn from_letter(letter: char) -> Option<Self> {
        Some(match letter.to_ascii_uppercase() {
            'C' => Self::C,
            'D' => Self::D,
            'E' => Self::E,
            'F' => Self::F,
            'G' => Self::G,
            'A' => Self::A,
            'B' => Self::B,
            _ => return None,
        })
    }
}

/// A written accidental (ABC 2.1 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Accidental {
    /// `__`
    DoubleFlat,
    /// `_`
    Flat,
    /// `=`
    Natural,
    /// `^`
    Sharp,
    /// `^^`
    DoubleSharp,
    /// `^3/4`, `_/`: `numerator / denominator` of a semitone, flat where negative, as abc2midi and
    /// abcm2ps read it (it is not in ABC 2.1).
    Microtone {
        /// Signed: flat where negative.
        numerator: i8,
        /// At least 1.
        denominator: u8,
    },
}

impl Accidental {
    /// Semitones above the natural note; a microtone is rounded to the nearest one, a quarter-tone
    /// towards the natural note.
    pub const fn semitones(self) -> i8 {
        match self {
            Self::DoubleFlat => -2,
            Self::Flat => -1,
            Self::Natural => 0,
            Self::Sharp => 1,
            Self::DoubleSharp => 2,
            Self::Microtone { .. } => {
                let cents = self.microtone_cents();
                let nearest = (cents.abs() + 49) / 100;
                (if cents < 0 { -nearest } else { nearest }) as i8
            }
        }
    }

    /// Cents (hundredths of a semitone, -50 to 50) that a microtone lies above what
    /// [`semitones`](Self::semitones) says; 0 for the others.
    pub const fn cents(self) -> i8 {
        match self {
            Self::Microtone { .. } => {
                (self.microtone_cents() - self.semitones() as i16 * 100) as i8
            }
            _ => 0,
        }
    }

    /// A microtone's cents above the natural note; 0 for the others.
    const fn microtone_cents(self) -> i16 {
        match self {
            Self::Microtone { numerator, denominator } if denominator > 0 => {
                (numerator as i32 * 100 / denominator as i32) as i16
            }
            _ => 0,
        }
    }

    /// The accidental at the start of a text, and what follows it.
    pub(crate) fn read(text: &str) -> Option<(Self, &str)> {
        if let Some(rest) = text.strip_prefix('=') {
            return Some((Self::Natural, rest));
        }
        let (sign, mark) = if text.starts_with('^') { (1, '^') } else { (-1, '_') };
        let rest = text.strip_prefix(mark)?;
        if let Some(rest) = rest.strip_prefix(mark) {
            return Some((if sign > 0 { Self::DoubleSharp } else { Self::DoubleFlat }, rest));
        }
        let number = |text: &mut &str| -> Option<u32> {
            let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            let (figures, rest) = text.split_at(end);
            *text = rest;
            (end > 0).then(|| figures.parse().unwrap_or(u32::MAX))
        };
        if rest.starts_with(|c: char| c.is_ascii_digit() || c == '/') {
            let mut rest = rest;
            let numerator = sign * number(&mut rest).unwrap_or(1).clamp(1, 12) as i8;
            let denominator = match rest.strip_prefix('/') {
                Some(after) => {
                    rest = after;
                    number(&mut rest).unwrap_or(2).clamp(1, 100) as u8
                }
                None => 1,
            };
            return Some((Self::Microtone { numerator, denominator }, rest));
        }
        Some((if sign > 0 { Self::Sharp } else { Self::Flat }, rest))
    }

    /// The plain accidental of so many semitones, from -2 to 2.
    pub const fn from_semitones(semitones: i8) -> Option<Self> {
        Some(match semitones {
            -2 => Self::DoubleFlat,
            -1 => Self::Flat,
            0 => Self::Natural,
            1 => Self::Sharp,
            2 => Self::DoubleSharp,
            _ => return None,
        })
    }
}

impl fmt::Display for Accidental {
    /// As ABC writes it: `^`, `__`, `^3/4`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::DoubleFlat => f.write_str("__"),
            Self::Flat => f.write_str("_"),
            Self::Natural => f.write_str("="),
            Self::Sharp => f.write_str("^"),
            Self::DoubleSharp => f.write_str("^^"),
            Self::Microtone { numerator, denominator } => {
                let sign = if numerator < 0 { '_' } else { '^' };
                let numerator = numerator.unsigned_abs();
                match (numerator, denominator) {
                    (1, 2) => write!(f, "{sign}/"),
                    (_, 1) => write!(f, "{sign}{numerator}"),
                    _ => write!(f, "{sign}{numerator}/{denominator}"),
                }
            }
        }
    }
}

/// A written pitch (ABC 2.1 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pitch {
    /// The step of the scale.
    pub step: Step,
    /// The octave: 4 for `C` (middle C, as in scientific pitch notation), 5 for `c`, 3 for `C,`.
    pub octave: i8,
    /// The accidental in front of the note, if any.
    pub accidental: Option<Accidental>,
}

impl Pitch {
    /// Steps above middle C, for its place on the staff.
    pub const fn staff_step(self) -> i16 {
        (self.octave as i16 - 4) * 7 + self.step as i16
    }
}

/// A tie after a note (ABC 2.1 §4.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tie {
    /// `-`
    Solid,
    /// `.-`
    Dotted,
}

/// A note: what is written, and what it comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Note {
    /// The written pitch.
    pub pitch: Pitch,
    /// The written length in unit note lengths (`A3/2` is 3/2).
    pub length: Length,
    /// The tie to the next note of this pitch.
    pub tie: Option<Tie>,
    /// Resolved: semitones above the natural note in force here: its own accidental, an earlier one
    /// in the bar or one tied over, or the key signature's.
    pub alteration: i8,
    /// Resolved: cents (hundredths of a semitone, -50 to 50) above that, where a microtone is in force.
    pub cents: i8,
    /// Resolved: the note's value in whole notes as it is engraved: with broken rhythm, without tuplets.
    pub value: Length,
    /// Resolved: how long it lasts in whole notes, tuplets included.
    pub duration: Length,
}

impl Note {
    /// The MIDI key that is written here (60 is middle C) before any transposition, 0 to 127.
    pub fn key(&self) -> u8 {
        let key = (i16::from(self.pitch.octave) + 1) * 12
            + i16::from(self.pitch.step.semitones())
            + i16::from(self.alteration);
        key.clamp(0, 127) as u8
    }
}

/// Notes sounding together (ABC 2.1 §4.17).
#[derive(Clone, Debug, PartialEq)]
pub struct Chord {
    /// The notes with their own written lengths; the chord's length multiplies them.
    pub notes: Vec<Note>,
    /// What is written after the bracket, in unit note lengths; 1 where nothing is.
    pub length: Length,
    /// A tie after the bracket: of every note.
    pub tie: Option<Tie>,
    /// Resolved: the first note's value in whole notes as engraved; the music goes on after it.
    pub value: Length,
    /// Resolved: how far the music goes on, in whole notes, tuplets included.
    pub duration: Length,
}

/// A rest (ABC 2.1 §4.5).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rest {
    /// Written as `x`: nothing is drawn.
    pub invisible: bool,
    /// The written length in unit note lengths.
    pub length: Length,
    /// Resolved: its value in whole notes as engraved, with broken rhythm, without tuplets.
    pub value: Length,
    /// Resolved: how long it lasts in whole notes, tuplets included.
    pub duration: Length,
}

/// The strokes of a bar line (ABC 2.1 §4.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BarLine {
    /// `|`
    Thin,
    /// `||`
    ThinThin,
    /// `|]`
    ThinThick,
    /// `[|`
    ThickThin,
    /// `.|`
    Dotted,
    /// `[|]`, `[]`
    Invisible,
    /// `::` and `:||:`: both repeats, thin-thick-thin where engraved.
    Repeats,
}

/// A bar line with its repeat dots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bar {
    /// Its strokes.
    pub line: BarLine,
    /// Colons before the line: one ends a section played twice, two three times, …; 0 for none.
    pub repeat_end: u8,
    /// Colons after the line: a repeated section starts; their number is as many plays as for the end.
    pub repeat_start: u8,
}

/// The start of a variant ending (ABC 2.1 §4.10).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// The passes it is played on, as ranges, first and last: `1,3-5` is `[(1, 1), (3, 5)]`; empty for a text.
    pub passes: Vec<(u16, u16)>,
    /// The text of `["text"`, or an empty one.
    pub text: String,
    /// A tie at its start, `|1 -d`: its first notes go on with those before it, in this ending alone. The standard
    /// has no place for one there (§4.11).
    pub tied: bool,
}

impl Ending {
    /// Whether the ending is played on this pass, from 1.
    pub fn plays_on(&self, pass: u16) -> bool {
        self.passes.iter().any(|&(first, last)| (first..=last).contains(&pass))
    }
}
