//! Interface: `cargo xtask train tunes`: trains the char-RNN.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use candle_core::{DType, Device, Tensor, Var};
use candle_nn::VarBuilder;
use earworm_tunes::context::{Context, FACTS, Plan, Told};
use earworm_tunes::copies;
use earworm_tunes::grammar;
use earworm_tunes::network::{Cell, Config, Network};
use earworm_tunes::outline::{Outline, Score};
use earworm_tunes::plain::{Mode, PlainKey, PlainTune};
use earworm_tunes::plans::{Outlines, Plans};
use earworm_tunes::weights::Weights;
use indicatif::{ProgressBar, ProgressStyle};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::loss_curve;
use crate::tunes_corpus::{Collected, Corpus, Sides, texts};

/// What the task is told on the command line.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// Folders with .abc files, or such files
    #[arg(required = true)]
    corpus: Vec<PathBuf>,
    /// More of them, that change nothing of which of the first are held out
    #[arg(long, value_name = "DIR", num_args = 1..)]
    also: Vec<PathBuf>,
    /// A network to go on from, that may have been told fewer facts
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The recurrent cell
    #[arg(long, value_enum, default_value = "gru")]
    cell: CellName,
    /// Recurrent layers
    #[arg(long, default_value_t = 1)]
    layers: usize,
    /// Width of each layer
    #[arg(long, default_value_t = 512)]
    hidden: usize,
    /// Updates of the weights
    #[arg(long, default_value_t = 3000)]
    updates: usize,
    /// Stop after this many minutes, the rate falling over the last third as if all updates were done
    #[arg(long)]
    minutes: Option<f64>,
    /// Texts read side by side
    #[arg(long, default_value_t = 64)]
    lanes: usize,
    /// Characters before the gradient is cut
    #[arg(long, default_value_t = 64)]
    steps: usize,
    /// Highest learning rate
    #[arg(long, default_value_t = 2e-3)]
    rate: f64,
    /// Share of each layer's outputs dropped in training
    #[arg(long, default_value_t = 0.5)]
    dropout: f64,
    /// Updates between validations
    #[arg(long, default_value_t = 250)]
    validate: usize,
    /// Stop when so many validations in a row found no better network
    #[arg(long, default_value_t = 12)]
    patience: usize,
    /// Train on the tunes as they are, each once an epoch: in their own keys, whole, with all that stands in them
    #[arg(long)]
    no_augmentation: bool,
    /// Tell the network nothing but the character before, as a plain char-RNN
    #[arg(long)]
    characters_only: bool,
    /// Fixes the run
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Go on from the checkpoint in the working folder
    #[arg(long)]
    resume: bool,
    /// Working folder: checkpoint, loss curve, figures
    #[arg(long, default_value = "target/training/tunes")]
    work: PathBuf,
    /// Only write the working folder's best network to --out, rounded to 8 bits
    #[arg(long)]
    pack: bool,
    /// Where the best network is written, rounded to 8 bits
    #[arg(long, default_value = "models/tunes.safetensors")]
    out: PathBuf,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum CellName {
    Rnn,
    Gru,
    Lstm,
}

impl From<CellName> for Cell {
    fn from(name: CellName) -> Self {
        match name {
            CellName::Rnn => Self::Rnn,
            CellName::Gru => Self::Gru,
            CellName::Lstm => Self::Lstm,
        }
    }
}

/// One character to learn: what is known before it, and its symbol.
#[derive(Clone, Copy)]
pub struct Sample {
    /// Rows of the network's table.
    pub facts: [u16; FACTS],
    /// What comes next.
    pub symbol: u8,
    /// Whether the tune starts here.
    pub starts: bool,
    /// Whether it stands in the body, after the fields.
    pub in_body: bool,
}

/// A tune's characters as samples, for a network that is told so much of the tune.
pub fn samples(text: &str, told: Told) -> Vec<Sample> {
    let mut context = Context::told(told);
    text.bytes()
        .enumerate()
        .filter_map(|(index, character)| {
            let sample = Sample {
                facts: context.facts(),
                symbol: context.symbol(character)?,
                starts: index == 0,
                in_body: context.in_body(),
            };
            context.push(character);
            Some(sample)
        })
        .collect()
}

