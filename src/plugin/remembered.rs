//! Interface: what of a window a project keeps: its size, and what it shows.

use std::sync::{Mutex, MutexGuard, PoisonError};

use nice_plug::params::persist::PersistentField;
use serde::{Deserialize, Serialize};

/// Something that a project keeps and its window changes.
#[derive(Debug, Default)]
pub struct Remembered<T> {
    value: Mutex<T>,
}

/// What can come from a project's file that anybody may have written.
pub trait Bounded {
    /// The same with everything in its range.
    fn bounded(self) -> Self;
}

impl<T: Clone> Remembered<T> {
    /// What is remembered.
    pub fn get(&self) -> T {
        self.value().clone()
    }

    /// Remembers something else.
    pub fn set(&self, value: T) {
        *self.value() = value;
    }

    /// Changes some of it.
    pub fn change(&self, change: impl FnOnce(&mut T)) {
        change(&mut self.value());
    }

    fn value(&self) -> MutexGuard<'_, T> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a, T> PersistentField<'a, T> for Remembered<T>
where
    T: Bounded + Clone + Send + Sync + Serialize + Deserialize<'a>,
{
    fn set(&self, value: T) {
        *self.value() = value.bounded();
    }

    fn map<F, R>(&self, f: F) -> R
    where
        F: Fn(&T) -> R,
    {
        f(&self.value())
    }
}

/// A window's size in points.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Size {
    /// From left to right.
    pub width: f32,
    /// From top to bottom.
    pub height: f32,
}

impl Bounded for Size {
    fn bounded(self) -> Self {
        let within = |length: f32, least: f32| {
            // No number compares with any other.
            if length > least { length.min(8192.0) } else { least }
        };
        Self { width: within(self.width, 480.0), height: within(self.height, 320.0) }
    }
}

/// What a project keeps of the Meter's window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MeterView {
    /// None before it was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
    /// Whether the bars stand in order of probability.
    pub sorted: bool,
    /// Whether what spoke for the genre is drawn over the spectrogram.
    pub evidence: bool,
    /// The spectrogram's colours.
    pub colours: Colours,
    /// Whether the bars show all that was heard since the start, and not the last seconds.
    pub integrated: bool,
    /// Whether that begins anew with the host's transport.
    pub from_start: bool,
}

impl Bounded for MeterView {
    fn bounded(mut self) -> Self {
        self.size = self.size.map(Bounded::bounded);
        self
    }
}

/// The colours of a level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Colours {
    /// From black over purple and orange to white.
    #[default]
    Magma,
    /// From blue to yellow, told apart by people with any kind of colour vision.
    Cividis,
    /// From purple over green to yellow.
    Viridis,
    /// From black to white.
    Greys,
}

impl Colours {
    /// All of them with their names.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Magma, "Magma"),
        (Self::Cividis, "Cividis (colour-blind)"),
        (Self::Viridis, "Viridis"),
        (Self::Greys, "Greys"),
    ];
}

/// What a project keeps of Tunes' window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TunesView {
    /// None before it was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
    /// Whether the tune is shown as a roll.
    pub roll: bool,
    /// What stands beside it.
    pub side: SavedSide,
    /// Size of the notes: 1 as usual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zoom: Option<f32>,
    /// Whether the metronome sounds.
    pub metronome: bool,
    /// Whether a bar is counted in.
    pub count_in: bool,
    /// Whether a change of what is asked for writes a new tune.
    pub rewrite: bool,
}

/// What stands beside the tune.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SavedSide {
    /// The ABC text.
    #[default]
    Text,
    /// The last tunes.
    Tunes,
    /// Nothing.
    Hidden,
}

impl Bounded for TunesView {
    fn bounded(mut self) -> Self {
        self.size = self.size.map(Bounded::bounded);
        self.zoom = self.zoom.filter(|zoom| (0.5..=3.0).contains(zoom));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_project_says_a_window_has_a_size_that_can_be_opened() {
        let remembered = Remembered::<MeterView>::default();
        for (width, height) in [(0.0, -5.0), (f32::NAN, f32::INFINITY), (1e30, 1e-30)] {
            let view = MeterView { size: Some(Size { width, height }), ..MeterView::default() };
            PersistentField::set(&remembered, view);
            let size = remembered.get().size.unwrap();
            assert!((480.0..=8192.0).contains(&size.width), "{size:?}");
            assert!((320.0..=8192.0).contains(&size.height), "{size:?}");
        }
    }
}
