//! Core: Earworm hears which genre a mix sounds like and writes folk tunes in time.
//!
//! Everything but [`plugin`] builds with no window, sound or host library on the system.
#![warn(missing_docs)]

pub mod abc;
pub mod audio;
pub mod chart;
pub mod cli;
pub mod engrave;
pub mod genre;
pub mod midi;
pub mod playback;
#[cfg(feature = "plugin")]
pub mod plugin;
pub mod spectrum;
pub mod tunes;
mod vectorised;
pub mod voice;
pub mod weights;
