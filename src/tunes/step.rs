//! Worker: one step of the network, made for writing one character after another.
//!
//! No tensor graph and no allocation: the gates of a layer are one product of packed 8-bit weights with the state,
//! whose floor is reading the weights once from cache. Tests hold it equal to [`super::network::Network`].

use super::activation::{self, vectorised};
use super::context::FACTS;
use super::network::Cell;
use super::weights::{Matrix, Weights};

/// The network's memory of a text, and room to work in.
#[derive(Debug, Clone)]
pub struct Step {
    layers: Vec<Layer>,
    /// `[gates * hidden]`: what the gates are before their activation.
    gates: Vec<f32>,
    /// `[gates * hidden]`: the recurrent product.
    pushed: Vec<f32>,
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

vectorised! {
    /// `out[row] += scale[row] * (row of the matrix · x)`.
    fn add_product(out: &mut [f32], matrix: &Matrix, x: &[f32]) {
        const WIDE: usize = 32;
        let x = &x[..matrix.width];
        for ((out, row), &scale) in out.iter_mut().zip(matrix.values.chunks_exact(x.len())).zip(&matrix.scales) {
            let mut sums = [0.0f32; WIDE];
            let (row_chunks, row_rest) = row.as_chunks::<WIDE>();
            let (x_chunks, x_rest) = x.as_chunks::<WIDE>();
            for (row, x) in row_chunks.iter().zip(x_chunks) {
                for at in 0..WIDE {
                    sums[at] += f32::from(row[at]) * x[at];
                }
            }
            let mut sum: f32 = row_rest.iter().zip(x_rest).map(|(&w, &x)| f32::from(w) * x).sum();
            let mut width = WIDE;
            while width > 1 {
                width /= 2;
                for at in 0..width {
                    sums[at] += sums[at + width];
                }
            }
            sum += sums[0];
            *out += scale * sum;
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
        let (gates, pushed) = (&mut self.gates, &mut self.pushed);
        for number in 0..self.layers.len() {
            let with = &weights.layers[number];
            gates.copy_from_slice(&with.bias);
            match &with.input {
                None => {
                    for &row in facts {
                        let row = usize::from(row);
                        let width = weights.facts.width;
                        let values = &weights.facts.values[row * width..(row + 1) * width];
                        add_row(gates, values, weights.facts.scales[row]);
                    }
                }
                Some(input) => add_product(gates, input, &self.layers[number - 1].hidden),
            }
            let layer = &mut self.layers[number];
            std::mem::swap(&mut layer.hidden, &mut layer.before);
            std::mem::swap(&mut layer.inner, &mut layer.inner_before);
            match weights.config.cell {
                Cell::Rnn => {
                    add_product(gates, &with.recurrent, &layer.before);
                    activation::tanh_all(gates);
                    layer.hidden.copy_from_slice(gates);
                }
                Cell::Lstm => {
                    add_product(gates, &with.recurrent, &layer.before);
                    activation::lstm(
                        gates,
                        &layer.inner_before,
                        &mut layer.inner,
                        &mut layer.hidden,
                    );
                }
                Cell::Gru => {
                    pushed.fill(0.0);
                    add_product(pushed, &with.recurrent, &layer.before);
                    activation::gru(gates, pushed, &layer.before, &mut layer.hidden);
                }
            }
        }
        self.scores.copy_from_slice(&weights.head_bias);
        if let Some(last) = self.layers.last() {
            add_product(&mut self.scores, &weights.head, &last.hidden);
        }
        &self.scores
    }
}
