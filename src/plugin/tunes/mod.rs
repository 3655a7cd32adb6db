//! Real-time: Earworm Tunes as the host calls it.

mod deck;
pub mod editor;
pub mod params;
pub mod past;
mod phrase;
mod practice;
pub mod shared;
mod writer;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nice_plug::context::process::SendEventError;
use nice_plug::midi::{Channel, Key, VoiceID};
use nice_plug::prelude::*;
use rtrb::{Producer, RingBuffer};

use self::deck::{Click, Deck};
use self::editor::TunesApp;
use self::params::{Controls, TunesParams};
use self::phrase::Played;
use self::shared::{NOWHERE, SavedTune, TunesShared};
use self::writer::{Writer, tag};
use super::pool::{WorkerHandle, WorkerPool};
use super::resets::Resets;
use super::standalone;
use super::subnormal::without_subnormal;
use super::window::Window;
use earworm_abc::performance::PERCUSSION;
use earworm_playback::voice::Voice;
use earworm_playback::{Clock, Event, METRONOME, POLYPHONY, Play, Player, Settings};
use earworm_tunes::Composer;

/// Writes for all Tunes of the process.
static POOL: WorkerPool = WorkerPool::new("earworm-tunes");

/// Played notes on their way to the writer.
const PLAYED_RING: usize = 512;

/// How long an offline render sleeps between looks at the writer.
const OFFLINE_NAP: Duration = Duration::from_micros(200);

/// Ends of notes that a host would not take at once.
const UNSENT: usize = 4 * POLYPHONY;

/// A note generator that writes folk tunes and plays them in time with its host.
pub struct Tunes {
    params: Arc<TunesParams>,
    shared: Arc<TunesShared>,
    /// From activation on; kept after it, so that what sounded can be ended in the next.
    engine: Option<Engine>,
    worker: Option<WorkerHandle>,
    offline: bool,
}

/// What the audio thread works with.
struct Engine {
    sample_rate: f32,
    player: Player,
    voice: Voice,
    /// As of the last block.
    controls: Controls,
    /// Starts and stops the tune where there is no host.
    deck: Deck,
    click: Click,
    played: Producer<Played>,
    /// Ends of notes that the host has yet to hear of.
    unsent: Vec<Event>,
    overrun: Overrun,
    resets: Resets,
    /// Quarter notes since activation, by which played notes are dated: a host's own beats may jump.
    beats: f64,
}

impl Default for Tunes {
    fn default() -> Self {
        let shared = Arc::new(TunesShared::new());
        let params = Arc::new(TunesParams::new(shared.clone()));
        standalone::begin::<Self>(&params);
        if let Some(abc) = standalone::opens_with() {
            // The program has read it before; what can't be opened all the same leaves the tune that was there.
            let _ = shared.set_tune(&abc, shared::Origin::Opened);
        }
        Self { params, shared, engine: None, worker: None, offline: false }
    }
}

/// Where notes go: out to the host, and into the built-in voice as the block is rendered.
struct Stage<'a, C> {
    context: &'a mut C,
    voice: &'a mut Voice,
    voice_on: bool,
    click: &'a mut Click,
    level: &'a Smoother<f32>,
    left: &'a mut [f32],
    right: &'a mut [f32],
    rendered: usize,
    unsent: &'a mut Vec<Event>,
}

