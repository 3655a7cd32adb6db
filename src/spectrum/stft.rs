//! Real-time: the short-time Fourier transform that the audio thread runs, one sample in, now and
//! then one power frame out.

#![warn(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use std::f64::consts::TAU;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use super::{REFERENCE_RATE, REFERENCE_WINDOW, bin_count, fft_size, half_window, sane_rate};

/// Mean time between two columns, seconds.
pub const COLUMN_SECONDS: f64 = 3.3368 * 512.0 / REFERENCE_RATE;

/// Samples are held within this amplitude (+36 dBFS): a single wild one would otherwise lift the
/// loudest band of a whole window above all music.
const LOUDEST_SAMPLE: f32 = 64.0;
/// Samples below this amplitude (-300 dBFS) count as zero, which keeps denormals out of the FFT.
const QUIETEST_SAMPLE: f32 = 1e-15;

/// Time of the centre of column `column` from the start of the audio, seconds.
///
/// The columns are those of the training mels: of the frames at hop 512 and 22,050 Hz, only frame
/// floor(3.3368 x + 1.665) is kept for column x: the line that fits every column of the clips which
/// there are both as audio and as mels.
pub fn column_time(column: u64) -> f64 {
    // A column is 77 ms, so that this is exact for longer than any host runs.
    let place = column.saturating_mul(33_368).saturating_add(16_650) / 10_000;
    place.saturating_mul(512) as f64 / REFERENCE_RATE
}

/// Power frames of a mono signal, one each 77.5 ms on average.
///
/// The window is a Hann window of 92.9 ms at every rate, centred on [`column_time`]; samples before
/// the start count as zero. Powers are scaled so that the same sound gives the same values at every
/// rate. After [`Stft::new`] nothing allocates, locks or panics, whatever is pushed: NaN, infinities
/// and denormals count as silence.
///
/// ```
/// let mut stft = earworm_spectrum::Stft::new(48_000.0);
/// let mut frames = 0;
/// for n in 0..48_000 {
///     let tone = (n as f32 * 440.0 / 48_000.0 * std::f32::consts::TAU).sin();
///     if let Some(power) = stft.push(tone) {
///         assert!(power.iter().all(|bin| bin.is_finite()));
///         frames += 1;
///     }
/// }
/// // Column 12 is centred on 0.952 s, and its window ends before the second does.
/// assert_eq!(frames, 13);
/// ```
pub struct Stft {
    sample_rate: f64,
    /// The last samples, as many as the window reaches; the oldest at `oldest`.
    history: Box<[f32]>,
    oldest: usize,
    /// The window's values, multiplied by the rate's scale.
    window: Box<[f32]>,
    transform: Arc<dyn RealToComplex<f32>>,
    frame: Box<[f32]>,
    spectrum: Box<[Complex<f32>]>,
    scratch: Box<[Complex<f32>]>,
    power: Box<[f32]>,
    /// Samples pushed since the start.
    pushed: u64,
    /// The next column, and the number of samples after which it is complete.
    column: u64,
    due: u64,
}

impl Stft {
    /// Plans the transform for `sample_rate` (Hz). Allocates; call it away from the audio thread.
    #[allow(clippy::arithmetic_side_effects, reason = "not on the audio thread, and small")]
    pub fn new(sample_rate: f32) -> Self {
        let sample_rate = sane_rate(sample_rate);
        let half = half_window(sample_rate);
        let length = 2 * half + 1;
        // A finer sampling of the same window sums more values: bring the sum back to the
        // reference's.
        let scale = REFERENCE_RATE / sample_rate;
        let duration = REFERENCE_WINDOW / REFERENCE_RATE;
        let window = (0..length)
            .map(|n| {
                let time = (n as f64 - half as f64) / sample_rate;
                ((0.5 + 0.5 * (TAU * time / duration).cos()) * scale) as f32
            })
            .collect();
        let transform = RealFftPlanner::new().plan_fft_forward(fft_size(sample_rate));
        let mut stft = Self {
            sample_rate,
            history: vec![0.0; length].into(),
            oldest: 0,
            window,
            frame: transform.make_input_vec().into(),
            spectrum: transform.make_output_vec().into(),
            scratch: transform.make_scratch_vec().into(),
            transform,
            power: vec![0.0; bin_count(sample_rate)].into(),
            pushed: 0,
            column: 0,
            due: 0,
        };
        stft.reset();
        stft
    }

