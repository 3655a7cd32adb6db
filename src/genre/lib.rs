//! Worker: the genre network and the ear around it.
//!
//! Columns of [`earworm_spectrum::Bank`] go into an [`Ear`]; at any time it can be asked for a
//! [`Reading`]: which genre the last half minute sounds like, how surely, and which band and moment
//! spoke for it.

mod ear;
mod hearing;
mod network;
mod product;
mod silence;
mod stream;

pub use ear::{ActivationMap, Ear, Reading, State};
pub use hearing::{Heard, Hearing, Picture, Stretch};
pub use network::{FEATURES, FRAME_FEATURES, Head, Network};
pub use silence::Gate;

/// The genres, in the order of every list of probabilities.
pub const GENRES: [&str; 14] = [
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
    "soul",
    "punk",
];

/// What the network can answer: one of [`GENRES`], other music ([`OTHER`]), or no music ([`NO_MUSIC`]).
pub const ANSWERS: usize = GENRES.len() + 2;
/// Music of no genre in [`GENRES`].
pub const OTHER: usize = GENRES.len();
/// Speech, noise, a tone, a beat alone.
pub const NO_MUSIC: usize = GENRES.len() + 1;

/// How many of [`GENRES`] (the first ones) are GTZAN's.
pub const GTZAN_GENRES: usize = 10;

/// Why no genre could be named.
#[derive(Debug, thiserror::Error)]
pub enum GenreError {
    /// The weights aren't those of a genre network.
    #[error("the genre network's weights can't be read: {0}")]
    Weights(String),
    /// The weights of an ear that hears otherwise.
    #[error("these weights are of an earlier Earworm, whose ear heard other frames")]
    Earlier,
}
