//! Real-time: the built-in voice, a soft plucked string.
//!
//! An extended Karplus-Strong string (D. Jaffe and J. O. Smith, "Extensions of the Karplus-Strong
//! plucked-string algorithm", Computer Music Journal 7(2), 1983): a delay line of one period,
//! closed through a low-pass that makes the upper partials die first and an all-pass that tunes
//! the fraction of a sample. A finger's width of raised cosine, and the same upside down where its
//! reflection comes back from the plucking point, excites it.
//!
//! [`Voice::new`] allocates; nothing after it does, nor locks, waits, calls the system or panics.

#![warn(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use std::f32::consts::{FRAC_PI_2, TAU};

/// Strings that sound at once. A further note takes over the quietest.
pub const POLYPHONY: usize = 32;

/// Where the string is plucked, as a part of its length. Off the simple fractions, so that no low
/// partial is missing.
const PLUCK_POINT: f32 = 0.23;
/// Peak of one note at full velocity, before its share of the stereo field.
const NOTE_PEAK: f32 = 0.30;
/// Time constant with which a released string is damped, seconds.
const RELEASE: f32 = 0.055;
/// Time constant with which a string is damped that is struck again, seconds.
const RESTRIKE: f32 = 0.012;
/// Time constant with which a taken-over string's last value fades, seconds.
const TAKEOVER: f32 = 0.004;
/// Below this a string is inaudible and its place is free: -90 dBFS.
const INAUDIBLE: f32 = 3.2e-5;
/// Samples nearer to nothing are set to nothing, long before they would become denormal and slow.
const TINY: f32 = 1e-15;
/// Above this the sum bends, so that it never reaches full scale however many strings sound.
const KNEE: f32 = 0.7;
/// What the bent sum approaches, a hair under 0 dBFS.
const CEILING: f32 = 0.98;

/// A polyphonic plucked string with at most [`POLYPHONY`] notes at once.
///
/// ```
/// let mut voice = earworm::voice::Voice::new(48_000.0);
/// voice.note_on(69, 0.8);
/// let second: Vec<[f32; 2]> = (0..48_000).map(|_| voice.render()).collect();
/// assert!(second.iter().any(|[left, _]| left.abs() > 0.05));
/// assert!(second.iter().flatten().all(|x| x.abs() < 1.0));
/// ```
#[derive(Debug)]
pub struct Voice {
    sample_rate: f32,
    strings: Vec<PluckedString>,
    /// What taken-over strings left behind, fading, so that their end is no click.
    leftover: [f32; 2],
    leftover_decay: f32,
}

#[derive(Debug)]
struct PluckedString {
    /// One period, less what the filters delay; as long as the lowest key needs.
    line: Box<[f32]>,
    /// Samples of `line` in use.
    length: usize,
    position: usize,
    /// Pole of the loop's low-pass, and its state.
    pole: f32,
    low_pass: f32,
    /// Loop gain, just under 1.
    gain: f32,
    /// Coefficient of the tuning all-pass, its last input and last output.
    tuning: f32,
    tuning_in: f32,
    tuning_out: f32,
    /// The excitation: samples since the pluck, length of the finger's pulse, samples until its
    /// reflection, height.
    age: f32,
    pulse: f32,
    reflection: f32,
    height: f32,
    /// Follows the string's peak down, to know when it is inaudible.
    level: f32,
    level_decay: f32,
    /// 1 while held, falling by `damping` each sample once released.
    envelope: f32,
    damping: f32,
    pan: [f32; 2],
    key: u8,
    state: State,
    last: [f32; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Free,
    Held,
    Released,
}

/// Frequency of a MIDI key in hertz, equal temperament, key 69 = 440 Hz.
fn frequency(key: u8) -> f32 {
    440.0 * ((f32::from(key) - 69.0) / 12.0).exp2()
}

/// What one sample leaves of a decay with this time constant in seconds.
fn decay(sample_rate: f32, seconds: f32) -> f32 {
    (-1.0 / (sample_rate * seconds)).exp()
}

impl Voice {
    /// A silent voice at `sample_rate` hertz. Allocates every string's line, for the lowest MIDI
    /// key at this rate.
    pub fn new(sample_rate: f32) -> Self {
        let sample_rate =
            if sample_rate.is_finite() { sample_rate.clamp(8_000.0, 768_000.0) } else { 48_000.0 };
        let longest = ((sample_rate / frequency(0)).ceil() as usize).saturating_add(2);
        Self {
            sample_rate,
            strings: (0..POLYPHONY).map(|_| PluckedString::new(longest)).collect(),
            leftover: [0.0; 2],
            leftover_decay: decay(sample_rate, TAKEOVER),
        }
    }

