//! Interface: the scrolling mel spectrogram, and over it what spoke for the genre.

use std::sync::atomic::Ordering;

use egui::{
    Align2, Color32, ColorImage, Context, FontId, Mesh, Painter, Rect, Sense, Stroke,
    TextureHandle, TextureOptions, Ui, WidgetInfo, pos2, vec2,
};

use super::super::shared::{BANDS, COLUMNS, Evidence, MeterShared, Picture};
use super::genre_name;
use crate::remembered::Colours;
use crate::theme::{self, Palette, SMALL};
use earworm_spectrum::band_centre;

/// Decibels below the loudest at which the colour map begins.
const FLOOR: f32 = -80.0;
/// Width of the scale of levels beside the picture, with its numbers, in points.
const SCALE: f32 = 44.0;

/// The picture as textures, drawn anew only when a column came in.
#[derive(Default)]
pub(super) struct Spectrogram {
    levels: Option<TextureHandle>,
    strengths: Option<TextureHandle>,
    /// What the textures were made from.
    drawn: u64,
    columns: usize,
    seconds: f32,
    evidence: Option<Evidence>,
    colours: Colours,
}

impl Spectrogram {
    /// Takes over what is new in the picture.
    pub(super) fn take(
        &mut self,
        context: &Context,
        picture: &Picture,
        shared: &MeterShared,
        colours: Colours,
    ) {
        self.seconds = shared.column_seconds.load(Ordering::Relaxed);
        let same = self.drawn == picture.drawn
            && self.columns == picture.columns.len()
            && self.colours == colours;
        self.colours = colours;
        if !same || self.levels.is_none() {
            self.drawn = picture.drawn;
            self.columns = picture.columns.len();
            let map: Vec<Color32> =
                (0..256).map(|step| theme::level(colours, step as f32 / 255.0)).collect();
            let mut image = ColorImage::filled([COLUMNS, BANDS], map[0]);
            let first = COLUMNS - picture.columns.len().min(COLUMNS);
            // Columns count from the loudest in the picture; where all of it is equally loud, it is silence.
            let (low, high) = (picture.columns.iter().flatten())
                .fold((f32::MAX, f32::MIN), |(low, high), &v| (low.min(v), high.max(v)));
            let silent = high - low < 1.0;
            for (column, bands) in picture.columns.iter().rev().take(COLUMNS).rev().enumerate() {
                for (band, &decibels) in bands.iter().enumerate() {
                    let level = match silent {
                        true => 0.0,
                        false => (1.0 - decibels / FLOOR).clamp(0.0, 1.0),
                    };
                    let row = BANDS - 1 - band;
                    image.pixels[row * COLUMNS + first + column] = map[(level * 255.0) as usize];
                }
            }
            put(context, &mut self.levels, "mel", image);
        }
        if self.evidence != picture.map || (picture.map.is_some() && !same) {
            self.evidence.clone_from(&picture.map);
            let sound = self
                .evidence
                .as_ref()
                .filter(|map| map.bands > 0 && map.columns > 0)
                .filter(|map| map.strength.len() == map.bands * map.columns);
            if let Some(map) = sound {
                let mut image = ColorImage::filled([map.columns, map.bands], Color32::TRANSPARENT);
                for band in 0..map.bands {
                    for column in 0..map.columns {
                        let strength = map.strength[band * map.columns + column].clamp(0.0, 1.0);
                        let row = map.bands - 1 - band;
                        image.pixels[row * map.columns + column] = Color32::from_rgba_unmultiplied(
                            120,
                            230,
                            255,
                            (strength * 160.0) as u8,
                        );
                    }
                }
                put(context, &mut self.strengths, "evidence", image);
            } else {
                self.evidence = None;
            }
        }
    }

