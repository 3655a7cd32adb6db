//! Core: a tune as it is played: notes in ticks, repeats and parts unfolded.

use super::accompaniment::{self, ChordNotes, Drone, Drums, Pattern, Sound, Switch};
use super::model::{Bar, BarLine, Change, Element, ElementKind, Finding, Grace, Severity};
use super::unfold::unfold;
use super::{Key, Length, Tune};
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

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
    /// Microseconds a quarter note, as MIDI has it (500,000 is 120 a minute).
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

/// Plays a tune: repeats, variant endings, part orders, ties and accidentals resolved.
///
/// Takes time linear in the length of what is played, which [`MOST_NOTES`] and [`MOST_TICKS`] bound.
pub fn perform(tune: &Tune, options: &PerformOptions) -> Performance {
    let mut performance = Performance { title: tune.title().to_owned(), ..Performance::default() };
    let mut channels = Channels::new(tune.voices.len());
    let has_chords = options.accompaniment
        && tune.voices.iter().any(|voice| {
            voice.elements.iter().any(|element| {
                element.attached.as_ref().is_some_and(|attached| !attached.chord_symbols.is_empty())
            })
        });
    let accompaniment = if has_chords { (channels.take(), channels.take()) } else { (0, 0) };
    performance.tempos.push(Tempo {
        start: 0,
        microseconds_per_quarter: tune
            .tempo
            .as_ref()
            .and_then(microseconds_per_quarter)
            .unwrap_or(500_000),
    });
    performance.keys.push(KeyStart { start: 0, key: tune.key.clone() });
    if let Some(metre) = metre_at(0, &tune.metre) {
        performance.metres.push(metre);
    }
    let mut findings = Vec::new();
    for (index, voice) in tune.voices.iter().enumerate() {
        // Every voice finds the same fault in the order of parts; it is said once.
        let mut of_voice = Vec::new();
        let order = unfold(&voice.elements, tune.parts.as_ref(), &mut of_voice);
        let mut player =
            Player::new(tune, index, options, &mut performance, &mut channels, accompaniment);
        player.play(&order);
        player.finish();
        of_voice.append(&mut performance.findings);
        for finding in of_voice {
            if !findings.contains(&finding) && findings.len() < 64 {
                findings.push(finding);
            }
        }
    }
    let full = [
        performance.tempos.len(),
        performance.metres.len(),
        performance.keys.len(),
        performance.bars.len(),
        performance.programs.len(),
        performance.bends.len(),
        performance.chords.len(),
    ];
    if full.contains(&MOST_CHANGES) {
        findings.push(Finding {
            severity: Severity::Error,
            span: tune.span.clone(),
            text: format!("more than {MOST_CHANGES} bars or changes are played; the rest are cut"),
            hint: "repeat fewer times or split the tune".to_owned(),
        });
    }
    performance.findings = findings;
    performance.notes.sort_by_key(|note| (note.start, note.channel, note.key));
    performance.tempos.sort_by_key(|tempo| tempo.start);
    settle(
        &mut performance.tempos,
        |tempo| tempo.start,
        |a, b| a.microseconds_per_quarter == b.microseconds_per_quarter,
    );
    settle(
        &mut performance.metres,
        |metre| metre.start,
        |a, b| (a.numerator, a.denominator) == (b.numerator, b.denominator),
    );
    settle(&mut performance.keys, |key| key.start, |a, b| a.key == b.key);
    performance.programs.sort_by_key(|program| program.start);
    performance.bends.sort_by_key(|bend| bend.start);
    performance
}

/// Adds a change while there is room.
fn keep<T>(changes: &mut Vec<T>, change: T) {
    if changes.len() < MOST_CHANGES {
        changes.push(change);
    }
}

/// Leaves the last of the changes at a time, and of those the ones that change something.
fn settle<T>(changes: &mut Vec<T>, start: impl Fn(&T) -> u32, equal: impl Fn(&T, &T) -> bool) {
    changes.dedup_by(|later, earlier| {
        let same = start(later) == start(earlier);
        if same {
            std::mem::swap(later, earlier);
        }
        same
    });
    changes.dedup_by(|later, earlier| equal(later, earlier));
}

fn microseconds_per_quarter(tempo: &super::Tempo) -> Option<u32> {
    let quarters = tempo.quarters_per_minute()?;
    // Slower than any that a MIDI file can tell, for there are other ways to be heard.
    Some((60_000_000.0 / quarters).round().clamp(1.0, f64::from(u32::MAX)) as u32)
}

fn metre_at(start: u32, metre: &super::Metre) -> Option<Metre> {
    metre.bar().map(|_| Metre {
        start,
        numerator: metre.numerator().min(u32::from(u16::MAX)) as u16,
        denominator: metre.unit,
    })
}

/// MIDI channels given out in order, the drums' left out.
struct Channels {
    next: usize,
}

impl Channels {
    fn new(voices: usize) -> Self {
        Self { next: voices }
    }

    fn nth(index: usize) -> u8 {
        let channel = index % 15;
        (channel + usize::from(channel >= 9)) as u8
    }

    fn take(&mut self) -> u8 {
        self.next += 1;
        Self::nth(self.next - 1)
    }
}

