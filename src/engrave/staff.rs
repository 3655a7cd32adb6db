//! Core: one system of the score: each voice's staff with its notes, stems, beams and marks.

mod beams;
mod curves;
mod marks;
mod notes;
mod signs;
mod stems;
mod text;
mod tuplets;

use super::{
    Anchor, Group, Ink, Item, Place as Area, Role, System,
    measure::{Event, EventKind, Measure, Part, Place},
    smufl::Glyph,
    space::{self, Line, MeasureSpan, TEXT_SIZE},
};
use earworm_abc::BarLine;
use std::collections::HashMap;
use std::ops::Range;

/// Thicknesses are the font's own engraving defaults (SMuFL metadata of Bravura).
const STAFF_LINE: f32 = 0.13;
const STEM: f32 = 0.12;
const BEAM: f32 = 0.5;
const BEAM_STEP: f32 = 0.75;
const THIN_BAR: f32 = 0.16;
const THICK_BAR: f32 = 0.5;
const LEDGER: f32 = 0.16;
const LEDGER_REACH: f32 = 0.35;
/// Of grace notes.
const SMALL_LEDGER_REACH: f32 = 0.2;
/// An octave, the length of a stem unless something asks for another.
const STEM_LENGTH: f32 = 3.5;

/// Where the stem of a note stands.
#[derive(Clone, Copy)]
struct Stem {
    up: bool,
    x: f32,
    /// y of the head it starts at, and of its end.
    from: f32,
    to: f32,
}

/// What is drawn of one staff, its top line at y = 0.
struct Staff<'a> {
    part: &'a Part,
    line: &'a Line,
    items: Vec<Item>,
    places: Vec<Area>,
    stems: HashMap<Place, Stem>,
}

/// Lays out the measures of one line of all parts. Its `top` is above the first staff's ink.
pub(super) fn system(parts: &[Part], line: &Line, groups: &[Group]) -> System {
    let mut system = System { top: f32::MAX, bottom: f32::MIN, ..System::default() };
    let mut y = 0.0;
    let mut staves = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let mut staff =
            Staff { part, line, items: Vec::new(), places: Vec::new(), stems: HashMap::new() };
        staff.draw(index == 0);
        let (mut top, mut bottom) = (-1.5_f32, 5.5_f32);
        for item in &staff.items {
            let bounds = item.ink.bounds();
            top = top.min(bounds[1]);
            bottom = bottom.max(bounds[3]);
        }
        if index > 0 {
            y += 2.0 - top;
        }
        for item in &mut staff.items {
            item.ink.moved([0.0, y]);
        }
        for place in &mut staff.places {
            place.area[1] += y;
            place.area[3] += y;
        }
        staves.push(y);
        system.top = system.top.min(y + top);
        system.bottom = system.bottom.max(y + bottom);
        system.items.append(&mut staff.items);
        system.places.append(&mut staff.places);
        y += bottom;
    }
    if let (Some(&first), Some(&last)) = (staves.first(), staves.last())
        && staves.len() > 1
    {
        let x = line.left + THIN_BAR / 2.0;
        system.items.push(rule([x, first], [x, last + 4.0], THIN_BAR, 0..0, Role::Frame));
    }
    for group in groups {
        if let (Some(&top), Some(&bottom)) = (staves.get(group.first), staves.get(group.last)) {
            let x = line.left - 0.45;
            let draw = if group.brace { brace } else { bracket };
            system.items.extend(draw(x, top, bottom + 4.0));
        }
    }
    system
}

/// A bracket at the left of staves: a thick line with a hook at either end.
fn bracket(x: f32, top: f32, bottom: f32) -> Vec<Item> {
    let hook = |y: f32, away: f32| rule([x - 0.2, y], [x + 0.75, y + away], 0.2, 0..0, Role::Frame);
    let (top, bottom) = (top - 0.3, bottom + 0.3);
    vec![rule([x, top], [x, bottom], 0.4, 0..0, Role::Frame), hook(top, -0.35), hook(bottom, 0.35)]
}

