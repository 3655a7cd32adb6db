//! Interface: `cargo xtask train genre`: trains the network that names genres.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use candle_core::{D, DType, Device, Tensor};
use candle_nn::{Init, VarBuilder, VarMap};
use earworm_genre::{Config, GENRES, Network};
use indicatif::{ProgressBar, ProgressStyle};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use crate::genre_clips::{Clip, FMA_GENRES, Source, read_audio, read_mels};
use crate::genre_curves::{self, Epoch};
use crate::genre_scores::{self, Scores};
use crate::genre_texture;
use crate::genre_weights::{Optimizer, save_network};
use crate::genre_windows::{Augmentation, Batch, Pool};

/// The networks that can be trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Architecture {
    /// Four plain convolution blocks, as shipped
    Custom,
    /// A small residual network
    Resnet,
}

/// What the task is told on the command line.
#[derive(clap::Args)]
pub struct Options {
    /// safetensors files of labelled mels, or folders of folders of audio named by genre
    #[arg(required = true)]
    data: Vec<PathBuf>,
    /// Clips that are only measured; the first file chooses the best weights and the temperature
    #[arg(long)]
    valid: Vec<PathBuf>,
    /// The network's architecture
    #[arg(long, value_enum, default_value = "custom")]
    arch: Architecture,
    /// Where weights, checkpoint and pictures go
    #[arg(long, default_value = "target/genre")]
    out: PathBuf,
    /// Optimiser steps in all
    #[arg(long, default_value_t = 8000)]
    steps: usize,
    /// Steps between two measurements
    #[arg(long, default_value_t = 400)]
    epoch: usize,
    /// Windows a step
    #[arg(long, default_value_t = 48)]
    batch: usize,
    /// Highest learning rate of the one cycle
    #[arg(long, default_value_t = 3e-3)]
    rate: f64,
    /// Pull of the weights towards zero
    #[arg(long, default_value_t = 0.05)]
    decay: f64,
    /// Leave out this source, to measure how well the others speak for it: gtzan, emotify or fma
    #[arg(long)]
    without: Option<String>,
    /// Cross-validation: GTZAN's clips among DATA are cut into five parts, and this one (1 to 5) is measured instead of
    /// trained on; the last weights are kept, whatever was measured
    #[arg(long, value_name = "PART", value_parser = clap::value_parser!(u8).range(1..=PARTS as i64))]
    fold: Option<u8>,
    /// Train without this augmentation, to measure what it is worth; may be given several times
    #[arg(long, value_enum)]
    leave_out: Vec<Augmentation>,
    /// Epochs without a better figure after which training stops; 0 never stops early
    #[arg(long, default_value_t = 0)]
    patience: usize,
    /// Fixes the run
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Go on from the checkpoint in --out
    #[arg(long)]
    resume: bool,
    /// Take the convolutions from these weights: only the texture is fitted anew, and both are calibrated
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    convolutions: Option<PathBuf>,
    /// Measure the time of this many steps and stop
    #[arg(long)]
    time_steps: Option<usize>,
}

/// Lengths of training windows, frames of 232 ms, with their weights: the ear answers from 3 s on.
const LENGTHS: [(usize, f64); 4] = [(20, 0.15), (43, 0.5), (64, 0.25), (86, 0.1)];
/// Parts of a cross-validation.
const PARTS: usize = 5;
/// How much of the averaged weights each step keeps.
const AVERAGE: f32 = 0.995;
/// How much FMA's own head counts beside the genres.
const FMA_SHARE: f64 = 0.5;
/// Share of the features that a step leaves out.
const DROPOUT: f32 = 0.3;

