//! Core: a recording's columns.

use super::{Bank, Column, Stft};

/// The front end over a recording, whose sample rate and channels may change where recordings were joined.
pub struct Columns {
    sample_rate: u32,
    stft: Stft,
    bank: Bank,
    /// The channels' samples, one after the other.
    planes: Vec<Vec<f32>>,
}

impl Columns {
    /// For a recording that begins with `sample_rate` Hz.
    pub fn new(sample_rate: u32) -> Self {
        let rate = sample_rate as f32;
        Self { sample_rate, stft: Stft::new(rate, 1), bank: Bank::new(rate), planes: Vec::new() }
    }

    /// Hz of what comes next.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// What comes from here on has `sample_rate` Hz.
    pub fn set_rate(&mut self, sample_rate: u32) {
        if sample_rate != self.sample_rate {
            let channels = self.stft.channels();
            *self = Self::new(sample_rate);
            self.stft = Stft::new(sample_rate as f32, channels);
        }
    }

    /// Takes interleaved frames of `channels` samples, and adds each column that is complete with them to `columns`.
    pub fn push(&mut self, interleaved: &[f32], channels: usize, columns: &mut Vec<Column>) {
        let channels = channels.max(1);
        if channels != self.stft.channels() {
            self.stft = Stft::new(self.sample_rate as f32, channels);
        }
        self.planes.resize(channels, Vec::new());
        for (channel, plane) in self.planes.iter_mut().enumerate() {
            plane.clear();
            plane.extend(interleaved.chunks_exact(channels).map(|frame| frame[channel]));
        }
        let (frames, mut taken) = (interleaved.len() / channels, 0);
        while taken < frames {
            let (count, power) = self.stft.feed(&self.planes, taken);
            taken += count;
            let Some(power) = power else { continue };
            columns.push(self.bank.column(power));
        }
    }
}
