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
mod transport;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use egui::{Key, Modifiers, Rect, Ui, vec2};
use nice_plug::context::PluginApi;
use nice_plug::context::gui::GuiContext;
use nice_plug::plugin::TrackInfo;
use nice_plug_egui::baseview::{HandlerError, WindowSize};
use nice_plug_egui::{EguiEditorState, EguiNiceSettings, Frame, NiceEguiApp, RepaintNotifier};

use self::book::Book;
use self::export::{Format, Saving};
use self::list::Pressed;
use self::notation::Notation;
use super::params::{SIZE, TunesParams};
use super::shared::{Command, NOWHERE, Origin, TunesShared};
use crate::controls;
use crate::embedding::Embedding;
use crate::files::{Chooser, Wish};
use crate::parts::{self, FOOTER, Notice, TITLE_BAR, part, section};
use crate::presets::{Compare, Preset};
use crate::remembered::{SavedSide, TunesView};
use crate::theme::{self, GAP, Palette};
use crate::watch::Watch;
use crate::window::{self, Window};

/// Settings that go together.
pub const PRESETS: [Preset; 6] = [
    Preset {
        name: "Session reel",
        help: "A reel in D as sessions play it.",
        values: &[
            ("style", "Reel"),
            ("key", "D"),
            ("mode", "Major"),
            ("bars", "16"),
            ("swing", "54 %"),
        ],
    },
    Preset {
        name: "Jig in G",
        help: "Two strains of eight bars.",
        values: &[
            ("style", "Jig"),
            ("key", "G"),
            ("mode", "Major"),
            ("bars", "16"),
            ("swing", "50 %"),
        ],
    },
    Preset {
        name: "Swung hornpipe",
        help: "Quavers in threes.",
        values: &[
            ("style", "Hornpipe"),
            ("key", "A"),
            ("mode", "Major"),
            ("bars", "16"),
            ("swing", "66 %"),
        ],
    },
    Preset {
        name: "Minor waltz",
        help: "In E minor, held and soft.",
        values: &[
            ("style", "Waltz"),
            ("key", "E"),
            ("mode", "Minor"),
            ("bars", "32"),
            ("gate", "100 %"),
            ("velocity", "80 %"),
            ("swing", "50 %"),
        ],
    },
    Preset {
        name: "Slow air",
        help: "In D dorian, three quarters as fast, with a free hand.",
        values: &[
            ("style", "Air"),
            ("key", "D"),
            ("mode", "Dorian"),
            ("bars", "16"),
            ("speed", "75 %"),
            ("gate", "100 %"),
            ("timing-variation", "12 ms"),
            ("velocity-variation", "25 %"),
            ("swing", "50 %"),
        ],
    },
    Preset {
        name: "To practise",
        help: "Slowly and evenly.",
        values: &[
            ("speed", "60 %"),
            ("swing", "50 %"),
            ("timing-variation", "0 ms"),
            ("velocity-variation", "0 %"),
            ("play", "Free running"),
        ],
    },
];

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
    /// Whether the list shows the opened book, and not the last tunes.
    shows_book: bool,
    /// What the last tunes are searched for.
    search: String,
    /// The two sets of settings.
    compare: Compare,
    /// What the project keeps of the window, as it was when both were last alike.
    kept: Option<TunesView>,
    /// The bars that are played round and round, as numbers in the window.
    bars: transport::Bars,
    /// The cursor in the text, in bytes; where a part is marked, from where to where.
    marked: Option<Range<usize>>,
    /// What a tune is asked for with, and when that last changed.
    asked: Option<(settings::Asked, Option<f64>)>,
    /// The track that the host says it stands on.
    pub track: String,
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
            shows_book: false,
            search: String::new(),
            compare: Compare::default(),
            kept: None,
            bars: transport::Bars::default(),
            marked: None,
            asked: None,
            track: String::new(),
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
    /// Whether there is room in the footer for more than the most needed.
    roomy: bool,
    /// The tick that sounds.
    position: Option<u32>,
    /// Whether the window is the program's own, so that no host starts and stops the tune.
    standalone: bool,
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
    keep_view(editor, params, shared);
    desk::follow(editor, shared);
    book::take_drop(ui, editor, shared);
    book::watch(ui, editor, shared);
    let standalone = gui.plugin_api() == PluginApi::Standalone;
    keys(ui, editor, shared, standalone);
    settings::rewrite(ui, editor, params, shared);

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
    let roomy = inner.width() >= 860.0;
    let scene = Scene { params, shared, gui, palette, compact, roomy, position, standalone };
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
            play_from(shared, tick, standalone);
        }
    });
    if let Some(beside) = beside {
        section(ui, palette, beside, |ui| beside_it(ui, editor, scene, &sounding));
    }
    part(ui, footer, |ui| foot::show(ui, editor, scene));
    desk::settle(ui, editor, shared);
    if let Some(told) = controls::refused(ui) {
        editor.notice.refused(ui, told);
    }
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

