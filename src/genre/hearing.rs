//! Worker: a whole recording heard from beginning to end.

use std::sync::Arc;

use super::ear::LONGEST;
use super::silence::{Gate, QUIET};
use super::{ActivationMap, Ear, GENRES, Network, State};
use earworm_spectrum::{BANDS, COLUMN_SECONDS, Column, Columns, band_centre};

/// Columns between two entries of the timeline, 5 s, and in the window of each, 10 s.
const STEP: usize = (5.0 / COLUMN_SECONDS) as usize;
const WINDOW: usize = 2 * STEP;
/// Power of a band beside the loudest one's below which nothing is heard in it (-60 dB).
const FAINT: f64 = 1e-6;
/// A recording that reaches no higher than this, Hz, lacks too much of what the ear goes by. Of sixty recordings of all
/// kinds three did.
const MUFFLED: f64 = 7_000.0;
/// Most columns that a picture keeps.
const WIDEST: usize = 1_600;

/// A stretch of one genre.
#[derive(Clone, Debug, PartialEq)]
pub struct Stretch {
    /// Where it starts and ends, seconds.
    pub start: f64,
    /// See `start`.
    pub end: f64,
    /// The genre's place in [`GENRES`].
    pub genre: usize,
    /// Its mean probability over the stretch.
    pub probability: f32,
}

/// The sound as a picture, and where the genres were heard in it.
#[derive(Clone, Debug)]
pub struct Picture {
    /// dB values of the mel bands, column by column; each the loudest of `columns_each`.
    pub columns: Vec<[f32; BANDS]>,
    /// Columns of the front end that one of `columns` stands for.
    pub columns_each: usize,
    /// Maps of the timeline's windows, each with its start and end in seconds.
    pub maps: Vec<(f64, f64, ActivationMap)>,
}

/// What a recording sounds like.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Duration, seconds.
    pub seconds: f64,
    /// How much of that is sound, seconds: silence of a second or longer is left out.
    pub sounding: f64,
    /// The highest frequency that is heard in it, Hz, up to what the ear hears. A source may hold no more than that: its
    /// sample rate, a lossy coding or a filter took the rest.
    pub reach: f64,
    /// [`State::Heard`], [`State::Unsure`], [`State::Silence`], or [`State::Listening`] where it is too short.
    pub state: State,
    /// Mean of the readings of its half minutes of sound; all zero in silence or where it is too short.
    pub probabilities: [f32; GENRES.len()],
    /// Mean probability that it is none of the genres.
    pub none: f32,
    /// The likeliest genre over time, silence left out.
    pub timeline: Vec<Stretch>,
    /// The picture, if it was asked for.
    pub picture: Option<Picture>,
}

impl Heard {
    /// The likeliest genre's place in [`GENRES`], if there was anything to judge.
    pub fn likeliest(&self) -> Option<usize> {
        let pairs = self.probabilities.iter().enumerate().filter(|pair| *pair.1 > 0.0);
        pairs.max_by(|a, b| a.1.total_cmp(b.1)).map(|pair| pair.0)
    }

    /// Whether so much of what the ear goes by is missing that its answer is a guess.
    pub fn is_muffled(&self) -> bool {
        self.sounding > 0.0 && self.reach < MUFFLED
    }
}

/// Hears a recording of any length in constant memory, but for the timeline's stretches.
///
/// It is judged by all the music that it holds: silence of a second or longer is left out, wherever it falls, and the
/// half minutes of what remains are read one after the other.
pub struct Hearing {
    front: Columns,
    /// Columns on the way from the front end to the ear.
    ready: Vec<Column>,
    ear: Ear,
    seconds: f64,
    /// Columns so far, those of them that were handed to the ear, and power of these in each band.
    columns: usize,
    heard: usize,
    power: [f64; BANDS],
    gate: Gate,
    /// Of the sound since the last silence: its columns, and up to which column the timeline tells of it.
    since_silence: usize,
    noted: usize,
    /// What was heard up to the last reading; sum of the readings, and their number.
    last_reading: usize,
    sum: [f32; GENRES.len()],
    none: f32,
    readings: usize,
    state: State,
    timed: bool,
    timeline: Vec<Stretch>,
    /// Entries of the timeline in its last stretch.
    entries: usize,
    picture: Option<Picture>,
    /// The picture's unfinished column and the columns in it.
    unfinished: ([f32; BANDS], usize),
}

