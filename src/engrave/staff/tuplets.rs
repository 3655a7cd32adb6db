//! Core: figures and brackets of tuplets.

use super::{Staff, Stem, rule, stems::ends, y_of};
use crate::{
    Role,
    measure::{EventKind, Place},
    smufl::{self, Glyph},
    space::{self},
};

impl Staff<'_> {
    pub(super) fn tuplets(&mut self) {
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
