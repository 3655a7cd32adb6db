//! Interface: a small CLAP host, for the project's tests and tasks.
//!
//! A [`Rack`] is one plug-in as its host's main thread sees it; its [`Deck`] is what the audio thread has of it, and
//! may be moved there. [`Deck::process`] neither allocates nor calls the system, so that whatever is seen to do so
//! on the audio thread is the plug-in's doing.

#[cfg(target_os = "linux")]
pub mod process;
mod skipped;
#[cfg(target_os = "linux")]
pub mod window;

pub use skipped::{SKIPPED, skipped};

use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clack_extensions::gui::{GuiSize, HostGui, HostGuiImpl};
use clack_extensions::params::{ParamInfoBuffer, PluginParams};
use clack_extensions::render::{PluginRender, RenderMode};
use clack_extensions::state::PluginState;
use clack_host::events::event_types::{ParamValueEvent, TransportEvent, TransportFlags};
use clack_host::events::spaces::CoreEventSpace;
use clack_host::events::{EventFlags, EventHeader};
use clack_host::prelude::*;
use clack_host::utils::{BeatTime, SecondsTime};

/// The Meter's CLAP id.
pub const METER: &CStr = c"org.earworm.meter";
/// Tunes' CLAP id.
pub const TUNES: &CStr = c"org.earworm.tunes";

/// Bytes of the length that goes before a CLAP state.
const LENGTH: usize = 8;

/// Notes that a block may send.
const EVENTS: usize = 4096;

/// What the host's threads share: whether the plug-in asked to be called on the main thread.
pub struct HostShared {
    callback: Arc<AtomicBool>,
}

impl SharedHandler<'_> for HostShared {
    fn request_restart(&self) {}
    fn request_process(&self) {}
    fn request_callback(&self) {
        self.callback.store(true, Ordering::Release);
    }
}

/// A host that offers no more than windows.
pub struct Host;

impl HostHandlers for Host {
    type Shared<'a> = HostShared;
    type MainThread<'a> = ();
    type AudioProcessor<'a> = ();

    fn declare_extensions(builder: &mut HostExtensions<Self>, _: &Self::Shared<'_>) {
        // Without it the plug-ins' framework opens no window.
        builder.register::<HostGui>();
    }
}

impl HostGuiImpl for HostShared {
    fn resize_hints_changed(&self) {}
    fn request_resize(&self, _: GuiSize) -> Result<(), HostError> {
        Ok(())
    }
    fn request_show(&self) -> Result<(), HostError> {
        Ok(())
    }
    fn request_hide(&self) -> Result<(), HostError> {
        Ok(())
    }
    fn closed(&self, _: bool) {}
}

/// The library that was built with the test that runs, or the one of the bundles that EARWORM_BUNDLES names.
///
/// # Panics
/// Where there is none.
pub fn library() -> PathBuf {
    let path = match std::env::var_os("EARWORM_BUNDLES") {
        Some(bundles) => PathBuf::from(bundles).join("Earworm.clap"),
        None => {
            let test = std::env::current_exe().expect("a test is a file");
            let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
            test.with_file_name(format!("{prefix}earworm_plugin{suffix}"))
        }
    };
    assert!(path.exists(), "no library at {}", path.display());
    path
}

/// Loads Earworm's CLAP library.
///
/// # Panics
/// Where it can't be loaded.
pub fn load(path: &Path) -> PluginEntry {
    // SAFETY: it is our own library, built from this source.
    unsafe { PluginEntry::load(path) }.expect("it can be loaded")
}

/// A note that a plug-in sent: absolute sample, and whether it began.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sent {
    /// Samples since the host began.
    pub sample: u64,
    /// Whether it began.
    pub on: bool,
    /// MIDI channel, 0 to 15.
    pub channel: u16,
    /// MIDI key, 0 to 127.
    pub key: u16,
    /// The note's id.
    pub id: u32,
}

