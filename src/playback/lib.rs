//! Real-time: a tune played in time with a host, free running, or from a held key.
//!
//! A [`Schedule`] is a tune laid flat for the audio thread; a [`Player`] turns stretches of time into
//! [`Event`]s at exact samples. After [`Player::new`] nothing here allocates, frees, locks, waits or
//! panics. Schedules come in whole through [`Player::offer`] and [`Player::succeed`] and go out through
//! [`Player::take_retired`], so that they are made and freed elsewhere.
//!
//! Two axes of time are used. *Song ticks* count along the host's beat line (or the player's own where it
//! runs free), *tune ticks* along the tune from its first note; both have [`PPQ`] ticks a quarter note.
//! What sounds follows from the place on the song's line alone, so that jumping there or playing up to
//! it comes to the same notes.
#![warn(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

pub mod voice;

use std::ops::Range;

use earworm_abc::performance::PERCUSSION;
use earworm_abc::{PPQ, Performance};

/// The most notes that sound at once; the one nearest its end makes room for another.
pub const POLYPHONY: usize = 64;

/// The most notes that wait for a swung or varied onset at once.
const WAITING: usize = 64;

/// The most schedules that wait to be fetched and freed.
const RETIRED: usize = 8;

/// Ticks of two quavers, the pair that swing divides.
const SWING_PAIR: f64 = PPQ as f64;

/// The tempo where neither host nor tune gives one, in quarter notes a minute.
pub const DEFAULT_TEMPO: f64 = 120.0;

/// The channel of a metronome's strokes: beyond MIDI's sixteen, so that nobody takes them for notes.
pub const METRONOME: u8 = 16;

/// The most strokes of a metronome.
const STROKES: usize = 1 << 14;

/// Marks a quarter note at which hosts are known to tell their place, the coarsest first. Ardour's are 1,920.
const RESOLUTIONS: [f64; 7] = [480.0, 768.0, 960.0, 1_536.0, 1_920.0, 3_840.0, 15_360.0];

/// Ticks of a bar in common time.
const COMMON_BAR: f64 = PPQ as f64 * 4.0;

/// What a host's rounding may come to, in ticks: a mark of the coarsest of these. No jump is as small.
const COARSEST: f64 = PPQ as f64 / RESOLUTIONS[0];

/// A tune laid flat for the audio thread.
#[derive(Clone, Debug)]
pub struct Schedule {
    notes: Vec<ScheduledNote>,
    /// A metronome's: the tick of each, and whether it is a bar's first.
    strokes: Vec<(u32, bool)>,
    tempos: Vec<(u32, f64)>,
    origin: u32,
    bar: u32,
    round: u32,
    tonic: u8,
    compound: bool,
    /// Ticks of a beat in the tune's first metre.
    beat: u32,
    /// The tick of the whole tune at which this part of it begins.
    from: u32,
    /// What the maker calls it; not used here.
    pub tag: u64,
}

/// A note of a [`Schedule`], in tune ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScheduledNote {
    /// When it starts.
    pub start: u32,
    /// When its written length is over; later than `start`.
    pub end: u32,
    /// MIDI key as written, 0 to 127.
    pub key: u8,
    /// MIDI velocity as performed, 1 to 127.
    pub velocity: u8,
    /// MIDI channel, 0 to 15.
    pub channel: u8,
    /// Belongs to the accompaniment.
    pub chord: bool,
}

impl Schedule {
    /// Lays `performance` flat. `tonic` is the pitch class of the tune's key note (0 is C).
    pub fn new(performance: &Performance, tonic: u8, tag: u64) -> Self {
        let mut notes: Vec<_> = performance
            .notes
            .iter()
            .map(|note| ScheduledNote {
                start: note.start,
                end: note.start.saturating_add(note.duration.max(1)),
                key: note.key.min(127),
                velocity: note.velocity.clamp(1, 127),
                channel: note.channel.min(15),
                chord: note.accompaniment,
            })
            .collect();
        notes.sort_by_key(|note| note.start);
        let (numerator, denominator) =
            performance.metres.first().map_or((4, 4), |metre| (metre.numerator, metre.denominator));
        let bar = u64::from(PPQ.saturating_mul(4))
            .saturating_mul(u64::from(numerator))
            .checked_div(u64::from(denominator))
            .unwrap_or_default()
            .clamp(1, u64::from(PPQ.saturating_mul(64))) as u32;
        let end = notes.iter().map(|note| note.end).chain([performance.end, 1]).max().unwrap_or(1);
        // A first bar that is shorter than the metre is a pick-up: bar 1 is the one after it.
        let origin = match performance.bars.as_slice() {
            [first, second, ..] if first.start == 0 && second.start < bar => second.start,
            _ => 0,
        };
        Self {
            notes,
            strokes: Vec::new(),
            tempos: performance
                .tempos
                .iter()
                .filter(|tempo| tempo.microseconds_per_quarter > 0)
                .map(|tempo| {
                    let quarters_per_minute = 60e6 / f64::from(tempo.microseconds_per_quarter);
                    (tempo.start, quarters_per_minute.clamp(5.0, 1000.0))
                })
                .collect(),
            origin,
            bar,
            round: end.div_ceil(bar).saturating_mul(bar),
            tonic: tonic % 12,
            compound: denominator == 8 && numerator.is_multiple_of(3),
            beat: beat(numerator.into(), denominator.into()),
            from: 0,
            tag,
        }
    }

    /// Says that it is a part of a longer tune, from this tick on: places are told and asked for in the longer one's ticks.
    pub fn from_tick(mut self, from: u32) -> Self {
        self.from = from;
        self
    }

