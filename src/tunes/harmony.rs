//! Core: chord symbols for a melody, as books of tunes have them.
//!
//! A hidden Markov model, of which each beat takes the root and third that are likeliest in all. A chord stands for each beat: a root on one of the key's notes and one of four kinds. How
//! likely a chord is follows from the notes that sound on the beat, from the chord before, from where in the bar chords
//! change, and from the place in the phrase: its first bar, its cadence, the close of the tune. All of it is counted in
//! tunes whose chords somebody chose (`cargo xtask train chords`). Which chords may come is a rule of the key and not
//! learnt: their roots are notes of the signature, a minor key's raised seventh among them, and the tonic's own chord has
//! the key's third.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use earworm_abc::{self as abc, ElementKind, Key, Mode, Tune};

/// Kinds of chord.
const KINDS: usize = 4;
/// Chords: a root in semitones above the tonic, and a kind.
const CHORDS: usize = 12 * KINDS;
/// Modes that are counted apart.
const MODES: usize = 4;
/// Places in the form: within a phrase, its first bar, its last, and the tune's last.
const PLACES: usize = 4;
/// Beats of a bar that are told apart.
const BEATS: usize = 4;

/// What a chord is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A major triad.
    Major,
    /// A minor triad, with or without its seventh.
    Minor,
    /// A major triad with a minor seventh.
    Seventh,
    /// A diminished triad, with or without its seventh.
    Diminished,
}

impl Kind {
    const ALL: [Self; KINDS] = [Self::Major, Self::Minor, Self::Seventh, Self::Diminished];

    fn suffix(self) -> &'static str {
        ["", "m", "7", "dim"][self as usize]
    }

    /// Whether its third is minor.
    fn is_minor(self) -> bool {
        matches!(self, Self::Minor | Self::Diminished)
    }
}

/// A chord: its root in semitones above some note, and its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chord {
    /// 0 to 11.
    pub root: u8,
    /// What stands on it.
    pub kind: Kind,
}

impl Chord {
    /// The chord that a symbol names, its root above C: `F#m7`, `Bb/D`; none for what is no chord.
    pub fn parse(symbol: &str) -> Option<Self> {
        let mut letters = symbol.trim().chars();
        let first = letters.next().filter(char::is_ascii_uppercase)?;
        let step = i32::from(abc::Step::from_letter(first)?.semitones());
        let rest = letters.as_str();
        let (shift, rest) = match rest.chars().next() {
            Some('#' | '♯') => (1, rest.trim_start_matches(['#', '♯'])),
            Some('b' | '♭') => (-1, rest.trim_start_matches(['b', '♭'])),
            _ => (0, rest),
        };
        let rest = rest.split(['/', ' ', '(']).next().unwrap_or("");
        let minor = rest.starts_with('m') && !rest.starts_with("maj") || rest.starts_with('-');
        let kind = match () {
            () if rest.starts_with("dim")
                || rest.starts_with(['o', '°'])
                || rest.contains("m7b5") =>
            {
                Kind::Diminished
            }
            () if minor => Kind::Minor,
            () if rest.starts_with(['7', '9']) => Kind::Seventh,
            () => Kind::Major,
        };
        Some(Self { root: (step + shift).rem_euclid(12) as u8, kind })
    }

    fn index(self) -> usize {
        usize::from(self.root) * KINDS + self.kind as usize
    }

    fn of_index(index: usize) -> Self {
        Self { root: (index / KINDS) as u8, kind: Kind::ALL[index % KINDS] }
    }

    /// Whether root and third are the same.
    pub fn agrees(self, other: Self) -> bool {
        self.root == other.root && self.kind.is_minor() == other.kind.is_minor()
    }

    /// Whether a note, in semitones above C as the root is, is one of the triad's.
    pub fn has(self, note: u8) -> bool {
        let above = (note + 12 - self.root) % 12;
        let third = if self.kind.is_minor() { 3 } else { 4 };
        let fifth = if self.kind == Kind::Diminished { 6 } else { 7 };
        above == 0 || above == third || above == fifth
    }
}

/// Chords in a row, to write a melody to: bars parted by `|`, chords of a bar by blanks. It starts again where it ends.
#[derive(Debug, Clone, PartialEq)]
pub struct ChordRow(Vec<Vec<(String, Chord)>>);

