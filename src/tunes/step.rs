//! Worker: one step of the network, made for writing one character after another.
//!
//! No tensor graph and no allocation: the gates of a layer are one product of packed 8-bit weights with the state,
//! whose floor is reading the weights once from cache. Tests hold it equal to [`super::network::Network`].

use super::activation;
use super::context::FACTS;
use super::network::Cell;
use super::weights::{Matrix, Weights};
use earworm_vectorised::vectorised;

/// The network's memory of a text, and room to work in.
#[derive(Debug, Clone)]
pub struct Step {
    layers: Vec<Layer>,
    /// `[gates * hidden]`: what the gates are before their activation.
    gates: Vec<f32>,
    /// `[gates * hidden]`: the recurrent product.
    pushed: Vec<f32>,
    /// `[hidden]`: the state that is multiplied.
    rounded: Rounded,
    /// `[SYMBOLS]`
    scores: Vec<f32>,
}

#[derive(Debug, Clone)]
struct Layer {
    hidden: Vec<f32>,
    before: Vec<f32>,
    inner: Vec<f32>,
    inner_before: Vec<f32>,
}

/// How many parts of a rounded value's last place its remainder is told in.
const PARTS: f32 = 16_384.0;

/// A state as whole numbers, so that its product with 8-bit weights is one of whole numbers: several times as fast
/// as turning each weight into a float. Two numbers of 16 bits hold what a float holds.
#[derive(Debug, Clone, Default)]
pub(super) struct Rounded {
    /// Values in whole steps of `scale`.
    whole: Vec<i16>,
    /// What is left of each, in [`PARTS`] of a step.
    rest: Vec<i16>,
    scale: f32,
}

impl Rounded {
    fn new(width: usize) -> Self {
        Self { whole: vec![0; width], rest: vec![0; width], scale: 1.0 }
    }

    /// Takes values between -1 and 1, as every cell's output is.
    fn set(&mut self, values: &[f32]) {
        // As fine as 16 bits and the sum of all products in 32 bits allow.
        let room = (i32::MAX / 128 / values.len().max(1) as i32).min(i32::from(i16::MAX)) as f32;
        self.scale = 1.0 / room;
        round_all(&mut self.whole, &mut self.rest, values, room);
    }
}

vectorised! {
    /// `whole + rest / PARTS = value * room`.
    fn round_all(whole: &mut [i16], rest: &mut [i16], values: &[f32], room: f32) {
        for ((whole, rest), &value) in whole.iter_mut().zip(rest).zip(values) {
            let scaled = value.clamp(-1.0, 1.0) * room;
            *whole = scaled as i16;
            *rest = ((scaled - f32::from(*whole)) * PARTS) as i16;
        }
    }
}

vectorised! {
    /// `out[row] += scale[row] * (row of the matrix · x)`.
    fn add_product(out: &mut [f32], matrix: &Matrix, x: &Rounded) {
        let width = matrix.width;
        let (whole, rest) = (&x.whole[..width], &x.rest[..width]);
        let rows = matrix.values.chunks_exact(width);
        for ((out, row), &scale) in out.iter_mut().zip(rows).zip(&matrix.scales) {
            let (mut sum, mut sum_of_rest) = (0i32, 0i32);
            for ((&weight, &whole), &rest) in row.iter().zip(whole).zip(rest) {
                sum += i32::from(weight) * i32::from(whole);
                sum_of_rest += i32::from(weight) * i32::from(rest);
            }
            *out += scale * x.scale * (sum as f32 + sum_of_rest as f32 / PARTS);
        }
    }
}

vectorised! {
    /// `out += scale * row`.
    fn add_row(out: &mut [f32], row: &[i8], scale: f32) {
        for (out, &value) in out.iter_mut().zip(row) {
            *out += scale * f32::from(value);
        }
    }
}

impl Step {
    /// The state before any text.
    pub fn new(weights: &Weights) -> Self {
        let hidden = weights.config.hidden;
        let wide = weights.config.cell.gates() * hidden;
        let layer = Layer {
            hidden: vec![0.0; hidden],
            before: vec![0.0; hidden],
            inner: vec![0.0; hidden],
            inner_before: vec![0.0; hidden],
        };
        Self {
            layers: vec![layer; weights.config.layers],
            gates: vec![0.0; wide],
            pushed: vec![0.0; wide],
            rounded: Rounded::new(hidden),
            scores: vec![0.0; weights.head_bias.len()],
        }
    }

    /// Takes the state of another, without allocating.
    pub fn copy_from(&mut self, other: &Self) {
        for (layer, other) in self.layers.iter_mut().zip(&other.layers) {
            layer.hidden.copy_from_slice(&other.hidden);
            layer.inner.copy_from_slice(&other.inner);
        }
        self.scores.copy_from_slice(&other.scores);
    }

