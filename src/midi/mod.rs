//! Core: MIDI files out and in, and MIDI to ABC.
