//! Worker: 3 × 3 convolution by Winograd's minimal filtering, for inference.
//!
//! F(2 × 2, 3 × 3) of A. Lavin and S. Gray (2016): each 2 × 2 cell of the output comes from a 4 × 4 tile of the
//! input by 16 products in place of 36. Tiles and kernels are transformed with additions alone, the products
//! become 16 matrix products over the channels, and a strip of tiles is taken at a time so that it stays in the cache.

use super::convolution::{Matrix, MatrixMut, Sizes, product};
use super::inference::{Pooled, at_least};
use earworm_vectorised::vectorised;

/// Values of a strip's tiles and products: 1 MiB.
const STRIP: usize = 256 * 1024;

/// Room to work in.
#[derive(Default)]
pub(super) struct Room {
    tiles: Vec<f32>,
    products: Vec<f32>,
    /// The two rows of the output that a row of tiles makes.
    rows: Vec<f32>,
    lines: Lines,
}

/// Whether this way is worth its transforms: with few channels they cost more than they save. A row of tiles makes
/// two rows of the output, so pooling must take two.
pub(super) fn suits(sizes: &Sizes, pool: (usize, usize)) -> bool {
    sizes.kernel == 3 && sizes.channels >= 16 && sizes.outputs >= 16 && pool.0 == 2
}

/// Convolution by `kernels` that were [`transformed`], and what becomes of it.
pub(super) fn forward(
    sizes: &Sizes,
    input: &[f32],
    kernels: &[f32],
    pooled: &Pooled,
    room: &mut Room,
    output: &mut [f32],
) {
    let Sizes { channels, rows, columns, outputs, .. } = *sizes;
    // Tiles in a row, of which the last may reach over the edge, and rows of tiles.
    let (across, down) = (columns.div_ceil(2), pooled.rows);
    let strip = (STRIP / (16 * (channels + outputs) * across.max(1))).clamp(1, down.max(1));
    let tiles = at_least(&mut room.tiles, 16 * channels * strip * across);
    let products = at_least(&mut room.products, 16 * outputs * strip * across);
    let both = at_least(&mut room.rows, 2 * columns);
    let lines = &mut room.lines;
    lines.fit(across);
    let map = pooled.rows * pooled.columns;
    for (sample, output) in
        input.chunks(channels * rows * columns).zip(output.chunks_mut(outputs * map))
    {
        for first in (0..down).step_by(strip) {
            let count = strip.min(down - first);
            let width = count * across;
            for (channel, map) in sample.chunks(rows * columns).enumerate() {
                for row in 0..count {
                    lines.split(map, columns, 2 * (first + row));
                    let start = channel * width + row * across;
                    transform_tiles(lines, tiles, start, channels * width);
                }
            }
            for place in 0..16 {
                product(
                    (outputs, channels, width),
                    Matrix::new(&kernels[place * outputs * channels..], channels),
                    Matrix::new(&tiles[place * channels * width..], width),
                    MatrixMut { values: &mut products[place * outputs * width..], stride: width },
                    false,
                );
            }
            for (channel, map) in output.chunks_mut(map).enumerate() {
                for row in 0..count {
                    let start = channel * width + row * across;
                    let (upper, lower) = lines.outputs();
                    transform_products(products, start, outputs * width, upper, lower);
                    lines.join(both, columns);
                    pooled.take(both, columns, channel, first + row, map);
                }
            }
        }
    }
}

/// G g Gᵀ of each 3 × 3 kernel g: [16, kernels].
pub(super) fn transformed(weight: &[f32]) -> Vec<f32> {
    let count = weight.len() / 9;
    let mut transformed = vec![0.0; 16 * count];
    let row = |a: f32, b: f32, c: f32| [a, 0.5 * (a + b + c), 0.5 * (a - b + c), c];
    // Sixteen kernels at a time, so that whole cache lines are written.
    let mut block = [[0.0; 16]; 16];
    for (number, kernels) in weight.as_chunks::<9>().0.chunks(16).enumerate() {
        for (kernel, values) in kernels.iter().enumerate() {
            // By columns first, then by rows.
            let columns: [[f32; 4]; 3] =
                std::array::from_fn(|x| row(values[x], values[3 + x], values[6 + x]));
            for y in 0..4 {
                let across = row(columns[0][y], columns[1][y], columns[2][y]);
                for (x, value) in across.into_iter().enumerate() {
                    block[4 * y + x][kernel] = value;
                }
            }
        }
        for (values, transformed) in block.iter().zip(transformed.chunks_mut(count)) {
            let transformed = &mut transformed[16 * number..][..kernels.len()];
            transformed.copy_from_slice(&values[..kernels.len()]);
        }
    }
    transformed
}

/// Four rows of the input that a row of tiles covers, even and odd columns apart, a zero beyond each edge.
#[derive(Default)]
pub(super) struct Lines {
    /// Columns -1, 1, 3 …: the first and third value of each tile.
    odd: [Vec<f32>; 4],
    /// Columns 0, 2, 4 …: the second and fourth.
    even: [Vec<f32>; 4],
    /// Two rows of the output.
    upper: [Vec<f32>; 2],
    lower: [Vec<f32>; 2],
}

