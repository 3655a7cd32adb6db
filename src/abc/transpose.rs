//! Core: tunes moved to another key.

use super::chord;
use super::model::Note;
use super::{
    Accidental, Attached, Change, Element, ElementKind, Field, Key, Mode, Pitch, Step, Tune, Voice,
};

/// A tune moved by so many semitones: its notes, keys and chord symbols.
///
/// The new key signature has at most six accidentals and the old mode; each note keeps its degree of the scale,
/// so accidentals are respelled with it. Whole octaves keep the key as it is. Percussion is left alone.
pub fn transpose(tune: &Tune, semitones: i8) -> Tune {
    let mut moved = tune.clone();
    if semitones == 0 {
        return moved;
    }
    let shift = Shift::new(semitones, &tune.key);
    for field in &mut moved.header {
        shift.field(field);
    }
    moved.key = shift.key(&tune.key);
    let mut intended = Vec::new();
    for voice in &mut moved.voices {
        let sounding = if is_percussion(voice) { None } else { Some(shift) };
        for element in &mut voice.elements {
            if let (ElementKind::Field(field), Some(shift)) = (&mut element.kind, sounding) {
                shift.field(field);
            }
            if let (Some(attached), Some(shift)) = (&mut element.attached, sounding) {
                shift.chord_symbols(attached);
            }
            notes(element, &mut |note| {
                if let Some(shift) = sounding {
                    shift.note(note);
                }
                intended.push(note.alteration);
            });
        }
    }
    moved.resolve();
    make_explicit(&mut moved, &intended);
    moved
}

/// A key moved by so many semitones, spelled with at most six accidentals.
pub fn transpose_key(key: &Key, semitones: i8) -> Key {
    Shift::new(semitones, key).key(key)
}

/// A chord symbol of a tune in `key` moved by so many semitones; a text that is none stays as it is.
pub fn transpose_chord_symbol(symbol: &str, semitones: i8, key: &Key) -> String {
    let shift = Shift::new(semitones, key);
    shift.chord_symbol(symbol).unwrap_or_else(|| symbol.to_owned())
}

/// Gives an accidental to each note that would not read as intended without one: respelled notes and those after
/// them, and all in a key without signature. One that is given may change what its bar's other notes
/// read as, and so on; none is ever taken, so this ends.
fn make_explicit(tune: &mut Tune, intended: &[i8]) {
    loop {
        let mut changed = false;
        let mut intended = intended.iter();
        for voice in &mut tune.voices {
            for element in &mut voice.elements {
                notes(element, &mut |note| {
                    let Some(&intended) = intended.next() else { return };
                    if note.alteration != intended && note.pitch.accidental.is_none() {
                        note.pitch.accidental = Accidental::from_semitones(intended);
                        changed |= note.pitch.accidental.is_some();
                    }
                });
            }
        }
        if !changed {
            return;
        }
        tune.resolve();
    }
}

fn is_percussion(voice: &Voice) -> bool {
    let clef = voice.clef.name.as_deref().unwrap_or_default();
    clef.starts_with("perc")
        || voice.elements.iter().any(|element| {
            matches!(&element.kind, ElementKind::Field(field)
                if matches!(&field.change, Change::Midi(words) if words[..] == ["channel", "10"]))
        })
}

/// Every note of an element, grace notes first.
fn notes(element: &mut Element, each: &mut dyn FnMut(&mut Note)) {
    if let Some(grace) = element.attached.as_mut().and_then(|a| a.grace.as_mut()) {
        grace.notes.iter_mut().flatten().for_each(&mut *each);
    }
    match &mut element.kind {
        ElementKind::Note(note) => each(note),
        ElementKind::Chord(chord) => chord.notes.iter_mut().for_each(each),
        _ => {}
    }
}

/// How far everything moves.
#[derive(Clone, Copy)]
struct Shift {
    semitones: i8,
    /// The same on the line of fifths, where seven places are a sharp.
    fifths: i8,
}

/// The place of a pitch class on the line of fifths: C is 0, G is 1, F is -1, F sharp is 6.
fn place(step: Step, alteration: i8) -> i8 {
    let natural = [0, 2, 4, -1, 1, 3, 5][step as usize];
    natural + 7 * alteration
}

/// The step and the alteration in semitones of a place on the line of fifths.
pub fn at_place(place: i8) -> (Step, i8) {
    const LINE: [Step; 7] = [Step::F, Step::C, Step::G, Step::D, Step::A, Step::E, Step::B];
    (LINE[(place + 1).rem_euclid(7) as usize], (place + 1).div_euclid(7))
}

