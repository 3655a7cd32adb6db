//! Both editors, driven without a window: what they show in each state, what clicks and typing do, and what a
//! screen reader is told.
#![cfg(feature = "plugin")]

#[path = "editors/raster.rs"]
mod raster;

use earworm_plugin::meter::editor::{MeterEditor, show as show_meter};
use earworm_plugin::meter::params::MeterParams;
use earworm_plugin::meter::shared::{BANDS, Evidence, GENRES, Hearing, MeterShared};
use earworm_plugin::remembered::Size;
use earworm_plugin::theme;
use earworm_plugin::tunes::editor::{Side, TunesEditor, View as Sheet, show as show_tunes};
use earworm_plugin::tunes::params::TunesParams;
use earworm_plugin::tunes::shared::{Command, NOWHERE, Origin, TunesShared, Writing};
use egui::accesskit::Role;
use egui::{Event, Key, Modifiers, PointerButton, Theme};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use nice_plug::context::PluginApi;
use nice_plug::context::gui::{GuiContext, GuiContextInner};
use nice_plug::params::Params as _;
use nice_plug::params::internals::ParamPtr;
use nice_plug::plugin::PluginState;
use raster::{Picture, Textures};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

/// A host that does at once what an editor asks for, and remembers it.
struct Host {
    api: PluginApi,
    gestures: Mutex<Vec<Gesture>>,
}

