//! Core: what sounds, played out: loudness, staccato, grace notes, trills, rolls, turns and mordents.

use super::super::Length;
use super::super::model::{Attached, Grace, Note as WrittenNote, Step};
use super::super::performance::{MOST_NOTES, Note, PPQ, PerformOptions, Performance};
use super::ties::Sounding;
use super::timeline::Moment;

/// Ticks of the short notes of an ornament.
const SHORT: u32 = PPQ / 8;
/// The most notes of a trill.
const MOST_TRILL: u32 = 256;

/// What decorations do to a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ornament {
    Trill,
    Turn,
    Roll,
    /// To the note below.
    LowerMordent,
    UpperMordent,
}

impl Ornament {
    fn of(attached: &Attached) -> Option<Self> {
        let any = |names: &[&str]| decorated(attached, names);
        if any(&["trill"]) {
            Some(Self::Trill)
        } else if any(&["turn", "invertedturn"]) {
            Some(Self::Turn)
        } else if any(&["roll"]) {
            Some(Self::Roll)
        } else if any(&["lowermordent", "mordent"]) {
            Some(Self::LowerMordent)
        } else if any(&["uppermordent", "pralltriller"]) {
            Some(Self::UpperMordent)
        } else {
            None
        }
    }

    /// The keys that are played in turn and the ticks that each lasts, in a note of so many ticks.
    fn played(self, key: u8, upper: u8, lower: u8, total: u32) -> Vec<(u8, u32)> {
        match self {
            Self::Trill if total >= 2 * SHORT => {
                let count = (total / SHORT).min(MOST_TRILL) & !1;
                let at = |index: u32| part(total, index, count);
                (0..count)
                    .map(|index| {
                        (if index % 2 == 0 { upper } else { key }, at(index + 1) - at(index))
                    })
                    .collect()
            }
            Self::Turn if total >= 4 => {
                let quarter = total / 4;
                vec![(upper, quarter), (key, quarter), (lower, quarter), (key, total - quarter * 3)]
            }
            // A long roll: the note, a cut above, the note, a tap below, the note.
            Self::Roll if total >= 5 * SHORT => {
                let rest = total - 2 * SHORT;
                vec![
                    (key, rest / 3),
                    (upper, SHORT),
                    (key, rest / 3),
                    (lower, SHORT),
                    (key, rest - rest / 3 * 2),
                ]
            }
            Self::Roll if total >= 2 * SHORT => vec![(upper, SHORT), (key, total - SHORT)],
            Self::LowerMordent if total >= 4 * SHORT => {
                vec![(key, SHORT), (lower, SHORT), (key, total - 2 * SHORT)]
            }
            Self::UpperMordent if total >= 4 * SHORT => {
                vec![(key, SHORT), (upper, SHORT), (key, total - 2 * SHORT)]
            }
            _ => vec![(key, total)],
        }
    }
}

/// So many of the equal parts of a length in ticks.
fn part(ticks: u32, index: u32, count: u32) -> u32 {
    (u64::from(ticks) * u64::from(index) / u64::from(count.max(1))) as u32
}

fn decorated(attached: &Attached, names: &[&str]) -> bool {
    attached.decorations.iter().any(|decoration| names.contains(&decoration.name.as_str()))
}

