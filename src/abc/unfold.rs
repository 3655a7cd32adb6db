//! Core: the order in which a voice's elements are played: repeats, variant endings, parts
//! (ABC 2.1 §4.8, §4.10, §3.1.9), and jumps.

use super::jumps::{Destination, Mark, Sign, Until};
use super::model::*;
use std::collections::HashMap;
use std::iter::once;
use std::ops::Range;

/// The most elements that one voice visits while it is played; the rest is cut and said.
pub const MOST_STEPS: usize = 1 << 19;
/// The most parts that a P: order plays.
pub const MOST_PARTS: usize = 1 << 12;
/// The highest number that a variant ending may have.
pub const MOST_PASSES: u16 = 999;
/// How deep brackets nest in a P: order.
pub const MOST_NESTING: usize = 16;
/// The most jumps that are made in one tune, and the most places that are said never to be played.
const MOST_JUMPS: usize = 16;

impl PartOrder {
    /// The parts in the order in which they are played: `A(BC)2` is A B C B C. The flag says that the
    /// order was cut: too long, nested too deep, or its brackets don't match.
    pub fn expand(&self) -> (Vec<char>, bool) {
        // Where each open bracket's content starts; a number after its end repeats it.
        let mut order: Vec<char> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        let mut cut = false;
        // What a number after it repeats: the last part, or the last bracket's content.
        let mut last: Option<usize> = None;
        let mut figures: Option<u32> = None;
        for c in self.text.chars().chain([' ']) {
            if let Some(figure) = c.to_digit(10) {
                figures = Some(figures.unwrap_or(0).saturating_mul(10).saturating_add(figure));
                continue;
            }
            if let (Some(count), Some(start)) = (figures.take(), last.take()) {
                let end = order.len();
                for _ in 1..count {
                    if order.len() + (end - start) > MOST_PARTS || start == end {
                        cut |= start != end;
                        break;
                    }
                    order.extend_from_within(start..end);
                }
                if count == 0 {
                    order.truncate(start);
                }
            }
            match c {
                '(' if open.len() < MOST_NESTING => {
                    open.push(order.len());
                    last = None;
                }
                '(' => cut = true,
                ')' => match open.pop() {
                    Some(start) => last = Some(start),
                    None => cut = true,
                },
                c if c.is_alphanumeric() => {
                    if order.len() < MOST_PARTS {
                        last = Some(order.len());
                        order.push(c);
                    } else {
                        cut = true;
                        last = None;
                    }
                }
                _ => {}
            }
        }
        cut |= !open.is_empty();
        (order, cut)
    }
}

impl Voice {
    /// The bar lines at which a repeated section starts without `|:`: double bars and ends of repeats
    /// (ABC 2.1 §4.8). A section that starts with the tune has none.
    pub fn implied_repeat_starts(&self) -> Vec<Range<usize>> {
        sections(&self.elements, &(0..self.elements.len()))
            .iter()
            .filter(|section| !section.explicit && section.start > 0)
            .map(|section| self.elements[section.start - 1].span.clone())
            .collect()
    }
}

impl Voice {
    /// The ends of repeats that close the last ending of their section, `|1 …:|2 …:|`: they repeat nothing (ABC 2.1 §4.10).
    pub fn closed_last_endings(&self) -> Vec<Range<usize>> {
        sections(&self.elements, &(0..self.elements.len()))
            .iter()
            .filter(|section| section.passes().last().is_some_and(|pass| *pass != Pass::Body))
            .filter_map(|section| {
                let (last, end) = (section.endings.last()?, *section.ends.last()?);
                (end > last.at).then(|| self.elements[end].span.clone())
            })
            .collect()
    }
}

