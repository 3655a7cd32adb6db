//! Interface: `cargo xtask fuzz sound`: hostile sound files through the decoder.
//!
//! Inputs are the project's encoded recordings and small files of every kind whose header it reads itself, with bytes of
//! their headers changed, sizes made extreme, pieces cut out, doubled and joined. A panic, a sample that came at no rate
//! or in no channel, and a file that takes far longer than its size allows are failures; the input is then kept.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// Bytes at a file's beginning that are changed most often.
const HEADER: usize = 128;
/// What a file may take, for its size.
const PATIENCE: Duration = Duration::from_secs(5);
/// Numbers that sizes, rates and counts go wrong at.
const EXTREMES: [u32; 10] =
    [0, 1, 2, 3, 0x7fff_ffff, 0x8000_0000, u32::MAX, 0xffff_fffe, 0xffff, 0x0100_0000];

/// Decodes `inputs` files made by `seed`; what fails is written into `failures`.
///
/// # Errors
/// Where an input fails, or a file can't be written.
pub fn run(inputs: u64, seed: u64, failures: &Path) -> anyhow::Result<()> {
    let corpus = corpus()?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("input");
    let mut random = SmallRng::seed_from_u64(seed);
    let (mut failed, mut heard, mut slowest) = (0_u32, 0_u64, Duration::ZERO);
    let bar = indicatif::ProgressBar::new(inputs);
    for number in 0..inputs {
        let input = mutated(&corpus, &mut random);
        std::fs::write(&path, &input)?;
        let began = Instant::now();
        let found = catch_unwind(AssertUnwindSafe(|| check(&path)))
            .unwrap_or_else(|_| Err("it panics".into()));
        let took = began.elapsed();
        slowest = slowest.max(took);
        let found = found.and_then(|is_sound| {
            if took > PATIENCE { Err(format!("it takes {took:?}")) } else { Ok(is_sound) }
        });
        match found {
            Ok(is_sound) => heard += u64::from(is_sound),
            Err(why) => {
                failed += 1;
                std::fs::create_dir_all(failures)?;
                let kept = failures.join(format!("sound-{seed}-{number}"));
                std::fs::write(&kept, &input)?;
                bar.println(format!("{}: {why}", kept.display()));
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    println!(
        "{inputs} sound files: {heard} gave sound, {failed} failed, the slowest took {slowest:?}"
    );
    if failed > 0 {
        bail!("{failed} inputs failed; they are in {}", failures.display());
    }
    Ok(())
}

/// Decodes a file; whether it gave sound.
fn check(path: &Path) -> Result<bool, String> {
    let Ok(mut decoder) = earworm_audio::decode(path) else { return Ok(false) };
    while let Some(chunk) = decoder.next_chunk() {
        if chunk.channels == 0 || chunk.samples.len() % chunk.channels != 0 {
            return Err(format!("{} samples in {} channels", chunk.samples.len(), chunk.channels));
        }
        if !(1_000..=1_536_000).contains(&chunk.sample_rate) {
            return Err(format!("samples at {} Hz", chunk.sample_rate));
        }
    }
    if !decoder.seconds().is_finite() || !(0.0..=1.0).contains(&decoder.progress()) {
        return Err("its length is no number".into());
    }
    Ok(true)
}

/// The files that are mutated.
fn corpus() -> anyhow::Result<Vec<Vec<u8>>> {
    let mut files = small();
    let folder = PathBuf::from("tests/data/sounds");
    for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "md") {
            let mut bytes = std::fs::read(path)?;
            // What is behind the header takes time and is all alike.
            bytes.truncate(8_000);
            files.push(bytes);
        }
    }
    Ok(files)
}

/// Files with a header of their own and a few samples.
fn small() -> Vec<Vec<u8>> {
    let samples: Vec<u8> = (0..800_u32).map(|n| (n * 37) as u8).collect();
    let chunk = |name: &[u8], body: &[u8], big: bool| {
        let size = body.len() as u32;
        [name, &if big { size.to_be_bytes() } else { size.to_le_bytes() }, body].concat()
    };
    let form = |tag: u16, channels: u16, bits: u16, block: u16| {
        let mut body = [tag.to_le_bytes(), channels.to_le_bytes()].concat();
        body.extend(44_100_u32.to_le_bytes());
        body.extend(176_400_u32.to_le_bytes());
        body.extend([block.to_le_bytes(), bits.to_le_bytes()].concat());
        chunk(b"fmt ", &body, false)
    };
    let data = chunk(b"data", &samples, false);
    let list = chunk(b"LIST", b"INFOIART\x04\0\0\0abc\0", false);
    let riff = |name: &[u8; 4], chunks: &[&[u8]]| {
        chunk(name, &[b"WAVE".as_slice(), &chunks.concat()].concat(), false)
    };
    let long = chunk(
        b"ds64",
        &[[0; 4], [0; 4], 800_u32.to_le_bytes(), [0; 4], [0; 4], [0; 4], [0; 4]].concat(),
        false,
    );
    let common =
        [&[0, 2, 0, 0, 0, 200, 0, 16][..], &[0x40, 0x0e, 0xac, 0x44, 0, 0, 0, 0, 0, 0]].concat();
    let sound = chunk(b"SSND", &[&[0; 8][..], &samples].concat(), true);
    let guid = [0xf3, 0xac, 0xd3, 0x11, 0x8c, 0xd1, 0, 0xc0, 0x4f, 0x8e, 0xdb, 0x8a];
    let wide = |name: &[u8], body: &[u8]| {
        [name, &guid, &(body.len() as u64 + 24).to_le_bytes(), body].concat()
    };
    vec![
        riff(b"RIFF", &[&form(1, 2, 16, 4), &list, &data]),
        riff(b"RIFF", &[&form(3, 1, 32, 4), &data, &list]),
        riff(b"RIFF", &[&form(2, 1, 4, 100), &data]),
        riff(b"RIFF", &[&form(0x11, 2, 4, 200), &data]),
        riff(b"RIFF", &[&form(0x55, 2, 0, 1), &data]),
        riff(b"RIFX", &[&form(1, 2, 16, 4), &data]),
        riff(b"RF64", &[&long, &form(1, 2, 16, 4), &data]),
        [
            wide(b"riff", b"wave")[..24].to_vec(),
            [b"wave".as_slice(), &guid].concat(),
            wide(b"fmt ", &form(1, 2, 16, 4)[8..]),
            wide(b"data", &samples),
        ]
        .concat(),
        chunk(
            b"FORM",
            &[b"AIFF".to_vec(), chunk(b"COMM", &common, true), sound.clone()].concat(),
            true,
        ),
        chunk(
            b"FORM",
            &[b"AIFC".to_vec(), chunk(b"COMM", &[&common[..], b"sowt\0\0"].concat(), true), sound]
                .concat(),
            true,
        ),
        [b".snd".to_vec(), [24, 800, 3, 44_100, 2].map(u32::to_be_bytes).concat(), samples]
            .concat(),
    ]
}

fn mutated(corpus: &[Vec<u8>], random: &mut SmallRng) -> Vec<u8> {
    let mut bytes = corpus[random.random_range(0..corpus.len())].clone();
    for _ in 0..random.random_range(1..6) {
        if bytes.is_empty() {
            break;
        }
        let most =
            if random.random_range(0..4) == 0 { bytes.len() } else { bytes.len().min(HEADER) };
        let place = random.random_range(0..most);
        match random.random_range(0..8) {
            0 => bytes[place] = random.random(),
            1 => bytes[place] ^= 1 << random.random_range(0..8),
            2 | 3 => {
                let number = match random.random_range(0..3) {
                    0 => bytes.len() as u32,
                    1 => random.random(),
                    _ => EXTREMES[random.random_range(0..EXTREMES.len())],
                };
                let four =
                    if random.random() { number.to_be_bytes() } else { number.to_le_bytes() };
                for (byte, new) in bytes[place..].iter_mut().zip(four) {
                    *byte = new;
                }
            }
            4 => bytes.truncate(place),
            5 => {
                let end = bytes.len().min(place + random.random_range(1..64));
                bytes.drain(place..end);
            }
            6 => {
                let end = bytes.len().min(place + random.random_range(1..64));
                let piece = bytes[place..end].to_vec();
                bytes.splice(place..place, piece);
            }
            _ => {
                let other = &corpus[random.random_range(0..corpus.len())];
                bytes.truncate(place);
                bytes.extend_from_slice(&other[random.random_range(0..other.len())..]);
            }
        }
    }
    bytes
}
