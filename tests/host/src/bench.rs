//! Interface: what a block costs the audio thread, beside a baseline of the same run.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use clack_host::prelude::*;
use host::{METER, Rack, TUNES, Transport, set_event};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use realfft::RealFftPlanner;

const RATE: f64 = 48_000.0;
/// Frames of a block, and how long it lasts.
const BLOCK: usize = 64;
const BLOCK_TIME: Duration = Duration::from_nanos(64_000_000_000 / 48_000);
/// Blocks of a round: under the time that the ring to the Meter's listener holds, so that none is left out.
const BLOCKS: usize = 2_250;
/// Rounds. Each block counts with its least time: what is over that is the machine's other work.
const ROUNDS: usize = 25;

/// The Meter's mean to that of the bare transforms in it, at most.
const METER_RATIO: f64 = 1.5;
/// The Meter's worst block to the time it lasts, at most.
const METER_WORST: f64 = 0.1;
/// A block of Tunes in which nothing begins or ends, at most.
const TUNES_QUIET: Duration = Duration::from_micros(1);

/// Times both plug-ins' blocks, and what many instances cost.
///
/// # Errors
/// Where a figure is over its limit.
pub fn run(library: &Path) -> anyhow::Result<()> {
    let (entry, scan) = scan(library);
    let meter = meter(&entry);
    let tunes = tunes(&entry);
    // Both are measured whatever the first shows.
    let many = [METER, TUNES].map(|id| many(&entry, id)) == [true; 2];
    ensure!(scan, "a host's scan takes too long");
    ensure!(many, "many instances cost more than as many times one");
    ensure!(meter && tunes, "a block costs more than it may");
    Ok(())
}

/// A host's scan, at most.
const SCAN: Duration = Duration::from_millis(100);

/// What a host's scan takes: loading the library, listing its plug-ins and making one of each.
fn scan(library: &Path) -> (PluginEntry, bool) {
    let began = Instant::now();
    let entry = host::load(library);
    let loaded = began.elapsed();
    let listed =
        entry.get_plugin_factory().map_or(0, |factory| factory.plugin_descriptors().count());
    let made = [METER, TUNES].map(|id| Rack::new(&entry, id));
    let all = began.elapsed();
    let holds = all <= SCAN;
    println!(
        "scan: {listed} plug-ins listed and {} made in {:.1} ms, {:.1} ms of it the system's loading; limit {} ms: {}",
        made.len(),
        all.as_secs_f64() * 1e3,
        loaded.as_secs_f64() * 1e3,
        SCAN.as_millis(),
        verdict(holds),
    );
    (entry, holds)
}

fn verdict(holds: bool) -> &'static str {
    if holds { "holds" } else { "MISSED" }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn meter(entry: &PluginEntry) -> bool {
    let mut random = SmallRng::seed_from_u64(1);
    let noise: Vec<f32> = (0..BLOCKS * BLOCK).map(|_| random.random_range(-0.5..0.5)).collect();
    let mut rack = Rack::new(entry, METER);
    rack.activate(RATE, BLOCK);
    let bare = EventBuffer::new();
    let size = (2_048.0 / 22_050.0 * RATE).round() as usize;
    let transform = RealFftPlanner::<f32>::new().plan_fft_forward(size);
    let mut spectrum = transform.make_output_vec();
    let mut scratch = transform.make_scratch_vec();
    let mut signal = transform.make_input_vec();
    let mut blocks = vec![Duration::MAX; BLOCKS];
    // The same calls with one frame each: what the host and the framework cost, whatever is in a block.
    let mut calls = vec![Duration::MAX; BLOCKS];
    let (mut transforms, mut frames) = (Vec::new(), 0);
    for round in 0..ROUNDS {
        rack.deck.reset();
        let before = heard(&mut rack);
        for (block, least) in noise.chunks(BLOCK).zip(&mut blocks) {
            rack.deck.input.iter_mut().for_each(|channel| channel.copy_from_slice(block));
            let began = Instant::now();
            rack.deck.process(BLOCK, &bare, None);
            *least = began.elapsed().min(*least);
        }
        // As many bare transforms as there were in it, each of other samples.
        let after = settled(&mut rack);
        for least in &mut calls {
            let began = Instant::now();
            rack.deck.process(1, &bare, None);
            *least = began.elapsed().min(*least);
        }
        frames = after - before;
        transforms.resize(frames, Duration::MAX);
        for (frame, least) in transforms.iter_mut().enumerate() {
            signal.copy_from_slice(&noise[frame * 512..][..size]);
            let began = Instant::now();
            let done = transform.process_with_scratch(&mut signal, &mut spectrum, &mut scratch);
            *least = began.elapsed().min(*least);
            done.expect("the buffers are the transform's own");
        }
        assert!(round == 0 || frames == transforms.len(), "every round has the same frames");
    }
    assert_eq!(rack.field("heard")["dropped_frames"], 0, "the listener kept up");
    let total: Duration = blocks.iter().sum();
    let bare: Duration = transforms.iter().sum();
    let call: Duration = calls.iter().sum();
    let worst = blocks.iter().max().copied().unwrap_or_default();
    let ratio = total.saturating_sub(call).as_secs_f64() / bare.as_secs_f64();
    let share = worst.as_secs_f64() / BLOCK_TIME.as_secs_f64();
    println!(
        "meter: {BLOCKS} blocks of {BLOCK} at 48 kHz stereo, {frames} frames: mean {:.3} µs, of which the call itself \
         {:.3} µs; their bare transforms {:.3} µs a block ({:.1} µs each); ratio without the call {ratio:.2}, limit \
         {METER_RATIO}: {}",
        micros(total) / BLOCKS as f64,
        micros(call) / BLOCKS as f64,
        micros(bare) / BLOCKS as f64,
        micros(bare) / frames as f64,
        verdict(ratio <= METER_RATIO),
    );
    println!(
        "meter: worst block {:.1} µs of {:.0} µs: {:.1} %, limit {:.0} %: {}",
        micros(worst),
        micros(BLOCK_TIME),
        share * 100.0,
        METER_WORST * 100.0,
        verdict(share <= METER_WORST),
    );
    ratio <= METER_RATIO && share <= METER_WORST
}

