//! Interface: Tunes in a CLAP host through random transports: each note on its sample, none left on.
//!
//! A model of the host knows where each note should begin and end: it rolls along the song's beats and lays the
//! performed tune on them. What the plug-in sends is compared with it note by note.
#![cfg(feature = "plugin")]

use std::collections::HashMap;

use clack_host::events::event_types::{NoteOffEvent, NoteOnEvent};
use clack_host::prelude::*;
use earworm_abc::{self as abc, PPQ, PerformOptions, Performance};
use earworm_playback::Schedule;
use host::{BarStart, Rack, Rounding, TUNES, Transport, set_event};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// What was heard, by channel and key: each beginning, its end, and whether it was expected.
type Heard = HashMap<(u16, u16), Vec<(f64, f64, bool)>>;

/// How far from its ideal place a note may fall, in samples.
const TOLERANCE: f64 = 1.0;

/// Semitones of the key notes that tunes are made in, from C.
const TONICS: [(&str, i32); 5] = [("C", 0), ("D", 2), ("G", 7), ("A", 9), ("Bb", 10)];

/// What makes the tune go; the indices of the parameter Play.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Play {
    Loop,
    Once,
    Free,
    Key,
}

/// A tune and how it lies.
#[derive(Clone)]
struct Tune {
    abc: String,
    performance: Performance,
    tonic: i32,
    /// Quarter notes of a round, of the pick-up, and a minute.
    round: f64,
    pick_up: f64,
    tempo: f64,
}

fn quarters(ticks: u32) -> f64 {
    f64::from(ticks) / f64::from(PPQ)
}

impl Tune {
    /// Random notes in random lengths, some together, some under chord symbols, some after a pick-up.
    fn random(random: &mut SmallRng) -> Self {
        loop {
            let tune = Self::scribbled(random);
            // A tune of rests alone is none, and would be refused.
            if !tune.performance.notes.is_empty() {
                return tune;
            }
        }
    }

    fn scribbled(random: &mut SmallRng) -> Self {
        let (key, tonic) = TONICS[random.random_range(0..TONICS.len())];
        let (metre, bar) =
            [("4/4", 8), ("3/4", 6), ("6/8", 6), ("9/8", 9), ("2/4", 4)][random.random_range(0..5)];
        let tempo = random.random_range(40..240);
        let mut abc = format!("X:1\nT:Random\nM:{metre}\nL:1/8\nQ:1/4={tempo}\nK:{key}\n");
        if random.random_bool(0.3) {
            abc.push_str("e|");
        }
        for _ in 0..random.random_range(1..=6) {
            let mut left: u32 = bar;
            while left > 0 {
                let length = random.random_range(1..=left.min(4));
                if random.random_bool(0.1) {
                    abc.push_str(["\"D\"", "\"Em\"", "\"A7\""][random.random_range(0..3)]);
                }
                let note = |random: &mut SmallRng| {
                    char::from(b"CDEFGABcdefgab"[random.random_range(0..14)])
                };
                match random.random_range(0..10) {
                    0 => abc.push('z'),
                    1 => {
                        let first = note(random);
                        abc.extend(['[', first]);
                        abc.push_str("d']");
                    }
                    _ => abc.push(note(random)),
                }
                abc.push_str(&length.to_string());
                left -= length;
            }
            abc.push('|');
        }
        abc.push('\n');
        Self::read(abc, tonic)
    }

    fn read(abc: String, tonic: i32) -> Self {
        let book = abc::read(&abc);
        let performance = abc::perform(&book.tunes[0], &PerformOptions::default());
        let laid = Schedule::new(&performance, tonic as u8, 0);
        let tempo = 60e6 / f64::from(performance.tempos[0].microseconds_per_quarter);
        Self {
            round: quarters(laid.round()),
            pick_up: quarters(laid.origin()),
            tempo,
            tonic,
            performance,
            abc,
        }
    }
}

/// A note as it should be, in samples.
#[derive(Clone, Copy, Debug)]
struct Ideal {
    on: f64,
    off: f64,
    /// How far it may fall from there, in samples.
    tolerance: f64,
    channel: u16,
    key: u16,
}

