//! Core: articulations, ornaments, dynamics and directions.

use super::{Staff, stems::ends, y_of};
use crate::{
    Anchor, Role,
    measure::{Event, EventKind, Place},
    smufl::{self, Glyph},
    space::{self, TEXT_SIZE},
};

impl Staff<'_> {
    /// Articulations by the head, ornaments above.
    pub(super) fn marks(&mut self, place: Place, event: &Event, x: f32) {
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

pub(super) fn direction(name: &str) -> Option<&'static str> {
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
pub(super) fn dynamic(name: &str) -> Option<Vec<Glyph>> {
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
