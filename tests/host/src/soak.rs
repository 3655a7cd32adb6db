//! Interface: both plug-ins for a long time under random automation, transports and windows.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use clack_host::prelude::*;
use host::window::{Display, Editor};
use host::{Deck, METER, Rack, TUNES, Transport, process, set_event};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

const RATE: f64 = 48_000.0;
/// The largest block; half of them are smaller.
const BLOCK: usize = 512;
/// What memory may grow by after the first sixth, in bytes.
const GROWTH: u64 = 2 << 20;
/// What is left behind on top of that by each window, at most: the windowing library does not free the keymap that it
/// has libxkbcommon make for each (43 kB), and some of what belongs to it.
const WINDOW: u64 = 100_000;
/// How often the two plug-ins took longer over a block than a block of the sound card's lasts; hosts that cut theirs
/// into smaller ones have as long for all of them.
static LATE: AtomicU64 = AtomicU64::new(0);

/// What the audio thread automates: the parameter's name and the greatest value.
const AUTOMATED: [&[(&str, f64)]; 2] = [
    &[("Window", 1.0), ("Response", 1.0), ("Bypass", 1.0)],
    &[
        ("Style", 8.0),
        ("Key", 11.0),
        ("Bars", 12.0),
        ("Temperature", 1.0),
        ("Generate", 1.0),
        ("Play", 3.0),
        ("Transpose", 24.0),
        ("Octave", 6.0),
        ("Swing", 1.0),
        ("Gate", 1.0),
        ("Velocity", 1.0),
        ("Velocity variation", 1.0),
        ("Timing variation", 1.0),
        ("Chords", 1.0),
        ("Chord channel", 15.0),
        ("Voice", 1.0),
        ("Level", 1.0),
        ("New tune every", 2.0),
        ("Bypass", 1.0),
    ],
];