impl Default for Host {
    fn default() -> Self {
        Self { api: PluginApi::Clap, gestures: Mutex::default() }
    }
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
        self.api
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
fn hear(shared: &MeterShared, seconds: f32, hearing: Hearing, probabilities: [f32; GENRES]) {
    let columns = (seconds / HOP) as u64;
    shared.column_seconds.store(HOP, Ordering::Relaxed);
    shared.sample_rate.store(48_000.0, Ordering::Relaxed);
    shared.load.store(0.021, Ordering::Relaxed);
    for (genre, p) in probabilities.into_iter().enumerate() {
        shared.probabilities[genre].store(p, Ordering::Relaxed);
        shared.shown[genre].store(p, Ordering::Relaxed);
    }
    if matches!(hearing, Hearing::Heard | Hearing::Unsure) {
        let loudness = &shared.loudness;
        loudness.momentary.store(-13.7, Ordering::Relaxed);
        loudness.short_term.store(-14.1, Ordering::Relaxed);
        loudness.integrated.store(-14.6, Ordering::Relaxed);
        loudness.true_peak.store(-0.8, Ordering::Relaxed);
    }
    shared.readings.fetch_add(1, Ordering::Relaxed);
    shared.set_hearing(hearing);
    shared.heard_frames.fetch_add(columns, Ordering::Relaxed);
    shared.history().advance(columns as f64 * f64::from(HOP));
    shared.history().push(hearing, probabilities);
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

fn mostly(genre: usize, p: f32) -> [f32; GENRES] {
    let mut probabilities = [(1.0 - p) / 24.0; GENRES];
    probabilities[genre] = p;
    probabilities[(genre + 4) % GENRES] = (1.0 - p) * 0.45;
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

fn five_minutes(meter: &Meter) {
    let shared = meter.shared.clone();
    let listen = |seconds: u32, hearing, probabilities| {
        for _ in 0..seconds {
            hear(&shared, 1.0, hearing, probabilities);
        }
    };
    listen(20, Hearing::Listening, [0.0; GENRES]);
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

const THEMES: [(&str, Theme); 2] = [("dark", Theme::Dark), ("light", Theme::Light)];

#[test]
fn the_meter_looks_as_it_should_in_every_state() {
    type State = (&'static str, Hearing, [f32; GENRES]);
    let states: [State; 8] = [
        ("listening", Hearing::Listening, [0.0; GENRES]),
        ("silence", Hearing::Silence, [0.0; GENRES]),
        ("unsure", Hearing::Unsure, mostly(2, 0.3)),
        ("heard", Hearing::Heard, mostly(9, 0.83)),
        ("failed", Hearing::Failed, [0.0; GENRES]),
        ("asleep", Hearing::Asleep, mostly(9, 0.83)),
        ("frozen", Hearing::Heard, mostly(9, 0.83)),
        ("map", Hearing::Heard, mostly(9, 0.83)),
    ];
    for (theme_name, theme) in THEMES {
        for (state, hearing, probabilities) in states {
            let mut meter = meter();
            if matches!(hearing, Hearing::Heard | Hearing::Asleep) {
                five_minutes(&meter);
            }
            match hearing {
                Hearing::Asleep => meter.shared.set_hearing(hearing),
                _ => hear(&meter.shared, 10.0, hearing, probabilities),
            }
            match state {
                "silence" => {
                    for column in &mut meter.shared.picture().columns {
                        *column = [0.0; BANDS];
                    }
                }
                "failed" => {
                    let why = "the genre network's weights can't be read: header too large";
                    meter.shared.set_fault(Some(why.to_owned()));
                    *meter.shared.picture() = Default::default();
                }
                "map" => {
                    evidence(&meter);
                    meter.editor.evidence = true;
                    meter.editor.sorted = true;
                }
                _ => {}
            }
            let (mut harness, textures) = open(View { theme, ..DEFAULT }, meter);
            harness.run();
            if state == "frozen" {
                harness.key_press(Key::F);
                harness.run();
                hear(&harness.state().shared, 5.0, Hearing::Silence, [0.0; GENRES]);
                harness.run();
            }
            let picture = textures.paint(&harness.ctx, harness.output());
            snapshot(&format!("meter-{state}-{theme_name}"), &picture);
        }
    }
}

#[test]
fn the_meter_fits_its_smallest_window_a_large_one_and_every_scale() {
    let views = [
        ("480x320", [480.0, 320.0], 1.0),
        ("480x320-300", [480.0, 320.0], 3.0),
        ("1200x800", [1200.0, 800.0], 1.0),
        ("720x440-200", [720.0, 440.0], 2.0),
        ("720x440-150", [720.0, 440.0], 1.5),
    ];
    for (name, size, scale) in views {
        let mut meter = meter();
        five_minutes(&meter);
        evidence(&meter);
        meter.editor.evidence = true;
        meter.editor.sorted = true;
        let view = View { size, scale, ..DEFAULT };
        let (mut harness, textures) = open(view, meter);
        harness.run();
        snapshot(&format!("meter-{name}"), &textures.paint(&harness.ctx, harness.output()));
    }
}

#[test]
fn the_ribbon_tells_what_was_heard_under_the_pointer() {
    for (name, theme) in THEMES {
        let meter = meter();
        five_minutes(&meter);
        let (mut harness, textures) = open(View { theme, ..DEFAULT }, meter);
        harness.run();
        let ribbon = harness.get_by_label_contains("The last five minutes").rect();
        harness.hover_at(ribbon.min + egui::vec2(ribbon.width() * 0.3, 20.0));
        harness.run();
        harness.run_steps(30);
        assert!(harness.query_by_label_contains("min ago").is_some());
        assert!(harness.query_by_label_contains("Jazz ").is_some());
        snapshot(&format!("meter-hover-{name}"), &textures.paint(&harness.ctx, harness.output()));
    }
}

struct Tunes {
    editor: TunesEditor,
    params: Arc<TunesParams>,
    shared: Arc<TunesShared>,
    gui: GuiContext,
}

fn tunes(abc: &str) -> Tunes {
    let shared = Arc::new(TunesShared::new());
    let tunes = Tunes {
        editor: TunesEditor::default(),
        params: Arc::new(TunesParams::new(shared.clone())),
        shared,
        gui: GuiContext::new(Arc::new(Host::default())),
    };
    if !abc.is_empty() {
        tunes.shared.set_tune(abc, Origin::Edited).unwrap();
    }
    tunes
}

/// The same in a window of the program's own.
fn standalone_tunes(abc: &str) -> Tunes {
    let host = Host { api: PluginApi::Standalone, ..Host::default() };
    Tunes { gui: GuiContext::new(Arc::new(host)), ..tunes(abc) }
}

fn open_tunes(view: View, tunes: Tunes) -> (Harness<'static, Tunes>, Textures) {
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
            |ui, tunes: &mut Tunes| {
                show_tunes(ui, &mut tunes.editor, &tunes.params, &tunes.shared, &tunes.gui);
            },
            tunes,
        );
    (harness, textures)
}

/// Tunes of the project's own, each for something that is hard to engrave.
const ENGRAVED: [(&str, &str); 10] = [
    (
        "jig-pickup",
        "X:1\nT:Jig with a Pickup\nR:jig\nC:Trad.\nM:6/8\nL:1/8\nQ:3/8=116\nK:G\nD|:G2B d2B|GBd gdB|A3 ABA|F2A D2E|G2B d2B|GBd g2a|bag fdf|1 g3 g2D:|2 g3 g2d||\n|:g2b d'2b|gbg e2d|c2e A2c|BGG G2d|gfg bag|faf def|gdB AGF|1 G3 G2d:|2 G3 G2|]\n",
    ),
    (
        "slip-jig",
        "X:2\nT:Slip Jig\nR:slip jig\nM:9/8\nL:1/8\nK:Em\n|:B2E G2E F3|B2E G2E FED|B2E G2E F2G|AGA dAF FED:|\n|:e3 edB AGF|gfe edB c2d|e3 edB GBd|edB AGF E3:|\n",
    ),
    (
        "waltz-chords",
        "X:3\nT:Waltz with Chords\nR:waltz\nM:3/4\nL:1/4\nQ:1/4=120\nK:D\n|:\"D\"A2 d|\"D/F#\"f2 a|\"G\"b>a g|\"A7\"f3|\"Bm\"d2 f|\"F#m\"a2 f|\"Em7\"g/f/ e d|1 \"A\"c3:|2 \"D\"d3|]\n",
    ),
    (
        "reel-endings",
        "X:4\nT:Reel with Endings\nR:reel\nM:C|\nL:1/8\nK:Ador\n|:eAAB cBAG|EGGF G2 AB|c2 cB cded|1 cABG A2 ef:|2 cABG A2 A2||\ne2 ef gedB|A/B/c de g2 fg|afge dBGB|cABG A4|]\n",
    ),
    (
        "tuplets-graces",
        "X:5\nT:Tuplets and Graces\nM:4/4\nL:1/8\nK:A\n{e}A2 (3cBA {gef}e2 ~c2|(3efg a2 (5abc'ba f2|{/d}c2 (3A2B2c2 !trill!E2|.A.B.c.d !fermata!e4|]\n",
    ),
    (
        "d-dorian",
        "X:6\nT:In D Dorian\nM:2/4\nL:1/16\nK:Ddor\nD2F2 A2dc|ABcA G2E2|F2A2 GFEC|D4 D2z2|^c2de f2e2|=cBAG ^F2=F2|E2G2 c2BA|d8|]\n",
    ),
    (
        "six-flats",
        "X:7\nT:In Six Flats\nM:4/4\nL:1/8\nK:Gb\nG2 B2 d2 g2|f>e d<c B2 A2|[GBd]4 [CEG]4-|[CEG]2 z2 z4|=c2 __B2 ^f2 =e2|G8|]\n",
    ),
    (
        "two-plus-three",
        "X:8\nT:Two and Three\nM:2+3/8\nL:1/16\nK:Dm\nD2E2 FGA2F2|G4 A2G2F2|ABAG FEFGA2|d4 A6|\nd2c2 BAB2G2|A4 F2G2A2|GAGF EDE2C2|D10|]\n",
    ),
    (
        "two-voices",
        "X:9\nT:Two Voices\nM:3/4\nL:1/4\nK:F\nV:1 clef=treble name=\"Fiddle\"\nV:2 clef=bass name=\"Cello\"\n[V:1] c2 f|(ag) f|e2 (c|d3)|]\n[V:2] F,2 A,|B,,2 A,,|C,2 E,|F,3|]\n",
    ),
    (
        "song-lyrics",
        "X:10\nT:A Song\nM:4/4\nL:1/4\nK:C\nP:A\nC D E F|G2 G2|A/A/ A/A/ G2|F>E D2|\nw: Here is a song to sing, lit-tle words on ev-'ry tone\n!p!c'2 b2|[M:3/4]a g f|[K:Eb]e d c|!f!B3|]\n",
    ),
];

#[test]
fn ten_kinds_of_tune_are_engraved_as_they_were() {
    for (name, abc) in ENGRAVED {
        let mut tunes = tunes(abc);
        tunes.editor.side = Side::Hidden;
        let view = View { size: [900.0, 430.0], scale: 1.0, theme: Theme::Light };
        let (mut harness, textures) = open_tunes(view, tunes);
        harness.run();
        snapshot(&format!("score-{name}"), &textures.paint(&harness.ctx, harness.output()));
    }
}

/// A tune with what the reader finds wrong in it.
const FAULTY: &str = "X:1\nT:With Faults\nM:4/4\nL:1/8\nK:G\nGABc d2e2|fg#a b2 ag|f2 d2 (3def g2|\n[GB d2]e2 ]f2 g4|]\n";

/// As if the network were in the middle of a tune.
const HALF_WRITTEN: &str = "X:1\nT:Reel 4711\nR:reel\nM:4/4\nL:1/8\nK:D\n|:A2FA DAFA|B2GB dBGB|A2FA DAFd|edce d2 de|\nf2df afdf|g2bg e";

#[test]
fn the_tunes_window_looks_as_it_should_in_every_state() {
    type State = (&'static str, &'static str, Sheet, Side);
    let states: [State; 5] = [
        ("playing", ENGRAVED[0].1, Sheet::Score, Side::Text),
        ("roll", ENGRAVED[2].1, Sheet::Roll, Side::Text),
        ("errors", FAULTY, Sheet::Score, Side::Text),
        ("writing", ENGRAVED[0].1, Sheet::Score, Side::Text),
        ("past", ENGRAVED[0].1, Sheet::Score, Side::Past),
    ];
    for (theme_name, theme) in THEMES {
        for (state, abc, sheet, side) in states {
            let mut tunes = tunes(abc);
            tunes.editor.view = sheet;
            tunes.editor.side = side;
            match state {
                "playing" | "roll" => {
                    tunes.shared.playing.store(true, Ordering::Relaxed);
                    tunes.shared.position.store(480 * 4, Ordering::Relaxed);
                    tunes.shared.tempo.store(174.0, Ordering::Relaxed);
                }
                "writing" => {
                    let text = HALF_WRITTEN.to_owned();
                    tunes.shared.set_writing(Some(Writing { text, seed: 4711 }));
                }
                "past" => {
                    for (seed, (_, abc)) in ENGRAVED.iter().enumerate().skip(1) {
                        let seed = 100 + 37 * seed as u64;
                        let origin = Origin::Composed { seed, continued: seed.is_multiple_of(2) };
                        let tune = tunes.shared.set_tune(abc, origin).unwrap();
                        if seed.is_multiple_of(3) {
                            tunes.shared.star(tune.number);
                        }
                    }
                }
                _ => {}
            }
            let view = View { size: [900.0, 560.0], scale: 1.0, theme };
            let (mut harness, textures) = open_tunes(view, tunes);
            // The wheel of a tune being written turns for ever.
            harness.run_steps(4);
            let picture = textures.paint(&harness.ctx, harness.output());
            snapshot(&format!("tunes-{state}-{theme_name}"), &picture);
        }
    }
}

#[test]
fn the_tunes_window_fits_its_smallest_size_a_large_one_and_every_scale() {
    let views = [
        ("480x320", [480.0, 320.0], 1.0, Side::Hidden),
        ("480x320-text", [480.0, 320.0], 1.0, Side::Text),
        ("480x320-300", [480.0, 320.0], 3.0, Side::Hidden),
        ("1200x800", [1200.0, 800.0], 1.0, Side::Text),
        ("900x560-200", [900.0, 560.0], 2.0, Side::Text),
        ("900x560-150", [900.0, 560.0], 1.5, Side::Past),
    ];
    for (name, size, scale, side) in views {
        let mut tunes = tunes(ENGRAVED[0].1);
        tunes.editor.side = side;
        let theme = if name == "1200x800" { Theme::Light } else { Theme::Dark };
        let (mut harness, textures) = open_tunes(View { size, scale, theme }, tunes);
        harness.run();
        snapshot(&format!("tunes-{name}"), &textures.paint(&harness.ctx, harness.output()));
    }
}

#[test]
fn panels_and_menus_look_as_they_should() {
    for (name, theme) in THEMES {
        for label in ["Writing", "Playing", "Practise", "Save"] {
            let view = View { size: [900.0, 560.0], scale: 1.0, theme };
            let (mut harness, textures) = open_tunes(view, tunes(ENGRAVED[0].1));
            harness.run();
            harness.get_by_label(label).click();
            harness.run();
            let picture = textures.paint(&harness.ctx, harness.output());
            snapshot(&format!("tunes-panel-{}-{name}", label.to_lowercase()), &picture);
        }
    }
    let view = View { size: [480.0, 320.0], scale: 1.0, theme: Theme::Dark };
    let (mut harness, textures) = open_tunes(view, tunes(ENGRAVED[0].1));
    harness.run();
    harness.get_by_label("More settings").click();
    harness.run();
    snapshot("tunes-panel-480x320", &textures.paint(&harness.ctx, harness.output()));
}

fn press<T>(harness: &mut Harness<'static, T>, at: egui::Pos2) {
    harness.event(Event::PointerMoved(at));
    harness.run();
    for pressed in [true, false] {
        harness.event(Event::PointerButton {
            pos: at,
            button: PointerButton::Primary,
            pressed,
            modifiers: Modifiers::NONE,
        });
    }
    harness.run();
}

/// When the window next wants to be painted.
fn next_frame<T>(harness: &Harness<'static, T>) -> std::time::Duration {
    harness.output().viewport_output[&egui::ViewportId::ROOT].repaint_delay
}

#[test]
fn a_still_window_is_not_painted_again() {
    for hearing in [Hearing::Listening, Hearing::Silence, Hearing::Heard, Hearing::Failed] {
        for sorted in [false, true] {
            let mut meter = meter();
            five_minutes(&meter);
            hear(&meter.shared, 10.0, hearing, mostly(9, 0.8));
            evidence(&meter);
            meter.editor.sorted = sorted;
            meter.editor.evidence = true;
            let (mut harness, _) = open(DEFAULT, meter);
            harness.run();
            assert_eq!(next_frame(&harness), std::time::Duration::MAX, "{hearing:?}");
        }
    }
    for sheet in [Sheet::Score, Sheet::Roll] {
        for side in [Side::Text, Side::Past, Side::Hidden] {
            let mut tunes = tunes("");
            tunes.editor.view = sheet;
            tunes.editor.side = side;
            tunes.shared.playing.store(true, Ordering::Relaxed);
            tunes.shared.position.store(960, Ordering::Relaxed);
            let (mut harness, _) = open_tunes(DEFAULT, tunes);
            harness.run();
            harness.run_steps(30);
            assert_eq!(next_frame(&harness), std::time::Duration::MAX, "{sheet:?} {side:?}");
        }
    }
}

#[test]
fn a_frozen_meter_holds_its_picture_while_listening_goes_on() {
    let meter = meter();
    hear(&meter.shared, 10.0, Hearing::Heard, mostly(9, 0.8));
    let shared = meter.shared.clone();
    let (mut harness, _) = open(DEFAULT, meter);
    harness.run();
    harness.get_by_label("Freeze").click();
    harness.run();
    hear(&shared, 1.0, Hearing::Silence, [0.0; GENRES]);
    harness.run();
    assert!(harness.query_by_label("80 % sure").is_some());
    assert!(harness.query_by_label("Silence").is_none());
    harness.get_by_label("Freeze").click();
    harness.run();
    assert!(harness.query_by_label("Silence").is_some());
}

#[test]
fn digital_silence_is_dark_and_not_the_loudest_colour() {
    let meter = meter();
    hear(&meter.shared, 10.0, Hearing::Silence, [0.0; GENRES]);
    for column in &mut meter.shared.picture().columns {
        *column = [0.0; BANDS];
    }
    let (mut harness, textures) = open(DEFAULT, meter);
    harness.run();
    let plot = harness.get_by_label("Mel spectrogram").rect().center();
    let picture = textures.paint(&harness.ctx, harness.output());
    let pixel = picture.pixels[plot.y as usize * picture.width + plot.x as usize];
    assert!(pixel.iter().all(|&v| v < 16), "{pixel:?}");
}

#[test]
fn a_failed_meter_says_why() {
    let meter = meter();
    meter.shared.set_hearing(Hearing::Failed);
    meter.shared.set_fault(Some("the weights can't be read".to_owned()));
    let (mut harness, _) = open(DEFAULT, meter);
    harness.run();
    assert!(harness.query_by_label("the weights can't be read").is_some());
}

#[test]
fn a_screen_reader_is_told_each_genre_and_its_probability() {
    let meter = meter();
    hear(&meter.shared, 10.0, Hearing::Heard, mostly(9, 0.8));
    let (mut harness, _) = open(DEFAULT, meter);
    harness.run();
    let genres = [
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
        "Soul",
        "Punk",
    ];
    for genre in genres {
        let bar = harness.get_by_role_and_label(Role::Meter, genre);
        let value = bar.accesskit_node().numeric_value().unwrap();
        assert_eq!(
            value,
            if genre == "Rock" {
                80.0
            } else if genre == "Punk" {
                9.0
            } else {
                1.0
            }
        );
    }
}

#[test]
fn bypass_is_one_gesture_that_a_host_can_record_and_undo() {
    let meter = meter();
    let (host, params) = (meter.host.clone(), meter.params.clone());
    let (mut harness, _) = open(DEFAULT, meter);
    harness.run();
    harness.get_by_label("Bypass").click();
    harness.run();
    assert!(params.bypass.value());
    assert_eq!(host.gestures(), [Gesture::Begin, Gesture::Set(1.0), Gesture::End]);
}

#[test]
fn a_value_is_typed_with_its_unit_and_a_double_click_brings_the_default_back() {
    let meter = meter();
    let params = meter.params.clone();
    let (mut harness, _) = open(DEFAULT, meter);
    harness.run();
    let at = harness.get_by_role_and_label(Role::SpinButton, "Window").rect().center();
    press(&mut harness, at);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.event(Event::Text("20 s".to_owned()));
    harness.key_press(Key::Enter);
    harness.run();
    assert_eq!(params.window.value(), 20.0);
    // Well after the click that began the typing, so that the next two are one double click.
    harness.run_steps(40);
    for _ in 0..2 {
        for pressed in [true, false] {
            harness.event(Event::PointerButton {
                pos: at,
                button: PointerButton::Primary,
                pressed,
                modifiers: Modifiers::NONE,
            });
            harness.step();
        }
    }
    harness.run();
    assert_eq!(params.window.value(), 15.0);
}

#[test]
fn a_click_on_the_score_plays_from_there() {
    let tunes = tunes(ENGRAVED[0].1);
    let shared = tunes.shared.clone();
    let (mut harness, _) = open_tunes(DEFAULT, tunes);
    harness.run();
    let page = harness.get_by_label_contains("Score of").rect();
    let mut ticks = Vec::new();
    for share in [0.35, 0.6, 0.9] {
        press(&mut harness, page.min + egui::vec2(page.width() * share, 108.0));
        ticks.push(shared.seek.swap(NOWHERE, Ordering::Relaxed));
    }
    assert!(ticks.iter().all(|&tick| tick != NOWHERE), "{ticks:?}");
    assert!(ticks.is_sorted() && ticks[0] < ticks[2], "{ticks:?}");
}

#[test]
fn what_is_typed_becomes_the_tune_once_typing_pauses() {
    let tunes = tunes("X:1\nT:Typed\nM:4/4\nL:1/4\nK:C\nCDEF|\n");
    let shared = tunes.shared.clone();
    let (mut harness, _) = open_tunes(DEFAULT, tunes);
    harness.run();
    harness.get_by_label("ABC text").focus();
    harness.run();
    harness.key_press_modifiers(Modifiers::COMMAND, Key::End);
    harness.event(Event::Text("GABc|".to_owned()));
    harness.step();
    assert!(!shared.tune().abc.contains("GABc"), "too early: every key would be a new tune");
    harness.run_steps(30);
    assert!(shared.tune().abc.contains("GABc|"), "{}", shared.tune().abc);
    assert_eq!(shared.tune().origin, Origin::Edited);
}

#[test]
fn a_text_without_notes_is_refused_and_what_played_before_goes_on() {
    let tunes = tunes(ENGRAVED[0].1);
    let shared = tunes.shared.clone();
    let before = shared.tune().abc.clone();
    let (mut harness, _) = open_tunes(DEFAULT, tunes);
    harness.run();
    harness.get_by_label("ABC text").focus();
    harness.run();
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.event(Event::Text("nothing".to_owned()));
    harness.run_steps(30);
    assert_eq!(shared.tune().abc, before);
    assert!(harness.query_by_label_contains("Not taken over").is_some());
}

#[test]
fn an_error_is_listed_with_its_line_and_column() {
    let text = "X:1\nM:4/4\nL:1/4\nK:C\nCDE#F|G4|]\n";
    let book = earworm_abc::read(text);
    let finding = book
        .findings
        .iter()
        .find(|finding| finding.severity >= earworm_abc::Severity::Warning)
        .expect("a stray # is no ABC");
    let line = text[..finding.span.start].matches('\n').count() + 1;
    let column = finding.span.start - text[..finding.span.start].rfind('\n').unwrap();
    let (mut harness, _) = open_tunes(DEFAULT, tunes(text));
    harness.run();
    let row = format!("{line}:{column} {}", finding.text);
    assert!(harness.query_by_label(&row).is_some(), "{row}");
}

#[test]
fn undo_brings_the_tune_before_back() {
    let tunes = tunes(ENGRAVED[0].1);
    let shared = tunes.shared.clone();
    let (mut harness, _) = open_tunes(DEFAULT, tunes);
    harness.run();
    let origin = Origin::Composed { seed: 7, continued: false };
    shared.set_tune(ENGRAVED[1].1, origin).unwrap();
    harness.run();
    assert!(harness.query_by_label_contains("Score of Slip Jig").is_some());
    harness.get_by_label("Undo").click();
    harness.run();
    assert_eq!(shared.tune().abc, ENGRAVED[0].1);
    assert!(harness.query_by_label_contains("Score of Jig with a Pickup").is_some());
}

#[test]
fn the_list_keeps_fifty_tunes_and_every_starred_one() {
    let mut tunes = tunes(ENGRAVED[0].1);
    tunes.editor.side = Side::Past;
    let shared = tunes.shared.clone();
    let (mut harness, _) = open_tunes(DEFAULT, tunes);
    harness.run();
    harness.get_by_label("Star Jig with a Pickup").click();
    harness.run();
    for seed in 0..60 {
        let text = ENGRAVED[1].1.replace("Slip Jig", &format!("Number {seed}"));
        shared.set_tune(&text, Origin::Composed { seed, continued: false }).unwrap();
        harness.step();
    }
    harness.run();
    let past = shared.past();
    assert_eq!(past.tunes().count(), 50);
    let kept = past.tunes().find(|tune| tune.abc == ENGRAVED[0].1).unwrap();
    assert!(past.is_starred(kept.number));
    assert!(harness.query_by_label_contains("seed 59").is_some());
}

#[test]
fn abc_pasted_outside_the_text_is_the_next_tune() {
    let tunes = tunes("");
    let shared = tunes.shared.clone();
    let (mut harness, _) = open_tunes(DEFAULT, tunes);
    harness.run();
    harness.event(Event::Paste(ENGRAVED[1].1.to_owned()));
    harness.run();
    assert_eq!(shared.tune().abc, ENGRAVED[1].1);
}

#[derive(Debug)]
struct Dropped(&'static str, Vec<u8>);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &std::path::Path {
        std::path::Path::new(self.0)
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        Ok(self.1.clone())
    }
}

#[test]
fn a_dropped_midi_file_becomes_the_tune() {
    let book = earworm_abc::read(ENGRAVED[0].1);
    let performance = earworm_abc::perform(&book.tunes[0], &Default::default());
    let tunes = tunes("");
    let shared = tunes.shared.clone();
    let (mut harness, _) = open_tunes(DEFAULT, tunes);
    harness.run();
    let file = Dropped("jig.mid", earworm_midi::write(&performance));
    harness.input_mut().dropped_files.push(Arc::new(file));
    harness.run();
    let read = earworm_abc::read(&shared.tune().abc);
    let again = earworm_abc::perform(&read.tunes[0], &Default::default());
    let keys = |performance: &earworm_abc::Performance| -> Vec<u8> {
        performance.notes.iter().map(|note| note.key).collect()
    };
    assert_eq!(keys(&again), keys(&performance));
}

#[test]
fn a_dropped_file_without_a_tune_is_refused_and_nothing_changes() {
    let tunes = tunes("");
    let shared = tunes.shared.clone();
    let before = shared.tune().number;
    let (mut harness, _) = open_tunes(DEFAULT, tunes);
    harness.run();
    let file = Dropped("letter.txt", b"Dear Sir or Madam".to_vec());
    harness.input_mut().dropped_files.push(Arc::new(file));
    harness.run();
    assert_eq!(shared.tune().number, before);
    assert!(harness.query_by_label_contains("letter.txt").is_some());
}

/// Goes through the window's own file dialogue.
fn save_as<T>(harness: &mut Harness<'static, T>, item: &str, path: &std::path::Path) {
    harness.get_by_label("Save").click();
    harness.run();
    harness.get_by_label(item).click();
    harness.run();
    harness.get_by_role_and_label(Role::TextInput, "File").focus();
    harness.run();
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.event(Event::Text(path.display().to_string()));
    harness.key_press(Key::Enter);
    for _ in 0..200 {
        harness.run();
        if path.exists() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("{} was not written", path.display());
}

#[test]
fn a_file_that_is_there_is_replaced_only_when_that_is_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("waltz.abc");
    std::fs::write(&path, "another tune").unwrap();
    let (mut harness, _) = open_tunes(DEFAULT, tunes(ENGRAVED[2].1));
    harness.run();
    save_as(&mut harness, "ABC text (.abc)…", &path);
    assert!(harness.query_by_label_contains("waltz.abc is there already").is_some());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "another tune");
    harness.get_by_label("Replace").click();
    let began = std::time::Instant::now();
    while std::fs::read_to_string(&path).unwrap() == "another tune" {
        harness.run();
        assert!(began.elapsed().as_secs() < 20, "it was not written");
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), ENGRAVED[2].1);
}

#[test]
fn the_tune_is_saved_as_text_as_midi_and_as_audio() {
    let folder = tempfile::tempdir().unwrap();
    let (mut harness, _) = open_tunes(DEFAULT, tunes(ENGRAVED[2].1));
    harness.run();
    let path = |name: &str| folder.path().join(name);
    save_as(&mut harness, "ABC text (.abc)…", &path("waltz.abc"));
    assert_eq!(std::fs::read_to_string(path("waltz.abc")).unwrap(), ENGRAVED[2].1);
    save_as(&mut harness, "MIDI file (.mid)…", &path("waltz.mid"));
    let read = earworm_midi::read(&std::fs::read(path("waltz.mid")).unwrap()).unwrap();
    assert!(!read.notes.is_empty());
    save_as(&mut harness, "Audio (.wav)…", &path("waltz.wav"));
    assert!(std::fs::read(path("waltz.wav")).unwrap().starts_with(b"RIFF"));
}

#[test]
fn the_last_five_minutes_are_saved_as_a_table_and_as_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let meter = meter();
    five_minutes(&meter);
    let (mut harness, _) = open(DEFAULT, meter);
    harness.run();
    let table = folder.path().join("heard.csv");
    save_as(&mut harness, "Table (CSV)…", &table);
    let table = std::fs::read_to_string(table).unwrap();
    let mut lines = table.lines();
    assert!(lines.next().unwrap().starts_with("seconds,state,genre,blues,"));
    assert!(lines.clone().any(|line| line.contains(",heard,rock,")));
    assert!(lines.all(|line| line.split(',').count() == 3 + GENRES));
    let picture = folder.path().join("heard.png");
    save_as(&mut harness, "Picture (PNG)…", &picture);
    let picture = Picture::load(&picture).unwrap();
    assert_eq!((picture.width, picture.height), (1200, 520));
}

