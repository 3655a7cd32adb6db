//! Worker: batch normalisation, rectifier and maximum pooling in one pass over the values, for
//! training and for inference.
//!
//! As separate steps they read and write the largest feature maps of the network nine times a
//! training step; together, four times.

use std::sync::Mutex;

use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor, Var, bail};
use candle_nn::{Init, VarBuilder};

use super::convolution::{read, values};
use earworm_vectorised::vectorised;

/// Keeps a channel that never varies from being divided by zero.
const EPSILON: f32 = 1e-5;
/// How much of the running statistics the newest batch makes up.
const MOMENTUM: f32 = 0.02;

/// Batch normalisation (S. Ioffe, C. Szegedy 2015), rectifier, and maximum over cells of `pool`
/// (rows, columns); rows and columns that fill no cell are left out.
#[derive(Clone)]
pub struct Normalisation {
    weight: Tensor,
    bias: Tensor,
    running_mean: Var,
    running_variance: Var,
    pool: (usize, usize),
}

impl Normalisation {
    /// For `channels` channels.
    pub fn new(channels: usize, pool: (usize, usize), paths: VarBuilder) -> Result<Self> {
        let running = |name, value| {
            Var::from_tensor(&paths.get_with_hints(channels, name, Init::Const(value))?)
        };
        Ok(Self {
            weight: paths.get_with_hints(channels, "weight", Init::Const(1.0))?,
            bias: paths.get_with_hints(channels, "bias", Init::Const(0.0))?,
            running_mean: running("running_mean", 0.0)?,
            running_variance: running("running_variance", 1.0)?,
            pool,
        })
    }

    /// The pooling cell, (rows, columns).
    pub fn pool(&self) -> (usize, usize) {
        self.pool
    }

    /// Scale and shift of each channel with the running statistics.
    pub fn scale_and_shift(&self) -> Result<(Tensor, Tensor)> {
        let deviation = (self.running_variance.as_tensor() + f64::from(EPSILON))?.sqrt()?;
        let scale = (&self.weight / deviation)?;
        let shift = (&self.bias - (self.running_mean.as_tensor() * &scale)?)?;
        Ok((scale, shift))
    }

    /// [batch, channels, rows, columns] → [batch, channels, rows / pool.0, columns / pool.1].
    ///
    /// While training, with the batch's own statistics, which the running ones then follow.
    pub fn forward(&self, input: &Tensor, training: bool) -> Result<Tensor> {
        let input = input.contiguous()?;
        if !training {
            let (scale, shift) = self.scale_and_shift()?;
            let fixed = NormalisePool { pool: self.pool, statistics: None };
            return input.apply_op3_no_bwd(&scale, &shift, &fixed);
        }
        let (batch, channels, rows, columns) = input.dims4()?;
        let statistics = read(&input, |input| Statistics::new(input, channels, rows * columns))?;
        let count = (batch * rows * columns) as f32;
        let follow = |running: &Var, values: Vec<f32>| -> Result<()> {
            let values = Tensor::from_vec(values, channels, &Device::Cpu)?;
            let momentum = f64::from(MOMENTUM);
            running
                .set(&((running.as_tensor() * (1.0 - momentum))? + (values * momentum)?)?.detach())
        };
        follow(&self.running_mean, statistics.mean.clone())?;
        let unbiased = count / (count - 1.0).max(1.0);
        follow(&self.running_variance, statistics.variance.iter().map(|v| v * unbiased).collect())?;
        let statistics = Some(Mutex::new(statistics));
        input.apply_op3(&self.weight, &self.bias, NormalisePool { pool: self.pool, statistics })
    }
}

/// The pooling cells that there are.
pub(super) const POOLS: [(usize, usize); 3] = [(1, 1), (2, 1), (2, 2)];

vectorised! {
    /// A row of the output: the maximum over each cell of `pool`, of which `rows` holds the one or two rows, times
    /// scale and plus shift, or zero where that is less.
    fn pool_row(
        rows: &[f32],
        columns: usize,
        pool: (usize, usize),
        linear: (f32, f32),
        out: &mut [f32],
    ) {
        let (scale, shift) = linear;
        let value = |x: f32| x * scale + shift;
        let (first, second) = rows.split_at(columns);
        match pool {
            (2, 2) => {
                let (first, second) = (first.as_chunks::<2>().0, second.as_chunks::<2>().0);
                for ((out, a), b) in out.iter_mut().zip(first).zip(second) {
                    let upper = value(a[0]).max(value(a[1]));
                    *out = upper.max(value(b[0]).max(value(b[1]))).max(0.0);
                }
            }
            (2, 1) => {
                for ((out, &a), &b) in out.iter_mut().zip(first).zip(second) {
                    *out = value(a).max(value(b)).max(0.0);
                }
            }
            _ => {
                for (out, &a) in out.iter_mut().zip(first) {
                    *out = value(a).max(0.0);
                }
            }
        }
    }
}