/// Plays from a tick on, where no host says from where.
fn play_from(shared: &TunesShared, tick: u32, standalone: bool) {
    shared.seek.store(tick, Ordering::Release);
    if standalone {
        shared.rolling.store(true, Ordering::Release);
    }
}

/// Keeps the window and what the project remembers of it alike, whichever changed.
fn keep_view(editor: &mut TunesEditor, params: &TunesParams, shared: &TunesShared) {
    let saved = params.view.get();
    if editor.kept.as_ref() != Some(&saved) {
        // The first frame of a window that nobody has changed yet leaves it as its maker had it.
        if editor.kept.is_some() || saved != TunesView::default() {
            editor.view = if saved.roll { View::Roll } else { View::Score };
            editor.side = match saved.side {
                SavedSide::Text => Side::Text,
                SavedSide::Tunes => Side::Past,
                SavedSide::Hidden => Side::Hidden,
            };
            editor.zoom = saved.zoom.unwrap_or(1.0);
            shared.metronome.store(saved.metronome, Ordering::Relaxed);
            shared.count_in.store(saved.count_in, Ordering::Relaxed);
        }
        editor.kept = Some(saved);
        return;
    }
    let now = TunesView {
        roll: editor.view == View::Roll,
        side: match editor.side {
            Side::Text => SavedSide::Text,
            Side::Past => SavedSide::Tunes,
            Side::Hidden => SavedSide::Hidden,
        },
        zoom: (editor.zoom != 1.0).then_some(editor.zoom),
        metronome: shared.metronome.load(Ordering::Relaxed),
        count_in: shared.count_in.load(Ordering::Relaxed),
        ..saved.clone()
    };
    if now != saved {
        params.view.set(now.clone());
        editor.kept = Some(now);
    }
}

fn keys(ui: &Ui, editor: &mut TunesEditor, shared: &TunesShared, standalone: bool) {
    if editor.chooser.is_open() {
        return;
    }
    let pressed = |modifiers, key| ui.input_mut(|input| input.consume_key(modifiers, key));
    // These mean nothing in a text, so that they do the same wherever the keyboard is.
    if pressed(Modifiers::COMMAND, Key::O) {
        open(editor);
    }
    if pressed(Modifiers::COMMAND, Key::S) {
        save_as(editor, Format::Abc);
    }
    if pressed(Modifiers::COMMAND, Key::G) {
        shared.command(Command::Generate);
    }
    if pressed(Modifiers::COMMAND, Key::Enter)
        && let Some(marked) = &editor.marked
        && let Some(tick) = editor.notation.tick_of(&(marked.start..marked.start + 1))
    {
        play_from(shared, tick, standalone);
    }
    if ui.ctx().text_edit_focused() {
        return;
    }
    // The longer first: the other would take it too.
    let shifted = Modifiers::COMMAND | Modifiers::SHIFT;
    if pressed(shifted, Key::Z) || pressed(Modifiers::COMMAND, Key::Y) {
        desk::redo(ui, editor, shared);
    }
    if pressed(Modifiers::COMMAND, Key::Z) {
        desk::undo(ui, editor, shared);
    }
    if standalone && ui.memory(|memory| memory.focused().is_none()) {
        if pressed(Modifiers::NONE, Key::Space) {
            shared.rolling.fetch_xor(true, Ordering::AcqRel);
        }
        if pressed(Modifiers::NONE, Key::Home) {
            shared.seek.store(0, Ordering::Release);
        }
    }
    for event in ui.input(|input| input.events.clone()) {
        // A tune pasted anywhere outside the text field is the next tune.
        let (egui::Event::Paste(text) | egui::Event::Text(text)) = event else {
            continue;
        };
        if text.lines().any(|line| line.starts_with("K:")) {
            desk::set_tune(ui, editor, shared, &text, Origin::Pasted);
        }
    }
}

