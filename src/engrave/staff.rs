//! Core: one system of the score: each voice's staff with its notes, stems, beams and marks.

use super::{
    Anchor, Ink, Item, Place as Area, Role, System,
    measure::{self, ClefSign, Event, EventKind, KeySign, Measure, Notes, Part, Place},
    smufl::{self, Glyph},
    space::{self, CHORD_SIZE, GRACE, GRACE_STEP, Line, MeasureSpan, TEXT_SIZE},
    text_width,
};
use earworm_abc::{BarLine, Grace, Metre, Tempo};
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
pub(super) fn system(parts: &[Part], line: &Line) -> System {
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
    system
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
            let at = [line.left - 0.8, 2.5];
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

    fn clef(&mut self, sign: ClefSign, at: [f32; 2], size: f32, span: &Range<usize>) {
        if let Some(glyph) = sign.glyph {
            let y = y_of(2 * (sign.line - 1));
            self.glyph(glyph, [at[0], y], size, span, Role::Frame);
        }
    }

    fn signature(&mut self, key: KeySign, clef: ClefSign, x: f32, span: &Range<usize>) -> f32 {
        let mut x = x;
        for (_, alteration, treble) in measure::signature(key) {
            let glyph = space::accidental_glyph(alteration);
            let y = y_of(on_staff(treble, clef, alteration < 0));
            self.glyph(glyph, [x, y], 1.0, span, Role::Frame);
            x += glyph.advance + 0.06;
        }
        x
    }

    /// A time signature; returns its width.
    fn metre(&mut self, metre: &Metre, x: f32, span: &Range<usize>) -> f32 {
        let (upper, lower) = space::metre_glyphs(metre);
        let width = space::row_width(&upper).max(space::row_width(&lower));
        let rows = match lower.is_empty() {
            true => vec![(upper, 2.0)],
            false => vec![(upper, 1.0), (lower, 3.0)],
        };
        for (row, y) in rows {
            let mut x = x + (width - space::row_width(&row)) / 2.0;
            for glyph in row {
                let size = space::figure_size(glyph);
                self.glyph(glyph, [x, y], size, span, Role::Frame);
                x += glyph.advance * size;
            }
        }
        width
    }

    fn bar(
        &mut self,
        line: BarLine,
        repeat_end: bool,
        repeat_start: bool,
        x: f32,
        span: &Range<usize>,
    ) {
        let mut x = x;
        let dots = |staff: &mut Self, x: f32| {
            for y in [1.5, 2.5] {
                staff.glyph(smufl::AUGMENTATION_DOT, [x, y], 1.0, span, Role::Frame);
            }
        };
        let stroke = |staff: &mut Self, x: f32, width: f32| {
            let middle = x + width / 2.0;
            let (top, bottom) = (-STAFF_LINE / 2.0, 4.0 + STAFF_LINE / 2.0);
            staff.items.push(rule(
                [middle, top],
                [middle, bottom],
                width,
                span.clone(),
                Role::Frame,
            ));
        };
        if repeat_end || repeat_start {
            if repeat_end {
                dots(self, x);
                x += 0.75;
                stroke(self, x, THIN_BAR);
                x += THIN_BAR + 0.35;
            }
            stroke(self, x, THICK_BAR);
            x += THICK_BAR;
            if repeat_start {
                x += 0.35;
                stroke(self, x, THIN_BAR);
                x += THIN_BAR + 0.35;
                dots(self, x);
            }
            return;
        }
        match line {
            BarLine::Thin | BarLine::Repeats => stroke(self, x, THIN_BAR),
            BarLine::ThinThin => {
                stroke(self, x, THIN_BAR);
                stroke(self, x + 0.56, THIN_BAR);
            }
            BarLine::ThinThick => {
                stroke(self, x, THIN_BAR);
                stroke(self, x + 0.56, THICK_BAR);
            }
            BarLine::ThickThin => {
                stroke(self, x, THICK_BAR);
                stroke(self, x + 0.9, THIN_BAR);
            }
            BarLine::Dotted => {
                for dash in 0..5 {
                    let y = dash as f32 * 0.9;
                    let middle = x + THIN_BAR / 2.0;
                    self.items.push(rule(
                        [middle, y],
                        [middle, y + 0.4],
                        THIN_BAR,
                        span.clone(),
                        Role::Frame,
                    ));
                }
            }
            BarLine::Invisible => {}
        }
    }

    /// Decides every stem's direction and length.
    fn stems(&mut self, all: &[(usize, &Measure, &MeasureSpan)]) {
        for &(index, measure, span) in all {
            let layered = measure.events.iter().any(|event| event.layer > 0);
            for (number, event) in measure.events.iter().enumerate() {
                let EventKind::Notes(notes) = &event.kind else {
                    continue;
                };
                if notes.value.power < 1 || notes.beam.is_some() {
                    continue;
                }
                let up = match layered {
                    true => event.layer == 0,
                    false => stem_up(std::iter::once(notes)),
                };
                let flags = f32::from(notes.value.flags());
                let stem = self.stem(notes, span.x(event), up, flags);
                self.stems.insert((index, number), stem);
            }
        }
        let line = self.line.measures.clone();
        let groups: Vec<Vec<Place>> = self
            .part
            .beams
            .iter()
            .filter(|group| group.first().is_some_and(|place| line.contains(&place.0)))
            .cloned()
            .collect();
        for group in groups {
            self.beam_stems(&group, all);
        }
    }

    fn stem(&self, notes: &Notes, x: f32, up: bool, flags: f32) -> Stem {
        let (low, high) = ends(notes);
        let head = space::head_glyph(notes.value);
        let extra = (flags - 2.0).max(0.0) * BEAM_STEP;
        if up {
            let to = (y_of(high) - STEM_LENGTH - extra).min(2.0);
            Stem { up, x: x + head.advance - STEM / 2.0, from: y_of(low) - 0.17, to }
        } else {
            let to = (y_of(low) + STEM_LENGTH + extra).max(2.0);
            Stem { up, x: x + STEM / 2.0, from: y_of(high) + 0.17, to }
        }
    }

    /// One straight beam for a group: no stem shorter than it should be, a slope of at most a space.
    fn beam_stems(&mut self, group: &[Place], all: &[(usize, &Measure, &MeasureSpan)]) {
        let members: Vec<(Place, &Notes, f32, u8)> = group
            .iter()
            .filter_map(|&place| {
                let (_, measure, span) = *all.iter().find(|(index, ..)| *index == place.0)?;
                let event = measure.events.get(place.1)?;
                match &event.kind {
                    EventKind::Notes(notes) => Some((place, notes, span.x(event), event.layer)),
                    _ => None,
                }
            })
            .collect();
        if members.len() < 2 {
            return;
        }
        let layered = members.iter().any(|(place, ..)| {
            self.part.measures[place.0].events.iter().any(|event| event.layer > 0)
        });
        let up = match layered {
            true => members[0].3 == 0,
            false => stem_up(members.iter().map(|member| member.1)),
        };
        let points: Vec<(Place, Stem, f32)> = members
            .iter()
            .map(|&(place, notes, x, _)| {
                let stem = self.stem(notes, x, up, 0.0);
                let (low, high) = ends(notes);
                (place, stem, y_of(if up { high } else { low }))
            })
            .collect();
        let most = members.iter().map(|(_, notes, ..)| notes.value.flags()).max().unwrap_or(1);
        let (first, last) = (points[0], points[points.len() - 1]);
        let run = (last.1.x - first.1.x).max(0.1);
        let rise = last.2 - first.2;
        // Inner notes beyond both ends ask for a level beam; otherwise it leans with the melody, at most a space,
        // less when the group is narrow.
        let beyond = points[1..points.len() - 1].iter().any(|point| match up {
            true => point.2 <= first.2.min(last.2) - 0.25,
            false => point.2 >= first.2.max(last.2) + 0.25,
        });
        let lean = match beyond {
            true => 0.0,
            false => (rise * 0.5).clamp(-1.0, 1.0).clamp(-run * 0.22, run * 0.22),
        };
        let slope = lean / run;
        let at = |x: f32| (x - first.1.x) * slope;
        let sign = if up { -1.0 } else { 1.0 };
        let room = STEM_LENGTH - 0.25 + f32::from(most.saturating_sub(2)) * BEAM_STEP;
        let shortest = 2.6 + f32::from(most.saturating_sub(1)) * BEAM_STEP;
        // The beam's outer edge at the first stem.
        let mut edge = if up { f32::MAX } else { f32::MIN };
        for point in &points {
            let wish = point.2 + sign * shortest - at(point.1.x);
            edge = if up { edge.min(wish) } else { edge.max(wish) };
        }
        let nearest = points.iter().map(|point| point.2 - at(point.1.x)).fold(
            if up { f32::MAX } else { f32::MIN },
            |a, b| {
                if up { a.min(b) } else { a.max(b) }
            },
        );
        edge = match up {
            true => edge.min(nearest - room).min(2.0 - lean.max(0.0)),
            false => edge.max(nearest + room).max(2.0 - lean.min(0.0)),
        };
        for (place, mut stem, _) in points {
            stem.to = edge + at(stem.x);
            self.stems.insert(place, stem);
        }
    }

    fn draw_event(
        &mut self,
        place: Place,
        event: &Event,
        span: &MeasureSpan,
        measure: &Measure,
        clef: ClefSign,
    ) {
        let x = span.x(event);
        match &event.kind {
            EventKind::Notes(notes) => {
                self.notes(place, event, notes, x);
                if let Some(grace) = &event.attached.grace {
                    let (reach, _) = space::accidental_columns(notes);
                    let left = x - reach - space::grace_width(event);
                    self.grace(grace, left, clef, &event.span);
                }
                let width = space::head_glyph(notes.value).advance;
                self.places.push(Area {
                    span: event.span.clone(),
                    area: [x - 0.5, -1.0, x + width + 0.5, 5.0],
                    sounds: true,
                });
            }
            EventKind::Rest(value) => {
                let layered = measure.events.iter().any(|event| event.layer > 0);
                let shift = match (layered, event.layer) {
                    (false, _) => 0.0,
                    (true, 0) => -2.0,
                    (true, _) => 2.0,
                };
                let glyph = space::rest_glyph(*value);
                // A whole bar's rest hangs in the middle of its bar.
                let alone = value.power <= 0
                    && measure
                        .events
                        .iter()
                        .filter(|other| {
                            matches!(other.kind, EventKind::Notes(_) | EventKind::Rest(_))
                        })
                        .count()
                        == 1;
                let x = match alone {
                    true => (span.start + span.bar - glyph.advance) / 2.0 + 0.3,
                    false => x,
                };
                let y = if value.power == 0 { 1.0 } else { 2.0 } + shift;
                self.glyph(glyph, [x, y], 1.0, &event.span, Role::Music);
                for dot in 0..value.dots {
                    let at = [x + glyph.advance + 0.3 + f32::from(dot) * 0.65, 1.5 + shift];
                    self.glyph(smufl::AUGMENTATION_DOT, at, 1.0, &event.span, Role::Music);
                }
                self.places.push(Area {
                    span: event.span.clone(),
                    area: [x - 0.5, -1.0, x + glyph.advance + 0.5, 5.0],
                    sounds: false,
                });
            }
            EventKind::BarsRest(bars) => {
                let middle = (span.start + span.bar) / 2.0 + 0.3;
                if *bars == 1 {
                    let glyph = smufl::REST_WHOLE;
                    let at = [middle - glyph.advance / 2.0, 1.0];
                    self.glyph(glyph, at, 1.0, &event.span, Role::Music);
                } else {
                    let half = ((span.bar - span.start) / 2.0 - 1.2).max(1.5);
                    self.items.push(rule(
                        [middle - half, 2.0],
                        [middle + half, 2.0],
                        0.9,
                        event.span.clone(),
                        Role::Music,
                    ));
                    for end in [-half, half] {
                        self.items.push(rule(
                            [middle + end, 1.0],
                            [middle + end, 3.0],
                            THIN_BAR,
                            event.span.clone(),
                            Role::Music,
                        ));
                    }
                    let figures = space::figures(*bars);
                    let mut x = middle - space::row_width(&figures) / 2.0;
                    for glyph in figures {
                        self.glyph(glyph, [x, -1.4], 1.0, &event.span, Role::Music);
                        x += glyph.advance;
                    }
                }
            }
            EventKind::Clef(sign) => self.clef(*sign, [x, 0.0], 0.75, &event.span),
            EventKind::Key(new, old) => {
                let mut x = x;
                for treble in space::cancelled(*new, *old) {
                    let y = y_of(on_staff(treble, clef, false));
                    self.glyph(smufl::ACCIDENTAL_NATURAL, [x, y], 1.0, &event.span, Role::Frame);
                    x += smufl::ACCIDENTAL_NATURAL.advance + 0.1;
                }
                self.signature(*new, clef, x, &event.span);
            }
            EventKind::Metre(metre) => {
                self.metre(metre, x, &event.span);
            }
            EventKind::Spacer => {}
        }
    }

    fn notes(&mut self, place: Place, event: &Event, notes: &Notes, x: f32) {
        let glyph = space::head_glyph(notes.value);
        let stem = self.stems.get(&place).copied();
        let up = stem.is_none_or(|stem| stem.up);
        // In a second, one head stands on the other side of the stem: the upper one where it points up.
        let mut turned = vec![false; notes.heads.len()];
        let order: Vec<usize> = match up {
            true => (0..notes.heads.len()).collect(),
            false => (0..notes.heads.len()).rev().collect(),
        };
        for pair in order.windows(2) {
            let apart = (notes.heads[pair[0]].position - notes.heads[pair[1]].position).abs();
            turned[pair[1]] = apart <= 1 && !turned[pair[0]];
        }
        let shift = if up { glyph.advance - STEM } else { STEM - glyph.advance };
        let span = &event.span;
        let (reach, accidentals) = space::accidental_columns(notes);
        for (index, left) in accidentals {
            if let Some(accidental) = notes.heads[index].accidental {
                let sign = space::written_accidental(accidental);
                let y = y_of(notes.heads[index].position);
                self.glyph(sign, [x - left, y], 1.0, span, Role::Music);
            }
        }
        for (index, head) in notes.heads.iter().enumerate() {
            let head_x = if turned[index] { x + shift } else { x };
            let y = y_of(head.position);
            self.glyph(glyph, [head_x, y], 1.0, span, Role::Music);
            self.ledgers(head.position, head_x, glyph.advance, span);
        }
        let right = match turned.iter().any(|&turned| turned) && up {
            true => x + 2.0 * glyph.advance,
            false => x + glyph.advance,
        };
        let mut dotted: Vec<i16> = Vec::new();
        for head in notes.heads.iter().rev() {
            // Dots stand in spaces: those of a head on a line go up, or down where that space is taken.
            let mut at = head.position + 1 - head.position.rem_euclid(2);
            if head.position.rem_euclid(2) == 0 {
                at = head.position + 1;
            } else {
                at = at.min(head.position);
            }
            if dotted.contains(&at) {
                at -= 2;
            }
            dotted.push(at);
            for dot in 0..notes.value.dots {
                let dot_x = right + 0.35 + f32::from(dot) * 0.65;
                let at = [dot_x, y_of(at)];
                self.glyph(smufl::AUGMENTATION_DOT, at, 1.0, span, Role::Music);
            }
        }
        if let Some(stem) = stem {
            // Under a beam it ends inside it, so that no corner looks out at the other side.
            let inside = match (notes.beam, stem.up) {
                (None, _) => 0.0,
                (Some(_), true) => BEAM / 2.0,
                (Some(_), false) => -BEAM / 2.0,
            };
            self.items.push(rule(
                [stem.x, stem.from],
                [stem.x, stem.to + inside],
                STEM,
                span.clone(),
                Role::Music,
            ));
            if notes.beam.is_none() && notes.value.flags() > 0 {
                let flag = flag_glyph(notes.value.flags(), stem.up);
                let at = [stem.x - STEM / 2.0, stem.to];
                self.glyph(flag, at, 1.0, span, Role::Music);
            }
        }
        if event.attached.decorations.iter().any(|decoration| decoration.name == "arpeggio") {
            self.arpeggio(notes, x - reach - 0.9, span);
        }
    }

    fn arpeggio(&mut self, notes: &Notes, x: f32, span: &Range<usize>) {
        let (low, high) = ends(notes);
        let (top, bottom) = (y_of(high) - 0.5, y_of(low) + 0.5);
        let waves = ((bottom - top) / 0.8).ceil().max(2.0) as usize;
        let step = (bottom - top) / waves as f32;
        for wave in 0..waves {
            let y = top + wave as f32 * step;
            let bulge = if wave % 2 == 0 { 0.4 } else { -0.4 };
            self.items.push(Item {
                span: span.clone(),
                ink: Ink::Curve {
                    points: [
                        [x, y],
                        [x + bulge, y + step * 0.3],
                        [x + bulge, y + step * 0.7],
                        [x, y + step],
                    ],
                    thickness: 0.2,
                },
                role: Role::Music,
            });
        }
    }

    fn ledgers(&mut self, position: i16, x: f32, width: f32, span: &Range<usize>) {
        let mut draw = |at: i16| {
            let y = y_of(at);
            self.items.push(rule(
                [x - LEDGER_REACH, y],
                [x + width + LEDGER_REACH, y],
                LEDGER,
                span.clone(),
                Role::Staff,
            ));
        };
        // A mistyped octave mark must not fill the page.
        let position = position.clamp(-60, 60);
        let mut at = -2;
        while at >= position {
            draw(at);
            at -= 2;
        }
        let mut at = 10;
        while at <= position {
            draw(at);
            at += 2;
        }
    }

    fn grace(&mut self, grace: &Grace, left: f32, clef: ClefSign, span: &Range<usize>) {
        let head = smufl::NOTEHEAD_BLACK;
        let width = head.advance * GRACE;
        let mut x = left + 0.1;
        let mut stems = Vec::new();
        for chord in &grace.notes {
            if chord.is_empty() {
                continue;
            }
            for note in chord {
                if let Some(accidental) = note.pitch.accidental {
                    let glyph = space::written_accidental(accidental);
                    let y = y_of(note.pitch.staff_step() - clef.bottom);
                    self.glyph(glyph, [x, y], GRACE, span, Role::Music);
                    x += 0.7;
                }
            }
            let positions: Vec<i16> =
                chord.iter().map(|note| note.pitch.staff_step() - clef.bottom).collect();
            for &position in &positions {
                self.glyph(head, [x, y_of(position)], GRACE, span, Role::Music);
                self.ledgers_small(position, x, width, span);
            }
            let low = positions.iter().min().copied().unwrap_or(0);
            let high = positions.iter().max().copied().unwrap_or(0);
            stems.push((x + width - 0.05, y_of(low) - 0.1, y_of(high) - 2.3));
            x += GRACE_STEP;
        }
        let Some(&(first_x, first_from, first_top)) = stems.first() else {
            return;
        };
        if stems.len() == 1 {
            self.items.push(rule(
                [first_x, first_from],
                [first_x, first_top],
                0.09,
                span.clone(),
                Role::Music,
            ));
            let at = [first_x - 0.045, first_top];
            self.glyph(smufl::FLAG_8TH_UP, at, GRACE, span, Role::Music);
        } else {
            let top = stems.iter().map(|stem| stem.2).fold(f32::MAX, f32::min);
            for &(x, from, _) in &stems {
                self.items.push(rule([x, from], [x, top], 0.09, span.clone(), Role::Music));
            }
            let (from, to) = (first_x - 0.045, stems[stems.len() - 1].0 + 0.045);
            for beam in 0..2 {
                let y = top + beam as f32 * 0.48;
                self.items.push(Item {
                    span: span.clone(),
                    ink: Ink::Quad([[from, y], [to, y], [to, y + 0.3], [from, y + 0.3]]),
                    role: Role::Music,
                });
            }
        }
        if grace.acciaccatura {
            let y = first_top + 1.2;
            self.items.push(rule(
                [first_x - 0.65, y + 0.45],
                [first_x + 0.75, y - 0.65],
                0.09,
                span.clone(),
                Role::Music,
            ));
        }
    }

    fn ledgers_small(&mut self, position: i16, x: f32, width: f32, span: &Range<usize>) {
        let from = x - 0.2;
        let to = x + width + 0.2;
        let position = position.clamp(-60, 60);
        for at in (-60..=-2).chain(10..=60).filter(|at| at % 2 == 0) {
            if (at < 0 && at >= position) || (at > 0 && at <= position) {
                let y = y_of(at);
                self.items.push(rule([from, y], [to, y], LEDGER, span.clone(), Role::Staff));
            }
        }
    }

    /// The beams of each group: the first over all of it, further ones over runs of shorter notes, stubs for single ones.
    fn beams(&mut self) {
        let groups: Vec<Vec<Place>> = self
            .part
            .beams
            .iter()
            .filter(|group| {
                group.first().is_some_and(|place| self.line.measures.contains(&place.0))
            })
            .cloned()
            .collect();
        for group in groups {
            let members: Vec<(Stem, u8, Range<usize>)> = group
                .iter()
                .filter_map(|place| {
                    let stem = *self.stems.get(place)?;
                    let event = self.event(*place)?;
                    match &event.kind {
                        EventKind::Notes(notes) => {
                            Some((stem, notes.value.flags(), event.span.clone()))
                        }
                        _ => None,
                    }
                })
                .collect();
            if members.len() < 2 {
                continue;
            }
            let (first, last) = (members[0].0, members[members.len() - 1].0);
            let run = (last.x - first.x).max(0.1);
            let slope = (last.to - first.to) / run;
            let sign = if first.up { 1.0 } else { -1.0 };
            let y_at = |x: f32, level: u8| {
                first.to + (x - first.x) * slope + sign * f32::from(level) * BEAM_STEP
            };
            let whole = members[0].2.start..members[members.len() - 1].2.end;
            let mut draw = |from: f32, to: f32, level: u8| {
                let (a, b) = (y_at(from, level), y_at(to, level));
                let thick = sign * BEAM;
                self.items.push(Item {
                    span: whole.clone(),
                    ink: Ink::Quad([[from, a], [to, b], [to, b + thick], [from, a + thick]]),
                    role: Role::Music,
                });
            };
            let half = STEM / 2.0;
            let most = members.iter().map(|member| member.1).max().unwrap_or(1);
            draw(first.x - half, last.x + half, 0);
            for level in 1..most {
                let mut start = None;
                for index in 0..=members.len() {
                    let short = members.get(index).is_some_and(|member| member.1 > level);
                    match (start, short) {
                        (None, true) => start = Some(index),
                        (Some(from), false) => {
                            let to = index - 1;
                            if from == to {
                                let x = members[from].0.x;
                                // A stub points to the note it makes up a beat with: the longer neighbour before it.
                                let back = from > 0
                                    && (from + 1 == members.len()
                                        || members[from - 1].1 >= members[from + 1].1);
                                match back {
                                    true => draw(x - 1.1, x + half, level),
                                    false => draw(x - half, x + 1.1, level),
                                }
                            } else {
                                draw(members[from].0.x - half, members[to].0.x + half, level);
                            }
                            start = None;
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    fn tuplets(&mut self) {
        let tuplets: Vec<(u16, Vec<Place>)> = self
            .part
            .tuplets
            .iter()
            .filter(|(_, places)| {
                places.first().is_some_and(|place| self.line.measures.contains(&place.0))
            })
            .cloned()
            .collect();
        for (figure, places) in tuplets {
            let beams: Vec<Option<usize>> = places
                .iter()
                .map(|&place| match self.event(place).map(|event| &event.kind) {
                    Some(EventKind::Notes(notes)) => notes.beam,
                    _ => None,
                })
                .collect();
            let one_beam = beams.first().copied().flatten().is_some_and(|beam| {
                beams.iter().all(|&other| other == Some(beam))
                    && self.part.beams[beam].len() == places.len()
            });
            let xs: Vec<f32> = places.iter().filter_map(|&place| self.x(place)).collect();
            let (Some(&from), Some(&to)) = (xs.first(), xs.last()) else {
                continue;
            };
            let stems: Vec<Stem> =
                places.iter().filter_map(|place| self.stems.get(place).copied()).collect();
            let up = stems.iter().filter(|stem| stem.up).count() * 2 >= stems.len();
            let span = self.event(places[0]).map_or(0..0, |event| event.span.clone());
            // Heads count too where they lie beyond the stems.
            let edge =
                places
                    .iter()
                    .filter_map(|&place| {
                        let stem = self.stems.get(&place).map(|stem| stem.to);
                        let heads = match &self.event(place)?.kind {
                            EventKind::Notes(notes) => {
                                let (low, high) = ends(notes);
                                if up { y_of(high) - 0.5 } else { y_of(low) + 0.5 }
                            }
                            _ => 2.0,
                        };
                        Some(match (up, stem) {
                            (_, None) => heads,
                            (true, Some(stem)) => heads.min(stem),
                            (false, Some(stem)) => heads.max(stem),
                        })
                    })
                    .fold(if up { f32::MAX } else { f32::MIN }, |a, b| {
                        if up { a.min(b) } else { a.max(b) }
                    });
            let edge = if up { edge.min(-0.2) } else { edge.max(4.2) };
            let (from, to) = (from - 0.1, to + smufl::NOTEHEAD_BLACK.advance + 0.1);
            let middle = match one_beam {
                true => {
                    let first = stems.first().map_or(from, |stem| stem.x);
                    let last = stems.last().map_or(to, |stem| stem.x);
                    (first + last) / 2.0
                }
                false => (from + to) / 2.0,
            };
            let beam_edge = match (one_beam, stems.first(), stems.last()) {
                (true, Some(first), Some(last)) => (first.to + last.to) / 2.0,
                _ => edge,
            };
            let edge = if one_beam { beam_edge } else { edge };
            let size = 0.82;
            let figure_height = 1.5 * size;
            let baseline = if up { edge - 0.45 } else { edge + 0.45 + figure_height };
            let digits: Vec<Glyph> = figure
                .to_string()
                .bytes()
                .map(|digit| TUPLET_DIGITS[usize::from(digit - b'0')])
                .collect();
            let width = space::row_width(&digits) * size;
            let mut x = middle - width / 2.0;
            for glyph in digits {
                self.glyph(glyph, [x, baseline], size, &span, Role::Music);
                x += glyph.advance * size;
            }
            if !one_beam {
                let y = baseline - figure_height / 2.0;
                let hook = if up { 0.6 } else { -0.6 };
                let (left, right) = (middle - width / 2.0 - 0.35, middle + width / 2.0 + 0.35);
                for (a, b) in [
                    ([from, y], [left, y]),
                    ([right, y], [to, y]),
                    ([from, y], [from, y + hook]),
                    ([to, y], [to, y + hook]),
                ] {
                    if a[0] <= b[0] {
                        self.items.push(rule(a, b, 0.14, span.clone(), Role::Music));
                    }
                }
            }
        }
    }

    /// Ties and slurs, in two halves where a system ends between their ends.
    fn curves(&mut self) {
        let line = self.line;
        let inside = |place: Place| line.measures.contains(&place.0);
        let start_x = line.spans.first().map_or(line.left, |span| span.start);
        let ties: Vec<_> = self.part.ties.clone();
        for ((from, head), to) in ties {
            let ends_here = to.is_some_and(|(place, _)| inside(place));
            let begins_before = from.0 < line.measures.start;
            if !(inside(from) || ends_here && begins_before) {
                continue;
            }
            let (Some(position), Some(event)) = (self.head_position(from, head), self.event(from))
            else {
                continue;
            };
            let span = event.span.clone();
            let EventKind::Notes(notes) = &event.kind else {
                continue;
            };
            let width = space::head_glyph(notes.value).advance;
            let count = notes.heads.len();
            // Away from the stem; in a chord the outer ties bend outwards.
            let up = match self
                .stems
                .get(&from)
                .or_else(|| to.and_then(|(place, _)| self.stems.get(&place)))
            {
                _ if count > 1 => head * 2 >= count,
                Some(stem) => !stem.up,
                None => position >= 4,
            };
            let y = y_of(position) + if up { -0.65 } else { 0.65 };
            let a = match inside(from) {
                true => self.x(from).map(|x| x + width * 0.75),
                false => Some(start_x - 0.2),
            };
            let b = match to {
                Some((place, _)) if inside(place) => self.x(place).map(|x| x + width * 0.25),
                Some(_) => Some(line.right - 0.3),
                // Nothing to tie to: a short arc that hangs in the air shows what is written.
                None => a.map(|a| a + 2.2),
            };
            if let (Some(a), Some(b)) = (a, b) {
                self.curve([a, y], [b.max(a + 0.8), y], up, 0.18, 0.75, &span);
            }
        }
        let slurs = self.part.slurs.clone();
        for (from, to) in slurs {
            let ends_here = to.is_some_and(inside);
            let passes = to.is_some_and(|to| to.0 >= line.measures.end);
            let started = from.0 < line.measures.start;
            if !(inside(from) || started && (ends_here || passes)) {
                continue;
            }
            let span = self.event(from).map_or(0..0, |event| event.span.clone());
            let covered: Vec<Stem> = self
                .stems
                .iter()
                .filter(|(place, _)| **place >= from && to.is_none_or(|to| **place <= to))
                .map(|(_, stem)| *stem)
                .collect();
            let up = covered.iter().any(|stem| !stem.up) || covered.is_empty();
            let edge = |staff: &Self, place: Place| -> f32 {
                let gap = if up { -0.55 } else { 0.55 };
                let Some(EventKind::Notes(notes)) = staff.event(place).map(|event| &event.kind)
                else {
                    return if up { -0.5 } else { 4.5 };
                };
                let (low, high) = ends(notes);
                let head = y_of(if up { high } else { low }) + gap * 1.3;
                match staff.stems.get(&place) {
                    Some(stem) if stem.up == up => stem.to + gap,
                    _ => head,
                }
            };
            let width = smufl::NOTEHEAD_BLACK.advance / 2.0;
            let (a, ya) = match inside(from) {
                true => (self.x(from).unwrap_or(line.left) + width, edge(self, from)),
                false => (start_x - 0.2, if up { -0.8 } else { 4.8 }),
            };
            let (b, yb) = match to {
                Some(place) if inside(place) => {
                    (self.x(place).unwrap_or(line.right) + width, edge(self, place))
                }
                Some(_) => (line.right - 0.3, if up { -0.8 } else { 4.8 }),
                None => (a + 2.5, ya),
            };
            // High enough over what lies between.
            let b = b.max(a + 1.0);
            let mut height = ((b - a) * 0.14).clamp(0.7, 2.2);
            for stem in &covered {
                if stem.x > a + 0.6 && stem.x < b - 0.6 {
                    let chord = ya + (yb - ya) * (stem.x - a) / (b - a);
                    let reach = match (up, stem.up) {
                        (true, true) => chord - stem.to,
                        (true, false) => chord - stem.from + 0.4,
                        (false, false) => stem.to - chord,
                        (false, true) => stem.from + 0.4 - chord,
                    };
                    height = height.max((reach + 0.5) / 0.75);
                }
            }
            self.curve([a, ya], [b, yb], up, 0.22, height.min(5.0), &span);
        }
    }

    fn head_position(&self, place: Place, head: usize) -> Option<i16> {
        match &self.event(place)?.kind {
            EventKind::Notes(notes) => notes.heads.get(head).map(|head| head.position),
            _ => None,
        }
    }

    fn curve(
        &mut self,
        from: [f32; 2],
        to: [f32; 2],
        up: bool,
        thickness: f32,
        height: f32,
        span: &Range<usize>,
    ) {
        let run = to[0] - from[0];
        let height = if up { -height } else { height };
        let inset = (run * 0.22).min(2.0);
        // A cubic's middle lies at three quarters of its control points' height.
        let lift = height / 0.75;
        self.items.push(Item {
            span: span.clone(),
            ink: Ink::Curve {
                points: [
                    from,
                    [from[0] + inset, from[1] + lift],
                    [to[0] - inset, to[1] + lift],
                    to,
                ],
                thickness,
            },
            role: Role::Music,
        });
    }

    /// Everything that stands outside the staff, from the notes outwards: articulations, ornaments, annotations,
    /// chord symbols, endings, parts and tempo above; lyrics and dynamics below.
    fn above_and_below(&mut self, all: &[(usize, &Measure, &MeasureSpan)], first_staff: bool) {
        for &(index, measure, span) in all {
            for (number, event) in measure.events.iter().enumerate() {
                self.marks((index, number), event, span.x(event));
            }
        }
        let skyline = |staff: &Self| {
            let mut top = 0.0_f32;
            let mut bottom = 4.0_f32;
            for item in &staff.items {
                if item.role == Role::Frame
                    && matches!(item.ink, Ink::Glyph { glyph, .. } if is_clef(glyph))
                {
                    continue;
                }
                let bounds = item.ink.bounds();
                top = top.min(bounds[1]);
                bottom = bottom.max(bounds[3]);
            }
            (top, bottom)
        };
        let (top, bottom) = skyline(self);
        let mut texts_above = false;
        let mut texts_below = false;
        let mut lyrics = 0;
        let mut chords = false;
        let mut lines_above = 0;
        for (_, measure, _) in all {
            for event in &measure.events {
                lines_above = lines_above.max(event.annotations(false).count());
                texts_above |= event.annotations(false).next().is_some();
                texts_below |= event.annotations(true).next().is_some()
                    || event.attached.decorations.iter().any(|d| dynamic(&d.name).is_some());
                chords |= !event.attached.chord_symbols.is_empty();
                lyrics = lyrics.max(event.lyrics.len());
            }
        }
        let mut above = top.min(-0.6) - 0.7;
        if texts_above {
            for &(_, measure, span) in all {
                for event in &measure.events {
                    let x = span.x(event);
                    for (row, text) in event.annotations(false).enumerate() {
                        let y = above - row as f32 * TEXT_SIZE;
                        self.text(
                            text,
                            [x, y],
                            TEXT_SIZE,
                            Anchor::Start,
                            false,
                            &event.span,
                            Role::Text,
                        );
                    }
                }
            }
            above -= TEXT_SIZE * lines_above as f32 + 0.2;
        }
        if chords {
            let mut rows = 1;
            for &(_, measure, span) in all {
                for event in &measure.events {
                    let x = span.x(event);
                    for (row, symbol) in event.attached.chord_symbols.iter().rev().enumerate() {
                        rows = rows.max(row + 1);
                        let y = above - row as f32 * CHORD_SIZE;
                        self.text(
                            &chord_text(symbol),
                            [x, y],
                            CHORD_SIZE,
                            Anchor::Start,
                            true,
                            &event.span,
                            Role::ChordSymbol,
                        );
                    }
                }
            }
            above -= CHORD_SIZE * rows as f32;
        }
        above = self.endings(all, above);
        self.parts_and_tempo(all, above, first_staff);
        let mut below = bottom.max(4.6) + 0.5;
        if texts_below {
            below += TEXT_SIZE * 0.8;
            for &(_, measure, span) in all {
                for event in &measure.events {
                    let x = span.x(event);
                    for text in event.annotations(true) {
                        self.text(
                            text,
                            [x, below],
                            TEXT_SIZE,
                            Anchor::Start,
                            false,
                            &event.span,
                            Role::Text,
                        );
                    }
                    for decoration in &event.attached.decorations {
                        if let Some(glyphs) = dynamic(&decoration.name) {
                            let mut x = x - 0.4;
                            for glyph in glyphs {
                                self.glyph(glyph, [x, below], 0.9, &event.span, Role::Music);
                                x += glyph.advance * 0.9;
                            }
                        }
                    }
                }
            }
            below += 0.7;
        }
        for verse in 0..lyrics {
            let y = below + TEXT_SIZE * (0.9 + verse as f32 * 1.15);
            self.verse(all, verse, y);
        }
    }

    /// The syllables of a verse; the hyphen of a divided word stands midway to the next.
    fn verse(&mut self, all: &[(usize, &Measure, &MeasureSpan)], verse: usize, y: f32) {
        let mut syllables: Vec<(f32, &str, &Range<usize>)> = Vec::new();
        for &(_, measure, span) in all {
            for event in &measure.events {
                if let Some(syllable) = event.lyrics.get(verse).filter(|text| !text.is_empty()) {
                    let x = span.x(event) + smufl::NOTEHEAD_BLACK.advance / 2.0;
                    syllables.push((x, syllable, &event.span));
                }
            }
        }
        for (index, &(x, syllable, span)) in syllables.iter().enumerate() {
            let text = syllable.strip_suffix('-').unwrap_or(syllable);
            let mut say = |text: &str, x: f32| {
                self.text(text, [x, y], TEXT_SIZE, Anchor::Middle, false, span, Role::Text);
            };
            say(text, x);
            if text.len() < syllable.len() {
                let half = |text: &str| super::text_width(text, TEXT_SIZE) / 2.0;
                let right = x + half(text);
                let left = match syllables.get(index + 1) {
                    Some((x, next, _)) => x - half(next.trim_end_matches('-')),
                    None => right + TEXT_SIZE,
                };
                say("-", (right + left) / 2.0);
            }
        }
    }

    fn endings(&mut self, all: &[(usize, &Measure, &MeasureSpan)], above: f32) -> f32 {
        let part = self.part;
        let line_end = self.line.measures.end;
        let first = self.line.measures.start;
        let mut drawn = false;
        let y = above - 1.9;
        // An ending that began on an earlier system goes on without its hook.
        type Label = (String, Range<usize>);
        let mut open: Option<(f32, Option<Label>)> = None;
        let before = (0..first).rev().find_map(|index| {
            let measure = &part.measures.get(index)?;
            if stops_ending(part, index) {
                return Some(false);
            }
            measure.ending.is_some().then_some(true)
        });
        if before == Some(true) && part.measures.get(first).is_some_and(|m| m.ending.is_none()) {
            open = Some((self.line.spans[0].start - 0.2, None));
        }
        for &(index, measure, span) in all {
            if let Some((text, source)) = &measure.ending {
                open = Some((span.start + 0.1, Some((text.clone(), source.clone()))));
            }
            let stops = stops_ending(part, index);
            if open.is_some() && (stops || index + 1 >= line_end) {
                drawn = true;
                let (from, label) = open.take().unwrap_or((span.start, None));
                let to = span.bar;
                let closed =
                    stops && measure.bar.as_ref().is_some_and(|(bar, _)| bar.repeat_end > 0);
                let source = label.as_ref().map_or(0..0, |(_, source)| source.clone());
                self.items.push(rule([from, y], [to, y], 0.16, source.clone(), Role::Frame));
                if let Some((text, source)) = label {
                    self.items.push(rule(
                        [from, y],
                        [from, y + 1.9],
                        0.16,
                        source.clone(),
                        Role::Frame,
                    ));
                    self.text(
                        &text,
                        [from + 0.5, y + 1.55],
                        1.5,
                        Anchor::Start,
                        false,
                        &source,
                        Role::Frame,
                    );
                }
                if closed {
                    self.items.push(rule([to, y], [to, y + 1.9], 0.16, source, Role::Frame));
                }
            }
        }
        if drawn { y - 0.4 } else { above }
    }

    fn parts_and_tempo(
        &mut self,
        all: &[(usize, &Measure, &MeasureSpan)],
        above: f32,
        first_staff: bool,
    ) {
        if !first_staff {
            return;
        }
        for &(index, measure, span) in all {
            let mut x = match index == self.line.measures.start {
                true => self.line.left,
                false => span.start,
            };
            if let Some((label, source)) = &measure.label {
                let width = text_width(label, 1.9) + 0.9;
                let (top, bottom) = (above - 2.3, above);
                for (a, b) in [
                    ([x, top], [x + width, top]),
                    ([x, bottom], [x + width, bottom]),
                    ([x, top], [x, bottom]),
                    ([x + width, top], [x + width, bottom]),
                ] {
                    self.items.push(rule(a, b, 0.14, source.clone(), Role::Frame));
                }
                self.text(
                    label,
                    [x + width / 2.0, above - 0.5],
                    1.9,
                    Anchor::Middle,
                    true,
                    source,
                    Role::Frame,
                );
                x += width + 1.0;
            }
            if let Some((tempo, source)) = &measure.tempo {
                self.tempo(tempo, [x, above - 0.2], source);
            }
        }
    }

    fn tempo(&mut self, tempo: &Tempo, at: [f32; 2], span: &Range<usize>) {
        let mut x = at[0];
        let size = 1.7;
        if !tempo.before.is_empty() {
            self.text(&tempo.before, [x, at[1]], size, Anchor::Start, true, span, Role::Text);
            x += text_width(&tempo.before, size) + 0.8;
        }
        if tempo.beats_per_minute > 0.0 && !tempo.beat.is_empty() {
            for &beat in &tempo.beat {
                let value = measure::Value::of(beat);
                let glyph = match value.power {
                    ..=0 => smufl::MET_NOTE_WHOLE,
                    1 => smufl::MET_NOTE_HALF_UP,
                    2 => smufl::MET_NOTE_QUARTER_UP,
                    3 => smufl::MET_NOTE_8TH_UP,
                    _ => smufl::MET_NOTE_16TH_UP,
                };
                self.glyph(glyph, [x, at[1] - 0.1], 0.72, span, Role::Text);
                x += glyph.advance * 0.72 + 0.2;
                for _ in 0..value.dots {
                    self.glyph(
                        smufl::MET_AUGMENTATION_DOT,
                        [x, at[1] - 0.1],
                        0.72,
                        span,
                        Role::Text,
                    );
                    x += 0.5;
                }
                x += 0.2;
            }
            let text = format!("= {:.0}", tempo.beats_per_minute);
            self.text(&text, [x, at[1]], size, Anchor::Start, false, span, Role::Text);
            x += text_width(&text, size) + 0.8;
        }
        if !tempo.after.is_empty() {
            self.text(&tempo.after, [x, at[1]], size, Anchor::Start, true, span, Role::Text);
        }
    }

    /// Articulations by the head, ornaments above.
    fn marks(&mut self, place: Place, event: &Event, x: f32) {
        if event.attached.decorations.is_empty() {
            return;
        }
        let (stem, head_y, width) = match &event.kind {
            EventKind::Notes(notes) => {
                let (low, high) = ends(notes);
                let width = space::head_glyph(notes.value).advance;
                (self.stems.get(&place).copied(), (y_of(low), y_of(high)), width)
            }
            EventKind::Rest(_) | EventKind::BarsRest(_) => (None, (3.5, 0.5), 1.1),
            EventKind::Spacer => (None, (4.0, 0.0), 0.0),
            _ => return,
        };
        let middle = x + width / 2.0;
        let up = stem.is_none_or(|stem| stem.up) && stem.is_some();
        let mut near = if up { head_y.0 + 0.75 } else { head_y.1 - 0.75 };
        let mut above = match stem {
            Some(stem) if stem.up => stem.to - 0.5,
            _ => head_y.1 - 0.9,
        };
        above = above.min(-0.5);
        for decoration in &event.attached.decorations {
            let name = decoration.name.as_str();
            if let Some((over, under)) = articulation(name) {
                let glyph = if up { under } else { over };
                // In a space, so that a staff line does not hide it.
                if (0.0..=4.0).contains(&near) {
                    near = match up {
                        true => near.floor() + 0.5 + if near.fract() > 0.6 { 1.0 } else { 0.0 },
                        false => {
                            near.ceil()
                                - 0.5
                                - if near.fract() < 0.4 && near.fract() > 0.0 { 1.0 } else { 0.0 }
                        }
                    };
                }
                let at = [middle - glyph.width() / 2.0 - glyph.ink[0], near];
                self.glyph(glyph, at, 1.0, &event.span, Role::Music);
                let height = glyph.ink[3] - glyph.ink[1];
                near += if up { height + 0.4 } else { -height - 0.4 };
                if !up {
                    above = above.min(near);
                }
            }
        }
        for decoration in &event.attached.decorations {
            let name = decoration.name.as_str();
            if name == "roll" {
                let (from, to) = ([middle - 1.0, above], [middle + 1.0, above]);
                self.curve(from, to, true, 0.24, 0.9, &event.span);
                above -= 1.5;
            } else if let Some(glyph) = ornament(name) {
                let at = [middle - glyph.width() / 2.0 - glyph.ink[0], above + glyph.ink[1]];
                self.glyph(glyph, at, 1.0, &event.span, Role::Music);
                above -= glyph.ink[3] - glyph.ink[1] + 0.4;
            } else if let Some(text) = direction(name) {
                self.text(
                    text,
                    [middle, above],
                    TEXT_SIZE,
                    Anchor::Middle,
                    true,
                    &event.span,
                    Role::Text,
                );
                above -= TEXT_SIZE;
            } else if name.len() == 1 && name.bytes().all(|byte| byte.is_ascii_digit()) {
                self.text(
                    name,
                    [middle, above],
                    1.4,
                    Anchor::Middle,
                    false,
                    &event.span,
                    Role::Text,
                );
                above -= 1.5;
            }
        }
    }
}

const TUPLET_DIGITS: [Glyph; 10] = [
    smufl::TUPLET_0,
    smufl::TUPLET_1,
    smufl::TUPLET_2,
    smufl::TUPLET_3,
    smufl::TUPLET_4,
    smufl::TUPLET_5,
    smufl::TUPLET_6,
    smufl::TUPLET_7,
    smufl::TUPLET_8,
    smufl::TUPLET_9,
];

/// An ending lasts to a repeat, a heavy or double bar line, or the next ending.
fn stops_ending(part: &Part, index: usize) -> bool {
    let next = part.measures.get(index + 1);
    next.is_none_or(|next| next.ending.is_some())
        || part.measures[index].bar.as_ref().is_none_or(|(bar, _)| {
            bar.repeat_end > 0
                || !matches!(bar.line, BarLine::Thin | BarLine::Dotted | BarLine::Invisible)
        })
        || next.is_some_and(|next| next.repeats.is_some())
}

fn is_clef(glyph: Glyph) -> bool {
    ('\u{E050}'..='\u{E07F}').contains(&glyph.code)
}

/// Lowest and highest head.
fn ends(notes: &Notes) -> (i16, i16) {
    let low = notes.heads.first().map_or(4, |head| head.position);
    let high = notes.heads.last().map_or(4, |head| head.position);
    (low, high)
}

/// The stem points to where the middle line lies, seen from the head farthest from it; down where both are as far.
fn stem_up<'a>(group: impl Iterator<Item = &'a Notes>) -> bool {
    let (mut low, mut high) = (i16::MAX, i16::MIN);
    for notes in group {
        let (l, h) = ends(notes);
        low = low.min(l);
        high = high.max(h);
    }
    4 - low > high - 4
}

/// Where a sign of a treble staff's signature stands on a staff with this clef.
fn on_staff(treble: i16, clef: ClefSign, flat: bool) -> i16 {
    let mut shift = (2 - clef.bottom).rem_euclid(7);
    if shift > 3 {
        shift -= 7;
    }
    let position = treble + shift;
    let (lowest, highest) = if flat { (0, 8) } else { (1, 9) };
    match position {
        position if position > highest => position - 7,
        position if position < lowest => position + 7,
        position => position,
    }
}

fn flag_glyph(flags: u8, up: bool) -> Glyph {
    match (flags, up) {
        (..=1, true) => smufl::FLAG_8TH_UP,
        (..=1, false) => smufl::FLAG_8TH_DOWN,
        (2, true) => smufl::FLAG_16TH_UP,
        (2, false) => smufl::FLAG_16TH_DOWN,
        (3, true) => smufl::FLAG_32ND_UP,
        (3, false) => smufl::FLAG_32ND_DOWN,
        (4, true) => smufl::FLAG_64TH_UP,
        (4, false) => smufl::FLAG_64TH_DOWN,
        (5.., true) => smufl::FLAG_128TH_UP,
        (5.., false) => smufl::FLAG_128TH_DOWN,
    }
}

/// A chord symbol with real sharps and flats: the standard's `#` and `b` after the root or a number's sign.
fn chord_text(symbol: &str) -> String {
    let mut text = String::with_capacity(symbol.len() + 4);
    let mut before = ' ';
    for letter in symbol.chars() {
        text.push(match letter {
            '#' => '♯',
            'b' if ('A'..='G').contains(&before) => '♭',
            letter => letter,
        });
        before = letter;
    }
    text
}

fn articulation(name: &str) -> Option<(Glyph, Glyph)> {
    Some(match name {
        "staccato" | "." => (smufl::ARTIC_STACCATO_ABOVE, smufl::ARTIC_STACCATO_BELOW),
        "tenuto" => (smufl::ARTIC_TENUTO_ABOVE, smufl::ARTIC_TENUTO_BELOW),
        "accent" | "emphasis" | ">" | "L" => (smufl::ARTIC_ACCENT_ABOVE, smufl::ARTIC_ACCENT_BELOW),
        "wedge" => (smufl::ARTIC_STACCATISSIMO_ABOVE, smufl::ARTIC_STACCATISSIMO_BELOW),
        _ => return None,
    })
}

fn ornament(name: &str) -> Option<Glyph> {
    Some(match name {
        "trill" | "T" => smufl::ORNAMENT_TRILL,
        "turn" => smufl::ORNAMENT_TURN,
        "invertedturn" => smufl::ORNAMENT_TURN_INVERTED,
        "mordent" | "lowermordent" | "M" => smufl::ORNAMENT_MORDENT,
        "uppermordent" | "pralltriller" | "P" => smufl::ORNAMENT_SHORT_TRILL,
        "fermata" | "H" => smufl::FERMATA_ABOVE,
        "invertedfermata" => smufl::FERMATA_BELOW,
        "upbow" | "u" => smufl::STRINGS_UP_BOW,
        "downbow" | "v" => smufl::STRINGS_DOWN_BOW,
        "segno" | "S" => smufl::SEGNO,
        "coda" | "O" => smufl::CODA,
        "marcato" | "^" => smufl::ARTIC_MARCATO_ABOVE,
        "breath" => smufl::BREATH_MARK_COMMA,
        _ => return None,
    })
}

fn direction(name: &str) -> Option<&'static str> {
    Some(match name {
        "D.C." => "D.C.",
        "D.S." => "D.S.",
        "dacapo" => "Da Capo",
        "dacoda" => "Da Coda",
        "fine" => "Fine",
        "D.C.alfine" => "D.C. al Fine",
        "D.C.alcoda" => "D.C. al Coda",
        "D.S.alfine" => "D.S. al Fine",
        "D.S.alcoda" => "D.S. al Coda",
        "plus" | "+" => "+",
        "open" => "o",
        _ => return None,
    })
}

/// The letters of a dynamic mark.
fn dynamic(name: &str) -> Option<Vec<Glyph>> {
    let letters = ["pppp", "ppp", "pp", "p", "mp", "mf", "f", "ff", "fff", "ffff", "sfz"];
    letters.contains(&name).then(|| {
        name.chars()
            .map(|letter| match letter {
                'p' => smufl::DYNAMIC_PIANO,
                'm' => smufl::DYNAMIC_MEZZO,
                's' => smufl::DYNAMIC_SFORZANDO,
                'z' => smufl::DYNAMIC_Z,
                _ => smufl::DYNAMIC_FORTE,
            })
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use earworm_abc::Length;

    #[test]
    fn a_flat_signature_lies_on_the_lines_that_players_expect_in_every_clef() {
        let bass = ClefSign { glyph: Some(smufl::F_CLEF), line: 4, bottom: -10 };
        // B flat in bass: the second line from below; F sharp: the fourth.
        assert_eq!(on_staff(4, bass, true), 2);
        assert_eq!(on_staff(8, bass, false), 6);
        let alto = ClefSign { glyph: Some(smufl::C_CLEF), line: 3, bottom: -4 };
        assert_eq!(on_staff(4, alto, true), 3);
    }

    #[test]
    fn dotted_values_are_taken_apart_as_a_player_reads_them() {
        let value =
            |numerator, denominator| measure::Value::of(Length::new(numerator, denominator));
        let of = |power, dots| measure::Value { power, dots };
        assert_eq!(value(1, 8), of(3, 0));
        assert_eq!(value(3, 8), of(2, 1));
        assert_eq!(value(7, 16), of(2, 2));
        assert_eq!(value(3, 2), of(0, 1));
        assert_eq!(value(2, 1), of(-1, 0));
        assert_eq!(value(3, 1), of(-1, 1));
    }
}
