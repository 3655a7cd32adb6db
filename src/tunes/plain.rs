//! Core: the plain form, the one spelling of a tune that the network reads and writes.
//!
//! ```text
//! R:reel
//! M:4/4
//! L:1/8
//! K:Edor
//! D2|EBBA B2EB|B2AB dBAG|...|EBBA G2:|]
//! ```
//!
//! Four fields in this order, then the body on one line. What is in it: notes with their accidentals,
//! lengths and ties across and within bars, rests, triplets of three equal notes, broken rhythm (only `>` and
//! `<` between notes of one unit), chord symbols (root, and `m`, `7`, `m7` or `dim`), bar lines, repeats,
//! first and second endings. A blank stands before each note that begins on a beat. A repeated section begins
//! with `|:` unless it is the first; a tune ends in `|]` or `:|]`. What is left out: titles, credits, words,
//! grace notes, decorations, slurs, beaming as the transcriber had it, all but the highest note of a chord.
//! Common and cut time are written 4/4. The unit is an eighth note, or a sixteenth in tunes that move in those.

use std::fmt::{self, Write as _};

use super::alphabet::{LETTERS, staff_letter};

/// Ticks of a unit note length (L:) in the plain form: halves, quarters and triplets of it are whole ticks.
pub const UNIT: i32 = 24;

/// The lowest note on the staff that a tune may hold, in steps above middle C: G below it, the violin's open string.
pub const LOWEST: i8 = -3;
/// The highest: e''' (`e'`), the violin's third position.
pub const HIGHEST: i8 = 16;

/// The written lengths with their ticks, in the order in which the writer prefers them.
pub const LENGTHS: [(&str, i32); 20] = [
    ("", 24),
    ("2", 48),
    ("3", 72),
    ("4", 96),
    ("5", 120),
    ("6", 144),
    ("7", 168),
    ("8", 192),
    ("9", 216),
    ("10", 240),
    ("12", 288),
    ("16", 384),
    ("/", 12),
    ("3/", 36),
    ("5/", 60),
    ("7/", 84),
    ("/4", 6),
    ("3/4", 18),
    ("/8", 3),
    ("9/", 108),
];

/// The modes that tunes use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Mode {
    Major,
    Minor,
    Dorian,
    Mixolydian,
    Phrygian,
    Lydian,
    Locrian,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 7] = [
        Self::Major,
        Self::Minor,
        Self::Dorian,
        Self::Mixolydian,
        Self::Phrygian,
        Self::Lydian,
        Self::Locrian,
    ];

    /// As the plain form writes it after the tonic.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Major => "",
            Self::Minor => "m",
            Self::Dorian => "dor",
            Self::Mixolydian => "mix",
            Self::Phrygian => "phr",
            Self::Lydian => "lyd",
            Self::Locrian => "loc",
        }
    }

    /// Sharps of its signature on C.
    fn fifths(self) -> i8 {
        match self {
            Self::Major => 0,
            Self::Minor => -3,
            Self::Dorian => -2,
            Self::Mixolydian => -1,
            Self::Phrygian => -4,
            Self::Lydian => 1,
            Self::Locrian => -5,
        }
    }
}

/// A key: tonic and mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PlainKey {
    /// The tonic's letter, 0 for C to 6 for B.
    pub letter: u8,
    /// The tonic's accidental, -1 to 1.
    pub accidental: i8,
    /// The mode on it.
    pub mode: Mode,
}

impl PlainKey {
    /// Reads `D`, `Bb`, `F#m`, `E dorian`, `Amix`; anything after that (explicit accidentals, clefs) is not read.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let first = *text.as_bytes().first()?;
        if !first.is_ascii_uppercase() {
            return None;
        }
        let letter = staff_letter(first)?;
        let (accidental, rest) = match text.as_bytes().get(1) {
            Some(b'#') => (1, &text[2..]),
            Some(b'b') => (-1, &text[2..]),
            _ => (0, &text[1..]),
        };
        let word: String = rest
            .trim_start()
            .chars()
            .take_while(|c| c.is_ascii_alphabetic())
            .take(3)
            .collect::<String>()
            .to_ascii_lowercase();
        let mode = match word.as_str() {
            "" | "maj" | "ion" | "cle" => Mode::Major,
            "m" | "min" | "aeo" | "mi" => Mode::Minor,
            "dor" => Mode::Dorian,
            "mix" => Mode::Mixolydian,
            "phr" => Mode::Phrygian,
            "lyd" => Mode::Lydian,
            "loc" => Mode::Locrian,
            _ if rest.starts_with(char::is_whitespace) => Mode::Major,
            _ => return None,
        };
        Some(Self { letter, accidental, mode }).filter(|key| key.fifths().abs() <= 7)
    }

    /// Sharps (positive) or flats (negative) of the signature.
    pub fn fifths(self) -> i8 {
        const OF_LETTER: [i8; 7] = [0, 2, 4, -1, 1, 3, 5];
        OF_LETTER[usize::from(self.letter)] + 7 * self.accidental + self.mode.fifths()
    }

    /// What the signature does to a letter (0 for C to 6 for B): -1, 0 or 1.
    pub fn alteration(self, letter: u8) -> i8 {
        const ORDER: [i8; 7] = [1, 3, 5, 0, 2, 4, 6]; // of C D E F G A B among F C G D A E B
        let place = ORDER[usize::from(letter)];
        let fifths = self.fifths();
        i8::from(fifths > place) - i8::from(-fifths > 6 - place)
    }
}

