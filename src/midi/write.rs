//! Core: a performance as a Standard MIDI File.

use super::read::metre_bars;
use super::{ACCOMPANIMENT, BAR_STARTS};
use earworm_abc::performance::{Metre, PERCUSSION, Program};
use earworm_abc::{Finding, Mode, PPQ, Performance, Severity};
use midly::num::{u4, u7, u15, u24, u28};
use midly::{
    Format, Header, MetaMessage, MidiMessage, Smf, Timing, Track, TrackEvent, TrackEventKind,
};

/// Microseconds a quarter note of the slowest tempo that a MIDI file can tell, 3.58 a minute.
const SLOWEST: u32 = 0xff_ffff;

/// What of a performance a MIDI file can't tell.
pub fn left_out_of_midi(performance: &Performance) -> Vec<Finding> {
    let mut left_out = Vec::new();
    let slow = performance.tempos.iter().map(|tempo| tempo.microseconds_per_quarter).max();
    if let Some(slow) = slow.filter(|&slow| slow > SLOWEST) {
        left_out.push(warning(
            format!("{:.2} quarter notes a minute are too slow for MIDI", 60e6 / f64::from(slow)),
            "they are played at 3.58, the slowest that it knows",
        ));
    }
    if performance.metres.iter().any(|metre| power_of_metre(metre).is_none()) {
        left_out.push(warning(
            "a metre has numbers that MIDI can't tell".to_owned(),
            "the notes are as written; the metre is left out",
        ));
    }
    left_out
}

fn warning(text: String, hint: &str) -> Finding {
    Finding { severity: Severity::Warning, span: 0..0, text, hint: hint.to_owned() }
}

/// A MIDI file wrapped in RIFF, form RMID, as files that are called `.rmi` are.
pub fn wrapped(bytes: &[u8]) -> Vec<u8> {
    let padding = bytes.len() % 2;
    let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    let mut wrapped = Vec::with_capacity(bytes.len() + 21);
    wrapped.extend(b"RIFF");
    wrapped.extend(length(12 + bytes.len() + padding));
    wrapped.extend(b"RMIDdata");
    wrapped.extend(length(bytes.len()));
    wrapped.extend(bytes);
    wrapped.extend(&[0][..padding]);
    wrapped
}

/// The upper number of a metre and the power of two of its lower one, where MIDI has room for them.
fn power_of_metre(metre: &Metre) -> Option<(u8, u8)> {
    let numerator = u8::try_from(metre.numerator).ok().filter(|&numerator| numerator > 0)?;
    metre
        .denominator
        .is_power_of_two()
        .then(|| (numerator, metre.denominator.trailing_zeros() as u8))
}

/// A performance as a Standard MIDI File of format 1, [`PPQ`] ticks a quarter note: a first track
/// with the title, tempos, metres and key signatures, then a track for each voice and one for its
/// accompaniment.
pub fn write(performance: &Performance) -> Vec<u8> {
    let mut voices: Vec<(u16, bool)> =
        performance.notes.iter().map(|note| (note.voice, note.accompaniment)).collect();
    voices.sort_unstable();
    voices.dedup();

    // Whose track tells what holds for a channel: the first that plays on it.
    let mut owners = [None; 16];
    for note in &performance.notes {
        let owner: &mut Option<(u16, bool)> = &mut owners[usize::from(note.channel & 15)];
        let one = (note.voice, note.accompaniment);
        *owner = Some(owner.map_or(one, |owner| owner.min(one)));
    }

    let mut smf = Smf::new(Header::new(Format::Parallel, Timing::Metrical(u15::new(PPQ as u16))));
    smf.tracks.push(conductor(performance));
    for (index, &(voice, accompaniment)) in voices.iter().enumerate() {
        // A program that no track's channel claims would be lost; the first track takes those.
        smf.tracks.push(voice_track(performance, voice, accompaniment, index == 0, &owners));
    }
    let mut bytes = Vec::new();
    // Writing to memory fails only past the format's own limits (65,535 tracks, 4 GB a track), far
    // beyond what a performance may hold.
    let _ = smf.write_std(&mut bytes);
    bytes
}

