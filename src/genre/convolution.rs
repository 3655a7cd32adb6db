//! Worker: two-dimensional convolution as a matrix product, for training and for inference.
//!
//! candle's own CPU convolution is slow to train with, above all its gradient for the weights. Here
//! each sample's neighbourhoods are laid out as the columns of a matrix (im2col; K. Chellapilla,
//! S. Puri, P. Simard 2006), a strip of rows at a time so that a strip stays in the cache, and all
//! three of output, input gradient and weight gradient are products with it. Where no gradient is wanted,
//! [`super::inference`] does the whole block at once.

use candle_core::{CpuStorage, CustomOp2, Device, Layout, Result, Shape, Tensor, bail};

/// Values in a strip's matrix of neighbourhoods: 512 KiB, about half of a core's second cache.
const STRIP: usize = 128 * 1024;

/// Convolution of [batch, channels, rows, columns] with a square kernel
/// [outputs, channels, size, size], size odd, stride 1, zero padding of size / 2.
struct Convolution;

/// `input` [batch, channels, rows, columns] convolved with `weight` [outputs, channels, size, size],
/// size odd, into [batch, outputs, rows, columns]; outside the input counts as zero.
pub fn convolve(input: &Tensor, weight: &Tensor) -> Result<Tensor> {
    input.contiguous()?.apply_op2(&weight.contiguous()?, Convolution)
}

/// The sizes of one convolution.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub batch: usize,
    pub channels: usize,
    pub rows: usize,
    pub columns: usize,
    pub outputs: usize,
    pub kernel: usize,
}

impl Sizes {
    pub fn new(input: &Shape, weight: &Shape) -> Result<Self> {
        let (batch, channels, rows, columns) = input.dims4()?;
        let (outputs, weight_channels, kernel, width) = weight.dims4()?;
        if weight_channels != channels || kernel != width || kernel % 2 == 0 {
            bail!("a kernel of {:?} does not fit an input of {:?}", weight.dims(), input.dims());
        }
        Ok(Self { batch, channels, rows, columns, outputs, kernel })
    }

    /// Values of one sample's input.
    fn sample(&self) -> usize {
        self.channels * self.rows * self.columns
    }

    /// Positions of one channel.
    fn positions(&self) -> usize {
        self.rows * self.columns
    }

    /// Values in a neighbourhood.
    pub fn reach(&self) -> usize {
        self.channels * self.kernel * self.kernel
    }

    /// Rows that are laid out at a time.
    pub fn strip_rows(&self) -> usize {
        (STRIP / (self.reach() * self.columns).max(1)).clamp(1, self.rows.max(1))
    }

    /// Calls `each` with every strip's first row and number of rows.
    fn strips(&self, mut each: impl FnMut(usize, usize)) {
        let step = self.strip_rows();
        let mut first = 0;
        while first < self.rows {
            let count = step.min(self.rows - first);
            each(first, count);
            first += count;
        }
    }

    /// Calls `each(channel, source row or none, row of the matrix, start in it, column shift)` for
    /// every run of a strip's matrix that comes from one row of the input.
    fn runs(
        &self,
        first: usize,
        count: usize,
        mut each: impl FnMut(usize, Option<usize>, usize, isize),
    ) {
        let pad = self.kernel / 2;
        let mut run = 0;
        for channel in 0..self.channels {
            for down in 0..self.kernel {
                for right in 0..self.kernel {
                    for row in first..first + count {
                        let source = (row + down).checked_sub(pad).filter(|&row| row < self.rows);
                        each(channel, source, run, right as isize - pad as isize);
                        run += self.columns;
                    }
                }
            }
        }
    }

    /// Lays out the neighbourhoods of a strip: [reach, rows of the strip × columns].
    fn gather(&self, sample: &[f32], first: usize, count: usize, matrix: &mut [f32]) {
        let columns = self.columns;
        self.runs(first, count, |channel, source, run, shift| {
            let to = &mut matrix[run..run + columns];
            let Some(row) = source else {
                return to.fill(0.0);
            };
            let from = &sample[(channel * self.rows + row) * columns..][..columns];
            let distance = shift.unsigned_abs().min(columns);
            if shift < 0 {
                to[..distance].fill(0.0);
                to[distance..].copy_from_slice(&from[..columns - distance]);
            } else {
                to[..columns - distance].copy_from_slice(&from[distance..]);
                to[columns - distance..].fill(0.0);
            }
        });
    }

