//! Interface: what Tunes' engine and its editor know of each other.
//!
//! One [`TunesShared`] an instance, in an `Arc` held by the plug-in, its worker and its editor.
//! Who may touch what:
//!
//! - Atomics: everybody. The audio thread writes `position`, `round`, `playing`; it fetches and clears
//!   `seek` and `panic`.
//! - The locked fields, reached through methods: editor, worker and the host's main thread. The audio
//!   thread never locks; tunes reach it through mailboxes.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use atomic_float::AtomicF32;
use nice_plug::params::persist::PersistentField;
use serde::{Deserialize, Serialize};

use super::past::{Arrival, Past, SavedPast};
use super::practice;
use crate::handover::Mailbox;
use crate::weights::Weights;
use earworm_abc::{self as abc, PerformOptions};
use earworm_playback::Schedule;

/// `position` and `seek` when there is none.
pub const NOWHERE: u32 = u32::MAX;

/// How many tunes the list of the last ones holds.
pub const PAST: usize = 50;

/// The most tunes of a succession that a project keeps.
pub const SUCCESSORS: usize = 64;

/// The longest tune text a project or an editor may hand in, in bytes.
pub const LONGEST_TUNE: usize = 256 * 1024;

/// The version of [`SavedTune`] that this build writes.
pub const STATE_VERSION: u32 = 1;

/// Where a tune came from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// It is part of the product, so that there is something to hear at once.
    BuiltIn,
    /// The network wrote it.
    Composed {
        /// The seed that writes it again with the same settings.
        seed: u64,
        /// The network wrote on from notes that were played in.
        continued: bool,
    },
    /// It was typed or changed in the editor.
    Edited,
    /// It came from a file.
    Opened,
    /// It was pasted into the window.
    Pasted,
    /// It came with a project.
    Restored,
}

/// A tune that can be played.
#[derive(Clone, Debug)]
pub struct Score {
    /// The whole tune in ABC notation, header and all.
    pub abc: String,
    /// Where it came from.
    pub origin: Origin,
    /// Differs between any two tunes of an instance; an editor compares it to see a change.
    pub number: u64,
}

/// What an editor asks of the worker.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Write a tune with the present settings.
    Generate,
    /// Write on from the notes that came in over the last bars.
    Continue,
    /// Stop writing; the tune stays as it was.
    Cancel,
}

/// The tune being written at this moment.
#[derive(Clone, Debug, Default)]
pub struct Writing {
    /// What the network has written so far, grows letter by letter.
    pub text: String,
    /// The seed it is written from.
    pub seed: u64,
}

/// What engine, worker and editor of one Tunes share.
#[derive(Debug)]
pub struct TunesShared {
    /// Where in the tune it plays, in ticks (480 a quarter note) of its performance; [`NOWHERE`] if it
    /// does not play.
    pub position: AtomicU32,
    /// How many times round the tune has gone since it began, from 0.
    pub round: AtomicU32,
    /// Whether it plays at this moment.
    pub playing: AtomicBool,
    /// The tempo it plays at, in quarter notes a minute.
    pub tempo: AtomicF32,
    /// Set by the editor to a place in the tune, in ticks, to play from there (free running and key
    /// mode; with a transport the host says where). The audio thread takes it and puts [`NOWHERE`].
    pub seek: AtomicU32,
    /// Where there is no host: whether the tune is to go. The audio thread stops it at the end of a tune played once.
    pub rolling: AtomicBool,
    /// Whether a bar is counted in before it goes.
    pub count_in: AtomicBool,
    /// Whether the metronome sounds.
    pub metronome: AtomicBool,
    /// Set by the editor to end every note at once. The audio thread takes it and clears it.
    pub panic: AtomicBool,
    /// How many notes were played in and can be continued from.
    pub played_in: AtomicU32,
    /// How often the Generate parameter went on; the worker writes a tune for each.
    pub(super) triggers: AtomicU32,
    /// Which tune of a succession sounds: 0 the tune itself.
    pub(super) turn: AtomicU32,
    /// [`Score::number`] of the succession's first tune, as the audio thread plays it.
    pub(super) base: AtomicU64,
    /// No successor can be written; an offline render must not wait for one.
    pub(super) barren: AtomicBool,
    /// To the audio thread: takes over at the next bar line.
    pub(super) incoming: Mailbox<Schedule>,
    /// To the audio thread: takes over after the rounds.
    pub(super) successor: Mailbox<Schedule>,
    /// From the audio thread, to be freed.
    pub(super) outgoing: Mailbox<Schedule>,
    /// Which weights the tunes are written with.
    pub weights: Arc<Weights>,
    desk: Mutex<Desk>,
}

