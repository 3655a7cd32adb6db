//! Worker: writes tunes for one instance of Tunes, and frees what its audio thread is done with.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use rtrb::Consumer;

use super::params::TunesParams;
use super::phrase::{self, Phrase, Played};
use super::shared::{Command, Origin, TunesShared, Writing, schedule};
use crate::pool::Job;
use earworm_tunes::weights::WeightsError;
use earworm_tunes::{BARS, ComposeError, Composer, Request};

/// How many keys, down or up, that were played in are remembered.
const PLAYED_IN: usize = 512;

/// Where a writer has its composer from.
pub type Source = fn() -> Result<Arc<Composer>, WeightsError>;

/// One instance's writer, a job of the Tunes' pool.
pub struct Writer {
    params: Arc<TunesParams>,
    shared: Arc<TunesShared>,
    played: Consumer<Played>,
    phrase: VecDeque<Played>,
    triggers: u32,
    source: Source,
    /// Made when a tune is first asked for: loading the weights is not for the thread that activates.
    composer: Option<Arc<Composer>>,
    /// Which request for weights the composer answers.
    seen_weights: Option<u64>,
    /// The succession and turn that were handed in last.
    handed: Option<(u64, u32)>,
}

impl Writer {
    /// A writer that hears of played notes through `played`.
    pub fn new(
        params: Arc<TunesParams>,
        shared: Arc<TunesShared>,
        played: Consumer<Played>,
        source: Source,
    ) -> Self {
        Self {
            source,
            triggers: shared.triggers.load(Ordering::Acquire),
            params,
            shared,
            played,
            phrase: VecDeque::with_capacity(PLAYED_IN),
            composer: None,
            seen_weights: None,
            handed: None,
        }
    }

    fn take_played(&mut self) {
        while let Ok(played) = self.played.pop() {
            if self.phrase.len() == PLAYED_IN {
                self.phrase.pop_front();
            }
            self.phrase.push_back(played);
            let notes = self.phrase.iter().filter(|played| played.velocity > 0);
            self.shared.played_in.store(notes.count() as u32, Ordering::Relaxed);
        }
    }

    fn obey(&mut self, command: &Command, dismissed: &AtomicBool) {
        let seed = match self.params.seed.value() {
            0 => fresh_seed(),
            seed => seed as u64,
        };
        let phrase = match command {
            Command::Cancel => return,
            Command::Generate => None,
            Command::Continue => {
                let played = self.phrase.make_contiguous();
                let metre = self.params.metre();
                match phrase::phrase(played, &self.params.tune_key(), metre) {
                    Ok(phrase) => Some(phrase),
                    Err(refusal) => {
                        self.shared.set_fault(Some(refusal.to_string()));
                        return;
                    }
                }
            }
        };
        let continued = phrase.is_some();
        match self.compose(seed, phrase, dismissed) {
            Ok(Some(abc)) => {
                let origin = Origin::Composed { seed, continued };
                if let Err(error) = self.shared.set_tune(&abc, origin) {
                    self.shared.set_fault(Some(error.to_string()));
                }
            }
            Ok(None) => {}
            Err(fault) => self.shared.set_fault(Some(fault)),
        }
    }

    /// Loads the weights if there are none yet, or others were asked for.
    fn load(&mut self) -> Result<(), WeightsError> {
        let weights = &self.shared.weights;
        let new = weights.take(&mut self.seen_weights, earworm_weights::tunes, self.source)?;
        self.composer = new.or(self.composer.take());
        Ok(())
    }

