//! Interface: the player heard through random transports: each note at its sample, none left on.

use std::collections::HashMap;

use earworm_abc::performance::{BarStart, Metre, Note, Tempo};
use earworm_abc::{PPQ, Performance};
use earworm_playback::{Clock, Event, METRONOME, Play, Player, Schedule, Settings};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// A tune of random notes, no key twice at a time, whole bars of 4/4.
fn tune(random: &mut SmallRng) -> Performance {
    let bars = random.random_range(1..=8u32);
    let bar = 4 * PPQ;
    let mut notes = Vec::new();
    let mut start = 0;
    while start < bars * bar {
        let duration = random.random_range(1..=3 * PPQ).min(bars * bar - start);
        if random.random_bool(0.8) {
            notes.push(Note {
                start,
                duration,
                key: random.random_range(40..90),
                velocity: random.random_range(1..=127),
                channel: 0,
                voice: 0,
                accompaniment: false,
                span: 0..0,
            });
        }
        start += duration;
    }
    Performance {
        notes,
        tempos: vec![Tempo { start: 0, microseconds_per_quarter: 500_000 }],
        metres: vec![Metre { start: 0, numerator: 4, denominator: 4 }],
        bars: (0..bars).map(|n| BarStart { start: n * bar, span: 0..0 }).collect(),
        end: bars * bar,
        ..Performance::default()
    }
}

/// Which notes sound, watched from outside.
#[derive(Default)]
struct Listener {
    sounding: HashMap<i32, (u8, u8)>,
    /// Absolute sample and key of each beginning.
    onsets: Vec<(f64, u8)>,
    last: u64,
}

impl Listener {
    fn hear(&mut self, sample: u64, event: Event) {
        assert!(sample >= self.last, "events came out of order");
        self.last = sample;
        match event {
            Event::On { channel, key, id, .. } => {
                let on = self.sounding.values().any(|&note| note == (channel, key));
                assert!(!on, "key {key} began while it sounded");
                assert!(self.sounding.insert(id, (channel, key)).is_none());
                self.onsets.push((sample as f64, key));
            }
            Event::Off { channel, key, id } => {
                assert_eq!(self.sounding.remove(&id), Some((channel, key)));
            }
        }
    }
}

/// A host: rolls, stops, jumps, changes tempo and loops, and knows where each note should fall.
struct Host {
    sample_rate: f64,
    sample: u64,
    playing: bool,
    beats: f64,
    tempo: f64,
    cycle: Option<(f64, f64)>,
    ideal: Vec<(f64, u8)>,
    /// Samples at which time was cut: what lies within one of them may fall to either side.
    cuts: Vec<f64>,
}

impl Host {
    /// Moves `samples` on, noting where the tune's notes should begin on the way.
    fn roll(&mut self, samples: u32, tune: &Performance) {
        let rate = self.tempo / 60.0 / self.sample_rate;
        let round = f64::from(tune.end) / f64::from(PPQ);
        let mut at = self.sample as f64;
        let mut left = f64::from(samples);
        while self.playing && left > 0.0 {
            let mut stretch = left;
            let mut wraps = false;
            if let Some((_, to)) = self.cycle
                && self.beats < to
                && self.beats + left * rate > to
            {
                stretch = (to - self.beats) / rate;
                wraps = true;
            }
            let end = self.beats + stretch * rate;
            let mut k = (self.beats / round).floor();
            while k * round < end {
                for note in &tune.notes {
                    let onset = k * round + f64::from(note.start) / f64::from(PPQ);
                    if (self.beats - 1e-9..end).contains(&onset) {
                        self.ideal.push((at + (onset - self.beats) / rate, note.key));
                    }
                }
                k += 1.0;
            }
            at += stretch;
            left -= stretch;
            self.beats = end;
            if wraps {
                self.beats = self.cycle.unwrap().0;
                self.cuts.push(at);
            }
        }
        self.sample += u64::from(samples);
    }
}

