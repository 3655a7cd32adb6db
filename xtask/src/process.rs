//! Interface: programs that a task runs, shown as they start and with their failure in one line.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// The repository's root folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the root").to_owned()
}

/// Cargo's target folder, as this build was told.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) if !folder.is_empty() => root().join(folder),
        _ => root().join("target"),
    }
}

/// The cargo that runs this task.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Builds one of the workspace's programs for use and returns where it lies.
///
/// The product is named with it, so that both resolve to the same features and no dependency is built twice.
///
/// # Errors
/// Where the build fails.
pub fn build(program: &str) -> anyhow::Result<PathBuf> {
    run(cargo()
        .args(["build", "--release", "--package", "earworm", "--package", "earworm-plugin"])
        .args(["--package", program]))?;
    Ok(target().join("release").join(format!("{program}{}", std::env::consts::EXE_SUFFIX)))
}

/// A headline for what comes next.
pub fn say(text: &str) {
    println!("\n== {text}");
}

/// Runs `command` with its output shown.
///
/// # Errors
/// Where it can't be started or ends with another code than 0; the line names the command.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    let line = words(command);
    println!("$ {line}");
    let status =
        command.stdin(Stdio::null()).status().with_context(|| format!("can't start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

/// Runs `command` as it is, with this task's own input and output, so that it may show its progress and be piped.
///
/// # Errors
/// As [`run`].
pub fn run_here(command: &mut Command) -> anyhow::Result<()> {
    let line = words(command);
    let status = command.status().with_context(|| format!("can't start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

/// Runs `command` and returns what it printed on standard output.
///
/// # Errors
/// As [`run`].
pub fn read(command: &mut Command) -> anyhow::Result<String> {
    let line = words(command);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("can't start `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` ended with {}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a program of this name is on the path.
pub fn found(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| {
            folder.join(program).is_file() || folder.join(format!("{program}.exe")).is_file()
        })
    })
}

fn words(command: &Command) -> String {
    let mut line = vec![command.get_program()];
    line.extend(command.get_args());
    line.iter().map(|word: &&OsStr| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
