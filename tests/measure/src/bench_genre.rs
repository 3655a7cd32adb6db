//! Interface: how long a reading of the genre network takes, beside onnxruntime with the same weights.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use candle_core::{Device, Tensor};
use earworm_genre::texture::{self, FEATURES, Spacing};
use earworm_genre::{Ear, Network, STRIDE, window};
use earworm_spectrum::{BANDS, COLUMN_SECONDS};
use serde::Deserialize;

/// Runs of one round; three rounds each, in turn.
const RUNS: usize = 60;
const ROUNDS: usize = 3;

/// What the Python script says.
#[derive(Deserialize)]
struct Theirs {
    milliseconds: f64,
    scores: Vec<f32>,
}

/// Columns of half a minute that vary as music does, dB: the time doesn't hang on what is heard.
fn columns() -> Vec<[f32; BANDS]> {
    let count = (30.0 / COLUMN_SECONDS) as usize;
    (0..count)
        .map(|at| {
            std::array::from_fn(|band| {
                let beat = ((at % 7) as f32 * 0.9).sin() * 12.0;
                -20.0 - band as f32 * 0.3 + beat + ((at * 31 + band * 17) % 23) as f32
            })
        })
        .collect()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Milliseconds that `run` takes, the median.
fn time<T>(mut run: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<f64> {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let start = Instant::now();
        std::hint::black_box(run()?);
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(times))
}

/// Prints the section.
pub fn run(python: &str) -> anyhow::Result<()> {
    println!(
        "genre: a window of 30 s, one core, median of {RUNS} runs, the best of {ROUNDS} rounds"
    );
    let network = Network::embedded()?;
    let columns = columns();
    let mut ear = Ear::new(network.clone(), 44_100.0);
    columns.iter().for_each(|column| ear.push_mel(*column));
    // Every `stride`-th column up to the newest, [bands, columns].
    let gathered = |stride: usize| -> Vec<f32> {
        let heard: Vec<_> = columns.iter().rev().step_by(stride).rev().collect();
        (0..BANDS).flat_map(|band| heard.iter().map(move |column| column[band])).collect()
    };
    let (mel, every) = (gathered(STRIDE), gathered(1));
    let frames = mel.len() / BANDS;
    let values = window::input(&mel, frames);
    let input = Tensor::from_slice(&values, (1, 2, BANDS, frames), &Device::Cpu)?;
    let features = || texture::features(&every, columns.len(), Spacing::Every);
    let texture_values = network.texture_input(&features());
    let texture = Tensor::from_slice(&texture_values, (1, FEATURES), &Device::Cpu)?;
    let scores = network.forward(&input, &texture)?.logits.squeeze(0)?.to_vec1::<f32>()?;

    let folder = tempfile::tempdir()?;
    let window_file = folder.path().join("window.f32");
    let given = values.iter().chain(&texture_values).flat_map(|v| v.to_le_bytes());
    std::fs::write(&window_file, given.collect::<Vec<_>>())?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let theirs = || -> anyhow::Result<Theirs> {
        let output = Command::new(python)
            .arg(root.join("genre_in_onnxruntime.py"))
            .arg(root.join("../../models/genre.safetensors"))
            .arg(&window_file)
            .args([frames.to_string(), RUNS.to_string()])
            .output()?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default()
        );
        Ok(serde_json::from_slice(&output.stdout)?)
    };
    let (mut alone, mut counting, mut reading) = (f64::MAX, f64::MAX, f64::MAX);
    let mut rival = None::<f64>;
    let mut why_not = None;
    for _ in 0..ROUNDS {
        alone = alone.min(time(|| Ok(network.forward(&input, &texture)?))?);
        counting = counting.min(time(|| Ok(features()))?);
        reading = reading.min(time(|| Ok(ear.listen()?))?);
        match theirs() {
            Ok(theirs) => {
                let apart = theirs.scores.iter().zip(&scores).map(|(a, b)| (a - b).abs());
                let apart = apart.fold(0.0, f32::max);
                ensure!(apart < 1e-2, "onnxruntime's scores are {apart} from ours");
                rival = Some(rival.unwrap_or(f64::MAX).min(theirs.milliseconds));
            }
            Err(error) => why_not = Some(error),
        }
    }
    println!("  the network                     {alone:>8.2} ms");
    println!("  its texture's features          {counting:>8.2} ms");
    println!("  a reading, with its map         {reading:>8.2} ms");
    match (rival, why_not) {
        (Some(rival), _) => println!(
            "  onnxruntime, the same weights   {rival:>8.2} ms   ratio network : onnxruntime {:.2}",
            alone / rival
        ),
        (None, error) => println!(
            "  onnxruntime: skipped ({:#}); `pip install onnxruntime onnx` and --python",
            error.context("it could not be run")?
        ),
    }
    Ok(())
}
