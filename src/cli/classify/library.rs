//! Interface: many recordings at once: folders, a table, playlists, a summary, and what was heard before.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use crate::cli::{Outcome, Refusal};
use earworm_genre::{GENRES, Heard, State, Stretch};

/// How files are called that may hold sound.
const EXTENSIONS: [&str; 20] = [
    "wav", "wave", "rf64", "w64", "aif", "aiff", "aifc", "au", "snd", "flac", "mp3", "mp2", "ogg",
    "oga", "opus", "m4a", "m4b", "mp4", "aac", "alac",
];
/// How many files are heard before the cache is written again.
const KEPT_EVERY: usize = 64;

/// The sound files in a folder and the folders in it, by name. What can't be looked into is reported.
pub(super) fn files_in(folder: &Path, worst: &mut Outcome) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut refused = |error: &std::io::Error| {
        Refusal::from_io(folder, error).report();
        *worst = Outcome::Refused;
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            refused(&error);
            return files;
        }
    };
    let mut found = Vec::new();
    for entry in entries {
        match entry.and_then(|entry| Ok((entry.path(), entry.file_type()?))) {
            Ok(entry) => found.push(entry),
            Err(error) => refused(&error),
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    for (path, kind) in found {
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if hidden {
            continue;
        }
        // A linked folder may lead back to where it is.
        if kind.is_dir() {
            files.extend(files_in(&path, worst));
        } else if is_sound(&path) {
            files.push(path);
        }
    }
    files
}

fn is_sound(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)) && !path.is_dir()
}

/// The first line of a table.
pub(super) fn csv_head() -> String {
    format!("file,seconds,state,genre,probability,{}\n", GENRES.join(","))
}

/// A file's line of a table.
pub(super) fn csv_line(path: &Path, heard: &Heard) -> String {
    let file = path.to_string_lossy();
    let file = match file.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", file.replace('"', "\"\"")),
        false => file.into_owned(),
    };
    let likeliest = heard.likeliest();
    let genre = likeliest.map_or("", |genre| GENRES[genre]);
    let p = likeliest.map_or(String::new(), |genre| format!("{:.4}", heard.probabilities[genre]));
    let all: Vec<String> = heard.probabilities.iter().map(|p| format!("{p:.4}")).collect();
    format!("{file},{:.1},{},{genre},{p},{}\n", heard.seconds, state(heard.state), all.join(","))
}

/// A state as it is told to programs.
pub(super) const fn state(state: State) -> &'static str {
    match state {
        State::Listening => "too short",
        State::Silence => "silence",
        State::Unsure => "unsure",
        State::Heard => "heard",
    }
}

/// What was heard of all files.
#[derive(Default)]
pub(super) struct Tally {
    heard: [Vec<(PathBuf, f64)>; GENRES.len()],
    unsure: usize,
    silent: usize,
    short: usize,
    refused: usize,
}

impl Tally {
    /// Counts a file.
    pub(super) fn add(&mut self, path: &Path, heard: &Heard) {
        match (heard.state, heard.likeliest()) {
            (State::Heard, Some(genre)) => self.heard[genre].push((path.to_owned(), heard.seconds)),
            (State::Silence, _) => self.silent += 1,
            (State::Unsure, Some(_)) => self.unsure += 1,
            _ => self.short += 1,
        }
    }

    /// Counts a file that could not be heard.
    pub(super) fn add_refused(&mut self) {
        self.refused += 1;
    }

    /// The counts in a line, the most frequent genres first.
    pub(super) fn summary(&self) -> String {
        let mut genres: Vec<(usize, &str)> =
            self.heard.iter().zip(GENRES).map(|(files, genre)| (files.len(), genre)).collect();
        genres.sort_by_key(|&(count, _)| std::cmp::Reverse(count));
        let others = [
            (self.unsure, "unsure"),
            (self.silent, "silence"),
            (self.short, "too short"),
            (self.refused, "not heard"),
        ];
        let told: Vec<String> = genres
            .into_iter()
            .chain(others)
            .filter(|&(count, _)| count > 0)
            .map(|(count, what)| format!("{what} {count}"))
            .collect();
        let files = self.heard.iter().map(Vec::len).sum::<usize>()
            + others.iter().map(|&(count, _)| count).sum::<usize>();
        let word = if files == 1 { "file" } else { "files" };
        format!("{files} {word}: {}", told.join(", "))
    }

