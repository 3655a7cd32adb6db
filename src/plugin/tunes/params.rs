//! Interface: Earworm Tunes' parameters.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nice_plug::prelude::*;

use super::shared::{Kept, KeptPast, TunesShared};
use crate::remembered::{Remembered, Size, TunesView};
use crate::theme::ThemeChoice;
use crate::weights::Kept as KeptWeights;
use earworm_abc::{self as abc, Key, Metre, Step};
use earworm_playback::{Play, Settings};
use earworm_tunes::{Request, Style, TEMPERATURES};

/// The dance to write.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum DanceStyle {
    #[id = "reel"]
    Reel,
    #[id = "jig"]
    Jig,
    #[id = "hornpipe"]
    Hornpipe,
    #[id = "slip-jig"]
    #[name = "Slip jig"]
    SlipJig,
    #[id = "waltz"]
    Waltz,
    #[id = "polka"]
    Polka,
    #[id = "march"]
    March,
    #[id = "strathspey"]
    Strathspey,
    #[id = "slide"]
    Slide,
    #[id = "air"]
    Air,
    #[id = "morris"]
    Morris,
    #[id = "polska"]
    Polska,
    #[id = "slangpolska"]
    #[name = "Slängpolska"]
    Slangpolska,
    #[id = "vals"]
    Vals,
    #[id = "schottis"]
    Schottis,
    #[id = "polonas"]
    #[name = "Polonäs"]
    Polonas,
    #[id = "marsch"]
    Marsch,
    #[id = "ganglat"]
    #[name = "Gånglåt"]
    Ganglat,
    #[id = "visa"]
    Visa,
    #[id = "engelska"]
    Engelska,
    #[id = "freylekhs"]
    Freylekhs,
    #[id = "song"]
    Song,
    #[id = "hymn"]
    Hymn,
    #[id = "popular-song"]
    #[name = "Popular song"]
    PopularSong,
}

impl DanceStyle {
    /// As the composer knows it.
    pub fn style(self) -> Style {
        Style::ALL[self.to_index().min(Style::ALL.len() - 1)]
    }
}

/// The note that the tune's scale is built on.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Tonic {
    #[id = "c"]
    C,
    #[id = "db"]
    #[name = "D♭"]
    Db,
    #[id = "d"]
    D,
    #[id = "eb"]
    #[name = "E♭"]
    Eb,
    #[id = "e"]
    E,
    #[id = "f"]
    F,
    #[id = "f#"]
    #[name = "F♯"]
    FSharp,
    #[id = "g"]
    G,
    #[id = "ab"]
    #[name = "A♭"]
    Ab,
    #[id = "a"]
    A,
    #[id = "bb"]
    #[name = "B♭"]
    Bb,
    #[id = "b"]
    B,
}

impl Tonic {
    /// The step and its accidental in semitones.
    fn step(self) -> (Step, i8) {
        match self {
            Self::C => (Step::C, 0),
            Self::Db => (Step::D, -1),
            Self::D => (Step::D, 0),
            Self::Eb => (Step::E, -1),
            Self::E => (Step::E, 0),
            Self::F => (Step::F, 0),
            Self::FSharp => (Step::F, 1),
            Self::G => (Step::G, 0),
            Self::Ab => (Step::A, -1),
            Self::A => (Step::A, 0),
            Self::Bb => (Step::B, -1),
            Self::B => (Step::B, 0),
        }
    }
}

/// The scale.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Mode {
    #[id = "major"]
    Major,
    #[id = "minor"]
    Minor,
    #[id = "dorian"]
    Dorian,
    #[id = "mixolydian"]
    Mixolydian,
    #[id = "lydian"]
    Lydian,
    #[id = "phrygian"]
    Phrygian,
}

impl Mode {
    fn abc(self) -> abc::Mode {
        match self {
            Self::Major => abc::Mode::Major,
            Self::Minor => abc::Mode::Minor,
            Self::Dorian => abc::Mode::Dorian,
            Self::Mixolydian => abc::Mode::Mixolydian,
            Self::Lydian => abc::Mode::Lydian,
            Self::Phrygian => abc::Mode::Phrygian,
        }
    }
}

