//! Interface: `cargo xtask bundle`.

use std::path::PathBuf;

use bundler::Format;

use crate::{packages, process};

/// The bundles' name, and so what hosts show as the file.
const NAME: &str = "Earworm";

/// What the task is told on the command line.
#[derive(clap::Args)]
pub struct Options {
    /// Build for use: optimised, without debug assertions
    #[arg(long)]
    release: bool,
    /// Copy the bundles to your own plug-in folders
    #[arg(long)]
    install: bool,
    /// Install missing system packages without asking
    #[arg(long)]
    yes: bool,
}

/// Runs the task.
pub fn run(options: Options) -> anyhow::Result<()> {
    packages::install(packages::BUILD, options.yes)?;
    for (format, bundle) in make(options.release)? {
        println!("{}", bundle.display());
        if options.install {
            println!("installed as {}", bundler::install(format, &bundle)?.display());
        }
    }
    Ok(())
}

/// The folder in which bundles of a build lie. Those for use and those for tests lie apart, since
/// the latter stop the program at the first allocation on the audio thread.
pub fn folder(release: bool) -> PathBuf {
    process::target().join(if release { "bundled" } else { "bundled-debug" })
}

/// Builds the library and the program and makes both bundles.
///
/// # Errors
/// Where the build or a bundle fails.
pub fn make(release: bool) -> anyhow::Result<Vec<(Format, PathBuf)>> {
    let mut build = process::cargo();
    build.args(["build", "--package", "earworm", "--package", "earworm-plugin"]);
    if release {
        build.arg("--release");
    }
    process::run(&mut build)?;
    let library = process::target()
        .join(if release { "release" } else { "debug" })
        .join(bundler::library_name("earworm_plugin"));
    Format::ALL
        .into_iter()
        .map(|format| Ok((format, bundler::bundle(format, NAME, &library, &folder(release))?)))
        .collect()
}