fn heard(rack: &mut Rack) -> usize {
    rack.field("heard")["heard_frames"].as_u64().unwrap_or_default() as usize
}

/// The frames that were taken in, once no more come.
fn settled(rack: &mut Rack) -> usize {
    let mut last = heard(rack);
    loop {
        std::thread::sleep(Duration::from_millis(60));
        let now = heard(rack);
        if now == last {
            return now;
        }
        last = now;
    }
}

/// The share of real time that automating every parameter at every sample may take.
const AUTOMATION: f64 = 0.1;

/// Whether a host may automate every parameter of Tunes at every sample.
fn automated(entry: &PluginEntry) -> bool {
    const FRAMES: u32 = 512;
    let mut rack = Rack::new(entry, TUNES);
    rack.activate(RATE, FRAMES as usize);
    let names = ["Transpose", "Octave", "Swing", "Gate", "Velocity", "Velocity variation", "Level"];
    let params = names.map(|name| rack.param(name));
    let blocks: Vec<EventBuffer> = (0..8)
        .map(|block| {
            let mut events = EventBuffer::new();
            for at in 0..FRAMES {
                for &param in &params {
                    events.push(&set_event(param, at, f64::from((at + block) % 3) * 0.1));
                }
            }
            events
        })
        .collect();
    let mut transport = Transport::default();
    let mut times = [Duration::MAX; 8];
    for _ in 0..ROUNDS {
        for (events, least) in blocks.iter().zip(&mut times) {
            let event = transport.event();
            rack.deck.sent.clear();
            let began = Instant::now();
            rack.deck.process(FRAMES as usize, events, Some(&event));
            *least = began.elapsed().min(*least);
            transport.advance(FRAMES as usize, RATE);
        }
    }
    let mean = times.iter().sum::<Duration>() / times.len() as u32;
    let share = mean.as_secs_f64() / (f64::from(FRAMES) / RATE);
    println!(
        "tunes, {} parameters automated at every sample: {:.0} µs a block of {FRAMES}, {:.1} % of real time; limit {:.0} \
         %: {}",
        names.len(),
        micros(mean),
        share * 100.0,
        AUTOMATION * 100.0,
        verdict(share <= AUTOMATION),
    );
    share <= AUTOMATION
}

fn tunes(entry: &PluginEntry) -> bool {
    let mut holds = automated(entry);
    // What bypass costs is the framework's share.
    let bypassed = quiet_block(entry, &[("Bypass", 1.0)], false).0;
    for (what, settings) in
        [("notes alone", &[("Voice", 0.0)][..]), ("with the built-in voice", &[("Voice", 1.0)][..])]
    {
        let (mean, most, blocks) = quiet_block(entry, settings, false);
        let (cold, ..) = quiet_block(entry, settings, true);
        let fits = mean <= TUNES_QUIET;
        holds &= fits;
        println!(
            "tunes, {what}: {blocks} of {BLOCKS} blocks of {BLOCK} with no event: mean {:.3} µs, most {:.3} µs, with cold \
             caches {:.3} µs; bypassed {:.3} µs; limit {:.0} µs: {}",
            micros(mean),
            micros(most),
            micros(cold),
            micros(bypassed),
            micros(TUNES_QUIET),
            verdict(fits),
        );
    }
    holds
}

