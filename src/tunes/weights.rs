//! Worker: the shipped form of the network: 8-bit weights with a scale a row, and the index of known stretches.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};

use super::context::FACTS;
use super::network::Config;
use super::plans::{Outlines, Plans};

/// A file that is no tune network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the tune network is damaged or of another version: {0}")]
pub struct WeightsError(pub String);

impl From<safetensors::SafeTensorError> for WeightsError {
    fn from(error: safetensors::SafeTensorError) -> Self {
        Self(error.to_string())
    }
}

/// A matrix of 8-bit numbers with one scale for each row.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// Row after row.
    pub values: Vec<i8>,
    /// What a row's values are multiplied with.
    pub scales: Vec<f32>,
    /// How many values a row has.
    pub width: usize,
}

impl Matrix {
    /// Rounds `values`, rows of `width`, each row to its own scale.
    pub fn rounded(values: &[f32], width: usize) -> Self {
        let mut matrix =
            Self { values: Vec::with_capacity(values.len()), scales: Vec::new(), width };
        for row in values.chunks_exact(width) {
            let largest = row.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
            let scale = if largest > 0.0 { largest / 127.0 } else { 1.0 };
            matrix.scales.push(scale);
            matrix
                .values
                .extend(row.iter().map(|value| (value / scale).round().clamp(-127.0, 127.0) as i8));
        }
        matrix
    }

    /// The numbers that the matrix stands for.
    pub fn floats(&self) -> Vec<f32> {
        self.values
            .chunks_exact(self.width)
            .zip(&self.scales)
            .flat_map(|(row, &scale)| row.iter().map(move |&value| f32::from(value) * scale))
            .collect()
    }
}

/// A recurrent layer's weights.
#[derive(Debug, Clone)]
pub struct LayerWeights {
    /// `[gates * hidden, hidden]`; none in the first layer.
    pub input: Option<Matrix>,
    /// `[gates * hidden]`
    pub bias: Vec<f32>,
    /// `[gates * hidden, hidden]`
    pub recurrent: Matrix,
}

/// Everything that writing tunes needs.
#[derive(Debug, Clone)]
pub struct Weights {
    /// The network's shape.
    pub config: Config,
    /// `[fact rows, gates * hidden]`
    pub facts: Matrix,
    /// From the first on.
    pub layers: Vec<LayerWeights>,
    /// `[SYMBOLS, hidden]`
    pub head: Matrix,
    /// `[SYMBOLS]`
    pub head_bias: Vec<f32>,
    /// Sorted hashes of every four-bar stretch of the training tunes (see [`super::copies`]).
    pub stretches: Vec<u32>,
    /// What the training tunes come to, for new ones to do likewise.
    pub plans: Plans,
    /// The outlines of the training tunes; none in files of the first networks, which were told none.
    pub outlines: Outlines,
    /// What the file says about itself: validation figures, seed.
    pub notes: HashMap<String, String>,
}

const STRETCHES: &str = "stretches";
const PLANS: &str = "plans";
const OUTLINES: &str = "outlines";

impl Weights {
    /// Rounds a trained network's weights, given by the names of [`Config::weights`].
    pub fn pack(
        config: Config,
        weights: &HashMap<String, Vec<f32>>,
        stretches: Vec<u32>,
        plans: Plans,
        notes: HashMap<String, String>,
    ) -> Result<Self, WeightsError> {
        Self::collect(config, stretches, plans, notes, |name, shape| {
            let values = weights.get(name).ok_or_else(|| WeightsError(format!("no {name}")))?;
            if values.len() != shape.iter().product::<usize>() {
                return Err(WeightsError(format!("{name} has another shape")));
            }
            Ok(match shape {
                [_, width] => Found::Matrix(Matrix::rounded(values, *width)),
                _ => Found::Vector(values.clone()),
            })
        })
    }