    /// Writes a playlist for each genre that was heard into a folder, which is made where there is none.
    pub(super) fn write_playlists(&self, folder: &Path) -> Result<(), Refusal> {
        std::fs::create_dir_all(folder).map_err(|error| Refusal::from_io(folder, &error))?;
        for (files, genre) in self.heard.iter().zip(GENRES) {
            if files.is_empty() {
                continue;
            }
            let mut list = String::from("#EXTM3U\n");
            for (path, seconds) in files {
                let whole = std::path::absolute(path).unwrap_or_else(|_| path.clone());
                let name = path.file_stem().unwrap_or_default().to_string_lossy();
                let name: String =
                    name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
                list.push_str(&format!("#EXTINF:{seconds:.0},{name}\n{}\n", whole.display()));
            }
            let path = folder.join(format!("{genre}.m3u8"));
            earworm_files::write(&path, list.as_bytes())
                .map_err(|error| Refusal::from_io(&path, &error))?;
        }
        Ok(())
    }
}

/// What was heard in other runs, by file. An entry counts as long as the file has its size and time, and the program and
/// its weights are the same.
pub(super) struct Cache {
    path: PathBuf,
    by: String,
    entries: HashMap<String, Entry>,
    new: usize,
}

#[derive(Clone, Serialize, Deserialize)]
struct Entry {
    file: String,
    size: u64,
    /// Nanoseconds since 1970.
    modified: u128,
    by: String,
    seconds: f64,
    sounding: f64,
    reach: f64,
    state: String,
    probabilities: [f32; GENRES.len()],
    none: f32,
    /// Start, end, genre, probability.
    timeline: Vec<(f64, f64, usize, f32)>,
}

impl Cache {
    /// Opens the cache in a file; one that is not there is empty, and so is what can't be read of it.
    pub(super) fn open(path: &Path, weights: Option<&Path>) -> Result<Self, Refusal> {
        let text = match std::fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Refusal::from_io(path, &error)),
        };
        let entries = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .map(|entry: Entry| (entry.file.clone(), entry))
            .collect();
        let program = std::env::current_exe().unwrap_or_default();
        let by = [Some(program.as_path()), weights].into_iter().flatten().map(|path| {
            let (size, modified) = stamp(path).unwrap_or_default();
            format!("{size}-{modified}")
        });
        Ok(Self { path: path.to_owned(), by: by.collect::<Vec<_>>().join(" "), entries, new: 0 })
    }

    /// What was heard in a file.
    pub(super) fn get(&self, file: &Path) -> Option<Heard> {
        let entry = self.entries.get(&name(file)?)?;
        let (size, modified) = stamp(file)?;
        if (entry.size, entry.modified, &entry.by) != (size, modified, &self.by) {
            return None;
        }
        let state = [State::Listening, State::Silence, State::Unsure, State::Heard]
            .into_iter()
            .find(|&known| state(known) == entry.state)?;
        let timeline = entry.timeline.iter().map(|&(start, end, genre, probability)| {
            let genre = genre.min(GENRES.len() - 1);
            Stretch { start, end, genre, probability }
        });
        Some(Heard {
            seconds: entry.seconds,
            sounding: entry.sounding,
            reach: entry.reach,
            state,
            probabilities: entry.probabilities,
            none: entry.none,
            timeline: timeline.collect(),
            picture: None,
        })
    }

    /// Keeps what was heard in a file.
    pub(super) fn put(&mut self, file: &Path, heard: &Heard) -> Result<(), Refusal> {
        let (Some(name), Some((size, modified))) = (name(file), stamp(file)) else { return Ok(()) };
        let timeline = heard.timeline.iter().map(|s| (s.start, s.end, s.genre, s.probability));
        let entry = Entry {
            file: name.clone(),
            size,
            modified,
            by: self.by.clone(),
            seconds: heard.seconds,
            sounding: heard.sounding,
            reach: heard.reach,
            state: state(heard.state).to_owned(),
            probabilities: heard.probabilities,
            none: heard.none,
            timeline: timeline.collect(),
        };
        self.entries.insert(name, entry);
        self.new += 1;
        if self.new.is_multiple_of(KEPT_EVERY) { self.write() } else { Ok(()) }
    }

    /// Writes the cache, if there is anything new in it.
    pub(super) fn write(&self) -> Result<(), Refusal> {
        if self.new == 0 {
            return Ok(());
        }
        let mut entries: Vec<&Entry> = self.entries.values().collect();
        entries.sort_by(|a, b| a.file.cmp(&b.file));
        let mut text = String::new();
        for entry in entries {
            let line = serde_json::to_string(entry).map_err(|error| {
                Refusal::new(self.path.display(), error, "it is left as it was")
            })?;
            text.push_str(&line);
            text.push('\n');
        }
        earworm_files::write(&self.path, text.as_bytes())
            .map_err(|error| Refusal::from_io(&self.path, &error))
    }
}

/// A file's name wherever the program is started.
fn name(file: &Path) -> Option<String> {
    Some(std::path::absolute(file).ok()?.to_str()?.to_owned())
}

/// A file's size and time.
fn stamp(file: &Path) -> Option<(u64, u128)> {
    let metadata = std::fs::metadata(file).ok().filter(std::fs::Metadata::is_file)?;
    let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some((metadata.len(), modified.as_nanos()))
}
