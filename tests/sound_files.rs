//! Interface: facts about the sound files that `earworm classify` is given: as programs write them, cut, joined, from
//! pipes, and with wrong headers.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

const RATE: u32 = 44_100;

/// A made loop of chords, a bass and a hi-hat, mono.
fn music(seconds: f32) -> Vec<f32> {
    let mut noise = 1_u32;
    let mut last = 0.0;
    (0..(seconds * RATE as f32) as u32)
        .map(|n| {
            let t = n as f32 / RATE as f32;
            let tone = |hertz: f32| (t * hertz * std::f32::consts::TAU).sin();
            let root = [110.0, 146.8, 164.8, 110.0][(t / 2.0) as usize % 4];
            let chord: f32 = [2.0, 2.52, 3.0].iter().map(|ratio| tone(root * ratio)).sum();
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let sample = (noise >> 8) as f32 / (1 << 23) as f32 - 1.0;
            let hat = sample - std::mem::replace(&mut last, sample);
            let fall = |each: f32, speed: f32| (-speed * (t / each).fract() * each).exp();
            0.25 * tone(root) * fall(0.5, 3.0)
                + 0.1 * chord * fall(0.5, 5.0)
                + 0.1 * hat * fall(0.25, 60.0)
        })
        .collect()
}

fn silence(seconds: f32) -> Vec<f32> {
    vec![0.0; (seconds * RATE as f32) as usize]
}

/// Samples of 16 bits, a frame after the other.
fn interleaved(planes: &[Vec<f32>]) -> Vec<u8> {
    let frames = planes.iter().map(Vec::len).min().unwrap();
    let bytes = |frame: usize| {
        planes
            .iter()
            .flat_map(move |plane| ((plane[frame] * 32_767.0).round() as i16).to_le_bytes())
    };
    (0..frames).flat_map(bytes).collect()
}

fn chunk_of_size(name: &[u8; 4], body: &[u8], size: u32) -> Vec<u8> {
    let mut chunk = [name.as_slice(), &size.to_le_bytes(), body].concat();
    chunk.resize(chunk.len().next_multiple_of(2), 0);
    chunk
}

fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    chunk_of_size(name, body, body.len() as u32)
}

fn form(tag: u16, channels: u16, rate: u32, bits: u16) -> Vec<u8> {
    let frame = channels * (bits / 8);
    let mut body = [tag.to_le_bytes(), channels.to_le_bytes()].concat();
    body.extend(rate.to_le_bytes());
    body.extend(rate.wrapping_mul(frame.into()).to_le_bytes());
    body.extend([frame.to_le_bytes(), bits.to_le_bytes()].concat());
    chunk(b"fmt ", &body)
}

fn riff_of_size(body: &[u8], size: u32) -> Vec<u8> {
    [b"RIFF".as_slice(), &size.to_le_bytes(), b"WAVE", body].concat()
}

fn riff(chunks: &[&[u8]]) -> Vec<u8> {
    let body = chunks.concat();
    riff_of_size(&body, body.len() as u32 + 4)
}

fn wav_at(planes: &[Vec<f32>], rate: u32) -> Vec<u8> {
    riff(&[&form(1, planes.len() as u16, rate, 16), &chunk(b"data", &interleaved(planes))])
}

fn wav(planes: &[Vec<f32>]) -> Vec<u8> {
    wav_at(planes, RATE)
}

/// A folder of sounds.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

/// What is said of one file.
struct Said {
    code: i32,
    /// Nothing where it was refused.
    answer: Value,
    told: String,
}

impl Said {
    fn seconds(&self) -> f64 {
        self.answer["seconds"].as_f64().unwrap_or(0.0)
    }

    fn state(&self) -> &str {
        self.answer["state"].as_str().unwrap_or("refused")
    }

    fn genre(&self) -> &str {
        self.answer["genre"].as_str().unwrap_or("none")
    }

    /// Fails unless so many seconds were heard with nothing said against them.
    fn is_whole(&self, name: &str, seconds: f64) {
        assert_eq!((self.code, self.told.as_str()), (0, ""), "{name}");
        assert!((self.seconds() - seconds).abs() < 0.2, "{name}: {} s heard", self.seconds());
    }

