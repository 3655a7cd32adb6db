//! Worker: sound that goes through the network: each frame once, pooled anew for each reading.
//!
//! The filters reach 64 frames ahead, and the three convolutions on top of them three each, so that what is heard counts
//! 73 frames (1.1 s) later.

use std::cell::RefCell;
use std::collections::VecDeque;

use earworm_spectrum::{BANDS, FINE_BANDS, band_centre, fine_band_centre};
use half::f16;

use super::network::{
    FRAME_FEATURES, FRONT, MIDDLE, Network, TEMPORAL, TEMPORAL_FRAMES, TIMBRAL, TIMBRAL_BANDS,
    TIMBRAL_FRAMES,
};
use super::product::{Matrix, product};

/// Frames of a block, 0.48 s.
pub(super) const BLOCK: usize = 31;
/// Blocks that are kept: a little over the longest window, 30 s.
const KEPT: usize = 64;
/// Blocks over which the back end looks for maxima, as it was trained to: 2.9 s. Such stretches overlap, and begin every so
/// many blocks.
const STRETCH: usize = 6;
const STEP: usize = 2;
/// Bands of a map.
pub(super) const MAP_BANDS: usize = 8;
/// What the loudest half second of the last half minute is brought to: the summed power of the bands of music as loud as its
/// publishers make it. Nothing else about a recording's level is heard.
const LEVEL: f32 = 135.0;
/// The most that is amplified, in power (60 dB): what is fainter is heard as faint.
const MOST: f32 = 1e6;
/// Frames to either side that a filter of seven frames reaches over.
const SIDE: usize = TIMBRAL_FRAMES / 2;
/// Frames ahead that the longest filter reaches over, and frames back.
const AHEAD: usize = TEMPORAL_FRAMES[0] / 2;
const BACK: usize = TEMPORAL_FRAMES[0] / 2 - 1;
/// Frames that go through the timbral filters at a time, so that their neighbourhoods stay in the cache.
const STRIP: usize = 6;

thread_local! {
    /// What the filters work in. It holds nothing between two calls, so that all sounds of a thread share one.
    static SCRATCH: RefCell<Scratch> = const {
        RefCell::new(Scratch { neighbourhoods: Vec::new(), answers: Vec::new() })
    };
}

struct Scratch {
    /// Neighbourhoods of a strip.
    neighbourhoods: Vec<f32>,
    /// What the filters make of them.
    answers: Vec<f32>,
}

/// Rows of numbers, one a frame, of which the oldest are forgotten. What lies before the first frame is zero.
struct Rows {
    width: usize,
    values: Vec<f32>,
    /// The frame of the first row that is kept, counted from `before` frames before the beginning.
    first: usize,
    before: usize,
}

impl Rows {
    fn new(width: usize, before: usize) -> Self {
        Self { width, values: vec![0.0; before * width], first: 0, before }
    }

    /// Frames so far.
    fn end(&self) -> usize {
        self.first + self.values.len() / self.width - self.before
    }

    /// The rows from `back` frames before `frame` on.
    fn from(&self, frame: usize, back: usize) -> &[f32] {
        &self.values[(frame + self.before - back - self.first) * self.width..]
    }

    /// Adds so many rows of zero, and makes no more room than they need: there is a store like this for each sound.
    fn extend(&mut self, rows: usize) -> &mut [f32] {
        let before = self.values.len();
        self.values.reserve_exact(rows * self.width);
        self.values.resize(before + rows * self.width, 0.0);
        &mut self.values[before..]
    }

    /// Forgets what lies more than `back` frames before `frame`.
    fn forget(&mut self, frame: usize, back: usize) {
        let wanted = (frame + self.before).saturating_sub(back);
        let rows = wanted.saturating_sub(self.first);
        self.values.drain(..rows * self.width);
        self.first += rows;
    }
}

/// What was heard in a block.
struct Block {
    most: Vec<f32>,
    mean: Vec<f32>,
    /// Of each front feature, what it had over its mean in training, by the band where it was strongest: [front, map bands].
    /// Only a picture is made of it, which f16 is fine enough for.
    places: Vec<f16>,
}

impl Block {
    fn new() -> Self {
        Self {
            most: vec![f32::NEG_INFINITY; FRAME_FEATURES],
            mean: vec![0.0; FRAME_FEATURES],
            places: Vec::new(),
        }
    }
}

/// The features of a window.
pub(super) struct Pooled {
    /// As the head takes them.
    pub features: Vec<f32>,
    /// Blocks of the window.
    pub blocks: usize,
}

