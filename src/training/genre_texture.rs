//! Worker: fits the linear model of windows' texture.
//!
//! It has nothing in common with the convolutions but the clips, so it is fitted by itself, before they are trained:
//! what they learn by heart would leave it nothing to learn.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW};
use earworm_genre::texture::{FEATURES, Spacing, features, standardised};
use earworm_genre::{GENRES, STRIDE};
use earworm_spectrum::BANDS;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rayon::prelude::*;

use crate::genre_clips::{Clip, Source};
use crate::genre_windows::{Augmentation, colour, hidden};
use crate::train_genre::cross_entropy;

/// Lengths of the windows drawn of each clip, frames of 232 ms; one of the first only where columns are sparse, of which
/// there are many clips.
const LENGTHS: [usize; 6] = [43, 20, 43, 64, 86, 86];
/// How much Emotify's windows count beside GTZAN's: they are but four broad genres.
const EMOTIFY_SHARE: f32 = 0.25;
/// Pull of the weights towards zero: of windows with every column, whose clips are few, and of sparse ones.
const DECAY: (f64, f64) = (0.06, 0.01);
/// Steps of gradient descent with momentum, as many as it takes for the loss to stand still.
const STEPS: usize = 600;
const RATE: f64 = 0.02;

/// The model: statistics of the features, and weights [genres, features].
pub struct Texture {
    pub mean: Vec<f32>,
    pub deviation: Vec<f32>,
    pub weight: Vec<f32>,
}

/// One window: its features, its clip's genre, and those that may hide behind the label.
struct Sample {
    features: Vec<f32>,
    genre: usize,
    hidden: Vec<usize>,
    source: Source,
    sparse: bool,
}

/// Fits the model on windows drawn from `clips`; `seed` fixes them.
pub fn fit(clips: &[Clip], left_out: &[Augmentation], seed: u64) -> anyhow::Result<Texture> {
    let samples: Vec<Sample> = clips
        .par_iter()
        .enumerate()
        .filter_map(|(place, clip)| Some((place, clip, clip.genre?)))
        .flat_map_iter(|(place, clip, genre)| {
            let mut random = StdRng::seed_from_u64(seed.wrapping_mul(1_000_003) ^ place as u64);
            let lengths = if clip.is_sparse() { &LENGTHS[..1] } else { &LENGTHS[..] };
            let coloured = !left_out.contains(&Augmentation::Colour);
            lengths
                .iter()
                .map(|&frames| sample(clip, genre, frames, coloured, &mut random))
                .collect::<Vec<_>>()
        })
        .collect();
    let (mean, deviation) = statistics(&samples);
    let mut weight = vec![0.0; GENRES.len() * FEATURES];
    for sparse in [false, true] {
        let part: Vec<&Sample> = samples.iter().filter(|sample| sample.sparse == sparse).collect();
        if part.is_empty() {
            continue;
        }
        // Windows of either kind know other features, so that the two parts of the weights don't meet.
        let decay = if sparse { DECAY.1 } else { DECAY.0 };
        let fitted = descend(&part, &mean, &deviation, decay)?;
        weight.iter_mut().zip(fitted).for_each(|(sum, value)| *sum += value);
    }
    Ok(Texture { mean, deviation, weight })
}

fn sample(clip: &Clip, genre: usize, frames: usize, coloured: bool, random: &mut StdRng) -> Sample {
    let (spacing, length) = if clip.is_sparse() {
        (Spacing::Sparse, frames)
    } else {
        (Spacing::Every, frames * STRIDE)
    };
    let length = length.min(clip.columns.len());
    let first = random.random_range(0..=clip.columns.len() - length);
    let colour = if coloured { colour(random) } else { [0.0; BANDS] };
    let mut mel = vec![0.0; BANDS * length];
    for (place, column) in clip.columns[first..first + length].iter().enumerate() {
        for (band, &value) in column.iter().enumerate() {
            mel[band * length + place] = Clip::decibels(value) + colour[band];
        }
    }
    let behind = hidden(clip.source, &clip.word);
    Sample {
        features: features(&mel, length, spacing),
        genre,
        hidden: (0..GENRES.len()).filter(|&genre| behind.contains(&GENRES[genre])).collect(),
        source: clip.source,
        sparse: clip.is_sparse(),
    }
}

/// Mean and deviation of each feature over the windows that know it.
fn statistics(samples: &[Sample]) -> (Vec<f32>, Vec<f32>) {
    let of = |feature: usize| {
        let known = || samples.iter().map(|s| s.features[feature]).filter(|value| !value.is_nan());
        let count = known().count().max(1) as f32;
        let mean = known().sum::<f32>() / count;
        let variance = known().map(|value| (value - mean).powi(2)).sum::<f32>() / count;
        (mean, variance.sqrt().max(1e-3))
    };
    (0..FEATURES).map(of).unzip()
}

