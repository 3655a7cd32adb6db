//! Worker: training windows: cropped, stretched, coloured, masked and mixed at random.

use candle_core::{Device, Tensor};
use earworm_genre::{GENRES, STRIDE, window};
use earworm_spectrum::BANDS;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use crate::genre_clips::{Clip, FMA_GENRES, Source};

/// Share of a genre's target that is spread over all (C. Szegedy and others 2016).
const SMOOTHING: f32 = 0.1;

/// What is done at random to a training window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Augmentation {
    /// Faster or slower by up to 18 %
    Stretch,
    /// Up or down by up to three mel bands
    Shift,
    /// A smooth equaliser
    Colour,
    /// Bands and moments hidden, high bands cut
    Mask,
    /// Half of the windows mixed with others
    Mixup,
}

/// Windows and what the network is to say about them.
pub struct Batch {
    /// [windows, 2, bands, frames]
    pub input: Tensor,
    /// Target distributions over the genres, [windows, genres], and each window's weight.
    pub genres: Tensor,
    pub genre_weights: Tensor,
    /// Added to the logits: genres that a broad label may hide take no part.
    pub hidden: Tensor,
    /// The same for FMA's own genres.
    pub fma: Tensor,
    pub fma_weights: Tensor,
}

/// Clips to draw from, by source and label.
pub struct Pool<'a> {
    /// Of each source: its clips, label by label.
    sources: Vec<(Source, Vec<Vec<&'a Clip>>)>,
    left_out: &'a [Augmentation],
}

/// Genres that clips with a broad label may well belong to: FMA's rock holds metal, its folk
/// holds country.
pub fn hidden(source: Source, word: &str) -> &'static [&'static str] {
    if source == Source::Gtzan {
        return &[];
    }
    let word = word.to_ascii_lowercase();
    if source == Source::Emotify {
        // It has but four genres, so that music of other genres is filed under one of them.
        return match word.as_str() {
            "rock" => &["metal", "blues", "country", "reggae"],
            "pop" => &["disco", "country", "reggae", "hiphop", "blues"],
            "electronic" => &["disco", "hiphop"],
            _ => &[],
        };
    }
    match word.as_str() {
        "rock" => &["metal", "blues"],
        "folk" => &["country", "blues"],
        "electronic" | "pop" => &["disco"],
        _ => &[],
    }
}

struct Window {
    mel: Vec<f32>,
    genres: [f32; GENRES.len()],
    genre_weight: f32,
    hidden: [f32; GENRES.len()],
    fma: [f32; FMA_GENRES.len()],
    fma_weight: f32,
}

