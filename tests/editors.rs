//! Both editors, driven without a window: what they show in each state, what clicks and typing do, and what a
//! screen reader is told.
#![cfg(feature = "plugin")]

#[path = "editors/raster.rs"]
mod raster;

use earworm::plugin::meter::editor::{MeterEditor, show as show_meter};
use earworm::plugin::meter::params::MeterParams;
use earworm::plugin::meter::shared::{BANDS, Evidence, Hearing, MeterShared};
use earworm::plugin::theme;
use egui::Theme;
use egui_kittest::Harness;
use nice_plug::context::PluginApi;
use nice_plug::context::gui::{GuiContext, GuiContextInner};
use nice_plug::params::internals::ParamPtr;
use nice_plug::plugin::PluginState;
use raster::{Picture, Textures};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

/// A host that does at once what an editor asks for, and remembers it.
#[derive(Default)]
struct Host {
    gestures: Mutex<Vec<Gesture>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Gesture {
    Begin,
    Set(f32),
    End,
}

impl Host {
    fn gestures(&self) -> Vec<Gesture> {
        self.gestures.lock().unwrap().clone()
    }
}

impl GuiContextInner for Host {
    fn plugin_api(&self) -> PluginApi {
        PluginApi::Standalone
    }

    unsafe fn raw_begin_set_parameter(&self, _: ParamPtr) {
        self.gestures.lock().unwrap().push(Gesture::Begin);
    }

    unsafe fn raw_set_parameter_normalized(&self, param: ParamPtr, normalized: f32) {
        // SAFETY: the parameters live in an `Arc` that the test holds.
        unsafe { param._internal_set_normalized_value(normalized) };
        self.gestures.lock().unwrap().push(Gesture::Set(normalized));
    }

