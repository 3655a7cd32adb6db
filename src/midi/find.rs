//! Core: what MIDI does not say: key and mode, metre, pickup, and how a key is spelled.

use super::read::bar_ticks;
use earworm_abc::performance::{Metre, Note};
use earworm_abc::{Key, Mode, PPQ, at_place};

/// How well each pitch class fits a major and a minor tonic, from the tonic up (C. L. Krumhansl, Cognitive
/// Foundations of Musical Pitch, 1990, p. 30: the probe-tone ratings).
const MAJOR: [f64; 12] = [6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88];
const MINOR: [f64; 12] = [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17];

fn profile(mode: Mode) -> [f64; 12] {
    match mode {
        Mode::Mixolydian => {
            let mut profile = MAJOR;
            profile.swap(10, 11);
            profile
        }
        Mode::Dorian => {
            let mut profile = MINOR;
            profile.swap(8, 9);
            profile
        }
        Mode::Minor => MINOR,
        _ => MAJOR,
    }
}

/// The correlation of two rows of twelve.
fn correlation(a: &[f64; 12], b: &[f64; 12]) -> f64 {
    let mean = |x: &[f64; 12]| x.iter().sum::<f64>() / 12.0;
    let (ma, mb) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        ab += (x - ma) * (y - mb);
        aa += (x - ma).powi(2);
        bb += (y - mb).powi(2);
    }
    if aa * bb > 0.0 { ab / (aa * bb).sqrt() } else { 0.0 }
}

/// The key of notes: the tonic and mode (major, minor, Dorian or Mixolydian) whose profile their durations
/// fit best (Krumhansl and Schmuckler's method), the last note counting for a tonic. A signature that
/// is given is kept, unless it is that of C, which files bear that say nothing, and is not `trusted`.
pub(crate) fn key(notes: &[Note], given: Option<&Key>, trusted: bool) -> Key {
    let mut weights = [0.0; 12];
    for note in notes.iter().filter(|note| note.channel != 9) {
        weights[usize::from(note.key % 12)] += f64::from(note.duration.min(4 * PPQ));
    }
    // Percussion has no key.
    if weights == [0.0; 12] {
        let (step, alteration) = at_place(0);
        return given.cloned().unwrap_or_else(|| Key::new(step, alteration, Mode::Major));
    }
    // The lowest of the notes that end last: a final chord's bass.
    let last = notes
        .iter()
        .max_by_key(|note| (note.start + note.duration, std::cmp::Reverse(note.key)))
        .map(|note| note.key % 12);
    let signature = given.map(Key::fifths);
    let mut best: Option<(f64, Key)> = None;
    for mode in [Mode::Major, Mode::Minor, Mode::Dorian, Mode::Mixolydian] {
        for fifths in -6..=6i8 {
            // F sharp and G flat are one on the keyboard.
            let fifths = match signature {
                Some(given) if (given - fifths) % 12 == 0 => given,
                Some(given) if given != 0 || trusted => continue,
                _ if fifths == -6 => continue,
                _ => fifths,
            };
            let (step, alteration) = at_place(fifths - mode.fifths());
            let tonic = (step.semitones() + alteration).rem_euclid(12) as usize;
            let mut rotated = [0.0; 12];
            for (class, value) in profile(mode).into_iter().enumerate() {
                rotated[(tonic + class) % 12] = value;
            }
            let mut score = correlation(&weights, &rotated);
            if last.map(usize::from) == Some(tonic) {
                score += 0.2;
            }
            if signature == Some(fifths) {
                score += 0.1;
            }
            if given.is_some_and(|given| given.mode == mode) {
                score += if mode == Mode::Minor { 0.2 } else { 0.05 };
            }
            if best.as_ref().is_none_or(|(most, _)| score > *most) {
                best = Some((score, Key::new(step, alteration, mode)));
            }
        }
    }
    best.map_or_else(Key::default, |(_, key)| key)
}

/// How strongly each onset is heard as a beat: longer, louder and fuller ones more (the common part of
/// accounts of metre from Longuet-Higgins and Lee, 1984, on). By time.
fn accents(notes: &[Note]) -> Vec<(u32, f64)> {
    let mut accents: Vec<(u32, f64)> = Vec::new();
    for note in notes {
        let length = f64::from(note.duration.min(2 * PPQ)) / f64::from(PPQ);
        let loud = f64::from(note.velocity) / 32.0;
        let accent = length + loud * loud;
        match accents.last_mut() {
            Some((at, sum)) if *at == note.start => *sum = sum.max(accent) + 0.2,
            _ => accents.push((note.start, accent)),
        }
    }
    accents
}

