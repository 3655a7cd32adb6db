//! Interface: the program's own windows: how large, and what they remember from one run to the next.
//!
//! A plug-in's settings are kept by its host's project. The program has no project: it keeps them, the tunes among them, in
//! the user's data folder, asks for nothing, and writes them while it runs, so that a crash loses no more than seconds.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use nice_plug::params::internals::ParamPtr;
use nice_plug::plugin::{ParamValue, Plugin, PluginState};
use nice_plug::prelude::{Param, Params};

/// How often what changed is written.
const INTERVAL: Duration = Duration::from_secs(2);
/// The most windows of one kind that remember each its own.
const WINDOWS: u32 = 16;
/// The longest file that is read, in bytes.
const LONGEST: u64 = 16 << 20;

/// What the instance that is made next begins with.
static BEGINS: Mutex<Option<Session>> = Mutex::new(None);

/// The scale that was asked for, in thousandths; 0: none was.
static SCALE: AtomicU32 = AtomicU32::new(0);

/// The tune that the instance that is made next opens with, as ABC.
static OPENS: Mutex<Option<String>> = Mutex::new(None);

/// Has the window open with a tune, whatever it remembers.
pub(super) fn open_with(abc: String) {
    *lock(&OPENS) = Some(abc);
}

/// The tune that the window is to open with.
pub(super) fn opens_with() -> Option<String> {
    lock(&OPENS).take()
}

/// How much larger than usual the window is to be.
pub fn scale() -> f32 {
    match SCALE.load(Ordering::Relaxed) {
        0 => 1.0,
        scale => scale as f32 / 1000.0,
    }
}

/// Where the program keeps what it remembers; `None` where the system does not say.
fn folder() -> Option<PathBuf> {
    dirs::data_dir().map(|folder| folder.join("earworm"))
}

/// Runs a plug-in in a window of its own. `args` are those after the program's name. False where it could not start.
pub(super) fn run<P: Plugin>(program: &str, args: impl IntoIterator<Item = String>) -> bool {
    let args: Vec<String> = args.into_iter().collect();
    if let Some(scale) = scale_of(&args) {
        SCALE.store((scale * 1000.0) as u32, Ordering::Relaxed);
    }
    let name = program.rsplit(' ').next().unwrap_or(program);
    let session = folder().and_then(|folder| Session::open(&folder, name));
    *lock(&BEGINS) = session;
    let args = std::iter::once(program.to_owned()).chain(args);
    let ran = nice_plug::wrapper::standalone::nice_export_standalone_with_args::<P, _>(args);
    end();
    ran
}

/// `--dpi-scale`, which the framework reads and does not heed.
fn scale_of(args: &[String]) -> Option<f32> {
    let text =
        args.iter().zip(1..).find_map(|(arg, next)| match arg.strip_prefix("--dpi-scale")? {
            "" => args.get(next).map(String::as_str),
            rest => rest.strip_prefix('='),
        })?;
    let scale: f32 = text.parse().ok()?;
    (0.5..=4.0).contains(&scale).then_some(scale)
}

/// Gives a new instance what its kind of window remembers, and remembers from now on what it changes. Does nothing in a host.
pub(super) fn begin<P: Plugin>(params: &Arc<impl Params>) {
    let mut begins = lock(&BEGINS);
    if let Some(session) = begins.as_mut().filter(|session| session.keeper.is_none()) {
        session.begin::<P>(params.clone());
    }
}

/// Writes what is to be remembered a last time.
fn end() {
    drop(lock(&BEGINS).take());
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One window's memory.
struct Session {
    path: PathBuf,
    /// Held while the window is open, so that two windows do not write over each other's tunes.
    _claim: File,
    keeper: Option<JoinHandle<()>>,
    ends: Arc<AtomicBool>,
}

impl Session {
    /// The first memory in `folder` that no other window has claimed.
    fn open(folder: &Path, name: &str) -> Option<Self> {
        std::fs::create_dir_all(folder).ok()?;
        (1..=WINDOWS).find_map(|window| {
            let stem = match window {
                1 => name.to_owned(),
                window => format!("{name}-{window}"),
            };
            let claim = File::create(folder.join(format!("{stem}.lock"))).ok()?;
            claim.try_lock().ok()?;
            let path = folder.join(format!("{stem}.json"));
            Some(Self { path, _claim: claim, keeper: None, ends: Arc::default() })
        })
    }

    fn begin<P: Plugin>(&mut self, params: Arc<dyn Params>) {
        if let Some(mut state) = read(&self.path) {
            P::filter_state(&mut state);
            restore(&*params, &state);
        }
        let (path, ends) = (self.path.clone(), self.ends.clone());
        let keep = move || {
            let mut written = String::new();
            loop {
                // Before the last look, so that nothing that came before the end is missed.
                let last = ends.load(Ordering::Acquire);
                if let Ok(text) = serde_json::to_string(&state_of(&*params, P::VERSION))
                    && text != written
                    && super::files::write(&path, text.as_bytes()).is_ok()
                {
                    written = text;
                }
                if last {
                    return;
                }
                std::thread::park_timeout(INTERVAL);
            }
        };
        self.keeper =
            std::thread::Builder::new().name("earworm-memory".to_owned()).spawn(keep).ok();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Release);
        if let Some(keeper) = self.keeper.take() {
            keeper.thread().unpark();
            // It has nothing to tell: what it could not write, nobody can be told of any more.
            let _ = keeper.join();
        }
    }
}

/// A state that was written before. One that can't be read is laid aside under another name, so that it is not lost.
fn read(path: &Path) -> Option<PluginState> {
    let length = std::fs::metadata(path).ok()?.len();
    let text = match length <= LONGEST {
        true => std::fs::read(path).ok()?,
        false => Vec::new(),
    };
    let state = serde_json::from_slice(&text).ok();
    if state.is_none() {
        let _ = std::fs::rename(path, path.with_extension("unreadable.json"));
    }
    state
}

