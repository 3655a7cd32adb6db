//! Interface: the built CLAP library in a host: what a user of a workstation would notice.
#![cfg(feature = "plugin")]

use std::ffi::CString;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clack_extensions::audio_ports_config::PluginAudioPortsConfig;
use clack_extensions::note_ports::{NoteDialects, NotePortInfoBuffer, PluginNotePorts};
use clack_extensions::params::PluginParams;
use clack_host::events::event_types::{MidiEvent, NoteOffEvent, NoteOnEvent};
use clack_host::prelude::*;
use earworm_abc::{self as abc, PPQ, PerformOptions, Performance};
use earworm_genre::{GENRES, Hearing, Network};
use host::{METER, Rack, TUNES, Transport};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// The hosts of these tests share one process: one at a time, so that threads can be counted.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn entry() -> PluginEntry {
    host::load(&host::library())
}

/// The tune that a Tunes' state holds, performed.
fn performance(rack: &mut Rack) -> Performance {
    let tune = rack.field("tune");
    let book = abc::read(tune["abc"].as_str().unwrap());
    abc::perform(&book.tunes[0], &PerformOptions::default())
}

/// Half silence and hum, half a made beat over chords: enough for a reading.
fn made_music(sample_rate: f64, seconds: f64) -> Vec<f32> {
    let mut random = SmallRng::seed_from_u64(5);
    (0..(sample_rate * seconds) as usize)
        .map(|n| {
            let time = n as f64 / sample_rate;
            let beat = (time * 2.0).fract();
            let chord: f64 = [220.0, 277.2, 329.6]
                .iter()
                .map(|hertz| (std::f64::consts::TAU * hertz * time).sin())
                .sum();
            let kick = (std::f64::consts::TAU * 55.0 * beat).sin() * (-8.0 * beat).exp();
            let noise = random.random_range(-1.0..1.0) * (-30.0 * (beat * 2.0).fract()).exp();
            (0.12 * chord + 0.4 * kick + 0.1 * noise) as f32
        })
        .collect()
}

fn published(rack: &mut Rack) -> Option<Vec<f32>> {
    let heard = rack.field("heard");
    let probabilities: Vec<f32> = heard["probabilities"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p.as_f64().unwrap() as f32)
        .collect();
    (!probabilities.is_empty()).then_some(probabilities)
}

#[test]
fn a_host_finds_both_plug_ins() {
    let entry = entry();
    let factory = entry.get_plugin_factory().unwrap();
    let found: Vec<(CString, CString)> = factory
        .plugin_descriptors()
        .map(|d| (d.id().unwrap().to_owned(), d.name().unwrap().to_owned()))
        .collect();
    assert_eq!(
        found,
        [
            (METER.to_owned(), c"Earworm Meter".to_owned()),
            (TUNES.to_owned(), c"Earworm Tunes".to_owned()),
        ]
    );
}

#[test]
fn the_meter_passes_every_bit_at_any_rate_and_block() {
    let _turn = turn();
    let entry = entry();
    let mut random = SmallRng::seed_from_u64(1);
    for sample_rate in [44_100.0, 48_000.0, 96_000.0] {
        for block in [1, 64, 480, 4096] {
            for channels in [2, 1] {
                let mut rack = Rack::new(&entry, METER);
                if channels == 1 {
                    let configs: PluginAudioPortsConfig = rack.extension();
                    let handle = rack.instance.plugin_handle();
                    configs.select(&handle, ClapId::new(1)).unwrap();
                    rack.make_mono();
                }
                rack.activate(sample_rate, block);
                // Whole floats, wild ones among them: a pass-through looks at none.
                let odd = [f32::NAN, f32::INFINITY, -0.0, f32::MIN_POSITIVE / 8.0, 1e30];
                for _ in 0..(8_192 / block).max(2) {
                    let input: Vec<Vec<f32>> = (0..channels)
                        .map(|_| {
                            (0..block)
                                .map(|_| match random.random_range(0..50) {
                                    n @ 0..5 => odd[n],
                                    _ => random.random_range(-1.0..1.0),
                                })
                                .collect()
                        })
                        .collect();
                    let output = rack.process(&input, &EventBuffer::new(), None);
                    // Subnormal samples, under -758 dBFS, may not leave a plug-in: they become zero.
                    let passed = |x: &f32| if x.is_subnormal() { 0.0 } else { *x };
                    let bits = |audio: &[Vec<f32>]| -> Vec<u32> {
                        audio.iter().flatten().map(|x| passed(x).to_bits()).collect()
                    };
                    let out: Vec<u32> = output.iter().flatten().map(|x| x.to_bits()).collect();
                    assert_eq!(out, bits(&input));
                }
            }
        }
    }
}