fn one_transport(seed: u64) {
    let mut random = SmallRng::seed_from_u64(seed);
    let performance = tune(&mut random);
    let sample_rate = [44_100.0, 48_000.0, 96_000.0][random.random_range(0..3)];
    let mut player = Player::new(sample_rate as f32);
    assert!(player.offer(Box::new(Schedule::new(&performance, 0, 0))).is_none());
    let settings = Settings { gate: random.random_range(0.1..=1.0), ..Settings::default() };
    let mut host = Host {
        sample_rate,
        sample: 0,
        playing: random.random_bool(0.8),
        beats: random.random_range(0.0..64.0),
        tempo: random.random_range(30.0..300.0),
        cycle: None,
        ideal: Vec::new(),
        cuts: vec![0.0],
    };
    let mut listener = Listener::default();
    let largest = 1u32 << random.random_range(0..=13);
    // Long enough for a few bars in big blocks, short enough for ten thousand of these.
    let blocks = (400_000 / largest).clamp(10, 400);
    for _ in 0..blocks {
        let cut = host.sample as f64;
        match random.random_range(0..40) {
            0 => {
                host.playing = !host.playing;
                host.cuts.push(cut);
            }
            1 => {
                // At least a bar away: nobody calls less a jump.
                host.beats = (host.beats + random.random_range(4.0..100.0)) % 128.0;
                host.cuts.push(cut);
            }
            2 | 3 => host.tempo = random.random_range(20.0..400.0),
            4 => {
                host.cycle = random.random_bool(0.7).then(|| {
                    let from = random.random_range(0.0f64..64.0).round();
                    (from, from + random.random_range(1.0f64..16.0).round())
                });
            }
            // A tempo that slides a little from block to block.
            5..=12 => {
                host.tempo = (host.tempo * random.random_range(0.98..1.02)).clamp(20.0, 400.0)
            }
            _ => {}
        }
        let frames = random.random_range(1..=largest);
        let clock = Clock {
            playing: host.playing,
            beats: Some(host.beats),
            tempo: Some(host.tempo),
            bar: Some(((host.beats / 4.0).floor() * 4.0, 4.0)),
            cycle: host.cycle,
        };
        let base = host.sample;
        // Half the blocks arrive in two pieces, as frameworks split at parameter changes.
        let split = if random.random_bool(0.5) { random.random_range(0..=frames) } else { frames };
        for piece in [0..split, split..frames] {
            let mut at = clock;
            at.beats = Some(host.beats);
            let mut seen = piece.start;
            player.play(piece.clone(), &at, &settings, &mut |sample, event| {
                assert!(sample >= seen && piece.contains(&sample));
                seen = sample;
                listener.hear(base + u64::from(sample), event);
            });
            host.roll(piece.end - piece.start, &performance);
        }
        if !host.playing {
            assert!(listener.sounding.is_empty(), "a note sounded in a stopped host (seed {seed})");
        }
    }
    let end = host.sample;
    player.stop(0, &mut |_, event| listener.hear(end, event));
    assert!(listener.sounding.is_empty(), "a note was left on");
    compare(&mut host, &mut listener, end as f64, seed);
}

/// Pairs what was heard with what should have been.
fn compare(host: &mut Host, listener: &mut Listener, end: f64, seed: u64) {
    host.cuts.push(end);
    let near_cut = |sample: f64| host.cuts.iter().any(|cut| (cut - sample).abs() <= 1.0);
    let by_time = |a: &(f64, u8), b: &(f64, u8)| a.0.total_cmp(&b.0);
    host.ideal.sort_by(by_time);
    let mut heard = listener.onsets.iter().peekable();
    for &(ideal, key) in &host.ideal {
        match heard.peek() {
            Some(&&(sample, found)) if found == key && (sample - ideal).abs() <= 1.0 => {
                heard.next();
            }
            // Struck in the last sample before a cut, or the first after it: either is right.
            _ if near_cut(ideal) => {
                if let Some(&&(sample, found)) = heard.peek()
                    && found == key
                    && (sample - ideal).abs() <= 2.0
                {
                    heard.next();
                }
            }
            other => panic!("seed {seed}: note {key} due at {ideal}, heard {other:?}"),
        }
    }
    if let Some((sample, key)) = heard.find(|(sample, _)| !near_cut(*sample)) {
        panic!("seed {seed}: note {key} at {sample} that nobody wrote");
    }
}

#[test]
fn through_ten_thousand_transports_each_note_falls_on_its_sample_and_none_is_left_on() {
    for seed in 0..10_000 {
        one_transport(seed);
    }
}

fn scale() -> Performance {
    let keys = [60, 62, 64, 65];
    Performance {
        notes: keys
            .iter()
            .enumerate()
            .map(|(n, &key)| Note {
                start: n as u32 * PPQ,
                duration: PPQ,
                key,
                velocity: 100,
                channel: 0,
                voice: 0,
                accompaniment: false,
                span: 0..0,
            })
            .collect(),
        tempos: vec![Tempo { start: 0, microseconds_per_quarter: 500_000 }],
        metres: vec![Metre { start: 0, numerator: 4, denominator: 4 }],
        end: 4 * PPQ,
        ..Performance::default()
    }
}