#[warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]
impl<C: ProcessContext<Tunes>> Stage<'_, C> {
    /// Renders the voice up to a sample of the block.
    fn render_until(&mut self, end: usize) {
        let (from, to) = (self.rendered, end.min(self.left.len()));
        self.rendered = to.max(from);
        let (Some(left), Some(right)) = (self.left.get_mut(from..to), self.right.get_mut(from..to))
        else {
            return;
        };
        if self.voice.is_silent() {
            left.fill(0.0);
            right.fill(0.0);
            // The level goes on in time, so that it does not depend on how long the silence was.
            if to > from {
                self.level.next_step(to.saturating_sub(from) as u32);
            }
            return self.click.add_to(left, right);
        }
        self.voice.render_block(left, right);
        // A level near nothing makes samples subnormal that were not: pluginval lets no such sample out.
        if self.level.is_smoothing() {
            for (left, right) in left.iter_mut().zip(right) {
                let level = self.level.next();
                *left = without_subnormal(*left * level);
                *right = without_subnormal(*right * level);
            }
        } else {
            let level = self.level.next();
            for sample in left.iter_mut().chain(right) {
                *sample = without_subnormal(*sample * level);
            }
        }
        if let (Some(left), Some(right)) =
            (self.left.get_mut(from..to), self.right.get_mut(from..to))
        {
            self.click.add_to(left, right);
        }
    }

    /// A stroke of the metronome, or of a count-in; `first` is a bar's first.
    fn click(&mut self, at: u32, first: bool) {
        self.render_until(at as usize);
        self.click.strike(first);
    }

    fn say(&mut self, at: u32, event: Event) {
        // No host hears of it.
        if let Event::On { channel: METRONOME, velocity, .. } = event {
            return self.click(at, velocity > 0.8);
        }
        self.render_until(at as usize);
        match event {
            // Percussion has no pitch that a string could play.
            Event::On { channel: PERCUSSION, .. } | Event::Off { channel: PERCUSSION, .. } => {}
            Event::On { key, velocity, .. } if self.voice_on => self.voice.note_on(key, velocity),
            Event::On { .. } => {}
            Event::Off { key, .. } => self.voice.note_off(key),
        }
        self.send(at, event);
    }

    /// Tells the host. A note's end that it does not take is kept: no note stays on.
    fn send(&mut self, at: u32, event: Event) {
        if let Err((_, SendEventError::HostBufferFull)) =
            self.context.try_send_event(note(at, event))
            && matches!(event, Event::Off { .. })
            && self.unsent.len() < UNSENT
        {
            self.unsent.push(event);
        }
    }

    /// Tells the host of ends that it has yet to hear of.
    fn resend(&mut self) {
        while let Some(event) = self.unsent.last() {
            let sent = self.context.try_send_event(note(0, *event));
            if matches!(sent, Err((_, SendEventError::HostBufferFull))) {
                break;
            }
            self.unsent.pop();
        }
    }
}

/// An event in the framework's words.
fn note(timing: u32, event: Event) -> PluginNoteEvent<Tunes> {
    match event {
        Event::On { channel, key, velocity, id } => NoteEvent::NoteOn {
            timing,
            voice_id: VoiceID::ID(id),
            channel: Channel::Number(channel),
            key: Key::Number(key),
            velocity,
        },
        Event::Off { channel, key, id } => NoteEvent::NoteOff {
            timing,
            voice_id: VoiceID::ID(id),
            channel: Channel::Number(channel),
            key: Key::Number(key),
            velocity: 0.0,
        },
    }
}

/// A loop's end within a host's block. The framework hands a block over in pieces where a parameter changes, and
/// counts the later pieces' beats on past the loop's end.
#[derive(Clone, Copy, Default)]
struct Overrun {
    /// The framework's beats at the end of the last piece.
    end: f64,
    /// From there to where the song really is.
    shift: f64,
}

impl Overrun {
    /// What to add to the framework's beats in a piece that starts at `beats`; a piece that goes straight on from
    /// the last has the same overrun. `sample` is the length of a sample in beats.
    fn shift(&self, beats: Option<f64>, sample: f64) -> f64 {
        match beats {
            Some(beats) if (beats - self.end).abs() < sample / 2.0 => self.shift,
            _ => 0.0,
        }
    }
}

/// The host's transport at sample `at` of the piece, `shift` beats from where the framework has it.
fn clock(transport: &Transport, at: u32, sample_rate: f32, shift: f64) -> Clock {
    let tempo = transport.tempo;
    let gone = tempo.map_or(0.0, |tempo| f64::from(at) / f64::from(sample_rate) * tempo / 60.0);
    let gone = if transport.playing { gone } else { 0.0 };
    let metre = match (transport.time_sig_numerator, transport.time_sig_denominator) {
        (Some(numerator), Some(denominator)) if numerator > 0 && denominator > 0 => {
            Some(4.0 * f64::from(numerator) / f64::from(denominator))
        }
        _ => None,
    };
    let start = transport.pos_beats().map(|beats| beats + shift);
    let mut clock = Clock {
        playing: transport.playing,
        beats: start.map(|beats| beats + gone),
        tempo,
        bar: None,
        cycle: transport.loop_range_beats(),
    };
    let mut moved = shift != 0.0;
    if let (Some(start), Some(beats), Some((from, to))) = (start, clock.beats, clock.cycle)
        && start < to
        && beats >= to
        && to > from
    {
        clock.beats = Some(from + (beats - to) % (to - from));
        moved = true;
    }
    clock.bar = metre.and_then(|length| {
        // The bar that the framework tells is that of the place before the loop came round.
        let counted = clock.beats.map(|beats| (beats / length).floor() * length);
        Some((if moved { counted } else { transport.bar_start_pos_beats() }?, length))
    });
    clock
}

