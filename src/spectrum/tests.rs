//! Core: facts about the front end.

use std::f64::consts::TAU;

use super::*;

/// A chirp from 55 Hz to 9 kHz over 3 s, a 440 Hz tone struck twice a second, and a 3 kHz tone: the
/// signal that `tests/data/mel_librosa.json` was computed from, with
/// `librosa.feature.melspectrogram(y, sr=22050, n_fft=2048, hop_length=512, n_mels=128, pad_mode="constant")`,
/// frames floor(3.3368 x + 1.665), as 10 log10(max(S, 1e-10)).
fn made_signal(rate: f64, seconds: f64) -> Vec<f32> {
    let bend = (9_000.0_f64 / 55.0).ln() / 3.0;
    (0..(rate * seconds) as usize)
        .map(|n| {
            let t = n as f64 / rate;
            let chirp = 0.3 * (TAU * 55.0 * ((bend * t).exp() - 1.0) / bend).sin();
            let struck = 0.4 * (TAU * 440.0 * t).sin() * (-8.0 * (t % 0.5)).exp();
            (chirp + struck + 0.05 * (TAU * 3_000.0 * t).sin()) as f32
        })
        .collect()
}

fn columns(samples: impl IntoIterator<Item = f32>, rate: f32) -> Vec<[f32; BANDS]> {
    let mut stft = Stft::new(rate, 1);
    let bank = Bank::new(rate);
    assert_eq!(stft.frame_length(), bank.frame_length());
    let mut columns = Vec::new();
    for sample in samples {
        if let Some(power) = stft.push(&[sample]) {
            columns.push(bank.column(power).bands);
        }
    }
    columns
}

fn rms(differences: impl Iterator<Item = f32>) -> f32 {
    let (sum, count) = differences.fold((0.0, 0), |(sum, count), d| (sum + d * d, count + 1));
    (sum / count.max(1) as f32).sqrt()
}

/// A signal through the front end's high-pass from its end to its start, which undoes the phase of the filter that hears it next: the two
/// together delay nothing, and take from what is above 50 Hz under 0.01 dB.
fn without_delay(mut signal: Vec<f32>, rate: f64) -> Vec<f32> {
    signal.reverse();
    let mut both: Vec<[f64; 2]> = signal.iter().map(|&x| [f64::from(x), 0.0]).collect();
    stft::Highpass::new(rate).filter(&mut both);
    both.iter().rev().map(|x| x[0] as f32).collect()
}

#[test]
fn mel_bands_are_those_of_librosa() {
    let stored: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/data/mel_librosa.json")).unwrap();
    let signal = made_signal(22_050.0, 3.0);
    let heard = columns(signal.iter().copied(), 22_050.0);
    let undelayed = columns(without_delay(signal, 22_050.0), 22_050.0);
    for (column, bands) in stored["columns"].as_object().unwrap() {
        let place = column.parse::<usize>().unwrap();
        for (band, value) in bands.as_array().unwrap().iter().enumerate() {
            let value = value.as_f64().unwrap() as f32;
            // Far under the loudest band the rounding of 32-bit sums decides.
            if value <= -50.0 {
                continue;
            }
            let check = |ours: f32, near: f32| {
                assert!(
                    (ours - value).abs() < near,
                    "column {column}, band {band}: {ours} is not {value}"
                );
            };
            // What nobody hears is taken out: a part of the lowest band, and of the onset in the first column.
            if band == 0 || place == 0 {
                check(heard[place][band], 3.0);
                continue;
            }
            // The high-pass delays the chirp's low end, by 3 ms at 70 Hz and 0.2 ms at 300, while the chirp raises or
            // lowers the bands that it passes, and all that it leaks into, by some 150 dB a second. Later it is too high
            // for that, but for what leaks, 60 dB under it.
            let is_moved = place < 12 || value < -30.0;
            check(heard[place][band], if is_moved { 0.5 } else { 0.1 });
            // That delay is all that parts the two.
            check(undelayed[place][band], 0.1);
        }
    }
}

#[test]
fn every_sample_rate_gives_the_same_bands() {
    let reference = columns(made_signal(22_050.0, 3.0), 22_050.0);
    for rate in [44_100.0, 48_000.0, 88_200.0, 96_000.0, 192_000.0] {
        let ours = columns(made_signal(rate, 3.0), rate as f32);
        assert_eq!(ours.len(), reference.len(), "{rate} Hz");
        let heard =
            ours.iter().flatten().zip(reference.iter().flatten()).filter(|pair| *pair.1 > -40.0);
        let off = rms(heard.map(|(a, b)| a - b));
        assert!(off < 0.5, "{rate} Hz: {off} dB RMS");
    }
}

#[test]
fn columns_keep_their_times_over_hours() {
    let mut stft = Stft::new(8_000.0, 1);
    let mut frames = 0_u64;
    for n in 0..8_000 * 600_u64 {
        if stft.push(&[0.0]).is_some() {
            let late = n as f64 / 8_000.0 - column_time(frames);
            assert!(
                (0.045..0.048).contains(&late),
                "column {frames} came {late} s after its centre"
            );
            frames += 1;
        }
    }
    assert_eq!(frames, (600.0 / COLUMN_SECONDS) as u64);
}