/// Which bars of a tune are known while others are written: all but one or two passages.
pub fn known_bars(bars: usize, random: &mut StdRng) -> Vec<bool> {
    let mut known = vec![true; bars];
    for _ in 0..random.random_range(1..=2) {
        let length = [1, 2, 4, 4, 8][random.random_range(0..5)].min(bars);
        let first = random.random_range(0..=bars - length);
        known[first..first + length].fill(false);
    }
    known
}

/// Keys within four sharps and three flats: what fiddle, flute and pipes play.
pub fn common_keys(mode: Mode) -> impl Iterator<Item = PlainKey> {
    (0..7u8)
        .flat_map(move |letter| {
            [-1i8, 0, 1].map(move |accidental| PlainKey { letter, accidental, mode })
        })
        .filter(|key| (-3..=4).contains(&key.fifths()))
}

/// How many times as often as the commonest dance's tunes those of a rare one are read, at most.
const RARE: f64 = 2.0;
/// Share of tunes of which the network is told what they come to, and of those how many by their outline too.
const TOLD: f64 = 0.6;
const OUTLINED: f64 = 0.85;
/// Share of tunes of which it is told what stands in most bars, while it writes the others.
const SCORED: f64 = 0.35;
/// Share of tunes with several sections of which only a few are read, as a shorter tune.
const EXCERPTS: f64 = 0.2;

/// The endless stream of training texts: every epoch all tunes in a new order. Augmented, those of rare dances come
/// several times, each in a drawn key, tunes with chord symbols half the time without, and now and then only
/// some of the sections. The seed and the count of windows taken fix everything in it.
struct Stream<'a> {
    tunes: &'a [Collected],
    /// How often each tune stands in an epoch.
    shares: Vec<f64>,
    augmenting: bool,
    random: StdRng,
    order: Vec<usize>,
    lanes: Vec<std::collections::VecDeque<Sample>>,
    epochs: usize,
}

struct Window {
    facts: Vec<u16>,
    keep: Vec<f32>,
    targets: Vec<u32>,
}

impl<'a> Stream<'a> {
    fn new(tunes: &'a [Collected], lanes: usize, augmenting: bool, seed: u64) -> Self {
        let mut counts: HashMap<&str, f64> = HashMap::new();
        for Collected { tune, .. } in tunes {
            *counts.entry(&tune.rhythm).or_default() += 1.0;
        }
        let most = counts.get("reel").copied().unwrap_or(1.0);
        let share = |Collected { tune, collection }: &Collected| match (augmenting, &collection[..])
        {
            (false, _) => 1.0,
            // Many songs beside few dances: they teach, and are not what is asked for.
            (_, "dutch") => 0.15,
            (_, "lieder") => 0.4,
            _ => (most / counts[tune.rhythm.as_str()]).sqrt().clamp(1.0, RARE),
        };
        Self {
            tunes,
            shares: tunes.iter().map(share).collect(),
            augmenting,
            random: StdRng::seed_from_u64(seed),
            order: Vec::new(),
            lanes: vec![Default::default(); lanes],
            epochs: 0,
        }
    }

    /// The next tune, and whether it is but a part of one.
    fn next_tune(&mut self) -> (PlainTune, bool) {
        if self.order.is_empty() {
            for (tune, &share) in self.shares.iter().enumerate() {
                let more = self.random.random_bool(share.fract());
                let times = share as usize + usize::from(more);
                self.order.extend(std::iter::repeat_n(tune, times));
            }
            self.order.shuffle(&mut self.random);
            self.epochs += 1;
        }
        let tune = &self.tunes[self.order.pop().unwrap_or(0)].tune;
        if !self.augmenting {
            return (tune.clone(), false);
        }
        let tune = if tune.has_chords() && self.random.random_bool(0.5) {
            tune.without_chords()
        } else {
            tune.clone()
        };
        let excerpt = self.excerpt(&tune);
        let is_excerpt = excerpt.is_some();
        let tune = excerpt.unwrap_or(tune);
        if self.random.random_bool(0.3) {
            return (tune, is_excerpt);
        }
        let keys: Vec<PlainKey> = common_keys(tune.key.mode).collect();
        let key = keys.choose(&mut self.random).copied().unwrap_or(tune.key);
        (tune.in_key(key).unwrap_or(tune), is_excerpt)
    }