impl fmt::Display for PlainKey {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_char(char::from(LETTERS[usize::from(self.letter)]))?;
        match self.accidental {
            1 => f.write_char('#')?,
            -1 => f.write_char('b')?,
            _ => {}
        }
        f.write_str(self.mode.suffix())
    }
}

/// A bar line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bar {
    /// `|`
    Plain,
    /// `||`
    Double,
    /// `|:`
    Start,
    /// `:|`
    End,
    /// `::`
    EndStart,
    /// `|1`
    First,
    /// `:|2`
    Second,
    /// `|]`
    Final,
    /// `:|]`
    EndFinal,
}

impl Bar {
    /// As the plain form writes it.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Plain => "|",
            Self::Double => "||",
            Self::Start => "|:",
            Self::End => ":|",
            Self::EndStart => "::",
            Self::First => "|1 ",
            Self::Second => ":|2 ",
            Self::Final => "|]",
            Self::EndFinal => ":|]",
        }
    }

    /// Whether a section ends or begins here, so that the bar may be shared with a pickup.
    pub fn is_boundary(self) -> bool {
        !matches!(self, Self::Plain | Self::First)
    }
}

/// What a body is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Element {
    /// A note.
    Note {
        /// Staff steps above middle C.
        step: i8,
        /// The accidental before it, -1 to 1.
        accidental: Option<i8>,
        /// Written length.
        ticks: i32,
        /// 1, 2 or 3 in a triplet, else 0.
        triplet: u8,
        /// Whether it is held into the next.
        tie: bool,
    },
    /// A rest.
    Rest {
        /// Written length.
        ticks: i32,
        /// 1, 2 or 3 in a triplet, else 0.
        triplet: u8,
    },
    /// A chord symbol above the next note.
    Chord {
        /// The root's letter, 0 for C to 6 for B.
        letter: u8,
        /// The root's accidental.
        accidental: i8,
        /// `m`, `7`, `m7`, `dim` or nothing for a major triad.
        quality: &'static str,
    },
    /// A bar line.
    Bar(Bar),
}

/// A tune in the plain form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainTune {
    /// The dance, as `R:` names it.
    pub rhythm: String,
    /// Beats and their unit: 6 and 8.
    pub metre: (u8, u8),
    /// The unit note length's denominator: 8 or 16.
    pub unit: u8,
    /// Tonic and mode.
    pub key: PlainKey,
    /// The body, its last element a final bar line.
    pub elements: Vec<Element>,
}

/// Ticks of a bar of `metre` with the unit 1/`unit`.
pub fn bar_ticks(metre: (u8, u8), unit: u8) -> i32 {
    i32::from(metre.0) * i32::from(unit) * UNIT / i32::from(metre.1)
}

/// Ticks between two beats, as notes are beamed: a dotted quarter in compound metres, a half bar in 4/4, else a quarter.
pub fn beat_ticks(metre: (u8, u8), unit: u8) -> i32 {
    let eighth = i32::from(unit) * UNIT / 8;
    match metre {
        (beats, 8) if beats % 3 == 0 => 3 * eighth,
        (4, 4) => 4 * eighth,
        _ => 2 * eighth,
    }
}

impl PlainTune {
    /// The text, without a line's end at its end.
    pub fn text(&self) -> String {
        let mut text = format!(
            "R:{}\nM:{}/{}\nL:1/{}\nK:{}\n",
            self.rhythm, self.metre.0, self.metre.1, self.unit, self.key
        );
        self.write_body(&mut text);
        text
    }

