//! Worker: the ear, which keeps the last half minute and says what it sounds like.

use std::collections::VecDeque;
use std::sync::Arc;

use candle_core::{D, Device, Tensor};

use super::silence::{QUIET, is_silent};
use super::texture::{self, Spacing};
use super::{GENRES, GenreError, MAP_BANDS, MAP_FRAMES, Network, STRIDE, window};
use earworm_spectrum::{BANDS, COLUMN_SECONDS, MelBank, decibels};

/// Columns of the longest window, 30 s.
pub(super) const LONGEST: usize = (30.0 / COLUMN_SECONDS) as usize;
/// Columns before the first answer, 3 s.
const SHORTEST: usize = (3.0 / COLUMN_SECONDS) as usize;
/// Below this probability the first genre is no answer.
const UNSURE: f32 = 0.3;

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
    /// Bands of the picture, low ones first; each stands for 128 / `bands` mel bands.
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
    /// Calibrated probability of each of [`GENRES`], 0…1, summing to 1; all zero while listening
    /// or in silence.
    pub probabilities: [f32; GENRES.len()],
    /// Where the likeliest genre was heard; none while listening or in silence.
    pub map: Option<ActivationMap>,
    /// Length of the window that was heard, seconds.
    pub seconds: f32,
}

impl Reading {
    fn empty(state: State, seconds: f32) -> Self {
        Self { state, probabilities: [0.0; GENRES.len()], map: None, seconds }
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

/// Keeps the last 30 s of mel columns and names their genre.
///
/// ```
/// use earworm_genre::{Ear, Network, State};
/// use earworm_spectrum::Stft;
/// let mut stft = Stft::new(44_100.0, 1);
/// let mut ear = Ear::new(Network::embedded()?, 44_100.0);
/// for n in 0..4 * 44_100 {
///     if let Some(power) = stft.push(&[(n as f32 * 0.03).sin()]) {
///         ear.push(power);
///     }
/// }
/// assert_ne!(ear.listen()?.state, State::Silence);
/// # Ok::<(), earworm_genre::GenreError>(())
/// ```
pub struct Ear {
    network: Arc<Network>,
    bank: MelBank,
    /// dB values of the last columns, the newest last.
    columns: VecDeque<[f32; BANDS]>,
    /// Silent columns at the end.
    quiet: usize,
    /// Whether only one column in [`STRIDE`] is a new one.
    spacing: Spacing,
}

impl Ear {
    /// An ear for frames of `Stft::new(sample_rate)`.
    pub fn new(network: Arc<Network>, sample_rate: f32) -> Self {
        let columns = VecDeque::with_capacity(LONGEST + 1);
        Self {
            network,
            bank: MelBank::new(sample_rate),
            columns,
            quiet: 0,
            spacing: Spacing::Every,
        }
    }

    /// For columns that were taken 232 ms apart and come [`STRIDE`] times each: what moves faster is left out.
    pub fn sparse(mut self) -> Self {
        self.spacing = Spacing::Sparse;
        self
    }

    /// Takes the next power frame.
    pub fn push(&mut self, power_frame: &[f32]) {
        let mut mel = [0.0; BANDS];
        self.bank.apply(power_frame, &mut mel);
        self.push_mel(mel.map(decibels));
    }

    /// Takes the next column of mel bands, dB.
    pub fn push_mel(&mut self, mut column: [f32; BANDS]) {
        for value in &mut column {
            *value = if value.is_finite() { *value } else { decibels(0.0) };
        }
        self.quiet = if is_silent(&column) { self.quiet + 1 } else { 0 };
        if self.quiet >= QUIET {
            // What comes after a pause is judged by itself.
            self.columns.clear();
            return;
        }
        if self.columns.len() == LONGEST {
            self.columns.pop_front();
        }
        self.columns.push_back(column);
    }

    /// Forgets all that was heard.
    pub fn reset(&mut self) {
        self.columns.clear();
        self.quiet = 0;
    }

    /// Says what the last 30 s, or as much as there is, sound like.
    pub fn listen(&mut self) -> Result<Reading, GenreError> {
        self.listen_back(LONGEST)
    }

    /// Says what the last `columns` columns, or as many as there are, sound like.
    pub fn listen_back(&mut self, columns: usize) -> Result<Reading, GenreError> {
        let columns = columns.min(self.columns.len());
        let seconds = (columns as f64 * COLUMN_SECONDS) as f32;
        if self.quiet >= QUIET {
            return Ok(Reading::empty(State::Silence, 0.0));
        }
        if columns < SHORTEST {
            return Ok(Reading::empty(State::Listening, seconds));
        }
        let heard = self.mel(columns, STRIDE);
        let frames = heard.len() / BANDS;
        let texture = match self.spacing {
            Spacing::Every => texture::features(&self.mel(columns, 1), columns, Spacing::Every),
            Spacing::Sparse => texture::features(&heard, frames, Spacing::Sparse),
        };
        let texture = self.network.texture_input(&texture);
        let width = texture.len();
        let output = self.network.forward(
            &Tensor::from_vec(window::input(&heard, frames), (1, 2, BANDS, frames), &Device::Cpu)?,
            &Tensor::from_vec(texture, (1, width), &Device::Cpu)?,
        )?;
        let scaled = (output.logits / self.network.temperature())?;
        let values = candle_nn::ops::softmax(&scaled, D::Minus1)?.squeeze(0)?.to_vec1::<f32>()?;
        let mut reading = Reading::empty(State::Unsure, seconds);
        reading.probabilities.copy_from_slice(&values);
        let genre = reading.likeliest();
        reading.state = Self::state_at(reading.probabilities[genre]);
        reading.map = Some(self.map(&output.map, genre, seconds)?);
        Ok(reading)
    }

    /// Whether a likeliest genre of this probability is an answer.
    pub fn state_at(probability: f32) -> State {
        if probability >= UNSURE { State::Heard } else { State::Unsure }
    }

    /// Every `stride`-th of the last `columns` columns up to the newest, dB: [bands, frames].
    fn mel(&self, columns: usize, stride: usize) -> Vec<f32> {
        let frames = columns.div_ceil(stride);
        let first = self.columns.len() - columns + (columns - 1) % stride;
        let mut mel = vec![0.0; BANDS * frames];
        for (frame, column) in self.columns.iter().skip(first).step_by(stride).enumerate() {
            for (band, value) in column.iter().enumerate() {
                mel[band * frames + frame] = *value;
            }
        }
        mel
    }

    fn map(
        &self,
        features: &Tensor,
        genre: usize,
        seconds: f32,
    ) -> Result<ActivationMap, GenreError> {
        let places = self.network.activation_map(features, genre)?;
        let (bands, columns) = places.dims2()?;
        debug_assert_eq!(bands, MAP_BANDS);
        let mut values = places.flatten_all()?.to_vec1::<f32>()?;
        let strongest = values.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        for value in &mut values {
            *value = (*value / strongest).clamp(0.0, 1.0);
        }
        // Frames that fill no whole column of the map are its last ones.
        let covered = (columns * MAP_FRAMES * STRIDE) as f64 * COLUMN_SECONDS;
        Ok(ActivationMap { bands, columns, values, seconds: seconds.min(covered as f32) })
    }
}
