//! Core: what sounds at each moment, notes that are tied joined into one.

use super::super::Length;
use super::super::clock::Clock;
use super::super::model::{ElementKind, Finding, Note as WrittenNote, Severity};
use super::super::performance::{Bend, MOST_NOTES, PERCUSSION, Performance};
use super::keep;
use super::timeline::Moment;
use std::collections::BTreeMap;
use std::ops::Range;

/// The most ties of which it is said that they lead nowhere.
const MOST_SAID: usize = 16;

/// A key that sounds, from the moment that strikes it to the end of the last note tied to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sounding<'a> {
    /// The moment that it begins at, by index.
    pub(super) moment: usize,
    pub(super) written: &'a WrittenNote,
    /// Whether it is the first note of its chord, or the only one.
    pub(super) first: bool,
    /// Whether a tie follows the note that is struck.
    pub(super) tied: bool,
    pub(super) key: u8,
    pub(super) channel: u8,
    /// How long it lasts, in whole notes.
    pub(super) length: Length,
}

/// A note of the moment before, which a tie may keep sounding.
#[derive(Clone, Copy)]
struct Held {
    key: u8,
    /// Its index among what sounds.
    sounding: usize,
    tied: bool,
    /// When it would end.
    end: Clock,
}

/// The moment before in a layer.
#[derive(Default)]
struct Before {
    held: Vec<Held>,
    /// Its place in the text, and whether its tie stands behind a chord's bracket and asks for common notes only.
    place: Range<usize>,
    whole_chord: bool,
}

/// The notes of an element, and whether it is tied as a whole.
fn notes_of(kind: &ElementKind) -> (&[WrittenNote], bool) {
    match kind {
        ElementKind::Note(note) => (std::slice::from_ref(note), note.tie.is_some()),
        ElementKind::Chord(chord) => (&chord.notes, chord.tie.is_some()),
        _ => (&[], false),
    }
}

/// What sounds, by its beginning. Says which ties lead to no note, and where the notes are cut.
pub(super) fn join<'a>(
    moments: &[Moment<'a>],
    layer_channels: &[u8],
    performance: &mut Performance,
) -> Vec<Sounding<'a>> {
    let mut sounding: Vec<Sounding<'a>> = Vec::new();
    let mut before: Vec<Before> = Vec::new();
    // Ties by their places: whether any pass has joined what they tie.
    let mut joined: BTreeMap<(usize, usize), bool> = BTreeMap::new();
    let mut bent = [0i8; 16];
    let room = MOST_NOTES.saturating_sub(performance.notes.len());
    for (index, moment) in moments.iter().enumerate() {
        if sounding.len() >= room {
            break;
        }
        let (notes, whole_chord) = notes_of(&moment.element.kind);
        let settings = &moment.settings;
        let channel = match moment.layer.checked_sub(1) {
            None => settings.channel(),
            Some(above) => layer_channels.get(above).copied().unwrap_or(settings.channel()),
        };
        let transposition = settings.transposition();
        if before.len() <= moment.layer {
            before.resize_with(moment.layer + 1, Before::default);
        }
        let earlier = &mut before[moment.layer];
        let tied_from_before = moment.tied_from_before;
        let mut open: Vec<Held> = std::mem::take(&mut earlier.held);
        open.retain(|held| held.tied || tied_from_before);
        let ties = open.iter().filter(|held| held.tied).count();
        let mut held: Vec<Held> = Vec::with_capacity(notes.len());
        for (place, note) in notes.iter().enumerate() {
            let Some(key) = key_of(note, transposition) else { continue };
            let key = match settings.drum_map.get(&key) {
                Some(&mapped) if channel == PERCUSSION => mapped,
                _ => key,
            };
            let length = note.duration * moment.stretch;
            let mut end = moment.start;
            end.advance(length, 1);
            let tied = note.tie.is_some() || whole_chord;
            let goes_on = open
                .iter()
                .position(|held| held.key == key && held.end.ticks == moment.start.ticks);
            let at = match goes_on {
                Some(at) => {
                    let held = open.swap_remove(at);
                    let earlier = &mut sounding[held.sounding];
                    earlier.length = earlier.length + length;
                    earlier.tied = true;
                    held.sounding
                }
                None => {
                    bend(&mut bent, channel, note.cents, moment, performance);
                    let first = place == 0;
                    let moment = index;
                    sounding.push(Sounding {
                        moment,
                        written: note,
                        first,
                        tied,
                        key,
                        channel,
                        length,
                    });
                    sounding.len() - 1
                }
            };
            held.push(Held { key, sounding: at, tied, end });
        }
        if ties > 0 {
            let left = open.iter().filter(|held| held.tied).count();
            let joins = if earlier.whole_chord { left < ties } else { left == 0 };
            *joined.entry((earlier.place.start, earlier.place.end)).or_default() |= joins;
        }
        *earlier = Before { held, place: moment.element.span.clone(), whole_chord };
    }
    // At the end of all, a tie leads nowhere.
    for earlier in before.iter().filter(|before| before.held.iter().any(|held| held.tied)) {
        joined.entry((earlier.place.start, earlier.place.end)).or_default();
    }
    for ((start, end), _) in joined.into_iter().filter(|tie| !tie.1).take(MOST_SAID) {
        performance.findings.push(Finding {
            severity: Severity::Warning,
            span: start..end,
            text: "a tie to no note of the same pitch".to_owned(),
            hint: "write a slur, such as (CD), where the pitch changes".to_owned(),
        });
    }
    sounding
}

/// The MIDI key of a note, where it is one.
fn key_of(note: &WrittenNote, transposition: i16) -> Option<u8> {
    let key = (i16::from(note.pitch.octave) + 1) * 12
        + i16::from(note.pitch.step.semitones())
        + i16::from(note.alteration)
        + transposition;
    u8::try_from(key).ok().filter(|&key| key < 128)
}

/// Bends what follows on a channel by so many cents.
fn bend(
    bent: &mut [i8; 16],
    channel: u8,
    cents: i8,
    moment: &Moment,
    performance: &mut Performance,
) {
    let Some(bent) = bent.get_mut(usize::from(channel)) else { return };
    if *bent != cents {
        *bent = cents;
        let start = moment.start.whole();
        keep(&mut performance.bends, Bend { start, channel, cents: cents.into() });
    }
}
