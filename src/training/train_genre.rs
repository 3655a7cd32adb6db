//! Interface: `cargo xtask train genre`: fits the head of the network that names genres.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use earworm_genre::{GENRES, Head, NO_MUSIC, Network};
use half::f16;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::genre_clips::{Clip, Features, features, read_folder};
use crate::genre_head::{Example, Pull, fit};
use crate::genre_scores::{Answer, Scores};
use crate::genre_sounds::{Sound, sounds};

/// What the task is told on the command line.
#[derive(clap::Args)]
pub struct Options {
    /// Folders of audio with a labels.csv (clip, genre; if there artist, part, source), or of folders named by genre
    #[arg(required = true)]
    folders: Vec<PathBuf>,
    /// Where weights go, and what was heard in each clip for the next time
    #[arg(long, default_value = "target/genre")]
    out: PathBuf,
    /// Weights whose front, middle and back end are taken; else those that ship
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Pull of the head's weights towards zero
    #[arg(long, default_value_t = 0.003)]
    decay: f64,
    /// How much a genre with more clips counts for less: 0 not at all, 1 so that all count alike
    #[arg(long, default_value_t = 0.5)]
    evenness: f32,
    /// Made sounds of each kind that teach what is no music
    #[arg(long, default_value_t = 14)]
    sounds: usize,
    /// Fits without each collection in turn too, measures on it, and takes the temperature from there
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    across: bool,
}

/// Clips that a collection must have to be left out in turn.
const LARGE: usize = 150;

/// Runs the task.
pub fn run(options: Options) -> anyhow::Result<()> {
    let bytes = match &options.weights {
        Some(path) => {
            std::fs::read(path).with_context(|| format!("{} can't be read", path.display()))?
        }
        None => include_bytes!("../../models/genre.safetensors").to_vec(),
    };
    let network = Arc::new(Network::from_safetensors(&bytes)?);
    let mut clips = Vec::new();
    for folder in &options.folders {
        clips.extend(read_folder(folder)?);
    }
    let clips = features(clips, &network, &options.out.join("heard"))?;
    let sounds = sounds(options.sounds, false, &network, &options.out.join("speech"))?;
    let held_out = clips.iter().filter(|(clip, _)| clip.is_held_out).count();
    println!(
        "{} clips to learn from, {held_out} to measure on, {} sounds that are no music",
        clips.len() - held_out,
        sounds.len()
    );
    let pull = Pull { decay: options.decay, evenness: options.evenness };
    let learn = |wanted: &dyn Fn(&Clip) -> bool| -> anyhow::Result<Head> {
        let labelled = clips.iter().filter(|(clip, _)| wanted(clip));
        let labelled = labelled.map(|(clip, heard)| Example::of(clip, heard));
        let made = sounds.iter().filter(|sound| !sound.features.whole.is_empty()).map(no_music);
        fit(&labelled.chain(made).collect::<Vec<_>>(), pull)
    };
    let mut head = learn(&|clip| !clip.is_held_out)?;
    let mut sources: BTreeMap<&str, usize> = BTreeMap::new();
    clips.iter().for_each(|(clip, _)| *sources.entry(&clip.source).or_default() += 1);
    sources.retain(|_, count| *count >= LARGE);
    if options.across && !sources.is_empty() {
        let mut left_out = Vec::new();
        for source in sources.keys() {
            let there = || clips.iter().filter(|(clip, _)| clip.source == *source);
            let artists: HashSet<&str> = there()
                .map(|(clip, _)| clip.artist.as_str())
                .filter(|name| !name.is_empty())
                .collect();
            let without =
                learn(&|clip| clip.source != *source && !artists.contains(clip.artist.as_str()))?;
            left_out.push((*source, scores(&without, there())));
        }
        head.temperature = temperature(&left_out);
        for (source, scores) in &left_out {
            println!("without {source}, on it: {}", scores.at(head.temperature).summary());
        }
        let mean = left_out.iter().map(|(_, scores)| scores.balanced_accuracy()).sum::<f32>()
            / left_out.len() as f32;
        println!(
            "temperature {:.2}; balanced, the mean of these: {:.1} %",
            head.temperature,
            mean * 100.0
        );
    }
    if held_out > 0 {
        let there = clips.iter().filter(|(clip, _)| clip.is_held_out);
        println!("clips held out: {}", scores(&head, there).summary());
    }
    std::fs::create_dir_all(&options.out)?;
    let file = options.out.join("genre.safetensors");
    let beside = file.with_extension("part");
    std::fs::write(&beside, with_head(&bytes, &head)?)?;
    std::fs::rename(&beside, &file)?;
    println!("{}", file.display());
    Ok(())
}

