//! Worker: how loud the Meter's sound is, by EBU R 128.

use std::collections::VecDeque;

use ebur128::{EbuR128, Error, Mode};

/// Pieces of a tenth of a second in short-term loudness.
const SHORT_TERM: usize = 30;
/// What the loudness of a mean power of one is, in LUFS (ITU-R BS.1770).
const UNIT: f64 = -0.691;

/// The loudness of sound as it comes.
///
/// Of the sound itself only the last 0.4 s are kept, and of what goes into the short-term loudness the power of each tenth of
/// a second: that brings it up to date ten times a second.
pub(super) struct Loudness {
    meter: EbuR128,
    /// Mean powers of the last tenths of a second, the newest last.
    tenths: VecDeque<f64>,
    /// Samples of a channel in a tenth of a second, and how many the current one lacks.
    tenth: usize,
    lacking: usize,
}

impl Loudness {
    /// For `channels` interleaved at `sample_rate` Hz.
    pub fn new(channels: u32, sample_rate: u32) -> Result<Self, Error> {
        let modes = Mode::M | Mode::I | Mode::TRUE_PEAK | Mode::HISTOGRAM;
        let tenth = (sample_rate as usize).div_ceil(10).max(1);
        Ok(Self {
            meter: EbuR128::new(channels, sample_rate, modes)?,
            tenths: VecDeque::with_capacity(SHORT_TERM),
            tenth,
            lacking: tenth,
        })
    }

    pub fn channels(&self) -> u32 {
        self.meter.channels()
    }

    /// Forgets all that was heard.
    pub fn reset(&mut self) {
        self.meter.reset();
        self.tenths.clear();
        self.lacking = self.tenth;
    }

    /// Takes interleaved frames.
    pub fn push(&mut self, mut interleaved: &[f32]) -> Result<(), Error> {
        let channels = self.meter.channels() as usize;
        while !interleaved.is_empty() {
            let frames = self.lacking.min(interleaved.len() / channels);
            if frames == 0 {
                break;
            }
            let (now, later) = interleaved.split_at(frames * channels);
            self.meter.add_frames_f32(now)?;
            interleaved = later;
            self.lacking -= frames;
            if self.lacking == 0 {
                self.lacking = self.tenth;
                if self.tenths.len() == SHORT_TERM {
                    self.tenths.pop_front();
                }
                let loudness = self.meter.loudness_window(100)?;
                self.tenths.push_back(10_f64.powf((loudness - UNIT) / 10.0));
            }
        }
        Ok(())
    }

    /// Of the last 0.4 s, LUFS.
    pub fn momentary(&self) -> Result<f64, Error> {
        self.meter.loudness_momentary()
    }

    /// Of the last 3 s, LUFS; what lies before the beginning counts as silence.
    pub fn short_term(&self) -> f64 {
        10.0 * (self.tenths.iter().sum::<f64>() / SHORT_TERM as f64).log10() + UNIT
    }

    /// Since the beginning, LUFS.
    pub fn integrated(&self) -> Result<f64, Error> {
        self.meter.loudness_global()
    }

    /// The highest true peak of any channel since the beginning, 1 for full scale.
    pub fn true_peak(&self) -> f64 {
        let peaks = (0..self.channels()).filter_map(|channel| self.meter.true_peak(channel).ok());
        peaks.fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_term_loudness_is_that_of_the_last_three_seconds_whatever_the_pieces() {
        let rate = 48_000;
        let mut whole = EbuR128::new(2, rate, Mode::S).unwrap();
        let mut ours = Loudness::new(2, rate).unwrap();
        // Gets louder, rests, and comes again.
        let sample = |n: usize| {
            let time = (n / 2) as f32 / rate as f32;
            let level = if (4.0..5.5).contains(&time) { 0.0 } else { 0.05 + 0.05 * time };
            level * (time * 3_000.0 + n as f32 % 2.0).sin()
        };
        let sound: Vec<f32> = (0..2 * 8 * rate as usize).map(sample).collect();
        let mut compared = 0;
        for (second, sound) in sound.chunks(rate as usize).enumerate() {
            whole.add_frames_f32(sound).unwrap();
            sound.chunks(2 * 701).for_each(|piece| ours.push(piece).unwrap());
            let (theirs, ours) = (whole.loudness_shortterm().unwrap(), ours.short_term());
            assert!((theirs - ours).abs() < 1e-3, "half {second}: {ours} is not {theirs} LUFS");
            compared += 1;
        }
        assert_eq!(compared, 16);
        ours.reset();
        assert_eq!(ours.short_term(), f64::NEG_INFINITY);
    }
}