/// One sound on its way through the network.
pub(super) struct Stream {
    /// Power of the frames that make no whole block yet.
    waiting: Vec<[f32; FINE_BANDS]>,
    /// Mean power of each of the last blocks.
    levels: VecDeque<f32>,
    input: Rows,
    front: Rows,
    middle: [Rows; 3],
    /// Map bands of the front rows, [frames, front].
    bands: VecDeque<[u8; FRONT]>,
    block: Block,
    /// The unfinished block's places.
    places: Vec<f32>,
    frames: usize,
    blocks: VecDeque<Block>,
    /// Blocks since the beginning.
    heard: usize,
}

impl Stream {
    pub fn new() -> Self {
        Self {
            waiting: Vec::with_capacity(BLOCK),
            levels: VecDeque::with_capacity(KEPT),
            input: Rows::new(FINE_BANDS, BACK),
            front: Rows::new(FRONT, SIDE),
            middle: std::array::from_fn(|_| Rows::new(MIDDLE, SIDE)),
            bands: VecDeque::new(),
            block: Block::new(),
            places: vec![0.0; FRONT * MAP_BANDS],
            frames: 0,
            blocks: VecDeque::with_capacity(KEPT),
            heard: 0,
        }
    }

    /// Blocks since the beginning.
    pub fn heard(&self) -> usize {
        self.heard
    }

    /// Takes the next frame's power in each band.
    pub fn push(&mut self, frame: &[f32; FINE_BANDS], network: &Network) {
        self.waiting.push(*frame);
        if self.waiting.len() < BLOCK {
            return;
        }
        let power: f32 = self.waiting.iter().flatten().sum::<f32>() / BLOCK as f32;
        if self.levels.len() == KEPT {
            self.levels.pop_front();
        }
        self.levels.push_back(if power.is_finite() { power } else { 0.0 });
        let loudest = self.levels.iter().copied().fold(LEVEL / MOST, f32::max);
        let (scale, shift) = network.input;
        let input = self.input.extend(BLOCK);
        for (value, power) in input.iter_mut().zip(self.waiting.drain(..).flatten()) {
            let power = if power.is_finite() { power.max(0.0) } else { 0.0 };
            *value = (1e4 * LEVEL / loudest * power + 1.0).log10() * scale + shift;
        }
        self.advance(network);
    }

    fn advance(&mut self, network: &Network) {
        let (start, end) = (self.front.end(), self.input.end().saturating_sub(AHEAD));
        if end <= start {
            return;
        }
        let count = end - start;
        let mut rows = vec![0.0; count * FRONT];
        let mut bands = vec![[0; FRONT]; count];
        SCRATCH.with_borrow_mut(|scratch| {
            for kind in 0..2 {
                self.timbral(network, kind, start, (&mut rows, &mut bands), scratch);
            }
            for kind in 0..3 {
                self.temporal(network, kind, start, (&mut rows, &mut bands), scratch);
            }
        });
        self.front.extend(count).copy_from_slice(&rows);
        self.bands.extend(bands);
        for layer in 0..3 {
            let (below, this) = self.middle.split_at_mut(layer);
            let from = below.last().unwrap_or(&self.front);
            let this = &mut this[0];
            let (start, end) = (this.end(), from.end().saturating_sub(SIDE));
            let count = end.saturating_sub(start);
            let mut rows = network.middle[layer].apply(from.from(start, SIDE), from.width, count);
            if layer > 0 {
                let below = from.from(start, 0);
                rows.iter_mut().zip(below).for_each(|(value, below)| *value += below);
            }
            this.extend(count).copy_from_slice(&rows);
        }
        let done = self.heard * BLOCK + self.frames;
        for frame in done..self.middle[2].end() {
            self.take_in(frame, network);
        }
        let end = self.middle[2].end();
        self.input.forget(self.front.end(), BACK);
        self.front.forget(end, SIDE);
        self.middle.iter_mut().for_each(|rows| rows.forget(end, SIDE));
    }

    /// Adds what was heard in a frame to its block.
    fn take_in(&mut self, frame: usize, network: &Network) {
        let front = &self.front.from(frame, 0)[..FRONT];
        let middle = self.middle.iter().flat_map(|rows| &rows.from(frame, 0)[..MIDDLE]);
        let block = &mut self.block;
        let pooled = block.most.iter_mut().zip(&mut block.mean);
        for (value, (most, mean)) in front.iter().chain(middle).zip(pooled) {
            *most = most.max(*value);
            *mean += value / BLOCK as f32;
        }
        if let Some(bands) = self.bands.pop_front() {
            let means = &network.head().mean[FRAME_FEATURES..];
            for (feature, (value, band)) in front.iter().zip(bands).enumerate() {
                self.places[feature * MAP_BANDS + usize::from(band)] += value - means[feature];
            }
        }
        self.frames += 1;
        if self.frames == BLOCK {
            self.frames = 0;
            self.heard += 1;
            let most = f32::from(f16::MAX);
            let places = self.places.iter().map(|place| f16::from_f32(place.clamp(-most, most)));
            self.block.places = places.collect();
            self.places.fill(0.0);
            if self.blocks.len() == KEPT {
                self.blocks.pop_front();
            }
            self.blocks.push_back(std::mem::replace(&mut self.block, Block::new()));
        }
    }

