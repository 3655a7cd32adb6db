//! Worker: the tune network and the composer around it.

mod activation;
pub mod alphabet;
pub mod context;
pub mod grammar;
pub mod network;
pub mod normalise;
pub mod plain;
mod sequence;
pub mod step;
pub mod style;
pub mod weights;

pub use style::Style;
