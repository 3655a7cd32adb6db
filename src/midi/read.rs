//! Core: a Standard MIDI File as a performance.

use super::events::{Event, Events, Stop, meta};
use super::file::{File, Track};
use super::{ACCOMPANIMENT, BAR_STARTS};
use earworm_abc::performance::{
    BarStart, Bend, ChordStart, KeyStart, Lyric, MOST_CHANGES, MOST_NOTES, MOST_TICKS, Metre, Note,
    PERCUSSION, Program, Tempo,
};
use earworm_abc::{Finding, Key, Mode, PPQ, Performance, Severity, at_place};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// Why a MIDI file was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MidiError {
    /// It does not start as a MIDI file does.
    #[error("not a MIDI file")]
    NotMidi,
    /// It ends before a note is over, or, where it is wrapped in RIFF, before its last track is.
    #[error("the MIDI file is cut short: {0}")]
    Truncated(String),
    /// Its times are frames of film (SMPTE) and not parts of a beat.
    #[error("the MIDI file counts time in SMPTE frames, which have no beats or bars")]
    Smpte,
    /// It counts no ticks in a quarter note.
    #[error("the MIDI file's header gives no ticks a quarter note")]
    NoTicks,
}

impl MidiError {
    /// What the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotMidi => "a Standard MIDI File starts with MThd; check what the file is",
            Self::Truncated(_) => "get the whole file again",
            Self::Smpte => "export it again with ticks a quarter note (PPQ)",
            Self::NoTicks => "export it again from the program that made it",
        }
    }
}

/// Reads any Standard MIDI File: format 0, 1 or 2 (whose patterns are played one after the other), wrapped in RIFF
/// or not, any number of ticks a quarter note. Times are brought to [`PPQ`].
///
/// A note's voice is the index of its track and channel among those that have notes. While the sustain pedal is down
/// notes sound on. Where bars start is known of files that [`write`](super::write) wrote, and left empty for others: a
/// metre does not tell whether there is a pickup. A file that is cut short or damaged is read as far as it goes; what is
/// left out or unread is said in the performance's findings.
///
/// # Errors
///
/// [`MidiError`] where the file is none, is cut before a note is over, or counts time in SMPTE frames.
pub fn read(bytes: &[u8]) -> Result<Performance, MidiError> {
    let file = File::parse(bytes)?;
    let mut reading = Reading {
        ppq: file.ppq,
        performance: Performance::default(),
        titled: false,
        names: Vec::new(),
        lyrics: Vec::new(),
        voices: HashMap::new(),
        bar_marks: Vec::new(),
        cut: false,
    };
    let mut offset = 0;
    for (index, &track) in file.tracks.iter().enumerate() {
        let end = reading.track(index, track, offset);
        if file.is_sequential {
            offset = end;
        }
    }
    let there = file.tracks.len();
    let missing = file.announced.saturating_sub(there);
    if reading.performance.notes.is_empty() {
        let cut = file.tracks.iter().find_map(|track| Some((track.bytes.len(), track.cut_from?)));
        if let Some((there, of)) = cut {
            let what = format!("{there} of a track's {of} bytes are there");
            return Err(MidiError::Truncated(what));
        } else if missing > 0 {
            let what = format!("{there} of {} tracks are there", file.announced);
            return Err(MidiError::Truncated(what));
        }
    }
    if missing > 0 {
        reading.find(
            Severity::Warning,
            format!("{there} of {} tracks are there", file.announced),
            "get the whole file again if something is missing",
        );
    }
    Ok(reading.finish())
}

struct Reading {
    ppq: u32,
    performance: Performance,
    /// A track has said what the title is, if only that there is none.
    titled: bool,
    /// The tracks' names.
    names: Vec<String>,
    /// Syllables, each with the track that it stands in.
    lyrics: Vec<(usize, Lyric)>,
    /// The voice of a track and channel.
    voices: HashMap<(usize, u8), u16>,
    /// Where the file says that bars start.
    bar_marks: Vec<u32>,
    cut: bool,
}