    /// Now and then, some sections in a row that make a shorter tune: few tunes are as short as what may be
    /// asked for.
    fn excerpt(&mut self, tune: &PlainTune) -> Option<PlainTune> {
        let sections = tune.section_count();
        if sections < 2 || !self.random.random_bool(EXCERPTS) {
            return None;
        }
        let length = self.random.random_range(1..sections);
        let first = self.random.random_range(0..=sections - length);
        tune.excerpt(first..first + length).filter(|tune| grammar::form_of(&tune.text()).is_some())
    }

    /// What the network is told of a tune. Half of those that could have been composed are learnt as such, and all
    /// excerpts: with what is asked for, and to the plan and outline that they turned out to have.
    fn told(&mut self, text: &str, is_excerpt: bool) -> Told {
        let mut told = Told::default();
        if !self.augmenting {
            return told;
        }
        if self.random.random_bool(TOLD) || is_excerpt {
            told.form = grammar::form_of(text);
            told.plan = told.form.and_then(|_| Plan::of(text));
        }
        if told.plan.is_some() && self.random.random_bool(OUTLINED) {
            told.outline = Outline::of(text).map(Arc::new);
        }
        if self.random.random_bool(SCORED) {
            let mut context = Context::new();
            text.bytes().for_each(|character| context.push(character));
            let known = known_bars(context.measures() as usize, &mut self.random);
            told.score = Some(Score::new(text, known));
        }
        told
    }

    fn window(&mut self, steps: usize, told: usize) -> Window {
        let lanes = self.lanes.len();
        for lane in 0..lanes {
            while self.lanes[lane].len() < steps {
                let (tune, is_excerpt) = self.next_tune();
                let text = tune.text();
                let told = self.told(&text, is_excerpt);
                self.lanes[lane].extend(samples(&text, told));
            }
        }
        let mut window = Window {
            facts: vec![0; steps * lanes * told],
            keep: vec![1.0; steps * lanes],
            targets: vec![0; steps * lanes],
        };
        for (lane, queue) in self.lanes.iter_mut().enumerate() {
            for (step, sample) in queue.drain(..steps).enumerate() {
                let at = step * lanes + lane;
                window.facts[at * told..(at + 1) * told].copy_from_slice(&sample.facts[..told]);
                window.keep[at] = f32::from(!sample.starts);
                window.targets[at] = u32::from(sample.symbol);
            }
        }
        window
    }
}

/// Bits that a network needs for texts.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
pub struct Bits {
    /// Bits for all bodies.
    pub body: f64,
    /// Characters in all bodies.
    pub body_characters: usize,
    /// Bits for all fields.
    pub header: f64,
    /// Characters in all fields.
    pub header_characters: usize,
}

impl Bits {
    /// Bits per character of the bodies.
    pub fn per_character(&self) -> f64 {
        self.body / self.body_characters.max(1) as f64
    }

    /// Bits per character with the fields.
    pub fn per_character_with_header(&self) -> f64 {
        (self.body + self.header) / (self.body_characters + self.header_characters).max(1) as f64
    }
}

/// Measures how many bits each text costs a network that is told nothing but the text.
pub fn measure(network: &Network, texts: &[String]) -> anyhow::Result<Bits> {
    measure_samples(network, texts.iter().map(|text| samples(text, Told::default())).collect())
}

