//! Real-time: Earworm Meter as the host calls it.

pub mod editor;
pub mod history;
mod listener;
mod loudness;
pub mod params;
pub mod shared;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nice_plug::prelude::*;
use rtrb::{Producer, RingBuffer};

use self::editor::MeterApp;
use self::listener::Listener;
use self::params::MeterParams;
use self::shared::{Hearing, MeterShared};
use super::pool::{WorkerHandle, WorkerPool};
use super::resets::Resets;
use super::standalone;
use super::subnormal::without_subnormal;
use super::window::Window;
use earworm_genre::Network;
use earworm_spectrum::{COLUMN_SECONDS, Stft};

/// Listens for all Meters of the process.
static POOL: WorkerPool = WorkerPool::new("earworm-meter");

/// Seconds that the rings to the listener hold besides the largest block: longer than a round through 64 Meters takes, each
/// of which has half a second to hear.
const RING_SECONDS: f64 = 0.75;

/// Frames of the sound that are handed on at a time.
const PIECE: usize = 64;

/// How long an offline render sleeps between looks at the listener.
const OFFLINE_NAP: Duration = Duration::from_micros(100);

/// An audio effect that names the genre of what passes through it and leaves every bit as it was.
pub struct Meter {
    params: Arc<MeterParams>,
    shared: Arc<MeterShared>,
    /// Both from activation to deactivation.
    tap: Option<Tap>,
    worker: Option<WorkerHandle>,
    bypassed: bool,
    /// Whether the host's transport rolled in the last block.
    played: bool,
    offline: bool,
    resets: Option<Resets>,
}

/// The audio thread's end: samples in, frames out into the ring.
struct Tap {
    stft: Stft,
    /// The sound itself for its loudness, channels interleaved. A full ring loses some of it, no more.
    sound: Producer<f32>,
    frames: Producer<f32>,
    /// Goes before each frame; a new one tells the listener that time was cut.
    epoch: f32,
    /// Frames put into the ring since activation.
    sent: u64,
}

#[warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]
impl Tap {
    /// Takes the channels' samples. True when a frame went out.
    fn push<P: AsRef<[f32]>>(&mut self, planes: &[P], shared: &MeterShared) -> bool {
        let (mut sent, mut place) = (false, 0_usize);
        while place < planes.first().map_or(0, |plane| plane.as_ref().len()) {
            let (taken, frame) = self.stft.feed(planes, place);
            place = place.saturating_add(taken);
            let Some(power) = frame else { continue };
            // The listener takes a frame when all of it is there.
            if self.frames.slots() > power.len()
                && self.frames.push(self.epoch).is_ok()
                && self.frames.push_entire_slice(power).is_ok()
            {
                self.sent = self.sent.wrapping_add(1);
                sent = true;
            } else {
                shared.dropped_frames.fetch_add(1, Ordering::Relaxed);
            }
        }
        sent
    }

    /// Hands the sound on for its loudness, frame by frame.
    fn weigh<P: AsRef<[f32]>>(&mut self, planes: &[P]) {
        // The ring holds whole frames, so that none is parted; where it is full, a piece is lost, no more.
        match planes {
            [mono] => {
                let _ = self.sound.push_entire_slice(mono.as_ref());
            }
            [left, right, ..] => {
                let pieces = left.as_ref().chunks(PIECE).zip(right.as_ref().chunks(PIECE));
                for (left, right) in pieces {
                    let mut both = [0.0; 2 * PIECE];
                    let frames = both.chunks_exact_mut(2).zip(left).zip(right);
                    for ((frame, left), right) in frames {
                        frame.copy_from_slice(&[*left, *right]);
                    }
                    let filled = left.len().saturating_mul(2);
                    let _ = self.sound.push_entire_slice(both.get(..filled).unwrap_or_default());
                }
            }
            [] => {}
        }
    }

    fn reset(&mut self) {
        self.stft.reset();
        // Any value but the last will do, and a float must stay exact.
        self.epoch = (self.epoch + 1.0) % 65_536.0;
    }
}

