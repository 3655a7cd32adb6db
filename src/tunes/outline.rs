//! Core: the outline of a tune: its strains, the cadence of each phrase, and which bars return, whole or changed.
//!
//! A musician knows before the first note that the second strain will lie higher, that bar 5 says bar 1 again, and that
//! bar 4 asks where bar 8 closes. An [`Outline`] says this of every bar. It is read from a finished tune for the network to
//! learn from, and a new tune takes one that some tune of its dance and length had; no note is in it.

use std::sync::Arc;

use super::alphabet::staff_letter;
use super::context::{Context, Place, Plan};
use super::plain::Bar;

/// How a bar stands to one before it, its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kin {
    /// It has no model.
    #[default]
    New = 1,
    /// It is the same, note for note.
    Same,
    /// It begins in the same way, at least for half of the bar, and goes on otherwise.
    Opens,
    /// It begins otherwise and ends in the same way, at least for half of the bar.
    Closes,
    /// At least half of it is the same.
    Varied,
    /// It has the same rhythm on other notes.
    Rhythm,
}

impl Kin {
    const ALL: [Self; 6] =
        [Self::New, Self::Same, Self::Opens, Self::Closes, Self::Varied, Self::Rhythm];

    /// Rows of the fact that tells it: none, and these from 1 on.
    pub(super) const ROWS: usize = 8;
}

/// The lines that may end a bar of an outline.
const LINES: [Bar; 7] =
    [Bar::Plain, Bar::Double, Bar::Start, Bar::End, Bar::EndStart, Bar::Final, Bar::EndFinal];

/// Registers: the mean height of a section's notes above the tonic, in pairs of staff steps.
pub(super) const REGISTERS: usize = 9;

/// What the outline says of a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BarOutline {
    /// The bar line after it.
    pub line: Bar,
    /// How it stands to its model.
    pub kin: Kin,
    /// How many bars before it its model is; 0 where it has none.
    pub back: u8,
    /// The degree of its last note above the tonic, 0 to 6; 7 where it has no note.
    pub cadence: u8,
    /// How high its section lies, 0 to 8.
    pub register: u8,
}

/// The outline of a tune.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outline {
    /// Ticks of the pickup before the first bar, and before every section after the first.
    pub pickup: i32,
    /// In the order in which they are written, a pickup counted with the bar after it.
    pub bars: Vec<BarOutline>,
}

/// A note of a bar: start, staff step, accidental sign (0 for none), length; a rest has no step.
type Note = (i32, Option<i8>, u8, i32);

/// Reads the notes of bars as a text goes on.
#[derive(Default)]
struct Notes {
    bars: Vec<Vec<Note>>,
    current: Vec<Note>,
    sign: u8,
    pickup: Option<i32>,
}

impl Notes {
    fn push(&mut self, character: u8, context: &Context) {
        match context.place {
            Place::Accidental => self.sign = character,
            Place::Letter | Place::Rest => {
                let sign = std::mem::take(&mut self.sign);
                self.current.push((context.note_start, None, sign, 0));
                self.settle(context);
            }
            Place::Mark | Place::Length(_) | Place::Broken => self.settle(context),
            Place::Line | Place::Colon if !self.current.is_empty() => {
                let bar = std::mem::take(&mut self.current);
                if context.ended_pickup {
                    self.pickup.get_or_insert(context.ended_at);
                } else {
                    self.bars.push(bar);
                }
            }
            _ => {}
        }
    }

    fn settle(&mut self, context: &Context) {
        if let Some(note) = self.current.last_mut() {
            note.1 = (!context.is_rest).then_some(context.step);
            note.3 = match context.place {
                Place::Broken => context.written,
                _ => (context.position - context.note_start).max(0),
            };
        }
    }
}

/// Ticks of a cell in which two bars are compared.
const CELL: i32 = 12;

/// What sounds in each cell of a bar, and whether it begins there.
fn cells(notes: &[Note], bar: i32) -> Vec<(bool, Option<i8>, u8)> {
    let mut cells = vec![(false, None, 0); (bar / CELL).max(1) as usize];
    for &(start, step, sign, length) in notes {
        for at in start / CELL..((start + length) / CELL).max(start / CELL + 1) {
            if let Some(cell) = cells.get_mut(at as usize) {
                *cell = (at == start / CELL, step, sign);
            }
        }
    }
    cells
}

