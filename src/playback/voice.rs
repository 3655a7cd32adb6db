//! Real-time: the built-in voice, a soft plucked string.
//!
//! An extended Karplus-Strong string (D. Jaffe and J. O. Smith, "Extensions of the Karplus-Strong
//! plucked-string algorithm", Computer Music Journal 7(2), 1983): a delay line of one period,
//! closed through a low-pass that makes the upper partials die first and an all-pass that tunes
//! the fraction of a sample. A finger's width of raised cosine, and the same upside down where its
//! reflection comes back from the plucking point, excites it.
//!
//! Strings are rendered side by side and in grains of [`GRAIN`] samples, at whose ends whatever changes slowly is looked
//! after. The grains are counted from the first note after a silence, so that what is heard does not depend on how a
//! host cuts time into blocks.
//!
//! [`Voice::new`] allocates; nothing after it does, nor locks, waits, calls the system or panics.

#![warn(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use std::f32::consts::{FRAC_PI_2, PI, TAU};

use earworm_vectorised::vectorised;

/// Strings that sound at once. A further note takes over the quietest.
pub const POLYPHONY: usize = 32;

/// Where the string is plucked, as a part of its length. Off the simple fractions, so that no low
/// partial is missing.
const PLUCK_POINT: f32 = 0.23;
/// Peak of one note at full velocity, before its share of the stereo field.
const NOTE_PEAK: f32 = 0.30;
/// Time constant with which a released string is damped, seconds.
const RELEASE: f32 = 0.045;
/// Time constant with which a string is damped that is struck again, seconds.
const RESTRIKE: f32 = 0.012;
/// Time constant with which a taken-over string's last value fades, seconds.
const TAKEOVER: f32 = 0.004;
/// Below this a released string fades as one does that is struck again: -60 dBFS. Its sound is hidden by then, and a tune
/// with chords would have most of its strings fade unheard.
const FAINT: f32 = 1e-3;
/// Below this a string is inaudible and its place is free: -90 dBFS.
const INAUDIBLE: f32 = 3.2e-5;
/// Filters nearer to nothing are set to nothing, long before they would become denormal and slow.
const TINY: f32 = 1e-15;
/// Samples after which a string's level, envelope and filters are looked after.
const GRAIN: usize = 32;
/// How far a string moves along its memory before what it still needs is copied back to the start, in samples.
const RUN: usize = 512;

/// A grain of samples.
type Grain = [f32; GRAIN];
/// A grain and as much again, so that a whole one can be read from any of its samples on.
type Falling = [f32; 2 * GRAIN];
/// Above this the sum bends, so that it never reaches full scale however many strings sound.
const KNEE: f32 = 0.7;
/// What the bent sum approaches, a hair under 0 dBFS.
const CEILING: f32 = 0.98;

/// A polyphonic plucked string with at most [`POLYPHONY`] notes at once.
///
/// ```
/// let mut voice = earworm_playback::voice::Voice::new(48_000.0);
/// voice.note_on(69, 0.8);
/// let second: Vec<[f32; 2]> = (0..48_000).map(|_| voice.render()).collect();
/// assert!(second.iter().any(|[left, _]| left.abs() > 0.05));
/// assert!(second.iter().flatten().all(|x| x.abs() < 1.0));
/// ```
#[derive(Debug)]
pub struct Voice {
    sample_rate: f32,
    strings: Vec<PluckedString>,
    /// Every string from this one on is free.
    reach: usize,
    /// Samples of the present grain that are rendered.
    phase: usize,
    /// What taken-over strings left behind, fading, so that their end is no click.
    leftover: [f32; 2],
    leftover_decay: f32,
}

