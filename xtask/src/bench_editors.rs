//! Interface: the part of `cargo xtask bench` that times a frame of each editor.

use crate::process;

/// Builds and runs `benches/editors.rs`, which prints its figures.
pub fn run() -> anyhow::Result<()> {
    process::run(process::cargo().args(["bench", "--package", "earworm", "--bench", "editors"]))
}