/// Runs `minutes` of audio at `speed` times real time.
///
/// # Errors
/// Where memory grew, a frame was dropped, a block took longer than it lasts or a note was left on.
pub fn run(library: &Path, minutes: f64, speed: f64) -> anyhow::Result<()> {
    let entry = host::load(library);
    let mut racks = [Rack::new(&entry, METER), Rack::new(&entry, TUNES)];
    for rack in &mut racks {
        rack.activate(RATE, BLOCK);
    }
    let mut index = 0;
    let parameters = racks.each_mut().map(|rack| {
        index += 1;
        let of = |&(name, most): &(&str, f64)| (rack.param(name), most);
        AUTOMATED[index - 1].iter().map(of).collect::<Vec<_>>()
    });
    let decks = racks.each_mut().map(Rack::take_deck);
    let done = AtomicBool::new(false);
    let heard = AtomicU64::new(0);
    let worst = Mutex::new(Duration::ZERO);
    let (mut editors_opened, mut sizes, mut dropped) = (0u32, Vec::new(), 0);
    let left_on = std::thread::scope(|threads| -> anyhow::Result<usize> {
        let audio = threads.spawn(|| {
            let total = (minutes * 60.0 * RATE) as u64;
            let left_on = play(decks, &parameters, total, speed, &heard, &worst);
            done.store(true, Ordering::Release);
            left_on
        });
        let display = Display::open().ok();
        if display.is_none() {
            println!("no display: the windows stay closed");
        }
        let mut random = SmallRng::seed_from_u64(2);
        let mut editors: [Option<Editor>; 2] = [None, None];
        let mut minute = 0;
        while !done.load(Ordering::Acquire) {
            for (rack, editor) in racks.iter_mut().zip(&mut editors) {
                rack.idle();
                if let Some(display) = &display
                    && random.random_range(0..100) == 0
                {
                    let shown = match editor.take() {
                        Some(open) => display.close(rack, open),
                        None => display.show(rack).map(|open| {
                            editors_opened += 1;
                            *editor = Some(open);
                        }),
                    };
                    shown.map_err(|error| anyhow::anyhow!("a window: {error}"))?;
                }
            }
            let now = heard.load(Ordering::Relaxed) as f64 / RATE / 60.0;
            if now >= f64::from(minute) {
                minute += 1;
                let state = racks[1].save();
                ensure!(racks[1].load(&state), "its own state was refused");
                // Measured with the windows closed, and their threads gone.
                for (rack, editor) in racks.iter_mut().zip(&mut editors) {
                    if let (Some(display), Some(editor)) = (&display, editor.take()) {
                        display
                            .close(rack, editor)
                            .map_err(|error| anyhow::anyhow!("a window: {error}"))?;
                    }
                }
                std::thread::sleep(Duration::from_millis(200));
                dropped = racks[0].field("heard")["dropped_frames"].as_u64().unwrap_or_default();
                sizes.push((process::allocated(), editors_opened));
                println!(
                    "minute {now:.1}: {:.1} MB resident, {:.1} MB allocated, {dropped} frames dropped, {} blocks late, \
                     worst {:.0} µs, windows opened {editors_opened} times",
                    process::resident() as f64 / 1e6,
                    process::allocated() as f64 / 1e6,
                    LATE.load(Ordering::Relaxed),
                    worst.lock().expect("no panic").as_secs_f64() * 1e6,
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        for (rack, editor) in racks.iter_mut().zip(editors) {
            if let (Some(display), Some(editor)) = (&display, editor) {
                display
                    .close(rack, editor)
                    .map_err(|error| anyhow::anyhow!("a window: {error}"))?;
            }
        }
        let (decks, left_on) = audio.join().expect("the audio thread's panic is on the screen");
        for (rack, deck) in racks.iter_mut().zip(decks) {
            rack.deck = deck;
        }
        Ok(left_on)
    })?;
    let (settled, before) = sizes.get(sizes.len() / 6).copied().unwrap_or_default();
    let (last, after) = sizes.last().copied().unwrap_or_default();
    let (growth, windows) = (last.saturating_sub(settled), after - before);
    let allowed = GROWTH + WINDOW * u64::from(windows);
    let late = LATE.load(Ordering::Relaxed);
    println!(
        "{minutes} minutes of audio: grew by {:.2} MB after the first sixth, in which {windows} windows were opened (limit \
         {:.1}), {dropped} frames dropped, {late} blocks late, {left_on} notes left on",
        growth as f64 / 1e6,
        allowed as f64 / 1e6,
    );
    ensure!(dropped == 0, "frames were dropped");
    ensure!(left_on == 0, "a note was left on");
    ensure!(late == 0, "blocks took longer than they may");
    ensure!(growth <= allowed, "memory grew");
    Ok(())
}

/// The audio thread. Returns the decks and how many notes were left on at the end.
fn play(
    mut decks: [Deck; 2],
    parameters: &[Vec<(ClapId, f64)>; 2],
    total: u64,
    speed: f64,
    heard: &AtomicU64,
    worst: &Mutex<Duration>,
) -> ([Deck; 2], usize) {
    if !process::be_real_time() {
        println!("no real-time priority here: a late block may be the machine's other work");
    }
    let mut random = SmallRng::seed_from_u64(1);
    let mut transport = Transport::default();
    let mut sounding: Vec<host::Sent> = Vec::new();
    let began = Instant::now();
    let mut done = 0u64;
    while done < total {
        let frames = if random.random_bool(0.5) { BLOCK } else { random.random_range(1..=BLOCK) };
        let last = done + frames as u64 >= total;
        match random.random_range(0..2_000) {
            0..3 => transport.playing = !transport.playing,
            3..6 => transport.beats = random.random_range(0.0..200.0),
            6..16 => transport.tempo = random.random_range(40.0..300.0),
            16..20 => {
                let from = random.random_range(0.0f64..100.0).round();
                let to = from + random.random_range(1.0f64..16.0).round();
                transport.cycle = random.random_bool(0.5).then_some((from, to));
            }
            20..22 => transport.signature = [(4, 4), (3, 4), (6, 8)][random.random_range(0..3)],
            _ => {}
        }
        if last {
            transport.playing = false;
        }
        // The Meter hears what Tunes plays and some noise.
        let [meter, tunes] = &mut decks;
        for (input, output) in meter.input.iter_mut().zip(&tunes.output) {
            for (input, output) in input.iter_mut().zip(output) {
                *input = output + random.random_range(-0.01..0.01);
            }
        }
        let event = transport.event();
        let limit = Duration::from_secs_f64(BLOCK as f64 / RATE);
        for (deck, parameters) in decks.iter_mut().zip(parameters) {
            let mut events = EventBuffer::new();
            if random.random_range(0..100) == 0 {
                let (id, most) = parameters[random.random_range(0..parameters.len())];
                let value = random.random_range(0.0..=most);
                let value = if most > 1.0 { value.round() } else { value };
                events.push(&set_event(id, random.random_range(0..frames as u32), value));
            }
            let start = Instant::now();
            deck.process(frames, &events, Some(&event));
            let took = start.elapsed();
            LATE.fetch_add(u64::from(took > limit), Ordering::Relaxed);
            let mut worst = worst.lock().expect("no panic");
            *worst = took.max(*worst);
            for sent in deck.sent.drain(..) {
                if sent.on {
                    sounding.push(sent);
                } else {
                    sounding.retain(|on| on.id != sent.id);
                }
            }
        }
        transport.advance(frames, RATE);
        done += frames as u64;
        heard.store(done, Ordering::Relaxed);
        let due = Duration::from_secs_f64(done as f64 / RATE / speed);
        std::thread::sleep(due.saturating_sub(began.elapsed()));
    }
    // What plays without a transport, or under a key, ends when it is bypassed.
    let mut events = EventBuffer::new();
    let bypass = parameters[1].last().expect("Bypass is the last").0;
    events.push(&set_event(bypass, 0, 1.0));
    decks[1].process(BLOCK, &events, Some(&transport.event()));
    for sent in decks[1].sent.drain(..) {
        sounding.retain(|on| sent.on || on.id != sent.id);
    }
    (decks, sounding.len())
}
