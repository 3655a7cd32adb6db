//! Interface: `cargo xtask eval genre`: how well the network names clips that it wasn't trained on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use earworm_genre::{GENRES, GTZAN_GENRES, Network};
use serde::Serialize;

use crate::genre_clips::{Clip, features, read_folder};
use crate::genre_confusion::draw_confusion;
use crate::genre_scores::{Answer, GenreFigures, Scores, over_gtzan};
use crate::genre_sounds::sounds;

/// Which genres can be answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Labels {
    /// All fourteen
    All,
    /// GTZAN's ten, to be comparable with the literature
    Gtzan,
}

/// What the task is told on the command line.
#[derive(clap::Args)]
pub struct Options {
    /// Folders of audio with a labels.csv (clip, genre; if there artist, part, source), or of folders named by genre
    folders: Vec<PathBuf>,
    /// Only the clips that training holds out: those whose part is not `train`
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
    /// Measures with so many made sounds of each kind how often the ear is unsure of what is no music
    #[arg(long, default_value_t = 0)]
    sounds: usize,
    /// Where to keep what was heard in each clip for the next time
    #[arg(long, default_value = "target/genre")]
    out: PathBuf,
    /// Writes what each clip is named, a JSON line a clip
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// Draws the confusion matrix
    #[arg(long)]
    confusion: Option<PathBuf>,
}

/// All figures of a set of clips.
#[derive(Serialize)]
struct Figures {
    accuracy: f32,
    balanced_accuracy: f32,
    macro_f1: f32,
    /// Accuracy of the half whose likeliest genre is likeliest.
    surer_half: f32,
    /// Expected calibration error.
    ece: f32,
    /// What chance alone makes of it on so many clips, were the probabilities exactly right.
    ece_by_chance: f32,
    clips: usize,
    /// Of the clips of other music, how many there are and the share that the ear is unsure about.
    other: usize,
    other_unsure: f32,
    per_genre: BTreeMap<&'static str, GenreFigures>,
    /// Genre → name given → clips.
    confusion: BTreeMap<&'static str, BTreeMap<&'static str, usize>>,
}

#[derive(Serialize)]
struct Report {
    labels: &'static str,
    #[serde(flatten)]
    all: Figures,
    sources: BTreeMap<String, Figures>,
    /// Of each kind of made sound, how many there are and the share that the ear is unsure about.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    sounds: BTreeMap<&'static str, (usize, f32)>,
}

