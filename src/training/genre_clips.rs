//! Worker: labelled clips as mel columns, from safetensors files, on one axis whatever their source.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use earworm_audio::decode;
use earworm_genre::{GENRES, Gate};
use earworm_spectrum::{BANDS, Columns, band_centre};
use indicatif::ProgressBar;
use rayon::prelude::*;
use safetensors::SafeTensors;

/// Where clips come from; sources are balanced against each other, and each labels in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// GTZAN's layout: the label names one of the genres exactly.
    Gtzan,
    /// Emotify: four broad genres.
    Emotify,
    /// FMA-small: eight broad genres, of which five are ours.
    Fma,
}

/// FMA's genres, as its own head learns them.
pub const FMA_GENRES: [&str; 8] = [
    "Electronic",
    "Experimental",
    "Folk",
    "Hip-Hop",
    "Instrumental",
    "International",
    "Pop",
    "Rock",
];

/// One labelled clip.
pub struct Clip {
    /// The name that the data gives it.
    pub name: String,
    /// The data's own word for the genre.
    pub word: String,
    /// The genre's place in [`GENRES`], if it is one of ours.
    pub genre: Option<usize>,
    /// The genre's place in [`FMA_GENRES`], if the clip is FMA's.
    pub fma: Option<usize>,
    /// Clips of one group (an artist, a block of ids) never stand on both sides of a split.
    pub group: String,
    /// The source.
    pub source: Source,
    /// Values v of dB = v × 80 / 255 - 80 below the clip's maximum: columns × [`BANDS`].
    pub columns: Vec<[u8; BANDS]>,
    /// Columns of the front end that one stored column stands for: 1, or 3 for FMA.
    pub stride: usize,
}

impl Clip {
    /// A stored value as dB below the clip's maximum.
    pub fn decibels(value: u8) -> f32 {
        f32::from(value) * (80.0 / 255.0) - 80.0
    }

    /// Whether the clip's group is held out of training for validation, the same ones in every run:
    /// one group in five of Emotify's artists, one in twelve of FMA's blocks of ids. GTZAN comes split.
    pub fn is_held_out(&self) -> bool {
        let parts = match self.source {
            Source::Gtzan => return false,
            Source::Emotify => 5,
            Source::Fma => 12,
        };
        (fnv(&self.group) >> 16).is_multiple_of(parts)
    }

    /// Whether its columns were taken 232 ms apart, so that what moves faster is not in them.
    pub fn is_sparse(&self) -> bool {
        self.stride > 1
    }

    /// The columns as the front end would make them, dB; FMA's each stand for three.
    pub fn front_end_columns(&self) -> impl Iterator<Item = [f32; BANDS]> {
        self.columns
            .iter()
            .flat_map(|column| std::iter::repeat_n(column.map(Self::decibels), self.stride))
    }
}

/// Our genre for a data set's word.
pub fn genre_of(word: &str) -> Option<usize> {
    let plain: String =
        word.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_ascii_lowercase();
    GENRES.iter().position(|&genre| genre == plain)
}