impl Ideal {
    /// Ends at a sample. What a host rounds is more samples the slower it plays by then.
    fn end(&mut self, sample: f64, tolerance: f64) {
        self.off = sample;
        self.tolerance = self.tolerance.max(tolerance);
    }
}

/// What the host knows.
struct Model {
    sample_rate: f64,
    sample: f64,
    transport: Transport,
    play: Play,
    tune: Tune,
    /// Takes over at the next bar line.
    next: Option<Tune>,
    /// Where on the song's line bar 1 of the tune lies, while it plays.
    anchor: Option<f64>,
    /// Up to where on that line notes have begun.
    played: f64,
    /// The place on the line of its own, where it does not follow the song.
    own: f64,
    held: Vec<i32>,
    transpose: i32,
    gate: f64,
    chords: bool,
    chord_channel: u16,
    bypassed: bool,
    ideal: Vec<Ideal>,
    /// Indices of those that sound, with the place on the line where they end.
    sounding: Vec<(usize, f64)>,
    /// Samples at which something was cut, and how far about them what lies there may fall to either side.
    cuts: Vec<(f64, f64)>,
}

impl Model {
    fn follows_song(&self) -> bool {
        matches!(self.play, Play::Loop | Play::Once)
    }

    /// How far from its ideal place a note may fall, in samples: one, and what the host rounds.
    fn tolerance(&self) -> f64 {
        let rate = self.transport.tempo / 60.0 / self.sample_rate;
        match self.follows_song() {
            true => TOLERANCE + self.transport.rounding.reach(self.transport.beats) / rate,
            false => TOLERANCE,
        }
    }

    /// What lies near here may fall to either side of what happens.
    fn blur(&mut self) {
        self.cuts.push((self.sample, self.tolerance()));
    }

    /// Everything that sounds ends here.
    fn cut(&mut self) {
        self.blur();
        let tolerance = self.tolerance();
        for (index, _) in self.sounding.drain(..) {
            self.ideal[index].end(self.sample, tolerance);
        }
    }

    /// It does not play from here on.
    fn stop(&mut self) {
        self.cut();
        self.anchor = None;
    }

    /// The host jumps.
    fn jump(&mut self, beats: f64) {
        self.transport.beats = beats;
        if self.follows_song() {
            self.cut();
            self.played = beats;
        }
    }

    /// Rolls on for so many samples, in which nothing else happens.
    fn roll(&mut self, frames: u32) {
        if frames == 0 {
            // Two acts on one sample: what the first brought never was.
            return;
        }
        let plays = !self.bypassed
            && match self.play {
                Play::Loop | Play::Once => self.transport.playing,
                Play::Free => true,
                Play::Key => !self.held.is_empty(),
            };
        if !plays && self.anchor.is_some() {
            self.stop();
        }
        if self.anchor.is_none()
            && let Some(next) = self.next.take()
        {
            self.tune = next;
        }
        if !plays {
            self.sample += f64::from(frames);
            self.transport.advance(frames as usize, self.sample_rate);
            return;
        }
        let song = self.follows_song();
        let tempo = if self.play == Play::Free { self.tune.tempo } else { self.transport.tempo };
        let rate = tempo / 60.0 / self.sample_rate;
        let mut beats = if song { self.transport.beats } else { self.own };
        if self.anchor.is_none() {
            if !song {
                beats = 0.0;
            }
            self.cut();
            self.played = beats;
            self.anchor = Some(match self.play {
                Play::Loop => 0.0,
                // The host may round its place to a bar line that it has just left.
                Play::Once => self.bar_line(self.transport.rounding.tell(beats) - rate / 2.0),
                Play::Free | Play::Key => self.tune.pick_up,
            });
        }
        let cycle = self.transport.cycle.filter(|_| song);
        let end = self.sample + f64::from(frames);
        while self.sample < end {
            let mut until = beats + (end - self.sample) * rate;
            let wraps = cycle.filter(|&(_, to)| beats < to && until > to);
            let mut horizon = until - rate / 2.0;
            if let Some((_, to)) = wraps {
                (until, horizon) = (to, to);
            }
            // What lies up to half a sample back has this sample as its nearest.
            let line = self.bar_line(beats - rate / 2.0);
            if self.next.is_some() && line < horizon {
                self.notes(beats, line, rate);
                self.sample += ((line - beats) / rate).max(0.0);
                self.cut();
                self.tune = self.next.take().unwrap();
                (self.anchor, self.played, beats) = (Some(line), line, beats.max(line));
                continue;
            }
            self.notes(beats, until, rate);
            self.sample = if wraps.is_some() { self.sample + (until - beats) / rate } else { end };
            beats = until;
            if let Some(cycle) = wraps {
                beats = self.come_round(cycle);
            }
        }
        if song {
            // The loop's end reached exactly: the host goes back.
            if let Some(cycle) = cycle
                && beats == cycle.1
            {
                beats = self.come_round(cycle);
            }
            self.transport.beats = beats;
        } else {
            self.own = beats;
            self.transport.advance(frames as usize, self.sample_rate);
        }
    }