    /// Fails unless it is called what `base` is called.
    fn is_like(&self, name: &str, base: &Said) {
        assert_eq!(self.genre(), base.genre(), "{name}");
        for (genre, p) in base.answer["probabilities"].as_object().unwrap() {
            let off = self.answer["probabilities"][genre].as_f64().unwrap() - p.as_f64().unwrap();
            assert!(off.abs() < 0.15, "{name}: {genre} is off by {off}");
        }
    }
}

fn hear(path: &Path) -> Said {
    let out = Command::new(env!("CARGO_BIN_EXE_earworm"))
        .args(["classify", "--json"])
        .arg(path)
        .output()
        .unwrap();
    Said {
        code: out.status.code().unwrap(),
        answer: serde_json::from_slice(&out.stdout).unwrap_or_default(),
        told: String::from_utf8(out.stderr).unwrap(),
    }
}

/// A recording that was encoded by other programs (tests/data/sounds).
fn encoded(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sounds");
    std::fs::read(folder.join(name)).unwrap()
}

#[test]
fn pauses_and_a_late_end_change_no_verdict() {
    let (folder, sound) = (Folder::new(), music(12.0));
    let base = hear(&folder.put("base.wav", &wav(std::slice::from_ref(&sound))));
    assert!(["heard", "unsure"].contains(&base.state()));
    let twice =
        [sound.clone(), sound.clone(), sound[..RATE as usize * 4].to_vec(), silence(2.0)].concat();
    let cases = [
        ("a second at the end", [sound.clone(), silence(1.1)].concat()),
        ("three seconds in front", [silence(3.0), sound.clone()].concat()),
        (
            "one in the middle",
            [&sound[..RATE as usize * 8], &silence(2.0), &sound[RATE as usize * 8..]].concat(),
        ),
        (
            "two seconds after it",
            [sound.clone(), silence(2.0), sound[..RATE as usize * 2].to_vec()].concat(),
        ),
        ("one at each half minute", twice.repeat(3)),
    ];
    for (name, samples) in cases {
        let said = hear(&folder.put("pause.wav", &wav(&[samples])));
        said.is_like(name, &base);
        assert_eq!(said.code, 0);
    }
}

#[test]
fn a_timeline_leaves_pauses_out_and_tells_of_what_is_around_them() {
    let (folder, sound) = (Folder::new(), music(12.0));
    let joined = [sound.clone(), silence(6.0), sound].concat();
    let said = hear(&folder.put("pause.wav", &wav(&[joined])));
    assert!((said.answer["sounding"].as_f64().unwrap() - 24.0).abs() < 0.3);
    let stretches = said.answer["timeline"].as_array().unwrap();
    let told = |second: f64| {
        stretches.iter().any(|stretch| {
            stretch["start"].as_f64().unwrap() <= second
                && second < stretch["end"].as_f64().unwrap()
        })
    };
    for second in [0.5, 5.0, 11.5, 18.5, 24.0, 29.5] {
        assert!(told(second), "nothing is told of second {second}: {stretches:?}");
    }
    assert!(!told(13.0) && !told(17.0), "{stretches:?}");
}

#[test]
fn silence_around_two_seconds_of_music_makes_them_no_longer() {
    let folder = Folder::new();
    let path = folder.put("late.wav", &wav(&[[silence(20.0), music(2.0)].concat()]));
    let out =
        Command::new(env!("CARGO_BIN_EXE_earworm")).arg("classify").arg(&path).output().unwrap();
    let told = String::from_utf8(out.stdout).unwrap();
    assert!(told.contains("too short to tell (2.0 s of sound"), "{told}");
}