/// How a bar stands to an earlier one.
fn kin(bar: &[Note], model: &[Note], ticks: i32) -> Kin {
    if bar == model {
        return Kin::Same;
    }
    let (ours, theirs) = (cells(bar, ticks), cells(model, ticks));
    let half = ours.len().div_ceil(2);
    let same = |(a, b): &(&_, &_)| a == b;
    let pairs = || ours.iter().zip(&theirs);
    if pairs().take_while(same).count() >= half {
        Kin::Opens
    } else if pairs().rev().take_while(same).count() >= half {
        Kin::Closes
    } else if pairs().filter(same).count() >= half {
        Kin::Varied
    } else if bar.len() > 2
        && bar.len() == model.len()
        && bar.iter().zip(model).all(|(a, b)| (a.0, a.3) == (b.0, b.3))
    {
        Kin::Rhythm
    } else {
        Kin::New
    }
}

impl Outline {
    /// The outline of a tune in plain form; none where it has endings or no bar.
    pub fn of(text: &str) -> Option<Self> {
        let mut context = Context::new();
        let mut notes = Notes::default();
        let mut lines: Vec<Bar> = Vec::new();
        let mut signs = Vec::new();
        for character in text.bytes() {
            context.push(character);
            let before = notes.bars.len();
            if !context.in_body() {
                continue;
            }
            notes.push(character, &context);
            if matches!(character, b'|' | b':' | b']')
                && matches!(
                    context.place,
                    Place::Line | Place::Colon | Place::Closed | Place::End | Place::Done
                )
            {
                if notes.bars.len() > before {
                    signs.clear();
                    lines.push(Bar::Plain);
                }
                if !context.ended_pickup {
                    signs.push(character);
                    if let Some(last) = lines.last_mut() {
                        *last = match &signs[..] {
                            b"||" => Bar::Double,
                            b"|:" => Bar::Start,
                            b":|" => Bar::End,
                            b"::" => Bar::EndStart,
                            b"|]" => Bar::Final,
                            b":|]" => Bar::EndFinal,
                            _ => Bar::Plain,
                        };
                    }
                }
            } else if context.place == Place::Ending {
                return None;
            }
        }
        if notes.bars.is_empty() || lines.len() != notes.bars.len() || notes.bars.len() > 250 {
            return None;
        }
        let tonic = i32::from(context.key?.letter);
        let mut bars: Vec<BarOutline> = Vec::with_capacity(lines.len());
        let mut section = 0;
        for (at, &line) in lines.iter().enumerate() {
            let here = &notes.bars[at];
            let (kin, back) = (0..at)
                .map(|model| (kin(here, &notes.bars[model], context.bar), at - model))
                .filter(|&(kin, back)| kin != Kin::New && back < 100)
                // The model a musician has in mind is whole phrases back.
                .min_by_key(|&(kin, back)| {
                    let phrases = match back {
                        back if back % 8 == 0 => 0,
                        back if back % 4 == 0 => 1,
                        back if back % 2 == 0 => 2,
                        1 => 3,
                        _ => 4,
                    };
                    (kin as usize, phrases, back)
                })
                .unwrap_or((Kin::New, 0));
            let last = here.iter().rev().find_map(|note| note.1);
            let cadence = last.map_or(7, |step| (i32::from(step) - tonic).rem_euclid(7) as u8);
            bars.push(BarOutline { line, kin, back: back as u8, cadence, register: 0 });
            if line != Bar::Plain || at + 1 == lines.len() {
                let steps: Vec<i32> = notes.bars[section..=at]
                    .iter()
                    .flatten()
                    .filter_map(|note| note.1.map(i32::from))
                    .collect();
                let mean = steps.iter().sum::<i32>() as f64 / steps.len().max(1) as f64;
                let register = ((mean - f64::from(tonic) + 6.0) / 2.0).floor();
                let register = register.clamp(0.0, (REGISTERS - 1) as f64) as u8;
                bars[section..=at].iter_mut().for_each(|bar| bar.register = register);
                section = at + 1;
            }
        }
        Some(Self { pickup: notes.pickup.unwrap_or(0), bars })
    }

    /// The first bar of the section that a bar is in, and the last.
    pub fn section(&self, bar: usize) -> (usize, usize) {
        let ends = |at: usize| self.bars.get(at).is_none_or(|bar| bar.line != Bar::Plain);
        let mut first = bar;
        while first > 0 && !ends(first - 1) {
            first -= 1;
        }
        let mut last = bar;
        while last + 1 < self.bars.len() && !ends(last) {
            last += 1;
        }
        (first, last)
    }

    /// The last bar of the phrase that a bar is in: phrases are four bars of a section, the last perhaps fewer.
    pub fn phrase_end(&self, bar: usize) -> usize {
        let (first, last) = self.section(bar);
        (first + (bar - first) / 4 * 4 + 3).min(last)
    }

