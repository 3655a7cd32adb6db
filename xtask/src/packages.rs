//! Interface: the system packages that the plug-ins and their tests need, looked for and installed.

use std::io::{BufRead, IsTerminal, Write};
use std::process::{Command, Stdio};

use anyhow::bail;

use crate::process;

/// What the plug-ins, their editors and the standalone windows are built with, by Debian's names.
pub const BUILD: &[&str] = &[
    "cmake",
    "pkg-config",
    "libx11-dev",
    "libx11-xcb-dev",
    "libxcb1-dev",
    "libxcb-dri2-0-dev",
    "libxcb-icccm4-dev",
    "libxcursor-dev",
    "libxkbcommon-dev",
    "libxkbcommon-x11-dev",
    "libgl1-mesa-dev",
    "libasound2-dev",
    "libjack-jackd2-dev",
];

/// What the tests in real hosts need beside that.
pub const HOSTS: &[&str] =
    &["python3", "python3-venv", "xvfb", "xauth", "libgl1-mesa-dri", "abcmidi"];

/// What takes the pictures.
pub const PICTURES: &[&str] = &[
    "xvfb",
    "libgl1-mesa-dri",
    "imagemagick",
    "jackd2",
    "jack-tools",
    "sox",
    "x11-xserver-utils",
    "xdotool",
];

/// Installs those of `packages` that are missing: says which, and asks first where standard input is
/// a terminal and `yes` was not given. On a system without apt it names them and goes on, since the
/// build itself then says what it lacks.
///
/// # Errors
/// Where the user says no, or the installation fails.
pub fn install(packages: &[&str], yes: bool) -> anyhow::Result<()> {
    if std::env::consts::OS != "linux" {
        return Ok(());
    }
    if !process::found("dpkg-query") || !process::found("apt-get") {
        println!(
            "This system has no apt: the build needs what Debian calls {}.",
            packages.join(", ")
        );
        return Ok(());
    }
    let missing: Vec<&str> = packages.iter().copied().filter(|name| !installed(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("Missing system packages: {}", missing.join(" "));
    if !yes && std::io::stdin().is_terminal() {
        print!("Install them with apt-get? [Y/n] ");
        std::io::stdout().flush()?;
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        if !matches!(answer.trim().to_lowercase().as_str(), "" | "y" | "yes") {
            bail!("not installed; install {} and run this again", missing.join(" "));
        }
    }
    apt(&["update", "-qq"])?;
    let mut words = vec!["install", "-y", "-qq", "--no-install-recommends"];
    words.extend(&missing);
    apt(&words)
}

/// Whether Debian's package manager has `name` installed, under this name or as the provider of it
/// (newer Debians rename libraries: `libasound2-dev` stays, `libgl1-mesa-dev` is a hull).
fn installed(name: &str) -> bool {
    Command::new("dpkg-query")
        .args(["-W", "-f", "${db:Status-Status}", name])
        .stderr(Stdio::null())
        .output()
        .is_ok_and(|output| output.stdout.starts_with(b"installed"))
}

fn apt(words: &[&str]) -> anyhow::Result<()> {
    let root = process::read(Command::new("id").arg("-u"))?.trim() == "0";
    let mut command = if root {
        Command::new("apt-get")
    } else if process::found("sudo") {
        let mut sudo = Command::new("sudo");
        sudo.arg("apt-get");
        sudo
    } else {
        bail!("installing needs root: run `apt-get {}` as root, then this again", words.join(" "));
    };
    process::run(command.args(words).env("DEBIAN_FRONTEND", "noninteractive"))
}
