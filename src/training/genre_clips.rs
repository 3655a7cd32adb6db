//! Worker: labelled clips in folders, and what the network hears in them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use earworm_audio::decode;
use earworm_genre::{Ear, FEATURES, GENRES, Gate, Network, OTHER};
use earworm_spectrum::{COLUMN_SECONDS, Column, Columns};
use indicatif::ProgressBar;
use rayon::prelude::*;

/// One labelled clip.
#[derive(Clone, Debug)]
pub struct Clip {
    /// Where it is.
    pub path: PathBuf,
    /// The name that the data gives it.
    pub name: String,
    /// The genre's place in [`GENRES`], or [`OTHER`].
    pub genre: usize,
    /// Whose it is; empty where nobody says.
    pub artist: String,
    /// The collection that it is from.
    pub source: String,
    /// Whether it is only measured.
    pub is_held_out: bool,
}

/// The genres that a collection's word may hold beside the one it names. What stands in no row is meant exactly.
const BROAD: [(&str, &str, &[&str]); 3] = [
    ("emotify", "rock", &["metal", "blues", "country", "reggae", "punk"]),
    ("emotify", "pop", &["disco", "country", "reggae", "hiphop", "blues", "soul"]),
    ("emotify", "electronic", &["disco", "hiphop"]),
];

impl Clip {
    /// Genres that its label doesn't speak against.
    pub fn may_hold(&self) -> impl Iterator<Item = usize> {
        let word = GENRES.get(self.genre).copied().unwrap_or_default();
        BROAD
            .iter()
            .filter(move |(source, broad, _)| self.source == *source && word == *broad)
            .flat_map(|row| row.2.iter().filter_map(|genre| genre_of(genre)))
    }
}

/// The place of a data set's word in [`GENRES`], or [`OTHER`].
pub fn genre_of(word: &str) -> Option<usize> {
    let plain: String =
        word.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_ascii_lowercase();
    if plain == "other" {
        return Some(OTHER);
    }
    GENRES.iter().position(|&genre| genre == plain)
}

const EXTENSIONS: [&str; 12] =
    ["wav", "au", "aif", "aiff", "flac", "mp3", "ogg", "oga", "opus", "aac", "m4a", "mp4"];

fn is_audio(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    path.is_file() && EXTENSIONS.contains(&extension.as_str())
}

fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let listing =
        std::fs::read_dir(folder).with_context(|| format!("{} can't be read", folder.display()))?;
    let mut paths = listing.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The clips of a folder: those that its labels.csv tells of; else those in folders named by genre, or with a genre in their
/// names. What is labelled with no genre of ours is left out.
pub fn read_folder(folder: &Path) -> anyhow::Result<Vec<Clip>> {
    if !folder.is_dir() {
        bail!(
            "{} is no folder: the network hears audio, so name a folder of it with a labels.csv (clip, genre), or of folders \
             named by genre",
            folder.display()
        );
    }
    let labels = folder.join("labels.csv");
    let clips = if labels.is_file() {
        let text = std::fs::read_to_string(&labels)
            .with_context(|| format!("{} can't be read", labels.display()))?;
        of_labels(&text, folder).with_context(|| labels.display().to_string())?
    } else {
        of_names(folder)?
    };
    anyhow::ensure!(
        !clips.is_empty(),
        "{} holds neither a labels.csv with clips that are there nor audio named by genre",
        folder.display()
    );
    Ok(clips)
}

fn folder_name(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn of_labels(text: &str, folder: &Path) -> anyhow::Result<Vec<Clip>> {
    let files: HashMap<String, PathBuf> = entries(folder)?
        .into_iter()
        .filter(|path| is_audio(path))
        .flat_map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            [(stem(&path), path.clone()), (name, path)]
        })
        .collect();
    let mut rows = csv_rows(text).into_iter();
    let head = rows.next().context("it is empty")?;
    let place = |name: &str| head.iter().position(|field| field.trim().eq_ignore_ascii_case(name));
    let (clip, genre) = place("clip")
        .zip(place("genre"))
        .context("its first line names no columns `clip` and `genre`")?;
    let (artist, part, source) = (place("artist"), place("part"), place("source"));
    let mut clips = Vec::new();
    for row in rows {
        let field = |place: Option<usize>| {
            place.and_then(|place| row.get(place)).map(|field| field.trim()).unwrap_or_default()
        };
        let name = field(Some(clip)).to_owned();
        let (Some(path), Some(genre)) = (files.get(&name), genre_of(field(Some(genre)))) else {
            continue;
        };
        let source = match field(source) {
            "" => folder_name(folder),
            source => source.to_owned(),
        };
        clips.push(Clip {
            path: path.clone(),
            name,
            genre,
            artist: field(artist).to_lowercase(),
            source,
            is_held_out: !matches!(field(part), "" | "train"),
        });
    }
    Ok(clips)
}