#[warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]
impl Engine {
    /// Fetches what the writer and the editor have for the player, and hands back what it is done with.
    fn exchange(&mut self, shared: &TunesShared) {
        if shared.outgoing.is_empty()
            && let Some(used) = self.player.take_retired()
        {
            // Nothing lay there, and only this thread puts anything there.
            drop(shared.outgoing.put(used));
        }
        if self.player.can_offer()
            && let Some(tune) = shared.incoming.take()
        {
            // Comes back only if there is no place, and there is.
            drop(self.player.offer(tune));
        }
        if !self.player.has_successor()
            && self.player.can_discard()
            && let Some(successor) = shared.successor.take()
        {
            let wanted = self
                .player
                .base()
                .map(|base| tag(base, self.player.successions().saturating_add(1)));
            // Both give back only where there is no place, and there is.
            drop(if wanted == Some(successor.tag) {
                self.player.succeed(successor)
            } else {
                self.player.discard(successor)
            });
        }
        if let Some(base) = self.player.base() {
            shared.base.store(base, Ordering::Release);
        }
        shared.turn.store(self.player.successions(), Ordering::Release);
    }

    /// Ends what sounds and forgets where it was. No events can be sent from here: the next block says that the notes
    /// ended.
    fn restart(&mut self) {
        let unsent = &mut self.unsent;
        self.player.stop(0, &mut |_, event| {
            if unsent.len() < UNSENT {
                unsent.push(event);
            }
        });
        self.voice.all_off();
        self.click.stop();
    }

    fn publish(&self, shared: &TunesShared) {
        let place = self.player.place();
        let (position, round) = place.unwrap_or((NOWHERE, 0));
        shared.position.store(position, Ordering::Relaxed);
        shared.round.store(round, Ordering::Relaxed);
        shared.playing.store(place.is_some(), Ordering::Relaxed);
        shared.tempo.store(self.player.tempo() as f32, Ordering::Relaxed);
    }
}

impl Tunes {
    /// Offline only: waits until the writer has the successor that is due within the block, so that a
    /// render is the same on every run.
    fn wait_for_successor(&mut self, settings: &Settings, frames: u32) {
        let (Some(engine), Some(worker)) = (&mut self.engine, &self.worker) else {
            return;
        };
        let rate = f64::from(engine.sample_rate);
        // Far more than a block holds at any tempo: 1,000 quarter notes a minute.
        let ticks = f64::from(frames) / rate * 8_000.0 + 960.0;
        while engine.player.succession_within(settings, ticks)
            && !engine.player.has_successor()
            // A tune that waits for its bar line ends the succession: nothing will follow the old one.
            && !engine.player.has_next()
            && !self.shared.barren.load(Ordering::Acquire)
        {
            worker.nudge();
            std::thread::sleep(OFFLINE_NAP);
            engine.exchange(&self.shared);
        }
    }
}

#[warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]
impl Plugin for Tunes {
    const NAME: &'static str = "Earworm Tunes";
    const VENDOR: &'static str = "Earworm";
    const URL: &'static str = "";
    const EMAIL: &'static str = "";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    const AUDIO_IO_LAYOUTS: &'static [AudioIOLayout] = &[AudioIOLayout {
        main_input_channels: None,
        main_output_channels: NonZeroU32::new(2),
        ..AudioIOLayout::const_default()
    }];

    const MIDI_INPUT: MidiConfig = MidiConfig::Basic;
    const MIDI_OUTPUT: MidiConfig = MidiConfig::Basic;
    const SAMPLE_ACCURATE_AUTOMATION: bool = true;

    type Editor = Window<TunesApp>;
    type SysExMessage = ();
    type BackgroundTask = ();

    fn params(&self) -> Arc<dyn Params> {
        self.params.clone()
    }

    fn editor(&mut self, _: AsyncExecutor<Self>) -> Option<Self::Editor> {
        editor::editor(self.params.clone(), self.shared.clone())
    }