/// The order in which `elements` are played, as ranges of indices; no two that follow one another touch. `parts` gives
/// the header's P: order, `marks` where the music jumps.
pub(super) fn unfold(
    elements: &[Element],
    parts: Option<&PartOrder>,
    marks: &[Mark],
    findings: &mut Vec<Finding>,
) -> Vec<Range<usize>> {
    let mut walk = Walk { elements, order: Vec::new(), steps: MOST_STEPS, cut: None, findings };
    let labels = part_labels(elements);
    let order = parts.map(PartOrder::expand).filter(|(order, _)| !order.is_empty());
    match order {
        Some((order, cut)) if !labels.is_empty() => {
            walk.parts(&labels, &order, cut);
            if let Some(mark) = marks.iter().find(|mark| matches!(mark.sign, Sign::Jump(..))) {
                walk.say(
                    Severity::Note,
                    mark.span.clone(),
                    "P: says the order of the parts, so this jump is not made".to_owned(),
                    "",
                );
            }
        }
        _ => {
            walk.sections(0..elements.len(), 0, Manner::Repeating);
            walk.jumps(marks);
        }
    }
    if let Some(place) = walk.cut.take() {
        walk.say(
            Severity::Error,
            place,
            format!("the repeats make more than {MOST_STEPS} steps; the rest is not played"),
            "repeat fewer times",
        );
    } else {
        walk.say_what_is_never_played(&labels);
    }
    walk.order
}

/// Parts and where they start.
fn part_labels(elements: &[Element]) -> Vec<(char, usize)> {
    let part = |(at, element): (usize, &Element)| match &element.kind {
        ElementKind::Field(field) => match field.change {
            Change::Part(part) => Some((part, at)),
            _ => None,
        },
        _ => None,
    };
    elements.iter().enumerate().filter_map(part).collect()
}

/// How sections are played.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// As their signs say.
    Repeating,
    /// In a part that has its turn for the n-th time of so many: it may play an ending a turn (§4.10).
    Turn(u16, u16),
    /// After a jump: without repeats, with the last ending.
    Once,
}

struct Walk<'a> {
    elements: &'a [Element],
    order: Vec<Range<usize>>,
    /// Elements that may still be visited.
    steps: usize,
    /// The sign at which they ran out.
    cut: Option<Range<usize>>,
    findings: &'a mut Vec<Finding>,
}

