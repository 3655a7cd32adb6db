//! Interface: the Meter's footer: how it listens, with which weights, and how the worker keeps up.

use std::sync::atomic::Ordering;

use egui::{Align, Color32, Layout, Ui};

use super::{MeterEditor, PRESETS, Scene, Wanted, reading};
use crate::files::Wish;
use crate::remembered::Colours;
use crate::{controls, parts, presets, weights};

/// Draws the footer.
pub(super) fn show(ui: &mut Ui, editor: &mut MeterEditor, scene: Scene) {
    let Scene { params, shared, gui, palette, .. } = scene;
    ui.spacing_mut().interact_size.y = 22.0;
    ui.spacing_mut().button_padding.y = 2.0;
    ui.horizontal_centered(|ui| {
        ui.spacing_mut().item_spacing.x = 5.0;
        controls::caption(ui, "Window");
        let help = "how many seconds of the mix a reading is made from.";
        controls::float(ui, gui, &params.window, 0.05, help);
        ui.add_space(4.0);
        controls::caption(ui, "Response");
        let help = "how long the bars take to follow, in seconds (63 % of the way).";
        controls::float(ui, gui, &params.response, 0.01, help);
        ui.add_space(4.0);
        if !scene.compact {
            let compare = &mut editor.compare;
            presets::show(ui, palette, gui, params, &PRESETS, compare);
            ui.add_space(4.0);
        }
        parts::panel(ui, "Options", |ui| {
            ui.set_max_width(300.0);
            if scene.compact {
                ui.horizontal(|ui| {
                    reading::span(ui, scene);
                    presets::show(ui, palette, gui, params, &PRESETS, &mut editor.compare);
                });
                ui.separator();
            }
            options(ui, scene);
            ui.separator();
            if weights::show(ui, palette, &shared.weights, "genre") {
                editor.chooser.open(Wish::open(&["safetensors"]), Wanted::Weights);
                ui.close();
            }
        })
        .on_hover_text(
            "Colours, what the overall reading is made from, and which network listens.",
        );
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let (text, colour, help) = status(ui, editor, scene);
            parts::message(ui, palette, &text, colour).on_hover_text(help);
        });
    });
}

/// How the window shows what was heard.
fn options(ui: &mut Ui, scene: Scene) {
    let view = &scene.params.view;
    controls::caption(ui, "Colours of the spectrogram");
    for (colours, name) in Colours::ALL {
        let on = view.get().colours == colours;
        if ui.radio(on, name).clicked() && !on {
            view.change(|view| view.colours = colours);
        }
    }
    ui.separator();
    let mut from_start = view.get().from_start;
    let help =
        "The overall reading and the integrated loudness begin anew when the host starts to play.";
    if ui
        .checkbox(&mut from_start, "Overall begins with the transport")
        .on_hover_text(help)
        .changed()
    {
        view.change(|view| view.from_start = from_start);
    }
}

/// What to say at the bottom: text, colour and what it means.
fn status(ui: &Ui, editor: &mut MeterEditor, scene: Scene) -> (String, Color32, String) {
    let Scene { shared, palette, .. } = scene;
    if let Some((text, colour)) = editor.notice.current(ui, palette) {
        return (text.clone(), colour, text);
    }
    if let Some(fault) = shared.weights.fault() {
        return (fault.clone(), palette.error, fault);
    }
    let dropped = shared.dropped_frames.load(Ordering::Relaxed);
    let load = shared.load.load(Ordering::Relaxed);
    let rate = shared.sample_rate.load(Ordering::Relaxed);
    let colour = if dropped > 0 { palette.warning } else { palette.weak };
    let mut text = format!("{dropped} dropped · worker {:.1} %", load * 100.0);
    if rate > 0.0 && ui.available_width() > 210.0 {
        text.push_str(&format!(" · {} kHz", rate / 1000.0));
    }
    let help = "Frames that the worker could not take in time, the share of real time that it works for this instance \
                (%), and the host's sample rate.";
    (text, colour, help.to_owned())
}
