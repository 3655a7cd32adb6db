//! Interface: asks for a new frame only when there is something new to show.
//!
//! A window that is open has one thread that looks a few times a second at what the engine publishes and asks for a
//! repaint when it changed. What lies under a lock it reads as any editor does, and never one that the audio thread
//! takes. It sleeps in between and ends when the window is closed, so that a closed editor costs nothing and a still one
//! is not painted again.

use nice_plug_egui::{EguiEditorState, RepaintNotifier};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How often the published values are looked at.
const INTERVAL: Duration = Duration::from_millis(30);
/// How long a window may take to open before its watcher gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// The watchers of one editor; at most one lives at a time.
#[derive(Debug, Default)]
pub struct Watch {
    generation: Arc<AtomicU64>,
}

impl Watch {
    /// Starts watching for the window that has just been built. `state` gives a number that differs whenever there
    /// is something new to show.
    pub fn begin(
        &self,
        window: Arc<EguiEditorState>,
        notifier: RepaintNotifier,
        state: impl Fn() -> u64 + Send + 'static,
    ) {
        let generation = self.generation.fetch_add(1, Ordering::AcqRel) + 1;
        let current = self.generation.clone();
        let watch = move || {
            let mut waited = Duration::ZERO;
            let mut opened = false;
            let mut shown = None;
            while current.load(Ordering::Acquire) == generation {
                if window.is_open() {
                    opened = true;
                } else if opened || waited > PATIENCE {
                    break;
                }
                let now = Some(state());
                if now != shown {
                    shown = now;
                    notifier.request_repaint();
                }
                std::thread::sleep(INTERVAL);
                waited += INTERVAL;
            }
        };
        // Without a thread the window is still painted on every input; nothing else is lost.
        let _ = std::thread::Builder::new().name("earworm-watch".to_owned()).spawn(watch);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }
}
