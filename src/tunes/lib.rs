//! Worker: the tune network and the composer around it.
//!
//! [`plain`] is the one spelling that the network reads and writes, [`normalise`] brings collections into it.
//! [`context`] says what the text so far means for the next character, [`grammar`] which characters keep the
//! tune valid. [`network`] is the char-RNN over whole sequences (training, evaluation), [`step`] the same
//! network a character at a time, and the [`Composer`] draws tunes from it, each to a plan out of [`plans`].

mod activation;
pub mod alphabet;
mod composer;
pub mod context;
pub mod copies;
pub mod grammar;
pub mod harmony;
pub mod network;
pub mod normalise;
pub mod outline;
mod packed;
pub mod plain;
pub mod plans;
mod rewrite;
mod sequence;
pub mod step;
mod style;
pub mod weights;

pub use composer::{
    BARS, ComposeError, Composer, Composition, HIGHEST_NAMED, Instrument, Request, TEMPERATURES,
    plain_key,
};
pub use rewrite::{Rewrite, RewriteError};
pub use style::{Style, Tradition, UnknownStyle};
