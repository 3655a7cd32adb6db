//! Core: jumps: da capo, dal segno, fine and coda (ABC 2.1 §4.14), as decorations and as the texts that books write.

use super::Metre;
use super::chord;
use super::model::*;
use super::resolve::duration;
use std::ops::Range;

/// The most marks of jumps that a voice may have; the rest mean nothing.
const MOST_MARKS: usize = 64;

/// Where a jump leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// Da capo.
    Start,
    /// Dal segno: the last one before the jump.
    Segno,
}

/// How far is played after a jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// To the fine or by way of the coda, where the tune has them; else to the jump's own place, and on after it.
    Open,
    /// To the fine.
    Fine,
    /// To the mark that leads to the coda, and on from there.
    Coda,
}

/// What a mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Segno,
    /// The coda starts here.
    Coda,
    /// From here to the coda, after a jump.
    ToCoda,
    Fine,
    Jump(Destination, Until),
}

/// A mark in a voice.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub(super) sign: Sign,
    /// The element that it stands before: what leaves here does so before that one, what arrives goes on with it.
    pub(super) point: usize,
    /// The place in the text of the element that it is written at.
    pub(super) span: Range<usize>,
}

impl Sign {
    /// What a decoration of this name says.
    fn of_decoration(name: &str) -> Option<Self> {
        let plain: String =
            name.chars().filter(|c| *c != ' ').map(|c| c.to_ascii_lowercase()).collect();
        let (to, rest) = if let Some(rest) = plain.strip_prefix("d.c.") {
            (Destination::Start, rest)
        } else if let Some(rest) = plain.strip_prefix("d.s.") {
            (Destination::Segno, rest)
        } else {
            return Some(match plain.as_str() {
                "segno" => Self::Segno,
                "coda" => Self::Coda,
                "dacoda" | "tocoda" => Self::ToCoda,
                "fine" => Self::Fine,
                "dacapo" => Self::Jump(Destination::Start, Until::Open),
                "dalsegno" => Self::Jump(Destination::Segno, Until::Open),
                _ => return None,
            });
        };
        Some(Self::Jump(to, Until::of(rest)?))
    }

    /// What a text over or under the staff says; most texts say nothing of the kind.
    pub(super) fn of_text(text: &str) -> Option<Self> {
        if text.len() > 40 {
            return None;
        }
        let plain: String =
            text.chars().filter(|c| c.is_alphabetic()).map(|c| c.to_ascii_lowercase()).collect();
        if text.chars().any(|c| !c.is_alphabetic() && !" .,()'-".contains(c)) {
            return None;
        }
        let starts = [
            ("dacapo", Destination::Start),
            ("dalsegno", Destination::Segno),
            ("dc", Destination::Start),
            ("ds", Destination::Segno),
        ];
        match plain.as_str() {
            "segno" => return Some(Self::Segno),
            "coda" => return Some(Self::Coda),
            "tocoda" | "dacoda" => return Some(Self::ToCoda),
            "fine" => return Some(Self::Fine),
            "dcalsegno" | "dacapoalsegno" => {
                return Some(Self::Jump(Destination::Segno, Until::Open));
            }
            _ => {}
        }
        let (rest, to) =
            starts.iter().find_map(|(start, to)| Some((plain.strip_prefix(start)?, *to)))?;
        Some(Self::Jump(to, Until::of(rest)?))
    }

    fn is_left(self) -> bool {
        !matches!(self, Self::Segno | Self::Coda)
    }
}

impl Until {
    /// What follows `D.C.` or `D.S.`, without spaces.
    fn of(text: &str) -> Option<Self> {
        Some(match text.trim_end_matches('.') {
            "" => Self::Open,
            "alfine" => Self::Fine,
            "alcoda" => Self::Coda,
            _ => return None,
        })
    }
}

