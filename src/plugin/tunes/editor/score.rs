//! Interface: the engraved tune, following playback; a click plays from there.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use egui::{
    Align2, Color32, CursorIcon, FontFamily, FontId, Galley, Painter, Pos2, Rect, ScrollArea,
    Sense, Shape, Stroke, Ui, WidgetInfo, pos2, vec2,
};

use super::notation::Notation;
use crate::theme::{self, Palette};
use earworm_engrave::{Anchor, Ink, Item, Place, Role, smufl};

/// Draws the score into the room that is left; gives the part of the text that was clicked. `zoom` 1 is a staff of
/// 32 points.
pub(super) fn show(
    ui: &mut Ui,
    palette: &Palette,
    notation: &mut Notation,
    sounding: &[Range<usize>],
    zoom: f32,
    follow: bool,
    growing: bool,
) -> Option<Range<usize>> {
    let area = ui.available_rect_before_wrap();
    let scale = ui.pixels_per_point();
    // Half a space is a whole number of pixels, so that every line and head falls alike on the pixels.
    let wanted = match area.width() {
        narrow if narrow < 520.0 => 6.0,
        width => (width / 85.0).clamp(8.0, 12.0),
    };
    let wanted = wanted * zoom;
    let space = ((wanted * scale / 2.0).round().max(2.0) * 2.0) / scale;
    let width = (area.width() / space).max(30.0);
    notation.engrave(width);
    let score = &notation.score;
    let mut clicked = None;
    ScrollArea::vertical().id_salt("score").auto_shrink([false, false]).show_viewport(
        ui,
        |ui, viewport| {
            let size = vec2(area.width(), score.height * space);
            let (rect, response) = ui.allocate_exact_size(size, Sense::click());
            let origin = rect.min;
            let origin =
                pos2((origin.x * scale).round() / scale, (origin.y * scale).round() / scale);
            let painter = ui.painter();
            let mut pen = Pen { painter, palette, origin, space, scale, glyphs: HashMap::new() };
            let visible = |top: f32, bottom: f32| {
                bottom * space >= viewport.top() - 40.0 && top * space <= viewport.bottom() + 40.0
            };
            let is_sounding = |span: &Range<usize>| {
                !span.is_empty() && sounding.iter().any(|part| span.contains(&part.start))
            };
            for item in score.heading.iter().chain(&score.words) {
                pen.draw(item, None);
            }
            let mut current: Option<Rect> = None;
            for system in &score.systems {
                let playing: Vec<&Place> = system
                    .places
                    .iter()
                    .filter(|place| place.sounds && is_sounding(&place.span))
                    .collect();
                if !playing.is_empty() {
                    // The first line brings the title back with it.
                    let is_first = std::ptr::eq(system, &score.systems[0]);
                    let top = origin.y + if is_first { 0.0 } else { system.top * space };
                    let bottom = origin.y + system.bottom * space;
                    current = Some(Rect::from_min_max(
                        pos2(rect.left(), top),
                        pos2(rect.right(), bottom),
                    ));
                }
                if !visible(system.top, system.bottom) {
                    continue;
                }
                for place in &playing {
                    let area = pen.rect(place.area);
                    painter.rect_filled(area, 4.0, palette.accent.gamma_multiply(0.22));
                }
                for item in &system.items {
                    // A beam belongs to all of its notes; only the one that sounds is lit.
                    let lit = item.role == Role::Music
                        && !matches!(item.ink, Ink::Quad(_))
                        && is_sounding(&item.span);
                    pen.draw(item, lit.then_some(palette.accent));
                }
            }
            if let Some(current) = current
                && follow
            {
                ui.scroll_to_rect(current.expand(12.0), None);
            }
            if score.systems.is_empty() && !growing {
                painter.text(
                    area.center(),
                    Align2::CENTER_CENTER,
                    "No music to draw: a tune needs a K: line and notes after it",
                    FontId::proportional(theme::BODY),
                    palette.weak,
                );
            }
            let notes: usize = score
                .systems
                .iter()
                .flat_map(|system| &system.places)
                .filter(|place| place.sounds)
                .count();
            let title = notation.performance.title.clone();
            response.widget_info(|| {
                let systems = score.systems.len();
                let text = format!("Score of {title}: {notes} notes in {systems} lines");
                WidgetInfo::labeled(egui::accesskit::Role::Image, true, text)
            });
            if let Some(pointer) = response.hover_pos() {
                let at = [(pointer.x - origin.x) / space, (pointer.y - origin.y) / space];
                let under = nearest(&score.systems, at);
                if let Some(place) = under {
                    if response.clicked() {
                        clicked = Some(place.span.clone());
                    }
                    let area = pen.rect(place.area);
                    let stroke = Stroke::new(1.0, palette.accent.gamma_multiply(0.5));
                    painter.rect_stroke(area, 4.0, stroke, egui::StrokeKind::Inside);
                    response.on_hover_cursor(CursorIcon::PointingHand);
                }
            }
        },
    );
    clicked
}

