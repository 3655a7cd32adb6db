//! Interface: the two plug-ins, thin shells over the core.
//!
//! Both live in one library: an audio effect for the mix bus ([`meter`]) and a note generator
//! ([`tunes`]). Nothing heavy happens before a host activates one of them: weights are loaded and
//! threads are started by the first activation, and both are gone after the last deactivation.

pub mod controls;
pub mod embedding;
pub mod files;
mod formats;
pub mod handover;
pub mod meter;
pub mod parts;
pub mod pool;
pub mod presets;
pub mod remembered;
pub mod resets;
pub mod standalone;
pub mod subnormal;
pub mod theme;
pub mod tunes;
pub mod watch;
pub mod weights;
pub mod window;

use nice_plug::plugin::ParamValue;
use nice_plug::prelude::{ParamPtr, Params, PluginState};

pub use meter::Meter;
pub use tunes::Tunes;

/// Why a project's settings can't be those of `params`, in one line. The framework would take a number of any size.
fn settings_fault(params: &dyn Params, state: &PluginState) -> Option<String> {
    params.param_map().into_iter().find_map(|(id, param, _)| {
        let saved = state.params.get(&id)?;
        // SAFETY: `params` owns the parameter and outlives this call.
        let (least, most) = unsafe { (param.preview_plain(0.0), param.preview_plain(1.0)) };
        let value = match (param, saved) {
            (ParamPtr::FloatParam(_), ParamValue::F32(value)) => *value,
            (ParamPtr::IntParam(_) | ParamPtr::EnumParam(_), ParamValue::I32(value)) => {
                *value as f32
            }
            (ParamPtr::BoolParam(_), ParamValue::Bool(_))
            | (ParamPtr::EnumParam(_), ParamValue::String(_)) => return None,
            _ => return Some(format!("the project's {id} is no value of its kind")),
        };
        // What was saved may differ by the rounding of a curve.
        let slack = 1e-3 * (most - least);
        let fits = (least - slack..=most + slack).contains(&value);
        (!fits).then(|| format!("the project's {id} is {value}, which is out of range"))
    })
}

/// Runs Earworm Meter in a window of its own. `args` are the arguments after the program's name
/// (audio backend, sample rate, …; `--help` lists them). False where it could not start.
pub fn run_meter(args: impl IntoIterator<Item = String>) -> bool {
    standalone::run::<Meter>("earworm meter", args)
}

/// Runs Earworm Tunes in a window of its own, as [`run_meter`] does the Meter, with a tune of ABC or what it had last.
pub fn run_tunes(args: impl IntoIterator<Item = String>, abc: Option<String>) -> bool {
    if let Some(abc) = abc {
        standalone::open_with(abc);
    }
    standalone::run::<Tunes>("earworm tunes", args)
}
