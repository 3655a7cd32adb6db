//! Core: the signs of a staff: clef, key, metre, bar lines.

use super::{STAFF_LINE, Staff, THICK_BAR, THIN_BAR, rule, y_of};
use crate::{
    Role,
    measure::{self, ClefSign, KeySign},
    smufl::{self, Glyph},
    space::{self},
};
use earworm_abc::{BarLine, Metre};
use std::ops::Range;

impl Staff<'_> {
    pub(super) fn clef(&mut self, sign: ClefSign, at: [f32; 2], size: f32, span: &Range<usize>) {
        if let Some(glyph) = sign.glyph {
            let y = y_of(2 * (sign.line - 1));
            self.glyph(glyph, [at[0], y], size, span, Role::Frame);
        }
    }

    pub(super) fn signature(
        &mut self,
        key: KeySign,
        clef: ClefSign,
        x: f32,
        span: &Range<usize>,
    ) -> f32 {
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
    pub(super) fn metre(&mut self, metre: &Metre, x: f32, span: &Range<usize>) -> f32 {
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

    pub(super) fn bar(
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
}

/// Where a sign of a treble staff's signature stands on a staff with this clef.
pub(super) fn on_staff(treble: i16, clef: ClefSign, flat: bool) -> i16 {
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

pub(super) fn is_clef(glyph: Glyph) -> bool {
    ('\u{E050}'..='\u{E07F}').contains(&glyph.code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smufl;

    #[test]
    fn a_flat_signature_lies_on_the_lines_that_players_expect_in_every_clef() {
        let bass = ClefSign { glyph: Some(smufl::F_CLEF), line: 4, bottom: -10 };
        // B flat in bass: the second line from below; F sharp: the fourth.
        assert_eq!(on_staff(4, bass, true), 2);
        assert_eq!(on_staff(8, bass, false), 6);
        let alto = ClefSign { glyph: Some(smufl::C_CLEF), line: 3, bottom: -4 };
        assert_eq!(on_staff(4, alto, true), 3);
    }
}
