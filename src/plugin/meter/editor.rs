//! Interface: Earworm Meter's window.
//!
//! [`show`] draws one frame from what the engine publishes; it needs no window and no host, so that tests drive it.

mod bars;
mod export;
mod foot;
mod loudness;
mod reading;
mod ribbon;
mod spectrogram;
mod title;

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use egui::{Rect, Ui, vec2};
use nice_plug::context::gui::GuiContext;
use nice_plug::plugin::TrackInfo;
use nice_plug_egui::baseview::{HandlerError, WindowSize};
use nice_plug_egui::{EguiEditorState, EguiNiceSettings, Frame, NiceEguiApp, RepaintNotifier};

use super::history::History;
use super::params::{MeterParams, SIZE};
use super::shared::{GENRES, Hearing, MeterShared};
use crate::controls;
use crate::embedding::Embedding;
use crate::files::Chooser;
use crate::parts::{self, FOOTER, Notice, TITLE_BAR, part, section};
use crate::presets::{Compare, Preset};
use crate::remembered::MeterView;
use crate::theme::{self, GAP, Palette};
use crate::watch::Watch;
use crate::window::{self, Window};

/// Settings that go together.
pub const PRESETS: [Preset; 3] = [
    Preset {
        name: "Quick",
        help: "Follows a change within seconds.",
        values: &[("window", "5 s"), ("response", "0.3 s")],
    },
    Preset {
        name: "Usual",
        help: "A verse at a time.",
        values: &[("window", "15 s"), ("response", "1 s")],
    },
    Preset {
        name: "Steady",
        help: "Half a minute at a time, and no hurry.",
        values: &[("window", "30 s"), ("response", "4 s")],
    },
];

/// What the window keeps from frame to frame; none of it is saved with a project.
#[derive(Default)]
pub struct MeterEditor {
    bars: bars::Bars,
    spectrogram: spectrogram::Spectrogram,
    /// What was heard over the last five minutes, as the worker had it when this frame began, or when it was frozen.
    history: History,
    /// Whether the bars stand in order of probability.
    pub sorted: bool,
    /// Whether what spoke for the genre is drawn over the spectrogram.
    pub evidence: bool,
    /// What a frozen window goes on showing.
    frozen: Option<Frozen>,
    /// The two sets of settings.
    compare: Compare,
    /// The track that the host says it stands on.
    pub track: String,
    /// What the project keeps of the window, as it was when both were last alike.
    kept: Option<MeterView>,
    notice: Notice,
    chooser: Chooser<Wanted>,
}

/// What is shown while frozen.
#[derive(Clone, Debug)]
struct Frozen {
    hearing: Hearing,
    probabilities: [f32; GENRES],
}

/// What a file is chosen for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wanted {
    Png,
    Csv,
    Weights,
}

/// What the parts of the window need to draw themselves.
#[derive(Clone, Copy)]
struct Scene<'a> {
    params: &'a MeterParams,
    shared: &'a MeterShared,
    gui: &'a GuiContext,
    palette: &'static Palette,
    /// Whether there is little room.
    compact: bool,
    hearing: Hearing,
    /// As the bars show them.
    probabilities: &'a [f32; GENRES],
}

/// The name of a genre as it is shown.
pub fn genre_name(index: usize) -> &'static str {
    static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
        let shown = |name: &&str| match *name {
            "hiphop" => "Hip-hop".to_owned(),
            name => {
                let mut letters = name.chars();
                let first = letters.next().map(|first| first.to_ascii_uppercase());
                first.into_iter().chain(letters).collect()
            }
        };
        earworm_genre::GENRES.iter().map(shown).collect()
    });
    NAMES.get(index).map_or("?", String::as_str)
}

/// A probability as it is shown, the same wherever it is.
fn percent(p: f32) -> String {
    format!("{:.0} %", f64::from(p) * 100.0)
}

/// The index of the greatest probability.
pub fn most_probable(probabilities: &[f32; GENRES]) -> usize {
    let order = |a: &(usize, &f32), b: &(usize, &f32)| a.1.total_cmp(b.1).then(b.0.cmp(&a.0));
    probabilities.iter().enumerate().max_by(order).map_or(0, |(index, _)| index)
}