    /// What a tune of this outline comes to; none where its last bar has no note.
    pub fn plan(&self) -> Option<Plan> {
        let ends_on = self.bars.last().map(|bar| bar.cadence).filter(|&degree| degree < 7)?;
        let repeats = self.bars.iter().filter(|bar| bar.kin == Kin::Same).count() as u32;
        Some(Plan { ends_on, repeats })
    }

    /// Its first so many bars as the outline of a tune, if a section ends with them.
    pub fn first(&self, bars: usize) -> Option<Self> {
        let mut bars = self.bars.get(..bars)?.to_vec();
        let last = bars.last_mut()?;
        last.line = match last.line {
            Bar::Plain => return None,
            Bar::End | Bar::EndStart | Bar::EndFinal => Bar::EndFinal,
            _ => Bar::Final,
        };
        Some(Self { pickup: self.pickup, bars })
    }

    /// How many bytes a bar takes.
    const BYTES: usize = 3;

    /// As bytes: the pickup in half units, and three for each bar.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![(self.pickup / CELL).clamp(0, 255) as u8];
        for bar in &self.bars {
            let line = LINES.iter().position(|&line| line == bar.line).unwrap_or(0) as u8;
            bytes.extend([line | (bar.kin as u8) << 4, bar.back, bar.cadence | bar.register << 4]);
        }
        bytes
    }

    /// From the bytes of [`Self::bytes`]; none where they can't be that.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&pickup, rest) = bytes.split_first()?;
        if rest.is_empty() || rest.len() % Self::BYTES != 0 {
            return None;
        }
        let bars = rest
            .chunks_exact(Self::BYTES)
            .enumerate()
            .map(|(at, bytes)| {
                let kin = *Kin::ALL.get(usize::from(bytes[0] >> 4).checked_sub(1)?)?;
                let bar = BarOutline {
                    line: *LINES.get(usize::from(bytes[0] & 15))?,
                    kin,
                    back: bytes[1],
                    cadence: bytes[2] & 15,
                    register: bytes[2] >> 4,
                };
                let sound = bar.cadence < 8
                    && usize::from(bar.register) < REGISTERS
                    && usize::from(bar.back) <= at
                    && (bar.kin == Kin::New) == (bar.back == 0);
                sound.then_some(bar)
            })
            .collect::<Option<Vec<_>>>()?;
        let last = bars.last().map(|bar| bar.line);
        let ends = matches!(last, Some(Bar::Final | Bar::EndFinal));
        ends.then_some(Self { pickup: i32::from(pickup) * CELL, bars })
    }
}

/// Where the bars of a tune end and in which bar lines: what the mask holds a text to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Ticks of the pickup, 0 for none.
    pub(super) pickup: i32,
    /// For each bar its ticks and the bar line after it.
    pub(super) bars: Vec<(i32, Bar)>,
    /// For each bar the degree that its last note must have, where a section closes on it.
    pub(super) closes: Vec<Option<u8>>,
    /// For each bar whether the one after it is given, so that no tie may lead there.
    pub(super) before_given: Vec<bool>,
}

impl Frame {
    /// Of a tune that is to be composed to an outline, in bars of so many ticks.
    pub fn of_outline(outline: &Outline, bar: i32) -> Self {
        let ends = |line: Bar| if line == Bar::Plain { bar } else { bar - outline.pickup };
        let given = |kin: Option<&BarOutline>| {
            kin.is_some_and(|bar| matches!(bar.kin, Kin::Same | Kin::Opens))
        };
        Self {
            pickup: outline.pickup,
            bars: outline.bars.iter().map(|bar| (ends(bar.line), bar.line)).collect(),
            closes: outline
                .bars
                .iter()
                .map(|bar| Some(bar.cadence).filter(|&to| bar.line != Bar::Plain && to < 7))
                .collect(),
            before_given: (1..=outline.bars.len()).map(|at| given(outline.bars.get(at))).collect(),
        }
    }

    /// Of a tune in plain form, of which some bars are to be written anew.
    pub fn of_text(text: &str, known: &[bool]) -> Self {
        let mut frame =
            Self { pickup: 0, bars: Vec::new(), closes: Vec::new(), before_given: Vec::new() };
        let mut context = Context::new();
        let mut line = Vec::new();
        let mut music = false;
        for character in text.bytes() {
            context.push(character);
            if !context.in_body() {
                continue;
            }
            if !b"|:]12".contains(&character)
                || !matches!(
                    context.place,
                    Place::Line
                        | Place::Colon
                        | Place::Closed
                        | Place::End
                        | Place::Ending
                        | Place::Done
                )
            {
                if character != b' ' {
                    music = true;
                }
                continue;
            }
            if std::mem::take(&mut music) {
                line.clear();
                if context.ended_pickup {
                    frame.pickup = context.ended_at;
                } else {
                    frame.bars.push((context.ended_at, Bar::Plain));
                }
            }
            line.push(character);
            if !context.ended_pickup
                && let Some((_, last)) = frame.bars.last_mut()
            {
                *last = match &line[..] {
                    b"||" => Bar::Double,
                    b"|:" => Bar::Start,
                    b":|" => Bar::End,
                    b"::" => Bar::EndStart,
                    b"|1" => Bar::First,
                    b":|2" => Bar::Second,
                    b"|]" => Bar::Final,
                    b":|]" => Bar::EndFinal,
                    _ => Bar::Plain,
                };
            }
        }
        let known = |at: usize| known.get(at).copied().unwrap_or(false);
        frame.closes = vec![None; frame.bars.len()];
        frame.before_given = (1..=frame.bars.len()).map(known).collect();
        frame
    }
}