/// Reads a safetensors file of mels.
pub fn read_mels(path: &Path) -> anyhow::Result<Vec<Clip>> {
    let bytes = std::fs::read(path).with_context(|| format!("{} can't be read", path.display()))?;
    let (_, header) = SafeTensors::read_metadata(&bytes)
        .with_context(|| format!("{} is no safetensors file", path.display()))?;
    let notes = header.metadata().clone().unwrap_or_default();
    let list = |key: &str| -> anyhow::Result<Vec<String>> {
        let text =
            notes.get(key).with_context(|| format!("{} has no list of {key}", path.display()))?;
        Ok(serde_json::from_str(text)?)
    };
    let (genres, names) = (list("genres")?, list("clips")?);
    let artists = list("artists").ok();
    let tensors = SafeTensors::deserialize(&bytes)?;
    let (mel, label, frames) =
        (tensors.tensor("mel")?, tensors.tensor("label")?, tensors.tensor("frames")?);
    let &[clips, bands, width] = mel.shape() else {
        bail!("{}: mel is not [clips, bands, frames]", path.display())
    };
    if bands != BANDS
        || names.len() != clips
        || label.data().len() != clips
        || frames.data().len() != 2 * clips
    {
        bail!("{}: {clips} clips of {bands} bands, but {} names", path.display(), names.len());
    }
    let fma = genres.iter().all(|genre| FMA_GENRES.contains(&genre.as_str()));
    let source = match (&artists, fma) {
        (_, true) => Source::Fma,
        (Some(_), _) => Source::Emotify,
        _ => Source::Gtzan,
    };
    let axis = WideAxis::new();
    let mut read = Vec::with_capacity(clips);
    for (index, name) in names.into_iter().enumerate() {
        let word =
            genres.get(label.data()[index] as usize).context("a label names no genre")?.clone();
        let valid =
            u16::from_le_bytes([frames.data()[2 * index], frames.data()[2 * index + 1]]) as usize;
        let values = &mel.data()[index * BANDS * width..][..BANDS * width];
        let columns = (0..valid.min(width))
            .map(|column| {
                let stored: [u8; BANDS] = std::array::from_fn(|band| values[band * width + column]);
                if fma { axis.narrow(&stored) } else { stored }
            })
            .collect();
        let group = match (&artists, source) {
            (Some(artists), _) => artists.get(index).cloned().unwrap_or_default(),
            // Track ids are given out in order, so a thousand of them hold whole albums.
            (None, Source::Fma) => name
                .rsplit('/')
                .next()
                .map(|id| id[..id.len().min(3)].to_string())
                .unwrap_or_default(),
            (None, _) => name.clone(),
        };
        read.push(Clip {
            genre: genre_of(&word),
            fma: FMA_GENRES.iter().position(|&genre| fma && genre == word),
            name,
            word,
            group,
            source,
            columns,
            stride: if fma { 3 } else { 1 },
        });
    }
    Ok(read)
}

/// An audio file and the genre that its name or folder gives it.
pub struct AudioFile {
    /// Where it is.
    pub path: PathBuf,
    /// The data's own word for the genre.
    pub word: String,
}

/// The audio files in a folder of folders named by genre (GTZAN's own layout), or in a folder of
/// files with a genre in their names.
pub fn audio_files(folder: &Path) -> anyhow::Result<Vec<AudioFile>> {
    const EXTENSIONS: [&str; 11] =
        ["wav", "au", "aif", "aiff", "flac", "mp3", "ogg", "oga", "aac", "m4a", "mp4"];
    let entries = |folder: &Path| -> anyhow::Result<Vec<PathBuf>> {
        let listing = std::fs::read_dir(folder)
            .with_context(|| format!("{} can't be read", folder.display()))?;
        let mut paths =
            listing.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    };
    let audio = |path: &Path| {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        path.is_file() && EXTENSIONS.contains(&extension.as_str())
    };
    let mut files = Vec::new();
    for path in entries(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            let inside = entries(&path)?.into_iter().filter(|path| audio(path));
            files.extend(inside.map(|path| AudioFile { path, word: name.clone() }));
        } else if audio(&path)
            && let Some(word) =
                name.split(|c: char| !c.is_ascii_alphabetic()).find(|word| genre_of(word).is_some())
        {
            files.push(AudioFile { path: path.clone(), word: word.to_string() });
        }
    }
    anyhow::ensure!(
        !files.is_empty(),
        "{} holds no folder of audio named by genre",
        folder.display()
    );
    Ok(files)
}

/// The mel columns of an audio file, dB, by the very front end of the plug-in, without its silence.
pub fn hear_columns(path: &Path) -> anyhow::Result<Vec<[f32; BANDS]>> {
    let mut sound = decode(path).with_context(|| path.display().to_string())?;
    let (mut front, mut heard) = (Columns::new(sound.sample_rate()), Vec::new());
    while let Some(chunk) = sound.next_chunk() {
        front.set_rate(chunk.sample_rate);
        front.push(chunk.samples, chunk.channels, &mut heard);
    }
    let (mut gate, mut columns) = (Gate::default(), Vec::new());
    heard.into_iter().for_each(|column| columns.extend_from_slice(gate.pass(column)));
    Ok(columns)
}

