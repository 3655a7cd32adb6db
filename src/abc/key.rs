//! Core: keys, modes and key signatures (ABC 2.1 §3.1.14).

use super::{Accidental, Step};
use std::fmt;
use std::str::FromStr;

/// A mode (ABC 2.1 §3.1.14).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Mode {
    #[default]
    Major,
    Minor,
    Ionian,
    Dorian,
    Phrygian,
    Lydian,
    Mixolydian,
    Aeolian,
    Locrian,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 9] = [
        Self::Major,
        Self::Minor,
        Self::Ionian,
        Self::Dorian,
        Self::Phrygian,
        Self::Lydian,
        Self::Mixolydian,
        Self::Aeolian,
        Self::Locrian,
    ];

    /// How many sharps more (flats where negative) than the major key on the same tonic.
    pub const fn fifths(self) -> i8 {
        match self {
            Self::Lydian => 1,
            Self::Major | Self::Ionian => 0,
            Self::Mixolydian => -1,
            Self::Dorian => -2,
            Self::Minor | Self::Aeolian => -3,
            Self::Phrygian => -4,
            Self::Locrian => -5,
        }
    }

    /// The three letters that ABC writes, `maj` and `min` included.
    pub const fn abbreviation(self) -> &'static str {
        match self {
            Self::Major => "maj",
            Self::Minor => "min",
            Self::Ionian => "ion",
            Self::Dorian => "dor",
            Self::Phrygian => "phr",
            Self::Lydian => "lyd",
            Self::Mixolydian => "mix",
            Self::Aeolian => "aeo",
            Self::Locrian => "loc",
        }
    }

    /// The mode of a word by its first three letters, whatever their case; `m` (`M`, too, as case
    /// doesn't matter) is minor.
    pub fn from_word(word: &str) -> Option<Self> {
        if word.eq_ignore_ascii_case("m") {
            return Some(Self::Minor);
        }
        let start: String = word.chars().take(3).collect::<String>().to_ascii_lowercase();
        if word.chars().any(|c| !c.is_ascii_alphabetic()) {
            return None;
        }
        Self::ALL.into_iter().find(|mode| mode.abbreviation() == start)
    }
}

/// The two keys of the Great Highland bagpipe (ABC 2.1 §3.1.14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bagpipe {
    /// `HP`: nothing is written on the staff; F and C sound sharp.
    Plain,
    /// `Hp`: F sharp, C sharp and G natural are written on the staff.
    Marked,
}

/// A key: a tonic and a mode, or accidentals alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Key {
    /// The tonic and its accidental in semitones (-1, 0 or 1); none for `K:none` and the bagpipe.
    pub tonic: Option<(Step, i8)>,
    /// The mode.
    pub mode: Mode,
    /// Accidentals added to the mode's (or, if explicit, the only ones), in the order written.
    pub accidentals: Vec<(Step, Accidental)>,
    /// `exp`: the accidentals written are the whole key signature.
    pub explicit: bool,
    /// The bagpipe's keys.
    pub bagpipe: Option<Bagpipe>,
}

/// A key that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no key: write a tonic and a mode, such as G, Dmaj, F#m, Bb, Ador or E phrygian")]
pub struct KeyError(String);

impl Key {
    /// The key of a tonic (its accidental in semitones) and a mode.
    pub const fn new(step: Step, accidental: i8, mode: Mode) -> Self {
        Self {
            tonic: Some((step, accidental)),
            mode,
            accidentals: Vec::new(),
            explicit: false,
            bagpipe: None,
        }
    }

    /// The signature of tonic and mode: sharps, or flats where negative. Added accidentals don't count.
    pub fn fifths(&self) -> i8 {
        if self.bagpipe.is_some() {
            return 2;
        }
        let Some((step, accidental)) = self.tonic else {
            return 0;
        };
        if self.explicit {
            return 0;
        }
        let natural: i8 = match step {
            Step::F => -1,
            Step::C => 0,
            Step::G => 1,
            Step::D => 2,
            Step::A => 3,
            Step::E => 4,
            Step::B => 5,
        };
        natural + 7 * accidental + self.mode.fifths()
    }

    /// What the key signature does to each step, in semitones, indexed by `Step as usize`.
    pub fn alterations(&self) -> [i8; 7] {
        let mut alterations = [0; 7];
        let fifths = self.fifths();
        const SHARPS: [Step; 7] = [Step::F, Step::C, Step::G, Step::D, Step::A, Step::E, Step::B];
        for i in 0..fifths.max(0) as usize {
            alterations[SHARPS[i % 7] as usize] += 1;
        }
        for i in 0..(-fifths).max(0) as usize {
            alterations[SHARPS[6 - i % 7] as usize] -= 1;
        }
        for &(step, accidental) in &self.accidentals {
            alterations[step as usize] = accidental.semitones();
        }
        alterations
    }

    /// Cents (hundredths of a semitone, -50 to 50) that each step lies above what [`alterations`](Self::alterations)
    /// says: 0 unless the key has microtones, as `K:D ^/f`.
    pub fn cents(&self) -> [i8; 7] {
        let mut cents = [0; 7];
        for &(step, accidental) in &self.accidentals {
            cents[step as usize] = accidental.cents();
        }
        cents
    }

