//! Interface: which weights an instance works with: asked for by its editor or its project, loaded by its worker.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use egui::{Button, Label, RichText, Ui};
use nice_plug::params::persist::PersistentField;
use serde::{Deserialize, Serialize};

use super::controls::caption;
use super::theme::{Palette, SMALL};
use earworm_weights::WeightsFileError;

/// The weights of one instance. A project keeps the path of the file, not the weights.
#[derive(Debug, Default)]
pub struct Weights {
    /// Counts what was asked for; the worker compares it with what it has seen.
    asked: AtomicU64,
    /// Counts what the worker answered.
    answered: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What the editor asked for and the worker has not tried yet.
    wish: Option<SavedWeights>,
    /// What the project keeps.
    kept: SavedWeights,
    /// What the worker works with.
    in_use: SavedWeights,
    fault: Option<String>,
}

/// A file of weights as a project keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedWeights {
    /// The file; none: the built-in weights.
    #[serde(default)]
    pub path: Option<PathBuf>,
}

impl SavedWeights {
    /// As an editor calls it.
    pub fn name(&self) -> String {
        match self.path.as_ref().and_then(|path| path.file_name()) {
            Some(name) => name.to_string_lossy().into_owned(),
            None => "built in".to_owned(),
        }
    }
}

impl Weights {
    /// Asks for the weights of a file, or for the built-in ones. What is in use stays where they don't fit.
    pub fn ask(&self, path: Option<PathBuf>) {
        let mut state = self.state();
        state.wish = Some(SavedWeights { path });
        state.fault = None;
        self.asked.fetch_add(1, Ordering::Release);
    }

    /// What the worker works with.
    pub fn in_use(&self) -> SavedWeights {
        self.state().in_use.clone()
    }

    /// What was asked for and is not tried yet; a worker tries it as soon as the plug-in is active.
    pub fn awaited(&self) -> Option<SavedWeights> {
        self.state().wish.clone()
    }

    /// Why the last file that was asked for is not in use, in one line.
    pub fn fault(&self) -> Option<String> {
        self.state().fault.clone()
    }

    /// A number that grows with every change, for an editor to see it.
    pub fn changes(&self) -> u64 {
        self.asked.load(Ordering::Acquire) + self.answered.load(Ordering::Acquire)
    }

    /// Whether something was asked for since `seen`.
    pub(super) fn has_news(&self, seen: Option<u64>) -> bool {
        self.asked.load(Ordering::Acquire) != seen.unwrap_or(0)
    }

    /// The network to work with from now on; `None`: as before. `seen` is the worker's own and `None` before it has
    /// a network. Not for the audio thread.
    pub(super) fn take<N, E>(
        &self,
        seen: &mut Option<u64>,
        open: impl Fn(&Path) -> Result<Arc<N>, WeightsFileError>,
        built_in: impl Fn() -> Result<Arc<N>, E>,
    ) -> Result<Option<Arc<N>>, E> {
        let asked = self.asked.load(Ordering::Acquire);
        let before = seen.replace(asked);
        if before == Some(asked) {
            return Ok(None);
        }
        let network = self.answer(before.is_none(), open, built_in);
        self.answered.fetch_add(1, Ordering::Release);
        network
    }

    /// Tries what was asked for. `first`: the worker has no network to stay with.
    fn answer<N, E>(
        &self,
        first: bool,
        open: impl Fn(&Path) -> Result<Arc<N>, WeightsFileError>,
        built_in: impl Fn() -> Result<Arc<N>, E>,
    ) -> Result<Option<Arc<N>>, E> {
        let (wish, kept) = {
            let mut state = self.state();
            (state.wish.take(), state.kept.clone())
        };
        if let Some(wish) = wish {
            match Self::load(&wish, &open, &built_in)? {
                Ok(network) => {
                    let mut state = self.state();
                    state.kept = wish.clone();
                    state.in_use = wish;
                    return Ok(Some(network));
                }
                Err(refusal) => {
                    self.state().fault = Some(refusal);
                    if !first {
                        return Ok(None);
                    }
                }
            }
        }
        // The project's own, for a worker that has none yet or a project that was just opened.
        match Self::load(&kept, &open, &built_in)? {
            Ok(network) => {
                self.state().in_use = kept;
                Ok(Some(network))
            }
            Err(refusal) => {
                let network = built_in()?;
                let mut state = self.state();
                state.fault = Some(format!("{refusal}; the built-in weights are in use"));
                state.in_use = SavedWeights::default();
                Ok(Some(network))
            }
        }
    }

