//! Interface: `cargo xtask demo`, the main job from a bare checkout.

use std::process::Command;

use crate::{bundle, packages, process};

/// What the task is told on the command line.
#[derive(clap::Args)]
pub struct Options {
    /// Install missing system packages without asking
    #[arg(long)]
    yes: bool,
    /// Seed of the tune: another seed, another tune
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Style of the tune
    #[arg(long, default_value = "jig")]
    style: String,
}

/// Runs the task.
pub fn run(options: Options) -> anyhow::Result<()> {
    println!(
        "Installs missing packages (it asks first), builds Earworm, bundles the plug-ins, writes a tune and names a genre: \
         about ten minutes on two cores the first time."
    );
    process::say("System packages");
    packages::install(packages::BUILD, options.yes)?;

    process::say("Build and bundle");
    let bundles = bundle::make(true)?;

    let folder = process::target().join("demo");
    std::fs::create_dir_all(&folder)?;
    let [abc, mid, wav] = ["tune.abc", "tune.mid", "tune.wav"].map(|name| folder.join(name));
    let program = process::target().join("release").join("earworm");

    process::say("Earworm Tunes writes a tune");
    process::run(
        Command::new(&program)
            .args(["generate", "--style", &options.style])
            .args(["--seed", &options.seed.to_string()])
            .arg("-o")
            .arg(&abc)
            .arg("-o")
            .arg(&mid)
            .arg("-o")
            .arg(&wav),
    )?;
    println!("\n{}", std::fs::read_to_string(&abc)?);

    process::say("Earworm Meter listens to it");
    process::run(Command::new(&program).arg("classify").arg(&wav))?;

    process::say("Made");
    for path in [&abc, &mid, &wav] {
        println!("{}", path.display());
    }
    process::say("Plug-ins");
    for (format, made) in &bundles {
        let place = format.user_folder()?;
        println!("{}\n    goes to {}", made.display(), place.display());
    }
    println!(
        "\n`cargo xtask bundle --release --install` copies them there; then rescan in your DAW:\n\
         Earworm Meter is an effect for the mix bus, Earworm Tunes an instrument for a MIDI track.\n\
         `{0} tunes` and `{0} meter` open them without a DAW.",
        program.display()
    );
    Ok(())
}
