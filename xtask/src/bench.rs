//! Interface: `cargo xtask bench`: what has a limit, timed beside a baseline of the same run.

use std::path::PathBuf;

use crate::{host, measure, process};

/// What the task is told on the command line.
#[derive(clap::Args)]
pub struct Options {
    /// The folder that holds tunes/; the environment variable EARWORM_DATA where left out
    #[arg(long)]
    data: Option<PathBuf>,
}

/// Runs the task.
pub fn run(options: Options) -> anyhow::Result<()> {
    // A limit that is missed in one section must not hide the others.
    let process = host::run(&["bench"], false);
    let data = options.data.or_else(|| std::env::var_os("EARWORM_DATA").map(PathBuf::from));
    let abc = match data {
        Some(data) => measure::run(["bench-abc".into(), data.join("tunes").into_os_string()]),
        None => {
            println!("abc: skipped, as neither --data nor EARWORM_DATA names a folder with tunes");
            Ok(())
        }
    };
    let genre = measure::run(["bench-genre"]);
    let editors =
        process::run(process::cargo().args(["bench", "--workspace", "--bench", "editors"]));
    let sections = [("plug-ins", process), ("abc", abc), ("genre", genre), ("editors", editors)];
    let mut missed = Vec::new();
    for (section, result) in sections {
        if let Err(error) = result {
            eprintln!("{section}: {error:#}");
            missed.push(section);
        }
    }
    anyhow::ensure!(missed.is_empty(), "missed in: {}", missed.join(", "));
    Ok(())
}