    /// Refuses a damaged or hostile state whole, so that the plug-in stays as it was.
    fn filter_state(state: &mut PluginState) {
        // A list without its tune would not have the one that plays.
        if !state.fields.contains_key("tune") {
            state.fields.remove("past");
        }
        let params = TunesParams::new(Arc::new(TunesShared::new()));
        let fault = super::settings_fault(&params, state).or_else(|| {
            let saved = state.fields.get("tune")?;
            match serde_json::from_str::<SavedTune>(saved) {
                Ok(saved) => saved.fault(),
                Err(error) => Some(format!("the project's tune can't be read: {error}")),
            }
        });
        if let Some(why) = fault {
            state.params.clear();
            state.fields.clear();
            if let Ok(refused) = serde_json::to_string(&SavedTune::refused(why)) {
                state.fields.insert("tune".to_owned(), refused);
            }
        }
    }

    fn activate(
        &mut self,
        _layout: &AudioIOLayout,
        config: &BufferConfig,
        context: &mut impl ActivateContext<Self>,
    ) -> bool {
        self.deactivate();
        let (producer, consumer) = RingBuffer::new(PLAYED_RING);
        let unsent = match self.engine.take() {
            Some(engine) => engine.unsent,
            None => Vec::with_capacity(UNSENT),
        };
        let mut engine = Engine {
            sample_rate: config.sample_rate,
            player: Player::new(config.sample_rate),
            voice: Voice::new(config.sample_rate),
            controls: self.params.controls(),
            deck: Deck::default(),
            click: Click::new(config.sample_rate),
            played: producer,
            unsent,
            overrun: Overrun::default(),
            resets: Resets::new(context.plugin_api(), config.sample_rate),
            beats: 0.0,
        };
        self.shared.barren.store(false, Ordering::Release);
        self.shared.seek.store(NOWHERE, Ordering::Relaxed);
        self.shared.hand_in_again();
        engine.exchange(&self.shared);
        self.engine = Some(engine);
        self.offline = config.process_mode == ProcessMode::Offline;
        let writer =
            Writer::new(self.params.clone(), self.shared.clone(), consumer, Composer::embedded);
        match POOL.add(writer) {
            Ok(worker) => self.worker = Some(worker),
            Err(error) => self.shared.set_fault(Some(format!("no thread to write on: {error}"))),
        }
        true
    }

    fn reset(&mut self) {
        if let Some(engine) = &mut self.engine
            && engine.resets.certain()
        {
            engine.restart();
        }
    }

    fn stop_processing(&mut self) {
        if let Some(engine) = &mut self.engine {
            engine.resets.sleep();
        }
    }

