//! Core: a tune as collections have it → the plain form, or why not.
//!
//! It reads ABC itself, and not by [`earworm_abc::read`](earworm_abc::read()), for it does the opposite: that one reads
//! whatever it can and mends the rest, this one takes what the plain form says exactly and refuses the tune otherwise, on
//! the written lengths (a hornpipe is not swung) in the order of the text. And what it makes of the collections is
//! what the network was trained on: another reader would make other tunes of some, under weights that know these.

use super::alphabet::staff_letter;
use super::plain::{
    Bar, Element, HIGHEST, LOWEST, PlainKey, PlainTune, bar_ticks, is_length, sounding,
};
use super::style::{Style, Tradition};

/// Why a tune has no plain form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum LeftOut {
    /// No key or metre that the plain form can write.
    #[error("no key or metre")]
    Header,
    /// Key, metre or voice changes within the tune.
    #[error("key, metre or voice changes")]
    Changes,
    /// A bar that neither fills its metre nor is a pickup or what completes one.
    #[error("bars don't add up")]
    Bars,
    /// A length that the plain form can't write.
    #[error("unusual note length")]
    Length,
    /// A tuplet other than three equal notes in the time of two.
    #[error("unusual tuplet")]
    Tuplet,
    /// Repeats or endings that don't close.
    #[error("repeats don't close")]
    Repeats,
    /// A note beyond the playable range in every octave.
    #[error("out of range")]
    Range,
    /// Fewer than four bars, or more than 96.
    #[error("too short or too long")]
    Size,
}

/// Where a tune was found: what the file and folder names can tell about it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Origin<'a> {
    /// The file's name without extension.
    pub file: &'a str,
    /// The folder's name.
    pub folder: &'a str,
}

/// Ticks of a whole note while reading: enough for triplets of 64ths.
const WHOLE: i64 = 1536;

struct Source {
    elements: Vec<Element>, // ticks in WHOLE
    metre: Option<(u8, u8)>,
    key: Option<PlainKey>,
}

/// Splits a file into its tunes: each from its `X:` on.
pub fn tunes(text: &str) -> Vec<&str> {
    let mut starts: Vec<usize> = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.starts_with("X:") {
            starts.push(at);
        }
        at += line.len();
    }
    starts.push(text.len());
    starts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}

/// The plain form of one tune's ABC.
pub fn plain(abc: &str, origin: Origin) -> Result<PlainTune, LeftOut> {
    let mut fields: Vec<(u8, String)> = Vec::new();
    let source = read(abc, &mut fields)?;
    let metre = source.metre.ok_or(LeftOut::Header)?;
    let key = source.key.ok_or(LeftOut::Header)?;
    if !matches!(metre, (2 | 3 | 4 | 6, 4) | (2 | 3, 2) | (3 | 6 | 9 | 12, 8)) {
        return Err(LeftOut::Header);
    }
    let metre = if metre == (2, 2) { (4, 4) } else { metre };

    let (mut notes, mut short) = (0, 0);
    for element in &source.elements {
        if let Element::Note { ticks, .. } = element {
            notes += 1;
            short += usize::from(i64::from(*ticks) * 8 < WHOLE);
        }
    }
    let rhythm = rhythm(&fields, origin, metre);
    let style = Style::from_name(&rhythm);
    // British dances in 3/4 are written in eighth notes however short some are; the others as they move.
    let may_be_short = metre == (2, 4)
        || metre == (3, 4) && style.is_some_and(|style| style.tradition() != Tradition::British);
    let unit: u8 = if may_be_short && short * 2 > notes { 16 } else { 8 };
    let elements = scale(source.elements, unit)?;
    let elements = lay_out(elements, bar_ticks(metre, unit))?;
    let mut tune = PlainTune { rhythm, metre, unit, key, elements };
    untie(&mut tune.elements);
    tune.in_key(key).ok_or(LeftOut::Range)
}

/// A phrase's key, metre and music.
pub(super) type Phrase = (Option<PlainKey>, Option<(u8, u8)>, Vec<Element>);

