//! Interface: `earworm classify`.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::io::{self, BufRead, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::{Outcome, Progress, Refusal, print};
use earworm_audio::{DecodeError, decode};
use earworm_genre::{GENRES, Heard, Hearing, Network, State};
use earworm_weights as weights;

mod library;
mod plot;

use library::{Cache, Tally, csv_head, csv_line, state};

/// What `earworm classify` is told.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Audio files: WAV, AIFF, AU, FLAC, ALAC, MP3, Ogg Vorbis, Opus or AAC, any rate, up to 1,024 channels, pipes too;
    /// `-` reads file names from standard input, one a line
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Hears every sound file in the folders that are named, and in those in them; says at the end how many are what
    #[arg(short, long)]
    recursive: bool,
    /// Prints one JSON object a line
    #[arg(long)]
    json: bool,
    /// Prints a table: a line of headings, then one a file, with commas between
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Writes a playlist for each genre into this folder: rock.m3u8 and so on
    #[arg(long, value_name = "FOLDER")]
    m3u: Option<PathBuf>,
    /// Keeps in this file what is heard, and hears only what is new or has changed since
    #[arg(long, value_name = "FILE")]
    cache: Option<PathBuf>,
    /// Names on standard input end with a NUL, as `find -print0` writes them, so that they may hold line breaks
    #[arg(short = '0', long = "null")]
    null: bool,
    /// How many files are heard at the same time; none: as many as there are cores. Answers keep the files' order
    #[arg(short, long, value_name = "N")]
    jobs: Option<NonZero<usize>>,
    /// Draws spectrogram, what spoke for the genre, and the genres over time; with several files, the
    /// name of each goes into its picture's, and a number where two are alike
    #[arg(long, value_name = "PNG", value_parser = png)]
    plot: Option<PathBuf>,
    /// Weights of a genre network, as `cargo xtask train genre` writes them; none: the built-in ones
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
}

/// A path for a picture; one whose name promises another format is refused before the work.
fn png(path: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(path);
    match path.extension() {
        Some(other) if !other.eq_ignore_ascii_case("png") => {
            Err("the picture is a PNG; name it .png".into())
        }
        _ => Ok(path),
    }
}

/// Names the genre of each file.
pub(crate) fn run(mut options: Options) -> Outcome {
    let network = match network(options.weights.as_deref()) {
        Ok(network) => network,
        Err(refusal) => return Outcome::from(Err(refusal)),
    };
    let cache = options.cache.as_deref().map(|path| Cache::open(path, options.weights.as_deref()));
    let cache = match cache.transpose() {
        Ok(cache) => cache.map(Mutex::new),
        Err(refusal) => return Outcome::from(Err(refusal)),
    };
    let mut worst = Outcome::Done;
    if options.recursive {
        let expand = |path: PathBuf| match path.is_dir() {
            true => library::files_in(&path, &mut worst),
            false => vec![path],
        };
        options.files = std::mem::take(&mut options.files).into_iter().flat_map(expand).collect();
    }
    if options.csv {
        print(csv_head());
    }
    let files = Mutex::new(Files::new(&options));
    let answers = Mutex::new(Answers::new(options.files.len() as u64, files_are_known(&options)));
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let jobs = options.jobs.map_or(cores, NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    // Held while a name is waited for: who comes next waits for the next one.
                    let next = files.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((number, file)) = next else { break };
                    let answer = file.and_then(|file| {
                        classify(&file, &options, &network, cache.as_ref(), &answers)
                    });
                    lock(&answers).put(number, answer);
                }
            });
        }
    });
    let answers = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
    worst = worst.max(answers.worst);
    let kept = cache.map(|cache| cache.into_inner().unwrap_or_else(PoisonError::into_inner));
    let lists = options.m3u.as_deref().map(|folder| answers.tally.write_playlists(folder));
    for written in kept.map(|cache| cache.write()).into_iter().chain(lists) {
        worst = worst.max(Outcome::from(written.map(|()| Outcome::Done)));
    }
    if options.recursive {
        // Not an error, and none of the answers either.
        let _ = writeln!(io::stderr(), "earworm: {}", answers.tally.summary());
    }
    worst
}

/// The network of a weights file, or the built-in one.
pub(super) fn network(path: Option<&Path>) -> Result<Arc<Network>, Refusal> {
    match path {
        Some(path) => {
            weights::genre(path).map_err(|error| Refusal::new(path.display(), &error, error.hint()))
        }
        None => Network::embedded().map_err(|error| {
            Refusal::new("classify", error, "this build is broken, build it again")
        }),
    }
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether no names come from standard input.
fn files_are_known(options: &Options) -> bool {
    options.files.iter().all(|file| file.as_os_str() != "-")
}

/// A file to be heard.
struct Job {
    path: PathBuf,
    /// Where its picture goes.
    plot: Option<PathBuf>,
}

/// The files in their order, those named on standard input where `-` stands.
struct Files<'a> {
    options: &'a Options,
    /// Of the command line's names, the next one; whether names are being read from standard input.
    next: usize,
    reading: bool,
    number: usize,
    /// Pictures that have a name already, in small letters, as some systems don't tell them apart.
    plots: HashSet<String>,
}