/// A batch's mean and variance, channel by channel.
struct Statistics {
    mean: Vec<f32>,
    variance: Vec<f32>,
}

impl Statistics {
    fn new(input: &[f32], channels: usize, positions: usize) -> Self {
        let mut sums = vec![(0.0_f64, 0.0_f64); channels];
        let count = (input.len() / channels.max(1)).max(1) as f64;
        for (index, values) in input.chunks(positions.max(1)).enumerate() {
            let (sum, squares) = sum_and_squares(values);
            let total = &mut sums[index % channels];
            total.0 += f64::from(sum);
            total.1 += f64::from(squares);
        }
        let mean = |sum: f64| sum / count;
        Self {
            mean: sums.iter().map(|&(sum, _)| mean(sum) as f32).collect(),
            variance: sums
                .iter()
                .map(|&(sum, squares)| (mean(squares) - mean(sum).powi(2)).max(0.0) as f32)
                .collect(),
        }
    }

    fn inverse_deviation(&self, channel: usize) -> f32 {
        1.0 / (self.variance[channel] + EPSILON).sqrt()
    }
}

/// Eight sums side by side, so that the compiler can use vector registers.
fn sum_and_squares(values: &[f32]) -> (f32, f32) {
    let mut sums = [0.0_f32; 8];
    let mut squares = [0.0_f32; 8];
    let (whole, rest) = values.as_chunks::<8>();
    for eight in whole {
        for lane in 0..8 {
            sums[lane] += eight[lane];
            squares[lane] += eight[lane] * eight[lane];
        }
    }
    let tail: (f32, f32) =
        rest.iter().fold((0.0, 0.0), |(sum, square), x| (sum + x, square + x * x));
    (sums.iter().sum::<f32>() + tail.0, squares.iter().sum::<f32>() + tail.1)
}

/// The fused step; with `statistics` the two parameters are weight and bias, without them they
/// are scale and shift.
struct NormalisePool {
    pool: (usize, usize),
    statistics: Option<Mutex<Statistics>>,
}

impl NormalisePool {
    fn pooled(&self, rows: usize, columns: usize) -> (usize, usize) {
        (rows / self.pool.0, columns / self.pool.1)
    }
}

/// The positions of a pooling cell relative to its first, at most four.
fn cell(pool: (usize, usize), columns: usize) -> Vec<usize> {
    (0..pool.0).flat_map(|down| (0..pool.1).map(move |right| down * columns + right)).collect()
}