/// A row that holds what is no chord.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no chord: write a row such as Am|F|C|G or D G|A7|D")]
pub struct NoChord(pub String);

impl std::str::FromStr for ChordRow {
    type Err = NoChord;

    fn from_str(text: &str) -> Result<Self, NoChord> {
        let bars: Vec<&str> =
            text.split('|').map(str::trim).filter(|bar| !bar.is_empty()).collect();
        let bar = |bar: &str| {
            bar.split_whitespace()
                .map(|symbol| {
                    let chord = Chord::parse(symbol).ok_or_else(|| NoChord(symbol.to_owned()))?;
                    let root = symbol.get(..2).filter(|root| root.ends_with(['#', 'b']));
                    let root = root.unwrap_or(&symbol[..1]);
                    Ok((format!("{root}{}", chord.kind.suffix()), chord))
                })
                .collect::<Result<Vec<_>, _>>()
        };
        let row = bars.into_iter().map(bar).collect::<Result<Vec<_>, _>>()?;
        if row.is_empty() { Err(NoChord(text.to_owned())) } else { Ok(Self(row)) }
    }
}

impl ChordRow {
    fn place(&self, bar: usize, position: i32, ticks: i32) -> Option<(&(String, Chord), i32)> {
        let chords = self.0.get(bar % self.0.len().max(1))?;
        let share = ticks / (chords.len().max(1) as i32);
        let place = ((position / share.max(1)) as usize).min(chords.len().checked_sub(1)?);
        Some((&chords[place], place as i32 * share))
    }

    /// The chord in force so far into a bar of so many ticks.
    pub(super) fn at(&self, bar: usize, position: i32, ticks: i32) -> Option<Chord> {
        self.place(bar, position, ticks).map(|((_, chord), _)| *chord)
    }

    /// The symbol of the chord that starts there.
    pub(super) fn starting(&self, bar: usize, position: i32, ticks: i32) -> Option<&str> {
        self.place(bar, position, ticks)
            .filter(|(_, start)| *start == position)
            .map(|((symbol, _), _)| symbol.as_str())
    }
}

/// A key as chords see it: tonic above C, notes of the signature above the tonic, and how its letters are called.
struct Scale {
    tonic: u8,
    mode: usize,
    minor: bool,
    /// For each semitone above the tonic the letter and accidental of the root there; none where the key has no note.
    names: [Option<(char, i8)>; 12],
    /// The note below the tonic in minor, which the signature does not have.
    leading: Option<u8>,
}

impl Scale {
    fn of(key: &Key) -> Option<Self> {
        let (step, accidental) = key.tonic?;
        let tonic = (i32::from(step.semitones()) + i32::from(accidental)).rem_euclid(12);
        let alterations = key.alterations();
        let mut names = [None; 12];
        for (place, letter) in abc::Step::ALL.into_iter().enumerate() {
            let alteration = alterations[place];
            let above = i32::from(letter.semitones()) + i32::from(alteration) - tonic;
            names[above.rem_euclid(12) as usize] = Some((letter.letter(), alteration));
        }
        let (mode, minor) = match key.mode {
            Mode::Major | Mode::Ionian | Mode::Lydian => (0, false),
            Mode::Mixolydian => (3, false),
            Mode::Dorian => (2, true),
            Mode::Minor | Mode::Aeolian | Mode::Phrygian | Mode::Locrian => (1, true),
        };
        let leading = (minor && names[11].is_none()).then_some(11);
        if leading.is_some()
            && let Some((letter, alteration)) = names[10]
            && alteration < 1
        {
            names[11] = Some((letter, alteration + 1));
        }
        Some(Self { tonic: tonic as u8, mode, minor, names, leading })
    }

    /// Whether the key has this chord, by its root above the tonic.
    fn has(&self, chord: Chord) -> bool {
        let root = usize::from(chord.root);
        if self.names[root].is_none() {
            return false;
        }
        match (chord.root, chord.kind) {
            (0, kind) => kind == if self.minor { Kind::Minor } else { Kind::Major },
            (root, kind) if Some(root) == self.leading => kind == Kind::Diminished,
            _ => true,
        }
    }

