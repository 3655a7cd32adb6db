//! Core: MIDI files: written from a performance, read into one, and turned into ABC.

mod abc;
mod find;
mod read;
mod write;

pub use abc::to_abc;
pub use read::{MidiError, read};
pub use write::write;

/// The name of the track that holds the chords played from chord symbols; its text events are the
/// symbols. [`read`] knows them by it.
const ACCOMPANIMENT: &str = "Accompaniment";
