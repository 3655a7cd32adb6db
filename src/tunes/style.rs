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
    Polska,
    Slangpolska,
    Vals,
    Schottis,
    Polonas,
    Marsch,
    Ganglat,
    Visa,
    Engelska,
    Kadrilj,
    TotaktPols,
    Freylekhs,
    Song,
    Hymn,
    PopularSong,
    ArtSong,
    DutchSong,
    Lat,
}

/// Where a dance or a kind of song is at home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Tradition {
    /// Ireland, Scotland, England and where their people went.
    British,
    Swedish,
    /// Jewish dances of Eastern Europe.
    Klezmer,
    /// Songs of all countries that people sing without a book.
    Song,
    Hymn,
    /// Songs of the stage and the dance hall up to 1929.
    Popular,
    /// Songs with piano of the 19th century.
    Art,
    Dutch,
}

impl Style {
    /// The dances that a tune can be asked for: those of which the network has read enough tunes.
    pub const ALL: [Self; 24] = [
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
        Self::Polska,
        Self::Slangpolska,
        Self::Vals,
        Self::Schottis,
        Self::Polonas,
        Self::Marsch,
        Self::Ganglat,
        Self::Visa,
        Self::Engelska,
        Self::Freylekhs,
        Self::Song,
        Self::Hymn,
        Self::PopularSong,
    ];

    /// How many rhythms the first networks knew: the first so many of the enumeration.
    pub(super) const FIRST: usize = 18;

    /// Every rhythm of the plain form, in the order of the enumeration.
    pub(super) const ALL_NAMES: [(Self, &'static str); 36] = [
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
        (Self::Polska, "polska"),
        (Self::Slangpolska, "slangpolska"),
        (Self::Vals, "vals"),
        (Self::Schottis, "schottis"),
        (Self::Polonas, "polonas"),
        (Self::Marsch, "marsch"),
        (Self::Ganglat, "ganglat"),
        (Self::Visa, "visa"),
        (Self::Engelska, "engelska"),
        (Self::Kadrilj, "kadrilj"),
        (Self::TotaktPols, "totakt pols"),
        (Self::Freylekhs, "freylekhs"),
        (Self::Song, "song"),
        (Self::Hymn, "hymn"),
        (Self::PopularSong, "popular song"),
        (Self::ArtSong, "art song"),
        (Self::DutchSong, "dutch song"),
        (Self::Lat, "lat"),
    ];

    /// The metres that the dance is written in, as beats and their unit, the usual one first.
    pub fn metres(self) -> &'static [(u8, u8)] {
        match self {
            Self::Reel | Self::Hornpipe => &[(4, 4), (2, 4)],
            Self::Jig | Self::Slide => &[(6, 8)],
            Self::SlipJig => &[(9, 8)],
            Self::Waltz
            | Self::Mazurka
            | Self::Minuet
            | Self::Polska
            | Self::Slangpolska
            | Self::Vals
            | Self::Polonas => &[(3, 4)],
            Self::Polka | Self::Freylekhs | Self::TotaktPols => &[(2, 4)],
            Self::Engelska | Self::Kadrilj => &[(2, 4), (4, 4)],
            Self::Lat | Self::Visa => &[(3, 4), (2, 4), (4, 4)],
            Self::Song | Self::Hymn | Self::PopularSong | Self::ArtSong => &[(4, 4), (3, 4)],
            Self::DutchSong => &[(4, 4), (3, 4), (6, 8)],
            Self::March => &[(6, 8), (4, 4), (2, 4)],
            Self::Air => &[(4, 4), (3, 4), (6, 8), (2, 4)],
            Self::Morris => &[(4, 4), (6, 8)],
            Self::Strathspey
            | Self::Clog
            | Self::Fling
            | Self::Barndance
            | Self::Walkaround
            | Self::Schottische
            | Self::Schottis
            | Self::Marsch
            | Self::Ganglat => &[(4, 4)],
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
    pub(super) fn plain_name(self) -> &'static str {
        Self::ALL_NAMES[self as usize].1
    }

    /// The name that `R:` has in a tune, in the language of the dance.
    pub fn name(self) -> &'static str {
        match self {
            Self::Slangpolska => "slängpolska",
            Self::Polonas => "polonäs",
            Self::Ganglat => "gånglåt",
            Self::TotaktPols => "totakt-pols",
            Self::Lat => "låt",
            _ => self.plain_name(),
        }
    }

    /// Where it is at home.
    pub fn tradition(self) -> Tradition {
        match self {
            Self::Polska
            | Self::Slangpolska
            | Self::Vals
            | Self::Schottis
            | Self::Polonas
            | Self::Marsch
            | Self::Ganglat
            | Self::Visa
            | Self::Engelska
            | Self::Kadrilj
            | Self::Lat
            | Self::TotaktPols => Tradition::Swedish,
            Self::Freylekhs => Tradition::Klezmer,
            Self::Song => Tradition::Song,
            Self::Hymn => Tradition::Hymn,
            Self::PopularSong => Tradition::Popular,
            Self::ArtSong => Tradition::Art,
            Self::DutchSong => Tradition::Dutch,
            _ => Tradition::British,
        }
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
    "unknown style `{0}`: write one of reel, jig, hornpipe, slip jig, waltz, polka, march, strathspey, slide, air, morris, polska, \
     slängpolska, vals, schottis, polonäs, marsch, gånglåt, visa, engelska, freylekhs, song, hymn, popular song"
)]
pub struct UnknownStyle(pub String);

impl FromStr for Style {
    type Err = UnknownStyle;

    fn from_str(text: &str) -> Result<Self, UnknownStyle> {
        let wanted = text.trim().to_lowercase().replace(['-', '_'], " ");
        let wanted = wanted.replace(['å', 'ä'], "a").replace('ö', "o");
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
