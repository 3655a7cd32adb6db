//! Interface: `earworm generate`.

use std::path::PathBuf;

use super::Outcome;

/// What `earworm generate` is told.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where to write: .abc, .mid or .wav; may be given again. None prints ABC
    #[arg(short, long = "output", value_name = "FILE")]
    output: Vec<PathBuf>,
}

/// Writes a tune.
pub(crate) fn run(options: Options) -> Outcome {
    let _ = options.output;
    Outcome::Done
}
