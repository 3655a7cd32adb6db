//! Interface: `cargo xtask hosts`: sessions in workstations: saved, reopened, exported twice.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::{bundle, packages, process};

/// The workstations and what they run on, by Debian's names.
const PACKAGES: &[&str] = &["ardour", "qtractor", "xvfb", "libgl1-mesa-dri"];

/// Ardour's own library folder, with its scanner.
const ARDOUR: &str = "/usr/lib/ardour7";
/// Qtractor's scanner.
const QTRACTOR: &str = "/usr/lib/x86_64-linux-gnu/qtractor/qtractor_plugin_scan";

/// Ardour's settings: without these it does not look at what its scanner found.
const CONFIG: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Ardour><Config>\
    <Option name=\"use-vst3\" value=\"1\"/></Config></Ardour>\n";

/// What the task is told on the command line.
#[derive(clap::Args)]
pub struct Options {
    /// Install missing system packages without asking
    #[arg(long)]
    yes: bool,
}

/// Runs the task.
pub fn run(options: Options) -> anyhow::Result<()> {
    packages::install(PACKAGES, options.yes)?;
    bundle::make(true)?;
    if process::found("ardour7-lua") {
        process::say("Ardour");
        ardour()?;
    } else {
        println!("Ardour 7 is not installed: left out");
    }
    if Path::new(QTRACTOR).exists() {
        process::say("Qtractor's scanner");
        qtractor()?;
    } else {
        println!("Qtractor is not installed: left out");
    }
    Ok(())
}

/// Makes a session, opens it again twice, and exports each time.
fn ardour() -> anyhow::Result<()> {
    // A home of its own, so that the user's plug-ins and settings are neither seen nor changed.
    let home = tempfile::tempdir()?;
    let home = home.path();
    let plug_in = home.join(".vst3/Earworm.vst3");
    let library = "Contents/x86_64-linux/Earworm.so";
    std::fs::create_dir_all(plug_in.join(library).parent().context("it has a folder")?)?;
    std::fs::copy(bundle::folder(true).join("Earworm.vst3").join(library), plug_in.join(library))?;
    std::fs::create_dir_all(home.join(".config/ardour7"))?;
    std::fs::write(home.join(".config/ardour7/config"), CONFIG)?;
    // The scanner's file must be younger than the library by the second.
    std::thread::sleep(Duration::from_secs(2));
    process::run(
        at_home(&mut Command::new(format!("{ARDOUR}/ardour-vst3-scanner")), home)
            .env("LD_LIBRARY_PATH", ARDOUR)
            .arg("-f")
            .arg(&plug_in),
    )?;
    let out = home.join("out");
    std::fs::create_dir(&out)?;
    let paths =
        [("DIR", home.join("session").display().to_string()), ("OUT", out.display().to_string())];
    let made = lua(home, "ardour_make.lua", &paths)?;
    ensure!(made.contains("found true true true"), "Ardour lacks a plug-in:\n{made}");
    ensure!(made.contains("added 0 0 0") && made.contains("saved"), "no session:\n{made}");
    println!("made a session with Tunes, a synth and the Meter, and saved it");
    let export = |name: &str| -> anyhow::Result<Vec<u8>> {
        let mut paths = paths.to_vec();
        paths.push(("NAME", name.to_owned()));
        let told = lua(home, "ardour_export.lua", &paths)?;
        ensure!(told.contains("exported true"), "no export:\n{told}");
        std::fs::read(out.join(format!("{name}.wav"))).context("the export is missing")
    };
    let (first, second) = (export("first")?, export("second")?);
    ensure!(first.iter().skip(64).any(|&byte| byte != 0), "the export is silent");
    ensure!(first == second, "two exports of one session differ");
    println!("reopened and exported twice: {} bytes, the same both times", first.len());
    Ok(())
}

fn at_home<'a>(command: &'a mut Command, home: &Path) -> &'a mut Command {
    for folder in ["XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"] {
        command.env_remove(folder);
    }
    command.env("HOME", home)
}

/// Runs a script of `tests/hosts` in Ardour without a window; what it said.
fn lua(home: &Path, script: &str, words: &[(&str, String)]) -> anyhow::Result<String> {
    let path = process::root().join("tests/hosts").join(script);
    let mut text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    for (word, value) in words {
        text = text.replace(&format!("\"{word}\""), &format!("{value:?}"));
    }
    let mut command = Command::new("timeout");
    command.args(["120", "xvfb-run", "--auto-servernum", "ardour7-lua"]);
    let mut ardour = at_home(&mut command, home)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("can't start Ardour under Xvfb")?;
    ardour.stdin.take().context("it has an input")?.write_all(text.as_bytes())?;
    let output = ardour.wait_with_output()?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "Ardour ended with {}:\n{told}", output.status);
    Ok(told)
}

/// Has Qtractor's scanner list the CLAP plug-ins.
fn qtractor() -> anyhow::Result<()> {
    let library = bundle::folder(true).join("Earworm.clap");
    let mut scanner = Command::new(QTRACTOR)
        .env("QT_QPA_PLATFORM", "offscreen")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("can't start Qtractor's scanner")?;
    let wanted = format!("CLAP:{}\n", library.display());
    scanner.stdin.take().context("it has an input")?.write_all(wanted.as_bytes())?;
    let output = scanner.wait_with_output()?;
    let told = String::from_utf8_lossy(&output.stdout);
    for name in ["Earworm Meter", "Earworm Tunes"] {
        ensure!(told.contains(name), "it does not list {name}:\n{told}");
    }
    println!("lists both plug-ins");
    Ok(())
}