/// A phrase to write on from: its key and metre where it says them, and its music in units of `1/unit`.
///
/// `unit` is asked for once the metre is known.
pub(super) fn phrase(
    abc: &str,
    unit: impl FnOnce(Option<(u8, u8)>) -> u8,
) -> Result<Phrase, LeftOut> {
    let source = read(abc, &mut Vec::new())?;
    let metre = source.metre.map(|metre| if metre == (2, 2) { (4, 4) } else { metre });
    let mut elements = scale(source.elements, unit(metre))?;
    while matches!(elements.first(), Some(Element::Bar(_))) {
        elements.remove(0);
    }
    // Where the phrase ends in a bar line, what follows it is the network's to choose.
    if let Some(Element::Bar(last)) = elements.last_mut() {
        *last = Bar::Plain;
    }
    untie(&mut elements);
    Ok((source.key, metre, elements))
}

/// Lengths from ticks of reading into the plain form's, of which [`super::plain::UNIT`] make a unit.
fn scale(elements: Vec<Element>, unit: u8) -> Result<Vec<Element>, LeftOut> {
    let per_tick = WHOLE / i64::from(unit) / 24;
    let scale = |ticks: i32| {
        let scaled = i64::from(ticks) / per_tick;
        if i64::from(ticks) % per_tick == 0 && is_length(scaled as i32) {
            Ok(scaled as i32)
        } else {
            Err(LeftOut::Length)
        }
    };
    elements
        .into_iter()
        .map(|element| {
            Ok(match element {
                Element::Note { step, accidental, ticks, triplet, tie } => {
                    Element::Note { step, accidental, ticks: scale(ticks)?, triplet, tie }
                }
                Element::Rest { ticks, triplet } => Element::Rest { ticks: scale(ticks)?, triplet },
                other => other,
            })
        })
        .collect()
}

/// Ties to anything but the same note right after are slurs or slips: they go.
fn untie(elements: &mut [Element]) {
    for index in 0..elements.len() {
        let Element::Note { step, tie: true, triplet, .. } = elements[index] else { continue };
        let joins = triplet == 0
            && elements[index + 1..]
                .iter()
                .find(|element| !matches!(element, Element::Chord { .. } | Element::Bar(Bar::Plain)))
                .is_some_and(|next| {
                    matches!(next, Element::Note { step: next, accidental: None, triplet: 0, .. } if *next == step)
                });
        if !joins && let Element::Note { tie, .. } = &mut elements[index] {
            *tie = false;
        }
    }
}

