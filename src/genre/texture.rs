//! Core: what can be counted in a window's texture: colour, contrast, movement and modulation.
//!
//! The convolutions see a column each 232 ms, the spacing of the coarsest training data, and so nothing of what moves
//! faster than two times a second. These numbers come from every column, one each 77.5 ms, and are few enough
//! that a linear model of them learns from some hundred clips. All are over the whole window:
//!
//! - cepstra of the mel bands (S. Davis, P. Mermelstein 1980): mean and deviation, and deviation of their steps;
//! - spectral contrast (D. Jiang and others 2002), peaks against a median over bands, and the shape of the
//!   levels' distribution, in [`GROUPS`] broad bands;
//! - correlation of the broad bands with each other, and how they rise and fall;
//! - what is sustained against what is struck, by medians along both axes (D. Fitzgerald 2010);
//! - the modulation spectrum of the broad bands (C. Lee and others 2009), by Welch's method (P. Welch 1967).

use std::sync::{Arc, LazyLock};

use realfft::{RealFftPlanner, RealToComplex};

use super::STRIDE;
use super::window::RANGE;
use earworm_spectrum::{BANDS, COLUMN_SECONDS};
use earworm_vectorised::vectorised;

/// Broad bands, and the mel bands in each.
const GROUPS: usize = 16;
const GROUP: usize = BANDS / GROUPS;
/// Cepstral coefficients, the one of the level included.
const CEPSTRA: usize = 24;
/// Limits of the modulation bands, Hz; the last is half the columns' rate.
const MODULATIONS: [f64; 13] =
    [0.15, 0.3, 0.5, 0.75, 1.0, 1.35, 1.75, 2.2, 2.7, 3.3, 4.0, 5.0, 6.45];
/// Columns of one stretch of Welch's method, 7.4 s, and the transform's length.
const SEGMENT: usize = 96;
const TRANSFORM: usize = 256;
/// Places that a median looks at.
const MEDIAN: usize = 9;

/// Features that need no neighbouring columns: they are known of columns 232 ms apart too.
const STEADY: usize = (CEPSTRA - 1)
    + CEPSTRA
    + 2 * GROUPS
    + GROUPS * (GROUPS - 1) / 2
    + 2 * GROUPS
    + GROUPS
    + CEPSTRA
    + 2 * GROUPS;
/// Features that need every column.
const MOVING: usize = CEPSTRA + 2 * GROUPS + 2 * GROUPS + GROUPS * (MODULATIONS.len() - 1);

/// How many places a window's features take: the steady ones of sparse columns, then the moving and the steady ones of
/// windows with every column. A window knows one part or the other, so that collections of either kind, which mean
/// something else by the same genre and were made in other ways, get weights of their own.
pub const FEATURES: usize = STEADY + MOVING + STEADY;
/// Further out, in deviations from the mean, a feature says no more.
const FURTHEST: f32 = 4.0;

/// How far apart the columns of a window lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spacing {
    /// Every column of the front end, 77.5 ms.
    Every,
    /// Every [`STRIDE`]-th, 232 ms: what moves faster is not known.
    Sparse,
}

/// The features of a window: `mel` holds dB values, [bands, columns]. Those of the other spacing are NaN.
pub fn features(mel: &[f32], columns: usize, spacing: Spacing) -> Vec<f32> {
    debug_assert_eq!(mel.len(), BANDS * columns);
    let loudest = mel.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mel: Vec<f32> = mel.iter().map(|db| (db - loudest).max(-RANGE)).collect();
    let groups = broad_bands(&mel, columns);
    let cepstra = cepstra(&mel, columns);
    let across = median_across_bands(&mel, columns);
    let mut out = Vec::with_capacity(FEATURES);
    if spacing == Spacing::Every {
        out.resize(STEADY, f32::NAN);
        steps(&cepstra, &groups, columns, 1, &mut out);
        sustained(&mel, &across, columns, &mut out);
        modulation(&groups, columns, &mut out);
        debug_assert_eq!(out.len(), STEADY + MOVING);
    }
    out.extend(cepstra.chunks(columns).skip(1).map(mean));
    out.extend(cepstra.chunks(columns).map(deviation));
    contrast(&mel, columns, &mut out);
    let shapes: Vec<Vec<f32>> = groups.chunks(columns).map(scaled).collect();
    for (place, a) in shapes.iter().enumerate() {
        let with = |b: &Vec<f32>| mean_of(a.iter().zip(b).map(|(a, b)| a * b));
        out.extend(shapes[place + 1..].iter().map(with));
    }
    out.extend(shapes.iter().map(|shape| mean_of(shape.iter().map(|v| v.powi(3)))));
    out.extend(shapes.iter().map(|shape| mean_of(shape.iter().map(|v| v.powi(4))).min(12.0)));
    let bands = mel.chunks(GROUP * columns).zip(across.chunks(GROUP * columns));
    out.extend(
        bands.map(|(mel, across)| mean_of(mel.iter().zip(across).map(|(a, b)| (a - b).abs()))),
    );
    let lag = if spacing == Spacing::Every { STRIDE } else { 1 };
    steps(&cepstra, &groups, columns, lag, &mut out);
    out.resize(FEATURES, f32::NAN);
    out
}

