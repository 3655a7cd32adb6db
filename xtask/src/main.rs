//! Interface: the project's tasks, one file each.

mod bench;
mod bench_abc;
mod bench_editors;
mod bench_genre;
mod bundle;
mod conformance;
mod demo;
mod eval_genre;
mod eval_tunes;
mod fuzz;
mod genre_clips;
mod genre_curves;
mod genre_scores;
mod genre_texture;
mod genre_weights;
mod genre_windows;
mod host;
mod hostile;
mod hosts;
mod loss_curve;
mod ngram;
mod packages;
mod process;
mod roundtrip;
mod screenshots;
mod soak;
mod test;
mod trace;
mod train_genre;
mod train_tunes;
mod tunes_corpus;

use clap::{Parser, Subcommand};

/// The project's tasks.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Program {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Builds, bundles, writes a tune and names a genre; says where to put the plug-ins
    Demo(demo::Options),
    /// Formatting, lints, every test, the built bundles in real hosts
    Test(test::Options),
    /// Makes Earworm.clap and Earworm.vst3
    Bundle(bundle::Options),
    /// Trains a network
    #[command(subcommand)]
    Train(Train),
    /// Measures a network on data it was not trained on
    #[command(subcommand)]
    Eval(Eval),
    /// Compares the ABC reader with abc2midi, tune by tune, and with itself by way of ABC and MIDI
    Conformance(conformance::Options),
    /// Hostile text through the ABC reader, performer and writers
    Fuzz(fuzz::Options),
    /// Times what has a limit, each figure beside a baseline of the same run
    Bench(bench::Options),
    /// Lists what the audio thread asks of the system: nothing
    Trace(trace::Options),
    /// Both plug-ins for a long time under random automation, transports and windows
    Soak(soak::Options),
    /// A session in Ardour and in Qtractor: saved, reopened, exported twice
    Hosts(hosts::Options),
    /// Takes the README's pictures from the standalone windows
    Screenshots(screenshots::Options),
}

#[derive(Subcommand)]
enum Train {
    /// The char-RNN that writes tunes
    Tunes(train_tunes::Options),
    /// The CNN that names genres
    Genre(train_genre::Options),
}

#[derive(Subcommand)]
enum Eval {
    /// The char-RNN that writes tunes
    Tunes(eval_tunes::Options),
    /// The CNN that names genres
    Genre(eval_genre::Options),
}

fn main() -> anyhow::Result<()> {
    match Program::parse().task {
        Task::Demo(options) => demo::run(options),
        Task::Test(options) => test::run(options),
        Task::Bundle(options) => bundle::run(options),
        Task::Train(Train::Tunes(options)) => train_tunes::run(options),
        Task::Train(Train::Genre(options)) => train_genre::run(options),
        Task::Eval(Eval::Tunes(options)) => eval_tunes::run(options),
        Task::Eval(Eval::Genre(options)) => eval_genre::run(options),
        Task::Conformance(options) => conformance::run(options),
        Task::Fuzz(options) => fuzz::run(options),
        Task::Bench(options) => bench::run(options),
        Task::Trace(options) => trace::run(options),
        Task::Soak(options) => soak::run(options),
        Task::Hosts(options) => hosts::run(options),
        Task::Screenshots(options) => screenshots::run(options),
    }
}
