//! Core: beams over groups of notes.

use super::{BEAM, BEAM_STEP, STEM, Staff, Stem};
use crate::{
    Ink, Item, Role,
    measure::{EventKind, Place},
};
use std::ops::Range;

impl Staff<'_> {
    /// The beams of each group: the first over all of it, further ones over runs of shorter notes, stubs for single ones.
    pub(super) fn beams(&mut self) {
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
}
