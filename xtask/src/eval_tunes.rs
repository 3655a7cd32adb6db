//! Interface: `cargo xtask eval tunes`.

/// What the task is told on the command line.
#[derive(clap::Args)]
pub struct Options {}

/// Runs the task.
pub fn run(_options: Options) -> anyhow::Result<()> {
    anyhow::bail!("this task is not built yet")
}
