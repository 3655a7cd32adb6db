//! Worker: the genre network and the ear around it.
//!
//! Power frames of [`earworm_spectrum::Stft`] go into an [`Ear`]; at any time it can be asked for a
//! [`Reading`]: which genre the last half minute sounds like, how surely, and which band and moment
//! spoke for it.

mod convolution;
mod ear;
mod hearing;
mod inference;
mod network;
mod normalisation;
mod silence;
pub mod texture;
pub mod window;
mod winograd;

pub use ear::{ActivationMap, Ear, Reading, State};
pub use hearing::{Heard, Hearing, Picture, Stretch};
pub use network::{Config, MAP_BANDS, MAP_FRAMES, Network, Output, STRIDE};
pub use silence::Gate;

/// The genres, in the order of every list of probabilities.
pub const GENRES: [&str; 12] = [
    "blues",
    "classical",
    "country",
    "disco",
    "hiphop",
    "jazz",
    "metal",
    "pop",
    "reggae",
    "rock",
    "electronic",
    "folk",
];

/// How many of [`GENRES`] (the first ones) are GTZAN's.
pub const GTZAN_GENRES: usize = 10;

/// Why no genre could be named.
#[derive(Debug, thiserror::Error)]
pub enum GenreError {
    /// The weights aren't those of a genre network.
    #[error("the genre network's weights can't be read: {0}")]
    Weights(String),
    /// The network could not be run.
    #[error("the genre network could not be run: {0}")]
    Network(#[from] candle_core::Error),
}