/// Runs the task.
pub fn run(options: Options) -> anyhow::Result<()> {
    let config = match options.arch {
        Architecture::Custom => Config::CUSTOM,
        Architecture::Resnet => Config::RESNET,
    };
    std::fs::create_dir_all(&options.out)?;
    let (train, validation) = clips(&options)?;
    for set in &validation {
        println!("measured on {}: {} clips", set.name, set.clips.len());
    }
    println!("trained on {} clips", train.len());
    let pool = Pool::new(&train, &options.leave_out);

    let device = Device::Cpu;
    let variables = VarMap::new();
    let paths = VarBuilder::from_varmap(&variables, DType::F32, &device);
    let network = Network::new(config, paths.clone())?;
    // A checkpoint has it.
    if !options.resume {
        let texture = genre_texture::fit(&train, &options.leave_out, options.seed)?;
        set_variable(&variables, "texture.mean", texture.mean)?;
        set_variable(&variables, "texture.deviation", texture.deviation)?;
        set_variable(&variables, "texture.weight", texture.weight)?;
    }
    let features = 3 * config.hidden;
    paths.get_with_hints(
        (FMA_GENRES.len(), features),
        "fma.weight",
        Init::Randn { mean: 0.0, stdev: 0.05 },
    )?;
    paths.get_with_hints(FMA_GENRES.len(), "fma.bias", Init::Const(0.0))?;
    let mut optimizer = Optimizer::new(&variables, options.seed, options.decay as f32, AVERAGE)?;
    println!("{} parameters", optimizer.parameters());
    let mut history: Vec<Epoch> = Vec::new();
    let checkpoint = options.out.join("checkpoint.safetensors");
    if options.resume {
        history = optimizer.load(&checkpoint)?;
        println!("going on from step {}", optimizer.step());
    }

    if let Some(path) = &options.convolutions {
        optimizer.take_convolutions(path, options.steps)?;
    }

    let bar = ProgressBar::new(options.steps as u64).with_position(optimizer.step() as u64);
    bar.set_style(ProgressStyle::with_template("{wide_bar} {pos}/{len} steps, {eta} left, {msg}")?);
    let (mut losses, mut busy) = (Vec::new(), Duration::ZERO);
    while optimizer.step() < options.steps {
        let began = Instant::now();
        let step = optimizer.step();
        // A generator of its own for each step: a resumed run draws what the first would have.
        let mut random = StdRng::seed_from_u64(options.seed.wrapping_mul(1_000_003) ^ step as u64);
        let frames = LENGTHS.choose_weighted(&mut random, |length| length.1)?.0;
        let batch = pool.draw(options.batch, frames, &mut random)?;
        let loss = loss(&network, &paths, &batch, &mut random)?;
        let gradients = loss.backward()?;
        let rate = one_cycle(step, options.steps, options.rate);
        optimizer.advance(&gradients, rate as f32)?;
        let loss = loss.to_scalar::<f32>()?;
        if !loss.is_finite() {
            bail!("the loss is no number any more at step {step}: try a lower --rate");
        }
        losses.push(loss);
        busy += began.elapsed();
        bar.set_message(format!("loss {loss:.3}"));
        bar.inc(1);

        let step = optimizer.step();
        if Some(losses.len()) == options.time_steps {
            println!(
                "{:.0} ms a step of {} windows",
                busy.as_secs_f64() * 1e3 / losses.len() as f64,
                options.batch
            );
            return Ok(());
        }
        if step % options.epoch == 0 || step == options.steps {
            let averaged = optimizer.averaged_network(config)?;
            let mut scores = Vec::new();
            for set in &validation {
                scores.push(genre_scores::measure(&averaged, &set.clips, set.gtzan)?);
            }
            let mean = losses.iter().sum::<f32>() / losses.len().max(1) as f32;
            let epoch = Epoch {
                step,
                loss: mean,
                accuracies: scores.iter().map(Scores::headline).collect(),
            };
            let line: Vec<String> = validation
                .iter()
                .zip(&epoch.accuracies)
                .map(|(set, value)| format!("{} {:.1} %", set.name, value * 100.0))
                .collect();
            bar.suspend(|| {
                println!(
                    "step {step}: loss {mean:.3}, {}, {:.0} ms a step",
                    line.join(", "),
                    busy.as_secs_f64() * 1e3 / losses.len().max(1) as f64
                );
            });
            losses.clear();
            busy = Duration::ZERO;
            history.push(epoch);
            let best = best_epoch(&history);
            if best + 1 == history.len() {
                save_network(&optimizer, &options.out.join("best.safetensors"), 1.0)?;
            }
            // After the best weights, so that what it says of them is always true.
            optimizer.save(&checkpoint, &history)?;
            save_network(&optimizer, &options.out.join("last.safetensors"), 1.0)?;
            let names: Vec<&str> = validation.iter().map(|set| set.name.as_str()).collect();
            genre_curves::draw_curves(&options.out.join("curves.png"), &history, &names)?;
            if let (Some(scores), Some(set)) = (scores.first(), validation.first()) {
                genre_curves::draw_confusion(
                    &options.out.join("confusion.png"),
                    scores,
                    &set.name,
                )?;
            }
            if options.patience > 0 && history.len() > best + options.patience {
                bar.suspend(|| println!("no better figure for {} epochs", options.patience));
                break;
            }
        }
    }
    bar.finish_and_clear();
    // A part of a cross-validation is measured and chooses nothing.
    let chosen = history.get(best_epoch(&history));
    if let Some(best) = chosen.filter(|_| !validation.is_empty() && options.fold.is_none()) {
        println!("the best were those of step {}", best.step);
        optimizer.take_convolutions(&options.out.join("best.safetensors"), optimizer.step())?;
    }
    finish(&options, &optimizer, &network, &validation)
}

