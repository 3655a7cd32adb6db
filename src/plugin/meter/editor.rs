//! Interface: Earworm Meter's window.

use std::sync::Arc;

use nice_plug_egui::{EguiEditor, EguiNiceSettings, Frame, NiceEguiApp, RepaintNotifier};

use super::params::{MeterParams, editor_state};
use super::shared::MeterShared;

/// What the window shows and holds.
pub struct MeterApp {
    /// The Meter's parameters.
    pub params: Arc<MeterParams>,
    /// What the engine publishes.
    pub shared: Arc<MeterShared>,
}

impl NiceEguiApp for MeterApp {
    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut Frame) {
        ui.label("Earworm Meter");
    }
}

/// The Meter's editor.
pub fn editor(params: Arc<MeterParams>, shared: Arc<MeterShared>) -> Option<EguiEditor<MeterApp>> {
    nice_plug_egui::create_egui_editor(
        editor_state(),
        RepaintNotifier::default(),
        EguiNiceSettings::new().with_tile("Earworm Meter"),
        MeterApp { params, shared },
    )
}