/// The mean accent a bar of onsets at `phase` ticks into bars of `bar` ticks.
fn at_phase(accents: &[(u32, f64)], bar: u32, phase: u32) -> f64 {
    let last = accents.last().map_or(0, |&(at, _)| at);
    let bars = (last / bar).max(1);
    let sum: f64 =
        accents.iter().filter(|&&(at, _)| at % bar == phase).map(|&(_, accent)| accent).sum();
    sum / f64::from(bars)
}

/// The metre that makes the accents of notes fall best on bars and beats; 4/4 where nothing speaks against it.
pub(crate) fn metre(notes: &[Note]) -> Metre {
    let accents = accents(notes);
    let mean = accents.iter().map(|&(_, a)| a).sum::<f64>() / accents.len().max(1) as f64;
    let metre = |numerator, denominator| Metre { start: 0, numerator, denominator };
    let eighth = PPQ / 2;
    let score = |metre: &Metre| {
        let bar = bar_ticks(metre);
        let beat = if metre.denominator == 8 { 3 * eighth } else { PPQ };
        let phases = (0..bar / eighth).map(|step| step * eighth);
        phases
            .map(|phase| {
                let down = at_phase(&accents, bar, phase);
                let beats = (1..bar / beat)
                    .map(|n| at_phase(&accents, bar, (phase + n * beat) % bar))
                    .sum::<f64>()
                    / f64::from((bar / beat).max(2) - 1);
                down + 0.7 * beats
            })
            .fold(0.0, f64::max)
    };
    // Longer bars can pick a phase among more, so they must be a little better to be believed.
    let candidates = [
        (metre(4, 4), 0.02),
        (metre(3, 4), 0.0),
        (metre(6, 8), 0.0),
        (metre(2, 4), 0.0),
        (metre(9, 8), -0.05),
    ];
    let mut best = (candidates[0].0, f64::MIN);
    for (candidate, prior) in candidates {
        let score = score(&candidate) / mean.max(1e-9) + prior;
        if score > best.1 + 1e-9 {
            best = (candidate, score);
        }
    }
    best.0
}

/// The length of an incomplete first bar in ticks, 0 where there is none: the phase at which bars start
/// with clearly stronger accents than at the file's own start.
pub(crate) fn pickup(notes: &[Note], metre: &Metre) -> u32 {
    let bar = bar_ticks(metre);
    let accents = accents(notes);
    let step = PPQ / 2;
    // No metre that is danced or sung to is longer than 32 eighths; trying all phases of one would take long.
    if bar <= step || !bar.is_multiple_of(step) || bar > 32 * step {
        return 0;
    }
    let own = at_phase(&accents, bar, 0);
    let (mut best, mut found) = (own * 1.2, 0);
    for phase in (1..bar / step).map(|n| n * step) {
        let score = at_phase(&accents, bar, phase);
        if score > best {
            (best, found) = (score, phase);
        }
    }
    // A pickup of more than half a bar is rather a first bar.
    if found * 2 > bar { 0 } else { found }
}

/// Writes keys as ABC pitches in a key signature, with the accidentals that a bar needs.
pub(crate) struct Speller {
    /// The signature's place on the line of fifths.
    fifths: i8,
    minor: bool,
    signature: [i8; 7],
    /// Accidentals in force in this bar by step and octave, and by step alone. Readers differ in
    /// whether an accidental holds in other octaves (ABC 2.1 §11.3), so one is written where either
    /// reading needs it.
    by_octave: [[Option<i8>; 7]; 12],
    by_step: [Option<i8>; 7],
}

impl Speller {
    pub(crate) fn new(key: &Key) -> Self {
        Self {
            fifths: key.fifths().clamp(-7, 7),
            minor: key.mode.fifths() <= Mode::Minor.fifths(),
            signature: key.alterations(),
            by_octave: [[None; 7]; 12],
            by_step: [None; 7],
        }
    }

    /// Accidentals end with the bar.
    pub(crate) fn start_bar(&mut self) {
        self.by_octave = [[None; 7]; 12];
        self.by_step = [None; 7];
    }