/// What lies under the lock.
#[derive(Debug)]
struct Desk {
    tune: Arc<Score>,
    /// The ticks of it that are played round and round; none for all of it.
    part: Option<Range<u32>>,
    /// The tunes that follow it when a new one is asked for every few rounds.
    successors: Vec<Arc<Score>>,
    past: Past,
    /// The number of the tune that is being typed on; none after any other has come.
    typing: Option<u64>,
    writing: Option<Writing>,
    commands: VecDeque<Command>,
    fault: Option<String>,
    numbers: u64,
}

/// Why a text can't be the tune.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TuneError {
    /// Longer than [`LONGEST_TUNE`].
    #[error("the tune is {0} bytes long; the most is {LONGEST_TUNE}")]
    TooLong(usize),
    /// Nothing to play in it.
    #[error("there is no note in it; a tune needs a K: line and notes after it")]
    NoNotes,
}

/// Lays the first tune of `text` flat. `number` tells the audio thread which it is.
pub(super) fn schedule(text: &str, number: u64) -> Result<Box<Schedule>, TuneError> {
    schedule_part(text, number, None)
}

/// The same of a part of the tune alone: of these ticks, where there are notes in them.
fn schedule_part(
    text: &str,
    number: u64,
    part: Option<Range<u32>>,
) -> Result<Box<Schedule>, TuneError> {
    if text.len() > LONGEST_TUNE {
        return Err(TuneError::TooLong(text.len()));
    }
    let book = abc::read(text);
    let tune = book.tunes.first().ok_or(TuneError::NoNotes)?;
    let performance = abc::perform(tune, &PerformOptions::default());
    if performance.notes.is_empty() {
        return Err(TuneError::NoNotes);
    }
    let tonic = tune
        .key
        .tonic
        .map_or(0, |(step, accidental)| (step.semitones() + accidental).rem_euclid(12) as u8);
    let from = part.as_ref().map_or(0, |part| part.start);
    let performance = match part.and_then(|part| practice::part(&performance, part)) {
        Some(part) => part,
        None if from == 0 => performance,
        None => return Err(TuneError::NoNotes),
    };
    let beats = practice::beats(&performance);
    let schedule = Schedule::new(&performance, tonic, number);
    Ok(Box::new(schedule.from_tick(from).with_metronome(beats)))
}

impl Default for TunesShared {
    fn default() -> Self {
        Self::new()
    }
}

impl TunesShared {
    /// An instance's state with the built-in tune on the desk.
    pub fn new() -> Self {
        let tune = Arc::new(Score { abc: BUILT_IN.to_owned(), origin: Origin::BuiltIn, number: 1 });
        let mut past = Past::default();
        past.note(&tune, Arrival::Anew);
        Self {
            position: AtomicU32::new(NOWHERE),
            round: AtomicU32::new(0),
            playing: AtomicBool::new(false),
            tempo: AtomicF32::new(0.0),
            seek: AtomicU32::new(NOWHERE),
            rolling: AtomicBool::new(false),
            count_in: AtomicBool::new(false),
            metronome: AtomicBool::new(false),
            panic: AtomicBool::new(false),
            played_in: AtomicU32::new(0),
            triggers: AtomicU32::new(0),
            turn: AtomicU32::new(0),
            base: AtomicU64::new(0),
            barren: AtomicBool::new(false),
            incoming: Mailbox::empty(),
            successor: Mailbox::empty(),
            outgoing: Mailbox::empty(),
            weights: Arc::default(),
            desk: Mutex::new(Desk {
                tune,
                part: None,
                successors: Vec::new(),
                past,
                typing: None,
                writing: None,
                commands: VecDeque::new(),
                fault: None,
                numbers: 1,
            }),
        }
    }

