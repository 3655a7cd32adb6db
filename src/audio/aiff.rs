//! Worker: AIFF and AIFF-C files (Apple Computer: AIFF 1.3, 1989; AIFF-C, draft of 1991).

use std::fs::File;

use super::chunks::{Chunks, Dialect, is_unknown};
use super::decode::DecodeError;
use super::plain::{Coding, Layout, Order};
use super::source::bytes_at;

/// The layout of a file that begins as an AIFF file does at `start`; none of another one.
pub(super) fn layout(file: &mut File, start: u64) -> Result<Option<Layout>, DecodeError> {
    let head = bytes_at(file, start, 12)?;
    let compressed = match (head.first_chunk::<4>(), head.get(8..12)) {
        (Some(b"FORM"), Some(b"AIFF")) => false,
        (Some(b"FORM"), Some(b"AIFC")) => true,
        _ => return Ok(None),
    };
    let whole = head.get(4..8).and_then(|size| size.try_into().ok()).map_or(0, u32::from_be_bytes);
    let mut chunks = Chunks::new(file, Dialect::Short(Order::Big), start + 12)?;
    let (mut common, mut data) = (None, None);
    while common.is_none() || data.is_none() {
        let Some(chunk) = chunks.next(&[*b"COMM", *b"SSND"])? else { break };
        match &chunk.name {
            b"COMM" if common.is_none() && chunk.size >= 18 => {
                common = Some(chunks.body(&chunk, 22)?)
            }
            b"SSND" if data.is_none() => data = Some(chunk),
            _ => {}
        }
    }
    let broken = |why: &str| DecodeError::Broken("AIFF", why.into());
    let common = common.ok_or_else(|| broken("it doesn't say how its samples are written"))?;
    let mut data = data.ok_or_else(|| broken("no samples are in it"))?;
    let (Some(&[a, b, f0, f1, f2, f3, c, d]), Some(&rate)) =
        (common.first_chunk::<8>(), common.get(8..).and_then(|rest| rest.first_chunk::<10>()))
    else {
        return Err(broken("its header is cut off"));
    };
    let (channels, frames, bits) = (
        u16::from_be_bytes([a, b]),
        u32::from_be_bytes([f0, f1, f2, f3]),
        u16::from_be_bytes([c, d]),
    );
    if channels == 0 {
        return Err(broken("it says that it has no channel"));
    }
    let compression =
        common.get(18..).and_then(|rest| rest.first_chunk::<4>()).filter(|_| compressed);
    let coding = coding(compression, bits.div_ceil(8))?;
    // Before the samples are eight bytes: how far from here they begin, and a block's size.
    let offset = chunks.body(&data, 4)?.try_into().map_or(0, u32::from_be_bytes);
    let offset = 8 + u64::from(offset).min(chunks.length().saturating_sub(data.start + 8));
    let (block, block_frames) = coding.block(channels).unwrap_or((1, 1));
    let meant = u64::from(frames).div_ceil(block_frames).saturating_mul(block);
    // Two places say how long it is. Where the chunk's size can't be, the count of frames is believed.
    let size = if is_unknown(data.size) && !is_unknown(frames.into()) {
        meant
    } else {
        data.size.saturating_sub(offset)
    };
    data.start += offset;
    let whole = Some(start + 8 + u64::from(whole)).filter(|_| !is_unknown(whole.into()));
    let (bytes, mut is_cut) = chunks.samples(&data, size, whole, block)?;
    // A header that was never gone back to counts no frames, or all that there could be.
    is_cut &= meant == 0 || meant > bytes.end - bytes.start;
    Ok(Some(Layout { coding, sample_rate: hertz(rate), channels, bytes, is_cut }))
}

fn coding(compression: Option<&[u8; 4]>, bytes: u16) -> Result<Coding, DecodeError> {
    let signed = |order| match bytes {
        1..=4 => Ok(Coding::Signed { bytes, order }),
        _ => Err(DecodeError::Unsupported(format!("samples of {bytes} bytes"))),
    };
    Ok(match compression {
        None | Some(b"NONE" | b"twos") => signed(Order::Big)?,
        Some(b"sowt") => signed(Order::Little)?,
        Some(b"raw ") => Coding::Unsigned8,
        Some(b"in24") => Coding::Signed { bytes: 3, order: Order::Big },
        Some(b"in32") => Coding::Signed { bytes: 4, order: Order::Big },
        Some(b"42ni") => Coding::Signed { bytes: 3, order: Order::Little },
        Some(b"23ni") => Coding::Signed { bytes: 4, order: Order::Little },
        Some(b"fl32" | b"FL32") => Coding::Float { bytes: 4, order: Order::Big },
        Some(b"fl64" | b"FL64") => Coding::Float { bytes: 8, order: Order::Big },
        Some(b"ulaw" | b"ULAW") => Coding::MuLaw,
        Some(b"alaw" | b"ALAW") => Coding::ALaw,
        Some(b"ima4") => Coding::AdpcmQuickTime,
        Some(other) => {
            let other = String::from_utf8_lossy(other);
            return Err(DecodeError::Unsupported(format!("AIFF-C of the kind {other:?}")));
        }
    })
}

/// An 80-bit float (sign and exponent, then 64 bits with the leading one written) as a whole number; 0 for what no sample
/// rate can be.
fn hertz(bytes: [u8; 10]) -> u32 {
    let [a, b, mantissa @ ..] = bytes;
    let exponent = i32::from(u16::from_be_bytes([a, b])) - 16_383;
    match exponent {
        0..=31 => (u64::from_be_bytes(mantissa) >> (63 - exponent)) as u32,
        32..16_385 => u32::MAX,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_the_format_writes_them() {
        assert_eq!(hertz([0x40, 0x0e, 0xac, 0x44, 0, 0, 0, 0, 0, 0]), 44_100);
        assert_eq!(hertz([0x40, 0x0e, 0xbb, 0x80, 0, 0, 0, 0, 0, 0]), 48_000);
        assert_eq!(hertz([0x3f, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0]), 1);
        assert_eq!(hertz([0xbf, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0]), 0);
        assert_eq!(hertz([0x7f, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0]), u32::MAX);
    }
}
