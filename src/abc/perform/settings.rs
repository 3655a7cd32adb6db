//! Core: what holds at a place of a voice's text: metre, key, tempo, clef, channel, instrument, loudness,
//! accompaniment. It is a matter of the place alone: wherever playing jumps to, it holds there as it did when the
//! text was read for the first time.

use super::super::accompaniment::{Drone, Drums, Pattern, Sound};
use super::super::chord::{ChordNotes, is_silence};
use super::super::model::{Attached, Change, Clef, Element, ElementKind, Field, Tempo};
use super::super::performance::{PERCUSSION, PerformOptions};
use super::super::{Key, Length, Metre, Step, Tune};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::rc::Rc;

/// How loud notes are: on the first of a bar, on strong beats, elsewhere (abc2midi's `%%MIDI beat`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Beat {
    pub(super) first: u8,
    pub(super) strong: u8,
    pub(super) weak: u8,
    /// Strong beats come every so many of the metre's notes; 0 for the metre's own.
    pub(super) every: u32,
    pub(super) accents: bool,
}

/// Semitones by which a clef and its properties move what is heard (ABC 2.1 §4.6): each holds until it is given anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ClefShift {
    /// `+8` and `-8` of the clef's name.
    line: i16,
    octave: i8,
    transpose: i8,
}

/// A chord symbol that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ChordInForce {
    /// None for silence.
    pub(super) chord: Option<ChordNotes>,
    pub(super) span: Range<usize>,
}

/// What holds at a place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings {
    pub(super) metre: Metre,
    pub(super) key: Key,
    pub(super) unit: Length,
    /// Microseconds a quarter note.
    pub(super) tempo: u32,
    clef: ClefShift,
    /// The clef is that of percussion.
    percussion: bool,
    /// Semitones by `%%MIDI transpose`.
    pub(super) midi_transpose: i16,
    /// The channel of the voice's own.
    own_channel: u8,
    /// The one that `%%MIDI channel` gave.
    midi_channel: Option<u8>,
    /// By channel: the instrument that was asked for.
    pub(super) programs: [Option<u8>; 16],
    /// By channel and controller.
    pub(super) controls: Rc<BTreeMap<(u8, u8), u8>>,
    /// Which keys a percussion voice plays in place of those written: `%%MIDI drummap`, `%%percmap`.
    pub(super) drum_map: Rc<HashMap<u8, u8>>,
    pub(super) beat: Beat,
    loudness_step: i16,
    /// Grace notes last the unit note length over this.
    pub(super) grace_divider: u32,
    // The accompaniment.
    gchord_on: bool,
    pattern: Option<Rc<Pattern>>,
    gchord_bars: u32,
    pub(super) sound: Sound,
    /// The channels that chords and bass have where their instruments differ.
    accompaniment: (u8, u8),
    chord_programs: (u8, u8),
    pub(super) chord_names: Rc<HashMap<String, Vec<i8>>>,
    pub(super) chord: Option<Rc<ChordInForce>>,
    pub(super) drums: Option<Rc<Drums>>,
    /// What `%%MIDI drum` said last, for `%%MIDI drumbars` to spread anew.
    drum_words: Rc<[String]>,
    drum_bars: u32,
    /// Where drums were switched on.
    pub(super) drumming: Option<Range<usize>>,
    pub(super) drone: Drone,
    /// Where the drone was switched on.
    pub(super) droning: Option<Range<usize>>,
}

impl Settings {
    /// What holds before a voice's first element. `accompaniment` are the channels of chords and bass.
    pub(super) fn at_start(
        tune: &Tune,
        index: usize,
        own_channel: u8,
        accompaniment: (u8, u8),
        tempo: u32,
    ) -> Self {
        let mut settings = Self {
            metre: tune.metre.clone(),
            key: tune.key.clone(),
            unit: tune.unit,
            tempo,
            clef: ClefShift::default(),
            percussion: false,
            midi_transpose: 0,
            own_channel,
            midi_channel: None,
            programs: [None; 16],
            controls: Rc::default(),
            drum_map: Rc::default(),
            beat: Beat { first: 105, strong: 95, weak: 80, every: 0, accents: true },
            loudness_step: 15,
            grace_divider: 4,
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
            chord_programs: (0, 0),
            chord_names: Rc::default(),
            chord: None,
            drums: None,
            drum_words: Rc::new([]),
            drum_bars: 1,
            drumming: None,
            drone: Drone::default(),
            droning: None,
        };
        let voice = &tune.voices[index];
        for field in tune.inherited.iter().chain(&tune.header) {
            match &field.change {
                // One voice's drums and drone are enough.
                Change::Midi(words) if index > 0 && starts_playing(words) => {}
                Change::Midi(words) => settings.midi(words, &field.span),
                Change::Key(_, clef) => settings.clef(clef),
                _ => {}
            }
        }
        settings.clef(&voice.clef);
        let program = voice.properties.iter().find(|(name, _)| name == "program");
        if let Some(program) = program.and_then(|(_, value)| value.parse().ok()) {
            settings.program(settings.channel(), program);
        }
        settings
    }