fn schedule(tune: &Performance, tag: u64) -> Box<Schedule> {
    Box::new(Schedule::new(tune, 0, tag))
}

/// The keys begun in `samples` from now on, in pieces of 64, with a host that rolls from `beats` at
/// 120 a minute and 48 kHz.
fn heard(player: &mut Player, settings: &Settings, beats: f64, samples: u32) -> Vec<(u32, u8)> {
    let mut keys = Vec::new();
    for start in (0..samples).step_by(64) {
        let clock = Clock {
            playing: true,
            beats: Some(beats + f64::from(start) / 24_000.0),
            tempo: Some(120.0),
            bar: Some((0.0, 4.0)),
            cycle: None,
        };
        player.play(0..64, &clock, settings, &mut |at, event| {
            if let Event::On { key, .. } = event {
                keys.push((start + at, key));
            }
        });
    }
    keys
}

#[test]
fn a_new_tune_takes_over_at_the_next_bar_line() {
    let mut player = Player::new(48_000.0);
    player.offer(schedule(&scale(), 1));
    let settings = Settings::default();
    assert_eq!(heard(&mut player, &settings, 0.0, 48_000), [(0, 60), (24_000, 62)]);
    let mut second = scale();
    second.notes.iter_mut().for_each(|note| note.key += 12);
    player.offer(schedule(&second, 2));
    assert_eq!(
        heard(&mut player, &settings, 2.0, 96_000),
        [(0, 64), (24_000, 65), (48_000, 72), (72_000, 74)]
    );
    assert_eq!(player.take_retired().map(|old| old.tag), Some(1));
}

#[test]
fn after_its_rounds_a_tune_gives_way_to_its_successor_and_playing_again_plays_the_same() {
    let mut player = Player::new(48_000.0);
    let settings = Settings { rounds: 2, ..Settings::default() };
    let mut second = scale();
    second.notes.iter_mut().for_each(|note| note.key += 12);
    let mut plays = || {
        player.offer(schedule(&scale(), 1));
        // A successor is one of the tune that has been taken up: a stopped host's block does that.
        let stopped = Clock { beats: Some(0.0), tempo: Some(120.0), ..Clock::default() };
        player.play(0..64, &stopped, &settings, &mut |_, _| {});
        player.succeed(schedule(&second, 2));
        let keys = heard(&mut player, &settings, 0.0, 3 * 96_000);
        player.stop(0, &mut |_, _| {});
        while player.take_retired().is_some() {}
        keys
    };
    let once = plays();
    let keys: Vec<_> = once.iter().map(|(_, key)| *key).collect();
    assert_eq!(keys, [60, 62, 64, 65, 60, 62, 64, 65, 72, 74, 76, 77]);
    assert_eq!(plays(), once);
}

#[test]
fn once_means_once_from_the_bar_line_where_the_host_started() {
    let mut player = Player::new(48_000.0);
    player.offer(schedule(&scale(), 1));
    let settings = Settings { play: Play::Once, ..Settings::default() };
    // From beat 6 the next bar line is beat 8, a second later.
    assert_eq!(
        heard(&mut player, &settings, 6.0, 5 * 48_000),
        [(48_000, 60), (72_000, 62), (96_000, 64), (120_000, 65)]
    );
}

/// The keys begun while a host in `metre` quarters a bar rolls over `beats` at 120 a minute and 48 kHz, and where, in
/// quarter notes from the first. It tells its place rounded to so many `marks` a quarter and the bar's start as `bar` says.
#[allow(clippy::too_many_arguments, reason = "a host tells that many things")]
fn told(
    player: &mut Player,
    settings: &Settings,
    beats: std::ops::Range<f64>,
    block: u32,
    marks: f64,
    metre: f64,
    bar: fn(f64, f64) -> f64,
    cycle: Option<(f64, f64)>,
) -> (Vec<(f64, u8)>, usize) {
    let (mut keys, mut ends, mut place, mut gone) = (Vec::new(), 0, beats.start, 0.0);
    while gone < beats.end - beats.start {
        let clock = Clock {
            playing: true,
            beats: Some((place * marks).round() / marks),
            tempo: Some(120.0),
            bar: Some((bar(place, metre), metre)),
            cycle,
        };
        player.play(0..block, &clock, settings, &mut |at, event| match event {
            Event::On { key, .. } => keys.push((gone + f64::from(at) / 24_000.0, key)),
            Event::Off { .. } => ends += 1,
        });
        let step = f64::from(block) / 24_000.0;
        (place, gone) = (place + step, gone + step);
        if let Some((from, to)) = cycle
            && place >= to
        {
            place -= to - from;
        }
    }
    (keys, ends)
}