/// An event with its time from the start; `order` breaks ties.
struct Timed<'a> {
    tick: u32,
    order: Order,
    kind: TrackEventKind<'a>,
}

/// What comes first at the same tick. A note must end before the same key starts anew.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    Setting,
    NoteOff,
    NoteOn,
}

fn meta(tick: u32, message: MetaMessage<'_>) -> Timed<'_> {
    Timed { tick, order: Order::Setting, kind: TrackEventKind::Meta(message) }
}

fn midi<'a>(tick: u32, order: Order, channel: u8, message: MidiMessage) -> Timed<'a> {
    Timed { tick, order, kind: TrackEventKind::Midi { channel: u4::new(channel & 15), message } }
}

fn conductor(performance: &Performance) -> Track<'_> {
    let mut events = Vec::new();
    // Also where it is empty, or the first voice's name would be taken for it.
    events.push(meta(0, MetaMessage::TrackName(performance.title.as_bytes())));
    for metre in &performance.metres {
        let Some((numerator, power)) = power_of_metre(metre) else { continue };
        // A metronome click in MIDI clocks, 24 a quarter note: the dotted beat in compound metres.
        let beat: u32 = if numerator > 3 && numerator.is_multiple_of(3) && metre.denominator >= 8 {
            3
        } else {
            1
        };
        let clocks = (96 * beat / u32::from(metre.denominator)).clamp(1, 255) as u8;
        events.push(meta(metre.start, MetaMessage::TimeSignature(numerator, power, clocks, 8)));
    }
    for key in &performance.keys {
        if key.key.explicit || (key.key.tonic.is_none() && key.key.bagpipe.is_none()) {
            continue;
        }
        let minor = matches!(key.key.mode, Mode::Minor | Mode::Aeolian);
        let fifths = key.key.fifths().clamp(-7, 7);
        events.push(meta(key.start, MetaMessage::KeySignature(fifths, minor)));
    }
    for tempo in &performance.tempos {
        let micros = tempo.microseconds_per_quarter.clamp(1, SLOWEST);
        events.push(meta(tempo.start, MetaMessage::Tempo(u24::new(micros))));
    }
    for start in bar_marks(performance) {
        events.push(meta(start, MetaMessage::SequencerSpecific(BAR_STARTS)));
    }
    finish(events, performance.end)
}

/// Where the file says that bars start: nowhere but at its start where the metres tell it right, else everywhere.
fn bar_marks(performance: &Performance) -> Vec<u32> {
    let mut starts: Vec<u32> = performance.bars.iter().map(|bar| bar.start).collect();
    starts.dedup();
    let foreseen = metre_bars(&performance.metres, performance.end);
    if starts.iter().eq(foreseen.iter().map(|bar| &bar.start)) {
        starts.truncate(1);
    }
    starts
}