    fn load<N, E>(
        weights: &SavedWeights,
        open: impl Fn(&Path) -> Result<Arc<N>, WeightsFileError>,
        built_in: impl Fn() -> Result<Arc<N>, E>,
    ) -> Result<Result<Arc<N>, String>, E> {
        let Some(path) = &weights.path else {
            return built_in().map(Ok);
        };
        let refusal = |error| refusal(&weights.name(), &error);
        Ok(open(path).map_err(refusal))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The choice of weights, drawn into a panel; true where a file is to be chosen. `network` names what they are for.
pub fn show(ui: &mut Ui, palette: &Palette, weights: &Weights, network: &str) -> bool {
    let in_use = weights.in_use();
    let now = ui.horizontal(|ui| {
        caption(ui, &format!("Weights of the {network} network"));
        ui.label(in_use.name())
    });
    if let Some(path) = &in_use.path {
        now.inner.on_hover_text(path.display().to_string());
    }
    if let Some(awaited) = weights.awaited() {
        let text = format!("{}: loads as soon as the plug-in is active", awaited.name());
        ui.label(RichText::new(text).size(SMALL).color(palette.weak));
    }
    let fault = weights.fault();
    if let Some(fault) = &fault {
        ui.add(Label::new(RichText::new(fault).size(SMALL).color(palette.error)).wrap());
    }
    let mut choose = false;
    ui.horizontal(|ui| {
        choose = ui
            .button("Load weights…")
            .on_hover_text("A .safetensors file of this network. What does not fit is refused.")
            .clicked();
        let other = in_use.path.is_some() || fault.is_some();
        let built_in = ui
            .add_enabled(other, Button::new("Built-in weights"))
            .on_hover_text("Goes back to the weights that came with the plug-in.");
        if built_in.clicked() {
            weights.ask(None);
        }
    });
    choose
}

fn refusal(name: &str, error: &WeightsFileError) -> String {
    format!("{name}: {error} ({})", error.hint())
}

/// The choice as part of a project.
pub struct Kept {
    weights: Arc<Weights>,
}

impl Kept {
    /// What `weights` holds.
    pub fn new(weights: Arc<Weights>) -> Self {
        Self { weights }
    }
}

impl PersistentField<'_, SavedWeights> for Kept {
    fn set(&self, saved: SavedWeights) {
        let mut state = self.weights.state();
        if state.kept == saved && state.wish.is_none() {
            return;
        }
        state.wish = None;
        state.kept = saved;
        state.fault = None;
        self.weights.asked.fetch_add(1, Ordering::Release);
    }

    fn map<F, R>(&self, f: F) -> R
    where
        F: Fn(&SavedWeights) -> R,
    {
        let state = self.weights.state();
        // What was asked for a moment ago is meant to be saved too.
        f(state.wish.as_ref().unwrap_or(&state.kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    /// Files are named for the number in them; any other is refused.
    fn open(path: &Path) -> Result<Arc<u32>, WeightsFileError> {
        let name = path.to_string_lossy();
        name.parse()
            .map(Arc::new)
            .map_err(|_| WeightsFileError::Read(std::io::Error::from(std::io::ErrorKind::NotFound)))
    }

    fn take(weights: &Weights, seen: &mut Option<u64>) -> Option<u32> {
        let built_in = || Ok::<_, Infallible>(Arc::new(0));
        let Ok(network) = weights.take(seen, open, built_in);
        network.map(|network| *network)
    }

    fn saved(path: &str) -> SavedWeights {
        SavedWeights { path: Some(path.into()) }
    }

    #[test]
    fn a_file_that_fits_takes_over_and_is_saved_with_the_project() {
        let weights = Arc::new(Weights::default());
        let mut seen = None;
        assert_eq!(take(&weights, &mut seen), Some(0));
        assert_eq!(take(&weights, &mut seen), None);
        weights.ask(Some("7".into()));
        assert_eq!(take(&weights, &mut seen), Some(7));
        assert_eq!(weights.in_use(), saved("7"));
        assert_eq!(Kept::new(weights.clone()).map(Clone::clone), saved("7"));
        weights.ask(None);
        assert_eq!(take(&weights, &mut seen), Some(0));
        assert_eq!(Kept::new(weights).map(Clone::clone), SavedWeights::default());
    }

    #[test]
    fn a_file_that_does_not_fit_is_refused_and_what_was_in_use_stays() {
        let weights = Arc::new(Weights::default());
        let mut seen = None;
        weights.ask(Some("7".into()));
        assert_eq!(take(&weights, &mut seen), Some(7));
        weights.ask(Some("seven".into()));
        assert_eq!(take(&weights, &mut seen), None);
        assert_eq!(weights.fault().unwrap(), "seven: no such file (check the path)");
        assert_eq!(weights.in_use(), saved("7"));
        assert_eq!(Kept::new(weights).map(Clone::clone), saved("7"));
    }

    #[test]
    fn a_project_whose_file_is_gone_keeps_the_path_and_runs_on_the_built_in_weights() {
        let weights = Arc::new(Weights::default());
        let kept = Kept::new(weights.clone());
        kept.set(saved("gone"));
        let mut seen = None;
        assert_eq!(take(&weights, &mut seen), Some(0));
        assert!(weights.fault().unwrap().ends_with("the built-in weights are in use"));
        assert_eq!(weights.in_use(), SavedWeights::default());
        assert_eq!(kept.map(Clone::clone), saved("gone"));
    }

    #[test]
    fn a_project_opened_while_the_plug_in_runs_brings_its_own_weights() {
        let weights = Arc::new(Weights::default());
        let mut seen = None;
        take(&weights, &mut seen);
        Kept::new(weights.clone()).set(saved("9"));
        assert!(weights.has_news(seen));
        assert_eq!(take(&weights, &mut seen), Some(9));
    }
}
