//! Interface: whether tunes survive being written, as ABC and by way of MIDI; part of `cargo xtask conformance`.

use earworm_abc::{self as abc, PerformOptions, Performance};
use earworm_midi as midi;

/// What was counted over a collection.
#[derive(Clone, Copy, Default)]
pub struct Roundtrip {
    /// Tunes that were written and read.
    pub tunes: usize,
    /// Of those, the ones that came back note for note and element for element.
    pub written_alike: usize,
    /// Tunes with one voice and notes in it.
    pub single_voice: usize,
    /// Of those, by way of MIDI and ABC to MIDI: the same melody.
    pub melody_alike: usize,
}

/// When each note starts, how long it lasts, and its key.
fn notes(performance: &Performance) -> Vec<(u32, u32, u8)> {
    let mut notes: Vec<_> =
        performance.notes.iter().map(|note| (note.start, note.duration, note.key)).collect();
    notes.sort_unstable();
    notes
}

/// Whether a performance's MIDI file has the notes of the one that is made by way of ABC of it.
fn survives_midi(performance: &Performance, options: &PerformOptions) -> bool {
    let Ok(first) = midi::read(&midi::write(performance)) else { return false };
    let book = abc::read(&midi::to_abc(&first));
    let Some(tune) = book.tunes.first() else { return false };
    midi::read(&midi::write(&abc::perform(tune, options)))
        .is_ok_and(|second| notes(&second) == notes(&first))
}

impl Roundtrip {
    /// Adds another collection's counts.
    pub fn merge(&mut self, other: &Self) {
        self.tunes += other.tunes;
        self.written_alike += other.written_alike;
        self.single_voice += other.single_voice;
        self.melody_alike += other.melody_alike;
    }

    /// Writes a tune and reads it back, as ABC and by way of MIDI; says in what it differs then.
    pub fn add(&mut self, tune: &abc::Tune) -> Vec<&'static str> {
        let mut differs = Vec::new();
        self.tunes += 1;
        let everything = PerformOptions::default();
        let again = abc::read(&abc::write(tune));
        let alike = matches!(&again.tunes[..], [again] if abc::same(tune, again)
            && notes(&abc::perform(again, &everything)) == notes(&abc::perform(tune, &everything)));
        if alike {
            self.written_alike += 1;
        } else {
            differs.push("once written and read");
        }
        let melody = PerformOptions::melody_only();
        let played = abc::perform(tune, &melody);
        if tune.voices.len() == 1 && !played.notes.is_empty() {
            self.single_voice += 1;
            if survives_midi(&played, &melody) {
                self.melody_alike += 1;
            } else {
                differs.push("by way of MIDI");
            }
        }
        differs
    }
}
