//! Interface: the Meter's title bar: what is shown, and what can be done with it.

use egui::{Align, Layout, RichText, Ui, vec2};

use super::{MeterEditor, Scene, Wanted, export, freeze};
use crate::files::Wish;
use crate::theme::GAP;
use crate::{controls, parts};

/// Draws the title bar.
pub(super) fn show(ui: &mut Ui, editor: &mut MeterEditor, scene: Scene) {
    let Scene { params, palette, compact, .. } = scene;
    ui.horizontal_centered(|ui| {
        parts::wordmark(ui, palette, "Meter");
        if !compact && !editor.track.is_empty() {
            let track = RichText::new(&editor.track).weak();
            let room = (ui.available_width() - 470.0).max(0.0);
            ui.allocate_ui(vec2(room, 20.0), |ui| ui.add(egui::Label::new(track).truncate()));
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 6.0;
            if compact {
                parts::menu(ui, "More", |ui| {
                    reset(ui, editor, scene);
                    copy(ui, editor, scene);
                    save(ui, editor);
                    bypass(ui, scene);
                    ui.horizontal(|ui| parts::theme_switch(ui, &params.theme));
                });
            } else {
                parts::at_right(ui, "actions", |ui| {
                    ui.spacing_mut().item_spacing.x = 6.0;
                    switches(ui, editor, scene);
                    bypass(ui, scene);
                    ui.add_space(GAP);
                    reset(ui, editor, scene);
                    copy(ui, editor, scene);
                    parts::menu(ui, "Save", |ui| save(ui, editor));
                    parts::theme_switch(ui, &params.theme);
                });
                return;
            }
            parts::at_right(ui, "switches", |ui| {
                ui.spacing_mut().item_spacing.x = 6.0;
                switches(ui, editor, scene);
            });
        });
    });
}

/// What is shown, and how.
fn switches(ui: &mut Ui, editor: &mut MeterEditor, scene: Scene) {
    let palette = scene.palette;
    if parts::toggle(ui, palette, editor.sorted, "Sort")
        .on_hover_text("Puts the most probable genre on top; off: a fixed order.")
        .clicked()
    {
        editor.sorted = !editor.sorted;
    }
    if parts::toggle(ui, palette, editor.evidence, "Why")
        .on_hover_text("Draws over the spectrogram which bands and moments spoke for the genre.")
        .clicked()
    {
        editor.evidence = !editor.evidence;
    }
    if parts::toggle(ui, palette, editor.frozen.is_some(), "Freeze")
        .on_hover_text("Holds the picture; listening goes on. Key: F")
        .clicked()
    {
        freeze(editor, scene.shared);
    }
}

fn bypass(ui: &mut Ui, scene: Scene) {
    let bypass = &scene.params.bypass;
    let off = bypass.value();
    let response = parts::toggle(ui, scene.palette, off, "Bypass")
        .on_hover_text("Stops listening. The audio passes unchanged either way.");
    if response.clicked() {
        controls::set(scene.gui, bypass, !off);
    }
}

fn save(ui: &mut Ui, editor: &mut MeterEditor) {
    let picture = ui.button("Picture (PNG)…").on_hover_text("The last five minutes as a chart.");
    if picture.clicked() {
        editor.chooser.open(Wish::save(&export::file_name(&editor.track), "png"), Wanted::Png);
        ui.close();
    }
    let table = ui
        .button("Table (CSV)…")
        .on_hover_text("Time in seconds and the probability of each genre, a reading a line.");
    if table.clicked() {
        editor.chooser.open(Wish::save(&export::file_name(&editor.track), "csv"), Wanted::Csv);
        ui.close();
    }
}

fn copy(ui: &mut Ui, editor: &mut MeterEditor, scene: Scene) {
    let button = ui.button("Copy").on_hover_text("Copies the reading as text.");
    if button.clicked() {
        let probabilities = match &editor.frozen {
            Some(frozen) => frozen.probabilities,
            None => scene.shared.probabilities(),
        };
        ui.ctx().copy_text(export::text(&probabilities));
        editor.notice.done(ui, "Copied the reading");
    }
}

fn reset(ui: &mut Ui, editor: &mut MeterEditor, scene: Scene) {
    let button = ui
        .button("Reset")
        .on_hover_text("Forgets what was heard, the last five minutes too, and listens afresh.");
    if button.clicked() {
        scene.shared.request_reset();
        editor.frozen = None;
        editor.notice.done(ui, "Forgot what was heard; Undo reset brings it back");
    }
    if scene.shared.can_undo_reset() {
        let undo = ui.button("Undo reset").on_hover_text("Brings back what the last reset forgot.");
        if undo.clicked() {
            scene.shared.undo_reset();
        }
    }
}