/// The metre to write in.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum MetreChoice {
    /// The dance's usual one.
    #[id = "usual"]
    Usual,
    #[id = "4/4"]
    #[name = "4/4"]
    FourFour,
    #[id = "2/4"]
    #[name = "2/4"]
    TwoFour,
    #[id = "3/4"]
    #[name = "3/4"]
    ThreeFour,
    #[id = "6/8"]
    #[name = "6/8"]
    SixEight,
    #[id = "9/8"]
    #[name = "9/8"]
    NineEight,
}

impl MetreChoice {
    /// Beats and their unit; none for the usual one.
    fn beats(self) -> Option<(u8, u8)> {
        match self {
            Self::Usual => None,
            Self::FourFour => Some((4, 4)),
            Self::TwoFour => Some((2, 4)),
            Self::ThreeFour => Some((3, 4)),
            Self::SixEight => Some((6, 8)),
            Self::NineEight => Some((9, 8)),
        }
    }

    /// Whether the dance is written in it.
    pub fn suits(self, style: DanceStyle) -> bool {
        self.beats().is_none_or(|metre| style.style().metres().contains(&metre))
    }
}

/// What makes the tune sound.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlayMode {
    /// Round and round with the host's transport, at its tempo. Where a host has none, as `Free`.
    #[id = "loop"]
    #[name = "With transport, looped"]
    Loop,
    /// Once with the host's transport, from where the tune begins.
    #[id = "once"]
    #[name = "With transport, once"]
    Once,
    /// Round and round at the tune's own tempo, whatever the transport does.
    #[id = "free"]
    #[name = "Free running"]
    Free,
    /// While a key is held, from the beginning, transposed so that the tune's tonic is that key.
    #[id = "key"]
    #[name = "While a key is held"]
    Key,
}

/// What a musician can set on Tunes, and what a project keeps of it.
#[derive(Params)]
#[allow(missing_docs)]
pub struct TunesParams {
    #[id = "style"]
    pub style: EnumParam<DanceStyle>,
    /// Where the dance is not written in it, its usual one is taken.
    #[id = "metre"]
    pub metre: EnumParam<MetreChoice>,
    #[id = "key"]
    pub key: EnumParam<Tonic>,
    #[id = "mode"]
    pub mode: EnumParam<Mode>,
    /// Length of the tune to write, without repeats.
    #[id = "bars"]
    pub bars: IntParam,
    /// How daring the writing is: 1 as the collections, lower plainer, higher odder.
    #[id = "temperature"]
    pub temperature: FloatParam,
    /// The same seed and settings write the same tune; 0 takes a new seed each time.
    #[id = "seed"]
    pub seed: IntParam,
    /// Whether chord symbols are written over the notes.
    #[id = "symbols"]
    pub symbols: BoolParam,
    /// Writes a new tune each time it goes from off to on.
    #[id = "generate"]
    pub generate: BoolParam,
    #[id = "play"]
    pub play: EnumParam<PlayMode>,
    /// How fast a tune goes that no host drives: 100 % is its own tempo.
    #[id = "speed"]
    pub speed: FloatParam,
    /// Semitones.
    #[id = "transpose"]
    pub transpose: IntParam,
    #[id = "octave"]
    pub octave: IntParam,
    /// Where the second of two quavers falls: 50 % straight, 66.7 % triplets, 75 % dotted.
    #[id = "swing"]
    pub swing: FloatParam,
    /// How much of its written length a note sounds.
    #[id = "gate"]
    pub gate: FloatParam,
    /// Loudness: 100 % as performed.
    #[id = "velocity"]
    pub velocity: FloatParam,
    /// How far loudness strays from note to note, either way.
    #[id = "velocity-variation"]
    pub velocity_variation: FloatParam,
    /// How late a note may fall, at most. The same note of the same tune is always as late.
    #[id = "timing-variation"]
    pub timing_variation: FloatParam,
    /// Whether the chord symbols are played.
    #[id = "chords"]
    pub chords: BoolParam,
    /// The MIDI channel the chords go out on, 1 to 16. Melody voices use theirs.
    #[id = "chord-channel"]
    pub chord_channel: IntParam,
    /// Whether the built-in voice sounds.
    #[id = "voice"]
    pub voice: BoolParam,
    /// The built-in voice's level.
    #[id = "level"]
    pub level: FloatParam,
    /// After how many rounds a new tune takes over, from the following seed; 0 never.
    #[id = "rounds"]
    pub rounds: IntParam,
    /// Plays nothing; every note ends.
    #[id = "bypass"]
    pub bypass: BoolParam,

