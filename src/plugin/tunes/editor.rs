//! Interface: Earworm Tunes' window.
//!
//! [`show`] draws one frame from what the engine publishes; it needs no window and no host, so that tests drive it.

mod export;
mod notation;
pub mod past;
mod roll;
mod score;
mod text;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use egui::{Align, Button, Key, Layout, Modifiers, Rect, RichText, Ui, UiBuilder, Vec2, vec2};
use nice_plug::context::gui::GuiContext;
use nice_plug_egui::baseview::HandlerError;
use nice_plug_egui::{
    EguiEditor, EguiEditorState, EguiNiceSettings, Frame, NiceEguiApp, RepaintNotifier,
};

use self::export::{Format, Saving};
use self::notation::Notation;
use self::past::Past;
use super::params::{TunesParams, editor_state};
use super::shared::{Command, NOWHERE, Origin, Score, TunesShared};
use crate::abc;
use crate::plugin::controls;
use crate::plugin::files::{Chooser, Wish};
use crate::plugin::meter::editor::resizable;
use crate::plugin::theme::{self, GAP, Palette, SMALL};
use crate::plugin::watch::Watch;

/// How long after the last key a changed text becomes the tune, in seconds.
const SETTLED: f64 = 0.4;

/// How the tune is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// Engraved notation.
    #[default]
    Score,
    /// Piano roll.
    Roll,
}

/// What stands beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// The ABC text.
    #[default]
    Text,
    /// The last tunes.
    Past,
    /// Nothing.
    Hidden,
}

