//! Core: what accompanies a melody: bass and chords from chord symbols (ABC 2.1 §4.18, abc2midi's `%%MIDI gchord`),
//! drums and drones (`%%MIDI drum`, `%%MIDI drone`).

use super::chord::ChordNotes;
use super::performance::{MOST_NOTES, Note, PERCUSSION};
use std::ops::Range;
use std::rc::Rc;

/// What is struck, and for how long, spread over bars: abc2midi's gchord and drum strings.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rhythm<S> {
    /// Each with its share of the whole.
    strikes: Vec<(S, u32)>,
    /// Bars that it lasts.
    bars: u32,
}

/// The most strikes of a gchord or drum string.
const MOST_STRIKES: usize = 256;

impl<S: Copy> Rhythm<S> {
    /// Reads letters with their lengths, such as `fzczfzcz` or `b4c2`; `strike` knows the letters.
    fn read(text: &str, bars: u32, mut strike: impl FnMut(char) -> Option<S>) -> Option<Self> {
        let mut strikes: Vec<(S, u32)> = Vec::new();
        // Whether a figure of the last one's length has been read.
        let mut measured = false;
        for c in text.chars() {
            if let Some(figure) = c.to_digit(10) {
                let last = strikes.last_mut()?;
                last.1 = if measured { (last.1 * 10 + figure).min(999) } else { figure };
                measured = true;
            } else if strikes.len() < MOST_STRIKES {
                strikes.push((strike(c)?, 1));
                measured = false;
            } else {
                return None;
            }
        }
        for strike in &mut strikes {
            strike.1 = strike.1.max(1);
        }
        (!strikes.is_empty()).then_some(Self { strikes, bars: bars.clamp(1, 64) })
    }

    /// The strikes that begin in a bar, with their starts and ends in ticks; none lasts on after the bar. `phase` is
    /// how far into the rhythm the bar starts, in ticks. A bar that is longer goes through it again. No more
    /// than `budget` strikes are looked at, and those are taken off it.
    fn in_bar(&self, bar: &Bar, phase: u64, budget: &mut usize, mut each: impl FnMut(S, u32, u32)) {
        let total: u64 = self.strikes.iter().map(|strike| u64::from(strike.1)).sum();
        let spread = u64::from(bar.full) * u64::from(self.bars);
        let until = phase + u64::from(bar.end.saturating_sub(bar.start));
        let mut round = 0;
        while round < until {
            let mut done: u64 = 0;
            for &(strike, length) in &self.strikes {
                let from = round + done * spread / total;
                done += u64::from(length);
                let to = round + done * spread / total;
                if from >= until || *budget == 0 {
                    return;
                }
                *budget -= 1;
                if from >= phase && to > from {
                    let at = |time: u64| bar.start + (time.min(until) - phase) as u32;
                    each(strike, at(from), at(to));
                }
            }
            round += spread.max(1);
        }
    }
}

/// A step of an accompaniment's pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strike {
    Rest,
    Fundamental,
    Chord,
    Both,
    /// One of the chord's notes from the lowest, perhaps an octave down.
    Single(u8, bool),
}

/// How chords are played: abc2midi's gchord string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(Rhythm<Strike>);

impl Pattern {
    /// The metre's own pattern, as abc2midi has it.
    pub(super) fn of_metre(numerator: u32, denominator: u32) -> Self {
        let text: String = match (numerator, denominator) {
            (2 | 4, _) => "fzczfzcz".to_owned(),
            (3, 4 | 2) => "fzczcz".to_owned(),
            (3, _) => "fzc".to_owned(),
            (numerator, _) if numerator % 3 == 0 && numerator <= 24 => {
                "fzc".repeat(numerator as usize / 3)
            }
            (numerator, _) if numerator % 2 == 0 && numerator <= 32 => {
                "fzcz".repeat(numerator as usize / 2)
            }
            (numerator, _) if numerator <= 32 => {
                "fz".to_owned() + &"cz".repeat(numerator.saturating_sub(1) as usize)
            }
            _ => "fz".to_owned(),
        };
        Self::read(&text, 1).unwrap_or(Self(Rhythm { strikes: vec![(Strike::Both, 1)], bars: 1 }))
    }

