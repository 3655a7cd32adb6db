//! Interface: the parts both windows are made of: sections, the title bar's mark and switches, menus, notices.

use std::time::Duration;

use egui::containers::menu::{MenuButton, MenuConfig};
use egui::style::StyleModifier;
use egui::{
    Align, Button, Color32, FontId, Layout, Painter, PopupCloseBehavior, Rect, Response, RichText,
    Role, Sense, Stroke, StrokeKind, Style, Theme, Ui, UiBuilder, Vec2, WidgetInfo, pos2, vec2,
};
use nice_plug::editor::dpi::LogicalSize;
use nice_plug::editor::{ResizeHint, SizeConstraints};

use super::theme::{self, BODY, CORNER, GAP, Palette, ThemeChoice};

/// Height of a title bar and of what stands in it, in points.
pub const TITLE_BAR: f32 = 28.0;
/// Height of a footer, in points.
pub const FOOTER: f32 = 24.0;
/// How long a notice stays, in seconds; one of a failure stays long enough to be read twice.
const NOTICE: f64 = 4.0;
const BAD_NOTICE: f64 = 12.0;

/// Both windows take any size from 480 × 320 logical pixels.
pub fn resizable() -> ResizeHint {
    ResizeHint {
        can_resize: true,
        can_resize_horizontally: true,
        can_resize_vertically: true,
        preserve_aspect_ratio: false,
        size_constraints: SizeConstraints::Logical {
            min_size: Some(LogicalSize::new(480.0, 320.0)),
            max_size: None,
        },
        ..ResizeHint::default()
    }
}

/// Lays `contents` into `area`, clipped to it.
pub fn part<R>(ui: &mut Ui, area: Rect, contents: impl FnOnce(&mut Ui) -> R) -> R {
    let layout = Layout::top_down(Align::Min);
    let mut child = ui.new_child(UiBuilder::new().max_rect(area).layout(layout));
    child.shrink_clip_rect(area.expand(2.0));
    contents(&mut child)
}

/// Lays `contents` into `area` on a panel of its own.
pub fn section<R>(
    ui: &mut Ui,
    palette: &Palette,
    area: Rect,
    contents: impl FnOnce(&mut Ui) -> R,
) -> R {
    part(ui, area, |ui| {
        theme::section(palette)
            .show(ui, |ui| {
                ui.set_min_size(area.size() - Vec2::splat(GAP * 2.0));
                ui.set_max_size(area.size() - Vec2::splat(GAP * 2.0));
                contents(ui)
            })
            .inner
    })
}

/// The maker's name and the product's, in front of a title bar.
pub fn wordmark(ui: &mut Ui, palette: &Palette, product: &str) {
    let (rect, _) = ui.allocate_exact_size(Vec2::splat(20.0), Sense::hover());
    mark(ui.painter(), rect, palette.accent);
    ui.spacing_mut().item_spacing.x = 5.0;
    let text = |text: &str| RichText::new(text).font(FontId::new(15.0, theme::semibold()));
    ui.label(text("Earworm").color(palette.text));
    ui.label(text(product).color(palette.accent));
}

/// The mark: a worm that rises and falls as a wave does, and a dot for its eye.
fn mark(painter: &Painter, rect: Rect, colour: Color32) {
    let at = |x: f32, y: f32| rect.lerp_inside(Vec2::new(x, y));
    let points = (0..=24)
        .map(|step| {
            let x = step as f32 / 24.0;
            let wave = (x * std::f32::consts::TAU * 1.25).sin();
            at(0.06 + x * 0.80, 0.52 + wave * 0.26 * (0.55 + 0.45 * x))
        })
        .collect();
    painter.line(points, Stroke::new(3.0, colour));
    painter.circle_filled(at(0.88, 0.26), 2.6, colour);
}

/// Changes between the dark and the light theme, and has the project keep it.
pub fn theme_switch(ui: &mut Ui, choice: &ThemeChoice) {
    let (name, next) = match ui.ctx().theme() {
        Theme::Dark => ("Light theme", Theme::Light),
        Theme::Light => ("Dark theme", Theme::Dark),
    };
    let (rect, response) = ui.allocate_exact_size(vec2(30.0, 26.0), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, name));
    let look = *ui.style().interact(&response);
    let painter = ui.painter();
    painter.rect(rect, look.corner_radius, look.weak_bg_fill, look.bg_stroke, StrokeKind::Inside);
    // A disc that is half filled: dark and light.
    let (centre, radius) = (rect.center(), 6.0);
    let half = (0..=16)
        .map(|step| {
            let angle = (step as f32 / 16.0 - 0.5) * std::f32::consts::PI;
            centre + vec2(angle.cos(), angle.sin()) * radius
        })
        .collect();
    painter.add(egui::Shape::convex_polygon(half, look.text_color(), Stroke::NONE));
    painter.circle_stroke(centre, radius, Stroke::new(1.4, look.text_color()));
    if response.on_hover_text(format!("{name}. This choice is saved in the project.")).clicked() {
        choice.set(next);
        ui.ctx().set_theme(next);
    }
}

