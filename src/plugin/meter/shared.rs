//! Interface: what the Meter's engine and its editor know of each other.
//!
//! One [`MeterShared`] an instance, in an `Arc` held by the plug-in, its worker and its editor.
//! Who may touch what:
//!
//! - Atomics: everybody. The audio thread writes `dropped_frames`; offline it also reads `heard_frames` and
//!   [`hearing`](MeterShared::hearing), to wait for the worker.
//! - The locked fields, [`picture`](MeterShared::picture), [`history`](MeterShared::history) and
//!   [`fault`](MeterShared::fault): worker and editor only. The audio thread never locks.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use atomic_float::AtomicF32;
use nice_plug::params::persist::PersistentField;
use serde::{Deserialize, Serialize};

use super::history::History;
use crate::weights::Weights;

/// How many genres there are.
pub const GENRES: usize = earworm_genre::GENRES.len();

/// How many mel bands a column of the picture has.
pub const BANDS: usize = 128;

/// How many columns the picture keeps: a little over the longest window, 30 s of one column every
/// 77.5 ms.
pub const COLUMNS: usize = 400;

/// What the Meter is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Hearing {
    /// Not activated yet, or bypassed: the published reading is an old one.
    #[default]
    Asleep,
    /// Too little was heard so far for a reading.
    Listening,
    /// The input is silent.
    Silence,
    /// There is sound, and no genre stands out.
    Unsure,
    /// The most probable genre may be named.
    Heard,
    /// The worker failed; [`MeterShared::fault`] says why. The audio still passes.
    Failed,
}

impl Hearing {
    /// All of them, by their numbers.
    pub(super) const ALL: [Self; 6] =
        [Self::Asleep, Self::Listening, Self::Silence, Self::Unsure, Self::Heard, Self::Failed];
}

/// What engine, worker and editor of one Meter share.
#[derive(Debug, Default)]
pub struct MeterShared {
    hearing: AtomicU8,
    /// The network's probabilities of the last reading, in the order of `genre::GENRES`.
    pub probabilities: [AtomicF32; GENRES],
    /// The same with the Response parameter applied: what a needle or bar should show.
    pub shown: [AtomicF32; GENRES],
    /// Counts readings; changes whenever `probabilities` did.
    pub readings: AtomicU32,
    /// Frames lost because the ring to the worker was full, since activation.
    pub dropped_frames: AtomicU64,
    /// Frames that the worker has taken in since activation.
    pub heard_frames: AtomicU64,
    /// The share of real time that the worker spends on this instance, 0 to 1.
    pub load: AtomicF32,
    /// The host's sample rate in hertz; 0 before the first activation.
    pub sample_rate: AtomicF32,
    /// Seconds from one mel column to the next; 0 before the first activation.
    pub column_seconds: AtomicF32,
    /// Set by an editor with each frame; the worker takes it with the picture that it draws, so that it draws none
    /// once the window is closed.
    pub watched: AtomicBool,
    /// Set by [`request_reset`](Self::request_reset); the worker takes it and clears it.
    pub(super) reset: AtomicBool,
    /// Which weights it listens with.
    pub weights: Arc<Weights>,
    /// Counts how often the host's transport began to roll.
    pub(super) starts: AtomicU32,
    /// The loudness of what passes through.
    pub loudness: Loudness,
    picture: Mutex<Picture>,
    history: Mutex<History>,
    integrated: Mutex<Integrated>,
    /// What a reset forgot, to be taken back.
    forgotten: Mutex<Option<Box<Forgotten>>>,
    fault: Mutex<Option<String>>,
}

/// The loudness of what passes through, by EBU R 128; NaN where too little was heard.
#[derive(Debug)]
pub struct Loudness {
    /// Of the last 0.4 s, in LUFS.
    pub momentary: AtomicF32,
    /// Of the last 3 s, in LUFS.
    pub short_term: AtomicF32,
    /// Since the start or the last reset, in LUFS.
    pub integrated: AtomicF32,
    /// The highest true peak since then, in dBTP; NaN where all of it was digital silence.
    pub true_peak: AtomicF32,
}