/// What can be operated, as a screen reader would list it: its role and name.
fn operable<T>(harness: &Harness<'static, T>) -> Vec<(Role, String, bool)> {
    let nodes = harness.root().children_recursive();
    nodes
        .filter_map(|node| {
            let node = node.accesskit_node();
            let operable = matches!(
                node.role(),
                Role::Button
                    | Role::CheckBox
                    | Role::ComboBox
                    | Role::Link
                    | Role::RadioButton
                    | Role::Slider
                    | Role::SpinButton
                    | Role::Switch
                    | Role::TextInput
                    | Role::MultilineTextInput
            ) || node.data().supports_action(egui::accesskit::Action::Click);
            // The wheel and the arrow keys scroll too.
            let operable = operable && node.role() != Role::ScrollBar;
            let name = node.label().unwrap_or_default();
            operable.then(|| (node.role(), name, node.is_disabled()))
        })
        .collect()
}

fn all_named<T>(harness: &Harness<'static, T>, at_least: usize, where_: &str) {
    let found = operable(harness);
    assert!(found.len() >= at_least, "{where_}: only {found:?}");
    for (role, name, _) in &found {
        assert!(!name.trim().is_empty(), "{where_}: a {role:?} has no name among {found:?}");
    }
}

#[test]
fn every_control_has_a_name_for_a_screen_reader() {
    for size in [[480.0, 320.0], [900.0, 560.0]] {
        let view = View { size, ..DEFAULT };
        let meter = meter();
        five_minutes(&meter);
        let (mut harness, _) = open(view, meter);
        harness.run();
        all_named(&harness, 7, "Meter");
        let menu = if size[0] < 500.0 { "More" } else { "Save" };
        for panel in [menu, "Options"] {
            harness.get_by_label(panel).click();
            harness.run();
            all_named(&harness, 8, panel);
            harness.key_press(Key::Escape);
            harness.run();
        }
        for side in [Side::Text, Side::Past, Side::Hidden] {
            for sheet in [Sheet::Score, Sheet::Roll] {
                let mut tunes = tunes(FAULTY);
                tunes.shared.set_tune(ENGRAVED[0].1, Origin::Edited).unwrap();
                tunes.editor.side = side;
                tunes.editor.view = sheet;
                let (mut harness, _) = open_tunes(view, tunes);
                harness.run();
                all_named(&harness, 12, "Tunes");
            }
        }
        let panels: &[&str] = match size[0] < 500.0 {
            true => &["More", "More settings", "Save", "Open"],
            false => &["Writing", "Playing", "Practise", "Presets", "Save", "Open"],
        };
        for panel in panels {
            let (mut harness, _) = open_tunes(view, tunes(ENGRAVED[0].1));
            harness.run();
            harness.get_by_label(panel).click();
            harness.run();
            all_named(&harness, 13, panel);
        }
    }
}