impl Walk<'_> {
    fn say(&mut self, severity: Severity, span: Range<usize>, text: String, hint: &str) {
        if self.findings.len() < 256 {
            self.findings.push(Finding { severity, span, text, hint: hint.to_owned() });
        }
    }

    /// Plays these elements as far as steps are left; `sign` is what asks for it.
    fn play(&mut self, range: Range<usize>, sign: usize) {
        let cost = range.len().max(1);
        let mut end = range.end;
        if cost > self.steps {
            end = range.start + self.steps.min(range.len());
            if self.cut.is_none() {
                self.cut = Some(self.elements.get(sign).map_or(0..0, |sign| sign.span.clone()));
            }
        }
        self.steps = self.steps.saturating_sub(cost);
        self.add(range.start..end);
    }

    /// Puts elements at the end of the order.
    fn add(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        match self.order.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.order.push(range),
        }
    }

    /// Plays the parts in their order.
    fn parts(&mut self, labels: &[(char, usize)], parts: &[char], cut: bool) {
        let place = self.elements[labels[0].1].span.clone();
        if cut {
            self.say(
                Severity::Error,
                place.clone(),
                format!("the order of parts is cut: more than {MOST_PARTS} parts, or brackets that don't match"),
                "write P: such as ABA(CD)2",
            );
        }
        // What stands before the first part belongs to none: it is played once, first.
        self.sections(0..labels[0].1, 0, Manner::Repeating);
        let mut missing: Vec<char> = Vec::new();
        // Each part's place among the labels, the first where two have one letter.
        let mut places: HashMap<char, usize> = HashMap::new();
        for (at, label) in labels.iter().enumerate() {
            places.entry(label.0).or_insert(at);
        }
        let mut turns: HashMap<char, (u16, u16)> = HashMap::new();
        for &part in parts {
            turns.entry(part).or_default().1 += 1;
        }
        for &part in parts {
            match places.get(&part) {
                Some(&at) => {
                    let start = labels[at].1;
                    let end = labels.get(at + 1).map_or(self.elements.len(), |&(_, end)| end);
                    let turn = turns.entry(part).or_default();
                    turn.0 += 1;
                    let turn = Manner::Turn(turn.0, turn.1);
                    self.sections(start..end, start, turn);
                }
                None if !missing.contains(&part) && missing.len() < 16 => {
                    missing.push(part);
                    self.say(
                        Severity::Warning,
                        place.clone(),
                        format!("the order of parts names {part}, which the tune doesn't have"),
                        &format!("start the part with a line P:{part}"),
                    );
                }
                None => {}
            }
            if self.steps == 0 {
                break;
            }
        }
    }

    /// Plays a range of elements from a place in it on, section by section.
    fn sections(&mut self, range: Range<usize>, from: usize, manner: Manner) {
        // Looking for the sections takes time, too, however little of them is played.
        self.steps = self.steps.saturating_sub(range.len() / 4);
        let mut at = from;
        for section in sections(self.elements, &range) {
            // A jump may have led into a section or behind it: what is left of it is played as it stands.
            let first = section.first_sign();
            if self.steps == 0 || at > first {
                continue;
            }
            at = if section.endings.is_empty() {
                self.repeat(&section, at, manner)
            } else {
                self.with_endings(&section, at, manner)
            };
        }
        if self.steps > 0 {
            self.play(at..range.end, at);
        }
    }

    /// Plays a section without endings; returns where to go on.
    fn repeat(&mut self, section: &Section, at: usize, manner: Manner) -> usize {
        let end = section.close;
        let plays = if manner == Manner::Once { 1 } else { section.plays };
        for pass in 0..plays {
            self.play(if pass == 0 { at } else { section.start }..end, end - 1);
        }
        end
    }

    /// Plays a section with endings; returns where to go on.
    fn with_endings(&mut self, section: &Section, at: usize, manner: Manner) -> usize {
        let mut passes = section.passes();
        match manner {
            Manner::Repeating => self.say_doubtful_endings(section, &passes),
            Manner::Turn(turn, turns) if section.has_an_ending_a_turn(turns) => {
                passes = vec![Pass::Ending(turn)];
            }
            Manner::Turn(turn, _) => {
                if turn == 1 {
                    self.say_doubtful_endings(section, &passes);
                }
            }
            Manner::Once => {
                passes.drain(..passes.len().saturating_sub(1));
            }
        }
        for (index, &pass) in passes.iter().enumerate() {
            let from = if index == 0 { at } else { section.start };
            self.pass(section, pass, from);
            if self.steps == 0 {
                return section.close;
            }
        }
        section.close
    }

    /// Plays one pass of a section with endings.
    fn pass(&mut self, section: &Section, pass: Pass, from: usize) {
        let first = section.endings[0].at;
        let number = match pass {
            Pass::Ending(number) => number,
            Pass::Body => {
                let end = section.end_before_endings().map_or(first, |end| end + 1);
                return self.play(from..end, first);
            }
        };
        self.play(from..first, first);
        for (index, ending) in section.endings.iter().enumerate() {
            if !ending.plays_on(number) {
                continue;
            }
            let next = section.endings.get(index + 1).map_or(section.close, |next| next.at);
            let end = section.ends.iter().find(|&&end| end >= ending.at && end < next);
            match end {
                Some(&end) => return self.play(ending.at..end + 1, end),
                None => self.play(ending.at..next, ending.at),
            }
            if self.steps == 0 {
                return;
            }
        }
    }

    /// Says where a section's signs ask for something else than can be meant.
    fn say_doubtful_endings(&mut self, section: &Section, passes: &[Pass]) {
        let first = &section.endings[0];
        if let Some(end) = section.end_before_endings()
            && passes.first() == Some(&Pass::Ending(1))
        {
            self.say(
                Severity::Warning,
                self.elements[end].span.clone(),
                "an end of repeat right before the first ending is read as a bar line".to_owned(),
                "write the first ending after a plain bar line, such as |1",
            );
        }
        let numbers: Vec<u16> = passes
            .iter()
            .filter_map(|pass| match pass {
                Pass::Ending(number) => Some(*number),
                Pass::Body => None,
            })
            .collect();
        let body = passes.len() - numbers.len();
        if let Some(gap) = (1..=numbers.last().copied().unwrap_or(0))
            .filter(|number| numbers.binary_search(number).is_err())
            .nth(body)
        {
            let after =
                section.endings.iter().find(|ending| ending.lowest() > gap).unwrap_or(first).at;
            self.say(
                Severity::Warning,
                self.elements[after].span.clone(),
                format!("no ending is played on pass {gap}; that pass is left out"),
                "number the endings one after the other",
            );
        }
        // Every pass but the last goes back: where no sign says so, it is taken as if one did.
        let last = numbers.last().copied();
        for (index, ending) in section.endings.iter().enumerate() {
            let next = section.endings.get(index + 1).map_or(section.close, |next| next.at);
            let closed = section.ends.iter().any(|&end| end >= ending.at && end < next);
            let goes_on = section.endings.get(index + 1).is_some_and(|next| {
                numbers.iter().all(|&n| !ending.plays_on(n) || next.plays_on(n))
            });
            let only_last = numbers.iter().all(|&n| !ending.plays_on(n) || Some(n) == last);
            if !closed && !goes_on && !only_last {
                self.say(
                    Severity::Warning,
                    self.elements[ending.at].span.clone(),
                    "an ending without an end of repeat is played as if it had one".to_owned(),
                    "end it with :|",
                );
            }
        }
    }

    /// Makes the jumps that the marks ask for, each once, the last time that its place comes by.
    fn jumps(&mut self, marks: &[Mark]) {
        let point = |sign: Sign| marks.iter().find(|mark| mark.sign == sign).map(|mark| mark.point);
        let (fine, coda, to_coda) = (point(Sign::Fine), point(Sign::Coda), point(Sign::ToCoda));
        let jumps = marks.iter().filter_map(|mark| match mark.sign {
            Sign::Jump(to, until) => Some((mark, to, until)),
            _ => None,
        });
        // What is played before the jump that comes next, and what is still to come.
        let mut done: Vec<Range<usize>> = Vec::new();
        let mut rest = std::mem::take(&mut self.order);
        for (mark, to, until) in jumps.take(MOST_JUMPS) {
            let until = match until {
                Until::Open if fine.is_some() => Until::Fine,
                Until::Open if coda.is_some() && to_coda.is_some() => Until::Coda,
                until => until,
            };
            let target = match to {
                Destination::Start => Some(0),
                Destination::Segno => marks
                    .iter()
                    .rfind(|segno| segno.sign == Sign::Segno && segno.point < mark.point)
                    .map(|segno| segno.point),
            };
            let missing = match (target, until) {
                (None, _) => Some("there is no segno before it to go back to"),
                (_, Until::Fine) if fine.is_none() => Some("there is no fine to end at"),
                (_, Until::Coda) if coda.is_none() => Some("there is no coda to go to"),
                (_, Until::Coda) if to_coda.is_none() => {
                    Some("nothing says where to leave for the coda")
                }
                _ => None,
            };
            if let Some(missing) = missing {
                self.say(
                    Severity::Warning,
                    mark.span.clone(),
                    format!("this jump is not made: {missing}"),
                    "mark the places with !segno!, !fine!, !dacoda! and !coda!",
                );
                continue;
            }
            let Some((before, after)) = parted_at_last(&rest, mark.point) else { continue };
            let original: Vec<Range<usize>> = before.iter().chain(&after).cloned().collect();
            done.extend(before);
            let again = self.once_from(target.unwrap_or(0));
            let leave = match until {
                Until::Fine => fine,
                Until::Coda => to_coda,
                Until::Open => Some(mark.point),
            };
            let again =
                leave.and_then(|leave| parted_at_first(&again, leave)).map_or(again, |(a, _)| a);
            done.extend(again);
            rest = match (until, coda) {
                (Until::Open, _) => after,
                (Until::Coda, Some(coda)) => {
                    parted_at_first(&original, coda).map_or(Vec::new(), |(_, after)| after)
                }
                _ => Vec::new(),
            };
            if until != Until::Open {
                break;
            }
        }
        done.append(&mut rest);
        for range in done {
            self.add(range);
        }
    }

    /// What is played from a place on after a jump there.
    fn once_from(&mut self, target: usize) -> Vec<Range<usize>> {
        let mut findings = Vec::new();
        let mut again = Walk {
            elements: self.elements,
            order: Vec::new(),
            steps: self.steps,
            cut: None,
            findings: &mut findings,
        };
        again.sections(0..self.elements.len(), target, Manner::Once);
        let (steps, cut, order) = (again.steps, again.cut, again.order);
        self.steps = steps;
        self.cut = self.cut.take().or(cut);
        order
    }

    /// Says which notes no pass plays.
    fn say_what_is_never_played(&mut self, labels: &[(char, usize)]) {
        let mut played = vec![false; self.elements.len()];
        for range in &self.order {
            played[range.clone()].fill(true);
        }
        let mut silent: Vec<Range<usize>> = Vec::new();
        let mut open = false;
        let mut starts = labels.iter().map(|label| label.1).peekable();
        for (at, element) in self.elements.iter().enumerate() {
            let sounds = matches!(element.kind, ElementKind::Note(_) | ElementKind::Chord(_));
            let starts_part = starts.next_if_eq(&at).is_some();
            if played[at] || starts_part {
                open = false;
            }
            if !played[at] && sounds {
                let most = silent.len() >= MOST_JUMPS;
                match silent.last_mut() {
                    Some(last) if open => last.end = at + 1,
                    _ if most => break,
                    _ => silent.push(at..at + 1),
                }
                open = true;
            }
        }
        for range in silent {
            let span = self.elements[range.start].span.start..self.elements[range.end - 1].span.end;
            let part = labels.iter().rev().find(|label| label.1 <= range.start);
            let whole_part = part.is_some_and(|part| !played[part.1]);
            let (text, hint) = match part {
                Some((part, _)) if whole_part => (
                    format!("the part {part} is never played: the order of parts doesn't name it"),
                    "name it in P: of the header",
                ),
                _ => (
                    "these notes are never played".to_owned(),
                    "look at the repeats, endings and jumps around them",
                ),
            };
            self.say(Severity::Warning, span, text, hint);
        }
    }
}