impl<'a> Files<'a> {
    fn new(options: &'a Options) -> Self {
        Self { options, next: 0, reading: false, number: 0, plots: HashSet::new() }
    }

    /// The next name that standard input holds.
    fn read_name(&mut self) -> Option<Result<PathBuf, Refusal>> {
        let end = if self.options.null { 0 } else { b'\n' };
        loop {
            let mut name = Vec::new();
            match io::stdin().lock().read_until(end, &mut name) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) => {
                    return Some(Err(Refusal::from_io(Path::new("standard input"), &error)));
                }
            }
            if name.last() == Some(&end) {
                name.pop();
            }
            // A list that was written on Windows.
            if !self.options.null && name.last() == Some(&b'\r') {
                name.pop();
            }
            if !name.is_empty() {
                return Some(Ok(PathBuf::from(of_bytes(name))));
            }
        }
    }

    /// The picture of one file among several: `set-song.png` for `song.flac`, `set-song-2.png` for another of that name.
    fn plot_of(&mut self, file: &Path) -> Option<PathBuf> {
        let png = self.options.plot.as_ref()?;
        let is_single = self.options.files.len() == 1 && files_are_known(self.options);
        if is_single {
            return Some(png.clone());
        }
        let stem =
            |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let base = format!("{}-{}", stem(png), stem(file));
        let mut name = base.clone();
        for count in 2_u64.. {
            if self.plots.insert(name.to_lowercase()) {
                break;
            }
            name = format!("{base}-{count}");
        }
        Some(png.with_file_name(name + ".png"))
    }
}

impl Iterator for Files<'_> {
    type Item = (usize, Result<Job, Refusal>);

    fn next(&mut self) -> Option<Self::Item> {
        let path = loop {
            if self.reading {
                match self.read_name() {
                    Some(name) => break name,
                    None => self.reading = false,
                }
            }
            let file = self.options.files.get(self.next)?;
            self.next += 1;
            if file.as_os_str() == "-" {
                self.reading = true;
            } else {
                break Ok(file.clone());
            }
        };
        let number = self.number;
        self.number += 1;
        let job = path.map(|path| {
            let plot = self.plot_of(&path);
            Job { path, plot }
        });
        Some((number, job))
    }
}

/// Bytes as the system has file names.
#[cfg(unix)]
fn of_bytes(name: Vec<u8>) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(name)
}

/// Bytes as the system has file names.
#[cfg(not(unix))]
fn of_bytes(name: Vec<u8>) -> OsString {
    String::from_utf8_lossy(&name).into_owned().into()
}

/// What is printed of a file, and why it was refused, or heard only in part.
struct Told {
    line: Option<String>,
    heard: Option<(PathBuf, Heard)>,
    refusal: Option<Refusal>,
}

/// Prints the answers in the files' order.
struct Answers {
    next: usize,
    waiting: BTreeMap<usize, Told>,
    worst: Outcome,
    progress: Progress,
    tally: Tally,
}

/// Steps of the progress bar that a file is worth.
const STEPS: u64 = 1_000;

impl Answers {
    fn new(files: u64, are_known: bool) -> Self {
        let total = are_known.then_some(files * STEPS);
        Self {
            next: 0,
            waiting: BTreeMap::new(),
            worst: Outcome::Done,
            progress: Progress::new(total, "hearing"),
            tally: Tally::default(),
        }
    }

    fn put(&mut self, number: usize, answer: Result<Told, Refusal>) {
        let answer = answer.unwrap_or_else(|refusal| Told {
            line: None,
            heard: None,
            refusal: Some(refusal),
        });
        self.waiting.insert(number, answer);
        while let Some(answer) = self.waiting.remove(&self.next) {
            self.next += 1;
            let Told { line, heard, refusal } = answer;
            match &heard {
                Some((path, heard)) => self.tally.add(path, heard),
                None => self.tally.add_refused(),
            }
            self.progress.aside(|| {
                if let Some(line) = line {
                    print(line);
                }
                if let Some(refusal) = &refusal {
                    refusal.report();
                }
            });
            if refusal.is_some() {
                self.worst = self.worst.max(Outcome::Refused);
            }
        }
    }
}

fn refusal(path: &Path, error: &DecodeError) -> Refusal {
    let hint = match error {
        DecodeError::Read(error) => return Refusal::from_io(path, error),
        DecodeError::NotAudio | DecodeError::Unsupported(_) => {
            "WAV, AIFF, AU, FLAC, ALAC, MP3, Ogg Vorbis, Opus and AAC are read"
        }
        DecodeError::NoTrack => "name a file with sound",
        DecodeError::Rate(_) => "its header is wrong; make it anew from the source",
        _ => "the file may be cut short or empty",
    };
    Refusal::new(path.display(), error, hint)
}

