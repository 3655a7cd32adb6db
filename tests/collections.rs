//! Core: what holds for every tune of the collections, where the folder that EARWORM_DATA names has them.

use earworm_abc::{self as abc, PerformOptions, Performance, Tune};
use earworm_midi as midi;
use std::path::{Path, PathBuf};

/// Every ABC file of the collections; none, and a line that says so, where they are not there.
fn files() -> Vec<PathBuf> {
    fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                collect(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "abc") {
                files.push(path);
            }
        }
    }
    let mut files = Vec::new();
    if let Some(data) = std::env::var_os("EARWORM_DATA") {
        collect(&Path::new(&data).join("tunes"), &mut files);
    }
    if files.is_empty() {
        host::skipped("EARWORM_DATA names no folder with tunes/");
    }
    files.sort();
    files
}

/// Does `job` with every tune; false where there are no collections.
fn each_tune(mut job: impl FnMut(&str, &Tune)) -> bool {
    let files = files();
    for file in &files {
        let bytes = std::fs::read(file).unwrap();
        for tune in &abc::read(&abc::decode(&bytes)).tunes {
            job(&format!("{}#{}", file.display(), tune.reference), tune);
        }
    }
    !files.is_empty()
}

fn notes(performance: &Performance) -> Vec<(u32, u32, u8)> {
    let mut notes: Vec<_> =
        performance.notes.iter().map(|note| (note.start, note.duration, note.key)).collect();
    notes.sort_unstable();
    notes
}

#[test]
fn every_tune_written_and_read_is_the_same_tune_and_sounds_the_same() {
    let everything = PerformOptions::default();
    each_tune(|name, tune| {
        let again = abc::read(&abc::write(tune)).tunes.remove(0);
        assert!(abc::same(tune, &again), "{name}");
        let (one, two) = (abc::perform(tune, &everything), abc::perform(&again, &everything));
        assert!(notes(&one) == notes(&two), "{name}");
    });
}

#[test]
fn of_a_hundred_melodies_ninety_nine_or_more_survive_midi_and_back() {
    let melody = PerformOptions::melody_only();
    let (mut kept, mut all, mut lost) = (0, 0, Vec::new());
    let there = each_tune(|name, tune| {
        let played = abc::perform(tune, &melody);
        if tune.voices.len() != 1 || played.notes.is_empty() {
            return;
        }
        all += 1;
        let first = midi::read(&midi::write(&played)).unwrap();
        let back = abc::read(&midi::to_abc(&first)).tunes.remove(0);
        let second = midi::read(&midi::write(&abc::perform(&back, &melody))).unwrap();
        if notes(&second) == notes(&played) {
            kept += 1;
        } else {
            lost.push(name.to_owned());
        }
    });
    if there {
        assert!(all > 0 && kept * 100 >= all * 99, "{kept} of {all}; not {lost:?}");
    }
}

#[test]
fn every_tune_moved_up_and_down_again_has_its_notes() {
    let melody = PerformOptions::melody_only();
    each_tune(|name, tune| {
        let there_and_back = abc::transpose(&abc::transpose(tune, 3), -3);
        let (one, two) = (abc::perform(tune, &melody), abc::perform(&there_and_back, &melody));
        assert!(notes(&one) == notes(&two), "{name}");
        let up = abc::perform(&abc::transpose(tune, 5), &melody);
        let moved: Vec<_> = notes(&one).into_iter().map(|(a, b, key)| (a, b, key + 5)).collect();
        assert!(notes(&up) == moved, "{name}");
    });
}