    fn symbol(&self, chord: Chord) -> Option<String> {
        let (letter, alteration) = self.names[usize::from(chord.root)]?;
        let sign = ["b", "", "#"].get((alteration + 1) as usize)?;
        Some(format!("{letter}{sign}{}", chord.kind.suffix()))
    }
}

/// A beat of a melody.
#[derive(Debug, Clone, Default)]
struct Beat {
    /// Which of its bar, from 0.
    number: usize,
    /// How many its bar has.
    of: usize,
    place: usize,
    /// For notes that begin with the beat and others, by semitones above the tonic: their share of it.
    notes: [[f32; 12]; 2],
    /// Where in the text a symbol may be written, if a chord can change here.
    at: Option<usize>,
    /// The chord written or in force, its root above the tonic.
    written: Option<Chord>,
    /// Whether a section starts here.
    starts: bool,
}

/// What one bar of a voice has in it, its times in whole notes from its line.
#[derive(Default)]
struct Measure {
    /// Start, end, MIDI key (none for a rest), place in the text, whether a symbol may stand there.
    sounds: Vec<(f64, f64, Option<u8>, usize, bool)>,
    /// Time and chord of each symbol.
    symbols: Vec<(f64, Chord)>,
    length: f64,
    /// Whether a section ends with it.
    ends: bool,
}

fn measures(tune: &Tune) -> Vec<Measure> {
    let mut measures = vec![Measure::default()];
    let (mut tuplet, mut after_broken) = (None, false);
    let elements = tune.voices.first().map_or(&[][..], |voice| &voice.elements);
    for element in elements {
        let Some(measure) = measures.last_mut() else { break };
        let (key, duration) = match &element.kind {
            ElementKind::Note(note) => (Some(note.key()), note.duration),
            ElementKind::Chord(chord) => {
                (chord.notes.iter().map(|note| note.key()).max(), chord.duration)
            }
            ElementKind::Rest(rest) => (None, rest.duration),
            ElementKind::Tuplet { .. } => {
                tuplet = Some(element.span.start);
                continue;
            }
            ElementKind::Broken(_) => {
                after_broken = true;
                continue;
            }
            ElementKind::Bar(bar) => {
                let ends = bar.repeat_end > 0
                    || bar.repeat_start > 0
                    || !matches!(bar.line, abc::BarLine::Thin | abc::BarLine::Dotted);
                if measure.length > 0.0 {
                    measure.ends = ends;
                    measures.push(Measure::default());
                } else if let [.., last, _] = &mut measures[..] {
                    last.ends |= ends;
                }
                continue;
            }
            _ => continue,
        };
        for symbol in element.attached.iter().flat_map(|attached| &attached.chord_symbols) {
            if let Some(chord) = Chord::parse(symbol) {
                measure.symbols.push((measure.length, chord));
            }
        }
        let end = measure.length + duration.to_f64();
        let at = tuplet.take().unwrap_or(element.span.start);
        measure.sounds.push((measure.length, end, key, at, !after_broken));
        (measure.length, after_broken) = (end, false);
    }
    measures.retain(|measure| measure.length > 0.0);
    measures
}

