//! Core: exact note lengths.

use std::fmt;
use std::ops::{Add, Div, Mul};

/// An exact length: a ratio of two whole numbers, always in lowest terms, its denominator never 0.
///
/// What one is depends on the place: note lengths as written count unit note lengths
/// (ABC 2.1 §4.3), note values and durations count whole notes. A result too fine or too large for
/// 32 bits is brought to the nearest one that fits, so that no input can overflow it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Length {
    numerator: u32,
    denominator: u32,
}

impl Length {
    /// No time at all.
    pub const ZERO: Self = Self::new(0, 1);
    /// One of whatever is counted.
    pub const ONE: Self = Self::new(1, 1);

    /// `numerator / denominator` in lowest terms; a denominator of 0 is taken as 1.
    pub const fn new(numerator: u32, denominator: u32) -> Self {
        let denominator = if denominator == 0 { 1 } else { denominator };
        let (mut a, mut b) = (numerator, denominator);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        Self { numerator: numerator / a, denominator: denominator / a }
    }

    /// The ratio's upper number, in lowest terms.
    pub const fn numerator(self) -> u32 {
        self.numerator
    }

    /// The ratio's lower number, in lowest terms; at least 1.
    pub const fn denominator(self) -> u32 {
        self.denominator
    }

    /// Whether this is no time at all.
    pub const fn is_zero(self) -> bool {
        self.numerator == 0
    }

    /// The length as a floating-point number.
    pub fn to_f64(self) -> f64 {
        f64::from(self.numerator) / f64::from(self.denominator)
    }

    /// Whole ticks in this length, where it counts whole notes (4 × [`PPQ`](super::PPQ) ticks each),
    /// rounded down.
    pub fn ticks(self) -> u32 {
        let ticks = u64::from(self.numerator) * u64::from(4 * super::PPQ);
        u32::try_from(ticks / u64::from(self.denominator)).unwrap_or(u32::MAX)
    }

    /// The difference, or zero where `other` is longer.
    pub fn saturating_sub(self, other: Self) -> Self {
        let (a, b, c, d) = self.widened(other);
        Self::reduced((a * d).saturating_sub(c * b), b * d)
    }

    fn widened(self, other: Self) -> (u128, u128, u128, u128) {
        (
            u128::from(self.numerator),
            u128::from(self.denominator),
            u128::from(other.numerator),
            u128::from(other.denominator),
        )
    }

    fn reduced(numerator: u128, denominator: u128) -> Self {
        let (mut a, mut b) = (numerator, denominator);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        let (mut numerator, mut denominator) = (numerator / a, denominator / a);
        while numerator > u128::from(u32::MAX) || denominator > u128::from(u32::MAX) {
            if denominator == 1 {
                numerator = u128::from(u32::MAX);
            } else {
                numerator /= 2;
                denominator /= 2;
            }
        }
        Self::new(numerator as u32, denominator as u32)
    }
}

impl Default for Length {
    fn default() -> Self {
        Self::ONE
    }
}

impl Add for Length {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let (a, b, c, d) = self.widened(other);
        Self::reduced(a * d + c * b, b * d)
    }
}

impl Mul for Length {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let (a, b, c, d) = self.widened(other);
        Self::reduced(a * c, b * d)
    }
}

impl Div for Length {
    type Output = Self;

    /// Dividing by zero gives zero.
    fn div(self, other: Self) -> Self {
        if other.is_zero() {
            return Self::ZERO;
        }
        let (a, b, c, d) = self.widened(other);
        Self::reduced(a * d, b * c)
    }
}

impl PartialOrd for Length {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Length {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let (a, b, c, d) = self.widened(*other);
        (a * d).cmp(&(c * b))
    }
}

impl fmt::Display for Length {
    /// `3/8`, and `2` where the denominator is 1.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.denominator == 1 {
            write!(f, "{}", self.numerator)
        } else {
            write!(f, "{}/{}", self.numerator, self.denominator)
        }
    }
}

impl fmt::Debug for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
