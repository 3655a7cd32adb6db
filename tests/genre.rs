//! Worker: facts about the ear: what changes nothing changes nothing, and what it says of real clips.
//!
//! Real clips are read from the folder in `EARWORM_DATA` (the one that holds `genre/` and `audio/`);
//! where it is unset or absent those tests say so and pass.

use std::f32::consts::TAU;
use std::path::PathBuf;
use std::sync::Arc;

use earworm_audio::decode;
use earworm_genre::{Ear, GENRES, Heard, Hearing, Network, State};
use earworm_spectrum::{BANDS, Bank, COLUMN_SECONDS, Stft};
use realfft::RealFftPlanner;
use realfft::num_complex::Complex;

fn network() -> Arc<Network> {
    Network::embedded().expect("the weights that ship can be read")
}

/// What is heard in mono samples.
fn hear(samples: &[f32], rate: u32) -> Heard {
    hear_in_blocks(samples, rate, 1, 4_096)
}

fn hear_in_blocks(interleaved: &[f32], rate: u32, channels: usize, block: usize) -> Heard {
    let mut hearing = Hearing::new(network(), rate, false).without_timeline();
    for block in interleaved.chunks(block * channels) {
        hearing.push(block, channels);
    }
    hearing.finish()
}

fn largest_difference(a: &Heard, b: &Heard) -> f32 {
    a.probabilities.iter().zip(b.probabilities).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// A groove with bass, chords and a struck noise: music enough to be judged.
fn made_music(rate: u32, seconds: f32) -> Vec<f32> {
    let chords = [
        [220.0, 277.2, 329.6],
        [196.0, 246.9, 293.7],
        [174.6, 220.0, 261.6],
        [196.0, 246.9, 293.7],
    ];
    (0..(rate as f32 * seconds) as usize)
        .map(|n| {
            let t = n as f32 / rate as f32;
            let beat = t * 2.0;
            let chord = chords[(beat as usize / 4) % 4];
            let fall = (-6.0 * beat.fract()).exp();
            let tone = |hertz: f32, harmonics: u32| -> f32 {
                (1..=harmonics).map(|k| (TAU * hertz * k as f32 * t).sin() / k as f32).sum()
            };
            let chords: f32 = chord.iter().map(|&hertz| tone(hertz, 6)).sum::<f32>() * 0.06 * fall;
            let bass = tone(chord[0] / 4.0, 4) * 0.2 * (-3.0 * (beat * 2.0).fract()).exp();
            // Many tones close together sound like a struck cymbal, and are the same at any rate.
            let cymbal: f32 =
                (0..40).map(|k| (TAU * (4_000.0 + 137.3 * k as f32) * t).sin()).sum::<f32>() * 0.01;
            chords + bass + cymbal * (-20.0 * (beat + 0.5).fract()).exp()
        })
        .collect()
}

/// The same sound at another rate, by padding or cutting its spectrum.
fn resampled(samples: &[f32], from: u32, to: u32) -> Vec<f32> {
    let length = (samples.len() as u64 * u64::from(to) / u64::from(from)) as usize;
    let mut planner = RealFftPlanner::<f32>::new();
    let (forward, back) =
        (planner.plan_fft_forward(samples.len()), planner.plan_fft_inverse(length));
    let mut input = samples.to_vec();
    let mut spectrum = forward.make_output_vec();
    forward.process(&mut input, &mut spectrum).unwrap();
    let mut other = back.make_input_vec();
    let shared = spectrum.len().min(other.len()) - 1;
    other[1..shared].copy_from_slice(&spectrum[1..shared]);
    other[0] = Complex::new(spectrum[0].re, 0.0);
    let mut output = back.make_output_vec();
    back.process(&mut other, &mut output).unwrap();
    output.iter().map(|sample| sample / samples.len() as f32).collect()
}

#[test]
fn every_sample_rate_gives_the_same_reading() {
    let reference = hear(&made_music(22_050, 12.0), 22_050);
    for rate in [44_100, 48_000, 88_200, 96_000, 192_000] {
        let heard = hear(&made_music(rate, 12.0), rate);
        assert_eq!(heard.likeliest(), reference.likeliest(), "{rate} Hz");
        let off = largest_difference(&heard, &reference);
        assert!(off < 0.05, "{rate} Hz: {off}");
    }
}

#[test]
fn level_changes_no_reading() {
    let music = made_music(44_100, 12.0);
    let reference = hear(&music, 44_100);
    for level in [-30.0_f32, -12.0, 6.0, 12.0] {
        let gain = 10.0_f32.powf(level / 20.0);
        let heard = hear(&music.iter().map(|sample| sample * gain).collect::<Vec<_>>(), 44_100);
        let off = largest_difference(&heard, &reference);
        assert!(off < 0.01, "{level} dB: {off}");
    }
}

#[test]
fn block_size_and_a_second_channel_change_no_reading() {
    let music = made_music(48_000, 8.0);
    let reference = hear(&music, 48_000);
    for block in [1, 64, 479, 480, 100_000] {
        assert_eq!(hear_in_blocks(&music, 48_000, 1, block).probabilities, reference.probabilities);
    }
    let stereo: Vec<f32> = music.iter().flat_map(|&sample| [sample, sample]).collect();
    assert_eq!(hear_in_blocks(&stereo, 48_000, 2, 512).probabilities, reference.probabilities);
}

#[test]
fn wild_samples_change_a_reading_only_while_the_level_is_judged_by_them() {
    // Half a minute that is read, and half a minute before it that its level is judged by.
    let music = made_music(22_050, 75.0);
    let reading = |samples: &[f32]| {
        let mut stft = Stft::new(22_050.0, 1);
        let (mut ear, bank) = (Ear::new(network()), Bank::new(22_050.0));
        for &sample in samples {
            if let Some(power) = stft.push(&[sample]) {
                ear.push(&bank.column(power));
            }
        }
        ear.listen()
    };
    let mut wild = music.clone();
    for (index, sample) in wild[..22_050 * 10].iter_mut().enumerate() {
        *sample = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 1e-40][index % 5];
    }
    assert_eq!(reading(&wild), reading(&music));
}