/// A brace at the left of staves: two curves that meet in its point.
fn brace(x: f32, top: f32, bottom: f32) -> Vec<Item> {
    let middle = (top + bottom) / 2.0;
    let half = |end: f32| Item {
        span: 0..0,
        ink: Ink::Curve {
            points: [
                [x + 0.2, end],
                [x - 0.8, end + (middle - end) * 0.35],
                [x + 0.35, end + (middle - end) * 0.75],
                [x - 0.6, middle],
            ],
            thickness: 0.28,
        },
        role: Role::Frame,
    };
    vec![half(top), half(bottom)]
}

fn rule(from: [f32; 2], to: [f32; 2], thickness: f32, span: Range<usize>, role: Role) -> Item {
    Item { span, ink: Ink::Line { from, to, thickness }, role }
}

/// y of a place on the staff, in half spaces above the bottom line.
fn y_of(position: i16) -> f32 {
    4.0 - f32::from(position) / 2.0
}

impl Staff<'_> {
    fn glyph(&mut self, glyph: Glyph, at: [f32; 2], size: f32, span: &Range<usize>, role: Role) {
        self.items.push(Item { span: span.clone(), ink: Ink::Glyph { glyph, at, size }, role });
    }

    #[expect(clippy::too_many_arguments, reason = "each is one property of the text drawn")]
    fn text(
        &mut self,
        text: &str,
        at: [f32; 2],
        size: f32,
        anchor: Anchor,
        strong: bool,
        span: &Range<usize>,
        role: Role,
    ) {
        self.items.push(Item {
            span: span.clone(),
            ink: Ink::Text { at, text: text.to_owned(), size, anchor, strong },
            role,
        });
    }

    fn event(&self, place: Place) -> Option<&Event> {
        self.part.measures.get(place.0)?.events.get(place.1)
    }

    /// The x of an event of this line.
    fn x(&self, place: Place) -> Option<f32> {
        let offset = place.0.checked_sub(self.line.measures.start)?;
        let span = self.line.spans.get(offset)?;
        self.event(place).map(|event| span.x(event))
    }

    fn draw(&mut self, first_staff: bool) {
        let line = self.line;
        let part = self.part;
        for staff_line in 0..5 {
            let y = staff_line as f32;
            self.items.push(rule([line.left, y], [line.right, y], STAFF_LINE, 0..0, Role::Staff));
        }
        if line.measures.start == 0 && !part.name.is_empty() {
            let at = [line.left - 1.2, 2.5];
            self.text(&part.name, at, TEXT_SIZE, Anchor::End, false, &(0..0), Role::Text);
        }
        let Some(first) = part.measures.get(line.measures.start) else {
            return;
        };
        let (clef, key) = (first.clef, first.key);
        let (key_at, mut end) = space::prefix_parts(clef, key);
        self.clef(clef, [line.prefix + 0.6, 1.0], 1.0, &(0..0));
        self.signature(key, clef, line.prefix + key_at, &(0..0));
        if let Some((metre, span)) = &first.metre {
            let at = line.prefix + end + 0.1;
            end += self.metre(metre, at, span) + 0.5;
        }
        if first.repeats.is_some() {
            let span = first.repeats.clone().unwrap_or_default();
            let x = line.prefix + end + 0.35;
            self.bar(BarLine::Thin, false, true, x, &span);
        }
        let all: Vec<(usize, &Measure, &MeasureSpan)> = {
            let first = line.measures.start;
            line.spans
                .iter()
                .enumerate()
                .filter_map(|(offset, span)| {
                    part.measures.get(first + offset).map(|measure| (first + offset, measure, span))
                })
                .collect()
        };
        self.stems(&all);
        for &(index, measure, span) in &all {
            let mut clef = measure.clef;
            for (number, event) in measure.events.iter().enumerate() {
                if let EventKind::Clef(sign) = event.kind {
                    clef = sign;
                }
                self.draw_event((index, number), event, span, measure, clef);
            }
            if let Some((bar, text)) = &measure.bar {
                let next = part.measures.get(index + 1);
                let repeat = next.is_some_and(|next| next.repeats.is_some())
                    && index + 1 < line.measures.end;
                self.bar(bar.line, bar.repeat_end > 0, repeat, span.bar, text);
                self.places.push(Area {
                    span: text.clone(),
                    area: [span.bar - 0.3, -1.0, span.bar + 0.6, 5.0],
                    sounds: false,
                });
            }
        }
        self.beams();
        self.tuplets();
        self.curves();
        self.above_and_below(&all, first_staff);
    }
}
