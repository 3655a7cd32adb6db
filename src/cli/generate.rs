//! Interface: `earworm generate`.

use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

use super::tune_file::{Format, write_abc, write_performance};
use super::{Outcome, Progress, Refusal, for_each, print};
use earworm_abc::{self as abc, Key, Metre, PerformOptions};
use earworm_tunes::{BARS, ComposeError, Composer, Composition, Request, Style};
use earworm_weights as weights;

/// What `earworm generate` is told.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where to write: .abc, .mid or .wav; may be given again. None prints ABC
    #[arg(short, long = "output", value_name = "FILE")]
    outputs: Vec<PathBuf>,
    /// The dance: reel, jig, hornpipe, slip-jig, waltz, polka, march, strathspey, slide, air, morris
    #[arg(long, default_value = "reel")]
    style: String,
    /// Tonic and mode, such as G, Dmaj, F#m, Edor or Amix
    #[arg(long, default_value = "D")]
    key: String,
    /// The metre, such as 6/8; none: the dance's usual one
    #[arg(long)]
    metre: Option<String>,
    /// Bars as written, 4 to 64; a repeated part counts once
    #[arg(long, default_value_t = 16, allow_negative_numbers = true, value_parser = bars)]
    bars: u32,
    /// 1 draws as the network thinks, less is safer, more is bolder; 0 takes the likeliest each time
    #[arg(long, default_value_t = Request::default().temperature, allow_negative_numbers = true)]
    temperature: f32,
    /// Draws only from the likeliest characters that together have this probability
    #[arg(long, value_name = "P", default_value_t = Request::default().top_p, allow_negative_numbers = true)]
    top_p: f32,
    /// Fixes the tune: the same seed and flags give the same bytes. None draws one
    #[arg(long, allow_negative_numbers = true, value_parser = seed)]
    seed: Option<u64>,
    /// Writes chord symbols over the notes
    #[arg(long, overrides_with = "no_chords")]
    chords: bool,
    /// Writes none, as is usual
    #[arg(long)]
    no_chords: bool,
    /// Weights of a tune network, as `cargo xtask train tunes` writes them; none: the built-in ones
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
}

fn bars(text: &str) -> Result<u32, String> {
    let bars = text.parse().ok().filter(|bars| BARS.contains(bars));
    bars.ok_or_else(|| format!("{} to {} are possible", BARS.start(), BARS.end()))
}

fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("a whole number from 0 to {} is possible", u64::MAX))
}

/// Writes a tune.
pub(crate) fn run(options: Options) -> Outcome {
    // Told before the network is asked: a minute's work for a file that can't be named would be lost.
    let (mut files, mut outcome) = (Vec::new(), Outcome::Done);
    for path in &options.outputs {
        match Format::of(path) {
            Ok(format) => files.push((path, format)),
            Err(refusal) => {
                refusal.report();
                outcome = Outcome::Refused;
            }
        }
    }
    if files.is_empty() && outcome != Outcome::Done {
        return outcome;
    }
    let composition = match compose(&options) {
        Ok(composition) => composition,
        Err(refusal) => {
            refusal.report();
            return Outcome::Refused;
        }
    };
    if options.seed.is_none() && io::stderr().is_terminal() {
        // To have a tune again that pleased.
        let _ = writeln!(io::stderr(), "earworm: --seed {}", composition.seed);
    }
    if options.outputs.is_empty() {
        print(&composition.abc);
        return Outcome::Done;
    }
    let book = abc::read(&composition.abc);
    let performance = book
        .tunes
        .first()
        .map(|tune| abc::perform(tune, &PerformOptions::default()))
        .unwrap_or_default();
    let written = for_each(files, |(path, format)| {
        match format {
            Format::Abc => write_abc(path, &composition.abc),
            Format::Midi | Format::Wav => write_performance(path, format, &performance),
        }
        .map(|()| Outcome::Done)
    });
    outcome.max(written)
}

fn compose(options: &Options) -> Result<Composition, Refusal> {
    let style: Style = options.style.parse().map_err(|_| {
        let known: Vec<String> =
            Style::ALL.iter().map(|style| style.to_string().replace(' ', "-")).collect();
        Refusal::new(
            "--style",
            format!("unknown style `{}`", options.style),
            format!("one of {}", known.join(", ")),
        )
    })?;
    let key: Key = options.key.parse().map_err(|_| {
        let what = format!("`{}` is no key", options.key);
        Refusal::new("--key", what, "a tonic and a mode, such as G, Dmaj, F#m, Edor or Amix")
    })?;
    let metre = match &options.metre {
        None => None,
        Some(text) => Some(text.parse::<Metre>().map_err(|_| {
            Refusal::new("--metre", format!("`{text}` is no metre"), "one such as 4/4 or 6/8")
        })?),
    };
    let request = Request {
        style,
        key,
        metre,
        bars: options.bars,
        temperature: options.temperature,
        top_p: options.top_p,
        seed: options.seed.unwrap_or_else(rand::random),
        chords: options.chords,
        phrase: None,
    };
    let composer = match &options.weights {
        Some(path) => weights::tunes(path)
            .map_err(|error| Refusal::new(path.display(), &error, error.hint()))?,
        None => Composer::embedded().map_err(|error| {
            Refusal::new("generate", error, "this build is broken, build it again")
        })?,
    };
    // The dance's bars differ in length; a bar line in the text is the sign of one done.
    let mut progress = Progress::new(Some(u64::from(options.bars)), "writing a tune");
    composer
        .compose(&request, &mut |text| {
            progress.advance(text.matches('|').count() as u64);
            ControlFlow::Continue(())
        })
        .map_err(|error| {
            let hint = match error {
                ComposeError::Bars(_) => {
                    return Refusal::new(
                        "--bars",
                        format!("{} is out of range", options.bars),
                        format!("{} to {}", BARS.start(), BARS.end()),
                    );
                }
                ComposeError::Temperature(_) => "0.9 is usual",
                ComposeError::TopP(_) => "1 draws from all",
                _ => "earworm generate --help lists the flags",
            };
            Refusal::new("generate", error, hint)
        })
}