    /// The tune that plays, or takes over at the next bar line.
    pub fn tune(&self) -> Arc<Score> {
        let desk = self.desk();
        let turn = self.turn.load(Ordering::Relaxed) as usize;
        if self.base.load(Ordering::Relaxed) == desk.tune.number
            && let Some(successor) = turn.checked_sub(1).and_then(|n| desk.successors.get(n))
        {
            return successor.clone();
        }
        desk.tune.clone()
    }

    /// The last tunes, the latest first, the present one among them.
    pub fn past(&self) -> Past {
        self.desk().past.clone()
    }

    /// Whether there is a tune before to go back to.
    pub fn can_undo(&self) -> bool {
        self.desk().past.can_undo()
    }

    /// Stars one of the last tunes, by its number, or takes its star away.
    pub fn star(&self, number: u64) {
        self.desk().past.star(number);
    }

    /// Whether undo went back from a tune that redo brings back.
    pub fn can_redo(&self) -> bool {
        self.desk().past.can_redo()
    }

    /// Goes back to the tune before, if there is one.
    pub fn undo(&self) -> Option<Arc<Score>> {
        let before = self.desk().past.undo()?;
        // It lay on the desk, so this is no error.
        self.put_on_desk(&before.abc, &[], before.origin, Arrival::Steps).ok()
    }

    /// Goes forth again to the tune that [`undo`](Self::undo) went back from, if there is one.
    pub fn redo(&self) -> Option<Arc<Score>> {
        let after = self.desk().past.redo()?;
        self.put_on_desk(&after.abc, &[], after.origin, Arrival::Steps).ok()
    }

    /// What is being written, if anything is.
    pub fn writing(&self) -> Option<Writing> {
        self.desk().writing.clone()
    }

    /// Why the last command could not be done, in one line.
    pub fn fault(&self) -> Option<String> {
        self.desk().fault.clone()
    }

    /// Asks the worker for something. It answers when the plug-in is active.
    pub fn command(&self, command: Command) {
        self.desk().commands.push_back(command);
    }

    /// Makes `abc` the tune; it takes over at the next bar line and is an entry of its own in the list of the last tunes.
    /// On an error the tune stays as it was.
    pub fn set_tune(&self, abc: &str, origin: Origin) -> Result<Arc<Score>, TuneError> {
        // A file that holds a tune of the list says nothing new of where that came from.
        let known = match origin {
            Origin::Opened | Origin::Pasted => self.desk().past.origin(abc),
            _ => None,
        };
        self.put_on_desk(abc, &[], known.unwrap_or(origin), Arrival::Anew)
    }

    /// Makes the present tune what was typed. It takes the place of what was typed just before, unless that has a star;
    /// a tune that came any other way stays in the list as it was.
    pub fn type_on(&self, abc: &str) -> Result<Arc<Score>, TuneError> {
        let (typing, present) = {
            let desk = self.desk();
            (desk.typing, desk.tune.number)
        };
        let arrival = match typing.filter(|&number| number == present) {
            Some(number) => Arrival::TypedOn(number),
            None => Arrival::Anew,
        };
        let typed = self.put_on_desk(abc, &[], Origin::Edited, arrival)?;
        self.desk().typing = Some(typed.number);
        Ok(typed)
    }

    /// Keeps a text in the list of the last tunes without playing it, if it is a tune: what was typed when another tune
    /// came.
    pub fn keep(&self, abc: &str) {
        if schedule(abc, 0).is_ok() {
            let mut desk = self.desk();
            let tune = desk.score(abc.to_owned(), Origin::Edited);
            desk.past.keep(tune);
        }
    }

    /// Ends every note at once.
    pub fn all_notes_off(&self) {
        self.panic.store(true, Ordering::Release);
    }

    /// Makes `abc` the tune and `successors` what follows it.
    fn put_on_desk(
        &self,
        abc: &str,
        successors: &[String],
        origin: Origin,
        arrival: Arrival,
    ) -> Result<Arc<Score>, TuneError> {
        for successor in successors {
            schedule(successor, 0)?;
        }
        let mut desk = self.desk();
        let number = desk.numbers + 1;
        // A part was chosen of the tune before; one that is typed on keeps it while there are notes in it.
        let part = desk.part.take().filter(|_| matches!(arrival, Arrival::TypedOn(_)));
        let laid = match schedule_part(abc, number, part.clone()) {
            Ok(laid) => {
                desk.part = part;
                laid
            }
            Err(_) => schedule(abc, number)?,
        };
        let score = desk.score(abc.to_owned(), origin);
        desk.tune = score.clone();
        desk.past.note(&score, arrival);
        desk.typing = None;
        let origin = Origin::Restored;
        desk.successors = successors.iter().map(|abc| desk.score(abc.clone(), origin)).collect();
        desk.fault = None;
        self.barren.store(false, Ordering::Relaxed);
        // Under the lock, so that the newest tune on the desk is also the last in the mailbox.
        self.hand_in(laid);
        Ok(score)
    }

