//! Worker: Opus in more than two channels (RFC 7845): packets that hold several streams of one or two channels each.

use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::codecs::registry::RegisterableAudioDecoder;
use symphonia::core::packet::Packet;
use symphonia_adapter_libopus::OpusDecoder;

/// A decoder for each stream. Which speaker a stream is for means nothing to an ear that adds powers.
pub(super) struct Surround {
    streams: Vec<Box<dyn AudioDecoder>>,
    channels: usize,
}

impl Surround {
    /// Decoders for the streams that the header (`OpusHead`) tells of; none where it tells of none, or can't be right.
    pub(super) fn new(parameters: &AudioCodecParameters) -> Option<Self> {
        let head = parameters.extra_data.as_deref()?;
        let (&family, &streams, &coupled) = (head.get(18)?, head.get(19)?, head.get(20)?);
        if family == 0 || streams == 0 || coupled > streams {
            return None;
        }
        let streams = (0..streams).map(|stream| {
            let mut parameters = parameters.clone();
            parameters.with_channels(Channels::Discrete(if stream < coupled { 2 } else { 1 }));
            OpusDecoder::try_registry_new(&parameters, &AudioDecoderOptions::default()).ok()
        });
        let streams: Vec<_> = streams.collect::<Option<_>>()?;
        let channels = streams.len() + usize::from(coupled);
        Some(Self { streams, channels })
    }

    /// Decodes a packet into interleaved samples; how many channels, or none where the packet is damaged.
    pub(super) fn decode(&mut self, packet: &Packet, samples: &mut Vec<f32>) -> Option<usize> {
        let mut rest = &*packet.data;
        let last = self.streams.len().checked_sub(1)?;
        let (mut first, mut piece) = (0, Vec::new());
        samples.clear();
        for (index, decoder) in self.streams.iter_mut().enumerate() {
            let data = if index == last {
                rest.to_vec()
            } else {
                let (data, length) = undelimited(rest)?;
                rest = rest.get(length..)?;
                data
            };
            let mut part = packet.clone();
            part.data = data.into();
            let sound = decoder.decode(&part).ok()?;
            let (channels, frames) = (sound.spec().channels().count(), sound.frames());
            piece.resize(sound.samples_interleaved(), 0.0);
            sound.copy_to_slice_interleaved(&mut piece);
            if index == 0 {
                samples.resize(frames * self.channels, 0.0);
            }
            let places = samples.chunks_exact_mut(self.channels);
            for (place, frame) in places.zip(piece.chunks_exact(channels)) {
                place.get_mut(first..first + channels)?.copy_from_slice(frame);
            }
            first += channels;
        }
        Some(self.channels)
    }
}

/// The packet at the beginning of `bytes`, which tells its own length (RFC 6716, appendix B), as one that doesn't; and how
/// many bytes it took.
fn undelimited(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let length = |place: usize| {
        let first = usize::from(*bytes.get(place)?);
        if first < 252 {
            return Some((first, place + 1));
        }
        Some((first + 4 * usize::from(*bytes.get(place + 1)?), place + 2))
    };
    let contents = *bytes.first()?;
    let mut head = vec![contents];
    let (total, start) = match contents & 3 {
        0 => length(1)?,
        1 => {
            let (each, start) = length(1)?;
            (2 * each, start)
        }
        2 => {
            let (one, second) = length(1)?;
            let (other, start) = length(second)?;
            head.extend(&bytes[1..second]);
            (one + other, start)
        }
        _ => {
            let count = *bytes.get(1)?;
            let (mut place, mut padding) = (2, 0);
            if count & 0x40 != 0 {
                // Each byte of 255 stands for 254 and says that another follows (RFC 6716, section 3.2.5).
                let run = bytes.get(place..)?.iter().position(|&more| more < 255)?;
                padding = 254 * run + usize::from(bytes[place + run]);
                place += run + 1;
            }
            let frames = usize::from(count & 0x3f);
            let mut total = padding;
            if count & 0x80 != 0 {
                for _ in 1..frames {
                    let (each, next) = length(place)?;
                    (total, place) = (total + each, next);
                }
            }
            head.extend(&bytes[1..place]);
            let (last, start) = length(place)?;
            (total + if count & 0x80 != 0 { last } else { last * frames }, start)
        }
    };
    head.extend(bytes.get(start..start + total)?);
    Some((head, start + total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_that_tell_their_length_are_parted_from_what_follows() {
        // By the number of their frames and how their lengths are written: one, two alike, two, three of a length, three.
        for (packet, without, length) in [
            (&[0_u8, 2, 7, 8, 9][..], &[0_u8, 7, 8][..], 4),
            (&[1, 1, 7, 8, 9], &[1, 7, 8], 4),
            (&[2, 1, 2, 7, 8, 8, 9], &[2, 1, 7, 8, 8], 6),
            (&[3, 3, 1, 7, 8, 9, 0], &[3, 3, 7, 8, 9], 6),
            (&[3, 0x83, 1, 0, 2, 7, 9, 9, 5], &[3, 0x83, 1, 0, 7, 9, 9], 8),
            (&[3, 0x41, 2, 1, 7, 0, 0, 5], &[3, 0x41, 2, 7, 0, 0], 7),
        ] {
            assert_eq!(undelimited(packet), Some((without.to_vec(), length)), "{packet:?}");
            assert_eq!(undelimited(&packet[..length - 1]), None, "{packet:?} cut");
        }
    }
}