/// Puts the bar lines into the plain form's order and checks that every bar adds up.
fn lay_out(elements: Vec<Element>, bar: i32) -> Result<Vec<Element>, LeftOut> {
    // Bars as (elements, ticks, line after it); lines with nothing between them are one line.
    struct Measure {
        elements: Vec<Element>,
        ticks: i32,
        line: Option<Bar>,
    }
    let mut measures: Vec<Measure> = Vec::new();
    let mut current = Measure { elements: Vec::new(), ticks: 0, line: None };
    for element in elements {
        match element {
            Element::Bar(line) => {
                if current.ticks == 0 && current.elements.is_empty() {
                    // A start where the tune starts says nothing.
                    if let Some(last) = measures.last_mut() {
                        last.line = Some(join(last.line, line));
                    }
                } else if current.ticks == 0 {
                    // A chord symbol alone: it belongs to the next bar.
                    if let Some(last) = measures.last_mut() {
                        last.line = Some(join(last.line, line));
                    }
                } else {
                    current.line = Some(line);
                    measures.push(std::mem::replace(
                        &mut current,
                        Measure { elements: Vec::new(), ticks: 0, line: None },
                    ));
                }
            }
            other => {
                current.ticks += match other {
                    Element::Note { ticks, triplet, .. } | Element::Rest { ticks, triplet } => {
                        sounding(ticks, triplet)
                    }
                    _ => 0,
                };
                current.elements.push(other);
            }
        }
    }
    if current.ticks > 0 {
        measures.push(current);
    }
    // Halves of a bar that a line break or a stray bar line parted.
    let mut index = 0;
    while index + 1 < measures.len() {
        if measures[index].line == Some(Bar::Plain)
            && index > 0
            && measures[index - 1].line == Some(Bar::Plain)
            && measures[index].ticks < bar
            && measures[index].ticks + measures[index + 1].ticks == bar
        {
            let next = measures.remove(index + 1);
            measures[index].elements.extend(next.elements);
            measures[index].ticks = bar;
            measures[index].line = next.line;
        }
        index += 1;
    }
    if !(4..=96).contains(&measures.len()) {
        return Err(LeftOut::Size);
    }
    let last = measures.len() - 1;
    measures[last].line = Some(match measures[last].line {
        Some(Bar::End | Bar::EndStart | Bar::EndFinal) => Bar::EndFinal,
        _ => Bar::Final,
    });

    // Repeats: every end has a start (the tune's own, or one written), and no start is left open.
    let mut open = true;
    let mut first_section = true;
    let mut in_first_ending = false;
    for index in 0..measures.len() {
        let line = measures[index].line.unwrap_or(Bar::Plain);
        let short = measures[index].ticks != bar;
        let after_boundary = index == 0
            || measures[index - 1]
                .line
                .is_some_and(|line| line.is_boundary() || line == Bar::First);
        if measures[index].ticks > bar || short && !after_boundary && !line.is_boundary() {
            return Err(LeftOut::Bars);
        }
        if short
            && index > 0
            && after_boundary
            && !line.is_boundary()
            && measures[index].ticks * 2 > bar + bar / 2
        {
            return Err(LeftOut::Bars);
        }
        let line = match line {
            // A section that repeats without a start of its own gets one at its beginning.
            Bar::End | Bar::EndStart | Bar::EndFinal | Bar::Second if !open => {
                let begin = measures[..index]
                    .iter()
                    .rposition(|measure| measure.line.is_some_and(Bar::is_boundary));
                match begin.map(|begin| (begin, measures[begin].line)) {
                    Some((begin, Some(Bar::Double))) => measures[begin].line = Some(Bar::Start),
                    Some((begin, Some(Bar::End))) => measures[begin].line = Some(Bar::EndStart),
                    _ => return Err(LeftOut::Repeats),
                }
                line
            }
            // A second start without an end: the first was no repeat.
            Bar::Start if open && !first_section => return Err(LeftOut::Repeats),
            other => other,
        };
        match line {
            Bar::First if in_first_ending => return Err(LeftOut::Repeats),
            Bar::First => in_first_ending = true,
            Bar::Second if !in_first_ending => return Err(LeftOut::Repeats),
            Bar::Second => {
                in_first_ending = false;
                open = false;
                first_section = false;
            }
            Bar::End | Bar::EndStart | Bar::EndFinal | Bar::Double | Bar::Start
                if in_first_ending =>
            {
                return Err(LeftOut::Repeats);
            }
            Bar::End => (open, first_section) = (false, false),
            Bar::EndStart | Bar::Start => (open, first_section) = (true, false),
            Bar::EndFinal => open = false,
            Bar::Double => {
                if open && !first_section {
                    // A repeat that never ends, as some transcribers write a new part.
                    return Err(LeftOut::Repeats);
                }
                (open, first_section) = (false, false);
            }
            Bar::Final if in_first_ending || open && !first_section => {
                return Err(LeftOut::Repeats);
            }
            _ => {}
        }
        measures[index].line = Some(line);
    }
    Ok(measures
        .into_iter()
        .flat_map(|measure| {
            let line = Element::Bar(measure.line.unwrap_or(Bar::Plain));
            measure.elements.into_iter().chain([line])
        })
        .collect())
}

/// Two bar lines with nothing between them, as one.
fn join(first: Option<Bar>, second: Bar) -> Bar {
    match (first, second) {
        (Some(Bar::End | Bar::EndStart), Bar::Start) => Bar::EndStart,
        (Some(first @ (Bar::End | Bar::EndStart)), Bar::Plain | Bar::Double) => first,
        (Some(Bar::End), Bar::Second) | (Some(Bar::Second), _) => Bar::Second,
        (Some(Bar::First), _) => Bar::First,
        (Some(_), Bar::Plain) => first.unwrap_or(Bar::Plain),
        (_, second) => second,
    }
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn eat(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn number(&mut self) -> Option<i64> {
        let start = self.at;
        let mut value = 0i64;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            value = (value * 10 + i64::from(digit - b'0')).min(10_000);
            self.at += 1;
        }
        (self.at > start).then_some(value)
    }

    /// A length after a note, as a fraction of the unit.
    fn length(&mut self) -> (i64, i64) {
        let over = self.number().unwrap_or(1);
        let mut under = 1;
        while self.eat(b'/') {
            under *= self.number().unwrap_or(2).max(1);
        }
        (over, under)
    }

    fn note(&mut self) -> Option<(i8, Option<i8>)> {
        let start = self.at;
        let mut accidental = None;
        while let Some(sign @ (b'^' | b'_' | b'=')) = self.peek() {
            let change = match sign {
                b'^' => 1,
                b'_' => -1,
                _ => 0,
            };
            accidental = Some(accidental.unwrap_or(0) + change);
            self.at += 1;
        }
        let letter = self.peek().filter(u8::is_ascii_alphabetic);
        let Some((letter, place)) = letter.and_then(|letter| Some((letter, staff_letter(letter)?)))
        else {
            self.at = start;
            return None;
        };
        self.at += 1;
        let mut step = place as i8 + if letter.is_ascii_lowercase() { 7 } else { 0 };
        while let Some(mark @ (b'\'' | b',')) = self.peek() {
            step = (step + if mark == b'\'' { 7 } else { -7 }).clamp(-30, 40);
            self.at += 1;
        }
        Some((step, accidental))
    }
}

