//! Real-time: which of a host's resets cut time.
//!
//! The framework resets a plug-in whenever a host starts processing, and some hosts (Element) stop and start round every
//! block. A reset that breaks nothing in time must not begin anew: one that follows a sleep, one after which the
//! transport goes straight on, one that follows upon another.

#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

use nice_plug::context::PluginApi;
use nice_plug::context::process::Transport;

/// Resets that come closer than this are a host's habit, in seconds: nothing could begin in between.
const HABIT: f64 = 0.5;

/// How far from where it was expected a transport may be that goes straight on, in quarter notes: hosts round.
const ROUNDING: f64 = 1.0 / 240.0;

/// Tells resets that cut time from those that don't.
#[derive(Debug)]
pub struct Resets {
    api: PluginApi,
    sample_rate: f32,
    /// The host sent the plug-in to sleep: the next reset is its waking.
    asleep: bool,
    /// A reset came of which the next block shows what it was.
    open: bool,
    /// Samples since the last reset, or since activation.
    since: f64,
    /// Where a rolling transport would be next, in quarter notes.
    expected: Option<f64>,
}

impl Resets {
    /// For an activation at `sample_rate`, in hertz, in a host of this format.
    pub fn new(api: PluginApi, sample_rate: f32) -> Self {
        Self { api, sample_rate, asleep: false, open: false, since: 0.0, expected: None }
    }

    /// The host stops processing for a while.
    pub fn sleep(&mut self) {
        self.asleep = true;
    }

    /// A reset comes. True where it certainly cuts time; where it may, [`cut`](Self::cut) tells with the next block.
    pub fn certain(&mut self) -> bool {
        if std::mem::take(&mut self.asleep) {
            return false;
        }
        // VST3 has but one call for waking and for a reset.
        self.open = self.api == PluginApi::Vst3;
        !self.open
    }

    /// Whether a reset that came before this piece of `frames` cut time. Called with every piece.
    pub fn cut(&mut self, transport: &Transport, frames: usize) -> bool {
        let beats = transport.pos_beats().filter(|_| transport.playing);
        let goes_on = match (beats, self.expected) {
            (Some(beats), Some(expected)) => (beats - expected).abs() < ROUNDING,
            _ => false,
        };
        let cut = self.open && !goes_on && self.since > HABIT * f64::from(self.sample_rate);
        if std::mem::take(&mut self.open) {
            self.since = 0.0;
        }
        self.since += frames as f64;
        let per_sample = transport.tempo.unwrap_or(0.0) / 60.0 / f64::from(self.sample_rate);
        self.expected = beats.map(|beats| beats + frames as f64 * per_sample);
        cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: f32 = 48_000.0;

    /// A transport at `beats` that rolls at 120, or one that stands still.
    fn transport(beats: Option<f64>) -> Transport {
        let mut transport = Transport::new(RATE);
        transport.playing = beats.is_some();
        transport.pos_beats = beats;
        transport.tempo = Some(120.0);
        transport
    }

    /// Whether a reset after `seconds` in blocks of 128 cuts time, where the transport then is at `beats`.
    fn cuts(resets: &mut Resets, seconds: f64, beats: impl Fn(f64) -> Option<f64>) -> bool {
        let blocks = (seconds * f64::from(RATE) / 128.0) as usize;
        for block in 0..blocks {
            let at = block as f64 * 128.0 / 24_000.0;
            assert!(!resets.cut(&transport(beats(at)), 128), "nothing was reset");
        }
        let certain = resets.certain();
        resets.cut(&transport(beats(blocks as f64 * 128.0 / 24_000.0)), 128) || certain
    }

    #[test]
    fn a_clap_host_that_wakes_the_plug_in_cuts_nothing_and_one_that_resets_it_does() {
        let mut resets = Resets::new(PluginApi::Clap, RATE);
        resets.sleep();
        assert!(!cuts(&mut resets, 2.0, |_| None));
        assert!(cuts(&mut resets, 2.0, |_| None));
    }

    #[test]
    fn a_vst3_host_that_starts_processing_round_every_block_cuts_nothing() {
        let mut resets = Resets::new(PluginApi::Vst3, RATE);
        for block in 0..4_000 {
            assert!(!resets.certain());
            assert!(!resets.cut(&transport(None), 128), "block {block}");
        }
    }

    #[test]
    fn a_vst3_host_cuts_where_its_transport_does_not_go_on() {
        let mut resets = Resets::new(PluginApi::Vst3, RATE);
        assert!(!cuts(&mut resets, 2.0, Some), "it rolled straight on");
        let mut resets = Resets::new(PluginApi::Vst3, RATE);
        assert!(cuts(&mut resets, 2.0, |at| Some(if at < 3.9 { at } else { 0.0 })), "it went back");
        let mut resets = Resets::new(PluginApi::Vst3, RATE);
        assert!(cuts(&mut resets, 2.0, |_| None), "it says nothing");
    }
}
