//! Interface: `cargo xtask trace`: what the audio thread asks of the system while everything else goes on.

use super::host;

/// What the task is told on the command line.
#[derive(clap::Args)]
pub struct Options {
    /// How long
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// Runs the task.
pub fn run(options: Options) -> anyhow::Result<()> {
    host::run(&["trace", &options.seconds.to_string()], true)
}
