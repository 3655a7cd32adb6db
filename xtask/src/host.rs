//! Interface: the project's own small host, run on the bundle for use.

use std::process::Command;

use crate::{bundle, process};

/// Builds the bundle and runs the host's task of these words on it; with `windows` under Xvfb, if that is installed
/// and there is no other display.
///
/// # Errors
/// Where the build or the task fails.
pub fn run(words: &[&str], windows: bool) -> anyhow::Result<()> {
    bundle::make(true)?;
    let program = process::build("host")?;
    let headless = windows && std::env::var_os("DISPLAY").is_none() && process::found("xvfb-run");
    let mut command = if headless {
        let mut xvfb = Command::new("xvfb-run");
        xvfb.arg("--auto-servernum").arg(program);
        xvfb
    } else {
        Command::new(program)
    };
    // The framework tells of every state that it refuses.
    command.env("NICE_LOG", std::env::temp_dir().join("earworm-host.log"));
    process::run(command.arg(bundle::folder(true).join("Earworm.clap")).args(words))
}