/// Notes of a track by index that still sound.
#[derive(Default)]
struct Sounding {
    /// Those whose keys are down, by channel and key, oldest first.
    held: HashMap<(u8, u8), VecDeque<usize>>,
    /// Those that only the pedal keeps.
    ringing: HashMap<(u8, u8), Vec<usize>>,
    /// Channels whose sustain pedal is down, a bit each.
    pedals: u16,
    /// When a key last went down or up.
    last: u32,
}

/// How far a channel's bends reach, and what its data entry is about.
#[derive(Clone, Copy)]
struct BendRange {
    cents: u16,
    parameter: (u8, u8),
}

impl Default for BendRange {
    /// Two semitones, until a file says otherwise.
    fn default() -> Self {
        Self { cents: 200, parameter: (127, 127) }
    }
}

impl Reading {
    /// Reads a track that starts at `offset` ticks and returns where it ends.
    fn track(&mut self, index: usize, track: Track<'_>, offset: u32) -> u32 {
        let mut ticks: u64 = 0;
        let mut now = offset;
        let mut sounding = Sounding::default();
        let mut ranges = [BendRange::default(); 16];
        let mut accompaniment = false;
        let (mut name, mut karaoke) = (String::new(), false);
        let mut chords = Vec::new();
        let first = self.performance.notes.len();
        let mut events = Events::new(track.bytes);
        let stop = loop {
            let (delta, event) = match events.next() {
                Ok(event) => event,
                Err(stop) => break Some(stop),
            };
            ticks = ticks.saturating_add(delta).min(u64::from(u32::MAX) << 16);
            let scaled = (ticks * u64::from(PPQ) + u64::from(self.ppq) / 2) / u64::from(self.ppq);
            let scaled = scaled.saturating_add(u64::from(offset));
            if scaled > u64::from(MOST_TICKS) {
                self.cut = true;
                break None;
            }
            now = scaled as u32;
            match event {
                Event::Meta { kind: meta::END, .. } => break None,
                Event::Meta { kind: meta::TRACK_NAME, data } => {
                    let text = earworm_abc::decode(data);
                    if text == ACCOMPANIMENT {
                        accompaniment = true;
                    } else if name.is_empty() {
                        name = one_line(&text);
                        // What files of karaoke call the track of their texts.
                        karaoke = name.eq_ignore_ascii_case("words");
                    }
                    if !accompaniment && !std::mem::replace(&mut self.titled, true) {
                        self.performance.title.clone_from(&name);
                    }
                }
                Event::Meta { kind: meta::LYRIC, data } => self.lyric(index, now, data),
                // Texts that start with @ are about the file.
                Event::Meta { kind: meta::TEXT, data } if karaoke && !data.starts_with(b"@") => {
                    self.lyric(index, now, data);
                }
                Event::Meta { kind: meta::TEXT, data } => {
                    let text = earworm_abc::decode(data);
                    // Whatever the text, it ends up between quotation marks in one line.
                    if !text.is_empty() && !text.contains(['"', '\n', '\r']) {
                        chords.push(ChordStart {
                            start: now,
                            symbol: text.into_owned(),
                            span: 0..0,
                        });
                    }
                }
                Event::Meta { kind: meta::SEQUENCER_SPECIFIC, data: BAR_STARTS } => {
                    if self.bar_marks.len() < MOST_NOTES {
                        self.bar_marks.push(now);
                    }
                }
                Event::Meta { kind, data } => self.setting(now, kind, data),
                Event::Bend { channel, value } => {
                    let range = i32::from(ranges[usize::from(channel)].cents);
                    let cents = (i32::from(value) * range / 8192) as i16;
                    if self.performance.bends.len() < MOST_CHANGES {
                        self.performance.bends.push(Bend { start: now, channel, cents });
                    }
                }
                Event::Controller { channel, number, value } => {
                    let range = &mut ranges[usize::from(channel)];
                    match number {
                        101 => range.parameter.0 = value,
                        100 => range.parameter.1 = value,
                        6 if range.parameter == (0, 0) => range.cents = u16::from(value) * 100,
                        _ => self.control(now, channel, number, value, &mut sounding),
                    }
                }
                Event::Program { channel, program } => {
                    if self.performance.programs.len() < MOST_CHANGES {
                        self.performance.programs.push(Program { start: now, channel, program });
                    }
                }
                Event::NoteOn { channel, key, velocity } => {
                    let note = Note {
                        start: now,
                        duration: 0,
                        key,
                        velocity,
                        channel,
                        voice: self.voice(index, channel),
                        accompaniment,
                        span: 0..0,
                    };
                    self.note_on(note, &mut sounding);
                }
                Event::NoteOff { channel, key } => self.note_off(now, channel, key, &mut sounding),
            }
        };
        if accompaniment {
            self.performance.chords.append(&mut chords);
        }
        self.names.push(name);
        // The pedal keeps nothing past what is played.
        for note in sounding.ringing.into_values().flatten() {
            self.end_note(note, sounding.last);
        }
        let unended: Vec<usize> = sounding.held.into_values().flatten().collect();
        let never = unended.len();
        for note in unended {
            // One that the track ends with never sounded, and stays without a duration.
            if self.performance.notes[note].start < now {
                self.end_note(note, now);
            }
        }
        let notes = self.performance.notes.split_off(first);
        self.performance.notes.extend(notes.into_iter().filter(|note| note.duration > 0));
        self.say_what_is_unread(index + 1, track, &events, stop);
        if never > 0 {
            let notes = if never == 1 { "note never ends" } else { "notes never end" };
            self.find(
                Severity::Warning,
                format!("track {}: {never} {notes}", index + 1),
                "they end with the track",
            );
        }
        self.performance.end = self.performance.end.max(now);
        now
    }