/// What the window keeps from frame to frame; the tune itself is the engine's and saved with the project.
#[derive(Default)]
pub struct TunesEditor {
    /// How the tune is shown.
    pub view: View,
    /// What stands beside it.
    pub side: Side,
    /// The last tunes.
    pub past: Past,
    zoom: f32,
    notation: Notation,
    /// The text as it stands in the field; the notation follows it.
    text: String,
    /// Which of the engine's tunes `text` came from.
    number: Option<u64>,
    /// When the text was last changed and not yet handed to the engine (egui's clock).
    changed: Option<f64>,
    /// The tune that is being written.
    growing: Option<Notation>,
    select: Option<usize>,
    notice: Option<(String, bool, f64)>,
    chooser: Chooser<Wanted>,
    saving: Option<Saving>,
    /// What the score last scrolled to, so that a reader who scrolls away is left alone.
    followed: Option<usize>,
    /// The tunes of an opened book, by title.
    book: Vec<(String, String)>,
    refused: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Wanted {
    Open,
    Save(Format),
}

/// Draws Tunes.
pub fn show(
    ui: &mut Ui,
    editor: &mut TunesEditor,
    params: &TunesParams,
    shared: &TunesShared,
    gui: &GuiContext,
) {
    let palette = Palette::of(ui.ctx());
    if editor.zoom == 0.0 {
        editor.zoom = 1.0;
    }
    follow_desk(editor, shared);
    take_drop(ui, editor, shared);
    keys(ui, editor, shared);

    let bounds = ui.ctx().content_rect();
    ui.set_clip_rect(bounds);
    ui.painter().rect_filled(bounds, 0.0, palette.ground);
    let inner = bounds.shrink(GAP);
    let compact = inner.width() < 700.0 || inner.height() < 400.0;
    let gap = if compact { 6.0 } else { GAP };
    let (header, rest) = inner.split_top_bottom_at_y(inner.top() + 28.0);
    let writing = shared.writing();
    part(ui, header, |ui| {
        title_bar(ui, editor, shared, palette, writing.is_some(), compact);
    });
    let rest = Rect::from_min_max(rest.min + vec2(0.0, gap), rest.max);
    let used = part(ui, rest, |ui| {
        theme::section(palette).show(ui, |ui| {
            ui.set_width(rest.width() - GAP * 2.0);
            settings(ui, params, gui);
        });
        ui.min_rect().height()
    });
    let rest = Rect::from_min_max(rest.min + vec2(0.0, used + gap), rest.max);
    let (body, footer) = rest.split_top_bottom_at_y(rest.bottom() - 26.0);
    let body = Rect::from_min_max(body.min, body.max - vec2(0.0, gap * 0.5));

    let side_width = (body.width() * 0.36).clamp(180.0, 380.0);
    let side = editor.side;
    let (main, beside) = match side {
        Side::Hidden => (body, None),
        _ => {
            let (main, beside) = body.split_left_right_at_x(body.right() - side_width);
            let main = Rect::from_min_max(main.min, main.max - vec2(gap, 0.0));
            (main, Some(beside))
        }
    };
    let position = match shared.position.load(Ordering::Relaxed) {
        NOWHERE => None,
        tick if shared.playing.load(Ordering::Relaxed) => Some(tick),
        _ => None,
    };
    grow(editor, writing.as_ref().map(|writing| writing.text.as_str()));
    let sounding = match (&editor.growing, position) {
        (None, Some(tick)) => editor.notation.sounding(tick),
        _ => Vec::new(),
    };
    part(ui, main, |ui| {
        section(ui, palette, |ui| {
            let seek = sheet(ui, editor, palette, &sounding, position);
            if let Some(tick) = seek {
                shared.seek.store(tick, Ordering::Release);
            }
        });
    });
    if let Some(beside) = beside {
        part(ui, beside, |ui| {
            section(ui, palette, |ui| {
                beside_it(ui, editor, shared, palette, &sounding);
            });
        });
    }
    part(ui, footer, |ui| {
        foot(ui, editor, params, shared, gui, palette, position, compact);
    });
    settle(ui, editor, shared);
    if let Some((path, wanted)) = editor.chooser.show(ui.ctx()) {
        match wanted {
            Wanted::Open => open_file(ui, editor, shared, &path),
            Wanted::Save(format) => {
                let performance = editor.notation.performance.clone();
                editor.saving = Some(Saving::start(format, path, &editor.text, performance));
            }
        }
    }
    watch_saving(ui, editor);
}

/// Lays `contents` into `area`, clipped to it.
fn part<R>(ui: &mut Ui, area: Rect, contents: impl FnOnce(&mut Ui) -> R) -> R {
    let layout = Layout::top_down(Align::Min);
    let mut child = ui.new_child(UiBuilder::new().max_rect(area).layout(layout));
    child.shrink_clip_rect(area.expand(2.0));
    contents(&mut child)
}

fn section<R>(ui: &mut Ui, palette: &Palette, contents: impl FnOnce(&mut Ui) -> R) -> R {
    let area = ui.max_rect();
    theme::section(palette)
        .show(ui, |ui| {
            ui.set_min_size(area.size() - Vec2::splat(GAP * 2.0));
            ui.set_max_size(area.size() - Vec2::splat(GAP * 2.0));
            contents(ui)
        })
        .inner
}

/// Takes over a tune that came from elsewhere: written, restored, or taken up again.
fn follow_desk(editor: &mut TunesEditor, shared: &TunesShared) {
    let tune = shared.tune();
    if editor.number == Some(tune.number) {
        return;
    }
    if editor.number.is_none() {
        for before in shared.past().iter().rev() {
            editor.past.note(before);
        }
    }
    editor.past.note(&tune);
    take(editor, &tune);
}

fn take(editor: &mut TunesEditor, tune: &Arc<Score>) {
    editor.number = Some(tune.number);
    editor.changed = None;
    editor.refused = None;
    if editor.text != tune.abc {
        editor.text.clone_from(&tune.abc);
        editor.notation = Notation::read(&tune.abc);
        editor.followed = None;
    }
}

/// Makes a text the tune at once.
fn set_tune(ui: &Ui, editor: &mut TunesEditor, shared: &TunesShared, text: &str, origin: Origin) {
    match shared.set_tune(text, origin) {
        Ok(tune) => {
            editor.past.note(&tune);
            editor.text.clear();
            take(editor, &tune);
        }
        Err(error) => notice(ui, editor, error.to_string(), true),
    }
}

/// Hands a typed text to the engine once typing has paused.
fn settle(ui: &Ui, editor: &mut TunesEditor, shared: &TunesShared) {
    let Some(changed) = editor.changed else {
        return;
    };
    let now = ui.input(|input| input.time);
    if now - changed < SETTLED {
        let rest = Duration::from_secs_f64(SETTLED - (now - changed));
        ui.ctx().request_repaint_after(rest);
        return;
    }
    editor.changed = None;
    match shared.set_tune(&editor.text, Origin::Edited) {
        Ok(tune) => {
            editor.number = Some(tune.number);
            editor.past.note(&tune);
            editor.refused = None;
        }
        // The text stays as it was typed; the tune that plays stays as it was.
        Err(error) => editor.refused = Some(error.to_string()),
    }
}

/// Follows the text that the network is writing.
fn grow(editor: &mut TunesEditor, text: Option<&str>) {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        editor.growing = None;
        return;
    };
    let same = editor.growing.as_ref().is_some_and(|growing| growing.text == text);
    if !same {
        editor.growing = Some(Notation::read(text));
    }
}

