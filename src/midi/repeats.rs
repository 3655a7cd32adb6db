//! Core: where music comes twice in a row and is written once, with repeats and first and second endings.

use super::abc::WrittenBar;
use std::collections::HashMap;

/// The shortest and the longest section that is repeated, in bars.
const SECTION: std::ops::RangeInclusive<usize> = 4..=64;

/// What writing a repeat costs, in bars: a short one saves little and is harder to read.
const REPEAT: usize = 1;
/// What writing two endings costs beside their bars.
const ENDINGS: usize = 1;

/// A bar in the order of writing, and what stands around it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// Its index.
    pub(super) bar: usize,
    /// A repeated section starts with it.
    pub(super) starts: bool,
    /// The repeat sign stands after it.
    pub(super) ends: bool,
    /// The ending that starts with it, 1 or 2.
    pub(super) ending: Option<u8>,
    /// The second ending ends with it.
    pub(super) closes: bool,
}

/// How a stretch of bars is written best.
#[derive(Clone, Copy)]
enum Choice {
    /// One bar as it is.
    Plain,
    /// So many bars, then the same again.
    Repeat(usize),
    /// So many bars, then as many again of which the first so many are the same.
    Endings(usize, usize),
}

/// The order in which the bars of all voices (each a row of bars) are written so that the fewest are. Played, it is the
/// bars in their own order: only bars whose text is the same in every voice stand for each other, where neither
/// metre nor key nor tempo change.
pub(super) fn fold(voices: &[Vec<WrittenBar>]) -> Vec<Step> {
    let count = voices.iter().map(Vec::len).max().unwrap_or(0);
    // Bars are the same where they have the same number.
    let mut numbers: HashMap<Vec<_>, usize> = HashMap::new();
    let mut states: HashMap<Vec<_>, usize> = HashMap::new();
    let mut bars: Vec<(usize, usize)> = Vec::with_capacity(count);
    // How many bars up to each one sound: a repeat of rests alone says less than the number of their bars.
    let mut sounding = vec![0usize];
    for at in 0..count {
        let texts =
            voices.iter().map(|voice| voice.get(at).map(|bar| (bar.text.as_str(), &bar.words)));
        let state = voices.iter().map(|voice| voice.get(at).map(|bar| bar.state));
        let next = numbers.len();
        let number = *numbers.entry(texts.collect()).or_insert(next);
        let sounds = voices.iter().any(|voice| voice.get(at).is_some_and(|bar| !bar.is_silent));
        sounding.push(sounding[at] + usize::from(sounds));
        let next = states.len();
        bars.push((number, *states.entry(state.collect()).or_insert(next)));
    }
    // From the end: how many bars from `at` on are the same as those `length` later, and the best way to write on.
    let longest = *SECTION.end();
    let mut same = vec![0usize; longest + 1];
    let mut best: Vec<(usize, Choice)> = vec![(0, Choice::Plain); count + 1];
    // Up to where the state is the one at `at`.
    let mut constant = count;
    for at in (0..count).rev() {
        if at + 1 < count && bars[at].1 != bars[at + 1].1 {
            constant = at + 1;
        }
        let mut found = (best[at + 1].0 + 1, Choice::Plain);
        for (length, same) in same.iter_mut().enumerate().take(count - at + 1).skip(1) {
            let again = at + length;
            *same = match bars.get(again) {
                Some(later) if *later == bars[at] => (*same + 1).min(longest),
                _ => 0,
            };
            let alike = length.min(*same);
            let end = again + length;
            let sounds = sounding[(at + alike).min(count)] > sounding[at];
            if !SECTION.contains(&length) || end > constant || !sounds {
                continue;
            }
            let choice = if alike == length {
                (length + REPEAT + best[end].0, Choice::Repeat(length))
            } else if alike * 4 >= length * 3 {
                let endings = 2 * (length - alike);
                (alike + endings + ENDINGS + REPEAT + best[end].0, Choice::Endings(length, alike))
            } else {
                continue;
            };
            if choice.0 < found.0 {
                found = choice;
            }
        }
        best[at] = found;
    }
    let mut order = Vec::with_capacity(best[0].0);
    let mut at = 0;
    while at < count {
        let from = order.len();
        let plain = |bar| Step { bar, ..Step::default() };
        match best[at].1 {
            Choice::Plain => {
                order.push(plain(at));
                at += 1;
            }
            Choice::Repeat(length) => {
                order.extend((at..at + length).map(plain));
                order[from].starts = true;
                order[from + length - 1].ends = true;
                at += 2 * length;
            }
            Choice::Endings(length, alike) => {
                order.extend((at..at + length).map(plain));
                order[from].starts = true;
                order[from + alike].ending = Some(1);
                order[from + length - 1].ends = true;
                let second = at + length + alike;
                at += 2 * length;
                order.extend((second..at).map(plain));
                order[from + length].ending = Some(2);
                if let Some(last) = order.last_mut() {
                    last.closes = true;
                }
            }
        }
    }
    order
}
