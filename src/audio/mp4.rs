//! Worker: what must be known of MP4 files before they are read (ISO/IEC 14496-12, 14496-3).

use std::fs::File;
use std::io;

use super::source::bytes_at;

/// Boxes that are looked at, at most.
const BOXES: usize = 100_000;

/// Whether a file begins with a box that MP4 files begin with.
pub(super) fn is_like(head: &[u8]) -> bool {
    matches!(
        head.get(4..8),
        Some(b"ftyp" | b"moov" | b"mdat" | b"free" | b"skip" | b"wide" | b"pnot" | b"styp")
    )
}

/// Whether the last box on the outermost level ends behind the file's end. Readers that go back and forth refuse such a
/// file; read forwards, it gives what is there, if its index stands in front.
pub(super) fn is_cut(file: &mut File) -> io::Result<bool> {
    let length = file.metadata()?.len();
    let mut place = 0;
    for _ in 0..BOXES {
        let head = bytes_at(file, place, 16)?;
        let size = match (head.first_chunk::<4>(), head.get(8..16)) {
            (Some([0, 0, 0, 1]), Some(long)) => {
                long.try_into().map_or(0, u64::from_be_bytes).max(16)
            }
            (Some(&size), _) if u32::from_be_bytes(size) >= 8 => u32::from_be_bytes(size).into(),
            // To the file's end.
            (Some([0, 0, 0, 0]), _) => return Ok(false),
            _ => return Ok(true),
        };
        place = place.saturating_add(size);
        if place >= length {
            break;
        }
    }
    Ok(place > length)
}

/// The configuration of the AAC core (AudioSpecificConfig) of a stream whose upper half, or second channel, is made by
/// SBR or PS: that half is not decoded here, the core by itself is sound. None where there is nothing to leave out.
pub(super) fn aac_core(configuration: &[u8]) -> Option<[u8; 2]> {
    const LOW_COMPLEXITY: u16 = 2;
    const SBR: u16 = 5;
    const PS: u16 = 29;
    let &[a, b, ..] = configuration else { return None };
    let bits = u16::from_be_bytes([a, b]);
    let (kind, rate, channels) = (bits >> 11, bits >> 7 & 15, bits >> 3 & 15);
    // Rates that are written out in full are left as they are.
    let is_layered =
        matches!(kind, SBR | PS) || (kind == LOW_COMPLEXITY && configuration.len() > 2);
    if !is_layered || rate == 15 {
        return None;
    }
    let frame = if kind == LOW_COMPLEXITY { bits & 4 } else { 0 };
    Some((LOW_COMPLEXITY << 11 | rate << 7 | channels << 3 | frame).to_be_bytes())
}
