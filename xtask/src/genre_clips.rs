//! Worker: labelled clips as mel columns, from safetensors files, on one axis whatever their source.

use std::path::Path;

use anyhow::{Context, bail};
use earworm::genre::GENRES;
use earworm::spectrum::{BANDS, band_centre};
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

/// Whether a group of clips is held out for validation: one in `parts`, the same in every run.
pub fn held_out(group: &str, parts: u64) -> bool {
    // FNV-1a, which is the same on every machine and release.
    let hash = group.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    (hash >> 16) % parts == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_on_the_wide_axis_lands_in_the_band_of_its_frequency() {
        let axis = WideAxis::new();
        let mut wide = [0_u8; BANDS];
        // Band 64 of 128 up to 22,050 Hz is centred at about 3,900 Hz.
        wide[64] = 255;
        let narrow = axis.narrow(&wide);
        let loudest = (0..BANDS).max_by_key(|&band| narrow[band]).unwrap();
        assert!((3_000.0..3_700.0).contains(&band_centre(loudest)), "{}", band_centre(loudest));
    }

    #[test]
    fn data_sets_words_for_one_genre_are_one_genre() {
        assert_eq!(genre_of("Hip-Hop"), genre_of("hiphop"));
        assert_eq!(genre_of("Rock"), genre_of("rock"));
        assert_eq!(genre_of("International"), None);
    }
}
