//! Interface: `cargo xtask eval genre`: how well the network names clips that it wasn't trained on.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use earworm_genre::{Ear, GENRES, GTZAN_GENRES, Network};
use earworm_spectrum::BANDS;
use indicatif::ProgressBar;
use rayon::prelude::*;
use serde::Serialize;

use crate::genre_clips::{Clip, audio_files, genre_of, hear_columns, read_mels};
use crate::genre_curves::draw_confusion;
use crate::genre_scores::{Answer, GenreFigures, Scores, listen, over_gtzan};

/// Which genres can be answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Labels {
    /// All twelve
    All,
    /// GTZAN's ten, to be comparable with the literature
    Gtzan,
}

/// What the task is told on the command line.
#[derive(clap::Args)]
pub struct Options {
    /// safetensors files of labelled mels, or folders of folders of audio named by genre
    #[arg(required = true)]
    data: Vec<PathBuf>,
    /// Only the clips of sources in one file that training holds out
    #[arg(long)]
    held_out: bool,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
    /// Genres that can be answers; probabilities are renormalised over them
    #[arg(long, value_enum, default_value = "all")]
    labels: Labels,
    /// Other weights than those that ship
    #[arg(long)]
    weights: Option<PathBuf>,
    /// Writes what each clip is named, a JSON line a clip
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// Draws the confusion matrix
    #[arg(long)]
    confusion: Option<PathBuf>,
}

/// Lengths after which accuracy is reported, seconds.
const AFTER: [u32; 4] = [3, 5, 10, 30];

/// A clip's mel columns, heard from audio or stored.
struct Heard {
    name: String,
    genre: usize,
    columns: Vec<[f32; BANDS]>,
    sparse: bool,
    audio: bool,
}

/// All figures of a set of clips.
#[derive(Serialize)]
struct Figures {
    accuracy: f32,
    balanced_accuracy: f32,
    macro_f1: f32,
    /// Expected calibration error.
    ece: f32,
    /// What chance alone makes of it on so many clips, were the probabilities exactly right.
    ece_by_chance: f32,
    clips: usize,
    /// Clips shorter than the ear needs, or silent.
    unheard: usize,
    per_genre: BTreeMap<&'static str, GenreFigures>,
    /// Accuracy on the first seconds of each clip.
    after_seconds: BTreeMap<u32, f32>,
    /// Genre → name given → clips.
    confusion: BTreeMap<&'static str, BTreeMap<&'static str, usize>>,
}

#[derive(Serialize)]
struct Report {
    labels: &'static str,
    #[serde(flatten)]
    all: Figures,
    sets: BTreeMap<String, Figures>,
    /// One reading of a 30 s window with its map on one core: the least of many, milliseconds.
    window_ms: f32,
    /// Clips that came both as audio and as stored mels.
    #[serde(skip_serializing_if = "Option::is_none")]
    paths: Option<Paths>,
}

/// Our front end and network from audio against the stored mels of the same clips.
#[derive(Serialize)]
struct Paths {
    clips: usize,
    same_genre: usize,
    /// Largest difference of a probability.
    largest_difference: f32,
    /// Difference of the mels apart from a constant offset, dB RMS, over the clips: mean and largest.
    mean_rms: f32,
    largest_rms: f32,
}