/// Renders `left` and `right` offline through a Meter and returns it. The host `rests` round every block or not.
fn metered(
    entry: &PluginEntry,
    rate: f64,
    block: usize,
    audio: &[Vec<f32>; 2],
    rests: bool,
) -> Rack {
    let mut rack = Rack::new(entry, METER);
    rack.offline();
    rack.activate(rate, block);
    for start in (0..audio[0].len()).step_by(block) {
        let end = (start + block).min(audio[0].len());
        let input: Vec<Vec<f32>> = audio.iter().map(|c| c[start..end].to_vec()).collect();
        let output = rack.process(&input, &EventBuffer::new(), None);
        assert!(output == input, "the render changed the audio");
        if rests {
            rack.deck.nap();
        }
    }
    rack
}

/// Checks that what the plug-in publishes is what the command line hears in the same audio.
fn live_equals_file(name: &str, rate: f64, audio: &[Vec<f32>; 2]) {
    let entry = entry();
    let mut hearing = Hearing::new(Network::embedded().unwrap(), rate as u32, false);
    let interleaved: Vec<f32> =
        audio[0].iter().zip(&audio[1]).flat_map(|(l, r)| [*l, *r]).collect();
    hearing.push(&interleaved, 2);
    let file = hearing.finish().probabilities;
    let mut rack = metered(&entry, rate, 480, audio, false);
    let mut furthest = f32::INFINITY;
    // The listener brings its last reading up to date when no more comes.
    for _ in 0..600 {
        std::thread::sleep(Duration::from_millis(50));
        let Some(live) = published(&mut rack) else {
            continue;
        };
        assert_eq!(live.len(), GENRES.len());
        furthest =
            live.iter().zip(file).map(|(live, file)| (live - file).abs()).fold(0.0, f32::max);
        if furthest <= 1e-3 {
            break;
        }
    }
    assert!(furthest <= 1e-3, "{name}: {furthest} apart");
    assert_eq!(rack.field("heard")["dropped_frames"], 0);
}

#[test]
fn after_ten_seconds_a_genre_is_published_and_it_is_the_file_s() {
    let _turn = turn();
    let music = made_music(48_000.0, 10.0);
    live_equals_file("made music", 48_000.0, &[music.clone(), music]);
}

#[test]
fn real_recordings_read_the_same_live_as_from_their_files() {
    let _turn = turn();
    let folder = std::env::var_os("EARWORM_DATA").map(|data| PathBuf::from(data).join("audio"));
    let Some(files) = folder.and_then(|folder| std::fs::read_dir(folder).ok()) else {
        host::skipped("EARWORM_DATA names no folder with audio/");
        return;
    };
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    let mut heard = 0;
    for path in paths {
        let Ok(mut decoder) = earworm_audio::decode(&path) else {
            continue;
        };
        let (rate, channels) = (f64::from(decoder.sample_rate()), decoder.channels());
        let mut audio = [Vec::new(), Vec::new()];
        while let Some(chunk) = decoder.next_chunk() {
            for frame in chunk.samples.chunks_exact(channels) {
                audio[0].push(frame[0]);
                audio[1].push(frame[channels - 1]);
            }
        }
        let most = (rate * 12.0) as usize;
        audio.iter_mut().for_each(|channel| channel.truncate(most));
        live_equals_file(&path.display().to_string(), rate, &audio);
        heard += 1;
        if heard == 3 {
            break;
        }
    }
    assert!(heard > 0, "no audio in the data folder");
}

