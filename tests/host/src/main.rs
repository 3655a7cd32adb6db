//! Interface: what takes a host of its own and a while: `cargo xtask bench`, `trace`, `soak` and `fuzz state` run it.

mod bench;
#[cfg(target_os = "linux")]
mod soak;
mod state;
#[cfg(target_os = "linux")]
mod trace;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// A small CLAP host for the project's tasks.
#[derive(Parser)]
struct Program {
    /// Earworm.clap
    library: PathBuf,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Times the plug-ins' blocks and what many instances cost
    Bench,
    /// Damaged and hostile states
    State {
        /// How many
        inputs: u64,
        /// The same seed gives the same states
        seed: u64,
    },
    /// Lists what the audio thread asks of the system
    #[cfg(target_os = "linux")]
    Trace {
        /// How long
        seconds: u64,
    },
    /// What `trace` watches
    #[cfg(target_os = "linux")]
    Traced {
        /// How long
        seconds: u64,
    },
    /// Everything at random for a long time
    #[cfg(target_os = "linux")]
    Soak {
        /// Minutes of audio
        minutes: f64,
        /// How many times as fast as real time
        speed: f64,
    },
}

fn main() -> anyhow::Result<()> {
    let Program { library, task } = Program::parse();
    match task {
        Task::Bench => bench::run(&library),
        Task::State { inputs, seed } => state::run(&library, inputs, seed),
        #[cfg(target_os = "linux")]
        Task::Trace { seconds } => trace::run(&library, seconds),
        #[cfg(target_os = "linux")]
        Task::Traced { seconds } => trace::traced(&library, seconds),
        #[cfg(target_os = "linux")]
        Task::Soak { minutes, speed } => soak::run(&library, minutes, speed),
    }
}