/// The fields of each line; a field may stand in quotes, where a quote is doubled.
fn csv_rows(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut letters = text.trim_start_matches('\u{feff}').chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            '\r' if !quoted => {}
            other => field.push(other),
        }
    }
    if !field.is_empty() || !row.is_empty() {
        row.push(field);
        rows.push(row);
    }
    rows
}

fn of_names(folder: &Path) -> anyhow::Result<Vec<Clip>> {
    let mut clips = Vec::new();
    let clip = |path: PathBuf, genre: usize, source: String| {
        let name = stem(&path);
        Clip { path, name, genre, artist: String::new(), source, is_held_out: false }
    };
    for path in entries(folder)? {
        let name = folder_name(&path);
        if path.is_dir() {
            let Some(genre) = genre_of(&name) else { continue };
            let inside = entries(&path)?.into_iter().filter(|path| is_audio(path));
            clips.extend(inside.map(|path| clip(path, genre, folder_name(folder))));
        } else if is_audio(&path) {
            let mut words = name.split(|c: char| !c.is_ascii_alphabetic());
            let first = words.clone().next().unwrap_or_default().to_owned();
            let Some(genre) = words.find_map(genre_of) else { continue };
            // A word before the genre names the collection.
            let is_source = genre_of(&first).is_none() && !first.is_empty();
            clips.push(clip(path, genre, if is_source { first } else { folder_name(folder) }));
        }
    }
    Ok(clips)
}

/// Calls `each` with every column of an audio file, its silence left out, as the plug-in would hear it.
pub fn hear_columns(path: &Path, mut each: impl FnMut(&Column)) -> anyhow::Result<()> {
    let mut sound = decode(path).with_context(|| path.display().to_string())?;
    let (mut front, mut heard) = (Columns::new(sound.sample_rate()), Vec::new());
    let mut gate = Gate::default();
    while let Some(chunk) = sound.next_chunk() {
        front.set_rate(chunk.sample_rate);
        front.push(chunk.samples, chunk.channels, &mut heard);
        for column in heard.drain(..) {
            gate.pass(column).iter().for_each(&mut each);
        }
    }
    Ok(())
}

/// What the head goes by in one clip.
#[derive(Clone, Debug)]
pub struct Features {
    /// Of each half minute, and of what remains.
    pub whole: Vec<Vec<f32>>,
    /// Of its first seconds alone.
    pub beginnings: Vec<Vec<f32>>,
}

/// Lengths of beginnings, seconds.
const BEGINNINGS: [f64; 2] = [4.0, 9.0];
/// A rest under this is part of the half minute before, seconds.
const REST: f64 = 5.0;

/// Gathers features while columns come.
pub struct Listening {
    network: Arc<Network>,
    ear: Ear,
    columns: usize,
    last: usize,
    features: Features,
}

impl Listening {
    /// Nothing heard yet.
    pub fn new(network: Arc<Network>) -> Self {
        Self {
            ear: Ear::new(network.clone()),
            network,
            columns: 0,
            last: 0,
            features: Features { whole: Vec::new(), beginnings: Vec::new() },
        }
    }

    /// Takes the next column.
    pub fn push(&mut self, column: &Column) {
        self.ear.push(column);
        self.columns += 1;
        let at = |seconds: f64| (seconds / COLUMN_SECONDS) as usize;
        if BEGINNINGS.iter().any(|&seconds| self.columns == at(seconds)) {
            self.features.beginnings.extend(self.ear.features());
        }
        if self.columns - self.last == at(30.0) {
            self.features.whole.extend(self.ear.features());
            self.last = self.columns;
            self.ear = Ear::new(self.network.clone());
        }
    }

    /// All of it.
    pub fn finish(mut self) -> Features {
        let rest = (self.columns - self.last) as f64 * COLUMN_SECONDS;
        if self.features.whole.is_empty() || rest > REST {
            self.features.whole.extend(self.ear.features());
        }
        self.features
    }
}

