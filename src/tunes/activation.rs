//! Core: the cells' gates over slices, forwards and backwards.
//!
//! Plain loops which the compiler turns into vector instructions; where the processor has AVX2 they are
//! compiled for it. The exponential is good to 2e-7 relative, so that sigmoid and tanh agree with the C
//! library's to 1e-6.

// Several slices walk in step: an index says so most plainly, and the compiler drops its checks.
#![allow(clippy::needless_range_loop)]

use earworm_vectorised::vectorised;

/// e to the x for the range that a sigmoid tells from 0 and 1 (Cephes' split of the argument).
#[inline(always)]
fn exponential(x: f32) -> f32 {
    // Adding 1.5 * 2^23 leaves the nearest integer in the low bits of the sum.
    const SHIFT: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 87.0);
    let shifted = x * std::f32::consts::LOG2_E + SHIFT;
    let whole = shifted - SHIFT;
    let rest = x - whole * 0.693_359_4;
    let rest = rest + whole * 2.121_944_4e-4;
    let mut sum = 1.987_569_1e-4;
    sum = sum * rest + 1.398_2e-3;
    sum = sum * rest + 8.333_452e-3;
    sum = sum * rest + 4.166_579_6e-2;
    sum = sum * rest + 1.666_666_5e-1;
    sum = sum * rest + 0.5;
    let power = sum * rest * rest + rest + 1.0;
    f32::from_bits(power.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// 1 / (1 + e^-x).
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exponential(-x))
}

/// The hyperbolic tangent.
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    2.0 / (1.0 + exponential(-2.0 * x)) - 1.0
}

vectorised! {
    /// The hyperbolic tangent of each value.
    fn tanh_all(values: &mut [f32]) {
        for value in values {
            *value = tanh(*value);
        }
    }
}

vectorised! {
    /// An LSTM's gates (input, forget, candidate, output) of one lane, activated in place.
    fn lstm(gates: &mut [f32], inner_before: &[f32], inner: &mut [f32], out: &mut [f32]) {
        let hidden = out.len();
        let (input, rest) = gates.split_at_mut(hidden);
        let (forget, rest) = rest.split_at_mut(hidden);
        let (candidate, output) = rest.split_at_mut(hidden);
        let (output, inner_before, inner) =
            (&mut output[..hidden], &inner_before[..hidden], &mut inner[..hidden]);
        for at in 0..hidden {
            input[at] = sigmoid(input[at]);
            forget[at] = sigmoid(forget[at]);
            candidate[at] = tanh(candidate[at]);
            output[at] = sigmoid(output[at]);
            inner[at] = forget[at] * inner_before[at] + input[at] * candidate[at];
            out[at] = output[at] * tanh(inner[at]);
        }
    }
}

vectorised! {
    /// The way back through [`lstm`]: `carried` is the gradient of its output, `carried_inner` that of its
    /// cell state, which becomes that of the cell state before.
    fn lstm_back(
        to_gates: &mut [f32],
        gates: &[f32],
        inner: &[f32],
        inner_before: &[f32],
        carried: &[f32],
        carried_inner: &mut [f32],
    ) {
        let hidden = carried.len();
        let (input, rest) = gates.split_at(hidden);
        let (forget, rest) = rest.split_at(hidden);
        let (candidate, output) = rest.split_at(hidden);
        let (to_input, rest) = to_gates.split_at_mut(hidden);
        let (to_forget, rest) = rest.split_at_mut(hidden);
        let (to_candidate, to_output) = rest.split_at_mut(hidden);
        let (output, to_output) = (&output[..hidden], &mut to_output[..hidden]);
        let (inner, inner_before, carried_inner) =
            (&inner[..hidden], &inner_before[..hidden], &mut carried_inner[..hidden]);
        for at in 0..hidden {
            let (i, f, g, o) = (input[at], forget[at], candidate[at], output[at]);
            let squashed = tanh(inner[at]);
            let to_inner = carried_inner[at] + carried[at] * o * (1.0 - squashed * squashed);
            to_input[at] = to_inner * g * i * (1.0 - i);
            to_forget[at] = to_inner * inner_before[at] * f * (1.0 - f);
            to_candidate[at] = to_inner * i * (1.0 - g * g);
            to_output[at] = carried[at] * squashed * o * (1.0 - o);
            carried_inner[at] = to_inner * f;
        }
    }
}

vectorised! {
    /// A GRU's gates (reset, update, candidate) of one lane, activated in place; `pushed` is the recurrent
    /// product, which the reset gate damps in the candidate (as cuDNN, PyTorch and candle-nn have it).
    fn gru(gates: &mut [f32], pushed: &[f32], before: &[f32], out: &mut [f32]) {
        let hidden = out.len();
        let (reset, rest) = gates.split_at_mut(hidden);
        let (update, candidate) = rest.split_at_mut(hidden);
        let (candidate, before) = (&mut candidate[..hidden], &before[..hidden]);
        let (push_reset, rest) = pushed.split_at(hidden);
        let (push_update, push_candidate) = rest.split_at(hidden);
        let push_candidate = &push_candidate[..hidden];
        for at in 0..hidden {
            reset[at] = sigmoid(reset[at] + push_reset[at]);
            update[at] = sigmoid(update[at] + push_update[at]);
            candidate[at] = tanh(candidate[at] + reset[at] * push_candidate[at]);
            out[at] = candidate[at] + update[at] * (before[at] - candidate[at]);
        }
    }
}

vectorised! {
    /// The way back through [`gru`]: `carried` is the gradient of its output and becomes what flows past
    /// the recurrent product to the output before.
    fn gru_back(
        to_gates: &mut [f32],
        to_pushed: &mut [f32],
        gates: &[f32],
        push_candidate: &[f32],
        before: &[f32],
        carried: &mut [f32],
    ) {
        let hidden = carried.len();
        let (reset, rest) = gates.split_at(hidden);
        let (update, candidate) = rest.split_at(hidden);
        let (candidate, before, push_candidate) =
            (&candidate[..hidden], &before[..hidden], &push_candidate[..hidden]);
        let (to_reset, rest) = to_gates.split_at_mut(hidden);
        let (to_update, to_candidate) = rest.split_at_mut(hidden);
        let to_candidate = &mut to_candidate[..hidden];
        let (felt_reset, rest) = to_pushed.split_at_mut(hidden);
        let (felt_update, felt_candidate) = rest.split_at_mut(hidden);
        let felt_candidate = &mut felt_candidate[..hidden];
        for at in 0..hidden {
            let (r, z, n) = (reset[at], update[at], candidate[at]);
            let d = carried[at];
            let d_candidate = d * (1.0 - z) * (1.0 - n * n);
            to_update[at] = d * (before[at] - n) * z * (1.0 - z);
            to_candidate[at] = d_candidate;
            to_reset[at] = d_candidate * push_candidate[at] * r * (1.0 - r);
            felt_reset[at] = to_reset[at];
            felt_update[at] = to_update[at];
            felt_candidate[at] = d_candidate * r;
            carried[at] = d * z;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sigmoid_and_tanh_agree_with_the_standard_library() {
        for step in -4000..=4000 {
            let x = step as f32 * 0.01;
            assert!((sigmoid(x) - 1.0 / (1.0 + (-x).exp())).abs() < 1e-6, "sigmoid at {x}");
            assert!((tanh(x) - x.tanh()).abs() < 1e-6, "tanh at {x}");
        }
    }
}