    fn collect(
        config: Config,
        stretches: Vec<u32>,
        plans: Plans,
        notes: HashMap<String, String>,
        mut find: impl FnMut(&str, &[usize]) -> Result<Found, WeightsError>,
    ) -> Result<Self, WeightsError> {
        let (mut matrices, mut vectors) = (HashMap::new(), HashMap::new());
        for (name, shape) in config.weights() {
            match find(&name, &shape)? {
                Found::Matrix(matrix) => drop(matrices.insert(name, matrix)),
                Found::Vector(vector) => drop(vectors.insert(name, vector)),
            }
        }
        let lost = |name: &str| WeightsError(format!("no {name}"));
        let mut matrix = |name: &str| matrices.remove(name).ok_or_else(|| lost(name));
        let mut vector = |name: &str| vectors.remove(name).ok_or_else(|| lost(name));
        let layers = (0..config.layers)
            .map(|layer| {
                Ok(LayerWeights {
                    input: match layer {
                        0 => None,
                        _ => Some(matrix(&format!("rnn.weight_ih_l{layer}"))?),
                    },
                    bias: vector(&format!("rnn.bias_ih_l{layer}"))?,
                    recurrent: matrix(&format!("rnn.weight_hh_l{layer}"))?,
                })
            })
            .collect::<Result<_, WeightsError>>()?;
        Ok(Self {
            config,
            facts: matrix("facts.weight")?,
            layers,
            head: matrix("head.weight")?,
            head_bias: vector("head.bias")?,
            stretches,
            plans,
            outlines: Outlines::default(),
            notes,
        })
    }

    /// Reads a packed network.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, WeightsError> {
        let (_, metadata) = SafeTensors::read_metadata(bytes)?;
        let notes = metadata.metadata().clone().unwrap_or_default();
        let config = notes.get("config").ok_or_else(|| WeightsError("no shape in it".into()))?;
        let config: Config =
            serde_json::from_str(config).map_err(|error| WeightsError(error.to_string()))?;
        if !(1..=8).contains(&config.layers)
            || !(1..=4096).contains(&config.hidden)
            || !(1..=FACTS).contains(&config.facts)
        {
            return Err(WeightsError("an impossible shape".into()));
        }
        let file = SafeTensors::deserialize(bytes)?;
        let floats = |name: &str| -> Result<Vec<f32>, WeightsError> {
            let tensor = file.tensor(name)?;
            if tensor.dtype() != Dtype::F32 {
                return Err(WeightsError(format!("{name} is not of 32-bit floats")));
            }
            let values: Vec<f32> = tensor
                .data()
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect();
            match values.iter().all(|value| value.is_finite()) {
                true => Ok(values),
                false => Err(WeightsError(format!("{name} holds what is no number"))),
            }
        };
        let stretches = file.tensor(STRETCHES)?;
        let stretches = stretches
            .data()
            .chunks_exact(4)
            .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect();
        let plans = Plans::from_bytes(file.tensor(PLANS)?.data())
            .ok_or_else(|| WeightsError("no sound plans in it".into()))?;
        let outlines = match file.tensor(OUTLINES) {
            Ok(tensor) => Outlines::from_bytes(tensor.data())
                .ok_or_else(|| WeightsError("no sound outlines in it".into()))?,
            Err(_) => Outlines::default(),
        };
        let collected = Self::collect(config, stretches, plans, notes, |name, shape| {
            let tensor = file.tensor(name)?;
            if tensor.shape() != shape {
                return Err(WeightsError(format!("{name} has another shape")));
            }
            let [rows, width] = *shape else {
                return Ok(Found::Vector(floats(name)?));
            };
            if tensor.dtype() != Dtype::I8 {
                return Err(WeightsError(format!("{name} is not of 8-bit numbers")));
            }
            let scales = floats(&format!("{name}.scale"))?;
            if scales.len() != rows {
                return Err(WeightsError(format!("{name} has not a scale for each row")));
            }
            let values = tensor.data().iter().map(|&byte| byte as i8).collect();
            Ok(Found::Matrix(Matrix { values, scales, width }))
        })?;
        Ok(Self { outlines, ..collected })
    }

    fn matrices(&self) -> Vec<(String, &Matrix)> {
        let mut matrices = vec![("facts.weight".to_owned(), &self.facts)];
        for (number, layer) in self.layers.iter().enumerate() {
            if let Some(input) = &layer.input {
                matrices.push((format!("rnn.weight_ih_l{number}"), input));
            }
            matrices.push((format!("rnn.weight_hh_l{number}"), &layer.recurrent));
        }
        matrices.push(("head.weight".to_owned(), &self.head));
        matrices
    }

    fn vectors(&self) -> Vec<(String, &[f32])> {
        let mut vectors: Vec<(String, &[f32])> = self
            .layers
            .iter()
            .enumerate()
            .map(|(number, layer)| (format!("rnn.bias_ih_l{number}"), layer.bias.as_slice()))
            .collect();
        vectors.push(("head.bias".to_owned(), &self.head_bias));
        vectors
    }

    /// The weights as floats, by the names of [`Config::weights`].
    pub fn floats(&self) -> HashMap<String, Vec<f32>> {
        let matrices = self.matrices().into_iter().map(|(name, matrix)| (name, matrix.floats()));
        matrices
            .chain(self.vectors().into_iter().map(|(name, vector)| (name, vector.to_vec())))
            .collect()
    }

    /// The file's bytes.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, WeightsError> {
        let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
        let bytes = |values: &[f32]| {
            values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>()
        };
        for (name, matrix) in self.matrices() {
            let shape = vec![matrix.scales.len(), matrix.width];
            tensors.push((
                format!("{name}.scale"),
                Dtype::F32,
                vec![shape[0]],
                bytes(&matrix.scales),
            ));
            tensors.push((
                name,
                Dtype::I8,
                shape,
                matrix.values.iter().map(|&value| value as u8).collect(),
            ));
        }
        for (name, vector) in self.vectors() {
            tensors.push((name, Dtype::F32, vec![vector.len()], bytes(vector)));
        }
        let stretches: Vec<u8> =
            self.stretches.iter().flat_map(|hash| hash.to_le_bytes()).collect();
        tensors.push((STRETCHES.to_owned(), Dtype::U32, vec![self.stretches.len()], stretches));
        let plans = (PLANS.to_owned(), Dtype::U8, vec![self.plans.len(), 4], self.plans.bytes());
        tensors.push(plans);
        if !self.outlines.is_empty() {
            let bytes = self.outlines.bytes();
            tensors.push((OUTLINES.to_owned(), Dtype::U8, vec![bytes.len()], bytes));
        }
        let views = tensors
            .iter()
            .map(|(name, dtype, shape, data)| {
                Ok((name.clone(), TensorView::new(*dtype, shape.clone(), data)?))
            })
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
        let mut notes = self.notes.clone();
        let config =
            serde_json::to_string(&self.config).map_err(|error| WeightsError(error.to_string()))?;
        notes.insert("config".to_owned(), config);
        Ok(serialize(views, Some(notes))?)
    }
}