impl Lines {
    /// Makes room for so many tiles in a row.
    fn fit(&mut self, across: usize) {
        for line in self.odd.iter_mut().chain(&mut self.even) {
            line.resize(across + 1, 0.0);
        }
        for line in self.upper.iter_mut().chain(&mut self.lower) {
            line.resize(across, 0.0);
        }
    }

    /// Takes the rows `top - 1` to `top + 2` of a map.
    fn split(&mut self, map: &[f32], columns: usize, top: usize) {
        for (line, (odd, even)) in self.odd.iter_mut().zip(&mut self.even).enumerate() {
            let row = (top + line).checked_sub(1).and_then(|row| map.chunks(columns).nth(row));
            let Some(row) = row else {
                odd.fill(0.0);
                even.fill(0.0);
                continue;
            };
            odd[0] = 0.0;
            let (pairs, rest) = row.as_chunks::<2>();
            part(pairs, even, &mut odd[1..]);
            if let Some(&last) = rest.first() {
                even[pairs.len()] = last;
                odd[pairs.len() + 1] = 0.0;
                if let Some(beyond) = even.get_mut(pairs.len() + 1) {
                    *beyond = 0.0;
                }
            } else {
                even[pairs.len()] = 0.0;
            }
        }
    }

    /// The two rows of the output, each as even and odd columns.
    fn outputs(&mut self) -> (&mut [Vec<f32>; 2], &mut [Vec<f32>; 2]) {
        (&mut self.upper, &mut self.lower)
    }

    /// The two rows of the output, one after the other.
    fn join(&self, rows: &mut [f32], columns: usize) {
        for (row, [even, odd]) in rows.chunks_mut(columns).zip([&self.upper, &self.lower]) {
            let (pairs, rest) = row.as_chunks_mut::<2>();
            merge(even, odd, pairs);
            if let (Some(last), Some(&value)) = (rest.first_mut(), even.last()) {
                *last = value;
            }
        }
    }
}

vectorised! {
    /// The first of each pair, and the second.
    fn part(pairs: &[[f32; 2]], first: &mut [f32], second: &mut [f32]) {
        for ((first, second), pair) in first.iter_mut().zip(second).zip(pairs) {
            (*first, *second) = (pair[0], pair[1]);
        }
    }
}

vectorised! {
    /// Pairs of a first and a second.
    fn merge(first: &[f32], second: &[f32], pairs: &mut [[f32; 2]]) {
        for ((pair, &first), &second) in pairs.iter_mut().zip(first).zip(second) {
            *pair = [first, second];
        }
    }
}

vectorised! {
    /// Bᵀ d B of a row of tiles d; value (y, x) of the tile goes to `tiles[(4 y + x) * apart + start..]`.
    fn transform_tiles(lines: &Lines, tiles: &mut [f32], start: usize, apart: usize) {
        let across = lines.upper[0].len();
        for y in 0..4 {
            // Bᵀ over the four rows: which two, and whether their sum or difference.
            let (a, b, sign) = [(0, 2, -1.0), (1, 2, 1.0), (2, 1, -1.0), (1, 3, -1.0)][y];
            let (odd_a, odd_b) = (&lines.odd[a][..across + 1], &lines.odd[b][..across + 1]);
            let (even_a, even_b) = (&lines.even[a][..across + 1], &lines.even[b][..across + 1]);
            let (first, rest) = tiles[4 * y * apart + start..].split_at_mut(apart);
            let (second, rest) = rest.split_at_mut(apart);
            let (third, fourth) = rest.split_at_mut(apart);
            let (first, second) = (&mut first[..across], &mut second[..across]);
            let (third, fourth) = (&mut third[..across], &mut fourth[..across]);
            for x in 0..across {
                let d0 = odd_a[x] + sign * odd_b[x];
                let d1 = even_a[x] + sign * even_b[x];
                let d2 = odd_a[x + 1] + sign * odd_b[x + 1];
                let d3 = even_a[x + 1] + sign * even_b[x + 1];
                first[x] = d0 - d2;
                second[x] = d1 + d2;
                third[x] = d2 - d1;
                fourth[x] = d1 - d3;
            }
        }
    }
}

vectorised! {
    /// Aᵀ m A of a row of products m: an upper and a lower row of the output, each as even and odd columns.
    fn transform_products(
        products: &[f32],
        start: usize,
        apart: usize,
        upper: &mut [Vec<f32>; 2],
        lower: &mut [Vec<f32>; 2],
    ) {
        let across = upper[0].len();
        let m: [&[f32]; 16] =
            std::array::from_fn(|place| &products[place * apart + start..][..across]);
        let [upper_even, upper_odd] = upper;
        let [lower_even, lower_odd] = lower;
        let (upper_even, upper_odd) = (&mut upper_even[..across], &mut upper_odd[..across]);
        let (lower_even, lower_odd) = (&mut lower_even[..across], &mut lower_odd[..across]);
        for x in 0..across {
            let above: [f32; 4] = std::array::from_fn(|j| m[j][x] + m[4 + j][x] + m[8 + j][x]);
            let below: [f32; 4] = std::array::from_fn(|j| m[4 + j][x] - m[8 + j][x] - m[12 + j][x]);
            upper_even[x] = above[0] + above[1] + above[2];
            upper_odd[x] = above[1] - above[2] - above[3];
            lower_even[x] = below[0] + below[1] + below[2];
            lower_odd[x] = below[1] - below[2] - below[3];
        }
    }
}
