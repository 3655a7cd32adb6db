//! Core: the order in which a voice's elements are played: repeats, variant endings, parts
//! (ABC 2.1 §4.8, §4.10, §3.1.9).

use super::model::*;
use std::ops::Range;

/// The most elements that one voice visits while it is played; the rest is cut and said.
pub const MOST_STEPS: usize = 1 << 19;
/// The most parts that a P: order plays.
pub const MOST_PARTS: usize = 1 << 12;
/// The highest number that a variant ending may have.
pub const MOST_PASSES: u16 = 999;
/// How deep brackets nest in a P: order.
pub const MOST_NESTING: usize = 16;

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

/// A section that is played more than once, or has endings.
#[derive(Debug)]
struct Section {
    /// Where playing goes back to.
    start: usize,
    /// How often it is played where it has no endings.
    plays: u16,
    /// Its endings, by place; one without numbers has the pass that comes next.
    endings: Vec<(usize, Option<u16>)>,
    /// The highest pass that an ending names, at least 2.
    last_pass: u16,
    /// Where playing goes on when no ending is left for a pass.
    close: usize,
    /// Whether `|:` stands at its start.
    explicit: bool,
}

impl Voice {
    /// The bar lines at which a repeated section starts without `|:`: double bars and ends of repeats
    /// (ABC 2.1 §4.8). A section that starts with the tune has none.
    pub fn implied_repeat_starts(&self) -> Vec<Range<usize>> {
        let (sections, _) = sections(&self.elements, &(0..self.elements.len()));
        sections
            .iter()
            .filter(|section| !section.explicit && section.start > 0)
            .map(|section| self.elements[section.start - 1].span.clone())
            .collect()
    }
}

/// What an element means for the order of play.
#[derive(Clone, Copy, Default)]
struct Mark {
    /// The section whose end or ending this element is.
    section: Option<usize>,
    /// The section that is over once this element is reached.
    closes: Option<usize>,
}

