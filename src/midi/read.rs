//! Core: a Standard MIDI File as a performance.

use super::{ACCOMPANIMENT, BAR_STARTS};
use earworm_abc::performance::{
    BarStart, ChordStart, KeyStart, MOST_NOTES, MOST_TICKS, Metre, Note, Program, Tempo,
};
use earworm_abc::{Finding, Key, Mode, PPQ, Performance, Severity, at_place};
use midly::{Format, MetaMessage, MidiMessage, Timing, TrackEventKind};
use std::collections::{HashMap, VecDeque};

/// Why a MIDI file was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MidiError {
    /// It does not start as a MIDI file does.
    #[error("not a MIDI file")]
    NotMidi,
    /// It ends in the middle of a track, or tracks that its header announces are missing.
    #[error("the MIDI file is cut short: {0}")]
    Truncated(String),
    /// Its times are frames of film (SMPTE) and not parts of a beat.
    #[error("the MIDI file counts time in SMPTE frames, which have no beats or bars")]
    Smpte,
    /// It counts no ticks in a quarter note.
    #[error("the MIDI file's header gives no ticks a quarter note")]
    NoTicks,
    /// Something else is wrong with it.
    #[error("the MIDI file is damaged: {0}")]
    Damaged(String),
}

impl MidiError {
    /// What the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotMidi => "a Standard MIDI File starts with MThd; check what the file is",
            Self::Truncated(_) => "get the whole file again",
            Self::Smpte => "export it again with ticks a quarter note (PPQ)",
            Self::NoTicks | Self::Damaged(_) => "export it again from the program that made it",
        }
    }
}

/// Reads any Standard MIDI File: format 0, 1 or 2 (whose patterns are played one after the other),
/// running status, any number of ticks a quarter note. Times are brought to [`PPQ`].
///
/// A note's voice is the index of its track and channel among those that have notes. Where bars start is known of
/// files that [`write`](super::write) wrote, and left empty for others: a metre does not tell whether there
/// is a pickup. What was left out or cut is said in the performance's findings.
///
/// # Errors
///
/// [`MidiError`] where the file is none, is cut short, or counts time in SMPTE frames.
pub fn read(bytes: &[u8]) -> Result<Performance, MidiError> {
    whole(bytes)?;
    let damaged = |error: midly::Error| MidiError::Damaged(error.to_string());
    let (header, tracks) = midly::parse(bytes).map_err(damaged)?;
    let ppq = match header.timing {
        Timing::Metrical(ppq) if ppq.as_int() > 0 => u32::from(ppq.as_int()),
        Timing::Metrical(_) => return Err(MidiError::NoTicks),
        Timing::Timecode(..) => return Err(MidiError::Smpte),
    };
    let mut reading = Reading {
        ppq,
        performance: Performance::default(),
        voices: HashMap::new(),
        bar_marks: Vec::new(),
        cut: false,
    };
    let mut offset = 0;
    for (index, track) in tracks.enumerate() {
        let end = reading.track(index, track.map_err(damaged)?, offset);
        if header.format == Format::Sequential {
            offset = end;
        }
    }
    Ok(reading.finish())
}

/// Whether every chunk is there to its end, and as many tracks as the header says: midly reads on
/// in silence where they are not.
fn whole(bytes: &[u8]) -> Result<(), MidiError> {
    let mut rest = match bytes.get(..4) {
        // RIFF-wrapped (.rmi): midly unwraps it.
        Some(b"RIFF") => return Ok(()),
        Some(b"MThd") => bytes,
        _ => return Err(MidiError::NotMidi),
    };
    let (mut announced, mut found) = (None, 0u32);
    while let Some((head, after)) = rest.split_at_checked(8) {
        // What follows the announced tracks is none of the file's: some writers pad with zeros.
        if announced.is_some_and(|announced| found >= announced) {
            return Ok(());
        }
        let (name, length) = head.split_at(4);
        let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
        let Some((chunk, after)) = after.split_at_checked(length) else {
            return Err(MidiError::Truncated(format!(
                "{} of a chunk's {length} bytes are there",
                after.len()
            )));
        };
        match name {
            b"MThd" => {
                announced = chunk.get(2..4).map(|n| u32::from(u16::from_be_bytes([n[0], n[1]])));
            }
            b"MTrk" => found += 1,
            _ => {}
        }
        rest = after;
    }
    match announced {
        None => Err(MidiError::Truncated("its header is not whole".into())),
        Some(announced) if found < announced => {
            Err(MidiError::Truncated(format!("{found} of {announced} tracks are there")))
        }
        Some(_) => Ok(()),
    }
}

