//! Worker: a recurrent layer over a whole sequence as one operation, forwards and backwards.
//!
//! A graph of single tensor operations spends most of its time between them. This operation runs all
//! steps of a layer in one call: one matrix product and one pass over the gates a step, and the
//! gradient of the recurrent weights as a single product over all steps at the end.

use std::sync::Mutex;

use candle_core::{CpuStorage, CustomOp1, CustomOp3, Error, Layout, Result, Shape, Tensor};
use gemm::Parallelism;

use super::activation;
use super::network::Cell;
use super::packed::Packed;

/// One layer's steps over `[steps, lanes]` characters.
///
/// Arguments: the projected inputs `[steps, lanes, gates * hidden]` with the bias in them, the recurrent
/// weights `[gates * hidden, hidden]`, and the state before the first step `[states, lanes, hidden]`.
/// Result: `[steps + 1, lanes, hidden]`, the hidden state after each step, and last the cell state of
/// an LSTM (zeros for the other cells).
pub struct Sequence {
    cell: Cell,
    /// `[steps, lanes]`: 0 where a new tune starts, so that the state before it is forgotten; else 1.
    keep: Vec<f32>,
    trace: Mutex<Trace>,
}

/// What the steps leave behind for the way back.
#[derive(Default)]
struct Trace {
    /// Hidden state that each step started from, `[steps, lanes, hidden]`.
    before: Vec<f32>,
    /// Activated gates, `[steps, lanes, gates * hidden]`.
    gates: Vec<f32>,
    /// LSTM: cell state after each step. GRU: what the candidate's reset gate multiplies.
    inner: Vec<f32>,
    /// LSTM: cell state that each step started from.
    inner_before: Vec<f32>,
}

impl Sequence {
    /// A layer of `cell`; `keep` is 0 at each of the `[steps, lanes]` places where a tune starts.
    pub fn new(cell: Cell, keep: Vec<f32>) -> Self {
        Self { cell, keep, trace: Mutex::default() }
    }
}

/// `target[m, n] = left · right`, row-major, with `left` stored `[k, m]` and `right` `[k, n]`.
fn product(target: &mut [f32], (m, n, k): (usize, usize, usize), left: &[f32], right: &[f32]) {
    assert!(target.len() >= m * n && left.len() >= m * k && right.len() >= k * n);
    // SAFETY: the three slices are at least as long as the shapes and strides reach (asserted above),
    // and the borrow checker keeps the target apart from the other two.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            target.as_mut_ptr(),
            1,
            n as isize,
            false,
            left.as_ptr(),
            m as isize,
            1,
            right.as_ptr(),
            1,
            n as isize,
            1.0f32,
            1.0f32,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let (start, end) = layout
        .contiguous_offsets()
        .ok_or_else(|| Error::Msg("a sequence needs contiguous arguments".into()))?;
    match storage {
        CpuStorage::F32(values) => Ok(&values[start..end]),
        _ => Err(Error::Msg("a sequence needs 32-bit floats".into())),
    }
}

impl CustomOp3 for Sequence {
    fn name(&self) -> &'static str {
        "recurrent sequence"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (steps, lanes, wide) = l1.shape().dims3()?;
        let (_, hidden) = l2.shape().dims2()?;
        let (projected, weights, state) = (values(s1, l1)?, values(s2, l2)?, values(s3, l3)?);
        let weights = Packed::transposed(weights, (wide, hidden));
        let row = lanes * hidden;
        let is_lstm = self.cell == Cell::Lstm;