/// Features in deviations from their mean, as the linear model takes them; those that aren't known count as the mean.
pub fn standardised(features: &[f32], mean: &[f32], deviation: &[f32]) -> Vec<f32> {
    features
        .iter()
        .zip(mean.iter().zip(deviation))
        .map(|(value, (mean, deviation))| {
            let place = (value - mean) / deviation.max(f32::MIN_POSITIVE);
            if place.is_nan() { 0.0 } else { place.clamp(-FURTHEST, FURTHEST) }
        })
        .collect()
}

/// How far the medians along time lie over those across bands, in broad bands: mean and deviation.
fn sustained(mel: &[f32], across: &[f32], columns: usize, out: &mut Vec<f32>) {
    let mut apart = vec![0.0; columns];
    let mut groups = vec![0.0; GROUPS * columns];
    let bands = mel.chunks(columns).zip(across.chunks(columns));
    for (band, (levels, across)) in bands.enumerate() {
        median_along_time(levels, &mut apart);
        apart.iter_mut().zip(across).for_each(|(along, across)| *along -= across);
        add_band(&mut groups, band, &apart);
    }
    out.extend(groups.chunks(columns).map(mean));
    out.extend(groups.chunks(columns).map(deviation));
}

fn mean_of(values: impl ExactSizeIterator<Item = f32>) -> f32 {
    let count = values.len().max(1) as f32;
    values.sum::<f32>() / count
}

fn mean(values: &[f32]) -> f32 {
    mean_of(values.iter().copied())
}

fn deviation(values: &[f32]) -> f32 {
    let mean = mean(values);
    mean_of(values.iter().map(|value| (value - mean).powi(2))).sqrt()
}

/// Less the mean, in deviations.
fn scaled(values: &[f32]) -> Vec<f32> {
    let mean = mean(values);
    let deviation = (mean_of(values.iter().map(|value| (value - mean).powi(2))) + 0.01).sqrt();
    values.iter().map(|value| (value - mean) / deviation).collect()
}

/// Means over the mel bands of each broad band, [groups, columns].
fn broad_bands(mel: &[f32], columns: usize) -> Vec<f32> {
    let mut groups = vec![0.0; GROUPS * columns];
    for (band, levels) in mel.chunks(columns).enumerate() {
        add_band(&mut groups, band, levels);
    }
    groups
}

/// Adds a mel band's part to the mean of its broad band in `groups`, [groups, columns].
fn add_band(groups: &mut [f32], band: usize, values: &[f32]) {
    let group = &mut groups[band / GROUP * values.len()..][..values.len()];
    group.iter_mut().zip(values).for_each(|(sum, value)| *sum += value / GROUP as f32);
}

/// Discrete cosine transform (type II, orthonormal) over the bands, [cepstra, columns].
fn cepstra(mel: &[f32], columns: usize) -> Vec<f32> {
    static WEIGHTS: LazyLock<Vec<f32>> = LazyLock::new(|| {
        let weight = |order: usize, band: usize| {
            let scale = if order == 0 { 1.0 } else { 2.0 } / BANDS as f64;
            let turn = std::f64::consts::PI / BANDS as f64 * (band as f64 + 0.5) * order as f64;
            (scale.sqrt() * turn.cos()) as f32
        };
        (0..CEPSTRA).flat_map(|order| (0..BANDS).map(move |band| weight(order, band))).collect()
    });
    let mut cepstra = vec![0.0; CEPSTRA * columns];
    for (row, weights) in cepstra.chunks_mut(columns).zip(WEIGHTS.chunks(BANDS)) {
        weigh(mel, weights, row);
    }
    cepstra
}

