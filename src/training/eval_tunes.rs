//! Interface: `cargo xtask eval tunes`: what the tune network is worth, on given tunes and in what it writes.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_nn::rnn::{GRU, GRUConfig, LSTM, LSTMConfig, RNN};
use earworm_abc::{self as abc, ElementKind, Key};
use earworm_tunes::context::{Context, fact_rows};
use earworm_tunes::grammar;
use earworm_tunes::network::{Cell, Config};
use earworm_tunes::step::Step;
use earworm_tunes::{Composer, Request, Style, copies};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use crate::ngram::{Ngram, ORDERS};
use crate::train_tunes::{Bits, load, measure, measure_infilling, read_network};
use crate::tunes_corpus::{Collected, Corpus, texts};
use crate::tunes_form;

/// A vanilla RNN to compare with.
const RNN: &[u8] = include_bytes!("../../models/tunes-rnn.safetensors");

/// What the task is told on the command line.
#[derive(clap::Args)]
pub struct Options {
    /// Folders with .abc files, or such files, that the network was not trained on
    #[arg(required = true)]
    corpus: Vec<PathBuf>,
    /// More of them, whose validation side is measured apart
    #[arg(long, value_name = "DIR", num_args = 1.., requires = "held_out")]
    also: Vec<PathBuf>,
    /// Only the validation side of the tunes given, as training splits them; the n-gram learns from the other
    #[arg(long)]
    held_out: bool,
    /// Tunes that the n-gram learns from; without, the other nine tenths of the tunes given, ten times
    #[arg(long, value_name = "DIR")]
    ngram_from: Vec<PathBuf>,
    /// Other networks to measure beside it, files that `train tunes` left
    #[arg(long, value_name = "FILE")]
    against: Vec<PathBuf>,
    /// Another network than the program's own
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// How many tunes are written and looked at
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// Their temperature
    #[arg(long, default_value_t = 1.0)]
    temperature: f32,
    /// Their top-p
    #[arg(long, default_value_t = 1.0)]
    top_p: f32,
    /// How many tunes of each dance are written to compare their form with real tunes' of it
    #[arg(long, value_name = "N", default_value_t = 0)]
    form: u64,
    /// Writes the given tunes in plain form, for other baselines
    #[arg(long, value_name = "FILE")]
    dump: Option<PathBuf>,
    /// Writes the tunes that were composed
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

/// A sum over tunes of what can be counted in them.
#[derive(Default)]
struct Music {
    tunes: f64,
    bars: f64,
    in_key: f64,
    range: f64,
    ends_on_tonic: f64,
    repeated: f64,
    /// By semitones above the tonic.
    pitch_classes: [f64; 12],
    /// By semitones from -12 to 12, further leaps at the ends.
    intervals: [f64; 25],
}

impl Music {
    /// Counts what stands in an ABC tune.
    fn add(&mut self, tune: &abc::Tune) {
        let Some((step, accidental)) = tune.key.tonic else { return };
        let tonic = i32::from(step.semitones() + accidental);
        let signature = tune.key.alterations();
        let (mut keys, mut in_key) = (Vec::new(), 0.0);
        let mut bars: Vec<Vec<(u8, u32)>> = vec![Vec::new()];
        for element in tune.voices.iter().flat_map(|voice| &voice.elements) {
            match &element.kind {
                ElementKind::Note(note) => {
                    in_key +=
                        f64::from(u8::from(note.alteration == signature[note.pitch.step as usize]));
                    keys.push(i32::from(note.key()));
                    if let Some(bar) = bars.last_mut() {
                        bar.push((note.key(), note.duration.ticks()));
                    }
                }
                ElementKind::Rest(rest) => {
                    if let Some(bar) = bars.last_mut() {
                        bar.push((0, rest.duration.ticks()));
                    }
                }
                ElementKind::Bar(_) => bars.push(Vec::new()),
                _ => {}
            }
        }
        let (Some(&last), Some(low), Some(high)) =
            (keys.last(), keys.iter().min(), keys.iter().max())
        else {
            return;
        };
        let whole = tune.metre.bar().map_or(0, |bar| bar.ticks());
        bars.retain(|bar| bar.iter().map(|(_, ticks)| ticks).sum::<u32>() == whole);
        let again = (0..bars.len()).filter(|&at| bars[..at].contains(&bars[at])).count();
        self.tunes += 1.0;
        self.bars += bars.len() as f64;
        self.in_key += in_key / keys.len() as f64;
        self.range += f64::from(high - low);
        self.ends_on_tonic += f64::from(u8::from((last - tonic).rem_euclid(12) == 0));
        self.repeated += again as f64 / bars.len().max(1) as f64;
        for key in &keys {
            self.pitch_classes[(key - tonic).rem_euclid(12) as usize] += 1.0;
        }
        for pair in keys.windows(2) {
            self.intervals[((pair[1] - pair[0]).clamp(-12, 12) + 12) as usize] += 1.0;
        }
    }

