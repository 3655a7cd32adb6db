//! Worker: audio files decoded as a stream of samples.

use std::fs::File;
use std::io;
use std::path::Path;

use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream, ReadOnlySource};
use symphonia::core::meta::MetadataOptions;

use super::sun;

/// Why a file gives no sound.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The file can't be opened or read.
    #[error("the file can't be read: {0}")]
    Read(#[from] io::Error),
    /// Nothing in the file looks like audio.
    #[error("not an audio file")]
    NotAudio,
    /// A container without a track of sound.
    #[error("no audio track in it")]
    NoTrack,
    /// A kind of audio that isn't read.
    #[error("its kind of audio isn't supported ({0})")]
    Unsupported(String),
    /// It starts like audio, but no sample can be decoded.
    #[error("no sound could be decoded from it")]
    Empty,
}

/// A file's sound, decoded as it is asked for: the memory taken doesn't grow with the length.
pub struct Decoder {
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    sample_rate: u32,
    channels: usize,
    /// Frames that the file says it has.
    announced: Option<u64>,
    frames: u64,
    samples: Vec<f32>,
    /// Whether `samples` waits to be handed out.
    waiting: bool,
    damaged: bool,
    ended: bool,
}

/// Opens an audio file: WAV, AIFF, Sun (.au), FLAC, MP3, Ogg Vorbis or AAC (raw or in MP4), of any sample rate and
/// any number of channels. What it is, is told by its bytes, not by its name.
pub fn decode(path: &Path) -> Result<Decoder, DecodeError> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory).into());
    }
    let mut hint = Hint::new();
    let (source, is_cut): (Box<dyn MediaSource>, bool) = match sun::open(file)? {
        Ok(sun) => {
            hint.with_extension("aifc");
            (Box::new(ReadOnlySource::new(sun.stream)), sun.is_cut)
        }
        Err(file) => {
            if let Some(extension) = path.extension().and_then(|extension| extension.to_str()) {
                hint.with_extension(extension);
            }
            (Box::new(file), false)
        }
    };
    let stream = MediaSourceStream::new(source, Default::default());
    let format = symphonia::default::get_probe()
        .probe(&hint, stream, FormatOptions::default(), MetadataOptions::default())
        .map_err(|error| match error {
            Error::IoError(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
                DecodeError::Read(error)
            }
            _ => DecodeError::NotAudio,
        })?;
    let (track, announced, decoder) = open_track(&*format)?;
    let mut decoder = Decoder {
        format,
        decoder,
        track,
        sample_rate: 0,
        channels: 0,
        announced,
        frames: 0,
        samples: Vec::new(),
        waiting: false,
        damaged: is_cut,
        ended: false,
    };
    // Some containers don't know rate and channels before the first packet is decoded.
    decoder.waiting = decoder.advance();
    if !decoder.waiting {
        return Err(DecodeError::Empty);
    }
    Ok(decoder)
}

type Track = (u32, Option<u64>, Box<dyn AudioDecoder>);

fn open_track(format: &dyn FormatReader) -> Result<Track, DecodeError> {
    let track = format.default_track(TrackType::Audio).ok_or(DecodeError::NoTrack)?;
    let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio());
    let decoder = symphonia::default::get_codecs()
        .make_audio_decoder(
            parameters.ok_or(DecodeError::NoTrack)?,
            &AudioDecoderOptions::default(),
        )
        .map_err(|error| DecodeError::Unsupported(error.to_string()))?;
    Ok((track.id, track.num_frames, decoder))
}

impl Decoder {
    /// Frames a second, Hz.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Samples in a frame.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Duration that the file announces, seconds; `None` where it doesn't.
    pub fn announced_seconds(&self) -> Option<f64> {
        Some(self.announced? as f64 / f64::from(self.sample_rate))
    }

    /// Duration of what was handed out, seconds.
    pub fn seconds(&self) -> f64 {
        self.frames as f64 / f64::from(self.sample_rate)
    }

    /// Whether the sound was cut short or damaged: known once [`Self::next_chunk`] has returned none.
    pub fn is_damaged(&self) -> bool {
        let missing = |announced: u64| {
            // Encoders' padding and estimated lengths are off by a little.
            let slack = announced / 50 + u64::from(self.sample_rate) / 4;
            self.frames + slack < announced
        };
        self.damaged || (self.ended && self.announced.is_some_and(missing))
    }

    /// The next samples, interleaved, nominally -1…1; none at the end.
    pub fn next_chunk(&mut self) -> Option<&[f32]> {
        if !std::mem::take(&mut self.waiting) && !self.advance() {
            return None;
        }
        self.frames += (self.samples.len() / self.channels) as u64;
        Some(&self.samples)
    }

