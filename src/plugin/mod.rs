//! Interface: the two plug-ins, thin shells over the core.

pub mod meter;
pub mod tunes;