/// The bar's start where it is.
fn truly(place: f64, metre: f64) -> f64 {
    (place / metre).floor() * metre
}

/// As Ardour tells it: the bar's number, from one, times four quarters.
fn by_four(place: f64, metre: f64) -> f64 {
    ((place / metre).floor() + 1.0) * 4.0
}

#[test]
fn a_host_that_rounds_its_place_breaks_no_note_off_and_moves_none_by_more_than_it_rounds() {
    for marks in [1_920.0, 960.0, 480.0] {
        for block in [16, 24, 64, 128, 256] {
            let mut player = Player::new(48_000.0);
            player.offer(schedule(&scale(), 1));
            let settings = Settings::default();
            let (keys, ends) =
                told(&mut player, &settings, 0.0..7.9, block, marks, 4.0, truly, None);
            assert_eq!(keys.len(), 8, "blocks of {block}, {marks} marks: {keys:?}");
            assert_eq!(ends, 7, "blocks of {block}, {marks} marks");
            for (due, (place, _)) in keys.iter().enumerate() {
                assert!((place - due as f64).abs() < 1.0 / 24_000.0, "{place}, due at {due}");
            }
        }
    }
}

#[test]
fn a_rounding_host_s_loop_strikes_its_first_note_once_a_round() {
    for block in [50, 64, 100, 125, 187, 250] {
        let mut player = Player::new(48_000.0);
        player.offer(schedule(&scale(), 1));
        // The loop's ends lie between the host's marks.
        let cycle = Some((0.000_3, 2.000_3));
        let settings = Settings::default();
        let (keys, _) = told(&mut player, &settings, 1.5..13.5, block, 960.0, 4.0, truly, cycle);
        let struck = |key| keys.iter().filter(|(_, struck)| *struck == key).count();
        // At 0 the loop has not begun; at 1 and at 2, of each round.
        assert_eq!((struck(62), struck(64)), (6, 6), "blocks of {block}: {keys:?}");
    }
}

#[test]
fn bars_are_counted_where_the_host_tells_none_that_holds_its_place() {
    // Jigs, waltzes and slip jigs, from the middle of a bar and in Ardour's words.
    for (metre, from) in [(3.0, 1.0), (3.0, 7.0), (3.0, 46.0), (4.5, 1.0), (4.5, 20.0), (4.5, 40.5)]
    {
        for bar in [truly, by_four, |_, _| 0.0] {
            let mut player = Player::new(48_000.0);
            player.offer(schedule(&scale(), 1));
            let settings = Settings { play: Play::Once, ..Settings::default() };
            let (keys, _) =
                told(&mut player, &settings, from..from + 6.0, 64, 1_920.0, metre, bar, None);
            let line = (from / metre).ceil() * metre - from;
            let first = keys.first().expect("it begins");
            assert!(
                (first.0 - line).abs() < 1e-3 && first.1 == 60,
                "{metre} from {from}: {first:?}"
            );
        }
    }
}

#[test]
fn a_bar_start_that_counting_does_not_give_is_believed_where_it_holds_the_place() {
    let mut player = Player::new(48_000.0);
    player.offer(schedule(&scale(), 1));
    let settings = Settings { play: Play::Once, ..Settings::default() };
    // After a bar of two quarters all bars of four lie two quarters later.
    let later = |place: f64, metre: f64| ((place - 2.0) / metre).floor() * metre + 2.0;
    let (keys, _) = told(&mut player, &settings, 7.0..14.0, 64, 1_920.0, 4.0, later, None);
    assert!((keys[0].0 - 3.0).abs() < 1e-3, "{keys:?}");
}

#[test]
fn once_started_in_a_loop_s_last_bar_begins_with_the_loop_s_first_bar() {
    for (cycle, first) in [((4.0, 8.0), 4.0), ((5.0, 12.0), 8.0), ((5.0, 7.0), 5.0)] {
        let mut player = Player::new(48_000.0);
        player.offer(schedule(&scale(), 1));
        let settings = Settings { play: Play::Once, ..Settings::default() };
        let from = cycle.1 - 1.5;
        let (keys, _) =
            told(&mut player, &settings, from..from + 6.0, 64, 1_920.0, 4.0, truly, Some(cycle));
        let due = 1.5 + first - cycle.0;
        let begun = keys.first().expect("it begins");
        assert!((begun.0 - due).abs() < 1e-3 && begun.1 == 60, "{cycle:?}: {keys:?}");
    }
}