/// Asks for a file to open.
fn open(editor: &mut TunesEditor) {
    let wish = Wish::open(&["abc", "mid", "midi", "txt"]).or_a_folder();
    editor.chooser.open(wish, Wanted::Open);
}

/// Asks where the tune is to be saved.
fn save_as(editor: &mut TunesEditor, format: Format) {
    let wish = Wish::save(&editor.notation.performance.title, format.extension());
    editor.chooser.open(wish, Wanted::Save(format));
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
            editor.marked = text::marked(ui, &text).or(editor.marked.take());
            editor.text = text;
            if changed {
                desk::typed(ui, editor);
            }
        }
        Side::Past => {
            if !editor.book.is_empty() {
                let book = editor.book.label();
                let lists = [
                    (false, "Last", "The last tunes with their seeds."),
                    (true, book.as_str(), "The tunes of what was opened."),
                ];
                if let Some(book) = parts::segments(ui, palette, editor.shows_book, &lists) {
                    editor.shows_book = book;
                }
                if editor.shows_book {
                    let present = std::mem::take(&mut editor.text);
                    let chosen = editor.book.show(ui, palette, &present);
                    editor.text = present;
                    if let Some(text) = chosen {
                        desk::set_tune(ui, editor, scene.shared, &text, Origin::Opened);
                    }
                    return;
                }
            }
            let present = editor.number.unwrap_or_default();
            let past = scene.shared.past();
            match list::show(ui, palette, &past, present, &mut editor.search) {
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
                // The dialogue asks again, so that another place can be named.
                Err(error) => editor.chooser.refuse(format!("{name}: {error}")),
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
    editor: Arc<Mutex<TunesEditor>>,
    gui: Option<GuiContext>,
    embedding: Embedding,
}

impl NiceEguiApp for TunesApp {
    fn build(
        &mut self,
        context: egui::Context,
        gui: GuiContext,
        frame: &mut Frame,
    ) -> Result<(), HandlerError> {
        parts::keep_graphics();
        self.embedding = Embedding::of(frame.baseview_window());
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
            let mut editor = self.editor.lock().unwrap_or_else(PoisonError::into_inner);
            show(ui, &mut editor, &self.params, &self.shared, gui);
            let asks = editor.chooser.is_open();
            drop(editor);
            self.embedding.settle(ui.ctx(), asks);
        }
    }

    fn resized(&mut self, size: WindowSize) {
        window::remember(size, &self.state, SIZE, |size| {
            self.params.view.change(|view| view.size = size);
        });
    }

    fn track_info_changed(&mut self, info: TrackInfo) {
        let mut editor = self.editor.lock().unwrap_or_else(PoisonError::into_inner);
        info.name().clone_into(&mut editor.track);
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
        u64::from(shared.rolling.load(Ordering::Relaxed)),
        shared.weights.changes(),
    ] {
        mix = mix.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(part);
    }
    mix
}

/// The editor of Tunes.
pub fn editor(params: Arc<TunesParams>, shared: Arc<TunesShared>) -> Option<Window<TunesApp>> {
    let editor = Arc::new(Mutex::new(TunesEditor::default()));
    let remembered = params.clone();
    let remembers = move || remembered.view.get().size.unwrap_or(SIZE);
    Window::new(remembers, move |state, notifier| {
        let app = TunesApp {
            params: params.clone(),
            shared: shared.clone(),
            state: state.clone(),
            notifier: notifier.clone(),
            watch: Watch::default(),
            editor: editor.clone(),
            gui: None,
            embedding: Embedding::default(),
        };
        let settings =
            EguiNiceSettings::new().with_tile("Earworm Tunes").with_resize_hint(parts::resizable());
        nice_plug_egui::create_egui_editor(state, notifier, settings, app)
    })
}