/// The spelling of a place with at most so many sharps or flats.
fn spelled(place: i8, most: i8) -> (Step, i8) {
    let mut place = place;
    while at_place(place).1 > most {
        place -= 12;
    }
    while at_place(place).1 < -most {
        place += 12;
    }
    at_place(place)
}

impl Shift {
    fn new(semitones: i8, key: &Key) -> Self {
        let fifths = (i16::from(semitones) * 7).rem_euclid(12) as i8;
        if fifths == 0 {
            return Self { semitones, fifths };
        }
        let old = key.fifths();
        let best = [fifths - 24, fifths - 12, fifths, fifths + 12]
            .into_iter()
            // Six sharps or six flats: what the key had before, else sharps.
            .min_by_key(|by| ((old + by).abs(), (old + by < 0) != (old < 0)))
            .unwrap_or(fifths);
        Self { semitones, fifths: best }
    }

    /// The shift for a key in the tune: the tune's own, unless that gives more than seven accidentals.
    fn for_key(self, key: &Key) -> Self {
        if (key.fifths() + self.fifths).abs() <= 7 { self } else { Self::new(self.semitones, key) }
    }

    fn key(self, key: &Key) -> Key {
        let shift = self.for_key(key);
        let mut moved = key.clone();
        if shift.fifths == 0 {
            return moved;
        }
        if moved.bagpipe.take().is_some() {
            // The pipes' scale, that of A Mixolydian, on another tonic.
            moved.tonic = Some((Step::A, 0));
            moved.mode = Mode::Mixolydian;
        }
        if let Some((step, accidental)) = moved.tonic {
            moved.tonic = Some(spelled(place(step, accidental) + shift.fifths, 1));
        }
        for (step, accidental) in &mut moved.accidentals {
            // A microtone goes with its step.
            if matches!(accidental, Accidental::Microtone { .. }) {
                *step = spelled(place(*step, 0) + shift.fifths, 2).0;
                continue;
            }
            let (new, alteration) = spelled(place(*step, accidental.semitones()) + shift.fifths, 2);
            *step = new;
            if let Some(accidental_there) = Accidental::from_semitones(alteration) {
                *accidental = accidental_there;
            }
        }
        moved
    }

    fn field(self, field: &mut Field) {
        let Change::Key(Some(key), _) = &mut field.change else {
            return;
        };
        let moved = self.key(key);
        if moved == *key {
            return;
        }
        let words = Key::read_prefix(&field.text).map_or("", |(_, words)| words.trim());
        field.text = format!("{moved} {words}").trim_end().to_owned();
        *key = moved;
    }

    fn note(self, note: &mut Note) {
        let sounding = (i16::from(note.pitch.octave) + 1) * 12
            + i16::from(note.pitch.step.semitones())
            + i16::from(note.alteration)
            + i16::from(self.semitones);
        let (step, alteration) = spelled(place(note.pitch.step, note.alteration) + self.fifths, 2);
        let natural = sounding - i16::from(alteration) - i16::from(step.semitones());
        // The reader's range; what is beyond it can't be written.
        let octave = (natural.div_euclid(12) - 1).clamp(-1, 10) as i8;
        note.pitch = Pitch {
            step,
            octave,
            accidental: match note.pitch.accidental {
                None => None,
                // A microtone goes with its note; its plain part is spelled anew only where it was plain.
                Some(Accidental::Microtone { .. }) => note.pitch.accidental,
                Some(_) => Accidental::from_semitones(alteration),
            },
        };
        note.alteration = alteration;
    }

    fn chord_symbols(self, attached: &mut Attached) {
        for symbol in &mut attached.chord_symbols {
            if let Some(moved) = self.chord_symbol(symbol) {
                *symbol = moved;
            }
        }
    }

    /// `F#m7/C#` moved; `None` where the text is no chord symbol, such as `Fine`.
    fn chord_symbol(self, symbol: &str) -> Option<String> {
        // An alternative in brackets moves with its chord, `G(Em)`, or stands alone, `(Em)`.
        if let Some((before, rest)) = symbol.split_once('(')
            && let Some((inner, after)) = rest.split_once(')')
            && let Some(inner) = self.plain_chord_symbol(inner)
        {
            let before = if before.trim().is_empty() {
                before.to_owned()
            } else {
                self.plain_chord_symbol(before)?
            };
            return Some(format!("{before}({inner}){after}"));
        }
        self.plain_chord_symbol(symbol)
    }