    /// Appends the pitch of a MIDI key.
    pub(crate) fn note(&mut self, key: u8, text: &mut String) {
        let class = i16::from(key % 12);
        // One place on the line of fifths for each pitch class: in major from four fifths under the
        // signature's tonic (its flat sixth) up, in minor from three, which reaches the leading tone.
        let lowest = self.fifths - if self.minor { 3 } else { 4 };
        let spelled = |lowest: i8| {
            let place = (lowest..lowest + 12)
                .find(|&place| (i16::from(place) * 7).rem_euclid(12) == class)
                .unwrap_or(0);
            let (step, alteration) = at_place(place);
            let natural = i16::from(key) - i16::from(alteration);
            (step, alteration, natural.div_euclid(12) - 1)
        };
        // No note is read that is written in an octave under MIDI's lowest: B sharp is then C.
        let (step, alteration, octave) = match spelled(lowest) {
            (.., ..=-2) => spelled(-5),
            spelled => spelled,
        };
        let slot = (octave + 2).clamp(0, 11) as usize;
        let index = step as usize;
        let signature = self.signature[index];
        let here = self.by_octave[slot][index].unwrap_or(signature);
        let anywhere = self.by_step[index].unwrap_or(signature);
        if here != alteration || anywhere != alteration {
            text.push_str(match alteration {
                -2 => "__",
                -1 => "_",
                0 => "=",
                1 => "^",
                _ => "^^",
            });
            self.by_octave[slot][index] = Some(alteration);
            self.by_step[index] = Some(alteration);
        }
        let letter = step.letter();
        if octave >= 5 {
            text.push(letter.to_ascii_lowercase());
            (5..octave).for_each(|_| text.push('\''));
        } else {
            text.push(letter);
            (octave..4).for_each(|_| text.push(','));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(keys: &[u8], velocities: &[u8], ticks: u32) -> Vec<Note> {
        keys.iter()
            .enumerate()
            .map(|(index, &key)| Note {
                start: index as u32 * ticks,
                duration: ticks,
                key,
                velocity: velocities[index % velocities.len()],
                channel: 0,
                voice: 0,
                accompaniment: false,
                span: 0..0,
            })
            .collect()
    }

    #[test]
    fn a_scale_that_ends_on_its_tonic_has_the_key_and_mode_of_that_tonic() {
        for (text, keys) in [
            ("G", [67, 69, 71, 72, 74, 76, 78, 79, 74, 71, 67]),
            ("Edor", [64, 66, 67, 69, 71, 73, 74, 76, 71, 67, 64]),
            ("Amix", [69, 71, 73, 74, 76, 78, 79, 81, 76, 73, 69]),
            ("Dmin", [62, 64, 65, 67, 69, 70, 72, 74, 69, 65, 62]),
        ] {
            assert_eq!(key(&notes(&keys, &[90], 240), None, false).to_string(), text);
        }
    }

    #[test]
    fn a_given_signature_is_kept_and_its_mode_is_found() {
        let keys = [64, 66, 67, 69, 71, 73, 74, 76, 71, 67, 64];
        let given = "D".parse().unwrap();
        assert_eq!(key(&notes(&keys, &[90], 240), Some(&given), false).to_string(), "Edor");
    }

    #[test]
    fn accents_every_three_beats_make_three_four_time() {
        let keys = [60; 48];
        let found = metre(&notes(&keys, &[110, 70, 70], PPQ));
        assert_eq!((found.numerator, found.denominator), (3, 4));
    }

    #[test]
    fn accents_in_threes_of_eighths_make_six_eight_time() {
        let keys = [60; 48];
        let found = metre(&notes(&keys, &[110, 70, 70, 95, 70, 70], PPQ / 2));
        assert_eq!((found.numerator, found.denominator), (6, 8));
    }

    #[test]
    fn an_accented_second_eighth_makes_the_first_a_pickup() {
        let keys = [60; 33];
        let velocities = [70, 110, 70, 70, 70, 70, 70, 70];
        let four = Metre { start: 0, numerator: 4, denominator: 4 };
        assert_eq!(pickup(&notes(&keys, &velocities, PPQ / 2), &four), PPQ / 2);
        assert_eq!(pickup(&notes(&keys, &[110, 70, 70, 70], PPQ / 2), &four), 0);
    }

    #[test]
    fn an_accidental_is_written_again_in_the_next_bar_only() {
        let mut speller = Speller::new(&"G".parse().unwrap());
        let mut text = String::new();
        for key in [66, 65, 65, 77] {
            speller.note(key, &mut text);
        }
        speller.start_bar();
        speller.note(66, &mut text);
        speller.note(65, &mut text);
        // The f an octave up bears one too, for readers to whom accidentals hold in one octave only.
        assert_eq!(text, "F=FF=fF=F");
    }

    #[test]
    fn the_leading_tone_of_a_minor_key_is_a_sharp_and_its_fall_a_flat() {
        let mut text = String::new();
        let mut speller = Speller::new(&"Gmin".parse().unwrap());
        speller.note(66, &mut text);
        speller.note(70, &mut text);
        assert_eq!(text, "^FB");
    }
}