    /// Writes a tune; `None` if it was broken off.
    fn compose(
        &mut self,
        seed: u64,
        phrase: Option<Phrase>,
        dismissed: &AtomicBool,
    ) -> Result<Option<String>, String> {
        self.load().map_err(|error| error.to_string())?;
        let Some(composer) = self.composer.clone() else {
            return Ok(None);
        };
        let bars = self.params.bars.value().max(1) as u32;
        let request = Request {
            style: self.params.style.value().style(),
            key: self.params.tune_key(),
            metre: self.params.chosen_metre(),
            bars: match &phrase {
                // As much again at least, however short a tune was asked for.
                Some(phrase) => bars.max(2 * phrase.bars).min(*BARS.end()),
                None => bars,
            },
            temperature: self.params.temperature.value(),
            seed,
            chords: self.params.symbols.value(),
            phrase: phrase.map(|phrase| phrase.abc),
            ..Request::default()
        };
        let shared = &self.shared;
        shared.set_fault(None);
        shared.set_writing(Some(Writing { text: String::new(), seed }));
        let written = composer.compose(&request, &mut |text| {
            shared.write_on(text);
            if dismissed.load(Ordering::Acquire) || shared.cancelled() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        shared.set_writing(None);
        match written {
            Ok(composition) => Ok(Some(composition.abc)),
            Err(ComposeError::Stopped) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Has the next tune of the succession ready before its turn comes.
    fn prepare_successor(&mut self, dismissed: &AtomicBool) {
        let shared = self.shared.clone();
        let (base, turn) =
            (shared.base.load(Ordering::Acquire), shared.turn.load(Ordering::Acquire) + 1);
        let tune = shared.base_tune();
        let asked = self.params.rounds.value() > 0 && base == tune.number;
        if !asked || self.handed == Some((base, turn)) || shared.barren.load(Ordering::Relaxed) {
            return;
        }
        if shared.succession(base, turn).is_none() {
            let first = match tune.origin {
                Origin::Composed { seed, .. } => seed,
                _ => self.params.seed.value() as u64,
            };
            let seed = first.wrapping_add(u64::from(turn));
            match self.compose(seed, None, dismissed) {
                Ok(Some(abc)) => shared.add_successor(base, abc, seed),
                Ok(None) => return,
                Err(fault) => {
                    shared.set_fault(Some(fault));
                    shared.barren.store(true, Ordering::Release);
                    return;
                }
            }
        }
        let laid = shared
            .succession(base, turn)
            .and_then(|score| schedule(&score.abc, tag(base, turn)).ok());
        match laid {
            Some(laid) => {
                drop(shared.successor.put(laid));
                self.handed = Some((base, turn));
            }
            None => shared.barren.store(true, Ordering::Release),
        }
    }
}

/// What a schedule of a succession is called; turn 0 is the tune itself and called by its number.
pub fn tag(base: u64, turn: u32) -> u64 {
    base | u64::from(turn) << 40
}

/// A seed that the Seed parameter can show, different each time.
fn fresh_seed() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    1 + since.map_or(0, |since| since.as_micros() as u64) % 9999
}

impl Job for Writer {
    fn work(&mut self, dismissed: &AtomicBool) {
        self.shared.free_used();
        self.take_played();
        if self.shared.weights.has_news(self.seen_weights)
            && let Err(error) = self.load()
        {
            self.shared.set_fault(Some(error.to_string()));
        }
        let triggers = self.shared.triggers.load(Ordering::Acquire);
        if triggers != self.triggers {
            self.triggers = triggers;
            self.obey(&Command::Generate, dismissed);
        }
        while let Some(command) = self.shared.next_command() {
            self.obey(&command, dismissed);
            if dismissed.load(Ordering::Acquire) {
                return;
            }
        }
        self.prepare_successor(dismissed);
    }

    fn failed(&mut self, why: &str) {
        self.shared.set_writing(None);
        self.shared.barren.store(true, Ordering::Release);
        self.shared.set_fault(Some(format!("the composer stopped unexpectedly: {why}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use earworm_abc as abc;
    use rtrb::{Producer, RingBuffer};

    fn writer() -> (Writer, Producer<Played>, Arc<TunesShared>) {
        let shared = Arc::new(TunesShared::new());
        let params = Arc::new(TunesParams::new(shared.clone()));
        let (producer, consumer) = RingBuffer::new(64);
        let writer = Writer::new(params, shared.clone(), consumer, Composer::embedded);
        (writer, producer, shared)
    }

    fn play_in(played: &mut Producer<Played>, keys: &[u8]) {
        for (place, &key) in keys.iter().enumerate() {
            // Quavers as a hand plays them: a little off, and not held to the end.
            let beats = place as f64 * 0.5 + 0.02 * (place % 3) as f64;
            for (beats, velocity) in [(beats, 90), (beats + 0.4, 0)] {
                let at = Played { beats, key, velocity };
                played.push(at).unwrap();
            }
        }
    }

    #[test]
    fn continue_writes_on_from_the_notes_that_were_played_in() {
        let keys = [62, 66, 69, 74, 78, 74, 69, 66, 67, 71, 74, 79, 78, 76, 74, 73];
        let (mut writer, mut played, shared) = writer();
        play_in(&mut played, &keys);
        shared.command(Command::Continue);
        writer.work(&AtomicBool::new(false));
        assert_eq!(shared.fault(), None);
        assert_eq!(shared.played_in.load(Ordering::Relaxed), 16);
        let score = shared.tune();
        assert!(matches!(score.origin, Origin::Composed { continued: true, .. }));
        let tune = &abc::read(&score.abc).tunes[0];
        let options = abc::PerformOptions::melody_only();
        let notes = abc::perform(tune, &options).notes;
        assert!(notes.len() > keys.len(), "it goes on after the phrase");
        let begins: Vec<u8> = notes.iter().map(|note| note.key).take(keys.len()).collect();
        assert_eq!(begins, keys);
    }

    #[test]
    fn continue_with_nothing_played_in_says_so_and_keeps_the_tune() {
        let (mut writer, _played, shared) = writer();
        let before = shared.tune().number;
        shared.command(Command::Continue);
        writer.work(&AtomicBool::new(false));
        assert!(shared.fault().unwrap().contains("played in"));
        assert_eq!(shared.tune().number, before);
    }

    fn damaged() -> Result<Arc<Composer>, WeightsError> {
        Composer::from_safetensors(&[0; 64]).map(Arc::new)
    }

    fn panicking() -> Result<Arc<Composer>, WeightsError> {
        panic!("capacity overflow")
    }

    #[test]
    fn damaged_weights_and_a_panic_are_told_and_the_next_activation_starts_afresh() {
        use crate::pool::WorkerPool;
        static POOL: WorkerPool = WorkerPool::new("test-composer");
        for (source, told) in
            [(damaged as Source, "damaged"), (panicking as Source, "capacity overflow")]
        {
            let (mut writer, _played, shared) = writer();
            writer.source = source;
            let before = shared.tune().number;
            let params = writer.params.clone();
            shared.command(Command::Generate);
            let worker = POOL.add(writer).unwrap();
            // A minute at most: what is wrong must not be waited for.
            for _ in 0..60_000 {
                if shared.fault().is_some() {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            let fault = shared.fault().expect("it is told");
            assert!(fault.contains(told), "{fault}");
            assert!(shared.writing().is_none());
            assert_eq!(shared.tune().number, before, "the tune stays");
            drop(worker);
            let (_, consumer) = RingBuffer::new(64);
            let mut next = Writer::new(params, shared.clone(), consumer, Composer::embedded);
            shared.command(Command::Generate);
            next.work(&AtomicBool::new(false));
            assert_eq!(shared.fault(), None);
            assert_ne!(shared.tune().number, before);
        }
    }

    #[test]
    fn weights_that_do_not_fit_are_refused_and_tunes_are_written_as_before() {
        let (mut writer, _played, shared) = writer();
        let genre = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/genre.safetensors");
        shared.weights.ask(Some(genre.into()));
        shared.command(Command::Generate);
        writer.work(&AtomicBool::new(false));
        assert!(shared.weights.fault().unwrap().contains("the genre network"));
        assert!(matches!(shared.tune().origin, Origin::Composed { .. }));
        let tunes = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/tunes.safetensors");
        shared.weights.ask(Some(tunes.into()));
        writer.work(&AtomicBool::new(false));
        assert_eq!(shared.weights.fault(), None);
        assert_eq!(shared.weights.in_use().path, Some(tunes.into()));
    }

    #[test]
    fn a_dismissed_writer_breaks_off_and_keeps_the_tune() {
        let (mut writer, _played, shared) = writer();
        let before = shared.tune().number;
        shared.command(Command::Generate);
        writer.work(&AtomicBool::new(true));
        assert_eq!(shared.tune().number, before);
        assert!(shared.writing().is_none());
    }

    #[test]
    fn a_text_without_notes_is_refused_and_the_tune_stays() {
        let (_writer, _played, shared) = writer();
        let before = shared.tune();
        for text in ["", "hello", "X:1\nK:D\n", "\u{0}\u{ffff}"] {
            assert!(shared.set_tune(text, Origin::Edited).is_err(), "{text:?}");
        }
        assert!(shared.set_tune(&"c".repeat(1 << 20), Origin::Edited).is_err());
        assert_eq!(shared.tune().number, before.number);
        let edited = shared.set_tune("X:1\nK:D\nDEFG|\n", Origin::Edited).unwrap();
        assert_eq!(shared.tune().number, edited.number);
        let past = shared.past();
        let numbers: Vec<u64> = past.tunes().map(|tune| tune.number).collect();
        assert_eq!(numbers, [edited.number, before.number]);
    }
}