/// Draws the Meter.
pub fn show(
    ui: &mut Ui,
    editor: &mut MeterEditor,
    params: &MeterParams,
    shared: &MeterShared,
    gui: &GuiContext,
) {
    params.theme.show_in(ui.ctx());
    let palette = Palette::of(ui.ctx());
    keep_view(editor, params);
    if !ui.ctx().text_edit_focused()
        && !editor.chooser.is_open()
        && ui.input(|input| input.key_pressed(egui::Key::F))
    {
        freeze(editor, shared);
    }
    if editor.frozen.is_none() {
        editor.history.clone_from(&shared.history());
        editor.spectrogram.take(ui.ctx(), &shared.picture(), shared, params.view.get().colours);
        shared.watched.store(true, Ordering::Relaxed);
    }
    let (hearing, probabilities) = match &editor.frozen {
        Some(frozen) => (frozen.hearing, frozen.probabilities),
        None => (shared.hearing(), shared.shown()),
    };
    let mean = shared.integrated().filter(|_| params.view.get().integrated);
    let probabilities = mean.map_or(probabilities, |(mean, _)| mean);
    // All of the window, whatever margin the caller left.
    let bounds = ui.ctx().content_rect();
    ui.set_clip_rect(bounds);
    ui.painter().rect_filled(bounds, 0.0, palette.ground);
    let inner = bounds.shrink(GAP);
    let compact = inner.height() < 400.0 || inner.width() < 620.0;
    let probabilities = &probabilities;
    let scene = Scene { params, shared, gui, palette, compact, hearing, probabilities };
    let gap = if compact { 6.0 } else { GAP };
    let ribbon_height = match inner.height() {
        height if height < 400.0 => 54.0,
        height => (height * 0.18).clamp(76.0, 120.0),
    };
    let (header, rest) = inner.split_top_bottom_at_y(inner.top() + TITLE_BAR);
    let (rest, footer) = rest.split_top_bottom_at_y(rest.bottom() - FOOTER);
    let rest = Rect::from_min_max(rest.min + vec2(0.0, gap), rest.max - vec2(0.0, gap));
    let (body, ribbon) = rest.split_top_bottom_at_y(rest.bottom() - ribbon_height);
    let body = Rect::from_min_max(body.min, body.max - vec2(0.0, gap));
    let left_width = (inner.width() * 0.42).clamp(200.0, 380.0);
    let (left, right) = body.split_left_right_at_x(body.left() + left_width);
    let right = Rect::from_min_max(right.min + vec2(gap, 0.0), right.max);

    part(ui, header, |ui| title::show(ui, editor, scene));
    section(ui, palette, left, |ui| {
        reading::show(ui, scene);
        let sure = matches!(hearing, Hearing::Heard | Hearing::Unsure | Hearing::Asleep);
        editor.bars.show(ui, palette, probabilities, editor.sorted, sure);
    });
    section(ui, palette, right, |ui| {
        loudness::show(ui, scene);
        editor.spectrogram.show(ui, palette, editor.evidence);
    });
    section(ui, palette, ribbon, |ui| ribbon::show(ui, palette, &editor.history));
    part(ui, footer, |ui| foot::show(ui, editor, scene));
    if let Some(told) = controls::refused(ui) {
        editor.notice.refused(ui, told);
    }
    if let Some((path, wanted)) = editor.chooser.show(ui.ctx()) {
        act_on(ui, editor, scene, &path, wanted);
    }
}

fn act_on(ui: &Ui, editor: &mut MeterEditor, scene: Scene, path: &Path, wanted: Wanted) {
    let done = match wanted {
        Wanted::Png => export::png(&editor.history, scene.palette, &editor.track, path),
        Wanted::Csv => export::csv(&editor.history, path),
        Wanted::Weights => return scene.shared.weights.ask(Some(path.to_owned())),
    };
    match done {
        Ok(()) => editor.notice.done(ui, format!("Saved {}", path.display())),
        // The dialogue asks again, so that another place can be named.
        Err(error) => editor.chooser.refuse(error.to_string()),
    }
}

