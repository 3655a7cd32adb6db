//! Interface: a bar for each genre.

use egui::{Align2, FontId, Rect, Sense, Ui, WidgetInfo, pos2, vec2};

use super::super::shared::GENRES;
use super::{genre_name, most_probable};
use crate::theme::{self, BODY, Palette};

/// How long a bar takes to come within 1/e of its value, in seconds.
const RISE: f32 = 0.09;
/// How long a row takes to come within 1/e of its place when the order changes.
const MOVE: f32 = 0.12;

/// How far one genre must come before another to take its row, as a probability: so that what is as good as equal does
/// not change places for ever.
const AHEAD: f32 = 0.01;

/// The bars as they stand at this moment, on the way to what was last read.
#[derive(Default)]
pub(super) struct Bars {
    length: [f32; GENRES],
    row: Option<[f32; GENRES]>,
    /// The genres in the order of their rows.
    order: Vec<usize>,
    sorted: bool,
}

impl Bars {
    /// Brings the rows into order; those that are nearly equal stay as they are.
    fn put_in_order(&mut self, probabilities: &[f32; GENRES], sorted: bool) {
        if !sorted || !self.sorted || self.order.len() != GENRES {
            self.order = (0..GENRES).collect();
            if sorted {
                let by = |&a: &usize, &b: &usize| {
                    probabilities[b].total_cmp(&probabilities[a]).then(a.cmp(&b))
                };
                self.order.sort_by(by);
            }
            self.sorted = sorted;
            return;
        }
        // Each pass carries the least to the bottom, so that so many are enough.
        for _ in 0..GENRES {
            for row in 1..GENRES {
                let (above, below) = (self.order[row - 1], self.order[row]);
                if probabilities[below] > probabilities[above] + AHEAD {
                    self.order.swap(row - 1, row);
                }
            }
        }
    }
}

impl Bars {
    /// Draws them into all the room that is left.
    pub(super) fn show(
        &mut self,
        ui: &mut Ui,
        palette: &Palette,
        probabilities: &[f32; GENRES],
        sorted: bool,
        bright: bool,
    ) {
        self.put_in_order(probabilities, sorted);
        let mut rank = [0.0; GENRES];
        for (row, &genre) in self.order.iter().enumerate() {
            rank[genre] = row as f32;
        }
        let step = ui.input(|input| input.stable_dt).min(0.1);
        let rows = self.row.get_or_insert(rank);
        let mut moving = false;
        let mut approach = |value: &mut f32, target: f32, time: f32, near: f32| {
            let rest = target - *value;
            if rest.abs() < near {
                *value = target;
            } else {
                *value += rest * (1.0 - (-step / time).exp());
                moving = true;
            }
        };
        for genre in 0..GENRES {
            approach(&mut self.length[genre], probabilities[genre], RISE, 0.002);
            approach(&mut rows[genre], rank[genre], MOVE, 0.02);
        }
        let rows = *rows;
        let best = most_probable(probabilities);
        // Before the first reading there is nothing to give a number for.
        let known = probabilities.iter().any(|&p| p > 0.0);
        let area = ui.available_rect_before_wrap();
        let height = (area.height() / GENRES as f32).min(52.0);
        let size = (height * 0.72).clamp(9.0, BODY);
        let font = FontId::proportional(size);
        let names = size * 5.6;
        let numbers = size * 3.1;
        // Those on the way up come over the others, each on a ground of its own, so that no two names mix.
        let mut drawn: Vec<usize> = (0..GENRES).collect();
        drawn.sort_by(|&a, &b| (rows[b] - rank[b]).total_cmp(&(rows[a] - rank[a])).reverse());
        for genre in drawn {
            let top = area.top() + rows[genre] * height;
            let row = Rect::from_min_size(pos2(area.left(), top), vec2(area.width(), height));
            let response = ui.interact(row, ui.scope_id().with(("genre", genre)), Sense::hover());
            let percent = f64::from(probabilities[genre]) * 100.0;
            response.widget_info(|| {
                let mut info = WidgetInfo::new(egui::accesskit::Role::Meter);
                info.label = Some(genre_name(genre).to_owned());
                info.value = Some(percent.round());
                info
            });
            let painter = ui.painter();
            if (rows[genre] - rank[genre]).abs() > 0.02 {
                painter.rect_filled(row, 0.0, palette.panel);
            }
            let top_genre = best == genre && probabilities[genre] > 0.0;
            let text = if top_genre { palette.text } else { palette.weak };
            let middle = row.center().y;
            painter.text(
                pos2(row.left(), middle),
                Align2::LEFT_CENTER,
                genre_name(genre),
                font.clone(),
                text,
            );
            let thick = (height * 0.46).clamp(4.0, 18.0);
            let track = Rect::from_min_max(
                pos2(row.left() + names, middle - thick / 2.0),
                pos2(row.right() - numbers, middle + thick / 2.0),
            );
            painter.rect_filled(track, thick / 2.0, palette.raised);
            let length = self.length[genre].clamp(0.0, 1.0);
            if length > 0.001 {
                let width = (track.width() * length).max(2.0);
                let bar = Rect::from_min_size(track.min, vec2(width, thick));
                let round = (thick / 2.0).min(width / 2.0);
                let mut colour = theme::genre(palette, genre);
                if !bright {
                    colour = colour.gamma_multiply(0.45);
                }
                painter.rect_filled(bar, round, colour);
            }
            if known {
                painter.text(
                    pos2(row.right(), middle),
                    Align2::RIGHT_CENTER,
                    // The number is what was read; only the bar takes its time.
                    super::percent(probabilities[genre]),
                    font.clone(),
                    text,
                );
            }
            response.on_hover_text(format!("{}: {percent:.1} %", genre_name(genre)));
        }
        ui.advance_cursor_after_rect(area);
        if moving {
            ui.ctx().request_repaint();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn genres_that_are_as_good_as_equal_keep_their_rows_and_one_that_comes_ahead_moves_up() {
        let mut bars = Bars::default();
        let mut probabilities = [0.004; GENRES];
        probabilities[3] = 0.9;
        bars.put_in_order(&probabilities, true);
        let order = bars.order.clone();
        assert_eq!(order[0], 3);
        // What trembles under a percent moves nothing.
        for tremble in 0..50 {
            for (genre, p) in probabilities.iter_mut().enumerate().filter(|(genre, _)| *genre != 3)
            {
                *p = 0.004 + 0.004 * (((genre * 7 + tremble * 3) % 11) as f32 / 11.0);
            }
            bars.put_in_order(&probabilities, true);
            assert_eq!(bars.order, order);
        }
        probabilities[GENRES - 1] = 0.05;
        bars.put_in_order(&probabilities, true);
        assert_eq!(bars.order[1], GENRES - 1);
        bars.put_in_order(&probabilities, false);
        assert!(bars.order.is_sorted());
    }
}
