//! Core: chord symbols (ABC 2.1 §4.18): what notes they stand for.

use super::model::Step;
use std::collections::HashMap;

/// A chord symbol's notes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ChordNotes {
    /// The root, 0 to 11 above C.
    root: u8,
    /// The bass where it is another note than the root, 0 to 11 above C.
    bass: Option<u8>,
    /// Semitones above the root.
    intervals: Vec<i8>,
}

/// A root or bass at the start of a text: its step, its accidental in semitones, and what follows it. The H of German
/// and Nordic books is B.
pub(super) fn root(text: &str) -> Option<(Step, i8, &str)> {
    let letter = text.chars().next()?;
    let step = if letter == 'H' { Step::B } else { Step::from_letter(letter)? };
    let rest = &text[1..];
    for (mark, alteration) in [("#", 1), ("♯", 1), ("b", -1), ("♭", -1)] {
        if let Some(rest) = rest.strip_prefix(mark) {
            return Some((step, alteration, rest));
        }
    }
    Some((step, 0, rest))
}

/// A bass at the start of what follows a stroke: as [`root`], or with its accidental first (`bB`).
fn bass(text: &str) -> Option<(Step, i8, &str)> {
    for (mark, alteration) in [("b", -1), ("♭", -1), ("#", 1), ("♯", 1)] {
        if let Some(rest) = text.strip_prefix(mark)
            && rest.starts_with(|c: char| ('A'..='H').contains(&c))
        {
            return root(rest).map(|(step, _, rest)| (step, alteration, rest));
        }
    }
    root(text)
}

/// A chord symbol in its parts: the bass where one is written after a stroke.
struct Parts {
    root: (Step, i8),
    bass: Option<(Step, i8)>,
    intervals: Vec<i8>,
}

fn parts(symbol: &str, names: &HashMap<String, Vec<i8>>) -> Option<Parts> {
    let intervals = |kind: &str| names.get(kind).cloned().or_else(|| kind_intervals(kind));
    if !symbol.starts_with(|c: char| ('A'..='H').contains(&c)) {
        return None;
    }
    let (step, alteration, kind) = root(symbol)?;
    let root = (step, alteration);
    if let Some(intervals) = intervals(kind) {
        return Some(Parts { root, bass: None, intervals });
    }
    let (kind, after) = kind.rsplit_once('/')?;
    let (step, alteration, rest) = bass(after.trim())?;
    let alteration = match rest {
        "" => alteration,
        // The Nottingham collection writes `D/f+` for F sharp.
        "+" => alteration + 1,
        _ => return None,
    };
    let intervals = intervals(kind.trim_end())?;
    Some(Parts { root, bass: Some((step, alteration)), intervals })
}

/// The part of a symbol that is played: without an alternative in brackets, `"G(Em)"`, or on another line.
fn played(symbol: &str, names: &HashMap<String, Vec<i8>>) -> Option<Parts> {
    let symbol = symbol.trim().split([';', '\n']).next()?.trim();
    parts(symbol, names).or_else(|| parts(symbol.split('(').next()?.trim(), names))
}

/// Whether a text says that no chord sounds.
pub(super) fn is_silence(symbol: &str) -> bool {
    let plain: String = symbol.chars().filter(|c| *c != '.' && *c != ' ').collect();
    plain.eq_ignore_ascii_case("NC")
}

/// Whether a text is a chord symbol, one with an alternative in brackets too.
pub(super) fn is_chord(symbol: &str) -> bool {
    played(symbol, &HashMap::new()).is_some()
}

/// Whether what follows a root is the kind of a chord, and not the rest of a word.
pub(super) fn is_kind(text: &str) -> bool {
    kind_intervals(text).is_some()
}

impl ChordNotes {
    /// Reads a chord symbol; `None` where the text is none (fingerings, remarks). `names` are `%%MIDI
    /// chordname` definitions.
    pub(super) fn read(symbol: &str, names: &HashMap<String, Vec<i8>>) -> Option<Self> {
        let parts = played(symbol, names)?;
        let class =
            |(step, alteration): (Step, i8)| (step.semitones() + alteration).rem_euclid(12) as u8;
        Some(Self {
            root: class(parts.root),
            bass: parts.bass.map(class),
            intervals: parts.intervals,
        })
    }

