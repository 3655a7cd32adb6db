//! Worker: the genre network's weights while they are trained: AdamW, their average, and files.

use std::collections::BTreeMap;
use std::f32::consts::TAU;
use std::path::Path;

use anyhow::Context;
use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor, Var};
use candle_nn::VarMap;
use earworm_genre::{Config, Network};
use half::f16;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::genre_curves::Epoch;

/// How fast the gradients' mean and mean square forget (I. Loshchilov, F. Hutter 2019).
const MEAN_KEPT: f32 = 0.9;
const SQUARE_KEPT: f32 = 0.98;

/// One tensor of the network with all that training keeps about it.
struct Weights {
    variable: Var,
    values: Vec<f32>,
    average: Vec<f32>,
    mean: Vec<f32>,
    square: Vec<f32>,
    /// Statistics follow the batches and have no gradient.
    statistic: bool,
    /// Matrices are pulled towards zero; scales, shifts and biases aren't.
    decayed: bool,
}

/// AdamW over all weights, and their exponential average.
pub struct Optimizer {
    weights: BTreeMap<String, Weights>,
    step: usize,
    decay: f32,
    average: f32,
}

impl Optimizer {
    /// Gives every weight in `variables` its first value from `seed`.
    pub fn new(variables: &VarMap, seed: u64, decay: f32, average: f32) -> anyhow::Result<Self> {
        let data =
            variables.data().lock().map_err(|_| anyhow::anyhow!("the variables are lost"))?;
        let sorted: BTreeMap<String, Var> =
            data.iter().map(|(name, variable)| (name.clone(), variable.clone())).collect();
        let mut random = StdRng::seed_from_u64(seed);
        let mut weights = BTreeMap::new();
        for (name, variable) in sorted {
            let dims = variable.dims().to_vec();
            let mut values = variable.flatten_all()?.to_vec1::<f32>()?;
            // The texture's model is fitted beforehand.
            let fitted = name.starts_with("texture.");
            if dims.len() > 1 && !fitted {
                let inputs = dims[1..].iter().product::<usize>() as f32;
                // A rectifier halves a signal's power; nothing follows the matrices at the end.
                let stdev =
                    if dims.len() == 4 { (2.0 / inputs).sqrt() } else { (1.0 / inputs).sqrt() };
                values.fill_with(|| {
                    let (radius, turn): (f32, f32) =
                        (1.0 - random.random::<f32>(), random.random());
                    (-2.0 * radius.ln()).sqrt() * (TAU * turn).cos() * stdev
                });
            }
            let zeros = vec![0.0; values.len()];
            let entry = Weights {
                average: values.clone(),
                mean: zeros.clone(),
                square: zeros,
                statistic: name.contains("running_") || name == "temperature" || fitted,
                decayed: dims.len() > 1,
                values,
                variable,
            };
            entry.show()?;
            weights.insert(name, entry);
        }
        Ok(Self { weights, step: 0, decay, average })
    }

    /// Steps taken.
    pub fn step(&self) -> usize {
        self.step
    }

    /// Values that training changes by gradient.
    pub fn parameters(&self) -> usize {
        self.weights
            .values()
            .filter(|weights| !weights.statistic)
            .map(|weights| weights.values.len())
            .sum()
    }

    /// Moves every weight against its gradient.
    pub fn advance(&mut self, gradients: &GradStore, rate: f32) -> anyhow::Result<()> {
        self.step += 1;
        let step = self.step as i32;
        // The first steps' averages would otherwise be mostly the random start.
        let average = self.average.min((1.0 + step as f32) / (10.0 + step as f32));
        let (mean_share, square_share) = (1.0 - MEAN_KEPT.powi(step), 1.0 - SQUARE_KEPT.powi(step));
        for weights in self.weights.values_mut() {
            if weights.statistic {
                weights.values = weights.variable.flatten_all()?.to_vec1()?;
            } else if let Some(gradient) = gradients.get(&weights.variable) {
                let gradient = gradient.flatten_all()?.to_vec1::<f32>()?;
                let decay = if weights.decayed { 1.0 - rate * self.decay } else { 1.0 };
                for (index, gradient) in gradient.into_iter().enumerate() {
                    let (mean, square) = (&mut weights.mean[index], &mut weights.square[index]);
                    *mean = MEAN_KEPT * *mean + (1.0 - MEAN_KEPT) * gradient;
                    *square = SQUARE_KEPT * *square + (1.0 - SQUARE_KEPT) * gradient * gradient;
                    let move_by = (*mean / mean_share) / ((*square / square_share).sqrt() + 1e-8);
                    weights.values[index] = weights.values[index] * decay - rate * move_by;
                }
                weights.show()?;
            }
            for (kept, value) in weights.average.iter_mut().zip(&weights.values) {
                *kept = average * *kept + (1.0 - average) * value;
            }
        }
        Ok(())
    }

