//! Worker: a whole recording heard from beginning to end.

use std::sync::Arc;

use super::ear::LONGEST;
use super::{ActivationMap, Ear, GENRES, GenreError, Network, State};
use earworm_spectrum::{BANDS, COLUMN_SECONDS, MelBank, Stft, decibels};

/// Columns between two entries of the timeline, 5 s, and in the window of each, 10 s.
const STEP: usize = (5.0 / COLUMN_SECONDS) as usize;
const WINDOW: usize = 2 * STEP;
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
    /// [`State::Heard`], [`State::Unsure`], [`State::Silence`], or [`State::Listening`] where it is too short.
    pub state: State,
    /// Mean of the readings of its half minutes; all zero in silence or where it is too short.
    pub probabilities: [f32; GENRES.len()],
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
}

/// Hears a recording of any length in constant memory, but for the timeline's stretches.
pub struct Hearing {
    sample_rate: f64,
    stft: Stft,
    bank: MelBank,
    ear: Ear,
    frames: u64,
    columns: usize,
    /// Column and sum of the half minutes' readings, and their number.
    last_reading: usize,
    sum: [f32; GENRES.len()],
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
        let rate = sample_rate as f32;
        Self {
            sample_rate: f64::from(sample_rate),
            stft: Stft::new(rate),
            bank: MelBank::new(rate),
            ear: Ear::new(network, rate),
            frames: 0,
            columns: 0,
            last_reading: 0,
            sum: [0.0; GENRES.len()],
            readings: 0,
            state: State::Listening,
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

    /// For columns that were taken 232 ms apart (see [`Ear::sparse`]).
    pub fn sparse(mut self) -> Self {
        self.ear = self.ear.sparse();
        self
    }

    /// Takes interleaved frames of `channels` samples; the ear hears their mean.
    pub fn push(&mut self, interleaved: &[f32], channels: usize) -> Result<(), GenreError> {
        for frame in interleaved.chunks_exact(channels.max(1)) {
            self.frames += 1;
            let mono = frame.iter().sum::<f32>() / frame.len() as f32;
            let Some(power) = self.stft.push(mono) else { continue };
            let mut mel = [0.0; BANDS];
            self.bank.apply(power, &mut mel);
            self.hear(mel.map(decibels))?;
        }
        Ok(())
    }

    /// Takes one column of mel bands, dB, in place of the frames that make it.
    pub fn push_column(&mut self, column: [f32; BANDS]) -> Result<(), GenreError> {
        self.frames = ((self.columns + 1) as f64 * COLUMN_SECONDS * self.sample_rate) as u64;
        self.hear(column)
    }

    fn hear(&mut self, column: [f32; BANDS]) -> Result<(), GenreError> {
        self.ear.push_mel(column);
        self.columns += 1;
        self.paint(&column);
        if self.columns - self.last_reading == LONGEST {
            self.read()?;
        }
        if self.columns >= WINDOW && self.columns.is_multiple_of(STEP) {
            let centre = self.columns - WINDOW / 2;
            // The first window speaks for the beginning too.
            let start = if self.columns == WINDOW { 0 } else { centre - STEP / 2 };
            self.note(start, centre + STEP / 2)?;
        }
        Ok(())
    }

    /// Ends the recording.
    pub fn finish(mut self) -> Result<Heard, GenreError> {
        // A rest under 10 s was heard as part of nothing longer, unless it is all there is.
        if self.readings == 0 || self.columns - self.last_reading > LONGEST / 3 {
            self.read()?;
        }
        let start = self.timeline.last().map_or(0.0, |stretch| stretch.end) / COLUMN_SECONDS;
        if self.columns as f64 > start + 1.0 {
            self.note(start.round() as usize, self.columns)?;
        }
        let seconds = self.frames as f64 / self.sample_rate;
        if let Some(last) = self.timeline.last_mut() {
            last.end = last.end.min(seconds);
        }
        let readings = self.readings.max(1) as f32;
        Ok(Heard {
            seconds,
            state: self.state,
            probabilities: self.sum.map(|sum| sum / readings),
            timeline: self.timeline,
            picture: self.picture,
        })
    }

    /// Adds the reading of the last half minute.
    fn read(&mut self) -> Result<(), GenreError> {
        self.last_reading = self.columns;
        let reading = self.ear.listen()?;
        if !reading.is_answer() {
            if self.readings == 0 {
                self.state = reading.state;
            }
            return Ok(());
        }
        for (sum, probability) in self.sum.iter_mut().zip(reading.probabilities) {
            *sum += probability;
        }
        self.readings += 1;
        let mean = self.sum.iter().fold(0.0_f32, |most, sum| most.max(sum / self.readings as f32));
        self.state = Ear::state_at(mean);
        Ok(())
    }

    /// Adds an entry to the timeline: the last [`WINDOW`] columns speak for those from `start` to `end`.
    fn note(&mut self, start: usize, end: usize) -> Result<(), GenreError> {
        if !self.timed {
            return Ok(());
        }
        let reading = self.ear.listen_back(WINDOW)?;
        if !reading.is_answer() {
            return Ok(());
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
        Ok(())
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
