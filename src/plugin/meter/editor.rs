//! Interface: Earworm Meter's window.
//!
//! [`show`] draws one frame from what the engine publishes; it needs no window and no host, so that tests drive it.

mod bars;
mod export;
mod ribbon;
mod spectrogram;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use egui::{Align, Color32, FontId, Layout, Rect, RichText, Sense, Ui, UiBuilder, Vec2, vec2};
use nice_plug::context::gui::GuiContext;
use nice_plug::editor::dpi::LogicalSize;
use nice_plug::editor::{ResizeHint, SizeConstraints};
use nice_plug_egui::baseview::HandlerError;
use nice_plug_egui::{
    EguiEditor, EguiEditorState, EguiNiceSettings, Frame, NiceEguiApp, RepaintNotifier,
};

use super::history::History;
use super::params::{MeterParams, editor_state};
use super::shared::{GENRES, Hearing, MeterShared};
use crate::plugin::controls;
use crate::plugin::files::{Chooser, Wish};
use crate::plugin::theme::{self, DISPLAY, GAP, LARGE, Palette, SMALL};
use crate::plugin::watch::Watch;

/// What the window keeps from frame to frame; none of it is saved with a project.
#[derive(Default)]
pub struct MeterEditor {
    bars: bars::Bars,
    spectrogram: spectrogram::Spectrogram,
    /// What was heard over the last five minutes, as the worker had it when this frame began.
    history: History,
    /// Whether the bars stand in order of probability.
    pub sorted: bool,
    /// Whether what spoke for the genre is drawn over the spectrogram.
    pub evidence: bool,
    /// The picture that a frozen window goes on showing.
    frozen: Option<Frozen>,
    /// What was last done, or why it could not be, and when it is to vanish (egui's clock, seconds).
    notice: Option<(String, bool, f64)>,
    chooser: Chooser<Save>,
}

/// What is shown while frozen.
#[derive(Clone, Debug)]
struct Frozen {
    hearing: Hearing,
    probabilities: [f32; GENRES],
    /// Where the ribbon ends, in seconds of its clock.
    at: f64,
}

/// What a file that is being chosen will hold.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Save {
    Png,
    Csv,
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
    let palette = Palette::of(ui.ctx());
    shared.watched.store(true, Ordering::Relaxed);
    editor.history.clone_from(&shared.history());
    let (hearing, probabilities) = match &editor.frozen {
        Some(frozen) => (frozen.hearing, frozen.probabilities),
        None => (shared.hearing(), shared.shown()),
    };
    if editor.frozen.is_none() {
        let picture = shared.picture();
        editor.spectrogram.take(ui.ctx(), &picture, shared);
    }
    // All of the window, whatever margin the caller left.
    let bounds = ui.ctx().content_rect();
    ui.set_clip_rect(bounds);
    ui.painter().rect_filled(bounds, 0.0, palette.ground);
    let inner = bounds.shrink(GAP);
    let compact = inner.height() < 400.0 || inner.width() < 620.0;
    let header_height = 28.0;
    let footer_height = 22.0;
    let ribbon_height = if compact { 50.0 } else { 76.0 };
    let gap = if compact { 6.0 } else { GAP };
    let (header, rest) = inner.split_top_bottom_at_y(inner.top() + header_height);
    let (rest, footer) = rest.split_top_bottom_at_y(rest.bottom() - footer_height);
    let rest = Rect::from_min_max(rest.min + vec2(0.0, gap), rest.max - vec2(0.0, gap * 0.5));
    let (body, ribbon) = rest.split_top_bottom_at_y(rest.bottom() - ribbon_height);
    let body = Rect::from_min_max(body.min, body.max - vec2(0.0, gap));
    let left_width = (inner.width() * 0.42).clamp(200.0, 380.0);
    let (left, right) = body.split_left_right_at_x(body.left() + left_width);
    let right = Rect::from_min_max(right.min + vec2(gap, 0.0), right.max);

    part(ui, header, |ui| {
        title_bar(ui, editor, params, shared, gui, palette, compact);
    });
    part(ui, left, |ui| {
        section(ui, palette, |ui| {
            reading(ui, palette, hearing, &probabilities, shared, compact);
            ui.add_space(if compact { 0.0 } else { GAP });
            let sure = matches!(hearing, Hearing::Heard | Hearing::Unsure | Hearing::Asleep);
            editor.bars.show(ui, palette, &probabilities, editor.sorted, sure);
        });
    });
    part(ui, right, |ui| {
        section(ui, palette, |ui| {
            editor.spectrogram.show(ui, palette, editor.evidence);
        });
    });
    part(ui, ribbon, |ui| {
        section(ui, palette, |ui| {
            let until = editor.frozen.as_ref().map(|frozen| frozen.at);
            ribbon::show(ui, palette, &editor.history, until);
        });
    });
    part(ui, footer, |ui| {
        foot(ui, editor, params, shared, gui, palette);
    });
    if let Some((path, what)) = editor.chooser.show(ui.ctx()) {
        let done = match what {
            Save::Png => export::png(&editor.history, palette, &path),
            Save::Csv => export::csv(&editor.history, &path),
        };
        let (text, bad) = match done {
            Ok(()) => (format!("Saved {}", path.display()), false),
            Err(error) => (error.to_string(), true),
        };
        notice(ui, editor, text, bad);
    }
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