/// The note under or nearest to the pointer, within its own system.
fn nearest(systems: &[earworm_engrave::System], at: [f32; 2]) -> Option<&Place> {
    let system =
        systems.iter().find(|system| (system.top - 1.0..system.bottom + 1.0).contains(&at[1]))?;
    let far = |place: &&Place| {
        let [left, top, right, bottom] = place.area;
        let x = (left - at[0]).max(at[0] - right).max(0.0);
        let y = (top - 2.0 - at[1]).max(at[1] - bottom - 2.0).max(0.0);
        x + y
    };
    system
        .places
        .iter()
        .filter(|place| place.sounds)
        .min_by(|a, b| far(a).total_cmp(&far(b)))
        .filter(|place| far(place) < 3.0)
}

/// Draws items at a scale.
struct Pen<'a> {
    painter: &'a Painter,
    palette: &'a Palette,
    origin: Pos2,
    /// Points in a staff space.
    space: f32,
    /// Pixels in a point.
    scale: f32,
    /// Laid-out glyphs with the place of their baseline, by code point and size.
    glyphs: HashMap<(char, u32), (Arc<Galley>, egui::Vec2)>,
}

impl Pen<'_> {
    fn at(&self, point: [f32; 2]) -> Pos2 {
        self.origin + vec2(point[0], point[1]) * self.space
    }

    fn rect(&self, [left, top, right, bottom]: [f32; 4]) -> Rect {
        Rect::from_min_max(self.at([left, top]), self.at([right, bottom]))
    }

    fn draw(&mut self, item: &Item, tint: Option<Color32>) {
        let palette = self.palette;
        let colour = tint.unwrap_or(match item.role {
            Role::Staff => palette.text.gamma_multiply(0.6),
            Role::Frame => palette.text.gamma_multiply(0.85),
            Role::Music => palette.text,
            Role::ChordSymbol => palette.string,
            Role::Text => palette.text.gamma_multiply(0.85),
        });
        match &item.ink {
            Ink::Glyph { glyph, at, size } => self.glyph(glyph.code, *at, *size, colour),
            Ink::Line { from, to, thickness } => self.line(*from, *to, *thickness, colour),
            Ink::Quad(corners) => {
                let corners = corners.iter().map(|&corner| self.at(corner)).collect();
                self.painter.add(Shape::convex_polygon(corners, colour, Stroke::NONE));
            }
            Ink::Curve { points, thickness } => self.curve(points, *thickness, colour),
            Ink::Text { at, text, size, anchor, strong } => {
                let family = if *strong { theme::semibold() } else { FontFamily::Proportional };
                let font = FontId::new(size * self.space, family);
                self.words(text, self.at(*at), &font, *anchor, colour);
            }
        }
    }

    /// A text; sharps and flats in it come from the music font, as tall as its capitals.
    fn words(&mut self, text: &str, at: Pos2, font: &FontId, anchor: Anchor, colour: Color32) {
        let is_sign = |letter: char| matches!(letter, '♯' | '♭' | '♮');
        let mut pieces: Vec<Arc<Galley>> = Vec::new();
        for piece in text.split_inclusive(is_sign) {
            let (letters, sign) = match piece.chars().next_back().filter(|&last| is_sign(last)) {
                Some(sign) => (&piece[..piece.len() - sign.len_utf8()], Some(sign)),
                None => (piece, None),
            };
            if !letters.is_empty() {
                let letters = letters.to_owned();
                pieces.push(self.painter.layout_no_wrap(letters, font.clone(), colour));
            }
            if let Some(sign) = sign {
                let glyph = match sign {
                    '♯' => smufl::CSYM_ACCIDENTAL_SHARP,
                    '♮' => smufl::CSYM_ACCIDENTAL_NATURAL,
                    _ => smufl::CSYM_ACCIDENTAL_FLAT,
                };
                let music = FontId::new(font.size, theme::music());
                pieces.push(self.painter.layout_no_wrap(glyph.code.to_string(), music, colour));
            }
        }
        let width: f32 = pieces.iter().map(|piece| piece.size().x).sum();
        let mut x = match anchor {
            Anchor::Start => at.x,
            Anchor::Middle => at.x - width / 2.0,
            Anchor::End => at.x - width,
        };
        for galley in pieces {
            let place = pos2(x, at.y - baseline(&galley).y);
            x += galley.size().x;
            self.painter.galley(place, galley, colour);
        }
    }

    fn glyph(&mut self, code: char, at: [f32; 2], size: f32, colour: Color32) {
        // SMuFL: an em is four staff spaces.
        let points = 4.0 * self.space * size;
        let painter = self.painter;
        let (galley, base) = self
            .glyphs
            .entry((code, points.to_bits()))
            .or_insert_with(|| {
                let font = FontId::new(points, theme::music());
                let galley = painter.layout_no_wrap(code.to_string(), font, Color32::PLACEHOLDER);
                let base = baseline(&galley);
                (galley, base)
            })
            .clone();
        self.painter.galley(self.at(at) - base, galley, colour);
    }

    /// Upright and level lines are put on whole pixels, so that the five lines of a staff look alike.
    fn line(&self, from: [f32; 2], to: [f32; 2], thickness: f32, colour: Color32) {
        let (a, b) = (self.at(from), self.at(to));
        let pixels = (thickness * self.space * self.scale).round().max(1.0);
        let thick = pixels / self.scale;
        let snap = |middle: f32| {
            let edge = ((middle - thick / 2.0) * self.scale).round() / self.scale;
            (edge, edge + thick)
        };
        let area = if (a.y - b.y).abs() < 0.01 {
            let (top, bottom) = snap(a.y);
            Rect::from_min_max(pos2(a.x.min(b.x), top), pos2(a.x.max(b.x), bottom))
        } else if (a.x - b.x).abs() < 0.01 {
            let (left, right) = snap(a.x);
            Rect::from_min_max(pos2(left, a.y.min(b.y)), pos2(right, a.y.max(b.y)))
        } else {
            let stroke = Stroke::new(thickness * self.space, colour);
            self.painter.line_segment([a, b], stroke);
            return;
        };
        self.painter.rect_filled(area, 0.0, colour);
    }

    /// A curve that swells to its middle: strokes that part ways between the same two ends.
    fn curve(&self, points: &[[f32; 2]; 4], thickness: f32, colour: Color32) {
        const STROKES: usize = 3;
        let normal = {
            let (dx, dy) = (points[3][0] - points[0][0], points[3][1] - points[0][1]);
            let length = dx.hypot(dy).max(1e-6);
            [-dy / length, dx / length]
        };
        // A cubic's middle moves by three quarters of what its control points move.
        let swell = thickness / 0.75;
        let width = (thickness * self.space * 0.55).max(1.0 / self.scale);
        for stroke in 0..STROKES {
            let off = (stroke as f32 / (STROKES - 1) as f32 - 0.5) * swell * 0.7;
            let control =
                |point: [f32; 2]| self.at([point[0] + normal[0] * off, point[1] + normal[1] * off]);
            let shape = egui::epaint::CubicBezierShape::from_points_stroke(
                [self.at(points[0]), control(points[1]), control(points[2]), self.at(points[3])],
                false,
                Color32::TRANSPARENT,
                Stroke::new(width, colour),
            );
            self.painter.add(shape);
        }
    }
}

/// Where the first character's origin lies within a galley.
fn baseline(galley: &Galley) -> egui::Vec2 {
    galley
        .rows
        .first()
        .and_then(|row| {
            let glyph = row.row.glyphs.first()?;
            Some(row.pos.to_vec2() + glyph.pos.to_vec2())
        })
        .unwrap_or_default()
}