/// How many bits passages of texts cost that are told apart from the rest: all bars but some are known, before and after
/// those, and beside that where only what stands before is.
pub fn measure_infilling(network: &Network, texts: &[String]) -> anyhow::Result<(Bits, Bits)> {
    let of = |both_sides: bool| {
        let tunes = texts
            .iter()
            .enumerate()
            .map(|(number, text)| {
                let mut context = Context::new();
                text.bytes().for_each(|character| context.push(character));
                let mut random = StdRng::seed_from_u64(number as u64);
                let known = known_bars(context.measures() as usize, &mut random);
                let score = both_sides.then(|| Score::new(text, known.clone()));
                let mut samples = samples(text, Told { score, ..Told::default() });
                let mut context = Context::new();
                for (sample, character) in samples.iter_mut().zip(text.bytes()) {
                    let bar = context.measures() as usize;
                    sample.in_body &= !known.get(bar).copied().unwrap_or(true);
                    context.push(character);
                }
                samples
            })
            .collect();
        measure_samples(network, tunes)
    };
    Ok((of(true)?, of(false)?))
}

/// Measures how many bits characters cost, told apart by whether they are `in_body`.
fn measure_samples(network: &Network, mut order: Vec<Vec<Sample>>) -> anyhow::Result<Bits> {
    let lanes = 64;
    let steps = 64;
    let told = network.config().facts;
    // Lanes fill evenly when the longest go first.
    order.sort_by_key(|samples| std::cmp::Reverse(samples.len()));
    let mut queues: Vec<Vec<Sample>> = vec![Vec::new(); lanes];
    for tune in order {
        if let Some(shortest) = queues.iter_mut().min_by_key(|queue| queue.len()) {
            shortest.extend(tune);
        }
    }
    let longest = queues.iter().map(Vec::len).max().unwrap_or(0);
    let mut bits = Bits::default();
    let mut state = network.zero_state(lanes)?;
    for start in (0..longest).step_by(steps) {
        let mut facts = vec![0u16; steps * lanes * told];
        let mut keep = vec![1.0; steps * lanes];
        for (lane, queue) in queues.iter().enumerate() {
            for step in 0..steps {
                if let Some(sample) = queue.get(start + step) {
                    let at = step * lanes + lane;
                    facts[at * told..(at + 1) * told].copy_from_slice(&sample.facts[..told]);
                    keep[at] = f32::from(!sample.starts);
                }
            }
        }
        let (scores, after) = network.forward(facts, &keep, &state, None)?;
        state = after;
        let logs = candle_nn::ops::log_softmax(&scores, 1)?.to_vec2::<f32>()?;
        for (lane, queue) in queues.iter().enumerate() {
            for step in 0..steps {
                if let Some(sample) = queue.get(start + step) {
                    let cost = -f64::from(logs[step * lanes + lane][usize::from(sample.symbol)])
                        / std::f64::consts::LN_2;
                    if sample.in_body {
                        bits.body += cost;
                        bits.body_characters += 1;
                    } else {
                        bits.header += cost;
                        bits.header_characters += 1;
                    }
                }
            }
        }
    }
    Ok(bits)
}

/// AdamW (Loshchilov and Hutter 2019) over named weights, its moments open to checkpoints.
struct AdamW {
    /// Weight, first moment, second moment.
    weights: Vec<(String, Var, Vec<f32>, Vec<f32>)>,
    updates: usize,
    decay: f64,
}

