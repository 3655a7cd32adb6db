//! Interface: Earworm Meter's parameters.

use std::sync::Arc;

use nice_plug::prelude::*;

use super::history::KeptHistory;
use super::shared::{Heard, MeterShared};
use crate::remembered::{MeterView, Remembered, Size};
use crate::theme::ThemeChoice;
use crate::weights::Kept as KeptWeights;

/// What a musician can set on the Meter, and what a project keeps of it.
#[derive(Params)]
pub struct MeterParams {
    /// How many seconds of the mix each reading is made from.
    #[id = "window"]
    pub window: FloatParam,

    /// How long the shown reading takes to follow a new one, in seconds (63 % of the way).
    #[id = "response"]
    pub response: FloatParam,

    /// Stops listening; the audio passes through either way.
    #[id = "bypass"]
    pub bypass: BoolParam,

    /// The last reading, kept so that a reopened project shows what was heard when it was saved.
    #[persist = "heard"]
    pub heard: Heard,
    /// What was heard over the last five minutes.
    #[persist = "ribbon"]
    pub history: KeptHistory,
    /// The file of the weights that it listens with.
    #[persist = "weights"]
    pub weights: KeptWeights,
    /// The editor's theme.
    #[persist = "theme"]
    pub theme: ThemeChoice,
    /// What of the window the project keeps.
    #[persist = "view"]
    pub view: Remembered<MeterView>,
}

impl MeterParams {
    /// The defaults, over the reading that `shared` publishes.
    pub fn new(shared: Arc<MeterShared>) -> Self {
        Self {
            window: FloatParam::new("Window", 15.0, FloatRange::Linear { min: 3.0, max: 30.0 })
                .with_step_size(0.5)
                .with_unit(" s"),
            response: FloatParam::new(
                "Response",
                1.0,
                FloatRange::Skewed { min: 0.0, max: 10.0, factor: FloatRange::skew_factor(-1.0) },
            )
            .with_step_size(0.01)
            .with_unit(" s"),
            bypass: BoolParam::new("Bypass", false).make_bypass(),
            weights: KeptWeights::new(shared.weights.clone()),
            theme: ThemeChoice::default(),
            view: Remembered::default(),
            history: KeptHistory::new(shared.clone()),
            heard: Heard::new(shared),
        }
    }
}

/// The window's first size in points.
pub const SIZE: Size = Size { width: 720.0, height: 440.0 };