    /// Puts a schedule where the audio thread finds it, and frees what it has done with.
    fn hand_in(&self, schedule: Box<Schedule>) {
        self.free_used();
        drop(self.incoming.put(schedule));
    }

    /// Frees what the audio thread has put back. Not for the audio thread.
    pub(super) fn free_used(&self) {
        drop(self.outgoing.take());
    }

    /// Gives a newly activated audio thread the tune on the desk.
    pub(super) fn hand_in_again(&self) {
        drop(self.successor.take());
        let desk = self.desk();
        // It was laid out before it came to the desk, so this is no error.
        if let Ok(laid) = schedule_part(&desk.tune.abc, desk.tune.number, desk.part.clone()) {
            self.hand_in(laid);
        }
    }

    /// Plays only these ticks of the tune, round and round; none: all of it.
    pub fn set_part(&self, part: Option<Range<u32>>) {
        let mut desk = self.desk();
        if desk.part == part {
            return;
        }
        if let Ok(laid) = schedule_part(&desk.tune.abc, desk.tune.number, part.clone()) {
            desk.part = part;
            self.hand_in(laid);
        }
    }

    /// The ticks that are played; none: the whole tune.
    pub fn part(&self) -> Option<Range<u32>> {
        self.desk().part.clone()
    }

    /// The tune on the desk, whichever of its successors plays.
    pub(super) fn base_tune(&self) -> Arc<Score> {
        self.desk().tune.clone()
    }

    /// The `turn`th tune of the succession that starts with the tune `base`, if it is written.
    pub(super) fn succession(&self, base: u64, turn: u32) -> Option<Arc<Score>> {
        let desk = self.desk();
        let index = (turn as usize).checked_sub(1)?;
        desk.successors.get(index).filter(|_| desk.tune.number == base).cloned()
    }

    /// Adds a tune to the end of the succession that starts with `base`.
    pub(super) fn add_successor(&self, base: u64, abc: String, seed: u64) {
        let mut desk = self.desk();
        if desk.tune.number == base && desk.successors.len() < SUCCESSORS {
            let origin = Origin::Composed { seed, continued: false };
            let score = desk.score(abc, origin);
            desk.successors.push(score);
        }
    }

    /// Whether a command waits for the worker.
    pub fn awaits(&self, command: &Command) -> bool {
        self.desk().commands.contains(command)
    }

    pub(super) fn next_command(&self) -> Option<Command> {
        self.desk().commands.pop_front()
    }

    /// Whether a command to stop writing has come; takes it.
    pub(super) fn cancelled(&self) -> bool {
        let mut desk = self.desk();
        let before = desk.commands.len();
        desk.commands.retain(|command| *command != Command::Cancel);
        desk.commands.len() < before
    }

    /// Says what is being written; `None`: nothing.
    pub fn set_writing(&self, writing: Option<Writing>) {
        self.desk().writing = writing;
    }

    pub(super) fn write_on(&self, text: &str) {
        if let Some(writing) = &mut self.desk().writing {
            writing.text.push_str(text);
        }
    }