#[test]
fn what_is_in_opposite_phase_or_beside_a_broken_channel_is_heard() {
    let (folder, sound) = (Folder::new(), music(8.0));
    let base = hear(&folder.put("base.wav", &wav(std::slice::from_ref(&sound))));
    let opposite: Vec<f32> = sound.iter().map(|sample| -sample).collect();
    let none = vec![0.0; sound.len()];
    for (name, planes) in [
        ("opposite", vec![sound.clone(), opposite.clone()]),
        ("opposite and a silent one", vec![sound.clone(), opposite, none]),
        ("twenty-seven", vec![sound.clone(); 27]),
        ("sixty-four", vec![sound[..RATE as usize * 4].to_vec(); 64]),
    ] {
        let said = hear(&folder.put("wide.wav", &wav(&planes)));
        assert_eq!(said.code, 0, "{name}: {}", said.told);
        if name != "sixty-four" {
            said.is_like(name, &base);
        }
    }
    for broken in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let body: Vec<u8> = sound
            .iter()
            .flat_map(|sample| [sample.to_le_bytes(), broken.to_le_bytes()].concat())
            .collect();
        let bytes = riff(&[&form(3, 2, RATE, 32), &chunk(b"data", &body)]);
        hear(&folder.put("broken.wav", &bytes)).is_like("a channel of no numbers", &base);
    }
}

#[test]
fn what_nobody_hears_changes_no_verdict_and_is_no_sound() {
    let (folder, sound) = (Folder::new(), music(8.0));
    let base = hear(&folder.put("base.wav", &wav(std::slice::from_ref(&sound))));
    let rumble = |hertz: f32| -> Vec<f32> {
        let low = |n: usize| 0.4 * (n as f32 / RATE as f32 * hertz * std::f32::consts::TAU).sin();
        sound.iter().enumerate().map(|(n, sample)| 0.5 * sample + low(n)).collect()
    };
    let offset = sound.iter().map(|sample| 0.45 * sample + 0.5).collect();
    for (name, samples) in [
        ("an offset", offset),
        ("5 Hz", rumble(5.0)),
        ("10 Hz", rumble(10.0)),
        ("15 Hz", rumble(15.0)),
    ] {
        hear(&folder.put("low.wav", &wav(&[samples]))).is_like(name, &base);
    }
    let constant = hear(&folder.put("constant.wav", &wav(&[vec![0.5; RATE as usize * 6]])));
    assert_eq!(constant.state(), "silence");
}

#[test]
fn wrong_sizes_in_a_wav_file_lose_no_sound() {
    let folder = Folder::new();
    let samples = interleaved(&[music(5.0), music(5.0)]);
    let (form, data) = (form(1, 2, RATE, 16), chunk(b"data", &samples));
    let long = samples.len() as u32;
    let whole = (4 + form.len() + data.len()) as u32;
    let sized = |data: u32, riff: u32| {
        riff_of_size(&[form.clone(), chunk_of_size(b"data", &samples, data)].concat(), riff)
    };
    let with = |other: Vec<u8>| riff(&[&form, &other, &data]);
    let stump = [b"LIST".as_slice(), &900_u32.to_le_bytes(), b"INFOx"].concat();
    let unpadded = [b"note".as_slice(), &3_u32.to_le_bytes(), b"abc"].concat();
    let cases = [
        ("no sizes", sized(0, 0)),
        ("all ones", sized(u32::MAX, u32::MAX)),
        ("all ones, and a right one", sized(u32::MAX, whole)),
        ("the greatest signed ones", sized(0x7fff_ffdb, 0x7fff_ffff)),
        ("the smallest signed ones", sized(0x8000_0000, 0x8000_0024)),
        ("the whole too short", sized(long, whole - 8)),
        ("the whole too short by one", sized(long, whole - 1)),
        ("the whole nothing", sized(long, 0)),
        ("the samples too long by two", sized(long + 2, whole)),
        ("the samples twice as long", sized(2 * long, whole)),
        ("the samples too short", sized((long / 3) & !3, whole)),
        ("a list of odd length", with(chunk(b"LIST", b"INFOx"))),
        ("a list that is a stump", with(stump)),
        ("a chunk without its padding", with(unpadded)),
        ("a chunk of nothing", with(chunk(b"JUNK", &[]))),
        ("the form behind the samples", riff(&[&data, &form])),
        (
            "a tag in front",
            [b"ID3\x04\0\0\0\0\0\x05abcde".as_slice(), &riff(&[&form, &data])].concat(),
        ),
        (
            "a tag behind",
            [riff(&[&form, &data]), vec![b'T'; 0], [b"TAG".as_slice(), &[b' '; 125]].concat()]
                .concat(),
        ),
    ];
    for (name, bytes) in cases {
        hear(&folder.put("sizes.wav", &bytes)).is_whole(name, 5.0);
    }
}