/// A switch in a title bar: outlined while off, lit while on.
pub fn toggle(ui: &mut Ui, palette: &Palette, on: bool, label: &str) -> Response {
    ui.scope(|ui| {
        let widgets = &mut ui.visuals_mut().widgets;
        if on {
            for state in [&mut widgets.inactive, &mut widgets.hovered, &mut widgets.active] {
                state.bg_stroke = Stroke::new(1.0, palette.accent);
            }
        } else {
            widgets.inactive.weak_bg_fill = Color32::TRANSPARENT;
        }
        let colour = if on { palette.accent } else { palette.text };
        ui.add(Button::new(RichText::new(label).color(colour)).selected(on))
    })
    .inner
}

/// A choice of one of a few, side by side in one frame: value, label, help. Gives the one that was pressed.
pub fn segments<T: Copy + PartialEq>(
    ui: &mut Ui,
    palette: &Palette,
    current: T,
    choices: &[(T, &str, &str)],
) -> Option<T> {
    let font = FontId::proportional(BODY);
    let widths: Vec<f32> = choices
        .iter()
        .map(|(_, label, _)| {
            let galley =
                ui.painter().layout_no_wrap((*label).to_owned(), font.clone(), palette.text);
            (galley.size().x + 20.0).ceil()
        })
        .collect();
    let size = vec2(widths.iter().sum::<f32>() + 4.0, 26.0);
    let (frame, _) = ui.allocate_exact_size(size, Sense::hover());
    ui.painter().rect(
        frame,
        CORNER - 1,
        palette.well,
        Stroke::new(1.0, palette.line),
        StrokeKind::Inside,
    );
    let mut pressed = None;
    let mut left = frame.left() + 2.0;
    for (&(value, label, help), width) in choices.iter().zip(widths) {
        let rect = Rect::from_min_size(pos2(left, frame.top() + 2.0), vec2(width, 22.0));
        left += width;
        let on = value == current;
        let id = ui.scope_id().with(("segment", label));
        let response = ui.interact(rect, id, Sense::click());
        response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, on, label));
        let lifted = response.hovered() || response.has_focus();
        let fill = match (on, lifted) {
            (true, _) => palette.chosen,
            (false, true) => palette.raised,
            (false, false) => Color32::TRANSPARENT,
        };
        let colour = match (on, lifted) {
            (true, _) => palette.accent,
            (false, true) => palette.text,
            (false, false) => palette.weak,
        };
        ui.painter().rect_filled(rect, CORNER - 2, fill);
        if response.has_focus() {
            let ring = Stroke::new(1.0, palette.accent);
            ui.painter().rect_stroke(rect, CORNER - 2, ring, StrokeKind::Inside);
        }
        let centre = rect.center();
        ui.painter().text(centre, egui::Align2::CENTER_CENTER, label, font.clone(), colour);
        if response.on_hover_text(help).clicked() {
            pressed = Some(value);
        }
    }
    pressed
}

/// Lays controls at the right of a row in the order in which they are written, which is also the Tab key's. Stands in a
/// layout from right to left; `name` tells several apart.
pub fn at_right(ui: &mut Ui, name: &str, contents: impl FnOnce(&mut Ui)) {
    let id = ui.scope_id().with(("at right", name));
    let height = ui.available_height();
    // Their width is known once they were drawn; the first frame is drawn twice.
    let known: Option<f32> = ui.data(|data| data.get_temp(id));
    let size = vec2(known.unwrap_or(0.0), height);
    let layout = Layout::left_to_right(Align::Center);
    let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
    let mut child = ui.new_child(UiBuilder::new().max_rect(rect).layout(layout));
    child.spacing_mut().item_spacing = ui.spacing().item_spacing;
    contents(&mut child);
    let width = child.min_rect().width();
    if known.is_none_or(|known| (known - width).abs() > 0.5) {
        ui.data_mut(|data| data.insert_temp(id, width));
        ui.ctx().request_discard("the width of what stands at the right");
        ui.ctx().request_repaint();
    }
}