    /// Adds a metronome's strokes on `beats`, in order: the tick of each, and whether it is a bar's first. They sound
    /// where [`Settings::metronome`] says so.
    pub fn with_metronome(mut self, beats: impl IntoIterator<Item = (u32, bool)>) -> Self {
        self.strokes = beats.into_iter().take(STROKES).collect();
        self
    }

    /// Its notes by start.
    pub fn notes(&self) -> &[ScheduledNote] {
        &self.notes
    }

    /// Ticks from one round to the next: the tune's length up to a whole number of its bars, so that bar
    /// 1 comes to a bar line again.
    pub fn round(&self) -> u32 {
        self.round
    }

    /// Ticks from the tune's start to its bar 1: the length of the pick-up.
    pub fn origin(&self) -> u32 {
        self.origin
    }

    /// Ticks of a bar in the tune's first metre.
    pub fn bar(&self) -> u32 {
        self.bar
    }

    /// The tempo at a tune tick, in quarter notes a minute, and the tick at which it next changes.
    fn tempo(&self, tick: f64) -> (f64, f64) {
        let mut tempo = DEFAULT_TEMPO;
        for &(start, next) in &self.tempos {
            if f64::from(start) > tick && start > 0 {
                return (tempo, f64::from(start));
            }
            tempo = next;
        }
        (tempo, f64::INFINITY)
    }

    /// How much later swing makes a tune tick, in ticks. Grows and falls so that order is kept.
    fn swing(&self, tick: f64, swing: f64) -> f64 {
        if self.compound || swing <= 0.5 {
            return 0.0;
        }
        let place = (tick - f64::from(self.origin)).rem_euclid(SWING_PAIR);
        let (half, swung) = (SWING_PAIR / 2.0, SWING_PAIR * swing.min(0.9));
        let moved = if place < half {
            place * swung / half
        } else {
            swung + (place - half) * (SWING_PAIR - swung) / half
        };
        moved - place
    }
}

/// Ticks of a beat: three of the metre's unit where they go in threes.
pub fn beat(numerator: u32, denominator: u32) -> u32 {
    let unit = PPQ.saturating_mul(4).checked_div(denominator).unwrap_or(PPQ).max(1);
    match denominator == 8 && numerator > 3 && numerator.is_multiple_of(3) {
        true => unit.saturating_mul(3),
        false => unit,
    }
}

/// What makes the tune go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Play {
    /// The host's transport, round and round: bar 1 lies at the song's start. Without one, as `Free`.
    #[default]
    Loop,
    /// The host's transport, once, from the bar line where it was started. Without one, as `Free`.
    Once,
    /// Itself, round and round, at the tune's own tempo.
    Free,
    /// A held key, from the tune's start, transposed so that the tonic is that key; the host's tempo
    /// if it has one.
    Key,
}

/// How the tune is played. May change at any stretch; what sounds already is not touched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// What makes it go.
    pub play: Play,
    /// Semitones up.
    pub transpose: i32,
    /// Where the second of two quavers falls in the pair: 0.5 straight, 0.75 dotted.
    pub swing: f32,
    /// The part of its written length that a note sounds, above 0 up to 1.
    pub gate: f32,
    /// Factor on the velocity.
    pub velocity: f32,
    /// How far velocity strays from note to note, as a part of it, 0 to 1.
    pub velocity_variation: f32,
    /// How late a note may fall, at most, in seconds.
    pub timing_variation: f32,
    /// Whether the accompaniment sounds.
    pub chords: bool,
    /// The channel it goes out on, 0 to 15.
    pub chord_channel: u8,
    /// Rounds after which a successor takes over; 0 never.
    pub rounds: u32,
    /// Factor on the tune's own tempo, where no host gives one.
    pub speed: f32,
    /// Whether the metronome's strokes sound.
    pub metronome: bool,
}

impl Default for Settings {
    /// As written.
    fn default() -> Self {
        Self {
            play: Play::Loop,
            transpose: 0,
            swing: 0.5,
            gate: 1.0,
            velocity: 1.0,
            velocity_variation: 0.0,
            timing_variation: 0.0,
            chords: true,
            chord_channel: 1,
            rounds: 0,
            speed: 1.0,
            metronome: false,
        }
    }
}

/// Where the host's transport is at the first sample of a stretch. Beats are quarter notes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Clock {
    /// Whether it rolls.
    pub playing: bool,
    /// The place on the song's beat line.
    pub beats: Option<f64>,
    /// Quarter notes a minute.
    pub tempo: Option<f64>,
    /// The start of the bar that the place lies in, as the host tells it, and the distance from one bar line to the
    /// next. A start that does not hold the place is not believed: bars are counted from the song's start then.
    pub bar: Option<(f64, f64)>,
    /// The stretch of the song that is looped, if one is.
    pub cycle: Option<(f64, f64)>,
}

/// What the player has to say to an instrument.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// A note begins.
    On {
        /// MIDI channel, 0 to 15, or [`METRONOME`].
        channel: u8,
        /// MIDI key, 0 to 127.
        key: u8,
        /// 0 to 1.
        velocity: f32,
        /// The same in the note's end; no two sounding notes have the same.
        id: i32,
    },
    /// A note ends.
    Off {
        /// MIDI channel, 0 to 15.
        channel: u8,
        /// MIDI key, 0 to 127.
        key: u8,
        /// The beginning's id.
        id: i32,
    },
}

#[derive(Clone, Copy, Debug)]
struct Sounding {
    began: f64,
    off: f64,
    channel: u8,
    key: u8,
    id: i32,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    due: f64,
    off: f64,
    channel: u8,
    key: u8,
    velocity: f32,
}

/// What drives the song's line at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drive {
    Host,
    Own,
    Key(u8),
}

