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

/// A sequencer-specific event where a bar starts, for tunes with a pickup or with parts of a bar at their repeats,
/// of which metres know nothing. One alone, at the file's start, says that bars are where the metres put them.
/// 7D is the manufacturer's number for those who have none.
const BAR_STARTS: &[u8] = b"\x7dEarworm bar";