    /// The tune itself, so that a project plays the same notes whatever model wrote them.
    #[persist = "tune"]
    pub kept: Kept,
    /// The last tunes with their seeds and stars.
    #[persist = "past"]
    pub past: KeptPast,
    /// The file of the weights that tunes are written with.
    #[persist = "weights"]
    pub weights: KeptWeights,
    /// The editor's theme.
    #[persist = "theme"]
    pub theme: ThemeChoice,
    /// What of the window the project keeps.
    #[persist = "view"]
    pub view: Remembered<TunesView>,

    /// One of those that the audio thread needs changed.
    changed: Arc<AtomicBool>,
}

/// What the audio thread needs of the parameters.
#[derive(Clone, Copy, Debug)]
pub struct Controls {
    /// How the tune is played.
    pub settings: Settings,
    /// Whether the built-in voice sounds.
    pub voice: bool,
    /// Whether nothing plays.
    pub bypass: bool,
    /// Whether the switch that writes a tune is on.
    pub generate: bool,
}

/// Has a parameter say when it changed.
fn says<T>(changed: &Arc<AtomicBool>) -> Arc<dyn Fn(T) + Send + Sync> {
    let changed = changed.clone();
    Arc::new(move |_| changed.store(true, Ordering::Release))
}

impl TunesParams {
    /// The defaults, over the tune that `shared` holds.
    pub fn new(shared: Arc<TunesShared>) -> Self {
        let percent = |name: &str, default: f32, min: f32, max: f32| {
            FloatParam::new(name, default, FloatRange::Linear { min, max })
                .with_unit(" %")
                .with_value_to_string(formatters::v2s_f32_percentage(0))
                .with_string_to_value(formatters::s2v_f32_percentage())
        };
        let switch = |name: &str, default: bool| {
            BoolParam::new(name, default)
                .with_value_to_string(Arc::new(|on| if on { "On" } else { "Off" }.to_owned()))
                .with_string_to_value(Arc::new(|text| {
                    match text.trim().to_ascii_lowercase().as_str() {
                        "on" | "1" => Some(true),
                        "off" | "0" => Some(false),
                        _ => None,
                    }
                }))
        };
        let changed = Arc::new(AtomicBool::new(true));
        Self {
            style: EnumParam::new("Style", DanceStyle::Reel),
            metre: EnumParam::new("Metre", MetreChoice::Usual),
            key: EnumParam::new("Key", Tonic::D),
            mode: EnumParam::new("Mode", Mode::Major),
            bars: IntParam::new("Bars", 16, IntRange::Linear { min: 4, max: 64 }),
            temperature: FloatParam::new(
                "Temperature",
                0.8,
                // As far as the program goes, with most of the way for what is usual.
                FloatRange::Skewed {
                    min: *TEMPERATURES.start(),
                    max: *TEMPERATURES.end(),
                    factor: FloatRange::skew_factor(-1.0),
                },
            )
            .with_step_size(0.01),
            seed: IntParam::new("Seed", 0, IntRange::Linear { min: 0, max: 9999 })
                .with_value_to_string(Arc::new(|seed| match seed {
                    0 => "new each time".to_owned(),
                    seed => seed.to_string(),
                }))
                .with_string_to_value(Arc::new(|text| match text.trim() {
                    "new each time" => Some(0),
                    number => number.parse().ok(),
                })),
            symbols: switch("Chord symbols", Request::default().chords),
            generate: switch("Generate", false).with_callback(says(&changed)),
            play: EnumParam::new("Play", PlayMode::Loop).with_callback(says(&changed)),
            speed: percent("Speed", 1.0, 0.25, 2.0)
                .with_step_size(0.01)
                .with_callback(says(&changed)),
            transpose: IntParam::new("Transpose", 0, IntRange::Linear { min: -12, max: 12 })
                .with_unit(" semitones")
                .with_callback(says(&changed)),
            octave: IntParam::new("Octave", 0, IntRange::Linear { min: -3, max: 3 })
                .with_callback(says(&changed)),
            swing: percent("Swing", 0.5, 0.5, 0.75).with_callback(says(&changed)),
            gate: percent("Gate", 0.9, 0.1, 1.0).with_callback(says(&changed)),
            velocity: percent("Velocity", 1.0, 0.1, 1.5).with_callback(says(&changed)),
            velocity_variation: percent("Velocity variation", 0.1, 0.0, 1.0)
                .with_callback(says(&changed)),
            timing_variation: FloatParam::new(
                "Timing variation",
                0.0,
                FloatRange::Linear { min: 0.0, max: 50.0 },
            )
            .with_step_size(0.1)
            .with_unit(" ms")
            .with_callback(says(&changed)),
            chords: switch("Chords", true).with_callback(says(&changed)),
            chord_channel: IntParam::new("Chord channel", 2, IntRange::Linear { min: 1, max: 16 })
                .with_callback(says(&changed)),
            voice: switch("Voice", true).with_callback(says(&changed)),
            level: FloatParam::new(
                "Level",
                util::db_to_gain(-12.0),
                FloatRange::Skewed {
                    min: 0.0,
                    max: util::db_to_gain(6.0),
                    factor: FloatRange::skew_factor(-1.5),
                },
            )
            .with_smoother(SmoothingStyle::Linear(20.0))
            .with_unit(" dB")
            .with_value_to_string(formatters::v2s_f32_gain_to_db(1))
            .with_string_to_value(formatters::s2v_f32_gain_to_db()),
            rounds: IntParam::new("New tune every", 0, IntRange::Linear { min: 0, max: 16 })
                .with_value_to_string(Arc::new(|rounds| match rounds {
                    0 => "never".to_owned(),
                    1 => "round".to_owned(),
                    rounds => format!("{rounds} rounds"),
                }))
                .with_string_to_value(Arc::new(|text| match text.trim() {
                    "never" => Some(0),
                    "round" => Some(1),
                    number => number.trim_end_matches("rounds").trim().parse().ok(),
                }))
                .with_callback(says(&changed)),
            bypass: BoolParam::new("Bypass", false).make_bypass().with_callback(says(&changed)),
            weights: KeptWeights::new(shared.weights.clone()),
            theme: ThemeChoice::default(),
            view: Remembered::default(),
            past: KeptPast::new(shared.clone()),
            kept: Kept::new(shared),
            changed,
        }
    }
}