/// The beats of a tune's first voice, pickups left out; none without a metre or a tonic.
fn beats(tune: &Tune, scale: &Scale) -> Option<Vec<Beat>> {
    let bar = tune.metre.bar()?.to_f64();
    let unit = 1.0 / f64::from(tune.metre.unit.max(1));
    let length = match (tune.metre.is_compound(), tune.metre.unit) {
        (true, _) => 3.0 * unit,
        (_, 8 | 16) if tune.metre.numerator() % 2 == 1 => bar,
        (_, 8) => 2.0 * unit,
        _ => unit,
    };
    let count = (bar / length).round().max(1.0) as usize;
    let measures = measures(tune);
    let mut beats = Vec::new();
    let (mut in_section, mut starts, mut chord) = (0usize, true, None);
    let last = measures.len().saturating_sub(1);
    for (index, measure) in measures.iter().enumerate() {
        let boundary = index == 0 || measures[index - 1].ends;
        let short = measure.length < bar * 0.99;
        if boundary {
            (in_section, starts) = (0, true);
        }
        let is_pickup = boundary && short && measure.length <= bar / 2.0 + 1e-6;
        if is_pickup {
            for &(_, written) in &measure.symbols {
                chord = Some(written);
            }
            continue;
        }
        let place = match () {
            () if index == last => 3,
            () if measure.ends || in_section % 4 == 3 => 2,
            () if in_section % 4 == 0 => 1,
            () => 0,
        };
        for number in 0..count {
            let (from, to) = (number as f64 * length, (number + 1) as f64 * length);
            let mut beat = Beat { number, of: count, place, ..Beat::default() };
            for &(start, end, key, at, free) in &measure.sounds {
                let share = ((end.min(to) - start.max(from)) / length) as f32;
                let is_first = (start - from).abs() < 1e-6;
                if is_first && free {
                    beat.at = Some(at);
                }
                if let (Some(key), true) = (key, share > 1e-4) {
                    let note = (i32::from(key) - i32::from(scale.tonic)).rem_euclid(12);
                    beat.notes[usize::from(!is_first)][note as usize] += share;
                }
            }
            for &(time, written) in &measure.symbols {
                if time < from + length * 0.5 - 1e-6 && time > from - length * 0.5 - 1e-6 {
                    chord = Some(written);
                }
            }
            beat.written = chord
                .map(|chord: Chord| Chord { root: (chord.root + 12 - scale.tonic) % 12, ..chord });
            beat.starts = std::mem::take(&mut starts);
            beats.push(beat);
        }
        in_section += 1;
    }
    (!beats.is_empty()).then_some(beats)
}

/// Whether chord symbols stand in a tune's first voice.
pub fn has_symbols(tune: &Tune) -> bool {
    tune.voices.first().is_some_and(|voice| {
        voice.elements.iter().any(|element| {
            element.attached.as_ref().is_some_and(|attached| !attached.chord_symbols.is_empty())
        })
    })
}

/// What was counted in tunes with chord symbols.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Counts {
    /// `[KINDS][2][12]`: how long notes sound so many semitones above a chord's root, in hundredths of a beat.
    notes: Vec<u32>,
    /// `[MODES][CHORDS][12]`: the same for each chord, above the tonic.
    of_chord: Vec<u32>,
    /// `[MODES][CHORDS + 1][CHORDS]`: which chord follows another, or begins a tune.
    follow: Vec<u32>,
    /// `[MODES][PLACES][CHORDS]`: beats of each chord by the place in the form.
    place: Vec<u32>,
    /// `[BEATS][BEATS][2][2]`: by beats of a bar, number of the beat, and whether a phrase ends in the bar: how often the
    /// chord stays, and how often it changes.
    change: Vec<u32>,
    /// How much of a say each part has, in hundredths: notes, place, what follows what, and whether the chord changes.
    pub weights: [u32; 4],
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            weights: [160, 60, 100, 100],
            notes: vec![0; KINDS * 2 * 12],
            of_chord: vec![0; MODES * CHORDS * 12],
            follow: vec![0; MODES * (CHORDS + 1) * CHORDS],
            place: vec![0; MODES * PLACES * CHORDS],
            change: vec![0; BEATS * BEATS * 4],
        }
    }
}

/// A beat's row of [`Counts::change`].
fn change_row(beat: &Beat) -> usize {
    let of = beat.of.clamp(1, BEATS) - 1;
    ((of * BEATS + beat.number.min(BEATS - 1)) * 2 + usize::from(beat.place >= 2)) * 2
}

impl Counts {
    /// Counts a tune's chords; those whose root the key has no note for are passed over.
    pub fn add(&mut self, tune: &Tune) {
        let Some(scale) = Scale::of(&tune.key) else { return };
        let Some(beats) = beats(tune, &scale) else { return };
        let mut before: Option<Chord> = None;
        for beat in &beats {
            let Some(chord) = beat.written else { continue };
            if before.is_some() {
                self.change[change_row(beat) + usize::from(before != Some(chord))] += 1;
            }
            if scale.names[usize::from(chord.root)].is_none() {
                before = Some(chord);
                continue;
            }
            let here = scale.mode * CHORDS + chord.index();
            if before != Some(chord) {
                let from = before.map_or(CHORDS, Chord::index);
                self.follow[(scale.mode * (CHORDS + 1) + from) * CHORDS + chord.index()] += 1;
            }
            self.place[(scale.mode * PLACES + beat.place) * CHORDS + chord.index()] += 1;
            for (weak, notes) in beat.notes.iter().enumerate() {
                for (note, &share) in notes.iter().enumerate() {
                    let hundredths = (share * 100.0).round() as u32;
                    let above = (note + 12 - usize::from(chord.root)) % 12;
                    self.notes[(chord.kind as usize * 2 + weak) * 12 + above] += hundredths;
                    self.of_chord[here * 12 + note] += hundredths;
                }
            }
            before = Some(chord);
        }
    }
}

