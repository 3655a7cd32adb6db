//! Worker: the genre network, one definition for training and inference.

use std::sync::{Arc, OnceLock};

use candle_core::{D, DType, Device, Result, Tensor, Var};
use candle_nn::{Init, VarBuilder};

use super::convolution::convolve;
use super::inference::{Kernels, convolve_and_pool};
use super::normalisation::Normalisation;
use super::texture::{FEATURES, standardised};
use super::{GENRES, GenreError};
use earworm_spectrum::BANDS;

/// Every `STRIDE`-th column of the front end is heard: one each 232 ms.
pub const STRIDE: usize = 3;

/// Pooling (bands, frames) after each block.
const POOLS: [(usize, usize); 4] = [(2, 1), (2, 2), (2, 2), (2, 1)];
/// Bands left after all blocks; they are kept apart to the end.
pub const MAP_BANDS: usize = BANDS / 16;
/// Frames that become one column of the last feature map.
pub const MAP_FRAMES: usize = 4;

/// The network's sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Channels after each block.
    pub channels: [usize; 4],
    /// Features at each point in time.
    pub hidden: usize,
    /// Whether each block adds its input to its output (a residual network) or not.
    pub residual: bool,
}

impl Config {
    /// The custom CNN, as shipped.
    pub const CUSTOM: Self = Self { channels: [16, 32, 64, 128], hidden: 160, residual: false };
    /// A small ResNet, to compare with.
    pub const RESNET: Self = Self { channels: [16, 32, 48, 96], hidden: 160, residual: true };

    /// The configuration that weights were trained with, by the shapes of their tensors.
    fn of(tensors: &safetensors::SafeTensors) -> Option<Self> {
        let outputs = |name: &str| tensors.tensor(name).ok()?.shape().first().copied();
        let mut channels = [0; 4];
        for (block, channels) in channels.iter_mut().enumerate() {
            *channels = outputs(&format!("block{block}.convolution.weight"))?;
        }
        outputs("texture.weight")?;
        let residual = tensors.tensor("block0.second.weight").is_ok();
        Some(Self { channels, hidden: outputs("time.convolution.weight")?, residual })
    }
}

/// Convolution, normalisation, rectifier, pooling; in a residual network, a second convolution
/// and a way past both.
#[derive(Clone)]
struct Block {
    convolution: Kernels,
    norm: Normalisation,
    residual: Option<(Tensor, Normalisation, Tensor)>,
}

impl Block {
    fn new(
        inputs: usize,
        outputs: usize,
        pool: (usize, usize),
        residual: bool,
        paths: VarBuilder,
    ) -> Result<Self> {
        let first_pool = if residual { (1, 1) } else { pool };
        let residual = if residual {
            Some((
                kernel(outputs, outputs, 3, paths.pp("second"))?,
                Normalisation::new(outputs, pool, paths.pp("second_norm"))?,
                kernel(inputs, outputs, 1, paths.pp("past"))?,
            ))
        } else {
            None
        };
        Ok(Self {
            convolution: kernel(inputs, outputs, 3, paths.pp("convolution"))?.into(),
            norm: Normalisation::new(outputs, first_pool, paths.pp("norm"))?,
            residual,
        })
    }

    /// [batch, inputs, bands, frames] → [batch, outputs, bands / pool, frames / pool].
    fn forward(&self, x: &Tensor, training: bool) -> Result<Tensor> {
        if !training && self.residual.is_none() {
            return convolve_and_pool(x, &self.convolution, &self.norm);
        }
        let y = self.norm.forward(&convolve(x, &self.convolution.weight)?, training)?;
        let Some((second, norm, past)) = &self.residual else {
            return Ok(y);
        };
        norm.forward(&(convolve(&y, second)? + convolve(x, past)?)?, training)
    }
}

/// Weights of a convolution, at first random with the variance that keeps a rectified signal's
/// (K. He, X. Zhang, S. Ren, J. Sun 2015).
fn kernel(inputs: usize, outputs: usize, size: usize, paths: VarBuilder) -> Result<Tensor> {
    let stdev = (2.0 / (inputs * size * size) as f64).sqrt();
    paths.get_with_hints((outputs, inputs, size, size), "weight", Init::Randn { mean: 0.0, stdev })
}

