//! Interface: the Meter's title bar: what is shown, and what can be done with it.

use egui::{Align, Layout, Ui};

use super::{MeterEditor, Scene, Wanted, export, freeze};
use crate::files::Wish;
use crate::theme::GAP;
use crate::{controls, parts};

/// Draws the title bar.
pub(super) fn show(ui: &mut Ui, editor: &mut MeterEditor, scene: Scene) {
    let Scene { params, palette, compact, .. } = scene;
    ui.horizontal_centered(|ui| {
        parts::wordmark(ui, palette, "Meter");
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
                parts::theme_switch(ui, &params.theme);
                parts::menu(ui, "Save", |ui| save(ui, editor));
                copy(ui, editor, scene);
                reset(ui, editor, scene);
                ui.add_space(GAP);
                bypass(ui, scene);
            }
            let frozen = editor.frozen.is_some();
            if parts::toggle(ui, palette, frozen, "Freeze")
                .on_hover_text("Holds the picture; listening goes on. Key: F")
                .clicked()
            {
                freeze(editor, scene.shared);
            }
            if parts::toggle(ui, palette, editor.evidence, "Why")
                .on_hover_text(
                    "Draws over the spectrogram which bands and moments spoke for the genre.",
                )
                .clicked()
            {
                editor.evidence = !editor.evidence;
            }
            if parts::toggle(ui, palette, editor.sorted, "Sort")
                .on_hover_text("Puts the most probable genre on top; off: a fixed order.")
                .clicked()
            {
                editor.sorted = !editor.sorted;
            }
        });
    });
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
        editor.chooser.open(Wish::save("earworm-meter", "png"), Wanted::Png);
        ui.close();
    }
    let table = ui
        .button("Table (CSV)…")
        .on_hover_text("Time in seconds and the probability of each genre, a reading a line.");
    if table.clicked() {
        editor.chooser.open(Wish::save("earworm-meter", "csv"), Wanted::Csv);
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
    }
}
