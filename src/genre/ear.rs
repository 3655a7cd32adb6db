//! Worker: the ear, which keeps the last half minute and says what it sounds like.

use std::sync::Arc;

use super::silence::{QUIET, is_silent};
use super::stream::{BLOCK, MAP_BANDS, Stream};
use super::{ANSWERS, GENRES, Network};
use earworm_spectrum::{COLUMN_SECONDS, Column, FINE_FRAMES};

/// Columns of the longest window, 30 s.
pub(super) const LONGEST: usize = (30.0 / COLUMN_SECONDS) as usize;
/// Columns before the first answer, 3 s.
const SHORTEST: usize = (3.0 / COLUMN_SECONDS) as usize;
/// Below this probability the first genre is no answer.
const UNSURE: f32 = 0.3;
/// From this probability on that it is none of the genres, none is an answer.
const NONE: f32 = 0.5;

/// What the ear can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Less than 3 s were heard since the start or since silence.
    Listening,
    /// Nothing above the floor for a second.
    Silence,
    /// Music, but no genre is likely enough.
    Unsure,
    /// A genre is heard.
    Heard,
}

/// Which band and moment spoke for the first genre: a coarse picture over the window.
#[derive(Clone, Debug, PartialEq)]
pub struct ActivationMap {
    /// Bands of the picture, low ones first; each stands for 128 / `bands` mel bands of a column.
    pub bands: usize,
    /// Columns of the picture, old ones first.
    pub columns: usize,
    /// Weight 0…1 of each place, band by band: `values[band * columns + column]`.
    pub values: Vec<f32>,
    /// Duration of the window that the picture covers, seconds; it ends at the newest frame.
    pub seconds: f32,
}

/// What the ear heard.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Whether the probabilities say something.
    pub state: State,
    /// Calibrated probability of each of [`GENRES`] if it is one of them, 0…1, summing to 1; all zero while listening
    /// or in silence.
    pub probabilities: [f32; GENRES.len()],
    /// Probability that it is none of them: other music, or none.
    pub none: f32,
    /// Where the likeliest genre was heard; none while listening or in silence.
    pub map: Option<ActivationMap>,
    /// Length of the window that was heard, seconds.
    pub seconds: f32,
}

impl Reading {
    fn empty(state: State, seconds: f32) -> Self {
        Self { state, probabilities: [0.0; GENRES.len()], none: 0.0, map: None, seconds }
    }

    /// Whether the probabilities say something: the ear is neither listening nor in silence.
    pub fn is_answer(&self) -> bool {
        matches!(self.state, State::Heard | State::Unsure)
    }

    /// The likeliest genre's place in [`GENRES`], if the ear is sure enough.
    pub fn genre(&self) -> Option<usize> {
        (self.state == State::Heard).then(|| self.likeliest())
    }

    /// The likeliest genre's place in [`GENRES`], however unlikely.
    pub fn likeliest(&self) -> usize {
        let pairs = self.probabilities.iter().enumerate();
        pairs.max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(genre, _)| genre)
    }
}

/// Hears columns, and names the genre of the last 30 s.
///
/// ```
/// use earworm_genre::{Ear, Network, State};
/// use earworm_spectrum::{Bank, Stft};
/// let mut stft = Stft::new(44_100.0, 1);
/// let bank = Bank::new(44_100.0);
/// let mut ear = Ear::new(Network::embedded()?);
/// for n in 0..4 * 44_100 {
///     if let Some(power) = stft.push(&[(n as f32 * 0.03).sin()]) {
///         ear.push(&bank.column(power));
///     }
/// }
/// assert_ne!(ear.listen().state, State::Silence);
/// # Ok::<(), earworm_genre::GenreError>(())
/// ```
pub struct Ear {
    network: Arc<Network>,
    stream: Stream,
    /// Columns since the start or since silence, up to [`LONGEST`].
    columns: usize,
    /// Silent columns at the end.
    quiet: usize,
    /// The last reading with what it was made of: blocks of the stream so far, and of the window.
    last: Option<(usize, usize, Reading)>,
}

impl Ear {
    /// An ear that has heard nothing.
    pub fn new(network: Arc<Network>) -> Self {
        Self { network, stream: Stream::new(), columns: 0, quiet: 0, last: None }
    }

    /// Takes the next column.
    pub fn push(&mut self, column: &Column) {
        self.quiet = if is_silent(&column.bands) { self.quiet + 1 } else { 0 };
        if self.quiet >= QUIET {
            // What comes after a pause is judged by itself.
            if self.columns > 0 {
                self.forget();
            }
            return;
        }
        self.columns = (self.columns + 1).min(LONGEST);
        for frame in &column.fine {
            self.stream.push(frame, &self.network);
        }
    }

    /// Forgets all that was heard.
    pub fn reset(&mut self) {
        self.forget();
        self.quiet = 0;
    }

    fn forget(&mut self) {
        self.stream = Stream::new();
        self.columns = 0;
        self.last = None;
    }

    /// Says what the last 30 s, or as much as there is, sound like.
    pub fn listen(&mut self) -> Reading {
        self.listen_back(LONGEST)
    }

    /// Says what the last `columns` columns, or as many as there are, sound like.
    pub fn listen_back(&mut self, columns: usize) -> Reading {
        let columns = columns.min(self.columns);
        let seconds = (columns as f64 * COLUMN_SECONDS) as f32;
        if self.quiet >= QUIET {
            return Reading::empty(State::Silence, 0.0);
        }
        let blocks = columns * FINE_FRAMES / BLOCK;
        let heard = self.stream.heard();
        if let Some((then, window, reading)) = &self.last
            && (*then, *window) == (heard, blocks)
        {
            return reading.clone();
        }
        let pooled = match self.stream.pooled(blocks, &self.network) {
            Some(pooled) if columns >= SHORTEST => pooled,
            _ => return Reading::empty(State::Listening, seconds),
        };
        let answers = self.network.head().probabilities(&pooled.features);
        let mut reading = Reading::empty(State::Unsure, seconds);
        (reading.probabilities, reading.none) = shares(&answers);
        let genre = reading.likeliest();
        reading.state = Self::state_at(reading.probabilities[genre], reading.none);
        let gradient = self.network.gradient(genre, &pooled.features);
        let (columns, mut values) = self.stream.map(pooled.blocks, &gradient);
        let strongest = values.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        values.iter_mut().for_each(|value| *value = (*value / strongest).clamp(0.0, 1.0));
        reading.map = Some(ActivationMap { bands: MAP_BANDS, columns, values, seconds });
        self.last = Some((heard, blocks, reading.clone()));
        reading
    }

    /// What the head goes by in all that was heard of the last half minute: one value for each of
    /// [`FEATURES`](super::FEATURES). None where that is too short.
    pub fn features(&self) -> Option<Vec<f32>> {
        let blocks = self.columns * FINE_FRAMES / BLOCK;
        self.stream.pooled(blocks, &self.network).map(|pooled| pooled.features)
    }

    /// Whether a likeliest genre of this probability is an answer, where it is none of the genres with probability `none`.
    pub fn state_at(probability: f32, none: f32) -> State {
        if probability >= UNSURE && none < NONE { State::Heard } else { State::Unsure }
    }
}

/// Of the probabilities of [`ANSWERS`], the genres' among themselves, and that of none of them.
fn shares(answers: &[f32; ANSWERS]) -> ([f32; GENRES.len()], f32) {
    let genres = &answers[..GENRES.len()];
    let sum: f32 = genres.iter().sum();
    (std::array::from_fn(|genre| genres[genre] / sum.max(f32::MIN_POSITIVE)), 1.0 - sum.min(1.0))
}
