//! Worker: reading tunes from files, and writing them as ABC, MIDI and WAV beside the window.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use super::super::shared::LONGEST_TUNE;
use crate::files;
use earworm_abc::{self as abc, Performance};
use earworm_audio as audio;
use earworm_midi as midi;

/// The longest file that is opened, in bytes: a large tune book.
const LONGEST_FILE: u64 = 16 << 20;
/// Samples a second of a saved WAV.
const RATE: u32 = 48_000;

/// What a tune can be saved as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Abc,
    Midi,
    Wav,
}

impl Format {
    pub(super) const ALL: [Self; 3] = [Self::Abc, Self::Midi, Self::Wav];

    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Abc => "abc",
            Self::Midi => "mid",
            Self::Wav => "wav",
        }
    }

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Abc => "ABC text (.abc)…",
            Self::Midi => "MIDI file (.mid)…",
            Self::Wav => "Audio (.wav)…",
        }
    }

    pub(super) fn help(self) -> &'static str {
        match self {
            Self::Abc => "The text as it stands.",
            Self::Midi => "Melody and chords, 480 ticks a crotchet.",
            Self::Wav => "Played by the built-in voice, 48 kHz stereo.",
        }
    }
}

/// Why a file was not opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error("{0}")]
    File(#[from] std::io::Error),
    #[error("it has {0} bytes; the most is {LONGEST_FILE}")]
    TooLong(u64),
    #[error("{0}")]
    Midi(#[from] midi::MidiError),
    #[error("there is no tune in it")]
    NoTune,
}

/// Reads a file that is not too long.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, OpenError> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    if length > LONGEST_FILE {
        return Err(OpenError::TooLong(length));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST_FILE).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A tune of a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub title: String,
    pub rhythm: String,
    pub key: String,
    /// The first notes' letters and lengths, as they are looked for.
    pub opening: String,
    /// The whole tune.
    pub abc: String,
}

impl Found {
    /// Rhythm and key.
    pub(super) fn detail(&self) -> String {
        match self.rhythm.is_empty() {
            true => self.key.clone(),
            false => format!("{} · {}", self.rhythm, self.key),
        }
    }
}

/// How many characters of a tune's first notes are looked through.
const OPENING: usize = 32;
/// The most files of a folder that are opened, and the most bytes of them together.
const MOST_FILES: usize = 20_000;
const MOST_BYTES: u64 = 64 << 20;
/// How deep folders are gone into.
const DEEPEST: usize = 8;

/// The tunes of an ABC or MIDI file; never none.
pub(super) fn tunes(bytes: &[u8]) -> Result<Vec<Found>, OpenError> {
    let text = match bytes.starts_with(b"MThd") {
        true => midi::to_abc(&midi::read(bytes)?).into(),
        false => abc::decode(bytes),
    };
    let mut tunes = tunes_of(&text);
    tunes.retain(|tune| tune.abc.len() <= LONGEST_TUNE);
    match tunes.is_empty() {
        true => Err(OpenError::NoTune),
        false => Ok(tunes),
    }
}

/// The tunes of all files in a folder and in the folders in it, by name; files without one are passed over.
pub(super) fn folder(path: &Path) -> Result<Vec<Found>, OpenError> {
    let mut files = Vec::new();
    collect(path, 0, &mut files)?;
    files.sort();
    let mut found = Vec::new();
    let mut bytes = 0;
    for file in files {
        let Ok(read) = read(&file) else { continue };
        bytes += read.len() as u64;
        if bytes > MOST_BYTES {
            break;
        }
        found.extend(tunes(&read).unwrap_or_default());
    }
    match found.is_empty() {
        true => Err(OpenError::NoTune),
        false => Ok(found),
    }
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)?.flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            if depth < DEEPEST {
                // One that can't be looked into has nothing to show.
                collect(&path, depth + 1, files).ok();
            }
            continue;
        }
        let extension = path.extension().and_then(|extension| extension.to_str());
        let fits = extension.is_some_and(|extension| {
            ["abc", "mid", "midi"].iter().any(|known| known.eq_ignore_ascii_case(extension))
        });
        if fits && files.len() < MOST_FILES {
            files.push(path);
        }
    }
    Ok(())
}

/// The tunes of a text.
fn tunes_of(text: &str) -> Vec<Found> {
    let book = abc::read(text);
    book.tunes
        .iter()
        .filter_map(|tune| {
            let own = text.get(tune.span.clone())?;
            let title = match tune.title() {
                "" => format!("X:{}", tune.reference),
                title => title.to_owned(),
            };
            Some(Found {
                title,
                rhythm: tune.field('R').unwrap_or_default().to_owned(),
                key: tune.key.to_string(),
                opening: opening(own),
                abc: own.to_owned(),
            })
        })
        .collect()
}

/// The first notes of a tune's text, without bar lines, chord symbols, ornaments and blanks.
fn opening(abc: &str) -> String {
    let is_field = |line: &&str| {
        let bytes = line.as_bytes();
        bytes.first() == Some(&b'%')
            || bytes.len() > 1 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':'
    };
    let mut opening = String::new();
    let mut within: Option<char> = None;
    for letter in abc.lines().filter(|line| !is_field(line)).flat_map(str::chars) {
        match (within, letter) {
            (Some(end), letter) if letter == end => {
                within = None;
            }
            (None, '"') => within = Some('"'),
            (None, '!') => within = Some('!'),
            (None, '{') => within = Some('}'),
            (
                None,
                'a'..='g' | 'A'..='G' | '0'..='9' | '/' | '\'' | ',' | '^' | '_' | '=' | 'z',
            ) => {
                opening.push(letter);
            }
            _ => {}
        }
        if opening.len() >= OPENING {
            break;
        }
    }
    opening
}

/// A file on its way to the disk.
pub(super) struct Saving {
    name: String,
    worker: Option<JoinHandle<Result<(), String>>>,
}

impl Saving {
    /// Begins to write; audio takes a second or two, so everything is written beside the window.
    pub(super) fn start(
        format: Format,
        path: PathBuf,
        text: &str,
        performance: Performance,
    ) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = text.to_owned();
        let write = move || save(format, &path, &text, &performance);
        let worker = std::thread::Builder::new().name("earworm-save".to_owned()).spawn(write);
        Self { name, worker: worker.ok() }
    }

    /// The file's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How it went, once it is done.
    pub(super) fn finished(&mut self) -> Option<Result<(), String>> {
        match &self.worker {
            None => Some(Err("no thread could be started".to_owned())),
            Some(worker) if !worker.is_finished() => None,
            Some(_) => {
                let worker = self.worker.take()?;
                let stopped = || Err("the writer stopped".to_owned());
                Some(worker.join().unwrap_or_else(|_| stopped()))
            }
        }
    }
}

fn save(format: Format, path: &Path, text: &str, performance: &Performance) -> Result<(), String> {
    let told = |error: std::io::Error| error.to_string();
    match format {
        Format::Abc => files::write(path, text.as_bytes()).map_err(told),
        Format::Midi => files::write(path, &midi::write(performance)).map_err(told),
        Format::Wav => earworm_files::write_with(path, |out| {
            audio::write_wav(performance, RATE, out, &mut |_| ()).map_err(std::io::Error::other)
        })
        .map_err(told),
    }
}