    /// Plucks the string of a MIDI `key` (0 to 127); `velocity` runs from 0 to 1. A string of the
    /// same key that still sounds is damped.
    pub fn note_on(&mut self, key: u8, velocity: f32) {
        let key = key.min(127);
        let velocity = velocity.clamp(0.0, 1.0);
        if velocity.is_nan() || velocity == 0.0 {
            return self.note_off(key);
        }
        for string in &mut self.strings {
            if string.state != State::Free && string.key == key {
                string.release(decay(self.sample_rate, RESTRIKE));
            }
        }
        // Free strings first, then released ones, then the quietest.
        let rank = |s: &PluckedString| match s.state {
            State::Free => -1.0,
            State::Released => s.level * s.envelope,
            State::Held => 2.0 + s.level,
        };
        let chosen = self.strings.iter_mut().min_by(|a, b| rank(a).total_cmp(&rank(b)));
        if let Some(string) = chosen {
            if string.state != State::Free {
                self.leftover[0] += string.last[0];
                self.leftover[1] += string.last[1];
            }
            string.pluck(key, velocity, self.sample_rate);
        }
    }

    /// Damps the string of `key`, if it sounds.
    pub fn note_off(&mut self, key: u8) {
        let damping = decay(self.sample_rate, RELEASE);
        for string in &mut self.strings {
            if string.state == State::Held && string.key == key {
                string.release(damping);
            }
        }
    }

    /// Damps every string.
    pub fn all_off(&mut self) {
        let damping = decay(self.sample_rate, RELEASE);
        for string in &mut self.strings {
            if string.state == State::Held {
                string.release(damping);
            }
        }
    }

    /// The next stereo sample, each channel within ±1 (0 dBFS) whatever sounds.
    pub fn render(&mut self) -> [f32; 2] {
        let (mut left, mut right) = ([0.0], [0.0]);
        self.render_block(&mut left, &mut right);
        let ([left], [right]) = (left, right);
        [left, right]
    }

    /// The next samples of both channels, as [`render`](Self::render) gives them one by one.
    pub fn render_block(&mut self, left: &mut [f32], right: &mut [f32]) {
        for (left, right) in left.iter_mut().zip(right.iter_mut()) {
            [*left, *right] = self.leftover;
            for leftover in &mut self.leftover {
                *leftover *= self.leftover_decay;
                if leftover.abs() < TINY {
                    *leftover = 0.0;
                }
            }
        }
        let mut sounding = self.strings.iter_mut().filter(|string| string.state != State::Free);
        loop {
            let lanes: [_; LANES] = std::array::from_fn(|_| sounding.next());
            if lanes.iter().all(Option::is_none) {
                break;
            }
            add_strings(lanes, left, right);
        }
        for sample in left.iter_mut().chain(right) {
            *sample = bend(*sample);
        }
    }