    /// Adds a strip's matrix back to where [`Self::gather`] took it from.
    fn scatter(&self, matrix: &[f32], first: usize, count: usize, sample: &mut [f32]) {
        let columns = self.columns;
        self.runs(first, count, |channel, source, run, shift| {
            let Some(row) = source else { return };
            let from = &matrix[run..run + columns];
            let to = &mut sample[(channel * self.rows + row) * columns..][..columns];
            let distance = shift.unsigned_abs().min(columns);
            let (to, from) = if shift < 0 {
                (&mut to[..columns - distance], &from[distance..])
            } else {
                (&mut to[distance..], &from[..columns - distance])
            };
            for (to, from) in to.iter_mut().zip(from) {
                *to += from;
            }
        });
    }

    fn forward(&self, input: &[f32], weight: &[f32]) -> Vec<f32> {
        let positions = self.positions();
        let mut output = vec![0.0; self.batch * self.outputs * positions];
        let mut matrix = vec![0.0; self.reach() * self.strip_rows() * self.columns];
        for (sample, output) in
            input.chunks(self.sample()).zip(output.chunks_mut(self.outputs * positions))
        {
            self.strips(|first, count| {
                let width = count * self.columns;
                let neighbourhoods = self.neighbourhoods(sample, first, count, &mut matrix);
                product(
                    (self.outputs, self.reach(), width),
                    Matrix::new(weight, self.reach()),
                    neighbourhoods,
                    MatrixMut { values: &mut output[first * self.columns..], stride: positions },
                    false,
                );
            });
        }
        output
    }

    /// A strip's matrix; the input itself where the kernel is a single value.
    pub fn neighbourhoods<'a>(
        &self,
        sample: &'a [f32],
        first: usize,
        count: usize,
        matrix: &'a mut [f32],
    ) -> Matrix<'a> {
        if self.kernel == 1 {
            return Matrix::new(&sample[first * self.columns..], self.positions());
        }
        self.gather(sample, first, count, matrix);
        Matrix::new(matrix, count * self.columns)
    }

    fn weight_gradient(&self, input: &[f32], output_gradient: &[f32]) -> Vec<f32> {
        let positions = self.positions();
        let mut gradient = vec![0.0; self.outputs * self.reach()];
        let mut matrix = vec![0.0; self.reach() * self.strip_rows() * self.columns];
        for (sample, output) in
            input.chunks(self.sample()).zip(output_gradient.chunks(self.outputs * positions))
        {
            self.strips(|first, count| {
                let width = count * self.columns;
                let neighbourhoods = self.neighbourhoods(sample, first, count, &mut matrix);
                product(
                    (self.outputs, width, self.reach()),
                    Matrix::new(&output[first * self.columns..], positions),
                    neighbourhoods.transposed(),
                    MatrixMut { values: &mut gradient, stride: self.reach() },
                    true,
                );
            });
        }
        gradient
    }

    fn input_gradient(&self, weight: &[f32], output_gradient: &[f32]) -> Vec<f32> {
        let positions = self.positions();
        let mut gradient = vec![0.0; self.batch * self.sample()];
        let mut matrix = vec![0.0; self.reach() * self.strip_rows() * self.columns];
        for (sample, output) in
            gradient.chunks_mut(self.sample()).zip(output_gradient.chunks(self.outputs * positions))
        {
            self.strips(|first, count| {
                let width = count * self.columns;
                product(
                    (self.reach(), self.outputs, width),
                    Matrix::new(weight, self.reach()).transposed(),
                    Matrix::new(&output[first * self.columns..], positions),
                    MatrixMut { values: &mut matrix, stride: width },
                    false,
                );
                self.scatter(&matrix, first, count, sample);
            });
        }
        gradient
    }
}

/// A matrix in a slice: values `down` apart lie below each other, `right` apart beside each other.
pub(super) struct Matrix<'a> {
    values: &'a [f32],
    down: usize,
    right: usize,
}

impl<'a> Matrix<'a> {
    pub fn new(values: &'a [f32], stride: usize) -> Self {
        Self { values, down: stride, right: 1 }
    }

    fn transposed(self) -> Self {
        Self { values: self.values, down: self.right, right: self.down }
    }
}

/// A matrix to write to, its rows `stride` apart.
pub(super) struct MatrixMut<'a> {
    pub values: &'a mut [f32],
    pub stride: usize,
}