fn notice(ui: &Ui, editor: &mut MeterEditor, text: String, bad: bool) {
    let until = ui.input(|input| input.time) + if bad { 12.0 } else { 4.0 };
    editor.notice = Some((text, bad, until));
}

fn title_bar(
    ui: &mut Ui,
    editor: &mut MeterEditor,
    params: &MeterParams,
    shared: &MeterShared,
    gui: &GuiContext,
    palette: &Palette,
    compact: bool,
) {
    ui.horizontal_centered(|ui| {
        if !compact {
            theme::wordmark(ui, palette, "Meter");
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if compact {
                ui.menu_button("More", |ui| {
                    reset(ui, editor, shared);
                    copy(ui, editor, shared);
                    save(ui, editor);
                    theme::theme_switch(ui);
                });
            } else {
                theme::theme_switch(ui);
                ui.menu_button("Save", |ui| save(ui, editor));
                copy(ui, editor, shared);
                reset(ui, editor, shared);
            }
            let frozen = editor.frozen.is_some();
            if ui
                .selectable_label(frozen, "Freeze")
                .on_hover_text("Holds the picture; listening goes on. Key: F")
                .clicked()
                || ui.input(|input| input.key_pressed(egui::Key::F))
            {
                editor.frozen = match frozen {
                    true => None,
                    false => Some(Frozen {
                        hearing: shared.hearing(),
                        probabilities: shared.shown(),
                        at: editor.history.now(),
                    }),
                };
            }
            ui.toggle_value(&mut editor.evidence, "Why").on_hover_text(
                "Draws over the spectrogram which bands and moments spoke for the genre.",
            );
            ui.toggle_value(&mut editor.sorted, "Sort")
                .on_hover_text("Puts the most probable genre on top; off: a fixed order.");
            let bypass = params.bypass.value();
            let mut off = bypass;
            let response = ui
                .toggle_value(&mut off, "Bypass")
                .on_hover_text("Stops listening. The audio passes unchanged either way.");
            if response.changed() {
                controls::set(gui, &params.bypass, off);
            }
        });
    });
}

fn save(ui: &mut Ui, editor: &mut MeterEditor) {
    let picture = ui.button("Picture (PNG)…").on_hover_text("The last five minutes as a chart.");
    if picture.clicked() {
        editor.chooser.open(Wish::save("earworm-meter", "png"), Save::Png);
        ui.close();
    }
    let table = ui
        .button("Table (CSV)…")
        .on_hover_text("Time in seconds and the probability of each genre, a reading a line.");
    if table.clicked() {
        editor.chooser.open(Wish::save("earworm-meter", "csv"), Save::Csv);
        ui.close();
    }
}

fn copy(ui: &mut Ui, editor: &mut MeterEditor, shared: &MeterShared) {
    let button = ui.button("Copy").on_hover_text("Copies the reading as text.");
    if button.clicked() {
        let probabilities = match &editor.frozen {
            Some(frozen) => frozen.probabilities,
            None => shared.probabilities(),
        };
        ui.ctx().copy_text(export::text(&probabilities));
        notice(ui, editor, "Copied the reading".to_owned(), false);
    }
}

fn reset(ui: &mut Ui, editor: &mut MeterEditor, shared: &MeterShared) {
    let button = ui
        .button("Reset")
        .on_hover_text("Forgets what was heard, the last five minutes too, and listens afresh.");
    if button.clicked() {
        shared.request_reset();
        editor.history.clear();
        editor.frozen = None;
    }
}