fn take_drop(ui: &Ui, editor: &mut TunesEditor, shared: &TunesShared) {
    let dropped = ui.input(|input| input.raw.dropped_files.clone());
    let Some(file) = dropped.into_iter().next() else {
        return;
    };
    let name = file.path().to_string_lossy().into_owned();
    match file.bytes() {
        Ok(bytes) => take_bytes(ui, editor, shared, &bytes, &name),
        Err(error) => notice(ui, editor, format!("{name}: {error}"), true),
    }
}

fn open_file(ui: &Ui, editor: &mut TunesEditor, shared: &TunesShared, path: &Path) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match export::read(path) {
        Ok(bytes) => take_bytes(ui, editor, shared, &bytes, &name),
        Err(error) => notice(ui, editor, format!("{name}: {error}"), true),
    }
}

/// Takes a file's tunes: the first goes on the desk, the others are offered beside it.
fn take_bytes(ui: &Ui, editor: &mut TunesEditor, shared: &TunesShared, bytes: &[u8], name: &str) {
    match export::tunes(bytes) {
        Ok(mut tunes) => {
            let text = tunes[0].1.clone();
            set_tune(ui, editor, shared, &text, Origin::Edited);
            if tunes.len() == 1 {
                tunes.clear();
            } else {
                let count = tunes.len();
                notice(ui, editor, format!("{name}: {count} tunes, see Tunes"), false);
            }
            editor.book = tunes;
        }
        Err(error) => notice(ui, editor, format!("{name}: {error}"), true),
    }
}

fn keys(ui: &Ui, editor: &mut TunesEditor, shared: &TunesShared) {
    if ui.ctx().egui_wants_keyboard_input() || editor.chooser.is_open() {
        return;
    }
    let pressed = |modifiers, key| ui.input_mut(|input| input.consume_key(modifiers, key));
    if pressed(Modifiers::COMMAND, Key::Z) {
        undo(ui, editor, shared);
    }
    if pressed(Modifiers::COMMAND, Key::O) {
        let wish = Wish::open(&["abc", "mid", "midi", "txt"]);
        editor.chooser.open(wish, Wanted::Open);
    }
    if pressed(Modifiers::COMMAND, Key::G) {
        shared.command(Command::Generate);
    }
    for event in ui.input(|input| input.events.clone()) {
        // A tune pasted anywhere outside the text field is the next tune.
        let (egui::Event::Paste(text) | egui::Event::Text(text)) = event else {
            continue;
        };
        if text.lines().any(|line| line.starts_with("K:")) {
            set_tune(ui, editor, shared, &text, Origin::Edited);
        }
    }
}