/// Chooses chords.
#[derive(Debug, Clone)]
pub struct Harmonizer {
    /// Logarithms, laid out as in [`Counts`], each multiplied with what it has of a say.
    notes: Vec<f32>,
    follow: Vec<f32>,
    place: Vec<f32>,
    change: Vec<f32>,
}

/// The mode whose counts are lent to one with few of its own.
const LENDER: [usize; MODES] = [0, 1, 1, 0];

impl Harmonizer {
    /// The one that is built into the program.
    pub fn embedded() -> &'static Self {
        static EMBEDDED: OnceLock<Harmonizer> = OnceLock::new();
        EMBEDDED.get_or_init(|| {
            let text = include_str!("../../models/chords.json");
            Self::new(&serde_json::from_str(text).unwrap_or_default())
        })
    }

    /// From counts.
    pub fn new(counts: &Counts) -> Self {
        let whole = Counts::default();
        let fits = counts.notes.len() == whole.notes.len()
            && counts.of_chord.len() == whole.of_chord.len()
            && counts.follow.len() == whole.follow.len()
            && counts.place.len() == whole.place.len()
            && counts.change.len() == whole.change.len();
        let counts = if fits { counts } else { &whole };
        let [of_notes, of_place, of_follow, of_change] =
            counts.weights.map(|hundredths| hundredths as f32 / 100.0);
        let share = |row: &[u32], smooth: f32| -> Vec<f32> {
            let sum = row.iter().sum::<u32>() as f32 + smooth * row.len() as f32;
            row.iter().map(|&count| (count as f32 + smooth) / sum).collect()
        };
        // A kind's notes above its root, and each chord's own where it was heard often.
        let of_kind: Vec<Vec<f32>> = counts.notes.chunks(12).map(|row| share(row, 20.0)).collect();
        let mut notes = vec![0.0; MODES * CHORDS * 2 * 12];
        for mode in 0..MODES {
            for index in 0..CHORDS {
                let chord = Chord::of_index(index);
                let own = &counts.of_chord[(mode * CHORDS + index) * 12..][..12];
                let heard = own.iter().sum::<u32>() as f32;
                for weak in 0..2 {
                    let kind = &of_kind[chord.kind as usize * 2 + weak];
                    for note in 0..12 {
                        let above = (note + 12 - usize::from(chord.root)) % 12;
                        let lent = 3000.0;
                        let chance = (own[note] as f32 + lent * kind[above]) / (heard + lent);
                        // What begins with the beat says more of its kind than of how often it is heard.
                        let chance = if weak == 0 { 0.5 * (chance + kind[above]) } else { chance };
                        notes[((mode * CHORDS + index) * 2 + weak) * 12 + note] =
                            of_notes * chance.ln();
                    }
                }
            }
        }
        let lent = |own: &[u32], lender: &[u32], smooth: f32| -> Vec<f32> {
            let lender = share(lender, smooth);
            let sum = own.iter().sum::<u32>() as f32;
            let lent = 30.0;
            own.iter()
                .zip(lender)
                .map(|(&count, lender)| ((count as f32 + lent * lender) / (sum + lent)).ln())
                .collect()
        };
        let mut follow = Vec::new();
        let mut place = Vec::new();
        for (mode, &lender) in LENDER.iter().enumerate() {
            for from in 0..=CHORDS {
                let row =
                    |mode: usize| &counts.follow[(mode * (CHORDS + 1) + from) * CHORDS..][..CHORDS];
                let row = lent(row(mode), row(lender), 0.05);
                follow.extend(row.into_iter().map(|way| of_follow * way));
            }
            let row =
                |mode: usize, at: usize| &counts.place[(mode * PLACES + at) * CHORDS..][..CHORDS];
            let all = |mode: usize| -> Vec<u32> {
                (0..CHORDS).map(|chord| (0..PLACES).map(|at| row(mode, at)[chord]).sum()).collect()
            };
            let anywhere = lent(&all(mode), &all(lender), 0.5);
            for at in 0..PLACES {
                let here = lent(row(mode, at), row(lender, at), 0.5);
                let more = here.iter().zip(&anywhere).map(|(here, anywhere)| here - anywhere);
                place.extend(more.map(|more| of_place * more));
            }
        }
        let change = counts
            .change
            .chunks(2)
            .flat_map(|row| share(row, 1.0))
            .map(|chance| of_change * chance.ln())
            .collect();
        Self { notes, follow, place, change }
    }

    fn emission(&self, scale: &Scale, beat: &Beat, chord: usize) -> f32 {
        let here = scale.mode * CHORDS + chord;
        let mut sum = self.place[(scale.mode * PLACES + beat.place) * CHORDS + chord];
        for (weak, notes) in beat.notes.iter().enumerate() {
            for (note, &share) in notes.iter().enumerate() {
                if share > 0.0 {
                    sum += share * self.notes[(here * 2 + weak) * 12 + note];
                }
            }
        }
        sum
    }

    /// The chord of each beat: the root and third that are likeliest over all ways through the tune (forwards and
    /// backwards), so that a chord with and without its seventh count together, and of these the likelier.
    fn chords(&self, scale: &Scale, beats: &[Beat]) -> Vec<Chord> {
        let able: Vec<Chord> =
            (0..CHORDS).map(Chord::of_index).filter(|&chord| scale.has(chord)).collect();
        let count = able.len();
        if count == 0 {
            return Vec::new();
        }
        let follow = |from: usize, to: usize| {
            self.follow[(scale.mode * (CHORDS + 1) + from) * CHORDS + able[to].index()]
        };
        // Chances of a change from each chord to each, of one that is sure.
        let ways: Vec<f32> = (0..count * count)
            .map(|way| (way / count, way % count))
            .map(|(from, to)| if from == to { 0.0 } else { follow(able[from].index(), to).exp() })
            .collect();
        let norm = |row: &mut Vec<f32>| {
            let sum: f32 = row.iter().sum();
            row.iter_mut().for_each(|chance| *chance /= sum.max(f32::MIN_POSITIVE));
        };
        let heard: Vec<Vec<f32>> = beats
            .iter()
            .map(|beat| {
                let scores: Vec<f32> =
                    able.iter().map(|chord| self.emission(scale, beat, chord.index())).collect();
                let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                scores.iter().map(|score| (score - most).exp()).collect()
            })
            .collect();
        let moves = |beat: &Beat| {
            let row = change_row(beat);
            // A chord changes where a note begins.
            let go = if beat.at.is_some() { self.change[row + 1].exp() } else { 0.0 };
            (self.change[row].exp(), go)
        };
        let mut forwards: Vec<Vec<f32>> = Vec::with_capacity(beats.len());
        for (at, beat) in beats.iter().enumerate() {
            let (stay, go) = moves(beat);
            let mut row: Vec<f32> = (0..count)
                .map(|to| {
                    let came = match forwards.last() {
                        None => follow(CHORDS, to).exp(),
                        Some(before) => {
                            let changed: f32 =
                                (0..count).map(|from| before[from] * ways[from * count + to]).sum();
                            stay * before[to] + go * changed
                        }
                    };
                    came * heard[at][to]
                })
                .collect();
            norm(&mut row);
            forwards.push(row);
        }
        let mut chords = vec![able[0]; beats.len()];
        let mut after = vec![1.0f32; count];
        for at in (0..beats.len()).rev() {
            let both: Vec<f32> =
                forwards[at].iter().zip(&after).map(|(before, after)| before * after).collect();
            let with = |chord: Chord| -> f32 {
                let alike = able.iter().zip(&both).filter(|(other, _)| other.agrees(chord));
                alike.map(|(_, chance)| chance).sum()
            };
            let best = (0..count).max_by(|&a, &b| {
                let of = |chord: usize| (with(able[chord]), both[chord]);
                of(a).partial_cmp(&of(b)).unwrap_or(std::cmp::Ordering::Equal)
            });
            chords[at] = able[best.unwrap_or(0)];
            let (stay, go) = moves(&beats[at]);
            let felt: Vec<f32> =
                after.iter().zip(&heard[at]).map(|(after, heard)| after * heard).collect();
            let mut row: Vec<f32> = (0..count)
                .map(|from| {
                    let changed: f32 =
                        (0..count).map(|to| ways[from * count + to] * felt[to]).sum();
                    stay * felt[from] + go * changed
                })
                .collect();
            norm(&mut row);
            after = row;
        }
        chords
    }

    /// A tune's chord symbols, each with the place in the text that the tune was read from where it is to be written:
    /// where the chord changes, and where a section starts. None for a tune without metre or tonic.
    pub fn symbols(&self, tune: &Tune) -> Vec<(usize, String)> {
        let Some(scale) = Scale::of(&tune.key) else { return Vec::new() };
        let Some(beats) = beats(tune, &scale) else { return Vec::new() };
        let mut symbols = Vec::new();
        let mut last = None;
        for (beat, chord) in beats.iter().zip(self.chords(&scale, &beats)) {
            if let (Some(at), true) = (beat.at, last != Some(chord) || beat.starts) {
                if let Some(symbol) = scale.symbol(chord) {
                    symbols.push((at, symbol));
                }
                last = Some(chord);
            }
        }
        symbols
    }

    /// Every beat of a tune where a note begins: its place in the text and its chord's symbol.
    pub(super) fn of_beats(&self, tune: &Tune) -> Vec<(usize, String)> {
        let Some(scale) = Scale::of(&tune.key) else { return Vec::new() };
        let Some(beats) = beats(tune, &scale) else { return Vec::new() };
        beats
            .iter()
            .zip(self.chords(&scale, &beats))
            .filter_map(|(beat, chord)| beat.at.zip(scale.symbol(chord)))
            .collect()
    }

    /// ABC with chord symbols above the first voice of each tune that has none.
    pub fn harmonize(&self, text: &str) -> String {
        let book = abc::read(text);
        let mut symbols: Vec<(usize, String)> = book
            .tunes
            .iter()
            .filter(|tune| !has_symbols(tune))
            .flat_map(|tune| self.symbols(tune))
            .collect();
        symbols.sort_by_key(|(at, _)| *at);
        let mut out = String::with_capacity(text.len() + symbols.len() * 5);
        let mut from = 0;
        for (at, symbol) in symbols {
            out.push_str(&text[from..at]);
            out.push('"');
            out.push_str(&symbol);
            out.push('"');
            from = at;
        }
        out.push_str(&text[from..]);
        out
    }
}