    /// Whether nothing sounds, so that rendering may stop.
    pub fn is_silent(&self) -> bool {
        self.strings.iter().all(|s| s.state == State::Free)
            && self.leftover.iter().all(|x| x.abs() < INAUDIBLE)
    }
}

/// Straight up to the knee, then towards the ceiling without reaching it.
fn bend(x: f32) -> f32 {
    let over = x.abs() - KNEE;
    if over <= 0.0 {
        return x;
    }
    let room = CEILING - KNEE;
    (KNEE + room * (over / room).tanh()).copysign(x)
}

impl PluckedString {
    fn new(longest: usize) -> Self {
        Self {
            line: vec![0.0; longest].into_boxed_slice(),
            length: 1,
            position: 0,
            pole: 0.0,
            low_pass: 0.0,
            gain: 0.0,
            tuning: 0.0,
            tuning_in: 0.0,
            tuning_out: 0.0,
            age: 0.0,
            pulse: 0.0,
            reflection: 0.0,
            height: 0.0,
            level: 0.0,
            level_decay: 0.0,
            envelope: 0.0,
            damping: 1.0,
            pan: [0.0; 2],
            key: 0,
            state: State::Free,
            last: [0.0; 2],
        }
    }

    fn pluck(&mut self, key: u8, velocity: f32, sample_rate: f32) {
        let mut pitch = frequency(key);
        // A loop shorter than its own filters can't be tuned; such keys sound an octave lower,
        // which happens only to the highest at sample rates under 40 kHz.
        while sample_rate / pitch < 3.2 {
            pitch *= 0.5;
        }
        let period = sample_rate / pitch;
        let omega = TAU / period;

        // 60 dB of decay take this long: for the fundamental, and for the partials up there.
        let fundamental = (4.2 * ((48.0 - f32::from(key)) / 24.0).exp2()).clamp(0.5, 7.0);
        let bright_pitch = (4_000.0f32).max(2.0 * pitch).min(0.42 * sample_rate);
        let bright = fundamental / (5.0 - 2.5 * velocity);
        let left_of = |seconds: f32| 10.0f32.powf(-3.0 * period / (sample_rate * seconds));
        // The one-pole low-pass whose gain at `bright_pitch` over that at 0 Hz is this ratio.
        let ratio = left_of(bright) / left_of(fundamental);
        let square = (ratio * ratio).clamp(1e-6, 0.999_999);
        let b = (1.0 - square * (TAU * bright_pitch / sample_rate).cos()) / (1.0 - square);
        self.pole = (b - (b * b - 1.0).max(0.0).sqrt()).clamp(0.0, 0.9);
        let (sin, cos) = omega.sin_cos();
        let through =
            (1.0 - self.pole) / (1.0 - 2.0 * self.pole * cos + self.pole * self.pole).sqrt();
        self.gain = (left_of(fundamental) / through).min(0.999_99);

        // The loop's delay at the fundamental must be the period exactly: so many whole samples,
        // the low-pass's own phase delay, and the all-pass for what is left, 0.5 to 1.5 samples.
        let low_pass_delay = (self.pole * sin).atan2(1.0 - self.pole * cos) / omega;
        let rest = (period - low_pass_delay).max(1.5);
        let whole = (rest - 0.5).floor().max(1.0);
        let fraction = (rest - whole).clamp(0.05, 1.95);
        self.tuning =
            ((1.0 - fraction) * omega * 0.5).sin() / ((1.0 + fraction) * omega * 0.5).sin();
        self.length = (whole as usize).clamp(1, self.line.len());
        self.position = 0;
        self.line.iter_mut().take(self.length).for_each(|sample| *sample = 0.0);
        self.low_pass = 0.0;
        self.tuning_in = 0.0;
        self.tuning_out = 0.0;

        // Half a millisecond of finger when struck hard, twice that when soft; the bass gets more.
        let finger = sample_rate * 0.000_5 * (2.0 - velocity);
        self.pulse = finger.max(0.16 * period).min(PLUCK_POINT * 2.0 * period);
        self.reflection = PLUCK_POINT * period;
        self.age = 0.0;
        self.height = NOTE_PEAK * velocity.powf(1.4);
        self.level = 1.0;
        self.level_decay = decay(sample_rate, 0.08);
        self.envelope = 1.0;
        self.damping = 1.0;
        // Low keys a little left, high ones a little right, at equal power.
        let side = ((f32::from(key) - 66.0) / 240.0).clamp(-0.12, 0.12);
        let (right, left) = ((side + 0.5) * FRAC_PI_2).sin_cos();
        let equal = std::f32::consts::SQRT_2;
        self.pan = [left * equal, right * equal];
        self.key = key;
        self.state = State::Held;
        self.last = [0.0; 2];
    }

