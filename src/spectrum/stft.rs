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
use std::sync::{Arc, Mutex, PoisonError, Weak};

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use super::{COARSE, FINE, Reference, sane_rate};

/// Mean time between two columns, seconds.
pub const COLUMN_SECONDS: f64 = 3.3368 * 512.0 / COARSE.rate;

/// Short windows in a column.
pub const FINE_FRAMES: usize = 5;

/// Time from one short window to the next, seconds: they lie evenly, over the columns' borders too.
const FINE_SECONDS: f64 = COLUMN_SECONDS / FINE_FRAMES as f64;

/// Time of the first short window's centre, seconds: so early that the last one of each column is over when the long one is.
const FINE_START: f64 = -0.017;

/// What a channel's history holds, seconds: from the beginning of a column's first short window to the end of its long one.
const HISTORY_SECONDS: f64 = 0.12;

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
    place.saturating_mul(512) as f64 / COARSE.rate
}

/// Power frames of a signal of any number of channels, one each 77.5 ms on average.
///
/// The window is a Hann window of 92.9 ms at every rate, centred on [`column_time`]; samples before
/// the start count as zero. Behind its bins stand those of five windows of 32 ms, one each 15.5 ms, which lie evenly from column
/// to column. A frame is the mean of the channels' powers, so that what is in opposite phase in two of them
/// is heard. Powers are scaled so that the same sound gives the same values at every
/// rate. What is below 25 Hz, which nobody hears, is taken out first. After [`Stft::new`] nothing allocates, locks or
/// panics, whatever is pushed: samples beyond ±64 are held there, denormals count as silence, and a channel with NaN or
/// infinities in the window is left out of the mean; where that leaves none, they count as silence.
///
/// ```
/// let mut stft = earworm_spectrum::Stft::new(48_000.0, 1);
/// let mut frames = 0;
/// for n in 0..48_000 {
///     let tone = (n as f32 * 440.0 / 48_000.0 * std::f32::consts::TAU).sin();
///     if let Some(power) = stft.push(&[tone]) {
///         assert!(power.iter().all(|bin| bin.is_finite()));
///         frames += 1;
///     }
/// }
/// // Column 12 is centred on 0.952 s, and its window ends before the second does.
/// assert_eq!(frames, 13);
/// ```
pub struct Stft {
    sample_rate: f64,
    pairs: Box<[Pair]>,
    channels: usize,
    /// The place of the oldest sample in every channel's history.
    oldest: usize,
    /// Samples that each history holds.
    kept: usize,
    coarse: Transform,
    fine: Transform,
    /// The long window's bins, then those of each short one.
    power: Box<[f32]>,
    /// Samples pushed since the start.
    pushed: u64,
    /// The next column, and the number of samples after which it is complete.
    column: u64,
    due: u64,
}

/// Two channels: their filters run side by side, as each by itself would mostly wait for its own last result.
struct Pair {
    highpass: Highpass,
    sides: [Side; 2],
}

/// One channel.
struct Side {
    /// The last samples, as many as the windows reach.
    history: Box<[f32]>,
    /// Samples pushed up to the last one that was none, NaN or infinite.
    broken: Option<u64>,
}

impl Stft {
    /// Plans the transform for `sample_rate` (Hz) and so many channels, at least one. Allocates; call it away from the audio
    /// thread.
    #[allow(clippy::arithmetic_side_effects, reason = "not on the audio thread, and small")]
    pub fn new(sample_rate: f32, channels: usize) -> Self {
        let sample_rate = sane_rate(sample_rate);
        let channels = channels.max(1);
        let (coarse, fine) =
            (Transform::new(&COARSE, sample_rate), Transform::new(&FINE, sample_rate));
        let kept = ((HISTORY_SECONDS * sample_rate).ceil() as usize)
            .max(coarse.window.len())
            .max(fine.window.len());
        let frame_length = coarse.bins + FINE_FRAMES * fine.bins;
        let side = || Side { history: vec![0.0; kept].into(), broken: None };
        let pair = || Pair { highpass: Highpass::new(sample_rate), sides: [side(), side()] };
        let mut stft = Self {
            sample_rate,
            pairs: (0..channels.div_ceil(2)).map(|_| pair()).collect(),
            channels,
            oldest: 0,
            kept,
            coarse,
            fine,
            power: vec![0.0; frame_length].into(),
            pushed: 0,
            column: 0,
            due: 0,
        };
        stft.reset();
        stft
    }