fn metre(text: &str) -> Option<(u8, u8)> {
    let text = text.trim();
    if text.starts_with("C|") {
        return Some((2, 2));
    }
    if text.starts_with('C') {
        return Some((4, 4));
    }
    let (over, under) = text.split_once('/')?;
    let under: String = under.chars().take_while(char::is_ascii_digit).collect();
    Some((over.trim().parse().ok()?, under.parse().ok()?))
}

fn read(abc: &str, fields: &mut Vec<(u8, String)>) -> Result<Source, LeftOut> {
    let mut source = Source { elements: Vec::new(), metre: None, key: None };
    let mut unit: Option<(i64, i64)> = None;
    let mut in_body = false;
    let mut triplet = 0u8; // place of the next note in a triplet
    let mut broken: Option<(i64, i64)> = None; // what a `>` or `<` does to the next note
    let mut last_note: Option<usize> = None; // index of the last note or rest
    for line in abc.lines() {
        let line = line.split('%').next().unwrap_or("").trim_end();
        let bytes = line.as_bytes();
        if bytes.len() >= 2 && bytes[1] == b':' && bytes[0].is_ascii_alphabetic() {
            let value = line[2..].trim().to_owned();
            match bytes[0] {
                b'K' => {
                    let key = PlainKey::parse(&value);
                    if source.elements.iter().any(|element| matches!(element, Element::Note { .. }))
                    {
                        if key != source.key {
                            return Err(LeftOut::Changes);
                        }
                    } else {
                        source.key = key;
                        in_body = true;
                    }
                }
                b'M' => {
                    let found = metre(&value);
                    if source.elements.iter().any(|element| matches!(element, Element::Note { .. }))
                    {
                        if found != source.metre {
                            return Err(LeftOut::Changes);
                        }
                    } else {
                        source.metre = found;
                    }
                }
                b'L' => {
                    unit = value
                        .split_once('/')
                        .and_then(|(over, under)| {
                            Some((over.trim().parse().ok()?, under.trim().parse().ok()?))
                        })
                        .filter(|&(over, under)| over > 0 && under > 0);
                }
                b'V' => return Err(LeftOut::Changes),
                _ => {}
            }
            fields.push((bytes[0], value));
            continue;
        }
        if !in_body {
            continue;
        }
        let (over, under) = unit.unwrap_or_else(|| match source.metre {
            Some((over, under)) if f64::from(over) / f64::from(under) < 0.75 => (1, 16),
            _ => (1, 8),
        });
        let to_ticks = |length: (i64, i64)| {
            let (top, bottom) = (WHOLE * over * length.0, under * length.1);
            if top % bottom == 0 { i32::try_from(top / bottom).ok() } else { None }
                .ok_or(LeftOut::Length)
        };
        let mut scan = Scanner { text: bytes, at: 0 };
        while let Some(next) = scan.peek() {
            match next {
                b'"' => {
                    let end = bytes[scan.at + 1..].iter().position(|&c| c == b'"');
                    let Some(end) = end else { break };
                    if let Some(chord) = chord(&bytes[scan.at + 1..scan.at + 1 + end]) {
                        if matches!(source.elements.last(), Some(Element::Chord { .. })) {
                            source.elements.pop();
                        }
                        if triplet < 2 && broken.is_none() {
                            source.elements.push(chord);
                        }
                    }
                    scan.at += end + 2;
                }
                b'{' => match bytes[scan.at..].iter().position(|&c| c == b'}') {
                    Some(end) => scan.at += end + 1,
                    None => break,
                },
                b'!' | b'+' => {
                    let end = bytes[scan.at + 1..].iter().position(|&c| c == next);
                    let word = end.is_some_and(|end| {
                        bytes[scan.at + 1..scan.at + 1 + end]
                            .iter()
                            .all(|c| c.is_ascii_alphanumeric() || b"().<>".contains(c))
                    });
                    scan.at += if word { end.unwrap_or(0) + 2 } else { 1 };
                }
                b'(' => {
                    scan.at += 1;
                    if let Some(count) = scan.number() {
                        let (mut time, mut notes) = (None, None);
                        if scan.eat(b':') {
                            time = scan.number();
                            if scan.eat(b':') {
                                notes = scan.number();
                            }
                        }
                        if count != 3
                            || !matches!(time, None | Some(2))
                            || !matches!(notes, None | Some(3))
                            || triplet != 0
                        {
                            return Err(LeftOut::Tuplet);
                        }
                        triplet = 1;
                    }
                }
                b'[' if matches!(bytes.get(scan.at + 1), Some(b'0'..=b'9' | b'|')) => {
                    bar(&mut scan, &mut source)?
                }
                b'[' if bytes.get(scan.at + 2) == Some(&b':')
                    && bytes[scan.at + 1].is_ascii_alphabetic() =>
                {
                    if matches!(bytes[scan.at + 1], b'K' | b'M' | b'L' | b'V') {
                        return Err(LeftOut::Changes);
                    }
                    match bytes[scan.at..].iter().position(|&c| c == b']') {
                        Some(end) => scan.at += end + 1,
                        None => break,
                    }
                }
                b'|' | b':' => bar(&mut scan, &mut source)?,
                b'-' => {
                    if let Some(Element::Note { tie, .. }) =
                        last_note.map(|index| &mut source.elements[index])
                    {
                        *tie = true;
                    }
                    scan.at += 1;
                }
                b'>' | b'<' => {
                    let mut count = 0;
                    while scan.eat(next) {
                        count += 1;
                    }
                    let half = 1i64 << count.min(4);
                    let (mine, other) = ((2 * half - 1, half), (1, half));
                    let (mine, other) = if next == b'>' { (mine, other) } else { (other, mine) };
                    if let Some(Element::Note { ticks, .. } | Element::Rest { ticks, .. }) =
                        last_note.map(|index| &mut source.elements[index])
                    {
                        let top = i64::from(*ticks) * mine.0;
                        if top % mine.1 != 0 {
                            return Err(LeftOut::Length);
                        }
                        *ticks = (top / mine.1) as i32;
                        broken = Some(other);
                    }
                }
                b'&' | b'Z' => return Err(LeftOut::Changes),
                _ => {
                    let start = scan.at;
                    let mut found = scan.note();
                    let mut length = (1, 1);
                    if found.is_some() {
                        length = scan.length();
                    } else if next == b'z' || next == b'x' {
                        scan.at += 1;
                        length = scan.length();
                    } else if next == b'[' {
                        scan.at += 1;
                        while let Some(c) = scan.peek() {
                            if scan.eat(b']') {
                                break;
                            }
                            match scan.note() {
                                Some(note) => {
                                    let inner = scan.length();
                                    if found.is_none() {
                                        length = inner;
                                    }
                                    if found.is_none_or(|(step, _)| note.0 > step) {
                                        found = Some(note);
                                    }
                                }
                                None => scan.at += usize::from(c != b']'),
                            }
                        }
                        let outer = scan.length();
                        length = (length.0 * outer.0, length.1 * outer.1);
                        if found.is_none() {
                            continue;
                        }
                    } else {
                        scan.at = start + 1;
                        continue;
                    }
                    if length.0 == 0 {
                        return Err(LeftOut::Length);
                    }
                    if let Some((over, under)) = broken.take() {
                        length = (length.0 * over, length.1 * under);
                    }
                    let ticks = to_ticks(length)?;
                    if triplet > 1 {
                        let before = last_note.map(|index| &source.elements[index]);
                        if !matches!(before, Some(Element::Note { ticks: before, .. } | Element::Rest { ticks: before, .. }) if *before == ticks)
                        {
                            return Err(LeftOut::Tuplet);
                        }
                    }
                    last_note = Some(source.elements.len());
                    source.elements.push(match found {
                        Some((step, accidental)) => {
                            if accidental.is_some_and(|accidental| accidental.abs() > 1) {
                                return Err(LeftOut::Range);
                            }
                            Element::Note { step, accidental, ticks, triplet, tie: false }
                        }
                        None => Element::Rest { ticks, triplet },
                    });
                    triplet = match triplet {
                        0 | 3 => 0,
                        place => place + 1,
                    };
                }
            }
        }
    }
    // Chord symbols stand before a note: none at the end or before a bar line.
    let mut index = 0;
    while index < source.elements.len() {
        let loose = matches!(source.elements[index], Element::Chord { .. })
            && !matches!(
                source.elements.get(index + 1),
                Some(Element::Note { .. } | Element::Rest { .. })
            );
        if loose {
            source.elements.remove(index);
        } else {
            index += 1;
        }
    }
    let (mut low, mut high) = (i8::MAX, i8::MIN);
    for element in &source.elements {
        if let Element::Note { step, .. } = element {
            (low, high) = (low.min(*step), high.max(*step));
        }
    }
    if low > high {
        let known = source.key.is_some() && source.metre.is_some();
        return Err(if known { LeftOut::Size } else { LeftOut::Header });
    }
    if high - low > HIGHEST - LOWEST {
        return Err(LeftOut::Range);
    }
    Ok(source)
}