/// The names of what the Tab key comes by.
fn tabbed<T>(harness: &mut Harness<'static, T>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for _ in 0..80 {
        harness.key_press(Key::Tab);
        harness.run_steps(2);
        let focused = harness
            .root()
            .children_recursive()
            .find(|node| node.accesskit_node().is_focused())
            .and_then(|node| node.accesskit_node().label());
        names.extend(focused);
    }
    names
}

#[test]
fn every_control_is_reached_with_the_keyboard() {
    let meter = meter();
    five_minutes(&meter);
    let (mut harness, _) = open(DEFAULT, meter);
    harness.run();
    let expected = operable(&harness);
    let reached = tabbed(&mut harness);
    for (_, name, disabled) in expected {
        assert!(disabled || reached.contains(&name), "{name} is not among {reached:?}");
    }
    let mut tunes = tunes(ENGRAVED[0].1);
    // In the text a Tab is a character.
    tunes.editor.side = Side::Past;
    let (mut harness, _) = open_tunes(View { size: [900.0, 560.0], ..DEFAULT }, tunes);
    harness.run();
    let expected = operable(&harness);
    let reached = tabbed(&mut harness);
    for (_, name, disabled) in expected {
        assert!(disabled || reached.contains(&name), "{name} is not among {reached:?}");
    }
}

