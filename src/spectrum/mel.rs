//! Core: mel bands (Slaney's scale and normalisation, as librosa's defaults) of a power frame.

use super::{COARSE, FINE, FINE_FRAMES, Reference, sane_rate};

/// Mel bands of the long window.
pub const BANDS: usize = 128;
/// Mel bands of the short windows.
pub const FINE_BANDS: usize = 96;

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

/// Corner `corner` of the triangles of so many bands up to `highest`, Hz: band b rises from corner b to b + 1 and falls to b + 2.
fn corner(highest: f64, bands: usize, corner: usize) -> f64 {
    mel_to_hertz(hertz_to_mel(highest) * corner as f64 / (bands + 1) as f64)
}

/// Centre frequency of one of [`BANDS`], Hz.
pub fn band_centre(band: usize) -> f64 {
    corner(COARSE.highest, BANDS, band + 1)
}

/// Centre frequency of one of [`FINE_BANDS`], Hz.
pub fn fine_band_centre(band: usize) -> f64 {
    corner(FINE.highest, FINE_BANDS, band + 1)
}

/// Power as dB, floored at -100 dB (1e-10) as librosa's `power_to_db`.
pub fn decibels(power: f32) -> f32 {
    10.0 * power.max(1e-10).log10()
}

/// What was heard in one column of 77.5 ms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Column {
    /// The long window's mel bands, dB.
    pub bands: [f32; BANDS],
    /// The short windows' mel bands, power; old ones first.
    pub fine: [[f32; FINE_BANDS]; FINE_FRAMES],
}

impl Column {
    /// Nothing at all.
    pub const SILENT: Self =
        Self { bands: [-100.0; BANDS], fine: [[0.0; FINE_BANDS]; FINE_FRAMES] };
}

/// The filters that turn a frame of [`super::Stft`] into a [`Column`].
pub struct Bank {
    coarse: MelBank,
    fine: MelBank,
}

impl Bank {
    /// The filters for frames of a `Stft` of `sample_rate` Hz. Bands above half the rate stay empty.
    pub fn new(sample_rate: f32) -> Self {
        Self {
            coarse: MelBank::new(&COARSE, BANDS, sample_rate),
            fine: MelBank::new(&FINE, FINE_BANDS, sample_rate),
        }
    }

    /// Values of the frames that it takes.
    pub fn frame_length(&self) -> usize {
        self.coarse.bins + FINE_FRAMES * self.fine.bins
    }

    /// The column of a frame. Bins that `power` lacks count as zero.
    pub fn column(&self, power: &[f32]) -> Column {
        let mut column = Column::SILENT;
        self.coarse.apply(power, &mut column.bands);
        column.bands = column.bands.map(decibels);
        let fine = power.get(self.coarse.bins..).unwrap_or_default();
        for (frame, bands) in fine.chunks_exact(self.fine.bins).zip(&mut column.fine) {
            self.fine.apply(frame, bands);
        }
        column
    }
}

/// The triangular filters that turn a power spectrum into mel powers.
struct MelBank {
    bins: usize,
    /// Of each band: its first bin and where its weights end in `weights`.
    bands: Vec<(usize, usize)>,
    weights: Vec<f32>,
}

impl MelBank {
    fn new(reference: &Reference, bands: usize, sample_rate: f32) -> Self {
        let sample_rate = sane_rate(sample_rate);
        let width = sample_rate / reference.fft_size(sample_rate) as f64;
        let bins = reference.bin_count(sample_rate);
        // A band sums over bins; with narrower bins than the reference's it would sum more of them.
        let density = width / (reference.rate / reference.window);
        let mut weights = Vec::new();
        let corner = |place| corner(reference.highest, bands, place);
        let bands = (0..bands)
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

    /// Mel powers of one power spectrum.
    fn apply(&self, power: &[f32], mel: &mut [f32]) {
        let mut start = 0;
        for (value, &(first, end)) in mel.iter_mut().zip(&self.bands) {
            let bins = power.get(first..).unwrap_or_default();
            *value =
                self.weights[start..end].iter().zip(bins).map(|(weight, bin)| weight * bin).sum();
            start = end;
        }
    }
}
