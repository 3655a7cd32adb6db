//! Interface: `earworm generate`.

use std::io::{self, IsTerminal, Write};
use std::ops::{ControlFlow, RangeInclusive};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::tune_file::{Format, write_abc, write_performance};
use super::{Outcome, Progress, Refusal, for_each, named, print, read_file};
use earworm_abc::{self as abc, Key, Metre, PerformOptions};
use earworm_tunes::harmony::ChordRow;
use earworm_tunes::{
    BARS, ComposeError, Composer, HIGHEST_NAMED, Instrument, Request, Rewrite, Style,
};
use earworm_weights as weights;
use rand::Rng;

/// What `earworm generate` is told.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where to write: .abc, .mid or .wav; may be given again. None prints ABC
    #[arg(short, long = "output", value_name = "FILE")]
    outputs: Vec<PathBuf>,
    /// The dance: reel, jig, hornpipe, slip-jig, waltz, polka, march, strathspey, slide, air, morris; Swedish: polska,
    /// slangpolska, vals, schottis, polonas, marsch, ganglat, visa, engelska; freylekhs; song, hymn, popular-song
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
    /// How freely notes are drawn, 0 to 5: 1 by the network's own odds, less is safer, more is bolder, 0 always takes the
    /// likeliest
    #[arg(long, default_value_t = Request::default().temperature, allow_negative_numbers = true)]
    temperature: f32,
    /// Draws only from the likeliest characters that together have this probability
    #[arg(long, value_name = "P", default_value_t = Request::default().top_p, allow_negative_numbers = true)]
    top_p: f32,
    /// Fixes the tune: the same seed and flags give the same bytes. None draws one
    #[arg(long, allow_negative_numbers = true, value_parser = seed)]
    seed: Option<u64>,
    /// Writes chord symbols over the notes, as is usual
    #[arg(long, overrides_with = "no_chords")]
    chords: bool,
    /// Writes none
    #[arg(long, overrides_with = "chords")]
    no_chords: bool,
    /// Keeps the tune to what is played or sung: fiddle (as without it), whistle, pipes or voice
    #[arg(long = "for", value_name = "INSTRUMENT")]
    instrument: Option<String>,
    /// Writes a melody to these chords, bars parted by |, over and over: "Am|F|C|G"
    #[arg(long = "over", value_name = "CHORDS", conflicts_with = "no_chords")]
    row: Option<String>,
    /// A file of ABC (or - for standard input), bars of whose first tune are written anew; see --rewrite
    #[arg(long, value_name = "FILE", requires = "rewrite",
          conflicts_with_all = ["style", "key", "metre", "bars", "chords", "no_chords", "instrument", "row"])]
    from: Option<PathBuf>,
    /// Which bars of --from are written anew: 5-8, or 3,7-8; all others stay as they are
    #[arg(long, value_name = "BARS", requires = "from")]
    rewrite: Option<String>,
    /// From -1, far from what stood there, to 1, close to it
    #[arg(
        long,
        value_name = "N",
        requires = "from",
        default_value_t = 0.0,
        allow_negative_numbers = true
    )]
    nearness: f32,
    /// How many tunes, by seeds in a row; ABC holds them all, other files are numbered
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    variants: u32,
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
    let seed = options.seed.unwrap_or_else(|| rand::rng().random_range(0..=HIGHEST_NAMED));
    let tunes = match write_all(&options, seed) {
        Ok(tunes) => tunes,
        Err(refusal) => {
            refusal.report();
            return Outcome::Refused;
        }
    };
    if options.seed.is_none() && io::stderr().is_terminal() {
        // To have a tune again that pleased.
        let _ = writeln!(io::stderr(), "earworm: --seed {seed}");
    }
    let text = tunes.join("\n");
    if options.outputs.is_empty() {
        print(&text);
        return Outcome::Done;
    }
    let written = for_each(files, |(path, format)| {
        if format == Format::Abc {
            return write_abc(path, &text).map(|()| Outcome::Done);
        }
        for (number, tune) in tunes.iter().enumerate() {
            let book = abc::read(tune);
            let performance = book
                .tunes
                .first()
                .map(|tune| abc::perform(tune, &PerformOptions::default()))
                .unwrap_or_default();
            let path = if tunes.len() == 1 { path.clone() } else { numbered(path, number + 1) };
            write_performance(&path, format, &performance)?;
        }
        Ok(Outcome::Done)
    });
    outcome.max(written)
}

