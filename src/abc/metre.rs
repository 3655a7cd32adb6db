//! Core: metres (ABC 2.1 §3.1.6).

use super::Length;
use std::fmt;
use std::str::FromStr;

/// How a metre is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MetreSign {
    /// `none`, or nothing: free metre.
    #[default]
    None,
    /// `C`: common time, 4/4.
    Common,
    /// `C|`: cut time, 2/2.
    Cut,
    /// Numbers, `6/8` or `2+3/8`.
    Numbers,
}

/// A metre: how many of which note make up a bar.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Metre {
    /// How it is written.
    pub sign: MetreSign,
    /// The upper number's terms: `[6]` for 6/8, `[2, 3]` for 2+3/8; empty in free metre.
    pub beats: Vec<u16>,
    /// The lower number: 8 for eighth notes; 0 in free metre.
    pub unit: u16,
    /// Whether the sum is written in brackets, `(2+3)/8`.
    pub bracketed: bool,
}

/// A metre that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no metre: write one such as 4/4, 6/8, 2+3/8, C, C| or none")]
pub struct MetreError(String);

impl Metre {
    /// `beats/unit`, such as 6/8.
    pub fn new(beats: u16, unit: u16) -> Self {
        Self { sign: MetreSign::Numbers, beats: vec![beats], unit, bracketed: false }
    }

    /// The length of a bar in whole notes; none in free metre.
    pub fn bar(&self) -> Option<Length> {
        let sum: u32 = self.beats.iter().map(|&beat| u32::from(beat)).sum();
        (self.unit > 0 && sum > 0).then(|| Length::new(sum, u32::from(self.unit)))
    }

    /// The upper number: the sum of its terms.
    pub fn numerator(&self) -> u32 {
        self.beats.iter().map(|&beat| u32::from(beat)).sum()
    }

    /// Whether beats divide by three: 6/8, 9/8, 12/8, 6/4, … (what tuplets' defaults ask for, §4.13).
    pub fn is_compound(&self) -> bool {
        self.unit > 0 && matches!(self.beats[..], [beats] if beats % 3 == 0 && beats > 3)
    }

    /// The unit note length where there is no L:, in whole notes: a sixteenth where the metre is less than
    /// 3/4, else an eighth (§3.1.7).
    pub fn default_unit(&self) -> Length {
        match self.bar() {
            Some(bar) if bar < Length::new(3, 4) => Length::new(1, 16),
            _ => Length::new(1, 8),
        }
    }
}

impl FromStr for Metre {
    type Err = MetreError;

    fn from_str(text: &str) -> Result<Self, MetreError> {
        let error = || MetreError(text.trim().chars().take(40).collect());
        let trimmed = text.trim();
        let signed = |sign, beats, unit| Self { sign, beats: vec![beats], unit, bracketed: false };
        match trimmed {
            "" => return Ok(Self::default()),
            "C" | "c" => return Ok(signed(MetreSign::Common, 4, 4)),
            "C|" | "c|" => return Ok(signed(MetreSign::Cut, 2, 2)),
            none if none.eq_ignore_ascii_case("none") => return Ok(Self::default()),
            _ => {}
        }
        let (upper, lower) = trimmed.split_once('/').ok_or_else(error)?;
        let unit: u16 = lower.trim().parse().map_err(|_| error())?;
        if unit == 0 || unit > 1024 || !unit.is_power_of_two() {
            return Err(error());
        }
        let upper = upper.trim();
        let inner = upper.strip_prefix('(').and_then(|inner| inner.strip_suffix(')'));
        let mut beats = Vec::new();
        for term in inner.unwrap_or(upper).split('+') {
            let term: u16 = term.trim().parse().map_err(|_| error())?;
            if term == 0 || term > 1024 || beats.len() >= 32 {
                return Err(error());
            }
            beats.push(term);
        }
        Ok(Self { sign: MetreSign::Numbers, beats, unit, bracketed: inner.is_some() })
    }
}

impl fmt::Display for Metre {
    /// As M: writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sign {
            MetreSign::None => f.write_str("none"),
            MetreSign::Common => f.write_str("C"),
            MetreSign::Cut => f.write_str("C|"),
            MetreSign::Numbers => {
                let sum: Vec<String> = self.beats.iter().map(u16::to_string).collect();
                let sum = sum.join("+");
                if self.bracketed {
                    write!(f, "({sum})/{}", self.unit)
                } else {
                    write!(f, "{sum}/{}", self.unit)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metre_reads_back_as_it_is_written() {
        for (text, bar) in [
            ("6/8", Some(Length::new(3, 4))),
            ("C", Some(Length::ONE)),
            ("C|", Some(Length::ONE)),
            ("2+3/8", Some(Length::new(5, 8))),
            ("(2+3+2)/8", Some(Length::new(7, 8))),
            ("none", None),
        ] {
            let metre: Metre = text.parse().unwrap();
            assert_eq!(metre.to_string(), text);
            assert_eq!(metre.bar(), bar, "{text}");
        }
    }

    #[test]
    fn the_unit_note_length_follows_the_metre_where_no_l_field_gives_it() {
        assert_eq!(Metre::new(2, 4).default_unit(), Length::new(1, 16));
        assert_eq!(Metre::new(6, 8).default_unit(), Length::new(1, 8));
        assert_eq!(Metre::default().default_unit(), Length::new(1, 8));
    }

    #[test]
    fn what_is_no_metre_is_refused() {
        for text in ["0/4", "4/0", "4/3", "a/b", "4", "1/99999999", "70000/4"] {
            assert!(text.parse::<Metre>().is_err(), "{text}");
        }
    }
}
