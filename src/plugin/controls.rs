//! Interface: controls that move a parameter of the host, the same in both editors.
//!
//! Each one begins and ends an automation gesture, so that the host records it and can undo it; shows and takes the
//! value as the parameter writes it; goes back to the default on a double click; and has the parameter's name for
//! AccessKit.

use egui::{ComboBox, DragValue, Response, RichText, Ui, WidgetText};
use nice_plug::context::gui::GuiContext;
use nice_plug::prelude::{BoolParam, Enum, EnumParam, FloatParam, IntParam, Param};

/// Sets a parameter in one gesture.
pub fn set<P: Param>(gui: &GuiContext, param: &P, value: P::Plain) {
    let setter = gui.param_setter();
    setter.begin_set_parameter(param);
    setter.set_parameter(param, value);
    setter.end_set_parameter(param);
}

fn reset<P: Param>(gui: &GuiContext, param: &P) {
    set(gui, param, param.default_plain_value());
}

/// A number that is dragged, typed or stepped with the arrow keys. `speed` is its change for a point of dragging.
fn number<P: Param>(
    ui: &mut Ui,
    gui: &GuiContext,
    param: &P,
    speed: f64,
    from: impl Fn(f64) -> P::Plain,
    to: impl Fn(P::Plain) -> f64,
    help: &str,
) -> Response {
    let setter = gui.param_setter();
    let before = to(param.unmodulated_plain_value());
    let mut value = before;
    let refused = std::cell::Cell::new(None);
    let range = to(param.preview_plain(0.0))..=to(param.preview_plain(1.0));
    let response = ui
        .add(
            DragValue::new(&mut value)
                .speed(speed)
                .range(range)
                .update_while_editing(false)
                .custom_formatter(|value, _| {
                    param.normalized_value_to_string(param.preview_normalized(from(value)), true)
                })
                .custom_parser(|text| {
                    // Half of Europe writes a comma before the tenths.
                    let normalized = param
                        .string_to_normalized_value(text)
                        .or_else(|| param.string_to_normalized_value(&text.replace(',', ".")));
                    if normalized.is_none() {
                        refused.set(Some(text.to_owned()));
                    }
                    Some(to(param.preview_plain(normalized?)))
                }),
        )
        .accessible_name(param.name())
        .on_hover_text(hint(param, help));
    if let Some(text) = refused.take().filter(|_| response.lost_focus()) {
        let example = param.normalized_value_to_string(param.default_normalized_value(), true);
        let told =
            format!("{}: “{text}” is no value for it; write one such as {example}", param.name());
        ui.data_mut(|data| data.insert_temp(egui::Id::NULL, Refused(told)));
        ui.ctx().request_repaint();
    }
    if response.double_clicked() {
        reset(gui, param);
        response.surrender_focus();
        return response;
    }
    if response.drag_started() {
        setter.begin_set_parameter(param);
    }
    if value != before {
        if response.dragged() || response.drag_stopped() {
            setter.set_parameter(param, from(value));
        } else {
            set(gui, param, from(value));
        }
    }
    if response.drag_stopped() {
        setter.end_set_parameter(param);
    }
    response
}

/// What was typed into a control and could not be taken.
#[derive(Clone, Default)]
struct Refused(String);

/// Says once what was typed into a control and could not be taken, in one line.
pub fn refused(ui: &Ui) -> Option<String> {
    ui.data_mut(|data| data.remove_temp::<Refused>(egui::Id::NULL)).map(|refused| refused.0)
}

fn hint<P: Param>(param: &P, help: &str) -> WidgetText {
    let default = param.normalized_value_to_string(param.default_normalized_value(), true);
    format!("{}: {help}\nDrag, or click to type. Double-click for {default}.", param.name()).into()
}

/// A number with a fraction.
pub fn float(
    ui: &mut Ui,
    gui: &GuiContext,
    param: &FloatParam,
    speed: f64,
    help: &str,
) -> Response {
    let to = |value: f32| f64::from(value);
    number(ui, gui, param, speed, |value| value as f32, to, help)
}

/// A whole number.
pub fn int(ui: &mut Ui, gui: &GuiContext, param: &IntParam, speed: f64, help: &str) -> Response {
    let from = |value: f64| value.round() as i32;
    number(ui, gui, param, speed, from, f64::from, help)
}

/// A choice among named values.
pub fn choice<T: Enum + PartialEq + 'static>(
    ui: &mut Ui,
    gui: &GuiContext,
    param: &EnumParam<T>,
    help: &str,
) -> Response {
    let current = param.unmodulated_plain_value().to_index();
    let names = T::variants();
    let response = ComboBox::from_id_salt(param.name())
        .selected_text(names.get(current).copied().unwrap_or_default())
        .width(0.0)
        // All of it, where the window is high enough.
        .height((ui.ctx().content_rect().height() * 0.8).min(440.0))
        .show_ui(ui, |ui| {
            for (index, name) in names.iter().enumerate() {
                if ui.selectable_label(index == current, *name).clicked() && index != current {
                    set(gui, param, T::from_index(index));
                }
            }
        })
        .response
        .accessible_name(param.name());
    let default = names.get(param.default_plain_value().to_index()).copied().unwrap_or_default();
    let response =
        response.on_hover_text(format!("{}: {help}\nDouble-click for {default}.", param.name()));
    if response.double_clicked() {
        reset(gui, param);
    }
    response
}

/// A choice among named values, each on a line of its own: for a panel, where a list can't open.
pub fn lines<T: Enum + PartialEq + 'static>(
    ui: &mut Ui,
    gui: &GuiContext,
    param: &EnumParam<T>,
    help: &str,
) {
    let current = param.unmodulated_plain_value().to_index();
    for (index, name) in T::variants().iter().enumerate() {
        let line =
            ui.radio(index == current, *name).on_hover_text(format!("{}: {help}", param.name()));
        if line.clicked() && index != current {
            set(gui, param, T::from_index(index));
        }
    }
}

/// A switch.
pub fn switch(
    ui: &mut Ui,
    gui: &GuiContext,
    param: &BoolParam,
    label: &str,
    help: &str,
) -> Response {
    let mut on = param.unmodulated_plain_value();
    let response = ui
        .checkbox(&mut on, label)
        .accessible_name(param.name())
        .on_hover_text(format!("{}: {help}", param.name()));
    if response.changed() {
        set(gui, param, on);
    }
    response
}

/// A label in front of a control, of less weight than its value.
pub fn caption(ui: &mut Ui, text: &str) {
    ui.label(RichText::new(text).weak().size(super::theme::SMALL));
}
