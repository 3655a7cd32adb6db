//! Core: the tempos of a performance where a score can tell them.

use super::read::settle;
use earworm_abc::performance::Tempo;
use earworm_abc::{PPQ, Performance};
use std::collections::BTreeSet;

/// The tempos of a performance up to `end`, each where a note or rest may be parted for it; `edges` are the times at
/// which notes start or end.
///
/// A change stays where it is if a note or rest starts there, or if it is alone within a beat and on the grid of 32nd
/// notes. Others (a ritardando that sequencers make of many small steps) are brought together: between two such places
/// the tempo is what it was on average, so that all that follows sounds when it did.
pub(super) fn in_score(performance: &Performance, edges: &BTreeSet<u32>, end: u32) -> Vec<Tempo> {
    let end = end.max(1);
    let same = |a: &Tempo, b: &Tempo| a.microseconds_per_quarter == b.microseconds_per_quarter;
    let mut tempos = performance.tempos.clone();
    settle(&mut tempos, |tempo| tempo.start, same);
    tempos.retain(|tempo| tempo.start < end);
    let starts: Vec<u32> = tempos.iter().map(|tempo| tempo.start).collect();
    let Some(&first) = starts.first() else { return tempos };
    let grid = PPQ / 8;
    let mut places = BTreeSet::from([first]);
    for (index, &start) in starts.iter().enumerate().skip(1) {
        let next = starts.get(index + 1);
        let alone = start - starts[index - 1] >= PPQ && next.is_none_or(|next| next - start >= PPQ);
        if edges.contains(&start) || (alone && start.is_multiple_of(grid)) {
            places.insert(start);
            continue;
        }
        let step = if alone { grid } else { PPQ };
        let under = start / step * step;
        let over = under + step;
        // An edge that is nearer is as good.
        places.insert(edges.range(under..start).next_back().copied().unwrap_or(under));
        places.insert(edges.range(start..over).next().copied().unwrap_or(over));
    }
    let places: Vec<u32> = places.range(first..end).copied().collect();
    let ends = places.iter().skip(1).copied().chain([end]);
    let mut at = 0;
    let mut in_score = Vec::with_capacity(places.len());
    for (&place, until) in places.iter().zip(ends) {
        while starts.get(at + 1).is_some_and(|&next| next <= place) {
            at += 1;
        }
        let (mut now, mut of, mut sum) = (place, at, 0u128);
        while now < until {
            let next = starts.get(of + 1).map_or(until, |&next| next.min(until));
            sum += u128::from(next - now) * u128::from(tempos[of].microseconds_per_quarter);
            (now, of) = (next, of + 1);
        }
        let ticks = u128::from(until - place);
        let mean = u32::try_from((sum + ticks / 2) / ticks).unwrap_or(u32::MAX);
        in_score.push(Tempo { start: place, microseconds_per_quarter: mean });
    }
    settle(&mut in_score, |tempo| tempo.start, same);
    in_score
}

#[cfg(test)]
mod tests {
    use super::*;

    fn performance(changes: &[(u32, u32)]) -> Performance {
        let tempo = |&(start, micros)| Tempo { start, microseconds_per_quarter: micros };
        Performance { tempos: changes.iter().map(tempo).collect(), ..Performance::default() }
    }

    fn told(tempos: &[Tempo]) -> Vec<(u32, u32)> {
        tempos.iter().map(|tempo| (tempo.start, tempo.microseconds_per_quarter)).collect()
    }

    #[test]
    fn what_changes_nothing_is_left_out_and_a_lone_change_stays_in_its_place() {
        let given = performance(&[(0, 500_000), (480, 500_000), (960, 600_000), (1440, 600_000)]);
        let edges = BTreeSet::from([0, 1920]);
        assert_eq!(told(&in_score(&given, &edges, 1920)), [(0, 500_000), (960, 600_000)]);
    }

    #[test]
    fn a_ramp_becomes_a_tempo_a_note_and_lasts_as_long() {
        let steps: Vec<(u32, u32)> = (0..80).map(|n| (n * 48, 500_000 + n * 1_000)).collect();
        let edges: BTreeSet<u32> = (0..=8).map(|beat| beat * PPQ).collect();
        let given = performance(&steps);
        let score = in_score(&given, &edges, 8 * PPQ);
        let starts: Vec<u32> = score.iter().map(|tempo| tempo.start).collect();
        assert_eq!(starts, (0..8).map(|beat| beat * PPQ).collect::<Vec<_>>());
        let lasts = |tempos: &[Tempo]| -> u64 {
            let ends = tempos.iter().skip(1).map(|tempo| tempo.start).chain([8 * PPQ]);
            let each = tempos.iter().zip(ends);
            each.map(|(t, end)| u64::from(end - t.start) * u64::from(t.microseconds_per_quarter))
                .sum()
        };
        assert_eq!(lasts(&score), lasts(&given.tempos));
    }
}
