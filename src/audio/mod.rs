//! Worker: audio files in and out.

mod decode;
mod render;

pub use decode::{DecodeError, Decoder, decode};
pub use render::{RenderError, Rendering, seconds, wav_work, write_wav};