vectorised! {
    /// Sum of the bands of `mel`, each times its weight.
    fn weigh(mel: &[f32], weights: &[f32], sum: &mut [f32]) {
        for (levels, weight) in mel.chunks(sum.len()).zip(weights) {
            sum.iter_mut().zip(levels).for_each(|(sum, level)| *sum += weight * level);
        }
    }
}

/// Mean over the two loudest less that over the two quietest mel bands of each broad band: its mean and deviation
/// over time.
fn contrast(mel: &[f32], columns: usize, out: &mut Vec<f32>) {
    let mut contrasts = vec![0.0; GROUPS * columns];
    for (bands, contrast) in mel.chunks(GROUP * columns).zip(contrasts.chunks_mut(columns)) {
        spread(bands, contrast);
    }
    out.extend(contrasts.chunks(columns).map(mean));
    out.extend(contrasts.chunks(columns).map(deviation));
}

/// Values that are worked on at once, each in its lane of a register.
const LANES: usize = 8;

/// The values of a row from `first` on; past its end, zeros.
#[inline(always)]
fn lanes(row: &[f32], first: usize) -> [f32; LANES] {
    let mut lanes = [0.0; LANES];
    match row.get(first..first + LANES) {
        Some(full) => lanes.copy_from_slice(full),
        None => lanes.iter_mut().zip(&row[first..]).for_each(|(lane, value)| *lane = *value),
    }
    lanes
}

/// The lower and the higher of two values, lane by lane.
#[inline(always)]
fn in_order(a: [f32; LANES], b: [f32; LANES]) -> ([f32; LANES], [f32; LANES]) {
    (
        std::array::from_fn(|lane| if a[lane] < b[lane] { a[lane] } else { b[lane] }),
        std::array::from_fn(|lane| if a[lane] < b[lane] { b[lane] } else { a[lane] }),
    )
}