/// A path with a number before its extension.
fn numbered(path: &Path, number: usize) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{stem}-{number}.{extension}"))
}

/// The tunes, each with a reference number of its own.
fn write_all(options: &Options, seed: u64) -> Result<Vec<String>, Refusal> {
    (0..options.variants)
        .map(|variant| {
            let seed = seed.wrapping_add(u64::from(variant));
            let tune = match &options.from {
                Some(path) => rewrite(options, path, seed)?,
                None => compose(options, seed)?,
            };
            let reference = tune.lines().find(|line| line.starts_with("X:")).map(str::to_owned);
            Ok(match reference {
                Some(line) if options.variants > 1 => {
                    tune.replacen(&line, &format!("X:{}", variant + 1), 1)
                }
                _ => tune,
            })
        })
        .collect()
}

/// The network that the options name.
fn composer(options: &Options) -> Result<Arc<Composer>, Refusal> {
    match &options.weights {
        Some(path) => {
            weights::tunes(path).map_err(|error| Refusal::new(path.display(), &error, error.hint()))
        }
        None => Composer::embedded().map_err(|error| {
            Refusal::new("generate", error, "this build is broken, build it again")
        }),
    }
}

/// Bars as `3,7-8` says them.
fn bar_ranges(text: &str) -> Option<Vec<RangeInclusive<u32>>> {
    text.split(',')
        .map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            (first <= last).then_some(first..=last)
        })
        .collect()
}

/// The tune of a file with some of its bars written anew.
fn rewrite(options: &Options, path: &Path, seed: u64) -> Result<String, Refusal> {
    let asked = options.rewrite.as_deref().unwrap_or_default();
    let bars = bar_ranges(asked).ok_or_else(|| {
        Refusal::new("--rewrite", format!("`{asked}` names no bars"), "5-8, or 3,7-8")
    })?;
    let text = abc::decode(&read_file(path)?).into_owned();
    let rewrite = Rewrite {
        abc: text,
        bars,
        nearness: options.nearness,
        temperature: options.temperature,
        top_p: options.top_p,
        seed,
    };
    composer(options)?.rewrite(&rewrite, &mut || ControlFlow::Continue(())).map_err(|error| {
        Refusal::new(named(path), error, "earworm check FILE says what is unusual in a tune")
    })
}

fn compose(options: &Options, seed: u64) -> Result<String, Refusal> {
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
        seed,
        chords: !options.no_chords,
        phrase: None,
        instrument: match &options.instrument {
            None => None,
            Some(name) => Some(
                Instrument::ALL
                    .into_iter()
                    .find(|instrument| instrument.name() == name.trim().to_lowercase())
                    .ok_or_else(|| {
                        let what = format!("unknown instrument `{name}`");
                        Refusal::new("--for", what, "one of fiddle, whistle, pipes, voice")
                    })?,
            ),
        },
        row: match &options.row {
            None => None,
            Some(row) => Some(
                row.parse::<ChordRow>()
                    .map_err(|error| Refusal::new("--over", error, "bars parted by |"))?,
            ),
        },
    };
    let composer = composer(options)?;
    // The dance's bars differ in length; a bar line in the text is the sign of one done.
    let mut progress = Progress::new(Some(u64::from(options.bars)), "writing a tune");
    composer
        .compose(&request, &mut |text| {
            progress.advance(text.matches('|').count() as u64);
            ControlFlow::Continue(())
        })
        .map(|composition| composition.abc)
        .map_err(|error| {
            let hint = match error {
                ComposeError::Bars(_) => {
                    return Refusal::new(
                        "--bars",
                        format!("{} is out of range", options.bars),
                        format!("{} to {}", BARS.start(), BARS.end()),
                    );
                }
                ComposeError::Temperature(_) => "0.8 is usual",
                ComposeError::TopP(_) => "1 draws from all",
                _ => "earworm generate --help lists the flags",
            };
            Refusal::new("generate", error, hint)
        })
}
