//! Core: a tune to practise: a part of it, its beats, and how its bars are counted.

use std::ops::Range;

use earworm_abc::Performance;
use earworm_abc::performance::{KeyStart, Metre, Tempo};
use earworm_playback as playback;

/// The most beats that are given.
const MOST_BEATS: usize = 1 << 14;

/// What is played within these ticks, from tick 0 on; none where that is no note.
pub fn part(performance: &Performance, part: Range<u32>) -> Option<Performance> {
    let end = part.end.min(performance.end);
    if end <= part.start {
        return None;
    }
    let within = |start: u32| (part.start..end).contains(&start);
    let mut notes = performance.notes.clone();
    notes.retain(|note| within(note.start));
    if notes.is_empty() {
        return None;
    }
    for note in &mut notes {
        note.duration = note.duration.min(end - note.start).max(1);
        note.start -= part.start;
    }
    // What is in force where the part begins, and what changes within it.
    let before = |start: u32| start.saturating_sub(part.start);
    let since = |starts: &mut dyn Iterator<Item = u32>| {
        starts.take_while(|&start| start <= part.start).count().saturating_sub(1)
    };
    let skip = since(&mut performance.tempos.iter().map(|tempo| tempo.start));
    let tempos = performance.tempos.iter().skip(skip).filter(|tempo| tempo.start < end);
    let skip = since(&mut performance.metres.iter().map(|metre| metre.start));
    let metres = performance.metres.iter().skip(skip).filter(|metre| metre.start < end);
    let skip = since(&mut performance.keys.iter().map(|key| key.start));
    let keys = performance.keys.iter().skip(skip).filter(|key| key.start < end);
    let mut bars = performance.bars.clone();
    bars.retain(|bar| within(bar.start));
    for bar in &mut bars {
        bar.start -= part.start;
    }
    Some(Performance {
        title: performance.title.clone(),
        notes,
        tempos: tempos.map(|tempo| Tempo { start: before(tempo.start), ..*tempo }).collect(),
        metres: metres.map(|metre| Metre { start: before(metre.start), ..*metre }).collect(),
        keys: keys.map(|key| KeyStart { start: before(key.start), key: key.key.clone() }).collect(),
        bars,
        end: end - part.start,
        ..Performance::default()
    })
}

/// The ticks of each beat, and whether it is its bar's first.
pub fn beats(performance: &Performance) -> Vec<(u32, bool)> {
    let mut beats = Vec::new();
    for (index, bar) in performance.bars.iter().enumerate() {
        let end = performance.bars.get(index + 1).map_or(performance.end, |next| next.start);
        let (full, beat) = metre_at(performance, bar.start);
        let length = end.saturating_sub(bar.start);
        // A pickup's beats lie where those of the whole bar would.
        let missing = if index == 0 { full.saturating_sub(length) } else { 0 };
        let mut at = missing.div_ceil(beat) * beat;
        while at < missing + length && beats.len() < MOST_BEATS {
            beats.push((bar.start + at - missing, at == 0));
            at += beat;
        }
    }
    beats
}

/// Ticks of a bar and of a beat in the metre in force at a tick.
fn metre_at(performance: &Performance, tick: u32) -> (u32, u32) {
    let metre = performance.metres.iter().rev().find(|metre| metre.start <= tick);
    let (numerator, denominator) =
        metre.map_or((4, 4), |metre| (u32::from(metre.numerator), u32::from(metre.denominator)));
    let bar = (4 * earworm_abc::PPQ)
        .saturating_mul(numerator)
        .checked_div(denominator)
        .unwrap_or_default()
        .max(1);
    (bar, playback::beat(numerator, denominator).clamp(1, bar))
}

/// The number of each bar as it is played, from 1, as musicians count: a pickup is bar 0, and a short bar that the one
/// before leaves room for belongs to that.
pub fn bar_numbers(performance: &Performance) -> Vec<u32> {
    let mut numbers = Vec::with_capacity(performance.bars.len());
    let mut number = 0;
    let mut open: Option<u32> = None;
    for (index, bar) in performance.bars.iter().enumerate() {
        let end = performance.bars.get(index + 1).map_or(performance.end, |next| next.start);
        let length = end.saturating_sub(bar.start);
        let (full, _) = metre_at(performance, bar.start);
        if length >= full {
            open = None;
            number += 1;
        } else if index == 0 && performance.bars.len() > 1 {
            // A pickup.
        } else if open.is_some_and(|before| before + length <= full) {
            open = None;
        } else {
            open = Some(length);
            number += 1;
        }
        numbers.push(number);
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use earworm_abc as abc;

    fn performance(abc: &str) -> Performance {
        abc::perform(&abc::read(abc).tunes[0], &abc::PerformOptions::default())
    }

    #[test]
    fn a_pickup_is_no_bar_and_the_short_bar_before_a_repeat_is_one_with_the_pickup_after_it() {
        let jig = performance(
            "X:1\nM:6/8\nL:1/8\nK:G\nD|G2B d2B|GBd gdB|A3 ABA|F2A D2:|\n|:d|g3 g3|f3 f3|e3 e3|d3 d2:|\n",
        );
        assert_eq!(bar_numbers(&jig).last(), Some(&16));
        let waltz = performance("X:1\nM:3/4\nL:1/4\nK:D\nA|d2f|a2f|d3|d3|]\n");
        assert_eq!(bar_numbers(&waltz), [0, 1, 2, 3, 4]);
        let alone = performance("X:1\nM:4/4\nL:1/4\nK:D\nA2|]\n");
        assert_eq!(bar_numbers(&alone), [1]);
    }

    #[test]
    fn the_metronome_strikes_each_beat_and_in_a_pickup_where_the_whole_bar_has_them() {
        let waltz = performance("X:1\nM:3/4\nL:1/4\nK:D\nA|d2f|\n");
        assert_eq!(beats(&waltz), [(0, false), (480, true), (960, false), (1440, false)]);
        let jig = performance("X:1\nM:6/8\nL:1/8\nK:D\nA|d2f afd|\n");
        assert_eq!(beats(&jig), [(240, true), (960, false)]);
    }

    #[test]
    fn a_part_has_its_notes_from_the_start_and_what_is_in_force_there() {
        let tune =
            performance("X:1\nM:4/4\nL:1/4\nQ:1/4=100\nK:D\nABcd|[M:3/4][Q:1/4=60]def|gfe|d3|]\n");
        let bars: Vec<u32> = tune.bars.iter().map(|bar| bar.start).collect();
        let part = part(&tune, bars[2]..bars[3]).unwrap();
        let keys: Vec<(u32, u8)> = part.notes.iter().map(|note| (note.start, note.key)).collect();
        assert_eq!(keys, [(0, 79), (480, 78), (960, 76)]);
        assert_eq!((part.metres[0].start, part.metres[0].numerator), (0, 3));
        assert_eq!(part.tempos[0].microseconds_per_quarter, 1_000_000);
        assert_eq!(part.end, 1440);
        assert!(super::part(&tune, 9_000..10_000).is_none());
    }
}