/// Runs the task.
pub fn run(options: Options) -> anyhow::Result<()> {
    anyhow::ensure!(
        !options.folders.is_empty() || options.sounds > 0,
        "nothing to measure: name a folder, or --sounds"
    );
    let network = match &options.weights {
        Some(path) => {
            let bytes =
                std::fs::read(path).with_context(|| format!("{} can't be read", path.display()))?;
            Arc::new(Network::from_safetensors(&bytes)?)
        }
        None => Network::embedded()?,
    };
    let gtzan = options.labels == Labels::Gtzan;
    let mut clips = Vec::new();
    for folder in &options.folders {
        clips.extend(read_folder(folder)?);
    }
    clips.retain(|clip| !options.held_out || clip.is_held_out);
    clips.retain(|clip| !gtzan || clip.genre < GTZAN_GENRES);
    let judged: Vec<(Clip, Answer)> = features(clips, &network, &options.out.join("heard"))?
        .into_iter()
        .filter_map(|(clip, heard)| {
            let mut answer = Answer::to(network.head(), clip.genre, &heard)?;
            if gtzan {
                answer.probabilities = over_gtzan(answer.probabilities);
            }
            Some((clip, answer))
        })
        .collect();
    let scores = |source: Option<&str>| {
        let wanted =
            judged.iter().filter(|(clip, _)| source.is_none_or(|name| clip.source == name));
        Scores { answers: wanted.map(|(_, answer)| answer.clone()).collect(), gtzan }
    };
    let mut sources: BTreeMap<String, Figures> = BTreeMap::new();
    for (clip, _) in &judged {
        if !sources.contains_key(&clip.source) {
            sources.insert(clip.source.clone(), figures(&scores(Some(&clip.source))));
        }
    }
    let mut report = Report {
        labels: if gtzan { "gtzan" } else { "all" },
        all: figures(&scores(None)),
        sources,
        sounds: BTreeMap::new(),
    };
    if options.sounds > 0 {
        for sound in sounds(options.sounds, true, &network, &options.out.join("speech-measured"))? {
            let Some(answer) = Answer::to(network.head(), 0, &sound.features) else { continue };
            let (count, share) = report.sounds.entry(sound.kind).or_default();
            let unsure = f32::from(u8::from(!answer.is_sure()));
            *share = (*share * *count as f32 + unsure) / (*count + 1) as f32;
            *count += 1;
        }
    }
    if let Some(path) = &options.answers {
        write_answers(path, &judged)?;
    }
    if let Some(path) = &options.confusion {
        draw_confusion(path, &scores(None), &names(&options.folders))?;
    }
    if options.json {
        println!("{}", serde_json::to_string(&report)?);
        return Ok(());
    }
    if !judged.is_empty() {
        for name in report.sources.keys() {
            println!("{name}: {}", scores(Some(name)).summary());
        }
        println!("all: {}", scores(None).summary());
        print_report(&report);
    }
    if !report.sounds.is_empty() {
        let (count, unsure) = report.sounds.values().fold((0, 0.0), |(count, unsure), kind| {
            (count + kind.0, unsure + kind.0 as f32 * kind.1)
        });
        println!("\nno music: {:.1} % of {count} sounds unsure", unsure / count as f32 * 100.0);
        for (kind, (count, share)) in &report.sounds {
            println!("{kind:<12} {count:>6} {:>6.1} %", share * 100.0);
        }
    }
    Ok(())
}

fn names(paths: &[PathBuf]) -> String {
    let names: Vec<_> =
        paths.iter().map(|path| path.file_stem().unwrap_or_default().to_string_lossy()).collect();
    names.join(", ")
}

/// One JSON line a clip: its name, its genre, the probability of each genre, and that of none.
fn write_answers(path: &Path, judged: &[(Clip, Answer)]) -> anyhow::Result<()> {
    let mut lines = String::new();
    for (clip, answer) in judged {
        let probabilities: BTreeMap<_, _> = GENRES.into_iter().zip(answer.probabilities).collect();
        let line = serde_json::json!({
            "clip": clip.name,
            "source": clip.source,
            "genre": GENRES.get(clip.genre).unwrap_or(&"other"),
            "probabilities": probabilities,
            "none": answer.none,
            "sure": answer.is_sure(),
        });
        lines.push_str(&format!("{line}\n"));
    }
    std::fs::write(path, lines).with_context(|| format!("{} can't be written", path.display()))
}

fn figures(scores: &Scores) -> Figures {
    let confusion = scores.confusion();
    let row = |genre: usize| {
        let named = (0..GENRES.len()).filter(|&named| confusion[genre][named] > 0);
        named.map(|named| (GENRES[named], confusion[genre][named])).collect::<BTreeMap<_, _>>()
    };
    let (other_unsure, other) = scores.other_unsure();
    Figures {
        accuracy: scores.accuracy(),
        balanced_accuracy: scores.balanced_accuracy(),
        macro_f1: scores.macro_f1(),
        surer_half: scores.surer_half(),
        ece: scores.calibration_error(),
        ece_by_chance: scores.calibration_error_by_chance(),
        clips: scores.clips(),
        other,
        other_unsure,
        per_genre: scores.per_genre().into_iter().map(|figures| (figures.genre, figures)).collect(),
        confusion: (0..GENRES.len())
            .map(|genre| (GENRES[genre], row(genre)))
            .filter(|(_, row)| !row.is_empty())
            .collect(),
    }
}

fn print_report(report: &Report) {
    let figures = &report.all;
    if figures.other > 0 {
        println!(
            "other music: {:.1} % of {} clips unsure",
            figures.other_unsure * 100.0,
            figures.other
        );
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
}