/// Keeps the window and what the project remembers of it alike, whichever changed.
fn keep_view(editor: &mut MeterEditor, params: &MeterParams) {
    let saved = params.view.get();
    if editor.kept.as_ref() != Some(&saved) {
        // The first frame of a window that nobody has changed yet leaves it as its maker had it.
        if editor.kept.is_some() || saved != MeterView::default() {
            editor.sorted = saved.sorted;
            editor.evidence = saved.evidence;
        }
        editor.kept = Some(saved);
    } else if (editor.sorted, editor.evidence) != (saved.sorted, saved.evidence) {
        let now = MeterView { sorted: editor.sorted, evidence: editor.evidence, ..saved };
        params.view.set(now.clone());
        editor.kept = Some(now);
    }
}

/// Holds the picture, or lets it go.
fn freeze(editor: &mut MeterEditor, shared: &MeterShared) {
    editor.frozen = match editor.frozen {
        Some(_) => None,
        None => Some(Frozen { hearing: shared.hearing(), probabilities: shared.shown() }),
    };
}

/// The window's application.
pub struct MeterApp {
    /// The Meter's parameters.
    pub params: Arc<MeterParams>,
    /// What the engine publishes.
    pub shared: Arc<MeterShared>,
    state: Arc<EguiEditorState>,
    notifier: RepaintNotifier,
    watch: Watch,
    editor: Arc<Mutex<MeterEditor>>,
    gui: Option<GuiContext>,
    embedding: Embedding,
}

impl NiceEguiApp for MeterApp {
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
        // Textures belong to the context of a window that is gone.
        lock(&self.editor).spectrogram = Default::default();
        let shared = Arc::downgrade(&self.shared);
        self.watch.begin(self.state.clone(), self.notifier.clone(), move || {
            shared.upgrade().map_or(0, |shared| signature(&shared))
        });
        Ok(())
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut Frame) {
        if let Some(gui) = &self.gui {
            show(ui, &mut lock(&self.editor), &self.params, &self.shared, gui);
        }
        let asks = lock(&self.editor).chooser.is_open();
        self.embedding.settle(ui.ctx(), asks);
    }

    fn resized(&mut self, size: WindowSize) {
        window::remember(size, &self.state, SIZE, |size| {
            self.params.view.change(|view| view.size = size);
        });
    }

    fn track_info_changed(&mut self, info: TrackInfo) {
        info.name().clone_into(&mut lock(&self.editor).track);
    }
}

fn lock(editor: &Mutex<MeterEditor>) -> MutexGuard<'_, MeterEditor> {
    editor.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number that changes with everything the window shows.
fn signature(shared: &MeterShared) -> u64 {
    let mut mix = shared.heard_frames.load(Ordering::Relaxed);
    for part in [
        u64::from(shared.readings.load(Ordering::Relaxed)),
        shared.dropped_frames.load(Ordering::Relaxed),
        shared.hearing() as u64,
        shared.weights.changes(),
    ] {
        mix = mix.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(part);
    }
    mix = mix.wrapping_add(u64::from(shared.loudness.momentary.load(Ordering::Relaxed).to_bits()));
    for p in shared.shown() {
        mix = mix.rotate_left(7) ^ u64::from(p.to_bits());
    }
    mix
}

/// The Meter's editor.
pub fn editor(params: Arc<MeterParams>, shared: Arc<MeterShared>) -> Option<Window<MeterApp>> {
    let editor = Arc::new(Mutex::new(MeterEditor::default()));
    let remembered = params.clone();
    let remembers = move || remembered.view.get().size.unwrap_or(SIZE);
    Window::new(remembers, move |state, notifier| {
        let app = MeterApp {
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
            EguiNiceSettings::new().with_tile("Earworm Meter").with_resize_hint(parts::resizable());
        nice_plug_egui::create_egui_editor(state, notifier, settings, app)
    })
}
