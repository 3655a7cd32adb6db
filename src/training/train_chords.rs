//! Interface: `cargo xtask train chords`: counts chords in tunes whose chords somebody chose, and measures how often the
//! harmonizer then agrees with the books on tunes that were kept apart.

use std::path::PathBuf;

use earworm_abc as abc;
use earworm_tunes::harmony::{Agreement, Counts, Harmonizer};

use crate::train_tunes::write_whole;
use crate::tunes_corpus::{Collected, Corpus};

/// What the task is told on the command line.
#[derive(clap::Args)]
pub struct Options {
    /// Folders with .abc files, or such files; their tunes with chord symbols are counted
    #[arg(required = true)]
    corpus: Vec<PathBuf>,
    /// Measures the program's own counts and writes nothing
    #[arg(long)]
    only_measure: bool,
    /// Where the counts are written
    #[arg(long, default_value = "models/chords.json")]
    out: PathBuf,
}

/// The tunes with chord symbols, read, and their collections.
fn read(tunes: &[Collected]) -> Vec<(String, abc::Tune)> {
    tunes
        .iter()
        .filter(|collected| collected.tune.has_chords())
        .filter_map(|Collected { tune, collection }| {
            let mut book = abc::read(&format!("X:1\n{}\n", tune.text()));
            Some((collection.clone(), book.tunes.pop()?))
        })
        .collect()
}

/// How much of a say each part has, so that the harmonizer agrees with the most beats of some training tunes.
fn weigh(counts: &Counts, tunes: &[(String, abc::Tune)]) -> [u32; 4] {
    let agreed = |weights: [u32; 4]| {
        let mut counts = counts.clone();
        counts.weights = weights;
        let harmonizer = Harmonizer::new(&counts);
        let mut agreement = Agreement::default();
        tunes.iter().step_by(8).for_each(|(_, tune)| agreement.add(&harmonizer, tune));
        agreement.learnt
    };
    let mut best = counts.weights;
    let mut most = agreed(best);
    // One at a time, twice around.
    for part in [0, 1, 2, 3, 0, 1, 2, 3] {
        for factor in [25, 50, 75, 133, 200, 300] {
            let mut weights = best;
            weights[part] = weights[part] * factor / 100;
            let found = agreed(weights);
            if found > most {
                (best, most) = (weights, found);
            }
        }
    }
    best
}

/// Runs the task.
pub fn run(options: Options) -> anyhow::Result<()> {
    let corpus = Corpus::read(&options.corpus, &[])?;
    println!("{}", corpus.describe());
    let sides = corpus.split();
    let (train, valid) = (read(&sides.train), read(&sides.valid));
    println!("{} tunes with chord symbols to count, {} to measure with", train.len(), valid.len());
    let harmonizer = if options.only_measure {
        Harmonizer::embedded().clone()
    } else {
        let mut counts = Counts::default();
        train.iter().for_each(|(_, tune)| counts.add(tune));
        counts.weights = weigh(&counts, &train);
        println!("weights of notes, place, order, change: {:?} hundredths", counts.weights);
        write_whole(&options.out, &serde_json::to_vec(&counts)?)?;
        Harmonizer::new(&counts)
    };
    let mut collections: Vec<&str> = valid.iter().map(|(collection, _)| &collection[..]).collect();
    collections.sort_unstable();
    collections.dedup();
    let measure = |name: &str, of: &dyn Fn(&str) -> bool| {
        let mut agreement = Agreement::default();
        for (_, tune) in valid.iter().filter(|(collection, _)| of(collection)) {
            agreement.add(&harmonizer, tune);
        }
        let share = |count: usize| 100.0 * count as f64 / agreement.beats.max(1) as f64;
        println!(
            "{name:12} {:6} beats: {:.1} % agree in root and third; {:.1} % of the triads that have most of a bar's notes, {:.1} % of a beat's",
            agreement.beats,
            share(agreement.learnt),
            share(agreement.by_bar),
            share(agreement.by_beat),
        );
    };
    for wanted in collections {
        measure(wanted, &|collection| collection == wanted);
    }
    measure("all", &|_| true);
    Ok(())
}
