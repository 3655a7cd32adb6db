//! Worker: sounds that are no music, made anew for each seed: noises, tones, hum, clicks, a beat alone, one plucked voice, the
//! tone of a room, and speech where espeak-ng is installed.

use std::f32::consts::TAU;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::Context;
use earworm_genre::{Gate, Network};
use earworm_spectrum::Columns;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rayon::prelude::*;

use crate::genre_clips::{Features, Listening, hear_columns};

const RATE: u32 = 22_050;
const SECONDS: usize = 8;

/// Makes a sound of one kind, samples at [`RATE`].
type Maker = fn(&mut StdRng) -> Vec<f32>;

/// The kinds of sounds that are made.
const KINDS: [(&str, Maker); 9] = [
    ("noise", noise),
    ("tone", tone),
    ("sweep", sweep),
    ("hum", hum),
    ("clicks", clicks),
    ("beat", beat),
    ("plucked", plucked),
    ("room", room),
    ("bursts", bursts),
];

/// Sentences, and voices of espeak-ng: those for training, then those for measuring.
const SENTENCES: [[&str; 4]; 2] = [
    [
        "The train to the coast leaves at a quarter past nine from platform four, and calls at every station on the way.",
        "Mix the flour with the butter, add two eggs and a little milk, and leave the dough in a cool place for an hour.",
        "Good evening. Here is the news. Parliament has voted today on the budget for the coming year after a long debate.",
        "I never thought that the old house by the river would be sold, but when I came back last spring it was empty.",
    ],
    [
        "Welcome to the museum. This tour takes about forty minutes and begins in the room to your left.",
        "He opened the letter slowly, read it twice, and put it back into the drawer without saying a word.",
        "Tomorrow there will be showers in the north, with sunny spells later in the afternoon and a light wind.",
        "To change your password, press the second button, wait for the tone, and type the new number twice.",
    ],
];
const VOICES: [[&str; 6]; 2] = [
    ["en-us", "en-gb+f3", "de", "fr+f2", "es+m3", "en-us+m7"],
    ["en-gb", "en-us+f4", "it", "sv+m2", "nl+f1", "en-gb+m5"],
];

/// A sound's kind and what the network hears in it.
pub struct Sound {
    /// Its kind.
    pub kind: &'static str,
    /// What is heard.
    pub features: Features,
}

/// `each` sounds of every kind, and speech; those for measuring share no seed, sentence or voice with those for training.
pub fn sounds(
    each: usize,
    for_measuring: bool,
    network: &Arc<Network>,
    folder: &Path,
) -> anyhow::Result<Vec<Sound>> {
    let set = usize::from(for_measuring);
    let made = (0..each * KINDS.len()).into_par_iter().map(|number| {
        let (kind, make) = KINDS[number % KINDS.len()];
        let mut random = StdRng::seed_from_u64((number + 100_000 * set) as u64);
        let mut sound = make(&mut random);
        let loudest = sound.iter().fold(1e-6_f32, |most, sample| most.max(sample.abs()));
        let level = random.random_range(0.05..0.8) / loudest;
        sound.iter_mut().for_each(|sample| *sample *= level);
        Ok(Sound { kind, features: heard(&sound, network) })
    });
    let mut sounds = made.collect::<anyhow::Result<Vec<_>>>()?;
    if Command::new("espeak-ng").arg("--version").output().is_err() {
        eprintln!("espeak-ng is not installed: no speech among the sounds");
        return Ok(sounds);
    }
    std::fs::create_dir_all(folder)?;
    let speech = VOICES[set].iter().flat_map(|voice| {
        SENTENCES[set].iter().enumerate().map(move |(number, sentence)| (voice, number, sentence))
    });
    for (voice, number, sentence) in speech {
        let file = folder.join(format!("{voice}-{number}.wav"));
        let spoken = Command::new("espeak-ng")
            .args(["-v", voice, "-s", &(130 + 20 * number).to_string(), "-w"])
            .arg(&file)
            .arg(sentence)
            .output()
            .context("espeak-ng")?;
        anyhow::ensure!(spoken.status.success(), "espeak-ng has no voice {voice}");
        let mut listening = Listening::new(network.clone());
        hear_columns(&file, |column| listening.push(column))?;
        sounds.push(Sound { kind: "speech", features: listening.finish() });
    }
    Ok(sounds)
}

