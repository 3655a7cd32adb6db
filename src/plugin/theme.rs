//! Interface: how both editors look: colours, type scale, spacing and the music font.
//!
//! Every text colour here has a contrast of at least 4.5:1 on the surfaces it is used on (WCAG 2.2, 1.4.3); the
//! tests at the end measure it.

use egui::{
    self, Color32, Context, CornerRadius, FontData, FontDefinitions, FontFamily, FontId, Margin,
    Stroke, Style, TextStyle, Theme, Vec2, Visuals,
    style::{HandleShape, ScrollStyle, Selection, WidgetVisuals, Widgets},
};
use nice_plug::params::persist::PersistentField;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::remembered::Colours;

/// Body text, in points. The other sizes are steps of about 6:5 from it.
pub const BODY: f32 = 13.0;
/// Captions, axis labels, footers.
pub const SMALL: f32 = 11.0;
/// Headings of a section and values that matter.
pub const LARGE: f32 = 17.0;
/// The one thing to read from across the room.
pub const DISPLAY: f32 = 40.0;
/// The gap everything is a multiple of, in points.
pub const GAP: f32 = 8.0;
/// Corner radius of panels, in points.
pub const CORNER: u8 = 6;

/// The colours of one theme.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Palette {
    /// Whether it is the dark one.
    pub dark: bool,
    /// Behind everything.
    pub ground: Color32,
    /// A panel on the ground.
    pub panel: Color32,
    /// A control on a panel.
    pub raised: Color32,
    /// A control under the pointer.
    pub hovered: Color32,
    /// A well that something is drawn or typed into.
    pub well: Color32,
    /// Hairlines and outlines; not for text.
    pub line: Color32,
    /// Text.
    pub text: Color32,
    /// Text of less weight.
    pub weak: Color32,
    /// What is chosen, playing, or the one thing to press; readable as text.
    pub accent: Color32,
    /// Text on a surface filled with the accent.
    pub on_accent: Color32,
    /// Under text in the accent, where something is chosen.
    pub chosen: Color32,
    /// Something failed.
    pub error: Color32,
    /// Something is doubtful.
    pub warning: Color32,
    /// Something is well.
    pub good: Color32,
    /// ABC: fields.
    pub field: Color32,
    /// ABC: bar lines and repeats.
    pub bar: Color32,
    /// ABC: chord symbols, annotations, lyrics.
    pub string: Color32,
    /// ABC: decorations, grace notes, tuplets.
    pub ornament: Color32,
}

