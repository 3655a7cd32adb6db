//! Interface: Tunes' footer: files, the built-in voice, and what is going on.

use std::sync::atomic::Ordering;

use egui::{Align, Button, Color32, Layout, Ui};

use super::export::Format;
use super::{PRESETS, Scene, TunesEditor, open, save_as};
use crate::{controls, parts, presets};

/// Draws the footer.
pub(super) fn show(ui: &mut Ui, editor: &mut TunesEditor, scene: Scene) {
    let Scene { params, shared, gui, compact, .. } = scene;
    ui.spacing_mut().interact_size.y = 22.0;
    ui.spacing_mut().button_padding.y = 2.0;
    ui.horizontal_centered(|ui| {
        ui.spacing_mut().item_spacing.x = 5.0;
        if ui
            .button("Open")
            .on_hover_text(
                "Opens an .abc or .mid file, or a folder of them; ABC may be pasted too. Key: Ctrl+O",
            )
            .clicked()
        {
            open(editor);
        }
        parts::menu(ui, "Save", |ui| {
            for format in Format::ALL {
                if ui.button(format.label()).on_hover_text(format.help()).clicked() {
                    save_as(editor, format);
                    ui.close();
                }
            }
        });
        if ui.button("Copy").on_hover_text("Copies the tune as ABC text.").clicked() {
            ui.ctx().copy_text(editor.text.clone());
            editor.notice.done(ui, "Copied the ABC text");
        }
        ui.add_space(6.0);
        controls::switch(ui, gui, &params.voice, "Voice", "the built-in plucked string.");
        if !compact {
            controls::float(ui, gui, &params.level, 0.005, "the built-in voice's level.");
            ui.add_space(6.0);
            if ui.button("All notes off").on_hover_text("Ends every note at once.").clicked() {
                shared.all_notes_off();
            }
            if scene.roomy {
                ui.add_space(6.0);
                let compare = &mut editor.compare;
                presets::show(ui, scene.palette, gui, params, &PRESETS, compare);
            }
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if !compact {
                let zoom = editor.zoom;
                parts::at_right(ui, "zoom", |ui| {
                    for (label, factor, help) in
                        [("−", 0.8, "Smaller notes"), ("+", 1.25, "Larger notes")]
                    {
                        let square = Button::new(label).min_size(egui::vec2(24.0, 22.0));
                        if ui.add(square).accessible_name(help).on_hover_text(help).clicked() {
                            editor.zoom = (zoom * factor).clamp(0.5, 3.0);
                        }
                    }
                });
                ui.add_space(4.0);
            }
            let (text, colour) = status(ui, editor, scene);
            parts::message(ui, scene.palette, &text, colour);
        });
    });
}

/// What to say at the bottom, the most urgent first.
fn status(ui: &Ui, editor: &mut TunesEditor, scene: Scene) -> (String, Color32) {
    let Scene { shared, palette, .. } = scene;
    if let Some(notice) = editor.notice.current(ui, palette) {
        return notice;
    }
    if let Some(saving) = &editor.saving {
        return (format!("Saving {}…", saving.name()), palette.weak);
    }
    if let Some(fault) = shared.fault() {
        return (fault, palette.error);
    }
    if let Some(fault) = shared.weights.fault() {
        return (fault, palette.error);
    }
    if let Some(refused) = &editor.refused {
        return (format!("Not taken over: {refused}"), palette.error);
    }
    if editor.growing.is_some() {
        return ("Writing…".to_owned(), palette.accent);
    }
    let bars = editor.notation.bars();
    if let Some(tick) = scene.position {
        let bar = editor.notation.bar_at(tick);
        let tempo = shared.tempo.load(Ordering::Relaxed);
        let round = shared.round.load(Ordering::Relaxed) + 1;
        let bar = match bar {
            0 => "Pickup".to_owned(),
            bar => format!("Bar {bar} of {bars}"),
        };
        return (format!("{bar} · round {round} · {tempo:.0} bpm"), palette.text);
    }
    match editor.notation.faults() {
        0 => {
            let seconds = editor.notation.seconds.round() as u32;
            let time = format!("{}:{:02} min", seconds / 60, seconds % 60);
            (format!("{bars} bars with repeats, {time}"), palette.weak)
        }
        1 => ("1 finding in the text".to_owned(), palette.warning),
        faults => (format!("{faults} findings in the text"), palette.warning),
    }
}
