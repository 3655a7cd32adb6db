//! Interface: `cargo xtask screenshots`, the README's pictures from the standalone windows.
//!
//! The windows open on an X server of their own (Xvfb) and a sound server with no sound card
//! (`jackd -d dummy`), so that the pictures show the real programs hearing real audio.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;

use crate::{bundle, packages, process};

/// The X display that the pictures are taken on.
const DISPLAY: &str = ":97";
/// Width and height of the X screen, in pixels.
const SCREEN: (u32, u32) = (2000, 1300);
/// Pixels an inch that the windows are told of, 96 for each 100 % of scale. Twice the size stays sharp on any screen.
const DPI: u32 = 192;
/// Name of the sound server, apart from one that the user may run.
const SOUND_SERVER: &str = "earworm-screenshots";

/// What the task is told on the command line.
#[derive(clap::Args)]
pub struct Options {
    /// Install missing system packages without asking
    #[arg(long)]
    yes: bool,
    /// Audio that the Meter hears, file after file; a tune of our own where none is given
    #[arg(long, num_args = 1..)]
    audio: Vec<PathBuf>,
    /// Where the pictures go
    #[arg(long, default_value = "docs/pictures")]
    folder: PathBuf,
    /// Seconds of audio before the picture is taken
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// The most seconds of each file that are heard
    #[arg(long, default_value_t = 25)]
    each: u64,
}

/// A program that ends with the value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the task.
pub fn run(options: Options) -> anyhow::Result<()> {
    packages::install(&[packages::BUILD, packages::PICTURES].concat(), options.yes)?;
    bundle::make(true)?;
    let folder = process::root().join(&options.folder);
    std::fs::create_dir_all(&folder)?;
    let program = process::target().join("release").join("earworm");

    let work = process::target().join("screenshots");
    std::fs::create_dir_all(&work)?;
    let mut audio = options.audio;
    if audio.is_empty() {
        let path = work.join("tune.wav");
        process::run(Command::new(&program).args(["generate", "--seed", "1", "-o"]).arg(&path))?;
        audio.push(path);
    }
    // The sound server's rate; jack-play does not resample.
    let mut parts = Vec::new();
    for (number, path) in audio.iter().enumerate() {
        let part = work.join(format!("part-{number}.wav"));
        let each = options.each.to_string();
        process::run(
            Command::new("sox")
                .arg(path)
                .args(["-r", "48000", "-c", "2", "-b", "16"])
                .arg(&part)
                .args(["trim", "0", &each]),
        )?;
        parts.push(part);
    }
    let heard = work.join("heard.wav");
    process::run(Command::new("sox").args(&parts).arg(&heard))?;

    let _screen = start(
        Command::new("Xvfb")
            .arg(DISPLAY)
            .args(["-screen", "0", &format!("{}x{}x24", SCREEN.0, SCREEN.1)])
            .args(["-nolisten", "tcp", "-noreset"]),
    )?;
    let _sound = start(Command::new("jackd").args([
        "--no-realtime",
        "--name",
        SOUND_SERVER,
        "-d",
        "dummy",
        "-r",
        "48000",
        "-p",
        "1024",
    ]))?;
    std::thread::sleep(Duration::from_secs(2));
    tell(at_display(&mut Command::new("xrdb")).arg("-merge"), &format!("Xft.dpi: {DPI}\n"))?;

    {
        let _window =
            start(at_display(Command::new(&program).args(["meter", "--backend", "jack"])))?;
        std::thread::sleep(Duration::from_secs(3));
        let _player = start(
            at_display(Command::new("jack-play").arg(&heard))
                .env("JACK_PLAY_CONNECT_TO", "earworm_meter:input_%d"),
        )?;
        std::thread::sleep(Duration::from_secs(options.seconds));
        picture(&folder.join("meter.png"))?;
    }
    {
        let _window =
            start(at_display(Command::new(&program).args(["tunes", "--backend", "jack"])))?;
        std::thread::sleep(Duration::from_secs(3));
        // Keys go to the window under the pointer.
        process::run(at_display(&mut Command::new("xdotool")).args([
            "mousemove",
            "600",
            "600",
            "key",
            "ctrl+g",
        ]))?;
        // A tune takes a few seconds to be written.
        std::thread::sleep(Duration::from_secs(25));
        tell(at_display(&mut Command::new("jack_transport")), "play\nquit\n")?;
        std::thread::sleep(Duration::from_secs(6));
        picture(&folder.join("tunes.png"))?;
    }
    Ok(())
}

fn at_display(command: &mut Command) -> &mut Command {
    command.env("DISPLAY", DISPLAY).env("JACK_DEFAULT_SERVER", SOUND_SERVER)
}

/// Runs a program that is told what to do on its standard input.
fn tell(command: &mut Command, text: &str) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("can't start {name}"))?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(text.as_bytes()).with_context(|| format!("{name} does not listen"))?;
    }
    let status = child.wait()?;
    anyhow::ensure!(status.success(), "{name} failed");
    Ok(())
}

fn start(command: &mut Command) -> anyhow::Result<Running> {
    let name = command.get_program().to_string_lossy().into_owned();
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("can't start {name}"))?;
    Ok(Running(child))
}

/// The whole X screen less its empty border, as a PNG.
fn picture(path: &Path) -> anyhow::Result<()> {
    // A pointer over a control would leave its tooltip open. It is moved while a window is there, since
    // a screen without one starts afresh.
    process::run(at_display(&mut Command::new("xdotool")).args([
        "mousemove",
        &(SCREEN.0 - 1).to_string(),
        &(SCREEN.1 - 1).to_string(),
    ]))?;
    std::thread::sleep(Duration::from_secs(2));
    process::run(
        at_display(&mut Command::new("import"))
            .args(["-window", "root", "-trim", "+repage"])
            .arg(path),
    )
}
