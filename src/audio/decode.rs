//! Worker: audio files decoded as a stream of samples.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Once};

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_AAC, CODEC_ID_MP1, CODEC_ID_MP2, CODEC_ID_MP3, CODEC_ID_OPUS,
};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::codecs::registry::CodecRegistry;
use symphonia::core::errors::{Error, Result as SymphoniaResult};
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;
use symphonia::core::units::Duration;
use symphonia_adapter_libopus::OpusDecoder;

use super::opus::Surround;
use super::plain::{Coding, Layout, Packets};
use super::source::{self, Extent, bytes_at};
use super::{aiff, mp4, mpeg, sun, wave};

/// Sample rates that sound can have, Hz. Others are a header's mistake, and what is heard at them would be anything.
const RATES: std::ops::RangeInclusive<u32> = 1_000..=1_536_000;
/// Channels that are heard, at most.
const MOST_CHANNELS: usize = 1_024;

/// Why a file gives no sound.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The file can't be opened or read.
    #[error("the file can't be read: {0}")]
    Read(#[from] io::Error),
    /// Nothing in the file looks like audio.
    #[error("not an audio file")]
    NotAudio,
    /// A file of a kind that is read, whose header is too damaged.
    #[error("a broken {0} file: {1}")]
    Broken(&'static str, String),
    /// A sample rate that can't be, Hz.
    #[error("its sample rate of {0} Hz can't be right")]
    Rate(u32),
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

static CODECS: LazyLock<CodecRegistry> = LazyLock::new(|| {
    let mut codecs = CodecRegistry::new();
    symphonia::default::register_enabled_codecs(&mut codecs);
    codecs.register_audio_decoder::<OpusDecoder>();
    codecs
});

thread_local! {
    /// Whether a library reads a file on this thread.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs what reads a file's bytes in a library; none where it panics, as some do on files that are damaged in rare ways.
/// Nobody is told then, as the file's damage is.
fn guarded<T>(job: impl FnOnce() -> T) -> Option<T> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !GUARDED.get() {
                report(panic);
            }
        }));
    });
    GUARDED.set(true);
    let done = std::panic::catch_unwind(AssertUnwindSafe(job));
    GUARDED.set(false);
    done.ok()
}

/// A file's sound, decoded as it is asked for: the memory taken doesn't grow with the length.
pub struct Decoder {
    from: From,
    decoder: Coder,
    parameters: AudioCodecParameters,
    track: u32,
    sample_rate: u32,
    channels: usize,
    /// Seconds that the file says it has.
    announced: Option<f64>,
    seconds: f64,
    /// Bytes that were read, and all that there are.
    reached: (Arc<AtomicU64>, u64),
    /// The kind of the frames of MPEG audio, and one that was read ahead.
    kind: Option<mpeg::Kind>,
    ahead: Option<Packet>,
    samples: Vec<f32>,
    /// Whether `samples` waits to be handed out.
    waiting: bool,
    damaged: bool,
    /// Why a part of it can't be heard.
    unheard: Option<String>,
    ended: bool,
}

/// What makes samples of packets.
enum Coder {
    One(Box<dyn AudioDecoder>),
    Surround(Surround),
}

impl Coder {
    /// Puts a packet's samples into `samples`, interleaved; its rate and channels, or none where it is damaged.
    fn decode(&mut self, packet: &Packet, samples: &mut Vec<f32>) -> Option<(u32, usize)> {
        guarded(|| self.decode_unguarded(packet, samples))?
    }

    fn decode_unguarded(
        &mut self,
        packet: &Packet,
        samples: &mut Vec<f32>,
    ) -> Option<(u32, usize)> {
        match self {
            Self::One(decoder) => {
                let sound = decoder.decode(packet).ok()?;
                samples.resize(sound.samples_interleaved(), 0.0);
                sound.copy_to_slice_interleaved(&mut *samples);
                Some((sound.spec().rate(), sound.spec().channels().count()))
            }
            Self::Surround(decoder) => {
                let channels = decoder.decode(packet, samples)?;
                Some((48_000, channels))
            }
        }
    }
}

/// A piece of a file's sound.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// Samples, interleaved, nominally -1…1.
    pub samples: &'a [f32],
    /// Samples in a frame; files that were joined may change it from chunk to chunk.
    pub channels: usize,
    /// Frames a second, Hz; files that were joined may change it from chunk to chunk.
    pub sample_rate: u32,
}

/// What packets come from.
enum From {
    Plain(Packets),
    Container(Box<dyn FormatReader>),
}