/// The marks of a voice, by place.
pub(super) fn marks(elements: &[Element]) -> Vec<Mark> {
    let mut marks = Vec::new();
    for (at, element) in elements.iter().enumerate() {
        let Some(attached) = &element.attached else { continue };
        let texts = attached.annotations.iter().map(|annotation| &annotation.text);
        // `D(C)` is two chords, and no da capo.
        let texts =
            texts.chain(attached.chord_symbols.iter().filter(|text| !chord::is_chord(text)));
        let signs = (attached.decorations.iter().filter_map(|d| Sign::of_decoration(&d.name)))
            .chain(texts.filter_map(|text| Sign::of_text(text)));
        for sign in signs {
            if marks.len() < MOST_MARKS {
                let point =
                    if sign.is_left() { end_of_bar(elements, at) } else { arrival(elements, at) };
                marks.push(Mark { sign, point, span: element.span.clone() });
            }
        }
    }
    // Of two codas and no other mark, the first is where playing leaves for the second.
    let codas: Vec<usize> = (0..marks.len()).filter(|&at| marks[at].sign == Sign::Coda).collect();
    if let [first, .., _] = codas[..]
        && marks.iter().all(|mark| mark.sign != Sign::ToCoda)
    {
        let from = elements.iter().position(|element| element.span == marks[first].span);
        marks[first].sign = Sign::ToCoda;
        marks[first].point = match from {
            Some(from) if !is_bar(&elements[from]) && !starts_bar(elements, from) => {
                end_of_bar(elements, from)
            }
            _ => marks[first].point,
        };
    }
    // Several codas that are left: the last is the one to go to.
    let last = marks.iter().rposition(|mark| mark.sign == Sign::Coda);
    let mut at = 0;
    marks.retain(|mark| {
        at += 1;
        mark.sign != Sign::Coda || last == Some(at - 1)
    });
    marks
}

fn is_bar(element: &Element) -> bool {
    matches!(element.kind, ElementKind::Bar(_))
}

/// Whether no note or rest stands between an element and the bar line before it.
fn starts_bar(elements: &[Element], at: usize) -> bool {
    for element in elements[..at].iter().rev().take(64) {
        if is_bar(element) {
            return true;
        }
        if !duration(&element.kind).is_zero() {
            return false;
        }
    }
    true
}

/// Where a mark on an element is arrived at: there, or after a bar line.
fn arrival(elements: &[Element], at: usize) -> usize {
    match &elements[at].kind {
        ElementKind::Bar(bar) if bar.repeat_start == 0 => at + 1,
        _ => at,
    }
}

/// Where a mark on an element leaves the music: after the bar that the element is in, for books write them over its
/// last note or after it.
fn end_of_bar(elements: &[Element], at: usize) -> usize {
    for (index, element) in elements.iter().enumerate().skip(at).take(4096) {
        if let ElementKind::Bar(bar) = &element.kind {
            // A mark on `|:` belongs to what it follows.
            return if bar.repeat_end == 0 && bar.repeat_start > 0 { index } else { index + 1 };
        }
    }
    elements.len()
}

/// The marks of one voice for another that has none: hymns and books for several voices write them once. Places are
/// found by the time that has passed, as written.
pub(super) fn carried_over(
    marks: &[Mark],
    from: &[Element],
    to: &[Element],
    metre: &Metre,
) -> Vec<Mark> {
    let (from, times) = (written_times(from, metre), written_times(to, metre));
    let place = |mark: &Mark| -> Option<usize> {
        let time = from.get(mark.point)? + 1e-9;
        let first = times.partition_point(|&other| other < time - 2e-9);
        if times.get(first).is_none_or(|&other| other > time) {
            return None;
        }
        // Behind the bar line, as the mark is.
        let after = |&at: &usize| {
            to.get(at).is_some_and(|element| match &element.kind {
                ElementKind::Bar(bar) => bar.repeat_start == 0 || bar.repeat_end > 0,
                ElementKind::BeamBreak => true,
                _ => false,
            })
        };
        let passed = (first..).take_while(after).last().map_or(first, |last| last + 1);
        Some(passed)
    };
    marks.iter().filter_map(|mark| Some(Mark { point: place(mark)?, ..mark.clone() })).collect()
}

/// The time in whole notes that has passed before each element as written, repeats not counted, and at the end.
fn written_times(elements: &[Element], metre: &Metre) -> Vec<f64> {
    let bar_of = |metre: &Metre| metre.bar().map_or(1.0, |bar| bar.to_f64());
    let mut bar = bar_of(metre);
    let (mut now, mut layers_end) = (0.0f64, 0.0f64);
    let mut bar_start = 0.0f64;
    let mut times = Vec::with_capacity(elements.len() + 1);
    for element in elements {
        times.push(now);
        match &element.kind {
            ElementKind::BarsRest { bars, .. } => now += f64::from(*bars) * bar,
            ElementKind::Bar(_) => {
                now = now.max(layers_end);
                (bar_start, layers_end) = (now, now);
            }
            ElementKind::Overlay { .. } => {
                layers_end = layers_end.max(now);
                now = bar_start;
            }
            ElementKind::Field(field) => {
                if let Change::Metre(metre) = &field.change {
                    bar = bar_of(metre);
                }
            }
            kind => now += duration(kind).to_f64(),
        }
    }
    times.push(now.max(layers_end));
    times
}