fn undo(ui: &Ui, editor: &mut TunesEditor, shared: &TunesShared) {
    if let Some(before) = editor.past.undo() {
        set_tune(ui, editor, shared, &before.abc, before.origin);
    }
}

fn notice(ui: &Ui, editor: &mut TunesEditor, text: String, bad: bool) {
    let until = ui.input(|input| input.time) + if bad { 12.0 } else { 4.0 };
    editor.notice = Some((text, bad, until));
}

fn title_bar(
    ui: &mut Ui,
    editor: &mut TunesEditor,
    shared: &TunesShared,
    palette: &Palette,
    writing: bool,
    compact: bool,
) {
    ui.horizontal_centered(|ui| {
        if !compact {
            theme::wordmark(ui, palette, "Tunes");
            ui.add_space(GAP);
        }
        ui.spacing_mut().item_spacing.x = 6.0;
        if writing {
            if ui.button("Stop").on_hover_text("Stops writing; the tune stays as it was.").clicked()
            {
                shared.command(Command::Cancel);
            }
            ui.spinner();
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
            if !compact {
                continue_button(ui, shared);
            }
        }
        if compact {
            ui.menu_button("More", |ui| {
                continue_button(ui, shared);
                undo_button(ui, editor, shared);
                theme::theme_switch(ui);
            });
        } else {
            undo_button(ui, editor, shared);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            if !compact {
                theme::theme_switch(ui);
                ui.add_space(4.0);
            }
            let mut side = |ui: &mut Ui, which: Side, label: &str, help: &str| {
                let on = editor.side == which;
                if ui.selectable_label(on, label).on_hover_text(help).clicked() {
                    editor.side = if on { Side::Hidden } else { which };
                }
            };
            side(ui, Side::Past, "Tunes", "The last 50 tunes with their seeds.");
            side(ui, Side::Text, "Text", "The tune in ABC notation.");
            ui.add_space(4.0);
            for (view, label, help) in [
                (View::Roll, "Roll", "The tune as a piano roll."),
                (View::Score, "Score", "The tune as notation."),
            ] {
                if ui.selectable_label(editor.view == view, label).on_hover_text(help).clicked() {
                    editor.view = view;
                }
            }
        });
    });
}

fn continue_button(ui: &mut Ui, shared: &TunesShared) {
    let played = shared.played_in.load(Ordering::Relaxed);
    let button = ui
        .add_enabled(played > 0, Button::new("Continue"))
        .on_hover_text(format!("Writes on from the {played} notes that were played in."))
        .on_disabled_hover_text("Play some notes into the plug-in first: it writes on from them.");
    if button.clicked() {
        shared.command(Command::Continue);
    }
}

fn undo_button(ui: &mut Ui, editor: &mut TunesEditor, shared: &TunesShared) {
    let button = ui
        .add_enabled(editor.past.can_undo(), Button::new("Undo"))
        .on_hover_text("Goes back to the tune before. Key: Ctrl+Z");
    if button.clicked() {
        undo(ui, editor, shared);
    }
}

/// What the next tune is to be like, and how it plays.
fn settings(ui: &mut Ui, params: &TunesParams, gui: &GuiContext) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(5.0, 5.0);
        let pair = |ui: &mut Ui, label: &str, control: &mut dyn FnMut(&mut Ui)| {
            // A caption and its control stay on one line; how wide they are is known from the frame before.
            let id = ui.scope_id().with(("width", label));
            let width = ui.data(|data| data.get_temp::<f32>(id)).unwrap_or(90.0);
            if ui.available_size_before_wrap().x < width {
                ui.end_row();
            }
            let group = ui.horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = 4.0;
                controls::caption(ui, label);
                control(ui);
            });
            let now = group.response.rect.width();
            if now != width {
                ui.data_mut(|data| data.insert_temp(id, now));
                ui.ctx().request_repaint();
            }
            ui.add_space(3.0);
        };
        pair(ui, "Style", &mut |ui| {
            controls::choice(ui, gui, &params.style, "which dance to write.");
        });
        pair(ui, "Key", &mut |ui| {
            controls::choice(ui, gui, &params.key, "the note that the scale is built on.");
            controls::choice(ui, gui, &params.mode, "the scale.");
        });
        pair(ui, "Bars", &mut |ui| {
            let help = "length of the tune, without repeats.";
            controls::int(ui, gui, &params.bars, 0.2, help);
        });
        pair(ui, "Temperature", &mut |ui| {
            let help =
                "how daring the writing is: 1 as the collections, lower plainer, higher odder.";
            controls::float(ui, gui, &params.temperature, 0.005, help);
        });
        pair(ui, "Seed", &mut |ui| {
            let help = "the same seed and settings write the same tune.";
            controls::int(ui, gui, &params.seed, 0.2, help);
        });
        pair(ui, "Play", &mut |ui| {
            controls::choice(ui, gui, &params.play, "what makes the tune sound.");
        });
    });
}