impl Default for Loudness {
    fn default() -> Self {
        let nothing = || AtomicF32::new(f32::NAN);
        Self {
            momentary: nothing(),
            short_term: nothing(),
            integrated: nothing(),
            true_peak: nothing(),
        }
    }
}

/// The mean of all readings since the start.
#[derive(Clone, Debug, Default)]
struct Integrated {
    /// Probabilities times seconds.
    sum: [f64; GENRES],
    seconds: f64,
}

/// What a reset forgot.
#[derive(Clone, Debug)]
struct Forgotten {
    probabilities: [f32; GENRES],
    history: History,
    integrated: Integrated,
}

/// What the editor draws beside the probabilities.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    /// The latest mel columns, oldest first, at most [`COLUMNS`]. Decibels, 0 the loudest that the
    /// window holds, −80 the floor; index 0 is the lowest band.
    pub columns: VecDeque<[f32; BANDS]>,
    /// Counts columns since activation, so that an editor can scroll by the difference.
    pub drawn: u64,
    /// What in the window spoke for the most probable genre; `None` before the first reading.
    pub map: Option<Evidence>,
}

/// How strongly each place of the window spoke for the most probable genre.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// Index into `genre::GENRES` of the genre spoken for.
    pub genre: usize,
    /// Rows, low frequencies first.
    pub bands: usize,
    /// Columns, oldest first, spread evenly over the window.
    pub columns: usize,
    /// `bands × columns` strengths from 0 to 1, band by band.
    pub strength: Vec<f32>,
    /// Seconds of the mix that the columns cover, up to now.
    pub seconds: f32,
}

impl MeterShared {
    /// What the Meter is doing.
    pub fn hearing(&self) -> Hearing {
        let index = usize::from(self.hearing.load(Ordering::Acquire));
        Hearing::ALL.get(index).copied().unwrap_or_default()
    }

    /// Says what the Meter is doing.
    pub fn set_hearing(&self, hearing: Hearing) {
        self.hearing.store(hearing as u8, Ordering::Release);
    }

    /// The last reading's probabilities.
    pub fn probabilities(&self) -> [f32; GENRES] {
        std::array::from_fn(|genre| self.probabilities[genre].load(Ordering::Relaxed))
    }

    /// The probabilities as a needle or bar should show them.
    pub fn shown(&self) -> [f32; GENRES] {
        std::array::from_fn(|genre| self.shown[genre].load(Ordering::Relaxed))
    }