/// A linear model of a window's texture features ([`super::texture`]), beside the convolutions.
#[derive(Clone)]
struct Texture {
    /// Mean and deviation of each feature over training windows.
    mean: Vec<f32>,
    deviation: Vec<f32>,
    /// [genres, features]
    weight: Tensor,
}

impl Texture {
    fn new(paths: VarBuilder) -> Result<Self> {
        let statistic = |name: &str, start: f64| {
            paths.get_with_hints(FEATURES, name, Init::Const(start))?.to_vec1::<f32>()
        };
        Ok(Self {
            mean: statistic("mean", 0.0)?,
            deviation: statistic("deviation", 1.0)?,
            weight: paths.get_with_hints((GENRES.len(), FEATURES), "weight", Init::Const(0.0))?,
        })
    }
}

/// What the network says about windows of one length.
pub struct Output {
    /// Scores before the softmax, those of the convolutions and of the texture together, [batch, genres].
    pub logits: Tensor,
    /// The last feature map, [batch, channels, [`MAP_BANDS`], frames / [`MAP_FRAMES`]].
    pub map: Tensor,
}

/// A small convolutional network from mel frames to genres. A clone shares the weights.
#[derive(Clone)]
pub struct Network {
    config: Config,
    blocks: Vec<Block>,
    time: Kernels,
    time_norm: Normalisation,
    genre_weight: Tensor,
    genre_bias: Tensor,
    texture: Texture,
    /// Logits are divided by it before the softmax (C. Guo, G. Pleiss, Y. Sun, K. Weinberger 2017).
    temperature: f64,
}

impl Network {
    /// The network over the tensors in `paths`: fresh ones of a `VarMap`, or those of a file.
    pub fn new(config: Config, paths: VarBuilder) -> Result<Self> {
        let mut inputs = 2;
        let mut blocks = Vec::new();
        for (index, (outputs, pool)) in config.channels.into_iter().zip(POOLS).enumerate() {
            blocks.push(Block::new(
                inputs,
                outputs,
                pool,
                config.residual,
                paths.pp(format!("block{index}")),
            )?);
            inputs = outputs;
        }
        let features = 3 * config.hidden;
        let stdev = 1.0 / (features as f64).sqrt();
        let temperature =
            paths.get_with_hints(1, "temperature", Init::Const(1.0))?.to_vec1::<f32>()?;
        Ok(Self {
            config,
            blocks,
            time: kernel(inputs * MAP_BANDS, config.hidden, 1, paths.pp("time.convolution"))?
                .into(),
            time_norm: Normalisation::new(config.hidden, (1, 1), paths.pp("time.norm"))?,
            genre_weight: paths.get_with_hints(
                (GENRES.len(), features),
                "genre.weight",
                Init::Randn { mean: 0.0, stdev },
            )?,
            genre_bias: paths.get_with_hints(GENRES.len(), "genre.bias", Init::Const(0.0))?,
            texture: Texture::new(paths.pp("texture"))?,
            temperature: f64::from(temperature.first().copied().unwrap_or(1.0)),
        })
    }

    /// The network that ships with Earworm; read once a process, so call it from a worker.
    pub fn embedded() -> std::result::Result<Arc<Self>, GenreError> {
        static NETWORK: OnceLock<Arc<Network>> = OnceLock::new();
        if let Some(network) = NETWORK.get() {
            return Ok(network.clone());
        }
        let network =
            Arc::new(Self::from_safetensors(include_bytes!("../../models/genre.safetensors"))?);
        Ok(NETWORK.get_or_init(|| network).clone())
    }

    /// The network in the bytes of a safetensors file (f32 or f16), its sizes told by the tensors.
    pub fn from_safetensors(bytes: &[u8]) -> std::result::Result<Self, GenreError> {
        let tensors = safetensors::SafeTensors::deserialize(bytes)
            .map_err(|error| GenreError::Weights(error.to_string()))?;
        let config = Config::of(&tensors).ok_or_else(|| {
            GenreError::Weights("a tensor of the genre network is missing".into())
        })?;
        let paths = VarBuilder::from_slice_safetensors(bytes, DType::F32, &Device::Cpu)
            .map_err(|error| GenreError::Weights(error.to_string()))?;
        Self::new(config, paths).map_err(|error| GenreError::Weights(error.to_string()))
    }