    fn timbral(
        &self,
        network: &Network,
        kind: usize,
        start: usize,
        (rows, bands): (&mut [f32], &mut [[u8; FRONT]]),
        scratch: &mut Scratch,
    ) {
        let (layer, reach) = (&network.timbral[kind], TIMBRAL_BANDS[kind]);
        let places = FINE_BANDS - reach + 1;
        for (strip, (rows, bands)) in
            rows.chunks_mut(STRIP * FRONT).zip(bands.chunks_mut(STRIP)).enumerate()
        {
            let (frames, first) = (bands.len(), start + strip * STRIP);
            let width = frames * places;
            let input = self.input.from(first, SIDE);
            scratch.neighbourhoods.resize(layer.inputs * width, 0.0);
            for (tap, to) in scratch.neighbourhoods.chunks_mut(width).enumerate() {
                for (frame, to) in to.chunks_mut(places).enumerate() {
                    let from = (frame + tap / reach) * FINE_BANDS + tap % reach;
                    to.copy_from_slice(&input[from..from + places]);
                }
            }
            scratch.answers.resize(TIMBRAL * width, 0.0);
            product(
                (TIMBRAL, layer.inputs, width),
                Matrix::new(&layer.weight, layer.inputs),
                Matrix::new(&scratch.neighbourhoods, width),
                &mut scratch.answers,
            );
            for (filter, answers) in scratch.answers.chunks(width).enumerate() {
                let feature = kind * TIMBRAL + filter;
                for (frame, answers) in answers.chunks(places).enumerate() {
                    let (value, place) = strongest(answers, layer.rises(filter));
                    rows[frame * FRONT + feature] = layer.finish(filter, value);
                    bands[frame][feature] = map_band(place + network.heights[feature]);
                }
            }
        }
    }

    fn temporal(
        &self,
        network: &Network,
        kind: usize,
        start: usize,
        (rows, bands): (&mut [f32], &mut [[u8; FRONT]]),
        scratch: &mut Scratch,
    ) {
        let layer = &network.temporal[kind];
        let width = bands.len() * FINE_BANDS;
        // As many frames back as the filter reaches, one less than ahead.
        let input = self.input.from(start, layer.inputs / 2 - 1);
        scratch.answers.resize(TEMPORAL * width, 0.0);
        // Each frame's row, one below the other, is the matrix itself.
        product(
            (TEMPORAL, layer.inputs, width),
            Matrix::new(&layer.weight, layer.inputs),
            Matrix::new(input, FINE_BANDS),
            &mut scratch.answers,
        );
        for (filter, answers) in scratch.answers.chunks(width).enumerate() {
            let feature = 2 * TIMBRAL + kind * TEMPORAL + filter;
            for (frame, answers) in answers.chunks(FINE_BANDS).enumerate() {
                let (value, place) = strongest(answers, layer.rises(filter));
                rows[frame * FRONT + feature] = layer.finish(filter, value);
                bands[frame][feature] = map_band(place);
            }
        }
    }

    /// The features of the last `blocks` blocks, or as many as there are; none where there is no block yet.
    pub fn pooled(&self, blocks: usize, network: &Network) -> Option<Pooled> {
        let blocks = blocks.min(self.blocks.len());
        let window: Vec<&Block> = self.blocks.iter().skip(self.blocks.len() - blocks).collect();
        if window.is_empty() {
            return None;
        }
        let mut stretches = Vec::new();
        let mut end = blocks;
        loop {
            let stretch = &window[end.saturating_sub(STRETCH)..end];
            let place = stretches.len();
            stretches.resize(place + 2 * FRAME_FEATURES, f32::NEG_INFINITY);
            let (most, mean) = stretches[place..].split_at_mut(FRAME_FEATURES);
            mean.fill(0.0);
            for block in stretch {
                most.iter_mut().zip(&block.most).for_each(|(most, value)| *most = most.max(*value));
                mean.iter_mut()
                    .zip(&block.mean)
                    .for_each(|(mean, value)| *mean += value / stretch.len() as f32);
            }
            if end < STRETCH + STEP {
                break;
            }
            end -= STEP;
        }
        let width = 2 * FRAME_FEATURES;
        let count = stretches.len() / width;
        let back = network.back.apply(&stretches, width, count);
        let mut features = column_means(&stretches, width);
        features.extend(column_means(&back, network.back.outputs));
        Some(Pooled { features, blocks })
    }

