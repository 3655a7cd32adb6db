//! Worker: Sun audio files (`.au`, `.snd`), the form in which GTZAN is handed out.
//!
//! The header is that of au(5): `.snd` and five big-endian words, offset of the samples, their bytes, encoding, sample
//! rate, channels. Digital's `dns.` is the same the other way round.

use std::fs::File;

use super::chunks::is_unknown;
use super::decode::DecodeError;
use super::plain::{Coding, Layout, Order};
use super::source::bytes_at;

/// The layout of a file that begins as a Sun file does at `start`; none of another one.
pub(super) fn layout(file: &mut File, start: u64) -> Result<Option<Layout>, DecodeError> {
    let head = bytes_at(file, start, 24)?;
    let order = match head.first_chunk::<4>() {
        Some(b".snd") => Order::Big,
        Some(b"dns.") => Order::Little,
        _ => return Ok(None),
    };
    let broken = |why: &str| DecodeError::Broken("AU", why.into());
    let word = |index: usize| {
        let bytes = head.get(4 * index..4 * index + 4).and_then(|bytes| bytes.try_into().ok());
        let bytes = bytes.ok_or_else(|| broken("its header is cut off"))?;
        Ok::<u32, DecodeError>(match order {
            Order::Big => u32::from_be_bytes(bytes),
            Order::Little => u32::from_le_bytes(bytes),
        })
    };
    let (offset, announced, kind, sample_rate) =
        (word(1)?, u64::from(word(2)?), word(3)?, word(4)?);
    let channels = match u16::try_from(word(5)?) {
        Ok(0) => return Err(broken("it says that it has no channel")),
        Ok(channels) => channels,
        Err(_) => return Err(DecodeError::Unsupported("more than 65,535 channels".into())),
    };
    let coding = match kind {
        1 => Coding::MuLaw,
        bytes @ 2..=5 => Coding::Signed { bytes: bytes as u16 - 1, order },
        6 => Coding::Float { bytes: 4, order },
        7 => Coding::Float { bytes: 8, order },
        27 => Coding::ALaw,
        other => return Err(DecodeError::Unsupported(format!("AU encoding {other}"))),
    };
    let end = file.metadata()?.len();
    // Samples can't begin within the header, nor behind the file's end.
    let offset = if offset < 24 || start + u64::from(offset) > end { 24 } else { offset };
    let first = (start + u64::from(offset)).min(end);
    let frame = coding.block(channels).map_or(1, |block| block.0);
    // Nothing comes after the samples, so that all that is there is sound, whatever the header says.
    let is_cut = !is_unknown(announced) && announced >= end - first + frame;
    Ok(Some(Layout { coding, sample_rate, channels, bytes: first..end, is_cut }))
}