/// The order in which `elements` are played, as ranges of indices. `parts` gives the header's P: order.
pub(super) fn unfold(
    elements: &[Element],
    parts: Option<&PartOrder>,
    findings: &mut Vec<Finding>,
) -> Vec<Range<usize>> {
    let mut steps = MOST_STEPS;
    let mut order = Vec::new();
    let labels: Vec<(char, usize)> = elements
        .iter()
        .enumerate()
        .filter_map(|(at, element)| match &element.kind {
            ElementKind::Field(field) => match field.change {
                Change::Part(part) => Some((part, at)),
                _ => None,
            },
            _ => None,
        })
        .collect();
    let whole = 0..elements.len();
    let expanded = parts.map(PartOrder::expand).filter(|(order, _)| !order.is_empty());
    match expanded {
        Some((parts, cut)) if !labels.is_empty() => {
            let place = elements[labels[0].1].span.clone();
            if cut {
                findings.push(Finding {
                    severity: Severity::Error,
                    span: place.clone(),
                    text: format!("the order of parts is cut: more than {MOST_PARTS} parts, or brackets that don't match"),
                    hint: "write P: such as ABA(CD)2".to_owned(),
                });
            }
            // What stands before the first part belongs to none: it is played once, first.
            unfold_range(elements, 0..labels[0].1, &mut order, &mut steps);
            let mut missing: Vec<char> = Vec::new();
            for part in parts {
                match labels.iter().position(|&(label, _)| label == part) {
                    Some(at) => {
                        let start = labels[at].1;
                        let end = labels.get(at + 1).map_or(elements.len(), |&(_, end)| end);
                        unfold_range(elements, start..end, &mut order, &mut steps);
                    }
                    None if !missing.contains(&part) && missing.len() < 16 => {
                        missing.push(part);
                        findings.push(Finding {
                            severity: Severity::Warning,
                            span: place.clone(),
                            text: format!(
                                "the order of parts names {part}, which the tune has not"
                            ),
                            hint: format!("start the part with a line P:{part}"),
                        });
                    }
                    None => {}
                }
                if steps == 0 {
                    break;
                }
            }
        }
        _ => unfold_range(elements, whole, &mut order, &mut steps),
    }
    if steps == 0 {
        findings.push(Finding {
            severity: Severity::Error,
            span: elements.first().map_or(0..0, |element| element.span.clone()),
            text: format!("the repeats make more than {MOST_STEPS} steps; the rest is not played"),
            hint: "repeat fewer times".to_owned(),
        });
    }
    order
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

fn sections(elements: &[Element], range: &Range<usize>) -> (Vec<Section>, Vec<Mark>) {
    let mut sections: Vec<Section> = Vec::new();
    let mut marks = vec![Mark::default(); range.len()];
    let offset = range.start;
    let elements = &elements[range.clone()];
    // The section being gathered.
    let mut start = 0;
    let mut explicit = false;
    let mut start_colons: u8 = 0;
    let mut endings: Vec<(usize, Option<u16>)> = Vec::new();
    let mut last_pass: u16 = 0;
    // Where an implied start would lie: after the last end of a repeat or double bar.
    let mut boundary = 0;
    // Ends of repeat before an ending, which belong to the section.
    let mut ends: Vec<usize> = Vec::new();
    let mut close = |start: usize,
                     explicit: bool,
                     plays: u16,
                     endings: &mut Vec<(usize, Option<u16>)>,
                     ends: &mut Vec<usize>,
                     last_pass: &mut u16,
                     close: usize,
                     marks: &mut Vec<Mark>| {
        if !endings.is_empty() || !ends.is_empty() {
            let index = sections.len();
            for at in endings.iter().map(|ending| ending.0).chain(ends.iter().copied()) {
                marks[at].section = Some(index);
            }
            if let Some(mark) = marks.get_mut(close) {
                mark.closes = Some(index);
            }
            sections.push(Section {
                start: start + offset,
                plays,
                endings: endings.iter().map(|&(at, pass)| (at + offset, pass)).collect(),
                last_pass: (*last_pass).max(2),
                close: close + offset,
                explicit,
            });
        }
        endings.clear();
        ends.clear();
        *last_pass = 0;
    };
    for (at, element) in elements.iter().enumerate() {
        match &element.kind {
            ElementKind::Ending(ending) => {
                let first = ending.passes.iter().map(|passes| passes.0).min();
                let seen = match first {
                    Some(first) => endings.iter().any(|&(earlier, pass)| {
                        pass == Some(first)
                            || matches!(&elements[earlier].kind, ElementKind::Ending(earlier) if earlier.plays_on(first))
                    }),
                    None => last_pass >= MOST_PASSES,
                };
                // Endings that count from the start again belong to a section of their own.
                if seen && !endings.is_empty() {
                    close(
                        start,
                        explicit,
                        2,
                        &mut endings,
                        &mut ends,
                        &mut last_pass,
                        at,
                        &mut marks,
                    );
                    start = boundary;
                    explicit = false;
                }
                for passes in &ending.passes {
                    last_pass = last_pass.max(passes.1);
                }
                if ending.passes.is_empty() {
                    last_pass += 1;
                    endings.push((at, Some(last_pass)));
                } else {
                    endings.push((at, None));
                }
            }
            ElementKind::Bar(bar) => {
                if bar.repeat_end > 0 {
                    ends.push(at);
                    boundary = at + 1;
                    let goes_on = bar.repeat_start == 0 && ending_follows(elements, at);
                    if !goes_on {
                        let plays = u16::from(bar.repeat_end.max(start_colons)) + 1;
                        close(
                            start,
                            explicit,
                            plays,
                            &mut endings,
                            &mut ends,
                            &mut last_pass,
                            at + 1,
                            &mut marks,
                        );
                        start = at + 1;
                        explicit = false;
                        start_colons = 0;
                    }
                }
                if bar.repeat_start > 0 {
                    close(
                        start,
                        explicit,
                        2,
                        &mut endings,
                        &mut ends,
                        &mut last_pass,
                        at,
                        &mut marks,
                    );
                    start = at + 1;
                    boundary = at + 1;
                    explicit = true;
                    start_colons = bar.repeat_start;
                } else if bar.repeat_end == 0
                    && matches!(
                        bar.line,
                        BarLine::ThinThin | BarLine::ThinThick | BarLine::ThickThin
                    )
                {
                    boundary = at + 1;
                    if !endings.is_empty() {
                        if !ending_follows(elements, at) {
                            close(
                                start,
                                explicit,
                                2,
                                &mut endings,
                                &mut ends,
                                &mut last_pass,
                                at,
                                &mut marks,
                            );
                            start = at + 1;
                            explicit = false;
                            start_colons = 0;
                        }
                    } else if !explicit {
                        start = at + 1;
                    }
                }
            }
            _ => {}
        }
    }
    close(start, explicit, 2, &mut endings, &mut ends, &mut last_pass, elements.len(), &mut marks);
    (sections, marks)
}

fn unfold_range(
    elements: &[Element],
    range: Range<usize>,
    order: &mut Vec<Range<usize>>,
    steps: &mut usize,
) {
    // Looking for the sections takes time, too, however little of them is played.
    *steps = steps.saturating_sub(range.len() / 4);
    let (sections, marks) = sections(elements, &range);
    // Which pass each section is in.
    let mut passes: Vec<u16> = vec![1; sections.len()];
    let mut at = range.start;
    let mut from = at;
    while at < range.end && *steps > 0 {
        *steps -= 1;
        let mark = marks[at - range.start];
        if let Some(index) = mark.closes {
            passes[index] = 1;
        }
        if let Some(index) = mark.section {
            let section = &sections[index];
            let pass = passes[index];
            let jump = match &elements[at].kind {
                ElementKind::Ending(_) => {
                    // The endings before this one have been passed over already.
                    let from = section.endings.partition_point(|ending| ending.0 < at);
                    let next = section.endings[from..]
                        .iter()
                        .find(|&&(ending, own)| plays_on(&elements[ending], own, pass));
                    match next {
                        Some(&(ending, _)) if ending == at => None,
                        Some(&(ending, _)) => Some(ending),
                        None => Some(section.close),
                    }
                }
                _ => {
                    let goes_back = if section.endings.is_empty() {
                        pass < section.plays
                    } else {
                        pass < section.last_pass
                    };
                    if goes_back {
                        passes[index] += 1;
                        Some(section.start)
                    } else {
                        passes[index] = 1;
                        None
                    }
                }
            };
            if let Some(to) = jump {
                let end =
                    if matches!(elements[at].kind, ElementKind::Ending(_)) { at } else { at + 1 };
                if from < end {
                    order.push(from..end);
                }
                at = to;
                from = to;
                continue;
            }
        }
        at += 1;
    }
    if from < at {
        order.push(from..at);
    }
}

/// Whether an ending is played on this pass; `own` is the pass of one without numbers.
fn plays_on(element: &Element, own: Option<u16>, pass: u16) -> bool {
    match (own, &element.kind) {
        (Some(own), _) => own == pass,
        (None, ElementKind::Ending(ending)) => ending.plays_on(pass),
        _ => false,
    }
}
