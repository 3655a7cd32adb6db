//! Worker: a block of the network at once, for inference: convolution, normalisation, rectifier, pooling.
//!
//! A strip of rows goes through all of it while it is in the cache; only what is left after pooling is written
//! out. The room to work in is kept from reading to reading: taken anew each time, its pages cost more than the sums.

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

use candle_core::{Device, Result, Tensor, bail};

use super::convolution::{Matrix, MatrixMut, Sizes, product, read};
use super::normalisation::{Normalisation, POOLS, pool_row};
use super::winograd;

/// A convolution's weights [outputs, channels, size, size]. A clone shares them.
#[derive(Clone)]
pub(super) struct Kernels {
    pub weight: Tensor,
    /// As inference takes them where it goes by Winograd, made when they are first needed: the weights must not change from
    /// then on.
    transformed: Arc<OnceLock<Vec<f32>>>,
}

impl From<Tensor> for Kernels {
    fn from(weight: Tensor) -> Self {
        Self { weight, transformed: Arc::default() }
    }
}

/// Room to work in.
#[derive(Default)]
struct Room {
    tiles: winograd::Room,
    /// Neighbourhoods of a strip.
    matrix: Vec<f32>,
    /// A strip of the convolution's output.
    strip: Vec<f32>,
}

thread_local! {
    static ROOM: RefCell<Room> = RefCell::default();
}

/// `room` with at least `length` values in it.
pub(super) fn at_least(room: &mut Vec<f32>, length: usize) -> &mut [f32] {
    if room.len() < length {
        room.resize(length, 0.0);
    }
    &mut room[..length]
}

/// What `norm.forward(&convolve(input, &kernels.weight)?, false)` gives: [batch, channels, rows, columns] →
/// [batch, outputs, rows / pool.0, columns / pool.1].
pub(super) fn convolve_and_pool(
    input: &Tensor,
    kernels: &Kernels,
    norm: &Normalisation,
) -> Result<Tensor> {
    let sizes = Sizes::new(input.shape(), kernels.weight.shape())?;
    let pool = norm.pool();
    let (rows, columns) = (sizes.rows / pool.0, sizes.columns / pool.1);
    let (scale, shift) = norm.scale_and_shift()?;
    let linear: Vec<(f32, f32)> =
        scale.to_vec1::<f32>()?.into_iter().zip(shift.to_vec1::<f32>()?).collect();
    if rows == 0 || columns == 0 || linear.len() != sizes.outputs || !POOLS.contains(&pool) {
        bail!("{} rows of {} columns can't be pooled by {pool:?}", sizes.rows, sizes.columns);
    }
    let mut output = vec![0.0; sizes.batch * sizes.outputs * rows * columns];
    let pooled = Pooled { linear: &linear, pool, rows, columns };
    read(input, |input| {
        read(&kernels.weight, |weight| {
            ROOM.with_borrow_mut(|room| {
                if winograd::suits(&sizes, pool) {
                    let kernels = &kernels.transformed;
                    let kernels = kernels.get_or_init(|| winograd::transformed(weight));
                    winograd::forward(
                        &sizes,
                        input,
                        kernels,
                        &pooled,
                        &mut room.tiles,
                        &mut output,
                    );
                } else {
                    by_neighbourhoods(&sizes, input, weight, &pooled, room, &mut output);
                }
            });
        })
    })??;
    Tensor::from_vec(output, (sizes.batch, sizes.outputs, rows, columns), &Device::Cpu)
}

/// What becomes of the convolution's output.
pub(super) struct Pooled<'a> {
    /// Scale and shift of each channel.
    pub linear: &'a [(f32, f32)],
    pub pool: (usize, usize),
    /// Rows and columns that are left.
    pub rows: usize,
    pub columns: usize,
}

impl Pooled<'_> {
    /// Takes the rows of a channel that one row of cells covers, `columns` each, into row `row` of its map.
    pub fn take(&self, rows: &[f32], columns: usize, channel: usize, row: usize, map: &mut [f32]) {
        if let Some(out) = map.chunks_mut(self.columns).nth(row) {
            pool_row(rows, columns, self.pool, self.linear[channel], out);
        }
    }
}

fn by_neighbourhoods(
    sizes: &Sizes,
    input: &[f32],
    weight: &[f32],
    pooled: &Pooled,
    room: &mut Room,
    output: &mut [f32],
) {
    let (deep, columns) = (pooled.pool.0, sizes.columns);
    // Whole rows of cells.
    let strip_rows = (sizes.strip_rows() / deep).max(1) * deep;
    let matrix = at_least(&mut room.matrix, sizes.reach() * strip_rows * columns);
    let strip = at_least(&mut room.strip, sizes.outputs * strip_rows * columns);
    let sample = sizes.channels * sizes.rows * columns;
    let map = pooled.rows * pooled.columns;
    for (sample, output) in input.chunks(sample).zip(output.chunks_mut(sizes.outputs * map)) {
        for first in (0..pooled.rows * deep).step_by(strip_rows) {
            let count = strip_rows.min(pooled.rows * deep - first);
            let width = count * columns;
            let neighbourhoods = sizes.neighbourhoods(sample, first, count, matrix);
            product(
                (sizes.outputs, sizes.reach(), width),
                Matrix::new(weight, sizes.reach()),
                neighbourhoods,
                MatrixMut { values: strip, stride: width },
                false,
            );
            for (channel, (rows, map)) in
                strip.chunks(width).zip(output.chunks_mut(map)).enumerate()
            {
                for (row, rows) in rows.chunks(deep * columns).enumerate() {
                    pooled.take(rows, columns, channel, first / deep + row, map);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::DType;
    use candle_nn::{VarBuilder, VarMap};

    use super::super::convolution::convolve;
    use super::*;

    #[test]
    fn inference_gives_what_the_blocks_parts_give() {
        let random = |shape: &[usize]| Tensor::randn(0f32, 1., shape, &Device::Cpu).unwrap();
        // Both ways, every pooling cell, edges that fill no cell, a single tile, several strips.
        for (shape, kernel, pool) in [
            ([1, 2, 128, 43], 3, (2, 1)),
            ([2, 16, 8, 6], 3, (2, 2)),
            ([1, 16, 7, 9], 3, (2, 2)),
            ([2, 17, 7, 9], 3, (2, 1)),
            ([1, 16, 2, 1], 3, (2, 1)),
            ([1, 16, 64, 131], 3, (2, 2)),
            ([1, 16, 7, 9], 3, (1, 1)),
            ([3, 40, 1, 11], 1, (1, 1)),
        ] {
            let variables = VarMap::new();
            let paths = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
            let norm = Normalisation::new(20, pool, paths).unwrap();
            // Statistics other than those at the start.
            norm.forward(&(random(&[4, 20, 6, 6]) + 0.5).unwrap(), true).unwrap();
            let (input, weight) = (random(&shape), random(&[20, shape[1], kernel, kernel]));
            let parts = norm.forward(&convolve(&input, &weight).unwrap(), false).unwrap();
            let whole = convolve_and_pool(&input, &weight.into(), &norm).unwrap();
            assert_eq!(parts.dims(), whole.dims());
            let apart = (parts - whole).unwrap().abs().unwrap().flatten_all().unwrap();
            let apart = apart.max(0).unwrap().to_scalar::<f32>().unwrap();
            assert!(apart < 1e-3, "{shape:?} {pool:?}: {apart}");
        }
    }
}