    /// Finds fault with a track that its events don't fill, or that has bytes that none should have.
    fn say_what_is_unread(
        &mut self,
        track: usize,
        of: Track<'_>,
        events: &Events<'_>,
        stop: Option<Stop>,
    ) {
        let bytes = |count: usize| match count {
            1 => "1 byte".to_owned(),
            count => format!("{count} bytes"),
        };
        let left = bytes(events.left());
        if let Some(whole) = of.cut_from {
            let unread = match stop {
                Some(Stop::Cut | Stop::NoStatus) => {
                    format!(", of which the last {left} are no event")
                }
                _ => String::new(),
            };
            self.find(
                Severity::Error,
                format!(
                    "track {track} is cut short: {} of its {whole} bytes are there{unread}",
                    of.bytes.len()
                ),
                "what is there is read; get the whole file again",
            );
        } else {
            match stop {
                None => {}
                Some(Stop::Over) => self.find(
                    Severity::Warning,
                    format!("track {track} has no end mark"),
                    "notes may be missing",
                ),
                Some(stop) => self.find(
                    Severity::Error,
                    format!(
                        "track {track} can't be read to its end: {} at its last {left}",
                        match stop {
                            Stop::NoStatus => "no event starts",
                            _ => "an event is cut off",
                        }
                    ),
                    "what stands before is read, the rest is left out",
                ),
            }
        }
        if events.clipped > 0 {
            self.find(
                Severity::Note,
                format!("track {track}: {} of data over 127", bytes(events.clipped)),
                "they count as 127",
            );
        }
    }

    fn lyric(&mut self, track: usize, start: u32, data: &[u8]) {
        if !data.is_empty() && self.lyrics.len() < MOST_CHANGES {
            let text = earworm_abc::decode(data).into_owned();
            self.lyrics.push((track, Lyric { start, voice: 0, text }));
        }
    }