    fn release(&mut self, damping: f32) {
        self.state = State::Released;
        self.damping = self.damping.min(damping);
    }
}

/// The finger's raised cosine, `pulse` samples long, at `age` samples.
fn finger(age: f32, pulse: f32) -> f32 {
    if age <= 0.0 || age >= pulse {
        return 0.0;
    }
    0.5 - 0.5 * (TAU * age / pulse).cos()
}

/// Strings that are rendered side by side: each of a string's samples waits for the one before it, so that one string
/// alone would leave the processor idle most of the time.
const LANES: usize = 4;

/// Adds the next samples of up to [`LANES`] strings, each up to where it can't be heard any more.
#[allow(clippy::indexing_slicing, reason = "a lane is always one of the arrays' own number")]
fn add_strings(
    mut strings: [Option<&mut PluckedString>; LANES],
    left: &mut [f32],
    right: &mut [f32],
) {
    let of = |part: fn(&PluckedString) -> f32| -> [f32; LANES] {
        std::array::from_fn(|lane| strings[lane].as_deref().map_or(0.0, part))
    };
    let (pole, gain, tuning) = (of(|s| s.pole), of(|s| s.gain), of(|s| s.tuning));
    let (mut low_pass, mut tuning_in) = (of(|s| s.low_pass), of(|s| s.tuning_in));
    let mut tuning_out = of(|s| s.tuning_out);
    let (pulse, reflection, height) = (of(|s| s.pulse), of(|s| s.reflection), of(|s| s.height));
    let mut age = of(|s| s.age);
    let (mut level, level_decay) = (of(|s| s.level), of(|s| s.level_decay));
    let (mut envelope, damping) = (of(|s| s.envelope), of(|s| s.damping));
    let (pan_left, pan_right) = (of(|s| s.pan[0]), of(|s| s.pan[1]));
    let mut heard = of(|_| 1.0);
    let (mut last_left, mut last_right) = ([0.0; LANES], [0.0; LANES]);
    let mut silent = [[0.0; 1]; LANES];
    let mut silent = silent.iter_mut();
    let mut position = [0; LANES];
    let mut lines: [&mut [f32]; LANES] = [&mut [], &mut [], &mut [], &mut []];
    for (lane, string) in strings.iter_mut().enumerate() {
        match (string, silent.next()) {
            (Some(string), _) => {
                position[lane] = string.position;
                let length = string.length.min(string.line.len());
                lines[lane] = string.line.get_mut(..length).unwrap_or_default();
            }
            (None, Some(silent)) => lines[lane] = silent,
            (None, None) => {}
        }
    }
    for (left, right) in left.iter_mut().zip(right) {
        let mut excitation = [0.0; LANES];
        for lane in 0..LANES {
            if age[lane] < reflection[lane] + pulse[lane] {
                age[lane] += 1.0;
                excitation[lane] = height[lane]
                    * (finger(age[lane], pulse[lane])
                        - finger(age[lane] - reflection[lane], pulse[lane]));
            }
        }
        let out: [f32; LANES] =
            std::array::from_fn(|lane| lines[lane].get(position[lane]).copied().unwrap_or(0.0));
        let mut back = [0.0; LANES];
        for lane in 0..LANES {
            let filtered = (1.0 - pole[lane]) * out[lane] + pole[lane] * low_pass[lane];
            low_pass[lane] = if filtered.abs() < TINY { 0.0 } else { filtered };
            let tuned = tuning[lane] * (low_pass[lane] - tuning_out[lane]) + tuning_in[lane];
            tuning_in[lane] = low_pass[lane];
            tuning_out[lane] = if tuned.abs() < TINY { 0.0 } else { tuned };
            back[lane] = excitation[lane] + gain[lane] * tuning_out[lane];
            level[lane] = (level[lane] * level_decay[lane]).max(out[lane].abs());
            envelope[lane] *= damping[lane];
            let sound = out[lane] * envelope[lane] * heard[lane];
            last_left[lane] = sound * pan_left[lane];
            last_right[lane] = sound * pan_right[lane];
            if level[lane] * envelope[lane] < INAUDIBLE {
                heard[lane] = 0.0;
            }
        }
        for lane in 0..LANES {
            if let Some(place) = lines[lane].get_mut(position[lane]) {
                *place = back[lane];
            }
            position[lane] = position[lane].wrapping_add(1);
            if position[lane] >= lines[lane].len() {
                position[lane] = 0;
            }
            *left += last_left[lane];
            *right += last_right[lane];
        }
    }
    for (lane, string) in strings.into_iter().enumerate() {
        let Some(string) = string else { continue };
        string.position = position[lane];
        string.low_pass = low_pass[lane];
        string.tuning_in = tuning_in[lane];
        string.tuning_out = tuning_out[lane];
        string.age = age[lane];
        string.level = level[lane];
        string.envelope = envelope[lane];
        string.last = [last_left[lane], last_right[lane]];
        if heard[lane] == 0.0 {
            string.state = State::Free;
        }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used)]
mod tests {
    use super::*;