/// The weights under which the windows' genres are likeliest, less the pull towards zero: multinomial logistic
/// regression by gradient descent, all windows at once. Genres without a window take no part and keep zeros.
fn descend(
    samples: &[&Sample],
    mean: &[f32],
    deviation: &[f32],
    decay: f64,
) -> anyhow::Result<Vec<f32>> {
    let device = Device::Cpu;
    let (count, genres) = (samples.len(), GENRES.len());
    let mut alike: HashMap<(u8, usize), f32> = HashMap::new();
    for sample in samples {
        *alike.entry((sample.source as u8, sample.genre)).or_default() += 1.0;
    }
    let named: Vec<bool> =
        (0..genres).map(|genre| samples.iter().any(|sample| sample.genre == genre)).collect();
    let (mut inputs, mut targets, mut open, mut weights) =
        (Vec::new(), vec![0.0_f32; count * genres], vec![0.0_f32; count * genres], Vec::new());
    for (place, sample) in samples.iter().enumerate() {
        inputs.extend(standardised(&sample.features, mean, deviation));
        targets[place * genres + sample.genre] = 1.0;
        for genre in 0..genres {
            if !named[genre] || sample.hidden.contains(&genre) {
                open[place * genres + genre] = -1e4;
            }
        }
        // The genres of a source count alike, however many windows each has.
        let share = if sample.source == Source::Emotify { EMOTIFY_SHARE } else { 1.0 };
        let kinds = alike.keys().filter(|(source, _)| *source == sample.source as u8).count();
        weights.push(share / (alike[&(sample.source as u8, sample.genre)] * kinds as f32));
    }
    let inputs = Tensor::from_vec(inputs, (count, FEATURES), &device)?;
    let targets = Tensor::from_vec(targets, (count, genres), &device)?;
    let open = Tensor::from_vec(open, (count, genres), &device)?;
    let weights = Tensor::from_vec(weights, count, &device)?;
    let model = Var::zeros((genres, FEATURES), DType::F32, &device)?;
    // Adam (D. Kingma, J. Ba 2015): the pull is part of the loss, as the weights are to stand still where both balance.
    let parameters = ParamsAdamW { beta2: 0.99, weight_decay: 0.0, ..ParamsAdamW::default() };
    let mut optimizer = AdamW::new(vec![model.clone()], parameters)?;
    for step in 1..=STEPS {
        // The rate falls to nothing along a cosine.
        let fall = 0.5 + 0.5 * (step as f64 / STEPS as f64 * std::f64::consts::PI).cos();
        optimizer.set_learning_rate(RATE * fall);
        let logits = (inputs.matmul(&model.t()?)? + &open)?;
        let pull = (model.sqr()?.sum_all()? * (decay / 2.0))?;
        optimizer.backward_step(&(cross_entropy(&logits, &targets, &weights)? + pull)?)?;
    }
    Ok(model.flatten_all()?.to_vec1()?)
}

#[cfg(test)]
mod tests {
    use earworm_spectrum::COLUMN_SECONDS;

    use super::*;

    /// A clip of noise whose bands beat `hertz` times a second, or where `sparse` don't, but are as much noisier.
    fn clip(genre: usize, hertz: f64, sparse: bool, source: Source, number: usize) -> Clip {
        let noise = if sparse { 9.0 * hertz } else { 9.0 };
        let mut random = StdRng::seed_from_u64(number as u64);
        let columns = (0..300)
            .map(|column| {
                std::array::from_fn(|_| {
                    let beat =
                        (std::f64::consts::TAU * hertz * column as f64 * COLUMN_SECONDS).sin();
                    let level = if sparse { 120.0 } else { 120.0 + beat * 40.0 };
                    (level + random.random_range(-noise..noise)) as u8
                })
            })
            .collect();
        Clip {
            name: number.to_string(),
            word: GENRES[genre].to_string(),
            genre: Some(genre),
            fma: None,
            group: number.to_string(),
            source,
            columns,
            stride: if sparse { 3 } else { 1 },
        }
    }

    #[test]
    fn genres_are_told_by_what_moves_and_one_without_a_window_of_a_kind_keeps_zeros_there() {
        let mut clips = Vec::new();
        for number in 0..8 {
            clips.push(clip(0, 0.7, false, Source::Gtzan, number));
            clips.push(clip(3, 3.0, false, Source::Gtzan, 100 + number));
            clips.push(clip(4, 0.5, true, Source::Fma, 200 + number));
            clips.push(clip(11, 2.5, true, Source::Fma, 300 + number));
        }
        let texture = fit(&clips, &[], 1).unwrap();
        let named = |clip: &Clip| {
            let mut random = StdRng::seed_from_u64(9);
            let sample = sample(clip, 0, 43, true, &mut random);
            let input = standardised(&sample.features, &texture.mean, &texture.deviation);
            let scores: Vec<f32> = texture
                .weight
                .chunks(FEATURES)
                .map(|row| row.iter().zip(&input).map(|(weight, value)| weight * value).sum())
                .collect();
            (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap()
        };
        for (genre, hertz, sparse, source) in [
            (0, 0.7, false, Source::Gtzan),
            (3, 3.0, false, Source::Gtzan),
            (4, 0.5, true, Source::Fma),
            (11, 2.5, true, Source::Fma),
        ] {
            assert_eq!(named(&clip(genre, hertz, sparse, source, 999)), genre);
        }
        // Folk has sparse clips alone here: windows with every column say nothing for or against it.
        let folk = &texture.weight[11 * FEATURES..];
        let known: Vec<bool> = features(&[-20.0; BANDS * 60], 60, Spacing::Every)
            .iter()
            .map(|v| !v.is_nan())
            .collect();
        assert!(folk.iter().zip(&known).all(|(weight, known)| !known || *weight == 0.0));
        assert!(folk.iter().any(|weight| *weight != 0.0));
    }
}
