//! Core: the product of matrices that lie in slices.

/// A matrix in a slice: values `down` apart lie below each other, `right` apart beside each other. Rows may overlap.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub values: &'a [f32],
    pub down: usize,
    pub right: usize,
}

impl<'a> Matrix<'a> {
    /// Rows that lie `stride` apart.
    pub fn new(values: &'a [f32], stride: usize) -> Self {
        Self { values, down: stride, right: 1 }
    }

    /// Rows for columns.
    pub fn transposed(self) -> Self {
        Self { values: self.values, down: self.right, right: self.down }
    }
}

/// `out`, its rows `columns` apart, = `left` × `right`, for (rows, inner, columns).
pub(super) fn product(
    (rows, inner, columns): (usize, usize, usize),
    left: Matrix,
    right: Matrix,
    out: &mut [f32],
) {
    if rows == 0 || inner == 0 || columns == 0 {
        return;
    }
    assert!((rows - 1) * left.down + (inner - 1) * left.right < left.values.len());
    assert!((inner - 1) * right.down + (columns - 1) * right.right < right.values.len());
    assert!(rows * columns <= out.len());
    // SAFETY: the three assertions above hold every element that the product reads or writes
    // inside its slice, `out` is borrowed mutably and so overlaps neither input, and its rows
    // don't overlap each other.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            out.as_mut_ptr(),
            1,
            columns as isize,
            false,
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