/// What stands in the bars that are known while others are written: the text of the whole tune, and which of its bars
/// are known.
#[derive(Debug)]
pub struct Score {
    pub(super) text: Vec<u8>,
    /// For half the ticks since the tune began: where in the text the notes first reached that time.
    pub(super) reached: Vec<u32>,
    /// The symbol of each bar's first note, by degree; none for a rest.
    pub(super) firsts: Vec<Option<u8>>,
    pub(super) known: Vec<bool>,
}

impl Score {
    /// Of a tune in plain form, of which `known` says for each bar whether it is known.
    pub fn new(text: &str, known: Vec<bool>) -> Arc<Self> {
        let mut context = Context::new();
        let mut firsts: Vec<Option<u8>> = Vec::new();
        for character in text.bytes() {
            let is_first = context.in_body() && context.position == 0 && !context.in_pickup;
            let symbol = context.symbol(character);
            context.push(character);
            let begins = matches!(context.place, Place::Letter | Place::Rest);
            let bar = context.measures as usize;
            if is_first && begins && context.pickup.is_some() | (firsts.is_empty()) {
                firsts.resize(bar, None);
                firsts.push(symbol.filter(|_| staff_letter(character).is_some()));
            }
        }
        Arc::new(Self { text: text.into(), reached: context.reached(), firsts, known })
    }

    pub(super) fn knows(&self, bar: usize) -> bool {
        self.known.get(bar).copied().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: &str = "R:jig\nM:6/8\nL:1/8\nK:G\n";

    fn outline(body: &str) -> Outline {
        Outline::of(&format!("{FIELDS}{body}")).unwrap()
    }

    #[test]
    fn an_outline_says_which_bars_return_and_how() {
        let tune = outline("D|GAB ABc|dBG G2D|GAB ABc|dBA A2::d|efg dBG|ABA A3|gfe dBG|ABA G2:|]");
        let said: Vec<_> = tune.bars.iter().map(|bar| (bar.kin, bar.back)).collect();
        assert_eq!(tune.pickup, 24);
        assert_eq!(said[0], (Kin::New, 0));
        assert_eq!(said[2], (Kin::Same, 2));
        assert_eq!(said[6], (Kin::Closes, 2));
        assert_eq!(said[7].0, Kin::Opens);
        let lines: Vec<_> = tune.bars.iter().map(|bar| bar.line).collect();
        assert_eq!((lines[3], lines[7], lines[4]), (Bar::EndStart, Bar::EndFinal, Bar::Plain));
        assert_eq!(tune.bars.iter().map(|bar| bar.cadence).nth(7), Some(0));
        assert_eq!(tune.section(5), (4, 7));
        assert_eq!(tune.phrase_end(1), 3);
    }

    #[test]
    fn a_section_that_lies_higher_has_a_higher_register() {
        let tune = outline("GAB ABc|dBG G3|GAB ABc|dBG G3||gab abg|e'c'b a3|gab abg|e'c'a g3|]");
        assert!(tune.bars[4].register > tune.bars[3].register);
    }

    #[test]
    fn outlines_are_read_back_from_their_bytes_and_others_refused() {
        let tune = outline("D|GAB ABc|dBG G2D|GAB ABc|dBA A2::d|efg dBG|ABA A3|gfe dBG|ABA G2:|]");
        assert_eq!(Outline::from_bytes(&tune.bytes()), Some(tune.clone()));
        assert_eq!(Outline::from_bytes(&[]), None);
        assert_eq!(Outline::from_bytes(&tune.bytes()[..9]), None);
        let mut damaged = tune.bytes();
        damaged[1] = 0xff;
        assert_eq!(Outline::from_bytes(&damaged), None);
        assert_eq!(Outline::of(&format!("{FIELDS}GAB|1 ABc:|2 dBG|]")), None);
    }
}
