//! Worker: samples that lie in a file one after another, as containers of the WAV kind hold them.

use std::io::Read;
use std::ops::Range;

use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_ADPCM_IMA_QT, CODEC_ID_ADPCM_IMA_WAV, CODEC_ID_ADPCM_MS, CODEC_ID_PCM_ALAW,
    CODEC_ID_PCM_F32BE, CODEC_ID_PCM_F32LE, CODEC_ID_PCM_F64BE, CODEC_ID_PCM_F64LE,
    CODEC_ID_PCM_MULAW, CODEC_ID_PCM_S8, CODEC_ID_PCM_S16BE, CODEC_ID_PCM_S16LE,
    CODEC_ID_PCM_S24BE, CODEC_ID_PCM_S24LE, CODEC_ID_PCM_S32BE, CODEC_ID_PCM_S32LE,
    CODEC_ID_PCM_U8,
};
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters};
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

use super::source::Extent;

/// Frames that are decoded at once, at most.
const FRAMES: u64 = 4_096;
/// Bytes that are decoded at once, at most, unless a single block is longer.
const BYTES: u64 = 1 << 18;

/// Where a file's samples lie and how they are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub coding: Coding,
    /// Hz.
    pub sample_rate: u32,
    pub channels: u16,
    /// The bytes of the file that hold them.
    pub bytes: Range<u64>,
    /// Whether fewer are there than were meant to be.
    pub is_cut: bool,
}

/// How samples are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// Numbers, a frame after the other: of signed or unsigned integers, of floats, or by a telephone's law.
    Signed {
        bytes: u16,
        order: Order,
    },
    Unsigned8,
    Float {
        bytes: u16,
        order: Order,
    },
    ALaw,
    MuLaw,
    /// Steps of four bits in blocks of so many bytes.
    AdpcmMicrosoft {
        block: u32,
    },
    AdpcmIma {
        block: u32,
    },
    AdpcmQuickTime,
    /// Frames of MPEG audio.
    Mpeg,
}

/// Which byte of a number comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Coding {
    /// What the decoder calls it.
    fn codec(self) -> Option<AudioCodecId> {
        Some(match self {
            Self::Signed { bytes, order } => match (bytes, order) {
                (1, _) => CODEC_ID_PCM_S8,
                (2, Order::Little) => CODEC_ID_PCM_S16LE,
                (2, Order::Big) => CODEC_ID_PCM_S16BE,
                (3, Order::Little) => CODEC_ID_PCM_S24LE,
                (3, Order::Big) => CODEC_ID_PCM_S24BE,
                (4, Order::Little) => CODEC_ID_PCM_S32LE,
                (4, Order::Big) => CODEC_ID_PCM_S32BE,
                _ => return None,
            },
            Self::Float { bytes, order } => match (bytes, order) {
                (4, Order::Little) => CODEC_ID_PCM_F32LE,
                (4, Order::Big) => CODEC_ID_PCM_F32BE,
                (8, Order::Little) => CODEC_ID_PCM_F64LE,
                (8, Order::Big) => CODEC_ID_PCM_F64BE,
                _ => return None,
            },
            Self::Unsigned8 => CODEC_ID_PCM_U8,
            Self::ALaw => CODEC_ID_PCM_ALAW,
            Self::MuLaw => CODEC_ID_PCM_MULAW,
            Self::AdpcmMicrosoft { .. } => CODEC_ID_ADPCM_MS,
            Self::AdpcmIma { .. } => CODEC_ID_ADPCM_IMA_WAV,
            Self::AdpcmQuickTime => CODEC_ID_ADPCM_IMA_QT,
            Self::Mpeg => return None,
        })
    }

    /// Bytes and frames of the shortest piece that can be decoded by itself; none where there is no such.
    pub(super) fn block(self, channels: u16) -> Option<(u64, u64)> {
        let channels = u64::from(channels);
        // Each channel has a head of so many bytes in a block, and so many frames are in the head.
        let steps = |block: u32, head: u64, first: u64| {
            let steps = u64::from(block).checked_sub(head * channels)?;
            Some((u64::from(block), steps * 2 / channels + first))
        };
        match self {
            _ if channels == 0 => None,
            Self::Signed { bytes, .. } | Self::Float { bytes, .. } => {
                Some((u64::from(bytes) * channels, 1))
            }
            Self::Unsigned8 | Self::ALaw | Self::MuLaw => Some((channels, 1)),
            Self::AdpcmMicrosoft { block } => steps(block, 7, 2),
            Self::AdpcmIma { block } => steps(block, 4, 1),
            Self::AdpcmQuickTime => Some((34 * channels, 64)),
            Self::Mpeg => None,
        }
    }
}

/// Hands a layout's samples out as packets for a decoder.
pub(super) struct Packets {
    bytes: Extent,
    block: (u64, u64),
    left: u64,
    now: i64,
}

impl Packets {
    /// The packets of `layout`, whose bytes are those of `bytes`, and what their decoder must know; none where no decoder
    /// knows such samples.
    pub(super) fn new(layout: &Layout, bytes: Extent) -> Option<(Self, AudioCodecParameters)> {
        let block = layout.coding.block(layout.channels)?;
        let packets =
            Self { bytes, block, left: (layout.bytes.end - layout.bytes.start) / block.0, now: 0 };
        let mut parameters = AudioCodecParameters::new();
        parameters
            .for_codec(layout.coding.codec()?)
            .with_sample_rate(layout.sample_rate)
            .with_channels(Channels::Discrete(layout.channels))
            .with_max_frames_per_packet(packets.blocks() * block.1)
            .with_frames_per_block(block.1);
        Some((packets, parameters))
    }

    /// Blocks in a packet, at most.
    fn blocks(&self) -> u64 {
        (BYTES / self.block.0).min(FRAMES / self.block.1).max(1)
    }

    /// The next packet; none at the end.
    pub(super) fn next(&mut self) -> std::io::Result<Option<Packet>> {
        let blocks = self.blocks().min(self.left);
        if blocks == 0 {
            return Ok(None);
        }
        let mut data = vec![0; (blocks * self.block.0) as usize];
        self.bytes.read_exact(&mut data)?;
        self.left -= blocks;
        let frames = blocks * self.block.1;
        let start = Timestamp::new(self.now);
        self.now = self.now.saturating_add_unsigned(frames);
        Ok(Some(Packet::new(0, start, Duration::new(frames), data)))
    }
}
