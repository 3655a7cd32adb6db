//! Interface: what the next tune is to be like, and how it plays.

use std::time::Duration;

use egui::{Grid, ScrollArea, Ui, vec2};
use nice_plug::prelude::Enum;

use super::{PRESETS, Scene, TunesEditor, Wanted, transport};
use crate::files::Wish;
use crate::theme::GAP;
use crate::tunes::params::{DanceStyle, MetreChoice, TunesParams};
use crate::tunes::shared::{Command, TunesShared};
use crate::{controls, parts, presets, weights};
use earworm_abc as abc;

/// How long after the last change a new tune is written, where that is wished, in seconds.
const SETTLED: f64 = 0.8;

/// What a tune is asked for with.
#[derive(Clone, PartialEq)]
pub(super) struct Asked {
    style: DanceStyle,
    metre: (u8, u8),
    key: abc::Key,
    bars: i32,
    temperature: f32,
    seed: i32,
    symbols: bool,
}

/// Writes a new tune where what is asked for has changed, if that is wished.
pub(super) fn rewrite(
    ui: &Ui,
    editor: &mut TunesEditor,
    params: &TunesParams,
    shared: &TunesShared,
) {
    let now = Asked {
        style: params.style.value(),
        metre: params.metre(),
        key: params.tune_key(),
        bars: params.bars.value(),
        temperature: params.temperature.value(),
        seed: params.seed.value(),
        symbols: params.symbols.value(),
    };
    let time = ui.input(|input| input.time);
    match &mut editor.asked {
        Some((asked, changed)) if *asked == now => {
            let Some(since) = *changed else { return };
            if time - since < SETTLED || ui.input(|input| input.pointer.any_down()) {
                ui.ctx().request_repaint_after(Duration::from_secs_f64(SETTLED));
                return;
            }
            *changed = None;
            shared.command(Command::Generate);
        }
        Some(_) => {
            let changed = params.view.get().rewrite.then_some(time);
            editor.asked = Some((now, changed));
            ui.ctx().request_repaint();
        }
        None => editor.asked = Some((now, None)),
    }
}

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
                    writing(ui, editor, scene);
                    ui.separator();
                    transport::practise(ui, editor, scene);
                    ui.separator();
                    playing(ui, scene);
                });
            });
            return;
        }
        ui.add_space(7.0);
        bars(ui, scene);
        ui.add_space(7.0);
        temperature(ui, scene);
        ui.add_space(7.0);
        parts::panel(ui, "Writing", |ui| writing(ui, editor, scene)).on_hover_text(
            "How tunes are written: their metre, seed and chords, and by which network.",
        );
        parts::panel(ui, "Playing", |ui| playing(ui, scene))
            .on_hover_text("How the tune plays: when, how high, how evenly, and its chords.");
        parts::panel(ui, "Practise", |ui| transport::practise(ui, editor, scene))
            .on_hover_text("Slower, with a metronome, some bars round and round, in another key.");
    });
}

fn writing(ui: &mut Ui, editor: &mut TunesEditor, scene: Scene) {
    let Scene { params, gui, .. } = scene;
    ui.set_max_width(340.0);
    Grid::new("writing").num_columns(2).spacing(vec2(GAP, 5.0)).show(ui, |ui| {
        controls::caption(ui, "Metre");
        metre(ui, scene);
        ui.end_row();
        controls::caption(ui, "Seed");
        let help = "the same seed and settings write the same tune.";
        controls::int(ui, gui, &params.seed, 0.2, help);
        ui.end_row();
        controls::caption(ui, "Chords");
        let help = "whether chord symbols are written over the notes.";
        controls::switch(ui, gui, &params.symbols, "write symbols", help);
        ui.end_row();
        controls::caption(ui, "On a change");
        let mut on = params.view.get().rewrite;
        let help =
            "Writes a new tune whenever style, key, length or anything else here was changed.";
        let response = ui.checkbox(&mut on, "write anew").on_hover_text(help);
        if response.accessible_name("Write anew on a change").changed() {
            params.view.change(|view| view.rewrite = on);
        }
        ui.end_row();
    });
    if !scene.roomy {
        ui.horizontal(|ui| {
            let compare = &mut editor.compare;
            presets::show(ui, scene.palette, gui, params, &PRESETS, compare);
        });
    }
    ui.separator();
    if weights::show(ui, scene.palette, &scene.shared.weights, "tune") {
        editor.chooser.open(Wish::open(&["safetensors"]), Wanted::Weights);
        ui.close();
    }
}

/// The metres that the dance is written in.
fn metre(ui: &mut Ui, scene: Scene) {
    let Scene { params, gui, .. } = scene;
    let (beats, unit) = params.metre();
    let style = params.style.value();
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 5.0;
        for (index, name) in MetreChoice::variants().iter().enumerate() {
            let choice = MetreChoice::from_index(index);
            if !choice.suits(style) {
                continue;
            }
            let on = params.metre.value() == choice;
            let label = match choice {
                MetreChoice::Usual if on => format!("usual: {beats}/{unit}"),
                MetreChoice::Usual => "usual".to_owned(),
                _ => (*name).to_owned(),
            };
            let line = ui.selectable_label(on, label.as_str());
            let line = line.accessible_name(format!("Metre {label}"));
            if line.on_hover_text("The metre to write in.").clicked() && !on {
                controls::set(gui, &params.metre, choice);
            }
        }
    });
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
