//! Interface: trains both networks and measures them on data they were not trained on: `cargo xtask train` and `cargo xtask
//! eval` run it.

mod eval_genre;
mod eval_tunes;
mod genre_clips;
mod genre_confusion;
mod genre_head;
mod genre_scores;
mod genre_sounds;
mod loss_curve;
mod ngram;
mod train_chords;
mod train_genre;
mod train_tunes;
mod tunes_corpus;
mod tunes_form;

use clap::{Parser, Subcommand};

/// Trains and measures the networks.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Program {
    /// Trains a network
    #[command(subcommand)]
    Train(Train),
    /// Measures a network on data it was not trained on
    #[command(subcommand)]
    Eval(Eval),
}

#[derive(Subcommand)]
enum Train {
    /// The char-RNN that writes tunes
    Tunes(train_tunes::Options),
    /// The counts that chord symbols are chosen by
    Chords(train_chords::Options),
    /// The network that names genres
    Genre(train_genre::Options),
}

#[derive(Subcommand)]
enum Eval {
    /// The char-RNN that writes tunes
    Tunes(eval_tunes::Options),
    /// The network that names genres
    Genre(eval_genre::Options),
}

fn main() -> anyhow::Result<()> {
    // A reader that goes away (`| head`) ends the program, as it ends others.
    sigpipe::reset();
    match Program::parse() {
        Program::Train(Train::Tunes(options)) => train_tunes::run(options),
        Program::Train(Train::Chords(options)) => train_chords::run(options),
        Program::Train(Train::Genre(options)) => train_genre::run(options),
        Program::Eval(Eval::Tunes(options)) => eval_tunes::run(options),
        Program::Eval(Eval::Genre(options)) => eval_genre::run(options),
    }
}