#[test]
fn a_held_key_plays_the_tune_from_its_start_in_that_key_until_it_is_let_go() {
    let mut player = Player::new(48_000.0);
    player.offer(schedule(&scale(), 1));
    let settings = Settings { play: Play::Key, ..Settings::default() };
    assert!(heard(&mut player, &settings, 0.0, 48_000).is_empty());
    player.key_on(67);
    assert_eq!(heard(&mut player, &settings, 1.3, 48_000), [(0, 67), (24_000, 69)]);
    player.key_off(67);
    let mut ends = 0;
    player.play(0..64, &Clock::default(), &settings, &mut |at, event| {
        assert!(at == 0 && matches!(event, Event::Off { key: 69, .. }));
        ends += 1;
    });
    assert_eq!(ends, 1);
}

#[test]
fn without_a_transport_the_tune_runs_at_its_own_tempo() {
    let mut player = Player::new(48_000.0);
    let mut tune = scale();
    tune.tempos.push(Tempo { start: 2 * PPQ, microseconds_per_quarter: 1_000_000 });
    player.offer(schedule(&tune, 1));
    let mut keys = Vec::new();
    player.play(0..200_000, &Clock::default(), &Settings::default(), &mut |at, event| {
        if let Event::On { key, .. } = event {
            keys.push((at, key));
        }
    });
    assert_eq!(
        keys,
        [
            (0, 60),
            (24_000, 62),
            (48_000, 64),
            (96_000, 65),
            (144_000, 60),
            (168_000, 62),
            (192_000, 64)
        ]
    );
}

#[test]
fn a_pick_up_is_played_before_the_bar_line() {
    let mut tune = scale();
    // A crotchet before three bars' worth, so that bar 1 starts at its second note.
    tune.bars = [0, PPQ].map(|start| BarStart { start, span: 0..0 }).to_vec();
    let mut player = Player::new(48_000.0);
    player.offer(schedule(&tune, 1));
    assert_eq!(
        heard(&mut player, &Settings::default(), 0.0, 96_000),
        [(0, 62), (24_000, 64), (48_000, 65), (72_000, 60)]
    );
}

#[test]
fn swing_delays_the_second_quaver_and_leaves_the_first() {
    let mut tune = scale();
    for (n, note) in tune.notes.iter_mut().enumerate() {
        note.start = n as u32 * PPQ / 2;
        note.duration = PPQ / 2;
    }
    let mut player = Player::new(48_000.0);
    player.offer(schedule(&tune, 1));
    let settings = Settings { swing: 0.75, ..Settings::default() };
    assert_eq!(
        heard(&mut player, &settings, 0.0, 48_000),
        [(0, 60), (18_000, 62), (24_000, 64), (42_000, 65)]
    );
}

#[test]
fn a_varied_onset_is_late_by_no_more_than_was_asked_and_the_same_each_time() {
    let settings = Settings { timing_variation: 0.01, ..Settings::default() };
    let play = || {
        let mut player = Player::new(48_000.0);
        player.offer(schedule(&scale(), 1));
        heard(&mut player, &settings, 0.0, 96_000)
    };
    let late: Vec<_> = play()
        .iter()
        .zip([0, 24_000, 48_000, 72_000])
        .map(|((at, _), written)| at - written)
        .collect();
    assert_eq!(late.len(), 4);
    assert!(late.iter().all(|late| *late <= 480) && late.iter().any(|late| *late > 0));
    assert_eq!(play(), play());
}

#[test]
fn a_change_of_transposition_leaves_no_note_on() {
    let mut player = Player::new(48_000.0);
    player.offer(schedule(&scale(), 1));
    let mut listener = Listener::default();
    for block in 0..3_000u32 {
        let settings = Settings { transpose: (block % 25) as i32 - 12, ..Settings::default() };
        let clock = Clock {
            playing: true,
            beats: Some(f64::from(block * 64) / 24_000.0),
            tempo: Some(120.0),
            ..Clock::default()
        };
        player.play(0..64, &clock, &settings, &mut |at, event| {
            listener.hear(u64::from(block * 64 + at), event);
        });
    }
    player.panic(0, &mut |_, event| listener.hear(u64::MAX, event));
    assert!(listener.sounding.is_empty());
}