    /// Reads a key at the start of `text`; what follows it (clef words and the like) is returned.
    /// `None` where no key stands there.
    pub(crate) fn read_prefix(text: &str) -> Option<(Self, &str)> {
        let text = text.trim_start();
        let mut key = Self::default();
        let mut rest = text;
        let word_end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
        let word = &text[..word_end];
        if word == "HP" || word == "Hp" {
            key.bagpipe = Some(if word == "HP" { Bagpipe::Plain } else { Bagpipe::Marked });
            rest = &text[2..];
        } else if word.eq_ignore_ascii_case("none") {
            rest = &text[4..];
        } else if word.eq_ignore_ascii_case("exp") {
            key.explicit = true;
            rest = &text[3..];
        } else {
            let letter = text.chars().next()?;
            let step = Step::from_letter(letter)?;
            let mut accidental = 0;
            rest = &rest[1..];
            if let Some(after) = rest.strip_prefix(['#', '♯']) {
                (accidental, rest) = (1, after);
            } else if let Some(after) = rest.strip_prefix('♭') {
                (accidental, rest) = (-1, after);
            } else if let Some(after) = rest.strip_prefix('b') {
                (accidental, rest) = (-1, after);
            }
            // A small tonic is accepted only where no other word can be meant ("clef", "bass", "alto").
            let glued = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            if glued > 0 {
                if rest[..glued].eq_ignore_ascii_case("exp") {
                    key.explicit = true;
                } else if let Some(mode) = Mode::from_word(&rest[..glued]) {
                    key.mode = mode;
                } else {
                    return None;
                }
                rest = &rest[glued..];
            } else {
                let spaced = rest.trim_start();
                let end = spaced.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(spaced.len());
                if end > 0 && !spaced[end..].starts_with('=') {
                    if spaced[..end].eq_ignore_ascii_case("exp") {
                        key.explicit = true;
                        rest = &spaced[end..];
                    } else if let Some(mode) = Mode::from_word(&spaced[..end]) {
                        key.mode = mode;
                        rest = &spaced[end..];
                    }
                }
            }
            key.tonic = Some((step, accidental));
        }
        // Added accidentals: `^f _b =c`, glued or not.
        while let Some((accidental, after)) = Self::read_accidental(rest) {
            key.add(accidental);
            rest = after;
        }
        Some((key, rest))
    }

    /// Reads an accidental with its step, `^f`, `_/b`, at the start of `text`; what follows it is returned.
    pub(crate) fn read_accidental(text: &str) -> Option<((Step, Accidental), &str)> {
        let (accidental, rest) = Accidental::read(text.trim_start())?;
        let step = rest.chars().next().and_then(Step::from_letter)?;
        Some(((step, accidental), &rest[1..]))
    }

    /// Adds an accidental to the mode's.
    pub(crate) fn add(&mut self, accidental: (Step, Accidental)) {
        if self.accidentals.len() < 64 {
            self.accidentals.push(accidental);
        }
    }
}

impl FromStr for Key {
    type Err = KeyError;

    /// `G`, `Dmaj`, `F#m`, `Bb`, `Edor`, `A mix`, `D exp _b ^f`, `none`, `HP`; case is that of ABC, but a small
    /// tonic is taken too.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        match Self::read_prefix(text) {
            Some((key, rest)) if rest.trim().is_empty() => Ok(key),
            _ => Err(KeyError(text.trim().chars().take(40).collect())),
        }
    }
}

impl fmt::Display for Key {
    /// As K: writes it: `G`, `Dmix`, `F#min`, `D exp _b`; major keys bear no mode.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.bagpipe, self.tonic) {
            (Some(Bagpipe::Plain), _) => f.write_str("HP")?,
            (Some(Bagpipe::Marked), _) => f.write_str("Hp")?,
            (None, None) => f.write_str(if self.explicit { "exp" } else { "none" })?,
            (None, Some((step, accidental))) => {
                write!(f, "{}", step.letter())?;
                f.write_str(match accidental {
                    1 => "#",
                    -1 => "b",
                    _ => "",
                })?;
                if self.mode != Mode::Major {
                    f.write_str(self.mode.abbreviation())?;
                }
                if self.explicit {
                    f.write_str(" exp")?;
                }
            }
        }
        for (step, accidental) in &self.accidentals {
            write!(f, " {accidental}{}", step.letter().to_ascii_lowercase())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_as_it_is_written() {
        for text in [
            "G",
            "Dmix",
            "F#min",
            "Bb",
            "Edor",
            "D exp _b ^f",
            "none",
            "HP",
            "Hp",
            "A ^g =c",
            "D ^/f _3/4b",
        ] {
            let key: Key = text.parse().unwrap();
            assert_eq!(key.to_string(), text);
            assert_eq!(key.to_string().parse::<Key>().unwrap(), key);
        }
    }

    #[test]
    fn every_spelling_of_a_mode_gives_the_same_signature() {
        for (texts, fifths) in [
            (["Dmix", "D Mixolydian", "DMIX", "D mixolydian"], 1),
            (["Am", "A min", "Aminor", "A Minor"], 0),
            (["F#m", "F# minor", "F#min", "F#Min"], 3),
            (["Bb", "Bbmaj", "Bb Major", "BbMajor"], -2),
        ] {
            for text in texts {
                assert_eq!(text.parse::<Key>().unwrap().fifths(), fifths, "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_key_is_refused_with_a_hint() {
        for text in ["", "H", "clef=bass", "Gfoo", "G major extra", "1"] {
            assert!(text.parse::<Key>().is_err(), "{text}");
        }
    }
}
