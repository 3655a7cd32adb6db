//! Interface: the two plug-ins, thin shells over the core.
//!
//! Both live in one library: an audio effect for the mix bus ([`meter`]) and a note generator
//! ([`tunes`]). Nothing heavy happens before a host activates one of them: weights are loaded and
//! threads are started by the first activation, and both are gone after the last deactivation.

pub mod controls;
pub mod crew;
pub mod files;
pub mod handover;
pub mod meter;
pub mod parts;
pub mod theme;
pub mod tunes;
pub mod watch;
pub mod weights;

pub use meter::Meter;
pub use tunes::Tunes;

/// The entry points that hosts look up in the library.
#[allow(missing_docs, clippy::undocumented_unsafe_blocks)]
mod entry {
    use super::{Meter, Tunes};

    nice_plug::nice_export_clap!(Meter, Tunes);
    nice_plug::nice_export_vst3!(Meter, Tunes);
}

/// Runs Earworm Meter in a window of its own. `args` are the arguments after the program's name
/// (audio backend, sample rate, …; `--help` lists them). False where it could not start.
pub fn run_meter(args: impl IntoIterator<Item = String>) -> bool {
    run::<Meter>("earworm meter", args)
}

/// Runs Earworm Tunes in a window of its own, as [`run_meter`] does the Meter.
pub fn run_tunes(args: impl IntoIterator<Item = String>) -> bool {
    run::<Tunes>("earworm tunes", args)
}

fn run<P: nice_plug::prelude::Plugin>(
    program: &str,
    args: impl IntoIterator<Item = String>,
) -> bool {
    let args = std::iter::once(program.to_owned()).chain(args);
    nice_plug::wrapper::standalone::nice_export_standalone_with_args::<P, _>(args)
}