/// A part of a stretch in which time runs evenly: sample `first + n` lies at `start + n * rate`.
#[derive(Clone, Copy)]
struct Stretch {
    first: u32,
    end: u32,
    start: f64,
    rate: f64,
}

impl Stretch {
    /// The sample nearest to a song tick, kept inside.
    fn sample(&self, tick: f64) -> u32 {
        let nearest = ((tick - self.start) / self.rate).round();
        // `as` saturates, so a wild tick stays in range.
        self.first.saturating_add(nearest.max(0.0) as u32).min(self.end.saturating_sub(1))
    }

    /// The tick up to which its samples are the nearest.
    fn horizon(&self) -> f64 {
        self.start + (f64::from(self.end.saturating_sub(self.first)) - 0.5) * self.rate
    }
}

/// Plays a [`Schedule`].
#[derive(Debug)]
pub struct Player {
    sample_rate: f64,
    tune: Option<Box<Schedule>>,
    next: Option<Box<Schedule>>,
    successor: Option<Box<Schedule>>,
    /// The tune that its successors stem from, while one of them plays.
    first: Option<Box<Schedule>>,
    /// Boxed because they came so: they go out again without being touched.
    #[allow(clippy::vec_box)]
    retired: Vec<Box<Schedule>>,
    successions: u32,

    drive: Option<Drive>,
    /// Song tick up to which everything was played.
    played: f64,
    /// Song tick of the next stretch's first sample if the host goes on evenly.
    expected: f64,
    /// The same as the host will tell it, if it rounds nothing; and from there to `expected`.
    told: f64,
    lag: f64,
    /// The host's loop came round between the last stretch and the next.
    wrapped: bool,
    /// How far the host may stray from `expected` without having jumped, in ticks.
    slack: f64,
    bars: Bars,
    /// Song tick of the tune's bar 1 in its round 0.
    anchor: f64,
    place: Option<(u32, u32)>,
    /// Where it begins when it next runs on its own time, in tune ticks.
    cue: f64,
    tempo: f64,

    held: Vec<u8>,
    sounding: Vec<Sounding>,
    waiting: Vec<Waiting>,
    /// Index of the first note that the last stretch had not yet played. Where time goes on it is so still, and the others
    /// need not be looked at.
    cursor: usize,
    ids: i32,
}

impl Player {
    /// A player with nothing to play, for `sample_rate` in hertz.
    pub fn new(sample_rate: f32) -> Self {
        Self {
            sample_rate: f64::from(sample_rate).max(1.0),
            tune: None,
            next: None,
            successor: None,
            first: None,
            retired: Vec::with_capacity(RETIRED),
            successions: 0,
            drive: None,
            played: 0.0,
            expected: 0.0,
            told: 0.0,
            lag: 0.0,
            wrapped: false,
            slack: 0.0,
            bars: Bars::default(),
            anchor: 0.0,
            place: None,
            cue: 0.0,
            tempo: DEFAULT_TEMPO,
            held: Vec::with_capacity(128),
            sounding: Vec::with_capacity(POLYPHONY),
            waiting: Vec::with_capacity(WAITING),
            cursor: 0,
            ids: 0,
        }
    }

    /// Gives the player a tune that takes over at the next bar line, or at once if nothing plays. One that still
    /// waits for its bar line is put among those to be fetched and freed. Comes back where
    /// [`can_offer`](Self::can_offer) says so.
    pub fn offer(&mut self, schedule: Box<Schedule>) -> Option<Box<Schedule>> {
        if !self.can_offer() {
            return Some(schedule);
        }
        let older = self.next.replace(schedule);
        self.retire(older);
        None
    }

    /// Whether [`offer`](Self::offer) has a place.
    pub fn can_offer(&self) -> bool {
        self.next.is_none() || self.has_room()
    }

    /// Puts a schedule that nobody wants among those to be fetched and freed. Comes back if there is no
    /// place.
    pub fn discard(&mut self, schedule: Box<Schedule>) -> Option<Box<Schedule>> {
        if !self.has_room() {
            return Some(schedule);
        }
        self.retire(Some(schedule));
        None
    }

    /// Gives the player the tune that takes over after [`Settings::rounds`]. Comes back if there is one
    /// already.
    pub fn succeed(&mut self, schedule: Box<Schedule>) -> Option<Box<Schedule>> {
        if self.successor.is_some() {
            return Some(schedule);
        }
        self.successor = Some(schedule);
        None
    }

    /// The tag of the tune that the succession stems from: the present one's before any took over.
    pub fn base(&self) -> Option<u64> {
        self.first.as_ref().or(self.tune.as_ref()).map(|tune| tune.tag)
    }

    /// Whether [`discard`](Self::discard) has a place.
    pub fn can_discard(&self) -> bool {
        self.has_room()
    }

    /// Whether a tune waits to take over at a bar line.
    pub fn has_next(&self) -> bool {
        self.next.is_some()
    }

    /// Whether a tune waits to take over after the rounds.
    pub fn has_successor(&self) -> bool {
        self.successor.is_some()
    }

    /// How many successors have taken over since the first tune began.
    pub fn successions(&self) -> u32 {
        self.successions
    }

    /// Hands out a schedule that is no longer needed.
    pub fn take_retired(&mut self) -> Option<Box<Schedule>> {
        self.retired.pop()
    }

    /// The schedule that plays.
    pub fn tune(&self) -> Option<&Schedule> {
        self.tune.as_deref()
    }

    /// The tune tick that was reached and the number of rounds before; `None` if it does not play.
    pub fn place(&self) -> Option<(u32, u32)> {
        self.place
    }

    /// The tempo of the last stretch, in quarter notes a minute.
    pub fn tempo(&self) -> f64 {
        self.tempo
    }