    /// Says why the last command could not be done, in one line; `None`: it could.
    pub fn set_fault(&self, fault: Option<String>) {
        self.desk().fault = fault;
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    fn score(&mut self, abc: String, origin: Origin) -> Arc<Score> {
        self.numbers += 1;
        Arc::new(Score { abc, origin, number: self.numbers })
    }
}

/// A tune of the project's own, heard before the network has written one.
pub const BUILT_IN: &str = "\
X:1
T:The Open Window
R:reel
M:4/4
L:1/8
Q:1/4=180
K:Dmaj
|:\"D\"DFAd fdAF|\"G\"G2BG dGBG|\"D\"DFAd fdAF|\"A7\"EGFE \"D\"D4:|
|:\"D\"f2af dfaf|\"G\"g2bg \"Em\"efge|\"D\"fdAF \"G\"GBdB|\"A7\"cAGE \"D\"D4:|
";

/// The tune as a project keeps it.
pub struct Kept {
    shared: Arc<TunesShared>,
}

/// [`Kept`] in a project's file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedTune {
    /// [`STATE_VERSION`] of the build that wrote it; 0 marks one that was refused.
    pub version: u32,
    /// The tune in ABC notation; of one that was refused, why.
    pub abc: String,
    /// The tunes that follow it when a new one is asked for every few rounds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub successors: Vec<String>,
}

impl SavedTune {
    /// Why it can't be played, in one line.
    pub fn fault(&self) -> Option<String> {
        if self.version == 0 {
            return Some(self.abc.clone());
        }
        if self.version > STATE_VERSION {
            return Some(format!(
                "the project was saved by a newer Earworm (state {}): it was left out",
                self.version
            ));
        }
        if self.successors.len() > SUCCESSORS {
            return Some("the project holds more tunes than any was saved with".to_owned());
        }
        std::iter::once(&self.abc)
            .chain(&self.successors)
            .find_map(|abc| schedule(abc, 0).err())
            .map(|error| format!("the project's tune was refused: {error}"))
    }

    /// What stands in the place of a state that was refused, so that [`Kept`] can tell the editor.
    pub(super) fn refused(why: String) -> Self {
        Self { version: 0, abc: why, successors: Vec::new() }
    }
}

impl Kept {
    /// The tune that `shared` holds.
    pub fn new(shared: Arc<TunesShared>) -> Self {
        Self { shared }
    }
}

impl PersistentField<'_, SavedTune> for Kept {
    fn set(&self, saved: SavedTune) {
        if let Some(fault) = saved.fault() {
            self.shared.set_fault(Some(fault));
            return;
        }
        let same = {
            let desk = self.shared.desk();
            desk.tune.abc == saved.abc
                && desk.successors.iter().map(|score| &score.abc).eq(&saved.successors)
        };
        if !same {
            // The list of the last tunes may know its seed.
            let known = self.shared.desk().past.origin(&saved.abc);
            let origin = known.unwrap_or(Origin::Restored);
            let put = self.shared.put_on_desk(&saved.abc, &saved.successors, origin, Arrival::Anew);
            if let Err(error) = put {
                self.shared.set_fault(Some(error.to_string()));
            }
            return;
        }
        // The list may be newer than the tune.
        let mut desk = self.shared.desk();
        let number = desk.tune.number;
        if !desk.past.tunes().any(|tune| tune.number == number) {
            let origin = desk.past.origin(&desk.tune.abc).unwrap_or(desk.tune.origin);
            let tune = Arc::new(Score { origin, ..Score::clone(&desk.tune) });
            desk.past.note(&tune, Arrival::Anew);
            desk.tune = tune;
        }
    }

    fn map<F, R>(&self, f: F) -> R
    where
        F: Fn(&SavedTune) -> R,
    {
        let desk = self.shared.desk();
        f(&SavedTune {
            version: STATE_VERSION,
            abc: desk.tune.abc.clone(),
            successors: desk.successors.iter().map(|score| score.abc.clone()).collect(),
        })
    }
}

/// The list of the last tunes as a project keeps it.
pub struct KeptPast {
    shared: Arc<TunesShared>,
}

impl KeptPast {
    /// The list that `shared` holds.
    pub fn new(shared: Arc<TunesShared>) -> Self {
        Self { shared }
    }
}

impl PersistentField<'_, SavedPast> for KeptPast {
    fn set(&self, saved: SavedPast) {
        let mut desk = self.shared.desk();
        if desk.past.saved() == saved {
            return;
        }
        let mut numbers = desk.numbers;
        let past = Past::restored(saved, || {
            numbers += 1;
            numbers
        });
        desk.numbers = numbers;
        desk.past = past;
    }

    fn map<F, R>(&self, f: F) -> R
    where
        F: Fn(&SavedPast) -> R,
    {
        let saved = self.shared.desk().past.saved();
        f(&saved)
    }
}