/// Runs the task.
pub fn run(options: Options) -> anyhow::Result<()> {
    let network = match &options.weights {
        Some(path) => {
            let bytes =
                std::fs::read(path).with_context(|| format!("{} can't be read", path.display()))?;
            Arc::new(Network::from_safetensors(&bytes)?)
        }
        None => Network::embedded()?,
    };
    let gtzan = options.labels == Labels::Gtzan;
    let mut sets = BTreeMap::new();
    let (mut all, mut every) = (Vec::new(), Vec::new());
    for path in &options.data {
        let clips = heard(path, options.held_out)?;
        let bar = ProgressBar::new(clips.len() as u64);
        let judged = clips
            .par_iter()
            .map(|clip| {
                let judged = judge(&network, clip, gtzan);
                bar.inc(1);
                judged
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        bar.finish_and_clear();
        sets.insert(path.display().to_string(), figures(&judged, gtzan));
        all.extend(judged);
        every.extend(clips);
    }
    let report = Report {
        labels: if gtzan { "gtzan" } else { "all" },
        all: figures(&all, gtzan),
        paths: compare(&network, &every)?,
        window_ms: window_time(&network)?,
        sets,
    };
    if let Some(path) = &options.answers {
        write_answers(path, &every, &all)?;
    }
    if let Some(path) = &options.confusion {
        draw_confusion(path, &scores(&all, gtzan), &names(&options.data))?;
    }
    if options.json {
        println!("{}", serde_json::to_string(&report)?);
        return Ok(());
    }
    if report.sets.len() > 1 {
        for (name, figures) in &report.sets {
            println!("{name}: {}", summary(figures));
        }
    }
    print_report(&report);
    Ok(())
}

fn names(paths: &[PathBuf]) -> String {
    let names: Vec<_> =
        paths.iter().map(|path| path.file_stem().unwrap_or_default().to_string_lossy()).collect();
    names.join(", ")
}

/// The clips of a file or folder that are of one of our genres.
fn heard(path: &Path, held_out: bool) -> anyhow::Result<Vec<Heard>> {
    if !path.is_dir() {
        let stored = |clip: Clip| {
            let columns = clip.front_end_columns().collect();
            let sparse = clip.is_sparse();
            Some(Heard { genre: clip.genre?, name: clip.name, columns, sparse, audio: false })
        };
        let wanted = |clip: &Clip| !held_out || clip.is_held_out();
        return Ok(read_mels(path)?.into_iter().filter(wanted).filter_map(stored).collect());
    }
    let files = audio_files(path)?;
    let bar = ProgressBar::new(files.len() as u64);
    let clips: Vec<_> = files
        .par_iter()
        .filter_map(|file| {
            let genre = genre_of(&file.word)?;
            let name = file.path.file_stem()?.to_string_lossy().into_owned();
            let columns = hear_columns(&file.path);
            bar.inc(1);
            Some(columns.map(|columns| Heard { name, genre, columns, sparse: false, audio: true }))
        })
        .collect();
    bar.finish_and_clear();
    let mut heard = Vec::new();
    for clip in clips {
        match clip {
            Ok(clip) => heard.push(clip),
            Err(error) => eprintln!("left out: {error:#}"),
        }
    }
    Ok(heard)
}

/// One clip's answers: to the whole of it, and to its first seconds.
struct Judged {
    whole: Option<Answer>,
    after: Vec<Option<Answer>>,
}

fn judge(network: &Arc<Network>, clip: &Heard, gtzan: bool) -> anyhow::Result<Judged> {
    let answer = |seconds: f64| -> anyhow::Result<Option<Answer>> {
        let probabilities = listen(network, clip.columns.iter().copied(), clip.sparse, seconds)?;
        let allowed = |p| if gtzan { over_gtzan(p) } else { p };
        Ok(probabilities.map(|p| Answer { genre: clip.genre, probabilities: allowed(p) }))
    };
    let after =
        AFTER.iter().map(|&seconds| answer(f64::from(seconds))).collect::<anyhow::Result<_>>()?;
    Ok(Judged { whole: answer(f64::INFINITY)?, after })
}

/// One JSON line a clip: its name, its genre, and the probability of each genre (none where nothing was heard).
fn write_answers(path: &Path, clips: &[Heard], judged: &[Judged]) -> anyhow::Result<()> {
    let mut lines = String::new();
    for (clip, judged) in clips.iter().zip(judged) {
        let probabilities = judged
            .whole
            .as_ref()
            .map(|answer| GENRES.into_iter().zip(answer.probabilities).collect::<BTreeMap<_, _>>());
        let line = serde_json::json!({
            "clip": clip.name,
            "genre": GENRES[clip.genre],
            "probabilities": probabilities,
        });
        lines.push_str(&format!("{line}\n"));
    }
    std::fs::write(path, lines).with_context(|| format!("{} can't be written", path.display()))
}

fn scores(judged: &[Judged], gtzan: bool) -> Scores {
    let allowed = |answer: &&Answer| !gtzan || answer.genre < GTZAN_GENRES;
    Scores {
        answers: judged
            .iter()
            .filter_map(|clip| clip.whole.as_ref())
            .filter(allowed)
            .cloned()
            .collect(),
        gtzan,
    }
}

fn figures(judged: &[Judged], gtzan: bool) -> Figures {
    let scores = scores(judged, gtzan);
    let after = |place: usize| {
        let answers = judged.iter().filter_map(|clip| clip.after[place].clone()).collect();
        Scores { answers, gtzan }.accuracy()
    };
    let confusion = scores.confusion();
    let row = |genre: usize| {
        let named = (0..GENRES.len()).filter(|&named| confusion[genre][named] > 0);
        named.map(|named| (GENRES[named], confusion[genre][named])).collect::<BTreeMap<_, _>>()
    };
    Figures {
        accuracy: scores.accuracy(),
        balanced_accuracy: scores.balanced_accuracy(),
        macro_f1: scores.macro_f1(),
        ece: scores.calibration_error(),
        ece_by_chance: scores.calibration_error_by_chance(),
        clips: scores.answers.len(),
        unheard: judged.iter().filter(|clip| clip.whole.is_none()).count(),
        per_genre: scores.per_genre().into_iter().map(|figures| (figures.genre, figures)).collect(),
        after_seconds: AFTER
            .iter()
            .enumerate()
            .map(|(place, &seconds)| (seconds, after(place)))
            .collect(),
        confusion: (0..GENRES.len())
            .map(|genre| (GENRES[genre], row(genre)))
            .filter(|(_, row)| !row.is_empty())
            .collect(),
    }
}

/// Compares clips that came both ways: the audio's name ends in the stored clip's.
fn compare(network: &Arc<Network>, clips: &[Heard]) -> anyhow::Result<Option<Paths>> {
    // Stored clips of FMA and Emotify are named folder/id, their files folder-id.
    let stored: HashMap<String, &Heard> = clips
        .iter()
        .filter(|clip| !clip.audio)
        .map(|clip| (clip.name.replace('/', "-").to_lowercase(), clip))
        .collect();
    let mut paths =
        Paths { clips: 0, same_genre: 0, largest_difference: 0.0, mean_rms: 0.0, largest_rms: 0.0 };
    for audio in clips.iter().filter(|clip| clip.audio) {
        let name = audio.name.to_lowercase();
        let partner = stored.get(&name).or_else(|| stored.get(name.split_once('-')?.1));
        let Some(partner) = partner else { continue };
        let length = audio.columns.len().min(partner.columns.len());
        let (ours, theirs) = (&audio.columns[..length], &partner.columns[..length]);
        let hear = |columns: &[[f32; BANDS]]| {
            listen(network, columns.iter().copied(), partner.sparse, f64::INFINITY)
        };
        let (Some(a), Some(b)) = (hear(ours)?, hear(theirs)?) else { continue };
        let likeliest = |p: &[f32]| (0..p.len()).max_by(|&a, &b| p[a].total_cmp(&p[b]));
        paths.clips += 1;
        paths.same_genre += usize::from(likeliest(&a) == likeliest(&b));
        let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
        paths.largest_difference = differences.fold(paths.largest_difference, f32::max);
        let rms = difference(ours, theirs);
        paths.mean_rms += rms;
        paths.largest_rms = paths.largest_rms.max(rms);
    }
    paths.mean_rms /= paths.clips.max(1) as f32;
    Ok((paths.clips > 0).then_some(paths))
}

/// The least time of a reading of 30 s, milliseconds; the least, because others use the machine too.
fn window_time(network: &Arc<Network>) -> anyhow::Result<f32> {
    let mut ear = Ear::new(network.clone(), 44_100.0);
    for column in 0..400 {
        ear.push_mel(std::array::from_fn(|band| ((column * 7 + band * 13) % 60) as f32 - 40.0));
    }
    let mut least = f32::INFINITY;
    for _ in 0..50 {
        let began = Instant::now();
        ear.listen()?;
        least = least.min(began.elapsed().as_secs_f32() * 1e3);
    }
    Ok(least)
}

/// dB RMS between two pictures of one clip apart from a constant offset, where the stored one is above its floor.
fn difference(ours: &[[f32; BANDS]], stored: &[[f32; BANDS]]) -> f32 {
    let pairs =
        || ours.iter().flatten().zip(stored.iter().flatten()).filter(|pair| *pair.1 > -79.0);
    let count = pairs().count().max(1) as f32;
    let offset = pairs().map(|(a, b)| a - b).sum::<f32>() / count;
    (pairs().map(|(a, b)| (a - b - offset).powi(2)).sum::<f32>() / count).sqrt()
}

fn summary(figures: &Figures) -> String {
    let percent = |value: f32| value * 100.0;
    format!(
        "{:.1} % of {} clips right, balanced {:.1} %, macro F1 {:.3}, calibration error {:.1} % ({:.1} % by chance alone)",
        percent(figures.accuracy),
        figures.clips,
        percent(figures.balanced_accuracy),
        figures.macro_f1,
        percent(figures.ece),
        percent(figures.ece_by_chance)
    )
}

fn print_report(report: &Report) {
    let figures = &report.all;
    println!("{}", summary(figures));
    let after: Vec<String> = figures
        .after_seconds
        .iter()
        .map(|(seconds, value)| format!("{seconds} s {:.1} %", value * 100.0))
        .collect();
    println!("accuracy after {}", after.join(", "));
    println!("a window of 30 s takes {:.1} ms", report.window_ms);
    if figures.unheard > 0 {
        println!("{} clips too short or silent", figures.unheard);
    }
    println!("\n{:<12} {:>6} {:>10} {:>7} {:>7}", "genre", "clips", "precision", "recall", "F1");
    for (genre, line) in &figures.per_genre {
        println!(
            "{genre:<12} {:>6} {:>10.3} {:>7.3} {:>7.3}",
            line.clips, line.precision, line.recall, line.f1
        );
    }
    let short = |genre: &str| genre.chars().take(5).collect::<String>();
    print!("\n{:<12}", "named →");
    GENRES.iter().for_each(|genre| print!(" {:>5}", short(genre)));
    println!();
    for (genre, row) in &figures.confusion {
        print!("{genre:<12}");
        GENRES.iter().for_each(|named| print!(" {:>5}", row.get(named).copied().unwrap_or(0)));
        println!();
    }
    if let Some(paths) = &report.paths {
        println!(
            "\nfrom audio and from stored mels: {} of {} clips the same genre, probabilities within {:.3}, \
             mels {:.2} dB RMS apart on average, {:.2} at most",
            paths.same_genre,
            paths.clips,
            paths.largest_difference,
            paths.mean_rms,
            paths.largest_rms
        );
    }
}
