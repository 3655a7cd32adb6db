//! Worker: Sun audio files (`.au`, `.snd`), the form in which GTZAN is handed out.
//!
//! Their samples lie in the file as those of an AIFF-C file do, big-endian and interleaved; so the decoder is given
//! an AIFF-C header in place of theirs. The header is that of au(5): six big-endian words, `.snd`, offset of
//! the samples, their bytes, encoding, sample rate, channels.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};

/// A Sun file in an AIFF-C file's clothes.
pub(super) struct Sun {
    /// The whole, ready to be read from its first byte.
    pub stream: io::Chain<Cursor<Vec<u8>>, io::Take<File>>,
    /// Whether fewer samples are there than the header promises.
    pub is_cut: bool,
}

/// Takes a file that begins as a Sun audio file does; another one is handed back, at its first byte.
pub(super) fn open(mut file: File) -> io::Result<Result<Sun, File>> {
    let mut head = Vec::new();
    (&mut file).take(24).read_to_end(&mut head)?;
    let word = |index: usize| match head.get(4 * index..4 * index + 4) {
        Some(&[a, b, c, d]) => u32::from_be_bytes([a, b, c, d]),
        _ => 0,
    };
    let (offset, announced, rate, channels) = (word(1), word(2), word(4), word(5));
    let kind: Option<(&[u8; 4], u16)> = match word(3) {
        1 => Some((b"ulaw", 8)),
        2 => Some((b"NONE", 8)),
        3 => Some((b"NONE", 16)),
        4 => Some((b"in24", 24)),
        5 => Some((b"in32", 32)),
        6 => Some((b"fl32", 32)),
        7 => Some((b"fl64", 64)),
        27 => Some((b"alaw", 8)),
        _ => None,
    };
    let (Some((compression, bits)), true, 1..=256) = (kind, head.starts_with(b".snd"), channels)
    else {
        file.seek(SeekFrom::Start(0))?;
        return Ok(Err(file));
    };
    let there = file.metadata()?.len().saturating_sub(u64::from(offset));
    let frame = u64::from(channels) * u64::from(bits / 8);
    // A length of all ones means that the writer did not know it.
    let promised = if announced == u32::MAX { there } else { u64::from(announced) };
    // AIFF's lengths have 32 bits; what is beyond them, more than an hour of 192 kHz, is not heard.
    let frames = promised.min(there).min(u64::from(u32::MAX) - 4_096) / frame;
    let header = aiff_header(compression, bits, channels as u16, rate, frames as u32, frame);
    file.seek(SeekFrom::Start(offset.into()))?;
    let stream = Cursor::new(header).chain(file.take(frames * frame));
    Ok(Ok(Sun { stream, is_cut: promised > there }))
}

/// FORM, COMM and the start of SSND (Apple Computer: AIFF-C, draft of 1991).
fn aiff_header(
    compression: &[u8; 4],
    bits: u16,
    channels: u16,
    rate: u32,
    frames: u32,
    frame: u64,
) -> Vec<u8> {
    let data = (u64::from(frames) * frame) as u32;
    let mut common = Vec::new();
    common.extend(channels.to_be_bytes());
    common.extend(frames.to_be_bytes());
    common.extend(bits.to_be_bytes());
    common.extend(extended(rate));
    common.extend(compression);
    common.extend([0, 0]); // no name
    let mut header = b"FORM".to_vec();
    header.extend((4 + 8 + common.len() as u32 + 8 + 8 + data).to_be_bytes());
    header.extend(b"AIFCCOMM");
    header.extend((common.len() as u32).to_be_bytes());
    header.extend(common);
    header.extend(b"SSND");
    header.extend((8 + data).to_be_bytes());
    header.extend([0; 8]);
    header
}

/// A whole number as an 80-bit float: sign and exponent, then 64 bits with the leading one written.
fn extended(value: u32) -> [u8; 10] {
    let mut bytes = [0; 10];
    if value > 0 {
        let top = 63 - u64::from(value).leading_zeros();
        bytes[..2].copy_from_slice(&(16_383 + top as u16).to_be_bytes());
        bytes[2..].copy_from_slice(&(u64::from(value) << (63 - top)).to_be_bytes());
    }
    bytes
}