    /// The same before an instrument, a controller, drums or a drone were asked for.
    pub(super) fn before_anything_is_told(&self) -> Self {
        Self {
            programs: [None; 16],
            controls: Rc::default(),
            drumming: None,
            droning: None,
            ..self.clone()
        }
    }

    /// The channel that notes are on.
    pub(super) fn channel(&self) -> u8 {
        self.midi_channel.unwrap_or(if self.percussion { PERCUSSION } else { self.own_channel })
    }

    /// Semitones by which what is written is moved.
    pub(super) fn transposition(&self) -> i16 {
        let ClefShift { line, octave, transpose } = self.clef;
        line + i16::from(octave) * 12 + i16::from(transpose) + self.midi_transpose
    }

    /// How a bar that starts here is accompanied; none is silent.
    pub(super) fn pattern(&self) -> Option<Rc<Pattern>> {
        self.gchord_on.then(|| {
            self.pattern.clone().unwrap_or_else(|| {
                let (numerator, denominator) = match self.metre.bar() {
                    Some(_) => (self.metre.numerator(), u32::from(self.metre.unit)),
                    None => (4, 4),
                };
                Rc::new(Pattern::of_metre(numerator, denominator))
            })
        })
    }

    /// Whether a bar that has just begun is accompanied otherwise than one was that began with `before`.
    pub(super) fn accompanies_otherwise(&self, before: &Self) -> bool {
        (self.gchord_on, &self.pattern, &self.metre, &self.drums, self.sound, self.midi_transpose)
            != (
                before.gchord_on,
                &before.pattern,
                &before.metre,
                &before.drums,
                before.sound,
                before.midi_transpose,
            )
    }

    /// Takes in a field; false where it changes nothing that is heard.
    pub(super) fn field(&mut self, field: &Field) -> bool {
        match &field.change {
            Change::Metre(metre) => self.metre = metre.clone(),
            Change::Unit(unit) => self.unit = *unit,
            Change::Key(key, clef) => {
                if let Some(key) = key {
                    self.key = key.clone();
                }
                self.clef(clef);
            }
            Change::Tempo(tempo) => match microseconds_per_quarter(tempo) {
                Some(tempo) => self.tempo = tempo,
                None => return false,
            },
            Change::Midi(words) => self.midi(words, &field.span),
            _ => return false,
        }
        true
    }

    /// Takes in the loudness that decorations ask for; false where they ask for none.
    pub(super) fn loudness(&mut self, attached: &Attached) -> bool {
        let mut changed = false;
        for decoration in &attached.decorations {
            changed |= self.dynamics(&decoration.name);
        }
        changed
    }

    /// Takes in an element's chord symbols; false where it has none.
    fn chords(&mut self, attached: &Attached, span: &Range<usize>) -> bool {
        let mut changed = false;
        for symbol in &attached.chord_symbols {
            if let Some(chord) = self.chord_of(symbol, span) {
                self.chord = Some(Rc::new(chord));
                changed = true;
            }
        }
        changed
    }

    /// What a chord symbol asks for; `None` where the text is none.
    pub(super) fn chord_of(&self, symbol: &str, span: &Range<usize>) -> Option<ChordInForce> {
        let chord = ChordNotes::read(symbol, &self.chord_names);
        (chord.is_some() || is_silence(symbol)).then(|| ChordInForce { chord, span: span.clone() })
    }