    fn plain_chord_symbol(self, symbol: &str) -> Option<String> {
        let open = symbol.len() - symbol.trim_start().len();
        let (root, rest) = self.root(&symbol[open..])?;
        let (kind, bass) = match rest.rsplit_once('/') {
            Some((kind, bass)) if !chord::is_kind(rest) => (kind, Some(bass)),
            _ => (rest, None),
        };
        if !kind.trim_end().is_empty() && !chord::is_kind(kind) {
            return None;
        }
        let mut moved = format!("{}{root}{kind}", &symbol[..open]);
        if let Some(bass) = bass {
            moved.push('/');
            match self.root(bass) {
                Some((root, rest)) => {
                    if bass.starts_with(|c: char| c.is_ascii_lowercase()) {
                        moved.push_str(&root.to_ascii_lowercase());
                    } else {
                        moved.push_str(&root);
                    }
                    moved.push_str(rest);
                }
                None => moved.push_str(bass),
            }
        }
        Some(moved)
    }

    /// The root at the start of a text, moved, and what follows it.
    fn root(self, text: &str) -> Option<(String, &str)> {
        let (step, alteration, rest) = chord::root(text)?;
        let (step, alteration) = spelled(place(step, alteration) + self.fifths, 1);
        let mark = ["b", "", "#"][(alteration + 1) as usize];
        Some((format!("{}{mark}", step.letter()), rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{read, write};

    fn moved(head: &str, music: &str, semitones: i8) -> String {
        let tune = read(&format!("X:1\nT:Move\nM:4/4\nL:1/8\n{head}\n{music}\n")).tunes.remove(0);
        let text = write(&transpose(&tune, semitones));
        text.split_once("K:").unwrap().1.to_owned()
    }

    fn keys(tune: &Tune) -> Vec<i16> {
        let mut tune = tune.clone();
        let mut keys = Vec::new();
        for element in tune.voices.iter_mut().flat_map(|voice| &mut voice.elements) {
            notes(element, &mut |note| {
                keys.push(
                    (i16::from(note.pitch.octave) + 1) * 12
                        + i16::from(note.pitch.step.semitones())
                        + i16::from(note.alteration),
                );
            });
        }
        keys
    }

    #[test]
    fn notes_accidentals_and_chords_move_with_the_key_and_keep_the_mode() {
        assert_eq!(
            moved("K:Edor", "\"Em\"E^DEF \"A7/C#\"G_BA=c|\"Fine\"E8|", 2),
            "F#dor\n\"F#m\"F^EFG \"B7/D#\"A=cB=d|\"Fine\"F8|\n"
        );
        assert_eq!(moved("K:C", "CDEF|", -1), "B\nB,CDE|\n");
        assert_eq!(moved("K:G clef=bass", "G,A,|", 5), "C clef=bass\nCD|\n");
    }

    #[test]
    fn an_octave_keeps_the_key_as_it_is() {
        assert_eq!(moved("K:C#", "CDEc|", 12), "C#\ncdec'|\n");
    }

    #[test]
    fn without_a_signature_every_moved_note_bears_its_accidental() {
        assert_eq!(moved("K:none", "CDE|C^C|", 2), "none\nDE^F|D^D|\n");
    }

    #[test]
    fn every_note_of_every_key_moves_by_as_many_semitones_with_at_most_six_accidentals() {
        let music = "CDEF GABc|^C^D^E^F ^G^A^B^c|_C_D_E_F _G_A_B_c|{^f}=c^^d__e[^Fac']2-[^Fac']2|^F-|F G ^^F|";
        for key in [
            "C",
            "G",
            "Bb",
            "F#",
            "Gb",
            "C#",
            "Cb",
            "Amin",
            "D#min",
            "Edor",
            "Bmix",
            "Fphr",
            "Ablyd",
            "Bloc",
            "HP",
            "D exp _b ^f",
        ] {
            let text =
                format!("X:1\nT:All\nM:none\nL:1/8\nK:{key}\n{music}\n[K:Eb]CDE|[K:E]CDE|\n");
            let tune = read(&text).tunes.remove(0);
            for semitones in -14..=14i8 {
                let up = transpose(&tune, semitones);
                let wanted: Vec<i16> =
                    keys(&tune).iter().map(|key| key + i16::from(semitones)).collect();
                assert_eq!(keys(&up), wanted, "{key} by {semitones}");
                // Written and read, too.
                assert_eq!(keys(&read(&write(&up)).tunes[0]), wanted, "{key} by {semitones}");
                if semitones % 12 != 0 {
                    assert!(up.key.fifths().abs() <= 6, "{key} by {semitones}: {}", up.key);
                }
            }
        }
    }
}
