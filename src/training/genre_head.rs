//! Worker: the linear model at the network's end, fitted to what the network hears in labelled clips.

use candle_core::{D, DType, Device, Tensor, Var};
use candle_nn::optim::{AdamW, Optimizer, ParamsAdamW};
use earworm_genre::{ANSWERS, FEATURES, FRAME_FEATURES, Head};

use crate::genre_clips::{Clip, Features};

/// Steps of the descent, over all clips at once, and its first rate.
const STEPS: usize = 300;
const RATE: f64 = 0.02;
/// How much a clip's whole counts, and its beginnings together.
const WHOLE: f32 = 0.7;

/// What a fit may be told.
#[derive(Clone, Copy, Debug)]
pub struct Pull {
    /// Pull of the weights towards zero.
    pub decay: f64,
    /// How much a genre with more clips counts for less: 0 not at all, 1 so that all count alike.
    pub evenness: f32,
}

/// One clip to fit to: what it is, what it doesn't speak against, and what was heard in it.
pub struct Example<'a> {
    /// Its place among the answers.
    pub answer: usize,
    /// See [`Clip::may_hold`].
    pub open: Vec<usize>,
    /// What was heard.
    pub features: &'a Features,
}

impl<'a> Example<'a> {
    /// A labelled clip.
    pub fn of(clip: &Clip, features: &'a Features) -> Self {
        Self { answer: clip.genre, open: clip.may_hold().collect(), features }
    }
}

/// Each feature's factor: of the maxima, the means and the back end's features, none should count for more only because they
/// are many.
fn factor(feature: usize) -> f32 {
    let width =
        if feature < 2 * FRAME_FEATURES { FRAME_FEATURES } else { FEATURES - 2 * FRAME_FEATURES };
    10.0 / (3.0 * width as f32).sqrt()
}

/// The head under which the examples' answers are likeliest, less the pull towards zero: multinomial logistic regression.
pub fn fit(examples: &[Example], pull: Pull) -> anyhow::Result<Head> {
    let device = Device::Cpu;
    let mut counts = [0_usize; ANSWERS];
    examples.iter().for_each(|example| counts[example.answer] += 1);
    let wholes: Vec<&Vec<f32>> =
        examples.iter().flat_map(|example| &example.features.whole).collect();
    let (mean, deviation) = statistics(&wholes);
    let mut head = Head {
        mean,
        deviation,
        weight: vec![0.0; ANSWERS * FEATURES],
        bias: vec![0.0; ANSWERS],
        temperature: 1.0,
    };
    let (mut inputs, mut targets, mut open, mut weights) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for example in examples {
        let features = example.features;
        let share = |rows: usize, of: f32| of / rows.max(1) as f32;
        let whole = if features.beginnings.is_empty() { 1.0 } else { WHOLE };
        let rows =
            features.whole.iter().map(|row| (row, share(features.whole.len(), whole))).chain(
                features
                    .beginnings
                    .iter()
                    .map(|row| (row, share(features.beginnings.len(), 1.0 - whole))),
            );
        for (row, share) in rows {
            let row = head.standardised(row);
            inputs.extend(row.iter().enumerate().map(|(place, value)| value * factor(place)));
            let place = targets.len();
            targets.resize(place + ANSWERS, 0.0_f32);
            targets[place + example.answer] = 1.0;
            open.resize(place + ANSWERS, 0.0_f32);
            for answer in 0..ANSWERS {
                if counts[answer] == 0 || example.open.contains(&answer) {
                    open[place + answer] = -1e4;
                }
            }
            weights.push(share * (counts[example.answer] as f32).powf(-pull.evenness));
        }
    }
    let rows = weights.len();
    let sum: f32 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    let inputs = Tensor::from_vec(inputs, (rows, FEATURES), &device)?;
    let targets = Tensor::from_vec(targets, (rows, ANSWERS), &device)?;
    let open = Tensor::from_vec(open, (rows, ANSWERS), &device)?;
    let weights = Tensor::from_vec(weights, (rows, 1), &device)?;
    let model = Var::zeros((ANSWERS, FEATURES), DType::F32, &device)?;
    let bias = Var::zeros(ANSWERS, DType::F32, &device)?;
    // Adam (D. Kingma, J. Ba 2015): the pull is part of the loss, as the weights are to stand still where both balance.
    let parameters = ParamsAdamW { beta2: 0.99, weight_decay: 0.0, ..ParamsAdamW::default() };
    let mut optimizer = AdamW::new(vec![model.clone(), bias.clone()], parameters)?;
    for step in 1..=STEPS {
        // The rate falls to nothing along a cosine.
        let fall = 0.5 + 0.5 * (step as f64 / STEPS as f64 * std::f64::consts::PI).cos();
        optimizer.set_learning_rate(RATE * fall);
        let logits = (inputs.matmul(&model.t()?)?.broadcast_add(&bias)? + &open)?;
        let likely = candle_nn::ops::log_softmax(&logits, D::Minus1)?;
        let loss = (likely * &targets)?.broadcast_mul(&weights)?.sum_all()?.neg()?;
        let weight = (model.sqr()?.sum_all()? * (pull.decay / 2.0))?;
        optimizer.backward_step(&(loss + weight)?)?;
    }
    let values = model.flatten_all()?.to_vec1::<f32>()?;
    for (weights, values) in head.weight.chunks_mut(FEATURES).zip(values.chunks(FEATURES)) {
        for (place, (weight, value)) in weights.iter_mut().zip(values).enumerate() {
            *weight = value * factor(place);
        }
    }
    head.bias = bias.to_vec1()?;
    // What has no example is never the answer.
    for (bias, &count) in head.bias.iter_mut().zip(&counts) {
        if count == 0 {
            *bias = -1e4;
        }
    }
    Ok(head)
}

/// Mean and deviation of each feature.
fn statistics(rows: &[&Vec<f32>]) -> (Vec<f32>, Vec<f32>) {
    let count = rows.len().max(1) as f32;
    let mut mean = vec![0.0_f32; FEATURES];
    for row in rows {
        mean.iter_mut().zip(*row).for_each(|(mean, value)| *mean += value / count);
    }
    let mut variance = vec![0.0_f32; FEATURES];
    for row in rows {
        for ((variance, value), mean) in variance.iter_mut().zip(*row).zip(&mean) {
            *variance += (value - mean).powi(2) / count;
        }
    }
    (mean, variance.into_iter().map(|variance| variance.sqrt().max(1e-2)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(place: usize, strength: f32, number: usize) -> Features {
        let mut row: Vec<f32> =
            (0..FEATURES).map(|n| ((n * 7 + number * 13) % 11) as f32 * 0.1).collect();
        row[place] += strength;
        Features { whole: vec![row], beginnings: Vec::new() }
    }

    #[test]
    fn what_sets_clips_apart_names_them_and_what_had_no_clip_is_never_named() {
        let clips: Vec<(usize, Features)> =
            (0..20).flat_map(|n| [(0, heard(3, 5.0, n)), (5, heard(900, 5.0, n))]).collect();
        let examples: Vec<Example> = clips
            .iter()
            .map(|(answer, features)| Example { answer: *answer, open: Vec::new(), features })
            .collect();
        let head = fit(&examples, Pull { decay: 0.003, evenness: 0.5 }).unwrap();
        for (answer, place) in [(0, 3), (5, 900)] {
            let told = head.probabilities(&heard(place, 5.0, 99).whole[0]);
            assert!(told[answer] > 0.8, "{told:?}");
            assert!(told[7] < 1e-6);
        }
    }
}