/// Parts of the text in the order in which they are played.
type Order = Vec<Range<usize>>;

/// An order of play parted at a point, the last time that it comes by (as the end of what is played before it).
fn parted_at_last(order: &[Range<usize>], point: usize) -> Option<(Order, Order)> {
    let at = order.iter().rposition(|range| range.start < point && point <= range.end)?;
    Some(parted(order, at, point))
}

/// The same the first time; a point that the order starts at counts.
fn parted_at_first(order: &[Range<usize>], point: usize) -> Option<(Order, Order)> {
    let at = order
        .iter()
        .position(|range| range.start <= point && point < range.end)
        .or_else(|| order.iter().position(|range| range.start < point && point <= range.end))?;
    Some(parted(order, at, point))
}

fn parted(order: &[Range<usize>], at: usize, point: usize) -> (Order, Order) {
    let range = &order[at];
    let not_empty = |range: &Range<usize>| !range.is_empty();
    let before = order[..at].iter().cloned().chain(once(range.start..point)).filter(not_empty);
    let after = once(point..range.end).chain(order[at + 1..].iter().cloned());
    (before.collect(), after.filter(not_empty).collect())
}

/// A set of passes, 1 to [`MOST_PASSES`].
#[derive(Clone, Debug, Default)]
struct Passes([u64; MOST_PASSES as usize / 64 + 1]);