    fn mean(&self, sum: f64) -> f64 {
        sum / self.tunes.max(1.0)
    }

    fn json(&self) -> Value {
        json!({
            "bars": self.mean(self.bars),
            "notes_in_key": self.mean(self.in_key),
            "range_semitones": self.mean(self.range),
            "ends_on_tonic": self.mean(self.ends_on_tonic),
            "repeated_bars": self.mean(self.repeated),
        })
    }
}

/// Half the sum of differences between two histograms as shares: 0 for the same, 1 for nothing in common.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    let (of_a, of_b) = (a.iter().sum::<f64>().max(1.0), b.iter().sum::<f64>().max(1.0));
    a.iter().zip(b).map(|(a, b)| (a / of_a - b / of_b).abs()).sum::<f64>() / 2.0
}

/// The n-gram's bits for the texts with the order that suits them best, and that order.
fn ngram_bits(texts: &[String], from: Option<&[String]>) -> (Bits, usize) {
    let mut sums = [Bits::default(); ORDERS + 1];
    let mut add = |ngram: &Ngram, text: &str| {
        let body = text
            .find("\nK:")
            .and_then(|key| text[key + 1..].find('\n').map(|end| key + end + 2))
            .unwrap_or(0);
        ngram.bits(text, |place, bits| {
            for (sum, bits) in sums.iter_mut().zip(bits) {
                if place >= body {
                    sum.body += bits;
                    sum.body_characters += 1;
                } else {
                    sum.header += bits;
                    sum.header_characters += 1;
                }
            }
        });
    };
    match from {
        Some(from) => {
            let ngram = Ngram::train(from);
            texts.iter().for_each(|text| add(&ngram, text));
        }
        None => {
            for part in 0..10 {
                let others: Vec<String> = texts
                    .iter()
                    .enumerate()
                    .filter(|(index, _)| index % 10 != part)
                    .map(|(_, text)| text.clone())
                    .collect();
                let ngram = Ngram::train(&others);
                texts.iter().skip(part).step_by(10).for_each(|text| add(&ngram, text));
            }
        }
    }
    let best = (0..=ORDERS).min_by(|&a, &b| sums[a].body.total_cmp(&sums[b].body)).unwrap_or(0);
    (sums[best], best)
}

