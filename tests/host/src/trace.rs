//! Interface: what the audio thread asks of the system while everything else goes on: nothing.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clack_host::prelude::*;
use host::window::{Display, Editor};
use host::{Deck, METER, Rack, TUNES, Transport, set_event};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

const RATE: f64 = 48_000.0;
const BLOCK: usize = 64;

/// Files that are not there; the audio thread asks for them to mark the trace's ends.
const BEGINS: &str = "/earworm-trace-begins";
const ENDS: &str = "/earworm-trace-ends";

/// Runs [`traced`] under strace and reads what the audio thread did between the marks.
///
/// # Errors
/// Where strace is missing, or the audio thread called the system.
pub fn run(library: &Path, seconds: u64) -> anyhow::Result<()> {
    let file = std::env::temp_dir().join(format!("earworm-trace-{}", std::process::id()));
    let status = Command::new("strace")
        .args(["-f", "-qq", "-o"])
        .arg(&file)
        .arg(std::env::current_exe()?)
        .arg(library)
        .args(["traced", &seconds.to_string()])
        .status()
        .context("strace is needed for this: apt-get install strace")?;
    ensure!(status.success(), "the traced host ended with {status}");
    let trace = std::fs::read_to_string(&file).context("reading the trace")?;
    let _ = std::fs::remove_file(&file);
    let calls = between_marks(&trace)?;
    let others = trace.lines().count();
    for call in calls.iter().take(20) {
        println!("{call}");
    }
    println!(
        "the audio thread made {} system calls in {seconds} s; the whole process made {others}",
        calls.len()
    );
    ensure!(calls.is_empty(), "the audio thread called the system");
    Ok(())
}

/// The lines of the thread that asked for the marks, between them.
fn between_marks(trace: &str) -> anyhow::Result<Vec<&str>> {
    let begin = trace.lines().position(|line| line.contains(BEGINS)).context("no first mark")?;
    let mut lines = trace.lines().skip(begin);
    let mark = lines.next().context("no first mark")?;
    let thread = mark.split_whitespace().next().context("a line without a thread")?;
    let mut marked = mark.contains("unfinished");
    let mut calls = Vec::new();
    for line in lines.filter(|line| line.split_whitespace().next() == Some(thread)) {
        if line.contains(ENDS) {
            return Ok(calls);
        }
        // The end of the mark's own call.
        if std::mem::take(&mut marked) && line.contains("resumed") {
            continue;
        }
        calls.push(line);
    }
    anyhow::bail!("no last mark")
}

/// Both plug-ins in real time on one thread, while the main thread saves, restores, opens and closes windows and
/// the workers read the mix and write tunes.
///
/// # Errors
/// Where a window can't be opened on the display there is.
pub fn traced(library: &Path, seconds: u64) -> anyhow::Result<()> {
    let entry = host::load(library);
    let mut racks = [Rack::new(&entry, METER), Rack::new(&entry, TUNES)];
    for rack in &mut racks {
        rack.activate(RATE, BLOCK);
    }
    let automation = automation(&mut racks);
    let decks = racks.each_mut().map(Rack::take_deck);
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let audio =
            std::thread::Builder::new().name("audio".to_owned()).spawn_scoped(threads, || {
                let decks = play(decks, &automation, seconds);
                done.store(true, Ordering::Release);
                decks
            })?;
        let shown = around(&mut racks, &done);
        let decks = audio.join().expect("the audio thread's panic is on the screen");
        for (rack, deck) in racks.iter_mut().zip(decks) {
            rack.deck = deck;
        }
        shown
    })
}

/// A second's worth of blocks: what each plug-in is sent, again and again.
fn automation(racks: &mut [Rack; 2]) -> [Vec<EventBuffer>; 2] {
    let mut random = SmallRng::seed_from_u64(1);
    let names: [&[(&str, f64)]; 2] = [
        &[("Window", 1.0), ("Response", 1.0)],
        &[
            ("Transpose", 24.0),
            ("Swing", 1.0),
            ("Gate", 1.0),
            ("Level", 1.0),
            ("Chords", 1.0),
            ("Play", 3.0),
            ("Generate", 1.0),
        ],
    ];
    let mut index = 0;
    racks.each_mut().map(|rack| {
        let ids: Vec<_> =
            names[index].iter().map(|&(name, most)| (rack.param(name), most)).collect();
        index += 1;
        (0..750)
            .map(|block| {
                let mut events = EventBuffer::new();
                if block % 10 == 0 {
                    let (id, most) = ids[random.random_range(0..ids.len())];
                    let value = random.random_range(0.0..=most);
                    let value = if most > 1.0 { value.round() } else { value };
                    events.push(&set_event(id, random.random_range(0..BLOCK as u32), value));
                }
                events
            })
            .collect()
    })
}