impl Passes {
    fn insert(&mut self, first: u16, last: u16) {
        for pass in first..=last.min(MOST_PASSES) {
            self.0[usize::from(pass / 64)] |= 1 << (pass % 64);
        }
    }

    fn contains(&self, pass: u16) -> bool {
        self.0.get(usize::from(pass / 64)).is_some_and(|word| word >> (pass % 64) & 1 == 1)
    }

    fn lowest(&self) -> u16 {
        let word = self.0.iter().position(|&word| word != 0);
        word.map_or(u16::MAX, |at| at as u16 * 64 + self.0[at].trailing_zeros() as u16)
    }

    fn highest(&self) -> u16 {
        let word = self.0.iter().rposition(|&word| word != 0);
        word.map_or(0, |at| at as u16 * 64 + 63 - self.0[at].leading_zeros() as u16)
    }
}

/// A variant ending: where it stands, and the passes that it is played on.
#[derive(Clone, Debug)]
struct EndingAt {
    at: usize,
    passes: Box<Passes>,
}

impl EndingAt {
    fn plays_on(&self, pass: u16) -> bool {
        self.passes.contains(pass)
    }

    fn lowest(&self) -> u16 {
        self.passes.lowest()
    }
}

/// One pass of a section with endings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    /// What stands before the endings, alone.
    Body,
    /// With the endings of this number.
    Ending(u16),
}

