//! Core: the dances that a tune can be asked for.

use std::fmt;
use std::str::FromStr;

/// A dance, as `R:` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
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
    /// The dances that a tune can be asked for: those of which the network has read enough tunes.
    pub const ALL: [Self; 11] = [
        Self::Reel,
        Self::Jig,
        Self::Hornpipe,
        Self::SlipJig,
        Self::Waltz,
        Self::Polka,
        Self::March,
        Self::Strathspey,
        Self::Slide,
        Self::Air,
        Self::Morris,
    ];

    /// Every rhythm of the plain form, in the order of the enumeration.
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

    /// The metres that the dance is written in, as beats and their unit, the usual one first.
    pub fn metres(self) -> &'static [(u8, u8)] {
        match self {
            Self::Reel | Self::Hornpipe => &[(4, 4), (2, 4)],
            Self::Jig | Self::Slide => &[(6, 8)],
            Self::SlipJig => &[(9, 8)],
            Self::Waltz | Self::Mazurka | Self::Minuet => &[(3, 4)],
            Self::Polka => &[(2, 4)],
            Self::March => &[(6, 8), (4, 4), (2, 4)],
            Self::Air => &[(4, 4), (3, 4), (6, 8), (2, 4)],
            Self::Morris => &[(4, 4), (6, 8)],
            Self::Strathspey
            | Self::Clog
            | Self::Fling
            | Self::Barndance
            | Self::Walkaround
            | Self::Schottische => &[(4, 4)],
        }
    }

    /// The denominator of the unit note length in which the dance is written in this metre.
    pub(super) fn unit(self, metre: (u8, u8)) -> u8 {
        match (self, metre) {
            (Self::Polka | Self::Air, (2, 4)) => 8,
            (_, (2, 4)) => 16,
            _ => 8,
        }
    }

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
#[error(
    "unknown style `{0}`: write one of reel, jig, hornpipe, slip jig, waltz, polka, march, strathspey, slide, air, morris"
)]
pub struct UnknownStyle(pub String);

impl FromStr for Style {
    type Err = UnknownStyle;

    fn from_str(text: &str) -> Result<Self, UnknownStyle> {
        let wanted = text.trim().to_ascii_lowercase().replace(['-', '_'], " ");
        let found = match wanted.as_str() {
            "slipjig" => Some(Self::SlipJig),
            name => Self::from_name(name),
        };
        found.filter(|style| Self::ALL.contains(style)).ok_or_else(|| UnknownStyle(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_style_is_read_back_from_its_name() {
        for style in Style::ALL {
            assert_eq!(style.to_string().parse(), Ok(style));
        }
        assert_eq!("Slip-Jig".parse(), Ok(Style::SlipJig));
        let error = "tango".parse::<Style>().unwrap_err().to_string();
        for style in Style::ALL {
            assert!(error.contains(style.name()), "{error}");
        }
    }
}