#[test]
fn an_offline_render_reads_the_same_on_every_run() {
    let _turn = turn();
    let entry = entry();
    let music = made_music(44_100.0, 6.0);
    let audio = [music.clone(), music];
    let mut first = metered(&entry, 44_100.0, 512, &audio, false);
    let reading = published(&mut first).expect("a reading after 6 s");
    for block in [512, 64, 3_000] {
        let mut again = metered(&entry, 44_100.0, block, &audio, false);
        assert_eq!(published(&mut again), Some(reading.clone()));
    }
}

#[test]
fn a_host_that_rests_round_every_block_hears_and_plays_the_same() {
    let _turn = turn();
    let entry = entry();
    let music = made_music(44_100.0, 6.0);
    let audio = [music.clone(), music];
    let mut plain = metered(&entry, 44_100.0, 128, &audio, false);
    let reading = published(&mut plain).expect("a reading after 6 s");
    let mut rested = metered(&entry, 44_100.0, 128, &audio, true);
    assert_eq!(published(&mut rested), Some(reading));
    let played = |rests: bool| {
        let mut rack = Rack::new(&entry, TUNES);
        rack.activate(48_000.0, 128);
        // With a transport, and then without one.
        let mut transport = Transport::default();
        for block in 0..1_000 {
            rack.play(128, (block < 500).then(|| transport.event()).as_ref());
            transport.advance(128, 48_000.0);
            if rests {
                rack.deck.nap();
            }
        }
        rack.deck.sent.clone()
    };
    let notes = played(false);
    assert!(notes.len() > 30);
    assert_eq!(played(true), notes);
}

/// Notes of the tune in the order of their onsets at 120 quarter notes a minute, for one round from
/// the song's start, those that fall together on a key once.
fn onsets(performance: &Performance, sample_rate: f64, tempo: f64) -> Vec<(f64, u16)> {
    let mut onsets: Vec<(f64, u16)> = performance
        .notes
        .iter()
        .map(|note| {
            let beats = f64::from(note.start) / f64::from(PPQ);
            (beats * 60.0 / tempo * sample_rate, u16::from(note.key))
        })
        .collect();
    onsets.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    onsets.dedup();
    onsets
}

#[test]
fn the_tune_s_notes_leave_at_the_samples_that_the_tempo_asks_for_and_all_end() {
    let _turn = turn();
    let entry = entry();
    for sample_rate in [44_100.0, 48_000.0, 96_000.0] {
        for block in [1usize, 64, 480, 4096] {
            let mut rack = Rack::new(&entry, TUNES);
            let performance = performance(&mut rack);
            rack.activate(sample_rate, block);
            let tempo = 137.0;
            let mut transport =
                Transport { playing: true, beats: 0.0, tempo, cycle: None, ..Transport::default() };
            let seconds = if block == 1 { 0.6 } else { 4.0 };
            let end = (sample_rate * seconds) as u64;
            while rack.deck.sample < end {
                rack.play(block, Some(&transport.event()));
                transport.advance(block, sample_rate);
            }
            let stopped = rack.deck.sample;
            transport.playing = false;
            rack.play(block, Some(&transport.event()));
            assert!(rack.left_on().is_empty(), "a note is on after the stop");

            let mut heard: Vec<(u64, u16)> = rack
                .deck
                .sent
                .iter()
                .filter(|event| event.on)
                .map(|event| (event.sample, event.key))
                .collect();
            heard.sort_unstable();
            let due = onsets(&performance, sample_rate, tempo);
            let due: Vec<_> = due.iter().filter(|(at, _)| *at < stopped as f64 - 1.0).collect();
            assert!(!due.is_empty());
            for (at, key) in due {
                let found = heard
                    .iter()
                    .any(|(sample, heard)| heard == key && (*sample as f64 - at).abs() <= 1.0);
                assert!(found, "{sample_rate} Hz, {block}: key {key} due at {at}");
            }
            assert!(
                rack.deck.sent.iter().filter(|e| !e.on && e.sample > stopped).count() == 0,
                "ends after the stop's sample"
            );
        }
    }
}

