//! Interface: the project's tasks, one file each.

mod bench;
mod bundle;
mod demo;
mod dist;
#[cfg(test)]
mod features;
mod host;
mod hosts;
mod measure;
mod packages;
mod process;
mod screenshots;
mod soak;
mod test;
mod trace;

use std::ffi::OsString;

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
    /// Makes the archive to download, and on Debian the package
    Dist(dist::Options),
    /// Trains a network: `train tunes …`, `train genre …`
    #[command(disable_help_flag = true)]
    Train(Words),
    /// Measures a network on data it was not trained on: `eval tunes …`, `eval genre …`
    #[command(disable_help_flag = true)]
    Eval(Words),
    /// Compares the ABC reader with abc2midi, tune by tune, and with itself by way of ABC and MIDI
    #[command(disable_help_flag = true)]
    Conformance(Words),
    /// Hostile input: `fuzz abc`, `fuzz hostile`, `fuzz sound`, `fuzz state`
    #[command(subcommand)]
    Fuzz(Fuzz),
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

/// What a task hands on as it is.
#[derive(clap::Args)]
struct Words {
    /// `--help` after the task's name lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

impl Words {
    fn after(self, task: &str) -> impl Iterator<Item = OsString> {
        std::iter::once(task.into()).chain(self.words)
    }
}

/// The words of `cargo xtask fuzz`.
#[derive(Subcommand)]
enum Fuzz {
    /// States of the plug-ins, handed in as a host does
    State {
        /// How many inputs
        #[arg(long, default_value_t = 100_000)]
        inputs: u64,
        /// The same seed gives the same inputs
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// What the core reads: `cargo xtask fuzz abc --help` says more
    #[command(external_subcommand)]
    Core(Vec<OsString>),
}

fn main() -> anyhow::Result<()> {
    // A reader that goes away (`| head`) ends the program, as it ends others.
    sigpipe::reset();
    match Program::parse().task {
        Task::Demo(options) => demo::run(options),
        Task::Test(options) => test::run(options),
        Task::Bundle(options) => bundle::run(options),
        Task::Dist(options) => dist::run(options),
        Task::Train(words) => measure::train(words.after("train")),
        Task::Eval(words) => measure::train(words.after("eval")),
        Task::Conformance(words) => measure::run(words.after("conformance")),
        Task::Fuzz(Fuzz::State { inputs, seed }) => {
            host::run(&["state", &inputs.to_string(), &seed.to_string()], false)
        }
        Task::Fuzz(Fuzz::Core(words)) => measure::run(Words { words }.after("fuzz")),
        Task::Bench(options) => bench::run(options),
        Task::Trace(options) => trace::run(options),
        Task::Soak(options) => soak::run(options),
        Task::Hosts(options) => hosts::run(options),
        Task::Screenshots(options) => screenshots::run(options),
    }
}
