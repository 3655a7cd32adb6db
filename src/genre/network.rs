//! Worker: the genre network: musicnn's front, middle and back end, and a linear head of ours.
//!
//! J. Pons and X. Serra's musicnn (2019), as trained on the tags of 200,000 songs, is taken as it is: filters as tall as many
//! bands for timbre, filters as long as two seconds in one band for movement, each with its strongest place along the bands;
//! three convolutions over time on top; and a layer over both means and maxima of these. The head tells genres by what that hears.

use std::sync::{Arc, OnceLock};

use candle_core::{DType, Device};
use candle_nn::VarBuilder;
use earworm_spectrum::FINE_BANDS;

use super::product::{Matrix, product};
use super::{ANSWERS, GenreError};

/// Frames that a timbral filter and a convolution of the middle end reach over.
pub(super) const TIMBRAL_FRAMES: usize = 7;
/// Bands that each kind of timbral filter reaches over.
pub(super) const TIMBRAL_BANDS: [usize; 2] = [38, 67];
/// Filters of each such kind.
pub(super) const TIMBRAL: usize = 204;
/// Frames that each kind of temporal filter reaches over.
pub(super) const TEMPORAL_FRAMES: [usize; 3] = [128, 64, 32];
/// Filters of each such kind.
pub(super) const TEMPORAL: usize = 51;
/// Features of a frame from the front end, and from each layer of the middle end.
pub(super) const FRONT: usize = 2 * TIMBRAL + 3 * TEMPORAL;
pub(super) const MIDDLE: usize = 64;
/// Features of a frame in all.
pub const FRAME_FEATURES: usize = FRONT + 3 * MIDDLE;
/// Features of the back end.
const BACK: usize = 200;
/// What the head goes by: of each frame feature the maximum over some seconds and the mean, and the back end's features.
pub const FEATURES: usize = 2 * FRAME_FEATURES + BACK;
/// Further out than this, in deviations from the mean, a feature says no more.
const FURTHEST: f32 = 5.0;

/// A linear map, a rectifier, and a scale and shift of each output.
pub(super) struct Layer {
    /// [outputs, inputs]
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
    pub scale: Vec<f32>,
    pub shift: Vec<f32>,
    pub outputs: usize,
    pub inputs: usize,
}

impl Layer {
    fn load(
        name: &str,
        outputs: usize,
        inputs: usize,
        paths: &VarBuilder,
    ) -> candle_core::Result<Self> {
        let paths = paths.pp(name);
        let each = |name: &str| paths.get(outputs, name)?.to_vec1::<f32>();
        Ok(Self {
            weight: paths.get((outputs, inputs), "weight")?.flatten_all()?.to_vec1()?,
            bias: each("bias")?,
            scale: each("scale")?,
            shift: each("shift")?,
            outputs,
            inputs,
        })
    }

    /// What becomes of the linear map's output `value`.
    pub fn finish(&self, output: usize, value: f32) -> f32 {
        (value + self.bias[output]).max(0.0) * self.scale[output] + self.shift[output]
    }

    /// Whether a greater value of the linear map gives a greater output.
    pub fn rises(&self, output: usize) -> bool {
        self.scale[output] >= 0.0
    }

    /// Rows of inputs → rows of outputs. The rows of `inputs` lie `stride` apart and may overlap.
    pub fn apply(&self, inputs: &[f32], stride: usize, rows: usize) -> Vec<f32> {
        let mut out = vec![0.0; rows * self.outputs];
        product(
            (rows, self.inputs, self.outputs),
            Matrix::new(inputs, stride),
            Matrix::new(&self.weight, self.inputs).transposed(),
            &mut out,
        );
        for row in out.chunks_mut(self.outputs) {
            for (output, value) in row.iter_mut().enumerate() {
                *value = self.finish(output, *value);
            }
        }
        out
    }
}

