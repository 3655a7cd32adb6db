//! Interface: `cargo xtask roundtrip`: whether tunes survive being written, as ABC and by way of MIDI.

use anyhow::Context;
use earworm::abc::{self, PerformOptions, Performance};
use earworm::midi;
use std::path::{Path, PathBuf};

/// What the task is told on the command line.
#[derive(clap::Args)]
pub struct Options {
    /// Folders or files of ABC
    #[arg(required = true, value_name = "DIR")]
    paths: Vec<PathBuf>,
    /// How many of the tunes that differ are named
    #[arg(long, default_value_t = 20)]
    show: usize,
}

/// What was counted over a collection.
#[derive(Default)]
pub struct Roundtrip {
    /// Tunes that were read.
    pub tunes: usize,
    /// Tunes that reading what was written of them gave back, note for note and element for element.
    pub written_alike: usize,
    /// Tunes with one voice.
    pub single_voice: usize,
    /// Of those, by way of MIDI and ABC to MIDI: the same melody.
    pub melody_alike: usize,
    /// Of those: the same notes with accompaniment, grace notes and ornaments.
    pub all_alike: usize,
    /// The tunes that differ: file, number, and in what.
    pub different: Vec<String>,
}

/// Writes every tune of the ABC files under `paths` and reads it back.
pub fn measure(paths: &[PathBuf]) -> anyhow::Result<Roundtrip> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, &mut files)?;
    }
    files.sort();
    let mut counts = Roundtrip::default();
    for file in &files {
        let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
        for tune in &abc::read(&abc::decode(&bytes)).tunes {
            counts.add(file, tune);
        }
    }
    Ok(counts)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).with_context(|| path.display().to_string())? {
            let entry = entry?.path();
            if entry.is_dir() || entry.extension().is_some_and(|e| e.eq_ignore_ascii_case("abc")) {
                collect(&entry, files)?;
            }
        }
    } else {
        files.push(path.to_path_buf());
    }
    Ok(())
}

/// When each note starts, how long it lasts, and its key.
fn notes(performance: &Performance) -> Vec<(u32, u32, u8)> {
    let mut notes: Vec<_> =
        performance.notes.iter().map(|note| (note.start, note.duration, note.key)).collect();
    notes.sort_unstable();
    notes
}

/// A performance through MIDI, ABC and MIDI again.
fn by_way_of_midi(performance: &Performance, options: &PerformOptions) -> Option<Performance> {
    let first = midi::read(&midi::write(performance)).ok()?;
    let book = abc::read(&midi::to_abc(&first));
    let again = abc::perform(book.tunes.first()?, options);
    midi::read(&midi::write(&again)).ok()
}

impl Roundtrip {
    fn add(&mut self, file: &Path, tune: &abc::Tune) {
        self.tunes += 1;
        let name = format!("{}#{}", file.display(), tune.reference);
        let everything = PerformOptions::default();
        let played = abc::perform(tune, &everything);
        let again = abc::read(&abc::write(tune));
        let alike = matches!(&again.tunes[..], [again] if abc::same(tune, again)
            && notes(&abc::perform(again, &everything)) == notes(&played));
        if alike {
            self.written_alike += 1;
        } else {
            self.different.push(format!("{name}: written and read"));
        }
        if tune.voices.len() != 1 || played.notes.is_empty() {
            return;
        }
        self.single_voice += 1;
        let melody = PerformOptions::melody_only();
        for (options, count, what) in [
            (melody, &mut self.melody_alike, "melody by way of MIDI"),
            (everything, &mut self.all_alike, "everything by way of MIDI"),
        ] {
            let played = abc::perform(tune, &options);
            match by_way_of_midi(&played, &options) {
                Some(again) if notes(&again) == notes(&played) => *count += 1,
                _ => self.different.push(format!("{name}: {what}")),
            }
        }
    }
}

/// Runs the task.
pub fn run(options: Options) -> anyhow::Result<()> {
    let counts = measure(&options.paths)?;
    let row = |what: &str, part: usize, whole: usize| {
        let percent = 100.0 * part as f64 / whole.max(1) as f64;
        println!("{what:<44} {part:>6} of {whole:>6}  {percent:6.2} %");
    };
    row("read, written, read: the same tune", counts.written_alike, counts.tunes);
    row("ABC, MIDI, ABC, MIDI: the same melody", counts.melody_alike, counts.single_voice);
    row("ABC, MIDI, ABC, MIDI: the same in everything", counts.all_alike, counts.single_voice);
    for different in counts.different.iter().take(options.show) {
        println!("  {different}");
    }
    Ok(())
}