    /// Gives each voice the name of its track, and each syllable the voice that sings it.
    fn name_voices(&mut self) {
        let mut tracks: Vec<(u16, usize)> =
            self.voices.iter().map(|(&(track, _), &voice)| (voice, track)).collect();
        tracks.sort_unstable();
        let named = |track: usize| self.names.get(track).is_some_and(|name| !name.is_empty());
        let sounding: BTreeSet<usize> = tracks.iter().map(|&(_, track)| track).collect();
        // The only track with notes is called what the piece is called.
        let several = sounding.iter().filter(|&&track| named(track)).count() > 1;
        let titles = self.names.iter().position(|name| *name == self.performance.title);
        let names = tracks.iter().map(|&(_, track)| match self.names.get(track) {
            Some(name) if several || titles != Some(track) => name.clone(),
            _ => String::new(),
        });
        let names: Vec<String> = names.collect();
        if names.iter().any(|name| !name.is_empty()) {
            self.performance.voice_names = names;
        }
        let mut lyrics = std::mem::take(&mut self.lyrics);
        join_words(&mut lyrics);
        for (track, mut lyric) in lyrics {
            // A track of texts alone belongs to the voice that starts most notes with them.
            let own = tracks.iter().find(|&&(_, of)| of == track).map(|&(voice, _)| voice);
            lyric.voice = own.unwrap_or(u16::MAX);
            lyric.text = one_line(lyric.text.trim_start_matches(['/', '\\']));
            if !lyric.text.is_empty() {
                self.performance.lyrics.push(lyric);
            }
        }
        let starts: BTreeSet<u32> = self
            .performance
            .lyrics
            .iter()
            .filter(|lyric| lyric.voice == u16::MAX)
            .map(|lyric| lyric.start)
            .collect();
        let mut sung: BTreeMap<u16, usize> = BTreeMap::new();
        for note in self.performance.notes.iter().filter(|note| starts.contains(&note.start)) {
            *sung.entry(note.voice).or_default() += 1;
        }
        let most = sung.iter().max_by_key(|&(&voice, &count)| (count, Reverse(voice)));
        let singer = most.map_or(0, |(&voice, _)| voice);
        for lyric in &mut self.performance.lyrics {
            if lyric.voice == u16::MAX {
                lyric.voice = singer;
            }
        }
        self.performance.lyrics.sort_by_key(|lyric| (lyric.start, lyric.voice));
    }

    /// The voice of a track's channel.
    fn voice(&mut self, track: usize, channel: u8) -> u16 {
        let next = u16::try_from(self.voices.len()).unwrap_or(u16::MAX);
        *self.voices.entry((track, channel)).or_insert(next)
    }

    fn note_on(&mut self, note: Note, sounding: &mut Sounding) {
        if self.performance.notes.len() >= MOST_NOTES {
            self.cut = true;
            return;
        }
        let slot = (note.channel, note.key);
        sounding.last = note.start;
        // A string that is struck again stops first.
        for ringing in sounding.ringing.remove(&slot).into_iter().flatten() {
            self.end_note(ringing, note.start);
        }
        sounding.held.entry(slot).or_default().push_back(self.performance.notes.len());
        self.performance.notes.push(note);
    }

    fn note_off(&mut self, now: u32, channel: u8, key: u8, sounding: &mut Sounding) {
        let slot = (channel, key);
        let Some(note) = sounding.held.get_mut(&slot).and_then(VecDeque::pop_front) else { return };
        sounding.last = now;
        if sounding.pedals & (1 << channel) != 0 && channel != PERCUSSION {
            sounding.ringing.entry(slot).or_default().push(note);
        } else {
            self.end_note(note, now);
        }
    }

    /// What controllers do to notes: the sustain pedal, all sound off, all notes off.
    fn control(&mut self, now: u32, channel: u8, number: u8, value: u8, sounding: &mut Sounding) {
        let all_keys = match (number, value) {
            (64, 64..) => {
                sounding.pedals |= 1 << channel;
                return;
            }
            (64 | 121, _) => {
                sounding.pedals &= !(1 << channel);
                false
            }
            (120 | 123, _) => true,
            _ => return,
        };
        let mut released = Vec::new();
        for ((of, _), notes) in &mut sounding.held {
            if *of == channel && all_keys {
                released.extend(notes.drain(..));
            }
        }
        for ((of, _), notes) in &mut sounding.ringing {
            if *of == channel {
                released.append(notes);
            }
        }
        released.into_iter().for_each(|note| self.end_note(note, now));
    }