    fn clef(&mut self, clef: &Clef) {
        if let Some(name) = &clef.name {
            self.percussion = name.starts_with("perc");
            self.clef.line = [("-8", -12), ("+8", 12), ("-15", -24), ("+15", 24)]
                .iter()
                .find(|(end, _)| name.ends_with(end))
                .map_or(0, |&(_, semitones)| semitones);
        }
        self.clef.transpose = clef.transpose.unwrap_or(self.clef.transpose);
        self.clef.octave = clef.octave.unwrap_or(self.clef.octave);
    }

    fn dynamics(&mut self, name: &str) -> bool {
        let (first, strong, weak) = match name {
            "ppp" | "pppp" => (30, 20, 10),
            "pp" => (45, 35, 20),
            "p" => (60, 50, 35),
            "mp" => (75, 65, 50),
            "mf" => (90, 80, 65),
            "f" => (105, 95, 80),
            "ff" => (120, 110, 95),
            "fff" | "ffff" => (127, 125, 110),
            "crescendo(" | "<(" | "crescendo)" | "<)" => {
                self.louder(self.loudness_step);
                return true;
            }
            "diminuendo(" | ">(" | "diminuendo)" | ">)" => {
                self.louder(-self.loudness_step);
                return true;
            }
            _ => return false,
        };
        (self.beat.first, self.beat.strong, self.beat.weak) = (first, strong, weak);
        true
    }

    fn louder(&mut self, step: i16) {
        for velocity in [&mut self.beat.first, &mut self.beat.strong, &mut self.beat.weak] {
            *velocity = (i16::from(*velocity) + step).clamp(1, 127) as u8;
        }
    }

    fn program(&mut self, channel: u8, program: u8) {
        if program < 128
            && let Some(of_channel) = self.programs.get_mut(usize::from(channel))
        {
            *of_channel = Some(program);
        }
    }

    /// A `%%MIDI` directive, as abc2midi understands it.
    fn midi(&mut self, words: &[String], span: &Range<usize>) {
        let words = Words(words);
        match words.word(0).to_ascii_lowercase().as_str() {
            "program" => match (words.number(1), words.number(2)) {
                (Some(channel @ 1..=16), Some(program @ 0..=127)) => {
                    self.program((channel - 1) as u8, program as u8);
                }
                (Some(program @ 0..=127), None) => self.program(self.channel(), program as u8),
                _ => {}
            },
            "channel" => {
                if let Some(channel @ 1..=16) = words.number(1) {
                    self.midi_channel = Some((channel - 1) as u8);
                }
            }
            "control" => self.control(words),
            "transpose" => {
                self.midi_transpose = words.number(1).unwrap_or(0).clamp(-127, 127) as i16;
            }
            "rtranspose" => {
                let by = words.number(1).unwrap_or(0) as i16;
                self.midi_transpose = (self.midi_transpose + by).clamp(-127, 127);
            }
            "c" => {
                self.midi_transpose = (words.number(1).unwrap_or(60) - 60).clamp(-60, 67) as i16;
            }
            "drummap" | "percmap" => {
                if let (Some(key), Some(to)) =
                    (percussion_key(words.word(1)), drum_of(words.word(2)))
                    && self.drum_map.len() < 128
                {
                    Rc::make_mut(&mut self.drum_map).insert(key, to);
                }
            }
            "beat" => {
                let velocity = |at: usize, default: u8| {
                    words.number(at).map_or(default, |n| n.clamp(1, 127) as u8)
                };
                self.beat.first = velocity(1, 105);
                self.beat.strong = velocity(2, 95);
                self.beat.weak = velocity(3, 80);
                self.beat.every = words.number(4).unwrap_or(0).clamp(0, 64) as u32;
            }
            "beatmod" => self.louder(words.number(1).unwrap_or(0) as i16),
            "deltaloudness" => {
                self.loudness_step = words.number(1).unwrap_or(15).clamp(0, 127) as i16;
            }
            "nobeataccents" => self.beat.accents = false,
            "beataccents" => self.beat.accents = true,
            "gracedivider" => {
                self.grace_divider = words.number(1).unwrap_or(4).clamp(1, 64) as u32;
            }
            word => self.accompaniment(word, words, span),
        }
    }