    /// Which map band and pair of blocks of the last `blocks` blocks spoke for an answer whose score grows by `gradient`:
    /// strengths over zero, [map bands, pairs].
    pub fn map(&self, blocks: usize, gradient: &[f32]) -> (usize, Vec<f32>) {
        let first = self.blocks.len() - blocks.min(self.blocks.len());
        let window: Vec<&Block> = self.blocks.iter().skip(first).collect();
        let columns = window.len().div_ceil(2);
        let mut map = vec![0.0; MAP_BANDS * columns];
        for (column, pair) in window.chunks(2).enumerate() {
            for block in pair {
                for (places, gradient) in block.places.chunks(MAP_BANDS).zip(gradient) {
                    for (band, value) in places.iter().enumerate() {
                        map[band * columns + column] +=
                            f32::from(*value) * gradient / pair.len() as f32;
                    }
                }
            }
        }
        map.iter_mut().for_each(|value| *value = value.max(0.0));
        (columns, map)
    }
}

/// The mean of each column of rows `width` long.
fn column_means(rows: &[f32], width: usize) -> Vec<f32> {
    let mut means = vec![0.0; width];
    let share = 1.0 / (rows.len() / width).max(1) as f32;
    for row in rows.chunks(width) {
        means.iter_mut().zip(row).for_each(|(mean, value)| *mean += value * share);
    }
    means
}

/// The greatest value, or the least, and its place.
fn strongest(values: &[f32], greatest: bool) -> (f32, usize) {
    let mut best = (values[0], 0);
    for (place, &value) in values.iter().enumerate().skip(1) {
        if (value > best.0) == greatest && value != best.0 {
            best = (value, place);
        }
    }
    best
}

/// The band of a map in which a fine band lies.
fn map_band(fine: usize) -> u8 {
    static PLACES: std::sync::LazyLock<[u8; FINE_BANDS]> = std::sync::LazyLock::new(|| {
        std::array::from_fn(|fine| {
            let hertz = fine_band_centre(fine);
            let band = (0..BANDS).rfind(|&band| band_centre(band) <= hertz).unwrap_or(0);
            (band * MAP_BANDS / BANDS) as u8
        })
    });
    PLACES[fine.min(FINE_BANDS - 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Power of made frames, as `tests/data/musicnn_blocks.json` was computed from by musicnn's own graph and weights in
    /// TensorFlow, over all frames at once.
    fn made(frame: usize) -> [f32; FINE_BANDS] {
        std::array::from_fn(|band| {
            let (t, b) = (frame as f64, band as f64);
            let wave = 1.5 * (0.11 * t + 0.2 * b).sin();
            let other = 0.7 * (0.05 * t * (1.0 + b / 50.0)).sin();
            (0.5 * 10.0_f64.powf(wave + other - b / 50.0)) as f32
        })
    }

    #[test]
    fn frames_one_by_one_give_what_musicnn_gives_all_at_once() {
        let stored: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/data/musicnn_blocks.json")).unwrap();
        let network = Network::embedded().unwrap();
        let mut stream = Stream::new();
        (0..310).for_each(|frame| stream.push(&made(frame), &network));
        let (mut off, mut count) = (0.0, 0);
        for (number, theirs) in stored.as_object().unwrap() {
            let block = &stream.blocks[number.parse::<usize>().unwrap()];
            for (ours, theirs) in [(&block.most, &theirs["most"]), (&block.mean, &theirs["mean"])] {
                let theirs = theirs.as_array().unwrap();
                for (feature, (ours, theirs)) in ours.iter().step_by(9).zip(theirs).enumerate() {
                    let theirs = theirs.as_f64().unwrap() as f32;
                    // The weights are kept as f16.
                    let apart = (ours - theirs).abs();
                    assert!(
                        apart < 0.03 + 0.02 * theirs.abs(),
                        "block {number}, feature {}: {ours} is not {theirs}",
                        feature * 9
                    );
                    off += apart;
                    count += 1;
                }
            }
        }
        assert!(off / (count as f32) < 0.003, "{} on average", off / count as f32);
    }

    #[test]
    fn half_a_minute_is_kept_however_long_it_lasts() {
        let network = Network::embedded().unwrap();
        let mut stream = Stream::new();
        for frame in 0..5_000 {
            stream.push(&made(frame), &network);
        }
        assert_eq!(stream.blocks.len(), KEPT);
        assert!(stream.input.values.len() < 400 * FINE_BANDS);
        assert!(stream.front.values.len() < 200 * FRONT);
        assert!(stream.bands.len() < 200);
    }
}