    /// The body alone.
    pub(super) fn write_body(&self, text: &mut String) {
        let beat = beat_ticks(self.metre, self.unit);
        let (mut position, mut blank_done) = (0, true);
        let mut broken = None; // the sign that the last note took, so that the next gives or takes half
        for (index, element) in self.elements.iter().enumerate() {
            let in_triplet = matches!(
                element,
                Element::Note { triplet: 2.., .. } | Element::Rest { triplet: 2.., .. }
            );
            if !matches!(element, Element::Bar(_))
                && !blank_done
                && !in_triplet
                && position % beat == 0
                && broken.is_none()
            {
                text.push(' ');
            }
            match element {
                Element::Chord { letter, accidental, quality } => {
                    text.push('"');
                    text.push(char::from(LETTERS[usize::from(*letter)]));
                    text.push_str(match accidental {
                        1 => "#",
                        -1 => "b",
                        _ => "",
                    });
                    text.push_str(quality);
                    text.push('"');
                    // The blank, if any, stood before the chord symbol.
                    blank_done = true;
                    continue;
                }
                Element::Bar(bar) => {
                    text.push_str(bar.text());
                    position = 0;
                    blank_done = true;
                    continue;
                }
                Element::Note { step, accidental, ticks, triplet, tie } => {
                    if *triplet == 1 {
                        text.push_str("(3");
                    }
                    match accidental {
                        Some(1) => text.push('^'),
                        Some(-1) => text.push('_'),
                        Some(_) => text.push('='),
                        None => {}
                    }
                    push_step(text, *step);
                    if broken.take().is_none() {
                        let next = self.elements.get(index + 1);
                        let pair = match next {
                            Some(Element::Note { ticks: next, triplet: 0, .. })
                                if *triplet == 0 && !*tie =>
                            {
                                (*ticks, *next)
                            }
                            _ => (0, 0),
                        };
                        match pair {
                            (36, 12) => broken = Some('>'),
                            (12, 36) => broken = Some('<'),
                            _ => text.push_str(length_text(*ticks)),
                        }
                    }
                    if *tie {
                        text.push('-');
                    }
                    text.extend(broken);
                    position += sounding(*ticks, *triplet);
                }
                Element::Rest { ticks, triplet } => {
                    if *triplet == 1 {
                        text.push_str("(3");
                    }
                    text.push('z');
                    text.push_str(length_text(*ticks));
                    position += sounding(*ticks, *triplet);
                }
            }
            blank_done = false;
        }
    }

    /// The tune in another key of the same mode, near where it was and within the playable range; none where
    /// an accidental would have to be double or no octave holds it.
    pub fn in_key(&self, key: PlainKey) -> Option<Self> {
        let steps = || {
            self.elements.iter().filter_map(|element| match element {
                Element::Note { step, .. } => Some(*step),
                _ => None,
            })
        };
        let (low, high) = (steps().min()?, steps().max()?);
        let up = (key.letter as i8 - self.key.letter as i8).rem_euclid(7);
        let shift = [up, up - 7, up + 7, up - 14]
            .into_iter()
            .filter(|shift| low + shift >= LOWEST && high + shift <= HIGHEST)
            .min_by_key(|shift| shift.abs())?;
        let respell = |letter: u8, accidental: i8| {
            let moved = (letter as i8 + shift).rem_euclid(7) as u8;
            let accidental = accidental - self.key.alteration(letter) + key.alteration(moved);
            (accidental.abs() <= 1).then_some((moved, accidental))
        };
        let elements = self
            .elements
            .iter()
            .map(|element| {
                Some(match *element {
                    Element::Note { step, accidental, ticks, triplet, tie } => Element::Note {
                        step: step + shift,
                        accidental: match accidental {
                            None => None,
                            Some(accidental) => {
                                Some(respell(step.rem_euclid(7) as u8, accidental)?.1)
                            }
                        },
                        ticks,
                        triplet,
                        tie,
                    },
                    Element::Chord { letter, accidental, quality } => {
                        let (letter, accidental) = respell(letter, accidental)?;
                        Element::Chord { letter, accidental, quality }
                    }
                    ref other => other.clone(),
                })
            })
            .collect::<Option<_>>()?;
        Some(Self { key, elements, rhythm: self.rhythm.clone(), ..*self })
    }

    /// The sections, each with the bar line that ends it; a section's pickup stands at its beginning.
    fn sections(&self) -> Vec<&[Element]> {
        let ends = |element: &Element| matches!(element, Element::Bar(bar) if bar.is_boundary() && !matches!(bar, Bar::Second));
        self.elements
            .split_inclusive(ends)
            .filter(|section| section.iter().any(|element| matches!(element, Element::Note { .. })))
            .collect()
    }

    /// How many sections it has.
    pub fn section_count(&self) -> usize {
        self.sections().len()
    }

    /// The sections in `range` as a tune of their own, wherever it ends.
    pub fn excerpt(&self, range: std::ops::Range<usize>) -> Option<Self> {
        let sections = self.sections();
        let mut elements: Vec<Element> = sections.get(range)?.concat();
        let last = elements.last_mut()?;
        *last = Element::Bar(match last {
            Element::Bar(Bar::End | Bar::EndStart | Bar::EndFinal) => Bar::EndFinal,
            _ => Bar::Final,
        });
        Some(Self { elements, rhythm: self.rhythm.clone(), ..*self })
    }