    /// The `%%MIDI` directives of chords, drums and drones.
    fn accompaniment(&mut self, word: &str, words: Words, span: &Range<usize>) {
        let octave = (words.0.iter())
            .find_map(|word| word.strip_prefix("octave=")?.parse::<i8>().ok())
            .map_or(0, |octave| octave.clamp(-3, 3));
        match word {
            "gchord" => {
                self.pattern = Pattern::read(words.word(1), self.gchord_bars).map(Rc::new);
            }
            "gchordbars" => {
                self.gchord_bars = words.number(1).unwrap_or(1).clamp(1, 64) as u32;
            }
            "gchordon" => self.gchord_on = true,
            "gchordoff" => self.gchord_on = false,
            "chordprog" => {
                if let Some(program @ 0..=127) = words.number(1) {
                    self.chord_programs.0 = program as u8;
                    self.sound.chord_octave = octave;
                    self.set_chord_programs();
                }
            }
            "bassprog" => {
                if let Some(program @ 0..=127) = words.number(1) {
                    self.chord_programs.1 = program as u8;
                    self.sound.bass_octave = octave;
                    self.set_chord_programs();
                }
            }
            "chordvol" => {
                self.sound.chord_velocity = words.number(1).unwrap_or(75).clamp(0, 127) as u8;
            }
            "bassvol" => {
                self.sound.bass_velocity = words.number(1).unwrap_or(80).clamp(0, 127) as u8;
            }
            "chordname" => {
                let intervals: Vec<i8> = (2..8)
                    .filter_map(|at| words.number(at).map(|n| n.clamp(-48, 48) as i8))
                    .collect();
                if !intervals.is_empty() && self.chord_names.len() < 256 {
                    Rc::make_mut(&mut self.chord_names).insert(words.word(1).to_owned(), intervals);
                }
            }
            "drum" => {
                self.drum_words = words.0[1..].into();
                self.set_drums();
            }
            "drumbars" => {
                let bars = words.number(1).filter(|bars| (1..=10).contains(bars));
                self.drum_bars = bars.unwrap_or(1) as u32;
                self.set_drums();
            }
            "drumon" => self.drumming = Some(span.clone()),
            "drumoff" => self.drumming = None,
            "drone" => self.drone.set(&words.0[1..]),
            "droneon" => {
                self.droning.get_or_insert_with(|| span.clone());
            }
            "droneoff" => self.droning = None,
            _ => {}
        }
    }

    /// `control [bass|chord] CONTROLLER VALUE`.
    fn control(&mut self, words: Words) {
        let (channel, at) = match words.word(1) {
            "bass" => (self.sound.bass_channel, 2),
            "chord" => (self.sound.chord_channel, 2),
            _ => (self.channel(), 1),
        };
        if let (Some(controller @ 0..=127), Some(value @ 0..=127)) =
            (words.number(at), words.number(at + 1))
        {
            let place = (channel, controller as u8);
            Rc::make_mut(&mut self.controls).insert(place, value as u8);
        }
    }

    fn set_drums(&mut self) {
        self.drums = Drums::read(&self.drum_words, self.drum_bars).map(Rc::new);
    }

    /// Bass and chords share a channel unless their instruments differ.
    fn set_chord_programs(&mut self) {
        let (chord, bass) = self.chord_programs;
        let (chord_channel, bass_channel) = self.accompaniment;
        self.sound.bass_channel = if chord == bass { chord_channel } else { bass_channel };
        // Without chord symbols there are no channels for them.
        if chord_channel != bass_channel {
            self.program(self.sound.chord_channel, chord);
            self.program(self.sound.bass_channel, bass);
        }
    }
}

/// The words of a `%%MIDI` directive.
#[derive(Clone, Copy)]
struct Words<'a>(&'a [String]);

impl<'a> Words<'a> {
    fn word(self, at: usize) -> &'a str {
        self.0.get(at).map(String::as_str).unwrap_or_default()
    }

    fn number(self, at: usize) -> Option<i32> {
        let word = self.word(at).trim_start_matches('+');
        word.parse::<i32>().ok().map(|n| n.clamp(-1000, 1000))
    }
}

