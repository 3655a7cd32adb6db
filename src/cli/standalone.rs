//! Interface: `earworm tunes` and `earworm meter`, the plug-ins in windows of their own.

use std::path::PathBuf;

use super::{Outcome, Refusal};

/// The systems of audio and MIDI that there are.
const BACKENDS: &[&str] = if cfg!(target_os = "macos") {
    &["auto", "core-audio", "jack", "dummy"]
} else if cfg!(target_os = "windows") {
    &["auto", "wasapi", "jack", "dummy"]
} else {
    &["auto", "jack", "alsa", "dummy"]
};

/// How a window's sound comes and goes.
#[derive(clap::Args)]
pub(super) struct Sound {
    /// The system of audio and MIDI; auto: JACK, else the computer's own, else none
    #[arg(short, long, value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(BACKENDS))]
    backend: Option<String>,
    /// Samples a second, where JACK does not set them; none: 48000
    #[arg(short = 'r', long, value_name = "HERTZ", value_parser = clap::value_parser!(u32).range(8_000..=768_000))]
    sample_rate: Option<u32>,
    /// Samples in a block, where JACK does not set them; none: 512
    #[arg(short, long, value_name = "SAMPLES", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    period_size: Option<u32>,
    /// The channels by number; 0 lists them
    #[arg(short = 'l', long, value_name = "NUMBER")]
    audio_layout: Option<u32>,
    /// Where sound is taken from, not with JACK; an unknown name lists them
    #[arg(long, value_name = "NAME")]
    input_device: Option<String>,
    /// Where sound goes, not with JACK; an unknown name lists them
    #[arg(long, value_name = "NAME")]
    output_device: Option<String>,
    /// Seconds between sound that comes in and goes out, not with JACK
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    input_latency: Option<f32>,
    /// Seconds of sound that may wait to go out, not with JACK; twice the latency at least
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    input_capacity: Option<f32>,
    /// Where MIDI is taken from, not with JACK; an unknown name lists them
    #[arg(long, value_name = "NAME")]
    midi_input: Option<String>,
    /// Where MIDI goes, not with JACK; an unknown name lists them
    #[arg(long, value_name = "NAME")]
    midi_output: Option<String>,
    /// How many MIDI messages may wait
    #[arg(long, value_name = "MESSAGES", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    midi_capacity: Option<u32>,
    /// The ports of JACK that sound is taken from, with commas between
    #[arg(long, value_name = "PORTS")]
    connect_jack_inputs: Option<String>,
    /// The port of JACK that MIDI is taken from
    #[arg(long, value_name = "PORT")]
    connect_jack_midi_input: Option<String>,
    /// The port of JACK that MIDI goes to
    #[arg(long, value_name = "PORT")]
    connect_jack_midi_output: Option<String>,
    /// How many times as large the window is drawn
    #[arg(long, value_name = "TIMES", value_parser = scale)]
    dpi_scale: Option<f64>,
    /// Beats a minute of the transport
    #[arg(long, value_name = "BEATS", value_parser = tempo)]
    tempo: Option<f32>,
    /// The upper number of the transport's metre
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=64))]
    timesig_num: Option<u32>,
    /// The lower number of the transport's metre
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=64))]
    timesig_denom: Option<u32>,
}

/// What `earworm tunes` is told.
#[derive(clap::Args)]
pub(super) struct TunesOptions {
    /// A tune to open, .abc or .mid; the first where a file holds several
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    sound: Sound,
}

/// What `earworm meter` is told.
#[derive(clap::Args)]
pub(super) struct MeterOptions {
    #[command(flatten)]
    sound: Sound,
}

/// A number within bounds, said in words where it is not.
fn within(text: &str, least: f64, most: f64) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("{least} to {most} is possible")),
    }
}

fn seconds(text: &str) -> Result<f32, String> {
    within(text, 0.001, 10.0).map(|number| number as f32)
}

fn scale(text: &str) -> Result<f64, String> {
    within(text, 0.5, 4.0)
}

fn tempo(text: &str) -> Result<f32, String> {
    within(text, 1.0, 1_000.0).map(|number| number as f32)
}