/// Exact time since the start: whole ticks and a fraction of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Clock {
    ticks: u64,
    /// Of a tick; below the denominator.
    numerator: u64,
    denominator: u64,
}

impl Clock {
    const START: Self = Self { ticks: 0, numerator: 0, denominator: 1 };

    /// Moves on by a length in whole notes, so many times.
    fn advance(&mut self, length: Length, times: u32) {
        let lower = u64::from(length.denominator());
        let total = u128::from(length.numerator()) * u128::from(4 * PPQ) * u128::from(times);
        self.ticks =
            self.ticks.saturating_add(u64::try_from(total / u128::from(lower)).unwrap_or(u64::MAX));
        let rest = (total % u128::from(lower)) as u64;
        if rest == 0 {
            return;
        }
        let numerator = u128::from(self.numerator) * u128::from(lower)
            + u128::from(rest) * u128::from(self.denominator);
        let denominator = u128::from(self.denominator) * u128::from(lower);
        let (mut a, mut b) = (numerator, denominator);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        let (numerator, denominator) = (numerator / a, denominator / a);
        self.ticks = self.ticks.saturating_add((numerator / denominator) as u64);
        let numerator = numerator % denominator;
        if denominator > u128::from(u32::MAX) {
            // Finer than can be kept: the part of a tick is dropped.
            (self.numerator, self.denominator) = (0, 1);
        } else {
            (self.numerator, self.denominator) = (numerator as u64, denominator as u64);
        }
    }

    fn whole(self) -> u32 {
        self.ticks.min(u64::from(u32::MAX)) as u32
    }
}

/// A note that a tie keeps sounding.
#[derive(Clone, Copy)]
struct Held {
    key: u8,
    /// Its index among the notes.
    note: usize,
    /// How long it lasts so far, in whole notes.
    length: Length,
    /// When it would end.
    end: Clock,
}

/// How loud notes are: on the first of a bar, on strong beats, elsewhere (abc2midi's `%%MIDI beat`).
#[derive(Clone, Copy)]
struct Beat {
    first: u8,
    strong: u8,
    weak: u8,
    /// Strong beats come every so many of the metre's notes; 0 for the metre's own.
    every: u32,
    accents: bool,
}

/// One voice being played.
struct Player<'a> {
    tune: &'a Tune,
    index: usize,
    options: &'a PerformOptions,
    performance: &'a mut Performance,
    channels: &'a mut Channels,
    clock: Clock,
    /// Starts of the last bars, the newest last, for overlays.
    bar_starts: Vec<Clock>,
    /// The latest end of the overlaid layers of this bar.
    layers_end: Clock,
    layer: usize,
    /// Bars that the overlaid layer still has, the one it is in included.
    layer_bars: usize,
    layer_channels: Vec<u8>,
    /// Notes held by ties, for each layer.
    held: Vec<Vec<Held>>,
    channel: u8,
    /// By channel: how far it is bent now, in cents.
    bent: [i8; 16],
    /// Which keys a percussion voice plays in place of those written: `%%MIDI drummap`.
    drum_map: HashMap<u8, u8>,
    metre: super::Metre,
    key: Key,
    /// The clef in force, with transpose= and octave=, and the semitones that they make.
    clef: super::Clef,
    clef_transpose: i16,
    /// Semitones by `%%MIDI transpose`.
    midi_transpose: i16,
    beat: Beat,
    loudness_step: i16,
    /// Grace notes last the unit note length over this.
    grace_divider: u32,
    unit: Length,
    bar_open: bool,
    // The accompaniment.
    gchord_on: bool,
    pattern: Option<Rc<Pattern>>,
    gchord_bars: u32,
    sound: Sound,
    accompaniment: (u8, u8),
    programs: (u8, u8),
    chord_names: HashMap<String, Vec<i8>>,
    accompanied_bars: Vec<accompaniment::Bar>,
    chord_changes: Vec<accompaniment::Change>,
    drums: Option<Rc<Drums>>,
    /// What `%%MIDI drum` said last, for `%%MIDI drumbars` to spread anew.
    drum_words: Vec<String>,
    drum_bars: u32,
    drum_switches: Vec<Switch>,
    drone: Drone,
    /// The drone that sounds: since when, its notes, and the place of its `%%MIDI droneon`.
    droning: Option<(u32, Drone, Range<usize>)>,
    drone_channel: Option<u8>,
    /// The place of the field that is being taken in.
    field: Range<usize>,
}

