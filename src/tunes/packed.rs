//! Worker: a matrix laid out once for many products with the states of a few texts.
//!
//! A general product brings its matrix into the order in which it reads it each time; here the recurrent weights stay
//! the same over all steps of a sequence, so that this is done once.

/// Columns of a panel: two vectors of eight floats.
const WIDE: usize = 16;
/// States that go through a panel together: their sums stay in registers, of which AVX-512 has twice as many.
const STATES: usize = 4;
#[cfg(target_arch = "x86_64")]
const STATES_512: usize = 8;
/// Rows of a panel that are read at a time: they stay in the first cache.
const DEEP: usize = 256;

/// A matrix `[inputs, outputs]`, in panels of [`WIDE`] columns, zeros beyond the last.
pub(super) struct Packed {
    panels: Vec<[f32; WIDE]>,
    inputs: usize,
    outputs: usize,
}

impl Packed {
    /// From a matrix stored row after row, `[inputs, outputs]`.
    pub fn new(values: &[f32], (inputs, outputs): (usize, usize)) -> Self {
        Self::by(inputs, outputs, |input, output| values[input * outputs + output])
    }

    /// From a matrix stored column after column, `[outputs, inputs]`.
    pub fn transposed(values: &[f32], (outputs, inputs): (usize, usize)) -> Self {
        Self::by(inputs, outputs, |input, output| values[output * inputs + input])
    }

    fn by(inputs: usize, outputs: usize, value: impl Fn(usize, usize) -> f32) -> Self {
        let mut panels = vec![[0.0; WIDE]; outputs.div_ceil(WIDE) * inputs];
        for (panel, rows) in panels.chunks_exact_mut(inputs.max(1)).enumerate() {
            let first = panel * WIDE;
            for (input, row) in rows.iter_mut().enumerate() {
                for (column, target) in row.iter_mut().take(outputs - first).enumerate() {
                    *target = value(input, first + column);
                }
            }
        }
        Self { panels, inputs, outputs }
    }

    /// `out[row] += states[row] · matrix` for rows of `outputs` and of `inputs`.
    pub fn add_product(&self, out: &mut [f32], states: &[f32]) {
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx512f,avx2,fma")]
            fn widest(packed: &Packed, out: &mut [f32], states: &[f32]) {
                packed.add::<true, STATES_512>(out, states);
            }
            #[target_feature(enable = "avx2,fma")]
            fn fused(packed: &Packed, out: &mut [f32], states: &[f32]) {
                packed.add::<true, STATES>(out, states);
            }
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
            {
                // SAFETY: the three features were found on this machine in the lines above.
                return unsafe { widest(self, out, states) };
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                // SAFETY: both features were found on this machine in the line above.
                return unsafe { fused(self, out, states) };
            }
        }
        self.add::<false, STATES>(out, states);
    }

    #[inline(always)]
    fn add<const FUSED: bool, const STATES: usize>(&self, out: &mut [f32], states: &[f32]) {
        let Self { panels, inputs, outputs } = self;
        let count = out.len() / outputs;
        if count == 0 {
            return;
        }
        for (panel, rows) in panels.chunks_exact(*inputs).enumerate() {
            let columns = panel * WIDE..(*outputs).min(panel * WIDE + WIDE);
            for (part, rows) in rows.chunks(DEEP).enumerate() {
                for first in (0..count).step_by(STATES) {
                    // The last states are few: one of them fills the places of the rest.
                    let states = std::array::from_fn(|state| {
                        let at = (first + state).min(count - 1) * inputs + part * DEEP;
                        &states[at..at + rows.len()]
                    });
                    let sums = sums::<FUSED, STATES>(states, rows);
                    for (state, sums) in sums.iter().enumerate().take(count - first) {
                        let out = &mut out[(first + state) * outputs..][columns.clone()];
                        for (out, sum) in out.iter_mut().zip(sums) {
                            *out += sum;
                        }
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn sums<const FUSED: bool, const STATES: usize>(
    states: [&[f32]; STATES],
    rows: &[[f32; WIDE]],
) -> [[f32; WIDE]; STATES] {
    let states = states.map(|state| &state[..rows.len()]);
    let mut sums = [[0.0f32; WIDE]; STATES];
    for (input, row) in rows.iter().enumerate() {
        for (sums, state) in sums.iter_mut().zip(states) {
            let value = state[input];
            for (sum, &weight) in sums.iter_mut().zip(row) {
                *sum = if FUSED { value.mul_add(weight, *sum) } else { value * weight + *sum };
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_product_is_the_sum_of_products() {
        let (inputs, outputs) = (300, 37);
        let wave = |count: usize, by: f32| (0..count).map(|at| (at as f32 * by).sin()).collect();
        let matrix: Vec<f32> = wave(inputs * outputs, 0.37);
        let turned: Vec<f32> =
            (0..inputs * outputs).map(|at| matrix[at % inputs * outputs + at / inputs]).collect();
        for count in [1, 4, 6] {
            let states: Vec<f32> = wave(count * inputs, 0.91);
            for packed in [
                Packed::new(&matrix, (inputs, outputs)),
                Packed::transposed(&turned, (outputs, inputs)),
            ] {
                let (mut out, mut plain) = (vec![1.0; count * outputs], vec![1.0; count * outputs]);
                packed.add_product(&mut out, &states);
                packed.add::<false, STATES>(&mut plain, &states);
                for (at, (&out, &plain)) in out.iter().zip(&plain).enumerate() {
                    let (state, output) = (at / outputs, at % outputs);
                    let wanted: f32 = (0..inputs)
                        .map(|input| {
                            states[state * inputs + input] * matrix[input * outputs + output]
                        })
                        .sum();
                    assert!((out - 1.0 - wanted).abs() < 1e-3, "{out} {wanted}");
                    assert!((plain - 1.0 - wanted).abs() < 1e-3, "{plain} {wanted}");
                }
            }
        }
    }
}
