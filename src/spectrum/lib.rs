//! Core: the front end of live and file audio: STFT frames and mel bands.
//!
//! One [`Stft`] and one [`Bank`] serve the plug-in, the command line and training from audio, at
//! any sample rate. Each [`Column`] holds two views of the same 77.5 ms: 128 Slaney mel bands from 0 to 11,025 Hz of one window
//! of 92.9 ms (librosa's convention for 22,050 Hz with `n_fft` 2048), which is what is drawn and what silence is judged by, and
//! 96 bands from 0 to 8,000 Hz of five windows of 32 ms (for 16 kHz with `n_fft` 512), which is what the network hears. Both
//! are centred Hann windows, power. Window and hop are lengths of time, and powers are scaled to the reference, so that every
//! rate gives the same values.

mod columns;
mod mel;
mod stft;

pub use columns::Columns;
pub use mel::{BANDS, Bank, Column, FINE_BANDS, band_centre, decibels, fine_band_centre};
pub use stft::{COLUMN_SECONDS, FINE_FRAMES, Stft, column_time};

/// A reference front end, which is brought to any sample rate.
struct Reference {
    /// Sample rate, Hz.
    rate: f64,
    /// Window length, samples at `rate`.
    window: f64,
    /// Upper edge of the highest mel band, Hz.
    highest: f64,
}

/// Long windows, which tell the low tones apart: librosa's convention at 22,050 Hz.
const COARSE: Reference = Reference { rate: 22_050.0, window: 2_048.0, highest: 11_025.0 };
/// Short windows, which tell strokes apart: what the network hears.
const FINE: Reference = Reference { rate: 16_000.0, window: 512.0, highest: 8_000.0 };

impl Reference {
    /// The transform's length: the window's, to the nearest sample, so that the bins lie where the
    /// reference's lie. A round number close by would be faster, but then a tone falls between other
    /// bins at each rate, and the narrow low bands differ by decibels.
    fn fft_size(&self, sample_rate: f64) -> usize {
        (self.window / self.rate * sample_rate).round() as usize
    }

    /// Reach of the window to either side of its centre sample.
    fn half_window(&self, sample_rate: f64) -> usize {
        (self.fft_size(sample_rate).saturating_sub(1)) / 2
    }

    /// Bins that a spectrum holds: from 0 Hz to the first bin at or above `highest`.
    fn bin_count(&self, sample_rate: f64) -> usize {
        let size = self.fft_size(sample_rate);
        let needed = (self.highest * size as f64 / sample_rate).ceil() as usize + 1;
        needed.min(size / 2 + 1)
    }

    /// A Hann window around its centre sample, scaled so that the same sound gives the same powers at every rate.
    fn weights(&self, sample_rate: f64) -> Box<[f32]> {
        let half = self.half_window(sample_rate);
        // A finer sampling of the same window sums more values: bring the sum back to the
        // reference's.
        let scale = self.rate / sample_rate;
        let duration = self.window / self.rate;
        (0..2 * half + 1)
            .map(|n| {
                let time = (n as f64 - half as f64) / sample_rate;
                let turn = std::f64::consts::TAU * time / duration;
                ((0.5 + 0.5 * turn.cos()) * scale) as f32
            })
            .collect()
    }
}

/// Sample rates outside this range are moved to its nearer end, so that no rate a host or a file
/// names can ask for an empty or an endless window.
fn sane_rate(sample_rate: f32) -> f64 {
    if sample_rate.is_finite() {
        f64::from(sample_rate).clamp(1_000.0, 1_536_000.0)
    } else {
        48_000.0
    }
}

#[cfg(test)]
mod tests;