fn voice_track<'a>(
    performance: &'a Performance,
    voice: u16,
    accompaniment: bool,
    first: bool,
    owners: &[Option<(u16, bool)>; 16],
) -> Track<'a> {
    let mut events = Vec::new();
    if accompaniment {
        events.push(meta(0, MetaMessage::TrackName(ACCOMPANIMENT.as_bytes())));
        for chord in &performance.chords {
            events.push(meta(chord.start, MetaMessage::Text(chord.symbol.as_bytes())));
        }
    }
    let mine = |channel: u8| owners[usize::from(channel & 15)];
    if !accompaniment {
        let name = performance.voice_names.get(usize::from(voice));
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            events.push(meta(0, MetaMessage::TrackName(name.as_bytes())));
        }
        for lyric in performance.lyrics.iter().filter(|lyric| lyric.voice == voice) {
            events.push(meta(lyric.start, MetaMessage::Lyric(lyric.text.as_bytes())));
        }
    }
    for (channel, program) in implied_programs(performance, voice, accompaniment) {
        if mine(channel) == Some((voice, accompaniment)) {
            let change = MidiMessage::ProgramChange { program: u7::new(program.program & 127) };
            events.push(midi(program.start, Order::Setting, channel, change));
        }
    }
    for program in &performance.programs {
        let owner = mine(program.channel);
        if owner == Some((voice, accompaniment)) || (owner.is_none() && first) {
            let program_number = u7::new(program.program & 127);
            events.push(midi(
                program.start,
                Order::Setting,
                program.channel,
                MidiMessage::ProgramChange { program: program_number },
            ));
        }
    }
    for control in &performance.controls {
        let owner = mine(control.channel);
        if owner == Some((voice, accompaniment)) || (owner.is_none() && first) {
            let controller = u7::new(control.controller & 127);
            let value = u7::new(control.value & 127);
            let message = MidiMessage::Controller { controller, value };
            events.push(midi(control.start, Order::Setting, control.channel, message));
        }
    }
    for bend in &performance.bends {
        if mine(bend.channel) == Some((voice, accompaniment)) {
            // Cents of the two semitones that receivers bend by unless they are told otherwise.
            let bend_by = midly::PitchBend::from_int(
                (i32::from(bend.cents) * 8192 / 200).clamp(-8192, 8191) as i16,
            );
            events.push(midi(
                bend.start,
                Order::Setting,
                bend.channel,
                MidiMessage::PitchBend { bend: bend_by },
            ));
        }
    }
    for note in &performance.notes {
        if (note.voice, note.accompaniment) != (voice, accompaniment) {
            continue;
        }
        let key = u7::new(note.key & 127);
        let vel = u7::new(note.velocity.clamp(1, 127));
        events.push(midi(
            note.start,
            Order::NoteOn,
            note.channel,
            MidiMessage::NoteOn { key, vel },
        ));
        events.push(midi(
            note.start.saturating_add(note.duration.max(1)),
            Order::NoteOff,
            note.channel,
            MidiMessage::NoteOff { key, vel: u7::new(64) },
        ));
    }
    finish(events, performance.end)
}

/// What a track's channels are given that no program names: the instruments of the voice, where it plays on several channels
/// (overlays have their own), or else the first. Without any they would keep those of the piece before.
fn implied_programs(
    performance: &Performance,
    voice: u16,
    accompaniment: bool,
) -> Vec<(u8, Program)> {
    let mut channels: Vec<u8> = performance
        .notes
        .iter()
        .filter(|note| (note.voice, note.accompaniment) == (voice, accompaniment))
        .map(|note| note.channel)
        .collect();
    channels.sort_unstable();
    channels.dedup();
    let of = |channel: u8| performance.programs.iter().filter(move |p| p.channel == channel);
    let own = channels.iter().copied().find(|&channel| of(channel).next().is_some());
    let mut implied = Vec::new();
    for &channel in channels.iter().filter(|&&channel| channel != PERCUSSION) {
        let is_silent = of(channel).next().is_none();
        let of_voice = own.filter(|_| is_silent && !accompaniment);
        let starts = if is_silent { of_voice } else { Some(channel) };
        if !starts.is_some_and(|from| of(from).any(|program| program.start == 0)) {
            implied.push((channel, Program { start: 0, channel, program: 0 }));
        }
        if let Some(own) = of_voice {
            implied.extend(of(own).map(|&program| (channel, program)));
        }
    }
    implied
}

fn finish<'a>(mut events: Vec<Timed<'a>>, end: u32) -> Track<'a> {
    events.sort_by_key(|event| (event.tick, event.order));
    let mut track = Track::with_capacity(events.len() + 1);
    let mut now = 0;
    for event in events {
        track.push(TrackEvent {
            delta: u28::new((event.tick - now).min(0xfff_ffff)),
            kind: event.kind,
        });
        now = event.tick;
    }
    track.push(TrackEvent {
        delta: u28::new(end.saturating_sub(now).min(0xfff_ffff)),
        kind: TrackEventKind::Meta(MetaMessage::EndOfTrack),
    });
    track
}