/// The score or the roll; gives the tick to play from.
fn sheet(
    ui: &mut Ui,
    editor: &mut TunesEditor,
    palette: &Palette,
    sounding: &[std::ops::Range<usize>],
    position: Option<u32>,
) -> Option<u32> {
    let writing = editor.growing.is_some();
    // Scroll along only when another note sounds, so that a reader may look elsewhere meanwhile.
    let at = sounding.first().map(|span| span.start);
    let follow = at.is_some() && at != editor.followed;
    if at.is_some() {
        editor.followed = at;
    }
    let notation = match &mut editor.growing {
        Some(growing) => growing,
        None => &mut editor.notation,
    };
    let zoom = editor.zoom;
    match editor.view {
        View::Score => {
            let clicked = score::show(ui, palette, notation, sounding, zoom, follow, writing)?;
            editor.select = Some(clicked.start);
            (!writing).then(|| editor.notation.tick_of(&clicked))?
        }
        View::Roll => {
            let position = position.filter(|_| !writing);
            roll::show(ui, palette, notation, position, zoom).filter(|_| !writing)
        }
    }
}

fn beside_it(
    ui: &mut Ui,
    editor: &mut TunesEditor,
    shared: &TunesShared,
    palette: &Palette,
    sounding: &[std::ops::Range<usize>],
) {
    match editor.side {
        Side::Text => {
            if let Some(growing) = &editor.growing {
                let mut text = growing.text.clone();
                let select = &mut None;
                text::show(ui, palette, &mut text, growing, &[], false, select);
                return;
            }
            let mut text = std::mem::take(&mut editor.text);
            let mut select = editor.select.take();
            let notation = &editor.notation;
            let changed = text::show(ui, palette, &mut text, notation, sounding, true, &mut select);
            editor.select = select;
            editor.text = text;
            if changed {
                editor.notation = Notation::read(&editor.text);
                editor.changed = Some(ui.input(|input| input.time));
                ui.ctx().request_repaint();
            }
        }
        Side::Past => {
            let mut chosen = None;
            if !editor.book.is_empty() {
                let count = editor.book.len();
                egui::ComboBox::from_id_salt("book")
                    .selected_text(format!("Opened book: {count} tunes"))
                    .width(ui.available_width() - 8.0)
                    .show_ui(ui, |ui| {
                        for (title, text) in editor.book.iter().take(2_000) {
                            if ui.selectable_label(false, title).clicked() {
                                chosen = Some(text.clone());
                            }
                        }
                    })
                    .response
                    .accessible_name("Tunes of the opened book");
            }
            let present = editor.number.unwrap_or_default();
            if let Some(tune) = editor.past.show(ui, palette, present) {
                set_tune(ui, editor, shared, &tune.abc, tune.origin);
            }
            if let Some(text) = chosen {
                set_tune(ui, editor, shared, &text, Origin::Edited);
            }
        }
        Side::Hidden => {}
    }
}

