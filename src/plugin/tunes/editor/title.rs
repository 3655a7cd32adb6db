//! Interface: Tunes' title bar: write, go back, and what is shown.

use std::sync::atomic::Ordering;

use egui::{Align, Button, Layout, RichText, Ui};

use super::{Scene, Side, TunesEditor, View, desk, transport};
use crate::parts;
use crate::theme::GAP;
use crate::tunes::shared::{Command, TunesShared};

/// Draws the title bar. `writing`: a tune is being written.
pub(super) fn show(ui: &mut Ui, editor: &mut TunesEditor, scene: Scene, writing: bool) {
    let Scene { shared, palette, compact, .. } = scene;
    ui.horizontal_centered(|ui| {
        if !compact {
            parts::wordmark(ui, palette, "Tunes");
            ui.add_space(GAP);
        }
        ui.spacing_mut().item_spacing.x = 6.0;
        if writing {
            // As wide as Generate, so that what stands beside it stays where it is.
            let stop = Button::new("Stop").min_size(egui::vec2(52.0, 0.0));
            if ui.add(stop).on_hover_text("Stops writing; the tune stays as it was.").clicked() {
                shared.command(Command::Cancel);
            }
            ui.add(egui::Spinner::new().size(18.0));
        } else {
            let label = RichText::new("Generate").color(palette.on_accent).strong();
            let generate = Button::new(label).fill(palette.accent);
            if ui
                .add(generate)
                .on_hover_text("Writes a new tune with the settings below. Key: Ctrl+G")
                .clicked()
            {
                shared.command(Command::Generate);
            }
        }
        if scene.standalone {
            transport::play_button(ui, scene);
            if !compact {
                transport::start_button(ui, scene);
            }
        }
        if compact {
            parts::menu(ui, "More", |ui| {
                continue_button(ui, shared, writing);
                undo_buttons(ui, editor, shared);
                ui.horizontal(|ui| {
                    parts::theme_switch(ui, &scene.params.theme);
                    if scene.standalone {
                        transport::start_button(ui, scene);
                    }
                });
            });
        } else {
            continue_button(ui, shared, writing);
            undo_buttons(ui, editor, shared);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            parts::at_right(ui, "views", |ui| {
                ui.spacing_mut().item_spacing.x = 6.0;
                let views = [
                    (View::Score, "Score", "The tune as notation."),
                    (View::Roll, "Roll", "The tune as a piano roll."),
                ];
                if let Some(view) = parts::segments(ui, palette, editor.view, &views) {
                    editor.view = view;
                }
                let sides = [
                    (Side::Text, "Text", "The tune in ABC notation."),
                    (Side::Past, "Tunes", "The last 50 tunes with their seeds, and opened books."),
                ];
                if let Some(side) = parts::segments(ui, palette, editor.side, &sides) {
                    // A second press makes room for the score.
                    editor.side = if editor.side == side { Side::Hidden } else { side };
                }
                if !compact {
                    parts::theme_switch(ui, &scene.params.theme);
                }
            });
            if !compact && !editor.track.is_empty() {
                ui.add(egui::Label::new(RichText::new(&editor.track).weak()).truncate());
            }
        });
    });
}

fn continue_button(ui: &mut Ui, shared: &TunesShared, writing: bool) {
    let played = shared.played_in.load(Ordering::Relaxed);
    let button = ui
        .add_enabled(played > 0 && !writing, Button::new("Continue"))
        .on_hover_text(format!("Writes on from the {played} notes that were played in."))
        .on_disabled_hover_text("Play some notes into the plug-in first: it writes on from them.");
    if button.clicked() {
        shared.command(Command::Continue);
    }
}

fn undo_buttons(ui: &mut Ui, editor: &mut TunesEditor, shared: &TunesShared) {
    let button = ui
        .add_enabled(shared.can_undo(), Button::new("Undo"))
        .on_hover_text("Goes back to the tune before. Key: Ctrl+Z");
    if button.clicked() {
        desk::undo(ui, editor, shared);
    }
    let button = ui
        .add_enabled(shared.can_redo(), Button::new("Redo"))
        .on_hover_text("Goes forth again to the tune that Undo went back from. Key: Ctrl+Y");
    if button.clicked() {
        desk::redo(ui, editor, shared);
    }
}