    /// Whether a round that a successor should follow ends within the next `ticks`. Offline, the caller
    /// waits for the successor then.
    pub fn succession_within(&self, settings: &Settings, ticks: f64) -> bool {
        self.drive.is_some() && settings.rounds > 0 && {
            let handover = self.handover(settings, 0);
            handover.is_some_and(|(tick, _)| self.played + ticks >= tick)
        }
    }

    /// A key goes down, at the start of the next stretch.
    pub fn key_on(&mut self, key: u8) {
        self.held.retain(|&held| held != key);
        if self.held.len() < self.held.capacity() {
            self.held.push(key);
        }
    }

    /// A key comes up, at the start of the next stretch.
    pub fn key_off(&mut self, key: u8) {
        self.held.retain(|&held| held != key);
    }

    /// Every key comes up, at the start of the next stretch.
    pub fn all_keys_off(&mut self) {
        self.held.clear();
    }

    /// Ends every note at sample `at` and lets go of every key.
    pub fn panic(&mut self, at: u32, out: &mut impl FnMut(u32, Event)) {
        self.silence(at, out);
        self.held.clear();
    }

    /// Ends every note at sample `at` and forgets where it was; the next stretch starts afresh, with the
    /// first of a succession of tunes.
    pub fn stop(&mut self, at: u32, out: &mut impl FnMut(u32, Event)) {
        self.silence(at, out);
        self.restart();
        self.drive = None;
        self.place = None;
        self.anchor = 0.0;
    }

    /// Ends every note at sample `at` and stands still; where it runs on its own time, it next goes on from here.
    pub fn pause(&mut self, at: u32, out: &mut impl FnMut(u32, Event)) {
        if let (Some(Drive::Own), Some((tick, _))) = (self.drive, self.place) {
            self.stop(at, out);
            self.cue = self.within(tick);
        } else if self.drive.is_some() {
            self.stop(at, out);
        }
        // Nothing plays, so a tune that waits has no bar line to wait for.
        if self.next.is_some() {
            self.cue = 0.0;
            self.take_next(0.0);
        }
    }

    /// Samples until this round's end, on its own time.
    pub fn left_of_round(&self, settings: &Settings) -> Option<u32> {
        let tune = self.tune.as_deref().or(self.next.as_deref())?;
        let round = f64::from(tune.round);
        let tick = match self.drive {
            Some(_) => (self.expected - self.anchor + f64::from(tune.origin)).rem_euclid(round),
            None => self.cue,
        };
        let (own, _) = tune.tempo(tick);
        let rate = own * f64::from(settings.speed) * f64::from(PPQ) / 60.0 / self.sample_rate;
        Some(((round - tick) / rate).ceil() as u32)
    }

    /// A tick of the whole tune in the part that is played.
    fn within(&self, tick: u32) -> f64 {
        let Some(tune) = &self.tune else { return 0.0 };
        let tick = f64::from(tick.saturating_sub(tune.from));
        if tick < f64::from(tune.round) { tick } else { 0.0 }
    }

    /// Samples from one beat to the next on its own time, and beats to a bar; `None` without a tune.
    pub fn count_in(&self, settings: &Settings) -> Option<(f64, u32)> {
        let tune = self.tune.as_deref().or(self.next.as_deref())?;
        let (own, _) = tune.tempo(self.cue);
        let rate = own * f64::from(settings.speed) * f64::from(PPQ) / 60.0 / self.sample_rate;
        let beats = tune.bar.checked_div(tune.beat).unwrap_or(1).max(1);
        Some((f64::from(tune.beat) / rate, beats))
    }

    /// Goes to a tune tick at sample `at`, where the player runs on its own time; where it stands still, it will begin
    /// there.
    pub fn seek(&mut self, tick: u32, at: u32, out: &mut impl FnMut(u32, Event)) {
        if self.drive.is_none() {
            self.cue = self.within(tick);
        } else if matches!(self.drive, Some(Drive::Own | Drive::Key(_))) {
            self.silence(at, out);
            let tick = self.within(tick);
            let Some(tune) = &self.tune else { return };
            self.expected = self.anchor - f64::from(tune.origin) + tick;
            self.played = self.expected;
            self.place = self.locate(self.expected);
        }
    }

    /// Plays samples `at` of a block. `clock` tells the host's time at the first of them. `out` is
    /// called with events and their samples, in order; a note's end comes before a beginning at the
    /// same sample.
    pub fn play(
        &mut self,
        at: Range<u32>,
        clock: &Clock,
        settings: &Settings,
        out: &mut impl FnMut(u32, Event),
    ) {
        if at.is_empty() {
            return;
        }
        let beats = clock.beats.filter(|beats| beats.is_finite());
        let tempo = clock
            .tempo
            .filter(|tempo| tempo.is_finite() && *tempo > 0.0)
            .map(|tempo| tempo.clamp(0.1, 100_000.0));
        let drive = match (settings.play, beats, tempo) {
            (Play::Loop | Play::Once, Some(_), Some(_)) => clock.playing.then_some(Drive::Host),
            (Play::Key, ..) => self.held.last().map(|&key| Drive::Key(key)),
            _ => Some(Drive::Own),
        };
        let starts = drive != self.drive;
        if starts {
            self.stop(at.start, out);
        }
        let Some(drive) = drive else {
            self.take_next(0.0);
            return;
        };
        if starts {
            // Nothing played, so a tune that waits has no bar line to wait for.
            self.take_next(0.0);
            self.drive = Some(drive);
        } else if self.tune.is_none() {
            self.take_next(0.0);
        }
        match drive {
            Drive::Host => {
                let (beats, tempo) = (beats.unwrap_or(0.0), tempo.unwrap_or(DEFAULT_TEMPO));
                self.follow(at, beats, tempo, clock, settings, starts, out);
            }
            Drive::Own => self.run(at, None, settings, starts, out),
            Drive::Key(_) => self.run(at, tempo, settings, starts, out),
        }
        self.place = self.locate(self.expected);
    }