    /// Takes all but the texture from weights that [`save_network`] wrote, as if that were what `steps` led to.
    pub fn take_convolutions(&mut self, path: &Path, steps: usize) -> anyhow::Result<()> {
        let tensors = candle_core::safetensors::load(path, &Device::Cpu)
            .with_context(|| format!("{} can't be read", path.display()))?;
        let ours =
            |name: &str| !["texture.", "fma.", "temperature"].iter().any(|n| name.starts_with(n));
        for (name, weights) in self.weights.iter_mut().filter(|(name, _)| ours(name)) {
            let tensor = tensors.get(name).with_context(|| format!("no {name} in the weights"))?;
            anyhow::ensure!(
                tensor.shape() == weights.variable.shape(),
                "{name} is of another shape: the weights are of another --arch"
            );
            weights.values = tensor.to_dtype(candle_core::DType::F32)?.flatten_all()?.to_vec1()?;
            weights.average.clone_from(&weights.values);
            weights.show()?;
        }
        self.step = steps;
        Ok(())
    }

    /// The network with the averaged weights.
    pub fn averaged_network(&self, config: Config) -> anyhow::Result<Network> {
        let mut tensors = std::collections::HashMap::new();
        for (name, weights) in &self.weights {
            tensors.insert(
                name.clone(),
                Tensor::from_slice(&weights.average, weights.variable.shape(), &Device::Cpu)?,
            );
        }
        let paths =
            candle_nn::VarBuilder::from_tensors(tensors, candle_core::DType::F32, &Device::Cpu);
        Ok(Network::new(config, paths)?)
    }

    /// Writes everything that a run needs to go on exactly as it would have.
    pub fn save(&self, path: &Path, history: &[Epoch]) -> anyhow::Result<()> {
        let mut entries = Vec::new();
        for (name, weights) in &self.weights {
            let parts = [
                ("values", &weights.values),
                ("average", &weights.average),
                ("mean", &weights.mean),
                ("square", &weights.square),
            ];
            for (part, values) in parts {
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                entries.push((format!("{part}:{name}"), vec![values.len()], Dtype::F32, bytes));
            }
        }
        let notes = [
            ("step".to_string(), self.step.to_string()),
            ("history".to_string(), serde_json::to_string(history)?),
        ];
        write_tensors(path, entries, notes.into())
    }

    /// Reads what [`Self::save`] wrote; returns the history.
    pub fn load(&mut self, path: &Path) -> anyhow::Result<Vec<Epoch>> {
        let bytes =
            std::fs::read(path).with_context(|| format!("{} can't be read", path.display()))?;
        let (_, header) = SafeTensors::read_metadata(&bytes)?;
        let notes = header.metadata().clone().unwrap_or_default();
        let tensors = SafeTensors::deserialize(&bytes)?;
        self.step = notes.get("step").context("the checkpoint names no step")?.parse()?;
        for (name, weights) in &mut self.weights {
            let parts = [
                ("values", &mut weights.values),
                ("average", &mut weights.average),
                ("mean", &mut weights.mean),
                ("square", &mut weights.square),
            ];
            for (part, values) in parts {
                let stored = tensors.tensor(&format!("{part}:{name}"))?;
                let (stored, _) = stored.data().as_chunks::<4>();
                anyhow::ensure!(
                    stored.len() == values.len(),
                    "the checkpoint is of another network: {name}"
                );
                values.clear();
                values.extend(stored.iter().map(|bytes| f32::from_le_bytes(*bytes)));
            }
            weights.show()?;
        }
        Ok(serde_json::from_str(notes.get("history").map_or("[]", String::as_str))?)
    }
}

impl Weights {
    /// Brings the values where the network reads them.
    fn show(&self) -> anyhow::Result<()> {
        Ok(self.variable.set(&Tensor::from_slice(
            &self.values,
            self.variable.shape(),
            &Device::Cpu,
        )?)?)
    }
}

/// Writes the averaged weights as the program embeds them: f16, without FMA's own head.
pub fn save_network(optimizer: &Optimizer, path: &Path, temperature: f64) -> anyhow::Result<()> {
    let mut entries = Vec::new();
    for (name, weights) in optimizer.weights.iter().filter(|(name, _)| !name.starts_with("fma.")) {
        let temperature = [temperature as f32];
        let values = if name == "temperature" { &temperature[..] } else { &weights.average };
        let bytes = values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect();
        entries.push((name.clone(), weights.variable.dims().to_vec(), Dtype::F16, bytes));
    }
    write_tensors(path, entries, BTreeMap::new())
}

type Entry = (String, Vec<usize>, Dtype, Vec<u8>);

/// Writes a safetensors file, whole or not at all.
fn write_tensors(
    path: &Path,
    entries: Vec<Entry>,
    notes: BTreeMap<String, String>,
) -> anyhow::Result<()> {
    let views = entries
        .iter()
        .map(|(name, shape, kind, bytes)| {
            Ok((name.as_str(), TensorView::new(*kind, shape.clone(), bytes)?))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let notes = (!notes.is_empty()).then(|| notes.into_iter().collect());
    let whole = safetensors::serialize(views, notes)?;
    earworm_files::write(path, &whole)
        .with_context(|| format!("{} can't be written", path.display()))
}