/// What the audio thread has of a plug-in.
pub struct Deck {
    processor: Option<StartedPluginAudioProcessor<Host>>,
    /// The block's input, a channel each; empty where the plug-in has none.
    pub input: Vec<Vec<f32>>,
    /// The block's output, a channel each.
    pub output: Vec<Vec<f32>>,
    input_ports: AudioPorts,
    output_ports: AudioPorts,
    out: EventBuffer,
    /// Samples since the host began.
    pub sample: u64,
    /// The notes that were sent since this was last cleared.
    pub sent: Vec<Sent>,
}

impl Deck {
    fn new(inputs: usize, outputs: usize) -> Self {
        Self {
            processor: None,
            input: vec![Vec::new(); inputs],
            output: vec![Vec::new(); outputs],
            input_ports: AudioPorts::with_capacity(inputs.max(1), 1),
            output_ports: AudioPorts::with_capacity(outputs, 1),
            out: EventBuffer::with_capacity(EVENTS),
            sample: 0,
            sent: Vec::with_capacity(EVENTS),
        }
    }

    /// Runs a block of as many `frames` as it was activated for at most. Neither allocates nor calls the system
    /// itself, as long as [`sent`](Self::sent) is cleared now and then.
    ///
    /// # Panics
    /// Where the plug-in breaks a rule of its format.
    pub fn process(
        &mut self,
        frames: usize,
        events: &EventBuffer,
        transport: Option<&TransportEvent>,
    ) {
        let inputs = if self.input.is_empty() {
            InputAudioBuffers::empty()
        } else {
            self.input_ports.with_input_buffers([AudioPortBuffer {
                latency: 0,
                channels: AudioPortBufferType::f32_input_only(
                    self.input.iter_mut().map(|c| InputChannel::variable(&mut c[..frames])),
                ),
            }])
        };
        let mut outputs = self.output_ports.with_output_buffers([AudioPortBuffer {
            latency: 0,
            channels: AudioPortBufferType::f32_output_only(
                self.output.iter_mut().map(|c| &mut c[..frames]),
            ),
        }]);
        self.out.clear();
        self.processor
            .as_mut()
            .expect("it was activated")
            .process(
                &inputs,
                &mut outputs,
                &events.as_input(),
                &mut self.out.as_output(),
                Some(self.sample),
                transport,
            )
            .expect("it processes");
        let mut last = 0;
        for event in &self.out {
            let time = event.header().time();
            let (on, pckn) = match event.as_core_event() {
                Some(CoreEventSpace::NoteOn(on)) => (true, on.pckn()),
                Some(CoreEventSpace::NoteOff(off)) => (false, off.pckn()),
                _ => continue,
            };
            assert!((time as usize) < frames && time >= last, "a note out of order");
            last = time;
            self.sent.push(Sent {
                sample: self.sample + u64::from(time),
                on,
                channel: pckn.channel.into_specific().expect("a channel"),
                key: pckn.key.into_specific().expect("a key"),
                id: pckn.note_id.into_specific().expect("a note id"),
            });
        }
        self.sample += frames as u64;
    }

    /// Stops processing and starts it again, as some hosts do round every block.
    ///
    /// # Panics
    /// Where it is not active, or refuses.
    pub fn nap(&mut self) {
        let stopped = self.processor.take().expect("it was activated").stop_processing();
        self.processor = Some(stopped.start_processing().expect("it starts"));
    }

    /// Tells the plug-in that time was cut, as CLAP's `reset` does.
    ///
    /// # Panics
    /// Where it is not active.
    pub fn reset(&mut self) {
        self.processor.as_mut().expect("it was activated").reset();
    }

    /// What sounds after everything sent so far.
    ///
    /// # Panics
    /// Where an end has no beginning, or a note begins while it sounds.
    pub fn left_on(&self) -> Vec<Sent> {
        let mut sounding: Vec<Sent> = Vec::new();
        for event in &self.sent {
            let place =
                sounding.iter().position(|on| (on.channel, on.key) == (event.channel, event.key));
            match (event.on, place) {
                (true, None) => {
                    assert!(sounding.iter().all(|on| on.id != event.id), "two notes have one id");
                    sounding.push(*event);
                }
                (true, Some(_)) => panic!("{event:?} began while it sounded"),
                (false, Some(place)) => {
                    let on = sounding.remove(place);
                    assert_eq!(on.id, event.id, "an end has its beginning's id");
                }
                (false, None) => panic!("{event:?} ended and had not begun"),
            }
        }
        sounding
    }
}