/// A section that is played more than once, or has endings.
#[derive(Debug)]
struct Section {
    /// Where playing goes back to.
    start: usize,
    /// How often it is played where it has no endings.
    plays: u16,
    /// Its endings, by place.
    endings: Vec<EndingAt>,
    /// Its ends of repeats, by place.
    ends: Vec<usize>,
    /// Where playing goes on after it.
    close: usize,
    /// Whether `|:` stands at its start.
    explicit: bool,
}

impl Section {
    fn first_sign(&self) -> usize {
        let ending = self.endings.first().map_or(usize::MAX, |ending| ending.at);
        ending.min(self.ends.first().copied().unwrap_or(usize::MAX))
    }

    /// The end of a repeat right before the endings.
    fn end_before_endings(&self) -> Option<usize> {
        let first = self.endings.first()?.at;
        self.ends.first().copied().filter(|&end| end < first)
    }

    /// The passes of a section with endings, in order: each that an ending names; and the body alone where an
    /// end of repeat stands before endings that leave the first passes out, or after an only ending.
    fn passes(&self) -> Vec<Pass> {
        let Some(first) = self.endings.first() else { return Vec::new() };
        let highest = self.endings.iter().map(|ending| ending.passes.highest()).max().unwrap_or(0);
        let named: Vec<u16> = (1..=highest)
            .filter(|&pass| self.endings.iter().any(|ending| ending.plays_on(pass)))
            .collect();
        let ends_after = self.ends.last().is_some_and(|&end| end > first.at);
        let ends_before = self.end_before_endings().is_some();
        let lowest = named.first().copied().unwrap_or(1);
        let mut passes = Vec::new();
        if ends_before && (lowest > 1 || (highest == 1 && !ends_after)) {
            passes.extend((1..lowest.max(2)).map(|_| Pass::Body));
        }
        passes.extend(named.into_iter().map(Pass::Ending));
        if highest == 1 && ends_after {
            passes.push(Pass::Body);
        }
        passes
    }

    /// Whether a part that is played so many times plays one of these endings each time (§4.10: `P:A4` with `[1`
    /// to `[4`), and not all of them.
    fn has_an_ending_a_turn(&self, turns: u16) -> bool {
        let highest = self.endings.iter().map(|ending| ending.passes.highest()).max().unwrap_or(0);
        turns > 1 && highest == turns && (!self.explicit || highest > 2)
    }
}

