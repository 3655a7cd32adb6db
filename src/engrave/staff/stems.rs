//! Core: stems, single and under a beam.

use super::{BEAM_STEP, STEM, STEM_LENGTH, Staff, Stem, y_of};
use crate::{
    measure::{EventKind, Measure, Notes, Place},
    space::{self, MeasureSpan},
};

impl Staff<'_> {
    /// Decides every stem's direction and length.
    pub(super) fn stems(&mut self, all: &[(usize, &Measure, &MeasureSpan)]) {
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
}

/// Lowest and highest head.
pub(super) fn ends(notes: &Notes) -> (i16, i16) {
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