#[test]
fn the_ear_listens_for_three_seconds_then_answers_and_knows_silence() {
    let mut stft = Stft::new(44_100.0, 1);
    let (mut ear, bank) = (Ear::new(network()), Bank::new(44_100.0));
    let mut push = |ear: &mut Ear, samples: &[f32]| {
        for &sample in samples {
            if let Some(power) = stft.push(&[sample]) {
                ear.push(&bank.column(power));
            }
        }
    };
    let music = made_music(44_100, 6.0);
    push(&mut ear, &music[..44_100 * 2]);
    let reading = ear.listen();
    assert_eq!((reading.state, reading.genre(), reading.map), (State::Listening, None, None));
    push(&mut ear, &music[44_100 * 2..44_100 * 4]);
    let reading = ear.listen();
    assert!(matches!(reading.state, State::Heard | State::Unsure));
    assert!((reading.probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-4);
    let map = reading.map.unwrap();
    assert_eq!(map.values.len(), map.bands * map.columns);
    assert!(map.values.iter().all(|value| (0.0..=1.0).contains(value)));
    assert!(map.values.contains(&1.0));
    push(&mut ear, &vec![1e-6; 44_100 * 2]);
    assert_eq!(ear.listen().state, State::Silence);
    push(&mut ear, &music[..44_100]);
    assert_eq!(ear.listen().state, State::Listening);
}

#[test]
fn a_long_recording_has_a_timeline_from_end_to_end() {
    let mut hearing = Hearing::new(network(), 22_050, true);
    let music = made_music(22_050, 70.0);
    hearing.push(&music, 1);
    let heard = hearing.finish();
    assert!((heard.seconds - 70.0).abs() < 1e-6);
    assert_eq!(heard.timeline[0].start, 0.0);
    assert!((heard.timeline.last().unwrap().end - 70.0).abs() < 0.2);
    for pair in heard.timeline.windows(2) {
        assert!((pair[0].end - pair[1].start).abs() < 1e-6, "{pair:?}");
    }
    let picture = heard.picture.unwrap();
    assert!(picture.columns.len() * picture.columns_each * 2 > (70.0 / COLUMN_SECONDS) as usize);
    assert!(!picture.maps.is_empty());
}

/// The folder with the real clips.
fn data() -> Option<PathBuf> {
    let folder =
        std::env::var_os("EARWORM_DATA").map(PathBuf::from).filter(|folder| folder.is_dir());
    if folder.is_none() {
        host::skipped("EARWORM_DATA names no folder with real clips");
    }
    folder
}

/// GTZAN's clips as (id, mono samples); all at 22,050 Hz.
fn clips(data: &std::path::Path) -> Vec<(String, Vec<f32>)> {
    let mut clips = Vec::new();
    for entry in std::fs::read_dir(data.join("audio")).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let Some(id) = stem.strip_prefix("gtzan-") else { continue };
        let mut sound = decode(&path).unwrap();
        assert_eq!((sound.sample_rate(), sound.channels()), (22_050, 1));
        let mut samples = Vec::new();
        while let Some(chunk) = sound.next_chunk() {
            samples.extend_from_slice(chunk.samples);
        }
        clips.push((id.to_string(), samples));
    }
    clips.sort_by(|a, b| a.0.cmp(&b.0));
    clips
}

