//! Interface: Earworm Tunes' window.
//!
//! [`show`] draws one frame from what the engine publishes; it needs no window and no host, so that tests drive it.

mod book;
mod desk;
mod export;
mod foot;
mod list;
mod notation;
mod roll;
mod score;
mod settings;
mod text;
mod title;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use egui::{Key, Modifiers, Rect, Ui, vec2};
use nice_plug::context::gui::GuiContext;
use nice_plug_egui::baseview::HandlerError;
use nice_plug_egui::{
    EguiEditor, EguiEditorState, EguiNiceSettings, Frame, NiceEguiApp, RepaintNotifier,
};

use self::book::Book;
use self::export::{Format, Saving};
use self::list::Pressed;
use self::notation::Notation;
use super::params::{TunesParams, editor_state};
use super::shared::{Command, NOWHERE, Origin, TunesShared};
use crate::files::{Chooser, Wish};
use crate::parts::{self, FOOTER, Notice, TITLE_BAR, part, section};
use crate::theme::{self, GAP, Palette};
use crate::watch::Watch;

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

/// What the window keeps from frame to frame; the tunes are the engine's and saved with the project.
pub struct TunesEditor {
    /// How the tune is shown.
    pub view: View,
    /// What stands beside it.
    pub side: Side,
    /// Size of the notes: 1 as usual.
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
    /// A byte of the text that the cursor is to go to.
    select: Option<usize>,
    notice: Notice,
    chooser: Chooser<Wanted>,
    saving: Option<Saving>,
    /// What the score last scrolled to, so that a reader who scrolls away is left alone.
    followed: Option<usize>,
    book: Book,
    /// Why the text in the field is not the tune.
    refused: Option<String>,
}

impl Default for TunesEditor {
    fn default() -> Self {
        Self {
            view: View::default(),
            side: Side::default(),
            zoom: 1.0,
            notation: Notation::default(),
            text: String::new(),
            number: None,
            changed: None,
            growing: None,
            select: None,
            notice: Notice::default(),
            chooser: Chooser::default(),
            saving: None,
            followed: None,
            book: Book::default(),
            refused: None,
        }
    }
}

/// What a file is chosen for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wanted {
    Open,
    Save(Format),
    Weights,
}

/// What the parts of the window need to draw themselves.
#[derive(Clone, Copy)]
struct Scene<'a> {
    params: &'a TunesParams,
    shared: &'a TunesShared,
    gui: &'a GuiContext,
    palette: &'static Palette,
    /// Whether there is little room.
    compact: bool,
    /// The tick that sounds.
    position: Option<u32>,
}

/// Draws Tunes.
pub fn show(
    ui: &mut Ui,
    editor: &mut TunesEditor,
    params: &TunesParams,
    shared: &TunesShared,
    gui: &GuiContext,
) {
    params.theme.show_in(ui.ctx());
    let palette = Palette::of(ui.ctx());
    desk::follow(editor, shared);
    book::take_drop(ui, editor, shared);
    keys(ui, editor, shared);

    let bounds = ui.ctx().content_rect();
    ui.set_clip_rect(bounds);
    ui.painter().rect_filled(bounds, 0.0, palette.ground);
    let inner = bounds.shrink(GAP);
    let compact = inner.width() < 700.0 || inner.height() < 400.0;
    let position = match shared.position.load(Ordering::Relaxed) {
        NOWHERE => None,
        tick if shared.playing.load(Ordering::Relaxed) => Some(tick),
        _ => None,
    };
    let scene = Scene { params, shared, gui, palette, compact, position };
    let writing = shared.writing();
    desk::grow(editor, writing.as_ref().map(|writing| writing.text.as_str()));

    let (header, rest) = inner.split_top_bottom_at_y(inner.top() + TITLE_BAR);
    part(ui, header, |ui| title::show(ui, editor, scene, writing.is_some()));
    let rest = Rect::from_min_max(rest.min + vec2(0.0, GAP), rest.max);
    let used = part(ui, rest, |ui| {
        theme::section(palette).show(ui, |ui| {
            ui.set_width(rest.width() - GAP * 2.0);
            settings::show(ui, editor, scene);
        });
        ui.min_rect().height()
    });
    let rest = Rect::from_min_max(rest.min + vec2(0.0, used + GAP), rest.max);
    let (body, footer) = rest.split_top_bottom_at_y(rest.bottom() - FOOTER);
    let body = Rect::from_min_max(body.min, body.max - vec2(0.0, GAP));
    let (main, beside) = match editor.side {
        Side::Hidden => (body, None),
        _ => {
            let width = (body.width() * 0.36).clamp(180.0, 420.0);
            let (main, beside) = body.split_left_right_at_x(body.right() - width);
            (Rect::from_min_max(main.min, main.max - vec2(GAP, 0.0)), Some(beside))
        }
    };
    let sounding = match (&editor.growing, position) {
        (None, Some(tick)) => editor.notation.sounding(tick),
        _ => Vec::new(),
    };
    section(ui, palette, main, |ui| {
        if let Some(tick) = sheet(ui, editor, scene, &sounding) {
            shared.seek.store(tick, Ordering::Release);
        }
    });
    if let Some(beside) = beside {
        section(ui, palette, beside, |ui| beside_it(ui, editor, scene, &sounding));
    }
    part(ui, footer, |ui| foot::show(ui, editor, scene));
    desk::settle(ui, editor, shared);
    if let Some((path, wanted)) = editor.chooser.show(ui.ctx()) {
        act_on(ui, editor, shared, path, wanted);
    }
    watch_saving(ui, editor);
}