/// The keys begun in `samples` from now on without a host, and the metronome's strokes as key 0.
fn alone(player: &mut Player, settings: &Settings, samples: u32) -> Vec<(u32, u8)> {
    let mut keys = Vec::new();
    player.play(0..samples, &Clock::default(), settings, &mut |at, event| match event {
        Event::On { channel: METRONOME, .. } => keys.push((at, 0)),
        Event::On { key, .. } => keys.push((at, key)),
        Event::Off { .. } => {}
    });
    keys
}

#[test]
fn speed_changes_the_tunes_own_tempo_and_no_hosts() {
    let mut player = Player::new(48_000.0);
    player.offer(schedule(&scale(), 1));
    let settings = Settings { speed: 0.5, ..Settings::default() };
    assert_eq!(alone(&mut player, &settings, 96_000), [(0, 60), (48_000, 62)]);
    let mut player = Player::new(48_000.0);
    player.offer(schedule(&scale(), 1));
    assert_eq!(heard(&mut player, &settings, 0.0, 48_000), [(0, 60), (24_000, 62)]);
}

#[test]
fn a_metronome_strikes_the_beats_where_it_is_asked_for_and_changes_no_note() {
    let beats = |tune: &Performance| {
        let quarters = (0..4).map(|quarter| (quarter * PPQ, quarter == 0));
        Box::new(Schedule::new(tune, 0, 1).with_metronome(quarters))
    };
    let settings = Settings { velocity_variation: 0.5, ..Settings::default() };
    let mut notes = scale();
    // A note between two beats.
    notes.notes[1].start += PPQ / 2;
    let mut without = Player::new(48_000.0);
    without.offer(schedule(&notes, 1));
    let plain = alone(&mut without, &settings, 200_000);
    let mut silent = Player::new(48_000.0);
    silent.offer(beats(&notes));
    assert_eq!(alone(&mut silent, &settings, 200_000), plain);
    let mut with = Player::new(48_000.0);
    with.offer(beats(&notes));
    let settings = Settings { metronome: true, ..settings };
    let all = alone(&mut with, &settings, 200_000);
    assert!(all.is_sorted_by_key(|&(at, _)| at));
    let strokes: Vec<u32> = all.iter().filter(|(_, key)| *key == 0).map(|&(at, _)| at).collect();
    assert_eq!(strokes, (0..9).map(|beat| beat * 24_000).collect::<Vec<_>>());
    let rest: Vec<(u32, u8)> = all.into_iter().filter(|(_, key)| *key != 0).collect();
    assert_eq!(rest, plain);
}

#[test]
fn a_tune_that_stood_still_goes_on_from_there_or_from_where_it_was_sent() {
    let mut player = Player::new(48_000.0);
    player.offer(schedule(&scale(), 1));
    let settings = Settings::default();
    assert_eq!(alone(&mut player, &settings, 36_000), [(0, 60), (24_000, 62)]);
    let mut ended = 0;
    player.pause(0, &mut |_, event| ended += usize::from(matches!(event, Event::Off { .. })));
    assert_eq!(ended, 1);
    assert_eq!(player.place(), None);
    assert_eq!(alone(&mut player, &settings, 24_000), [(12_000, 64)]);
    player.pause(0, &mut |_, _| {});
    player.seek(PPQ, 0, &mut |_, _| {});
    assert_eq!(alone(&mut player, &settings, 24_000), [(0, 62)]);
    player.pause(0, &mut |_, _| {});
    player.seek(0, 0, &mut |_, _| {});
    assert_eq!(alone(&mut player, &settings, 24_000), [(0, 60)]);
    // Another tune begins with its beginning.
    player.pause(0, &mut |_, _| {});
    let mut second = scale();
    second.notes.iter_mut().for_each(|note| note.key += 12);
    player.offer(schedule(&second, 2));
    player.pause(0, &mut |_, _| {});
    assert_eq!(alone(&mut player, &settings, 24_000), [(0, 72)]);
}

#[test]
fn a_part_of_a_tune_tells_its_place_in_the_whole() {
    let mut player = Player::new(48_000.0);
    let part = Schedule::new(&scale(), 0, 1).from_tick(10 * PPQ);
    player.offer(Box::new(part));
    alone(&mut player, &Settings::default(), 24_000);
    assert_eq!(player.place(), Some((11 * PPQ, 0)));
    player.seek(13 * PPQ, 0, &mut |_, _| {});
    assert_eq!(alone(&mut player, &Settings::default(), 12_000), [(0, 65)]);
}