/// What holds at each of the places that playing jumps to, by place: one walk through the text in its order.
pub(super) fn at_places(
    start: &Settings,
    elements: &[Element],
    mut places: Vec<usize>,
    options: &PerformOptions,
) -> Vec<(usize, Rc<Settings>)> {
    places.sort_unstable();
    places.dedup();
    let mut now = Rc::new(start.clone());
    let mut found = Vec::with_capacity(places.len());
    let mut places = places.into_iter().peekable();
    for (at, element) in elements.iter().enumerate() {
        if places.next_if_eq(&at).is_some() {
            found.push((at, Rc::clone(&now)));
        }
        if places.peek().is_none() {
            break;
        }
        if let Some(attached) = &element.attached {
            if options.decorations && attached.decorations.iter().any(is_loudness) {
                Rc::make_mut(&mut now).loudness(attached);
            }
            if options.accompaniment && !attached.chord_symbols.is_empty() {
                Rc::make_mut(&mut now).chords(attached, &element.span);
            }
        }
        if let ElementKind::Field(field) = &element.kind
            && changes_what_is_heard(field)
        {
            Rc::make_mut(&mut now).field(field);
        }
    }
    found
}

pub(super) fn changes_what_is_heard(field: &Field) -> bool {
    matches!(
        field.change,
        Change::Metre(_) | Change::Unit(_) | Change::Key(..) | Change::Tempo(_) | Change::Midi(_)
    )
}

/// Whether a decoration says how loud it is to be.
pub(super) fn is_loudness(decoration: &super::super::model::Decoration) -> bool {
    matches!(
        decoration.name.as_str(),
        "pppp" | "ppp" | "pp" | "p" | "mp" | "mf" | "f" | "ff" | "fff" | "ffff"
    ) || ["crescendo", "diminuendo", "<", ">"].iter().any(|start| {
        decoration.name.strip_prefix(start).is_some_and(|end| end == "(" || end == ")")
    })
}

/// Microseconds a quarter note, where a tempo gives a beat.
pub(super) fn microseconds_per_quarter(tempo: &Tempo) -> Option<u32> {
    let quarters = tempo.quarters_per_minute()?;
    Some((60_000_000.0 / quarters).round().clamp(1.0, f64::from(u32::MAX)) as u32)
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
    let step = Step::from_letter(letter)?;
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

/// General MIDI's percussion, from key 35 on.
const DRUMS: [&str; 47] = [
    "acoustic-bass-drum",
    "bass-drum-1",
    "side-stick",
    "acoustic-snare",
    "hand-clap",
    "electric-snare",
    "low-floor-tom",
    "closed-hi-hat",
    "high-floor-tom",
    "pedal-hi-hat",
    "low-tom",
    "open-hi-hat",
    "low-mid-tom",
    "hi-mid-tom",
    "crash-cymbal-1",
    "high-tom",
    "ride-cymbal-1",
    "chinese-cymbal",
    "ride-bell",
    "tambourine",
    "splash-cymbal",
    "cowbell",
    "crash-cymbal-2",
    "vibraslap",
    "ride-cymbal-2",
    "hi-bongo",
    "low-bongo",
    "mute-hi-conga",
    "open-hi-conga",
    "low-conga",
    "high-timbale",
    "low-timbale",
    "high-agogo",
    "low-agogo",
    "cabasa",
    "maracas",
    "short-whistle",
    "long-whistle",
    "short-guiro",
    "long-guiro",
    "claves",
    "hi-wood-block",
    "low-wood-block",
    "mute-cuica",
    "open-cuica",
    "mute-triangle",
    "open-triangle",
];

/// The key of a drum: a number, a name of General MIDI's, whole or by the starts of its words (`a-b-d`), or a note.
fn drum_of(text: &str) -> Option<u8> {
    if let Ok(key) = text.parse::<u8>() {
        return (key < 128).then_some(key);
    }
    let plain = text.to_ascii_lowercase().replace('_', "-");
    let key = |at: usize| (35 + at) as u8;
    if let Some(at) = DRUMS.iter().position(|name| *name == plain) {
        return Some(key(at));
    }
    let starts = |name: &str| {
        let (words, starts) = (name.split('-'), plain.split('-'));
        words.clone().count() >= starts.clone().count()
            && starts.zip(words).all(|(start, word)| !start.is_empty() && word.starts_with(start))
    };
    if plain.contains('-')
        && let Some(at) = DRUMS.iter().position(|name| starts(name))
    {
        return Some(key(at));
    }
    percussion_key(text)
}
