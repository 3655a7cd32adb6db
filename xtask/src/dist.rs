//! Interface: `cargo xtask dist`: an archive to download, and on Debian a package to install.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::{bundle, packages, process};

/// The version that archives and packages are named by.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What licence files are called, in small letters, by the beginnings of their names.
const LICENCE_NAMES: [&str; 5] = ["license", "licence", "copying", "notice", "unlicense"];

/// What the package for Debian needs: libraries that the program links or opens.
const DEPENDS: &str = "libc6, libgl1, libx11-6, libx11-xcb1, libxcb1, libxkbcommon0, libxkbcommon-x11-0, libasound2, libjack-jackd2-0 | libjack-0.125";

/// What the task is told on the command line.
#[derive(clap::Args)]
pub struct Options {
    /// Install missing system packages without asking
    #[arg(long)]
    yes: bool,
}

/// Runs the task.
pub fn run(options: Options) -> anyhow::Result<()> {
    packages::install(packages::BUILD, options.yes)?;
    let bundles = bundle::make(true)?;
    let program =
        process::target().join("release").join(format!("earworm{}", std::env::consts::EXE_SUFFIX));

    let dist = process::target().join("dist");
    let name = format!("earworm-{VERSION}-{}-{}", std::env::consts::OS, std::env::consts::ARCH);
    let folder = dist.join(&name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;

    process::say("Archive");
    for (_, made) in &bundles {
        copy(made, &folder.join(made.file_name().context("a bundle has a name")?))?;
    }
    copy(&program, &folder.join(program.file_name().context("the program has a name")?))?;
    let root = process::root();
    copy(&root.join("LICENSE"), &folder.join("LICENSE"))?;
    copy(&root.join("docs/install.txt"), &folder.join("INSTALL.txt"))?;
    copy(&root.join("CHANGELOG.md"), &folder.join("CHANGELOG.md"))?;
    fs::write(folder.join("THIRD-PARTY-LICENCES.txt"), licences()?)?;
    let archive = if cfg!(windows) {
        // Windows has had tar with zip since 2018.
        let archive = dist.join(format!("{name}.zip"));
        process::run(
            Command::new("tar").arg("-a").arg("-cf").arg(&archive).arg("-C").arg(&dist).arg(&name),
        )?;
        archive
    } else {
        let archive = dist.join(format!("{name}.tar.gz"));
        process::run(
            Command::new("tar").arg("-czf").arg(&archive).arg("-C").arg(&dist).arg(&name),
        )?;
        archive
    };
    let mut made = vec![archive];

    if cfg!(target_os = "linux") {
        if let Some(newest) = newest_glibc(&program)? {
            println!("The program needs glibc {newest} or newer.");
        }
        if process::found("dpkg-deb") {
            process::say("Package for Debian");
            made.push(debian(&dist, &folder, &program)?);
        } else {
            println!("dpkg-deb is not installed: no package for Debian");
        }
    }

    process::say("Made");
    for path in &made {
        println!("{:>9} kB  {}", fs::metadata(path)?.len() / 1000, path.display());
    }
    Ok(())
}

/// A file, or a folder with all in it.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else {
        fs::copy(from, to).with_context(|| format!("copying {}", from.display()))?;
    }
    Ok(())
}

/// The name, version, licence and licence texts of every crate that is in the program or the plug-ins.
fn licences() -> anyhow::Result<String> {
    // Without those that only build something or test it.
    let tree = process::read(
        process::cargo()
            .args(["tree", "--package", "earworm", "--package", "earworm-plugin"])
            .args(["--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"]),
    )?;
    let used: std::collections::BTreeSet<(&str, &str)> = tree
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?, words.next()?.strip_prefix('v')?))
        })
        .collect();
    let metadata: Value = serde_json::from_str(&process::read(process::cargo().args([
        "metadata",
        "--format-version",
        "1",
        "--all-features",
    ]))?)?;
    let mut text = String::from(
        "Earworm is made with the crates below. Each stands with its licence and the texts that come with it.\n",
    );
    let mut named = 0;
    for package in metadata["packages"].as_array().context("cargo lists packages")? {
        let (name, version) = (package["name"].as_str(), package["version"].as_str());
        let (Some(name), Some(version)) = (name, version) else { continue };
        // The project's own have no source.
        if package["source"].is_null() || !used.contains(&(name, version)) {
            continue;
        }
        let licence =
            package["license"].as_str().with_context(|| format!("{name} names no licence"))?;
        named += 1;
        text += &format!("\n{}\n{name} {version}: {licence}\n", "=".repeat(80));
        let manifest = package["manifest_path"].as_str().context("a package has a manifest")?;
        let folder = Path::new(manifest).parent().context("a manifest lies in a folder")?;
        let mut files: Vec<PathBuf> =
            fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
        files.sort();
        for file in files {
            let file_name = file.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
            if file.is_file() && LICENCE_NAMES.iter().any(|start| file_name.starts_with(start)) {
                text += &format!("\n{}\n", String::from_utf8_lossy(&fs::read(&file)?).trim());
            }
        }
    }
    ensure!(named > 0, "cargo listed no crate");
    println!("{named} crates and their licences");
    Ok(text)
}