    /// The bass note's MIDI key, from C2 up.
    pub(super) fn fundamental(&self) -> u8 {
        36 + self.bass.unwrap_or(self.root)
    }

    /// The chord's MIDI keys, lowest first, from about C3 up.
    pub(super) fn keys(&self) -> Vec<u8> {
        let root = i16::from(48 + self.root);
        let mut keys: Vec<u8> = self
            .intervals
            .iter()
            .map(|&interval| (root + i16::from(interval)).clamp(0, 127) as u8)
            .collect();
        if let Some(bass) = self.bass {
            // An inversion starts on its bass note.
            let lowest = i16::from(48 + bass);
            for key in &mut keys {
                while i16::from(*key) < lowest {
                    *key += 12;
                }
                while i16::from(*key) >= lowest + 12 {
                    *key -= 12;
                }
            }
            keys.sort_unstable();
            keys.dedup();
        }
        keys
    }
}

/// What is known of a chord's kind while its words are read from left to right.
#[derive(Default)]
struct Kind {
    third: Option<i8>,
    fifth: Option<i8>,
    sixth: Option<i8>,
    seventh: Option<i8>,
    /// Seconds, fourths and what lies above the octave.
    others: Vec<i8>,
    /// `maj`: a seventh that follows is a major one.
    major: bool,
    diminished: bool,
}

impl Kind {
    fn seventh(&mut self) {
        let seventh = if self.major {
            11
        } else if self.diminished {
            9
        } else {
            10
        };
        self.seventh.get_or_insert(seventh);
    }

    /// `9` on, with what lies below it.
    fn number(&mut self, number: u8, first: bool) -> Option<()> {
        match number {
            2 => self.others.push(2),
            4 => {
                self.third = None;
                self.others.push(5);
            }
            5 if first => self.third = None,
            6 => self.sixth = Some(9),
            7 => self.seventh(),
            9 | 11 | 13 => {
                // After a sixth the ninth stands alone: 6/9.
                if self.sixth.is_none() {
                    self.seventh();
                }
                self.others.push(14);
                match number {
                    11 => self.others.push(17),
                    13 => self.others.push(21),
                    _ => {}
                }
            }
            _ => return None,
        }
        Some(())
    }

    /// `b5`, `#9`, `add9`.
    fn altered(&mut self, number: u8, by: i8) -> Option<()> {
        match number {
            5 => self.fifth = Some(7 + by),
            2 => self.others.push(2 + by),
            4 => self.others.push(5 + by),
            6 => self.sixth = Some(9 + by),
            9 => self.others.push(14 + by),
            11 => self.others.push(17 + by),
            13 => self.others.push(21 + by),
            _ => return None,
        }
        Some(())
    }

    fn intervals(self) -> Vec<i8> {
        let mut intervals = vec![0];
        intervals.extend(self.third);
        intervals.extend(self.fifth);
        intervals.extend(self.sixth);
        intervals.extend(self.seventh);
        intervals.extend(self.others);
        intervals.sort_unstable();
        intervals.dedup();
        intervals
    }
}

/// The number at the start of a text that chords have.
fn number(text: &str) -> Option<(u8, &str)> {
    ["11", "13", "2", "4", "5", "6", "7", "9"]
        .iter()
        .find_map(|figures| Some((figures.parse().ok()?, text.strip_prefix(figures)?)))
}

fn strip<'a>(text: &'a str, words: &[&str]) -> Option<&'a str> {
    words.iter().find_map(|word| text.strip_prefix(word))
}