    /// Reads a gchord string, such as `fzczfzcz` or `b4c2`, to be spread over so many bars.
    pub(super) fn read(text: &str, bars: u32) -> Option<Self> {
        let strike = |c| {
            Some(match c {
                'z' => Strike::Rest,
                'f' => Strike::Fundamental,
                'c' => Strike::Chord,
                'b' => Strike::Both,
                'g'..='j' => Strike::Single(c as u8 - b'g', false),
                'G'..='J' => Strike::Single(c as u8 - b'G', true),
                _ => return None,
            })
        };
        Rhythm::read(text, bars, strike).map(Self)
    }
}

/// A pattern of percussion: abc2midi's drum string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Drums(Rhythm<Option<Drum>>);

/// A stroke on a drum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Drum {
    /// The instrument: the key of General MIDI's percussion channel.
    key: u8,
    velocity: u8,
}

impl Drums {
    /// Reads what follows `%%MIDI drum`: a string such as `d2zdd`, then an instrument for each `d`, then a velocity
    /// for each; 35 (a bass drum) and 80 where they are not given. It is spread over so many bars.
    pub(super) fn read(words: &[String], bars: u32) -> Option<Self> {
        let (text, numbers) = words.split_first()?;
        let struck = text.chars().filter(|&c| c == 'd').count();
        let number = |at: usize| numbers.get(at)?.parse::<u8>().ok().filter(|&n| n < 128);
        let mut count = 0;
        let drum = |c| match c {
            'd' => {
                let drum = Drum {
                    key: number(count).unwrap_or(35),
                    velocity: number(struck + count).filter(|&n| n > 0).unwrap_or(80),
                };
                count += 1;
                Some(Some(drum))
            }
            'z' => Some(None),
            _ => None,
        };
        Rhythm::read(text, bars, drum).map(Self)
    }
}

/// A bar that is accompanied, in ticks.
#[derive(Clone, Debug)]
pub(super) struct Bar {
    pub(super) start: u32,
    pub(super) end: u32,
    /// How long the metre wants it.
    pub(super) full: u32,
    /// How its chords are played; none is silent.
    pub(super) pattern: Option<Rc<Pattern>>,
    /// How they sound.
    pub(super) sound: Sound,
    /// What percussion there is, once it is switched on.
    pub(super) drums: Option<Rc<Drums>>,
}

/// Channels, velocities and octaves of an accompaniment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sound {
    pub(super) chord_channel: u8,
    pub(super) bass_channel: u8,
    pub(super) chord_velocity: u8,
    pub(super) bass_velocity: u8,
    pub(super) chord_octave: i8,
    pub(super) bass_octave: i8,
    pub(super) transpose: i16,
}

/// A chord from a time on; none for silence (`N.C.`).
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) start: u32,
    pub(super) chord: Option<ChordNotes>,
    pub(super) span: Range<usize>,
}