const fn rgb(hex: u32) -> Color32 {
    Color32::from_rgb((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

/// The dark palette.
pub const DARK: Palette = Palette {
    dark: true,
    ground: rgb(0x14161b),
    panel: rgb(0x1c1f26),
    raised: rgb(0x2a2e38),
    hovered: rgb(0x363b47),
    well: rgb(0x101216),
    line: rgb(0x3a3f4b),
    text: rgb(0xe9eaee),
    weak: rgb(0xa7adba),
    accent: rgb(0xf2b253),
    on_accent: rgb(0x241803),
    chosen: rgb(0x46371c),
    error: rgb(0xff8a80),
    warning: rgb(0xf0c04c),
    good: rgb(0x7fd19b),
    field: rgb(0x8fb8f0),
    bar: rgb(0xf2b253),
    string: rgb(0x8fd3a4),
    ornament: rgb(0xd7a6ec),
};

/// The light palette.
pub const LIGHT: Palette = Palette {
    dark: false,
    ground: rgb(0xefede7),
    panel: rgb(0xfaf9f6),
    raised: rgb(0xe7e4dc),
    hovered: rgb(0xdbd7cc),
    well: rgb(0xffffff),
    line: rgb(0xcfcabd),
    text: rgb(0x1d2026),
    weak: rgb(0x565b66),
    accent: rgb(0x8a4f00),
    on_accent: rgb(0xffffff),
    chosen: rgb(0xf6e3c0),
    error: rgb(0xb3261e),
    warning: rgb(0x7a5200),
    good: rgb(0x1d6b3a),
    field: rgb(0x1f4fa3),
    bar: rgb(0x8a4f00),
    string: rgb(0x1d6b3a),
    ornament: rgb(0x7a3a96),
};

impl Palette {
    /// The palette in use.
    pub fn of(context: &Context) -> &'static Self {
        match context.theme() {
            Theme::Dark => &DARK,
            Theme::Light => &LIGHT,
        }
    }
}

/// The family of the music font.
pub fn music() -> FontFamily {
    FontFamily::Name("music".into())
}

/// The family of headings and of what is emphasised.
pub fn semibold() -> FontFamily {
    FontFamily::Name("semibold".into())
}

/// Sets fonts and both themes' styles, once for each window.
pub fn install(context: &Context) {
    let mut fonts = FontDefinitions::empty();
    for (name, bytes) in [
        ("Inter", include_bytes!("fonts/Inter-Regular.ttf").as_slice()),
        ("Inter SemiBold", include_bytes!("fonts/Inter-SemiBold.ttf").as_slice()),
        ("Hack", epaint_default_fonts::HACK_REGULAR),
        ("Earworm Music", include_bytes!("fonts/EarwormMusic.otf").as_slice()),
    ] {
        let data = Arc::new(FontData::from_static(bytes));
        fonts.font_data.insert(name.to_owned(), data);
    }
    let names = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    // Hack stands in where Inter's subset has no glyph, the music font for ♯, ♭ and ♮ in a chord symbol.
    fonts.families.insert(FontFamily::Proportional, names(&["Inter", "Hack", "Earworm Music"]));
    fonts.families.insert(semibold(), names(&["Inter SemiBold", "Inter", "Hack", "Earworm Music"]));
    fonts.families.insert(FontFamily::Monospace, names(&["Hack", "Inter"]));
    fonts.families.insert(music(), names(&["Earworm Music"]));
    context.set_fonts(fonts);
    for (theme, palette) in [(Theme::Dark, &DARK), (Theme::Light, &LIGHT)] {
        context.style_mut_of(theme, |style| apply(style, palette));
    }
}

fn apply(style: &mut Style, palette: &Palette) {
    style.text_styles = [
        (TextStyle::Small, FontId::proportional(SMALL)),
        (TextStyle::Body, FontId::proportional(BODY)),
        (TextStyle::Button, FontId::proportional(BODY)),
        (TextStyle::Heading, FontId::new(LARGE, semibold())),
        (TextStyle::Monospace, FontId::monospace(12.5)),
    ]
    .into();
    style.drag_value_text_style = TextStyle::Button;
    style.animation_time = 0.12;
    // What is written in the window is to be read, not marked.
    style.interaction.selectable_labels = false;
    style.spacing.item_spacing = Vec2::new(GAP, GAP * 0.75);
    style.spacing.button_padding = Vec2::new(10.0, 4.0);
    style.spacing.interact_size = Vec2::new(28.0, 26.0);
    style.spacing.window_margin = Margin::same(12);
    style.spacing.menu_margin = Margin::same(6);
    style.spacing.combo_width = 60.0;
    style.spacing.slider_width = 110.0;
    style.spacing.tooltip_width = 320.0;
    // A bar shows that there is more, before anybody comes near it.
    style.spacing.scroll =
        ScrollStyle { bar_width: 9.0, floating_width: 4.0, ..ScrollStyle::thin() };
    // Half-faded notes at an edge look like dirt, not like more to come.
    style.spacing.scroll.fade.strength = 0.0;

    let mut visuals = match palette.dark {
        true => Visuals::dark(),
        false => Visuals::light(),
    };
    let corner = CornerRadius::same(CORNER - 1);
    let state = |fill: Color32, outline: Color32, text: Color32| WidgetVisuals {
        bg_fill: fill,
        weak_bg_fill: fill,
        bg_stroke: Stroke::new(1.0, outline),
        corner_radius: corner,
        fg_stroke: Stroke::new(1.2, text),
        expansion: 0.0,
    };
    visuals.widgets = Widgets {
        noninteractive: state(palette.panel, palette.line, palette.text),
        inactive: state(palette.raised, palette.line, palette.text),
        hovered: state(palette.hovered, palette.weak, palette.text),
        active: state(palette.hovered, palette.accent, palette.text),
        open: state(palette.hovered, palette.line, palette.text),
    };
    visuals.selection =
        Selection { bg_fill: palette.chosen, stroke: Stroke::new(1.5, palette.accent) };
    visuals.weak_text_color = Some(palette.weak);
    visuals.hyperlink_color = palette.accent;
    visuals.faint_bg_color = palette.raised;
    visuals.extreme_bg_color = palette.well;
    visuals.code_bg_color = palette.well;
    visuals.warn_fg_color = palette.warning;
    visuals.error_fg_color = palette.error;
    visuals.panel_fill = palette.ground;
    visuals.window_fill = palette.panel;
    visuals.window_stroke = Stroke::new(1.0, palette.line);
    visuals.window_corner_radius = CornerRadius::same(CORNER);
    visuals.menu_corner_radius = CornerRadius::same(CORNER);
    visuals.slider_trailing_fill = true;
    visuals.handle_shape = HandleShape::Circle;
    visuals.text_cursor.stroke = Stroke::new(2.0, palette.accent);
    style.visuals = visuals;
}

/// A frame around a section of an editor.
pub fn section(palette: &Palette) -> egui::Frame {
    egui::Frame::new()
        .fill(palette.panel)
        .corner_radius(CORNER)
        .inner_margin(Margin::same(GAP as i8))
}

/// The colour of the genre at this index, as a bar or a band of the ribbon.
pub fn genre(palette: &Palette, index: usize) -> Color32 {
    let [r, g, b] = earworm_chart::genre(index, palette.dark);
    Color32::from_rgb(r, g, b)
}

/// Behind the part of the ABC text that sounds.
pub fn sounding(palette: &Palette) -> Color32 {
    let share = if palette.dark { 0.26 } else { 0.14 };
    let mix = |well: u8, accent: u8| {
        (f32::from(well) * (1.0 - share) + f32::from(accent) * share).round() as u8
    };
    let (well, accent) = (palette.well, palette.accent);
    Color32::from_rgb(
        mix(well.r(), accent.r()),
        mix(well.g(), accent.g()),
        mix(well.b(), accent.b()),
    )
}

/// Black or white, whichever is easier to read on a filled surface of this colour.
pub fn on(colour: Color32) -> Color32 {
    let (dark, light) = (DARK.ground, Color32::WHITE);
    match contrast(dark, colour) > contrast(light, colour) {
        true => dark,
        false => light,
    }
}

/// Contrast ratio of WCAG 2.2.
fn contrast(a: Color32, b: Color32) -> f32 {
    let luminance = |color: Color32| {
        let linear = |v: u8| egui::ecolor::linear_f32_from_gamma_u8(v);
        0.2126 * linear(color.r()) + 0.7152 * linear(color.g()) + 0.0722 * linear(color.b())
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// A level from 0 (silent) to 1 (loudest) on a perceptual colour map; the same in both themes, so that pictures can be
/// compared.
pub fn level(colours: Colours, level: f32) -> Color32 {
    let level = level.clamp(0.0, 1.0);
    let map = match colours {
        Colours::Magma => colorous::MAGMA,
        Colours::Cividis => colorous::CIVIDIS,
        Colours::Viridis => colorous::VIRIDIS,
        Colours::Greys => return Color32::from_gray((level * 255.0).round() as u8),
    };
    let colorous::Color { r, g, b } = map.eval_continuous(f64::from(level));
    Color32::from_rgb(r, g, b)
}

/// The theme that a project keeps for an editor; none before somebody chose one.
#[derive(Debug, Default)]
pub struct ThemeChoice(AtomicU8);

/// [`ThemeChoice`] in a project's file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum SavedTheme {
    /// As egui has it.
    #[default]
    Unchosen,
    /// Dark.
    Dark,
    /// Light.
    Light,
}

impl ThemeChoice {
    /// Chooses a theme.
    pub fn set(&self, theme: Theme) {
        let saved = match theme {
            Theme::Dark => SavedTheme::Dark,
            Theme::Light => SavedTheme::Light,
        };
        self.0.store(saved as u8, Ordering::Relaxed);
    }

    fn saved(&self) -> SavedTheme {
        [SavedTheme::Unchosen, SavedTheme::Dark, SavedTheme::Light]
            .into_iter()
            .find(|saved| *saved as u8 == self.0.load(Ordering::Relaxed))
            .unwrap_or_default()
    }

    /// Has a window show what was chosen.
    pub fn show_in(&self, context: &Context) {
        let chosen = match self.saved() {
            SavedTheme::Unchosen => return,
            SavedTheme::Dark => Theme::Dark,
            SavedTheme::Light => Theme::Light,
        };
        if context.theme() != chosen {
            context.set_theme(chosen);
        }
    }
}

impl PersistentField<'_, SavedTheme> for ThemeChoice {
    fn set(&self, saved: SavedTheme) {
        self.0.store(saved as u8, Ordering::Relaxed);
    }

    fn map<F, R>(&self, f: F) -> R
    where
        F: Fn(&SavedTheme) -> R,
    {
        f(&self.saved())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_colour_is_readable_on_every_surface() {
        for palette in [&DARK, &LIGHT] {
            let surfaces = [palette.ground, palette.panel, palette.raised, palette.well];
            let texts = [
                palette.text,
                palette.weak,
                palette.accent,
                palette.error,
                palette.warning,
                palette.good,
                palette.field,
                palette.string,
                palette.ornament,
            ];
            for surface in surfaces {
                for text in texts {
                    let ratio = contrast(text, surface);
                    assert!(ratio >= 4.5, "{text:?} on {surface:?}: {ratio:.2}:1");
                }
            }
            let code = [
                palette.text,
                palette.weak,
                palette.field,
                palette.bar,
                palette.string,
                palette.ornament,
            ];
            for text in code {
                for surface in [palette.well, sounding(palette)] {
                    let ratio = contrast(text, surface);
                    assert!(ratio >= 4.5, "{text:?} on {surface:?}: {ratio:.2}:1");
                }
            }
            for index in 0..12 {
                let band = genre(palette, index);
                let ratio = contrast(on(band), band);
                assert!(ratio >= 4.5, "the name on band {index}: {ratio:.2}:1");
            }
            assert!(contrast(palette.on_accent, palette.accent) >= 4.5);
            assert!(contrast(palette.accent, palette.raised) >= 4.5);
            assert!(contrast(palette.accent, palette.chosen) >= 4.5);
            assert!(contrast(palette.text, palette.chosen) >= 4.5);
            assert!(contrast(palette.text, palette.hovered) >= 4.5);
        }
    }

    #[test]
    fn a_genre_bar_stands_out_from_its_ground_and_from_every_other_genre() {
        for palette in [&DARK, &LIGHT] {
            for index in 0..12 {
                let colour = genre(palette, index);
                assert!(contrast(colour, palette.panel) >= 2.0, "{index}");
                for other in 0..index {
                    let away = genre(palette, other)
                        .to_array()
                        .iter()
                        .zip(colour.to_array())
                        .map(|(a, b)| (f32::from(*a) - f32::from(b)).powi(2))
                        .sum::<f32>()
                        .sqrt();
                    assert!(away > 35.0, "{index} and {other} are {away} apart");
                }
            }
        }
    }

    #[test]
    fn a_louder_place_is_never_drawn_darker() {
        for (colours, name) in Colours::ALL {
            let luma = |step: i32| {
                let colour = level(colours, step as f32 / 50.0);
                0.2126 * f32::from(colour.r())
                    + 0.7152 * f32::from(colour.g())
                    + 0.0722 * f32::from(colour.b())
            };
            assert!((0..50).all(|step| luma(step + 1) > luma(step)), "{name}");
        }
    }
}
