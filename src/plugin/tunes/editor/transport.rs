//! Interface: where no host starts and stops the tune: play, stop, speed; and what helps to practise it.

use std::sync::atomic::Ordering;

use egui::{Button, DragValue, Grid, RichText, Sense, Ui, WidgetInfo, pos2, vec2};

use super::{Scene, TunesEditor, desk};
use crate::controls;
use crate::theme::{GAP, SMALL};
use crate::tunes::shared::Origin;
use earworm_abc as abc;

/// The bars that are played round and round.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Bars {
    on: bool,
    first: u32,
    last: u32,
}

/// Draws play and pause.
pub(super) fn play_button(ui: &mut Ui, scene: Scene) {
    let shared = scene.shared;
    let rolling = shared.rolling.load(Ordering::Relaxed);
    let (label, help) = match rolling {
        true => ("Pause", "Stands still; it goes on from here. Key: Space"),
        false => {
            ("Play", "Plays from where it stands, or from the note that is clicked. Key: Space")
        }
    };
    // As wide while it says the other.
    let button = Button::new(label).min_size(vec2(54.0, 0.0)).selected(rolling);
    if ui.add(button).on_hover_text(help).clicked() {
        shared.rolling.store(!rolling, Ordering::Release);
    }
}

/// Draws a way back to the start.
pub(super) fn start_button(ui: &mut Ui, scene: Scene) {
    let shared = scene.shared;
    let (rect, response) = ui.allocate_exact_size(vec2(26.0, 26.0), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, "To the start"));
    let look = *ui.style().interact(&response);
    let painter = ui.painter();
    let corner = look.corner_radius;
    painter.rect(rect, corner, look.weak_bg_fill, look.bg_stroke, egui::StrokeKind::Inside);
    let centre = rect.center();
    let triangle =
        vec![centre + vec2(-2.0, 0.0), centre + vec2(5.0, -5.0), centre + vec2(5.0, 5.0)];
    painter.add(egui::Shape::convex_polygon(triangle, look.text_color(), egui::Stroke::NONE));
    let bar = egui::Rect::from_min_max(
        pos2(centre.x - 5.0, centre.y - 5.0),
        pos2(centre.x - 3.0, centre.y + 5.0),
    );
    painter.rect_filled(bar, 0.0, look.text_color());
    if response.on_hover_text("Back to the tune's start. Key: Home").clicked() {
        shared.seek.store(0, Ordering::Release);
    }
}

/// Draws what helps to practise.
pub(super) fn practise(ui: &mut Ui, editor: &mut TunesEditor, scene: Scene) {
    let Scene { params, shared, gui, palette, .. } = scene;
    Grid::new("practise").num_columns(2).spacing(vec2(GAP, 5.0)).show(ui, |ui| {
        controls::caption(ui, "Speed");
        ui.horizontal(|ui| {
            let help = "how fast a tune goes that no host drives: 100 % is its own tempo.";
            controls::float(ui, gui, &params.speed, 0.002, help);
            let tempo = editor
                .notation
                .performance
                .tempos
                .first()
                .map_or(120.0, |tempo| 60e6 / f64::from(tempo.microseconds_per_quarter.max(1)));
            let tempo = tempo * f64::from(params.speed.value());
            let text = format!("{tempo:.0} crotchets a minute");
            ui.label(RichText::new(text).size(SMALL).color(palette.weak));
        });
        ui.end_row();
        controls::caption(ui, "Metronome");
        let mut on = shared.metronome.load(Ordering::Relaxed);
        if ui.checkbox(&mut on, "clicks on each beat").accessible_name("Metronome").changed() {
            shared.metronome.store(on, Ordering::Relaxed);
        }
        ui.end_row();
        if scene.standalone {
            controls::caption(ui, "Count-in");
            let mut on = shared.count_in.load(Ordering::Relaxed);
            if ui.checkbox(&mut on, "a bar before it starts").accessible_name("Count-in").changed()
            {
                shared.count_in.store(on, Ordering::Relaxed);
            }
            ui.end_row();
        }
        controls::caption(ui, "Only bars");
        bars(ui, editor, scene);
        ui.end_row();
        controls::caption(ui, "Transpose");
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 5.0;
            for (label, semitones, help) in [
                ("♭", -1, "Writes the tune a semitone lower"),
                ("♯", 1, "Writes the tune a semitone higher"),
                ("8va down", -12, "Writes the tune an octave lower"),
                ("8va up", 12, "Writes the tune an octave higher"),
            ] {
                if ui.button(label).accessible_name(help).on_hover_text(help).clicked() {
                    transpose(ui, editor, scene, semitones);
                }
            }
        });
        ui.end_row();
    });
}

/// The choice of bars that are played round and round.
fn bars(ui: &mut Ui, editor: &mut TunesEditor, scene: Scene) {
    let shared = scene.shared;
    // Another tune plays whole.
    if editor.bars.on && shared.part().is_none() {
        editor.bars.on = false;
    }
    let most = editor.notation.bars().max(1);
    let before = editor.bars;
    let mut bars = editor.bars;
    bars.first = bars.first.clamp(1, most);
    bars.last = if bars.last == 0 { most.min(8) } else { bars.last.clamp(bars.first, most) };
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 5.0;
        ui.checkbox(&mut bars.on, "").accessible_name("Only some bars");
        ui.add(DragValue::new(&mut bars.first).speed(0.1).range(1..=most))
            .accessible_name("First bar");
        controls::caption(ui, "to");
        ui.add(DragValue::new(&mut bars.last).speed(0.1).range(bars.first..=most))
            .accessible_name("Last bar");
        let help = "Takes the bars of what is marked in the text.";
        if ui.button("Marked").on_hover_text(help).clicked()
            && let Some(marked) = editor.marked.clone()
        {
            let notation = &editor.notation;
            let first = notation.tick_of(&(marked.start..marked.start + 1));
            let last = notation.tick_of(&(marked.end.saturating_sub(1)..marked.end.max(1)));
            if let (Some(first), Some(last)) = (first, last) {
                let numbers = (notation.bar_at(first).max(1), notation.bar_at(last).max(1));
                let (first, last) = (numbers.0.min(numbers.1), numbers.0.max(numbers.1));
                bars = Bars { on: true, first, last };
            }
        }
    });
    if bars != before {
        editor.bars = bars;
        let part = bars.on.then(|| editor.notation.ticks_of_bars(bars.first..=bars.last)).flatten();
        shared.set_part(part);
    }
}

/// Makes the tune on the desk one that is written higher or lower; the one before stays in the list.
fn transpose(ui: &Ui, editor: &mut TunesEditor, scene: Scene, semitones: i8) {
    let Some(tune) = editor.notation.book.tunes.first() else { return };
    let text = abc::write(&abc::transpose(tune, semitones));
    desk::set_tune(ui, editor, scene.shared, &text, Origin::Edited);
}
