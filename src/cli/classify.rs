//! Interface: `earworm classify`.

use std::path::PathBuf;

use super::{Outcome, Refusal, for_each};

/// What `earworm classify` is told.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Audio files: WAV, AIFF, FLAC, MP3, Ogg Vorbis or AAC, any rate, any channel count
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Prints one JSON object a line
    #[arg(long)]
    json: bool,
    /// Draws the probabilities over time
    #[arg(long, value_name = "PNG")]
    plot: Option<PathBuf>,
}

/// Names the genre of each file.
pub(crate) fn run(options: Options) -> Outcome {
    let _ = (options.json, options.plot);
    for_each(&options.files, |file| {
        Err(Refusal::new(
            file.display(),
            "can't be classified yet",
            "the genre network is not in this build",
        ))
    })
}
