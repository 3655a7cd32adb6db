//! Worker: audio files in and out.

mod decode;
mod render;
mod sun;

pub use decode::{DecodeError, Decoder, decode};
pub use render::{RenderError, Rendering, left_out, seconds, wav_work, write_wav};
