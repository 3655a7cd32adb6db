//! Interface: what the plug-ins leave behind, and what many of them take up.
#![cfg(all(feature = "plugin", target_os = "linux"))]

use std::ffi::CStr;

use clack_host::prelude::*;
use host::process::{EXACT, allocated, ran_under, resident, threads, turn};
use host::{METER, Rack, TUNES, Transport};

/// How many times a plug-in comes and goes.
const CYCLES: usize = 1_000;
/// What the process may have grown by then, in bytes.
const FLAT: u64 = 2 << 20;
/// What nobody may have freed by then, in bytes: what the system's libraries keep. 64 instances that leave 256 bytes each
/// have left as much.
const LEFT: u64 = 16 << 10;
const INSTANCES: usize = 64;

/// A few blocks, so that the worker has something to do.
fn play(rack: &mut Rack, seconds: f64) {
    let frames = rack.deck.output[0].len();
    let mut transport = Transport::default();
    for (n, sample) in rack.deck.input.iter_mut().flatten().enumerate() {
        *sample = (n as f32 * 0.05).sin() * 0.3;
    }
    for _ in 0..(seconds * 48_000.0) as usize / frames {
        rack.deck.process(frames, &EventBuffer::new(), Some(&transport.event()));
        rack.deck.sent.clear();
        transport.advance(frames, 48_000.0);
    }
}

/// An instance whose worker has taken in all of 5 s, as a host's offline render makes sure: a whole window of the Meter's,
/// the weights read.
fn worked(entry: &PluginEntry, id: &CStr) -> Rack {
    let mut rack = Rack::new(entry, id);
    rack.offline();
    rack.activate(48_000.0, 4_096);
    play(&mut rack, 5.0);
    rack
}

/// Runs `cycle` until everything is loaded that stays loaded, and then so often that a leak would show.
fn stays_flat(what: &str, id: &CStr, mut cycle: impl FnMut()) {
    for _ in 0..CYCLES / 10 {
        cycle();
    }
    let before = (resident(), allocated());
    for _ in 0..CYCLES {
        cycle();
    }
    let after = (resident(), allocated());
    let grown = after.0.saturating_sub(before.0);
    println!("{id:?}, {CYCLES} times {what}: {grown} bytes more resident, {before:?} to {after:?}");
    assert!(grown < FLAT, "{id:?} {what}: grew by {grown} bytes");
    assert!(after.1.saturating_sub(before.1) < LEFT, "{id:?} {what}: bytes that nobody freed");
}

#[test]
fn a_thousand_activations_leave_no_memory_and_no_thread() {
    let _turn = turn();
    if ran_under(EXACT, "a_thousand_activations_leave_no_memory_and_no_thread") {
        return;
    }
    let entry = host::load(&host::library());
    for id in [METER, TUNES] {
        // However busy the machine is, what stays loaded is loaded now.
        drop(worked(&entry, id));
        let mut rack = Rack::new(&entry, id);
        stays_flat("activated", id, || {
            rack.activate(48_000.0, 512);
            play(&mut rack, 0.1);
            rack.deactivate();
        });
        assert_eq!(threads("earworm-"), 0);
    }
}

#[test]
fn a_thousand_instances_one_after_another_leave_no_memory_and_no_thread() {
    let _turn = turn();
    if ran_under(EXACT, "a_thousand_instances_one_after_another_leave_no_memory_and_no_thread") {
        return;
    }
    let entry = host::load(&host::library());
    for id in [METER, TUNES] {
        drop(worked(&entry, id));
        stays_flat("created", id, || {
            let mut rack = Rack::new(&entry, id);
            rack.activate(48_000.0, 512);
            play(&mut rack, 0.05);
        });
        // The framework's own thread goes with the last instance too.
        assert_eq!(threads("earworm-") + threads("bg-worker"), 0);
    }
}

#[test]
fn sixty_four_instances_hold_two_megabytes_each_at_most_and_leave_nothing() {
    let _turn = turn();
    if ran_under(EXACT, "sixty_four_instances_hold_two_megabytes_each_at_most_and_leave_nothing") {
        return;
    }
    let entry = host::load(&host::library());
    for id in [METER, TUNES] {
        // The weights are read and the system's libraries have what they keep.
        drop(worked(&entry, id));
        let none = (resident(), allocated());
        let racks: Vec<Rack> = (0..INSTANCES).map(|_| worked(&entry, id)).collect();
        let held = resident().saturating_sub(none.0);
        assert!(held <= INSTANCES as u64 * FLAT, "{id:?}: {held}");
        drop(racks);
        let left = allocated().saturating_sub(none.1);
        println!("{INSTANCES} of {id:?} hold {held} bytes and leave {left}");
        assert!(left < LEFT, "{id:?}: {left} bytes that nobody freed");
        assert_eq!(threads("earworm-") + threads("bg-worker"), 0);
    }
}