    fn render(voice: &mut Voice, seconds: f32) -> Vec<[f32; 2]> {
        let samples = (voice.sample_rate * seconds) as usize;
        (0..samples).map(|_| voice.render()).collect()
    }

    fn mono(frames: &[[f32; 2]]) -> Vec<f64> {
        frames.iter().map(|[l, r]| f64::from(l + r)).collect()
    }

    /// The strength of a frequency in `samples` under a Hann window.
    fn strength(samples: &[f64], cycles_a_sample: f64) -> f64 {
        let turn = std::f64::consts::TAU;
        let (mut re, mut im) = (0.0, 0.0);
        for (n, &x) in samples.iter().enumerate() {
            let n = n as f64;
            let window = 0.5 - 0.5 * (turn * n / samples.len() as f64).cos();
            re += x * window * (turn * cycles_a_sample * n).cos();
            im -= x * window * (turn * cycles_a_sample * n).sin();
        }
        re.hypot(im)
    }

    /// How many cents the fundamental lies from equal temperament: the strongest frequency near it.
    fn cents_off(key: u8, sample_rate: f32) -> f64 {
        let mut voice = Voice::new(sample_rate);
        voice.note_on(key, 0.8);
        let samples = mono(&render(&mut voice, 0.7));
        let samples = &samples[(sample_rate * 0.05) as usize..];
        let pitch = 440.0 * ((f64::from(key) - 69.0) / 12.0).exp2() / f64::from(sample_rate);
        let at = |cents: f64| strength(samples, pitch * (cents / 1200.0).exp2());
        let grid: Vec<f64> = (-8..=8).map(|step| at(f64::from(step) * 4.0)).collect();
        let top = (1..grid.len() - 1).max_by(|&a, &b| grid[a].total_cmp(&grid[b])).unwrap();
        // The vertex of the parabola through the three strongest.
        let (a, b, c) = (grid[top - 1], grid[top], grid[top + 1]);
        (top as f64 - 8.0 + 0.5 * (a - c) / (a - 2.0 * b + c)) * 4.0
    }

    #[test]
    fn every_octave_is_in_tune_within_two_cents_at_every_rate() {
        for sample_rate in [44_100.0, 48_000.0, 96_000.0] {
            for key in [36, 45, 57, 60, 69, 76, 84, 91, 96] {
                let off = cents_off(key, sample_rate);
                assert!(off.abs() <= 2.0, "key {key} at {sample_rate} Hz is {off} cents off");
            }
        }
    }