#[test]
fn long_and_foreign_wav_files_are_read() {
    let folder = Folder::new();
    let samples = interleaved(&[music(5.0)]);
    let form = form(1, 1, RATE, 16);
    let long = samples.len() as u64;
    let whole = (4 + form.len() + samples.len() + 8 + 36) as u64;
    let mut sizes = [whole.to_le_bytes(), long.to_le_bytes(), (long / 2).to_le_bytes()].concat();
    sizes.extend([0; 4]);
    let body =
        [chunk(b"ds64", &sizes), form.clone(), chunk_of_size(b"data", &samples, u32::MAX)].concat();
    for name in [b"RF64", b"BW64"] {
        let bytes = [name.as_slice(), &u32::MAX.to_le_bytes(), b"WAVE", &body].concat();
        hear(&folder.put("long.wav", &bytes)).is_whole("64 bits of size", 5.0);
    }

    let guid = [0xf3, 0xac, 0xd3, 0x11, 0x8c, 0xd1, 0x00, 0xc0, 0x4f, 0x8e, 0xdb, 0x8a];
    let head = [0x2e, 0x91, 0xcf, 0x11, 0xa5, 0xd6, 0x28, 0xdb, 0x04, 0xc1, 0x00, 0x00];
    let big = |name: &[u8; 4], body: &[u8]| {
        let mut chunk =
            [name.as_slice(), &guid, &(body.len() as u64 + 24).to_le_bytes(), body].concat();
        chunk.resize(chunk.len().next_multiple_of(8), 0);
        chunk
    };
    let body = [big(b"fmt ", &form[8..]), big(b"data", &samples)].concat();
    let size = (40 + body.len() as u64).to_le_bytes();
    let bytes = [b"riff".as_slice(), &head, &size, b"wave", &guid, &body].concat();
    hear(&folder.put("sound.w64", &bytes)).is_whole("Wave64", 5.0);

    let turned: Vec<u8> = samples.chunks(2).flat_map(|two| [two[1], two[0]]).collect();
    let big = |name: &[u8; 4], body: &[u8]| {
        [name.as_slice(), &(body.len() as u32).to_be_bytes(), body].concat()
    };
    let mut words = [1_u16.to_be_bytes(), 1_u16.to_be_bytes()].concat();
    words.extend(RATE.to_be_bytes());
    words.extend((RATE * 2).to_be_bytes());
    words.extend([2_u16.to_be_bytes(), 16_u16.to_be_bytes()].concat());
    let body = [b"WAVE".to_vec(), big(b"fmt ", &words), big(b"data", &turned)].concat();
    hear(&folder.put("turned.wav", &big(b"RIFX", &body))).is_whole("RIFX", 5.0);
}

fn aiff(samples: &[u8], form: u32, size: u32, frames: u32) -> Vec<u8> {
    let turned: Vec<u8> = samples.chunks(2).flat_map(|two| [two[1], two[0]]).collect();
    let common = [
        1_u16.to_be_bytes().as_slice(),
        &frames.to_be_bytes(),
        &16_u16.to_be_bytes(),
        &[0x40, 0x0e, 0xac, 0x44, 0, 0, 0, 0, 0, 0],
    ]
    .concat();
    [
        b"FORM".as_slice(),
        &form.to_be_bytes(),
        b"AIFFCOMM",
        &18_u32.to_be_bytes(),
        &common,
        b"SSND",
        &size.to_be_bytes(),
        &[0; 8],
        &turned,
    ]
    .concat()
}