#[test]
fn without_a_transport_the_tune_plays_and_the_voice_is_heard_at_once() {
    let _turn = turn();
    let entry = entry();
    let mut rack = Rack::new(&entry, TUNES);
    rack.activate(48_000.0, 512);
    let mut loudest = 0.0f32;
    for _ in 0..50 {
        let output = rack.play(512, None);
        loudest = output.iter().flatten().fold(loudest, |l, x| l.max(x.abs()));
    }
    assert!(rack.deck.sent.iter().filter(|event| event.on).count() > 2);
    assert!(loudest > 0.01 && loudest < 1.0, "loudest sample {loudest}");
}

#[test]
fn no_subnormal_sample_leaves_the_voice_however_its_level_moves() {
    let _turn = turn();
    let entry = entry();
    let mut rack = Rack::new(&entry, TUNES);
    rack.activate(48_000.0, 64);
    let silence = vec![vec![0.0; 64]; 2];
    let (mut sounding, mut random) = (0, 1u32);
    for block in 0..6_000 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Off and on again, and down to where a float has no more room.
        let level = match block % 40 {
            0 => Some(0.0),
            10 => Some(f64::from(random >> 8) / f64::from(1 << 24)),
            20 => Some(1e-6),
            30 => Some(1e-12),
            _ => None,
        };
        let events = level.map_or_else(EventBuffer::new, |level| rack.set("Level", 0, level));
        let output = rack.process(&silence, &events, None);
        for sample in output.iter().flatten() {
            assert!(!sample.is_subnormal(), "{sample:e} in block {block}");
            sounding += usize::from(*sample != 0.0);
        }
    }
    assert!(sounding > 100_000, "{sounding} samples that sound");
}

#[test]
fn what_sounded_when_the_host_deactivated_is_ended_when_it_comes_back() {
    let _turn = turn();
    let entry = entry();
    let mut rack = Rack::new(&entry, TUNES);
    rack.activate(48_000.0, 512);
    rack.play(512, None);
    assert!(!rack.left_on().is_empty());
    rack.deactivate();
    rack.activate(48_000.0, 512);
    let stopped =
        Transport { playing: false, beats: 0.0, tempo: 120.0, cycle: None, ..Transport::default() };
    rack.play(512, Some(&stopped.event()));
    assert!(rack.left_on().is_empty());
}

/// All notes of the first seconds at 120.
fn notes(rack: &mut Rack) -> Vec<(u64, u16, bool)> {
    let first = rack.deck.sample;
    rack.deck.sent.clear();
    let mut transport =
        Transport { playing: true, beats: 0.0, tempo: 120.0, cycle: None, ..Transport::default() };
    for _ in 0..200 {
        rack.play(1024, Some(&transport.event()));
        transport.advance(1024, 48_000.0);
    }
    rack.deck.sent.iter().map(|event| (event.sample - first, event.key, event.on)).collect()
}

/// A state that holds another tune than the built-in one.
fn state_with(rack: &mut Rack, tune: &str) -> Vec<u8> {
    rack.state_with("tune", &serde_json::json!({ "version": 1, "abc": tune }))
}

const OTHER: &str = "X:1\nT:Another\nM:4/4\nL:1/4\nK:G\nGABc|d2d2|edcB|A4|\n";

#[test]
fn a_tune_restored_from_a_project_plays_the_same_notes() {
    let _turn = turn();
    let entry = entry();
    let mut rack = Rack::new(&entry, TUNES);
    let state = state_with(&mut rack, OTHER);
    assert!(rack.load(&state));
    rack.activate(48_000.0, 1024);
    let written = notes(&mut rack);
    assert_eq!(
        written.iter().filter(|note| note.2).map(|note| note.1).take(4).collect::<Vec<_>>(),
        [67, 69, 71, 72]
    );
    let saved = rack.save();

    let mut reopened = Rack::new(&entry, TUNES);
    assert!(reopened.load(&saved));
    assert_eq!(reopened.save(), saved, "a project saved again is the same");
    reopened.activate(48_000.0, 1024);
    assert_eq!(notes(&mut reopened), written);
}

