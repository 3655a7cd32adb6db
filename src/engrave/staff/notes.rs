//! Core: notes, rests and grace notes with their ledger lines, dots, accidentals and flags.

use super::{
    BEAM, LEDGER, LEDGER_REACH, SMALL_LEDGER_REACH, STEM, Staff, THIN_BAR, rule, signs::on_staff,
    stems::ends, y_of,
};
use crate::{
    Ink, Item, Place as Area, Role,
    measure::{ClefSign, Event, EventKind, Measure, Notes, Place},
    smufl::{self, Glyph},
    space::{self, GRACE, GRACE_STEP, MeasureSpan},
};
use earworm_abc::Grace;
use std::ops::Range;

impl Staff<'_> {
    pub(super) fn draw_event(
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
            self.ledgers(head.position, head_x, glyph.advance, LEDGER_REACH, span);
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

    /// Ledger lines up to a head at `x` that is `width` wide; they reach beyond it by `reach` to either side.
    fn ledgers(&mut self, position: i16, x: f32, width: f32, reach: f32, span: &Range<usize>) {
        // A mistyped octave mark must not fill the page.
        let position = position.clamp(-60, 60);
        let below = (position..=-2).rev().filter(|at| at % 2 == 0);
        let above = (10..=position).filter(|at| at % 2 == 0);
        for at in below.chain(above) {
            let y = y_of(at);
            let (from, to) = ([x - reach, y], [x + width + reach, y]);
            self.items.push(rule(from, to, LEDGER, span.clone(), Role::Staff));
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
                self.ledgers(position, x, width, SMALL_LEDGER_REACH, span);
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