#[allow(clippy::too_many_arguments)]
fn foot(
    ui: &mut Ui,
    editor: &mut TunesEditor,
    params: &TunesParams,
    shared: &TunesShared,
    gui: &GuiContext,
    palette: &Palette,
    position: Option<u32>,
    compact: bool,
) {
    ui.spacing_mut().interact_size.y = 22.0;
    ui.spacing_mut().button_padding.y = 2.0;
    ui.horizontal_centered(|ui| {
        ui.spacing_mut().item_spacing.x = 5.0;
        if ui
            .button("Open")
            .on_hover_text(
                "Opens an .abc or .mid file; or drop one here, or paste ABC. Key: Ctrl+O",
            )
            .clicked()
        {
            let wish = Wish::open(&["abc", "mid", "midi", "txt"]);
            editor.chooser.open(wish, Wanted::Open);
        }
        ui.menu_button("Save", |ui| {
            for format in Format::ALL {
                if ui.button(format.label()).on_hover_text(format.help()).clicked() {
                    let wish = Wish::save(&editor.notation.performance.title, format.extension());
                    editor.chooser.open(wish, Wanted::Save(format));
                    ui.close();
                }
            }
        });
        if ui.button("Copy").on_hover_text("Copies the tune as ABC text.").clicked() {
            ui.ctx().copy_text(editor.text.clone());
            notice(ui, editor, "Copied the ABC text".to_owned(), false);
        }
        controls::switch(ui, gui, &params.voice, "Voice", "the built-in plucked string.");
        if !compact {
            controls::float(ui, gui, &params.level, 0.005, "the built-in voice's level.");
            if ui.available_width() > 460.0 {
                controls::caption(ui, "Transpose");
                let help = "moves what is played, in semitones; the text stays.";
                controls::int(ui, gui, &params.transpose, 0.1, help);
            }
            if ui.button("All notes off").on_hover_text("Ends every note at once.").clicked() {
                shared.all_notes_off();
            }
        }
        let now = ui.input(|input| input.time);
        if editor.notice.as_ref().is_some_and(|(_, _, until)| *until <= now) {
            editor.notice = None;
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if editor.view == View::Score && !compact {
                let zoom = editor.zoom;
                for (label, factor, help) in
                    [("+", 1.25, "Larger notes"), ("−", 0.8, "Smaller notes")]
                {
                    let small = Button::new(label).small();
                    if ui.add(small).accessible_name(help).on_hover_text(help).clicked() {
                        editor.zoom = (zoom * factor).clamp(0.5, 3.0);
                    }
                }
                ui.add_space(4.0);
            }
            let (text, colour) = status(editor, shared, palette, position);
            ui.add(egui::Label::new(RichText::new(text).size(SMALL).color(colour)).truncate());
            if let Some((_, _, until)) = &editor.notice {
                let rest = Duration::from_secs_f64((until - now).max(0.0));
                ui.ctx().request_repaint_after(rest);
            }
        });
    });
}

/// What to say at the bottom, the most urgent first.
fn status(
    editor: &TunesEditor,
    shared: &TunesShared,
    palette: &Palette,
    position: Option<u32>,
) -> (String, egui::Color32) {
    if let Some((text, bad, _)) = &editor.notice {
        return (text.clone(), if *bad { palette.error } else { palette.good });
    }
    if let Some(saving) = &editor.saving {
        return (format!("Saving {}…", saving.name()), palette.weak);
    }
    if let Some(fault) = shared.fault() {
        return (fault, palette.error);
    }
    if let Some(refused) = &editor.refused {
        return (format!("Not taken over: {refused}"), palette.error);
    }
    if editor.growing.is_some() {
        return ("Writing…".to_owned(), palette.accent);
    }
    let bars = &editor.notation.performance.bars;
    let faults = editor.notation.faults();
    if let Some(tick) = position {
        let bar = bars.partition_point(|bar| bar.start <= tick);
        let tempo = shared.tempo.load(Ordering::Relaxed);
        let round = shared.round.load(Ordering::Relaxed) + 1;
        let text = format!("Bar {bar} of {} · round {round} · {tempo:.0} bpm", bars.len());
        return (text, palette.text);
    }
    match faults {
        0 => {
            let seconds = editor.notation.seconds.round() as u32;
            let time = format!("{}:{:02} min", seconds / 60, seconds % 60);
            (format!("{} bars with repeats, {time}", bars.len()), palette.weak)
        }
        1 => ("1 finding in the text".to_owned(), palette.warning),
        faults => (format!("{faults} findings in the text"), palette.warning),
    }
}