/// What the network hears in each clip; kept in `cache` for the next time. A file that can't be heard is told and left out.
pub fn features(
    clips: Vec<Clip>,
    network: &Arc<Network>,
    cache: &Path,
) -> anyhow::Result<Vec<(Clip, Features)>> {
    std::fs::create_dir_all(cache)?;
    let bar = ProgressBar::new(clips.len() as u64);
    let heard = clips
        .into_par_iter()
        .map(|clip| {
            let features = features_of(&clip.path, network, cache);
            bar.inc(1);
            Ok((clip, features?))
        })
        .collect::<Vec<anyhow::Result<_>>>();
    bar.finish_and_clear();
    let mut kept = Vec::new();
    for clip in heard {
        match clip {
            Ok((_, features)) if features.whole.is_empty() => {}
            Ok(clip) => kept.push(clip),
            Err(error) => eprintln!("left out: {error:#}"),
        }
    }
    Ok(kept)
}

fn features_of(path: &Path, network: &Arc<Network>, cache: &Path) -> anyhow::Result<Features> {
    let kept = cache.join(cache_name(path)?);
    if let Ok(bytes) = std::fs::read(&kept)
        && let Some(features) = from_bytes(&bytes)
    {
        return Ok(features);
    }
    let mut listening = Listening::new(network.clone());
    hear_columns(path, |column| listening.push(column))?;
    let features = listening.finish();
    let mut bytes = vec![features.whole.len() as u8];
    let rows = features.whole.iter().chain(&features.beginnings).flatten();
    bytes.extend(rows.flat_map(|value| value.to_le_bytes()));
    let beside = kept.with_extension("part");
    std::fs::write(&beside, bytes)?;
    std::fs::rename(&beside, &kept)?;
    Ok(features)
}

fn from_bytes(bytes: &[u8]) -> Option<Features> {
    let (&whole, rest) = bytes.split_first()?;
    let (values, _) = rest.as_chunks::<4>();
    let values: Vec<f32> = values.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    let mut rows: Vec<Vec<f32>> = values.chunks_exact(FEATURES).map(<[f32]>::to_vec).collect();
    let beginnings = rows.split_off(usize::from(whole).min(rows.len()));
    Some(Features { whole: rows, beginnings })
}

/// The name of a file's features in the cache: another one once the file changes.
fn cache_name(path: &Path) -> anyhow::Result<String> {
    let facts = path.metadata().with_context(|| path.display().to_string())?;
    let changed = facts.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let whole = path.canonicalize()?;
    let key = format!("{} {} {}", whole.display(), facts.len(), changed.as_nanos());
    // FNV-1a, which is the same on every machine and in every release.
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    Ok(format!("{hash:016x}.features"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_sets_words_for_one_genre_are_one_genre() {
        assert_eq!(genre_of("Hip-Hop"), genre_of("hiphop"));
        assert_eq!(genre_of("Rock"), genre_of("rock"));
        assert_eq!(genre_of("other"), Some(OTHER));
        assert_eq!(genre_of("International"), None);
    }

    #[test]
    fn labels_are_read_by_the_names_of_their_columns_whatever_their_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.wav", "b.opus", "c.mp3"] {
            std::fs::write(folder.path().join(name), b"").unwrap();
        }
        let text = "genre,clip,artist,part\r\nsoul,a,\"Hayes, \"\"Ike\"\"\",train\r\n\
                    Hip-Hop,b.opus,X,valid\r\npolka,c,Y,train\r\nrock,absent,Z,train\r\n";
        let clips = of_labels(text, folder.path()).unwrap();
        assert_eq!(clips.len(), 2);
        assert_eq!(clips[0].artist, "hayes, \"ike\"");
        assert_eq!((clips[0].genre, clips[0].is_held_out), (genre_of("soul").unwrap(), false));
        assert_eq!((clips[1].genre, clips[1].is_held_out), (genre_of("hiphop").unwrap(), true));
        assert!(of_labels("name,word\na,b\n", folder.path()).is_err());
    }

    #[test]
    fn a_folders_name_or_a_files_name_tells_the_genre() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("punk")).unwrap();
        for name in ["punk/one.wav", "gtzan-blues.00001.flac", "tune.wav"] {
            std::fs::write(folder.path().join(name), b"").unwrap();
        }
        let mut clips = read_folder(folder.path()).unwrap();
        clips.sort_by_key(|clip| clip.genre);
        assert_eq!(clips.len(), 2);
        assert_eq!((clips[0].genre, clips[0].source.as_str()), (0, "gtzan"));
        assert_eq!(clips[1].genre, genre_of("punk").unwrap());
    }
}