/// Presses Generate and plays until the tune is another one.
fn generated(rack: &mut Rack) -> String {
    let before = rack.field("tune")["abc"].as_str().unwrap().to_owned();
    for value in [0.0, 1.0] {
        let press = rack.set("Generate", 0, value);
        rack.process(&vec![vec![0.0; 64]; 2], &press, None);
    }
    for _ in 0..6_000 {
        std::thread::sleep(Duration::from_millis(10));
        rack.play(64, None);
        let tune = rack.field("tune")["abc"].as_str().unwrap().to_owned();
        if tune != before {
            return tune;
        }
    }
    panic!("no tune came in a minute");
}

#[test]
fn generate_writes_a_tune_as_asked_and_the_same_seed_writes_it_again() {
    let _turn = turn();
    let entry = entry();
    let write = |seed: f64| {
        let mut rack = Rack::new(&entry, TUNES);
        rack.activate(48_000.0, 64);
        for (name, value) in [("Style", 1.0), ("Key", 7.0), ("Seed", seed), ("Bars", 4.0)] {
            let events = rack.set(name, 0, value);
            rack.process(&vec![vec![0.0; 64]; 2], &events, None);
        }
        let tune = generated(&mut rack);
        assert!(!performance(&mut rack).notes.is_empty());
        tune
    };
    let tune = write(5.0);
    let book = abc::read(&tune);
    assert_eq!(book.tunes[0].field('R'), Some("jig"));
    assert_eq!(book.tunes[0].key.to_string(), "G");
    assert_eq!(write(5.0), tune);
    assert_ne!(write(6.0), tune);
}

#[test]
fn a_new_tune_every_round_renders_the_same_twice_and_after_reopening() {
    let _turn = turn();
    let entry = entry();
    let render = |state: Option<&[u8]>| {
        let mut rack = Rack::new(&entry, TUNES);
        rack.offline();
        if let Some(state) = state {
            assert!(rack.load(state));
        } else {
            let state = state_with(&mut rack, OTHER);
            assert!(rack.load(&state));
        }
        rack.activate(48_000.0, 1024);
        if state.is_none() {
            // What a successor is written from is set before one is asked for.
            for (name, value) in [("Bars", 0.0), ("Seed", 3.0), ("New tune every", 1.0)] {
                let events = rack.set(name, 0, value);
                let stopped = Transport {
                    playing: false,
                    beats: 0.0,
                    tempo: 120.0,
                    cycle: None,
                    ..Transport::default()
                };
                let event = stopped.event();
                rack.process(&vec![vec![0.0; 64]; 2], &events, Some(&event));
            }
        }
        let mut rounds = Vec::new();
        for _ in 0..2 {
            rack.deck.sample = 0;
            rack.deck.sent.clear();
            let mut transport = Transport {
                playing: true,
                beats: 0.0,
                tempo: 240.0,
                cycle: None,
                ..Transport::default()
            };
            while transport.beats < 48.0 {
                rack.play(1024, Some(&transport.event()));
                transport.advance(1024, 48_000.0);
            }
            transport.playing = false;
            rack.play(1024, Some(&transport.event()));
            assert!(rack.left_on().is_empty());
            rounds.push(
                rack.deck
                    .sent
                    .iter()
                    .map(|event| (event.sample, event.on, event.key))
                    .collect::<Vec<_>>(),
            );
        }
        assert_eq!(rounds[0], rounds[1], "played again it is the same");
        (rounds.remove(0), rack.save())
    };
    let (first, saved) = render(None);
    // The tune has four bars of 4/4: what comes after beat 16 was written for this render.
    let after = 16 * 48_000 / 4;
    let keys = |part: &[(u64, bool, u16)]| -> Vec<u16> { part.iter().map(|e| e.2).collect() };
    let split = first.partition_point(|event| event.0 < after);
    assert!(!first[split..].is_empty());
    assert_ne!(keys(&first[..8]), keys(&first[split..][..8]));
    assert_eq!(render(None).0, first);
    assert_eq!(render(Some(&saved)).0, first);
}

