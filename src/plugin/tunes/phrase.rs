//! Core: what was played in, as a phrase that a tune can be written on from.
//!
//! Hands neither hit the grid nor hold notes to the end, and often keep a tempo of their own. So the pulse is the host's
//! where the playing keeps to it and is found from the playing where it does not; onsets are brought to semiquavers of it,
//! each note is held up to the next, and the last bar is completed.

use std::fmt::Write as _;

use earworm_abc::{Key, Step};

/// A key that went down or came up, as the audio thread saw it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Played {
    /// When, in quarter notes since activation, at the tempo of each moment.
    pub beats: f64,
    /// MIDI key.
    pub key: u8,
    /// MIDI velocity, 0 for a key that came up.
    pub velocity: u8,
}

/// What was played in, to be written on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phrase {
    /// Whole bars of ABC with a header: one voice in semiquavers.
    pub abc: String,
    /// How many bars.
    pub bars: u32,
}

/// Why no phrase can be made of what was played, and what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhraseError {
    /// No note.
    #[error("nothing was played in yet: play a bar or two into this track, then press Continue")]
    Nothing,
    /// Too few to hear a pulse in.
    #[error(
        "only {0} notes were played since the last pause: play four or more, one after the other, then press Continue"
    )]
    TooFew(usize),
    /// No pulse.
    #[error(
        "no beat can be made out in what was played: play it evenly once more, to a metronome if need be, then press Continue"
    )]
    Uneven,
}

/// The fewest notes that have a pulse.
const FEWEST: usize = 4;
/// The most bars that are written on from; what came before is left out.
const MOST_BARS: u32 = 8;
/// Notes closer together than this are struck together, in quarter notes.
const TOGETHER: f64 = 0.07;
/// A pause of so many of the usual distances between notes, and so many quarter notes, begins a new phrase.
const PAUSE: (f64, f64) = (8.0, 4.0);
/// How far onsets may stray from the host's semiquavers, in those, for the playing to keep to the host (a chance row of
/// onsets strays by 0.29).
const KEEPS_TO_HOST: f64 = 0.17;
/// How far they may stray from the pulse that was found.
const STRAYS: f64 = 0.2;
/// Lengths that a tune is written in, in semiquavers; any up to 18 is one of them or two tied.
const LENGTHS: [u32; 9] = [24, 16, 12, 8, 6, 4, 3, 2, 1];

/// The last phrase of `played`, oldest first, in this key and metre (beats and their unit).
pub fn phrase(played: &[Played], key: &Key, metre: (u8, u8)) -> Result<Phrase, PhraseError> {
    let notes = last_phrase(onsets(played));
    if notes.is_empty() {
        return Err(PhraseError::Nothing);
    }
    if notes.len() < FEWEST {
        return Err(PhraseError::TooFew(notes.len()));
    }
    let places = places(&notes, metre).ok_or(PhraseError::Uneven)?;
    let bar = (16 * u32::from(metre.0) / u32::from(metre.1.max(1))).max(1);
    let mut melody: Vec<(u32, u8)> =
        places.into_iter().zip(notes.iter().map(|note| note.1)).collect();
    let bars = melody.last().map_or(0, |&(at, _)| at / bar) + 1;
    let left_out = bars.saturating_sub(MOST_BARS);
    melody.retain(|&(at, _)| at >= left_out * bar);
    for (at, _) in &mut melody {
        *at -= left_out * bar;
    }
    let bars = bars - left_out;
    in_range(&mut melody);
    let mut abc = format!("X:1\nM:{}/{}\nL:1/16\nK:{key}\n", metre.0, metre.1);
    write(&mut abc, &melody, key, bar, bars);
    Ok(Phrase { abc, bars })
}

