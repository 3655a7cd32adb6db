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

/// Waits until it is so; a minute, and it is not.
fn comes_true(mut it: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(60) {
        if it() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}

/// Has the pointer and the keyboard do what these of xdotool's words say. False where it is not installed.
fn by_hand(words: &[&str]) -> bool {
    std::process::Command::new("xdotool").args(words).status().is_ok_and(|done| done.success())
}

#[test]
fn keys_that_no_text_field_wants_go_to_the_host_after_a_click() {
    let _turn = turn();
    let Some(display) = display() else { return };
    if !by_hand(&["version"]) {
        println!("skipped: xdotool is not installed");
        return;
    }
    for id in [METER, TUNES] {
        let mut rack = Rack::new(&host::load(&host::library()), id);
        let editor = display.show(&mut rack).unwrap();
        assert!(comes_true(|| display.is_painted(&editor).unwrap()));
        // Into the middle, where nothing takes text.
        for click in 0..3 {
            by_hand(&["mousemove", "300", "330", "click", "1"]);
            assert!(
                comes_true(|| display.host_has_keyboard(&editor).unwrap()),
                "{id:?}: click {click} took the keyboard away"
            );
        }
        display.keys().unwrap();
        by_hand(&["key", "space"]);
        assert!(comes_true(|| display.keys().unwrap() > 0), "{id:?}: the space bar is dead");
        if id == TUNES {
            // Into the tune's text, which keeps what is typed.
            by_hand(&["mousemove", "800", "330", "click", "1"]);
            std::thread::sleep(Duration::from_millis(500));
            by_hand(&["key", "x"]);
            std::thread::sleep(Duration::from_millis(500));
            assert_eq!(display.keys().unwrap(), 0, "what is typed into a text goes to the host");
            assert!(!display.host_has_keyboard(&editor).unwrap());
            // Out of it again.
            by_hand(&["mousemove", "300", "330", "click", "1"]);
            assert!(comes_true(|| display.host_has_keyboard(&editor).unwrap()));
        }
        display.close(&mut rack, editor).unwrap();
    }
}

#[test]
fn a_window_that_is_shown_late_is_painted() {
    let _turn = turn();
    let Some(display) = display() else { return };
    for id in [METER, TUNES] {
        let mut rack = Rack::new(&host::load(&host::library()), id);
        for wait in [0, 30, 400] {
            let editor = display.show_after(&mut rack, Duration::from_millis(wait)).unwrap();
            assert!(
                comes_true(|| display.is_painted(&editor).unwrap()),
                "{id:?}: stays black, shown {wait} ms after it was embedded"
            );
            display.close(&mut rack, editor).unwrap();
        }
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