        let mut trace = Trace {
            before: vec![0.0; steps * row],
            gates: projected.to_vec(),
            inner: vec![0.0; if self.cell == Cell::Rnn { 0 } else { steps * row }],
            inner_before: vec![0.0; if is_lstm { steps * row } else { 0 }],
        };
        let mut result = vec![0.0f32; (steps + 1) * row];
        let mut pushed = vec![0.0f32; if self.cell == Cell::Gru { lanes * wide } else { 0 }];
        for step in 0..steps {
            let here = step * row..(step + 1) * row;
            let keep = &self.keep[step * lanes..(step + 1) * lanes];
            let (done, rest) = result.split_at_mut(step * row);
            let last = if step == 0 { &state[..row] } else { &done[(step - 1) * row..] };
            let before = &mut trace.before[here.clone()];
            for ((target, source), &keep) in
                before.chunks_exact_mut(hidden).zip(last.chunks_exact(hidden)).zip(keep)
            {
                for (target, &source) in target.iter_mut().zip(source) {
                    *target = source * keep;
                }
            }
            if is_lstm {
                let (past, _) = trace.inner.split_at(here.start);
                let last = if step == 0 { &state[row..2 * row] } else { &past[here.start - row..] };
                let target = &mut trace.inner_before[here.clone()];
                for ((target, source), &keep) in
                    target.chunks_exact_mut(hidden).zip(last.chunks_exact(hidden)).zip(keep)
                {
                    for (target, &source) in target.iter_mut().zip(source) {
                        *target = source * keep;
                    }
                }
            }
            let gates = &mut trace.gates[step * lanes * wide..(step + 1) * lanes * wide];
            let out = &mut rest[..row];
            match self.cell {
                Cell::Rnn => {
                    weights.add_product(gates, before);
                    activation::tanh_all(gates);
                    out.copy_from_slice(gates);
                }
                Cell::Lstm => {
                    weights.add_product(gates, before);
                    let inner = &mut trace.inner[here.clone()];
                    let inner_before = &trace.inner_before[here];
                    for lane in 0..lanes {
                        let at = lane * hidden..(lane + 1) * hidden;
                        activation::lstm(
                            &mut gates[lane * wide..(lane + 1) * wide],
                            &inner_before[at.clone()],
                            &mut inner[at.clone()],
                            &mut out[at],
                        );
                    }
                }
                Cell::Gru => {
                    pushed.fill(0.0);
                    weights.add_product(&mut pushed, before);
                    let inner = &mut trace.inner[here];
                    for lane in 0..lanes {
                        let at = lane * hidden..(lane + 1) * hidden;
                        let wide_at = lane * wide..(lane + 1) * wide;
                        inner[at.clone()].copy_from_slice(&pushed[wide_at.clone()][2 * hidden..]);
                        activation::gru(
                            &mut gates[wide_at.clone()],
                            &pushed[wide_at],
                            &before[at.clone()],
                            &mut out[at],
                        );
                    }
                }
            }
        }
        if is_lstm && steps > 0 {
            result[steps * row..].copy_from_slice(&trace.inner[(steps - 1) * row..]);
        }
        *self.trace.lock().map_err(|_| Error::Msg("a sequence failed before".into()))? = trace;
        Ok((CpuStorage::F32(result), (steps + 1, lanes, hidden).into()))
    }

    fn bwd(
        &self,
        projected: &Tensor,
        weights: &Tensor,
        _state: &Tensor,
        _result: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (steps, lanes, wide) = projected.dims3()?;
        let (_, hidden) = weights.dims2()?;
        let row = lanes * hidden;
        let trace = self.trace.lock().map_err(|_| Error::Msg("a sequence failed before".into()))?;
        let (storage, layout) = weights.storage_and_layout();
        let weights_values = match &*storage {
            candle_core::Storage::Cpu(storage) => values(storage, layout)?,
            _ => return Err(Error::Msg("a sequence runs on the processor".into())),
        };
        let packed = Packed::new(weights_values, (wide, hidden));
        let gradient = gradient.contiguous()?;
        let (gradient_storage, gradient_layout) = gradient.storage_and_layout();
        let gradient_values = match &*gradient_storage {
            candle_core::Storage::Cpu(storage) => values(storage, gradient_layout)?,
            _ => return Err(Error::Msg("a sequence runs on the processor".into())),
        };
        // Gradient of the gates before their activation, as the inputs feel it; the GRU's recurrent
        // product feels another one in its candidate.
        let mut to_gates = vec![0.0f32; steps * lanes * wide];
        let mut to_pushed =
            vec![0.0f32; if self.cell == Cell::Gru { steps * lanes * wide } else { 0 }];
        let mut carried = vec![0.0f32; row];
        let mut carried_inner = vec![0.0f32; row];
        for step in (0..steps).rev() {
            let here = step * row..(step + 1) * row;
            let wide_here = step * lanes * wide..(step + 1) * lanes * wide;
            for (carried, &gradient) in carried.iter_mut().zip(&gradient_values[here.clone()]) {
                *carried += gradient;
            }
            let gates = &trace.gates[wide_here.clone()];
            let target = &mut to_gates[wide_here.clone()];
            match self.cell {
                Cell::Rnn => {
                    for ((target, &gate), &carried) in target.iter_mut().zip(gates).zip(&carried) {
                        *target = carried * (1.0 - gate * gate);
                    }
                    carried.fill(0.0);
                    packed.add_product(&mut carried, target);
                }
                Cell::Lstm => {
                    for lane in 0..lanes {
                        let at = lane * hidden..(lane + 1) * hidden;
                        let in_step = here.start + at.start..here.start + at.end;
                        activation::lstm_back(
                            &mut target[lane * wide..(lane + 1) * wide],
                            &gates[lane * wide..(lane + 1) * wide],
                            &trace.inner[in_step.clone()],
                            &trace.inner_before[in_step],
                            &carried[at.clone()],
                            &mut carried_inner[at],
                        );
                    }
                    carried.fill(0.0);
                    packed.add_product(&mut carried, target);
                }
                Cell::Gru => {
                    let pushed = &mut to_pushed[wide_here];
                    for lane in 0..lanes {
                        let at = lane * hidden..(lane + 1) * hidden;
                        let in_step = here.start + at.start..here.start + at.end;
                        let wide_at = lane * wide..(lane + 1) * wide;
                        activation::gru_back(
                            &mut target[wide_at.clone()],
                            &mut pushed[wide_at.clone()],
                            &gates[wide_at],
                            &trace.inner[in_step.clone()],
                            &trace.before[in_step],
                            &mut carried[at],
                        );
                    }
                    packed.add_product(&mut carried, pushed);
                }
            }
            let keep = &self.keep[step * lanes..(step + 1) * lanes];
            for ((carried, inner), &keep) in carried
                .chunks_exact_mut(hidden)
                .zip(carried_inner.chunks_exact_mut(hidden))
                .zip(keep)
            {
                if keep == 0.0 {
                    carried.fill(0.0);
                    inner.fill(0.0);
                }
            }
        }
        let felt = if self.cell == Cell::Gru { &to_pushed } else { &to_gates };
        let mut to_weights = vec![0.0f32; wide * hidden];
        product(&mut to_weights, (wide, hidden, steps * lanes), felt, &trace.before);
        let device = projected.device();
        Ok((
            Some(Tensor::from_vec(to_gates, (steps, lanes, wide), device)?),
            Some(Tensor::from_vec(to_weights, (wide, hidden), device)?),
            None,
        ))
    }
}