/// Reads a folder of audio as clips to train on; their mels are kept in `cache` for the next time.
pub fn read_audio(folder: &Path, cache: &Path) -> anyhow::Result<Vec<Clip>> {
    let files = audio_files(folder)?;
    let bar = ProgressBar::new(files.len() as u64);
    let clip = |file: &AudioFile| -> anyhow::Result<Clip> {
        let kept = cache.join(cache_name(&file.path)?);
        let columns = if let Ok(bytes) = std::fs::read(&kept) {
            bytes.as_chunks::<BANDS>().0.to_vec()
        } else {
            let heard = hear_columns(&file.path)?;
            let loudest = heard.iter().flatten().copied().fold(f32::NEG_INFINITY, f32::max);
            let columns: Vec<[u8; BANDS]> = heard
                .iter()
                .map(|column| {
                    column.map(|db| ((db - loudest + 80.0).max(0.0) * (255.0 / 80.0)).round() as u8)
                })
                .collect();
            std::fs::create_dir_all(cache)?;
            let beside = kept.with_extension("part");
            std::fs::write(&beside, columns.as_flattened())?;
            std::fs::rename(&beside, &kept)?;
            columns
        };
        bar.inc(1);
        let name = file.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (genre, word, group) = (genre_of(&file.word), file.word.clone(), name.clone());
        Ok(Clip { name, word, genre, fma: None, group, source: Source::Gtzan, columns, stride: 1 })
    };
    let clips = files.par_iter().map(clip).collect::<Vec<_>>();
    bar.finish_and_clear();
    // A file that can't be heard is left out and named; GTZAN itself has one.
    let (heard, refused): (Vec<_>, Vec<_>) = clips.into_iter().partition(Result::is_ok);
    for error in refused.into_iter().filter_map(Result::err) {
        eprintln!("left out: {error:#}");
    }
    Ok(heard.into_iter().filter_map(Result::ok).collect())
}

/// The name of a file's mels in the cache: another one once the file changes.
fn cache_name(path: &Path) -> anyhow::Result<String> {
    let facts = path.metadata().with_context(|| path.display().to_string())?;
    let changed = facts.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let whole = path.canonicalize()?;
    let key = format!("{} {} {}", whole.display(), facts.len(), changed.as_nanos());
    Ok(format!("{:016x}.mel", fnv(&key)))
}

/// FNV-1a, which is the same on every machine and in every release.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// The mel axis that reaches up to 22,050 Hz, brought onto ours, which ends at 11,025 Hz.
struct WideAxis {
    /// For each of our bands, the band of the wide axis under it, and how far the next one counts.
    places: [(usize, f32); BANDS],
}

impl WideAxis {
    fn new() -> Self {
        let mel = |hertz: f64| {
            if hertz < 1_000.0 {
                hertz * 3.0 / 200.0
            } else {
                15.0 + 27.0 * (hertz / 1_000.0).ln() / 6.4_f64.ln()
            }
        };
        let step = mel(22_050.0) / (BANDS + 1) as f64;
        let places = std::array::from_fn(|band| {
            let place = (mel(band_centre(band)) / step - 1.0).clamp(0.0, (BANDS - 2) as f64);
            (place as usize, place.fract() as f32)
        });
        Self { places }
    }

    fn narrow(&self, wide: &[u8; BANDS]) -> [u8; BANDS] {
        std::array::from_fn(|band| {
            let (under, part) = self.places[band];
            let (low, high) = (f32::from(wide[under]), f32::from(wide[under + 1]));
            (low + (high - low) * part).round() as u8
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_on_the_wide_axis_lands_in_the_band_of_its_frequency() {
        let axis = WideAxis::new();
        let mut wide = [0_u8; BANDS];
        // Band 64 of 128 up to 22,050 Hz is centred at 2,849 Hz.
        wide[64] = 255;
        let narrow = axis.narrow(&wide);
        let loudest = (0..BANDS).max_by_key(|&band| narrow[band]).unwrap();
        assert!((2_750.0..2_950.0).contains(&band_centre(loudest)), "{}", band_centre(loudest));
    }

    #[test]
    fn data_sets_words_for_one_genre_are_one_genre() {
        assert_eq!(genre_of("Hip-Hop"), genre_of("hiphop"));
        assert_eq!(genre_of("Rock"), genre_of("rock"));
        assert_eq!(genre_of("International"), None);
    }
}