/// One plug-in in a host.
pub struct Rack {
    /// The plug-in.
    pub instance: PluginInstance<Host>,
    /// What the audio thread has of it.
    pub deck: Deck,
    callback: Arc<AtomicBool>,
}

impl Rack {
    /// An instance that is not active yet.
    ///
    /// # Panics
    /// Where the library has no such plug-in.
    pub fn new(entry: &PluginEntry, id: &CStr) -> Self {
        let info = HostInfo::new("Earworm's host", "Earworm", "", "1").expect("no zero in it");
        let callback = Arc::new(AtomicBool::new(false));
        let shared = HostShared { callback: callback.clone() };
        let instance = PluginInstance::<Host>::new(move |_| shared, |_| (), entry, id, &info)
            .expect("the library has it");
        let deck = Deck::new(if id == METER { 2 } else { 0 }, 2);
        Self { instance, deck, callback }
    }

    /// Activates it for blocks of at most `block` frames.
    ///
    /// # Panics
    /// Where it refuses.
    pub fn activate(&mut self, sample_rate: f64, block: usize) {
        let configuration = PluginAudioConfiguration {
            sample_rate,
            min_frames_count: 1,
            max_frames_count: block as u32,
        };
        let processor = self.instance.activate(|_, _| (), configuration).expect("it activates");
        self.deck.processor = Some(processor.start_processing().expect("it starts"));
        for channel in self.deck.input.iter_mut().chain(&mut self.deck.output) {
            channel.clear();
            channel.resize(block, 0.0);
        }
    }

    /// Deactivates it.
    ///
    /// # Panics
    /// Where it is not active, or its deck is elsewhere.
    pub fn deactivate(&mut self) {
        let processor = self.deck.processor.take().expect("it was activated").stop_processing();
        self.instance.deactivate(processor);
    }

    /// Takes the deck, for an audio thread; [`Rack::deck`] is where it goes back.
    pub fn take_deck(&mut self) -> Deck {
        let fresh = Deck::new(self.deck.input.len(), self.deck.output.len());
        std::mem::replace(&mut self.deck, fresh)
    }

    /// One channel instead of two.
    pub fn make_mono(&mut self) {
        self.deck = Deck::new(self.deck.input.len().min(1), 1);
    }

    /// The host renders offline from the next activation on.
    ///
    /// # Panics
    /// Where the plug-in refuses.
    pub fn offline(&mut self) {
        let render: PluginRender = self.extension();
        render.set(&self.instance.plugin_handle(), RenderMode::Offline).expect("it can");
    }

    /// An extension of the plug-in.
    ///
    /// # Panics
    /// Where it does not have it.
    pub fn extension<
        E: clack_host::extensions::Extension<
                ExtensionSide = clack_host::extensions::PluginExtensionSide,
            >,
    >(
        &mut self,
    ) -> E {
        self.instance.plugin_handle().get_extension().expect("it has the extension")
    }

    /// What a host's main thread does between two messages: calls the plug-in if that was asked for.
    pub fn idle(&mut self) {
        if self.callback.swap(false, Ordering::AcqRel) {
            self.instance.call_on_main_thread_callback();
        }
    }

    /// A block with this input; its output.
    pub fn process(
        &mut self,
        input: &[Vec<f32>],
        events: &EventBuffer,
        transport: Option<&TransportEvent>,
    ) -> Vec<Vec<f32>> {
        let frames = input[0].len();
        for (channel, audio) in self.deck.input.iter_mut().zip(input) {
            channel[..frames].copy_from_slice(audio);
        }
        self.deck.output.iter_mut().for_each(|channel| channel.fill(f32::NAN));
        self.deck.process(frames, events, transport);
        self.deck.output.iter().map(|channel| channel[..frames].to_vec()).collect()
    }

