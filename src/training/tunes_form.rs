//! Interface: the form of written tunes beside real ones, dance by dance: what players look at first.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use earworm_tunes::grammar;
use earworm_tunes::normalise::{Origin, plain};
use earworm_tunes::outline::{Kin, Outline};
use earworm_tunes::plain::{Bar, Element};
use earworm_tunes::{Composer, Request, Style};

/// What is counted of a dance's tunes.
#[derive(Default, Clone)]
struct Form {
    tunes: f64,
    no_strain_mark: f64,
    /// Tunes whose first strain has eight bars or more, and of those the ones whose bar 4 is bar 8.
    eights: f64,
    four_is_eight: f64,
    bars: f64,
    distinct: f64,
    after_four: f64,
    stray_end: f64,
    off_home: f64,
    above: f64,
    late_start: f64,
    /// Tunes with a second strain, and of those the ones in which it lies higher.
    seconds: f64,
    second_higher: f64,
    notes_apart: f64,
}

impl Form {
    /// Counts a tune in plain form.
    fn add(&mut self, text: &str) {
        let Some(outline) = Outline::of(text) else { return };
        let Ok(tune) = plain(&format!("X:1\n{text}\n"), Origin::default()) else { return };
        let bars = &outline.bars;
        self.tunes += 1.0;
        let (_, first_end) = outline.section(0);
        let count = |is: bool| f64::from(u8::from(is));
        self.no_strain_mark += count(first_end + 1 == bars.len());
        let same = |bar: usize, other: usize| {
            let mut at = bar;
            // Follows the chain of bars that are the same.
            while at > other && bars[at].kin == Kin::Same {
                at -= usize::from(bars[at].back);
            }
            let mut root = other;
            while bars[root].kin == Kin::Same {
                root -= usize::from(bars[root].back);
            }
            while bars[at].kin == Kin::Same {
                at -= usize::from(bars[at].back);
            }
            at == root
        };
        if first_end >= 7 {
            self.eights += 1.0;
            self.four_is_eight += count(same(7, 3));
        }
        self.bars += bars.len() as f64;
        self.distinct += bars.iter().filter(|bar| bar.kin != Kin::Same).count() as f64;
        self.after_four += (4..bars.len()).filter(|&bar| same(bar, bar - 4)).count() as f64;
        let notes: Vec<(i8, i32)> = tune
            .elements
            .iter()
            .filter_map(|element| match element {
                Element::Note { step, ticks, .. } => Some((*step, *ticks)),
                _ => None,
            })
            .collect();
        let unit = if tune.unit == 16 { 48 } else { 24 };
        self.stray_end += count(notes.last().is_some_and(|(_, ticks)| *ticks < unit));
        self.off_home += count(bars.last().is_some_and(|bar| bar.cadence != 0));
        self.above += count(notes.iter().any(|(step, _)| *step > 13));
        self.late_start += count(bars[0].line == Bar::Start);
        let mut steps: Vec<i8> = notes.iter().map(|(step, _)| *step).collect();
        steps.sort_unstable();
        steps.dedup();
        self.notes_apart += steps.len() as f64;
        if let Some(second) = bars.get(first_end + 1) {
            self.seconds += 1.0;
            self.second_higher += count(second.register > bars[0].register);
        }
    }

    fn row(&self) -> [f64; 10] {
        let share = |part: f64, of: f64| 100.0 * part / of.max(1.0);
        [
            share(self.no_strain_mark, self.tunes),
            share(self.four_is_eight, self.eights),
            share(self.distinct, self.bars),
            share(self.after_four, self.bars),
            share(self.stray_end, self.tunes),
            share(self.off_home, self.tunes),
            share(self.above, self.tunes),
            share(self.late_start, self.tunes),
            share(self.second_higher, self.seconds),
            self.notes_apart / self.tunes.max(1.0),
        ]
    }
}

const ROWS: [&str; 10] = [
    "no strain mark, %",
    "bar 4 is bar 8, %",
    "distinct bars, %",
    "a bar comes back after four, %",
    "ends in less than a unit, %",
    "ends off the tonic, %",
    "goes above b'', %",
    "a bar before the first |:, %",
    "second strain higher, %",
    "notes of different height",
];

/// Writes so many tunes of each dance, of the lengths that real ones have, and prints both forms.
pub fn compare(
    composer: &Composer,
    real: &[String],
    request: &Request,
    count: u64,
) -> anyhow::Result<()> {
    let mut by_dance: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for text in real {
        let rhythm = text.lines().find_map(|line| line.strip_prefix("R:")).unwrap_or("");
        if grammar::form_of(text).is_some_and(|form| earworm_tunes::BARS.contains(&form.bars)) {
            by_dance.entry(rhythm).or_default().push(text);
        }
    }
    for style in Style::ALL {
        let name = style.name();
        let real = by_dance.iter().find(|(rhythm, _)| rhythm.parse() == Ok(style));
        let Some((_, real)) = real else { continue };
        let (mut theirs, mut ours) = (Form::default(), Form::default());
        real.iter().for_each(|text| theirs.add(text));
        for seed in 0..count {
            let like = real[(seed as usize * 7919) % real.len()];
            let field = |name: &str| like.lines().find_map(|line| line.strip_prefix(name));
            let bars = grammar::form_of(like).map_or(16, |form| form.bars);
            let metre = field("M:").and_then(|metre| metre.parse().ok());
            let request = Request {
                style,
                bars,
                key: field("K:").and_then(|key| key.parse().ok()).unwrap_or_default(),
                metre: metre.filter(|metre: &earworm_abc::Metre| {
                    style.metres().iter().any(|&(beats, unit)| {
                        (u32::from(beats), u16::from(unit)) == (metre.numerator(), metre.unit)
                    })
                }),
                seed,
                chords: false,
                ..request.clone()
            };
            let tune = composer.compose(&request, &mut |_| ControlFlow::Continue(()))?;
            ours.add(&tune.plain);
        }
        println!("{name}: {} real tunes, {} written", theirs.tunes, ours.tunes);
        for ((row, theirs), ours) in ROWS.iter().zip(theirs.row()).zip(ours.row()) {
            println!("    {row:32} {theirs:6.1} {ours:6.1}");
        }
    }
    Ok(())
}