#[test]
fn wrong_sizes_in_aiff_and_au_files_lose_no_sound() {
    let folder = Folder::new();
    let samples = interleaved(&[music(5.0)]);
    let (long, frames) = (samples.len() as u32, samples.len() as u32 / 2);
    let whole = long + 46;
    for (name, bytes) in [
        ("right", aiff(&samples, whole, long + 8, frames)),
        ("no sizes", aiff(&samples, 0, 0, 0)),
        ("no sizes, but a count of frames", aiff(&samples, 0, 0, frames)),
        ("all ones", aiff(&samples, u32::MAX, u32::MAX, u32::MAX)),
        ("the whole too short", aiff(&samples, whole - 9, long + 8, frames)),
        ("the samples too long", aiff(&samples, whole, long + 900, frames)),
        ("too few frames", aiff(&samples, whole, long + 8, frames / 2)),
    ] {
        hear(&folder.put("sizes.aiff", &bytes)).is_whole(name, 5.0);
    }
    let turned: Vec<u8> = samples.chunks(2).flat_map(|two| [two[1], two[0]]).collect();
    for size in [long, 0, u32::MAX, 0x7fff_ffff, 0x8000_0000, long / 2] {
        let words = [24, size, 3, RATE, 1].map(u32::to_be_bytes).concat();
        let bytes = [b".snd".as_slice(), &words, &turned].concat();
        hear(&folder.put("sizes.au", &bytes)).is_whole("AU", 5.0);
    }
}

#[test]
fn a_cut_file_is_heard_as_far_as_it_goes_and_said_to_be_cut() {
    let folder = Folder::new();
    let samples = interleaved(&[music(5.0)]);
    let (long, frames) = (samples.len() as u32, samples.len() as u32 / 2);
    let aiff = aiff(&samples, long + 46, long + 8, frames);
    let wav = wav(&[music(5.0)]);
    let words = [24, long, 3, RATE, 1].map(u32::to_be_bytes).concat();
    let au = [b".snd".as_slice(), &words, &samples].concat();
    let cases = [
        ("cut.wav", wav),
        ("cut.aiff", aiff),
        ("cut.au", au),
        ("flac.oga", encoded("flac.oga")),
        ("moov-first.m4a", encoded("moov-first.m4a")),
        ("vorbis.ogg", encoded("vorbis.ogg")),
        ("opus.opus", encoded("opus.opus")),
    ];
    for (name, bytes) in cases {
        for share in [0.99, 0.7] {
            let said = hear(&folder.put(name, &bytes[..(bytes.len() as f64 * share) as usize]));
            // Formats differ in where their time lies in the bytes, and a page of Ogg, a second, is whole or nothing.
            let expected = 5.0 * share;
            assert!(
                (expected - 1.6..=5.05).contains(&said.seconds()),
                "{name}: {} s of {share}",
                said.seconds()
            );
            assert_eq!(said.code, 2, "{name} at {share}");
            assert!(said.told.contains("cut short"), "{name}: {}", said.told);
        }
    }
    // What ends between two fragments may be whole; what ends in one isn't.
    let fragmented = encoded("fragmented.m4a");
    let said = hear(&folder.put("fragmented.m4a", &fragmented[..fragmented.len() / 2]));
    assert!((1.5..3.5).contains(&said.seconds()), "{} s", said.seconds());
    assert_eq!(said.code, 2);
    let said = hear(&folder.put("moov-last.m4a", &encoded("moov-last.m4a")[..15_000]));
    assert!(said.told.contains("broken MP4 file"), "{}", said.told);
}

#[test]
fn every_kind_of_file_that_is_read_is_heard_whole() {
    let folder = Folder::new();
    for name in [
        "alac.m4a",
        "flac.oga",
        "fragmented.m4a",
        "mono11.mp3",
        "moov-first.m4a",
        "moov-last.m4a",
        "opus.opus",
        "surround.opus",
        "vbr.mp3",
        "vorbis.ogg",
    ] {
        let said = hear(&folder.put(name, &encoded(name)));
        said.is_whole(name, 5.0);
    }
    let said = hear(&folder.put("surround.m4a", &encoded("surround.m4a")));
    assert_eq!(said.code, 2);
    assert!(said.told.contains("AAC in 6 channels"), "{}", said.told);
    let mp3 = encoded("vbr.mp3");
    let bytes = riff(&[&form(0x55, 2, 22_050, 0), &chunk(b"data", &mp3)]);
    hear(&folder.put("mp3.wav", &bytes)).is_whole("MP3 in WAV", 5.0);
}