struct Reading {
    ppq: u32,
    performance: Performance,
    /// The voice of a track and channel, and whether the track is the accompaniment's.
    voices: HashMap<(usize, u8), u16>,
    /// Where the file says that bars start.
    bar_marks: Vec<u32>,
    cut: bool,
}

/// Notes of a track by index that still sound: by channel and key, oldest first.
type Sounding = HashMap<(u8, u8), VecDeque<usize>>;

impl Reading {
    /// Reads a track that starts at `offset` ticks and returns where it ends.
    fn track(&mut self, index: usize, events: midly::EventIter<'_>, offset: u32) -> u32 {
        let mut ticks: u64 = 0;
        let mut now = offset;
        let mut sounding = Sounding::new();
        let (mut ended, mut accompaniment, mut broken) = (false, false, None);
        let mut chords = Vec::new();
        for event in events {
            let event = match event {
                Ok(event) => event,
                Err(error) => {
                    broken = Some(error.to_string());
                    break;
                }
            };
            ticks += u64::from(event.delta.as_int());
            let scaled = (ticks * u64::from(PPQ) + u64::from(self.ppq) / 2) / u64::from(self.ppq);
            let scaled = scaled.saturating_add(u64::from(offset));
            if scaled > u64::from(MOST_TICKS) {
                self.cut = true;
                ended = true;
                break;
            }
            now = scaled as u32;
            match event.kind {
                TrackEventKind::Midi { channel, message } => {
                    self.message(
                        index,
                        now,
                        channel.as_int(),
                        message,
                        &mut sounding,
                        accompaniment,
                    );
                }
                TrackEventKind::Meta(MetaMessage::EndOfTrack) => {
                    ended = true;
                    break;
                }
                TrackEventKind::Meta(MetaMessage::TrackName(name)) => {
                    let name = earworm_abc::decode(name);
                    if name == ACCOMPANIMENT {
                        accompaniment = true;
                    } else if self.performance.title.is_empty() {
                        name.trim().clone_into(&mut self.performance.title);
                    }
                }
                TrackEventKind::Meta(MetaMessage::Text(text)) => {
                    let text = earworm_abc::decode(text);
                    // Whatever the text, it ends up between quotation marks in one line.
                    if !text.is_empty() && !text.contains(['"', '\n', '\r']) {
                        chords.push(ChordStart {
                            start: now,
                            symbol: text.into_owned(),
                            span: 0..0,
                        });
                    }
                }
                TrackEventKind::Meta(MetaMessage::SequencerSpecific(BAR_STARTS)) => {
                    if self.bar_marks.len() < MOST_NOTES {
                        self.bar_marks.push(now);
                    }
                }
                TrackEventKind::Meta(message) => self.setting(now, &message),
                TrackEventKind::SysEx(_) | TrackEventKind::Escape(_) => {}
            }
        }
        if accompaniment {
            self.performance.chords.append(&mut chords);
        }
        let unended = sounding.values().map(VecDeque::len).sum::<usize>();
        for note in sounding.into_values().flatten() {
            self.end_note(note, now);
        }
        let track = index + 1;
        if let Some(error) = broken {
            self.find(
                Severity::Error,
                format!("track {track} can't be read to its end: {error}"),
                "the notes after that place are missing",
            );
        } else if !ended {
            self.find(
                Severity::Warning,
                format!("track {track} has no end mark"),
                "notes may be missing",
            );
        }
        if unended > 0 {
            self.find(
                Severity::Warning,
                format!("{unended} notes of track {track} never end"),
                "they end with the track",
            );
        }
        self.performance.end = self.performance.end.max(now);
        now
    }

    fn message(
        &mut self,
        track: usize,
        now: u32,
        channel: u8,
        message: MidiMessage,
        sounding: &mut Sounding,
        accompaniment: bool,
    ) {
        match message {
            MidiMessage::NoteOn { key, vel } if vel.as_int() > 0 => {
                if self.performance.notes.len() >= MOST_NOTES {
                    self.cut = true;
                    return;
                }
                let next = u16::try_from(self.voices.len()).unwrap_or(u16::MAX);
                let voice = *self.voices.entry((track, channel)).or_insert(next);
                let slot = sounding.entry((channel, key.as_int())).or_default();
                slot.push_back(self.performance.notes.len());
                self.performance.notes.push(Note {
                    start: now,
                    duration: 0,
                    key: key.as_int(),
                    velocity: vel.as_int(),
                    channel,
                    voice,
                    accompaniment,
                    span: 0..0,
                });
            }
            MidiMessage::NoteOn { key, .. } | MidiMessage::NoteOff { key, .. } => {
                let ended =
                    sounding.get_mut(&(channel, key.as_int())).and_then(VecDeque::pop_front);
                if let Some(note) = ended {
                    self.end_note(note, now);
                }
            }
            MidiMessage::ProgramChange { program } => self.performance.programs.push(Program {
                start: now,
                channel,
                program: program.as_int(),
            }),
            // All sound off and all notes off.
            MidiMessage::Controller { controller, .. }
                if matches!(controller.as_int(), 120 | 123) =>
            {
                for ((on, _), notes) in sounding.iter_mut() {
                    if *on == channel {
                        for note in notes.drain(..) {
                            self.end_note(note, now);
                        }
                    }
                }
            }
            _ => {}
        }
    }

