//! Interface: the programs that a task hands its words to: the networks' training, and what measures the core.

use std::ffi::OsStr;
use std::process::Command;

use crate::process;

/// Builds the training program and hands it `words`.
///
/// # Errors
/// Where the build or the program fails.
pub fn train(words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> anyhow::Result<()> {
    program("earworm-training", words)
}

/// Builds what measures the core and hands it `words`.
///
/// # Errors
/// Where the build or the program fails.
pub fn run(words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> anyhow::Result<()> {
    program("measure", words)
}

fn program(name: &str, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> anyhow::Result<()> {
    process::run_here(Command::new(process::build(name)?).args(words))
}
