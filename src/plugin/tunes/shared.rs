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
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use atomic_float::AtomicF32;
use nice_plug::params::persist::PersistentField;
use serde::{Deserialize, Serialize};

/// `position` and `seek` when there is none.
pub const NOWHERE: u32 = u32::MAX;

/// How many earlier tunes are kept for the editor.
pub const PAST: usize = 24;

/// The longest tune text a project or an editor may hand in, in bytes.
pub const LONGEST_TUNE: usize = 256 * 1024;

/// The version of [`SavedTune`] that this build writes.
pub const STATE_VERSION: u32 = 1;

/// Where a tune came from.
#[derive(Clone, Copy, Debug, PartialEq)]
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
    /// It was typed, loaded or changed in the editor.
    Edited,
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
    /// Set by the editor to end every note at once. The audio thread takes it and clears it.
    pub panic: AtomicBool,
    /// How many notes were played in and can be continued from.
    pub played_in: AtomicU32,
    desk: Mutex<Desk>,
}

/// What lies under the lock.
#[derive(Debug)]
struct Desk {
    tune: Arc<Score>,
    past: VecDeque<Arc<Score>>,
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

impl Default for TunesShared {
    fn default() -> Self {
        Self::new()
    }
}

impl TunesShared {
    /// An instance's state with the built-in tune on the desk.
    pub fn new() -> Self {
        Self {
            position: AtomicU32::new(NOWHERE),
            round: AtomicU32::new(0),
            playing: AtomicBool::new(false),
            tempo: AtomicF32::new(0.0),
            seek: AtomicU32::new(NOWHERE),
            panic: AtomicBool::new(false),
            played_in: AtomicU32::new(0),
            desk: Mutex::new(Desk {
                tune: Arc::new(Score {
                    abc: BUILT_IN.to_owned(),
                    origin: Origin::BuiltIn,
                    number: 0,
                }),
                past: VecDeque::new(),
                writing: None,
                commands: VecDeque::new(),
                fault: None,
                numbers: 0,
            }),
        }
    }

    /// The tune on the desk: the one that plays, or takes over at the next bar line.
    pub fn tune(&self) -> Arc<Score> {
        self.desk().tune.clone()
    }

    /// Earlier tunes, the latest first; the present one is not among them.
    pub fn past(&self) -> Vec<Arc<Score>> {
        self.desk().past.iter().cloned().collect()
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

    /// Makes `abc` the tune; it takes over at the next bar line. On an error the tune stays as it was.
    pub fn set_tune(&self, abc: &str, origin: Origin) -> Result<Arc<Score>, TuneError> {
        if abc.len() > LONGEST_TUNE {
            return Err(TuneError::TooLong(abc.len()));
        }
        let mut desk = self.desk();
        desk.numbers += 1;
        let score = Arc::new(Score { abc: abc.to_owned(), origin, number: desk.numbers });
        let old = std::mem::replace(&mut desk.tune, score.clone());
        desk.past.push_front(old);
        desk.past.truncate(PAST);
        Ok(score)
    }

    /// Ends every note at once.
    pub fn all_notes_off(&self) {
        self.panic.store(true, Ordering::Release);
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// [`STATE_VERSION`] of the build that wrote it.
    pub version: u32,
    /// The tune in ABC notation.
    pub abc: String,
}

impl Kept {
    /// The tune that `shared` holds.
    pub fn new(shared: Arc<TunesShared>) -> Self {
        Self { shared }
    }
}

impl PersistentField<'_, SavedTune> for Kept {
    fn set(&self, saved: SavedTune) {
        if saved.version == 0 || saved.version > STATE_VERSION {
            self.shared.desk().fault = Some(format!(
                "the project was saved by a newer Earworm (state {}); its tune was left out",
                saved.version
            ));
            return;
        }
        if self.shared.tune().abc == saved.abc {
            return;
        }
        if let Err(error) = self.shared.set_tune(&saved.abc, Origin::Restored) {
            self.shared.desk().fault = Some(format!("the project's tune was refused: {error}"));
        }
    }

    fn map<F, R>(&self, f: F) -> R
    where
        F: Fn(&SavedTune) -> R,
    {
        f(&SavedTune { version: STATE_VERSION, abc: self.shared.tune().abc.clone() })
    }
}