enum Found {
    Matrix(Matrix),
    Vector(Vec<f32>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Composer;

    #[test]
    fn rounding_keeps_each_row_within_half_of_its_scale() {
        let values: Vec<f32> = (0..30).map(|at| (at as f32 * 0.9).sin() * at as f32).collect();
        let matrix = Matrix::rounded(&values, 10);
        for ((row, back), scale) in
            values.chunks(10).zip(matrix.floats().chunks(10)).zip(&matrix.scales)
        {
            for (value, back) in row.iter().zip(back) {
                assert!((value - back).abs() <= scale * 0.5001);
            }
        }
    }

    #[test]
    fn a_network_written_and_read_is_the_same() {
        let composer = Composer::embedded().unwrap();
        let bytes = composer.weights().to_safetensors().unwrap();
        let read = Weights::from_safetensors(&bytes).unwrap();
        assert_eq!(read.floats(), composer.weights().floats());
        assert_eq!(read.stretches, composer.weights().stretches);
        assert_eq!(read.plans, composer.weights().plans);
        assert_eq!(read.outlines, composer.weights().outlines);
    }

    #[test]
    fn a_network_that_was_told_other_facts_is_refused_in_one_line() {
        let composer = Composer::embedded().unwrap();
        let bytes = composer.weights().to_safetensors().unwrap();
        let told = format!(r#",\"facts\":{}"#, composer.weights().config.facts).into_bytes();
        let at = bytes.windows(told.len()).position(|part| part == told).unwrap();
        let with = |text: &str| {
            let mut bytes = bytes.clone();
            bytes[at..at + told.len()].copy_from_slice(text.as_bytes());
            Composer::from_safetensors(&bytes).unwrap_err().to_string()
        };
        let blank = " ".repeat(told.len());
        let fewer = format!(r#",\"facts\":{}"#, FACTS - 3);
        let more = format!(r#",\"facts\":{}"#, FACTS + 1);
        for text in [&blank, &fewer, &more] {
            let error = with(text);
            assert!(error.contains("another version") && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_damaged_network_is_refused_with_a_reason() {
        let bytes = Composer::embedded().unwrap().weights().to_safetensors().unwrap();
        for damaged in [&bytes[..bytes.len() / 2], &bytes[..7], b"not a network", &[]] {
            let error = Composer::from_safetensors(damaged).unwrap_err().to_string();
            assert!(error.contains("damaged"), "{error}");
        }
    }
}
