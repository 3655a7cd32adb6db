//! Interface: settings that are chosen together: factory presets, and two sets to compare.
//!
//! The framework tells hosts of no presets, so that they are the editor's own. What is chosen is set parameter by parameter
//! as a hand would, so that the host can undo it.

use egui::Ui;
use nice_plug::context::gui::GuiContext;
use nice_plug::prelude::{ParamPtr, Params};

use super::parts;
use super::theme::Palette;

/// Settings that go together.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// What it is called.
    pub name: &'static str,
    /// What it is for.
    pub help: &'static str,
    /// Identifiers of parameters, and each one's value as its control writes it.
    pub values: &'static [(&'static str, &'static str)],
}

/// Two sets of settings, of which one is in force.
#[derive(Debug, Default)]
pub struct Compare {
    second: bool,
    /// The set that is not in force, once there were two.
    other: Option<Vec<(String, f32)>>,
}

/// Parameters that no preset and no set of settings touches: what is done, and not how.
const ACTS: [&str; 2] = ["generate", "bypass"];

/// Draws the menu of presets and the switch between the two sets.
pub fn show(
    ui: &mut Ui,
    palette: &Palette,
    gui: &GuiContext,
    params: &dyn Params,
    presets: &[Preset],
    compare: &mut Compare,
) {
    parts::menu(ui, "Presets", |ui| {
        for preset in presets {
            if ui.button(preset.name).on_hover_text(preset.help).clicked() {
                choose(gui, params, preset);
                ui.close();
            }
        }
        ui.separator();
        let all = ui.button("Defaults").on_hover_text("Every setting as it was at first.");
        if all.clicked() {
            set_all(gui, params, |_, param| {
                // SAFETY: `params` owns the parameter and outlives this call.
                Some(unsafe { param.default_normalized_value() })
            });
            ui.close();
        }
    })
    .on_hover_text("Settings that go together.");
    let sets = [
        (false, "A", "The first of two sets of settings to compare."),
        (true, "B", "The second of two sets of settings to compare; at first as the first."),
    ];
    if let Some(second) = parts::segments(ui, palette, compare.second, &sets)
        && second != compare.second
    {
        let present = settings(params);
        if let Some(other) = compare.other.replace(present) {
            set_all(gui, params, |id, _| {
                other.iter().find(|(known, _)| known == id).map(|&(_, value)| value)
            });
        }
        compare.second = second;
    }
}

fn choose(gui: &GuiContext, params: &dyn Params, preset: &Preset) {
    set_all(gui, params, |id, param| {
        let (_, text) = preset.values.iter().find(|(known, _)| *known == id)?;
        // SAFETY: `params` owns the parameter and outlives this call.
        unsafe { param.string_to_normalized_value(text) }
    });
}

/// The present settings.
fn settings(params: &dyn Params) -> Vec<(String, f32)> {
    let all = params.param_map().into_iter();
    // SAFETY: `params` owns the parameters and outlives this call.
    all.map(|(id, param, _)| (id, unsafe { param.unmodulated_normalized_value() })).collect()
}

/// Sets every parameter that `value` gives another value for, each in one gesture.
fn set_all(gui: &GuiContext, params: &dyn Params, value: impl Fn(&str, &ParamPtr) -> Option<f32>) {
    for (id, param, _) in params.param_map() {
        if ACTS.contains(&id.as_str()) {
            continue;
        }
        let Some(value) = value(&id, &param) else { continue };
        // SAFETY: `params` owns the parameter and outlives this call; begin, set and end come in this order.
        unsafe {
            if (param.unmodulated_normalized_value() - value).abs() > 1e-6 {
                gui.raw_begin_set_parameter(param);
                gui.raw_set_parameter_normalized(param, value);
                gui.raw_end_set_parameter(param);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{meter, tunes};
    use std::sync::Arc;

    #[test]
    fn every_preset_names_settings_that_there_are_and_values_that_they_can_have() {
        let meter = meter::params::MeterParams::new(Arc::default());
        let tunes = tunes::params::TunesParams::new(Arc::default());
        let both: [(&dyn Params, &[Preset]); 2] =
            [(&meter, &meter::editor::PRESETS), (&tunes, &tunes::editor::PRESETS)];
        for (params, presets) in both {
            let map = params.param_map();
            for preset in presets {
                for (id, text) in preset.values {
                    let (_, param, _) = map
                        .iter()
                        .find(|(known, ..)| known == id)
                        .unwrap_or_else(|| panic!("{}: no setting {id}", preset.name));
                    // SAFETY: `params` owns the parameter and outlives this call.
                    let value = unsafe { param.string_to_normalized_value(text) };
                    assert!(value.is_some(), "{}: {id} can't be {text}", preset.name);
                }
            }
        }
    }
}