vectorised! {
    /// Mean of the two highest less that of the two lowest of rows as long as `spread`, place by place.
    fn spread(rows: &[f32], spread: &mut [f32]) {
        let columns = spread.len();
        for (part, out) in spread.chunks_mut(LANES).enumerate() {
            let (mut high, mut second) = ([f32::NEG_INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
            let (mut low, mut next) = ([f32::INFINITY; LANES], [f32::INFINITY; LANES]);
            for row in rows.chunks(columns) {
                let levels = lanes(row, part * LANES);
                let (lower, higher) = in_order(high, levels);
                (high, second) = (higher, in_order(second, lower).1);
                let (lower, higher) = in_order(low, levels);
                (low, next) = (lower, in_order(next, higher).0);
            }
            for (place, out) in out.iter_mut().enumerate() {
                *out = (high[place] + second[place] - low[place] - next[place]) / 2.0;
            }
        }
    }
}

/// How much the cepstra change within `lag` columns, and how the broad bands rise (mean) and fall (root mean square).
fn steps(cepstra: &[f32], groups: &[f32], columns: usize, lag: usize, out: &mut Vec<f32>) {
    let moves = |row: &[f32]| -> Vec<f32> {
        row.iter().zip(row.iter().skip(lag)).map(|(before, after)| after - before).collect()
    };
    let square = |value: &f32| value * value;
    let moved: Vec<Vec<f32>> = groups.chunks(columns).map(moves).collect();
    out.extend(cepstra.chunks(columns).map(|row| mean_of(moves(row).iter().map(square)).sqrt()));
    out.extend(moved.iter().map(|row| mean_of(row.iter().map(|step| step.max(0.0)))));
    out.extend(
        moved.iter().map(|row| mean_of(row.iter().map(|step| square(&step.min(0.0)))).sqrt()),
    );
}

/// Mean power of each broad band's levels in each modulation band, as a logarithm.
fn modulation(groups: &[f32], columns: usize, out: &mut Vec<f32>) {
    static PLAN: LazyLock<Arc<dyn RealToComplex<f32>>> =
        LazyLock::new(|| RealFftPlanner::new().plan_fft_forward(TRANSFORM));
    let segment = columns.min(SEGMENT);
    let shape: Vec<f32> = (1..=segment)
        .map(|place| {
            let turn = std::f64::consts::TAU * place as f64 / (segment + 1) as f64;
            (0.5 - 0.5 * turn.cos()) as f32
        })
        .collect();
    let power: f32 = shape.iter().map(|weight| weight * weight).sum();
    // Stretches that overlap by half at least, from the first column to the last.
    let count = (2 * (columns - segment)).div_ceil(segment.max(1)) + 1;
    let transform = &*PLAN;
    let (mut input, mut spectrum, mut scratch) =
        (transform.make_input_vec(), transform.make_output_vec(), transform.make_scratch_vec());
    let hertz = |bin: usize| bin as f64 / (TRANSFORM as f64 * COLUMN_SECONDS);
    for levels in groups.chunks(columns) {
        let mut powers = vec![0.0; spectrum.len()];
        for place in 0..count {
            let first = (columns - segment) * place / (count - 1).max(1);
            let levels = &levels[first..first + segment];
            let mean = mean(levels);
            input.fill(0.0);
            for ((sample, level), weight) in input.iter_mut().zip(levels).zip(&shape) {
                *sample = (level - mean) * weight;
            }
            // The lengths are the plan's own, so that it can't fail.
            if transform.process_with_scratch(&mut input, &mut spectrum, &mut scratch).is_ok() {
                powers.iter_mut().zip(&spectrum).for_each(|(sum, bin)| *sum += bin.norm_sqr());
            }
        }
        for limits in MODULATIONS.windows(2) {
            let inside = powers
                .iter()
                .enumerate()
                .filter(|&(bin, _)| (limits[0]..limits[1]).contains(&hertz(bin)));
            let (sum, bins) =
                inside.fold((0.0, 0), |(sum, bins), (_, power)| (sum + power, bins + 1));
            let mean = sum / (bins.max(1) as f32 * count as f32 * power.max(f32::MIN_POSITIVE));
            out.push((0.1 + mean).ln());
        }
    }
}

vectorised! {
    /// The median of nine rows, place by place, by exchanges that leave it in the middle (J. Smith, Implementing median
    /// filters in XC4000E FPGAs, 1996), written out so that values stay in registers.
    fn median_of_rows(rows: [&[f32]; MEDIAN], out: &mut [f32]) {
        for (part, out) in out.chunks_mut(LANES).enumerate() {
            let mut row = [[0.0; LANES]; MEDIAN];
            row.iter_mut().zip(rows).for_each(|(row, from)| *row = lanes(from, part * LANES));
            macro_rules! exchange {
                ($(($low:literal, $high:literal))*) => {
                    $((row[$low], row[$high]) = in_order(row[$low], row[$high]);)*
                };
            }
            exchange!((1, 2)(4, 5)(7, 8)(0, 1)(3, 4)(6, 7)(1, 2)(4, 5)(7, 8)(0, 3));
            exchange!((5, 8)(4, 7)(3, 6)(1, 4)(2, 5)(4, 7)(4, 2)(6, 4)(4, 2));
            out.iter_mut().zip(row[MEDIAN / 2]).for_each(|(out, median)| *out = median);
        }
    }
}

/// The median over the bands around each, those at the ends repeated, [bands, columns].
fn median_across_bands(mel: &[f32], columns: usize) -> Vec<f32> {
    let mut medians = vec![0.0; mel.len()];
    for (band, out) in medians.chunks_mut(columns).enumerate() {
        let rows = std::array::from_fn(|place| {
            let band = (band + place).saturating_sub(MEDIAN / 2).min(BANDS - 1);
            &mel[band * columns..][..columns]
        });
        median_of_rows(rows, out);
    }
    medians
}

/// The median of one band's levels over the columns around each, those at the ends repeated.
fn median_along_time(levels: &[f32], out: &mut [f32]) {
    let last = levels.len().saturating_sub(1);
    let padded: Vec<f32> = (0..levels.len() + MEDIAN - 1)
        .map(|place| levels[place.saturating_sub(MEDIAN / 2).min(last)])
        .collect();
    median_of_rows(std::array::from_fn(|place| &padded[place..][..levels.len()]), out);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A window in which all bands beat `hertz` times a second, as deep as `depth` dB.
    fn beating(hertz: f64, depth: f32, columns: usize) -> Vec<f32> {
        let level = |column: usize| {
            let turn = std::f64::consts::TAU * hertz * column as f64 * COLUMN_SECONDS;
            -20.0 + depth * turn.sin() as f32
        };
        (0..BANDS).flat_map(|_| (0..columns).map(level)).collect()
    }

    #[test]
    fn a_beat_stands_in_the_modulation_band_of_its_frequency() {
        for (hertz, expected) in [(0.4, 1), (2.0, 6), (3.0, 8), (4.5, 10)] {
            for columns in [60, 129, 387] {
                let features = features(&beating(hertz, 6.0, columns), columns, Spacing::Every);
                let bands = &features[STEADY + MOVING - GROUPS * (MODULATIONS.len() - 1)..]
                    [..MODULATIONS.len() - 1];
                let strongest =
                    (0..bands.len()).max_by(|&a, &b| bands[a].total_cmp(&bands[b])).unwrap();
                assert_eq!(strongest, expected, "{hertz} Hz in {columns} columns: {bands:?}");
            }
        }
    }

    /// Levels in no order, some of them equal.
    fn disorder(count: usize) -> Vec<f32> {
        (0..count)
            .map(|n| ((n as f32 * 12.9898).sin() * 43.0).fract() * 60.0)
            .map(f32::round)
            .collect()
    }

    fn sorted(mut levels: Vec<f32>) -> Vec<f32> {
        levels.sort_by(f32::total_cmp);
        levels
    }

    #[test]
    fn medians_are_those_of_sorting() {
        for columns in [1, 5, 8, 37] {
            let mel = disorder(BANDS * columns);
            let across = median_across_bands(&mel, columns);
            let mut along = vec![0.0; mel.len()];
            for (levels, out) in mel.chunks(columns).zip(along.chunks_mut(columns)) {
                median_along_time(levels, out);
            }
            for band in 0..BANDS {
                for column in 0..columns {
                    let near = |place: usize, around: usize, count: usize| {
                        (place + around).saturating_sub(4).min(count - 1)
                    };
                    let bands = (0..9).map(|n| mel[near(band, n, BANDS) * columns + column]);
                    let times = (0..9).map(|n| mel[band * columns + near(column, n, columns)]);
                    assert_eq!(across[band * columns + column], sorted(bands.collect())[4]);
                    assert_eq!(along[band * columns + column], sorted(times.collect())[4]);
                }
            }
        }
    }

    #[test]
    fn contrast_is_that_of_sorting() {
        for columns in [1, 5, 8, 37] {
            let rows = disorder(GROUP * columns);
            let mut contrast = vec![0.0; columns];
            spread(&rows, &mut contrast);
            for (column, contrast) in contrast.into_iter().enumerate() {
                let levels = sorted(rows.iter().skip(column).step_by(columns).copied().collect());
                let (low, high) = (levels[0] + levels[1], levels[GROUP - 1] + levels[GROUP - 2]);
                assert_eq!(contrast, (high - low) / 2.0, "column {column} of {columns}");
            }
        }
    }

    #[test]
    fn level_changes_no_feature_and_sparse_columns_leave_the_moving_ones_open() {
        let quiet: Vec<f32> = beating(2.0, 6.0, 60).iter().map(|db| db - 25.0).collect();
        let (loud, quiet) = (
            features(&beating(2.0, 6.0, 60), 60, Spacing::Every),
            features(&quiet, 60, Spacing::Every),
        );
        let known = |window: &[f32]| window[STEADY..].iter().all(|value| value.is_finite());
        assert!(known(&loud) && loud[..STEADY].iter().all(|value| value.is_nan()));
        assert!(loud.iter().zip(&quiet).skip(STEADY).all(|(a, b)| (a - b).abs() < 1e-2));
        let sparse = features(&beating(0.5, 6.0, 20), 20, Spacing::Sparse);
        assert_eq!(sparse.len(), FEATURES);
        assert!(sparse[..STEADY].iter().all(|value| value.is_finite()));
        assert!(sparse[STEADY..].iter().all(|value| value.is_nan()));
    }
}