impl<'a> Player<'a> {
    fn new(
        tune: &'a Tune,
        index: usize,
        options: &'a PerformOptions,
        performance: &'a mut Performance,
        channels: &'a mut Channels,
        accompaniment: (u8, u8),
    ) -> Self {
        let mut player = Self {
            tune,
            index,
            options,
            performance,
            channels,
            clock: Clock::START,
            bar_starts: vec![Clock::START],
            layers_end: Clock::START,
            layer: 0,
            layer_bars: 0,
            layer_channels: Vec::new(),
            held: vec![Vec::new()],
            channel: Channels::nth(index),
            bent: [0; 16],
            drum_map: HashMap::new(),
            metre: tune.metre.clone(),
            key: tune.key.clone(),
            clef: super::Clef::default(),
            clef_transpose: 0,
            midi_transpose: 0,
            beat: Beat { first: 105, strong: 95, weak: 80, every: 0, accents: true },
            loudness_step: 15,
            grace_divider: 4,
            unit: tune.unit,
            bar_open: false,
            gchord_on: true,
            pattern: None,
            gchord_bars: 1,
            sound: Sound {
                chord_channel: accompaniment.0,
                bass_channel: accompaniment.0,
                chord_velocity: 75,
                bass_velocity: 80,
                chord_octave: 0,
                bass_octave: 0,
                transpose: 0,
            },
            accompaniment,
            programs: (0, 0),
            chord_names: HashMap::new(),
            accompanied_bars: Vec::new(),
            chord_changes: Vec::new(),
            drums: None,
            drum_words: Vec::new(),
            drum_bars: 1,
            drum_switches: Vec::new(),
            drone: Drone::default(),
            droning: None,
            drone_channel: None,
            field: 0..0,
        };
        let voice = &tune.voices[index];
        for field in tune.inherited.iter().chain(&tune.header) {
            player.field = field.span.clone();
            match &field.change {
                // One voice's drums and drone are enough.
                Change::Midi(words) if index > 0 && starts_playing(words) => {}
                Change::Midi(words) => player.midi(words),
                Change::Key(_, clef) => player.set_clef(clef),
                _ => {}
            }
        }
        player.set_clef(&voice.clef);
        if let Some(program) = voice
            .properties
            .iter()
            .find(|(name, _)| name == "program")
            .and_then(|(_, value)| value.parse().ok())
        {
            player.program(program);
        }
        player
    }

    fn play(&mut self, order: &[Range<usize>]) {
        let elements = &self.tune.voices[self.index].elements;
        let in_force = self.in_force(elements);
        let mut expected = 0;
        for range in order {
            if range.start != expected && !in_force.is_empty() {
                self.jump_to(elements, &in_force, range.start);
            }
            expected = range.end;
            for element in &elements[range.clone()] {
                self.element(element);
                if self.clock.ticks > u64::from(MOST_TICKS)
                    || self.performance.notes.len() >= MOST_NOTES
                {
                    self.performance.findings.push(Finding {
                        severity: Severity::Error,
                        span: element.span.clone(),
                        text: format!(
                            "the performance is cut here: more than {MOST_TICKS} ticks or {MOST_NOTES} notes"
                        ),
                        hint: "repeat fewer times or split the tune".to_owned(),
                    });
                    return;
                }
            }
        }
    }

    /// Where metre, key and unit note length change, each with the elements that have set them by then.
    fn in_force(&self, elements: &[Element]) -> Vec<(usize, [Option<usize>; 3])> {
        let mut set = [None; 3];
        let mut changes = Vec::new();
        for (at, element) in elements.iter().enumerate() {
            let ElementKind::Field(field) = &element.kind else { continue };
            match field.change {
                Change::Metre(_) => set[0] = Some(at),
                Change::Key(Some(_), _) => set[1] = Some(at),
                Change::Unit(_) => set[2] = Some(at),
                _ => continue,
            }
            changes.push((at, set));
        }
        changes
    }

    /// Brings back the metre, the key and the unit note length that hold at a place, as a jump goes there.
    fn jump_to(
        &mut self,
        elements: &[Element],
        in_force: &[(usize, [Option<usize>; 3])],
        to: usize,
    ) {
        let before = in_force.partition_point(|change| change.0 < to);
        let set = before.checked_sub(1).map_or([None; 3], |last| in_force[last].1);
        let change = |at: Option<usize>| match &elements[at?].kind {
            ElementKind::Field(field) => Some(&field.change),
            _ => None,
        };
        let tune = self.tune;
        self.unit = match change(set[2]) {
            Some(Change::Unit(unit)) => *unit,
            _ => tune.unit,
        };
        match change(set[0]) {
            Some(Change::Metre(metre)) => self.set_metre(metre),
            _ => self.set_metre(&tune.metre),
        }
        match change(set[1]) {
            Some(Change::Key(Some(key), _)) => self.set_key(key),
            _ => self.set_key(&tune.key),
        }
    }

    fn set_metre(&mut self, metre: &super::Metre) {
        if *metre == self.metre {
            return;
        }
        self.metre = metre.clone();
        if self.index == 0
            && let Some(metre) = metre_at(self.clock.whole(), metre)
        {
            keep(&mut self.performance.metres, metre);
        }
        self.accompaniment_changed();
    }

    fn set_clef(&mut self, clef: &super::Clef) {
        merge(&mut self.clef, clef);
        self.clef_transpose = transposition(&self.clef);
    }

    fn set_key(&mut self, key: &Key) {
        if *key == self.key {
            return;
        }
        self.key = key.clone();
        if self.index == 0 {
            keep(
                &mut self.performance.keys,
                KeyStart { start: self.clock.whole(), key: key.clone() },
            );
        }
    }

