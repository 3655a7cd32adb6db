//! Interface: `cargo xtask soak`: both plug-ins for a long time under random automation, transports and windows.

use super::host;

/// What the task is told on the command line.
#[derive(clap::Args)]
pub struct Options {
    /// Minutes of audio
    #[arg(long, default_value_t = 60.0)]
    minutes: f64,
    /// How many times as fast as real time
    #[arg(long, default_value_t = 4.0)]
    speed: f64,
}

/// Runs the task.
pub fn run(options: Options) -> anyhow::Result<()> {
    host::run(&["soak", &options.minutes.to_string(), &options.speed.to_string()], true)
}