impl CustomOp3 for NormalisePool {
    fn name(&self) -> &'static str {
        "normalise, rectify, pool"
    }

    fn cpu_fwd(
        &self,
        input: &CpuStorage,
        layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (batch, channels, rows, columns) = layout.shape().dims4()?;
        let (weight, bias) = (values(weight, weight_layout)?, values(bias, bias_layout)?);
        let input = values(input, layout)?;
        let (out_rows, out_columns) = self.pooled(rows, columns);
        if out_rows == 0
            || out_columns == 0
            || weight.len() != channels
            || bias.len() != channels
            || !POOLS.contains(&self.pool)
        {
            bail!(
                "{rows} rows of {columns} columns in {channels} channels can't be pooled by {:?}",
                self.pool
            );
        }
        let (scale, shift): (Vec<f32>, Vec<f32>) = match &self.statistics {
            None => (weight.to_vec(), bias.to_vec()),
            Some(statistics) => {
                let Ok(statistics) = statistics.lock() else {
                    bail!("the batch's statistics are lost")
                };
                (0..channels)
                    .map(|c| {
                        let scale = weight[c] * statistics.inverse_deviation(c);
                        (scale, bias[c] - statistics.mean[c] * scale)
                    })
                    .unzip()
            }
        };
        let mut output = vec![0.0; batch * channels * out_rows * out_columns];
        for (index, (map, out)) in
            input.chunks(rows * columns).zip(output.chunks_mut(out_rows * out_columns)).enumerate()
        {
            let linear = (scale[index % channels], shift[index % channels]);
            let cells = map.chunks(self.pool.0 * columns).zip(out.chunks_mut(out_columns));
            cells.for_each(|(rows, out)| pool_row(rows, columns, self.pool, linear, out));
        }
        Ok((CpuStorage::F32(output), Shape::from((batch, channels, out_rows, out_columns))))
    }

    fn bwd(
        &self,
        input: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _output: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (batch, channels, rows, columns) = input.dims4()?;
        let (out_rows, out_columns) = self.pooled(rows, columns);
        let positions = rows * columns;
        let Some(statistics) = &self.statistics else { bail!("no gradient at fixed statistics") };
        let Ok(statistics) = statistics.lock() else { bail!("the batch's statistics are lost") };
        let (gamma, beta) = (weight.to_vec1::<f32>()?, bias.to_vec1::<f32>()?);
        let count = (batch * positions) as f32;
        let offsets = cell(self.pool, columns);

        // The gradient flows through each cell's largest value, where that is above zero; then the
        // batch's mean and deviation take their share from every value of the channel.
        let (for_input, for_weight, for_bias) = read(input, |input| {
            read(gradient, |gradient| {
                let mut for_input = vec![0.0_f32; input.len()];
                let mut for_weight = vec![0.0_f32; channels];
                let mut for_bias = vec![0.0_f32; channels];
                for (index, ((map, pulled), pull)) in input
                    .chunks(positions)
                    .zip(for_input.chunks_mut(positions))
                    .zip(gradient.chunks(out_rows * out_columns))
                    .enumerate()
                {
                    let channel = index % channels;
                    let scale = gamma[channel] * statistics.inverse_deviation(channel);
                    let shift = beta[channel] - statistics.mean[channel] * scale;
                    let (mut with_value, mut alone) = (0.0, 0.0);
                    for row in 0..out_rows {
                        for column in 0..out_columns {
                            let corner = row * self.pool.0 * columns + column * self.pool.1;
                            let mut largest = f32::NEG_INFINITY;
                            let mut place = corner;
                            for offset in &offsets {
                                let value = map[corner + offset] * scale + shift;
                                if value > largest {
                                    largest = value;
                                    place = corner + offset;
                                }
                            }
                            if largest > 0.0 {
                                let pull = pull[row * out_columns + column];
                                pulled[place] = pull;
                                with_value += pull * map[place];
                                alone += pull;
                            }
                        }
                    }
                    for_weight[channel] += (with_value - alone * statistics.mean[channel])
                        * statistics.inverse_deviation(channel);
                    for_bias[channel] += alone;
                }
                for (index, (map, pulled)) in
                    input.chunks(positions).zip(for_input.chunks_mut(positions)).enumerate()
                {
                    let channel = index % channels;
                    let inverse = statistics.inverse_deviation(channel);
                    let scale = gamma[channel] * inverse;
                    let slope = -for_weight[channel] * inverse / count;
                    let level = -for_bias[channel] / count - slope * statistics.mean[channel];
                    for (pulled, x) in pulled.iter_mut().zip(map) {
                        *pulled = scale * (*pulled + level + slope * x);
                    }
                }
                (for_input, for_weight, for_bias)
            })
        })??;
        let per_channel = |values: Vec<f32>| Tensor::from_vec(values, channels, &Device::Cpu);
        Ok((
            Some(Tensor::from_vec(for_input, input.shape(), &Device::Cpu)?),
            Some(per_channel(for_weight)?),
            Some(per_channel(for_bias)?),
        ))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::DType;
    use candle_nn::{BatchNorm, ModuleT, VarMap};

    use super::*;

    fn distance(a: &Tensor, b: &Tensor) -> f32 {
        (a - b).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar().unwrap()
    }

    #[test]
    fn the_fused_step_is_candles_normalisation_rectifier_and_pooling() {
        for pool in [(1, 1), (2, 1), (2, 2)] {
            let shape = (3, 4, 6, 8);
            let input = Var::randn(0.5f32, 2., shape, &Device::Cpu).unwrap();
            let variables = VarMap::new();
            let paths = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
            let ours = Normalisation::new(4, pool, paths).unwrap();
            let theirs = BatchNorm::new(
                4,
                Tensor::zeros(4, DType::F32, &Device::Cpu).unwrap(),
                Tensor::ones(4, DType::F32, &Device::Cpu).unwrap(),
                ours.weight.clone(),
                ours.bias.clone(),
                f64::from(EPSILON),
            )
            .unwrap();
            // candle's own gradient of max_pool2d divides by the cell's size; its maximum over an
            // axis doesn't.
            let rectified = theirs.forward_t(&input, true).unwrap().relu().unwrap();
            let cells = [3, 4, 6 / pool.0, pool.0, 8 / pool.1, pool.1];
            let b = rectified.reshape(&cells[..]).unwrap().max(5).unwrap().max(3).unwrap();
            let a = ours.forward(&input, true).unwrap();
            assert!(distance(&a, &b) < 1e-4);
            let pull = Tensor::randn(0f32, 1., a.shape(), &Device::Cpu).unwrap();
            let a = (a * &pull).unwrap().sum_all().unwrap().backward().unwrap();
            let b = (b * &pull).unwrap().sum_all().unwrap().backward().unwrap();
            for variable in [input.as_tensor(), &ours.weight, &ours.bias] {
                assert!(
                    distance(a.get(variable).unwrap(), b.get(variable).unwrap()) < 1e-3,
                    "{pool:?}"
                );
            }
        }
    }

    #[test]
    fn a_map_smaller_than_a_pooling_cell_is_an_error() {
        let paths = VarBuilder::zeros(DType::F32, &Device::Cpu);
        let norm = Normalisation::new(2, (2, 2), paths).unwrap();
        let input = Tensor::zeros((1, 2, 4, 1), DType::F32, &Device::Cpu).unwrap();
        assert!(norm.forward(&input, false).is_err());
    }
}