    /// One stretch along the host's beat line.
    #[allow(clippy::too_many_arguments)]
    fn follow(
        &mut self,
        at: Range<u32>,
        beats: f64,
        tempo: f64,
        clock: &Clock,
        settings: &Settings,
        starts: bool,
        out: &mut impl FnMut(u32, Event),
    ) {
        let ticks = f64::from(PPQ);
        let rate = tempo * ticks / 60.0 / self.sample_rate;
        self.tempo = tempo;
        let cycle = clock
            .cycle
            .map(|(from, to)| (from * ticks, to * ticks))
            // A loop of less than two samples can't be played.
            .filter(|(from, to)| from.is_finite() && to.is_finite() && to - from > 2.0 * rate);

        let mut told = beats * ticks;
        let near = COARSEST + 2.0 * rate;
        let mut jumped =
            starts || (told - self.expected).abs() > self.slack.max(COARSEST) + 2.0 * rate;
        let mut wrapped = std::mem::take(&mut self.wrapped);
        if let Some((from, to)) = cycle.filter(|_| jumped && !starts) {
            // The loop came round so near to this sample that rounding decides on which side of it the host tells its place.
            let round = to - from;
            if (told + round - self.expected).abs() <= near && self.expected > to - near {
                self.expected = (self.expected - round).max(from);
                (jumped, wrapped) = (false, true);
            } else if (told - round - self.expected).abs() <= near && self.expected < from + near {
                told -= round;
                jumped = false;
            }
        }
        let bar = self.bars.follow(clock.bar, beats * ticks, !jumped && !wrapped);
        let mut start = if jumped { told } else { self.steadied(told) };
        self.lag = start - told;
        if jumped || wrapped {
            self.silence(at.start, out);
            // The nearest sample to a note that lies up to half a sample back is this one.
            self.played = start - rate / 2.0;
            if let Some((from, to)) = cycle
                && (!jumped || (start - from).abs() < rate)
            {
                // The host's loop came round between two samples: what lies at its beginning is due.
                self.played = self.played.min(from);
                self.come_round(bar, (from, to), settings);
            }
        }
        if starts {
            self.anchor = match settings.play {
                Play::Once => bar_line_from(bar, self.played),
                _ => 0.0,
            };
        }
        let mut first = at.start;
        while first < at.end {
            let mut stretch = Stretch { first, end: at.end, start, rate };
            let mut limit = stretch.horizon();
            let wrap = cycle.filter(|&(_, to)| {
                start < to
                    && start + f64::from(at.end.saturating_sub(first)) * rate > to + rate * 1e-6
            });
            if let Some((_, to)) = wrap {
                let samples = ((to - start) / rate - 1e-6).ceil().max(1.0);
                stretch.end = first.saturating_add(samples as u32).min(at.end);
                limit = stretch.horizon().min(to - rate * 1e-6);
            }
            self.stretch(stretch, limit, bar, settings, out);
            start += f64::from(stretch.end.saturating_sub(first)) * rate;
            first = stretch.end;
            if let Some((from, to)) = wrap {
                start = from + (start - to).max(0.0);
                if first < at.end {
                    self.silence(first, out);
                    self.played = from;
                    self.come_round(bar, (from, to), settings);
                } else {
                    self.wrapped = true;
                }
            }
        }
        self.expected = start;
        self.told = start - self.lag;
        self.slack = 0.1 * rate * f64::from(at.end.saturating_sub(at.start));
    }

    /// Where a host is that goes on evenly and says that it is at `told`. One that rounds is followed no further than
    /// its rounding goes, so that notes keep their distances.
    fn steadied(&self, told: f64) -> f64 {
        // It says what could be reckoned from what it said before. So does the framework in the later pieces of a block.
        if (told - self.told).abs() < 1e-5 {
            return told + self.lag;
        }
        let rounding = rounding(told / f64::from(PPQ)) * f64::from(PPQ);
        self.expected.max(told - rounding).min(told + rounding)
    }

    /// The host's loop came round. A tune to be played once that waits for a bar line at the loop's end or beyond begins
    /// at the loop's first bar line instead, or with the loop if it has none: it would never begin.
    fn come_round(&mut self, bar: (f64, f64), (from, to): (f64, f64), settings: &Settings) {
        if settings.play == Play::Once && self.anchor >= to - COARSEST {
            let line = bar_line_from(bar, from - COARSEST).max(from);
            self.anchor = if line < to - COARSEST { line } else { from };
        }
    }

    /// One stretch on the player's own line, at `tempo` or the tune's own.
    fn run(
        &mut self,
        at: Range<u32>,
        tempo: Option<f64>,
        settings: &Settings,
        starts: bool,
        out: &mut impl FnMut(u32, Event),
    ) {
        if starts {
            let Some(tune) = &self.tune else { return };
            self.anchor = f64::from(tune.origin);
            // A key always begins with the tune's beginning.
            let cue = std::mem::take(&mut self.cue);
            let cue = if self.drive == Some(Drive::Own) { cue } else { 0.0 };
            self.expected = cue.min(f64::from(tune.round));
            self.played = self.expected - if cue > 0.0 { 0.0 } else { 1.0 };
        }
        let mut first = at.start;
        let mut start = self.expected;
        while first < at.end {
            let Some(tune) = &self.tune else { return };
            let base = self.anchor - f64::from(tune.origin);
            let tick = (start - base).rem_euclid(f64::from(tune.round));
            let (own, change) = tune.tempo(tick);
            let quarters = tempo.unwrap_or(own * f64::from(settings.speed.clamp(0.05, 20.0)));
            self.tempo = quarters;
            let rate = quarters * f64::from(PPQ) / 60.0 / self.sample_rate;
            let mut end = at.end;
            if tempo.is_none() {
                let to_change = change.min(f64::from(tune.round)) - tick;
                let samples = (to_change / rate).ceil().max(1.0);
                end = first.saturating_add(samples as u32).min(at.end);
            }
            let bar = (self.anchor, f64::from(tune.bar));
            let stretch = Stretch { first, end, start, rate };
            self.stretch(stretch, stretch.horizon(), bar, settings, out);
            start += f64::from(end.saturating_sub(first)) * rate;
            first = end;
        }
        self.expected = start;
    }