/// What other plug-ins touch between two of its blocks, in bytes: more than a core's own caches hold.
const OTHERS: usize = 4 << 20;

/// The mean and the most that blocks without an event take while the tune plays, and how many they are. `cold`: other
/// plug-ins have had the caches in between.
fn quiet_block(
    entry: &PluginEntry,
    settings: &[(&str, f64)],
    cold: bool,
) -> (Duration, Duration, usize) {
    let mut others = vec![1u8; if cold { OTHERS } else { 0 }];
    let mut rack = Rack::new(entry, TUNES);
    rack.activate(RATE, BLOCK);
    let mut events = EventBuffer::new();
    for &(name, value) in settings {
        let id = rack.param(name);
        events.push(&set_event(id, 0, value));
    }
    rack.deck.process(BLOCK, &events, None);
    let none = EventBuffer::new();
    let mut blocks = vec![Duration::MAX; BLOCKS];
    let mut eventful = vec![false; BLOCKS];
    for _ in 0..if cold { ROUNDS / 5 } else { ROUNDS } {
        let mut transport = Transport::default();
        for (least, eventful) in blocks.iter_mut().zip(&mut eventful) {
            let event = transport.event();
            rack.deck.sent.clear();
            for line in others.iter_mut().step_by(64) {
                *line = std::hint::black_box(line.wrapping_add(1));
            }
            let began = Instant::now();
            rack.deck.process(BLOCK, &none, Some(&event));
            *least = began.elapsed().min(*least);
            *eventful |= !rack.deck.sent.is_empty();
            transport.advance(BLOCK, RATE);
        }
        transport.playing = false;
        rack.deck.process(BLOCK, &none, Some(&transport.event()));
    }
    let quiet: Vec<Duration> =
        blocks.iter().zip(eventful).filter(|(_, eventful)| !eventful).map(|(b, _)| *b).collect();
    let mean = quiet.iter().sum::<Duration>() / quiet.len().max(1) as u32;
    (mean, quiet.iter().max().copied().unwrap_or_default(), quiet.len())
}

/// How many is many.
const INSTANCES: usize = 64;

/// Whether many instances cost at most as many times one: the processor time of their blocks and of their worker, in
/// real time for so many seconds.
#[cfg(target_os = "linux")]
fn many(entry: &PluginEntry, id: &std::ffi::CStr) -> bool {
    const SECONDS: f64 = 8.0;
    let mut random = SmallRng::seed_from_u64(3);
    let noise: Vec<f32> = (0..1024).map(|_| random.random_range(-0.5..0.5)).collect();
    let play = |instances: usize| {
        let mut racks: Vec<Rack> = (0..instances).map(|_| Rack::new(entry, id)).collect();
        for rack in &mut racks {
            rack.activate(RATE, noise.len());
            rack.deck.input.iter_mut().for_each(|channel| channel.copy_from_slice(&noise));
        }
        let none = EventBuffer::new();
        let mut transport = Transport::default();
        let (began, mut spent) = (Instant::now(), host::process::processor_time());
        let seconds = |n: usize| n as f64 * noise.len() as f64 / RATE;
        for n in 0..(SECONDS * RATE) as usize / noise.len() {
            if seconds(n) < 1.0 {
                // Until the weights are read.
                spent = host::process::processor_time();
            }
            let event = transport.event();
            for rack in &mut racks {
                rack.deck.process(noise.len(), &none, Some(&event));
                rack.deck.sent.clear();
            }
            transport.advance(noise.len(), RATE);
            std::thread::sleep(Duration::from_secs_f64(seconds(n)).saturating_sub(began.elapsed()));
        }
        (host::process::processor_time() - spent).as_secs_f64() / (SECONDS - 1.0)
    };
    let one = (0..3).map(|_| play(1)).sum::<f64>() / 3.0;
    let many = play(INSTANCES);
    let ratio = many / one;
    let fits = ratio <= INSTANCES as f64;
    println!(
        "{}: {INSTANCES} instances take {:.1} % of a core, one takes {:.2} %: {ratio:.1} times one, limit {INSTANCES}: {}",
        id.to_string_lossy(),
        many * 100.0,
        one * 100.0,
        verdict(fits),
    );
    fits
}

#[cfg(not(target_os = "linux"))]
fn many(_: &PluginEntry, _: &std::ffi::CStr) -> bool {
    println!("what many instances cost is measured on Linux alone");
    true
}