    /// Draws the picture into all the room that is left.
    pub(super) fn show(&mut self, ui: &mut Ui, palette: &Palette, evidence: bool) {
        let area = ui.available_rect_before_wrap();
        let response = ui.allocate_rect(area, Sense::hover());
        let font = FontId::proportional(SMALL - 0.5);
        let scale = if area.width() > 360.0 { SCALE } else { 2.0 };
        let plot =
            Rect::from_min_max(area.min + vec2(34.0, 2.0), area.max - vec2(scale, SMALL + 6.0));
        let hop = if self.seconds > 0.0 { self.seconds } else { 0.0775 };
        // As many seconds as there is a good view of: about three points a column.
        let shown = (plot.width() / 2.2).clamp(120.0, COLUMNS as f32);
        let span = shown * hop;
        let painter = ui.painter().with_clip_rect(area.expand(2.0));
        painter.rect_filled(plot, 2.0, theme::level(self.colours, 0.0));
        if let Some(texture) = &self.levels {
            let left = 1.0 - shown / COLUMNS as f32;
            let uv = Rect::from_min_max(pos2(left, 0.0), pos2(1.0, 1.0));
            painter.image(texture.id(), plot, uv, Color32::WHITE);
        }
        let map = self.evidence.as_ref().filter(|_| evidence);
        if let (Some(map), Some(texture)) = (map, &self.strengths) {
            // The map covers the window; what of it lies further back than the view is cut off.
            let share = (span / map.seconds.max(hop)).min(1.0);
            let width = (map.seconds / span).min(1.0) * plot.width();
            let target = Rect::from_min_max(pos2(plot.right() - width, plot.top()), plot.max);
            let uv = Rect::from_min_max(pos2(1.0 - share, 0.0), pos2(1.0, 1.0));
            painter.image(texture.id(), target, uv, Color32::WHITE);
            let text = format!("spoke for {}", genre_name(map.genre).to_lowercase());
            let galley = painter.layout_no_wrap(text, font.clone(), palette.text);
            let at = plot.right_top() + vec2(-galley.size().x - 8.0, 5.0);
            let back = Rect::from_min_size(at, galley.size()).expand2(vec2(5.0, 2.0));
            painter.rect_filled(back, 3.0, palette.panel);
            painter.galley(at, galley, palette.text);
        }
        let tick = Stroke::new(1.0, palette.line);
        if scale == SCALE {
            level_scale(&painter, palette, plot, &font, self.colours);
        }
        let mut lowest = f32::INFINITY;
        for hertz in [100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0] {
            let y = plot.bottom() - plot.height() * band_of(hertz) / BANDS as f32;
            if lowest - y < SMALL + 2.0 || y - 6.0 < area.top() {
                continue;
            }
            lowest = y;
            painter.hline(plot.left() - 3.0..=plot.left(), y, tick);
            let text = match hertz {
                h if h >= 1000.0 => format!("{}k", h / 1000.0),
                h => format!("{h}"),
            };
            let at = pos2(plot.left() - 5.0, y);
            painter.text(at, Align2::RIGHT_CENTER, text, font.clone(), palette.weak);
        }
        painter.text(
            pos2(area.left(), area.bottom()),
            Align2::LEFT_BOTTOM,
            "Hz",
            font.clone(),
            palette.weak,
        );
        let step = if span > 18.0 { 5.0 } else { 2.0 };
        let mut back = 0.0;
        while back <= span {
            let x = plot.right() - plot.width() * back / span;
            painter.vline(x, plot.bottom()..=plot.bottom() + 3.0, tick);
            let (align, text) = match back {
                0.0 => (Align2::RIGHT_BOTTOM, "0 s".to_owned()),
                back => (Align2::CENTER_BOTTOM, format!("−{back:.0}")),
            };
            if x - plot.left() > 12.0 {
                painter.text(pos2(x, area.bottom()), align, text, font.clone(), palette.weak);
            }
            back += step;
        }
        response.widget_info(|| {
            let text = match (evidence, &self.evidence) {
                (true, Some(map)) => format!(
                    "Mel spectrogram with the map of what spoke for {}",
                    genre_name(map.genre)
                ),
                _ => "Mel spectrogram".to_owned(),
            };
            WidgetInfo::labeled(egui::accesskit::Role::Image, true, text)
        });
        if let Some(pointer) = response.hover_pos().filter(|pointer| plot.contains(*pointer)) {
            let band = (plot.bottom() - pointer.y) / plot.height() * BANDS as f32;
            let band = (band as usize).min(BANDS - 1);
            let back = (plot.right() - pointer.x) / plot.width() * span;
            response
                .on_hover_text_at_pointer(format!("{:.0} Hz, {back:.1} s ago", band_centre(band)));
        }
    }
}

/// What the colours mean, to the right of the picture.
fn level_scale(painter: &Painter, palette: &Palette, plot: Rect, font: &FontId, colours: Colours) {
    let strip = Rect::from_min_max(
        pos2(plot.right() + 8.0, plot.top()),
        pos2(plot.right() + 14.0, plot.bottom()),
    );
    let mut mesh = Mesh::default();
    const STEPS: u32 = 24;
    for step in 0..=STEPS {
        let share = step as f32 / STEPS as f32;
        let y = strip.top() + strip.height() * share;
        mesh.colored_vertex(pos2(strip.left(), y), theme::level(colours, 1.0 - share));
        mesh.colored_vertex(pos2(strip.right(), y), theme::level(colours, 1.0 - share));
        if step > 0 {
            let last = step * 2;
            mesh.add_triangle(last - 2, last - 1, last);
            mesh.add_triangle(last - 1, last, last + 1);
        }
    }
    painter.add(mesh);
    for decibels in [0.0, -20.0, -40.0, -60.0, -80.0] {
        let y = strip.top() + strip.height() * decibels / FLOOR;
        let (align, text) = match decibels {
            0.0 => (Align2::LEFT_TOP, "0 dB".to_owned()),
            d if d == FLOOR => (Align2::LEFT_BOTTOM, format!("−{:.0}", -d)),
            d => (Align2::LEFT_CENTER, format!("−{:.0}", -d)),
        };
        let y = if decibels == 0.0 { y - 2.0 } else { y };
        painter.text(pos2(strip.right() + 4.0, y), align, text, font.clone(), palette.weak);
    }
}

/// The band, with a fraction, that this frequency falls in.
fn band_of(hertz: f64) -> f32 {
    let above = (0..BANDS).find(|&band| band_centre(band) >= hertz).unwrap_or(BANDS - 1);
    if above == 0 {
        return 0.5;
    }
    let (low, high) = (band_centre(above - 1), band_centre(above));
    (above as f64 - 0.5 + (hertz - low) / (high - low)).min(BANDS as f64) as f32
}

fn put(context: &Context, texture: &mut Option<TextureHandle>, name: &str, image: ColorImage) {
    match texture {
        Some(texture) => texture.set(image, TextureOptions::LINEAR),
        None => *texture = Some(context.load_texture(name, image, TextureOptions::LINEAR)),
    }
}