    /// Plays everything from `played` up to `limit`, both song ticks, with the hand-overs in between.
    fn stretch(
        &mut self,
        stretch: Stretch,
        limit: f64,
        bar: (f64, f64),
        settings: &Settings,
        out: &mut impl FnMut(u32, Event),
    ) {
        // At most one hand-over of each kind falls in a stretch: each needs a schedule of its own.
        for _ in 0..3 {
            let line = (self.next.is_some() && self.has_room())
                .then(|| bar_line_from(bar, self.played))
                .filter(|&line| line < limit);
            let handover = (self.successor.is_some() && self.has_room())
                .then(|| self.handover(settings, self.successor_origin()))
                .flatten()
                .filter(|&(tick, _)| tick < limit);
            match (line, handover) {
                (Some(line), handover) if handover.is_none_or(|(tick, _)| line <= tick) => {
                    self.notes_until(line, &stretch, settings, out);
                    self.silence(stretch.sample(line), out);
                    self.take_next(line);
                    self.played = line;
                }
                (_, Some((tick, anchor))) => {
                    self.notes_until(tick, &stretch, settings, out);
                    self.silence(stretch.sample(tick), out);
                    self.take_successor(anchor);
                    self.played = self.played.max(tick);
                }
                _ => break,
            }
        }
        self.notes_until(limit, &stretch, settings, out);
        self.played = self.played.max(limit);
    }

    /// Plays the present tune's notes from `played` up to `limit`.
    fn notes_until(
        &mut self,
        limit: f64,
        stretch: &Stretch,
        settings: &Settings,
        out: &mut impl FnMut(u32, Event),
    ) {
        // Taken out so that notes can be read while the player changes; put back below.
        let Some(tune) = self.tune.take() else { return };
        if !tune.notes.is_empty() && limit > self.played {
            let base = self.anchor - f64::from(tune.origin);
            let round = f64::from(tune.round);
            let (mut k, last) = match settings.play {
                Play::Once if self.drive == Some(Drive::Host) => (0.0, 0.0),
                _ => (((self.played - base) / round).floor(), ((limit - base) / round).floor()),
            };
            while k <= last {
                let offset = base + k * round;
                let from = (self.played - offset).max(0.0);
                let first = self.first_from(&tune.notes, from);
                self.cursor = first;
                let mut struck = match settings.metronome {
                    true => tune.strokes.partition_point(|&(tick, _)| f64::from(tick) < from),
                    false => usize::MAX,
                };
                for (index, note) in tune.notes.iter().enumerate().skip(first) {
                    let tick = offset + f64::from(note.start);
                    if tick >= limit {
                        break;
                    }
                    self.cursor = index.saturating_add(1);
                    if note.chord && !settings.chords {
                        continue;
                    }
                    self.strike_until(tick, &mut struck, offset, &tune, stretch, settings, out);
                    self.flush(tick, stretch, out);
                    self.await_note(note, index as u64, k, offset, &tune, stretch, settings, out);
                }
                let end = limit.min(offset + round);
                self.strike_until(end, &mut struck, offset, &tune, stretch, settings, out);
                k += 1.0;
            }
        }
        self.tune = Some(tune);
        self.flush(limit, stretch, out);
    }

    /// Index of the first note that starts at tune tick `from` or later.
    fn first_from(&self, notes: &[ScheduledNote], from: f64) -> usize {
        let before =
            |index: usize| notes.get(index).is_some_and(|note| f64::from(note.start) < from);
        let last_before = self.cursor.checked_sub(1).is_none_or(before);
        match self.cursor <= notes.len() && last_before && !before(self.cursor) {
            true => self.cursor,
            false => notes.partition_point(|note| f64::from(note.start) < from),
        }
    }

    /// Says the metronome's strokes before `limit`, a song tick, from the `struck`th on.
    #[allow(clippy::too_many_arguments)]
    fn strike_until(
        &mut self,
        limit: f64,
        struck: &mut usize,
        offset: f64,
        tune: &Schedule,
        stretch: &Stretch,
        settings: &Settings,
        out: &mut impl FnMut(u32, Event),
    ) {
        while let Some(&(tick, first)) = tune.strokes.get(*struck) {
            let due = offset + f64::from(tick);
            if due >= limit {
                return;
            }
            *struck = struck.saturating_add(1);
            if settings.metronome {
                self.flush(due, stretch, out);
                let velocity = if first { 1.0 } else { 0.6 };
                let stroke = Event::On { channel: METRONOME, key: 0, velocity, id: 0 };
                out(stretch.sample(due), stroke);
            }
        }
    }