/// The intervals above the root that a chord's kind stands for (`m7`, `7(b9)`, `maj7#11`): the names that books write,
/// in every combination. `None` where some of it is no such name.
fn kind_intervals(text: &str) -> Option<Vec<i8>> {
    if text.len() > 40 {
        return None;
    }
    let mut kind = Kind { third: Some(4), fifth: Some(7), ..Kind::default() };
    let mut rest = text;
    let mut first = true;
    while !rest.is_empty() {
        if let Some(after) = strip(rest, &["(", ")", ",", " "]) {
            // Brackets and commas part what stands in them; a kind is not made of them alone.
            if first {
                let inner = after.trim_start_matches(['(', ' ']);
                if inner.is_empty() || inner.starts_with(')') {
                    return None;
                }
            }
            rest = after;
            continue;
        }
        // `m/maj7`, `6/9`.
        if let Some(after) = rest.strip_prefix('/')
            && !first
            && (after.starts_with("ma") || after.starts_with("M7") || after.starts_with('9'))
        {
            rest = after;
            continue;
        }
        rest = word(&mut kind, rest, first)?;
        first = false;
    }
    Some(kind.intervals())
}

/// Takes one word of a chord's kind; returns what follows it.
fn word<'a>(kind: &mut Kind, text: &'a str, first: bool) -> Option<&'a str> {
    if let Some(rest) = strip(text, &["major", "Major", "maj", "Maj", "MAJ", "ma", "Ma", "M"]) {
        kind.major = true;
        return Some(rest);
    }
    if let Some(rest) = strip(text, &["Δ", "∆", "△"]) {
        kind.major = true;
        kind.seventh();
        return Some(rest.strip_prefix('7').unwrap_or(rest));
    }
    if let Some(rest) = strip(text, &["omit", "no"]) {
        let (number, rest) = number3(rest)?;
        match number {
            3 => kind.third = None,
            5 => kind.fifth = None,
            _ => return None,
        }
        return Some(rest);
    }
    if first && let Some(rest) = strip(text, &["minor", "Minor", "min", "Min", "MIN", "mi", "m"]) {
        kind.third = Some(3);
        return Some(rest);
    }
    let ring = text
        .strip_prefix('o')
        .filter(|rest| first && !rest.starts_with(|c: char| c.is_alphabetic() && c != 'b'));
    if let Some(rest) = ring.or_else(|| strip(text, &["dim", "Dim", "°", "º"])) {
        (kind.third, kind.fifth, kind.diminished) = (Some(3), Some(6), true);
        return Some(rest);
    }
    if let Some(rest) = strip(text, &["ø", "Ø"]) {
        (kind.third, kind.fifth, kind.seventh) = (Some(3), Some(6), Some(10));
        return Some(rest.strip_prefix('7').unwrap_or(rest));
    }
    if let Some(rest) = strip(text, &["sus", "Sus"]) {
        kind.third = None;
        if let Some(rest) = rest.strip_prefix("24") {
            kind.others.extend([2, 5]);
            return Some(rest);
        }
        if let Some(rest) = rest.strip_prefix('2') {
            kind.others.push(2);
            return Some(rest);
        }
        kind.others.push(5);
        return Some(rest.strip_prefix('4').unwrap_or(rest));
    }
    if let Some(rest) = strip(text, &["add", "Add"]) {
        let (by, rest) = alteration(rest).unwrap_or((0, rest));
        let (number, rest) = number(rest)?;
        kind.altered(number, by)?;
        return Some(rest);
    }
    if let Some(rest) = strip(text, &["aug", "Aug"]) {
        kind.fifth = Some(8);
        return Some(rest);
    }
    if let Some(rest) = text.strip_prefix("alt") {
        kind.seventh();
        kind.fifth = Some(8);
        kind.others.extend([13, 15]);
        return Some(rest);
    }
    if let Some(rest) = text.strip_prefix("dom") {
        return rest.starts_with('7').then_some(rest);
    }
    if let Some((by, after)) = alteration(text)
        && let Some((number, rest)) = number(after)
        && !(first && number != 5 && text.starts_with('-'))
        && kind_may_alter(number)
    {
        kind.altered(number, by)?;
        return Some(rest);
    }
    if let Some(rest) = strip(text, &["-", "–", "−"]).filter(|_| first) {
        kind.third = Some(3);
        return Some(rest);
    }
    if let Some(rest) = text.strip_prefix('+') {
        kind.fifth = Some(8);
        return Some(rest);
    }
    let (number, rest) = number(text)?;
    kind.number(number, first)?;
    Some(rest)
}

