//! Interface: damaged, truncated and hostile states, handed in as a host does.

use std::path::Path;

use anyhow::ensure;
use host::{METER, Rack, TUNES};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// A tune that is not the one that a new instance has.
const TUNE: &str = "X:1\nT:Kept\nM:6/8\nL:1/8\nQ:3/8=110\nK:G\nd|:\"G\"gfg BGB|\"D\"AFA d2e:|\n";

/// Pieces that turn up where they have no business.
const PIECES: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    ",",
    ":",
    "null",
    "true",
    "-1",
    "1e999",
    "1e39",
    "NaN",
    "\\u0000",
    "\\ud800",
    "\"f32\"",
    "\"version\":0",
    "\"version\":4294967295",
    "\"abc\":\"\"",
    "\"abc\":7",
    "\"successors\":[]",
    "\"params\":{}",
    "99999999999999999999",
];

/// Hands in `inputs` states. One that is refused has to leave the plug-in as it was; one that is sound all the same has
/// to be playable, and to come back the same once saved.
///
/// # Errors
/// Where one was half taken.
pub fn run(library: &Path, inputs: u64, seed: u64) -> anyhow::Result<()> {
    let entry = host::load(library);
    let mut random = SmallRng::seed_from_u64(seed);
    let (mut kept, mut taken) = (0u64, 0u64);
    for id in [METER, TUNES] {
        let mut rack = Rack::new(&entry, id);
        if id == TUNES {
            let saved = serde_json::json!({ "version": 1, "abc": TUNE });
            let state = rack.state_with("tune", &saved);
            rack.load(&state);
        }
        let good = rack.save();
        for _ in 0..inputs / 2 {
            let state = damaged(&good, &mut random);
            rack.load(&state);
            let after = rack.save();
            if after == good {
                kept += 1;
                continue;
            }
            taken += 1;
            // Sound enough to be taken: then all of it was, and it is a state like any other.
            ensure!(sound(&state), "half taken: {:?}", String::from_utf8_lossy(&state));
            let mut other = Rack::new(&entry, id);
            ensure!(other.load(&after), "a state that was saved is refused");
            let again = other.save();
            ensure!(
                again == after,
                "a state comes back another: {:?} as {:?}",
                String::from_utf8_lossy(&after),
                String::from_utf8_lossy(&again)
            );
            // This one is not active: a state in which Generate is on would have a tune written.
            other.activate(48_000.0, 64);
            other.play(64, None);
            ensure!(rack.load(&good) && rack.save() == good, "it does not go back to what it was");
        }
    }
    println!(
        "{} states: {kept} left the plug-in as it was, {taken} were whole and were taken",
        kept + taken
    );
    Ok(())
}

/// Whether a state is what the framework reads as one: a length, and JSON.
fn sound(state: &[u8]) -> bool {
    // Where the length says more than there is, the framework reads what there is; and it passes over a name that it does not
    // know together with what belongs to it, be that text or not.
    let json = String::from_utf8_lossy(state.get(8..).unwrap_or_default());
    serde_json::Deserializer::from_str(&json)
        .into_iter::<serde_json::Value>()
        .next()
        .is_some_and(|value| value.is_ok())
}

/// `good` with something done to it.
fn damaged(good: &[u8], random: &mut SmallRng) -> Vec<u8> {
    let mut state = good.to_vec();
    match random.random_range(0..5) {
        0 => state.truncate(random.random_range(0..good.len())),
        1 => {
            for _ in 0..random.random_range(1..8) {
                let place = random.random_range(0..state.len());
                state[place] ^= 1 << random.random_range(0..8);
            }
        }
        2 => {
            let place = random.random_range(8..state.len());
            let piece = PIECES[random.random_range(0..PIECES.len())].as_bytes();
            let end = (place + random.random_range(0..12)).min(state.len());
            state.splice(place..end, piece.iter().copied());
            length(&mut state);
        }
        3 => {
            let from = random.random_range(8..state.len());
            let to = random.random_range(from..state.len());
            let copied = state[from..to].to_vec();
            let place = random.random_range(8..state.len());
            state.splice(place..place, copied);
            length(&mut state);
        }
        _ => {
            let size = random.random_range(0..200);
            state = (0..size).map(|_| random.random()).collect();
        }
    }
    state
}

/// Writes the length that the framework puts before its JSON.
fn length(state: &mut [u8]) {
    let length = (state.len() - 8) as u64;
    state[..8].copy_from_slice(&length.to_le_bytes());
}