    /// Channels that it hears.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Values of a frame: the long window's bins up to just past 11,025 Hz, then those of each of the [`FINE_FRAMES`] short
    /// ones up to 8,000 Hz (or to half the sample rate).
    pub fn frame_length(&self) -> usize {
        self.power.len()
    }

    /// Takes one sample of every channel; returns a power frame of [`Self::frame_length`] values each time that one is complete.
    pub fn push(&mut self, frame: &[f32]) -> Option<&[f32]> {
        self.feed_with(1, |channel| frame.get(channel..).unwrap_or_default()).1
    }

    /// Takes samples of the channels' planes from index `from` on, up to where a power frame is complete: how many of each
    /// it took, and the frame. Fewer than there are are taken only where there is a frame. A plane that is missing or
    /// shorter than the first one is silent there.
    pub fn feed<P: AsRef<[f32]>>(&mut self, planes: &[P], from: usize) -> (usize, Option<&[f32]>) {
        let length = planes.first().map_or(0, |plane| plane.as_ref().len());
        self.feed_with(length.saturating_sub(from), |channel| {
            let plane = planes.get(channel).map(AsRef::as_ref).unwrap_or_default();
            plane.get(from..).unwrap_or_default()
        })
    }

    fn feed_with<'a>(
        &mut self,
        length: usize,
        plane: impl Fn(usize) -> &'a [f32],
    ) -> (usize, Option<&[f32]>) {
        let missing =
            usize::try_from(self.due.saturating_sub(self.pushed)).unwrap_or(usize::MAX).max(1);
        let taken = length.min(missing);
        for (index, pair) in self.pairs.iter_mut().enumerate() {
            let first = index.saturating_mul(2);
            let second = first.saturating_add(1);
            let planes = if second < self.channels {
                [plane(first), plane(second)]
            } else {
                [plane(first), &[]]
            };
            pair.take(planes, taken, self.oldest, self.pushed);
        }
        let ring = self.kept.max(1);
        self.oldest = self.oldest.wrapping_add(taken).checked_rem(ring).unwrap_or(0);
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
        for pair in &mut self.pairs {
            pair.highpass.reset();
            for side in &mut pair.sides {
                side.history.fill(0.0);
                side.broken = None;
            }
        }
        self.oldest = 0;
        self.pushed = 0;
        self.column = 0;
        self.due = self.due_after(0);
    }

    /// Samples after which `column` is complete.
    fn due_after(&self, column: u64) -> u64 {
        let centre = (column_time(column) * self.sample_rate).round() as u64;
        centre.saturating_add((self.coarse.window.len() / 2) as u64).saturating_add(1)
    }

    fn analyse(&mut self) {
        self.power.fill(0.0);
        let reach = self.coarse.window.len() as u64;
        let is_whole = |side: &&Side| {
            side.broken.is_none_or(|broken| self.pushed.saturating_sub(broken) >= reach)
        };
        let sides = self.pairs.iter().flat_map(|pair| &pair.sides).take(self.channels);
        let whole = sides.clone().filter(is_whole).count();
        let heard = if whole == 0 { self.channels } else { whole };
        let coarse_bins = self.coarse.bins.min(self.power.len());
        let (coarse, fine) = self.power.split_at_mut(coarse_bins);
        // The column that is complete now is the one before the next.
        let first = self.column.saturating_sub(1).saturating_mul(FINE_FRAMES as u64);
        for side in sides.filter(|side| whole == 0 || is_whole(side)) {
            let latest = self.kept.saturating_sub(self.coarse.window.len());
            self.coarse.add_power(&side.history, self.oldest, latest, coarse);
            let mut place = first;
            for power in fine.chunks_exact_mut(self.fine.bins.max(1)) {
                let centre = (FINE_START + place as f64 * FINE_SECONDS) * self.sample_rate;
                // Samples from the oldest one to the window's first.
                let start = (centre.round() as i64)
                    .saturating_sub((self.fine.window.len() / 2) as i64)
                    .saturating_sub(self.pushed as i64)
                    .saturating_add(self.kept as i64);
                let start = usize::try_from(start).unwrap_or(0);
                self.fine.add_power(&side.history, self.oldest, start, power);
                place = place.saturating_add(1);
            }
        }
        // By one for a single channel: then nothing is rounded.
        let share = 1.0 / heard as f32;
        self.power.iter_mut().for_each(|power| *power *= share);
    }
}