/// The linear model at the end.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// Mean and deviation of each of [`FEATURES`] over training clips.
    pub mean: Vec<f32>,
    /// See `mean`.
    pub deviation: Vec<f32>,
    /// [[`ANSWERS`], [`FEATURES`]]
    pub weight: Vec<f32>,
    /// One for each of [`ANSWERS`].
    pub bias: Vec<f32>,
    /// Scores are divided by it before the softmax (C. Guo, G. Pleiss, Y. Sun, K. Weinberger 2017).
    pub temperature: f32,
}

impl Head {
    /// Features as the linear model takes them.
    pub fn standardised(&self, features: &[f32]) -> Vec<f32> {
        let statistics = self.mean.iter().zip(&self.deviation);
        features
            .iter()
            .zip(statistics)
            .map(|(value, (mean, deviation))| {
                ((value - mean) / deviation).clamp(-FURTHEST, FURTHEST)
            })
            .collect()
    }

    /// Probabilities of [`ANSWERS`].
    pub fn probabilities(&self, features: &[f32]) -> [f32; ANSWERS] {
        let input = self.standardised(features);
        let mut scores = [0.0; ANSWERS];
        for ((score, row), bias) in
            scores.iter_mut().zip(self.weight.chunks(FEATURES)).zip(&self.bias)
        {
            let sum: f32 = row.iter().zip(&input).map(|(weight, value)| weight * value).sum();
            *score = (sum + bias) / self.temperature;
        }
        let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let powers = scores.map(|score| (score - most).exp());
        let sum: f32 = powers.iter().sum();
        powers.map(|power| power / sum)
    }
}

/// The network's weights.
pub struct Network {
    /// Scale and shift of what goes in.
    pub(super) input: (f32, f32),
    pub(super) timbral: [Layer; 2],
    pub(super) temporal: [Layer; 3],
    pub(super) middle: [Layer; 3],
    pub(super) back: Layer,
    head: Head,
    /// Of each front feature, which band over the place where it is strongest it goes by most.
    pub(super) heights: Vec<usize>,
}

impl Network {
    /// The network that ships with Earworm; read once a process, so call it from a worker.
    pub fn embedded() -> Result<Arc<Self>, GenreError> {
        static NETWORK: OnceLock<Arc<Network>> = OnceLock::new();
        if let Some(network) = NETWORK.get() {
            return Ok(network.clone());
        }
        let network =
            Arc::new(Self::from_safetensors(include_bytes!("../../models/genre.safetensors"))?);
        Ok(NETWORK.get_or_init(|| network).clone())
    }

    /// The network in the bytes of a safetensors file (f32 or f16).
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, GenreError> {
        let tensors = safetensors::SafeTensors::deserialize(bytes)
            .map_err(|error| GenreError::Weights(error.to_string()))?;
        if tensors.tensor("block0.convolution.weight").is_ok() {
            return Err(GenreError::Earlier);
        }
        let paths = VarBuilder::from_slice_safetensors(bytes, DType::F32, &Device::Cpu)
            .map_err(|error| GenreError::Weights(error.to_string()))?;
        Self::load(&paths).map_err(|error| GenreError::Weights(error.to_string()))
    }