/// `out` (+)= `left` × `right`, for (rows, inner, columns).
pub(super) fn product(
    (rows, inner, columns): (usize, usize, usize),
    left: Matrix,
    right: Matrix,
    out: MatrixMut,
    add: bool,
) {
    if rows == 0 || inner == 0 || columns == 0 {
        return;
    }
    assert!((rows - 1) * left.down + (inner - 1) * left.right < left.values.len());
    assert!((inner - 1) * right.down + (columns - 1) * right.right < right.values.len());
    assert!((rows - 1) * out.stride + columns - 1 < out.values.len() && columns <= out.stride);
    // SAFETY: the three assertions above hold every element that the product reads or writes
    // inside its slice, `out` is borrowed mutably and so overlaps neither input, and its rows
    // don't overlap each other.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            out.values.as_mut_ptr(),
            1,
            out.stride as isize,
            add,
            left.values.as_ptr(),
            left.right as isize,
            left.down as isize,
            right.values.as_ptr(),
            right.right as isize,
            right.down as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// The values of a contiguous f32 tensor in memory.
pub(super) fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("the values of {:?} do not lie side by side", layout.dims()),
    }
}

/// Calls `read` with the values of a tensor.
pub(super) fn read<T>(tensor: &Tensor, read: impl FnOnce(&[f32]) -> T) -> Result<T> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        candle_core::Storage::Cpu(storage) => Ok(read(values(storage, layout)?)),
        _ => bail!("the genre network runs on the CPU alone"),
    }
}

impl CustomOp2 for Convolution {
    fn name(&self) -> &'static str {
        "convolution"
    }

    fn cpu_fwd(
        &self,
        input: &CpuStorage,
        input_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let sizes = Sizes::new(input_layout.shape(), weight_layout.shape())?;
        let output = sizes.forward(values(input, input_layout)?, values(weight, weight_layout)?);
        let shape = Shape::from((sizes.batch, sizes.outputs, sizes.rows, sizes.columns));
        Ok((CpuStorage::F32(output), shape))
    }

    fn bwd(
        &self,
        input: &Tensor,
        weight: &Tensor,
        _output: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let sizes = Sizes::new(input.shape(), weight.shape())?;
        read(gradient, |gradient| {
            let tensor =
                |values, like: &Tensor| Tensor::from_vec(values, like.shape(), &Device::Cpu);
            let for_input = if input.track_op() {
                let values = read(weight, |weight| sizes.input_gradient(weight, gradient))?;
                Some(tensor(values, input)?)
            } else {
                None
            };
            let for_weight = if weight.track_op() {
                let values = read(input, |input| sizes.weight_gradient(input, gradient))?;
                Some(tensor(values, weight)?)
            } else {
                None
            };
            Ok((for_input, for_weight))
        })?
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::*;

    fn random(shape: &[usize]) -> Var {
        Var::randn(0f32, 1., shape, &Device::Cpu).unwrap()
    }

    fn distance(a: &Tensor, b: &Tensor) -> f32 {
        (a - b).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar().unwrap()
    }

    #[test]
    fn output_and_gradients_are_those_of_candles_convolution() {
        // The second shape takes several strips; the third is a kernel of a single value.
        for (shape, outputs, kernel) in
            [([2, 3, 7, 5], 4, 3), ([1, 24, 64, 43], 8, 3), ([2, 6, 1, 9], 5, 1)]
        {
            let input = random(&shape);
            let weight = random(&[outputs, shape[1], kernel, kernel]);
            let ours = convolve(input.as_tensor(), weight.as_tensor()).unwrap();
            let theirs = input.conv2d(weight.as_tensor(), kernel / 2, 1, 1, 1).unwrap();
            assert!(distance(&ours, &theirs) < 1e-3);
            let pull = random(ours.dims());
            let ours = (ours * pull.as_tensor()).unwrap().sum_all().unwrap().backward().unwrap();
            let theirs =
                (theirs * pull.as_tensor()).unwrap().sum_all().unwrap().backward().unwrap();
            for variable in [&input, &weight] {
                let (ours, theirs) = (ours.get(variable).unwrap(), theirs.get(variable).unwrap());
                assert!(distance(ours, theirs) < 5e-3, "{shape:?}");
            }
        }
    }

    #[test]
    fn a_kernel_for_other_channels_is_an_error() {
        assert!(
            convolve(random(&[1, 3, 4, 4]).as_tensor(), random(&[2, 5, 3, 3]).as_tensor()).is_err()
        );
    }
}