    /// A block of an instrument: nothing in, notes and sound out.
    pub fn play(&mut self, frames: usize, transport: Option<&TransportEvent>) -> Vec<Vec<f32>> {
        self.process(&vec![vec![0.0; frames]; 2], &EventBuffer::new(), transport)
    }

    /// The state that a project would keep.
    ///
    /// # Panics
    /// Where it can't be saved.
    pub fn save(&mut self) -> Vec<u8> {
        let state: PluginState = self.extension();
        let mut bytes = Vec::new();
        state.save(&self.instance.plugin_handle(), &mut bytes).expect("it can be saved");
        bytes
    }

    /// Gives it a state; whether it took it.
    pub fn load(&mut self, mut bytes: &[u8]) -> bool {
        let state: PluginState = self.extension();
        state.load(&self.instance.plugin_handle(), &mut bytes).is_ok()
    }

    /// A field of the saved state. The framework writes a length and then JSON, each field JSON again.
    ///
    /// # Panics
    /// Where there is no such field.
    pub fn field(&mut self, name: &str) -> serde_json::Value {
        let state: serde_json::Value =
            serde_json::from_slice(&self.save()[LENGTH..]).expect("the state is JSON");
        serde_json::from_str(state["fields"][name].as_str().expect("a field")).expect("JSON")
    }

    /// The state as it is, but with another value in a field.
    ///
    /// # Panics
    /// Where the state is not as the framework writes it.
    pub fn state_with(&mut self, field: &str, value: &serde_json::Value) -> Vec<u8> {
        let mut state: serde_json::Value =
            serde_json::from_slice(&self.save()[LENGTH..]).expect("the state is JSON");
        state["fields"][field] = serde_json::Value::String(value.to_string());
        let json = serde_json::to_vec(&state).expect("JSON can be written");
        [&(json.len() as u64).to_le_bytes()[..], &json].concat()
    }

    /// The parameter of this name.
    ///
    /// # Panics
    /// Where there is none.
    pub fn param(&mut self, name: &str) -> ClapId {
        let params: PluginParams = self.extension();
        let handle = self.instance.plugin_handle();
        (0..params.count(&handle))
            .find_map(|index| {
                let mut buffer = ParamInfoBuffer::new();
                let info = params.get_info(&handle, index, &mut buffer)?;
                (info.name == name.as_bytes()).then_some(info.id)
            })
            .unwrap_or_else(|| panic!("no parameter {name}"))
    }

    /// A parameter's value.
    ///
    /// # Panics
    /// Where there is none of this name.
    pub fn value(&mut self, name: &str) -> f64 {
        let id = self.param(name);
        let params: PluginParams = self.extension();
        params.get_value(&self.instance.plugin_handle(), id).expect("it has a value")
    }

    /// Events that set a parameter at a sample of the block.
    pub fn set(&mut self, name: &str, at: u32, value: f64) -> EventBuffer {
        let mut events = EventBuffer::new();
        events.push(&set_event(self.param(name), at, value));
        events
    }

    /// What sounds after everything sent so far.
    pub fn left_on(&self) -> Vec<Sent> {
        self.deck.left_on()
    }
}

impl Drop for Rack {
    fn drop(&mut self) {
        if self.deck.processor.is_some() {
            self.deactivate();
        }
    }
}

/// An event that sets a parameter at a sample of the block.
pub fn set_event(id: ClapId, at: u32, value: f64) -> ParamValueEvent {
    ParamValueEvent::new(at, id, Pckn::match_all(), value)
}

/// A host's transport.
#[derive(Clone, Copy, Debug)]
pub struct Transport {
    /// Whether it rolls.
    pub playing: bool,
    /// Where it is, in quarter notes.
    pub beats: f64,
    /// Quarter notes a minute.
    pub tempo: f64,
    /// The stretch that is looped, in quarter notes.
    pub cycle: Option<(f64, f64)>,
    /// The time signature.
    pub signature: (u16, u16),
    /// How the host rounds the place that it tells.
    pub rounding: Rounding,
    /// What it tells of the bar's start.
    pub bar_start: BarStart,
}