fn watch_saving(ui: &Ui, editor: &mut TunesEditor) {
    let Some(saving) = &mut editor.saving else {
        return;
    };
    match saving.finished() {
        None => ui.ctx().request_repaint_after(Duration::from_millis(100)),
        Some(result) => {
            let name = saving.name().to_owned();
            editor.saving = None;
            match result {
                Ok(()) => notice(ui, editor, format!("Saved {name}"), false),
                Err(error) => notice(ui, editor, format!("{name}: {error}"), true),
            }
            ui.ctx().request_repaint();
        }
    }
}

/// The tunes of a text, each with its title.
fn tunes_of(text: &str) -> Vec<(String, String)> {
    let book = abc::read(text);
    book.tunes
        .iter()
        .filter_map(|tune| {
            let own = text.get(tune.span.clone())?;
            let title = match tune.title() {
                "" => format!("X:{}", tune.reference),
                title => title.to_owned(),
            };
            Some((title, own.to_owned()))
        })
        .collect()
}

/// The window's application.
pub struct TunesApp {
    /// Tunes' parameters.
    pub params: Arc<TunesParams>,
    /// What the engine publishes.
    pub shared: Arc<TunesShared>,
    state: Arc<EguiEditorState>,
    notifier: RepaintNotifier,
    watch: Watch,
    editor: TunesEditor,
    gui: Option<GuiContext>,
}

impl NiceEguiApp for TunesApp {
    fn build(
        &mut self,
        context: egui::Context,
        gui: GuiContext,
        _frame: &mut Frame,
    ) -> Result<(), HandlerError> {
        theme::install(&context);
        self.gui = Some(gui);
        let shared = Arc::downgrade(&self.shared);
        self.watch.begin(self.state.clone(), self.notifier.clone(), move || {
            shared.upgrade().map_or(0, |shared| signature(&shared))
        });
        Ok(())
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut Frame) {
        if let Some(gui) = &self.gui {
            show(ui, &mut self.editor, &self.params, &self.shared, gui);
        }
    }
}

/// A number that changes with everything the window shows.
fn signature(shared: &TunesShared) -> u64 {
    let mut mix = shared.tune().number;
    let playing = shared.playing.load(Ordering::Relaxed);
    let writing = shared.writing().map_or(0, |writing| writing.text.len() as u64 + 1);
    let fault = shared.fault().map_or(0, |fault| fault.len() as u64 + 1);
    // While it stands still a position that creeps is nothing to see.
    let position = match playing {
        true => u64::from(shared.position.load(Ordering::Relaxed)),
        false => 0,
    };
    for part in [
        u64::from(playing),
        writing,
        fault,
        position,
        u64::from(shared.played_in.load(Ordering::Relaxed)),
    ] {
        mix = mix.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(part);
    }
    mix
}

/// The editor of Tunes.
pub fn editor(params: Arc<TunesParams>, shared: Arc<TunesShared>) -> Option<EguiEditor<TunesApp>> {
    let state = editor_state();
    let notifier = RepaintNotifier::default();
    nice_plug_egui::create_egui_editor(
        state.clone(),
        notifier.clone(),
        EguiNiceSettings::new().with_tile("Earworm Tunes").with_resize_hint(resizable()),
        TunesApp {
            params,
            shared,
            state,
            notifier,
            watch: Watch::default(),
            editor: TunesEditor::default(),
            gui: None,
        },
    )
}
