//! Interface: `cargo xtask test`, everything that must hold before a change goes in.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::{bundle, packages, process};

/// Environment variable that tells the host tests where `Earworm.clap` and `Earworm.vst3` lie.
const BUNDLES: &str = "EARWORM_BUNDLES";

/// Hosts from PyPI, pinned so that a new release can't break an old checkout.
const PYTHON_HOSTS: &[&str] = &["numpy", "pedalboard==0.9.*", "dawdreamer==0.9.*", "mido==1.3.*"];

/// What the task is told on the command line.
#[derive(clap::Args)]
pub struct Options {
    /// Install missing system packages without asking
    #[arg(long)]
    yes: bool,
    /// Folder with genre/, audio/ and tunes/, for the tests on real data (also: EARWORM_DATA)
    #[arg(long)]
    data: Option<PathBuf>,
}

/// The command on an X display of its own where there is none, for the tests that open windows; as it is on a system
/// that can't make one.
fn on_a_display(command: Command) -> Command {
    if std::env::var_os("DISPLAY").is_some() || !process::found("xvfb-run") {
        return command;
    }
    let mut on_display = Command::new("xvfb-run");
    on_display.arg("--auto-servernum").arg(command.get_program()).current_dir(process::root());
    on_display
}

/// Runs the task.
pub fn run(options: Options) -> anyhow::Result<()> {
    process::say("System packages");
    packages::install(&[packages::BUILD, packages::HOSTS].concat(), options.yes)?;

    process::say("Formatting");
    process::run(process::cargo().args(["fmt", "--all", "--check"]))?;

    process::say("Lints: all of it, then the core without plug-ins");
    let deny = ["--", "--deny", "warnings"];
    process::run(process::cargo().args(["clippy", "--workspace", "--all-targets"]).args(deny))?;
    process::run(
        process::cargo()
            .args(["clippy", "--package", "earworm", "--no-default-features"])
            .args(deny),
    )?;

    process::say("Bundles");
    bundle::make(false)?;
    bundle::make(true)?;

    process::say("Tests");
    let mut tests = on_a_display(process::cargo());
    tests.args(["test", "--workspace", "--no-fail-fast"]).env(BUNDLES, bundle::folder(false));
    if let Some(data) = &options.data {
        let data = data.canonicalize().with_context(|| format!("no folder {}", data.display()))?;
        tests.env("EARWORM_DATA", data);
    }
    process::run(&mut tests)?;

    process::say("Hosts from PyPI");
    let python = python()?;
    let scripts = process::root().join("tests/hosts");
    let mut names: Vec<PathBuf> = std::fs::read_dir(&scripts)
        .with_context(|| format!("no folder {}", scripts.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<anyhow::Result<_>>()?;
    names.retain(|path| path.extension().is_some_and(|ending| ending == "py"));
    names.sort();
    anyhow::ensure!(!names.is_empty(), "no host scripts in {}", scripts.display());
    for script in names {
        process::run(
            Command::new(&python).arg(&script).arg(bundle::folder(true).join("Earworm.vst3")),
        )?;
    }

    println!("\nEverything passed.");
    Ok(())
}

/// A Python of the project's own under the target folder, with the hosts installed.
fn python() -> anyhow::Result<PathBuf> {
    let folder = process::target().join("hosts-python");
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    if !works(&python) {
        let _ = std::fs::remove_dir_all(&folder);
        let system = if cfg!(windows) { "python" } else { "python3" };
        process::run(Command::new(system).args(["-m", "venv"]).arg(&folder))?;
    }
    process::run(
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(PYTHON_HOSTS),
    )?;
    Ok(python)
}

fn works(python: &Path) -> bool {
    Command::new(python).args(["-m", "pip", "--version"]).output().is_ok_and(|o| o.status.success())
}
