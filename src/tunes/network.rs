//! Worker: the char-RNN: which cell, how many layers, its weights, and its pass over whole sequences.
//!
//! aₜ = cell(aₜ₋₁, xₜ) and a softmax over the next character at every step. What a step is told (xₜ) is
//! a set of facts, each a row of one table: the character before, and what the text so far says about
//! the place (see [`super::context`]). One definition serves training and evaluation; generating uses the same
//! weights through [`super::step`], which tests hold equal to this.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

use super::alphabet::SYMBOLS;
use super::context::{FACTS, FIRST_FACTS, fact_rows};
use super::sequence::{RowSums, Sequence};

/// The recurrent cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cell {
    /// aₜ = tanh(W·\[aₜ₋₁, xₜ\] + b) (Elman 1990).
    Rnn,
    /// Gated recurrent unit (Cho et al. 2014), its reset gate after the product as in cuDNN.
    Gru,
    /// Long short-term memory (Hochreiter and Schmidhuber 1997) with forget gate and no peepholes.
    Lstm,
}

impl Cell {
    /// How many values of width `hidden` the cell computes from input and past.
    pub const fn gates(self) -> usize {
        match self {
            Self::Rnn => 1,
            Self::Gru => 3,
            Self::Lstm => 4,
        }
    }

    /// How many vectors of width `hidden` it carries from step to step.
    pub const fn states(self) -> usize {
        match self {
            Self::Lstm => 2,
            _ => 1,
        }
    }
}

/// The network's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// The cell of every layer.
    pub cell: Cell,
    /// Recurrent layers, one on the other.
    pub layers: usize,
    /// Width of every layer's state.
    pub hidden: usize,
    /// How many of the context's facts it is told, from the first on: all, or in a plain char-RNN one, the
    /// character before.
    pub facts: usize,
}

impl Config {
    /// Whether it is told what a tune is to be like: all that the context knows, or all that the first networks were told.
    pub fn is_told_all(&self) -> bool {
        self.facts == FACTS || self.facts == FIRST_FACTS
    }

    /// Every weight's name and shape, in the order of the pass.
    pub fn weights(&self) -> Vec<(String, Vec<usize>)> {
        let wide = self.cell.gates() * self.hidden;
        let mut weights = vec![("facts.weight".to_owned(), vec![fact_rows(self.facts), wide])];
        for layer in 0..self.layers {
            if layer > 0 {
                weights.push((format!("rnn.weight_ih_l{layer}"), vec![wide, self.hidden]));
            }
            weights.push((format!("rnn.bias_ih_l{layer}"), vec![wide]));
            weights.push((format!("rnn.weight_hh_l{layer}"), vec![wide, self.hidden]));
        }
        weights.push(("head.weight".to_owned(), vec![SYMBOLS, self.hidden]));
        weights.push(("head.bias".to_owned(), vec![SYMBOLS]));
        weights
    }

    /// How many numbers the network learns.
    pub fn parameters(&self) -> usize {
        self.weights().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }
}

struct Layer {
    /// `[gates * hidden, hidden]`; none in the first layer, whose input is a sum of the table's rows.
    input: Option<Tensor>,
    /// `[gates * hidden]`
    bias: Tensor,
    /// `[gates * hidden, hidden]`
    recurrent: Tensor,
}

/// The network over whole sequences, for training and evaluation.
pub struct Network {
    config: Config,
    /// `[fact rows, gates * hidden]`: the transposed input weights, a row a fact.
    facts: Tensor,
    layers: Vec<Layer>,
    /// `[SYMBOLS, hidden]`
    head: Tensor,
    /// `[SYMBOLS]`
    head_bias: Tensor,
}

/// Multiplies what leaves each layer in training: given the layer's output `[steps, lanes, hidden]`, returns
/// it with some values zeroed and the others scaled up (dropout). Evaluation passes none.
pub type Dropout<'a> = &'a mut dyn FnMut(&Tensor) -> Result<Tensor>;

impl Network {
    /// Takes the weights that [`Config::weights`] names from `vb`.
    pub fn load(vb: VarBuilder, config: &Config) -> Result<Self> {
        let wide = config.cell.gates() * config.hidden;
        let layers = (0..config.layers)
            .map(|layer| {
                Ok(Layer {
                    input: match layer {
                        0 => None,
                        _ => {
                            Some(vb.get((wide, config.hidden), &format!("rnn.weight_ih_l{layer}"))?)
                        }
                    },
                    bias: vb.get(wide, &format!("rnn.bias_ih_l{layer}"))?,
                    recurrent: vb.get((wide, config.hidden), &format!("rnn.weight_hh_l{layer}"))?,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            config: *config,
            facts: vb.get((fact_rows(config.facts), wide), "facts.weight")?,
            layers,
            head: vb.get((SYMBOLS, config.hidden), "head.weight")?,
            head_bias: vb.get(SYMBOLS, "head.bias")?,
        })
    }

    /// Its shape.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The state before any text, one tensor `[states, lanes, hidden]` a layer.
    pub fn zero_state(&self, lanes: usize) -> Result<Vec<Tensor>> {
        let shape = (self.config.cell.states(), lanes, self.config.hidden);
        let device = self.facts.device();
        (0..self.config.layers)
            .map(|_| Tensor::zeros(shape, candle_core::DType::F32, device))
            .collect()
    }

    /// Scores of the next character, `[steps * lanes, SYMBOLS]`, and the state after the last step (cut off
    /// from the graph).
    ///
    /// `facts` holds rows of the table, `[steps, lanes, facts]`, as many of the context's as the network is told.
    /// `keep` is `[steps, lanes]`, 0 where a tune starts.
    pub fn forward(
        &self,
        facts: Vec<u16>,
        keep: &[f32],
        state: &[Tensor],
        mut dropout: Option<Dropout>,
    ) -> Result<(Tensor, Vec<Tensor>)> {
        let lanes = state[0].dim(1)?;
        let steps = keep.len() / lanes;
        let Config { cell, hidden, .. } = self.config;
        let wide = cell.gates() * hidden;
        let mut flow = self.facts.apply_op1(RowSums::new(facts, self.config.facts))?; // [steps * lanes, wide]
        let mut after = Vec::with_capacity(self.layers.len());
        for (layer, state) in self.layers.iter().zip(state) {
            if let Some(input) = &layer.input {
                flow = flow.matmul(&input.t()?)?; // [steps * lanes, wide]
            }
            let projected = flow.broadcast_add(&layer.bias)?.reshape((steps, lanes, wide))?;
            let out =
                projected.apply_op3(&layer.recurrent, state, Sequence::new(cell, keep.to_vec()))?; // [steps + 1, lanes, hidden]
            let last = out.narrow(0, steps - 1, 1)?;
            after.push(match cell {
                Cell::Lstm => Tensor::cat(&[last, out.narrow(0, steps, 1)?], 0)?.detach(),
                _ => last.contiguous()?.detach(),
            });
            let out = out.narrow(0, 0, steps)?;
            let out = match &mut dropout {
                Some(dropout) => dropout(&out)?,
                None => out,
            };
            flow = out.reshape((steps * lanes, hidden))?;
        }
        let scores = flow.matmul(&self.head.t()?)?.broadcast_add(&self.head_bias)?;
        Ok((scores, after))
    }
}