/// Adds to a performance the notes of a voice.
pub(super) fn play(
    moments: &[Moment],
    sounding: &[Sounding],
    voice: u16,
    options: &PerformOptions,
    performance: &mut Performance,
) {
    for sound in sounding {
        if performance.notes.len() >= MOST_NOTES {
            return;
        }
        let moment = &moments[sound.moment];
        let element = moment.element;
        let attached = element.attached.as_deref();
        let decorations = attached.filter(|_| options.decorations);
        let is = |names: &[&str]| decorations.is_some_and(|attached| decorated(attached, names));
        let mut velocity = velocity(moment);
        if is(&[">", "accent", "emphasis", "sfz", "sf"]) {
            velocity = velocity.saturating_add(20).min(127);
        }
        let ticks = sound.length.ticks().max(1);
        let mut note = Note {
            start: moment.start.whole(),
            duration: ticks,
            key: sound.key,
            velocity,
            channel: sound.channel,
            voice,
            accompaniment: false,
            span: element.span.clone(),
        };
        if !sound.tied && is(&["staccato", "dot", "wedge"]) {
            note.duration = (ticks / 2).max(1);
        }
        let grace =
            attached.and_then(|attached| attached.grace.as_ref()).filter(|_| options.grace_notes);
        if let Some(grace) = grace {
            let taken = grace_ticks(grace, moment, sound.written.duration * moment.stretch);
            if sound.first && taken > 0 {
                play_grace(grace, moment, &note, taken, performance);
            }
            if taken > 0 && ticks > taken {
                note.start = note.start.saturating_add(taken);
                note.duration = note.duration.saturating_sub(taken).max(1);
            }
        }
        let alone = !matches!(&element.kind, super::super::ElementKind::Chord(chord) if chord.notes.len() > 1);
        let ornament = decorations.and_then(Ornament::of).filter(|_| alone && !sound.tied);
        match ornament {
            None => performance.notes.push(note),
            Some(ornament) => {
                let upper = neighbour(moment, sound.written, 1);
                let lower = neighbour(moment, sound.written, -1);
                let mut start = note.start;
                for (key, duration) in ornament.played(note.key, upper, lower, note.duration) {
                    if duration > 0 {
                        performance.notes.push(Note { start, duration, key, ..note.clone() });
                        start = start.saturating_add(duration);
                    }
                }
            }
        }
    }
}

/// How loud a moment is, by its place in the bar.
fn velocity(moment: &Moment) -> u8 {
    let settings = &moment.settings;
    let beat = &settings.beat;
    if !beat.accents {
        return beat.strong;
    }
    if moment.into_bar == 0 {
        return beat.first;
    }
    let numerator = settings.metre.numerator();
    let every = match beat.every {
        0 if numerator.is_multiple_of(3) => 3,
        0 if numerator.is_multiple_of(2) => 2,
        0 => numerator.max(1),
        every => every,
    };
    let apart = u64::from(every) * u64::from(4 * PPQ) / u64::from(settings.metre.unit.max(1));
    if apart > 0 && moment.into_bar.is_multiple_of(apart) { beat.strong } else { beat.weak }
}

/// How many ticks grace notes take from a note after them that lasts so long.
fn grace_ticks(grace: &Grace, moment: &Moment, duration: Length) -> u32 {
    let settings = &moment.settings;
    let each = settings.unit / Length::new(settings.grace_divider.max(1), 1);
    let each = each.ticks().max(1);
    let each = if grace.acciaccatura { each.min(60) } else { each };
    let total = each.saturating_mul(grace.notes.len() as u32);
    total.min(duration.ticks() / 2)
}

/// Plays grace notes in so many ticks, before the note that they take them from.
fn play_grace(
    grace: &Grace,
    moment: &Moment,
    note: &Note,
    ticks: u32,
    performance: &mut Performance,
) {
    let count = grace.notes.len() as u32;
    let transposition = moment.settings.transposition();
    for (index, chord) in grace.notes.iter().enumerate() {
        let from = note.start.saturating_add(part(ticks, index as u32, count));
        let to = note.start.saturating_add(part(ticks, index as u32 + 1, count));
        for written in chord {
            let key = i16::from(written.key()) + transposition;
            if let (Ok(key @ 0..=127), true) = (u8::try_from(key), to > from) {
                let (start, duration) = (from, to - from);
                performance.notes.push(Note { start, duration, key, ..note.clone() });
            }
        }
    }
}

/// The key of a note so many steps above a written one, as the key signature has it.
fn neighbour(moment: &Moment, written: &WrittenNote, steps: i8) -> u8 {
    let settings = &moment.settings;
    let place = i16::from(written.pitch.octave) * 7 + written.pitch.step as i16 + i16::from(steps);
    let step = Step::ALL[place.rem_euclid(7) as usize];
    let key = (place.div_euclid(7) + 1) * 12
        + i16::from(step.semitones())
        + i16::from(settings.key.alterations()[step as usize])
        + settings.transposition();
    key.clamp(0, 127) as u8
}