impl AdamW {
    /// Takes the gradients, cut to a global norm of at most `clip`, and moves the weights. Returns the norm.
    fn step(
        &mut self,
        gradients: &candle_core::backprop::GradStore,
        rate: f64,
        clip: f64,
    ) -> anyhow::Result<f64> {
        let gradients = self
            .weights
            .iter()
            .map(|(name, var, ..)| {
                let gradient =
                    gradients.get(var).with_context(|| format!("no gradient for {name}"))?;
                Ok(gradient.flatten_all()?.to_vec1::<f32>()?)
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        let norm =
            gradients.iter().flatten().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>().sqrt();
        ensure!(norm.is_finite(), "the gradient overflowed; a lower --rate may help");
        let scale = (clip / norm.max(1e-12)).min(1.0) as f32;
        self.updates += 1;
        let (beta_1, beta_2) = (0.9f32, 0.99f32);
        let correct_1 = 1.0 - beta_1.powi(self.updates as i32);
        let correct_2 = 1.0 - beta_2.powi(self.updates as i32);
        let rate = rate as f32;
        for ((_, var, first, second), gradient) in self.weights.iter_mut().zip(&gradients) {
            let shape = var.shape().clone();
            let mut values = var.flatten_all()?.to_vec1::<f32>()?;
            // Biases are not decayed.
            let shrink = if shape.rank() > 1 { 1.0 - rate * self.decay as f32 } else { 1.0 };
            for (((value, first), second), &gradient) in
                values.iter_mut().zip(first.iter_mut()).zip(second.iter_mut()).zip(gradient)
            {
                let gradient = gradient * scale;
                *first = beta_1 * *first + (1.0 - beta_1) * gradient;
                *second = beta_2 * *second + (1.0 - beta_2) * gradient * gradient;
                *value = *value * shrink
                    - rate * (*first / correct_1) / ((*second / correct_2).sqrt() + 1e-8);
            }
            var.set(&Tensor::from_vec(values, shape, &Device::Cpu)?)?;
        }
        Ok(norm)
    }
}

/// What a checkpoint holds besides tensors.
#[derive(Serialize, Deserialize)]
struct Progress {
    config: Config,
    seed: u64,
    updates: usize,
    seconds: f64,
    best: f64,
    best_update: usize,
    since_best: usize,
    /// (update, training bits per character, validation bits per character of bodies)
    curve: Vec<(usize, f64, f64)>,
}

fn initial(config: &Config, seed: u64) -> anyhow::Result<Vec<(String, Var)>> {
    let mut random = StdRng::seed_from_u64(seed ^ 0x005e_ed0f_7e57);
    config
        .weights()
        .into_iter()
        .map(|(name, shape)| {
            let bound =
                if name == "facts.weight" { 0.1 } else { 1.0 / (config.hidden as f32).sqrt() };
            let count: usize = shape.iter().product();
            let values: Vec<f32> = if name.contains("bias") {
                // An LSTM that starts by remembering learns sooner (Jozefowicz et al. 2015).
                let forget = config.hidden..2 * config.hidden;
                (0..count)
                    .map(|at| {
                        f32::from(
                            config.cell == Cell::Lstm
                                && name.contains("rnn")
                                && forget.contains(&at),
                        )
                    })
                    .collect()
            } else {
                (0..count).map(|_| random.random_range(-bound..bound)).collect()
            };
            Ok((name, Var::from_vec(values, shape, &Device::Cpu)?))
        })
        .collect()
}

/// Starts from the weights of a network of the same cell and width. What it was not told begins without a say.
fn take_over(weights: &[(String, Var)], path: &Path) -> anyhow::Result<()> {
    let bytes = std::fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
    let floats = Weights::from_safetensors(&bytes)?.floats();
    for (name, var) in weights {
        let mut values = floats.get(name).with_context(|| format!("no {name}"))?.clone();
        let (fits, count) = (name == "facts.weight", var.elem_count());
        ensure!(
            values.len() == count || fits && values.len() < count,
            "{} is a network of another shape",
            path.display()
        );
        values.resize(count, 0.0);
        var.set(&Tensor::from_vec(values, var.shape(), &Device::Cpu)?)?;
    }
    Ok(())
}

/// Writes named tensors with the network's shape in the metadata.
fn save_network(
    path: &Path,
    config: &Config,
    weights: &[(String, Tensor)],
    figure: f64,
) -> anyhow::Result<()> {
    let metadata = HashMap::from([
        ("config".to_owned(), serde_json::to_string(config)?),
        (FIGURE.to_owned(), format!("{figure:.4}")),
    ]);
    write_whole(path, &safetensors::serialize(weights.iter().cloned(), Some(metadata))?)
}

const FIGURE: &str = "validation bits per character";

/// A network from a file of either kind that training leaves.
pub fn read_network(bytes: &[u8]) -> anyhow::Result<Network> {
    let (_, metadata) = safetensors::SafeTensors::read_metadata(bytes)?;
    let metadata = metadata.metadata().clone().unwrap_or_default();
    if let Ok(weights) = Weights::from_safetensors(bytes) {
        return load(&weights.config, &weights.floats());
    }
    let config = metadata.get("config").context("a network without a shape")?;
    let floats = candle_core::safetensors::load_buffer(bytes, &Device::Cpu)?
        .into_iter()
        .map(|(name, tensor)| {
            Ok((name, tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?))
        })
        .collect::<anyhow::Result<_>>()?;
    load(&serde_json::from_str(config)?, &floats)
}

/// Rounds the best network to 8 bits, measures what that costs, and writes it with the index of known stretches.
fn pack(
    best: &Path,
    out: &Path,
    train: &[Collected],
    valid: &[String],
    seed: u64,
) -> anyhow::Result<()> {
    let bytes = std::fs::read(best).with_context(|| format!("no network {}", best.display()))?;
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes)?;
    let metadata = metadata.metadata().clone().unwrap_or_default();
    let config: Config =
        serde_json::from_str(metadata.get("config").context("a network without a shape")?)?;
    let weights = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)?
        .into_iter()
        .map(|(name, tensor)| {
            Ok((name, tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?))
        })
        .collect::<anyhow::Result<HashMap<_, _>>>()?;
    let texts = texts(train);
    let stretches = copies::index(texts.iter().map(String::as_str));
    let plans = Plans::of(texts.iter().map(String::as_str));
    let before = measure(&load(&config, &weights)?, valid)?.per_character();
    let mut packed = Weights::pack(config, &weights, stretches, plans, HashMap::new())?;
    let after = measure(&load(&config, &packed.floats())?, valid)?.per_character();
    packed.outlines = Outlines::of(texts.iter().map(String::as_str));
    packed.notes = HashMap::from([
        (FIGURE.to_owned(), format!("{after:.4}")),
        ("seed".to_owned(), seed.to_string()),
        ("training tunes".to_owned(), train.len().to_string()),
    ]);
    let bytes = packed.to_safetensors()?;
    println!(
        "{:.4} bits per character on validation tunes, {:.4} rounded to 8 bits ({:+.2} %); {} bytes with {} stretches written to {}",
        before,
        after,
        100.0 * (after / before - 1.0),
        bytes.len(),
        packed.stretches.len(),
        out.display()
    );
    write_whole(out, &bytes)
}