fn classify(
    job: &Job,
    options: &Options,
    network: &Arc<Network>,
    cache: Option<&Mutex<Cache>>,
    answers: &Mutex<Answers>,
) -> Result<Told, Refusal> {
    let path = job.path.as_path();
    let mut shown = Shown { answers, steps: 0 };
    // A picture takes the sound itself.
    let known = cache.filter(|_| job.plot.is_none()).and_then(|cache| lock(cache).get(path));
    let (heard, refusal) = match known {
        Some(heard) => (heard, None),
        None => {
            let (heard, fault) = hear(path, network, job.plot.is_some(), &mut |share| {
                shown.reach((share * STEPS as f64) as u64);
            })?;
            if let (Some(cache), None) = (cache, &fault) {
                lock(cache).put(path, &heard)?;
            }
            (heard, fault)
        }
    };
    let line = if options.json {
        json_line(path, &heard)?
    } else if options.csv {
        csv_line(path, &heard)
    } else {
        text_line(path, &heard)
    };
    if let Some(png) = &job.plot {
        plot::write(png, path, &heard)?;
    }
    Ok(Told { line: Some(line), heard: Some((job.path.clone(), heard)), refusal })
}

/// Hears a file; `on_progress` is told which share of it is heard. A file that is damaged or cut is heard as far as it goes,
/// which the refusal beside it says.
pub(super) fn hear(
    path: &Path,
    network: &Arc<Network>,
    with_picture: bool,
    on_progress: &mut dyn FnMut(f64),
) -> Result<(Heard, Option<Refusal>), Refusal> {
    let mut decoder = decode(path).map_err(|error| refusal(path, &error))?;
    let mut hearing = Hearing::new(network.clone(), decoder.sample_rate(), with_picture);
    while let Some(chunk) = decoder.next_chunk() {
        hearing.set_rate(chunk.sample_rate);
        hearing.push(chunk.samples, chunk.channels);
        on_progress(decoder.progress());
    }
    let heard = hearing.finish();
    let fault = decoder.fault().map(|fault| {
        let what = format!("{fault}, {:.1} s of it were heard", heard.seconds);
        Refusal::new(path.display(), what, "get a whole copy to be sure")
    });
    Ok((heard, fault))
}

/// What one file has added to the progress bar; its whole share, once it is done with.
struct Shown<'a> {
    answers: &'a Mutex<Answers>,
    steps: u64,
}

impl Shown<'_> {
    fn reach(&mut self, steps: u64) {
        if steps <= self.steps {
            return;
        }
        lock(self.answers).progress.advance(steps - self.steps);
        self.steps = steps;
    }
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.reach(STEPS);
    }
}

/// A name as it may stand in a line: file names may hold line breaks and what terminals take for commands.
pub(super) fn plain(path: &Path) -> String {
    path.to_string_lossy().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn text_line(path: &Path, heard: &Heard) -> String {
    let file = plain(path);
    let Some(genre) = heard.likeliest() else {
        return match heard.state {
            State::Silence => format!("{file}: silence\n"),
            _ => format!(
                "{file}: too short to tell ({:.1} s of sound, 3 s are needed)\n",
                heard.sounding
            ),
        };
    };
    let mut ranked: Vec<usize> = (0..GENRES.len()).collect();
    ranked.sort_by(|&a, &b| heard.probabilities[b].total_cmp(&heard.probabilities[a]));
    let rest: Vec<String> = ranked[1..3]
        .iter()
        .map(|&genre| format!("{} {:.0} %", GENRES[genre], heard.probabilities[genre] * 100.0))
        .collect();
    let unsure = if heard.state == State::Unsure { "unsure, " } else { "" };
    let muffled = if heard.is_muffled() {
        format!("; nothing is heard above {:.1} kHz, too little to be sure", heard.reach / 1_000.0)
    } else {
        String::new()
    };
    format!(
        "{file}: {unsure}{} {:.0} % ({}{muffled})\n",
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
    /// Seconds of it that are sound.
    sounding: f64,
    /// Highest frequency with sound, Hz, and whether so much is missing above it that the answer is a guess.
    reach: f64,
    muffled: bool,
    /// The likeliest genre, even where the state is unsure; null in silence or where it is too short.
    genre: Option<&'static str>,
    state: &'static str,
    probabilities: serde_json::Map<String, serde_json::Value>,
    /// Probability that it is none of the genres: other music, or none.
    none: f64,
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
        sounding: rounded(heard.sounding, 3),
        reach: rounded(heard.reach, 0),
        muffled: heard.is_muffled(),
        genre: heard.likeliest().map(|genre| GENRES[genre]),
        state: state(heard.state),
        probabilities: GENRES
            .iter()
            .zip(heard.probabilities)
            .map(|(genre, p)| ((*genre).to_string(), rounded(f64::from(p), 6).into()))
            .collect(),
        none: rounded(f64::from(heard.none), 6),
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
    let line = serde_json::to_string(&answer).map_err(|error| {
        Refusal::new(path.display(), error, "its answer can't be written as JSON")
    })?;
    // Control characters beyond ASCII may stand as they are by JSON's rules; terminals obey some of them.
    let mut line = line.chars().fold(String::new(), |mut line, c| {
        if c.is_control() {
            line.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            line.push(c);
        }
        line
    });
    line.push('\n');
    Ok(line)
}