impl Default for Meter {
    fn default() -> Self {
        let shared = Arc::new(MeterShared::default());
        let params = Arc::new(MeterParams::new(shared.clone()));
        standalone::begin::<Self>(&params);
        Self {
            params,
            shared,
            tap: None,
            worker: None,
            bypassed: false,
            played: false,
            offline: false,
            resets: None,
        }
    }
}

impl Meter {
    /// Waits until the listener has taken in every frame: an offline render loses none, and comes out
    /// the same on every run. Never called in real time.
    fn wait_for_listener(&self) {
        let (Some(tap), Some(worker)) = (&self.tap, &self.worker) else {
            return;
        };
        while self.shared.heard_frames.load(Ordering::Acquire) < tap.sent
            && self.shared.hearing() != Hearing::Failed
        {
            worker.nudge();
            std::thread::sleep(OFFLINE_NAP);
        }
    }
}

#[warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]
impl Plugin for Meter {
    const NAME: &'static str = "Earworm Meter";
    const VENDOR: &'static str = "Earworm";
    const URL: &'static str = "";
    const EMAIL: &'static str = "";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    const AUDIO_IO_LAYOUTS: &'static [AudioIOLayout] = &[
        AudioIOLayout {
            main_input_channels: NonZeroU32::new(2),
            main_output_channels: NonZeroU32::new(2),
            ..AudioIOLayout::const_default()
        },
        AudioIOLayout {
            main_input_channels: NonZeroU32::new(1),
            main_output_channels: NonZeroU32::new(1),
            ..AudioIOLayout::const_default()
        },
    ];

    type Editor = Window<MeterApp>;
    type SysExMessage = ();
    type BackgroundTask = ();

    fn params(&self) -> Arc<dyn Params> {
        self.params.clone()
    }

    fn editor(&mut self, _: AsyncExecutor<Self>) -> Option<Self::Editor> {
        editor::editor(self.params.clone(), self.shared.clone())
    }

    /// Refuses a state with settings that can't be, so that the plug-in stays as it was.
    fn filter_state(state: &mut PluginState) {
        let params = MeterParams::new(Arc::default());
        if super::settings_fault(&params, state).is_some() {
            state.params.clear();
            state.fields.clear();
        }
    }

    fn activate(
        &mut self,
        layout: &AudioIOLayout,
        config: &BufferConfig,
        context: &mut impl ActivateContext<Self>,
    ) -> bool {
        self.deactivate();
        self.resets = Some(Resets::new(context.plugin_api(), config.sample_rate));
        let channels = layout.main_input_channels.map_or(1, NonZeroU32::get);
        let stft = Stft::new(config.sample_rate, channels as usize);
        let bins = stft.frame_length();
        let rate = f64::from(config.sample_rate);
        let seconds = RING_SECONDS + f64::from(config.max_buffer_size) / rate;
        let frames = (seconds / COLUMN_SECONDS).ceil() as usize;
        let (producer, consumer) = RingBuffer::new(bins.saturating_add(1).saturating_mul(frames));
        let shared = &self.shared;
        shared.dropped_frames.store(0, Ordering::Relaxed);
        shared.heard_frames.store(0, Ordering::Relaxed);
        shared.sample_rate.store(config.sample_rate, Ordering::Relaxed);
        shared.column_seconds.store(COLUMN_SECONDS as f32, Ordering::Relaxed);
        shared.set_fault(None);
        shared.set_hearing(Hearing::Listening);
        let channels = layout.main_input_channels.map_or(1, NonZeroU32::get).min(2);
        let samples = (seconds * rate).ceil() as usize;
        let (sound, heard) = RingBuffer::new(samples.saturating_mul(channels as usize));
        let listener = Listener::new(
            self.params.clone(),
            shared.clone(),
            consumer,
            bins,
            config.sample_rate,
            (heard, channels),
            Network::embedded,
        );
        match POOL.add(listener) {
            Ok(worker) => self.worker = Some(worker),
            Err(error) => {
                // The audio passes all the same; the editor says why nothing is heard.
                shared.set_fault(Some(format!("no thread to listen on: {error}")));
                shared.set_hearing(Hearing::Failed);
            }
        }
        self.tap = Some(Tap { stft, sound, frames: producer, epoch: 0.0, sent: 0 });
        self.offline = config.process_mode == ProcessMode::Offline;
        true
    }