    /// The loop comes round; what is to be played once from its end on is played from its first bar line on.
    fn come_round(&mut self, (from, to): (f64, f64)) -> f64 {
        self.cut();
        self.played = from;
        if self.play == Play::Once && self.anchor.is_some_and(|anchor| anchor >= to - 1e-6) {
            let line = self.bar_line(from);
            self.anchor = Some(if line < to - 1e-6 { line } else { from });
        }
        from
    }

    /// Whether a host that rounds might tell this place on the other side of a bar line.
    fn near_line(&self, beats: f64) -> bool {
        let reach = 2.0 * self.transport.rounding.reach(beats);
        let bars = beats / self.transport.bar();
        reach > 0.0 && (bars - bars.round()).abs() * self.transport.bar() < reach
    }

    fn bar_line(&self, beats: f64) -> f64 {
        (beats / self.transport.bar()).ceil() * self.transport.bar()
    }

    /// Begins and ends what lies on the line before `until`.
    fn notes(&mut self, beats: f64, until: f64, rate: f64) {
        let sample = self.sample;
        let at = |place: f64| sample + (place - beats) / rate;
        let base = self.anchor.unwrap() - self.tune.pick_up;
        let round = self.tune.round;
        let rounds = match self.play {
            Play::Once => 0..1,
            _ => {
                let first = ((self.played - base) / round).floor() as i64;
                first..((until - base) / round).floor() as i64 + 1
            }
        };
        let shift = match (self.play, self.held.last()) {
            (Play::Key, Some(key)) => key - 60 - self.tune.tonic,
            _ => 0,
        };
        let mut begin = Vec::new();
        for k in rounds {
            for note in &self.tune.performance.notes {
                let on = base + k as f64 * round + quarters(note.start);
                if on >= self.played && on < until && (self.chords || !note.accompaniment) {
                    let length = (quarters(note.duration) * self.gate).max(rate);
                    let channel = if note.accompaniment {
                        self.chord_channel
                    } else {
                        u16::from(note.channel)
                    };
                    let key = (i32::from(note.key) + self.transpose + shift) as u16;
                    begin.push((on, on + length, channel, key));
                }
            }
        }
        begin.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (on, off, channel, key) in begin {
            self.end_before(on, at);
            let same = self.sounding.iter().position(|&(index, _)| {
                (self.ideal[index].channel, self.ideal[index].key) == (channel, key)
            });
            if let Some(place) = same {
                let (index, sounds_until) = self.sounding[place];
                if (self.ideal[index].on - at(on)).abs() < 0.5 {
                    self.sounding[place].1 = sounds_until.max(off);
                    continue;
                }
                let tolerance = self.tolerance();
                self.ideal[index].end(at(on), tolerance);
                self.sounding.swap_remove(place);
            }
            self.sounding.push((self.ideal.len(), off));
            let tolerance = self.tolerance();
            self.ideal.push(Ideal { on: at(on), off: f64::INFINITY, tolerance, channel, key });
        }
        self.end_before(until, at);
        self.played = self.played.max(until);
    }

    fn end_before(&mut self, place: f64, at: impl Fn(f64) -> f64) {
        let tolerance = self.tolerance();
        let ideal = &mut self.ideal;
        self.sounding.retain(|&(index, off)| {
            if off <= place {
                ideal[index].end(at(off), tolerance);
            }
            off > place
        });
    }
}

