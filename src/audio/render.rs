//! Worker: a performance played by the built-in voice into a WAV file.