/// Sums rows of a table: the product of a table `[rows, width]` with inputs that are 1 in a few places and
/// 0 elsewhere. Result: `[inputs, width]`.
pub struct RowSums {
    /// `[inputs, per_input]` row numbers.
    rows: Vec<u16>,
    per_input: usize,
}

impl RowSums {
    /// Sums `per_input` rows for each input.
    pub fn new(rows: Vec<u16>, per_input: usize) -> Self {
        Self { rows, per_input }
    }
}

impl CustomOp1 for RowSums {
    fn name(&self) -> &'static str {
        "row sums"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (count, width) = layout.shape().dims2()?;
        let table = values(storage, layout)?;
        let inputs = self.rows.len() / self.per_input;
        let mut sums = vec![0.0f32; inputs * width];
        for (sum, rows) in sums.chunks_exact_mut(width).zip(self.rows.chunks_exact(self.per_input))
        {
            for &row in rows {
                let row = usize::from(row);
                if row >= count {
                    return Err(Error::Msg(format!("row {row} of a table with {count}")));
                }
                for (sum, &value) in sum.iter_mut().zip(&table[row * width..(row + 1) * width]) {
                    *sum += value;
                }
            }
        }
        Ok((CpuStorage::F32(sums), (inputs, width).into()))
    }

    fn bwd(&self, table: &Tensor, _result: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (count, width) = table.dims2()?;
        let gradient = gradient.contiguous()?;
        let (storage, layout) = gradient.storage_and_layout();
        let gradient_values = match &*storage {
            candle_core::Storage::Cpu(storage) => values(storage, layout)?,
            _ => return Err(Error::Msg("row sums run on the processor".into())),
        };
        let mut back = vec![0.0f32; count * width];
        for (gradient, rows) in
            gradient_values.chunks_exact(width).zip(self.rows.chunks_exact(self.per_input))
        {
            for &row in rows {
                let row = usize::from(row);
                for (back, &value) in back[row * width..(row + 1) * width].iter_mut().zip(gradient)
                {
                    *back += value;
                }
            }
        }
        Ok(Some(Tensor::from_vec(back, (count, width), table.device())?))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};
    use candle_nn::VarBuilder;
    use candle_nn::rnn::{GRU, GRUConfig, GRUState, LSTM, LSTMConfig, LSTMState, RNN};

    use super::*;

    const STEPS: usize = 5;
    const LANES: usize = 3;
    const INPUT: usize = 4;
    const HIDDEN: usize = 6;

    fn made(shape: &[usize], seed: f32) -> Var {
        let count: usize = shape.iter().product();
        let values: Vec<f32> =
            (0..count).map(|at| ((at as f32 + seed) * 1.7).sin() * 0.7).collect();
        Var::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    /// candle-nn's own cells a step at a time, as a graph; the state is forgotten where `keep` is 0.
    fn by_candle(
        cell: Cell,
        inputs: &Tensor,
        input: &Var,
        recurrent: &Var,
        keep: &[f32],
    ) -> Tensor {
        let tensors = std::collections::HashMap::from([
            ("weight_ih_l0".to_owned(), input.as_tensor().clone()),
            ("weight_hh_l0".to_owned(), recurrent.as_tensor().clone()),
        ]);
        let vb = VarBuilder::from_tensors(tensors, candle_core::DType::F32, &Device::Cpu);
        let zero = Tensor::zeros((LANES, HIDDEN), candle_core::DType::F32, &Device::Cpu).unwrap();
        let (mut h, mut c) = (zero.clone(), zero);
        let mut out = Vec::new();
        for step in 0..STEPS {
            let keep = Tensor::from_slice(
                &keep[step * LANES..(step + 1) * LANES],
                (LANES, 1),
                &Device::Cpu,
            )
            .unwrap();
            h = h.broadcast_mul(&keep).unwrap();
            c = c.broadcast_mul(&keep).unwrap();
            let x = inputs.get(step).unwrap();
            match cell {
                Cell::Rnn => {
                    let sum = x.matmul(&input.t().unwrap()).unwrap()
                        + h.matmul(&recurrent.t().unwrap()).unwrap();
                    h = sum.unwrap().tanh().unwrap();
                }
                Cell::Gru => {
                    let gru =
                        GRU::new(INPUT, HIDDEN, GRUConfig::default_no_bias(), vb.clone()).unwrap();
                    h = gru.step(&x, &GRUState { h }).unwrap().h;
                }
                Cell::Lstm => {
                    let lstm = LSTM::new(INPUT, HIDDEN, LSTMConfig::default_no_bias(), vb.clone())
                        .unwrap();
                    let after = lstm.step(&x, &LSTMState::new(h, c)).unwrap();
                    (h, c) = (after.h, after.c);
                }
            }
            out.push(h.clone());
        }
        Tensor::stack(&out, 0).unwrap()
    }

    #[test]
    fn a_sequence_and_its_gradients_are_those_of_candles_own_steps() {
        let mut keep = vec![1.0; STEPS * LANES];
        keep[2 * LANES + 1] = 0.0;
        for cell in [Cell::Rnn, Cell::Gru, Cell::Lstm] {
            let wide = cell.gates() * HIDDEN;
            let inputs = made(&[STEPS, LANES, INPUT], 0.3);
            let input = made(&[wide, INPUT], 1.1);
            let recurrent = made(&[wide, HIDDEN], 2.9);
            let weigh = made(&[STEPS, LANES, HIDDEN], 5.5);
            let state = Tensor::zeros(
                (cell.states(), LANES, HIDDEN),
                candle_core::DType::F32,
                &Device::Cpu,
            )
            .unwrap();
            let ours = inputs
                .reshape((STEPS * LANES, INPUT))
                .and_then(|inputs| inputs.matmul(&input.t()?))
                .and_then(|projected| {
                    projected.reshape((STEPS, LANES, wide))?.apply_op3(
                        recurrent.as_tensor(),
                        &state,
                        Sequence::new(cell, keep.clone()),
                    )
                })
                .and_then(|out| out.narrow(0, 0, STEPS))
                .unwrap();
            let theirs = by_candle(cell, inputs.as_tensor(), &input, &recurrent, &keep);
            let apart = |a: &Tensor, b: &Tensor| {
                let apart = (a - b).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap();
                apart.to_scalar::<f32>().unwrap()
            };
            assert!(apart(&ours, &theirs) < 1e-5, "{cell:?}");
            let gradients = |out: &Tensor| {
                out.mul(weigh.as_tensor()).unwrap().sum_all().unwrap().backward().unwrap()
            };
            let (our, their) = (gradients(&ours), gradients(&theirs));
            for var in [&inputs, &input, &recurrent] {
                let (our, their) = (our.get(var).unwrap(), their.get(var).unwrap());
                assert!(apart(our, their) < 1e-4, "{cell:?}");
            }
        }
    }

    #[test]
    fn row_sums_are_the_product_with_ones_and_zeros() {
        let table = made(&[7, 3], 0.0);
        let rows = vec![0u16, 2, 2, 6, 1, 5];
        let sums = table.apply_op1(RowSums::new(rows.clone(), 2)).unwrap();
        let mut ones = vec![0.0f32; 3 * 7];
        for (input, rows) in rows.chunks(2).enumerate() {
            for &row in rows {
                ones[input * 7 + usize::from(row)] += 1.0;
            }
        }
        let product = Tensor::from_vec(ones, (3, 7), &Device::Cpu)
            .unwrap()
            .matmul(table.as_tensor())
            .unwrap();
        let (ours, theirs) = (sums.to_vec2::<f32>().unwrap(), product.to_vec2::<f32>().unwrap());
        for (ours, theirs) in ours.iter().flatten().zip(theirs.iter().flatten()) {
            assert!((ours - theirs).abs() < 1e-6);
        }
        let square = |out: &Tensor| out.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        let (ours, theirs) = (square(&sums), square(&product));
        let values = |g: &candle_core::backprop::GradStore| {
            g.get(&table).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        for (ours, theirs) in values(&ours).iter().zip(values(&theirs)) {
            assert!((ours - theirs).abs() < 1e-4);
        }
    }
}