    /// Bins of a frame: from 0 Hz up to just past 11,025 Hz (or to half the sample rate).
    pub fn bins(&self) -> usize {
        self.power.len()
    }

    /// Hz from one bin to the next.
    pub fn bin_width(&self) -> f64 {
        self.sample_rate / self.frame.len() as f64
    }

    /// Takes one sample; returns a power frame of [`Self::bins`] values each time that one is complete.
    pub fn push(&mut self, mono: f32) -> Option<&[f32]> {
        self.feed(&[mono]).1
    }

    /// Takes samples up to where a power frame is complete: how many it took, and the frame. Fewer than were given
    /// are taken only where there is a frame.
    pub fn feed(&mut self, mono: &[f32]) -> (usize, Option<&[f32]>) {
        let missing =
            usize::try_from(self.due.saturating_sub(self.pushed)).unwrap_or(usize::MAX).max(1);
        let taken = mono.len().min(missing);
        let mut rest = mono.get(..taken).unwrap_or_default();
        while !rest.is_empty() {
            let place = self.history.get_mut(self.oldest..).unwrap_or_default();
            let (now, later) = rest.split_at(rest.len().min(place.len()));
            for (kept, &sample) in place.iter_mut().zip(now) {
                *kept = sample;
            }
            self.oldest = self.oldest.wrapping_add(now.len());
            if self.oldest >= self.history.len() {
                self.oldest = 0;
            }
            rest = later;
        }
        self.pushed = self.pushed.saturating_add(taken as u64);
        if self.pushed < self.due {
            return (taken, None);
        }
        self.column = self.column.saturating_add(1);
        self.due = self.due_after(self.column);
        self.analyse();
        (taken, Some(&self.power))
    }

    /// Forgets all that was pushed: the next sample is the first.
    pub fn reset(&mut self) {
        self.history.fill(0.0);
        self.oldest = 0;
        self.pushed = 0;
        self.column = 0;
        self.due = self.due_after(0);
    }

    /// Samples after which `column` is complete.
    fn due_after(&self, column: u64) -> u64 {
        let centre = (column_time(column) * self.sample_rate).round() as u64;
        centre.saturating_add((self.history.len() / 2) as u64).saturating_add(1)
    }

    fn analyse(&mut self) {
        let (newer, older) = self.history.split_at(self.oldest.min(self.history.len()));
        let length = self.window.len().min(self.frame.len());
        let split = older.len().min(length);
        let (first, second) = self.window.split_at(split);
        let (frame, padding) = self.frame.split_at_mut(length);
        let (begin, end) = frame.split_at_mut(split);
        weigh(begin, older, first);
        weigh(end, newer, second);
        padding.fill(0.0);
        let done = self.transform.process_with_scratch(
            &mut self.frame,
            &mut self.spectrum,
            &mut self.scratch,
        );
        // The buffers were made by this very transform, so this can't be an error.
        if done.is_err() {
            self.power.fill(0.0);
            return;
        }
        for (power, bin) in self.power.iter_mut().zip(&self.spectrum) {
            *power = bin.norm_sqr();
        }
    }
}

/// Sets the places to the samples by the window's weights. What is no sound counts as silence.
fn weigh(places: &mut [f32], samples: &[f32], weights: &[f32]) {
    for ((place, &sample), weight) in places.iter_mut().zip(samples).zip(weights) {
        let loudness = sample.abs();
        // NaN is in no range.
        let sound = (QUIETEST_SAMPLE..=f32::MAX).contains(&loudness);
        let sample = if sound { sample.clamp(-LOUDEST_SAMPLE, LOUDEST_SAMPLE) } else { 0.0 };
        *place = sample * weight;
    }
}