/// Reads a bar line with whatever clings to it.
fn bar(scan: &mut Scanner, source: &mut Source) -> Result<(), LeftOut> {
    let start = scan.at;
    let mut line = Vec::new();
    let mut ending = None;
    while let Some(next) = scan.peek() {
        match next {
            b'|' | b':' => line.push(next),
            b']' if line.last() == Some(&b'|') => line.push(next),
            b'[' if matches!(scan.text.get(scan.at + 1), Some(b'|')) => {}
            b'[' if matches!(scan.text.get(scan.at + 1), Some(b'0'..=b'9')) => {}
            b'0'..=b'9' if scan.at > start => {
                ending = scan.number();
                // `1,3` and the like: more endings than the plain form has.
                if matches!(scan.peek(), Some(b',' | b'-'))
                    && matches!(scan.text.get(scan.at + 1), Some(b'0'..=b'9'))
                {
                    return Err(LeftOut::Repeats);
                }
                break;
            }
            _ => break,
        }
        scan.at += 1;
    }
    let has = |part: &[u8]| line.windows(part.len()).any(|window| window == part);
    let ends = has(b":|") || has(b"::");
    let starts = has(b"|:") || has(b"::");
    let line = match ending {
        Some(1) if !ends => Bar::First,
        Some(2) => Bar::Second,
        Some(_) => return Err(LeftOut::Repeats),
        None if ends && starts => Bar::EndStart,
        None if ends => Bar::End,
        None if starts => Bar::Start,
        None if has(b"||") || has(b"|]") => Bar::Double,
        None if line.is_empty() || line == b":" => return Ok(()),
        None => Bar::Plain,
    };
    source.elements.push(Element::Bar(line));
    Ok(())
}