/// Which tunes of a file abc2midi reads without an error or warning; none where it is not installed.
fn abc2midi_is_content(tunes: &[String]) -> anyhow::Result<Option<Vec<bool>>> {
    let folder = std::env::temp_dir().join(format!("earworm-eval-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let text: String = tunes
        .iter()
        .enumerate()
        .map(|(number, tune)| {
            format!("{}\n", tune.replacen("X:1\n", &format!("X:{}\n", number + 1), 1))
        })
        .collect();
    std::fs::write(folder.join("t.abc"), text)?;
    let output = std::process::Command::new("abc2midi").arg("t.abc").current_dir(&folder).output();
    std::fs::remove_dir_all(&folder)?;
    let Ok(output) = output else { return Ok(None) };
    let mut content = vec![true; tunes.len()];
    let mut at = 0;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        if line.starts_with("writing MIDI file") {
            at += 1;
        } else if (line.starts_with("Error") || line.starts_with("Warning")) && at < content.len() {
            content[at] = false;
        }
    }
    anyhow::ensure!(at == tunes.len(), "abc2midi wrote {at} of {} tunes", tunes.len());
    Ok(Some(content))
}

/// Requests that go through styles, metres, keys, lengths and chord symbols.
fn request(seed: u64, options: &Options) -> Request {
    const KEYS: [&str; 12] =
        ["D", "G", "A", "C", "Em", "Am", "Ador", "Edor", "Dmix", "F", "Bb", "Bm"];
    let style = Style::ALL[(seed % Style::ALL.len() as u64) as usize];
    let metres = style.metres();
    let (beats, unit) = metres[((seed / 11) % metres.len() as u64) as usize];
    Request {
        style,
        key: KEYS[((seed / 3) % 12) as usize].parse().unwrap_or_default(),
        metre: Some(abc::Metre::new(u16::from(beats), u16::from(unit))),
        bars: [8, 16, 24, 32][((seed / 2) % 4) as usize],
        temperature: options.temperature,
        top_p: options.top_p,
        seed,
        chords: seed % 4 == 1,
        ..Request::default()
    }
}

/// A request for a tune of the dance, key, metre, length and sort that one in plain form has; none where no
/// such tune can be asked for.
fn request_like(text: &str, options: &Options) -> Option<Request> {
    let form = grammar::form_of(text)?;
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    let (beats, unit) = field("M:")?.split_once('/')?;
    let metre: (u8, u8) = (beats.parse().ok()?, unit.parse().ok()?);
    let style: Style = field("R:")?.parse().ok()?;
    style.metres().contains(&metre).then_some(())?;
    earworm_tunes::BARS.contains(&form.bars).then_some(())?;
    Some(Request {
        style,
        key: field("K:")?.parse().ok()?,
        metre: Some(abc::Metre::new(metre.0.into(), metre.1.into())),
        bars: form.bars,
        temperature: options.temperature,
        top_p: options.top_p,
        seed: 0,
        chords: form.chords,
        ..Request::default()
    })
}

fn honoured(request: &Request, tune: &abc::Tune) -> bool {
    let (mut ticks, mut chords) = (0, false);
    for element in tune.voices.iter().flat_map(|voice| &voice.elements) {
        ticks += match &element.kind {
            ElementKind::Note(note) => note.duration.ticks(),
            ElementKind::Rest(rest) => rest.duration.ticks(),
            _ => 0,
        };
        chords |=
            element.attached.as_ref().is_some_and(|attached| !attached.chord_symbols.is_empty());
    }
    let same_key = |a: &Key, b: &Key| a.tonic == b.tonic && a.fifths() == b.fifths();
    let bar = tune.metre.bar().map_or(0, |bar| bar.ticks());
    same_key(&tune.key, &request.key)
        && request.metre.as_ref() == Some(&tune.metre)
        && tune.field('R') == Some(request.style.name())
        && ticks == request.bars * bar
        && chords == request.chords
}

/// Microseconds a character: this project's step, and candle-nn's own cell with the same weights and inputs.
fn speed(composer: &Composer) -> anyhow::Result<(f64, Option<f64>)> {
    let weights = composer.weights();
    let Config { cell, hidden, layers, facts } = weights.config;
    let rows = fact_rows(facts);
    let text = "R:reel\nM:4/4\nL:1/8\nK:D\nA2|d2fd Adfd|c2ec AcBA|d2fd Adfd|cABG A2";
    let mut contexts = Vec::new();
    let mut context = Context::new();
    for character in text.bytes() {
        contexts.push(context.facts());
        context.push(character);
    }
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let mut step = Step::new(weights);
    let mut times = Vec::new();
    for _ in 0..20 {
        for facts in &contexts {
            let start = Instant::now();
            std::hint::black_box(step.step(weights, facts));
            times.push(start.elapsed().as_secs_f64() * 1e6);
        }
    }
    let ours = median(&mut times);
    if layers != 1 || cell == Cell::Rnn {
        return Ok((ours, None));
    }
    let floats = weights.floats();
    let wide = cell.gates() * hidden;
    let device = Device::Cpu;
    let get = |name: &str, shape: &[usize]| {
        let values = floats.get(name).with_context(|| format!("no {name}"))?;
        Ok::<_, anyhow::Error>(Tensor::from_slice(values, shape, &device)?)
    };
    let tensors = std::collections::HashMap::from([
        ("weight_ih_l0".to_owned(), get("facts.weight", &[rows, wide])?.t()?.contiguous()?),
        ("weight_hh_l0".to_owned(), get("rnn.weight_hh_l0", &[wide, hidden])?),
        ("bias_ih_l0".to_owned(), get("rnn.bias_ih_l0", &[wide])?),
        ("bias_hh_l0".to_owned(), Tensor::zeros(wide, DType::F32, &device)?),
    ]);
    let vb = VarBuilder::from_tensors(tensors, DType::F32, &device);
    let head = get("head.weight", &[floats["head.bias"].len(), hidden])?.t()?;
    let inputs = contexts
        .iter()
        .map(|facts| {
            let mut input = vec![0.0f32; rows];
            facts.iter().for_each(|&row| input[usize::from(row)] = 1.0);
            Tensor::from_vec(input, (1, rows), &device)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut times = Vec::new();
    let mut run =
        |step: &mut dyn FnMut(&Tensor) -> candle_core::Result<Tensor>| -> anyhow::Result<()> {
            for _ in 0..4 {
                for input in &inputs {
                    let start = Instant::now();
                    std::hint::black_box(step(input)?.matmul(&head)?);
                    times.push(start.elapsed().as_secs_f64() * 1e6);
                }
            }
            Ok(())
        };
    if cell == Cell::Gru {
        let gru = GRU::new(rows, hidden, GRUConfig::default(), vb)?;
        let mut state = gru.zero_state(1)?;
        run(&mut |input| {
            state = gru.step(input, &state)?;
            Ok(state.h.clone())
        })?;
    } else {
        let lstm = LSTM::new(rows, hidden, LSTMConfig::default(), vb)?;
        let mut state = lstm.zero_state(1)?;
        run(&mut |input| {
            state = lstm.step(input, &state)?;
            Ok(state.h.clone())
        })?;
    }
    Ok((ours, Some(median(&mut times))))
}

/// Tunes' share with at least one four-bar stretch of a training tune, and the stretches' own share.
fn copied(composer: &Composer, texts: &[String]) -> (f64, f64) {
    let known = &composer.weights().stretches;
    let (mut tunes, mut found, mut all) = (0, 0, 0);
    for text in texts {
        let stretches = copies::stretches(text);
        let here = stretches.iter().filter(|stretch| known.binary_search(stretch).is_ok()).count();
        tunes += usize::from(here > 0);
        found += here;
        all += stretches.len();
    }
    (tunes as f64 / texts.len().max(1) as f64, found as f64 / all.max(1) as f64)
}

/// This process's memory in use, file pages that it has touched included; none where the system does not say.
fn resident_kilobytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Runs the task.
pub fn run(options: Options) -> anyhow::Result<()> {
    let before = resident_kilobytes();
    let started = Instant::now();
    let composer = match &options.model {
        None => Composer::embedded()?,
        Some(path) => {
            let bytes =
                std::fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
            Composer::from_safetensors(&bytes)?.into()
        }
    };
    let loading = started.elapsed().as_secs_f64() * 1e3;
    let memory = resident_kilobytes().zip(before).map(|(after, before)| after - before);
    let corpus = Corpus::read(&options.corpus, &options.also)?;
    let described = corpus.describe();
    let mut by_collection: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (given, others) = if options.held_out {
        let sides = corpus.split();
        for Collected { tune, collection } in &sides.valid {
            by_collection.entry(collection.clone()).or_default().push(tune.text());
        }
        (texts(&sides.valid[..sides.valid_first]), Some(texts(&sides.train)))
    } else if options.ngram_from.is_empty() {
        (texts(&corpus.tunes), None)
    } else {
        (texts(&corpus.tunes), Some(texts(&Corpus::read(&options.ngram_from, &[])?.tunes)))
    };
    if let Some(path) = &options.dump {
        std::fs::write(path, format!("{}\n", given.join("\n\n")))
            .with_context(|| format!("can't write {}", path.display()))?;
    }

    if options.form > 0 {
        let (tunes, request) = (others.as_deref().unwrap_or(&given), request(0, &options));
        return tunes_form::compare(&composer, tunes, &request, options.form);
    }
    let weights = composer.weights();
    let network = load(&weights.config, &weights.floats())?;
    let (both_sides, one_side) = measure_infilling(&network, &given)?;
    let mut collections = BTreeMap::new();
    for (collection, texts) in &by_collection {
        let bits = measure(&network, texts)?;
        let figures = json!({ "tunes": texts.len(), "bits_per_character": bits.per_character() });
        collections.insert(collection.clone(), figures);
    }
    let bits = measure(&network, &given)?;
    let (ngram, order) = ngram_bits(&given, others.as_deref());
    let mut rivals = vec![("vanilla RNN".to_owned(), RNN.to_vec())];
    for path in &options.against {
        let bytes =
            std::fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
        rivals.push((path.display().to_string(), bytes));
    }
    let mut baselines = Vec::new();
    for (name, bytes) in &rivals {
        let network = read_network(bytes).with_context(|| name.clone())?;
        let bits = measure(&network, &given)?;
        baselines.push(json!({
            "name": name,
            "cell": network.config().cell,
            "hidden": network.config().hidden,
            "parameters": network.config().parameters(),
            "facts": network.config().facts,
            "bits_per_character": bits.per_character(),
            "bits_per_character_with_header": bits.per_character_with_header(),
        }));
    }

    let bar = ProgressBar::new(options.seeds);
    let (mut written, mut plains, mut content, mut kept) =
        (Vec::new(), Vec::new(), Vec::new(), 0u64);
    let (mut removed, mut redrawn, mut unmasked_valid, mut unmasked) = (0.0, 0u64, 0u64, 0u64);
    let (mut music, mut any_music) = (Music::default(), Music::default());
    let likes: Vec<Request> =
        given.iter().filter_map(|text| request_like(text, &options)).collect();
    let mut milliseconds = Vec::new();
    for seed in 0..options.seeds {
        // In turn a request of every kind, and one for a tune of the kind that a given one is.
        let like = likes.get((seed / 2) as usize % likes.len().max(1)).filter(|_| seed % 2 == 1);
        let request = like
            .map_or_else(|| request(seed / 2, &options), |like| Request { seed, ..like.clone() });
        let start = Instant::now();
        let tune = composer.compose(&request, &mut |_| ControlFlow::Continue(()))?;
        if request.bars == 32 {
            milliseconds.push(start.elapsed().as_secs_f64() * 1e3);
        }
        let read = abc::read(&tune.abc);
        content.push(read.findings.is_empty() && read.tunes.len() == 1);
        if let Some(read) = read.tunes.first() {
            kept += u64::from(honoured(&request, read));
            any_music.add(read);
            if like.is_some() {
                music.add(read);
            }
        }
        removed += f64::from(tune.removed_probability);
        redrawn += u64::from(tune.redrawn_bars);
        if seed % 10 < 2 {
            let free = composer.compose_unmasked(&request)?;
            let read = abc::read(&free.abc);
            unmasked += 1;
            unmasked_valid += u64::from(
                read.findings.is_empty()
                    && read.tunes.first().is_some_and(|tune| honoured(&request, tune)),
            );
        }
        written.push(tune.abc);
        plains.push(tune.plain);
        bar.inc(1);
    }
    bar.finish_and_clear();
    if let Some(path) = &options.write {
        std::fs::write(path, written.join("\n"))
            .with_context(|| format!("can't write {}", path.display()))?;
    }
    let by_abc2midi = abc2midi_is_content(&written)?;
    let share = |count: u64, of: u64| count as f64 / of.max(1) as f64;
    let valid = content
        .iter()
        .enumerate()
        .filter(|(index, content)| {
            **content && by_abc2midi.as_ref().is_none_or(|theirs| theirs[*index])
        })
        .count() as u64;
    let mut held = Music::default();
    for text in &given {
        if let Some(tune) = abc::read(&format!("X:1\nT:Given\n{text}\n")).tunes.first() {
            held.add(tune);
        }
    }
    let (copied_tunes, copied_stretches) = copied(&composer, &plains);
    let (given_tunes, given_stretches) = copied(&composer, &given);
    let (ours, candles) = speed(&composer)?;
    milliseconds.sort_by(f64::total_cmp);
    let median = milliseconds.get(milliseconds.len() / 2).copied();
    let by_theirs = by_abc2midi.as_ref().map(|theirs| {
        share(theirs.iter().filter(|content| **content).count() as u64, options.seeds)
    });

    let report = json!({
        "tunes": given.len(),
        "characters": bits.body_characters,
        "characters_with_header": bits.body_characters + bits.header_characters,
        "bits_per_character": bits.per_character(),
        "bits_per_character_with_header": bits.per_character_with_header(),
        "collections": collections,
        "bits_per_character_infilled": both_sides.per_character(),
        "bits_per_character_infilled_from_the_left": one_side.per_character(),
        "bits_per_character_ngram": ngram.per_character(),
        "bits_per_character_ngram_with_header": ngram.per_character_with_header(),
        "ngram_order": order,
        "bits_per_character_rnn": baselines[0]["bits_per_character"],
        "bits_per_character_rnn_with_header": baselines[0]["bits_per_character_with_header"],
        "parameters": weights.config.parameters(),
        "baselines": baselines,
        "seeds": options.seeds,
        "temperature": options.temperature,
        "valid": share(valid, options.seeds),
        "valid_for_our_reader": share(content.iter().filter(|content| **content).count() as u64, options.seeds),
        "valid_for_abc2midi": by_theirs,
        "valid_and_honoured_without_mask": share(unmasked_valid, unmasked),
        "honoured": share(kept, options.seeds),
        "removed_probability": removed / options.seeds.max(1) as f64,
        "redrawn_bars_per_tune": share(redrawn, options.seeds),
        "copies": copied_tunes,
        "copied_stretches": copied_stretches,
        "copies_among_given": given_tunes,
        "copied_stretches_among_given": given_stretches,
        "composed_like_given": music.json(),
        "composed": any_music.json(),
        "given": held.json(),
        "pitch_class_distance": distance(&music.pitch_classes, &held.pitch_classes),
        "interval_distance": distance(&music.intervals, &held.intervals),
        "milliseconds_per_32_bars": median,
        "microseconds_per_character": ours,
        "microseconds_per_character_candle": candles,
        "milliseconds_to_load": loading,
        "kilobytes_in_memory": memory,
        "kilobytes_of_weights": weights.config.parameters() as f64 / 1024.0,
    });
    if options.json {
        println!("{report}");
        return Ok(());
    }
    println!("{described}");
    println!("{:#}", report);
    if by_abc2midi.is_none() {
        println!("abc2midi is not installed: only this project's reader was asked");
    }
    Ok(())
}