/// Plays the chords in the bars' patterns. A chord that changes within a bar sounds until then and no longer.
pub(super) fn accompany(bars: &[Bar], changes: &[Change], voice: u16, notes: &mut Vec<Note>) {
    let mut next = 0;
    let mut pattern_bar = 0u32;
    let mut budget = 4 * MOST_NOTES;
    for (index, bar) in bars.iter().enumerate() {
        let Some(Pattern(rhythm)) = bar.pattern.as_deref() else {
            pattern_bar = 0;
            continue;
        };
        // An upbeat has the end of a bar's pattern.
        let upbeat = index == 0 && bar.end - bar.start < bar.full;
        let phase = if upbeat {
            u64::from(bar.full - (bar.end - bar.start))
        } else {
            u64::from(pattern_bar % rhythm.bars) * u64::from(bar.full)
        };
        rhythm.in_bar(bar, phase, &mut budget, |strike, start, mut end| {
            while changes.get(next + 1).is_some_and(|change| change.start <= start) {
                next += 1;
            }
            let Some(change) = changes.get(next).filter(|change| change.start <= start) else {
                return;
            };
            if let Some(after) = changes.get(next + 1) {
                end = end.min(after.start);
            }
            let Some(chord) = change.chord.as_ref().filter(|_| end > start) else {
                return;
            };
            let sound = &bar.sound;
            let mut play = |key: i16, velocity: u8, channel: u8| {
                let key = key + sound.transpose;
                if (0..=127).contains(&key) && velocity > 0 && notes.len() < MOST_NOTES {
                    notes.push(Note {
                        start,
                        duration: end - start,
                        key: key as u8,
                        velocity,
                        channel,
                        voice,
                        accompaniment: true,
                        span: change.span.clone(),
                    });
                }
            };
            let fundamental = i16::from(chord.fundamental()) + i16::from(sound.bass_octave) * 12;
            let keys = chord.keys();
            let octave = i16::from(sound.chord_octave) * 12;
            match strike {
                Strike::Rest => {}
                Strike::Fundamental => play(fundamental, sound.bass_velocity, sound.bass_channel),
                Strike::Chord | Strike::Both => {
                    if strike == Strike::Both {
                        play(fundamental, sound.bass_velocity, sound.bass_channel);
                    }
                    for key in keys {
                        play(i16::from(key) + octave, sound.chord_velocity, sound.chord_channel);
                    }
                }
                Strike::Single(index, low) => {
                    if let Some(&key) = keys.get(usize::from(index)) {
                        let down = if low { 12 } else { 0 };
                        play(
                            i16::from(key) + octave - down,
                            sound.chord_velocity,
                            sound.chord_channel,
                        );
                    }
                }
            }
        });
        if !upbeat {
            pattern_bar = pattern_bar.wrapping_add(1);
        }
    }
}

/// When drums or drones are switched on or off, and where that is written.
#[derive(Clone, Debug)]
pub(super) struct Switch {
    pub(super) start: u32,
    pub(super) on: bool,
    pub(super) span: Range<usize>,
}

/// Plays the drums in the bars' rhythms while they are switched on. Each bar starts its rhythm anew, as abc2midi
/// has it, the upbeat too; one that lasts several bars goes on.
pub(super) fn drum(bars: &[Bar], switches: &[Switch], voice: u16, notes: &mut Vec<Note>) {
    let mut passed = 0;
    let mut budget = 4 * MOST_NOTES;
    let mut rhythm_bar = 0u32;
    let mut before: Option<&Rc<Drums>> = None;
    for bar in bars {
        let Some(drums) = &bar.drums else {
            before = None;
            continue;
        };
        if before.is_none_or(|before| !Rc::ptr_eq(before, drums)) {
            rhythm_bar = 0;
        }
        before = Some(drums);
        let phase = u64::from(rhythm_bar % drums.0.bars) * u64::from(bar.full);
        drums.0.in_bar(bar, phase, &mut budget, |struck, start, end| {
            while switches.get(passed).is_some_and(|switch| switch.start <= start) {
                passed += 1;
            }
            let on = switches[..passed].last().filter(|switch| switch.on);
            if let (Some(switch), Some(drum)) = (on, struck)
                && notes.len() < MOST_NOTES
            {
                notes.push(Note {
                    start,
                    duration: end - start,
                    key: drum.key,
                    velocity: drum.velocity,
                    channel: PERCUSSION,
                    voice,
                    accompaniment: true,
                    span: switch.span.clone(),
                });
            }
        });
        rhythm_bar = rhythm_bar.wrapping_add(1);
    }
}

/// The two notes of a drone: abc2midi's `%%MIDI drone`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Drone {
    /// The General MIDI program, 0 to 127.
    pub(super) program: u8,
    /// Each note's MIDI key and velocity.
    pub(super) notes: [(u8, u8); 2],
}

impl Default for Drone {
    /// A bassoon on A2 and A1, as abc2midi has it.
    fn default() -> Self {
        Self { program: 70, notes: [(45, 80), (33, 80)] }
    }
}

impl Drone {
    /// What follows `%%MIDI drone`: program, the two keys, their velocities; what is 0 or missing stays as it was.
    pub(super) fn set(&mut self, numbers: &[String]) {
        let number =
            |at: usize| numbers.get(at)?.parse::<u8>().ok().filter(|n| (1..128).contains(n));
        self.program = number(0).unwrap_or(self.program);
        for (index, note) in self.notes.iter_mut().enumerate() {
            note.0 = number(1 + index).unwrap_or(note.0);
            note.1 = number(3 + index).unwrap_or(note.1);
        }
    }
}
