//! Interface: what hosts load: the two plug-ins' entry points in CLAP and in VST3.
//!
//! The framework takes a host at its word, and ends the process where a host breaks its format's rules; and it drops
//! the notes of blocks that have no audio. So a guard stands in front of it, one a format, which stops what can't be,
//! keeps such notes for the next block, and thins automation that is denser than anyone can hear.

mod clap;
mod vst3;

/// As many different moments of a block's automation are taken at their sample; of more than that, one every
/// [`sub_block`].
const EXACT_MOMENTS: usize = 4;

/// Notes of blocks without audio that are kept for the next block.
const KEPT: usize = 512;

/// Samples of a block of `frames` in which automation is taken once, where it is dense.
fn sub_block(frames: u32) -> u32 {
    frames.div_ceil(32).max(32)
}