impl Hearing {
    /// For frames at `sample_rate` Hz; with `picture`, keeps what a plot needs.
    pub fn new(network: Arc<Network>, sample_rate: u32, picture: bool) -> Self {
        Self {
            front: Columns::new(sample_rate),
            ready: Vec::new(),
            ear: Ear::new(network),
            seconds: 0.0,
            columns: 0,
            heard: 0,
            power: [0.0; BANDS],
            gate: Gate::default(),
            since_silence: 0,
            noted: 0,
            last_reading: 0,
            sum: [0.0; GENRES.len()],
            none: 0.0,
            readings: 0,
            state: State::Silence,
            timed: true,
            timeline: Vec::new(),
            entries: 0,
            picture: picture.then(|| Picture {
                columns: Vec::new(),
                columns_each: 1,
                maps: Vec::new(),
            }),
            unfinished: ([f32::NEG_INFINITY; BANDS], 0),
        }
    }

    /// Leaves the timeline out, which takes most of the network's time.
    pub fn without_timeline(mut self) -> Self {
        self.timed = false;
        self
    }

    /// What comes from here on has `sample_rate` Hz: recordings that were joined may change it.
    pub fn set_rate(&mut self, sample_rate: u32) {
        self.front.set_rate(sample_rate);
    }

    /// Takes interleaved frames of `channels` samples; the ear hears the mean of their powers.
    pub fn push(&mut self, interleaved: &[f32], channels: usize) {
        let frames = interleaved.len() / channels.max(1);
        self.seconds += frames as f64 / f64::from(self.front.sample_rate());
        let mut ready = std::mem::take(&mut self.ready);
        self.front.push(interleaved, channels, &mut ready);
        ready.drain(..).for_each(|column| self.hear(column));
        self.ready = ready;
    }

    /// Takes one column in place of the frames that make it.
    pub fn push_column(&mut self, column: Column) {
        self.seconds = (self.columns + 1) as f64 * COLUMN_SECONDS;
        self.hear(column);
    }

    fn hear(&mut self, column: Column) {
        self.columns += 1;
        self.paint(&column.bands);
        let mut gate = std::mem::take(&mut self.gate);
        let after_silence = gate.quiet() >= QUIET;
        let sound = gate.pass(column);
        if after_silence && !sound.is_empty() {
            self.noted = self.columns - 1;
        }
        sound.iter().for_each(|column| self.take_in(column));
        self.gate = gate;
        if self.gate.quiet() == QUIET {
            self.note_rest(self.columns - QUIET);
            self.since_silence = 0;
        }
        let is_step = self.since_silence.is_multiple_of(STEP) && self.gate.quiet() == 0;
        if self.timed && self.since_silence >= WINDOW && is_step {
            // The window's middle; the first window speaks for the beginning too.
            self.note(self.columns - STEP / 2, WINDOW);
        }
    }

    /// Hands a column to the ear.
    fn take_in(&mut self, column: &Column) {
        self.ear.push(column);
        self.heard += 1;
        self.since_silence += 1;
        for (power, value) in self.power.iter_mut().zip(&column.bands) {
            *power += 10_f64.powf(f64::from(*value) / 10.0);
        }
        if self.heard - self.last_reading == LONGEST {
            self.read();
        }
    }