/// Calibrates the averaged weights on the first validation set and writes them.
fn finish(
    options: &Options,
    optimizer: &Optimizer,
    network: &Network,
    validation: &[Set],
) -> anyhow::Result<()> {
    let path = options.out.join("genre.safetensors");
    let averaged = optimizer.averaged_network(network.config())?;
    let Some(set) = validation.first() else {
        return save_network(optimizer, &path, 1.0);
    };
    let temperature = genre_scores::measure(&averaged, &set.clips, set.gtzan)?.best_temperature();
    save_network(optimizer, &path, temperature)?;
    let calibrated = Network::from_safetensors(&std::fs::read(&path)?)?;
    for set in validation {
        let scores = genre_scores::measure(&calibrated, &set.clips, set.gtzan)?;
        println!("{}: {}", set.name, scores.summary());
    }
    println!("{} (temperature {temperature:.3})", path.display());
    Ok(())
}

fn best_epoch(history: &[Epoch]) -> usize {
    let figure = |epoch: &Epoch| epoch.accuracies.first().copied().unwrap_or(-epoch.loss);
    (0..history.len())
        .max_by(|&a, &b| figure(&history[a]).total_cmp(&figure(&history[b])))
        .unwrap_or(0)
}

/// Learning rate at a step: up to the highest over the first 15 %, then down along a cosine
/// (L. Smith, N. Topin 2017).
fn one_cycle(step: usize, steps: usize, highest: f64) -> f64 {
    let place = step as f64 / steps.max(1) as f64;
    let rise = 0.15;
    if place < rise {
        highest * (0.04 + 0.96 * place / rise)
    } else {
        let fall = (place - rise) / (1.0 - rise);
        highest * (0.5 + 0.5 * (fall * std::f64::consts::PI).cos()).max(0.002)
    }
}

fn loss(
    network: &Network,
    paths: &VarBuilder,
    batch: &Batch,
    random: &mut StdRng,
) -> anyhow::Result<Tensor> {
    use rand::Rng;
    let features = network.features(&batch.input)?;
    let (windows, width) = features.dims2()?;
    let kept: Vec<f32> = (0..windows * width)
        .map(|_| if random.random::<f32>() < DROPOUT { 0.0 } else { 1.0 / (1.0 - DROPOUT) })
        .collect();
    let features = (features * Tensor::from_vec(kept, (windows, width), &Device::Cpu)?)?;
    let logits = (network.scores(&features)? + &batch.hidden)?;
    let genres = cross_entropy(&logits, &batch.genres, &batch.genre_weights)?;
    let weight = paths.get((FMA_GENRES.len(), width), "fma.weight")?;
    let bias = paths.get(FMA_GENRES.len(), "fma.bias")?;
    let fma = cross_entropy(
        &features.matmul(&weight.t()?)?.broadcast_add(&bias)?,
        &batch.fma,
        &batch.fma_weights,
    )?;
    Ok((genres + (fma * FMA_SHARE)?)?)
}

/// Gives a variable its values.
fn set_variable(variables: &VarMap, name: &str, values: Vec<f32>) -> anyhow::Result<()> {
    let data = variables.data().lock().map_err(|_| anyhow::anyhow!("the variables are lost"))?;
    let variable = data.get(name).with_context(|| format!("no variable {name}"))?;
    let shape = variable.shape().clone();
    Ok(variable.set(&Tensor::from_vec(values, shape, &Device::Cpu)?)?)
}

/// Mean over the weighted windows of -Σ target × log softmax.
pub fn cross_entropy(
    logits: &Tensor,
    targets: &Tensor,
    weights: &Tensor,
) -> anyhow::Result<Tensor> {
    let each =
        (candle_nn::ops::log_softmax(logits, D::Minus1)? * targets)?.sum(D::Minus1)?.neg()?;
    let total = f64::from(weights.sum_all()?.to_scalar::<f32>()?).max(1.0);
    Ok(((each * weights)?.sum_all()? / total)?)
}

/// Clips to measure on.
struct Set {
    name: String,
    clips: Vec<Clip>,
    /// Whether only GTZAN's ten genres can be answers.
    gtzan: bool,
}

/// Labelled clips of a file or folder.
fn read(path: &Path, out: &Path) -> anyhow::Result<Vec<Clip>> {
    if path.is_dir() { read_audio(path, &out.join("mels")) } else { read_mels(path) }
}

