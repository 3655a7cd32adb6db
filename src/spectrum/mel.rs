//! Core: 128 mel bands (Slaney's scale and normalisation, as librosa's defaults) of a power frame.

use super::{HIGHEST_FREQUENCY, REFERENCE_RATE, REFERENCE_WINDOW, bin_count, fft_size, sane_rate};

/// Mel bands.
pub const BANDS: usize = 128;

/// Where Slaney's scale turns from linear to logarithmic, and its slopes on either side
/// (M. Slaney, Auditory Toolbox, 1998).
const TURN_HERTZ: f64 = 1_000.0;
const HERTZ_PER_MEL: f64 = 200.0 / 3.0;
const TURN_MEL: f64 = TURN_HERTZ / HERTZ_PER_MEL;

/// log(6.4) / 27: the natural logarithm of the frequency ratio of one mel above the turn.
fn log_step() -> f64 {
    6.4_f64.ln() / 27.0
}

fn hertz_to_mel(hertz: f64) -> f64 {
    if hertz < TURN_HERTZ {
        hertz / HERTZ_PER_MEL
    } else {
        TURN_MEL + (hertz / TURN_HERTZ).ln() / log_step()
    }
}

fn mel_to_hertz(mel: f64) -> f64 {
    if mel < TURN_MEL {
        mel * HERTZ_PER_MEL
    } else {
        TURN_HERTZ * (log_step() * (mel - TURN_MEL)).exp()
    }
}

/// Corner `corner` of the triangles, Hz: band b rises from corner b to b + 1 and falls to b + 2.
fn corner(corner: usize) -> f64 {
    mel_to_hertz(hertz_to_mel(HIGHEST_FREQUENCY) * corner as f64 / (BANDS + 1) as f64)
}

/// Centre frequency of a band, Hz.
pub fn band_centre(band: usize) -> f64 {
    corner(band + 1)
}

/// Power as dB, floored at -100 dB (1e-10) as librosa's `power_to_db`.
pub fn decibels(power: f32) -> f32 {
    10.0 * power.max(1e-10).log10()
}

/// The triangular filters that turn a frame of [`super::Stft`] into [`BANDS`] mel powers.
pub struct MelBank {
    bins: usize,
    /// Of each band: its first bin and where its weights end in `weights`.
    bands: Vec<(usize, usize)>,
    weights: Vec<f32>,
}

impl MelBank {
    /// The filters for frames of `Stft::new(sample_rate)`. Bands above half the rate stay empty.
    pub fn new(sample_rate: f32) -> Self {
        let sample_rate = sane_rate(sample_rate);
        let width = sample_rate / fft_size(sample_rate) as f64;
        let bins = bin_count(sample_rate);
        // A band sums over bins; with narrower bins than the reference's it would sum more of them.
        let density = width / (REFERENCE_RATE / REFERENCE_WINDOW);
        let mut weights = Vec::new();
        let bands = (0..BANDS)
            .map(|band| {
                let (low, centre, high) = (corner(band), corner(band + 1), corner(band + 2));
                let first = ((low / width).floor() as usize + 1).min(bins);
                let end = ((high / width).ceil() as usize).clamp(first, bins);
                weights.extend((first..end).map(|bin| {
                    let hertz = bin as f64 * width;
                    let height =
                        ((hertz - low) / (centre - low)).min((high - hertz) / (high - centre));
                    (height.max(0.0) * 2.0 / (high - low) * density) as f32
                }));
                (first, weights.len())
            })
            .collect();
        Self { bins, bands, weights }
    }

    /// Bins of the frames that it takes.
    pub fn bins(&self) -> usize {
        self.bins
    }

    /// Mel powers of one power frame. Bins that `power` lacks count as zero.
    pub fn apply(&self, power: &[f32], mel: &mut [f32; BANDS]) {
        let mut start = 0;
        for (value, &(first, end)) in mel.iter_mut().zip(&self.bands) {
            let bins = power.get(first..).unwrap_or_default();
            *value =
                self.weights[start..end].iter().zip(bins).map(|(weight, bin)| weight * bin).sum();
            start = end;
        }
    }
}