/// The newest version of the C library that a program asks for, read from its symbols; none where objdump is missing.
fn newest_glibc(program: &Path) -> anyhow::Result<Option<String>> {
    if !process::found("objdump") {
        return Ok(None);
    }
    let symbols = process::read(Command::new("objdump").arg("-T").arg(program))?;
    let newest = symbols
        .split_whitespace()
        .filter_map(|word| word.trim_matches(['(', ')']).strip_prefix("GLIBC_"))
        .filter_map(|version| {
            let parts: Option<Vec<u32>> =
                version.split('.').map(|part| part.parse().ok()).collect();
            parts
        })
        .max();
    Ok(newest.map(|parts| parts.iter().map(u32::to_string).collect::<Vec<_>>().join(".")))
}

/// A package that puts everything where Debian wants it.
fn debian(dist: &Path, folder: &Path, program: &Path) -> anyhow::Result<PathBuf> {
    let stage = dist.join("deb");
    let _ = fs::remove_dir_all(&stage);
    let put = |from: &Path, to: &str| -> anyhow::Result<()> {
        let to = stage.join(to);
        fs::create_dir_all(to.parent().context("a place in a folder")?)?;
        copy(from, &to)
    };
    put(program, "usr/bin/earworm")?;
    put(&folder.join("Earworm.clap"), "usr/lib/clap/Earworm.clap")?;
    put(&folder.join("Earworm.vst3"), "usr/lib/vst3/Earworm.vst3")?;
    put(&folder.join("LICENSE"), "usr/share/doc/earworm/copyright")?;
    put(
        &folder.join("THIRD-PARTY-LICENCES.txt"),
        "usr/share/doc/earworm/THIRD-PARTY-LICENCES.txt",
    )?;
    put(&folder.join("INSTALL.txt"), "usr/share/doc/earworm/README.txt")?;
    put(&process::root().join("docs/manual.md"), "usr/share/doc/earworm/manual.md")?;
    for plugin in ["meter", "tunes"] {
        let name = format!("org.earworm.{plugin}.desktop");
        put(
            &process::root().join("bundler/desktop").join(&name),
            &format!("usr/share/applications/{name}"),
        )?;
        let icon = format!("org.earworm.{plugin}.svg");
        put(
            &process::root().join("bundler/desktop").join(&icon),
            &format!("usr/share/icons/hicolor/scalable/apps/{icon}"),
        )?;
    }
    let write = |text: String, to: &str| -> anyhow::Result<()> {
        let to = stage.join(to);
        fs::create_dir_all(to.parent().context("a place in a folder")?)?;
        fs::write(to, text)?;
        Ok(())
    };
    write(process::read(Command::new(program).arg("manual"))?, "usr/share/man/man1/earworm.1")?;
    for (shell, place) in [
        ("bash", "usr/share/bash-completion/completions/earworm"),
        ("zsh", "usr/share/zsh/vendor-completions/_earworm"),
        ("fish", "usr/share/fish/vendor_completions.d/earworm.fish"),
    ] {
        write(process::read(Command::new(program).args(["completions", shell]))?, place)?;
    }
    process::run(
        Command::new("gzip")
            .args(["-9", "--no-name"])
            .arg(stage.join("usr/share/man/man1/earworm.1")),
    )?;

    let architecture = process::read(Command::new("dpkg").arg("--print-architecture"))?;
    let architecture = architecture.trim();
    let size =
        process::read(Command::new("du").args(["-sk", "--apparent-size"]).arg(stage.join("usr")))?;
    let size = size.split_whitespace().next().context("du prints a size")?;
    write(
        format!(
            "Package: earworm\n\
             Version: {VERSION}\n\
             Section: sound\n\
             Priority: optional\n\
             Architecture: {architecture}\n\
             Installed-Size: {size}\n\
             Depends: {DEPENDS}\n\
             Maintainer: The Earworm project\n\
             Description: hear which genre a mix sounds like, and write folk tunes in time\n \
             Two real-time audio plug-ins (VST3 and CLAP) and a program: Earworm Meter shows which\n \
             genre a mix sounds like and why, Earworm Tunes writes tunes in ABC notation and plays\n \
             them in time with the workstation; earworm does both on files.\n"
        ),
        "DEBIAN/control",
    )?;
    let package = dist.join(format!("earworm_{VERSION}_{architecture}.deb"));
    process::run(
        Command::new("dpkg-deb").args(["--build", "--root-owner-group"]).arg(&stage).arg(&package),
    )?;
    Ok(package)
}