/// What a host may do at a sample within a block.
#[derive(Clone, Copy, Debug)]
enum Act {
    Transpose(i32),
    Chords(bool),
    ChordChannel(u16),
    Bypass(bool),
    KeyOn(i32),
    KeyOff(i32),
    /// A parameter that touches no note, so that the framework splits the block there.
    Level,
}

/// The parameters that are automated.
struct Ids(HashMap<&'static str, ClapId>);

impl Ids {
    const NAMES: [&'static str; 8] =
        ["Transpose", "Chords", "Chord channel", "Bypass", "Level", "Gate", "Play", "Voice"];

    fn of(rack: &mut Rack) -> Self {
        Self(Self::NAMES.into_iter().map(|name| (name, rack.param(name))).collect())
    }
}

struct Show {
    rack: Rack,
    ids: Ids,
    model: Model,
}

impl Show {
    /// Puts an act into the block's events. The framework counts whole numbers from the range's least.
    fn announce(&self, act: Act, at: u32, events: &mut EventBuffer) {
        let mut set = |name, value| events.push(&set_event(self.ids.0[name], at, value));
        match act {
            Act::Transpose(semitones) => set("Transpose", f64::from(semitones + 12)),
            Act::Chords(on) => set("Chords", f64::from(u8::from(on))),
            Act::ChordChannel(channel) => set("Chord channel", f64::from(channel)),
            Act::Bypass(on) => set("Bypass", f64::from(u8::from(on))),
            Act::Level => set("Level", 0.5 + f64::from(at % 7) / 100.0),
            Act::KeyOn(key) => {
                let pckn = Pckn::new(0u16, 0u16, key as u16, 0u32);
                events.push(&NoteOnEvent::new(at, pckn, 0.8));
            }
            Act::KeyOff(key) => {
                let pckn = Pckn::new(0u16, 0u16, key as u16, 0u32);
                events.push(&NoteOffEvent::new(at, pckn, 0.0));
            }
        }
    }

    fn take(&mut self, act: Act) {
        let model = &mut self.model;
        match act {
            Act::Transpose(semitones) => model.transpose = semitones,
            Act::Chords(on) => model.chords = on,
            Act::ChordChannel(channel) => model.chord_channel = channel,
            Act::Bypass(on) => model.bypassed = on,
            Act::Level => return,
            Act::KeyOn(key) => {
                let sounded = model.held.last() == Some(&key);
                model.held.retain(|&held| held != key);
                model.held.push(key);
                if model.play == Play::Key && !sounded {
                    model.stop();
                }
            }
            Act::KeyOff(key) => {
                let sounded = model.held.last() == Some(&key);
                model.held.retain(|&held| held != key);
                if model.play == Play::Key && sounded {
                    model.stop();
                }
            }
        }
        model.blur();
    }

    /// Processes a block with these acts in it, and rolls the model along.
    fn block(&mut self, frames: u32, acts: &[(u32, Act)]) {
        let mut events = EventBuffer::new();
        for &(at, act) in acts {
            self.announce(act, at, &mut events);
        }
        let event = self.model.transport.event();
        let transport = (self.model.play != Play::Free).then_some(&event);
        self.rack.deck.process(frames as usize, &events, transport);
        let mut done = 0;
        for &(at, act) in acts {
            self.model.roll(at - done);
            self.take(act);
            done = at;
        }
        self.model.roll(frames - done);
    }

    /// Compares what was sent with what should have been.
    fn compare(&self, seed: u64) {
        let model = &self.model;
        assert!(self.rack.left_on().is_empty(), "seed {seed}: a note is left on");
        let mut cuts = model.cuts.clone();
        cuts.sort_by(|a, b| a.0.total_cmp(&b.0));
        let widest = cuts.iter().map(|cut| cut.1).fold(0.0, f64::max);
        let near_cut = |sample: f64| {
            let place = cuts.partition_point(|cut| cut.0 < sample - widest);
            let mut near = cuts[place..].iter().take_while(|cut| cut.0 <= sample + widest);
            near.any(|(cut, reach)| (cut - sample).abs() <= *reach)
        };
        let mut heard: Heard = HashMap::new();
        for event in &self.rack.deck.sent {
            let notes = heard.entry((event.channel, event.key)).or_default();
            let sample = event.sample as f64;
            match (event.on, notes.last_mut()) {
                (false, Some(note)) => note.1 = sample,
                _ => notes.push((sample, f64::INFINITY, false)),
            }
        }
        for ideal in &model.ideal {
            let found = heard.get_mut(&(ideal.channel, ideal.key)).and_then(|notes| {
                let near = |on: f64| (on - ideal.on).abs() <= ideal.tolerance;
                notes.iter_mut().find(|(on, _, used)| !used && near(*on))
            });
            match found {
                Some((_, off, used)) => {
                    *used = true;
                    assert!(
                        (*off - ideal.off).abs() <= ideal.tolerance || near_cut(ideal.on),
                        "seed {seed}: {ideal:?} ended at {off}"
                    );
                }
                None => assert!(near_cut(ideal.on), "seed {seed}: {ideal:?} was not heard"),
            }
        }
        for (key, notes) in heard {
            for (on, off, used) in notes {
                assert!(
                    used || near_cut(on),
                    "seed {seed}: a note on {key:?} from {on} to {off} that nobody wrote"
                );
            }
        }
    }
}

/// One random transport from beginning to end.
fn one_transport(entry: &PluginEntry, seed: u64) {
    let mut random = SmallRng::seed_from_u64(seed);
    let random = &mut random;
    let sample_rate = [44_100.0, 48_000.0, 88_200.0, 96_000.0][random.random_range(0..4)];
    // As often of a few samples as of thousands.
    let largest = 2f64.powf(random.random_range(0.0..=13.0)).round() as u32;
    let play = match random.random_range(0..10) {
        0 => Play::Once,
        1 => Play::Free,
        2 => Play::Key,
        _ => Play::Loop,
    };
    let mut rack = Rack::new(entry, TUNES);
    let ids = Ids::of(&mut rack);
    let tune = Tune::random(random);
    load(&mut rack, &tune);
    rack.activate(sample_rate, largest as usize);
    let gate: f64 = random.random_range(0.1..=1.0);
    let signature =
        |random: &mut SmallRng| [(4, 4), (3, 4), (6, 8), (7, 8), (5, 4)][random.random_range(0..5)];
    let model = Model {
        sample_rate,
        sample: 0.0,
        transport: Transport {
            playing: false,
            beats: [0.0, random.random_range(0.0..64.0)][random.random_range(0..2)],
            tempo: random.random_range(30.0..300.0),
            cycle: None,
            signature: signature(random),
            rounding: [
                Rounding::Exact,
                Rounding::Exact,
                Rounding::Marks(1_920.0),
                Rounding::Marks(960.0),
                Rounding::Marks(480.0),
                Rounding::Single,
            ][random.random_range(0..6)],
            bar_start: [BarStart::Exact, BarStart::FourQuarters, BarStart::Song]
                [random.random_range(0..3)],
        },
        play,
        tune,
        next: None,
        anchor: None,
        played: 0.0,
        own: 0.0,
        held: Vec::new(),
        transpose: 0,
        gate,
        chords: true,
        chord_channel: 1,
        bypassed: false,
        ideal: Vec::new(),
        sounding: Vec::new(),
        cuts: Vec::new(),
    };
    let mut show = Show { rack, ids, model };
    // The settings that stay, in a block of a host that stands still and is bypassed.
    let mut events = EventBuffer::new();
    let voice = f64::from(u8::from(seed.is_multiple_of(10)));
    let stay = [("Bypass", 1.0), ("Gate", (gate - 0.1) / 0.9), ("Play", f64::from(play as u8))];
    for (name, value) in stay.into_iter().chain([("Voice", voice)]) {
        events.push(&set_event(show.ids.0[name], 0, value));
    }
    let stopped = show.model.transport.event();
    show.rack.deck.process(1, &events, Some(&stopped));
    show.model.sample += 1.0;
    show.model.blur();
    show.model.transport.playing = random.random_bool(0.8);
    let mut acts = vec![(0, Act::Bypass(false))];

    for _ in 0..(200_000 / largest).clamp(8, 150) {
        let model = &mut show.model;
        match random.random_range(0..60) {
            0 => model.transport.playing = !model.transport.playing,
            1 | 2 => {
                // A beat away at least: nobody calls less a jump.
                let to = (model.transport.beats + random.random_range(1.0..100.0)) % 128.0;
                if !model.near_line(to) {
                    model.jump(to);
                }
            }
            3 | 4 => model.transport.tempo = random.random_range(20.0..400.0),
            5 | 6 => {
                let near = (model.transport.beats * 4.0).ceil() / 4.0;
                model.transport.cycle = match random.random_range(0..4) {
                    0 => None,
                    1 => {
                        let from = random.random_range(0.0f64..64.0).round();
                        Some((from, from + random.random_range(1.0f64..16.0).round()))
                    }
                    // Its end comes soon, and then again and again.
                    _ => {
                        let to = near + f64::from(random.random_range(1..8)) / 4.0;
                        Some(((to - f64::from(random.random_range(1..9)) / 4.0).max(0.0), to))
                    }
                };
            }
            7 => {
                let before = model.transport.signature;
                model.transport.signature = signature(random);
                if model.near_line(model.transport.beats) {
                    model.transport.signature = before;
                }
            }
            8 if model.follows_song()
                && !model.bypassed
                && !model.near_line(model.transport.beats) =>
            {
                let tune = Tune::random(random);
                load(&mut show.rack, &tune);
                show.model.next = Some(tune);
            }
            9 => {
                show.rack.deactivate();
                show.rack.activate(sample_rate, largest as usize);
                let model = &mut show.model;
                model.stop();
                model.held.clear();
                if let Some(next) = model.next.take() {
                    model.tune = next;
                }
            }
            10 => {
                show.rack.deck.reset();
                show.model.stop();
            }
            // Which is no reset: the plug-in only rests.
            23..=25 => show.rack.deck.nap(),
            // A tempo that slides from block to block.
            11..=22 => {
                let tempo = model.transport.tempo * random.random_range(0.98..1.02);
                model.transport.tempo = tempo.clamp(20.0, 400.0);
            }
            _ => {}
        }
        let frames =
            if random.random_bool(0.5) { largest } else { random.random_range(1..=largest) };
        for _ in 0..[0, 0, 0, 1, 1, 3][random.random_range(0..6)] {
            let model = &show.model;
            let act = match random.random_range(0..12) {
                0 | 1 => Act::Transpose(random.random_range(-12..=12)),
                2 => Act::Chords(random.random_bool(0.5)),
                3 => Act::ChordChannel(random.random_range(1..16)),
                4 => Act::Bypass(random.random_bool(0.3)),
                5..=7 if model.play == Play::Key => Act::KeyOn(random.random_range(50..70)),
                8 | 9 if model.play == Play::Key => {
                    Act::KeyOff(model.held.last().copied().unwrap_or(random.random_range(50..70)))
                }
                _ => Act::Level,
            };
            acts.push((random.random_range(0..frames), act));
        }
        acts.sort_by_key(|(at, _)| *at);
        show.block(frames, &acts);
        acts.clear();
        if !show.model.transport.playing && show.model.follows_song() {
            assert!(show.rack.left_on().is_empty(), "seed {seed}: sounds in a stopped host");
        }
    }
    show.block(largest.min(64), &[(0, Act::Bypass(true))]);
    show.compare(seed);
}

/// Hands the tune in as a project does.
fn load(rack: &mut Rack, tune: &Tune) {
    let saved = serde_json::json!({ "version": 1, "abc": tune.abc });
    let state = rack.state_with("tune", &saved);
    assert!(rack.load(&state));
}

#[test]
fn through_ten_thousand_transports_in_a_host_each_note_falls_on_its_sample_and_none_is_left_on() {
    let entry = host::load(&host::library());
    // One that stays keeps the worker's thread from being started ten thousand times.
    let mut stays = Rack::new(&entry, TUNES);
    stays.activate(48_000.0, 64);
    for seed in 0..10_000 {
        one_transport(&entry, seed);
    }
}