    /// Whether chord symbols stand in it.
    pub fn has_chords(&self) -> bool {
        self.elements.iter().any(|element| matches!(element, Element::Chord { .. }))
    }

    /// The tune without its chord symbols.
    pub fn without_chords(&self) -> Self {
        let elements = self
            .elements
            .iter()
            .filter(|element| !matches!(element, Element::Chord { .. }))
            .cloned()
            .collect();
        Self { elements, rhythm: self.rhythm.clone(), ..*self }
    }

    /// The melody from its first note, apart from key, octave, bar lines and rhythm: the staff steps between
    /// neighbouring notes. Two settings of one melody share its beginning.
    pub fn contour(&self) -> Vec<i8> {
        let steps: Vec<i8> = self
            .elements
            .iter()
            .filter_map(|element| match element {
                Element::Note { step, .. } => Some(*step),
                _ => None,
            })
            .collect();
        steps.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }
}

/// How long a note of this written length sounds.
pub fn sounding(ticks: i32, triplet: u8) -> i32 {
    if triplet == 0 { ticks } else { ticks * 2 / 3 }
}

fn push_step(text: &mut String, step: i8) {
    let letter = LETTERS[step.rem_euclid(7) as usize];
    let octave = step.div_euclid(7);
    if octave >= 1 {
        text.push(char::from(letter.to_ascii_lowercase()));
        (1..octave).for_each(|_| text.push('\''));
    } else {
        text.push(char::from(letter));
        (octave..0).for_each(|_| text.push(','));
    }
}

fn length_text(ticks: i32) -> &'static str {
    LENGTHS.iter().find(|(_, length)| *length == ticks).map_or("", |(text, _)| text)
}

/// Whether the plain form can write a note of this length.
pub fn is_length(ticks: i32) -> bool {
    LENGTHS.iter().any(|(_, length)| *length == ticks)
}

#[cfg(test)]
mod tests {
    use super::super::normalise::{Origin, plain};
    use super::*;

    const TUNE: &str = "R:reel\nM:4/4\nL:1/8\nK:D\nA2|\"D\"d2fd A^GA2|\"Em\"=c>BA<G EGBg|\"A7\"(3fedec d4-|d4 z2:|]";

    fn read(text: &str) -> PlainTune {
        plain(&format!("X:1\n{text}\n"), Origin::default()).unwrap()
    }

    #[test]
    fn the_plain_form_read_again_is_itself() {
        assert_eq!(read(TUNE).text(), TUNE);
    }

    #[test]
    fn a_tune_taken_to_another_key_and_back_is_the_same() {
        let tune = read(TUNE);
        for key in ["G", "A", "C", "F", "Bb", "E"] {
            let key = PlainKey::parse(key).unwrap();
            let moved = tune.in_key(key).unwrap();
            assert_eq!(moved.key, key);
            assert_eq!(moved.in_key(tune.key).unwrap().text(), TUNE, "by {key}");
        }
        let in_f = tune.in_key(PlainKey::parse("F").unwrap()).unwrap().text();
        assert!(in_f.contains("K:F\nc2|\"F\"f2af c=Bc2|\"Gm\"_e>dc<B"), "{in_f}");
    }

    #[test]
    fn a_section_is_a_tune_of_its_own() {
        let fields = "R:jig\nM:6/8\nL:1/8\nK:G\n";
        let tune = read(&format!("{fields}D|GAB ABc|dBG G2::d|efg dBG|ABA A2:|]"));
        assert_eq!(tune.section_count(), 2);
        let first = tune.excerpt(0..1).unwrap().text();
        assert_eq!(first, format!("{fields}D|GAB ABc|dBG G2:|]"));
        let second = tune.excerpt(1..2).unwrap().text();
        assert_eq!(second, format!("{fields}d|efg dBG|ABA A2:|]"));
        assert_eq!(tune.excerpt(0..3), None, "there are but two");
    }

    #[test]
    fn signatures_are_the_keys_own() {
        for (key, fifths) in
            [("C", 0), ("Gmix", 0), ("Edor", 2), ("Bm", 2), ("Bb", -2), ("Gdor", -1), ("F#m", 3)]
        {
            let parsed = PlainKey::parse(key).unwrap();
            assert_eq!((parsed.fifths(), parsed.to_string().as_str()), (fifths, key));
        }
        let d = PlainKey::parse("D major").unwrap();
        assert_eq!(
            (0..7).map(|letter| d.alteration(letter)).collect::<Vec<_>>(),
            [1, 0, 0, 1, 0, 0, 0]
        );
        let e_flat = PlainKey::parse("Eb").unwrap();
        assert_eq!(
            (0..7).map(|letter| e_flat.alteration(letter)).collect::<Vec<_>>(),
            [0, 0, -1, 0, 0, -1, -1]
        );
        assert_eq!(PlainKey::parse("none"), None);
    }
}