impl Sound {
    /// The flags as the framework takes them.
    fn flags(self) -> Vec<String> {
        let text = |number: Option<u32>| number.map(|number| number.to_string());
        let float = |number: Option<f32>| number.map(|number| number.to_string());
        [
            ("backend", self.backend),
            ("sample-rate", text(self.sample_rate)),
            ("period-size", text(self.period_size)),
            ("audio-layout", text(self.audio_layout)),
            ("input-device", self.input_device),
            ("output-device", self.output_device),
            ("input-latency", float(self.input_latency)),
            ("input-capacity", float(self.input_capacity)),
            ("midi-input", self.midi_input),
            ("midi-output", self.midi_output),
            ("midi-capacity", text(self.midi_capacity)),
            ("connect-jack-inputs", self.connect_jack_inputs),
            ("connect-jack-midi-input", self.connect_jack_midi_input),
            ("connect-jack-midi-output", self.connect_jack_midi_output),
            ("dpi-scale", self.dpi_scale.map(|scale| scale.to_string())),
            ("tempo", float(self.tempo)),
            ("timesig-num", text(self.timesig_num)),
            ("timesig-denom", text(self.timesig_denom)),
        ]
        .into_iter()
        .filter_map(|(flag, value)| Some(format!("--{flag}={}", value?)))
        .collect()
    }
}

/// The first tune in a file, as ABC.
#[cfg(feature = "plugin")]
fn first_tune(path: &std::path::Path) -> Result<String, Refusal> {
    use super::tune_file::Format;
    use earworm_abc as abc;
    use earworm_midi as midi;
    let bytes = super::read_file(path)?;
    let text = match Format::of_bytes(&bytes) {
        Format::Midi => {
            let performance = midi::read(&bytes)
                .map_err(|error| Refusal::new(path.display(), &error, error.hint()))?;
            midi::to_abc(&performance)
        }
        _ => abc::decode(&bytes).into_owned(),
    };
    match &abc::read(&text).tunes[..] {
        [] => Err(super::check::no_tune(path)),
        [_] => Ok(text),
        [first, ..] => Ok(text[first.span.clone()].to_owned()),
    }
}

#[cfg(feature = "plugin")]
fn opened(opened: Result<bool, Refusal>) -> Outcome {
    match opened {
        Ok(true) => Outcome::Done,
        // The audio backend has said why.
        Ok(false) => Outcome::Refused,
        Err(refusal) => {
            refusal.report();
            Outcome::Refused
        }
    }
}

/// Opens Earworm Tunes.
#[cfg(feature = "plugin")]
pub(super) fn tunes(options: TunesOptions) -> Outcome {
    let tune = options.file.as_deref().map(first_tune).transpose();
    let sound = options.sound;
    opened(tune.and_then(|tune| {
        display()?;
        Ok(earworm_plugin::run_tunes(sound.flags(), tune))
    }))
}

/// Opens Earworm Meter.
#[cfg(feature = "plugin")]
pub(super) fn meter(options: MeterOptions) -> Outcome {
    opened(display().map(|()| earworm_plugin::run_meter(options.sound.flags())))
}

/// Refuses where there is no screen to open a window on: the framework would wait for one without a word.
#[cfg(all(feature = "plugin", unix, not(target_os = "macos")))]
fn display() -> Result<(), Refusal> {
    x11rb::connect(None).map(drop).map_err(|_| {
        let (what, hint) = match std::env::var("DISPLAY") {
            Ok(name) if !name.is_empty() => (
                format!("the display {name} can't be reached"),
                "check DISPLAY, and who may use it",
            ),
            _ => ("there is no display to open a window on".into(), "set DISPLAY, to :0 say"),
        };
        Refusal::new("display", what, hint)
    })
}

#[cfg(all(feature = "plugin", not(all(unix, not(target_os = "macos")))))]
fn display() -> Result<(), Refusal> {
    Ok(())
}

#[cfg(not(feature = "plugin"))]
fn none(plugin: &str) -> Outcome {
    Refusal::new(
        plugin,
        "this build has no plug-in windows",
        "build with the default features: cargo build --release",
    )
    .report();
    Outcome::Refused
}

/// Says that there is no window.
#[cfg(not(feature = "plugin"))]
pub(super) fn tunes(options: TunesOptions) -> Outcome {
    drop((options.file, options.sound.flags()));
    none("tunes")
}

/// Says that there is no window.
#[cfg(not(feature = "plugin"))]
pub(super) fn meter(options: MeterOptions) -> Outcome {
    drop(options.sound.flags());
    none("meter")
}