fn act_on(ui: &Ui, editor: &mut TunesEditor, shared: &TunesShared, path: PathBuf, wanted: Wanted) {
    match wanted {
        Wanted::Open => book::open(ui, editor, shared, &path),
        Wanted::Save(format) => {
            let performance = editor.notation.performance.clone();
            editor.saving = Some(Saving::start(format, path, &editor.text, performance));
        }
        Wanted::Weights => shared.weights.ask(Some(path)),
    }
}

fn keys(ui: &Ui, editor: &mut TunesEditor, shared: &TunesShared) {
    if ui.ctx().egui_wants_keyboard_input() || editor.chooser.is_open() {
        return;
    }
    let pressed = |modifiers, key| ui.input_mut(|input| input.consume_key(modifiers, key));
    if pressed(Modifiers::COMMAND, Key::Z) {
        desk::undo(editor, shared);
    }
    if pressed(Modifiers::COMMAND, Key::O) {
        open(editor);
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
            desk::set_tune(ui, editor, shared, &text, Origin::Edited);
        }
    }
}

/// Asks for a file to open.
fn open(editor: &mut TunesEditor) {
    editor.chooser.open(Wish::open(&["abc", "mid", "midi", "txt"]), Wanted::Open);
}

/// The score or the roll; gives the tick to play from.
fn sheet(
    ui: &mut Ui,
    editor: &mut TunesEditor,
    scene: Scene,
    sounding: &[Range<usize>],
) -> Option<u32> {
    let palette = scene.palette;
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
            let position = scene.position.filter(|_| !writing);
            roll::show(ui, palette, notation, position, zoom, follow).filter(|_| !writing)
        }
    }
}

fn beside_it(ui: &mut Ui, editor: &mut TunesEditor, scene: Scene, sounding: &[Range<usize>]) {
    let palette = scene.palette;
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
                desk::typed(ui, editor);
            }
        }
        Side::Past => {
            if let Some(text) = editor.book.show(ui) {
                desk::set_tune(ui, editor, scene.shared, &text, Origin::Edited);
            }
            let present = editor.number.unwrap_or_default();
            match list::show(ui, palette, &scene.shared.past(), present) {
                Some(Pressed::Hear(tune)) => {
                    desk::set_tune(ui, editor, scene.shared, &tune.abc, tune.origin);
                }
                Some(Pressed::Star(number)) => {
                    scene.shared.star(number);
                    ui.ctx().request_repaint();
                }
                None => {}
            }
        }
        Side::Hidden => {}
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
                Ok(()) => editor.notice.done(ui, format!("Saved {name}")),
                Err(error) => editor.notice.refused(ui, format!("{name}: {error}")),
            }
        }
    }
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
        parts::keep_graphics();
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
        shared.weights.changes(),
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
        EguiNiceSettings::new().with_tile("Earworm Tunes").with_resize_hint(parts::resizable()),
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