#[test]
fn joined_files_are_heard_to_the_last_one() {
    let folder = Folder::new();
    let (mp3, slow, vorbis, opus) =
        (encoded("vbr.mp3"), encoded("mono11.mp3"), encoded("vorbis.ogg"), encoded("opus.opus"));
    hear(&folder.put("twice.mp3", &[mp3.clone(), mp3.clone()].concat())).is_whole("MP3", 10.1);
    hear(&folder.put("rate.mp3", &[mp3.clone(), slow].concat()))
        .is_whole("MP3 at another rate", 10.1);
    hear(&folder.put("kind.ogg", &[vorbis.clone(), opus].concat()))
        .is_whole("Vorbis and Opus", 10.0);
    hear(&folder.put("twice.ogg", &[vorbis.clone(), vorbis].concat())).is_whole("Vorbis", 10.0);
    let place = mp3.windows(4).position(|four| four == b"Xing" || four == b"Info").unwrap() + 8;
    for count in [0_u32, 1, 90] {
        let mut bytes = mp3.clone();
        bytes[place..place + 4].copy_from_slice(&count.to_be_bytes());
        hear(&folder.put("count.mp3", &bytes)).is_whole("a wrong count of frames", 5.0);
    }
}

#[test]
fn sample_rates_that_cannot_be_are_refused_and_named() {
    let folder = Folder::new();
    for rate in [0, 1, 900, 4_000_000_000] {
        let said = hear(&folder.put("rate.wav", &wav_at(&[music(4.0)], rate)));
        assert_eq!(said.code, 2, "{rate}");
        assert!(said.told.contains(&format!("{rate} Hz")), "{}", said.told);
    }
}

#[test]
fn a_file_whose_first_bytes_name_a_format_is_never_no_audio_file() {
    let folder = Folder::new();
    for (name, bytes) in [
        ("head.wav", b"RIFF\x10\0\0\0WAVE".to_vec()),
        ("head.aiff", b"FORM\0\0\0\x10AIFF".to_vec()),
        ("head.au", b".snd\0\0\0\x18".to_vec()),
        ("head.flac", b"fLaC\0\0\0\x22abc".to_vec()),
        ("head.ogg", b"OggS\0\x02abc".to_vec()),
        ("head.m4a", b"\0\0\0\x18ftypM4A \0\0\0\0".to_vec()),
        ("head.wma", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9".to_vec()),
        ("form.wav", riff(&[&form(1, 2, RATE, 16)])),
        ("film.avi", [b"RIFF\x10\0\0\0AVI LIST".as_slice(), &[0; 40]].concat()),
    ] {
        let said = hear(&folder.put(name, &bytes));
        assert_eq!(said.code, 2, "{name}");
        assert!(!said.told.contains("not an audio file"), "{name}: {}", said.told);
    }
}

#[test]
fn a_source_without_upper_bands_is_told_and_not_judged_surely() {
    let folder = Folder::new();
    // At 8,000 Hz nothing above 4 kHz is there.
    let low: Vec<f32> = music(24.0).chunks(4).map(|four| four.iter().sum::<f32>() / 4.0).collect();
    let path = folder.put("telephone.wav", &wav_at(&[low], 8_000));
    let said = hear(&path);
    assert_eq!((said.state(), said.answer["muffled"].as_bool()), ("unsure", Some(true)));
    assert!(said.answer["reach"].as_f64().unwrap() <= 4_000.0);
    let out =
        Command::new(env!("CARGO_BIN_EXE_earworm")).arg("classify").arg(&path).output().unwrap();
    let told = String::from_utf8(out.stdout).unwrap();
    assert!(told.contains("nothing is heard above"), "{told}");
}

#[cfg(unix)]
#[test]
fn pipes_are_heard_like_files() {
    use std::io::Write;
    let folder = Folder::new();
    let bytes = wav(&[music(5.0)]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_earworm"))
        .args(["classify", "--json", "/dev/stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&bytes).unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success());
    let answer: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert!((answer["seconds"].as_f64().unwrap() - 5.0).abs() < 0.1);

    let path = folder.0.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let writer = {
        let path = path.clone();
        std::thread::spawn(move || std::fs::write(path, bytes).unwrap())
    };
    hear(&path).is_whole("a named pipe", 5.0);
    writer.join().unwrap();
}
