//! Interface: the genre now, large, with how sure; or what the Meter is doing instead.

use egui::{Align, FontId, Layout, RichText, Sense, Ui, vec2};

use super::{Scene, genre_name, most_probable};
use crate::meter::shared::Hearing;
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
            (genre_name(best).to_owned(), palette.text, format!("{:.0} % sure", p * 100.0))
        }
        Hearing::Unsure => {
            let mut rest = *probabilities;
            rest[best] = -1.0;
            let second = most_probable(&rest);
            (
                "Unsure".to_owned(),
                palette.weak,
                format!(
                    "{} {:.0} %, {} {:.0} %",
                    genre_name(best),
                    p * 100.0,
                    genre_name(second),
                    rest[second] * 100.0
                ),
            )
        }
        Hearing::Listening => {
            ("Listening".to_owned(), palette.weak, "A few seconds of music are needed".to_owned())
        }
        Hearing::Silence => {
            ("Silence".to_owned(), palette.weak, "Nothing to hear at the input".to_owned())
        }
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
            format!("{:.0} %, heard before; not listening now", p * 100.0),
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
                    let sure = RichText::new(format!("{:.0} %", p * 100.0)).size(LARGE);
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
    let detail =
        RichText::new(detail).size(if compact { SMALL + 1.0 } else { LARGE - 2.0 }).color(colour);
    let label = egui::Label::new(detail);
    match hearing {
        Hearing::Failed => ui.add(label.wrap()),
        _ => ui.add(label.truncate()),
    };
    ui.add_space(GAP);
}