impl From {
    fn next(&mut self) -> SymphoniaResult<Option<Packet>> {
        match self {
            Self::Plain(packets) => packets.next().map_err(Error::IoError),
            Self::Container(format) => guarded(|| format.next_packet())
                .unwrap_or(Err(Error::DecodeError("the file's reader fails on it"))),
        }
    }
}

/// Opens an audio file: WAV (RF64, BW64 and Wave64 too), AIFF, Sun (.au), FLAC, ALAC, MP3, Ogg Vorbis, Opus or AAC (raw or in
/// MP4), of any sample rate that sound can have and up to 1,024 channels. What it is, is told by its bytes, not by its name.
/// A pipe is read to its end first.
pub fn decode(path: &Path) -> Result<Decoder, DecodeError> {
    let mut file = source::open(path)?;
    let start = mpeg::tag_end(&mut file)?;
    let mut layout = wave::layout(&mut file, start)?;
    if layout.is_none() {
        layout = aiff::layout(&mut file, start)?;
    }
    if layout.is_none() {
        layout = sun::layout(&mut file, start)?;
    }
    let mut decoder = match layout {
        Some(layout) => of_layout(file, &layout)?,
        None => of_container(file, start)?,
    };
    // Some containers don't know rate and channels before the first packet is decoded.
    decoder.waiting = decoder.advance();
    if !decoder.waiting {
        return Err(match decoder.parameters.sample_rate {
            Some(rate) if !RATES.contains(&rate) => DecodeError::Rate(rate),
            _ => DecodeError::Empty,
        });
    }
    Ok(decoder)
}

fn of_layout(file: File, layout: &Layout) -> Result<Decoder, DecodeError> {
    if !RATES.contains(&layout.sample_rate) {
        return Err(DecodeError::Rate(layout.sample_rate));
    }
    if usize::from(layout.channels) > MOST_CHANNELS {
        return Err(DecodeError::Unsupported(format!("{} channels", layout.channels)));
    }
    let extent = Extent::new(file, layout.bytes.clone())?;
    if layout.coding == Coding::Mpeg {
        let mut decoder = of_stream(extent.forwards(), "WAV")?;
        decoder.damaged = layout.is_cut;
        return Ok(decoder);
    }
    let reached = extent.reached();
    let unsupported = || DecodeError::Unsupported("its samples' size".into());
    let (packets, parameters) = Packets::new(layout, extent).ok_or_else(unsupported)?;
    let decoder = make_decoder(&parameters)?;
    let mut decoder = Decoder::new(From::Plain(packets), decoder, parameters, 0, reached);
    decoder.damaged = layout.is_cut;
    Ok(decoder)
}

fn of_container(mut file: File, start: u64) -> Result<Decoder, DecodeError> {
    let head = bytes_at(&mut file, start, 16)?;
    if let Some(name) = foreign(&head) {
        return Err(DecodeError::Unsupported(name.into()));
    }
    let length = file.metadata()?.len();
    let name = match head.as_slice() {
        _ if mp4::is_like(&head) => "MP4",
        [b'c', b'a', b'f', b'f', ..] => "CAF",
        [0x1a, 0x45, 0xdf, 0xa3, ..] => "Matroska",
        [b'O', b'g', b'g', b'S', ..] => "Ogg",
        [b'f', b'L', b'a', b'C', ..] => "FLAC",
        _ if start > 0 => "MP3",
        // Two bytes of a frame are no name.
        _ => "",
    };
    if matches!(name, "MP4" | "CAF" | "Matroska") {
        // What tells where the sound lies may stand behind it. A file that was cut is refused then, or ends unnoticed; read
        // forwards, it gives what is there, if it was told in front.
        let is_cut = name == "MP4" && mp4::is_cut(&mut file)?;
        if is_cut {
            return of_stream(Extent::new(file, 0..length)?.forwards(), name);
        }
        let whole = of_stream(Extent::new(file.try_clone()?, 0..length)?, name);
        return match whole {
            Err(DecodeError::Broken(..)) => {
                of_stream(Extent::new(file, 0..length)?.forwards(), name).or(whole)
            }
            other => other,
        };
    }
    // A reader that may look for the end believes in it: an Ogg file without is refused, and an MP3 file's length guessed.
    let end = if name == "Ogg" { length } else { mpeg::tags_start(&mut file)? };
    of_stream(Extent::new(file, 0..end)?.forwards(), name)
}