/// All settings and what else a project would keep.
fn state_of(params: &dyn Params, version: &str) -> PluginState {
    let settings = params.param_map().into_iter().map(|(id, param, _)| {
        // SAFETY: `params` owns the parameter and outlives this call.
        let value = unsafe {
            match param {
                ParamPtr::FloatParam(param) => ParamValue::F32((*param).unmodulated_plain_value()),
                ParamPtr::IntParam(param) => ParamValue::I32((*param).unmodulated_plain_value()),
                ParamPtr::BoolParam(param) => ParamValue::Bool((*param).unmodulated_plain_value()),
                ParamPtr::EnumParam(param) => match (*param).unmodulated_plain_id() {
                    Some(id) => ParamValue::String(id.to_owned()),
                    None => ParamValue::I32((*param).unmodulated_plain_value()),
                },
            }
        };
        (id, value)
    });
    PluginState {
        version: version.to_owned(),
        params: settings.collect::<BTreeMap<_, _>>(),
        fields: params.serialize_fields(),
    }
}

/// Sets what `state` says.
fn restore(params: &dyn Params, state: &PluginState) {
    for (id, param, _) in params.param_map() {
        let Some(value) = state.params.get(&id) else { continue };
        // SAFETY: `params` owns the parameter and outlives this call; no audio thread runs yet.
        unsafe {
            let plain = match (param, value) {
                (ParamPtr::EnumParam(param), ParamValue::String(id)) => {
                    (*param).set_from_id(id);
                    continue;
                }
                (ParamPtr::FloatParam(_), ParamValue::F32(value)) => *value,
                (ParamPtr::IntParam(_) | ParamPtr::EnumParam(_), ParamValue::I32(value)) => {
                    *value as f32
                }
                (ParamPtr::BoolParam(_), ParamValue::Bool(on)) => f32::from(u8::from(*on)),
                _ => continue,
            };
            param._internal_set_normalized_value(param.preview_normalized(plain));
        }
    }
    params.deserialize_fields(&state.fields);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tunes::Tunes;
    use crate::tunes::params::{DanceStyle, TunesParams};
    use crate::tunes::shared::{Origin, TunesShared};

    fn window() -> (Arc<TunesShared>, Arc<TunesParams>) {
        let shared = Arc::new(TunesShared::new());
        (shared.clone(), Arc::new(TunesParams::new(shared)))
    }

    const TUNE: &str = "X:1\nT:Remembered\nM:4/4\nL:1/8\nK:G\nGABc d2e2|d8|]\n";

    /// Opens a window's memory, has it do something, and closes it.
    fn run(folder: &Path, what: impl FnOnce(&TunesShared, &TunesParams)) {
        let (shared, params) = window();
        let mut session = Session::open(folder, "tunes").unwrap();
        session.begin::<Tunes>(params.clone());
        what(&shared, &params);
    }

    #[test]
    fn a_window_that_is_closed_remembers_its_tunes_stars_and_settings() {
        let folder = tempfile::tempdir().unwrap();
        run(folder.path(), |shared, params| {
            let tune = shared.set_tune(TUNE, Origin::Composed { seed: 7, continued: false });
            shared.star(tune.unwrap().number);
            // SAFETY: the parameters live as long as `params`.
            unsafe {
                params.param_map().into_iter().for_each(|(id, param, _)| {
                    if id == "style" {
                        param._internal_set_normalized_value(param.preview_normalized(4.0));
                    }
                    if id == "level" {
                        param._internal_set_normalized_value(0.25);
                    }
                });
            }
        });
        run(folder.path(), |shared, params| {
            assert_eq!(shared.tune().abc, TUNE);
            let past = shared.past();
            let first = past.tunes().next().unwrap();
            assert_eq!(first.origin, Origin::Composed { seed: 7, continued: false });
            assert!(past.is_starred(first.number));
            assert_eq!(past.tunes().len(), 2);
            assert_eq!(params.style.value(), DanceStyle::Waltz);
            assert!((params.level.unmodulated_normalized_value() - 0.25).abs() < 1e-3);
        });
    }

    #[test]
    fn two_windows_at_once_do_not_write_over_each_other() {
        let folder = tempfile::tempdir().unwrap();
        run(folder.path(), |_, _| {
            run(folder.path(), |shared, _| {
                shared.set_tune(TUNE, Origin::Opened).unwrap();
            });
        });
        run(folder.path(), |shared, _| {
            assert_ne!(shared.tune().abc, TUNE);
            run(folder.path(), |shared, _| assert_eq!(shared.tune().abc, TUNE));
        });
    }

    #[test]
    fn a_memory_that_cannot_be_read_is_laid_aside_and_the_window_opens_afresh() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tunes.json");
        std::fs::write(&path, b"{\"version\":").unwrap();
        run(folder.path(), |shared, _| assert_eq!(shared.tune().origin, Origin::BuiltIn));
        let aside = std::fs::read(folder.path().join("tunes.unreadable.json")).unwrap();
        assert_eq!(aside, b"{\"version\":");
    }

    #[test]
    fn the_scale_is_read_however_it_is_written_and_only_where_a_window_can_have_it() {
        let scale =
            |args: &[&str]| scale_of(&args.iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>());
        assert_eq!(scale(&["--backend", "jack", "--dpi-scale", "2"]), Some(2.0));
        assert_eq!(scale(&["--dpi-scale=1.5"]), Some(1.5));
        assert_eq!(scale(&["--dpi-scale", "nought"]), None);
        assert_eq!(scale(&["--dpi-scale", "1000"]), None);
        assert_eq!(scale(&[]), None);
    }
}