#[test]
fn a_project_keeps_the_theme() {
    let (mut harness, _) = open(DEFAULT, meter());
    harness.run();
    harness.get_by_label("Light theme").click();
    harness.run();
    assert_eq!(harness.ctx.theme(), Theme::Light);
    let saved = harness.state().params.serialize_fields();
    let reopened = meter();
    reopened.params.deserialize_fields(&saved);
    let (mut harness, _) = open(DEFAULT, reopened);
    harness.run();
    assert_eq!(harness.ctx.theme(), Theme::Light);
}

#[test]
fn a_project_keeps_the_last_tunes_with_their_seeds_and_stars() {
    let before = tunes(ENGRAVED[0].1);
    for seed in 1..6 {
        let abc = ENGRAVED[seed as usize].1;
        before.shared.set_tune(abc, Origin::Composed { seed, continued: seed == 3 }).unwrap();
    }
    let starred = before.shared.past().tunes().nth(2).unwrap().number;
    before.shared.star(starred);
    let saved = before.params.serialize_fields();

    let after = tunes("");
    after.params.deserialize_fields(&saved);
    let listed = |tunes: &Tunes| -> Vec<(String, Origin, bool)> {
        let past = tunes.shared.past();
        let all = past.tunes();
        all.map(|tune| (tune.abc.clone(), tune.origin, past.is_starred(tune.number))).collect()
    };
    assert_eq!(listed(&after), listed(&before));
    assert_eq!(after.shared.tune().origin, Origin::Composed { seed: 5, continued: false });
    assert_eq!(after.params.serialize_fields(), saved);
    after.shared.undo().unwrap();
    assert_eq!(after.shared.tune().abc, ENGRAVED[4].1);
}

