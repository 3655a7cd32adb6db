//! Interface: what a frame of each editor costs the CPU at 1200 × 800, layout and tessellation, beside a frame of egui
//! with nothing in it. `cargo xtask bench` runs it.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use earworm_plugin::meter::editor::{MeterEditor, show as show_meter};
use earworm_plugin::meter::params::MeterParams;
use earworm_plugin::meter::shared::{BANDS, COLUMNS, GENRES, Hearing, MeterShared};
use earworm_plugin::theme;
use earworm_plugin::tunes::editor::{Side, TunesEditor, View, show as show_tunes};
use earworm_plugin::tunes::params::TunesParams;
use earworm_plugin::tunes::shared::{Origin, TunesShared, Writing};
use nice_plug::context::PluginApi;
use nice_plug::context::gui::{GuiContext, GuiContextInner};
use nice_plug::params::internals::ParamPtr;
use nice_plug::plugin::PluginState;

/// Frames that are timed; the first ones fill caches and are not counted.
const FRAMES: usize = 200;
const WARM_UP: usize = 20;
/// The most that a frame may cost, in milliseconds.
const LIMIT: f64 = 4.0;

/// A host that hears nothing of what an editor asks for.
struct Deaf;

impl GuiContextInner for Deaf {
    fn plugin_api(&self) -> PluginApi {
        PluginApi::Standalone
    }
    unsafe fn raw_begin_set_parameter(&self, _: ParamPtr) {}
    unsafe fn raw_set_parameter_normalized(&self, _: ParamPtr, _: f32) {}
    unsafe fn raw_end_set_parameter(&self, _: ParamPtr) {}
    fn get_state(&self) -> PluginState {
        PluginState {
            version: String::new(),
            params: Default::default(),
            fields: Default::default(),
        }
    }
    fn set_state(&self, _: PluginState) {}
    fn request_restart(&self) {}
}

/// Time of this thread on a processor, in milliseconds.
#[cfg(target_os = "linux")]
fn now() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on every Linux, and `time` is the caller's own.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

/// Time on the clock, in milliseconds.
#[cfg(not(target_os = "linux"))]
fn now() -> f64 {
    use std::sync::LazyLock;
    use std::time::Instant;
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGAN.elapsed().as_secs_f64() * 1e3
}

/// Middle and 95th of a hundred of the frames' costs, in milliseconds.
fn frames(mut draw: impl FnMut(&mut egui::Ui, usize)) -> (f64, f64) {
    let context = egui::Context::default();
    theme::install(&context);
    let size = egui::vec2(1200.0, 800.0);
    let mut costs = Vec::with_capacity(FRAMES);
    for frame in 0..WARM_UP + FRAMES {
        let input = egui::RawInput {
            screen_rect: Some(egui::Rect::from_min_size(egui::Pos2::ZERO, size)),
            time: Some(frame as f64 / 60.0),
            ..Default::default()
        };
        let began = now();
        let mut output = context.run_ui(input, |ui| draw(ui, frame));
        let shapes = std::mem::take(&mut output.shapes);
        black_box(context.tessellate(shapes, output.pixels_per_point));
        let cost = now() - began;
        output.textures_delta.clear();
        if frame >= WARM_UP {
            costs.push(cost);
        }
    }
    costs.sort_by(f64::total_cmp);
    (costs[FRAMES / 2], costs[FRAMES * 95 / 100])
}

/// A sound that changes, as if it were heard at this frame.
fn hear(shared: &MeterShared, frame: usize) {
    // One column in each fifth frame: 12.9 a second, a little more than a Meter at 60 frames a second gets.
    if !frame.is_multiple_of(5) {
        return;
    }
    let mut picture = shared.picture();
    while picture.columns.len() >= COLUMNS {
        picture.columns.pop_front();
    }
    let column: [f32; BANDS] = std::array::from_fn(|band| -((band * 7 + frame * 3) as f32 % 80.0));
    picture.columns.push_back(column);
    picture.drawn += 1;
    drop(picture);
    let mut probabilities = [0.02; GENRES];
    probabilities[frame / 20 % GENRES] = 0.78;
    for (genre, p) in probabilities.into_iter().enumerate() {
        shared.probabilities[genre].store(p, Ordering::Relaxed);
        shared.shown[genre].store(p, Ordering::Relaxed);
    }
    let mut history = shared.history();
    history.advance(0.31);
    history.push(Hearing::Heard, probabilities);
}

/// A reel of 32 bars with chords, longer than most.
fn long_tune() -> String {
    let part = "|:\"D\"DFAd fdAF|\"G\"G2BG dGBG|\"D\"DFAd (3fed AF|\"A7\"EGFE \"D\"D4|\"D\"f2af dfaf|\"G\"g2bg \"Em\"efge|\"D\"fdAF \"G\"GBdB|\"A7\"cAGE \"D\"D4:|\n";
    format!("X:1\nT:A Long Reel\nR:reel\nM:4/4\nL:1/8\nQ:1/4=180\nK:D\n{}", part.repeat(4))
}

fn main() {
    let gui = GuiContext::new(Arc::new(Deaf));
    let empty = frames(|ui, _| {
        ui.label("");
    });
    let report = |name: &str, (median, most): (f64, f64)| {
        println!(
            "editors: {name}: {median:.2} ms a frame, 95 of 100 under {most:.2} ms (at most {LIMIT} ms); an empty \
             frame {:.3} ms, ratio {:.0}",
            empty.0,
            median / empty.0.max(1e-6)
        );
    };

    let shared = Arc::new(MeterShared::default());
    let params = MeterParams::new(shared.clone());
    shared.column_seconds.store(0.0775, Ordering::Relaxed);
    shared.set_hearing(Hearing::Heard);
    for frame in 0..5 * COLUMNS {
        hear(&shared, frame);
    }
    let mut editor = MeterEditor::default();
    editor.evidence = true;
    editor.sorted = true;
    let cost = frames(|ui, frame| {
        hear(&shared, frame);
        show_meter(ui, &mut editor, &params, &shared, &gui);
    });
    report("Meter, listening", cost);

    let shared = Arc::new(TunesShared::new());
    let params = TunesParams::new(shared.clone());
    if let Err(error) = shared.set_tune(&long_tune(), Origin::Edited) {
        println!("editors: the tune was refused: {error}");
        return;
    }
    shared.playing.store(true, Ordering::Relaxed);
    shared.tempo.store(180.0, Ordering::Relaxed);
    for (name, view, side) in [
        ("Tunes, score and text, playing", View::Score, Side::Text),
        ("Tunes, roll and list, playing", View::Roll, Side::Past),
    ] {
        let mut editor = TunesEditor::default();
        editor.view = view;
        editor.side = side;
        let cost = frames(|ui, frame| {
            shared.position.store(frame as u32 * 24, Ordering::Relaxed);
            show_tunes(ui, &mut editor, &params, &shared, &gui);
        });
        report(name, cost);
    }
    shared.playing.store(false, Ordering::Relaxed);
    let whole = long_tune();
    let mut editor = TunesEditor::default();
    let cost = frames(|ui, frame| {
        // A character more in each frame, faster than any network here writes.
        let text = whole[..whole.len() * (frame + 1) / (WARM_UP + FRAMES)].to_owned();
        shared.set_writing(Some(Writing { text, seed: 1 }));
        show_tunes(ui, &mut editor, &params, &shared, &gui);
    });
    report("Tunes, a tune being written", cost);
}