#[test]
fn a_damaged_or_hostile_state_leaves_the_plug_in_as_it_was() {
    let _turn = turn();
    let entry = entry();
    let mut rack = Rack::new(&entry, TUNES);
    let good = state_with(&mut rack, OTHER);
    assert!(rack.load(&good));
    rack.activate(48_000.0, 1024);
    let (tune, swing) = (rack.field("tune"), rack.value("Swing"));

    let mut random = SmallRng::seed_from_u64(9);
    let mut hostile: Vec<Vec<u8>> = vec![
        Vec::new(),
        vec![0; 8],
        vec![0xff; 64],
        state_with(&mut rack, ""),
        state_with(&mut rack, "no music"),
        state_with(&mut rack, &"[".repeat(100_000)),
        state_with(&mut rack, &"c".repeat(300 * 1024)),
    ];
    for _ in 0..300 {
        let cut = random.random_range(0..good.len());
        hostile.push(good[..cut].to_vec());
    }
    for state in hostile {
        rack.load(&state);
        assert_eq!(rack.field("tune"), tune);
        assert_eq!(rack.value("Swing"), swing);
    }
    // Settings that can't be: the framework would take them, and then save what can't be read again.
    let before = rack.save();
    let text = String::from_utf8(before[8..].to_vec()).unwrap();
    for (is, becomes) in [
        ("\"swing\":{\"f32\":0.5}", "\"swing\":{\"f32\":1e39}"),
        ("\"swing\":{\"f32\":0.5}", "\"swing\":{\"i32\":1}"),
        ("\"bars\":{\"i32\":16}", "\"bars\":{\"i32\":2000000000}"),
        ("\"gate\":{\"f32\":0.9}", "\"gate\":{\"f32\":-3.0}"),
    ] {
        assert!(text.contains(is), "{text}");
        let json = text.replace(is, becomes);
        rack.load(&[&(json.len() as u64).to_le_bytes()[..], json.as_bytes()].concat());
        assert_eq!(rack.save(), before, "{becomes} was taken");
    }
    // A list of the last tunes that lost its tune would lack the one that plays.
    let json = text.replace("\"tune\":", "\"tone\":").replace("T:The Open Window", "T:Another");
    assert!(json.contains("T:Another"), "{text}");
    rack.load(&[&(json.len() as u64).to_le_bytes()[..], json.as_bytes()].concat());
    assert_eq!(rack.save(), before, "a list without its tune was taken");
    // Flipped bits may still make a sound state; whatever it is, it can be played and saved.
    for _ in 0..300 {
        let mut state = good.clone();
        for _ in 0..random.random_range(1..6) {
            let place = random.random_range(8..state.len());
            state[place] ^= 1 << random.random_range(0..8);
        }
        rack.load(&state);
        rack.play(64, None);
        rack.save();
    }
}

#[test]
fn a_note_generator_speaks_clap_and_midi_to_its_host() {
    let entry = entry();
    let mut rack = Rack::new(&entry, TUNES);
    let ports: PluginNotePorts = rack.extension();
    let handle = rack.instance.plugin_handle();
    for is_input in [true, false] {
        assert_eq!(ports.count(&handle, is_input), 1);
        let mut buffer = NotePortInfoBuffer::new();
        let info = ports.get(&handle, 0, is_input, &mut buffer).unwrap();
        let both = NoteDialects::CLAP | NoteDialects::MIDI;
        assert!(info.supported_dialects.contains(both));
    }
}