    fn reset(&mut self) {
        if let (Some(tap), Some(resets)) = (&mut self.tap, &mut self.resets)
            && resets.certain()
        {
            tap.reset();
        }
    }

    fn stop_processing(&mut self) {
        if let Some(resets) = &mut self.resets {
            resets.sleep();
        }
    }

    fn process(
        &mut self,
        buffer: &mut Buffer,
        _aux: &mut AuxiliaryBuffers,
        context: &mut impl ProcessContext<Self>,
    ) -> ProcessStatus {
        let playing = context.transport().playing;
        if playing && !self.played {
            self.shared.starts.fetch_add(1, Ordering::Relaxed);
        }
        self.played = playing;
        // The framework has copied the input to the output. Nothing here writes to it but this: what is
        // subnormal (under -758 dBFS) becomes silence, as hosts and their validators ask of an output;
        // it would slow down whatever comes after.
        for channel in buffer.as_slice().iter_mut() {
            channel.iter_mut().for_each(|sample| *sample = without_subnormal(*sample));
        }
        let bypassed = self.params.bypass.value();
        let resets = self.resets.as_mut();
        let cut = resets.is_some_and(|resets| resets.cut(context.transport(), buffer.samples()));
        if let Some(tap) = &mut self.tap {
            if cut || (self.bypassed && !bypassed) {
                tap.reset();
            }
            if !bypassed {
                tap.weigh(buffer.as_slice_immutable());
                let sent = tap.push(buffer.as_slice_immutable(), &self.shared);
                if sent && self.offline {
                    self.wait_for_listener();
                }
            }
        }
        self.bypassed = bypassed;
        ProcessStatus::Normal
    }

    fn deactivate(&mut self) {
        self.worker = None;
        self.tap = None;
        self.shared.load.store(0.0, Ordering::Relaxed);
        self.shared.set_hearing(Hearing::Asleep);
    }
}

impl ClapPlugin for Meter {
    const CLAP_ID: &'static str = "org.earworm.meter";
    const CLAP_DESCRIPTION: Option<&'static str> =
        Some("Names the genre of the mix that passes through it");
    const CLAP_MANUAL_URL: Option<&'static str> = None;
    const CLAP_SUPPORT_URL: Option<&'static str> = None;
    const CLAP_FEATURES: &'static [ClapFeature] = &[
        ClapFeature::AudioEffect,
        ClapFeature::Analyzer,
        ClapFeature::Utility,
        ClapFeature::Stereo,
        ClapFeature::Mono,
    ];
}

impl Vst3Plugin for Meter {
    const VST3_CLASS_ID: [u8; 16] = *b"EarwormMeterGenr";
    const VST3_SUBCATEGORIES: &'static [Vst3SubCategory] =
        &[Vst3SubCategory::Fx, Vst3SubCategory::Analyzer];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_that_find_no_room_are_counted_and_none_is_cut_in_two() {
        let shared = MeterShared::default();
        let stft = Stft::new(48_000.0, 1);
        let frame = stft.frame_length() + 1;
        // Room for two frames and a half; nobody listens.
        let (frames, mut listener) = RingBuffer::new(2 * frame + frame / 2);
        let (sound, _) = RingBuffer::new(64);
        let mut tap = Tap { stft, sound, frames, epoch: 0.0, sent: 0 };
        // Ten seconds.
        for _ in 0..7_500 {
            tap.push(&[[0.25; 64]], &shared);
        }
        assert_eq!(tap.sent, 2);
        let dropped = shared.dropped_frames.load(Ordering::Relaxed);
        assert!((100..130).contains(&dropped), "{dropped}");
        assert_eq!(listener.slots(), 2 * frame);
        // Once there is room again they are taken again.
        listener.read_chunk(2 * frame).unwrap().commit_all();
        for _ in 0..200 {
            tap.push(&[[0.25; 64]], &shared);
        }
        assert_eq!(tap.sent, 4);
    }
}
