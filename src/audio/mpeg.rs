//! Worker: streams of MPEG audio frames (MP1, MP2, MP3), which have no header but for what encoders write into a first
//! frame of their own.
//!
//! Such streams are joined by putting one behind the other, so that what the first frame says of the length means nothing
//! for what comes after, and the rate may change at any frame.

use std::fs::File;
use std::io;

use symphonia::core::codecs::audio::AudioCodecId;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_MP1, CODEC_ID_MP2, CODEC_ID_MP3};

use super::source::bytes_at;

/// What must not change from frame to frame for one decoder: version and layer, sample rate, whether it is mono.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind(u8, u8, bool);

impl Kind {
    /// The kind of a frame, by its header.
    pub(super) fn of(frame: &[u8]) -> Option<Self> {
        let [_, version_and_layer, rate, mode, ..] = frame else { return None };
        Some(Self(version_and_layer & 0x1e, rate & 0x0c, mode >> 6 == 3))
    }

    /// Which decoder it needs.
    pub(super) fn codec(self) -> AudioCodecId {
        match self.0 >> 1 & 3 {
            3 => CODEC_ID_MP1,
            2 => CODEC_ID_MP2,
            _ => CODEC_ID_MP3,
        }
    }
}

/// Where the tag in front of a file ends (ID3v2), or 0.
pub(super) fn tag_end(file: &mut File) -> io::Result<u64> {
    let mut end = 0;
    // Programs that add a tag without looking for one leave several.
    for _ in 0..8 {
        let head = bytes_at(file, end, 10)?;
        let [b'I', b'D', b'3', version, _, flags, size @ ..] = head.as_slice() else { break };
        if size.len() < 4 || *version == 0xff || size.iter().any(|byte| byte & 0x80 != 0) {
            break;
        }
        let size = size.iter().fold(0, |size, &byte| size << 7 | u64::from(byte));
        // A footer is as long as the head.
        end += 10 + size + if flags & 0x10 == 0 { 0 } else { 10 };
    }
    Ok(end)
}

/// Where the tags behind the sound begin (ID3v1, APE), or the file's end. They may hold pictures, in which a decoder would
/// find what looks like frames.
pub(super) fn tags_start(file: &mut File) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    if end >= 128 && bytes_at(file, end - 128, 3)? == b"TAG" {
        end -= 128;
    }
    if end >= 32 {
        let foot = bytes_at(file, end - 32, 24)?;
        if let Some([a, b, c, d, _, _, _, _, _, _, _, flags]) = foot
            .strip_prefix(b"APETAGEX")
            .and_then(|rest| rest.get(4..))
            .and_then(|rest| rest.first_chunk::<12>())
        {
            // The size leaves out the head, if there is one.
            let head = if flags & 0x80 == 0 { 0 } else { 32 };
            end = end.saturating_sub(u64::from(u32::from_le_bytes([*a, *b, *c, *d])) + head);
        }
    }
    Ok(end)
}
