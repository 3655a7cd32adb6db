//! Worker: WAV files and what came of them for long and foreign ones: RIFF, RIFX, RF64 (EBU Tech 3306), BW64
//! (ITU-R BS.2088), Wave64.

use std::fs::File;

use super::chunks::{Chunks, Dialect, is_unknown};
use super::decode::DecodeError;
use super::plain::{Coding, Layout, Order};
use super::source::bytes_at;

/// The layout of a file that begins as a WAV file does at `start`; none of another one.
pub(super) fn layout(file: &mut File, start: u64) -> Result<Option<Layout>, DecodeError> {
    let head = bytes_at(file, start, 40)?;
    let is_wave = head.get(8..12) == Some(b"WAVE");
    let (order, dialect, body, whole) = match head.first_chunk::<4>() {
        Some(b"RIFF" | b"RF64" | b"BW64") if is_wave => {
            (Order::Little, Dialect::Short(Order::Little), 12, size_of(&head, u32::from_le_bytes))
        }
        Some(b"RIFX") if is_wave => {
            (Order::Big, Dialect::Short(Order::Big), 12, size_of(&head, u32::from_be_bytes))
        }
        Some(b"riff") if head.get(24..28) == Some(b"wave") => {
            (Order::Little, Dialect::Wave64, 40, None)
        }
        Some(b"RIFF" | b"RIFX") => {
            let kind = String::from_utf8_lossy(head.get(8..12).unwrap_or_default()).into_owned();
            return Err(DecodeError::Unsupported(format!("a RIFF file of the kind {kind:?}")));
        }
        _ => return Ok(None),
    };
    let mut whole = whole.map(|size| start + 8 + u64::from(size));
    let mut chunks = Chunks::new(file, dialect, start + body)?;
    let (mut form, mut data, mut long) = (None, None, None);
    while form.is_none() || data.is_none() {
        let Some(chunk) = chunks.next(&[*b"fmt ", *b"data"])? else { break };
        match &chunk.name {
            // A stump of a format says nothing; another one may follow.
            b"fmt " if form.is_none() && chunk.size >= 14 => form = Some(chunks.body(&chunk, 40)?),
            b"data" if data.is_none() => data = Some(chunk),
            b"ds64" => {
                let body = chunks.body(&chunk, 16)?;
                let word = |place: usize| {
                    body.get(place..place + 8)?.try_into().ok().map(u64::from_le_bytes)
                };
                (whole, long) =
                    (word(0).map(|size| start.saturating_add(8).saturating_add(size)), word(8));
            }
            _ => {}
        }
    }
    let broken = |why: &str| DecodeError::Broken("WAV", why.into());
    let form = form.ok_or_else(|| broken("it doesn't say how its samples are written"))?;
    let data = data.ok_or_else(|| broken("no samples are in it"))?;
    let format = Format::read(&form, order);
    let coding = format.coding(order)?;
    let size = match long {
        // The 32 bits of the chunk itself are all ones then.
        Some(long) if data.size >= u64::from(u32::MAX) || data.size == 0 => long,
        _ => data.size,
    };
    let whole = whole.filter(|whole| !is_unknown(whole.saturating_sub(start + 8)));
    let frame = coding.block(format.channels).map_or(1, |block| block.0);
    let (bytes, is_cut) = chunks.samples(&data, size, whole, frame)?;
    Ok(Some(Layout {
        coding,
        sample_rate: format.sample_rate,
        channels: format.channels,
        bytes,
        is_cut,
    }))
}

fn size_of(head: &[u8], number: fn([u8; 4]) -> u32) -> Option<u32> {
    head.get(4..8)?.try_into().ok().map(number)
}

/// WAVEFORMATEX, as far as it matters.
struct Format {
    tag: u16,
    channels: u16,
    sample_rate: u32,
    /// Bytes of a frame, or of a block where samples come in blocks.
    block: u16,
    bits: u16,
}

impl Format {
    fn read(bytes: &[u8], order: Order) -> Self {
        let short = |place: usize| {
            let two =
                bytes.get(place..place + 2).and_then(|two| two.try_into().ok()).unwrap_or([0; 2]);
            match order {
                Order::Little => u16::from_le_bytes(two),
                Order::Big => u16::from_be_bytes(two),
            }
        };
        let (low, high) = match order {
            Order::Little => (short(4), short(6)),
            Order::Big => (short(6), short(4)),
        };
        // WAVE_FORMAT_EXTENSIBLE: the tag is the beginning of a GUID.
        let tag = match short(0) {
            0xfffe if bytes.len() >= 26 => short(24),
            tag => tag,
        };
        Self {
            tag,
            channels: short(2),
            sample_rate: u32::from(high) << 16 | u32::from(low),
            block: short(12),
            bits: short(14),
        }
    }

    /// Bytes of one sample: by the frame's, where those make sense, else by the bits.
    fn sample(&self) -> u16 {
        let by_bits = self.bits.div_ceil(8);
        let by_frame = self.block.checked_div(self.channels).unwrap_or(0);
        let is_sound = (by_bits..=8).contains(&by_frame) && by_frame * self.channels == self.block;
        if is_sound && by_frame > 0 { by_frame } else { by_bits }
    }

    fn coding(&self, order: Order) -> Result<Coding, DecodeError> {
        let unsupported = |what: String| Err(DecodeError::Unsupported(what));
        let block = u32::from(self.block);
        Ok(match (self.tag, self.sample()) {
            _ if self.channels == 0 => {
                return Err(DecodeError::Broken("WAV", "it says that it has no channel".into()));
            }
            (1 | 0xfffe, 1) => Coding::Unsigned8,
            (1 | 0xfffe, bytes @ 2..=4) => Coding::Signed { bytes, order },
            (3, bytes @ (4 | 8)) => Coding::Float { bytes, order },
            (6, _) => Coding::ALaw,
            (7, _) => Coding::MuLaw,
            (2 | 0x11, _) if self.channels > 2 => {
                return unsupported(format!("ADPCM in {} channels", self.channels));
            }
            (2, _) => Coding::AdpcmMicrosoft { block },
            (0x11, _) => Coding::AdpcmIma { block },
            (0x50 | 0x55, _) => Coding::Mpeg,
            (1 | 3 | 0xfffe, _) => return unsupported(format!("samples of {} bits", self.bits)),
            (tag, _) => return unsupported(format!("WAV format 0x{tag:04x}")),
        })
    }
}