    /// The network's sizes.
    pub fn config(&self) -> Config {
        self.config
    }

    /// What logits are divided by before the softmax.
    pub fn temperature(&self) -> f64 {
        self.temperature
    }

    /// Texture features ([`super::texture::features`]) as [`Self::forward`] takes them.
    pub fn texture_input(&self, features: &[f32]) -> Vec<f32> {
        standardised(features, &self.texture.mean, &self.texture.deviation)
    }

    /// Mel windows [batch, 2, 128, frames] (see [`super::window::input`]) and their texture
    /// [batch, [`FEATURES`]] (see [`Self::texture_input`]) → scores.
    pub fn forward(&self, input: &Tensor, texture: &Tensor) -> Result<Output> {
        let (features, map) = self.heard(input, false)?;
        let logits = (self.scores(&features)? + texture.matmul(&self.texture.weight.t()?)?)?;
        Ok(Output { logits, map })
    }

    /// Mel windows → the features that training scores, [batch, 3 × hidden].
    pub fn features(&self, input: &Tensor) -> Result<Tensor> {
        Ok(self.heard(input, true)?.0)
    }

    /// Mel windows → features over time and the last feature map.
    fn heard(&self, input: &Tensor, training: bool) -> Result<(Tensor, Tensor)> {
        let mut map = input.clone();
        for block in &self.blocks {
            map = block.forward(&map, training)?;
        }
        let features = self.over_time(&map, |flat| {
            if training {
                self.time_norm.forward(&convolve(flat, &self.time.weight)?, true)
            } else {
                convolve_and_pool(flat, &self.time, &self.time_norm)
            }
        })?;
        Ok((features, map))
    }

    /// [batch, channels, map bands, time] → [batch, 3 × hidden].
    fn over_time(
        &self,
        map: &Tensor,
        hidden: impl Fn(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let (batch, channels, bands, time) = map.dims4()?;
        // [batch, channels × bands, 1, time] → [batch, hidden, time]
        let x = hidden(&map.reshape((batch, channels * bands, 1, time))?)?.squeeze(2)?;
        let mean = x.mean_keepdim(D::Minus1)?;
        let variance = x.broadcast_sub(&mean)?.sqr()?.mean(D::Minus1)?;
        let deviation = (variance + 1e-4)?.sqrt()?;
        Tensor::cat(&[mean.squeeze(D::Minus1)?, x.max(D::Minus1)?, deviation], 1)
    }

    /// Scores of pooled features: [batch, 3 × hidden] → [batch, genres].
    pub fn scores(&self, features: &Tensor) -> Result<Tensor> {
        features.matmul(&self.genre_weight.t()?)?.broadcast_add(&self.genre_bias)
    }

    /// How much each place of the last feature map [1, channels, map bands, time] spoke for
    /// `genre`: values × gradient, summed over channels (HiResCAM; R. Draelos, L. Carin 2020),
    /// [map bands, time].
    pub(super) fn activation_map(&self, map: &Tensor, genre: usize) -> Result<Tensor> {
        let map = Var::from_tensor(&map.detach())?;
        let (scale, shift) = self.time_norm.scale_and_shift()?;
        let hidden = self.config.hidden;
        let (scale, shift) = (scale.reshape((1, hidden, 1, 1))?, shift.reshape((1, hidden, 1, 1))?);
        let features = self.over_time(map.as_tensor(), |flat| {
            convolve(flat, &self.time.weight)?.broadcast_mul(&scale)?.broadcast_add(&shift)?.relu()
        })?;
        let gradients = self.scores(&features)?.narrow(1, genre, 1)?.sum_all()?.backward()?;
        match gradients.get(map.as_tensor()) {
            Some(gradient) => (gradient * map.as_tensor())?.sum(1)?.squeeze(0),
            None => map.as_tensor().zeros_like()?.sum(1)?.squeeze(0),
        }
    }
}