    /// The mel columns and the map, locked against the worker: copy what is needed and let go.
    pub fn picture(&self) -> MutexGuard<'_, Picture> {
        lock(&self.picture)
    }

    /// The readings of the last five minutes, locked against the worker: copy what is needed and let go.
    /// The worker keeps them, so that they go on while no window is open.
    pub fn history(&self) -> MutexGuard<'_, History> {
        lock(&self.history)
    }

    /// Forgets all that was heard, and has the worker listen afresh. Returns at once; not for the audio
    /// thread.
    pub fn request_reset(&self) {
        if self.history().entries().len() > 0 {
            let forgotten = Forgotten {
                probabilities: self.probabilities(),
                history: self.history().clone(),
                integrated: lock(&self.integrated).clone(),
            };
            *lock(&self.forgotten) = Some(Box::new(forgotten));
        }
        self.reset.store(true, Ordering::Release);
        // A Meter that is not active has no worker, and what it heard goes all the same.
        self.forget();
    }

    /// Whether a reset can be undone.
    pub fn can_undo_reset(&self) -> bool {
        lock(&self.forgotten).is_some()
    }

    /// Takes back what the last reset forgot; what was heard since then stays.
    pub fn undo_reset(&self) {
        let Some(forgotten) = lock(&self.forgotten).take() else { return };
        self.history().take_back(&forgotten.history);
        let mut integrated = lock(&self.integrated);
        integrated.seconds += forgotten.integrated.seconds;
        for (sum, before) in integrated.sum.iter_mut().zip(forgotten.integrated.sum) {
            *sum += before;
        }
        drop(integrated);
        if self.probabilities().iter().all(|&p| p == 0.0) {
            for (genre, p) in forgotten.probabilities.into_iter().enumerate() {
                self.probabilities[genre].store(p, Ordering::Relaxed);
                self.shown[genre].store(p, Ordering::Relaxed);
            }
        }
        self.readings.fetch_add(1, Ordering::Release);
    }

    /// The mean of all readings since the start or the last reset, and how many seconds it is of; none before the first.
    pub fn integrated(&self) -> Option<([f32; GENRES], f64)> {
        let integrated = lock(&self.integrated);
        let mean = integrated.sum.map(|sum| (sum / integrated.seconds) as f32);
        (integrated.seconds > 0.0).then_some((mean, integrated.seconds))
    }

    /// Takes a reading into the mean that holds for so many seconds.
    pub fn integrate(&self, probabilities: &[f32; GENRES], seconds: f64) {
        let mut integrated = lock(&self.integrated);
        for (sum, &p) in integrated.sum.iter_mut().zip(probabilities) {
            *sum += f64::from(p) * seconds;
        }
        integrated.seconds += seconds;
    }

    /// Begins the mean anew.
    pub(super) fn begin_mean(&self) {
        *lock(&self.integrated) = Integrated::default();
    }

    /// Takes back everything that was published about the past.
    pub(super) fn forget(&self) {
        for genre in 0..GENRES {
            self.probabilities[genre].store(0.0, Ordering::Relaxed);
            self.shown[genre].store(0.0, Ordering::Relaxed);
        }
        self.dropped_frames.store(0, Ordering::Relaxed);
        self.history().clear();
        self.begin_mean();
        let mut picture = self.picture();
        picture.columns.clear();
        picture.map = None;
        drop(picture);
        self.readings.fetch_add(1, Ordering::Release);
    }

    /// Why the worker failed, in one line; `None` while it works.
    pub fn fault(&self) -> Option<String> {
        lock(&self.fault).clone()
    }

    /// Tells the editor why the worker failed (`None`: it works).
    pub fn set_fault(&self, fault: Option<String>) {
        *lock(&self.fault) = fault;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The last reading as a project keeps it.
///
/// Saved from what [`MeterShared`] publishes, and put back there when a project is opened, where it
/// stands as [`Hearing::Asleep`] until the Meter hears afresh. A host or a test can read what the
/// Meter heard from here.
pub struct Heard {
    shared: Arc<MeterShared>,
}

/// [`Heard`] in a project's file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SavedReading {
    /// Probabilities in the order of `genre::GENRES`; empty if there was no reading.
    #[serde(default)]
    pub probabilities: Vec<f32>,
    /// Frames taken in since activation.
    #[serde(default)]
    pub heard_frames: u64,
    /// Frames lost since activation.
    #[serde(default)]
    pub dropped_frames: u64,
}

impl Heard {
    /// The reading that `shared` publishes.
    pub fn new(shared: Arc<MeterShared>) -> Self {
        Self { shared }
    }
}

impl PersistentField<'_, SavedReading> for Heard {
    fn set(&self, saved: SavedReading) {
        // An earlier project knows fewer genres, the first ones.
        let sound = (1..=GENRES).contains(&saved.probabilities.len())
            && saved.probabilities.iter().all(|p| (0.0..=1.0).contains(p));
        if !sound || self.shared.hearing() != Hearing::Asleep {
            return;
        }
        for (genre, &p) in saved.probabilities.iter().enumerate() {
            self.shared.probabilities[genre].store(p, Ordering::Relaxed);
            self.shared.shown[genre].store(p, Ordering::Relaxed);
        }
        self.shared.heard_frames.store(saved.heard_frames, Ordering::Relaxed);
        self.shared.dropped_frames.store(saved.dropped_frames, Ordering::Relaxed);
    }

    fn map<F, R>(&self, f: F) -> R
    where
        F: Fn(&SavedReading) -> R,
    {
        let probabilities = self.shared.probabilities();
        let none = probabilities.iter().all(|&p| p == 0.0);
        f(&SavedReading {
            probabilities: if none { Vec::new() } else { probabilities.to_vec() },
            heard_frames: self.shared.heard_frames.load(Ordering::Relaxed),
            dropped_frames: self.shared.dropped_frames.load(Ordering::Relaxed),
        })
    }
}