/// The audio thread: two seconds to get going, then `seconds` between the marks. It waits for each block's time by
/// looking at the clock, which asks the system for nothing.
fn play(mut decks: [Deck; 2], automation: &[Vec<EventBuffer>; 2], seconds: u64) -> [Deck; 2] {
    let blocks = |seconds: u64| seconds * RATE as u64 / BLOCK as u64;
    let mut transport = Transport { cycle: Some((8.0, 24.0)), ..Transport::default() };
    // The standard library's first question about a file finds out which system call to ask with.
    let _ = std::fs::metadata(ENDS.trim_end_matches("ends"));
    let mut due = Instant::now();
    for block in 0..blocks(seconds + 2) {
        if block == blocks(2) {
            let _ = std::fs::metadata(BEGINS);
        }
        // The Meter hears what Tunes plays.
        let [meter, tunes] = &mut decks;
        for (input, output) in meter.input.iter_mut().zip(&tunes.output) {
            input.copy_from_slice(output);
        }
        transport.playing = block % 4_000 < 3_800;
        let event = transport.event();
        for (deck, events) in decks.iter_mut().zip(automation) {
            deck.process(BLOCK, &events[block as usize % events.len()], Some(&event));
            deck.sent.clear();
        }
        transport.advance(BLOCK, RATE);
        due += Duration::from_nanos(BLOCK as u64 * 1_000_000_000 / RATE as u64);
        while Instant::now() < due {
            std::hint::spin_loop();
        }
    }
    let _ = std::fs::metadata(ENDS);
    decks
}

/// What goes on around the audio thread, until it is done.
fn around(racks: &mut [Rack; 2], done: &AtomicBool) -> anyhow::Result<()> {
    let display = Display::open().ok();
    if display.is_none() {
        println!("no display: the windows stay closed");
    }
    let mut editors: [Option<Editor>; 2] = [None, None];
    let mut round = 0;
    while !done.load(Ordering::Acquire) {
        for (index, rack) in racks.iter_mut().enumerate() {
            rack.idle();
            match round % 40 {
                5 if index == 1 => {
                    let state = rack.save();
                    ensure!(rack.load(&state), "its own state was refused");
                }
                10 | 30 => {
                    if let Some(display) = &display {
                        let shown = match editors[index].take() {
                            Some(editor) => display.close(rack, editor),
                            None => display.show(rack).map(|editor| editors[index] = Some(editor)),
                        };
                        shown.map_err(|error| anyhow::anyhow!("a window: {error}"))?;
                    }
                }
                _ => {}
            }
        }
        round += 1;
        std::thread::sleep(Duration::from_millis(50));
    }
    for (rack, editor) in racks.iter_mut().zip(editors) {
        if let (Some(display), Some(editor)) = (&display, editor) {
            display.close(rack, editor).map_err(|error| anyhow::anyhow!("a window: {error}"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_between_the_marks_is_found_and_one_of_another_thread_is_not() {
        let trace = "\
            7 read(3, \"\", 1) = 0\n\
            9 statx(AT_FDCWD, \"/earworm-trace-begins\" <unfinished ...>\n\
            7 read(3, \"\", 1) = 0\n\
            9 <... statx resumed>) = -1 ENOENT\n\
            9 futex(0x1, FUTEX_WAKE, 1) = 1\n\
            7 close(3) = 0\n\
            9 statx(AT_FDCWD, \"/earworm-trace-ends\") = -1 ENOENT\n\
            9 exit(0) = ?\n";
        assert_eq!(between_marks(trace).unwrap(), ["9 futex(0x1, FUTEX_WAKE, 1) = 1"]);
    }
}