    #[test]
    fn a_chord_of_every_string_at_full_velocity_stays_under_full_scale() {
        let mut voice = Voice::new(48_000.0);
        for key in 40..40 + POLYPHONY as u8 {
            voice.note_on(key, 1.0);
        }
        let peak =
            render(&mut voice, 1.0).iter().flatten().fold(0.0f32, |peak, x| peak.max(x.abs()));
        assert!(peak < 1.0, "{peak}");
        assert!(peak > 0.5, "{peak}");
    }

    /// The largest step of the slope between neighbouring samples, against the sound's own peak.
    fn roughest(frames: &[[f32; 2]]) -> f32 {
        frames.windows(3).map(|w| (w[2][0] - 2.0 * w[1][0] + w[0][0]).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn letting_a_note_go_makes_no_click_and_then_silence() {
        let mut voice = Voice::new(48_000.0);
        voice.note_on(57, 0.9);
        render(&mut voice, 0.3);
        let held = render(&mut voice, 0.1);
        voice.note_off(57);
        let released = render(&mut voice, 0.1);
        assert!(
            roughest(&released) <= roughest(&held) * 1.1,
            "{} against {}",
            roughest(&released),
            roughest(&held)
        );
        render(&mut voice, 1.0);
        assert!(voice.is_silent());
        assert_eq!(voice.render(), [0.0; 2]);
    }

    #[test]
    fn taking_over_a_sounding_string_makes_no_click() {
        let mut voice = Voice::new(48_000.0);
        for key in 30..30 + POLYPHONY as u8 {
            voice.note_on(key, 0.2);
            render(&mut voice, 0.02);
        }
        let full = render(&mut voice, 0.1);
        voice.note_on(100, 0.01);
        let taken = render(&mut voice, 0.02);
        assert!(
            roughest(&taken) <= roughest(&full) * 2.0,
            "{} against {}",
            roughest(&taken),
            roughest(&full)
        );
    }

    #[test]
    fn a_thirty_third_note_sounds_while_thirty_two_are_held() {
        let mut voice = Voice::new(48_000.0);
        for key in 40..=40 + POLYPHONY as u8 {
            voice.note_on(key, 0.5);
        }
        let sounding = voice.strings.iter().filter(|s| s.state == State::Held);
        assert_eq!(sounding.count(), POLYPHONY);
        assert!(voice.strings.iter().any(|s| s.key == 40 + POLYPHONY as u8));
    }

    #[test]
    fn all_off_silences_every_string() {
        let mut voice = Voice::new(44_100.0);
        for key in [48, 60, 64, 67] {
            voice.note_on(key, 1.0);
        }
        render(&mut voice, 0.1);
        voice.all_off();
        render(&mut voice, 1.5);
        assert!(voice.is_silent());
    }

    #[test]
    fn the_sound_stays_near_the_middle_and_has_no_offset() {
        for key in [30, 60, 100] {
            let mut voice = Voice::new(48_000.0);
            voice.note_on(key, 0.8);
            let frames = render(&mut voice, 1.0);
            let power =
                |side: usize| frames.iter().map(|f| f64::from(f[side]).powi(2)).sum::<f64>();
            let decibels = 10.0 * (power(0) / power(1)).log10();
            assert!(decibels.abs() < 4.0, "key {key}: {decibels} dB");
            let offset = mono(&frames).iter().sum::<f64>() / frames.len() as f64;
            assert!(offset.abs() < 1e-3, "key {key}: {offset}");
        }
    }

    #[test]
    fn any_key_velocity_and_rate_gives_finite_sound() {
        for sample_rate in [8_000.0, 22_050.0, 44_100.0, 192_000.0, f32::NAN] {
            let mut voice = Voice::new(sample_rate);
            for key in [0, 1, 12, 64, 108, 126, 127, 255] {
                for velocity in [-1.0, 0.0, 1e-6, 0.5, 1.0, 9.0, f32::NAN] {
                    voice.note_on(key, velocity);
                    for _ in 0..500 {
                        let frame = voice.render();
                        assert!(frame.iter().all(|x| x.abs() <= CEILING), "{frame:?}");
                    }
                }
            }
        }
    }
}
