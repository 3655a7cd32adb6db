//! Interface: the last five minutes as a ribbon coloured by genre.

use egui::{Align2, FontId, Mesh, Painter, Rect, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

use super::super::history::{Entry, History, SECONDS};
use super::super::shared::{GENRES, Hearing};
use super::{genre_name, most_probable};
use crate::theme::{self, BODY, Palette, SMALL};

/// A reading holds until the next, but no longer than this, in seconds; a longer gap was not listened to.
const HOLDS: f64 = 3.0;
/// The least height that a genre is drawn with, as a share of the ribbon's.
const LEAST: f32 = 0.12;

/// Seconds of readings that are drawn as one bar, so that a passing thought of the network's is no more than that.
const BAR: f64 = 1.5;

/// Readings close together, as one.
struct Bar {
    /// When it begins on the history's clock, a multiple of [`BAR`].
    from: f64,
    mean: [f32; GENRES],
    /// Most of them name no genre.
    unsure: bool,
}

fn names_a_genre(entry: &Entry) -> bool {
    matches!(entry.hearing, Hearing::Heard | Hearing::Unsure)
}

fn bars(entries: &[&Entry]) -> Vec<Bar> {
    let named: Vec<&Entry> = entries.iter().copied().filter(|entry| names_a_genre(entry)).collect();
    let place = |entry: &&Entry| (entry.time / BAR).floor();
    named
        .chunk_by(|a, b| place(a) == place(b))
        .map(|together| {
            let share = 1.0 / together.len() as f32;
            let unsure = together.iter().filter(|entry| entry.hearing == Hearing::Unsure).count();
            Bar {
                from: place(&together[0]) * BAR,
                mean: std::array::from_fn(|genre| {
                    together.iter().map(|entry| entry.probabilities[genre] * share).sum()
                }),
                unsure: unsure * 2 > together.len(),
            }
        })
        .collect()
}

/// Bars one after the other that name the same genre.
struct Run {
    genre: usize,
    left: f32,
    right: f32,
    /// The least height in it, in points.
    height: f32,
}

/// Draws the ribbon into all the room that is left.
pub(super) fn show(ui: &mut Ui, palette: &Palette, history: &History) {
    let area = ui.available_rect_before_wrap();
    let response = ui.allocate_rect(area, Sense::hover());
    let end = history.now();
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
    // One mesh without soft edges: hundreds of bars side by side must not show their seams.
    let mut mesh = Mesh::default();
    let mut runs: Vec<Run> = Vec::new();
    for bar in bars(&entries) {
        let (left, right) = (x_of(bar.from), x_of((bar.from + BAR).min(end)));
        let best = most_probable(&bar.mean);
        // As tall as it is sure, so that doubt is seen without hovering.
        let height = band.height() * bar.mean[best].clamp(LEAST, 1.0);
        let colour = theme::genre(palette, best);
        let colour = if bar.unsure { colour.gamma_multiply(0.45) } else { colour };
        let top = band.bottom() - height;
        mesh.add_colored_rect(
            Rect::from_min_max(pos2(left, top), pos2(right, band.bottom())),
            colour,
        );
        if bar.unsure {
            continue;
        }
        match runs.last_mut() {
            Some(run) if run.genre == best && left - run.right < 1.0 => {
                run.right = right;
                run.height = run.height.min(height);
            }
            _ => runs.push(Run { genre: best, left, right, height }),
        }
    }
    // A thin line where there was too little to name a genre.
    for (index, entry) in entries.iter().enumerate() {
        if !names_a_genre(entry) {
            let next = entries.get(index + 1).map_or(end, |next| next.time);
            let (left, right) = (x_of(entry.time), x_of(next.min(entry.time + HOLDS)));
            painter.hline(left..=right, band.bottom() - 1.0, Stroke::new(1.0, palette.line));
        }
    }
    painter.add(mesh);
    // Half sure, where there is room for a line beside the names.
    if band.height() > 36.0 {
        let half = band.center().y;
        let faint = Stroke::new(1.0, palette.line.gamma_multiply(0.6));
        let line = [pos2(band.left(), half), pos2(band.right(), half)];
        painter.extend(egui::Shape::dashed_line(&line, faint, 2.0, 4.0));
    }
    names(painter, palette, band, &runs);
    if entries.is_empty() {
        let text = "What is heard appears here, five minutes of it";
        let font = FontId::proportional(BODY - 1.0);
        painter.text(band.center(), Align2::CENTER_CENTER, text, font, palette.weak);
    }
    time_axis(painter, palette, band, area.bottom());
    let now = entries.last().map_or(String::new(), |last| {
        format!(", now {}", genre_name(most_probable(&last.probabilities)))
    });
    response.widget_info(|| {
        WidgetInfo::labeled(egui::Role::Image, true, format!("The last five minutes by genre{now}"))
    });
    let Some(pointer) = response.hover_pos().filter(|pointer| band.contains(*pointer)) else {
        return;
    };
    painter.vline(pointer.x, band.y_range(), Stroke::new(1.0, palette.text));
    let share = f64::from((pointer.x - band.left()) / band.width());
    let time = start + share * SECONDS;
    let entry = history.at(time).filter(|entry| time - entry.time < HOLDS).cloned();
    response.on_hover_ui_at_pointer(|ui| reading(ui, palette, end - time, entry.as_ref()));
}

/// Writes the genre into each run that is wide and tall enough.
fn names(painter: &Painter, palette: &Palette, band: Rect, runs: &[Run]) {
    let font = FontId::new(SMALL, theme::semibold());
    for run in runs {
        let colour = theme::on(theme::genre(palette, run.genre));
        let name = genre_name(run.genre).to_owned();
        let galley = painter.layout_no_wrap(name, font.clone(), colour);
        let size = galley.size();
        if run.right - run.left > size.x + 14.0 && run.height > size.y + 4.0 {
            let at = pos2(run.left + 7.0, band.bottom() - size.y - 4.0);
            painter.galley(at, galley, colour);
        }
    }
}

fn time_axis(painter: &Painter, palette: &Palette, band: Rect, bottom: f32) {
    let font = FontId::proportional(SMALL - 0.5);
    for minutes in 0..=5_u8 {
        let x = band.right() - band.width() * f32::from(minutes) / 5.0;
        let tick = Stroke::new(1.0, palette.line);
        painter.vline(x, band.bottom()..=band.bottom() + 3.0, tick);
        let (align, text) = match minutes {
            0 => (Align2::RIGHT_BOTTOM, "now".to_owned()),
            5 => (Align2::LEFT_BOTTOM, "−5 min".to_owned()),
            minutes => (Align2::CENTER_BOTTOM, format!("−{minutes}")),
        };
        painter.text(pos2(x, bottom), align, text, font.clone(), palette.weak);
    }
}

/// The time under the pointer and what was heard then.
fn reading(ui: &mut Ui, palette: &Palette, ago: f64, entry: Option<&Entry>) {
    ui.spacing_mut().interact_size.y = 0.0;
    ui.spacing_mut().item_spacing.y = 3.0;
    let ago = ago.round() as u32;
    ui.label(format!("{}:{:02} min ago", ago / 60, ago % 60));
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
            let (dot, _) = ui.allocate_exact_size(vec2(8.0, BODY + 3.0), Sense::hover());
            ui.painter().circle_filled(dot.center(), 4.0, theme::genre(palette, genre));
            let p = entry.probabilities[genre] * 100.0;
            ui.label(format!("{} {p:.0} %", genre_name(genre)));
        });
    }
}
