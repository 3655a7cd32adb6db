//! Interface: Earworm Tunes's window.

use std::sync::Arc;

use nice_plug_egui::{EguiEditor, EguiNiceSettings, Frame, NiceEguiApp, RepaintNotifier};

use super::params::{TunesParams, editor_state};
use super::shared::TunesShared;

/// What the window shows and holds.
pub struct TunesApp {
    /// The Tunes's paratuness.
    pub params: Arc<TunesParams>,
    /// What the engine publishes.
    pub shared: Arc<TunesShared>,
}

impl NiceEguiApp for TunesApp {
    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut Frame) {
        ui.label("Earworm Tunes");
    }
}

/// The Tunes's editor.
pub fn editor(params: Arc<TunesParams>, shared: Arc<TunesShared>) -> Option<EguiEditor<TunesApp>> {
    nice_plug_egui::create_egui_editor(
        editor_state(),
        RepaintNotifier::default(),
        EguiNiceSettings::new().with_tile("Earworm Tunes"),
        TunesApp { params, shared },
    )
}