#[test]
fn weights_are_chosen_in_the_window_and_asked_of_the_worker() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models/genre.safetensors");
    let meter = meter();
    let shared = meter.shared.clone();
    let (mut harness, _) = open(DEFAULT, meter);
    harness.run();
    harness.get_by_label("Options").click();
    harness.run();
    harness.get_by_label("Load weights…").click();
    harness.run();
    harness.get_by_role_and_label(Role::TextInput, "File").focus();
    harness.run();
    harness.event(Event::Text(path.display().to_string()));
    harness.key_press(Key::Enter);
    harness.run();
    assert_eq!(shared.weights.awaited().unwrap().path, Some(path));
}

/// The texts of the list of the last tunes, the latest first.
fn listed(shared: &TunesShared) -> Vec<String> {
    shared.past().tunes().map(|tune| tune.abc.clone()).collect()
}

fn type_into_the_text(harness: &mut Harness<'static, Tunes>, text: &str) {
    harness.get_by_label("ABC text").focus();
    harness.run();
    harness.key_press_modifiers(Modifiers::COMMAND, Key::End);
    harness.event(Event::Text(text.to_owned()));
    harness.step();
}

#[test]
fn opened_pasted_and_picked_tunes_are_entries_of_their_own_and_none_is_lost() {
    let tunes = tunes(ENGRAVED[0].1);
    let shared = tunes.shared.clone();
    let (mut harness, _) = open_tunes(DEFAULT, tunes);
    harness.run();
    // A tune is typed, and before typing has paused another is pasted.
    type_into_the_text(&mut harness, "G6|");
    let typed = harness.state().shared.tune().abc.clone() + "G6|";
    harness.get_by_label("Undo").focus();
    harness.step();
    harness.event(Event::Paste(ENGRAVED[1].1.to_owned()));
    harness.run();
    harness.input_mut().dropped_files.push(Arc::new(Dropped("waltz.abc", ENGRAVED[2].1.into())));
    harness.run();
    harness.input_mut().dropped_files.push(Arc::new(Dropped("reel.abc", ENGRAVED[3].1.into())));
    harness.run();
    let expected = [ENGRAVED[3].1, ENGRAVED[2].1, ENGRAVED[1].1];
    let list = listed(&shared);
    assert_eq!(list[..3], expected);
    assert!(list.iter().any(|tune| tune.trim_end() == typed.trim_end()), "{list:#?}");
    assert!(list.iter().any(|tune| tune == ENGRAVED[0].1));
    let origins: Vec<Origin> = shared.past().tunes().map(|tune| tune.origin).collect();
    assert_eq!(origins[..3], [Origin::Opened, Origin::Opened, Origin::Pasted]);
    // An older one is picked.
    harness.state_mut().editor.side = Side::Past;
    harness.run();
    harness.get_by_label("Hear Slip Jig").click();
    harness.run();
    assert_eq!(shared.tune().abc, ENGRAVED[1].1);
    assert_eq!(listed(&shared).len(), list.len());
}

#[test]
fn typing_on_replaces_what_was_typed_but_never_a_starred_tune_nor_one_that_came_otherwise() {
    let shared = TunesShared::new();
    let tune = |body: &str| format!("X:1\nT:Typed\nM:4/4\nL:1/4\nK:C\n{body}\n");
    shared.set_tune(&tune("CDEF|"), Origin::Opened).unwrap();
    shared.type_on(&tune("CDEF|G|")).unwrap();
    let second = shared.type_on(&tune("CDEF|GA|")).unwrap();
    assert_eq!(listed(&shared)[..2], [tune("CDEF|GA|"), tune("CDEF|")]);
    shared.star(second.number);
    shared.type_on(&tune("CDEF|GAB|")).unwrap();
    shared.type_on(&tune("CDEF|GABc|")).unwrap();
    assert_eq!(listed(&shared)[..3], [tune("CDEF|GABc|"), tune("CDEF|GA|"), tune("CDEF|")]);
    assert!(shared.past().is_starred(second.number));
    // One that was typed, left, and taken up again is left as it was too.
    shared.set_tune(ENGRAVED[1].1, Origin::Pasted).unwrap();
    shared.set_tune(&tune("CDEF|GABc|"), Origin::Edited).unwrap();
    shared.type_on(&tune("CDEF|GABc|c4|")).unwrap();
    assert!(listed(&shared).contains(&tune("CDEF|GABc|")));
}

#[test]
fn fifty_one_starred_tunes_all_stay_and_so_does_the_one_that_plays() {
    let shared = TunesShared::new();
    for seed in 0..51 {
        let abc = ENGRAVED[1].1.replace("Slip Jig", &format!("Number {seed}"));
        let tune = shared.set_tune(&abc, Origin::Composed { seed, continued: false }).unwrap();
        shared.star(tune.number);
    }
    shared.set_tune(ENGRAVED[2].1, Origin::Opened).unwrap();
    assert_eq!(listed(&shared)[0], ENGRAVED[2].1);
    assert_eq!(
        shared.past().tunes().filter(|tune| shared.past().is_starred(tune.number)).count(),
        51
    );
}

#[test]
fn redo_brings_back_what_undo_went_back_from() {
    let tunes = tunes(ENGRAVED[0].1);
    let shared = tunes.shared.clone();
    shared.set_tune(ENGRAVED[1].1, Origin::Opened).unwrap();
    let (mut harness, _) = open_tunes(DEFAULT, tunes);
    harness.run();
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    harness.run();
    assert_eq!(shared.tune().abc, ENGRAVED[0].1);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Y);
    harness.run();
    assert_eq!(shared.tune().abc, ENGRAVED[1].1);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    harness.run();
    harness.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    harness.run();
    assert_eq!(shared.tune().abc, ENGRAVED[1].1);
    assert!(!shared.can_redo());
}

#[test]
fn the_keys_for_writing_opening_and_saving_work_while_the_text_has_the_keyboard() {
    let tunes = tunes(ENGRAVED[0].1);
    let shared = tunes.shared.clone();
    let (mut harness, _) = open_tunes(DEFAULT, tunes);
    harness.run();
    harness.get_by_label("ABC text").focus();
    harness.run();
    assert!(!shared.awaits(&Command::Generate));
    harness.key_press_modifiers(Modifiers::COMMAND, Key::G);
    harness.run();
    assert!(shared.awaits(&Command::Generate));
    harness.key_press_modifiers(Modifiers::COMMAND, Key::S);
    harness.run();
    assert!(harness.query_by_label("Save as").is_some());
    harness.get_by_label("Cancel").click();
    harness.run();
    assert!(harness.query_by_label("Save as").is_none());
}