/// What a file is by its first bytes, if it is one of the kinds that people ask for and that are not read.
fn foreign(head: &[u8]) -> Option<&'static str> {
    const KINDS: [(&[u8], &str); 10] = [
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "Windows Media"),
        (b"MAC ", "Monkey's Audio"),
        (b"wvpk", "WavPack"),
        (b"MPCK", "Musepack"),
        (b"MP+", "Musepack"),
        (b"TTA1", "True Audio"),
        (b"DSD ", "DSD"),
        (b"FRM8", "DSD"),
        (b"#!AMR", "AMR"),
        (b".RMF", "RealMedia"),
    ];
    KINDS.iter().find(|(bytes, _)| head.starts_with(bytes)).map(|kind| kind.1)
}

/// `name` is what the file is by its first bytes, or nothing.
fn of_stream(extent: Extent, name: &'static str) -> Result<Decoder, DecodeError> {
    let reached = extent.reached();
    let stream = MediaSourceStream::new(Box::new(extent), Default::default());
    let probe = || {
        let (format, meta) = (FormatOptions::default(), MetadataOptions::default());
        symphonia::default::get_probe().probe(&Hint::new(), stream, format, meta)
    };
    let format = guarded(probe)
        .unwrap_or(Err(Error::DecodeError("the file's reader fails on it")))
        .map_err(|error| match error {
            Error::IoError(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
                DecodeError::Read(error)
            }
            _ if name.is_empty() => DecodeError::NotAudio,
            Error::Unsupported(what) if what.contains("moov") => {
                DecodeError::Broken(name, "the index behind its sound is missing".into())
            }
            _ => DecodeError::Broken(name, "its header can't be read".into()),
        })?;
    let track = open_track(&*format)?;
    let mut decoder =
        Decoder::new(From::Container(format), track.decoder, track.parameters, track.id, reached);
    decoder.announced = track.announced;
    Ok(decoder)
}

struct Track {
    id: u32,
    announced: Option<f64>,
    parameters: AudioCodecParameters,
    decoder: Coder,
}

fn open_track(format: &dyn FormatReader) -> Result<Track, DecodeError> {
    let track = format.default_track(TrackType::Audio).ok_or(DecodeError::NoTrack)?;
    let Some(CodecParameters::Audio(parameters)) = &track.codec_params else {
        return Err(DecodeError::NoTrack);
    };
    let mut parameters = parameters.clone();
    let announced = track.num_frames.zip(parameters.sample_rate);
    if parameters.codec == CODEC_ID_AAC
        && let Some(core) = parameters.extra_data.as_deref().and_then(mp4::aac_core)
    {
        parameters.extra_data = Some(core.into());
    }
    let decoder = make_decoder(&parameters)?;
    Ok(Track {
        id: track.id,
        announced: announced.map(|(frames, rate)| frames as f64 / f64::from(rate.max(1))),
        parameters,
        decoder,
    })
}

fn make_decoder(parameters: &AudioCodecParameters) -> Result<Coder, DecodeError> {
    let channels = parameters.channels.as_ref().map_or(0, |channels| channels.count());
    if parameters.codec == CODEC_ID_OPUS
        && channels > 2
        && let Some(surround) = Surround::new(parameters)
    {
        return Ok(Coder::Surround(surround));
    }
    let make = || CODECS.make_audio_decoder(parameters, &AudioDecoderOptions::default());
    match guarded(make).unwrap_or(Err(Error::DecodeError("its decoder fails on it"))) {
        Ok(decoder) => Ok(Coder::One(decoder)),
        Err(_) if parameters.codec == CODEC_ID_AAC && channels > 2 => {
            Err(DecodeError::Unsupported(format!("AAC in {channels} channels")))
        }
        Err(error) => Err(DecodeError::Unsupported(error.to_string())),
    }
}

impl Decoder {
    fn new(
        from: From,
        decoder: Coder,
        parameters: AudioCodecParameters,
        track: u32,
        reached: (Arc<AtomicU64>, u64),
    ) -> Self {
        Self {
            from,
            decoder,
            parameters,
            track,
            sample_rate: 0,
            channels: 0,
            announced: None,
            seconds: 0.0,
            reached,
            kind: None,
            ahead: None,
            samples: Vec::new(),
            waiting: false,
            damaged: false,
            unheard: None,
            ended: false,
        }
    }

    /// Frames a second, Hz, of the chunk that was handed out last, or of the first.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Samples in a frame of the chunk that was handed out last, or of the first.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// How much of the file was read, 0 to 1.
    pub fn progress(&self) -> f64 {
        let (read, all) = &self.reached;
        (read.load(Ordering::Relaxed) as f64 / (*all).max(1) as f64).min(1.0)
    }

    /// Duration of what was handed out, seconds.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// What is wrong with the sound, in words, if anything is: known once all of it was handed out.
    pub fn fault(&self) -> Option<String> {
        // Encoders' padding and estimated lengths are off by a little.
        let missing = |announced: f64| self.seconds + announced / 50.0 + 0.25 < announced;
        if let Some(why) = &self.unheard {
            Some(format!("a part of it was left out: {why}"))
        } else if self.damaged || (self.ended && self.announced.is_some_and(missing)) {
            Some("cut short or damaged".into())
        } else {
            None
        }
    }