    /// Decodes up to the next packet with sound in it; false at the end.
    fn advance(&mut self) -> bool {
        while !self.ended {
            let packet = match self.format.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => break,
                Err(Error::ResetRequired) => {
                    // Another stream is chained to this one; it goes on if it is like this one.
                    let Ok((track, _, decoder)) = open_track(&*self.format) else { break };
                    (self.track, self.decoder, self.announced) = (track, decoder, None);
                    continue;
                }
                Err(_) => {
                    self.damaged = true;
                    break;
                }
            };
            if packet.track_id != self.track {
                continue;
            }
            let Ok(sound) = self.decoder.decode(&packet) else {
                // A damaged packet is left out; what follows may be whole.
                self.damaged = true;
                continue;
            };
            let (rate, channels) = (sound.spec().rate(), sound.spec().channels().count());
            if sound.frames() == 0 || rate == 0 || channels == 0 {
                continue;
            }
            if self.sample_rate == 0 {
                (self.sample_rate, self.channels) = (rate, channels);
            } else if (rate, channels) != (self.sample_rate, self.channels) {
                // The front end runs at one rate.
                self.damaged = true;
                break;
            }
            self.samples.resize(sound.samples_interleaved(), 0.0);
            sound.copy_to_slice_interleaved(&mut self.samples);
            return true;
        }
        self.ended = true;
        false
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn wav(folder: &Path, rate: u32, channels: u16, frames: u32) -> PathBuf {
        let path = folder.join("sound.wav");
        let spec = hound::WavSpec {
            channels,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&path, spec).unwrap();
        for n in 0..frames {
            for channel in 0..channels {
                writer.write_sample((n as i16 % 100) * 100 + channel as i16).unwrap();
            }
        }
        writer.finalize().unwrap();
        path
    }

    fn all(decoder: &mut Decoder) -> Vec<f32> {
        let mut samples = Vec::new();
        while let Some(chunk) = decoder.next_chunk() {
            samples.extend_from_slice(chunk);
        }
        samples
    }

    #[test]
    fn every_sample_of_a_wav_file_comes_out_at_any_rate_and_width() {
        let folder = tempfile::tempdir().unwrap();
        for (rate, channels) in [(8_000, 1), (22_050, 2), (48_000, 6), (192_000, 1)] {
            let mut decoder = decode(&wav(folder.path(), rate, channels, 10_000)).unwrap();
            assert_eq!((decoder.sample_rate(), decoder.channels()), (rate, usize::from(channels)));
            let samples = all(&mut decoder);
            assert_eq!(samples.len(), 10_000 * usize::from(channels));
            assert!((samples[usize::from(channels) * 7] - 700.0 / 32_768.0).abs() < 1e-6);
            assert!(!decoder.is_damaged());
        }
    }

    #[test]
    fn a_sun_file_sounds_like_the_same_samples_in_a_wav_file() {
        let folder = tempfile::tempdir().unwrap();
        let expected = all(&mut decode(&wav(folder.path(), 22_050, 2, 5_000)).unwrap());
        let path = folder.path().join("sound.au");
        // Header of 28 bytes: au(5) lets a remark stand between the words and the samples.
        let mut bytes: Vec<u8> = b".snd".to_vec();
        for word in [28, 20_000, 3, 22_050, 2, 0_u32] {
            bytes.extend(word.to_be_bytes());
        }
        bytes.extend(expected.iter().flat_map(|sample| ((sample * 32_768.0) as i16).to_be_bytes()));
        std::fs::write(&path, &bytes).unwrap();
        let mut decoder = decode(&path).unwrap();
        assert_eq!((decoder.sample_rate(), decoder.channels()), (22_050, 2));
        assert_eq!(all(&mut decoder), expected);
        assert!(!decoder.is_damaged());

        std::fs::write(&path, &bytes[..10_028]).unwrap();
        let mut decoder = decode(&path).unwrap();
        assert_eq!(all(&mut decoder), expected[..5_000]);
        assert!(decoder.is_damaged());
    }

    #[test]
    fn a_cut_file_gives_what_is_there_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = wav(folder.path(), 44_100, 2, 200_000);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let mut decoder = decode(&path).unwrap();
        let samples = all(&mut decoder);
        assert!((180_000..=200_000).contains(&samples.len()), "{}", samples.len());
        assert!(decoder.is_damaged());
    }

    #[test]
    fn what_is_no_audio_is_refused_in_its_own_words() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            decode(&path).err()
        };
        assert!(matches!(
            write("text.wav", b"X:1\nT:no sound\nK:D\nDEFG|\n"),
            Some(DecodeError::NotAudio)
        ));
        assert!(matches!(write("empty.mp3", b""), Some(DecodeError::NotAudio)));
        assert!(matches!(decode(Path::new("/no/such/file.wav")), Err(DecodeError::Read(_))));
        assert!(matches!(decode(folder.path()), Err(DecodeError::Read(_))));
        let path = wav(folder.path(), 44_100, 1, 0);
        assert!(matches!(decode(&path), Err(DecodeError::Empty)));
    }

    #[test]
    fn no_damage_makes_the_decoder_panic() {
        let folder = tempfile::tempdir().unwrap();
        let path = wav(folder.path(), 44_100, 2, 3_000);
        let whole = std::fs::read(&path).unwrap();
        for place in (0..whole.len()).step_by(7).take(60) {
            for value in [0x00, 0xff, 0x80] {
                let mut bytes = whole.clone();
                bytes[place] = value;
                std::fs::write(&path, &bytes).unwrap();
                if let Ok(mut decoder) = decode(&path) {
                    all(&mut decoder);
                }
            }
        }
    }
}
