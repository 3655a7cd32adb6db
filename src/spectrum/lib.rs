//! Core: the front end of live and file audio: STFT frames and mel bands.
//!
//! One [`Stft`] and one [`MelBank`] serve the plug-in, the command line and training from audio, at
//! any sample rate. Both follow librosa's convention for 22,050 Hz with `n_fft` 2048: centred Hann
//! frames, power, 128 Slaney mel bands from 0 to 11,025 Hz. Window and hop are lengths of time, and
//! powers are scaled to that reference, so that every rate gives the same values.

mod columns;
mod mel;
mod stft;

pub use columns::Columns;
pub use mel::{BANDS, MelBank, band_centre, decibels};
pub use stft::{COLUMN_SECONDS, Stft, column_time};

/// Sample rate of the reference front end, Hz.
const REFERENCE_RATE: f64 = 22_050.0;
/// Window length of the reference front end, samples at [`REFERENCE_RATE`].
const REFERENCE_WINDOW: f64 = 2_048.0;
/// Upper edge of the highest mel band, Hz.
const HIGHEST_FREQUENCY: f64 = 11_025.0;

/// The transform's length: the window's, to the nearest sample, so that the bins lie where the
/// reference's lie. A round number close by would be faster, but then a tone falls between other
/// bins at each rate, and the narrow low bands differ by decibels.
fn fft_size(sample_rate: f64) -> usize {
    (REFERENCE_WINDOW / REFERENCE_RATE * sample_rate).round() as usize
}

/// Reach of the window to either side of its centre sample.
fn half_window(sample_rate: f64) -> usize {
    (fft_size(sample_rate) - 1) / 2
}

/// Bins that a frame holds: from 0 Hz to the first bin at or above [`HIGHEST_FREQUENCY`].
fn bin_count(sample_rate: f64) -> usize {
    let size = fft_size(sample_rate);
    let needed = (HIGHEST_FREQUENCY * size as f64 / sample_rate).ceil() as usize + 1;
    needed.min(size / 2 + 1)
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