    /// Puts a note whose written onset has come among those that wait for their real one.
    #[allow(clippy::too_many_arguments)]
    fn await_note(
        &mut self,
        note: &ScheduledNote,
        index: u64,
        round: f64,
        offset: f64,
        tune: &Schedule,
        stretch: &Stretch,
        settings: &Settings,
        out: &mut impl FnMut(u32, Event),
    ) {
        let (chance, late) = chances(index, round as i64 as u64);
        let swing = f64::from(settings.swing);
        let begin = f64::from(note.start) + tune.swing(f64::from(note.start), swing);
        let end = f64::from(note.end) + tune.swing(f64::from(note.end), swing);
        let per_second = stretch.rate * self.sample_rate;
        let delay = late * f64::from(settings.timing_variation.clamp(0.0, 1.0)) * per_second;
        let due = offset + begin + delay;
        let length = (end - begin) * f64::from(settings.gate.clamp(0.01, 1.0));
        let shift = match self.drive {
            Some(Drive::Key(key)) => {
                i32::from(key).wrapping_sub(60).wrapping_sub(i32::from(tune.tonic))
            }
            _ => 0,
        };
        let strays = 1.0 + f64::from(settings.velocity_variation) * (2.0 * chance - 1.0);
        let velocity = f64::from(note.velocity) / 127.0 * f64::from(settings.velocity) * strays;
        if self.waiting.len() >= WAITING {
            self.begin_earliest(stretch, out);
        }
        self.waiting.push(Waiting {
            due,
            // At least a sample, so that the end is never before the beginning.
            off: due + length.max(stretch.rate),
            // Percussion has a channel of its own, which no setting moves.
            channel: if note.chord && note.channel != PERCUSSION {
                settings.chord_channel.min(15)
            } else {
                note.channel
            },
            key: if note.channel == PERCUSSION {
                note.key
            } else {
                fold(
                    i32::from(note.key)
                        .wrapping_add(settings.transpose.clamp(-127, 127))
                        .wrapping_add(shift),
                )
            },
            velocity: (velocity as f32).clamp(1.0 / 127.0, 1.0),
        });
    }

    /// Says what is due before `limit`, in order.
    fn flush(&mut self, limit: f64, stretch: &Stretch, out: &mut impl FnMut(u32, Event)) {
        loop {
            let off = earliest(self.sounding.iter().map(|note| note.off));
            let on = earliest(self.waiting.iter().map(|note| note.due));
            match (off, on) {
                // An end goes before a beginning at the same time.
                (Some((index, off)), on) if off < limit && on.is_none_or(|(_, on)| off <= on) => {
                    if index < self.sounding.len() {
                        let note = self.sounding.swap_remove(index);
                        out(stretch.sample(note.off), note.end());
                    }
                }
                (_, Some((_, on))) if on < limit => self.begin_earliest(stretch, out),
                _ => break,
            }
        }
    }

    /// Begins the waiting note that is due first.
    fn begin_earliest(&mut self, stretch: &Stretch, out: &mut impl FnMut(u32, Event)) {
        let Some((index, _)) = earliest(self.waiting.iter().map(|note| note.due)) else {
            return;
        };
        if index >= self.waiting.len() {
            return;
        }
        let note = self.waiting.swap_remove(index);
        let sample = stretch.sample(note.due);
        let same =
            |sounding: &Sounding| (sounding.channel, sounding.key) == (note.channel, note.key);
        if let Some(index) = self.sounding.iter().position(same) {
            if let Some(sounding) = self.sounding.get_mut(index)
                && (note.due - sounding.began).abs() < stretch.rate / 2.0
            {
                // Two voices in unison are one note on one key.
                sounding.off = sounding.off.max(note.off);
                return;
            }
            let sounding = self.sounding.swap_remove(index);
            out(sample, sounding.end());
        }
        if self.sounding.len() >= POLYPHONY
            && let Some((index, _)) = earliest(self.sounding.iter().map(|note| note.off))
            && index < self.sounding.len()
        {
            let sounding = self.sounding.swap_remove(index);
            out(sample, sounding.end());
        }
        self.ids = self.ids.wrapping_add(1) & i32::MAX;
        self.sounding.push(Sounding {
            began: note.due,
            off: note.off,
            channel: note.channel,
            key: note.key,
            id: self.ids,
        });
        out(
            sample,
            Event::On {
                channel: note.channel,
                key: note.key,
                velocity: note.velocity,
                id: self.ids,
            },
        );
    }

    /// Ends what sounds at sample `at` and drops what waits.
    fn silence(&mut self, at: u32, out: &mut impl FnMut(u32, Event)) {
        self.waiting.clear();
        for note in self.sounding.drain(..) {
            out(at, note.end());
        }
    }

    /// Whether a hand-over, which may set three schedules free, has a place for them.
    fn has_room(&self) -> bool {
        self.retired.len().saturating_add(3) <= RETIRED
    }

    fn retire(&mut self, schedule: Option<Box<Schedule>>) {
        if let Some(schedule) = schedule
            && self.retired.len() < RETIRED
        {
            self.retired.push(schedule);
        }
    }

    /// The offered tune takes over with its bar 1 at song tick `anchor`.
    fn take_next(&mut self, anchor: f64) {
        if self.next.is_none() || !self.has_room() {
            return;
        }
        let old = std::mem::replace(&mut self.tune, self.next.take());
        self.retire(old);
        let first = self.first.take();
        self.retire(first);
        let successor = self.successor.take();
        self.retire(successor);
        self.successions = 0;
        self.anchor = match (self.drive, &self.tune) {
            (None | Some(Drive::Host), _) | (_, None) => anchor,
            // On its own line nothing lies before the tune: its pick-up is played.
            (Some(_), Some(tune)) => anchor + f64::from(tune.origin),
        };
    }

    /// The successor takes over with its bar 1 at song tick `anchor`.
    fn take_successor(&mut self, anchor: f64) {
        self.anchor = anchor;
        let old = std::mem::replace(&mut self.tune, self.successor.take());
        if self.first.is_none() {
            self.first = old;
        } else {
            self.retire(old);
        }
        self.successions = self.successions.saturating_add(1);
    }

