//! Interface: the last five minutes as a ribbon coloured by genre.

use egui::{Align2, FontId, Mesh, Rect, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

use super::super::history::{Entry, History, SECONDS};
use super::super::shared::Hearing;
use super::{genre_name, most_probable};
use crate::plugin::theme::{self, Palette, SMALL};

/// Draws the ribbon up to `until` (the present where that is not given) into all the room that is left.
pub(super) fn show(ui: &mut Ui, palette: &Palette, history: &History, until: Option<f64>) {
    let area = ui.available_rect_before_wrap();
    let response = ui.allocate_rect(area, Sense::hover());
    let end = until.unwrap_or(history.now());
    let start = end - SECONDS;
    let axis = SMALL + 5.0;
    let band = Rect::from_min_max(area.min, area.max - vec2(0.0, axis));
    let painter = ui.painter();
    painter.rect_filled(band, 3.0, palette.well);
    let x_of = |time: f64| {
        let share = ((time - start) / SECONDS).clamp(0.0, 1.0) as f32;
        band.left() + band.width() * share
    };
    let entries: Vec<&Entry> =
        history.entries().filter(|entry| entry.time >= start && entry.time <= end).collect();
    let mut described = String::new();
    // One mesh without soft edges: hundreds of slivers side by side must not show their seams.
    let mut mesh = Mesh::default();
    for (index, entry) in entries.iter().enumerate() {
        let next = entries.get(index + 1).map_or(end, |next| next.time);
        // A reading holds until the next; a gap longer than that was not listened to.
        let to = next.min(entry.time + 3.0);
        let (left, right) = (x_of(entry.time), x_of(to));
        let best = most_probable(&entry.probabilities);
        let p = entry.probabilities[best];
        match entry.hearing {
            Hearing::Heard | Hearing::Unsure if p > 0.0 => {
                let colour = theme::genre(palette, best);
                // As tall as it is sure, so that doubt is seen without hovering.
                let height = band.height() * p.clamp(0.12, 1.0);
                let colour = match entry.hearing {
                    Hearing::Unsure => colour.gamma_multiply(0.45),
                    _ => colour,
                };
                mesh.add_colored_rect(
                    Rect::from_min_max(
                        pos2(left, band.bottom() - height),
                        pos2(right.max(left + 0.75), band.bottom()),
                    ),
                    colour,
                );
            }
            _ => {
                let y = band.bottom() - 1.0;
                painter.hline(left..=right, y, Stroke::new(1.0, palette.line));
            }
        }
    }
    painter.add(mesh);
    if let Some(last) = entries.last() {
        let best = most_probable(&last.probabilities);
        described = format!(", now {}", genre_name(best));
    }
    let font = FontId::proportional(SMALL - 0.5);
    for minutes in 0..=5 {
        let time = end - f64::from(minutes) * 60.0;
        let x = x_of(time);
        painter.vline(x, band.bottom()..=band.bottom() + 3.0, Stroke::new(1.0, palette.line));
        let (align, text) = match minutes {
            0 => (Align2::RIGHT_BOTTOM, "now".to_owned()),
            5 => (Align2::LEFT_BOTTOM, "−5 min".to_owned()),
            minutes => (Align2::CENTER_BOTTOM, format!("−{minutes}")),
        };
        painter.text(pos2(x, area.bottom()), align, text, font.clone(), palette.weak);
    }
    response.widget_info(|| {
        WidgetInfo::labeled(
            egui::accesskit::Role::Image,
            true,
            format!("The last five minutes by genre{described}"),
        )
    });
    let Some(pointer) = response.hover_pos().filter(|pointer| band.contains(*pointer)) else {
        return;
    };
    painter.vline(pointer.x, band.y_range(), Stroke::new(1.0, palette.text));
    let share = f64::from((pointer.x - band.left()) / band.width());
    let time = start + share * SECONDS;
    let entry = history.at(time).filter(|entry| time - entry.time < 3.0).cloned();
    response.on_hover_ui_at_pointer(|ui| {
        let ago = (end - time).round();
        ui.label(format!("{}:{:02} min ago", ago as u32 / 60, ago as u32 % 60));
        let Some(entry) = entry else {
            ui.weak("Nothing was heard then.");
            return;
        };
        if matches!(entry.hearing, Hearing::Silence | Hearing::Listening) {
            ui.weak("Too little to name a genre.");
            return;
        }
        let mut order: Vec<usize> = (0..entry.probabilities.len()).collect();
        order.sort_by(|&a, &b| entry.probabilities[b].total_cmp(&entry.probabilities[a]));
        for genre in order.into_iter().take(4) {
            ui.horizontal(|ui| {
                let (dot, _) = ui.allocate_exact_size(vec2(8.0, 8.0), Sense::hover());
                ui.painter().circle_filled(dot.center(), 4.0, theme::genre(palette, genre));
                let p = entry.probabilities[genre] * 100.0;
                ui.label(format!("{} {p:.0} %", genre_name(genre)));
            });
        }
    });
}