#[test]
fn a_key_held_in_either_dialect_plays_the_tune_from_it_and_each_voice_has_its_channel() {
    let _turn = turn();
    let entry = entry();
    // Two voices of a tune in C, and chords.
    let tune = "X:1\nM:4/4\nL:1/4\nK:C\nV:1\n\"C\"cdef|\nV:2\nCDEF|\n";
    let heard = |midi: bool| {
        let mut rack = Rack::new(&entry, TUNES);
        let state = state_with(&mut rack, tune);
        assert!(rack.load(&state));
        rack.activate(48_000.0, 480);
        let silence = vec![vec![0.0; 480]; 2];
        for (name, value) in [("Play", 3.0), ("Chord channel", 4.0)] {
            let events = rack.set(name, 0, value);
            rack.process(&silence, &events, None);
        }
        let key = |on: bool| {
            let mut events = EventBuffer::new();
            let pckn = Pckn::new(0u16, 3u16, 64u16, 17u32);
            match (midi, on) {
                (true, true) => events.push(&MidiEvent::new(7, 0, [0x93, 64, 100])),
                (true, false) => events.push(&MidiEvent::new(7, 0, [0x83, 64, 0])),
                (false, true) => events.push(&NoteOnEvent::new(7, pckn, 100.0 / 127.0)),
                (false, false) => events.push(&NoteOffEvent::new(7, pckn, 0.0)),
            }
            events
        };
        rack.process(&silence, &key(true), None);
        for _ in 0..60 {
            rack.play(480, None);
        }
        assert!(!rack.left_on().is_empty());
        rack.process(&silence, &key(false), None);
        assert!(rack.left_on().is_empty(), "it ends with the key");
        rack.deck.sent.clone()
    };
    let notes = heard(false);
    assert_eq!(notes, heard(true), "both dialects do the same");
    let begun = |channel: u16| -> Vec<u16> {
        notes
            .iter()
            .filter(|note| note.on && note.channel == channel)
            .map(|note| note.key)
            .collect()
    };
    // Four semitones up, as the key is E and the tune in C; the second voice on a channel of its own.
    assert_eq!(begun(0)[..2], [76, 78]);
    assert!(!begun(4).is_empty(), "the chords on theirs");
    assert_eq!(begun(1)[..2], [64, 66]);
    let first = notes.iter().find(|note| note.on).unwrap();
    assert_eq!(first.sample, 2 * 480 + 7, "from the sample of the key");
}

#[test]
fn every_parameter_of_a_musician_is_there_with_its_unit() {
    let entry = entry();
    let mut rack = Rack::new(&entry, TUNES);
    let params: PluginParams = rack.extension();
    // The framework counts whole numbers from the range's least: 12 is the twelfth above 4 bars.
    let expected = [
        ("Style", 2.0, "Hornpipe"),
        ("Key", 10.0, "B♭"),
        ("Mode", 2.0, "Dorian"),
        ("Bars", 12.0, "16"),
        ("Temperature", 0.5, ""),
        ("Seed", 7.0, "7"),
        ("Generate", 1.0, "On"),
        ("Play", 3.0, "While a key is held"),
        ("Transpose", 19.0, "7 semitones"),
        ("Octave", 4.0, "1"),
        ("Swing", 0.5, "%"),
        ("Gate", 0.5, "%"),
        ("Velocity", 0.5, "%"),
        ("Velocity variation", 0.25, "25 %"),
        ("Timing variation", 0.5, "ms"),
        ("Chords", 0.0, "Off"),
        ("Chord channel", 2.0, "3"),
        ("Voice", 1.0, "On"),
        ("Level", 0.5, "dB"),
        ("New tune every", 2.0, "2 rounds"),
        ("Bypass", 0.0, ""),
    ];
    for (name, value, text) in expected {
        let id = rack.param(name);
        let mut buffer = [0u8; 128];
        let shown =
            params.value_to_text(&rack.instance.plugin_handle(), id, value, &mut buffer).unwrap();
        let shown = String::from_utf8_lossy(shown);
        assert!(shown.contains(text), "{name} at {value} shows {shown}");
    }
    let mut meter = Rack::new(&entry, METER);
    for name in ["Window", "Response", "Bypass"] {
        meter.param(name);
    }
}

/// Threads of this process whose name starts with `name`.
#[cfg(target_os = "linux")]
fn threads(name: &str) -> usize {
    std::fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|comm| comm.starts_with(name))
        .count()
}

#[test]
#[cfg(target_os = "linux")]
fn instances_share_a_thread_and_the_last_takes_it_along() {
    let _turn = turn();
    let entry = entry();
    for id in [METER, TUNES] {
        let mut racks: Vec<Rack> = (0..16).map(|_| Rack::new(&entry, id)).collect();
        assert_eq!(threads("earworm-"), 0, "nothing may start before activation");
        for rack in &mut racks {
            rack.activate(48_000.0, 512);
        }
        // A thread names itself a moment after it was started.
        for _ in 0..60_000 {
            if threads("earworm-") > 0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(threads("earworm-"), 1);
        for rack in racks.iter_mut().skip(1) {
            rack.deactivate();
        }
        assert_eq!(threads("earworm-"), 1);
        drop(racks);
        assert_eq!(threads("earworm-"), 0);
    }
}