    /// Back to the first of a succession of tunes, so that playing again plays the same.
    fn restart(&mut self) {
        if self.successions > 0 && self.has_room() {
            let guest = std::mem::replace(&mut self.tune, self.first.take());
            self.retire(guest);
            let successor = self.successor.take();
            self.retire(successor);
            self.successions = 0;
        }
    }

    fn successor_origin(&self) -> u32 {
        self.successor.as_ref().map_or(0, |tune| tune.origin)
    }

    /// The song tick where a successor with a pick-up of `origin` ticks takes over, and the one where
    /// its bar 1 lies: where the last round ends, or the present one if that is long past.
    fn handover(&self, settings: &Settings, origin: u32) -> Option<(f64, f64)> {
        let tune = self.tune.as_ref().filter(|_| settings.rounds > 0)?;
        let pick_up = f64::from(tune.origin.max(origin));
        let round = f64::from(tune.round);
        let present = ((self.played + pick_up - self.anchor) / round).ceil();
        let anchor = self.anchor + present.max(f64::from(settings.rounds)) * round;
        Some((anchor - pick_up, anchor))
    }

    fn locate(&self, song: f64) -> Option<(u32, u32)> {
        let tune = self.tune.as_ref()?;
        let along = song - self.anchor + f64::from(tune.origin);
        let round = (along / f64::from(tune.round)).floor();
        if self.drive == Some(Drive::Host) && along < 0.0 {
            return None;
        }
        let tick = along - round * f64::from(tune.round);
        Some(((tick as u32).saturating_add(tune.from), round.max(0.0) as u32))
    }
}

impl Sounding {
    fn end(&self) -> Event {
        Event::Off { channel: self.channel, key: self.key, id: self.id }
    }
}

/// The index and value of the least.
fn earliest(times: impl Iterator<Item = f64>) -> Option<(usize, f64)> {
    times.enumerate().min_by(|(_, a), (_, b)| a.total_cmp(b))
}

/// How far from its real place a host may be that says it is at `beats`, in quarter notes: a mark of the coarsest usual
/// resolution that has one there, or what a float of 32 bits can't hold.
fn rounding(beats: f64) -> f64 {
    let marks = |marks: &f64| {
        let place = beats * marks;
        (place - place.round()).abs() < 1e-3
    };
    let single = match f64::from(beats as f32) == beats {
        true => beats.abs() * f64::from(f32::EPSILON),
        false => 0.0,
    };
    RESOLUTIONS.into_iter().find(marks).map_or(0.0, |marks| 1.0 / marks).max(single)
}

/// The host's bar lines, as far as they can be believed.
#[derive(Debug)]
struct Bars {
    /// One of them, and the distance from one to the next, in song ticks.
    line: f64,
    length: f64,
    /// What the host told last.
    told: f64,
    /// The host told a bar's start that did not hold its place: Ardour counts four quarters a bar in every metre.
    misled: bool,
    /// The host told lines that lie elsewhere than counting puts them, and a bar apart: its metre changed before.
    proven: bool,
}

impl Default for Bars {
    /// Common time from the song's start.
    fn default() -> Self {
        Self { line: 0.0, length: COMMON_BAR, told: 0.0, misled: false, proven: false }
    }
}

impl Bars {
    /// A bar line and the distance from one to the next, where the host tells `bar` in quarter notes at song tick
    /// `place`. `goes_on`: it goes straight on from what it told last.
    fn follow(&mut self, bar: Option<(f64, f64)>, place: f64, goes_on: bool) -> (f64, f64) {
        let ticks = f64::from(PPQ);
        let usable = |(start, length): &(f64, f64)| {
            start.is_finite() && length.is_finite() && (1e-3..1e6).contains(length)
        };
        let Some((start, length)) = bar.filter(usable).map(|(s, l)| (s * ticks, l * ticks)) else {
            return (0.0, COMMON_BAR);
        };
        let apart = |line: f64, other: f64, length: f64| {
            let bars = (line - other) / length;
            (bars - bars.round()).abs() * length
        };
        let counted = (place / length).floor() * length;
        let goes_on = goes_on && self.length == length;
        let counts = apart(start, counted, length) < 1e-3;
        if !(start - COARSEST..=start + length + COARSEST).contains(&place) {
            self.misled = true;
        }
        if goes_on && !counts && (start - self.told - length).abs() < 1e-3 {
            self.proven = true;
        }
        let four_a_bar = apart(start, 0.0, COMMON_BAR) < 1e-3;
        if self.misled || (four_a_bar && !counts && !self.proven) {
            self.line = counted;
        } else if !(goes_on && counts) {
            self.line = start;
        }
        // Where it goes on and counts, it is as well the framework, which in the later pieces of a block has lost what the
        // host told: the line that was told stands.
        (self.told, self.length) = (start, length);
        (self.line, self.length)
    }
}

/// The first bar line at or after `tick`; `bar` is one bar line and the distance between them.
fn bar_line_from((line, length): (f64, f64), tick: f64) -> f64 {
    line + ((tick - line) / length).ceil() * length
}

/// A key brought into MIDI's range by octaves.
fn fold(mut key: i32) -> u8 {
    while key < 0 {
        key = key.saturating_add(12);
    }
    while key > 127 {
        key = key.saturating_sub(12);
    }
    key as u8
}

/// Two numbers from 0 to 1 that look random and are the same for the same note and round
/// (SplitMix64, Steele, Lea and Flood 2014).
fn chances(note: u64, round: u64) -> (f64, f64) {
    let mut state = note
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(round.wrapping_mul(0xd1b5_4a32_d192_ed03));
    let mut draw = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    };
    (draw(), draw())
}
