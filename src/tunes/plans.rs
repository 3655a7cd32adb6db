//! Core: what tunes of a dance come to, to plan a new one by.
//!
//! A musician who sets out on a reel knows that it will come home and that some of its bars will come back, before the
//! first note is chosen. The network's file holds, for every training tune that could have been composed, its dance, its
//! length and its [`Plan`]; a new tune takes the plan of one of its dance and length, by its seed. No notes
//! are in it: an ending degree and a count.

use rand::Rng;
use rand::seq::IndexedRandom;

use super::context::{DEGREES, Plan};
use super::grammar;
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