    fn end_note(&mut self, note: usize, now: u32) {
        let note = &mut self.performance.notes[note];
        note.duration = now.saturating_sub(note.start).max(1);
    }

    fn setting(&mut self, now: u32, kind: u8, data: &[u8]) {
        match (kind, data) {
            (meta::TEMPO, &[high, middle, low, ..]) if (high, middle, low) != (0, 0, 0) => {
                let microseconds_per_quarter = u32::from_be_bytes([0, high, middle, low]);
                if self.performance.tempos.len() < MOST_CHANGES {
                    self.performance.tempos.push(Tempo { start: now, microseconds_per_quarter });
                }
            }
            (meta::METRE, &[numerator @ 1..=255, power @ 0..=6, ..])
                if self.performance.metres.len() < MOST_CHANGES =>
            {
                self.performance.metres.push(Metre {
                    start: now,
                    numerator: u16::from(numerator),
                    denominator: 1 << power,
                });
            }
            (meta::KEY, &[fifths, minor, ..]) if (-7..=7).contains(&fifths.cast_signed()) => {
                let key = key_of_signature(fifths.cast_signed(), minor != 0);
                if self.performance.keys.len() < MOST_CHANGES {
                    self.performance.keys.push(KeyStart { start: now, key });
                }
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
        self.name_voices();
        let performance = &mut self.performance;
        performance.notes.sort_by_key(|note| (note.start, note.channel, note.key, note.duration));
        settle(
            &mut performance.tempos,
            |tempo| tempo.start,
            |a, b| a.microseconds_per_quarter == b.microseconds_per_quarter,
        );
        settle(
            &mut performance.metres,
            |metre| metre.start,
            |a, b| (a.numerator, a.denominator) == (b.numerator, b.denominator),
        );
        settle(&mut performance.keys, |key| key.start, |a, b| a.key == b.key);
        performance.programs.sort_by_key(|program| program.start);
        performance.bends.sort_by_key(|bend| bend.start);
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

/// A text in one line, as a field of ABC has to be.
fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_control() || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Puts hyphens where words go on. Files say so by hyphens of their own, or by spaces (and strokes, for lines) between words
/// and by nothing within them.
fn join_words(lyrics: &mut [(usize, Lyric)]) {
    let begins = |text: &str| text.starts_with([' ', '/', '\\', '\r', '\n']);
    let ends = |text: &str| text.ends_with([' ', '-', '\r', '\n']);
    let spaced =
        lyrics.iter().filter(|(_, lyric)| begins(&lyric.text) || lyric.text.ends_with(' '));
    // A stroke at the very start tells nothing of what is between words.
    if spaced.count() < 2 {
        return;
    }
    for at in 1..lyrics.len() {
        let goes_on = lyrics[at - 1].0 == lyrics[at].0
            && !ends(&lyrics[at - 1].1.text)
            && !begins(&lyrics[at].1.text);
        if goes_on {
            lyrics[at - 1].1.text.push('-');
        }
    }
}

/// Brings changes in order and leaves the last of those at a time, and of these the ones that change something: some
/// programs say the same again in every bar.
pub(super) fn settle<T>(
    changes: &mut Vec<T>,
    start: impl Fn(&T) -> u32,
    same: impl Fn(&T, &T) -> bool,
) {
    changes.sort_by_key(&start);
    changes.dedup_by(|later, earlier| {
        let again = start(later) == start(earlier);
        if again {
            std::mem::swap(later, earlier);
        }
        again
    });
    changes.dedup_by(|later, earlier| same(later, earlier));
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
