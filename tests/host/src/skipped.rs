//! Interface: tests that lack what they need, counted and never silently green.

use std::fs::OpenOptions;
use std::io::Write;

/// Environment variable that names the file to which a test that is left out adds its line; `cargo xtask test` sets it and
/// counts the lines at its end.
pub const SKIPPED: &str = "EARWORM_SKIPPED";

/// Says that the test on this thread is left out, and `why`; adds the line to the file that [`SKIPPED`] names.
///
/// # Panics
/// Where that file can't be written, since then nobody would learn of it.
pub fn skipped(why: &str) {
    println!("skipped: {why}");
    let Some(path) = std::env::var_os(SKIPPED) else { return };
    let thread = std::thread::current();
    let line = format!("{}: {why}\n", thread.name().unwrap_or("a test"));
    let mut file =
        OpenOptions::new().create(true).append(true).open(path).expect("a place to say it");
    file.write_all(line.as_bytes()).expect("the line is added");
}
