//! Interface: conformance, fuzzing and benchmarks of the core: `cargo xtask conformance`, `fuzz` and `bench` run it.

mod bench_abc;
mod bench_genre;
mod conformance;
mod fuzz;
mod fuzz_midi;
mod hostile;
mod roundtrip;
mod sound;

use std::path::PathBuf;

use clap::Parser;

/// Measures the core.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Program {
    /// Compares the ABC reader with abc2midi, tune by tune, and with itself by way of ABC and MIDI
    Conformance(conformance::Options),
    /// Hostile text through the ABC reader, performer and writers
    Fuzz(fuzz::Options),
    /// Times reading and converting ABC, beside abc2midi
    BenchAbc {
        /// Folder with .abc files
        folder: PathBuf,
    },
    /// Times the genre network
    BenchGenre,
}

fn main() -> anyhow::Result<()> {
    // A reader that goes away (`| head`) ends the program, as it ends others.
    sigpipe::reset();
    match Program::parse() {
        Program::Conformance(options) => conformance::run(options),
        Program::Fuzz(options) => fuzz::run(options),
        Program::BenchAbc { folder } => bench_abc::run(&folder),
        Program::BenchGenre => bench_genre::run(),
    }
}