#[test]
fn real_clips_sound_the_same_at_every_rate_and_level() {
    let Some(data) = data() else { return };
    let (mut same, mut all) = (0, 0);
    for (id, samples) in clips(&data) {
        let samples = &samples[..22_050 * 10];
        let reference = hear(samples, 22_050);
        let mut compare = |what: &str, heard: &Heard| {
            all += 1;
            same += usize::from(heard.likeliest() == reference.likeliest());
            let off = largest_difference(heard, &reference);
            assert!(off < 0.05, "{id} {what}: probabilities off by {off}");
        };
        for rate in [44_100, 48_000, 96_000, 192_000] {
            compare(&format!("at {rate} Hz"), &hear(&resampled(samples, 22_050, rate), rate));
        }
        for level in [-30.0_f32, 12.0] {
            let gain = 10.0_f32.powf(level / 20.0);
            let louder: Vec<f32> = samples.iter().map(|sample| sample * gain).collect();
            compare(&format!("at {level} dB"), &hear(&louder, 22_050));
        }
    }
    println!("{same} of {all} readings name the genre of the original");
    assert!(same * 100 >= all * 97, "{same} of {all}");
}

#[test]
fn real_clips_have_the_mels_that_librosa_gives_them() {
    let Some(data) = data() else { return };
    let stored = stored_mels(&data);
    let mut distances = Vec::new();
    for (id, samples) in clips(&data) {
        let (mut stft, bank) = (Stft::new(22_050.0, 1), Bank::new(22_050.0));
        let mut pairs = Vec::new();
        let mut column = 0;
        for sample in samples {
            let Some(power) = stft.push(&[sample]) else { continue };
            let theirs = &stored[&id][column];
            // What is below 25 Hz, a good part of the lowest band, is taken out. The lowest value stands for everything
            // at or below it.
            let heard = bank
                .column(power)
                .bands
                .into_iter()
                .zip(theirs)
                .skip(1)
                .filter(|pair| *pair.1 > -79.0);
            pairs.extend(heard.map(|(ours, theirs)| ours - theirs));
            column += 1;
        }
        let mean = pairs.iter().sum::<f32>() / pairs.len() as f32;
        let rms =
            (pairs.iter().map(|d| (d - mean).powi(2)).sum::<f32>() / pairs.len() as f32).sqrt();
        println!("{id}: {rms:.2} dB RMS");
        distances.push(rms);
    }
    // A few clips' mels were made from another copy of the recording.
    let close = distances.iter().filter(|&&rms| rms <= 0.5).count();
    assert!(
        close * 10 >= distances.len() * 8,
        "only {close} of {} within 0.5 dB RMS",
        distances.len()
    );
}

/// The stored mels by clip, dB below the clip's maximum, column by column.
fn stored_mels(data: &std::path::Path) -> std::collections::HashMap<String, Vec<[f32; BANDS]>> {
    let mut clips = std::collections::HashMap::new();
    for file in ["gtzan-train", "gtzan-valid"] {
        let bytes = std::fs::read(data.join(format!("genre/{file}.safetensors"))).unwrap();
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        let names: Vec<String> =
            serde_json::from_str(&header.metadata().as_ref().unwrap()["clips"]).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let mel = tensors.tensor("mel").unwrap();
        let frames = mel.shape()[2];
        for (name, values) in names.into_iter().zip(mel.data().chunks(BANDS * frames)) {
            let value = |band: usize, column: usize| {
                f32::from(values[band * frames + column]) * 80.0 / 255.0 - 80.0
            };
            let columns =
                (0..frames).map(|column| std::array::from_fn(|band| value(band, column))).collect();
            clips.insert(name, columns);
        }
    }
    clips
}

#[test]
fn most_real_clips_are_named_right() {
    let Some(data) = data() else { return };
    let clips = clips(&data);
    let right = clips
        .iter()
        .filter(|(id, samples)| {
            let heard = hear(samples, 22_050);
            heard.likeliest().is_some_and(|genre| id.starts_with(GENRES[genre]))
        })
        .count();
    println!("{right} of {} clips named right", clips.len());
    assert!(right * 20 >= clips.len() * 12, "{right} of {}", clips.len());
}