/// A windowed Fourier transform and the room that it works in.
struct Transform {
    /// The window's values, multiplied by the rate's scale.
    window: Box<[f32]>,
    bins: usize,
    transform: Arc<dyn RealToComplex<f32>>,
    frame: Box<[f32]>,
    spectrum: Box<[Complex<f32>]>,
    scratch: Box<[Complex<f32>]>,
}

/// The transform of `length` samples: its tables, a quarter of a megabyte, are shared by all who have it at the same time.
fn plan(length: usize) -> Arc<dyn RealToComplex<f32>> {
    static PLANS: Mutex<Vec<Weak<dyn RealToComplex<f32>>>> = Mutex::new(Vec::new());
    let mut plans = PLANS.lock().unwrap_or_else(PoisonError::into_inner);
    plans.retain(|plan| plan.strong_count() > 0);
    let shared = plans.iter().filter_map(Weak::upgrade).find(|plan| plan.len() == length);
    shared.unwrap_or_else(|| {
        let plan = RealFftPlanner::new().plan_fft_forward(length);
        plans.push(Arc::downgrade(&plan));
        plan
    })
}

impl Transform {
    fn new(reference: &Reference, sample_rate: f64) -> Self {
        let transform = plan(reference.fft_size(sample_rate));
        Self {
            window: reference.weights(sample_rate),
            bins: reference.bin_count(sample_rate),
            frame: transform.make_input_vec().into(),
            spectrum: transform.make_output_vec().into(),
            scratch: transform.make_scratch_vec().into(),
            transform,
        }
    }

    /// Adds the power in each bin of a window to `power`. The window begins `start` samples after the oldest one of `history`,
    /// which lies at `oldest`.
    fn add_power(&mut self, history: &[f32], oldest: usize, start: usize, power: &mut [f32]) {
        let (newer, older) = history.split_at(oldest.min(history.len()));
        let skipped = start.min(older.len());
        let older = older.get(skipped..).unwrap_or_default();
        let newer = newer.get(start.saturating_sub(skipped)..).unwrap_or_default();
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
        if done.is_ok() {
            for (power, bin) in power.iter_mut().zip(&self.spectrum) {
                *power += bin.norm_sqr();
            }
        }
    }
}

/// Sets the places to the samples by the window's weights.
fn weigh(places: &mut [f32], samples: &[f32], weights: &[f32]) {
    for ((place, sample), weight) in places.iter_mut().zip(samples).zip(weights) {
        *place = sample * weight;
    }
}

/// Samples that are sifted and filtered at a time.
const CHUNK: usize = 64;

impl Pair {
    /// Puts `count` samples of both planes into the histories from place `at` on; `pushed` were before them.
    fn take(&mut self, planes: [&[f32]; 2], count: usize, at: usize, pushed: u64) {
        let (mut done, mut at) = (0_usize, at);
        while done < count {
            let length = count.saturating_sub(done).min(CHUNK);
            let mut samples = [[0.0; 2]; CHUNK];
            let samples = samples.get_mut(..length).unwrap_or_default();
            for (lane, (plane, side)) in planes.iter().zip(&mut self.sides).enumerate() {
                let plane = plane.get(done..).unwrap_or_default();
                let mut is_broken = false;
                for (places, &sample) in samples.iter_mut().zip(plane) {
                    // NaN is in no range.
                    let is_sound = (QUIETEST_SAMPLE..=f32::MAX).contains(&sample.abs());
                    is_broken |= !sample.is_finite();
                    let sample = sample.clamp(-LOUDEST_SAMPLE, LOUDEST_SAMPLE);
                    if let Some(place) = places.get_mut(lane) {
                        *place = if is_sound { f64::from(sample) } else { 0.0 };
                    }
                }
                if is_broken {
                    side.broken = Some(pushed.saturating_add(done.saturating_add(length) as u64));
                }
            }
            self.highpass.filter(samples);
            for (lane, side) in self.sides.iter_mut().enumerate() {
                let (begin, rest) = side.history.split_at_mut(at.min(side.history.len()));
                let places = rest.iter_mut().chain(begin);
                for (place, sample) in places.zip(samples.iter()) {
                    *place = sample.get(lane).map_or(0.0, |&sample| sample as f32);
                }
            }
            let ring = self.sides.first().map_or(1, |side| side.history.len());
            at = at.wrapping_add(length).checked_rem(ring).unwrap_or(0);
            done = done.saturating_add(length);
        }
    }
}

