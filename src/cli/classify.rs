//! Interface: `earworm classify`.

use std::io::{self, BufRead};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::{Outcome, Progress, Refusal, for_each, print};
use earworm_audio::{DecodeError, decode};
use earworm_genre::{GENRES, Heard, Hearing, Network, State};
use earworm_weights as weights;

mod plot;

/// What `earworm classify` is told.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Audio files: WAV, AIFF, AU, FLAC, MP3, Ogg Vorbis or AAC, any rate, any channel count; `-` reads
    /// file names from standard input, one a line
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Prints one JSON object a line
    #[arg(long)]
    json: bool,
    /// Draws spectrogram, what spoke for the genre, and the genres over time; with several files, the
    /// name of each goes into its picture's
    #[arg(long, value_name = "PNG")]
    plot: Option<PathBuf>,
    /// Weights of a genre network, as `cargo xtask train genre` writes them; none: the built-in ones
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
}

/// Names the genre of each file.
pub(crate) fn run(options: Options) -> Outcome {
    let network = match &options.weights {
        Some(path) => {
            weights::genre(path).map_err(|error| Refusal::new(path.display(), &error, error.hint()))
        }
        None => Network::embedded().map_err(|error| {
            Refusal::new("classify", error, "this build is broken, build it again")
        }),
    };
    let network = match network {
        Ok(network) => network,
        Err(refusal) => {
            refusal.report();
            return Outcome::Refused;
        }
    };
    let several =
        options.files.len() > 1 || options.files.iter().any(|file| file.as_os_str() == "-");
    for_each(&options.files, |file| {
        if file.as_os_str() != "-" {
            return classify(file, &options, several, &network);
        }
        // One name after the other, so that a catalogue of any length can be piped in.
        let names = io::stdin().lock().lines();
        Ok(for_each(names, |name| {
            let name =
                name.map_err(|error| Refusal::from_io(Path::new("standard input"), &error))?;
            if name.is_empty() {
                Ok(Outcome::Done)
            } else {
                classify(Path::new(&name), &options, several, &network)
            }
        }))
    })
}

fn refusal(path: &Path, error: &DecodeError) -> Refusal {
    let hint = match error {
        DecodeError::Read(error) => return Refusal::from_io(path, error),
        DecodeError::NotAudio | DecodeError::Unsupported(_) => {
            "WAV, AIFF, AU, FLAC, MP3, Ogg Vorbis and AAC are read"
        }
        DecodeError::NoTrack => "name a file with sound",
        DecodeError::Empty => "the file may be cut short or empty",
    };
    Refusal::new(path.display(), error, hint)
}

fn classify(
    path: &Path,
    options: &Options,
    several: bool,
    network: &Arc<Network>,
) -> Result<Outcome, Refusal> {
    let mut decoder = decode(path).map_err(|error| refusal(path, &error))?;
    let broken =
        |error| Refusal::new(path.display(), error, "the genre network could not judge it");
    let total = decoder.announced_seconds().map(|seconds| seconds as u64);
    let mut progress = Progress::new(total, path.file_name().unwrap_or_default().to_string_lossy());
    let mut hearing = Hearing::new(network.clone(), decoder.sample_rate(), options.plot.is_some());
    let (channels, mut shown) = (decoder.channels(), 0);
    while let Some(chunk) = decoder.next_chunk() {
        hearing.push(chunk, channels).map_err(broken)?;
        let seconds = decoder.seconds() as u64;
        progress.advance(seconds - shown);
        shown = seconds;
    }
    drop(progress);
    let heard = hearing.finish().map_err(broken)?;
    if options.json {
        print(json_line(path, &heard)?);
    } else {
        print(text_line(path, &heard));
    }
    if let Some(png) = &options.plot {
        plot::write(&plot_path(png, path, several), path, &heard)?;
    }
    if decoder.is_damaged() {
        let what = format!("cut short or damaged, {:.1} s of it were heard", heard.seconds);
        return Err(Refusal::new(path.display(), what, "get a whole copy to be sure"));
    }
    Ok(Outcome::Done)
}

/// `set.png` for one file; `set-song.png` for `song.flac` among several.
fn plot_path(png: &Path, file: &Path, several: bool) -> PathBuf {
    if !several {
        return png.to_path_buf();
    }
    let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    png.with_file_name(format!("{}-{}.png", stem(png), stem(file)))
}

fn text_line(path: &Path, heard: &Heard) -> String {
    let file = path.display();
    let Some(genre) = heard.likeliest() else {
        return match heard.state {
            State::Silence => format!("{file}: silence\n"),
            _ => format!("{file}: too short to tell ({:.1} s, 3 s are needed)\n", heard.seconds),
        };
    };
    let mut ranked: Vec<usize> = (0..GENRES.len()).collect();
    ranked.sort_by(|&a, &b| heard.probabilities[b].total_cmp(&heard.probabilities[a]));
    let rest: Vec<String> = ranked[1..3]
        .iter()
        .map(|&genre| format!("{} {:.0} %", GENRES[genre], heard.probabilities[genre] * 100.0))
        .collect();
    let unsure = if heard.state == State::Unsure { "unsure, " } else { "" };
    format!(
        "{file}: {unsure}{} {:.0} % ({})\n",
        GENRES[genre],
        heard.probabilities[genre] * 100.0,
        rest.join(", ")
    )
}

/// One file's answer as `--json` prints it.
#[derive(Serialize)]
struct Answer<'a> {
    file: &'a str,
    seconds: f64,
    /// The likeliest genre, even where the state is unsure; null in silence or where it is too short.
    genre: Option<&'static str>,
    state: &'static str,
    probabilities: serde_json::Map<String, serde_json::Value>,
    timeline: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    start: f64,
    end: f64,
    genre: &'static str,
    p: f64,
}

/// To the nearest of the decimals that mean something.
fn rounded(value: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (value * scale).round() / scale
}

fn json_line(path: &Path, heard: &Heard) -> Result<String, Refusal> {
    let file = path.to_string_lossy();
    let answer = Answer {
        file: &file,
        seconds: rounded(heard.seconds, 3),
        genre: heard.likeliest().map(|genre| GENRES[genre]),
        state: match heard.state {
            State::Listening => "too short",
            State::Silence => "silence",
            State::Unsure => "unsure",
            State::Heard => "heard",
        },
        probabilities: GENRES
            .iter()
            .zip(heard.probabilities)
            .map(|(genre, p)| ((*genre).to_string(), rounded(f64::from(p), 6).into()))
            .collect(),
        timeline: heard
            .timeline
            .iter()
            .map(|stretch| Entry {
                start: rounded(stretch.start, 2),
                end: rounded(stretch.end, 2),
                genre: GENRES[stretch.genre],
                p: rounded(f64::from(stretch.probability), 4),
            })
            .collect(),
    };
    let mut line = serde_json::to_string(&answer).map_err(|error| {
        Refusal::new(path.display(), error, "its answer can't be written as JSON")
    })?;
    line.push('\n');
    Ok(line)
}