#[test]
fn the_controls_at_the_right_are_reached_from_left_to_right() {
    let mut tunes = tunes(ENGRAVED[0].1);
    tunes.editor.side = Side::Past;
    let (mut harness, _) = open_tunes(View { size: [900.0, 560.0], ..DEFAULT }, tunes);
    harness.run();
    let reached = tabbed(&mut harness);
    let place = |name: &str| reached.iter().position(|reached| reached == name).unwrap();
    for row in [
        ["Score", "Roll", "Text", "Tunes", "Light theme"].as_slice(),
        &["Open", "Smaller notes", "Larger notes"],
    ] {
        let places: Vec<usize> = row.iter().map(|name| place(name)).collect();
        assert!(places.is_sorted(), "{row:?} at {places:?}");
    }
    let meter = meter();
    let (mut harness, _) = open(DEFAULT, meter);
    harness.run();
    let reached = tabbed(&mut harness);
    let row = ["Sort", "Why", "Freeze", "Bypass", "Reset", "Copy", "Save", "Light theme"];
    let places = row.map(|name| reached.iter().position(|reached| reached == name).unwrap());
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn a_long_list_of_choices_shows_all_of_them() {
    let (mut harness, _) = open_tunes(View { size: [900.0, 560.0], ..DEFAULT }, tunes(""));
    harness.run();
    harness.get_by_role_and_label(Role::ComboBox, "Style").click();
    harness.run();
    let window = egui::Rect::from_min_size(egui::Pos2::ZERO, egui::vec2(900.0, 560.0));
    let mut bottom = 0.0;
    for style in ["Jig", "Hornpipe", "Slip jig", "Waltz", "Polka", "March", "Strathspey", "Morris"]
    {
        let rect = harness.get_by_label(style).rect();
        assert!(window.contains_rect(rect), "{style} at {rect:?}");
        assert!(rect.top() >= bottom, "{style} lies over the one before");
        bottom = rect.top();
    }
}

#[test]
fn a_number_may_have_a_comma_and_what_is_no_number_is_told() {
    let tunes = tunes("");
    let params = tunes.params.clone();
    let (mut harness, _) = open_tunes(View { size: [900.0, 560.0], ..DEFAULT }, tunes);
    harness.run();
    let mut enter = |text: &str| {
        let at = harness.get_by_role_and_label(Role::SpinButton, "Temperature").rect().center();
        harness.run_steps(40);
        press(&mut harness, at);
        harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
        harness.event(Event::Text(text.to_owned()));
        harness.key_press(Key::Enter);
        harness.run_steps(3);
        harness.query_by_label_contains("is no value for it").is_some()
    };
    assert!(!enter("0,9"));
    assert!((params.temperature.value() - 0.9).abs() < 1e-4, "{}", params.temperature.value());
    assert!(enter("warm"));
    assert!((params.temperature.value() - 0.9).abs() < 1e-4);
}

#[test]
fn a_pickup_is_no_bar() {
    let abc = "X:1\nT:Sixteen\nM:4/4\nL:1/4\nK:D\nA|";
    let abc = format!("{abc}{}defg|\n", "dfaf|".repeat(15));
    let (mut harness, _) = open_tunes(DEFAULT, tunes(&abc));
    harness.run();
    assert!(harness.query_by_label_contains("16 bars with repeats").is_some());
}

#[test]
fn a_file_that_cannot_be_written_leaves_the_dialogue_open_and_names_the_file_and_no_other() {
    let (mut harness, _) = open_tunes(DEFAULT, tunes(ENGRAVED[2].1));
    harness.run();
    harness.key_press_modifiers(Modifiers::COMMAND, Key::S);
    harness.run();
    harness.get_by_role_and_label(Role::TextInput, "File").focus();
    harness.run();
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.event(Event::Text("/nowhere/at all/waltz.abc".to_owned()));
    harness.key_press(Key::Enter);
    let began = std::time::Instant::now();
    while harness.query_by_label_contains("waltz.abc:").is_none() {
        harness.run();
        assert!(began.elapsed().as_secs() < 20, "nothing was told");
    }
    assert!(harness.query_by_label("Save as").is_some());
    let told = harness.get_by_label_contains("waltz.abc:");
    let told = told.accesskit_node().value().unwrap();
    assert!(!told.contains("tmp") && !told.contains(".part"), "{told}");
}

#[test]
fn a_message_that_is_longer_than_its_place_is_told_whole() {
    let tunes = tunes(ENGRAVED[0].1);
    tunes.shared.command(Command::Continue);
    let why = "no beat can be made out in what was played: play it evenly once more, to a metronome if need be, then \
               press Continue, and then again, until this line is longer than any window is wide";
    tunes.shared.set_fault(Some(why.to_owned()));
    let (mut harness, _) = open_tunes(DEFAULT, tunes);
    harness.run();
    let told = harness.get_by_label(why).rect();
    let window = egui::Rect::from_min_size(egui::Pos2::ZERO, egui::vec2(720.0, 440.0));
    assert!(window.contains_rect(told) && told.height() > 20.0, "{told:?}");
}

#[test]
fn a_window_of_its_own_is_started_and_stopped_by_space_and_by_a_click_on_a_note() {
    let standalone = standalone_tunes(ENGRAVED[0].1);
    let shared = standalone.shared.clone();
    let (mut harness, _) = open_tunes(View { size: [900.0, 560.0], ..DEFAULT }, standalone);
    harness.run();
    let rolls = || shared.rolling.load(Ordering::Relaxed);
    assert!(!rolls());
    harness.key_press(Key::Space);
    harness.run();
    assert!(rolls());
    harness.get_by_label("Pause").click();
    harness.run();
    assert!(!rolls());
    let page = harness.get_by_label_contains("Score of").rect();
    press(&mut harness, page.min + egui::vec2(page.width() * 0.6, 108.0));
    assert!(rolls());
    let tick = shared.seek.swap(NOWHERE, Ordering::Relaxed);
    assert!(tick != NOWHERE && tick > 0);
    harness.get_by_label("To the start").click();
    harness.run();
    assert_eq!(shared.seek.load(Ordering::Relaxed), 0);
    // In a host Space is the host's.
    let (mut harness, _) = open_tunes(DEFAULT, tunes(ENGRAVED[0].1));
    harness.run();
    harness.key_press(Key::Space);
    harness.run();
    assert!(!harness.state().shared.rolling.load(Ordering::Relaxed));
    assert!(harness.query_by_label("Play").is_none());
}

#[test]
fn the_programs_own_windows_look_as_they_should() {
    for (name, theme) in THEMES {
        let tunes = standalone_tunes(ENGRAVED[0].1);
        let view = View { size: [900.0, 560.0], scale: 1.0, theme };
        let (mut harness, textures) = open_tunes(view, tunes);
        harness.run();
        let picture = textures.paint(&harness.ctx, harness.output());
        snapshot(&format!("tunes-standalone-{name}"), &picture);
    }
    let view = View { size: [480.0, 320.0], scale: 2.0, theme: Theme::Dark };
    let (mut harness, textures) = open_tunes(view, standalone_tunes(ENGRAVED[0].1));
    harness.run();
    let picture = textures.paint(&harness.ctx, harness.output());
    snapshot("tunes-standalone-480x320-200", &picture);
}

#[test]
fn a_book_is_searched_and_its_tunes_are_opened() {
    let book: String = (0..2_000)
        .map(|number| {
            let key = ["D", "G", "Am"][number % 3];
            let dance = ["reel", "jig"][number % 2];
            let title = format!("Tune no. {number}");
            format!("X:{number}\nT:{title}\nR:{dance}\nM:4/4\nL:1/8\nK:{key}\nABcd efga|a8|]\n\n")
        })
        .collect();
    let mut tunes = tunes("");
    tunes.editor.side = Side::Past;
    let shared = tunes.shared.clone();
    let view = View { size: [900.0, 560.0], ..DEFAULT };
    let (mut harness, textures) = open_tunes(view, tunes);
    harness.run();
    harness.input_mut().dropped_files.push(Arc::new(Dropped("book.abc", book.into_bytes())));
    harness.run();
    assert!(harness.query_by_label("2000 tunes").is_some());
    snapshot("tunes-book", &textures.paint(&harness.ctx, harness.output()));
    harness.get_by_label("Search").focus();
    harness.run();
    harness.event(Event::Text("1234 reel".to_owned()));
    harness.run();
    assert!(harness.query_by_label("1 of 2000").is_some());
    harness.get_by_label_contains("Tune no. 1234, reel").click();
    harness.run();
    assert!(shared.tune().abc.contains("T:Tune no. 1234"));
    assert_eq!(shared.tune().origin, Origin::Opened);
}

#[test]
fn bars_are_chosen_to_be_played_round_and_round() {
    let tunes = standalone_tunes(ENGRAVED[3].1);
    let shared = tunes.shared.clone();
    let (mut harness, _) = open_tunes(View { size: [900.0, 560.0], ..DEFAULT }, tunes);
    harness.run();
    harness.get_by_label("Practise").click();
    harness.run();
    harness.get_by_label("Only some bars").click();
    harness.run();
    // The first eight of a reel in cut time.
    assert_eq!(shared.part(), Some(0..8 * 4 * 480));
    harness.get_by_role_and_label(Role::CheckBox, "Metronome").click();
    harness.run();
    assert!(shared.metronome.load(Ordering::Relaxed));
    harness.get_by_label("Writes the tune a semitone higher").click();
    harness.run();
    assert!(shared.tune().abc.contains("K:Bbdor"), "{}", shared.tune().abc);
    // Another tune plays whole.
    assert_eq!(shared.part(), None);
    assert!(listed(&shared).iter().any(|tune| tune == ENGRAVED[3].1));
}

#[test]
fn a_project_keeps_what_its_windows_show_and_how_large_they_are() {
    let before = meter();
    let params = before.params.clone();
    let (mut harness, _) = open(DEFAULT, before);
    harness.run();
    for name in ["Sort", "Why", "Overall"] {
        harness.get_by_label(name).click();
        harness.run();
    }
    params.view.change(|view| view.size = Some(Size { width: 800.0, height: 500.0 }));
    let saved = params.serialize_fields();
    let after = meter();
    after.params.deserialize_fields(&saved);
    let params = after.params.clone();
    let (mut harness, _) = open(DEFAULT, after);
    harness.run();
    assert!(harness.state().editor.sorted && harness.state().editor.evidence);
    assert!(params.view.get().integrated);
    assert_eq!(params.view.get().size, Some(Size { width: 800.0, height: 500.0 }));

    let mut before = tunes("");
    before.editor.side = Side::Past;
    let params = before.params.clone();
    let (mut harness, _) = open_tunes(DEFAULT, before);
    harness.run();
    harness.get_by_label("Roll").click();
    harness.run();
    let after = tunes("");
    after.params.deserialize_fields(&params.serialize_fields());
    let (mut harness, _) = open_tunes(DEFAULT, after);
    harness.run();
    assert_eq!(harness.state().editor.view, Sheet::Roll);
    assert_eq!(harness.state().editor.side, Side::Past);
}

#[test]
fn a_reset_can_be_undone() {
    let meter = meter();
    let shared = meter.shared.clone();
    for _ in 0..20 {
        hear(&shared, 1.0, Hearing::Heard, mostly(9, 0.8));
    }
    let entries = shared.history().entries().len();
    let (mut harness, _) = open(DEFAULT, meter);
    harness.run();
    assert!(harness.query_by_label("Undo reset").is_none());
    harness.get_by_label("Reset").click();
    harness.run();
    assert_eq!(shared.history().entries().len(), 0);
    hear(&shared, 1.0, Hearing::Heard, mostly(5, 0.7));
    harness.run();
    harness.get_by_label("Undo reset").click();
    harness.run();
    assert_eq!(shared.history().entries().len(), entries + 1);
    assert!(harness.query_by_label("Undo reset").is_none());
}

#[test]
fn the_overall_reading_is_the_mean_of_all_that_was_heard() {
    let meter = meter();
    let shared = meter.shared.clone();
    hear(&shared, 10.0, Hearing::Heard, mostly(9, 0.8));
    shared.integrate(&mostly(5, 0.9), 30.0);
    shared.integrate(&mostly(9, 0.8), 10.0);
    let (mut harness, _) = open(DEFAULT, meter);
    harness.run();
    assert!(harness.query_by_label("80 % sure").is_some());
    harness.get_by_label("Overall").click();
    harness.run();
    let jazz = harness.get_by_role_and_label(Role::Meter, "Jazz");
    let value = jazz.accesskit_node().numeric_value().unwrap();
    assert!((value - 68.0).abs() <= 2.0, "{value}");
}

#[test]
fn silence_says_whether_anything_ever_came_in_and_what_to_do() {
    for (api, told) in
        [(PluginApi::Standalone, "connect a player"), (PluginApi::Vst3, "start playback")]
    {
        let mut meter = meter();
        meter.gui = GuiContext::new(Arc::new(Host { api, ..Host::default() }));
        hear(&meter.shared, 5.0, Hearing::Silence, [0.0; GENRES]);
        let shared = meter.shared.clone();
        let (mut harness, _) = open(DEFAULT, meter);
        harness.run();
        assert!(harness.query_by_label_contains(told).is_some(), "{told}");
        shared.loudness.true_peak.store(-3.0, Ordering::Relaxed);
        harness.run();
        assert!(harness.query_by_label_contains(told).is_none(), "{told}");
        assert!(harness.query_by_label("Nothing to hear at the moment").is_some());
    }
}

#[test]
fn presets_set_what_goes_together_and_two_sets_are_compared() {
    let meter = meter();
    let params = meter.params.clone();
    let (mut harness, _) = open(DEFAULT, meter);
    harness.run();
    harness.get_by_label("Presets").click();
    harness.run();
    harness.get_by_label("Steady").click();
    harness.run();
    assert_eq!(params.window.value(), 30.0);
    harness.get_by_label("B").click();
    harness.run();
    harness.get_by_label("Presets").click();
    harness.run();
    harness.get_by_label("Quick").click();
    harness.run();
    assert_eq!(params.window.value(), 5.0);
    harness.get_by_label("A").click();
    harness.run();
    assert_eq!(params.window.value(), 30.0);
    harness.get_by_label("B").click();
    harness.run();
    assert_eq!(params.window.value(), 5.0);
}

#[test]
fn the_tracks_name_stands_in_the_title() {
    let mut meter = meter();
    meter.editor.track = "Drum bus".to_owned();
    let (mut harness, _) = open(View { size: [900.0, 500.0], ..DEFAULT }, meter);
    harness.run();
    assert!(harness.query_by_label("Drum bus").is_some());
    let mut tunes = tunes("");
    tunes.editor.track = "Fiddle".to_owned();
    let (mut harness, _) = open_tunes(View { size: [1000.0, 560.0], ..DEFAULT }, tunes);
    harness.run();
    assert!(harness.query_by_label("Fiddle").is_some());
}
