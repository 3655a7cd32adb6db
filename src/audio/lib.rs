//! Worker: audio files in and out.

mod aiff;
mod chunks;
mod decode;
mod mp4;
mod mpeg;
mod opus;
mod plain;
mod render;
mod source;
mod sun;
mod wave;

pub use decode::{Chunk, DecodeError, Decoder, decode};
pub use render::{RenderError, Rendering, left_out, seconds, wav_work, write_wav};