#[test]
fn wild_samples_leave_with_the_window_they_are_in() {
    let clean = made_signal(48_000.0, 3.0);
    let mut wild = clean.clone();
    for (index, sample) in
        [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 1e-42].into_iter().enumerate()
    {
        wild[48_000 + index * 100] = sample;
    }
    let (clean, wild) = (columns(clean, 48_000.0), columns(wild, 48_000.0));
    assert!(wild.iter().flatten().all(|value| value.is_finite()));
    for (column, (clean, wild)) in clean.iter().zip(&wild).enumerate() {
        let after = column_time(column as u64) - 1.0;
        if after < -0.06 {
            assert_eq!(clean, wild, "column {column}");
        } else if after > 0.3 {
            // The filter of the lowest octave rings a little longer.
            for (clean, wild) in clean.iter().zip(wild).filter(|pair| *pair.0 > -50.0) {
                assert!((clean - wild).abs() < 0.01, "column {column}: {wild} is not {clean}");
            }
        }
    }
}

#[test]
fn a_reset_front_end_is_as_new() {
    let signal = made_signal(44_100.0, 1.0);
    let mut stft = Stft::new(44_100.0, 1);
    let mut take = || {
        signal
            .iter()
            .filter_map(|&sample| stft.push(&[sample]).map(<[f32]>::to_vec))
            .collect::<Vec<_>>()
    };
    let first = take();
    stft.reset();
    let mut again = || {
        signal
            .iter()
            .filter_map(|&sample| stft.push(&[sample]).map(<[f32]>::to_vec))
            .collect::<Vec<_>>()
    };
    assert_eq!(first, again());
}

#[test]
fn any_sample_rate_makes_a_front_end() {
    for rate in [0.0, -1.0, f32::NAN, f32::INFINITY, 1.0, 8_000.0, 11_025.0, 3_072_000.0] {
        let mut stft = Stft::new(rate, 1);
        assert_eq!(stft.frame_length(), Bank::new(rate).frame_length());
        assert!((0..400_000).any(|_| stft.push(&[0.5]).is_some()), "{rate}");
    }
}

fn tone(hertz: f32, rate: u32, seconds: f32) -> Vec<f32> {
    let count = (seconds * rate as f32) as u32;
    (0..count).map(|n| (n as f32 * hertz * std::f32::consts::TAU / rate as f32).sin()).collect()
}

/// Columns of several channels.
fn columns_of(planes: &[Vec<f32>], rate: u32) -> Vec<[f32; BANDS]> {
    let mut front = Columns::new(rate);
    let interleaved: Vec<f32> =
        (0..planes[0].len()).flat_map(|n| planes.iter().map(move |plane| plane[n])).collect();
    let mut columns = Vec::new();
    // In pieces that end anywhere.
    for piece in interleaved.chunks(planes.len() * 701) {
        front.push(piece, planes.len(), &mut columns);
    }
    columns.into_iter().map(|column| column.bands).collect()
}

#[test]
fn channels_add_their_powers_and_a_broken_one_is_left_out() {
    let sound = tone(440.0, 44_100, 1.0);
    let mono = columns_of(std::slice::from_ref(&sound), 44_100);
    let opposite: Vec<f32> = sound.iter().map(|sample| -sample).collect();
    let broken = vec![f32::NAN; sound.len()];
    let mut endless = sound.clone();
    endless[20_000] = f32::INFINITY;
    for (name, planes) in [
        ("the same twice", vec![sound.clone(), sound.clone()]),
        ("opposite", vec![sound.clone(), opposite.clone()]),
        ("one of them broken", vec![broken.clone(), sound.clone()]),
        ("two of three broken", vec![broken.clone(), sound.clone(), broken]),
        ("one of them for a moment", vec![sound.clone(), endless]),
    ] {
        let pairs = columns_of(&planes, 44_100).into_iter().zip(&mono);
        for (ours, mono) in pairs.flat_map(|(ours, mono)| ours.into_iter().zip(mono)) {
            // What the broken sample's place does to the filter is far below the sound.
            assert!((ours - mono).abs() < 0.1 || *mono < -40.0, "{name}: {ours} is not {mono}");
        }
    }
    let with_silence = columns_of(&[sound.clone(), vec![0.0; sound.len()]], 44_100);
    let loudest = |column: &[f32; BANDS]| column.iter().copied().fold(f32::MIN, f32::max);
    assert!((loudest(&mono[6]) - loudest(&with_silence[6]) - 3.01).abs() < 0.01);
}

#[test]
fn what_is_too_low_to_be_heard_is_in_no_band() {
    for rate in [22_050, 48_000, 192_000] {
        let level = |hertz: f32| {
            let column = columns_of(&[tone(hertz, rate, 2.0)], rate)[20];
            column.into_iter().fold(f32::MIN, f32::max)
        };
        let heard = level(60.0);
        assert!((level(41.2) - heard).abs() < 3.0, "a bass's lowest string at {rate} Hz");
        assert!(level(20.0) < heard - 10.0, "20 Hz at {rate} Hz");
        assert!(level(10.0) < heard - 40.0, "10 Hz at {rate} Hz");
        let constant = columns_of(&[vec![0.8; rate as usize]], rate);
        assert!(constant.iter().flatten().all(|&value| value == -100.0));
    }
}
