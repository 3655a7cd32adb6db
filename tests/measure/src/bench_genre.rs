//! Interface: how much of one core the ear takes.

use std::time::Instant;

use earworm_genre::{Ear, Network};
use earworm_spectrum::{COLUMN_SECONDS, Columns};

const RATE: u32 = 44_100;
const SECONDS: usize = 30;
/// Rounds, of which the best counts: others use the machine too.
const ROUNDS: usize = 3;
/// Readings a second, as the Meter makes them.
const READINGS: f64 = 3.2;

/// Half a minute of tones and noise: the time doesn't hang on what is heard.
fn sound() -> Vec<f32> {
    let mut state = 1_u32;
    (0..RATE as usize * SECONDS)
        .map(|n| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 8) as f32 / (1 << 24) as f32 - 0.5;
            let time = n as f32 / RATE as f32;
            let tone =
                (std::f32::consts::TAU * 220.0 * time).sin() * (-4.0 * (time * 2.0).fract()).exp();
            0.3 * tone + 0.05 * noise
        })
        .collect()
}

/// Prints the section.
pub fn run() -> anyhow::Result<()> {
    println!("genre: one core, the best of {ROUNDS} rounds");
    let (network, sound) = (Network::embedded()?, sound());
    let (mut front, mut stream, mut reading) = (f64::MAX, f64::MAX, f64::MAX);
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let mut columns = Vec::new();
        Columns::new(RATE).push(&sound, 1, &mut columns);
        front = front.min(began.elapsed().as_secs_f64() / SECONDS as f64);
        let mut ear = Ear::new(network.clone());
        let began = Instant::now();
        columns.iter().for_each(|column| ear.push(column));
        stream = stream.min(began.elapsed().as_secs_f64() / SECONDS as f64);
        let began = Instant::now();
        std::hint::black_box(ear.listen());
        reading = reading.min(began.elapsed().as_secs_f64());
    }
    // The network's answer changes with each block of frames, and between two it is the last one again.
    let steady = stream + reading * READINGS.min(1.0 / (6.2 * COLUMN_SECONDS));
    println!("  front end, a second of sound    {:>8.2} ms", front * 1e3);
    println!("  network, a second of sound      {:>8.2} ms", stream * 1e3);
    println!("  a reading of 30 s, with its map {:>8.2} ms", reading * 1e3);
    println!("  the worker in steady state      {:>8.2} % of the core", steady * 100.0);
    println!("  a file without its decoding     {:>8.0} times real time", 1.0 / (front + stream));
    Ok(())
}
