//! Core: what tunes of a dance come to, to plan a new one by.
//!
//! A musician who sets out on a reel knows that it will come home and that some of its bars will come back, before the
//! first note is chosen. The network's file holds, for every training tune that could have been composed, its dance, its
//! length, its [`Plan`] and its [`Outline`]; a new tune takes those of one of its dance and length, by its seed. No notes
//! are in them.

use std::sync::Arc;

use rand::Rng;
use rand::seq::IndexedRandom;

use super::context::{DEGREES, Plan};
use super::grammar;
use super::outline::Outline;
use super::plain::bar_ticks;
use super::style::Style;

/// Of fewer tunes of one dance and length no distribution is taken, but of the dance as a whole.
const ENOUGH: usize = 20;

/// One tune's: dance, bars as written, degree that it ends on, bars that came before.
type Row = [u8; 4];

/// The plans of many tunes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plans(Vec<Row>);

impl Plans {
    /// What tunes in plain form come to, those that could have been composed.
    pub fn of<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let row = |text: &str| {
            let style = text.lines().find_map(|field| field.strip_prefix("R:"))?;
            let style = Style::from_name(style)?;
            let bars = u8::try_from(grammar::form_of(text)?.bars).ok()?;
            let plan = Plan::of(text)?;
            Some([style as u8, bars, plan.ends_on, u8::try_from(plan.repeats).ok()?])
        };
        Self(texts.filter_map(row).collect())
    }

    /// From the bytes of [`Self::bytes`]; none where they can't be that.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (rows, rest) = bytes.as_chunks::<4>();
        let sound = |row: &Row| row[1] > 0 && usize::from(row[2]) < DEGREES && row[3] < row[1];
        (rest.is_empty() && !rows.is_empty() && rows.iter().all(sound)).then(|| Self(rows.to_vec()))
    }

    /// Four bytes a tune.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.concat()
    }

    /// How many tunes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of a dance and a length, or where these are few of the dance, or where it has none of all.
    fn like(&self, style: Style, bars: u32) -> Vec<Row> {
        let of = |wanted: &dyn Fn(&Row) -> bool| -> Vec<Row> {
            self.0.iter().filter(|row| wanted(row)).copied().collect()
        };
        let same = of(&|row| row[0] == style as u8 && u32::from(row[1]) == bars);
        if same.len() >= ENOUGH {
            return same;
        }
        let dance = of(&|row| row[0] == style as u8);
        if dance.is_empty() { self.0.clone() } else { dance }
    }

    fn plan([_, of_bars, ends_on, repeats]: Row, bars: u32) -> Plan {
        let share = f64::from(repeats) / f64::from(of_bars);
        Plan { ends_on, repeats: (share * f64::from(bars)).round() as u32 }
    }

    /// The plan of a tune of this dance and length, each as likely as the other.
    pub fn draw(&self, style: Style, bars: u32, random: &mut impl Rng) -> Plan {
        let row = self.like(style, bars).choose(random).copied().unwrap_or([0, 1, 0, 0]);
        Self::plan(row, bars)
    }

    /// The usual: home at the end, and as many bars that came before as the middle one of such tunes has.
    pub fn usual(&self, style: Style, bars: u32) -> Plan {
        let mut repeats: Vec<u32> =
            self.like(style, bars).into_iter().map(|row| Self::plan(row, bars).repeats).collect();
        repeats.sort_unstable();
        Plan { ends_on: 0, repeats: repeats.get(repeats.len() / 2).copied().unwrap_or(0) }
    }
}

/// A dance's outline in the file: the dance, the bar in half units, and the outline.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    style: u8,
    bar: u8,
    outline: Arc<Outline>,
}

/// The outlines of many tunes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outlines(Vec<Kept>);

/// From fewer outlines of one dance and length none is drawn, but also from those of its like.
const FEW: usize = 4;