/// The genre now, large, and how sure.
fn reading(
    ui: &mut Ui,
    palette: &Palette,
    hearing: Hearing,
    probabilities: &[f32; GENRES],
    shared: &MeterShared,
    compact: bool,
) {
    let size = if compact { 26.0 } else { DISPLAY };
    let best = most_probable(probabilities);
    let p = probabilities[best];
    let any = p > 0.0;
    let (headline, colour, detail) = match hearing {
        Hearing::Heard => {
            (genre_name(best).to_owned(), palette.text, format!("{:.0} % sure", p * 100.0))
        }
        Hearing::Unsure => {
            let mut rest = *probabilities;
            rest[best] = -1.0;
            let second = most_probable(&rest);
            (
                "Unsure".to_owned(),
                palette.weak,
                format!(
                    "{} {:.0} %, {} {:.0} %",
                    genre_name(best),
                    p * 100.0,
                    genre_name(second),
                    rest[second] * 100.0
                ),
            )
        }
        Hearing::Listening => {
            ("Listening".to_owned(), palette.weak, "A few seconds of music are needed".to_owned())
        }
        Hearing::Silence => {
            ("Silence".to_owned(), palette.weak, "Nothing to hear at the input".to_owned())
        }
        Hearing::Failed => (
            "Failed".to_owned(),
            palette.error,
            shared
                .fault()
                .unwrap_or_else(|| "the worker stopped; the audio still passes".to_owned()),
        ),
        Hearing::Asleep if any => (
            genre_name(best).to_owned(),
            palette.weak,
            format!("{:.0} %, heard before; not listening now", p * 100.0),
        ),
        Hearing::Asleep => (
            "Asleep".to_owned(),
            palette.weak,
            "Not listening: start playback, or end bypass".to_owned(),
        ),
    };
    let height = size * 1.15;
    let short = compact && hearing != Hearing::Failed;
    ui.horizontal(|ui| {
        ui.set_min_height(height);
        ui.spacing_mut().item_spacing.x = GAP;
        let dot =
            if hearing == Hearing::Heard { theme::genre(palette, best) } else { palette.line };
        let (rect, _) = ui.allocate_exact_size(vec2(6.0, height * 0.8), Sense::hover());
        ui.painter().rect_filled(rect, 3.0, dot);
        let text =
            RichText::new(&headline).font(FontId::new(size, theme::semibold())).color(colour);
        if short {
            // In a low window how sure stands beside the name, to leave the bars their room.
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if hearing == Hearing::Heard {
                    let sure = RichText::new(format!("{:.0} %", p * 100.0)).size(LARGE);
                    ui.label(sure.color(palette.weak));
                }
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    ui.add(egui::Label::new(text).truncate()).on_hover_text(&detail);
                });
            });
        } else {
            ui.add(egui::Label::new(text).truncate());
        }
    });
    if short {
        return;
    }
    let colour = match hearing {
        Hearing::Failed => palette.error,
        _ => palette.weak,
    };
    let detail =
        RichText::new(detail).size(if compact { SMALL + 1.0 } else { LARGE - 2.0 }).color(colour);
    let label = egui::Label::new(detail);
    match hearing {
        Hearing::Failed => ui.add(label.wrap()),
        _ => ui.add(label.truncate()),
    };
}

fn foot(
    ui: &mut Ui,
    editor: &mut MeterEditor,
    params: &MeterParams,
    shared: &MeterShared,
    gui: &GuiContext,
    palette: &Palette,
) {
    ui.spacing_mut().interact_size.y = 20.0;
    ui.spacing_mut().button_padding.y = 1.0;
    ui.horizontal_centered(|ui| {
        ui.spacing_mut().item_spacing.x = 5.0;
        controls::caption(ui, "Window");
        let help = "how many seconds of the mix a reading is made from.";
        controls::float(ui, gui, &params.window, 0.05, help);
        ui.add_space(4.0);
        controls::caption(ui, "Response");
        let help = "how long the bars take to follow, in seconds (63 % of the way).";
        controls::float(ui, gui, &params.response, 0.01, help);
        let now = ui.input(|input| input.time);
        if editor.notice.as_ref().is_some_and(|(_, _, until)| *until <= now) {
            editor.notice = None;
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if let Some((text, bad, until)) = &editor.notice {
                let colour = if *bad { palette.error } else { palette.good };
                let text = RichText::new(text).size(SMALL).color(colour);
                ui.add(egui::Label::new(text).truncate());
                ui.ctx()
                    .request_repaint_after(std::time::Duration::from_secs_f64(until - now));
                return;
            }
            let dropped = shared.dropped_frames.load(Ordering::Relaxed);
            let load = shared.load.load(Ordering::Relaxed);
            let rate = shared.sample_rate.load(Ordering::Relaxed);
            let colour: Color32 = if dropped > 0 { palette.warning } else { palette.weak };
            let mut text = format!("{dropped} dropped · worker {:.1} %", load * 100.0);
            if rate > 0.0 && ui.available_width() > 210.0 {
                text.push_str(&format!(" · {} kHz", rate / 1000.0));
            }
            ui.add(egui::Label::new(RichText::new(text).size(SMALL).color(colour)).truncate())
                .on_hover_text(
                    "Frames that the worker could not take in time, the share of real time that it works for this \
                     instance (%), and the host's sample rate.",
                );
        });
    });
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
        EguiNiceSettings::new().with_tile("Earworm Meter").with_resize_hint(resizable()),
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

/// Any size from 480 × 320 logical pixels.
pub(crate) fn resizable() -> ResizeHint {
    ResizeHint {
        can_resize: true,
        can_resize_horizontally: true,
        can_resize_vertically: true,
        preserve_aspect_ratio: false,
        size_constraints: SizeConstraints::Logical {
            min_size: Some(LogicalSize::new(480.0, 320.0)),
            max_size: None,
        },
        ..ResizeHint::default()
    }
}
