//! Interface: Earworm Meter's window.
//!
//! [`show`] draws one frame from what the engine publishes; it needs no window and no host, so that tests drive it.

mod bars;
mod export;
mod foot;
mod reading;
mod ribbon;
mod spectrogram;
mod title;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use egui::{Rect, Ui, vec2};
use nice_plug::context::gui::GuiContext;
use nice_plug_egui::baseview::HandlerError;
use nice_plug_egui::{
    EguiEditor, EguiEditorState, EguiNiceSettings, Frame, NiceEguiApp, RepaintNotifier,
};

use super::history::History;
use super::params::{MeterParams, editor_state};
use super::shared::{GENRES, Hearing, MeterShared};
use crate::files::Chooser;
use crate::parts::{self, FOOTER, Notice, TITLE_BAR, part, section};
use crate::theme::{self, GAP, Palette};
use crate::watch::Watch;

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
    const NAMES: [&str; GENRES] = [
        "Blues",
        "Classical",
        "Country",
        "Disco",
        "Hip-hop",
        "Jazz",
        "Metal",
        "Pop",
        "Reggae",
        "Rock",
        "Electronic",
        "Folk",
    ];
    NAMES.get(index).copied().unwrap_or("?")
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
    if !ui.ctx().egui_wants_keyboard_input()
        && !editor.chooser.is_open()
        && ui.input(|input| input.key_pressed(egui::Key::F))
    {
        freeze(editor, shared);
    }
    if editor.frozen.is_none() {
        editor.history.clone_from(&shared.history());
        editor.spectrogram.take(ui.ctx(), &shared.picture(), shared);
        shared.watched.store(true, Ordering::Relaxed);
    }
    let (hearing, probabilities) = match &editor.frozen {
        Some(frozen) => (frozen.hearing, frozen.probabilities),
        None => (shared.hearing(), shared.shown()),
    };
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
    section(ui, palette, right, |ui| editor.spectrogram.show(ui, palette, editor.evidence));
    section(ui, palette, ribbon, |ui| ribbon::show(ui, palette, &editor.history));
    part(ui, footer, |ui| foot::show(ui, editor, scene));
    if let Some((path, wanted)) = editor.chooser.show(ui.ctx()) {
        act_on(ui, editor, scene, &path, wanted);
    }
}

fn act_on(ui: &Ui, editor: &mut MeterEditor, scene: Scene, path: &Path, wanted: Wanted) {
    let done = match wanted {
        Wanted::Png => export::png(&editor.history, scene.palette, path),
        Wanted::Csv => export::csv(&editor.history, path),
        Wanted::Weights => return scene.shared.weights.ask(Some(path.to_owned())),
    };
    match done {
        Ok(()) => editor.notice.done(ui, format!("Saved {}", path.display())),
        Err(error) => editor.notice.refused(ui, error.to_string()),
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
    editor: MeterEditor,
    gui: Option<GuiContext>,
}

impl NiceEguiApp for MeterApp {
    fn build(
        &mut self,
        context: egui::Context,
        gui: GuiContext,
        _frame: &mut Frame,
    ) -> Result<(), HandlerError> {
        parts::keep_graphics();
        theme::install(&context);
        self.gui = Some(gui);
        // Textures belong to the context of a window that is gone.
        self.editor.spectrogram = Default::default();
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
    for p in shared.shown() {
        mix = mix.rotate_left(7) ^ u64::from(p.to_bits());
    }
    mix
}

/// The Meter's editor.
pub fn editor(params: Arc<MeterParams>, shared: Arc<MeterShared>) -> Option<EguiEditor<MeterApp>> {
    let state = editor_state();
    let notifier = RepaintNotifier::default();
    nice_plug_egui::create_egui_editor(
        state.clone(),
        notifier.clone(),
        EguiNiceSettings::new().with_tile("Earworm Meter").with_resize_hint(parts::resizable()),
        MeterApp {
            params,
            shared,
            state,
            notifier,
            watch: Watch::default(),
            editor: MeterEditor::default(),
            gui: None,
        },
    )
}