/// The clips to train on, and the sets to measure on: the files of --valid, and what is held out of
/// sources that come in one file.
fn clips(options: &Options) -> anyhow::Result<(Vec<Clip>, Vec<Set>)> {
    let mut sets = Vec::new();
    let name = |path: &Path| {
        path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
    };
    for path in &options.valid {
        sets.push(Set { name: name(path), clips: read(path, &options.out)?, gtzan: true });
    }
    let mut train = Vec::new();
    for path in &options.data {
        let clips = read(path, &options.out)?;
        let source =
            clips.first().with_context(|| format!("{} holds no clip", path.display()))?.source;
        let (held, kept): (Vec<Clip>, Vec<Clip>) = clips.into_iter().partition(Clip::is_held_out);
        if !held.is_empty() {
            let held: Vec<Clip> = held.into_iter().filter(|clip| clip.genre.is_some()).collect();
            sets.push(Set {
                name: format!("{} (held out)", name(path)),
                clips: held,
                gtzan: false,
            });
        }
        let left_out = format!("{source:?}").to_ascii_lowercase();
        if options.without.as_deref() != Some(left_out.as_str()) {
            train.extend(kept.into_iter().filter(|clip| !clip.columns.is_empty()));
        }
    }
    if let Some(part) = options.fold {
        let held: Vec<Clip> = take_part(&mut train, usize::from(part) - 1);
        if held.is_empty() {
            bail!("--fold: there are no clips of GTZAN among DATA to cut into parts");
        }
        sets.insert(0, Set { name: format!("gtzan (part {part})"), clips: held, gtzan: true });
    }
    if train.is_empty() {
        bail!("no clip is left to train on");
    }
    debug_assert!(train.iter().all(|clip| clip.genre.is_none_or(|genre| genre < GENRES.len())));
    Ok((train, sets))
}

/// Takes one of [`PARTS`] parts of GTZAN's clips out of `clips`. A part has as much of each genre as the others, within a
/// clip, and clips that follow each other in number, as most of one artist's do, stand in one part, except where two meet.
fn take_part(clips: &mut Vec<Clip>, part: usize) -> Vec<Clip> {
    clips.sort_by(|a, b| (a.genre, &a.name).cmp(&(b.genre, &b.name)));
    let of_gtzan = |clip: &Clip| clip.source == Source::Gtzan;
    let count =
        |genre| clips.iter().filter(|clip| of_gtzan(clip) && clip.genre == Some(genre)).count();
    let counts: Vec<usize> = (0..GENRES.len()).map(count).collect();
    let mut places = vec![0; GENRES.len()];
    let (held, kept) = std::mem::take(clips).into_iter().partition(|clip| {
        let Some(genre) = clip.genre.filter(|_| of_gtzan(clip)) else { return false };
        let place = places[genre];
        places[genre] += 1;
        place * PARTS / counts[genre] == part
    });
    *clips = kept;
    held
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_cross_validation_hold_every_clip_once_and_neighbours_together() {
        let clips = || -> Vec<Clip> {
            let clip = |genre: usize, number: usize, source| Clip {
                name: format!("{}.{number:05}", GENRES[genre]),
                word: GENRES[genre].to_string(),
                genre: Some(genre),
                fma: None,
                group: String::new(),
                source,
                columns: Vec::new(),
                stride: 1,
            };
            let gtzan = (0..3).flat_map(|genre| {
                let count = 13 + genre;
                (0..count).map(move |n| clip(genre, 2 * (n * 11 % count), Source::Gtzan))
            });
            gtzan.chain((0..7).map(|number| clip(1, number, Source::Fma))).collect()
        };
        let mut held = Vec::new();
        for part in 0..PARTS {
            let mut rest = clips();
            let taken = take_part(&mut rest, part);
            assert_eq!(taken.len() + rest.len(), clips().len());
            for genre in 0..3 {
                let names: Vec<&str> = taken
                    .iter()
                    .filter(|clip| clip.genre == Some(genre))
                    .map(|clip| clip.name.as_str())
                    .collect();
                let first = names.iter().min().copied().unwrap_or_default();
                let range = first..=names.iter().max().copied().unwrap_or_default();
                assert!((2..=3).contains(&names.len()), "{names:?}");
                let inside = |clip: &&Clip| {
                    clip.source == Source::Gtzan && range.contains(&clip.name.as_str())
                };
                assert!(!rest.iter().any(|clip| inside(&clip)), "{names:?}");
            }
            held.extend(taken);
        }
        assert!(held.iter().all(|clip| clip.source == Source::Gtzan));
        let mut names: Vec<&str> = held.iter().map(|clip| clip.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 13 + 14 + 15);
    }
}