/// Where what is heard begins, Hz: 3 dB less there, 0.3 at 31 Hz (the lowest string of a bass), 12 at 20 and 48 at 10.
const LOWEST_HERTZ: f64 = 25.0;
/// Sections of two poles each.
const SECTIONS: usize = 3;
/// Of a filter's memory, what is smaller is nothing; else it would take long to fade, as denormals that are slow to compute.
const FORGOTTEN: f64 = 1e-30;

/// A Butterworth high-pass of sixth order for two signals side by side, in double precision, as its poles lie close to 1.
pub(super) struct Highpass {
    /// The zeros lie all at 0 Hz, so that a section is x - 2 x' + x'' and these two coefficients of its feedback.
    feedback: [[f64; 2]; SECTIONS],
    /// What all sections together amplify by.
    gain: f64,
    /// Of each section, both its delays, of both signals.
    memory: [[[f64; 2]; 2]; SECTIONS],
    /// Whether a sample has come yet.
    begun: bool,
}

impl Highpass {
    pub(super) fn new(sample_rate: f64) -> Self {
        let tangent = (TAU / 2.0 * LOWEST_HERTZ / sample_rate).tan();
        let mut gain = 1.0;
        let mut feedback = [[0.0; 2]; SECTIONS];
        for (section, coefficients) in feedback.iter_mut().enumerate() {
            let angle = TAU / 2.0 * (2.0 * section as f64 + 1.0) / (4.0 * SECTIONS as f64);
            let damping = 2.0 * angle.cos() * tangent;
            let scale = 1.0 / (1.0 + damping + tangent * tangent);
            gain *= scale;
            *coefficients = [
                2.0 * (tangent * tangent - 1.0) * scale,
                (1.0 - damping + tangent * tangent) * scale,
            ];
        }
        Self { feedback, gain, memory: [[[0.0; 2]; 2]; SECTIONS], begun: false }
    }

    fn reset(&mut self) {
        self.memory = [[[0.0; 2]; 2]; SECTIONS];
        self.begun = false;
    }

    /// Filters samples of both signals in place.
    pub(super) fn filter(&mut self, samples: &mut [[f64; 2]]) {
        if !self.begun
            && let Some(first) = samples.first()
        {
            // As if the first sample had been there for ever: a constant makes no thump where it begins.
            let [[newer, older], ..] = &mut self.memory;
            for ((newer, older), first) in newer.iter_mut().zip(older).zip(first) {
                (*newer, *older) = (-first * self.gain, first * self.gain);
            }
            self.begun = true;
        }
        let [[a, b], [c, d], [e, f]] = self.feedback;
        let gain = self.gain;
        // Copies, so that they stay in registers.
        let [mut first, mut second, mut third] = self.memory;
        for sample in samples {
            let x = sample.map(|sample| sample * gain);
            let x = section(&mut first, x, a, b);
            let x = section(&mut second, x, c, d);
            *sample = section(&mut third, x, e, f);
        }
        let kept = |value: f64| if value.abs() < FORGOTTEN { 0.0 } else { value };
        self.memory = [first, second, third].map(|section| section.map(|delay| delay.map(kept)));
    }
}

/// One section's step, in the transposed direct form II.
#[inline(always)]
fn section(memory: &mut [[f64; 2]; 2], x: [f64; 2], a: f64, b: f64) -> [f64; 2] {
    let [[n0, n1], [o0, o1]] = *memory;
    let [x0, x1] = x;
    let (y0, y1) = (x0 + n0, x1 + n1);
    *memory = [[o0 - 2.0 * x0 - a * y0, o1 - 2.0 * x1 - a * y1], [x0 - b * y0, x1 - b * y1]];
    [y0, y1]
}