fn heard(sound: &[f32], network: &Arc<Network>) -> Features {
    let (mut front, mut columns) = (Columns::new(RATE), Vec::new());
    front.push(sound, 1, &mut columns);
    let (mut gate, mut listening) = (Gate::default(), Listening::new(network.clone()));
    for column in columns {
        gate.pass(column).iter().for_each(|column| listening.push(column));
    }
    listening.finish()
}

fn made(mut sample: impl FnMut(f32) -> f32) -> Vec<f32> {
    (0..RATE as usize * SECONDS).map(|n| sample(n as f32 / RATE as f32)).collect()
}

/// White noise through a low-pass of first order at `low` and a high-pass at `high`, Hz.
fn coloured(random: &mut StdRng, low: f32, high: f32) -> impl FnMut() -> f32 + use<> {
    let mut random = StdRng::seed_from_u64(random.random());
    let share = |hertz: f32| 1.0 - (-TAU * hertz / RATE as f32).exp();
    let (low, high) = (share(low), share(high));
    let (mut smooth, mut slow) = (0.0_f32, 0.0_f32);
    move || {
        smooth += low * (random.random_range(-1.0..1.0_f32) - smooth);
        slow += high * (smooth - slow);
        smooth - slow
    }
}

fn noise(random: &mut StdRng) -> Vec<f32> {
    let low = 10_f32.powf(random.random_range(2.0..4.0));
    let high = low * random.random_range(0.0..0.3);
    let mut noise = coloured(random, low, high);
    let (depth, rate) = (random.random_range(0.0..0.9_f32), random.random_range(0.05..0.4_f32));
    made(|t| noise() * (1.0 - depth * (0.5 + 0.5 * (TAU * rate * t).sin())))
}

fn tone(random: &mut StdRng) -> Vec<f32> {
    let hertz = 10_f32.powf(random.random_range(1.8..3.7));
    let shape = random.random_range(0..3);
    let beat = random.random_range(0.0..3.0_f32);
    made(|t| {
        let wave = (TAU * hertz * t).sin();
        let wave = match shape {
            0 => wave,
            1 => wave.signum(),
            _ => 2.0 * (hertz * t).fract() - 1.0,
        };
        wave + 0.3 * (TAU * (hertz + beat) * t).sin()
    })
}

fn sweep(random: &mut StdRng) -> Vec<f32> {
    let (from, to) = (random.random_range(50.0..400.0_f32), random.random_range(1e3..9e3_f32));
    let length = random.random_range(1.0..8.0_f32);
    let mut phase = 0.0_f32;
    made(|t| {
        let hertz = from * (to / from).powf((t / length).fract());
        phase = (phase + hertz / RATE as f32).fract();
        (TAU * phase).sin()
    })
}

fn hum(random: &mut StdRng) -> Vec<f32> {
    let mains = if random.random() { 50.0 } else { 60.0 };
    let parts: Vec<f32> = (1..20).map(|n| random.random_range(0.0..1.0) / n as f32).collect();
    let hiss = random.random_range(0.0..0.1);
    let mut noise = coloured(random, 6_000.0, 300.0);
    made(|t| {
        let hum = parts
            .iter()
            .enumerate()
            .map(|(n, part)| part * (TAU * mains * (n + 1) as f32 * t).sin());
        hum.sum::<f32>() + hiss * noise()
    })
}