impl<'a> Pool<'a> {
    /// Sorts `clips` by source and label; their windows are drawn without the augmentations `left_out`.
    pub fn new(clips: &'a [Clip], left_out: &'a [Augmentation]) -> Self {
        let mut sources: Vec<(Source, Vec<Vec<&'a Clip>>)> = Vec::new();
        let mut words: Vec<(Source, &str)> =
            clips.iter().map(|clip| (clip.source, clip.word.as_str())).collect();
        words.sort_by_key(|&(source, word)| (source as u8, word.to_string()));
        words.dedup();
        for (source, word) in words {
            let group =
                clips.iter().filter(|clip| clip.source == source && clip.word == word).collect();
            match sources.last_mut() {
                Some((last, groups)) if *last == source => groups.push(group),
                _ => sources.push((source, vec![group])),
            }
        }
        Self { sources, left_out }
    }

    /// Draws a batch: sources by fixed shares, labels of a source alike, clips of a label alike.
    pub fn draw(
        &self,
        windows: usize,
        frames: usize,
        random: &mut StdRng,
    ) -> anyhow::Result<Batch> {
        // GTZAN's few clips are soon learnt by heart, FMA's many are not.
        let share = |source| match source {
            Source::Gtzan => 1.5,
            Source::Fma => 7.5,
            Source::Emotify => 1.0,
        };
        let whole: f32 = self.sources.iter().map(|(source, _)| share(*source)).sum();
        let mut drawn = Vec::with_capacity(windows);
        for (index, (source, groups)) in self.sources.iter().enumerate() {
            let last = index + 1 == self.sources.len();
            let count = if last {
                windows - drawn.len()
            } else {
                (windows as f32 * share(*source) / whole).round() as usize
            };
            let first = drawn.len();
            for _ in 0..count {
                let clip = groups.choose(random).and_then(|group| group.choose(random));
                drawn.extend(clip.map(|clip| draw_window(clip, frames, self.left_out, random)));
            }
            if !self.left_out.contains(&Augmentation::Mixup) {
                mix(&mut drawn[first..], random);
            }
        }
        batch(&drawn, frames)
    }
}

fn draw_window(
    clip: &Clip,
    frames: usize,
    left_out: &[Augmentation],
    random: &mut StdRng,
) -> Window {
    // All is drawn whatever is left out, so that runs with and without differ in nothing else.
    let does = |augmentation| !left_out.contains(&augmentation);
    let stretch = random.random_range(0.85..1.18_f32);
    let stretch = if does(Augmentation::Stretch) { stretch } else { 1.0 };
    let stretch = stretch * STRIDE as f32 / clip.stride as f32;
    let length = (frames as f32 * stretch).ceil() as usize + 1;
    let first = random.random_range(0..=clip.columns.len().saturating_sub(length)) as f32
        + random.random_range(0.0..1.0);
    let shift = random.random_range(-3.0..3.0_f32);
    let shift = if does(Augmentation::Shift) { shift } else { 0.0 };
    let colour = colour(random);
    let colour = if does(Augmentation::Colour) { colour } else { [0.0; BANDS] };
    let mut mel = vec![0.0; BANDS * frames];
    for frame in 0..frames {
        // Clips shorter than the window start again.
        let column =
            &clip.columns[(first + frame as f32 * stretch) as usize % clip.columns.len().max(1)];
        for band in 0..BANDS {
            let place = (band as f32 + shift).clamp(0.0, (BANDS - 1) as f32);
            let under = place as usize;
            let (low, high) =
                (Clip::decibels(column[under]), Clip::decibels(column[(under + 1).min(BANDS - 1)]));
            mel[band * frames + frame] = low + (high - low) * place.fract() + colour[band];
        }
    }
    if does(Augmentation::Mask) {
        mask(&mut mel, frames, random);
    }

    let mut window = Window {
        mel,
        genres: [0.0; GENRES.len()],
        genre_weight: 0.0,
        hidden: [0.0; GENRES.len()],
        fma: [0.0; FMA_GENRES.len()],
        fma_weight: 0.0,
    };
    if let Some(genre) = clip.genre {
        window.genre_weight = if clip.source == Source::Fma { 0.5 } else { 1.0 };
        for name in hidden(clip.source, &clip.word) {
            if let Some(place) = GENRES.iter().position(|genre| genre == name) {
                window.hidden[place] = -1e4;
            }
        }
        let open = window.hidden.iter().filter(|&&bias| bias == 0.0).count() as f32;
        for (target, bias) in window.genres.iter_mut().zip(window.hidden) {
            *target = if bias == 0.0 { SMOOTHING / open } else { 0.0 };
        }
        window.genres[genre] += 1.0 - SMOOTHING;
    }
    if let Some(genre) = clip.fma {
        window.fma_weight = 1.0;
        window.fma = [SMOOTHING / FMA_GENRES.len() as f32; FMA_GENRES.len()];
        window.fma[genre] += 1.0 - SMOOTHING;
    }
    window
}

/// A smooth random equaliser, dB for each band: a tilt and three bumps.
pub fn colour(random: &mut StdRng) -> [f32; BANDS] {
    let tilt = random.random_range(-7.0..7.0_f32);
    let bumps: [(f32, f32, f32); 3] = std::array::from_fn(|_| {
        (
            random.random_range(-7.0..7.0),
            random.random_range(0.0..BANDS as f32),
            random.random_range(6.0..32.0),
        )
    });
    std::array::from_fn(|band| {
        let place = band as f32;
        let slope = tilt * (place / (BANDS - 1) as f32 - 0.5) * 2.0;
        slope
            + bumps
                .iter()
                .map(|(height, centre, width)| height * (-((place - centre) / width).powi(2)).exp())
                .sum::<f32>()
    })
}

/// Sets random bands and frames to the window's mean (SpecAugment; D. Park and others 2019), and
/// now and then all bands above a limit to the floor, as narrow recordings have it.
fn mask(mel: &mut [f32], frames: usize, random: &mut StdRng) {
    let mean = mel.iter().sum::<f32>() / mel.len().max(1) as f32;
    for _ in 0..2 {
        let width = random.random_range(0..14_usize);
        let first = random.random_range(0..BANDS - width);
        mel[first * frames..(first + width) * frames].fill(mean);
    }
    let width = random.random_range(0..=frames / 6);
    let first = random.random_range(0..=frames - width);
    for band in mel.chunks_mut(frames) {
        band[first..first + width].fill(mean);
    }
    if random.random_bool(0.15) {
        let limit = random.random_range(90..BANDS);
        mel[limit * frames..].fill(-120.0);
    }
}

/// Mixes half of the windows with others of their source (H. Zhang and others 2018).
fn mix(windows: &mut [Window], random: &mut StdRng) {
    for first in 0..windows.len() / 2 {
        let Ok([a, b]) = windows
            .get_disjoint_mut([first, random.random_range(windows.len() / 2..windows.len())])
        else {
            continue;
        };
        // Uniform in 0.5…1: the first window stays the stronger.
        let keep = random.random_range(0.5..1.0_f32);
        let blend = |a: &mut [f32], b: &[f32], a_weight: f32, b_weight: f32| {
            for (a, b) in a.iter_mut().zip(b) {
                *a = a_weight * *a + b_weight * b;
            }
        };
        blend(&mut a.mel, &b.mel, keep, 1.0 - keep);
        blend(&mut a.fma, &b.fma, keep, 1.0 - keep);
        // A window without one of our genres only takes weight away.
        let (own, other) = (keep * a.genre_weight, (1.0 - keep) * b.genre_weight);
        let sum = own + other;
        if sum > 0.0 {
            blend(&mut a.genres, &b.genres, own / sum, other / sum);
        }
        a.genre_weight = sum;
        for (place, (a_bias, b_bias)) in a.hidden.iter_mut().zip(b.hidden).enumerate() {
            // What one label hides and the other names stays in.
            *a_bias = if a.genres[place] > SMOOTHING { 0.0 } else { a_bias.min(b_bias) };
            if *a_bias < 0.0 {
                a.genres[place] = 0.0;
            }
        }
    }
}

fn batch(windows: &[Window], frames: usize) -> anyhow::Result<Batch> {
    let count = windows.len();
    let input: Vec<f32> = windows.iter().flat_map(|w| window::input(&w.mel, frames)).collect();
    let flat = |width: usize, row: &dyn Fn(&Window) -> Vec<f32>| {
        Tensor::from_vec(
            windows.iter().flat_map(row).collect::<Vec<f32>>(),
            (count, width),
            &Device::Cpu,
        )
    };
    Ok(Batch {
        input: Tensor::from_vec(input, (count, 2, BANDS, frames), &Device::Cpu)?,
        genres: flat(GENRES.len(), &|w| w.genres.to_vec())?,
        genre_weights: flat(1, &|w| vec![w.genre_weight])?.squeeze(1)?,
        hidden: flat(GENRES.len(), &|w| w.hidden.to_vec())?,
        fma: flat(FMA_GENRES.len(), &|w| w.fma.to_vec())?,
        fma_weights: flat(1, &|w| vec![w.fma_weight])?.squeeze(1)?,
    })
}
