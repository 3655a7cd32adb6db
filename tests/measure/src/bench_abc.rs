//! Interface: the part of `cargo xtask bench` that reads and converts ABC, beside abc2midi.

use anyhow::{Context, bail};
use earworm_abc::{self as abc, PerformOptions};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Rounds of each; the fastest counts, so that what else the machine does matters least.
const ROUNDS: usize = 3;

/// Converts every .abc file in a folder to MIDI files, by this project and by abc2midi in turn, and prints how
/// long each takes and the ratio.
pub fn run(folder: &Path) -> anyhow::Result<()> {
    if Command::new("abc2midi").arg("-ver").output().is_err() {
        bail!(
            "abc2midi is not installed; on Debian and Ubuntu it is in the package abcmidi (`sudo apt-get install abcmidi`)"
        );
    }
    let files = super::conformance::abc_files(folder)?;
    if files.is_empty() {
        bail!("there is no .abc file in {}", folder.display());
    }
    // abc2midi writes beside what it reads, and a folder of data is read only.
    let copies = tempfile::tempdir().context("a folder for copies")?;
    let files = files
        .iter()
        .enumerate()
        .map(|(number, path)| {
            let copy = copies.path().join(format!("{number}.abc"));
            std::fs::copy(path, &copy).with_context(|| format!("reading {}", path.display()))?;
            Ok(copy)
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let out = tempfile::tempdir().context("a folder for the MIDI files")?;
    let (mut ours, mut theirs) = (Duration::MAX, Duration::MAX);
    let (mut tunes, mut bytes) = (0, 0);
    for _ in 0..ROUNDS {
        let began = Instant::now();
        (tunes, bytes) = (0, 0);
        for path in &files {
            let file =
                std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
            bytes += file.len();
            for tune in abc::read(&abc::decode(&file)).tunes {
                let midi = earworm_midi::write(&abc::perform(&tune, &PerformOptions::default()));
                std::fs::write(out.path().join(format!("{tunes}.mid")), midi)?;
                tunes += 1;
            }
        }
        ours = ours.min(began.elapsed());
        let began = Instant::now();
        for path in &files {
            Command::new("abc2midi")
                .arg(path)
                .arg("-silent")
                .current_dir(out.path())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .context("running abc2midi")?;
        }
        theirs = theirs.min(began.elapsed());
    }
    println!(
        "abc: {tunes} tunes in {} files ({:.1} MB) read, performed and written as MIDI files",
        files.len(),
        bytes as f64 / 1e6
    );
    println!(
        "abc: earworm {:.2} s, abc2midi {:.2} s, ratio {:.2} (at most 1)",
        ours.as_secs_f64(),
        theirs.as_secs_f64(),
        ours.as_secs_f64() / theirs.as_secs_f64()
    );
    Ok(())
}
