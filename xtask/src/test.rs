//! Interface: `cargo xtask test`, everything that must hold before a change goes in.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::{bundle, packages, process};

/// Environment variable that tells the host tests where `Earworm.clap` and `Earworm.vst3` lie.
const BUNDLES: &str = "EARWORM_BUNDLES";

/// Environment variable that names the file to which a test that is left out adds a line (`tests/host/src/skipped.rs`).
const SKIPPED: &str = "EARWORM_SKIPPED";

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
    // Without -noreset the server starts anew when the last window closes, and the next may find it gone.
    on_display
        .arg("--auto-servernum")
        .arg("--server-args=-screen 0 1600x1200x24 -noreset")
        .arg(command.get_program())
        .current_dir(process::root());
    on_display
}

/// The steps of a run, each with the time it took.
#[derive(Default)]
struct Steps(Vec<(&'static str, Duration)>);

impl Steps {
    /// Says the step's name, does it and notes its time.
    fn step(
        &mut self,
        name: &'static str,
        job: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        process::say(name);
        let began = Instant::now();
        let result = job();
        self.0.push((name, began.elapsed()));
        result
    }

    fn print(&self) {
        process::say("Times");
        for (name, time) in &self.0 {
            println!("{:>6.0} s  {name}", time.as_secs_f64());
        }
    }
}

/// Prints how many tests were left out, and why.
fn print_skipped(file: &Path) {
    let lines = std::fs::read_to_string(file).unwrap_or_default();
    let mut tests: Vec<&str> = lines.lines().collect();
    tests.sort_unstable();
    tests.dedup();
    process::say(&format!("Tests skipped: {}", tests.len()));
    tests.iter().for_each(|test| println!("{test}"));
}

/// Runs the task.
pub fn run(options: Options) -> anyhow::Result<()> {
    println!(
        "Installs missing packages, then formatting, lints, documentation, both bundles, every test, and hosts from PyPI: \
         about half an hour on two cores the first time."
    );
    let skipped = process::target().join("skipped-tests.txt");
    std::fs::create_dir_all(process::target())?;
    std::fs::write(&skipped, "")?;
    let mut steps = Steps::default();
    let result = all(&options, &mut steps, &skipped);
    steps.print();
    print_skipped(&skipped);
    result?;
    println!("\nEverything passed.");
    Ok(())
}

fn all(options: &Options, steps: &mut Steps, skipped: &Path) -> anyhow::Result<()> {
    steps.step("System packages", || {
        packages::install(&[packages::BUILD, packages::HOSTS].concat(), options.yes)
    })?;
    steps
        .step("Formatting", || process::run(process::cargo().args(["fmt", "--all", "--check"])))?;
    steps.step("Lints: all of it, then the program without plug-ins", || {
        let deny = ["--", "--deny", "warnings"];
        process::run(process::cargo().args(["clippy", "--workspace", "--all-targets"]).args(deny))?;
        process::run(
            process::cargo()
                .args(["clippy", "--package", "earworm", "--no-default-features"])
                .args(deny),
        )
    })?;
    steps.step("Documentation", || {
        process::run(
            process::cargo()
                .args(["doc", "--workspace", "--no-deps"])
                // The docs serve those who work on a room too: they may point at what is private there.
                .env("RUSTDOCFLAGS", "--deny warnings --allow rustdoc::private_intra_doc_links"),
        )
    })?;
    steps.step("Bundles", || {
        bundle::make(false)?;
        bundle::make(true).map(drop)
    })?;
    steps.step("Tests", || {
        let mut tests = on_a_display(process::cargo());
        tests
            .args(["test", "--workspace", "--no-fail-fast"])
            .env(BUNDLES, bundle::folder(false))
            .env(SKIPPED, skipped);
        if let Some(data) = &options.data {
            let data =
                data.canonicalize().with_context(|| format!("no folder {}", data.display()))?;
            tests.env("EARWORM_DATA", data);
        }
        process::run(&mut tests)
    })?;
    steps.step("Tests of the program without plug-ins", || {
        process::run(
            process::cargo()
                .args(["test", "--package", "earworm", "--no-default-features"])
                .args(["--test", "cli", "a_build_without_the_plug_ins"]),
        )
    })?;
    steps.step("Hosts from PyPI", python_hosts)
}

/// The scripts in tests/hosts, each in a host from PyPI, on the bundle for use.
fn python_hosts() -> anyhow::Result<()> {
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
