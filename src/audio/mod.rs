//! Worker: audio files in and out.

mod decode;
mod render;
