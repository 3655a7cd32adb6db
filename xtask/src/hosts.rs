//! Interface: `cargo xtask hosts`: sessions in workstations: saved, reopened, exported twice.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::{bundle, packages, process};

/// The workstations and what they run on, by Debian's names.
const PACKAGES: &[&str] =
    &["ardour", "qtractor", "jackd2", "xdotool", "xvfb", "xauth", "libgl1-mesa-dri"];

/// Ardour's own library folder, with its scanner.
const ARDOUR: &str = "/usr/lib/ardour7";
/// Qtractor's scanner.
const QTRACTOR: &str = "/usr/lib/x86_64-linux-gnu/qtractor/qtractor_plugin_scan";

/// Ardour's settings: without these it does not look at what its scanner found.
const CONFIG: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Ardour><Config>\
    <Option name=\"use-vst3\" value=\"1\"/></Config></Ardour>\n";

/// Qtractor's settings: keys for what has none.
const KEYS: &str = "[Shortcuts]\n\
    qtractorMainForm\\fileSaveAsAction=Ctrl+Shift+S\n\
    qtractorMainForm\\fileExitAction=Ctrl+Q\n\
    qtractorMainForm\\trackExportAudioAction=Ctrl+E\n";

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
        qtractor_scan()?;
    } else {
        println!("Qtractor is not installed: left out");
    }
    if ["qtractor", "jackd", "xdotool"].into_iter().all(process::found) {
        process::say("Qtractor");
        qtractor()?;
    } else {
        println!("Qtractor, jackd or xdotool is not installed: no session in Qtractor");
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
    let export = |name: &str, frames: usize| -> anyhow::Result<Vec<u8>> {
        let mut paths = paths.to_vec();
        paths.extend([("NAME", name.to_owned()), ("FRAMES", frames.to_string())]);
        let told = lua(home, "ardour_export.lua", &paths)?;
        ensure!(told.contains("exported true"), "no export:\n{told}");
        std::fs::read(out.join(format!("{name}.wav"))).context("the export is missing")
    };
    let (first, second) = (export("first", 1_024)?, export("second", 1_024)?);
    ensure!(first.iter().skip(64).any(|&byte| byte != 0), "the export is silent");
    ensure!(first == second, "two exports of one session differ");
    println!("reopened and exported twice: {} bytes, the same both times", first.len());
    // Ardour tells its place in whole ticks, which are no small part of a small block.
    let (usual, all) = silent(&first);
    for (name, frames) in [("small", 64), ("smaller", 128)] {
        let (silent, _) = silent(&export(name, frames)?);
        ensure!(
            silent <= usual + all / 20,
            "in blocks of {frames} {silent} of {all} stretches are silent, in those of 1,024 {usual}: notes are chopped"
        );
        println!(
            "exported in blocks of {frames}: {silent} of {all} stretches of 480 frames are silent, in those of 1,024 \
             {usual}"
        );
    }
    Ok(())
}

/// How many stretches of 480 frames are silent (under -60 dB) in a WAV file of 16 bits and two channels, and how many there
/// are.
fn silent(wave: &[u8]) -> (usize, usize) {
    let stretches = wave.get(44..).unwrap_or_default().chunks_exact(480 * 4);
    let quiet = |sample: &[u8]| matches!(sample, &[low, high] if i16::from_le_bytes([low, high]).unsigned_abs() < 33);
    let all = stretches.len();
    (stretches.filter(|stretch| stretch.chunks_exact(2).all(quiet)).count(), all)
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
fn qtractor_scan() -> anyhow::Result<()> {
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

/// Opens a session in Qtractor's window, plays and saves it, and opens what was saved twice and exports it each time.
fn qtractor() -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    let home = home.path();
    let settings = home.join(".config/rncbc.org");
    std::fs::create_dir_all(&settings)?;
    std::fs::write(settings.join("Qtractor.conf"), KEYS)?;
    let folder = home.join("session");
    std::fs::create_dir(&folder)?;
    let library = bundle::folder(true).join("Earworm.clap");
    let ours = process::root().join("tests/hosts");
    let session = std::fs::read_to_string(ours.join("qtractor.qtr"))?
        .replace("FOLDER", &folder.display().to_string())
        .replace("LIBRARY", &library.display().to_string());
    std::fs::write(folder.join("session.qtr"), session)?;
    // One short note: Qtractor exports nothing where there is no clip.
    let clip = b"MThd\0\0\0\x06\0\0\0\x01\x01\xe0MTrk\0\0\0\x0d\0\x90\x3c\x01\x83\x60\x80\x3c\0\0\xff\x2f\0";
    std::fs::write(folder.join("length.mid"), clip)?;
    let sequencer = home.join("no_sequencer.so");
    if Path::new("/dev/snd/seq").exists() {
        println!("with the system's MIDI sequencer");
    } else {
        println!("the system has no MIDI sequencer: an empty one stands in for it");
        let mut compile = Command::new("cc");
        compile.args(["-shared", "-fPIC", "-o"]).arg(&sequencer);
        process::run(compile.arg(ours.join("no_sequencer.c")))?;
    }
    let keys = |what: &str, open: &str, save: &str| -> anyhow::Result<()> {
        let mut command = Command::new("timeout");
        command.args(["300", "xvfb-run", "--auto-servernum"]);
        command.args(["--server-args", "-screen 0 1280x900x24"]);
        command.arg(ours.join("qtractor.sh")).arg(what);
        command.args([open, save].map(|name| folder.join(name)));
        command.arg(if sequencer.exists() { sequencer.as_path() } else { Path::new("") });
        process::run(at_home(&mut command, home))
    };
    keys("play", "session.qtr", "saved.qtr")?;
    let tune = state(&folder.join("saved.qtr"), "Earworm Tunes")?;
    state(&folder.join("saved.qtr"), "Earworm Meter")?;
    println!("opened a session with Tunes and the Meter, played and saved it");
    let mut exports = Vec::new();
    for (number, name) in [(1, "first.qtr"), (2, "second.qtr")] {
        keys("export", "saved.qtr", name)?;
        let again = state(&folder.join(name), "Earworm Tunes")?;
        ensure!(again == tune, "Tunes' state is another after reopening");
        let export = folder.join(format!("session-export-{number}.wav"));
        exports.push(std::fs::read(&export).context("the export is missing")?);
    }
    ensure!(exports[0].iter().skip(64).any(|&byte| byte != 0), "the export is silent");
    ensure!(exports[0] == exports[1], "two exports of one session differ");
    println!(
        "reopened, exported and saved twice: {} bytes, the same both times, and Tunes' state too",
        exports[0].len()
    );
    Ok(())
}

/// What a session of Qtractor keeps of the plug-in of this name.
fn state(session: &Path, name: &str) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(session).context("the session was not saved")?;
    // Qtractor's labels have no spaces.
    let label = format!("<label>{}</label>", name.replace(' ', "_"));
    let plug_in = text
        .split("<plugin ")
        .find(|plug_in| plug_in.contains(&label))
        .with_context(|| format!("{name} is not in the session"))?;
    let state = plug_in.split_once("key=\"state\"").and_then(|(_, rest)| rest.split_once('<'));
    Ok(state.with_context(|| format!("{name} saved no state"))?.0.to_owned())
}