fn chord(text: &[u8]) -> Option<Element> {
    let letter = staff_letter(*text.first()?).filter(|_| text[0].is_ascii_uppercase())?;
    let (accidental, rest) = match text.get(1) {
        Some(b'#') => (1, &text[2..]),
        Some(b'b') => (-1, &text[2..]),
        _ => (0, &text[1..]),
    };
    let rest = rest.split(|&c| c == b'/' || c == b' ').next().unwrap_or(b"");
    let minor = rest.starts_with(b"m") && !rest.starts_with(b"maj");
    let quality = match () {
        () if rest.starts_with(b"dim") || rest.starts_with(b"o") => "dim",
        () if minor && rest.contains(&b'7') => "m7",
        () if minor => "m",
        () if rest.contains(&b'7') && !rest.starts_with(b"maj") => "7",
        () => "",
    };
    Some(Element::Chord { letter, accidental, quality })
}

/// The dance, from R:, the title, the file's name or Z:; `air` where nothing tells.
fn rhythm(fields: &[(u8, String)], origin: Origin, metre: (u8, u8)) -> String {
    let all = |name: u8| {
        fields
            .iter()
            .filter(move |(field, _)| *field == name)
            .map(|(_, value)| value.to_ascii_lowercase())
    };
    // What is not said in English comes first: some of its words are within the others.
    const NAMES: [(&str, &str); 43] = [
        ("slängpolska", "slangpolska"),
        ("slangpolska", "slangpolska"),
        ("polska", "polska"),
        ("polonäs", "polonas"),
        ("polonas", "polonas"),
        ("totakt", "totakt pols"),
        ("gånglåt", "ganglat"),
        ("ganglat", "ganglat"),
        ("marsch", "marsch"),
        ("engelska", "engelska"),
        ("anglais", "engelska"),
        ("kadrilj", "kadrilj"),
        ("schottische", "schottische"),
        ("schottis", "schottis"),
        ("freylekhs", "freylekhs"),
        ("skotshne", "freylekhs"),
        ("bulgar", "freylekhs"),
        ("hymn", "hymn"),
        ("popular song", "popular song"),
        ("art song", "art song"),
        ("slip jig", "slip jig"),
        ("slipjig", "slip jig"),
        ("hop jig", "slip jig"),
        ("jig", "jig"),
        ("reel", "reel"),
        ("hornpipe", "hornpipe"),
        ("strathspey", "strathspey"),
        ("waltz", "waltz"),
        ("polka", "polka"),
        ("mazurka", "mazurka"),
        ("highland", "fling"),
        ("fling", "fling"),
        ("clog", "clog"),
        ("march", "march"),
        ("slide", "slide"),
        ("air", "air"),
        ("barndance", "barndance"),
        ("walk", "walkaround"),
        ("morris", "morris"),
        ("quickstep", "march"),
        ("quick step", "march"),
        ("minuet", "minuet"),
        ("song", "air"),
    ];
    let find =
        |text: &str| NAMES.iter().find(|(word, _)| text.contains(word)).map(|(_, name)| *name);
    let settle = |name: &str| {
        match (name, metre) {
            ("jig", (9, 8)) => "slip jig",
            ("slip jig", (6, 8)) => "jig",
            ("reel", (6, 8)) => "jig",
            ("reel", (3, 4)) => "waltz",
            (name, _) => return name.to_owned(),
        }
        .to_owned()
    };
    if let Some(name) = all(b'R').find_map(|value| abroad(&value, origin.folder, metre)) {
        return name.to_owned();
    }
    if let Some(name) = all(b'R').find_map(|value| find(&value)) {
        return settle(name);
    }
    if let Some(name) = of_collection(origin.folder, metre) {
        return name.to_owned();
    }
    let z = all(b'Z').filter(|value| value.contains("id:")).find_map(|value| find(&value));
    if let Some(name) = z {
        return settle(name);
    }
    if let Some(name) = all(b'T').find_map(|value| find(&value)) {
        return settle(name);
    }
    let file = origin.file.to_ascii_lowercase();
    let by_file = match file.as_str() {
        "slip" => Some("slip jig"),
        "hpps" => Some("hornpipe"),
        "xmas" => Some("air"),
        name if name.starts_with("reels") => Some("reel"),
        "morris" | "ashover" | "playford" => Some("morris"),
        name => find(name),
    };
    if let Some(name) = by_file {
        return settle(name);
    }
    // Numbers of O'Neill's Music of Ireland (1903): airs to 713, then by the book's chapters.
    let number: Option<u32> = fields
        .iter()
        .find(|(field, _)| *field == b'X')
        .and_then(|(_, value)| value.trim().parse().ok());
    let name = match (origin.folder, number) {
        ("oneills", Some(714..=1115)) => "jig",
        ("oneills", Some(1116..=1172)) => "slip jig",
        ("oneills", Some(1173..=1549)) => "reel",
        ("oneills", Some(1550..=1780)) => "hornpipe",
        ("oneills", Some(1801..)) => "march",
        _ => "air",
    };
    settle(name)
}