/// Whether the next thing after `at` that is neither layout nor a plain bar line is a variant ending: the end of one
/// and the start of the next may stand on lines of their own, `:|` and `|2`.
fn ending_follows(elements: &[Element], at: usize) -> bool {
    elements[at + 1..]
        .iter()
        .take(64)
        .find(|element| {
            !matches!(element.kind, ElementKind::BeamBreak | ElementKind::LineBreak(_))
                && !matches!(&element.kind, ElementKind::Bar(bar) if bar.line == BarLine::Thin && bar.repeat_end == 0 && bar.repeat_start == 0)
                && !matches!(&element.kind, ElementKind::Field(field) if matches!(field.change, Change::Nothing | Change::Words | Change::Symbols))
        })
        .is_some_and(|element| matches!(element.kind, ElementKind::Ending(_)))
}

/// The sections of a range, one after the other.
fn sections(elements: &[Element], range: &Range<usize>) -> Vec<Section> {
    let mut gathering =
        Gathering { start: range.start, boundary: range.start, ..Gathering::default() };
    let elements = &elements[..range.end];
    for at in range.clone() {
        match &elements[at].kind {
            ElementKind::Ending(ending) => gathering.ending(at, ending),
            ElementKind::Bar(bar) => gathering.bar(elements, at, bar),
            _ => {}
        }
    }
    gathering.close(2, range.end);
    gathering.sections
}

/// The section that is being gathered, and those before it.
#[derive(Default)]
struct Gathering {
    sections: Vec<Section>,
    start: usize,
    explicit: bool,
    start_colons: u8,
    endings: Vec<EndingAt>,
    /// Ends of repeats that belong to the section.
    ends: Vec<usize>,
    /// The highest pass that an ending names so far.
    last_pass: u16,
    /// Where an implied start would lie: after the last end of a repeat or double bar.
    boundary: usize,
}

impl Gathering {
    fn close(&mut self, plays: u16, close: usize) {
        let (endings, ends) = (std::mem::take(&mut self.endings), std::mem::take(&mut self.ends));
        if !endings.is_empty() || !ends.is_empty() {
            self.sections.push(Section {
                start: self.start,
                plays,
                endings,
                ends,
                close,
                explicit: self.explicit,
            });
        }
        self.last_pass = 0;
    }

    /// The next section starts here.
    fn start(&mut self, at: usize, colons: u8) {
        self.start = at;
        self.explicit = colons > 0;
        self.start_colons = colons;
    }

    fn ending(&mut self, at: usize, ending: &Ending) {
        let mut passes = Box::<Passes>::default();
        for &(first, last) in &ending.passes {
            passes.insert(first, last);
        }
        let seen = match ending.passes.iter().map(|passes| passes.0).min() {
            Some(first) => self.endings.iter().any(|earlier| earlier.plays_on(first)),
            None => self.last_pass >= MOST_PASSES,
        };
        // Endings that count from the start again belong to a section of their own.
        if seen {
            self.close(2, at);
            self.start(self.boundary, 0);
        }
        if ending.passes.is_empty() {
            // One without numbers has the pass that comes next.
            passes.insert(self.last_pass + 1, self.last_pass + 1);
        }
        self.last_pass = self.last_pass.max(passes.highest());
        self.endings.push(EndingAt { at, passes });
    }

    fn bar(&mut self, elements: &[Element], at: usize, bar: &Bar) {
        if bar.repeat_end > 0 {
            self.ends.push(at);
            self.boundary = at + 1;
            if bar.repeat_start > 0 || !ending_follows(elements, at) {
                let plays = u16::from(bar.repeat_end.max(self.start_colons)) + 1;
                self.close(plays, at + 1);
                self.start(at + 1, 0);
            }
        }
        if bar.repeat_start > 0 {
            if bar.repeat_end == 0 {
                self.close(2, at);
            }
            self.boundary = at + 1;
            self.start(at + 1, bar.repeat_start);
        } else if bar.repeat_end == 0
            && matches!(bar.line, BarLine::ThinThin | BarLine::ThinThick | BarLine::ThickThin)
        {
            self.boundary = at + 1;
            if !self.endings.is_empty() {
                if !ending_follows(elements, at) {
                    self.close(2, at);
                    self.start(at + 1, 0);
                }
            } else if !self.explicit {
                self.start(at + 1, 0);
            }
        }
    }
}
