//! Interface: the last tunes, to hear, star and take up again.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use egui::{Align, Layout, RichText, ScrollArea, Sense, Ui, WidgetInfo, vec2};

use super::super::shared::{Origin, Score};
use crate::plugin::theme::{Palette, SMALL};

/// How many tunes are listed.
pub const LISTED: usize = 50;

/// The tunes that lay on the desk, the latest first. A starred one is never pushed out.
#[derive(Default)]
pub struct Past {
    tunes: VecDeque<Arc<Score>>,
    starred: HashSet<u64>,
    /// Numbers of tunes that were on the desk, in order, for undo.
    trail: Vec<u64>,
}

impl Past {
    /// Notes what lies on the desk. A tune that is being edited takes the place of what it was before.
    pub fn note(&mut self, tune: &Arc<Score>) {
        if self.tunes.iter().any(|known| known.number == tune.number) {
            return;
        }
        let again = self
            .tunes
            .iter()
            .position(|known| known.abc == tune.abc && tune.origin != Origin::Edited);
        if let Some(index) = again
            && let Some(known) = self.tunes.remove(index)
        {
            if self.starred.remove(&known.number) {
                self.starred.insert(tune.number);
            }
        } else if tune.origin == Origin::Edited
            && self.tunes.front().is_some_and(|latest| latest.origin == Origin::Edited)
            && let Some(before) = self.tunes.pop_front()
        {
            if self.starred.remove(&before.number) {
                self.starred.insert(tune.number);
            }
            self.trail.retain(|&number| number != before.number);
        }
        self.tunes.push_front(tune.clone());
        self.trail.push(tune.number);
        while self.tunes.len() > LISTED {
            let spare = self
                .tunes
                .iter()
                .rposition(|tune| !self.starred.contains(&tune.number))
                .unwrap_or(self.tunes.len() - 1);
            self.tunes.remove(spare);
        }
    }

    /// The tunes, the latest first.
    pub fn tunes(&self) -> impl Iterator<Item = &Arc<Score>> {
        self.tunes.iter()
    }

    /// Whether a tune is starred.
    pub fn is_starred(&self, number: u64) -> bool {
        self.starred.contains(&number)
    }

    /// The tune before the present one, which an undo goes back to.
    pub fn undo(&mut self) -> Option<Arc<Score>> {
        self.trail.pop()?;
        let before = self.trail.pop()?;
        self.tunes.iter().find(|tune| tune.number == before).cloned()
    }

    /// Whether there is something to go back to.
    pub fn can_undo(&self) -> bool {
        self.trail.len() > 1
    }

    /// Draws the list; gives the tune to take up.
    pub(super) fn show(
        &mut self,
        ui: &mut Ui,
        palette: &Palette,
        present: u64,
    ) -> Option<Arc<Score>> {
        let mut chosen = None;
        let mut starred = None;
        ScrollArea::vertical().id_salt("past").auto_shrink([false, false]).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 2.0;
            for tune in &self.tunes {
                let is_present = tune.number == present;
                let (title, detail) = describe(tune);
                ui.horizontal(|ui| {
                    let star = self.starred.contains(&tune.number);
                    if star_button(ui, palette, star, &title) {
                        starred = Some(tune.number);
                    }
                    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                        let hear = ui
                            .add_enabled(!is_present, egui::Button::new("Hear").small())
                            .on_hover_text(
                                "Takes this tune up again; it begins at the next bar line.",
                            );
                        if hear.clicked() {
                            chosen = Some(tune.clone());
                        }
                        ui.with_layout(Layout::top_down(Align::Min), |ui| {
                            ui.spacing_mut().item_spacing.y = 0.0;
                            let colour = if is_present { palette.accent } else { palette.text };
                            ui.add(
                                egui::Label::new(RichText::new(&title).color(colour)).truncate(),
                            );
                            ui.add(
                                egui::Label::new(
                                    RichText::new(&detail).size(SMALL).color(palette.weak),
                                )
                                .truncate(),
                            );
                        });
                    });
                });
                ui.separator();
            }
        });
        if let Some(number) = starred
            && !self.starred.remove(&number)
        {
            self.starred.insert(number);
        }
        chosen
    }
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