    unsafe fn raw_end_set_parameter(&self, _: ParamPtr) {
        self.gestures.lock().unwrap().push(Gesture::End);
    }

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

/// An editor at a size, a scale and in a theme.
#[derive(Clone, Copy)]
struct View {
    size: [f32; 2],
    scale: f32,
    theme: Theme,
}

const DEFAULT: View = View { size: [720.0, 440.0], scale: 1.0, theme: Theme::Dark };

struct Meter {
    editor: MeterEditor,
    params: Arc<MeterParams>,
    shared: Arc<MeterShared>,
    gui: GuiContext,
    host: Arc<Host>,
}

fn meter() -> Meter {
    let shared = Arc::new(MeterShared::default());
    let host = Arc::new(Host::default());
    Meter {
        editor: MeterEditor::default(),
        params: Arc::new(MeterParams::new(shared.clone())),
        shared,
        gui: GuiContext::new(host.clone()),
        host,
    }
}

fn open(view: View, meter: Meter) -> (Harness<'static, Meter>, Textures) {
    let textures = Textures::default();
    let harness = Harness::builder()
        .with_size(view.size)
        .with_pixels_per_point(view.scale)
        .with_theme(view.theme)
        .with_max_steps(200)
        .with_step_dt(1.0 / 30.0)
        .renderer(textures.clone())
        .with_context_setup(theme::install)
        .build_ui_state(
            |ui, meter: &mut Meter| {
                show_meter(ui, &mut meter.editor, &meter.params, &meter.shared, &meter.gui);
            },
            meter,
        );
    (harness, textures)
}

const HOP: f32 = 0.0775;

/// As if the engine had heard so many seconds of something.
fn hear(shared: &MeterShared, seconds: f32, hearing: Hearing, probabilities: [f32; 12]) {
    let columns = (seconds / HOP) as u64;
    shared.column_seconds.store(HOP, Ordering::Relaxed);
    shared.sample_rate.store(48_000.0, Ordering::Relaxed);
    shared.load.store(0.021, Ordering::Relaxed);
    for (genre, p) in probabilities.into_iter().enumerate() {
        shared.probabilities[genre].store(p, Ordering::Relaxed);
        shared.shown[genre].store(p, Ordering::Relaxed);
    }
    shared.readings.fetch_add(1, Ordering::Relaxed);
    shared.set_hearing(hearing);
    shared.heard_frames.fetch_add(columns, Ordering::Relaxed);
    let mut picture = shared.picture();
    for _ in 0..columns {
        let at = picture.drawn as f32;
        let column = std::array::from_fn(|band| {
            // Chords that change every two seconds over a beat of two a second.
            let beat = (-(at * HOP * 2.0).fract() * 5.0).exp();
            let chord = ((at * HOP / 2.0) as usize * 5) % 12;
            let ridge = (0..5)
                .map(|partial| {
                    let centre = 10.0 + chord as f32 + partial as f32 * 17.0;
                    (-(band as f32 - centre).powi(2) / 3.0).exp() * (1.0 - partial as f32 * 0.15)
                })
                .fold(0.0, f32::max);
            let tilt = band as f32 / BANDS as f32;
            (-70.0 + 55.0 * ridge + 25.0 * beat * (1.0 - tilt * 0.6)).min(0.0)
        });
        if picture.columns.len() == 400 {
            picture.columns.pop_front();
        }
        picture.columns.push_back(column);
        picture.drawn += 1;
    }
}

fn mostly(genre: usize, p: f32) -> [f32; 12] {
    let mut probabilities = [(1.0 - p) / 20.0; 12];
    probabilities[genre] = p;
    probabilities[(genre + 4) % 12] = (1.0 - p) * 0.45;
    probabilities
}

/// Compares a frame with the picture kept for it; `UPDATE_SNAPSHOTS=1` keeps it anew, and `EARWORM_PICTURES` names
/// a folder that gets a copy of every picture.
fn snapshot(name: &str, picture: &Picture) {
    if let Some(folder) = std::env::var_os("EARWORM_PICTURES") {
        picture.save(&PathBuf::from(folder).join(format!("{name}.png")));
    }
    let kept = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/snapshots")
        .join(format!("{name}.png"));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        picture.save(&kept);
        return;
    }
    let before = Picture::load(&kept)
        .unwrap_or_else(|| panic!("{} is missing: UPDATE_SNAPSHOTS=1 makes it", kept.display()));
    let difference = picture.difference(&before);
    if difference > 0.003 {
        let new = kept.with_extension("new.png");
        picture.save(&new);
        panic!("{:.2} % of {name} looks different; compare {}", difference * 100.0, new.display());
    }
}

fn five_minutes(meter: &mut Meter) {
    let shared = meter.shared.clone();
    let mut listen = |seconds: u32, hearing, probabilities| {
        for _ in 0..seconds {
            hear(&shared, 1.0, hearing, probabilities);
            meter.editor.history.listen(&shared);
        }
    };
    listen(20, Hearing::Listening, [0.0; 12]);
    for second in 0..70 {
        listen(1, Hearing::Heard, mostly(5, 0.55 + 0.25 * (second as f32 / 9.0).sin()));
    }
    listen(15, Hearing::Silence, mostly(5, 0.5));
    for second in 0..120 {
        listen(1, Hearing::Heard, mostly(9, 0.7 + 0.2 * (second as f32 / 13.0).cos()));
    }
    listen(25, Hearing::Unsure, mostly(2, 0.3));
    listen(45, Hearing::Heard, mostly(9, 0.83));
}

fn evidence(meter: &Meter) {
    let (bands, columns) = (16, 40);
    let strength = (0..bands * columns)
        .map(|i| {
            let (band, column) = ((i / columns) as f32, (i % columns) as f32);
            (-((band - 5.0) / 2.5).powi(2) - ((column - 28.0) / 7.0).powi(2)).exp()
        })
        .collect();
    meter.shared.picture().map =
        Some(Evidence { genre: 9, bands, columns, strength, seconds: 15.0 });
}

#[test]
fn the_meter_looks_as_it_should_in_every_state() {
    type State = (&'static str, Hearing, [f32; 12]);
    let states: [State; 5] = [
        ("listening", Hearing::Listening, [0.0; 12]),
        ("silence", Hearing::Silence, [0.0; 12]),
        ("unsure", Hearing::Unsure, mostly(2, 0.3)),
        ("heard", Hearing::Heard, mostly(9, 0.83)),
        ("failed", Hearing::Failed, [0.0; 12]),
    ];
    for theme in [Theme::Dark, Theme::Light] {
        for (state, hearing, probabilities) in states {
            let mut meter = meter();
            if hearing == Hearing::Heard {
                five_minutes(&mut meter);
            }
            hear(&meter.shared, 10.0, hearing, probabilities);
            if hearing == Hearing::Failed {
                let why = "the genre network's weights can't be read: header too large";
                meter.shared.set_fault(Some(why.to_owned()));
            }
            let (mut harness, textures) = open(View { theme, ..DEFAULT }, meter);
            harness.run();
            let picture = textures.paint(&harness.ctx, harness.output());
            let theme = if theme == Theme::Dark { "dark" } else { "light" };
            snapshot(&format!("meter-{state}-{theme}"), &picture);
        }
    }
}

#[test]
fn the_meter_fits_its_smallest_window_a_large_one_and_twice_the_scale() {
    let views = [
        ("480x320", [480.0, 320.0], 1.0),
        ("1200x800", [1200.0, 800.0], 1.0),
        ("720x440-200", [720.0, 440.0], 2.0),
    ];
    for (name, size, scale) in views {
        let mut meter = meter();
        five_minutes(&mut meter);
        evidence(&meter);
        meter.editor.evidence = true;
        meter.editor.sorted = true;
        let view = View { size, scale, ..DEFAULT };
        let (mut harness, textures) = open(view, meter);
        harness.run();
        snapshot(&format!("meter-{name}"), &textures.paint(&harness.ctx, harness.output()));
    }
}
