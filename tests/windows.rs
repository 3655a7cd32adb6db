//! The editors' windows in a host: opened and closed again and again. Needs an X display.
#![cfg(all(feature = "plugin", target_os = "linux"))]

use std::time::{Duration, Instant};

use host::process::{ONE_ARENA, ran_under, resident, threads, turn};
use host::window::Display;
use host::{METER, Rack, TUNES};

/// What `baseview` 0.4.2 keeps of each X11 window for ever: `XkbcommonState::new` never gives its keymap back. As much
/// as heaptrack counts for it, with what the allocator puts around.
const KEYMAP: u64 = 100 << 10;

/// How often a window is opened once the first ones have filled what caches there are. EARWORM_WINDOWS asks for
/// another number.
fn times() -> u64 {
    std::env::var("EARWORM_WINDOWS").ok().and_then(|times| times.parse().ok()).unwrap_or(20)
}

/// The X display, if there is one.
fn display() -> Option<Display> {
    Display::open().inspect_err(|error| host::skipped(&format!("no X display ({error})"))).ok()
}

/// The window library does not wait for a window's threads to end, of which one of the framework's own stays from the first
/// window on: waits until no more than that are left. What they hold is not lost.
fn settle(idle: usize) {
    let began = Instant::now();
    while threads("") > idle + 1 && began.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_window_that_was_closed_leaves_nothing_behind() {
    let _turn = turn();
    let Some(display) = display() else { return };
    if ran_under(ONE_ARENA, "a_window_that_was_closed_leaves_nothing_behind") {
        return;
    }
    let times = times();
    for id in [METER, TUNES] {
        let mut rack = Rack::new(&host::load(&host::library()), id);
        let idle = threads("");
        let mut open = |times: u64| {
            for _ in 0..times {
                let editor = display.show(&mut rack).unwrap();
                // A few frames.
                std::thread::sleep(Duration::from_millis(150));
                display.close(&mut rack, editor).unwrap();
            }
            settle(idle);
            resident()
        };
        let settled = open(10);
        let after = open(times);
        let grown = after.saturating_sub(settled);
        let left = threads("").saturating_sub(idle);
        println!("{id:?}: {grown} bytes and {left} threads more after {times} windows");
        assert!(grown < (4 << 20) + times * KEYMAP, "{grown} bytes after {times} windows");
        assert!(left <= 1, "{left} threads");
    }
}

/// Where the last window's closing unloads the drivers, the thread of another that closes at the same time crashes on its
/// way out.
#[test]
fn windows_that_close_together_leave_the_graphics_library_in_place() {
    let _turn = turn();
    let Some(display) = display() else { return };
    let entry = host::load(&host::library());
    let (mut meter, mut tunes) = (Rack::new(&entry, METER), Rack::new(&entry, TUNES));
    let idle = threads("");
    for _ in 0..10 {
        let windows = (display.show(&mut meter).unwrap(), display.show(&mut tunes).unwrap());
        std::thread::sleep(Duration::from_millis(150));
        display.close(&mut meter, windows.0).unwrap();
        display.close(&mut tunes, windows.1).unwrap();
    }
    settle(idle);
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    assert!(maps.contains("libEGL"), "it was unloaded with the last window");
}
