//! Interface: the genre now, large, with how sure; or what the Meter is doing instead.

use std::sync::atomic::Ordering;

use egui::{Align, FontId, Layout, RichText, Sense, Ui, vec2};
use nice_plug::context::PluginApi;

use super::{Scene, genre_name, most_probable, percent};
use crate::meter::shared::Hearing;
use crate::parts;
use crate::theme::{self, DISPLAY, GAP, LARGE, SMALL};

/// The genre now, large, and how sure.
pub(super) fn show(ui: &mut Ui, scene: Scene) {
    let Scene { palette, shared, compact, hearing, probabilities, .. } = scene;
    let size = match ui.available_height() {
        _ if compact => 26.0,
        height => (height * 0.13).clamp(DISPLAY, 60.0),
    };
    let best = most_probable(probabilities);
    let p = probabilities[best];
    let any = p > 0.0;
    let (headline, colour, detail) = match hearing {
        Hearing::Heard => {
            (genre_name(best).to_owned(), palette.text, format!("{} sure", percent(p)))
        }
        Hearing::Unsure => {
            let mut rest = *probabilities;
            rest[best] = -1.0;
            let second = most_probable(&rest);
            (
                "Unsure".to_owned(),
                palette.weak,
                format!(
                    "{} {}, {} {}",
                    genre_name(best),
                    percent(p),
                    genre_name(second),
                    percent(rest[second])
                ),
            )
        }
        Hearing::Listening => {
            ("Listening".to_owned(), palette.weak, "A few seconds of music are needed".to_owned())
        }
        Hearing::Silence => ("Silence".to_owned(), palette.weak, silence(scene).to_owned()),
        Hearing::Failed => (
            "Failed".to_owned(),
            palette.error,
            shared
                .fault()
                .unwrap_or_else(|| "the worker stopped; the audio still passes".to_owned()),
        ),
        Hearing::Asleep if any => (
            genre_name(best).to_owned(),
            palette.weak,
            format!("{}, heard before; not listening now", percent(p)),
        ),
        Hearing::Asleep => (
            "Asleep".to_owned(),
            palette.weak,
            "Not listening: start playback, or end bypass".to_owned(),
        ),
    };
    let height = size * 1.15;
    let short = compact && hearing != Hearing::Failed;
    ui.horizontal(|ui| {
        ui.set_min_height(height);
        ui.spacing_mut().item_spacing.x = GAP;
        let dot =
            if hearing == Hearing::Heard { theme::genre(palette, best) } else { palette.line };
        let (rect, _) = ui.allocate_exact_size(vec2(6.0, height * 0.8), Sense::hover());
        ui.painter().rect_filled(rect, 3.0, dot);
        let text =
            RichText::new(&headline).font(FontId::new(size, theme::semibold())).color(colour);
        if short {
            // In a low window how sure stands beside the name, to leave the bars their room.
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if hearing == Hearing::Heard {
                    let sure = RichText::new(percent(p)).size(LARGE);
                    ui.label(sure.color(palette.weak));
                }
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    ui.add(egui::Label::new(text).truncate()).on_hover_text(&detail);
                });
            });
        } else {
            ui.add(egui::Label::new(text).truncate());
        }
    });
    if short {
        return;
    }
    let colour = match hearing {
        Hearing::Failed => palette.error,
        _ => palette.weak,
    };
    // What has two lines' worth to say beside the choice says it small.
    let large = !compact && matches!(hearing, Hearing::Heard | Hearing::Failed | Hearing::Silence);
    let detail =
        RichText::new(detail).size(if large { LARGE - 2.0 } else { SMALL + 1.0 }).color(colour);
    let label = egui::Label::new(detail);
    match hearing {
        Hearing::Failed | Hearing::Silence => {
            ui.add(label.wrap());
        }
        _ => {
            ui.horizontal(|ui| {
                // What it is of stands beside it, as far as there is room.
                let room = (ui.available_width() - 130.0).max(60.0);
                let size = vec2(room, 26.0);
                ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
                    ui.set_min_width(room);
                    ui.add(label.wrap());
                });
                span(ui, scene);
            });
        }
    }
    ui.add_space(GAP * 0.5);
}

/// The choice of what the reading is made from: the last seconds, or all since the start.
pub(super) fn span(ui: &mut Ui, scene: Scene) {
    let integrated = scene.params.view.get().integrated;
    let spans = [
        (false, "Now", "The reading of the last seconds, as many as Window says."),
        (true, "Overall", "The mean of all that was heard since the start or the last reset."),
    ];
    if let Some(chosen) = parts::segments(ui, scene.palette, integrated, &spans) {
        scene.params.view.change(|view| view.integrated = chosen);
    }
}

/// What silence means: that nothing is connected, or that the music pauses.
fn silence(scene: Scene) -> &'static str {
    if scene.shared.loudness.true_peak.load(Ordering::Relaxed).is_finite() {
        return "Nothing to hear at the moment";
    }
    match scene.gui.plugin_api() {
        PluginApi::Standalone => {
            "Nothing has come in yet: connect a player to this window's input in the sound server's patchbay, or start \
             it with --input-device and the name of a device"
        }
        _ => {
            "Nothing has come in yet: start playback, or put the Meter on a track or bus that sounds"
        }
    }
}
