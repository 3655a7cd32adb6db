//! Core: mel frames as the network takes them.

use earworm_spectrum::BANDS;

/// Range below the loudest value of a window that the network sees, dB.
pub const RANGE: f32 = 80.0;

/// The network's input for one window: `mel` holds dB values, [bands, frames]; the result
/// [2, bands, frames] holds the log mel below the window's maximum, and the same less each band's
/// mean over the window, which takes the recording's own colour out.
pub fn input(mel: &[f32], frames: usize) -> Vec<f32> {
    debug_assert_eq!(mel.len(), BANDS * frames);
    let loudest = mel.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    // -80…0 dB becomes -1.25…0.75, about centred and of unit scale for music.
    let mut input: Vec<f32> =
        mel.iter().map(|db| ((db - loudest).max(-RANGE) + 50.0) / 40.0).collect();
    let mut centred = Vec::with_capacity(input.len());
    for band in input.chunks(frames.max(1)) {
        let mean = band.iter().sum::<f32>() / frames as f32;
        // Less varied than the first part, so brought to a like scale.
        centred.extend(band.iter().map(|value| (value - mean) * 3.0));
    }
    input.append(&mut centred);
    input
}
