//! Worker: audio files decoded as a stream of samples.
