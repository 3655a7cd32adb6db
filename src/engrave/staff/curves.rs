//! Core: ties and slurs.

use super::{Staff, Stem, stems::ends, y_of};
use crate::{
    Ink, Item, Role,
    measure::{EventKind, Place},
    smufl,
    space::{self},
};
use std::ops::Range;

impl Staff<'_> {
    /// Ties and slurs, in two halves where a system ends between their ends.
    pub(super) fn curves(&mut self) {
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

    pub(super) fn curve(
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
}
