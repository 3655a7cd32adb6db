//! Core: the dances that a tune can be asked for.

use std::fmt;
use std::str::FromStr;

/// A dance, as `R:` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Style {
    Reel,
    Jig,
    Hornpipe,
    SlipJig,
    Waltz,
    Strathspey,
    Clog,
    Air,
    March,
    Polka,
    Morris,
    Fling,
    Slide,
    Mazurka,
    Barndance,
    Walkaround,
    Schottische,
    Minuet,
}

impl Style {
    /// Every rhythm of the collections, in the order of the enumeration.
    pub(super) const ALL_NAMES: [(Self, &'static str); 18] = [
        (Self::Reel, "reel"),
        (Self::Jig, "jig"),
        (Self::Hornpipe, "hornpipe"),
        (Self::SlipJig, "slip jig"),
        (Self::Waltz, "waltz"),
        (Self::Strathspey, "strathspey"),
        (Self::Clog, "clog"),
        (Self::Air, "air"),
        (Self::March, "march"),
        (Self::Polka, "polka"),
        (Self::Morris, "morris"),
        (Self::Fling, "fling"),
        (Self::Slide, "slide"),
        (Self::Mazurka, "mazurka"),
        (Self::Barndance, "barndance"),
        (Self::Walkaround, "walkaround"),
        (Self::Schottische, "schottische"),
        (Self::Minuet, "minuet"),
    ];

    /// The style of this name in the plain form.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL_NAMES.iter().find(|(_, known)| *known == name).map(|(style, _)| *style)
    }

    /// The name that `R:` has in the plain form.
    pub fn name(self) -> &'static str {
        Self::ALL_NAMES[self as usize].1
    }
}

impl fmt::Display for Style {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A style that the composer does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown style {0:?}")]
pub struct UnknownStyle(pub String);

impl FromStr for Style {
    type Err = UnknownStyle;

    fn from_str(text: &str) -> Result<Self, UnknownStyle> {
        let wanted = text.trim().to_ascii_lowercase().replace(['-', '_'], " ");
        let found = match wanted.as_str() {
            "slipjig" => Some(Self::SlipJig),
            name => Self::from_name(name),
        };
        found.ok_or_else(|| UnknownStyle(text.to_owned()))
    }
}
