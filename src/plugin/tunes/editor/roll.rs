//! Interface: the tune as a piano roll.

use egui::{
    Align, Align2, Color32, CursorIcon, FontId, Rect, ScrollArea, Sense, Stroke, Ui, WidgetInfo,
    pos2, style::ScrollAnimation, vec2,
};

use super::notation::Notation;
use crate::theme::{self, Palette, SMALL};
use earworm_abc::PPQ;

/// Draws the piano's keys beside the lanes.
fn keyboard(ui: &Ui, palette: &Palette, area: Rect, row: f32, (low, high): (u8, u8)) {
    let painter = ui.painter();
    let lanes = f32::from(high - low + 1);
    let white = Rect::from_min_size(area.min, vec2(area.width(), row * lanes));
    let (ivory, ebony) = (Color32::from_gray(226), Color32::from_gray(38));
    painter.rect_filled(white, 2.0, ivory);
    let font = FontId::proportional((row * 0.9).clamp(7.0, SMALL - 1.0));
    for key in low..=high {
        let top = area.top() + f32::from(high - key) * row;
        let lane = Rect::from_min_size(pos2(area.left(), top), vec2(area.width(), row));
        let line = Stroke::new(1.0, palette.weak.gamma_multiply(0.6));
        match key % 12 {
            1 | 3 | 6 | 8 | 10 => {
                let black = lane.with_max_x(area.left() + area.width() * 0.6);
                painter.rect_filled(black, 1.0, ebony);
                painter.hline(black.right()..=lane.right(), lane.center().y, line);
            }
            // No black key between B and C, E and F.
            0 | 5 => {
                painter.hline(lane.x_range(), lane.bottom(), line);
            }
            _ => {}
        }
        if key % 12 == 0 {
            let name = format!("C{}", i16::from(key) / 12 - 1);
            let at = pos2(lane.right() - 3.0, lane.center().y);
            painter.text(at, Align2::RIGHT_CENTER, name, font.clone(), ebony);
        }
    }
}

/// Draws the roll into the room that is left; gives the tick that was clicked.
pub(super) fn show(
    ui: &mut Ui,
    palette: &Palette,
    notation: &Notation,
    position: Option<u32>,
    zoom: f32,
    follow: bool,
) -> Option<u32> {
    let area = ui.available_rect_before_wrap();
    let performance = &notation.performance;
    let end = performance.end.max(PPQ);
    let melody = || performance.notes.iter().filter(|note| note.duration > 0);
    let low = melody().map(|note| note.key).min().unwrap_or(60);
    let high = melody().map(|note| note.key).max().unwrap_or(72);
    let (low, high) = (low.saturating_sub(2), high.saturating_add(2));
    let keys = 34.0;
    let beats = end as f32 / PPQ as f32;
    let width = (area.width() - keys - 6.0).max(beats * 26.0 * zoom);
    let bottom = SMALL + 8.0;
    let height = area.height() - bottom - 8.0;
    let row = height / f32::from(high - low + 1);
    let font = FontId::proportional(SMALL - 0.5);
    let mut clicked = None;
    let y_of = |key: u8, top: f32| top + f32::from(high - key) * row;
    keyboard(ui, palette, area.with_max_x(area.left() + keys - 4.0), row, (low, high));
    let inside = Rect::from_min_max(area.min + vec2(keys, 0.0), area.max);
    let mut child = ui.new_child(egui::UiBuilder::new().max_rect(inside));
    ui.advance_cursor_after_rect(area);
    ScrollArea::horizontal().id_salt("roll").auto_shrink([false, false]).show(&mut child, |ui| {
        let size = vec2(width, height + bottom);
        let (rect, response) = ui.allocate_exact_size(size, Sense::click());
        let x_of = |tick: u32| rect.left() + width * tick as f32 / end as f32;
        let painter = ui.painter();
        for key in low..=high {
            let top = y_of(key, rect.top());
            let lane = Rect::from_min_size(pos2(rect.left(), top), vec2(width, row));
            if matches!(key % 12, 1 | 3 | 6 | 8 | 10) {
                painter.rect_filled(lane, 0.0, palette.ground.gamma_multiply(0.6));
            }
            if key % 12 == 0 {
                let y = lane.bottom();
                painter.hline(lane.x_range(), y, Stroke::new(1.0, palette.line));
            }
        }
        for (number, bar) in performance.bars.iter().enumerate() {
            let x = x_of(bar.start);
            let lines = rect.top()..=rect.top() + height;
            painter.vline(x, lines, Stroke::new(1.0, palette.line));
            if number % 4 == 0 {
                let at = pos2(x + 3.0, rect.bottom());
                let text = format!("{}", number + 1);
                painter.text(at, Align2::LEFT_BOTTOM, text, font.clone(), palette.weak);
            }
        }
        for note in melody() {
            let (left, right) = (x_of(note.start), x_of(note.start + note.duration));
            let top = y_of(note.key, rect.top());
            let bar = Rect::from_min_max(
                pos2(left, top + 0.5),
                pos2((right - 1.0).max(left + 1.5), top + row - 0.5),
            );
            let lit =
                position.is_some_and(|at| at >= note.start && at - note.start < note.duration);
            let colour = if lit {
                palette.accent
            } else if note.accompaniment {
                palette.weak.gamma_multiply(0.45)
            } else {
                theme::genre(palette, usize::from(note.voice) * 5 + 7)
            };
            painter.rect_filled(bar, (row / 3.0).min(3.0), colour);
        }
        if let Some(at) = position {
            let x = x_of(at);
            let line = rect.top()..=rect.top() + height;
            painter.vline(x, line, Stroke::new(2.0, palette.accent));
            // Turns the page when it reaches the edge; while it stands still, or a reader looks elsewhere, nothing moves.
            let page = ui.clip_rect();
            if follow && !page.shrink2(vec2(12.0, 0.0)).x_range().contains(x) {
                let next = Rect::from_min_size(pos2(x - 24.0, rect.top()), vec2(page.width(), 1.0));
                ui.scroll_to_rect_animation(next, Some(Align::Min), ScrollAnimation::none());
            }
        }
        response.widget_info(|| {
            let text = format!(
                "Piano roll of {}: {} notes in {} bars",
                performance.title,
                melody().count(),
                performance.bars.len()
            );
            WidgetInfo::labeled(egui::accesskit::Role::Image, true, text)
        });
        if let Some(pointer) = response.interact_pointer_pos()
            && response.clicked()
        {
            let share = ((pointer.x - rect.left()) / width).clamp(0.0, 1.0);
            clicked = Some((share * end as f32) as u32);
        }
        response.on_hover_cursor(CursorIcon::PointingHand);
    });
    clicked
}