    fn process(
        &mut self,
        buffer: &mut Buffer,
        _aux: &mut AuxiliaryBuffers,
        context: &mut impl ProcessContext<Self>,
    ) -> ProcessStatus {
        let frames = buffer.samples() as u32;
        let mut settings = Settings::default();
        if let Some(engine) = &mut self.engine {
            if engine.resets.cut(context.transport(), buffer.samples()) {
                engine.restart();
            }
            if self.params.take_change() {
                let now = self.params.controls();
                let before = std::mem::replace(&mut engine.controls, now);
                if now.generate && !before.generate {
                    self.shared.triggers.fetch_add(1, Ordering::Release);
                }
                if before.voice && !now.voice {
                    engine.voice.all_off();
                }
            }
            settings = engine.controls.settings;
            settings.metronome = self.shared.metronome.load(Ordering::Relaxed);
            engine.exchange(&self.shared);
        }
        if self.offline && settings.rounds > 0 {
            self.wait_for_successor(&settings, frames);
        }
        let ([left, right], Some(engine)) = (buffer.as_slice(), &mut self.engine) else {
            return ProcessStatus::Normal;
        };
        let standalone = context.plugin_api() == PluginApi::Standalone;
        let transport = context.transport();
        let own = standalone
            && !engine.deck.follows(transport.playing, transport.pos_samples())
            && settings.play != Play::Key;
        let rolling = self.shared.rolling.load(Ordering::Acquire);
        if own
            && engine.deck.starts(rolling)
            && self.shared.count_in.load(Ordering::Relaxed)
            && let Some((beat, beats)) = engine.player.count_in(&settings)
        {
            engine.deck.count_in(beat, beats);
        }

        let Controls { voice: voice_on, bypass: bypassed, .. } = engine.controls;
        let rate = engine.sample_rate;
        let key_mode = settings.play == Play::Key;
        let tempo = context.transport().tempo;
        let per_sample = tempo.unwrap_or(engine.player.tempo()) / 60.0 / f64::from(rate);
        let since = engine.beats;
        let beats_at = |at: u32| since + f64::from(at) * per_sample;
        let shift = engine.overrun.shift(context.transport().pos_beats(), per_sample);
        let mut done = 0;
        let mut stage = Stage {
            context,
            voice: &mut engine.voice,
            voice_on,
            click: &mut engine.click,
            level: &self.params.level.smoothed,
            left,
            right,
            rendered: 0,
            unsent: &mut engine.unsent,
        };
        stage.resend();
        if self.shared.panic.swap(false, Ordering::AcqRel) {
            engine.player.panic(0, &mut |at, event| stage.say(at, event));
            stage.voice.all_off();
        }
        let seek = self.shared.seek.swap(NOWHERE, Ordering::AcqRel);
        if seek != NOWHERE {
            let out = &mut |at, event| stage.say(at, event);
            engine.player.seek(seek, 0, out);
        }
        while done < frames {
            let event = stage.context.next_event();
            let until = match &event {
                // Keys only cut the block where they start and stop the tune.
                Some(event) if key_mode => event.timing().clamp(done, frames),
                Some(_) => done,
                None => frames,
            };
            if until > done {
                let clock = clock(stage.context.transport(), done, rate, shift);
                let out = &mut |at, event| stage.say(at, event);
                if bypassed {
                    engine.player.stop(done, out);
                } else if !own {
                    engine.player.play(done..until, &clock, &settings, out);
                } else if !rolling {
                    engine.player.pause(done, out);
                } else {
                    let click = &mut |at, first| stage.click(at, first);
                    let from = engine.deck.count(done..until, click);
                    let left = match settings.play {
                        Play::Once => engine.player.left_of_round(&settings),
                        _ => None,
                    };
                    let end = left.map_or(until, |left| from.saturating_add(left).min(until));
                    let out = &mut |at, event| stage.say(at, event);
                    // Without beats the tune runs on its own time.
                    engine.player.play(from..end, &Clock::default(), &settings, out);
                    if end < until {
                        engine.player.stop(end, out);
                        self.shared.rolling.store(false, Ordering::Release);
                        break;
                    }
                }
                done = until;
            }
            let at = event.map_or(done, |event| event.timing());
            let (key, velocity) = match event {
                Some(NoteEvent::NoteOn { key, velocity, .. }) => (key, velocity.max(1.0 / 127.0)),
                Some(NoteEvent::NoteOff { key, .. } | NoteEvent::Choke { key, .. }) => (key, 0.0),
                _ => continue,
            };
            if let Key::Number(key) = key {
                if velocity > 0.0 {
                    engine.player.key_on(key.min(127));
                } else {
                    engine.player.key_off(key);
                }
                // A full ring loses an old phrase's note, no more.
                let _ = engine.played.push(Played {
                    beats: beats_at(at),
                    key: key.min(127),
                    velocity: (velocity.clamp(0.0, 1.0) * 127.0).round() as u8,
                });
            } else if velocity == 0.0 {
                engine.player.all_keys_off();
            }
        }
        stage.render_until(frames as usize);
        engine.beats = beats_at(frames);
        let beats = context.transport().pos_beats().unwrap_or(0.0);
        let end = beats + if context.transport().playing { beats_at(frames) - since } else { 0.0 };
        let there = clock(context.transport(), frames, rate, shift).beats.unwrap_or(end);
        engine.overrun = Overrun { end, shift: there - end };
        engine.publish(&self.shared);
        ProcessStatus::KeepAlive
    }

    fn deactivate(&mut self) {
        self.worker = None;
        if let Some(engine) = &mut self.engine {
            engine.restart();
        }
        self.shared.position.store(NOWHERE, Ordering::Relaxed);
        self.shared.playing.store(false, Ordering::Relaxed);
        self.shared.free_used();
    }
}

impl ClapPlugin for Tunes {
    const CLAP_ID: &'static str = "org.earworm.tunes";
    const CLAP_DESCRIPTION: Option<&'static str> =
        Some("Writes folk tunes and plays them in time with the host");
    const CLAP_MANUAL_URL: Option<&'static str> = None;
    const CLAP_SUPPORT_URL: Option<&'static str> = None;
    const CLAP_FEATURES: &'static [ClapFeature] = &[
        ClapFeature::Instrument,
        ClapFeature::NoteEffect,
        ClapFeature::Synthesizer,
        ClapFeature::Stereo,
    ];
}

impl Vst3Plugin for Tunes {
    const VST3_CLASS_ID: [u8; 16] = *b"EarwormTunesFolk";
    const VST3_SUBCATEGORIES: &'static [Vst3SubCategory] =
        &[Vst3SubCategory::Instrument, Vst3SubCategory::Generator];
}