/// The network over sequences with these weights.
pub fn load(config: &Config, weights: &HashMap<String, Vec<f32>>) -> anyhow::Result<Network> {
    let tensors = config
        .weights()
        .into_iter()
        .map(|(name, shape)| {
            let values = weights.get(&name).with_context(|| format!("no {name}"))?;
            Ok((name, Tensor::from_slice(values, shape, &Device::Cpu)?))
        })
        .collect::<anyhow::Result<HashMap<_, _>>>()?;
    Ok(Network::load(VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu), config)?)
}

/// Writes a file whole, and the folder where there is none.
pub fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    earworm_files::write(path, bytes).with_context(|| format!("can't write {}", path.display()))
}

/// Runs the task.
pub fn run(options: Options) -> anyhow::Result<()> {
    let corpus = Corpus::read(&options.corpus, &options.also)?;
    println!("{}", corpus.describe());
    let Sides { train, valid, valid_first } = corpus.split();
    let valid_texts = texts(&valid[..valid_first]);
    // Of the others as many are enough to see how it goes.
    let step = ((valid.len() - valid_first) / 250).max(1);
    let other_texts: Vec<String> = texts(&valid[valid_first..]).into_iter().step_by(step).collect();
    println!("{} tunes to train on, {} to validate with", train.len(), valid.len());
    ensure!(!valid.is_empty(), "too few tunes to keep some for validation");

    let checkpoint = options.work.join("checkpoint.safetensors");
    let best = options.work.join("best.safetensors");
    if options.pack {
        return pack(&best, &options.out, &train, &valid_texts, options.seed);
    }
    let mut config = Config {
        cell: options.cell.into(),
        layers: options.layers,
        hidden: options.hidden,
        facts: if options.characters_only { 1 } else { FACTS },
    };
    let mut progress = Progress {
        config,
        seed: options.seed,
        updates: 0,
        seconds: 0.0,
        best: f64::INFINITY,
        best_update: 0,
        since_best: 0,
        curve: Vec::new(),
    };
    let mut saved: Option<HashMap<String, Tensor>> = None;
    if options.resume {
        let bytes = std::fs::read(&checkpoint)
            .with_context(|| format!("no checkpoint {}", checkpoint.display()))?;
        let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes)?;
        let text = metadata
            .metadata()
            .as_ref()
            .and_then(|metadata| metadata.get("progress"))
            .context("a checkpoint without progress")?;
        progress = serde_json::from_str(text)?;
        config = progress.config;
        saved = Some(candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)?);
    }
    let weights = initial(&config, progress.seed)?;
    if let Some(path) = options.from.as_deref().filter(|_| saved.is_none()) {
        take_over(&weights, path)?;
    }
    let tensors: HashMap<String, Tensor> =
        weights.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
    let network =
        Network::load(VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu), &config)?;
    let mut state = network.zero_state(options.lanes)?;
    let mut optimiser = AdamW {
        weights: weights
            .iter()
            .map(|(name, var)| {
                (
                    name.clone(),
                    var.clone(),
                    vec![0.0; var.elem_count()],
                    vec![0.0; var.elem_count()],
                )
            })
            .collect(),
        updates: progress.updates,
        decay: 0.02,
    };
    if let Some(saved) = &saved {
        let get = |name: String| {
            saved.get(&name).cloned().with_context(|| format!("the checkpoint lacks {name}"))
        };
        for (name, var, first, second) in &mut optimiser.weights {
            var.set(&get(format!("weight/{name}"))?)?;
            *first = get(format!("first/{name}"))?.flatten_all()?.to_vec1()?;
            *second = get(format!("second/{name}"))?.flatten_all()?.to_vec1()?;
        }
        for (layer, state) in state.iter_mut().enumerate() {
            *state = get(format!("state/{layer}"))?;
        }
    }
    println!(
        "{:?}, {} layer(s) of {}, {} parameters",
        config.cell,
        config.layers,
        config.hidden,
        config.parameters()
    );

    let mut stream = Stream::new(&train, options.lanes, !options.no_augmentation, progress.seed);
    for _ in 0..progress.updates {
        stream.window(options.steps, config.facts);
    }
    let bar = ProgressBar::new(options.updates as u64).with_style(ProgressStyle::with_template(
        "{bar:30} {pos}/{len} updates, {elapsed} gone, {eta} left  {msg}",
    )?);
    bar.set_position(progress.updates as u64);
    let seconds_before = progress.seconds;
    let started = Instant::now();
    let (mut loss_sum, mut loss_count) = (0.0, 0);
    let mut finished = false;
    while !finished {
        // How far the run is, in updates or in time; the rate is steady and falls in the last third.
        let seconds = seconds_before + started.elapsed().as_secs_f64();
        let done = progress.updates as f64 / options.updates as f64;
        let done = options.minutes.map_or(done, |minutes| done.max(seconds / (60.0 * minutes)));
        let warm = (progress.updates + 1) as f64 / 100.0;
        let rate = options.rate * warm.min(1.0) * ((1.0 - done) / 0.35).clamp(0.01, 1.0);
        let window = stream.window(options.steps, config.facts);
        let places = window.targets.len();
        let targets = Tensor::from_vec(window.targets, places, &Device::Cpu)?;
        // Drawn anew for each update, so that a resumed run draws the same.
        let mut random =
            StdRng::seed_from_u64(progress.seed.wrapping_mul(1_000_003) ^ progress.updates as u64);
        let keep_share = 1.0 - options.dropout;
        let mut dropout = |flow: &Tensor| {
            let scale = (1.0 / keep_share) as f32;
            let limit = (keep_share * f64::from(u32::MAX)) as u32;
            let mask: Vec<f32> = (0..flow.elem_count())
                .map(|_| if random.random::<u32>() < limit { scale } else { 0.0 })
                .collect();
            flow.mul(&Tensor::from_vec(mask, flow.shape(), flow.device())?)
        };
        let (scores, after) =
            network.forward(window.facts, &window.keep, &state, Some(&mut dropout))?;
        state = after;
        let loss = candle_nn::loss::cross_entropy(&scores, &targets)?;
        optimiser.step(&loss.backward()?, rate, 1.0)?;
        progress.updates += 1;
        loss_sum += f64::from(loss.to_scalar::<f32>()?) / std::f64::consts::LN_2;
        loss_count += 1;
        bar.set_position(progress.updates as u64);
        if loss_count % 20 == 0 {
            let speed = (places * loss_count) as f64
                / (seconds_before + started.elapsed().as_secs_f64() - seconds_at(&progress))
                    .max(0.1);
            bar.set_message(format!(
                "{:.3} bits, {:.0} characters/s",
                loss_sum / loss_count as f64,
                speed
            ));
        }
        finished = done >= 1.0 || progress.updates >= options.updates;
        if finished || progress.updates.is_multiple_of(options.validate) {
            let bits = measure(&network, &valid_texts)?;
            let others = match other_texts.is_empty() {
                true => 0.0,
                false => measure(&network, &other_texts)?.per_character(),
            };
            let found = bits.per_character() + others;
            progress.seconds = seconds_before + started.elapsed().as_secs_f64();
            progress.curve.push((
                progress.updates,
                loss_sum / loss_count.max(1) as f64,
                bits.per_character(),
            ));
            (loss_sum, loss_count) = (0.0, 0);
            progress.since_best += 1;
            let current: Vec<(String, Tensor)> = optimiser
                .weights
                .iter()
                .map(|(name, var, ..)| (name.clone(), var.as_tensor().clone()))
                .collect();
            if found < progress.best {
                (progress.best, progress.best_update, progress.since_best) =
                    (found, progress.updates, 0);
                save_network(&best, &config, &current, bits.per_character())?;
            }
            let line = format!(
                "update {:>6}  epoch {:>3}  {:>5.1} min  rate {:.1e}  training {:.4}  validation {:.4} ({:.4} with fields), others {others:.4}{}",
                progress.updates,
                stream.epochs,
                progress.seconds / 60.0,
                rate,
                progress.curve.last().map_or(0.0, |point| point.1),
                bits.per_character(),
                bits.per_character_with_header(),
                if progress.since_best == 0 { "  best" } else { "" },
            );
            if bar.is_hidden() {
                println!("{line}")
            } else {
                bar.println(line)
            }
            finished |= progress.since_best >= options.patience;
            let mut tensors = Vec::new();
            for (name, var, first, second) in &optimiser.weights {
                let shape = var.shape();
                tensors.push((format!("weight/{name}"), var.as_tensor().clone()));
                tensors.push((
                    format!("first/{name}"),
                    Tensor::from_slice(first, shape, &Device::Cpu)?,
                ));
                tensors.push((
                    format!("second/{name}"),
                    Tensor::from_slice(second, shape, &Device::Cpu)?,
                ));
            }
            for (layer, state) in state.iter().enumerate() {
                tensors.push((format!("state/{layer}"), state.clone()));
            }
            let metadata =
                HashMap::from([("progress".to_owned(), serde_json::to_string(&progress)?)]);
            write_whole(&checkpoint, &safetensors::serialize(tensors, Some(metadata))?)?;
            loss_curve::draw(
                &options.work.join("loss.png"),
                "bits per character",
                &progress.curve,
            )?;
        }
    }
    bar.finish_and_clear();
    println!(
        "best at update {}; curve in {}",
        progress.best_update,
        options.work.join("loss.png").display()
    );
    pack(&best, &options.out, &train, &valid_texts, progress.seed)
}

/// Seconds of the run when the last point of the curve was taken.
fn seconds_at(progress: &Progress) -> f64 {
    progress.seconds
}