/// What is going on, in the room that is left of a footer; where that is too little, all of it stands above the footer.
pub fn message(ui: &mut Ui, palette: &Palette, text: &str, colour: Color32) -> Response {
    let room = ui.available_width();
    let font = FontId::proportional(theme::SMALL);
    let whole = ui.painter().layout_no_wrap(text.to_owned(), font, colour).size();
    if whole.x <= room {
        let line = RichText::new(text).size(theme::SMALL).color(colour);
        return ui.add(egui::Label::new(line));
    }
    let (_, response) = ui.allocate_exact_size(vec2(room.max(0.0), whole.y), Sense::hover());
    let window = ui.ctx().content_rect().shrink(GAP);
    let above = pos2(window.left(), window.bottom() - FOOTER - 4.0);
    egui::Area::new(ui.scope_id().with("message"))
        .order(egui::Order::Foreground)
        .interactable(false)
        .pivot(egui::Align2::LEFT_BOTTOM)
        .fixed_pos(above)
        .show(ui.ctx(), |ui| {
            egui::Frame::new()
                .fill(palette.raised)
                .stroke(Stroke::new(1.0, palette.line))
                .corner_radius(CORNER)
                .inner_margin(egui::Margin::same(GAP as i8))
                .show(ui, |ui| {
                    ui.set_width(window.width() - 2.0 * GAP - 2.0);
                    let text = RichText::new(text).size(theme::SMALL + 1.0).color(colour);
                    ui.add(egui::Label::new(text).wrap());
                });
        });
    response
}

/// A button that opens a menu of things to do; a click on one closes it.
pub fn menu(ui: &mut Ui, label: &str, contents: impl FnOnce(&mut Ui)) -> Response {
    let style: fn(&mut Style) = |style| {
        style.spacing.button_padding = vec2(10.0, 4.0);
        style.spacing.item_spacing.y = 2.0;
        let widgets = &mut style.visuals.widgets;
        widgets.inactive.weak_bg_fill = Color32::TRANSPARENT;
        widgets.inactive.bg_stroke = Stroke::NONE;
    };
    let config = MenuConfig::new().style(StyleModifier::from(style));
    MenuButton::from_button(Button::new(label)).config(config).ui(ui, contents).0
}

/// A button that opens a panel of controls; it stays open until there is a click beside it.
pub fn panel(ui: &mut Ui, label: &str, contents: impl FnOnce(&mut Ui)) -> Response {
    let style: fn(&mut Style) = |_| ();
    let config = MenuConfig::new()
        .close_behavior(PopupCloseBehavior::CloseOnClickOutside)
        .style(StyleModifier::from(style));
    MenuButton::from_button(Button::new(label)).config(config).ui(ui, contents).0
}

/// What was last done, or why it could not be; it vanishes after a while.
#[derive(Clone, Debug, Default)]
pub struct Notice {
    said: Option<Said>,
}

#[derive(Clone, Debug)]
struct Said {
    text: String,
    bad: bool,
    /// egui's clock, in seconds.
    until: f64,
}

impl Notice {
    /// Says that something was done.
    pub fn done(&mut self, ui: &Ui, text: impl Into<String>) {
        self.say(ui, text.into(), false);
    }

    /// Says why something could not be done.
    pub fn refused(&mut self, ui: &Ui, text: impl Into<String>) {
        self.say(ui, text.into(), true);
    }

    fn say(&mut self, ui: &Ui, text: String, bad: bool) {
        let time = ui.input(|input| input.time);
        let until = time + if bad { BAD_NOTICE } else { NOTICE };
        self.said = Some(Said { text, bad, until });
        ui.ctx().request_repaint();
    }

    /// The notice and its colour, while it lasts.
    pub fn current(&mut self, ui: &Ui, palette: &Palette) -> Option<(String, Color32)> {
        let now = ui.input(|input| input.time);
        let said = self.said.take_if(|said| said.until <= now);
        if said.is_some() {
            return None;
        }
        let said = self.said.as_ref()?;
        ui.ctx().request_repaint_after(Duration::from_secs_f64(said.until - now));
        Some((said.text.clone(), if said.bad { palette.error } else { palette.good }))
    }
}

/// Keeps the graphics library in the process once a window has loaded it, for as long as the process lives.
///
/// The windowing library lets go of it with each window that closes. Where two close at once, the last to let go unloads
/// the drivers while the other's thread may still run their code on its way out: a crash of the host.
pub fn keep_graphics() {
    #[cfg(target_os = "linux")]
    {
        static KEPT: std::sync::Once = std::sync::Once::new();
        KEPT.call_once(|| {
            // SAFETY: the window that is being built has loaded it already, so that nothing of it runs here.
            let library = unsafe { libloading::Library::new("libEGL.so.1") };
            library.map(std::mem::forget).ok();
        });
    }
}