#[derive(Debug)]
pub(super) struct PluckedString {
    /// The delay line: what goes in is written `length` samples behind what comes out, and both move on together, so
    /// that nothing has to be looked up sample by sample. It is as long as the lowest key needs, and [`RUN`].
    line: Box<[f32]>,
    /// Where the next sample comes out.
    start: usize,
    /// One period, less what the filters delay.
    length: usize,
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
    /// The reflection's own height: so much that it takes away what the finger put in, to the sample.
    echo: f32,
    /// Follows the string's peak down, to know when it is inaudible: as of the last grain, the peak since, and what a
    /// grain leaves of it.
    level: f32,
    peak: f32,
    level_decay: f32,
    /// 1 while held, falling once released: as of the present grain's start, and what is left of it after each sample
    /// of a grain.
    envelope: f32,
    falling: Falling,
    /// What one sample leaves of it once it is faint.
    hurry: f32,
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
        // So that the processor is asked here what it can do, and not by the first note.
        add_strings(std::array::from_fn(|_| None), 0, &mut [], &mut []);
        Self {
            sample_rate,
            strings: (0..POLYPHONY).map(|_| PluckedString::new(longest)).collect(),
            reach: 0,
            phase: 0,
            leftover: [0.0; 2],
            leftover_decay: decay(sample_rate, TAKEOVER),
        }
    }

    /// Plucks the string of a MIDI `key` (0 to 127); `velocity` runs from 0 to 1. A string of the
    /// same key that still sounds is damped.
    pub fn note_on(&mut self, key: u8, velocity: f32) {
        self.note_on_bent(key, 0, velocity);
    }

    /// As [`note_on`](Self::note_on), so many cents (hundredths of a semitone) above the key.
    pub fn note_on_bent(&mut self, key: u8, cents: i16, velocity: f32) {
        let key = key.min(127);
        let velocity = velocity.clamp(0.0, 1.0);
        if velocity.is_nan() || velocity == 0.0 {
            return self.note_off(key);
        }
        let phase = self.phase;
        for string in self.strings.iter_mut().take(self.reach) {
            if string.state != State::Free && string.key == key {
                string.release(decay(self.sample_rate, RESTRIKE), phase);
            }
        }
        if self.reach == 0 {
            self.phase = 0;
        }
        // Free strings first, then released ones, then the quietest.
        let rank = |s: &PluckedString| match s.state {
            State::Free => -1.0,
            State::Released => s.level * s.envelope,
            State::Held => 2.0 + s.level,
        };
        let strings = self.strings.iter_mut().enumerate();
        let chosen = strings.min_by(|(_, a), (_, b)| rank(a).total_cmp(&rank(b)));
        if let Some((place, string)) = chosen {
            if string.state != State::Free {
                self.leftover[0] += string.last[0];
                self.leftover[1] += string.last[1];
            }
            string.pluck(key, cents, velocity, self.sample_rate);
            self.reach = self.reach.max(place.saturating_add(1));
        }
    }

    /// Damps the string of `key`, if it sounds.
    pub fn note_off(&mut self, key: u8) {
        self.damp(|string| string.key == key);
    }

    /// Damps every string.
    pub fn all_off(&mut self) {
        self.damp(|_| true);
    }

    fn damp(&mut self, chosen: impl Fn(&PluckedString) -> bool) {
        let (damping, phase) = (decay(self.sample_rate, RELEASE), self.phase);
        for string in self.strings.iter_mut().take(self.reach) {
            if string.state == State::Held && chosen(string) {
                string.release(damping, phase);
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
        let frames = left.len().min(right.len());
        let (Some(left), Some(right)) = (left.get_mut(..frames), right.get_mut(..frames)) else {
            return;
        };
        left.fill(0.0);
        right.fill(0.0);
        if self.leftover != [0.0; 2] {
            self.add_leftover(left, right);
        }
        let strings = self.strings.iter_mut().take(self.reach);
        let mut sounding = strings.filter(|string| string.state != State::Free);
        loop {
            let lanes: [_; LANES] = std::array::from_fn(|_| sounding.next());
            if lanes.iter().all(Option::is_none) {
                break;
            }
            add_strings(lanes, self.phase, left, right);
        }
        let free = |string: &PluckedString| string.state == State::Free;
        while self.reach.checked_sub(1).and_then(|last| self.strings.get(last)).is_some_and(free) {
            self.reach = self.reach.saturating_sub(1);
        }
        self.phase = self.phase.wrapping_add(frames) % GRAIN;
        for channel in [left, right] {
            if channel.iter().any(|sample| sample.abs() > KNEE) {
                channel.iter_mut().for_each(|sample| *sample = bend(*sample));
            }
        }
    }

    fn add_leftover(&mut self, left: &mut [f32], right: &mut [f32]) {
        let mut phase = self.phase;
        for (left, right) in left.iter_mut().zip(right) {
            *left += self.leftover[0];
            *right += self.leftover[1];
            phase = phase.wrapping_add(1) % GRAIN;
            for leftover in &mut self.leftover {
                *leftover *= self.leftover_decay;
                if phase == 0 && leftover.abs() < INAUDIBLE {
                    *leftover = 0.0;
                }
            }
        }
    }

    /// Whether nothing sounds, so that rendering may stop.
    pub fn is_silent(&self) -> bool {
        self.reach == 0 && self.leftover == [0.0; 2]
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
        // Zeros alone would be memory that the system lays out when it is first touched: by a note, on the audio thread.
        let mut line = vec![f32::MIN_POSITIVE; longest.saturating_add(RUN)];
        std::hint::black_box(&mut line).fill(0.0);
        Self {
            line: line.into_boxed_slice(),
            start: 0,
            length: 1,
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
            echo: 0.0,
            level: 0.0,
            peak: 0.0,
            level_decay: 0.0,
            envelope: 0.0,
            falling: [1.0; 2 * GRAIN],
            hurry: 1.0,
            pan: [0.0; 2],
            key: 0,
            state: State::Free,
            last: [0.0; 2],
        }
    }

    fn pluck(&mut self, key: u8, cents: i16, velocity: f32, sample_rate: f32) {
        // The line has room for the lowest key and not for less.
        let mut pitch = (frequency(key) * (f32::from(cents) / 1_200.0).exp2()).max(frequency(0));
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
        self.length = (whole as usize).clamp(1, self.line.len().saturating_sub(RUN).max(1));
        self.start = 0;
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
        self.echo = self.height * echo(self.pulse, self.reflection);
        self.level = 1.0;
        self.peak = 0.0;
        self.level_decay = decay(sample_rate, 0.08).powi(GRAIN as i32);
        self.envelope = 1.0;
        self.falling = [1.0; 2 * GRAIN];
        self.hurry = decay(sample_rate, RESTRIKE);
        // Low keys a little left, high ones a little right, at equal power.
        let side = ((f32::from(key) - 66.0) / 240.0).clamp(-0.12, 0.12);
        let (right, left) = ((side + 0.5) * FRAC_PI_2).sin_cos();
        let equal = std::f32::consts::SQRT_2;
        self.pan = [left * equal, right * equal];
        self.key = key;
        self.state = State::Held;
        self.last = [0.0; 2];
    }

    /// Has the string fall by `damping` a sample, if it does not fall faster already, from sample `phase` of a grain.
    fn release(&mut self, damping: f32, phase: usize) {
        self.state = State::Released;
        let [before, ..] = self.falling;
        if damping >= before {
            return;
        }
        // The envelope is counted from the grain's start, so that it stands now where it stood.
        let last = phase.checked_sub(1);
        let left = |falling: &Falling| last.and_then(|last| falling.get(last)).copied();
        self.envelope *= left(&self.falling).unwrap_or(1.0);
        let mut share = 1.0;
        for falling in self.falling.iter_mut().take(GRAIN) {
            share *= f64::from(damping);
            *falling = share as f32;
        }
        self.envelope /= left(&self.falling).unwrap_or(1.0);
    }

    /// The next `frames` samples that come out, and where as many that go in meanwhile belong.
    #[inline(always)]
    fn ends(&mut self, frames: usize) -> (&[f32], &mut [f32]) {
        let end = self.start.saturating_add(self.length);
        if end.saturating_add(frames) > self.line.len() && end <= self.line.len() {
            self.line.copy_within(self.start..end, 0);
            self.start = 0;
        }
        let end = self.start.saturating_add(self.length);
        let (out, back) = self.line.split_at_mut_checked(end).unwrap_or_default();
        let out = out.get(self.start..).unwrap_or_default();
        (out.get(..frames).unwrap_or_default(), back.get_mut(..frames).unwrap_or_default())
    }

    /// Adds what comes out from sample `phase` of a grain on, as far as the string has fallen by then.
    #[inline(always)]
    fn sound(&mut self, phase: usize, frames: usize, [left, right]: &mut [Grain; 2]) {
        // Whole grains, as these are quicker to take: what comes after the last frame is thrown away.
        let mut heard = grain(self.line.get(self.start..).unwrap_or_default());
        let falling = grain(self.falling.get(phase..).unwrap_or_default());
        heard.iter_mut().zip(falling).for_each(|(heard, falling)| *heard *= falling);
        let pan = self.pan.map(|pan| pan * self.envelope);
        for ((left, right), heard) in left.iter_mut().zip(right).zip(heard) {
            *left += heard * pan[0];
            *right += heard * pan[1];
        }
        let last = frames.checked_sub(1).and_then(|last| heard.get(last));
        self.last = pan.map(|pan| last.map_or(0.0, |last| last * pan));
    }

    /// Adds the finger's pulse to what went in.
    #[inline(always)]
    fn excite(&mut self, frames: usize) {
        let (age, pulse, reflection) = (self.age, self.pulse, self.reflection);
        let (height, echo) = (self.height, self.echo);
        if age >= reflection + pulse {
            return;
        }
        let (_, back) = self.ends(frames);
        for (n, back) in back.iter_mut().enumerate() {
            let age = age + n as f32 + 1.0;
            *back += height * finger(age, pulse) - echo * finger(age - reflection, pulse);
        }
        self.age = age + frames as f32;
    }

    /// What is looked after at a grain's end.
    #[inline(always)]
    fn end_grain(&mut self) {
        self.level = (self.level * self.level_decay).max(self.peak);
        self.peak = 0.0;
        self.envelope *= self.falling.get(GRAIN.saturating_sub(1)).unwrap_or(&0.0);
        let loud = self.level * self.envelope;
        if loud < INAUDIBLE {
            self.state = State::Free;
        } else if self.state == State::Released && loud < FAINT {
            self.release(self.hurry, 0);
        }
    }
}

/// A grain of samples, silent where there are fewer of them.
#[inline(always)]
fn grain(samples: &[f32]) -> Grain {
    // A whole one is the usual case, and quicker as the compiler knows how long it is.
    samples.first_chunk().copied().unwrap_or_else(|| {
        let mut grain = [0.0; GRAIN];
        if let Some(grain) = grain.get_mut(..samples.len()) {
            grain.copy_from_slice(samples);
        }
        grain
    })
}

/// The finger's raised cosine, `pulse` samples long, at `age` samples.
fn finger(age: f32, pulse: f32) -> f32 {
    let place = (age / pulse).clamp(0.0, 1.0) - 0.5;
    // The square of a cosine, by its series: within 2e-6 of it, and no call.
    let square = (PI * place).powi(2);
    let cos = 1.0
        + square
            * (-1.0 / 2.0 + square * (1.0 / 24.0 + square * (-1.0 / 720.0 + square / 40_320.0)));
    cos * cos
}

/// How high the reflection of a finger's pulse is over the pulse. Pulses of a few samples differ by where they lie between
/// them, and what is left of the two would go round in the string as a constant for seconds.
fn echo(pulse: f32, reflection: f32) -> f32 {
    // Longer ones have the same sum wherever they lie.
    const SHORT: u8 = 16;
    if pulse >= f32::from(SHORT) {
        return 1.0;
    }
    let sum = |before: f32| -> f32 {
        (1..=SHORT).map(|n| finger(before.fract().mul_add(-1.0, f32::from(n)), pulse)).sum()
    };
    let reflected = sum(reflection);
    if reflected > 0.0 { sum(0.0) / reflected } else { 1.0 }
}

/// Strings that are rendered side by side: each of a string's samples waits for the one before it, so that one string
/// alone would leave the processor idle most of the time.
const LANES: usize = 4;

/// A number of each string that is rendered side by side.
type Lanes = [f32; LANES];

/// The filters of strings side by side.
struct Filters {
    /// What the low-pass lets in, the loop's gain included.
    through: Lanes,
    pole: Lanes,
    tuning: Lanes,
    low_pass: Lanes,
    tuning_in: Lanes,
    tuning_out: Lanes,
}

#[allow(clippy::indexing_slicing, reason = "a lane is always one of the arrays' own number")]
impl Filters {
    #[inline(always)]
    fn of(strings: &[Option<&mut PluckedString>; LANES]) -> Self {
        let each = |part: fn(&PluckedString) -> f32| -> Lanes {
            std::array::from_fn(|lane| strings[lane].as_deref().map_or(0.0, part))
        };
        Self {
            through: each(|s| s.gain * (1.0 - s.pole)),
            pole: each(|s| s.pole),
            tuning: each(|s| s.tuning),
            low_pass: each(|s| s.low_pass),
            tuning_in: each(|s| s.tuning_in),
            tuning_out: each(|s| s.tuning_out),
        }
    }

    /// Closes the strings' loops from what comes `out` to what goes `back` in; their peaks.
    #[inline(always)]
    fn run(&mut self, out: [&[f32]; LANES], back: [&mut [f32]; LANES]) -> Lanes {
        let Self { through, pole, tuning, mut low_pass, mut tuning_in, mut tuning_out } = *self;
        let mut peak = [0.0; LANES];
        let frames = out.iter().map(|out| out.len()).min().unwrap_or(0);
        let frames = back.iter().map(|back| back.len()).min().unwrap_or(0).min(frames);
        let (out, back) = (out.map(|out| &out[..frames]), back.map(|back| &mut back[..frames]));
        for n in 0..frames {
            let out: Lanes = std::array::from_fn(|lane| out[lane][n]);
            let loud = out.map(f32::abs);
            peak = std::array::from_fn(|l| if loud[l] > peak[l] { loud[l] } else { peak[l] });
            low_pass = std::array::from_fn(|l| through[l] * out[l] + pole[l] * low_pass[l]);
            // In this order a sample waits for two operations on the one before it.
            let ahead: Lanes = std::array::from_fn(|l| tuning[l] * low_pass[l] + tuning_in[l]);
            tuning_out = std::array::from_fn(|l| ahead[l] - tuning[l] * tuning_out[l]);
            tuning_in = low_pass;
            for lane in 0..LANES {
                back[lane][n] = tuning_out[lane];
            }
        }
        (self.low_pass, self.tuning_in, self.tuning_out) = (low_pass, tuning_in, tuning_out);
        peak
    }

    /// Ends what rings on unheard.
    #[inline(always)]
    fn end_grain(&mut self) {
        for state in [&mut self.low_pass, &mut self.tuning_in, &mut self.tuning_out] {
            for state in state {
                *state = if state.abs() < TINY { 0.0 } else { *state };
            }
        }
    }
}

vectorised! {
    /// Adds the next samples of up to [`LANES`] strings, each up to the end of the grain in which it can't be heard any
    /// more; the first is sample `phase` of a grain.
    #[allow(clippy::indexing_slicing, reason = "a lane is always one of the arrays' own number")]
    fn add_strings(
        strings: [Option<&mut PluckedString>; LANES],
        phase: usize,
        left: &mut [f32],
        right: &mut [f32],
    ) {
        let (mut strings, mut phase, mut left, mut right) = (strings, phase, left, right);
        let mut filters = Filters::of(&strings);
        // A grain at most, and no more than the shortest string lets through before it hears itself.
        let most = strings.iter().flatten().map(|s| s.length).min().unwrap_or(GRAIN).clamp(1, GRAIN);
        while !left.is_empty() {
            let frames = left.len().min(most).min(GRAIN.saturating_sub(phase).max(1));
            // Whole grains here too.
            let mut sum = [grain(left), grain(right)];
            let (now_left, later_left) = left.split_at_mut(frames);
            let (now_right, later_right) = right.split_at_mut(frames);
            let (silence, mut unheard) = ([0.0; GRAIN], [[0.0; GRAIN]; LANES]);
            let mut out = [&silence[..frames]; LANES];
            let mut back = unheard.each_mut().map(|unheard| &mut unheard[..frames]);
            for (lane, string) in strings.iter_mut().enumerate() {
                if let Some(string) = string {
                    (out[lane], back[lane]) = string.ends(frames);
                }
            }
            let peak = filters.run(out, back);
            // Added to what is there string by string, as the sum must not depend on which of them are rendered together.
            for (string, peak) in strings.iter_mut().zip(peak) {
                let Some(string) = string else { continue };
                string.sound(phase, frames, &mut sum);
                string.excite(frames);
                string.start = string.start.saturating_add(frames);
                string.peak = string.peak.max(peak);
            }
            let [sum_left, sum_right] = &sum;
            now_left.copy_from_slice(&sum_left[..frames]);
            now_right.copy_from_slice(&sum_right[..frames]);
            phase = phase.wrapping_add(frames) % GRAIN;
            if phase == 0 {
                filters.end_grain();
                for lane in &mut strings {
                    if let Some(string) = lane {
                        string.end_grain();
                        if string.state == State::Free {
                            *lane = None;
                        }
                    }
                }
            }
            (left, right) = (later_left, later_right);
        }
        for (lane, string) in strings.into_iter().enumerate() {
            let Some(string) = string else { continue };
            string.low_pass = filters.low_pass[lane];
            string.tuning_in = filters.tuning_in[lane];
            string.tuning_out = filters.tuning_out[lane];
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
    fn the_highest_keys_sound_and_put_out_no_constant() {
        for sample_rate in [44_100.0, 48_000.0, 96_000.0] {
            for key in 100..=127 {
                for velocity in [0.2, 0.6, 1.0] {
                    let mut voice = Voice::new(sample_rate);
                    voice.note_on(key, velocity);
                    let samples = mono(&render(&mut voice, 0.3));
                    let pitch = f64::from(frequency(key)) / f64::from(sample_rate);
                    let constant = samples.iter().sum::<f64>().abs() / samples.len() as f64;
                    // Half the window's sum is what a sine of amplitude 1 has.
                    let loud = strength(&samples, pitch) * 4.0 / samples.len() as f64;
                    assert!(constant < loud / 30.0, "{key} at {sample_rate}: {constant} of {loud}");
                }
            }
        }
    }

    #[test]
    fn a_bent_note_sounds_as_far_from_its_key_as_it_is_bent() {
        let mut voice = Voice::new(48_000.0);
        voice.note_on_bent(69, 50, 0.8);
        let samples = mono(&render(&mut voice, 0.7));
        let at = |hertz: f64| strength(&samples[2_400..], hertz / 48_000.0);
        let bent = 440.0 * (50.0f64 / 1_200.0).exp2();
        assert!(at(bent) > 4.0 * at(440.0) && at(bent) > 2.0 * at(bent + 2.0));
    }

    /// The strings' equations in the plainest form, in f64 and sample by sample: what a string is by its definition.
    struct Equations {
        line: std::collections::VecDeque<f64>,
        string: PluckedString,
        low_pass: f64,
        tuning_in: f64,
        tuning_out: f64,
        age: f64,
    }

    impl Equations {
        fn pluck(key: u8, velocity: f32, sample_rate: f32) -> Self {
            let mut string = PluckedString::new(10_000);
            string.pluck(key, 0, velocity, sample_rate);
            let line = std::collections::VecDeque::from(vec![0.0; string.length]);
            Self { line, string, low_pass: 0.0, tuning_in: 0.0, tuning_out: 0.0, age: 0.0 }
        }

        fn next(&mut self) -> f64 {
            let string = &self.string;
            let pulse = f64::from(string.pulse);
            let finger = |age: f64| match age > 0.0 && age < pulse {
                true => 0.5 - 0.5 * (std::f64::consts::TAU * age / pulse).cos(),
                false => 0.0,
            };
            self.age += 1.0;
            let pull = f64::from(string.height) * finger(self.age)
                - f64::from(string.echo) * finger(self.age - f64::from(string.reflection));
            let out = self.line.pop_front().unwrap();
            let pole = f64::from(string.pole);
            self.low_pass = (1.0 - pole) * out + pole * self.low_pass;
            self.tuning_out =
                f64::from(string.tuning) * (self.low_pass - self.tuning_out) + self.tuning_in;
            self.tuning_in = self.low_pass;
            let back = pull + f64::from(string.gain) * self.tuning_out;
            self.line.push_back(back);
            out
        }
    }

    #[test]
    fn strings_sound_as_their_equations_say_to_ninety_decibels() {
        for keys in [&[40u8, 52, 57, 62, 66, 69, 74, 79, 86, 93, 105, 120][..], &[62]] {
            let mut voice = Voice::new(48_000.0);
            let mut strings: Vec<Equations> = Vec::new();
            for &key in keys {
                voice.note_on(key, 0.3);
                strings.push(Equations::pluck(key, 0.3, 48_000.0));
            }
            let (mut error, mut power) = (0.0, 0.0);
            let damping = f64::from(decay(48_000.0, RELEASE));
            let mut envelope = 1.0;
            // Blocks that are no whole number of grains, and from a quarter of a second on all strings are damped, until the
            // quietest is about to be faint.
            for block in 0..345 {
                if block == 250 {
                    voice.all_off();
                }
                let (mut left, mut right) = ([0.0; 47], [0.0; 47]);
                voice.render_block(&mut left, &mut right);
                for (left, right) in left.into_iter().zip(right) {
                    if block >= 250 {
                        envelope *= damping;
                    }
                    let outs: Vec<f64> = strings.iter_mut().map(Equations::next).collect();
                    for (side, sample) in [left, right].into_iter().enumerate() {
                        let pans = strings.iter().map(|s| f64::from(s.string.pan[side]));
                        let wanted: f64 =
                            outs.iter().zip(pans).map(|(out, pan)| out * pan * envelope).sum();
                        error += (f64::from(sample) - wanted).powi(2);
                        power += wanted.powi(2);
                    }
                }
            }
            let off = 10.0 * (error / power).log10();
            assert!(off < -90.0, "{} strings are {off:.1} dB off", keys.len());
        }
    }

    #[test]
    fn the_sound_is_the_same_to_the_bit_in_blocks_of_any_size() {
        let played = |mut block: Box<dyn FnMut() -> usize>| {
            let mut voice = Voice::new(48_000.0);
            let mut sound = Vec::new();
            // More notes than strings, on and off at odd times, with a silence in the middle.
            for n in 0..120usize {
                let key = 40 + (n * 29 % 50) as u8;
                match n % 3 {
                    0 | 1 if n != 60 => voice.note_on(key, 0.3 + (n % 5) as f32 * 0.1),
                    _ => voice.all_off(),
                }
                let mut left = if n == 60 { 60_000 } else { 331 + n * 7 };
                while left > 0 {
                    let frames = block().clamp(1, left);
                    left -= frames;
                    let (mut a, mut b) = (vec![0.0; frames], vec![0.0; frames]);
                    // As the plug-in does, which asks at the start of each block.
                    if !voice.is_silent() {
                        voice.render_block(&mut a, &mut b);
                    }
                    sound.extend(a.into_iter().zip(b).flat_map(|(a, b)| [a, b]));
                }
            }
            sound.into_iter().map(f32::to_bits).collect::<Vec<_>>()
        };
        let usual = played(Box::new(|| 64));
        let mut n = 0;
        let uneven = move || {
            n = (n * 7 + 3) % 211;
            n
        };
        assert!(played(Box::new(|| 1)) == usual, "blocks of 1");
        assert!(played(Box::new(|| 8_192)) == usual, "blocks of 8,192");
        assert!(played(Box::new(uneven)) == usual, "uneven blocks");
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

    /// Pages of memory that the system has laid out for this thread so far.
    #[cfg(target_os = "linux")]
    fn pages() -> u64 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        // After the name in brackets, which may hold anything: the eighth field from there.
        stat.rsplit(')').next().unwrap().split_whitespace().nth(7).unwrap().parse().unwrap()
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_first_chord_of_every_string_asks_the_system_for_no_memory() {
        let mut voice = Voice::new(48_000.0);
        let (mut left, mut right) = ([0.0; 512], [0.0; 512]);
        let before = pages();
        for key in 0..POLYPHONY as u8 {
            voice.note_on(key, 0.5);
        }
        for _ in 0..20 {
            voice.render_block(&mut left, &mut right);
        }
        // The code itself and the stack may be new; each string has several pages.
        let touched = pages() - before;
        assert!(touched < POLYPHONY as u64, "{touched} pages");
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