fn no_music(sound: &Sound) -> Example<'_> {
    Example { answer: NO_MUSIC, open: Vec::new(), features: &sound.features }
}

/// What a head says about clips.
fn scores<'a>(head: &Head, clips: impl Iterator<Item = &'a (Clip, Features)>) -> Scores {
    let answers = clips.filter_map(|(clip, heard)| Answer::to(head, clip.genre, heard)).collect();
    Scores { answers, gtzan: false }
}

/// The temperature at which the collection whose probabilities are furthest from what comes true is least far from it.
fn temperature(left_out: &[(&str, Scores)]) -> f32 {
    let worst = |temperature: f32| {
        let errors = left_out.iter().map(|(_, scores)| scores.at(temperature).calibration_error());
        errors.fold(0.0_f32, f32::max)
    };
    let candidates = (0..=80).map(|step| 0.5 * 1.025_f32.powi(step));
    candidates.min_by(|&a, &b| worst(a).total_cmp(&worst(b))).unwrap_or(1.0)
}

/// The weights in `bytes` with another head, as f16.
fn with_head(bytes: &[u8], head: &Head) -> anyhow::Result<Vec<u8>> {
    let tensors = SafeTensors::deserialize(bytes)?;
    let mut parts: BTreeMap<String, (Vec<usize>, Vec<u8>)> = BTreeMap::new();
    for (name, tensor) in tensors.tensors() {
        if !name.starts_with("head.") {
            anyhow::ensure!(tensor.dtype() == Dtype::F16, "the weights of {name} are not f16");
            parts.insert(name, (tensor.shape().to_vec(), tensor.data().to_vec()));
        }
    }
    let answers = head.bias.len();
    let features = head.mean.len();
    for (name, shape, values) in [
        ("head.mean", vec![features], &head.mean),
        ("head.deviation", vec![features], &head.deviation),
        ("head.weight", vec![answers, features], &head.weight),
        ("head.bias", vec![answers], &head.bias),
        ("head.temperature", vec![1], &vec![head.temperature]),
    ] {
        let halves = values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect();
        parts.insert(name.to_owned(), (shape, halves));
    }
    let views = parts
        .iter()
        .map(|(name, (shape, data))| {
            Ok((name.as_str(), TensorView::new(Dtype::F16, shape.clone(), data)?))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let genres = serde_json::to_string(&GENRES)?;
    let notes = std::collections::HashMap::from([
        ("genres".to_owned(), genres),
        (
            "licence".to_owned(),
            "front, middle and back end: musicnn, ISC, (c) Music Technology Group, Universitat Pompeu Fabra 2019".to_owned(),
        ),
    ]);
    Ok(safetensors::serialize(views, Some(notes))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_head_leaves_the_rest_of_the_weights_as_they_are() {
        let bytes = include_bytes!("../../models/genre.safetensors");
        let network = Network::from_safetensors(bytes).unwrap();
        let mut head = network.head().clone();
        head.temperature = 2.5;
        let again = with_head(bytes, &head).unwrap();
        assert_eq!(Network::from_safetensors(&again).unwrap().head(), &head);
        let (before, after) =
            (SafeTensors::deserialize(bytes).unwrap(), SafeTensors::deserialize(&again).unwrap());
        for (name, tensor) in before.tensors() {
            if name != "head.temperature" {
                assert_eq!(tensor.data(), after.tensor(&name).unwrap().data(), "{name}");
            }
        }
    }
}
