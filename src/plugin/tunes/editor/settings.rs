//! Interface: what the next tune is to be like, and how it plays.

use egui::{Grid, ScrollArea, Ui, vec2};

use super::{Scene, TunesEditor, Wanted};
use crate::files::Wish;
use crate::theme::GAP;
use crate::{controls, parts, weights};

/// Draws the settings in one row; where there is no room for all, the others go into a panel.
pub(super) fn show(ui: &mut Ui, editor: &mut TunesEditor, scene: Scene) {
    let Scene { params, gui, compact, .. } = scene;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 5.0;
        let next = |ui: &mut Ui, label: &str| {
            if ui.cursor().left() > ui.max_rect().left() + 1.0 {
                ui.add_space(if compact { 2.0 } else { 7.0 });
            }
            controls::caption(ui, label);
        };
        next(ui, "Style");
        controls::choice(ui, gui, &params.style, "which dance to write.");
        next(ui, "Key");
        controls::choice(ui, gui, &params.key, "the note that the scale is built on.");
        controls::choice(ui, gui, &params.mode, "the scale.");
        if compact {
            ui.add_space(2.0);
            let room = ui.ctx().content_rect().height() - 110.0;
            parts::panel(ui, "More settings", |ui| {
                ScrollArea::vertical().max_height(room).show(ui, |ui| {
                    ui.horizontal(|ui| {
                        bars(ui, scene);
                        temperature(ui, scene);
                    });
                    ui.horizontal(|ui| seed(ui, scene));
                    ui.separator();
                    playing(ui, scene);
                    ui.separator();
                    choose_weights(ui, editor, scene);
                });
            });
            return;
        }
        ui.add_space(7.0);
        bars(ui, scene);
        ui.add_space(7.0);
        temperature(ui, scene);
        ui.add_space(7.0);
        seed(ui, scene);
        ui.add_space(7.0);
        parts::panel(ui, "Playing", |ui| playing(ui, scene))
            .on_hover_text("How the tune plays: when, how high, how evenly, and its chords.");
        parts::panel(ui, "Weights", |ui| choose_weights(ui, editor, scene))
            .on_hover_text("Which network writes the tunes.");
    });
}

fn choose_weights(ui: &mut Ui, editor: &mut TunesEditor, scene: Scene) {
    ui.set_max_width(300.0);
    if weights::show(ui, scene.palette, &scene.shared.weights, "tune") {
        editor.chooser.open(Wish::open(&["safetensors"]), Wanted::Weights);
        ui.close();
    }
}

fn bars(ui: &mut Ui, scene: Scene) {
    controls::caption(ui, "Bars");
    let help = "length of the tune, without repeats.";
    controls::int(ui, scene.gui, &scene.params.bars, 0.2, help);
}

fn temperature(ui: &mut Ui, scene: Scene) {
    controls::caption(ui, "Temperature");
    let help = "how daring the writing is: 1 as the collections, lower plainer, higher odder.";
    controls::float(ui, scene.gui, &scene.params.temperature, 0.005, help);
}

fn seed(ui: &mut Ui, scene: Scene) {
    controls::caption(ui, "Seed");
    let help = "the same seed and settings write the same tune.";
    controls::int(ui, scene.gui, &scene.params.seed, 0.2, help);
}

fn playing(ui: &mut Ui, scene: Scene) {
    let Scene { params, gui, .. } = scene;
    controls::lines(ui, gui, &params.play, "what makes the tune sound.");
    ui.separator();
    Grid::new("playing").num_columns(4).spacing(vec2(GAP, 5.0)).show(ui, |ui| {
        controls::caption(ui, "Transpose");
        controls::int(ui, gui, &params.transpose, 0.1, "moves what is played; the text stays.");
        controls::caption(ui, "Octave");
        controls::int(ui, gui, &params.octave, 0.05, "moves what is played, in octaves.");
        ui.end_row();
        controls::caption(ui, "Swing");
        let help = "where the second of two quavers falls: 50 % straight, 66.7 % triplets.";
        controls::float(ui, gui, &params.swing, 0.002, help);
        controls::caption(ui, "Gate");
        let help = "how much of its written length a note sounds.";
        controls::float(ui, gui, &params.gate, 0.003, help);
        ui.end_row();
        controls::caption(ui, "Velocity");
        controls::float(ui, gui, &params.velocity, 0.005, "loudness: 100 % as performed.");
        controls::caption(ui, "± velocity");
        let help = "how far loudness strays from note to note, either way.";
        controls::float(ui, gui, &params.velocity_variation, 0.003, help);
        ui.end_row();
        controls::caption(ui, "± time");
        let help = "how late a note may fall, in milliseconds.";
        controls::float(ui, gui, &params.timing_variation, 0.1, help);
        controls::caption(ui, "New tune every");
        let help = "after how many rounds the next tune takes over, from the following seed.";
        controls::int(ui, gui, &params.rounds, 0.05, help);
        ui.end_row();
        controls::caption(ui, "Chords");
        controls::switch(ui, gui, &params.chords, "play", "whether the chord symbols are played.");
        controls::caption(ui, "on channel");
        let help = "the MIDI channel the chords go out on, 1 to 16.";
        controls::int(ui, gui, &params.chord_channel, 0.05, help);
        ui.end_row();
    });
    ui.separator();
    controls::switch(ui, gui, &params.bypass, "Bypass", "plays nothing; every note ends.");
}