impl TunesParams {
    /// The key to write in.
    pub fn tune_key(&self) -> Key {
        let (step, accidental) = self.key.value().step();
        Key::new(step, accidental, self.mode.value().abc())
    }

    /// The metre to write in, as beats and their unit.
    pub fn metre(&self) -> (u8, u8) {
        let possible = self.style.value().style().metres();
        let chosen = self.metre.value().beats().filter(|metre| possible.contains(metre));
        chosen.or(possible.first().copied()).unwrap_or((4, 4))
    }

    /// The metre that was chosen, where it is not the dance's usual one.
    pub fn chosen_metre(&self) -> Option<Metre> {
        let (beats, unit) = self.metre();
        let usual = self.style.value().style().metres().first() == Some(&(beats, unit));
        (!usual).then(|| Metre::new(beats.into(), unit.into()))
    }

    /// Whether anything that [`controls`](Self::controls) tells changed since this was last asked. Parameters lie far
    /// apart in memory: a block in which none changed reads one place instead of a dozen.
    pub fn take_change(&self) -> bool {
        self.changed.load(Ordering::Relaxed) && self.changed.swap(false, Ordering::Acquire)
    }

    /// What the audio thread needs of the parameters at the moment. Allocates nothing.
    pub fn controls(&self) -> Controls {
        Controls {
            settings: self.settings(),
            voice: self.voice.value(),
            bypass: self.bypass.value(),
            generate: self.generate.value(),
        }
    }

    /// How the tune is played at the moment. Allocates nothing.
    fn settings(&self) -> Settings {
        Settings {
            play: match self.play.value() {
                PlayMode::Loop => Play::Loop,
                PlayMode::Once => Play::Once,
                PlayMode::Free => Play::Free,
                PlayMode::Key => Play::Key,
            },
            transpose: self.transpose.value() + 12 * self.octave.value(),
            swing: self.swing.value(),
            gate: self.gate.value(),
            velocity: self.velocity.value(),
            velocity_variation: self.velocity_variation.value(),
            timing_variation: self.timing_variation.value() / 1000.0,
            chords: self.chords.value(),
            chord_channel: (self.chord_channel.value() - 1).clamp(0, 15) as u8,
            rounds: self.rounds.value().max(0) as u32,
            speed: self.speed.value(),
            // The window's own: no host's.
            metronome: false,
        }
    }
}

/// The window's first size in points.
pub const SIZE: Size = Size { width: 900.0, height: 560.0 };