    fn element(&mut self, element: &Element) {
        match &element.kind {
            ElementKind::Note(note) => {
                self.open_bar(element);
                let duration = self.lengthened(element, note.duration);
                self.sound(
                    element,
                    std::slice::from_ref(note),
                    note.tie.is_some(),
                    note.duration,
                    duration,
                );
            }
            ElementKind::Chord(chord) => {
                self.open_bar(element);
                let duration = self.lengthened(element, chord.duration);
                self.sound(element, &chord.notes, chord.tie.is_some(), chord.duration, duration);
            }
            ElementKind::Rest(rest) => {
                self.open_bar(element);
                self.attached_marks(element);
                let duration = self.lengthened(element, rest.duration);
                self.clock.advance(duration, 1);
                self.held_mut().clear();
            }
            ElementKind::BarsRest { bars, .. } => {
                self.open_bar(element);
                self.attached_marks(element);
                let bar = self.metre.bar().unwrap_or(Length::ONE);
                for played in 0..*bars {
                    if played > 0 {
                        self.close_bar(element.span.end);
                        self.open_bar(element);
                    }
                    self.clock.advance(bar, 1);
                    if self.clock.ticks > u64::from(MOST_TICKS) {
                        break;
                    }
                }
                self.held_mut().clear();
            }
            ElementKind::Spacer(_) => self.attached_marks(element),
            // An overlay over several bars goes on over the lines between them (ABC 2.1 §7.4).
            ElementKind::Bar(Bar { line: BarLine::Thin, repeat_end: 0, repeat_start: 0 })
                if self.layer_bars > 1 && self.clock < self.layers_end =>
            {
                self.layer_bars -= 1;
            }
            ElementKind::Bar(_) => {
                self.clock = self.clock.max(self.layers_end);
                self.close_bar(element.span.end);
                self.layer = 0;
                self.layer_bars = 0;
                if self.bar_starts.last() != Some(&self.clock) {
                    self.bar_starts.push(self.clock);
                    if self.bar_starts.len() > 16 {
                        self.bar_starts.remove(0);
                    }
                }
                self.layers_end = self.clock;
                if element.attached.is_some() {
                    self.attached_marks(element);
                }
            }
            ElementKind::Overlay { bars } => {
                self.layers_end = self.layers_end.max(self.clock);
                // Right after a bar line that line is the first of those to go back by.
                let newest = self.bar_starts.last() == Some(&self.clock) && self.layer == 0;
                let known =
                    self.bar_starts.len() - usize::from(newest && self.bar_starts.len() > 1);
                let back = usize::from(*bars).clamp(1, known);
                self.clock = self.bar_starts[known - back];
                self.layer = (self.layer + 1).min(15);
                self.layer_bars = back;
                while self.held.len() <= self.layer {
                    self.held.push(Vec::new());
                }
                while self.layer_channels.len() < self.layer {
                    let channel = self.channels.take();
                    self.layer_channels.push(channel);
                }
            }
            ElementKind::Field(field) => match &field.change {
                Change::Metre(metre) => self.set_metre(metre),
                Change::Unit(unit) => self.unit = *unit,
                Change::Key(key, clef) => {
                    if let Some(key) = key {
                        self.set_key(key);
                    }
                    self.set_clef(clef);
                }
                Change::Tempo(tempo) => {
                    if let Some(microseconds_per_quarter) = microseconds_per_quarter(tempo) {
                        keep(
                            &mut self.performance.tempos,
                            Tempo { start: self.clock.whole(), microseconds_per_quarter },
                        );
                    }
                }
                Change::Midi(words) => {
                    self.field = field.span.clone();
                    self.midi(words);
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn held_mut(&mut self) -> &mut Vec<Held> {
        &mut self.held[self.layer]
    }

    /// A fermata holds a note for twice its length.
    fn lengthened(&self, element: &Element, duration: Length) -> Length {
        let fermata = self.options.decorations
            && element.attached.as_ref().is_some_and(|attached| {
                attached.decorations.iter().any(|decoration| decoration.name == "fermata")
            });
        if fermata { duration * Length::new(2, 1) } else { duration }
    }

    fn open_bar(&mut self, element: &Element) {
        if self.bar_open || self.layer > 0 {
            return;
        }
        self.bar_open = true;
        if self.index == 0 {
            keep(
                &mut self.performance.bars,
                BarStart { start: self.clock.whole(), span: element.span.clone() },
            );
        }
        self.open_accompanied_bar();
    }

    fn open_accompanied_bar(&mut self) {
        if !self.options.accompaniment {
            return;
        }
        let full = self.metre.bar().map_or(4 * PPQ, Length::ticks).max(1);
        let pattern = self.gchord_on.then(|| {
            self.pattern.clone().unwrap_or_else(|| {
                let (numerator, denominator) = match self.metre.bar() {
                    Some(_) => (self.metre.numerator(), u32::from(self.metre.unit)),
                    None => (4, 4),
                };
                Rc::new(Pattern::of_metre(numerator, denominator))
            })
        });
        let mut sound = self.sound;
        sound.transpose = self.midi_transpose;
        keep(
            &mut self.accompanied_bars,
            accompaniment::Bar {
                start: self.clock.whole(),
                end: self.clock.whole(),
                full,
                pattern,
                sound,
                drums: self.drums.clone(),
            },
        );
    }

    fn close_bar(&mut self, end: usize) {
        if !self.bar_open {
            return;
        }
        self.bar_open = false;
        if self.index == 0
            && let Some(bar) = self.performance.bars.last_mut()
        {
            bar.span.end = bar.span.end.max(end);
        }
        if let Some(bar) = self.accompanied_bars.last_mut() {
            bar.end = self.clock.whole();
        }
    }

    /// Chord symbols and dynamics that stand before an element.
    fn attached_marks(&mut self, element: &Element) {
        let Some(attached) = &element.attached else { return };
        for symbol in &attached.chord_symbols {
            let start = self.clock.whole();
            let silent = matches!(symbol.trim(), "N.C." | "NC" | "n.c." | "N.C");
            let chord = ChordNotes::read(symbol, &self.chord_names);
            if chord.is_none() && !silent {
                continue;
            }
            if self.index == 0 {
                keep(
                    &mut self.performance.chords,
                    ChordStart { start, symbol: symbol.clone(), span: element.span.clone() },
                );
            }
            if self.options.accompaniment {
                keep(
                    &mut self.chord_changes,
                    accompaniment::Change { start, chord, span: element.span.clone() },
                );
            }
        }
        if self.options.decorations {
            for decoration in &attached.decorations {
                self.dynamics(&decoration.name);
            }
        }
    }

    fn dynamics(&mut self, name: &str) {
        let (first, strong, weak) = match name {
            "ppp" | "pppp" => (30, 20, 10),
            "pp" => (45, 35, 20),
            "p" => (60, 50, 35),
            "mp" => (75, 65, 50),
            "mf" => (90, 80, 65),
            "f" => (105, 95, 80),
            "ff" => (120, 110, 95),
            "fff" | "ffff" => (127, 125, 110),
            "crescendo(" | "<(" | "crescendo)" | "<)" => return self.louder(self.loudness_step),
            "diminuendo(" | ">(" | "diminuendo)" | ">)" => return self.louder(-self.loudness_step),
            _ => return,
        };
        (self.beat.first, self.beat.strong, self.beat.weak) = (first, strong, weak);
    }

    fn louder(&mut self, step: i16) {
        for velocity in [&mut self.beat.first, &mut self.beat.strong, &mut self.beat.weak] {
            *velocity = (i16::from(*velocity) + step).clamp(1, 127) as u8;
        }
    }

    fn velocity(&self) -> u8 {
        if !self.beat.accents {
            return self.beat.strong;
        }
        let bar_start = self.bar_starts.last().map_or(0, |start| start.ticks);
        let into = self.clock.ticks.saturating_sub(bar_start);
        if into == 0 {
            return self.beat.first;
        }
        let numerator = self.metre.numerator();
        let every = match self.beat.every {
            0 if numerator.is_multiple_of(3) => 3,
            0 if numerator.is_multiple_of(2) => 2,
            0 => numerator.max(1),
            every => every,
        };
        let beat = u64::from(every) * u64::from(4 * PPQ) / u64::from(self.metre.unit.max(1));
        if beat > 0 && into.is_multiple_of(beat) { self.beat.strong } else { self.beat.weak }
    }

    /// Plays notes that sound together; the music goes on after `duration`.
    fn sound(
        &mut self,
        element: &Element,
        notes: &[super::model::Note],
        all_tied: bool,
        written: Length,
        duration: Length,
    ) {
        self.attached_marks(element);
        let attached = element.attached.as_deref();
        let decorated = |names: &[&str]| {
            self.options.decorations
                && attached.is_some_and(|attached| {
                    attached
                        .decorations
                        .iter()
                        .any(|decoration| names.contains(&decoration.name.as_str()))
                })
        };
        let staccato = decorated(&["staccato", "dot", "wedge"]);
        let accent = decorated(&[">", "accent", "emphasis", "sfz", "sf"]);
        let trill = decorated(&["trill"]);
        let roll = decorated(&["roll"]);
        let mordent = if decorated(&["lowermordent", "mordent"]) {
            Some(-1)
        } else if decorated(&["uppermordent", "pralltriller"]) {
            Some(1)
        } else {
            None
        };
        let turn = decorated(&["turn", "invertedturn"]);
        let grace = attached
            .and_then(|attached| attached.grace.as_ref())
            .filter(|_| self.options.grace_notes);
        let mut velocity = self.velocity();
        if accent {
            velocity = velocity.saturating_add(20).min(127);
        }
        let channel = if self.layer == 0 {
            self.channel
        } else {
            self.layer_channels.get(self.layer - 1).copied().unwrap_or(self.channel)
        };
        let start = self.clock;
        let transpose = self.clef_transpose + self.midi_transpose;
        let stretch = if written.is_zero() { Length::ONE } else { duration / written };
        let mut next_held: Vec<Held> = Vec::new();
        let grace_ticks = grace.map_or(0, |grace| self.grace_time(grace, duration));
        for (index, note) in notes.iter().enumerate() {
            let key = (i16::from(note.pitch.octave) + 1) * 12
                + i16::from(note.pitch.step.semitones())
                + i16::from(note.alteration)
                + transpose;
            let Ok(key @ 0..=127) = u8::try_from(key) else { continue };
            let key = match self.drum_map.get(&key) {
                Some(&mapped) if channel == PERCUSSION => mapped,
                _ => key,
            };
            let length = note.duration * stretch;
            let tied = note.tie.is_some() || all_tied;
            let mut end = start;
            end.advance(length, 1);
            let held = self.held[self.layer]
                .iter()
                .position(|held| held.key == key && held.end.ticks == start.ticks);
            let held = match held {
                Some(at) => {
                    let mut held = self.held[self.layer].swap_remove(at);
                    held.length = held.length + length;
                    held.end = end;
                    let long = held.length.ticks().max(1);
                    if let Some(note) = self.performance.notes.get_mut(held.note) {
                        note.duration = long;
                    }
                    held
                }
                None => {
                    self.bend(channel, note.cents);
                    let ticks = length.ticks().max(1);
                    let mut played = Note {
                        start: start.whole(),
                        duration: if staccato && !tied { (ticks / 2).max(1) } else { ticks },
                        key,
                        velocity,
                        channel,
                        voice: self.index as u16,
                        accompaniment: false,
                        span: element.span.clone(),
                    };
                    if index == 0
                        && grace_ticks > 0
                        && let Some(grace) = grace
                    {
                        self.play_grace(
                            grace,
                            start.whole(),
                            grace_ticks,
                            velocity,
                            channel,
                            element,
                        );
                    }
                    if grace_ticks > 0 && ticks > grace_ticks {
                        played.start += grace_ticks;
                        played.duration = played.duration.saturating_sub(grace_ticks).max(1);
                    }
                    if !tied && notes.len() == 1 && (trill || roll || turn || mordent.is_some()) {
                        self.ornament(played, note, trill, roll, turn, mordent);
                    } else {
                        let place = self.performance.notes.len();
                        self.performance.notes.push(played);
                        if tied {
                            next_held.push(Held { key, note: place, length, end });
                        }
                        continue;
                    }
                    continue;
                }
            };
            if tied {
                next_held.push(held);
            }
        }
        self.held[self.layer] = next_held;
        self.clock.advance(duration, 1);
    }

    /// Bends what follows on a channel by so many cents.
    fn bend(&mut self, channel: u8, cents: i8) {
        let Some(bent) = self.bent.get_mut(usize::from(channel)) else { return };
        if *bent != cents {
            *bent = cents;
            let start = self.clock.whole();
            keep(&mut self.performance.bends, Bend { start, channel, cents: cents.into() });
        }
    }

    /// How many ticks grace notes take from the note after them.
    fn grace_time(&self, grace: &Grace, duration: Length) -> u32 {
        let each = (self.unit / Length::new(self.grace_divider.max(1), 1)).ticks().max(1);
        let each = if grace.acciaccatura { each.min(60) } else { each };
        let total = each.saturating_mul(grace.notes.len() as u32);
        total.min(duration.ticks() / 2)
    }

    fn play_grace(
        &mut self,
        grace: &Grace,
        start: u32,
        ticks: u32,
        velocity: u8,
        channel: u8,
        element: &Element,
    ) {
        let count = grace.notes.len() as u32;
        let transpose = self.clef_transpose + self.midi_transpose;
        for (index, chord) in grace.notes.iter().enumerate() {
            let from = start + ticks * index as u32 / count;
            let to = start + ticks * (index as u32 + 1) / count;
            for note in chord {
                let key = i16::from(note.key()) + transpose;
                if let (Ok(key @ 0..=127), true) = (u8::try_from(key), to > from) {
                    self.performance.notes.push(Note {
                        start: from,
                        duration: to - from,
                        key,
                        velocity,
                        channel,
                        voice: self.index as u16,
                        accompaniment: false,
                        span: element.span.clone(),
                    });
                }
            }
        }
    }

    /// Plays a trill, roll, turn or mordent in place of a note; its neighbours are the key's.
    fn ornament(
        &mut self,
        note: Note,
        written: &super::model::Note,
        trill: bool,
        roll: bool,
        turn: bool,
        mordent: Option<i8>,
    ) {
        let alterations = self.key.alterations();
        let neighbour = |steps: i8| -> u8 {
            let place =
                i16::from(written.pitch.octave) * 7 + written.pitch.step as i16 + i16::from(steps);
            let step = super::Step::ALL[place.rem_euclid(7) as usize];
            let key = (place.div_euclid(7) + 1) * 12
                + i16::from(step.semitones())
                + i16::from(alterations[step as usize])
                + self.clef_transpose
                + self.midi_transpose;
            key.clamp(0, 127) as u8
        };
        let (upper, lower) = (neighbour(1), neighbour(-1));
        let short = PPQ / 8;
        let mut keys: Vec<(u8, u32)> = Vec::new();
        let total = note.duration;
        if trill && total >= 2 * short {
            let count = (total / short).min(256) & !1;
            for index in 0..count {
                let key = if index % 2 == 0 { upper } else { note.key };
                keys.push((key, total * (index + 1) / count - total * index / count));
            }
        } else if turn && total >= 4 {
            keys.extend([
                (upper, total / 4),
                (note.key, total / 4),
                (lower, total / 4),
                (note.key, total - total / 4 * 3),
            ]);
        } else if roll && total >= 5 * short {
            // A long roll: the note, a cut above, the note, a tap below, the note.
            let rest = total - 2 * short;
            keys.extend([
                (note.key, rest / 3),
                (upper, short),
                (note.key, rest / 3),
                (lower, short),
                (note.key, rest - rest / 3 * 2),
            ]);
        } else if roll && total >= 2 * short {
            keys.extend([(upper, short), (note.key, total - short)]);
        } else if let Some(direction) = mordent.filter(|_| total >= 4 * short) {
            let other = if direction > 0 { upper } else { lower };
            keys.extend([(note.key, short), (other, short), (note.key, total - 2 * short)]);
        } else {
            keys.push((note.key, total));
        }
        let mut start = note.start;
        for (key, duration) in keys {
            if duration > 0 {
                self.performance.notes.push(Note { start, duration, key, ..note.clone() });
                start += duration;
            }
        }
    }

    fn program(&mut self, program: u8) {
        if program < 128 {
            keep(
                &mut self.performance.programs,
                Program { start: self.clock.whole(), channel: self.channel, program },
            );
        }
    }

    /// A `%%MIDI` directive, as abc2midi understands it.
    fn midi(&mut self, words: &[String]) {
        let word = |at: usize| words.get(at).map(String::as_str).unwrap_or_default();
        let number = |at: usize| -> Option<i32> {
            word(at).trim_start_matches('+').parse::<i32>().ok().map(|n| n.clamp(-1000, 1000))
        };
        let octave = words
            .iter()
            .find_map(|word| word.strip_prefix("octave=")?.parse::<i8>().ok())
            .map_or(0, |octave| octave.clamp(-3, 3));
        match word(0).to_ascii_lowercase().as_str() {
            "program" => match (number(1), number(2)) {
                (Some(channel @ 1..=16), Some(program @ 0..=127)) => keep(
                    &mut self.performance.programs,
                    Program {
                        start: self.clock.whole(),
                        channel: (channel - 1) as u8,
                        program: program as u8,
                    },
                ),
                (Some(program @ 0..=127), None) => self.program(program as u8),
                _ => {}
            },
            "channel" => {
                if let Some(channel @ 1..=16) = number(1) {
                    self.channel = (channel - 1) as u8;
                }
            }
            "transpose" => self.midi_transpose = number(1).unwrap_or(0).clamp(-127, 127) as i16,
            "rtranspose" => {
                let by = number(1).unwrap_or(0) as i16;
                self.midi_transpose = (self.midi_transpose + by).clamp(-127, 127);
            }
            "c" => self.midi_transpose = (number(1).unwrap_or(60) - 60).clamp(-60, 67) as i16,
            "gchord" => {
                let pattern = Pattern::read(word(1), self.gchord_bars);
                self.pattern = pattern.map(Rc::new);
                self.accompaniment_changed();
            }
            "gchordbars" => self.gchord_bars = number(1).unwrap_or(1).clamp(1, 64) as u32,
            "gchordon" => {
                self.gchord_on = true;
                self.accompaniment_changed();
            }
            "gchordoff" => {
                self.gchord_on = false;
                self.accompaniment_changed();
            }
            "chordprog" => {
                if let Some(program @ 0..=127) = number(1) {
                    self.programs.0 = program as u8;
                    self.sound.chord_octave = octave;
                    self.accompaniment_programs();
                }
            }
            "bassprog" => {
                if let Some(program @ 0..=127) = number(1) {
                    self.programs.1 = program as u8;
                    self.sound.bass_octave = octave;
                    self.accompaniment_programs();
                }
            }
            "drum" => {
                self.drum_words = words[1..].to_vec();
                self.set_drums();
            }
            "drumbars" => {
                self.drum_bars =
                    number(1).filter(|bars| (1..=10).contains(bars)).unwrap_or(1) as u32;
                self.set_drums();
            }
            "drumon" => self.switch_drums(true),
            "drumoff" => self.switch_drums(false),
            "drummap" => {
                if let (Some(key), Some(to @ 0..=127)) = (percussion_key(word(1)), number(2))
                    && self.drum_map.len() < 128
                {
                    self.drum_map.insert(key, to as u8);
                }
            }
            "drone" => self.drone.set(&words[1..]),
            "droneon" => self.start_drone(),
            "droneoff" => self.stop_drone(),
            "chordvol" => self.sound.chord_velocity = number(1).unwrap_or(75).clamp(0, 127) as u8,
            "bassvol" => self.sound.bass_velocity = number(1).unwrap_or(80).clamp(0, 127) as u8,
            "chordname" => {
                let intervals: Vec<i8> =
                    (2..8).filter_map(|at| number(at).map(|n| n.clamp(-48, 48) as i8)).collect();
                if !intervals.is_empty() && self.chord_names.len() < 256 {
                    self.chord_names.insert(word(1).to_owned(), intervals);
                }
            }
            "beat" => {
                let velocity =
                    |at: usize, default: u8| number(at).map_or(default, |n| n.clamp(1, 127) as u8);
                self.beat.first = velocity(1, 105);
                self.beat.strong = velocity(2, 95);
                self.beat.weak = velocity(3, 80);
                self.beat.every = number(4).unwrap_or(0).clamp(0, 64) as u32;
            }
            "beatmod" => self.louder(number(1).unwrap_or(0) as i16),
            "deltaloudness" => self.loudness_step = number(1).unwrap_or(15).clamp(0, 127) as i16,
            "nobeataccents" => self.beat.accents = false,
            "beataccents" => self.beat.accents = true,
            "gracedivider" => self.grace_divider = number(1).unwrap_or(4).clamp(1, 64) as u32,
            _ => {}
        }
    }

    /// What is set before a bar's first note holds for that bar.
    fn accompaniment_changed(&mut self) {
        if self.bar_open
            && self.accompanied_bars.last().is_some_and(|bar| bar.start == self.clock.whole())
        {
            self.accompanied_bars.pop();
            self.open_accompanied_bar();
        }
    }

    fn set_drums(&mut self) {
        self.drums = Drums::read(&self.drum_words, self.drum_bars).map(Rc::new);
        self.accompaniment_changed();
    }

    fn switch_drums(&mut self, on: bool) {
        let switch = Switch { start: self.clock.whole(), on, span: self.field.clone() };
        keep(&mut self.drum_switches, switch);
    }

    fn start_drone(&mut self) {
        if !self.options.accompaniment || self.droning.is_some() {
            return;
        }
        let channel = *self.drone_channel.get_or_insert_with(|| self.channels.take());
        let (start, program) = (self.clock.whole(), self.drone.program);
        keep(&mut self.performance.programs, Program { start, channel, program });
        self.droning = Some((start, self.drone, self.field.clone()));
    }

    fn stop_drone(&mut self) {
        let (Some((start, drone, span)), Some(channel)) = (self.droning.take(), self.drone_channel)
        else {
            return;
        };
        let duration = self.clock.whole().saturating_sub(start);
        for (key, velocity) in drone.notes {
            if duration > 0 {
                self.performance.notes.push(Note {
                    start,
                    duration,
                    key,
                    velocity,
                    channel,
                    voice: self.index as u16,
                    accompaniment: true,
                    span: span.clone(),
                });
            }
        }
    }

    /// Bass and chords share a channel unless their instruments differ.
    fn accompaniment_programs(&mut self) {
        if !self.options.accompaniment {
            return;
        }
        self.sound.bass_channel = if self.programs.0 == self.programs.1 {
            self.accompaniment.0
        } else {
            self.accompaniment.1
        };
        let start = self.clock.whole();
        for (channel, program) in [
            (self.sound.chord_channel, self.programs.0),
            (self.sound.bass_channel, self.programs.1),
        ] {
            if self.accompaniment.0 != self.accompaniment.1 {
                keep(&mut self.performance.programs, Program { start, channel, program });
            }
        }
    }

    fn finish(&mut self) {
        self.clock = self.clock.max(self.layers_end);
        let end =
            self.tune.voices[self.index].elements.last().map_or(0, |element| element.span.end);
        self.close_bar(end);
        self.performance.end = self.performance.end.max(self.clock.whole());
        self.stop_drone();
        let (bars, voice) = (&self.accompanied_bars, self.index as u16);
        if !self.chord_changes.is_empty() {
            accompaniment::accompany(bars, &self.chord_changes, voice, &mut self.performance.notes);
        }
        if !self.drum_switches.is_empty() {
            accompaniment::drum(bars, &self.drum_switches, voice, &mut self.performance.notes);
        }
    }
}

/// Whether a `%%MIDI` directive starts drums or a drone.
fn starts_playing(words: &[String]) -> bool {
    words.first().is_some_and(|word| {
        word.eq_ignore_ascii_case("drumon") || word.eq_ignore_ascii_case("droneon")
    })
}

/// The MIDI key of a note as ABC writes it, `^f` or `D,`; the key signature does not count.
fn percussion_key(text: &str) -> Option<u8> {
    let letter_at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (accidental, rest) = text.split_at(letter_at);
    let alteration: i16 = match accidental {
        "" | "=" => 0,
        "^" => 1,
        "^^" => 2,
        "_" => -1,
        "__" => -2,
        _ => return None,
    };
    let letter = rest.chars().next()?;
    let step = super::Step::from_letter(letter)?;
    let marks: i16 = rest[1..]
        .chars()
        .map(|mark| match mark {
            '\'' => Some(1),
            ',' => Some(-1),
            _ => None,
        })
        .sum::<Option<i16>>()?;
    let octave = if letter.is_ascii_lowercase() { 5 } else { 4 } + marks;
    let key = (octave + 1).checked_mul(12)? + i16::from(step.semitones()) + alteration;
    u8::try_from(key).ok().filter(|&key| key < 128)
}

/// Takes over what a later clef says.
fn merge(clef: &mut super::Clef, later: &super::Clef) {
    if later.name.is_some() {
        clef.name.clone_from(&later.name);
    }
    clef.transpose = later.transpose.or(clef.transpose);
    clef.octave = later.octave.or(clef.octave);
}

/// Semitones by which a clef moves what is heard (ABC 2.1 §4.6).
fn transposition(clef: &super::Clef) -> i16 {
    let name = clef.name.as_deref().unwrap_or_default();
    let octave_line = if name.ends_with("-8") {
        -12
    } else if name.ends_with("+8") {
        12
    } else if name.ends_with("-15") {
        -24
    } else if name.ends_with("+15") {
        24
    } else {
        0
    };
    octave_line + i16::from(clef.octave.unwrap_or(0)) * 12 + i16::from(clef.transpose.unwrap_or(0))
}

#[cfg(test)]
mod tests;