    /// The scores that the last step gave (logarithms of probabilities, but for a constant).
    pub fn scores(&self) -> &[f32] {
        &self.scores
    }

    /// Goes one character on, given what the text so far says; returns the scores of what may follow.
    pub fn step(&mut self, weights: &Weights, facts: &[u16; FACTS]) -> &[f32] {
        let (gates, pushed, rounded) = (&mut self.gates, &mut self.pushed, &mut self.rounded);
        for number in 0..self.layers.len() {
            let with = &weights.layers[number];
            gates.copy_from_slice(&with.bias);
            match &with.input {
                None => {
                    for &row in &facts[..weights.config.facts] {
                        let row = usize::from(row);
                        let width = weights.facts.width;
                        let values = &weights.facts.values[row * width..(row + 1) * width];
                        add_row(gates, values, weights.facts.scales[row]);
                    }
                }
                Some(input) => {
                    rounded.set(&self.layers[number - 1].hidden);
                    add_product(gates, input, rounded);
                }
            }
            let layer = &mut self.layers[number];
            std::mem::swap(&mut layer.hidden, &mut layer.before);
            std::mem::swap(&mut layer.inner, &mut layer.inner_before);
            rounded.set(&layer.before);
            match weights.config.cell {
                Cell::Rnn => {
                    add_product(gates, &with.recurrent, rounded);
                    activation::tanh_all(gates);
                    layer.hidden.copy_from_slice(gates);
                }
                Cell::Lstm => {
                    add_product(gates, &with.recurrent, rounded);
                    activation::lstm(
                        gates,
                        &layer.inner_before,
                        &mut layer.inner,
                        &mut layer.hidden,
                    );
                }
                Cell::Gru => {
                    pushed.fill(0.0);
                    add_product(pushed, &with.recurrent, rounded);
                    activation::gru(gates, pushed, &layer.before, &mut layer.hidden);
                }
            }
        }
        self.scores.copy_from_slice(&weights.head_bias);
        if let Some(last) = self.layers.last() {
            self.rounded.set(&last.hidden);
            add_product(&mut self.scores, &weights.head, &self.rounded);
        }
        &self.scores
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use candle_core::{DType, Device, Tensor};
    use candle_nn::VarBuilder;

    use super::*;
    use crate::context::{Context, FACTS};
    use crate::network::{Config, Network};
    use crate::plans::Plans;

    const TUNE: &str = "R:jig\nM:6/8\nL:1/8\nK:G\nD|GAB ABc|\"D\"d>BG (3GAG D|GAB A^Bc|dBG G2:|]";

    fn made(config: Config) -> Weights {
        let weights = config
            .weights()
            .into_iter()
            .enumerate()
            .map(|(number, (name, shape))| {
                let count: usize = shape.iter().product();
                let values =
                    (0..count).map(|at| ((at * 7 + number) as f32 * 0.37).sin() * 0.3).collect();
                (name, values)
            })
            .collect();
        Weights::pack(config, &weights, Vec::new(), Plans::default(), HashMap::new()).unwrap()
    }

    fn greatest_difference(weights: &Weights) -> f32 {
        let config = weights.config;
        let floats = weights.floats();
        let tensors = config
            .weights()
            .into_iter()
            .map(|(name, shape)| {
                let tensor = Tensor::from_slice(&floats[&name], shape, &Device::Cpu).unwrap();
                (name, tensor)
            })
            .collect();
        let network =
            Network::load(VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu), &config)
                .unwrap();
        let mut context = Context::new();
        let mut facts = Vec::new();
        let mut step = Step::new(weights);
        let mut ours = Vec::new();
        for character in TUNE.bytes() {
            facts.extend_from_slice(&context.facts()[..config.facts]);
            ours.extend_from_slice(step.step(weights, &context.facts()));
            context.push(character);
        }
        let steps = facts.len() / config.facts;
        let state = network.zero_state(1).unwrap();
        let (scores, _) = network.forward(facts, &vec![1.0; steps], &state, None).unwrap();
        let theirs = scores.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(ours.len(), theirs.len());
        ours.iter().zip(theirs).map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn every_cell_steps_as_the_network_does() {
        for cell in [Cell::Rnn, Cell::Gru, Cell::Lstm] {
            for layers in [1, 2] {
                let apart =
                    greatest_difference(&made(Config { cell, layers, hidden: 40, facts: FACTS }));
                assert!(apart < 1e-4, "{cell:?} with {layers} layers: {apart}");
            }
        }
    }

    #[test]
    fn the_shipped_network_steps_as_the_network_does() {
        let composer = crate::Composer::embedded().unwrap();
        let apart = greatest_difference(composer.weights());
        assert!(apart < 1e-4, "{apart}");
    }
}