/// How a host rounds the place that it tells.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Rounding {
    /// Not at all.
    #[default]
    Exact,
    /// To the nearest of so many marks a quarter note.
    Marks(f64),
    /// To what a float of 32 bits holds.
    Single,
}

impl Rounding {
    /// The place as it is told, in quarter notes.
    pub fn tell(self, beats: f64) -> f64 {
        match self {
            Self::Exact => beats,
            Self::Marks(marks) => (beats * marks).round() / marks,
            Self::Single => f64::from(beats as f32),
        }
    }

    /// How far from the real place the told one may be, in quarter notes.
    pub fn reach(self, beats: f64) -> f64 {
        match self {
            Self::Exact => 0.0,
            Self::Marks(marks) => 1.0 / marks,
            Self::Single => beats.abs().max(1.0) * f64::from(f32::EPSILON),
        }
    }
}

/// What a host tells of the bar's start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum BarStart {
    /// Where it is.
    #[default]
    Exact,
    /// The bar's number, counted from one, times four quarters, whatever the metre: as Ardour does.
    FourQuarters,
    /// The song's start, always.
    Song,
}

impl Default for Transport {
    /// Rolls from the start at 120, in 4/4.
    fn default() -> Self {
        Self {
            playing: true,
            beats: 0.0,
            tempo: 120.0,
            cycle: None,
            signature: (4, 4),
            rounding: Rounding::default(),
            bar_start: BarStart::default(),
        }
    }
}

impl Transport {
    /// Quarter notes of a bar.
    pub fn bar(&self) -> f64 {
        4.0 * f64::from(self.signature.0) / f64::from(self.signature.1)
    }

    /// As a plug-in is told at sample `at` of a block. Bars count from the song's start.
    pub fn event_at(&self, at: u32) -> TransportEvent {
        let mut flags = TransportFlags::HAS_TEMPO
            | TransportFlags::HAS_BEATS_TIMELINE
            | TransportFlags::HAS_TIME_SIGNATURE;
        flags.set(TransportFlags::IS_PLAYING, self.playing);
        flags.set(TransportFlags::IS_LOOP_ACTIVE, self.cycle.is_some());
        let (from, to) = self.cycle.unwrap_or_default();
        let bar = (self.beats / self.bar()).floor();
        TransportEvent {
            header: EventHeader::new_core(at, EventFlags::empty()),
            flags,
            song_pos_beats: BeatTime::from_float(self.rounding.tell(self.beats)),
            song_pos_seconds: SecondsTime::from_float(0.0),
            tempo: self.tempo,
            tempo_inc: 0.0,
            loop_start_beats: BeatTime::from_float(from),
            loop_end_beats: BeatTime::from_float(to),
            loop_start_seconds: SecondsTime::from_float(0.0),
            loop_end_seconds: SecondsTime::from_float(0.0),
            bar_start: BeatTime::from_float(match self.bar_start {
                BarStart::Exact => bar * self.bar(),
                BarStart::FourQuarters => (bar + 1.0) * 4.0,
                BarStart::Song => 0.0,
            }),
            bar_number: bar as i32,
            time_signature_numerator: self.signature.0,
            time_signature_denominator: self.signature.1,
        }
    }

    /// As a plug-in is told with a block.
    pub fn event(&self) -> TransportEvent {
        self.event_at(0)
    }

    /// Rolls on, round the loop if there is one.
    pub fn advance(&mut self, frames: usize, sample_rate: f64) {
        if !self.playing {
            return;
        }
        let before = self.beats;
        self.beats += frames as f64 / sample_rate * self.tempo / 60.0;
        if let Some((from, to)) = self.cycle
            && before < to
            && self.beats >= to
        {
            self.beats = from + (self.beats - to) % (to - from);
        }
    }
}