impl Outlines {
    /// Those of tunes in plain form that could have been composed.
    pub fn of<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let keep = |text: &str| {
            let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
            let style = Style::from_name(field("R:")?)? as u8;
            let (beats, unit) = field("M:")?.split_once('/')?;
            let metre = (beats.parse().ok()?, unit.parse().ok()?);
            let bar = bar_ticks(metre, field("L:1/")?.parse().ok()?) / 12;
            grammar::form_of(text)?;
            let outline = Arc::new(Outline::of(text)?);
            Some(Kept { style, bar: u8::try_from(bar).ok()?, outline })
        };
        Self(texts.filter_map(keep).collect())
    }

    /// From the bytes of [`Self::bytes`]; none where they can't be that.
    pub fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let mut kept = Vec::new();
        while let [style, bar, length, low, rest @ ..] = bytes {
            let length = usize::from(u16::from_le_bytes([*length, *low]));
            let (outline, rest) = rest.split_at_checked(length)?;
            let outline = Arc::new(Outline::from_bytes(outline)?);
            kept.push(Kept { style: *style, bar: *bar, outline });
            bytes = rest;
        }
        bytes.is_empty().then_some(Self(kept))
    }

    /// For each its dance, its bar, the length of the rest in two bytes, and the rest.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for kept in &self.0 {
            let outline = kept.outline.bytes();
            bytes.extend([kept.style, kept.bar]);
            bytes.extend((outline.len() as u16).to_le_bytes());
            bytes.extend(outline);
        }
        bytes
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those for a tune of this dance and length whose bar has so many ticks: of such tunes, of the first sections of
    /// longer ones, or where these are few of the dances of its tradition in such a bar, or of all. `takes` says which
    /// pickups will do.
    fn like(
        &self,
        style: Style,
        bars: u32,
        bar: i32,
        takes: &dyn Fn(i32) -> bool,
    ) -> Vec<Arc<Outline>> {
        let of = |wanted: &dyn Fn(u8) -> bool| -> Vec<Arc<Outline>> {
            let fitting = |kept: &&Kept| {
                wanted(kept.style) && i32::from(kept.bar) * 12 == bar && takes(kept.outline.pickup)
            };
            let fitting = || self.0.iter().filter(fitting).map(|kept| &kept.outline);
            let whole = fitting().filter(|outline| outline.bars.len() == bars as usize);
            let mut found: Vec<_> = whole.cloned().collect();
            if found.len() < FEW {
                found.extend(
                    fitting().filter_map(|outline| outline.first(bars as usize)).map(Arc::new),
                );
            }
            found
        };
        let tradition = |other: u8| {
            Style::ALL_NAMES
                .get(usize::from(other))
                .is_some_and(|(other, _)| other.tradition() == style.tradition())
        };
        [&|other: u8| other == style as u8, &tradition as &dyn Fn(u8) -> bool, &|_: u8| true]
            .into_iter()
            .map(of)
            .find(|found| found.len() >= FEW)
            .unwrap_or_default()
    }

    /// One for a tune of this dance and length, each as likely as the other; none where there is none.
    pub fn draw(
        &self,
        style: Style,
        bars: u32,
        bar: i32,
        takes: &dyn Fn(i32) -> bool,
        random: &mut impl Rng,
    ) -> Option<Arc<Outline>> {
        self.like(style, bars, bar, takes).choose(random).cloned()
    }

    /// The usual one: it comes home, and as many of its bars come back as in the middle one of such.
    pub fn usual(
        &self,
        style: Style,
        bars: u32,
        bar: i32,
        takes: &dyn Fn(i32) -> bool,
    ) -> Option<Arc<Outline>> {
        let mut found = self.like(style, bars, bar, takes);
        found.retain(|outline| outline.plan().is_some_and(|plan| plan.ends_on == 0));
        found.sort_by_key(|outline| outline.plan().map(|plan| plan.repeats));
        found.get(found.len() / 2).cloned()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    const FIELDS: &str = "R:jig\nM:6/8\nL:1/8\nK:G\n";

    fn plans() -> Plans {
        let jig = format!("{FIELDS}D|GAB ABc|dBG G2D|GAB ABc|dBG A2:|]");
        let reel = "R:reel\nM:4/4\nL:1/8\nK:G\nG4 B4|d4 B4|A4 F4|G8|]";
        let none = format!("{FIELDS}GAB ABcd|dBG G3|]");
        Plans::of([jig.as_str(), reel, none.as_str()].into_iter())
    }

    #[test]
    fn a_tune_takes_its_plan_from_one_of_its_dance() {
        let mut random = StdRng::seed_from_u64(1);
        let mut draw = |style, bars| plans().draw(style, bars, &mut random);
        assert_eq!(plans().len(), 2);
        for _ in 0..9 {
            assert_eq!(draw(Style::Jig, 4), Plan { ends_on: 1, repeats: 1 });
            assert_eq!(draw(Style::Reel, 4), Plan { ends_on: 0, repeats: 0 });
            assert_eq!(draw(Style::Jig, 32).repeats, 8);
        }
        assert_eq!(plans().usual(Style::Jig, 8), Plan { ends_on: 0, repeats: 2 });
    }

    #[test]
    fn plans_are_read_back_from_their_bytes_and_others_refused() {
        assert_eq!(Plans::from_bytes(&plans().bytes()), Some(plans()));
        for damaged in [&[][..], &[0, 16, 0], &[0, 16, 7, 2], &[0, 0, 0, 0], &[0, 8, 0, 9]] {
            assert_eq!(Plans::from_bytes(damaged), None, "{damaged:?}");
        }
    }
}
