//! Interface: `cargo xtask eval tunes`.

use std::path::PathBuf;

use crate::tunes_corpus::Corpus;
use earworm::tunes::plain::PlainTune;

/// What the task is told on the command line.
#[derive(clap::Args)]
pub struct Options {
    corpus: Vec<PathBuf>,
    #[arg(long)]
    dump: Option<PathBuf>,
}

/// Runs the task.
pub fn run(options: Options) -> anyhow::Result<()> {
    let corpus = Corpus::read(&options.corpus)?;
    println!("{}", corpus.describe());
    if let Some(path) = &options.dump {
        let mut texts: Vec<String> = corpus.tunes.iter().map(PlainTune::text).collect();
        texts.push(String::new());
        std::fs::write(path, texts.join("\n\n"))?;
    }
    Ok(())
}