/// How often a harmonizer's chord and the book's have the same root and third.
#[derive(Debug, Clone, Copy, Default)]
pub struct Agreement {
    /// Beats that have a chord in the book.
    pub beats: usize,
    /// Of those, the ones where the harmonizer agrees.
    pub learnt: usize,
    /// The ones where the diatonic triad agrees that has most of the beat's notes.
    pub by_beat: usize,
    /// The ones where that one of the bar agrees.
    pub by_bar: usize,
}

impl Agreement {
    /// Counts a tune's beats.
    pub fn add(&mut self, harmonizer: &Harmonizer, tune: &Tune) {
        let Some(scale) = Scale::of(&tune.key) else { return };
        let Some(beats) = beats(tune, &scale) else { return };
        let triads: Vec<Chord> = (0..12)
            .filter(|&root| Some(root) != scale.leading && scale.names[usize::from(root)].is_some())
            .map(|root| {
                let in_key = |above: u8| {
                    let note = (root + above) % 12;
                    Some(note) != scale.leading && scale.names[usize::from(note)].is_some()
                };
                let kind = match (in_key(4), in_key(7)) {
                    (true, _) => Kind::Major,
                    (_, true) => Kind::Minor,
                    _ => Kind::Diminished,
                };
                Chord { root, kind }
            })
            .collect();
        // The tonic, the fifth and the fourth first, where several have as much.
        let triad = |beats: &[Beat]| {
            let sum = |chord: &Chord| -> f32 {
                beats
                    .iter()
                    .flat_map(|beat| beat.notes.iter().flat_map(|notes| notes.iter().enumerate()))
                    .filter(|(note, _)| chord.has(*note as u8))
                    .map(|(_, share)| share)
                    .sum()
            };
            let rank = |chord: &Chord| match chord.root {
                0 => 3,
                7 => 2,
                5 => 1,
                _ => 0,
            };
            triads
                .iter()
                .copied()
                .max_by(|a, b| sum(a).total_cmp(&sum(b)).then(rank(a).cmp(&rank(b))))
        };
        let found = harmonizer.chords(&scale, &beats);
        let mut bar = None;
        for (at, beat) in beats.iter().enumerate() {
            if beat.number == 0 {
                bar = triad(&beats[at..(at + beat.of).min(beats.len())]);
            }
            let Some(written) = beat.written else { continue };
            self.beats += 1;
            self.learnt += usize::from(found[at].agrees(written));
            let own = triad(std::slice::from_ref(beat));
            self.by_beat += usize::from(own.is_some_and(|chord| chord.agrees(written)));
            self.by_bar += usize::from(bar.is_some_and(|chord| chord.agrees(written)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbols(text: &str) -> Vec<String> {
        let harmonized = Harmonizer::embedded().harmonize(text);
        harmonized.split('"').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn a_melody_of_one_chord_after_another_gets_these_chords() {
        let found = symbols("X:1\nM:4/4\nL:1/4\nK:C\nCEGc|FAcf|GBdg|c4|]\n");
        assert_eq!(found, ["C", "F", "G", "C"]);
        let found = symbols("X:1\nM:4/4\nL:1/4\nK:Eb\nEGBe|Aceg|Bdfb|e4|]\n");
        assert_eq!(found.first().map(String::as_str), Some("Eb"));
        assert!(found.iter().all(|symbol| !symbol.starts_with('B') || symbol.starts_with("Bb")));
    }

    #[test]
    fn roots_are_the_keys_own_notes_and_the_tonic_has_its_third_in_every_key_and_mode() {
        let scale = "cdef|gabc'|bagf|edcB|cegc'|fac'f|gbdg|c4|]";
        for key in [
            "C", "G", "D", "A", "E", "B", "F#", "F", "Bb", "Eb", "Ab", "Db", "Am", "Em", "Bm",
            "F#m", "C#m", "G#m", "Dm", "Gm", "Cm", "Fm", "Bbm", "Ador", "Edor", "Bdor", "Dmix",
            "Amix", "Ephr", "Flyd",
        ] {
            let text = format!("X:1\nM:4/4\nL:1/4\nK:{key}\n{scale}\n");
            let book = abc::read(&text);
            let found = symbols(&text);
            assert!(found.len() > 2, "{key}: {found:?}");
            let scale = Scale::of(&book.tunes[0].key).unwrap();
            for symbol in found {
                let chord = Chord::parse(&symbol).unwrap();
                let root = (chord.root + 12 - scale.tonic) % 12;
                assert!(scale.names[usize::from(root)].is_some(), "{symbol} in {key}");
                if root == 0 {
                    assert_eq!(chord.kind.is_minor(), scale.minor, "{symbol} in {key}");
                }
            }
        }
    }

    #[test]
    fn what_has_chords_already_keeps_them() {
        let text = "X:1\nM:4/4\nL:1/4\nK:C\n\"F\"CEGc|FAcf|GBdg|c4|]\n";
        assert_eq!(Harmonizer::embedded().harmonize(text), text);
    }

    #[test]
    fn a_text_without_metre_key_or_notes_stays_as_it_is() {
        for text in ["", "X:1\nK:none\nabc|", "X:1\nM:none\nK:C\nabc|", "X:1\nM:4/4\nK:C\n", "é"] {
            assert_eq!(Harmonizer::embedded().harmonize(text), text);
        }
    }

    #[test]
    fn symbols_name_chords() {
        let chord = |symbol: &str| Chord::parse(symbol).map(|chord| (chord.root, chord.kind));
        assert_eq!(chord("F#m7"), Some((6, Kind::Minor)));
        assert_eq!(chord("Bb/D"), Some((10, Kind::Major)));
        assert_eq!(chord("Cmaj7"), Some((0, Kind::Major)));
        assert_eq!(chord("G7"), Some((7, Kind::Seventh)));
        assert_eq!(chord("Bm7b5"), Some((11, Kind::Diminished)));
        assert_eq!(chord("N.C."), None);
    }
}