    /// Ends the recording.
    pub fn finish(mut self) -> Heard {
        // A rest under 10 s was heard as part of nothing longer, unless it is all there is.
        if self.heard > 0 && (self.readings == 0 || self.heard - self.last_reading > LONGEST / 3) {
            self.read();
        }
        self.note_rest(self.columns - self.gate.quiet());
        if let Some(last) = self.timeline.last_mut() {
            last.end = last.end.min(self.seconds);
        }
        let readings = self.readings.max(1) as f32;
        Heard {
            seconds: self.seconds,
            sounding: (self.heard as f64 * COLUMN_SECONDS).min(self.seconds),
            reach: self.reach(),
            // What ends before the first column may be anything.
            state: match self.state {
                _ if self.columns == 0 => State::Listening,
                State::Heard if self.reach() < MUFFLED => State::Unsure,
                state => state,
            },
            probabilities: self.sum.map(|sum| sum / readings),
            none: self.none / readings,
            timeline: self.timeline,
            picture: self.picture,
        }
    }

    /// The highest frequency with sound, Hz.
    fn reach(&self) -> f64 {
        let loudest = self.power.iter().copied().fold(0.0, f64::max);
        let highest = self.power.iter().rposition(|&power| power > loudest * FAINT);
        let half = f64::from(self.front.sample_rate()) / 2.0;
        highest.map_or(0.0, band_centre).min(half)
    }

    /// Adds the reading of the last half minute of sound.
    fn read(&mut self) {
        self.last_reading = self.heard;
        let reading = self.ear.listen();
        if !reading.is_answer() {
            if self.readings == 0 {
                self.state = reading.state;
            }
            return;
        }
        for (sum, probability) in self.sum.iter_mut().zip(reading.probabilities) {
            *sum += probability;
        }
        self.readings += 1;
        self.none += reading.none;
        let share = 1.0 / self.readings as f32;
        let most = self.sum.iter().fold(0.0_f32, |most, sum| most.max(sum * share));
        self.state = Ear::state_at(most, self.none * share);
    }

    /// Adds what the timeline lacks of the sound that ends at column `end`.
    fn note_rest(&mut self, end: usize) {
        // What is shorter than a column is nothing, and what is shorter than a window's rest was heard with it.
        if self.timed && end > self.noted + 1 && self.since_silence > 0 {
            self.note(end, WINDOW.min(self.since_silence));
        }
    }

    /// Adds an entry to the timeline, up to column `end`: the last `window` columns that were heard speak for it.
    fn note(&mut self, end: usize, window: usize) {
        let start = std::mem::replace(&mut self.noted, end);
        let reading = self.ear.listen_back(window);
        if !reading.is_answer() {
            return;
        }
        let (start, end) = (start as f64 * COLUMN_SECONDS, end as f64 * COLUMN_SECONDS);
        let genre = reading.likeliest();
        let probability = reading.probabilities[genre];
        match self.timeline.last_mut() {
            Some(last) if last.genre == genre && (start - last.end).abs() < 1.0 => {
                last.end = end;
                let entries = self.entries as f32;
                last.probability = (last.probability * entries + probability) / (entries + 1.0);
                self.entries += 1;
            }
            _ => {
                self.timeline.push(Stretch { start, end, genre, probability });
                self.entries = 1;
            }
        }
        if let (Some(picture), Some(map)) = (&mut self.picture, reading.map) {
            let now = self.columns as f64 * COLUMN_SECONDS;
            picture.maps.push((now - f64::from(map.seconds), now, map));
        }
    }

    fn paint(&mut self, column: &[f32; BANDS]) {
        let Some(picture) = &mut self.picture else { return };
        let (loudest, count) = &mut self.unfinished;
        for (loudest, value) in loudest.iter_mut().zip(column) {
            *loudest = loudest.max(*value);
        }
        *count += 1;
        if *count < picture.columns_each {
            return;
        }
        picture.columns.push(*loudest);
        self.unfinished = ([f32::NEG_INFINITY; BANDS], 0);
        if picture.columns.len() == WIDEST {
            // Twice as coarse from here on.
            let (pairs, _) = picture.columns.as_chunks::<2>();
            picture.columns = pairs
                .iter()
                .map(|[a, b]| std::array::from_fn(|band| a[band].max(b[band])))
                .collect();
            picture.columns_each *= 2;
        }
    }
}