    /// The next samples; none at the end.
    pub fn next_chunk(&mut self) -> Option<Chunk<'_>> {
        if !std::mem::take(&mut self.waiting) && !self.advance() {
            return None;
        }
        self.seconds += (self.samples.len() / self.channels) as f64 / f64::from(self.sample_rate);
        Some(Chunk {
            samples: &self.samples,
            channels: self.channels,
            sample_rate: self.sample_rate,
        })
    }

    /// Decodes up to the next packet with sound in it; false at the end.
    fn advance(&mut self) -> bool {
        while !self.ended {
            let packet = match self.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => break,
                Err(Error::ResetRequired) => {
                    // Another stream is chained to this one.
                    let From::Container(format) = &self.from else { break };
                    match open_track(&**format) {
                        Ok(track) => {
                            (self.track, self.decoder, self.parameters) =
                                (track.id, track.decoder, track.parameters);
                            self.announced = None;
                        }
                        // What it is can't be heard; there may be another behind it.
                        Err(error) => self.unheard = Some(error.to_string()),
                    }
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
            let Some((rate, channels)) = self.decoder.decode(&packet, &mut self.samples) else {
                // A damaged packet is left out; what follows may be whole.
                self.damaged = true;
                continue;
            };
            if self.samples.is_empty() || channels == 0 {
                continue;
            }
            if !RATES.contains(&rate) || channels > MOST_CHANNELS {
                self.parameters.sample_rate = Some(rate);
                self.damaged = true;
                continue;
            }
            (self.sample_rate, self.channels) = (rate, channels);
            return true;
        }
        self.ended = true;
        false
    }

    /// The next packet, as it is to be decoded.
    fn next_packet(&mut self) -> SymphoniaResult<Option<Packet>> {
        let mut next = match self.ahead.take() {
            Some(packet) => Some(packet),
            None => self.from.next()?,
        };
        if !matches!(self.parameters.codec, CODEC_ID_MP1 | CODEC_ID_MP2 | CODEC_ID_MP3) {
            return Ok(next);
        }
        while let Some(mut packet) = next {
            // What the first file of several joined ones says of its length would end them all.
            packet.trim_end = Duration::ZERO;
            let kind = mpeg::Kind::of(&packet.data);
            if self.kind.is_none() || kind == self.kind {
                self.kind = kind;
                return Ok(Some(packet));
            }
            // One frame of another kind is something else that looks like one; two are a change.
            next = self.from.next()?;
            if let (Some(kind), Some(after)) = (kind, &next)
                && mpeg::Kind::of(&after.data) == Some(kind)
            {
                self.parameters.codec = kind.codec();
                if let Ok(decoder) = make_decoder(&self.parameters) {
                    (self.decoder, self.kind, self.ahead) = (decoder, Some(kind), next);
                    return Ok(Some(packet));
                }
            }
        }
        Ok(None)
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
            samples.extend_from_slice(chunk.samples);
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
            assert!(decoder.fault().is_none());
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
        assert!(decoder.fault().is_none());

        std::fs::write(&path, &bytes[..10_028]).unwrap();
        let mut decoder = decode(&path).unwrap();
        assert_eq!(all(&mut decoder), expected[..5_000]);
        assert!(decoder.fault().is_some());
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
        assert!(decoder.fault().is_some());
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

    #[test]
    fn a_decoder_that_fails_on_damage_takes_nothing_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("steps.wav");
        // Microsoft's ADPCM in blocks of 100 bytes whose heads hold the largest numbers.
        let mut bytes = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x02\0\x01\0".to_vec();
        bytes.extend(44_100_u32.to_le_bytes());
        bytes.extend(44_100_u32.to_le_bytes());
        bytes.extend([100, 0, 4, 0]);
        bytes.extend(b"data\0\0\0\0");
        for fill in [0x7f_u8, 0x80, 0xff] {
            let mut file = bytes.clone();
            // A predictor that there is, and then steps that grow without end.
            (0..20).for_each(|_| file.extend([&[0, 0xff, 0x7f][..], &[fill; 97]].concat()));
            std::fs::write(&path, file).unwrap();
            if let Ok(mut decoder) = decode(&path) {
                all(&mut decoder);
            }
        }
        assert_eq!(guarded(|| -> u8 { panic!("a library fails") }), None);
        assert_eq!(guarded(|| 7), Some(7));
    }
}
