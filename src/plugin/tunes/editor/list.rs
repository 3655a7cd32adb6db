//! Interface: the list of the last tunes, to hear, star and take up again.

use std::sync::Arc;

use egui::{Align, Layout, RichText, ScrollArea, Sense, Ui, WidgetInfo, vec2};

use super::super::past::Past;
use super::super::shared::{Origin, Score};
use super::book::{Search, search_field};
use crate::theme::{Palette, SMALL};

/// What was pressed in the list.
pub(super) enum Pressed {
    /// The tune is to be taken up again.
    Hear(Arc<Score>),
    /// The tune with this number gets its star, or loses it.
    Star(u64),
}

/// Draws the list; `present` is the number of the tune on the desk.
pub(super) fn show(
    ui: &mut Ui,
    palette: &Palette,
    past: &Past,
    present: u64,
    search: &mut String,
) -> Option<Pressed> {
    let mut pressed = None;
    search_field(ui, search);
    let wanted = Search::new(search);
    ScrollArea::vertical().id_salt("past").auto_shrink([false, false]).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        for tune in past.tunes() {
            let (title, detail) = describe(tune);
            if !wanted.matches(&[&title, &detail]) {
                continue;
            }
            if let Some(what) = row(ui, palette, past, tune, tune.number == present) {
                pressed = Some(what);
            }
        }
    });
    pressed
}

fn row(
    ui: &mut Ui,
    palette: &Palette,
    past: &Past,
    tune: &Arc<Score>,
    is_present: bool,
) -> Option<Pressed> {
    let mut pressed = None;
    let (title, detail) = describe(tune);
    let frame = egui::Frame::new()
        .corner_radius(4)
        .inner_margin(egui::Margin::symmetric(4, 3))
        .fill(if is_present { palette.raised } else { egui::Color32::TRANSPARENT });
    frame.show(ui, |ui| {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 6.0;
            if star_button(ui, palette, past.is_starred(tune.number), &title) {
                pressed = Some(Pressed::Star(tune.number));
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if is_present {
                    ui.label(RichText::new("now").size(SMALL).color(palette.accent));
                } else {
                    let hear = ui
                        .add(egui::Button::new(RichText::new("Hear").size(SMALL)))
                        .accessible_name(format!("Hear {title}"))
                        .on_hover_text("Takes this tune up again; it begins at the next bar line.");
                    if hear.clicked() {
                        pressed = Some(Pressed::Hear(tune.clone()));
                    }
                }
                ui.with_layout(Layout::top_down(Align::Min), |ui| {
                    ui.spacing_mut().item_spacing.y = 0.0;
                    let colour = if is_present { palette.accent } else { palette.text };
                    let title = RichText::new(&title).color(colour);
                    let whole = title.text().to_owned();
                    ui.add(egui::Label::new(title).truncate()).on_hover_text(whole);
                    let detail = RichText::new(&detail).size(SMALL).color(palette.weak);
                    ui.add(egui::Label::new(detail).truncate());
                });
            });
        });
    });
    pressed
}

/// A tune's title, and where it came from.
pub(super) fn describe(tune: &Score) -> (String, String) {
    let field = |letter: &str| {
        tune.abc
            .lines()
            .find_map(|line| line.strip_prefix(letter))
            .map(|text| text.trim().to_owned())
    };
    let title =
        field("T:").filter(|title| !title.is_empty()).unwrap_or_else(|| "Untitled".to_owned());
    let kind = field("R:").unwrap_or_default();
    let key = field("K:").unwrap_or_default();
    let origin = match &tune.origin {
        Origin::BuiltIn => "built in".to_owned(),
        Origin::Composed { seed, continued } => match continued {
            true => format!("continued, seed {seed}"),
            false => format!("seed {seed}"),
        },
        Origin::Edited => "edited".to_owned(),
        Origin::Opened => "opened".to_owned(),
        Origin::Pasted => "pasted".to_owned(),
        Origin::Restored => "from the project".to_owned(),
    };
    let parts: Vec<String> =
        [kind, key, origin].into_iter().filter(|part| !part.is_empty()).collect();
    (title, parts.join(" · "))
}

/// A star that is drawn, since the text faces have none.
fn star_button(ui: &mut Ui, palette: &Palette, on: bool, title: &str) -> bool {
    let (rect, response) = ui.allocate_exact_size(vec2(20.0, 24.0), Sense::click());
    let centre = rect.center();
    let points: Vec<egui::Pos2> = (0..10)
        .map(|corner| {
            let radius = if corner % 2 == 0 { 7.0 } else { 3.0 };
            let angle = corner as f32 * std::f32::consts::PI / 5.0 - std::f32::consts::FRAC_PI_2;
            centre + vec2(angle.cos(), angle.sin()) * radius
        })
        .collect();
    let colour = match (on, response.hovered() || response.has_focus()) {
        (true, _) => palette.accent,
        (false, true) => palette.text,
        (false, false) => palette.weak,
    };
    if on {
        // Five kites around the centre: the star itself is not convex.
        for point in 0..5 {
            let kite = vec![
                points[point * 2],
                points[(point * 2 + 1) % 10],
                centre,
                points[(point * 2 + 9) % 10],
            ];
            let fill = egui::Shape::convex_polygon(kite, colour, egui::Stroke::NONE);
            ui.painter().add(fill);
        }
    }
    let outline = egui::Shape::closed_line(points, egui::Stroke::new(1.2, colour));
    ui.painter().add(outline);
    response.widget_info(|| {
        WidgetInfo::selected(egui::accesskit::Role::CheckBox, true, on, format!("Star {title}"))
    });
    response.on_hover_text("A starred tune stays in the list.").clicked()
}