/// What a collection other than the British ones means by a word that those use too.
fn abroad(word: &str, folder: &str, metre: (u8, u8)) -> Option<&'static str> {
    let is = |words: &[&str]| words.contains(&word);
    match folder {
        "folkwiki" => match metre {
            (3, 4) if is(&["polska"]) => Some("polska"),
            _ if is(&["vals", "hambo"]) => Some(if word == "vals" { "vals" } else { "polska" }),
            _ if is(&["visa"]) => Some("visa"),
            (3, 4) if is(&["pols", "rörospols", "springlek", "svingedans", "mazurka"]) => {
                Some("polska")
            }
            (2, 4) if is(&["polkett", "polka", "galopp"]) => Some("polka"),
            _ if is(&["skänklåt"]) => Some("ganglat"),
            _ => None,
        },
        "openewld" => Some(match word {
            "folk song" => "song",
            "carol" | "hymn" => "hymn",
            "classical" => "art song",
            "march" => "march",
            _ => "popular song",
        }),
        "lieder" => Some("art song"),
        _ if is(&["song"]) => Some("song").filter(|_| folder.is_empty()),
        _ if is(&["vals"]) => Some("vals"),
        _ if is(&["visa"]) => Some("visa"),
        _ => None,
    }
}

/// What a tune of a collection is that says nothing of its rhythm.
fn of_collection(folder: &str, metre: (u8, u8)) -> Option<&'static str> {
    match folder {
        "folkwiki" => Some("lat"),
        "klezmer" => Some("freylekhs"),
        "dutch" => Some("dutch song"),
        "hymns" | "hymnal" => Some("hymn"),
        "newzealand" | "tuneworks" | "ceilidh" | "oldtime" => Some(match metre {
            (6, 8) => "jig",
            (9, 8) => "slip jig",
            (3, 4) => "waltz",
            (2, 4) => "polka",
            _ => "reel",
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(abc: &str) -> Result<String, LeftOut> {
        plain(abc, Origin::default()).map(|tune| {
            let mut body = String::new();
            tune.write_body(&mut body);
            body
        })
    }

    #[test]
    fn one_spelling_whatever_the_transcriber_wrote() {
        let expected = "D|GABc d2ed|(3BcBAG E>FG2|A8|G4 G3:|]";
        for abc in [
            "X:1\nM:4/4\nL:1/8\nK:G\nD|GABc d2ed|(3BcB AG E>FG2|A8|G4 G3:|",
            "X:1\nT:Title\nM:C|\nL:1/8\nK:G\n(D) |{g}GABc d2 (ed) | (3(BcB) AG E3/2F/2 G2 | A4-A4 | \\\n~G4 .G3 :|\n",
            "X:1\nM:C\nL:1/4\nK:Gmaj\nD/|G/A/B/c/ d e/d/|(3B/c/B/ A/G/ E3/4F/4 G|A4|G2 G3/2:|]",
        ] {
            let found = body(abc)
                .unwrap()
                .replace("A4-A4", "A8")
                .replace("D|:", "D|")
                .replace("A4- A4", "A8");
            assert_eq!(found, expected, "{abc}");
        }
    }

    #[test]
    fn the_dance_is_found_in_field_title_file_name_or_transcription_note() {
        let rhythm =
            |abc: &str, file: &str| plain(abc, Origin { file, folder: "" }).unwrap().rhythm;
        let tune = "M:6/8\nL:1/8\nK:G\nGAB ABc|dBG G3|GAB ABc|dBG G3|]";
        assert_eq!(rhythm(&format!("X:1\nR:Double Jig\n{tune}"), ""), "jig");
        assert_eq!(rhythm(&format!("X:1\nT:THE ROVER -- JIG.\n{tune}"), ""), "jig");
        assert_eq!(rhythm(&format!("X:1\nZ: id:dc-slide-1\n{tune}"), ""), "slide");
        assert_eq!(rhythm(&format!("X:1\n{tune}"), "jigs"), "jig");
        assert_eq!(rhythm(&format!("X:1\n{tune}"), ""), "air");
    }

    #[test]
    fn bars_that_do_not_add_up_and_changes_within_a_tune_are_left_out() {
        let fields = "X:1\nM:6/8\nL:1/8\nK:G\n";
        assert_eq!(body(&format!("{fields}GAB ABc|dBG G|GAB ABc|dBG G3|]")), Err(LeftOut::Bars));
        assert_eq!(
            body(&format!("{fields}GAB ABc|dBG G3|\nK:D\nGAB ABc|dBG G3|]")),
            Err(LeftOut::Changes)
        );
        assert_eq!(body(&format!("{fields}GAB ABc|dBG G3|]")), Err(LeftOut::Size));
        assert_eq!(body("X:1\nM:6/8\nL:1/8\n"), Err(LeftOut::Header));
    }

    #[test]
    fn any_text_is_read_or_left_out_without_a_panic() {
        let pieces = [
            "K:D\n", "M:6/8\n", "|:", "[1", "(3", ">", "\"Am", "A", "^", "/", "99", "-", "}", "{",
            "[", "]", "z", "\\", "é", "|]",
        ];
        let mut state = 1u64;
        for _ in 0..3000 {
            let mut text = String::from("X:1\n");
            for _ in 0..40 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                text.push_str(pieces[(state >> 33) as usize % pieces.len()]);
            }
            let _ = plain(&text, Origin::default());
        }
    }
}