fn clicks(random: &mut StdRng) -> Vec<f32> {
    let (rate, regular) = (random.random_range(0.7..12.0_f32), random.random::<bool>());
    let (ring, fade) = (random.random_range(400.0..5e3_f32), random.random_range(100.0..900.0_f32));
    let (mut since, mut next) = (0.0_f32, 0.0_f32);
    let mut random = StdRng::seed_from_u64(random.random());
    made(|t| {
        if t >= next {
            since = t;
            next = t + if regular { 1.0 } else { random.random_range(0.1..2.0) } / rate;
        }
        (TAU * ring * (t - since)).sin() * (-fade * (t - since)).exp()
    })
}

fn beat(random: &mut StdRng) -> Vec<f32> {
    let step = 60.0 / random.random_range(70.0..170.0_f32) / 4.0;
    let pattern: Vec<[bool; 3]> = (0..16)
        .map(|n| {
            [
                n % 8 == 0 || random.random_bool(0.15),
                n % 8 == 4 || random.random_bool(0.05),
                n % 2 == 0 || random.random_bool(0.3),
            ]
        })
        .collect();
    let (kick, rattle) = (random.random_range(45.0..70.0_f32), random.random_range(8.0..25.0_f32));
    let (mut snare, mut hat) =
        (coloured(random, 6_000.0, 300.0), coloured(random, 10_000.0, 5_000.0));
    made(|t| {
        let place = (t / step) as usize;
        let since = t - place as f32 * step;
        let [low, middle, high] = pattern[place % 16];
        let mut sum = 0.0;
        if low {
            sum += (TAU * (kick * since + 12.0 * (1.0 - (-30.0 * since).exp()) / 30.0 * 5.0)).sin()
                * (-12.0 * since).exp();
        }
        if middle {
            sum += 1.2 * snare() * (-rattle * since).exp();
        }
        if high {
            sum += 0.8 * hat() * (-50.0 * since).exp();
        }
        sum
    })
}

/// A string as K. Karplus and A. Strong (1983) have it, one note after the other.
fn plucked(random: &mut StdRng) -> Vec<f32> {
    const SCALES: [[i32; 7]; 3] =
        [[0, 2, 4, 5, 7, 9, 11], [0, 2, 3, 5, 7, 8, 10], [0, 2, 3, 5, 7, 9, 10]];
    let scale = SCALES[random.random_range(0..3)];
    let (base, length) = (random.random_range(45..65), random.random_range(0.12..0.5_f32));
    let damping = random.random_range(0.985..0.998_f32);
    let mut random = StdRng::seed_from_u64(random.random());
    let (mut string, mut place, mut next, mut degree) = (vec![0.0_f32; 2], 0, 0.0, 0_i32);
    made(|t| {
        if t >= next {
            next += length * [1.0, 1.0, 1.0, 2.0, 0.5][random.random_range(0..5)];
            degree = (degree + random.random_range(-2..=2)).clamp(0, 13);
            let note = base + scale[(degree % 7) as usize] + 12 * (degree / 7);
            let hertz = 440.0 * 2_f32.powf((note - 69) as f32 / 12.0);
            let size = (RATE as f32 / hertz) as usize;
            string = (0..size.max(2)).map(|_| random.random_range(-1.0..1.0)).collect();
            place = 0;
        }
        let after = (place + 1) % string.len();
        let sample = string[place];
        string[place] = damping * 0.5 * (sample + string[after]);
        place = after;
        sample
    })
}

fn room(random: &mut StdRng) -> Vec<f32> {
    let low = random.random_range(40.0..400.0);
    let (mut rumble, mut hiss) = (coloured(random, low, 15.0), coloured(random, 4_000.0, 500.0));
    let share = random.random_range(0.01..0.3);
    let mains = random.random_range(0.0..0.05_f32);
    made(|t| rumble() + share * hiss() + mains * (TAU * 100.0 * t).sin())
}

fn bursts(random: &mut StdRng) -> Vec<f32> {
    let low = 10_f32.powf(random.random_range(2.5..3.9));
    let mut noise = coloured(random, low, 80.0);
    let (rate, fade) = (random.random_range(0.4..4.0_f32), random.random_range(2.0..20.0_f32));
    made(|t| noise() * (-fade * (t * rate).fract() / rate).exp())
}