    fn end_note(&mut self, note: usize, now: u32) {
        let note = &mut self.performance.notes[note];
        note.duration = now.saturating_sub(note.start).max(1);
    }

    fn setting(&mut self, now: u32, message: &MetaMessage<'_>) {
        match *message {
            MetaMessage::Tempo(micros) if micros.as_int() > 0 => {
                self.performance
                    .tempos
                    .push(Tempo { start: now, microseconds_per_quarter: micros.as_int() });
            }
            MetaMessage::TimeSignature(numerator, power, ..) if numerator > 0 && power <= 6 => {
                self.performance.metres.push(Metre {
                    start: now,
                    numerator: u16::from(numerator),
                    denominator: 1 << power,
                });
            }
            MetaMessage::KeySignature(fifths, minor) if (-7..=7).contains(&fifths) => {
                self.performance
                    .keys
                    .push(KeyStart { start: now, key: key_of_signature(fifths, minor) });
            }
            _ => {}
        }
    }

    fn find(&mut self, severity: Severity, text: String, hint: &str) {
        self.performance.findings.push(Finding { severity, span: 0..0, text, hint: hint.into() });
    }

    fn finish(mut self) -> Performance {
        if self.cut {
            self.find(
                Severity::Error,
                format!(
                    "the file is too long: only {MOST_NOTES} notes and {MOST_TICKS} ticks are kept"
                ),
                "split it",
            );
        }
        let performance = &mut self.performance;
        performance.notes.sort_by_key(|note| (note.start, note.channel, note.key, note.duration));
        performance.tempos.sort_by_key(|tempo| tempo.start);
        performance.tempos.dedup();
        performance.metres.sort_by_key(|metre| metre.start);
        performance.metres.dedup();
        performance.keys.sort_by_key(|key| key.start);
        performance.keys.dedup();
        performance.programs.sort_by_key(|program| program.start);
        performance.chords.sort_by_key(|chord| chord.start);
        let sounding_end = performance.notes.iter().map(|n| n.start + n.duration).max();
        performance.end = performance.end.max(sounding_end.unwrap_or(0));
        // The format's default (no tempo event) is 120 quarter notes a minute.
        if performance.tempos.first().is_none_or(|tempo| tempo.start > 0) {
            performance.tempos.insert(0, Tempo { start: 0, microseconds_per_quarter: 500_000 });
        }
        self.bar_marks.sort_unstable();
        self.bar_marks.dedup();
        performance.bars = match self.bar_marks.len() {
            0 => Vec::new(),
            1 => metre_bars(&performance.metres, performance.end),
            _ => self.bar_marks.iter().map(|&start| BarStart { start, span: 0..0 }).collect(),
        };
        self.performance
    }
}

/// The key of a MIDI key signature.
fn key_of_signature(fifths: i8, minor: bool) -> Key {
    let mode = if minor { Mode::Minor } else { Mode::Major };
    let (step, alteration) = at_place(fifths - mode.fifths());
    Key::new(step, alteration, mode)
}

/// Where bars start when each metre counts from its own start; 4/4 before the first.
pub(super) fn metre_bars(metres: &[Metre], end: u32) -> Vec<BarStart> {
    let mut bars = Vec::new();
    let mut start = 0;
    let mut length = 4 * PPQ;
    let mut metres = metres.iter().peekable();
    while start < end.max(1) && bars.len() < MOST_NOTES {
        let mut next = start + length;
        while let Some(metre) = metres.next_if(|metre| metre.start <= start) {
            length = bar_ticks(metre);
            next = start + length;
        }
        // A metre that starts inside a bar starts a bar of its own.
        if let Some(metre) = metres.peek() {
            next = next.min(metre.start);
        }
        bars.push(BarStart { start, span: 0..0 });
        start = next;
    }
    bars
}

/// The length of a bar in ticks.
pub(super) fn bar_ticks(metre: &Metre) -> u32 {
    (4 * PPQ * u32::from(metre.numerator) / u32::from(metre.denominator).max(1)).max(1)
}