    fn load(paths: &VarBuilder) -> candle_core::Result<Self> {
        let timbral = |kind: usize| {
            let reach = TIMBRAL_FRAMES * TIMBRAL_BANDS[kind];
            Layer::load(&format!("timbral{kind}"), TIMBRAL, reach, paths)
        };
        let temporal = |kind: usize| {
            Layer::load(&format!("temporal{kind}"), TEMPORAL, TEMPORAL_FRAMES[kind], paths)
        };
        let middle = |layer: usize| {
            let inputs = if layer == 0 { FRONT } else { MIDDLE };
            Layer::load(&format!("middle{layer}"), MIDDLE, TIMBRAL_FRAMES * inputs, paths)
        };
        let one = |name: &str| -> candle_core::Result<f32> {
            Ok(paths.get(1, name)?.to_vec1::<f32>()?.first().copied().unwrap_or(1.0))
        };
        let timbral = [timbral(0)?, timbral(1)?];
        let heights = timbral
            .iter()
            .zip(TIMBRAL_BANDS)
            .flat_map(|(layer, bands)| {
                layer.weight.chunks(layer.inputs).map(move |w| height(w, bands))
            })
            .chain(std::iter::repeat_n(0, 3 * TEMPORAL))
            .collect();
        Ok(Self {
            input: (one("input.scale")?, one("input.shift")?),
            timbral,
            temporal: [temporal(0)?, temporal(1)?, temporal(2)?],
            middle: [middle(0)?, middle(1)?, middle(2)?],
            back: Layer::load("back", BACK, 2 * FRAME_FEATURES, paths)?,
            head: Head {
                mean: paths.get(FEATURES, "head.mean")?.to_vec1()?,
                deviation: paths.get(FEATURES, "head.deviation")?.to_vec1()?,
                weight: paths.get((ANSWERS, FEATURES), "head.weight")?.flatten_all()?.to_vec1()?,
                bias: paths.get(ANSWERS, "head.bias")?.to_vec1()?,
                temperature: one("head.temperature")?,
            },
            heights,
        })
    }

    /// The linear model at the end.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The same network with another head.
    pub fn with_head(mut self, head: Head) -> Self {
        self.head = head;
        self
    }

    /// Whether every number that it calculates with is one.
    pub fn is_finite(&self) -> bool {
        let layers = self.timbral.iter().chain(&self.temporal).chain(&self.middle);
        let parts = layers
            .chain([&self.back])
            .flat_map(|layer| [&layer.weight, &layer.bias, &layer.scale, &layer.shift])
            .chain([&self.head.mean, &self.head.deviation, &self.head.weight, &self.head.bias]);
        let (scale, shift) = self.input;
        parts.flatten().all(|value| value.is_finite())
            && self.head.deviation.iter().all(|&deviation| deviation > 0.0)
            && self.head.temperature.is_finite()
            && self.head.temperature > 0.0
            && scale.is_finite()
            && shift.is_finite()
    }

    /// How much an answer's score grows with the mean of each front feature, as far as head and back end tell: the middle
    /// end mixes times and bands and is left out. `pooled` are a window's features.
    pub(super) fn gradient(&self, answer: usize, pooled: &[f32]) -> Vec<f32> {
        let row = &self.head.weight[answer * FEATURES..][..FEATURES];
        let slope = |place: usize| row[place] / self.head.deviation[place];
        let (means, back) = (FRAME_FEATURES, 2 * FRAME_FEATURES);
        let mut gradient: Vec<f32> = (0..FRONT).map(|front| slope(means + front)).collect();
        let sums = |output: usize| -> f32 {
            let weights = &self.back.weight[output * self.back.inputs..][..self.back.inputs];
            weights.iter().zip(pooled).map(|(weight, value)| weight * value).sum()
        };
        for output in 0..BACK {
            if sums(output) + self.back.bias[output] > 0.0 {
                let slope = slope(back + output) * self.back.scale[output];
                let weights = &self.back.weight[output * self.back.inputs + means..][..FRONT];
                for (gradient, weight) in gradient.iter_mut().zip(weights) {
                    *gradient += slope * weight;
                }
            }
        }
        gradient
    }
}

/// The band within a timbral filter that has most of its weights' power.
fn height(weights: &[f32], bands: usize) -> usize {
    let power = |band: usize| -> f32 {
        weights.iter().skip(band).step_by(bands).map(|weight| weight * weight).sum()
    };
    (0..bands).max_by(|&a, &b| power(a).total_cmp(&power(b))).unwrap_or(0)
}

// A frame's bands are what the filters' places are counted in.
const _: () = assert!(TIMBRAL_BANDS[1] <= FINE_BANDS);