/// When each note was struck, and its key; of notes struck together the highest.
fn onsets(played: &[Played]) -> Vec<(f64, u8)> {
    let mut notes: Vec<(f64, u8)> = Vec::new();
    for down in played.iter().filter(|played| played.velocity > 0) {
        match notes.last_mut() {
            Some((at, key)) if down.beats - *at < TOGETHER => *key = down.key.max(*key),
            _ => notes.push((down.beats, down.key)),
        }
    }
    notes
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn distances(notes: &[(f64, u8)]) -> Vec<f64> {
    notes.windows(2).map(|pair| pair[1].0 - pair[0].0).collect()
}

/// What was played since the last pause.
fn last_phrase(mut notes: Vec<(f64, u8)>) -> Vec<(f64, u8)> {
    let usual = median(distances(&notes));
    let is_pause = |distance: &f64| *distance > PAUSE.1 && *distance > PAUSE.0 * usual;
    if let Some(pause) = distances(&notes).iter().rposition(is_pause) {
        notes.drain(..=pause);
    }
    notes
}

/// How far distances stray from multiples of `grid`, in those, as a root of the mean square.
fn strays(distances: &[f64], grid: f64) -> f64 {
    let squares = distances.iter().map(|distance| {
        let multiple = distance / grid;
        (multiple - multiple.round().max(1.0)).powi(2)
    });
    (squares.sum::<f64>() / distances.len().max(1) as f64).sqrt()
}

/// Where each note falls, in semiquavers from the first.
fn places(notes: &[(f64, u8)], metre: (u8, u8)) -> Option<Vec<u32>> {
    const HOST: f64 = 0.25;
    let distances = distances(notes);
    let (grid, semiquavers) = match strays(&distances, HOST) < KEEPS_TO_HOST {
        true => (HOST, 1),
        false => pulse(&distances, metre)?,
    };
    // The pulse is followed along: a hand that hurries a little is not a semiquaver early in the end.
    let (mut line, mut length) = (notes[0].0, grid);
    let mut places = vec![0];
    let mut at = 0_u32;
    for &(beats, _) in &notes[1..] {
        let away = (beats - line) / length;
        let steps = away.round().max(1.0);
        let off = (away - steps).clamp(-0.5, 0.5);
        line += (steps + 0.6 * off) * length;
        length = (length * (1.0 + 0.1 * off / steps)).clamp(grid * 0.85, grid * 1.15);
        at = at.saturating_add(steps.min(1e6) as u32 * semiquavers);
        places.push(at);
    }
    Some(places)
}

/// The longest step of which the distances are multiples, in quarter notes of the host, and how many semiquavers it is
/// written as.
fn pulse(distances: &[f64], metre: (u8, u8)) -> Option<(f64, u32)> {
    let usual = median(distances.to_vec());
    let mut best: Option<(f64, f64)> = None;
    let mut grid = usual / 4.5;
    while grid < usual * 1.2 {
        let off = strays(distances, grid);
        let steps: f64 = distances.iter().map(|distance| (distance / grid).round().max(1.0)).sum();
        // Of two that fit alike the one with fewer steps.
        let cost = off + 0.03 * (steps / distances.len() as f64).min(8.0);
        if off < STRAYS && best.is_none_or(|(least, _)| cost < least) {
            best = Some((cost, grid));
        }
        grid *= 1.01;
    }
    let (_, grid) = best?;
    // The tempo that fits all distances best.
    let steps = |distance: &f64| (distance / grid).round().max(1.0);
    let (sum, squares) = distances.iter().fold((0.0, 0.0), |(sum, squares), distance| {
        let steps = steps(distance);
        (sum + distance * steps, squares + steps * steps)
    });
    let grid = sum / squares;
    // Most notes of these dances are quavers, in a waltz crotchets.
    let usual = (usual / grid).round() as u32;
    let semiquavers = match (usual, metre) {
        (1, (3, 4)) => 4,
        (1, _) => 2,
        (3, (6 | 9 | 12, 8)) => 2,
        _ => 1,
    };
    Some((grid, semiquavers))
}

/// Brings the melody by octaves to where tunes lie: from the violin's open G to its third position.
fn in_range(melody: &mut [(u32, u8)]) {
    const LOWEST: i32 = 55;
    const HIGHEST: i32 = 88;
    let highest = melody.iter().map(|&(_, key)| i32::from(key)).max().unwrap_or(72);
    let lowest = melody.iter().map(|&(_, key)| i32::from(key)).min().unwrap_or(72);
    let mut shift = 0;
    while lowest + shift < LOWEST && highest + shift + 12 <= HIGHEST {
        shift += 12;
    }
    while highest + shift > HIGHEST && lowest + shift - 12 >= LOWEST {
        shift -= 12;
    }
    for (_, key) in melody {
        let mut moved = i32::from(*key) + shift;
        while moved < LOWEST {
            moved += 12;
        }
        while moved > HIGHEST {
            moved -= 12;
        }
        *key = moved as u8;
    }
}

/// How a MIDI key is written in a musical key: its step, its octave (4 begins at middle C) and how it is altered.
fn spelled(key: u8, signature: &Key) -> (Step, i32, i8) {
    // The line of fifths, F C G D A E B, and on with sharps and flats.
    let place = |step: Step, alteration: i8| {
        let natural = [0, 2, 4, -1, 1, 3, 5][step as usize];
        natural + 7 * i32::from(alteration)
    };
    // The middle of the scale's seven places. A leading note lies as far up as a flat of the same sound lies down.
    let middle = i32::from(signature.fifths()) + 2;
    let mut best = (i32::MAX, Step::C, 0);
    for step in Step::ALL {
        for alteration in [1, 0, -1] {
            let sound = (step.semitones() + alteration).rem_euclid(12);
            let away = (place(step, alteration) - middle).abs();
            if sound == (key % 12) as i8 && away < best.0 {
                best = (away, step, alteration);
            }
        }
    }
    let (_, step, alteration) = best;
    let natural = i32::from(key) - i32::from(alteration);
    (step, natural.div_euclid(12) - 1, alteration)
}

fn write(abc: &mut String, melody: &[(u32, u8)], key: &Key, bar: u32, bars: u32) {
    let signature = key.alterations();
    // What each step is altered by at this place of the bar.
    let mut altered = signature;
    for (index, &(start, sound)) in melody.iter().enumerate() {
        let end = melody.get(index + 1).map_or(bars * bar, |next| next.0);
        let (step, octave, alteration) = spelled(sound, key);
        let mut at = start;
        while at < end {
            let bar_end = (at / bar + 1) * bar;
            let room = end.min(bar_end) - at;
            let length = LENGTHS.into_iter().find(|&length| length <= room).unwrap_or(1);
            let place = step as usize;
            let goes_on = at > start;
            if goes_on && altered[place] != alteration {
                // Held over a bar line that ends its accidental: it stops there.
                let _ = write!(abc, "z{length}");
            } else {
                if altered[place] != alteration {
                    abc.push_str(match alteration {
                        1 => "^",
                        -1 => "_",
                        _ => "=",
                    });
                    altered[place] = alteration;
                }
                note(abc, step, octave, length);
            }
            at += length;
            let tied = at < end && (at < bar_end || signature[place] == alteration);
            if tied {
                abc.push('-');
            }
            if at == bar_end {
                abc.push('|');
                altered = signature;
            }
        }
    }
    abc.push('\n');
}

fn note(abc: &mut String, step: Step, octave: i32, length: u32) {
    match octave {
        5.. => abc.push(step.letter().to_ascii_lowercase()),
        _ => abc.push(step.letter()),
    }
    for _ in 5..octave {
        abc.push('\'');
    }
    for _ in octave..4 {
        abc.push(',');
    }
    if length > 1 {
        let _ = write!(abc, "{length}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use earworm_abc::{self as abc, Mode};

    /// Two bars of a reel in D in quavers, but for a crotchet at each half's beginning.
    const REEL: [(u8, f64); 14] = [
        (62, 1.0),
        (66, 0.5),
        (69, 0.5),
        (74, 0.5),
        (78, 0.5),
        (74, 0.5),
        (69, 0.5),
        (67, 1.0),
        (71, 0.5),
        (74, 0.5),
        (79, 0.5),
        (76, 0.5),
        (74, 0.5),
        (73, 0.5),
    ];

    /// Plays quarter-note lengths: each held for `gate` of its length, `tempo` times as slow as the host, each onset
    /// astray by what `wobble` says.
    fn play(
        notes: &[(u8, f64)],
        gate: f64,
        slow: f64,
        wobble: impl Fn(usize) -> f64,
    ) -> Vec<Played> {
        let mut played = Vec::new();
        let mut at = 3.3;
        for (index, &(key, length)) in notes.iter().enumerate() {
            let on = at + wobble(index);
            played.push(Played { beats: on, key, velocity: 90 });
            played.push(Played { beats: on + length * slow * gate, key, velocity: 0 });
            at += length * slow;
        }
        played.sort_by(|a, b| a.beats.total_cmp(&b.beats));
        played
    }

    fn d_major() -> Key {
        Key::new(Step::D, 0, Mode::Major)
    }

    /// Keys and lengths in quarter notes, as the phrase sounds.
    fn heard(phrase: &Phrase) -> Vec<(u8, f64)> {
        let book = abc::read(&phrase.abc);
        assert!(book.findings.is_empty(), "{:?} in {}", book.findings, phrase.abc);
        let performance = abc::perform(&book.tunes[0], &abc::PerformOptions::melody_only());
        let quarters = |ticks: u32| f64::from(ticks) / f64::from(abc::PPQ);
        performance.notes.iter().map(|note| (note.key, quarters(note.duration))).collect()
    }

    /// Strays that look like a hand's, up to 1 either way.
    fn hand(index: usize) -> f64 {
        ((index * 7 + 3) % 11) as f64 / 5.0 - 1.0
    }

    #[test]
    fn six_ways_of_playing_a_phrase_come_to_the_same_notes() {
        let ways = [
            ("held to the end", play(&REEL, 1.0, 1.0, |_| 0.0)),
            ("half held", play(&REEL, 0.5, 1.0, |_| 0.0)),
            ("four fifths held", play(&REEL, 0.8, 1.0, |_| 0.0)),
            // 20 ms at 120 a minute.
            ("a slight wobble", play(&REEL, 0.8, 1.0, |index| 0.04 * hand(index))),
            ("at 93 a minute under a host at 120", play(&REEL, 0.7, 120.0 / 93.0, |_| 0.0)),
            (
                "at 93 a minute with a wobble",
                play(&REEL, 0.7, 120.0 / 93.0, |index| 0.04 * hand(index)),
            ),
        ];
        for (way, played) in ways {
            let phrase = phrase(&played, &d_major(), (4, 4)).unwrap();
            assert_eq!(phrase.bars, 2, "{way}: {}", phrase.abc);
            assert_eq!(heard(&phrase), REEL, "{way}: {}", phrase.abc);
        }
    }

    #[test]
    fn the_last_bar_is_completed_by_its_last_note() {
        let played = play(&REEL[..9], 0.8, 1.0, |_| 0.0);
        let phrase = phrase(&played, &d_major(), (4, 4)).unwrap();
        assert_eq!(phrase.bars, 2);
        assert_eq!(heard(&phrase).last(), Some(&(71, 3.0)));
    }

    #[test]
    fn a_jig_played_freely_is_written_in_quavers() {
        let jig: Vec<(u8, f64)> = [67, 71, 74, 79, 74, 71, 67, 71, 74, 78, 74, 69]
            .into_iter()
            .map(|key| (key, 0.5))
            .collect();
        let played = play(&jig, 0.6, 0.77, |index| 0.02 * hand(index));
        let phrase = phrase(&played, &Key::new(Step::G, 0, Mode::Major), (6, 8)).unwrap();
        assert_eq!((phrase.bars, heard(&phrase)), (2, jig));
    }

    #[test]
    fn only_what_was_played_since_the_last_pause_counts() {
        let mut played = play(&[(60, 0.5); 6], 0.8, 1.0, |_| 0.0);
        let later = play(&REEL, 0.8, 1.0, |_| 0.0);
        played.extend(later.into_iter().map(|note| Played { beats: note.beats + 20.0, ..note }));
        assert_eq!(heard(&phrase(&played, &d_major(), (4, 4)).unwrap()), REEL);
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let told = |played: &[Played]| phrase(played, &d_major(), (4, 4)).unwrap_err().to_string();
        assert!(told(&[]).contains("play a bar or two"));
        assert!(told(&play(&REEL[..2], 0.8, 1.0, |_| 0.0)).contains("play four or more"));
        // Distances that no step divides.
        let lengths = [0.37, 0.51, 0.93, 0.44, 1.27, 0.61, 0.83, 0.39, 1.11, 0.57, 0.71, 0.47];
        let astray: Vec<(u8, f64)> = lengths.into_iter().map(|length| (62, length)).collect();
        assert!(told(&play(&astray, 0.8, 1.0, |_| 0.0)).contains("metronome"));
    }

    #[test]
    fn every_key_is_spelled_as_players_of_its_signature_expect() {
        let name = |key: u8, signature: &Key| {
            let (step, octave, alteration) = spelled(key, signature);
            format!("{}{octave}{alteration:+}", step.letter())
        };
        let d_minor = Key::new(Step::D, 0, Mode::Minor);
        // The leading note, and B flat below middle C.
        assert_eq!(name(61, &d_minor), "C4+1");
        assert_eq!(name(58, &d_minor), "B3-1");
        assert_eq!(name(65, &Key::new(Step::F, 1, Mode::Major)), "E4+1");
        assert_eq!(name(71, &Key::new(Step::G, -1, Mode::Major)), "C5-1");
    }
}