/// Whether a number may be sharpened or flattened: `+7` is an augmented chord with a seventh.
fn kind_may_alter(number: u8) -> bool {
    matches!(number, 4 | 5 | 6 | 9 | 11 | 13)
}

fn alteration(text: &str) -> Option<(i8, &str)> {
    strip(text, &["b", "♭", "-", "−"])
        .map(|rest| (-1, rest))
        .or_else(|| strip(text, &["#", "♯", "+"]).map(|rest| (1, rest)))
}

/// The number of a note that is left out.
fn number3(text: &str) -> Option<(u8, &str)> {
    text.strip_prefix('3').map(|rest| (3, rest)).or_else(|| number(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intervals(symbol: &str) -> Option<Vec<i8>> {
        ChordNotes::read(symbol, &HashMap::new()).map(|chord| chord.intervals)
    }

    #[test]
    fn the_names_that_books_write_are_chords() {
        for (symbol, expected) in [
            ("C", vec![0, 4, 7]),
            ("Am", vec![0, 3, 7]),
            ("H7", vec![0, 4, 7, 10]),
            ("C-7b5", vec![0, 3, 6, 10]),
            ("Bø7", vec![0, 3, 6, 10]),
            ("Bø", vec![0, 3, 6, 10]),
            ("C△7", vec![0, 4, 7, 11]),
            ("CΔ", vec![0, 4, 7, 11]),
            ("Dm/maj7", vec![0, 3, 7, 11]),
            ("Dm(maj7)", vec![0, 3, 7, 11]),
            ("DmM7", vec![0, 3, 7, 11]),
            ("A-7", vec![0, 3, 7, 10]),
            ("C7(b9)", vec![0, 4, 7, 10, 13]),
            ("Cm7(b5)", vec![0, 3, 6, 10]),
            ("G7sus4", vec![0, 5, 7, 10]),
            ("Bb6/9", vec![0, 4, 7, 9, 14]),
            ("C69", vec![0, 4, 7, 9, 14]),
            ("C13", vec![0, 4, 7, 10, 14, 21]),
            ("F#dim7", vec![0, 3, 6, 9]),
            ("G#°7", vec![0, 3, 6, 9]),
            ("C+", vec![0, 4, 8]),
            ("C+7", vec![0, 4, 8, 10]),
            ("C7+", vec![0, 4, 8, 10]),
            ("C7#5", vec![0, 4, 8, 10]),
            ("Cmaj7#11", vec![0, 4, 7, 11, 18]),
            ("Cadd9", vec![0, 4, 7, 14]),
            ("G5", vec![0, 7]),
            ("Csus", vec![0, 5, 7]),
            ("Dsus2", vec![0, 2, 7]),
            ("G(Em)", vec![0, 4, 7]),
            ("E7#9", vec![0, 4, 7, 10, 15]),
        ] {
            assert_eq!(intervals(symbol), Some(expected), "{symbol}");
        }
    }

    #[test]
    fn words_that_start_like_a_chord_are_none() {
        for text in [
            "Fine",
            "D.C.",
            "Coda",
            "Chorus",
            "Break",
            "Bass",
            "Dance",
            "A part",
            "c",
            "1",
            "(C)",
            "C G",
            "Hi",
            "Allegro",
            "Em, twice",
            "Caesura",
            "Como",
            "Add",
            "A:",
            "End",
            "B/2",
            "",
        ] {
            assert_eq!(intervals(text), None, "{text}");
        }
    }

    #[test]
    fn a_bass_is_read_in_every_spelling() {
        let bass = |symbol: &str| ChordNotes::read(symbol, &HashMap::new()).unwrap().bass;
        assert_eq!(bass("C/E"), Some(4));
        assert_eq!(bass("B/D#"), Some(3));
        assert_eq!(bass("C/bB"), Some(10));
        assert_eq!(bass("Am/G♯"), Some(8));
        assert_eq!(bass("G/b"), Some(11));
        assert_eq!(bass("D/f+"), Some(6));
        assert_eq!(bass("G/H"), Some(11));
    }
}
