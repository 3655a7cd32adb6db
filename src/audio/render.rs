//! Worker: notes rendered with the built-in voice, and stereo WAV files.

use earworm_abc::performance::PERCUSSION;
use earworm_abc::{Finding, PPQ, Performance, Severity};
use earworm_playback::voice::Voice;
use std::io::{Seek, Write};

/// The longest a rendering may be, in seconds: three hours.
const LONGEST: f64 = 3.0 * 3600.0;
/// The longest that strings may ring on after the last note's end, in seconds.
const TAIL: f64 = 6.0;
/// The peak that a normalised rendering reaches: -1 dBFS.
const PEAK: f32 = 0.891_25;
/// Samples that are rendered at once, at most.
const BLOCK: usize = 64;

/// Why a rendering could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// The performance lasts longer than three hours.
    #[error("the tune lasts {minutes} minutes; a WAV file here may last 180")]
    TooLong {
        /// How long it would be.
        minutes: u64,
    },
    /// The file could not be written.
    #[error(transparent)]
    Write(#[from] hound::Error),
}

/// What of a performance its rendering leaves out.
pub fn left_out(performance: &Performance) -> Vec<Finding> {
    let warning = |text: String, hint: &str| Finding {
        severity: Severity::Warning,
        span: 0..0,
        text,
        hint: hint.to_owned(),
    };
    let mut left_out = Vec::new();
    let struck = performance.notes.iter().filter(|note| note.channel == PERCUSSION).count();
    if struck > 0 {
        let notes = if struck == 1 { "note" } else { "notes" };
        left_out.push(warning(
            format!("{struck} {notes} of percussion are left out"),
            "the built-in voice has no sounds for them",
        ));
    }
    let bends = Bends::new(performance);
    let moved = performance.notes.iter().any(|note| {
        let end = note.start.saturating_add(note.duration);
        note.channel != PERCUSSION
            && bends.at(note.channel, note.start) != bends.at(note.channel, end.saturating_sub(1))
    });
    if moved {
        left_out.push(warning(
            "bends of notes that already sound are left out".to_owned(),
            "each note keeps the pitch that it starts with",
        ));
    }
    left_out
}

/// How far each channel is bent when.
struct Bends {
    /// By channel: when, and cents.
    by_channel: [Vec<(u32, i16)>; 16],
}

impl Bends {
    fn new(performance: &Performance) -> Self {
        let mut by_channel: [Vec<(u32, i16)>; 16] = Default::default();
        for bend in &performance.bends {
            by_channel[usize::from(bend.channel & 15)].push((bend.start, bend.cents));
        }
        Self { by_channel }
    }

    /// Cents at a time.
    fn at(&self, channel: u8, tick: u32) -> i16 {
        let bends = &self.by_channel[usize::from(channel & 15)];
        let passed = bends.partition_point(|&(start, _)| start <= tick);
        passed.checked_sub(1).map_or(0, |last| bends[last].1)
    }
}

/// A performance played by [`Voice`], a stereo sample at a time.
///
/// ```
/// use earworm_abc as abc;
/// let book = abc::read("X:1\nT:Scale\nM:4/4\nL:1/4\nK:C\nCDEF|\n");
/// let performance = abc::perform(&book.tunes[0], &abc::PerformOptions::default());
/// let samples: Vec<[f32; 2]> = earworm_audio::Rendering::new(&performance, 44_100).collect();
/// assert!(samples.len() as f64 >= 44_100.0 * earworm_audio::seconds(&performance));
/// ```
pub struct Rendering {
    voice: Voice,
    /// What to do at which sample, the last first.
    events: Vec<(u64, Stroke)>,
    /// Samples that were given.
    now: u64,
    /// When rendering ends though strings still ring.
    last: u64,
    /// Samples that are rendered and not yet given: these many of the last of a block.
    ready: usize,
    left: [f32; BLOCK],
    right: [f32; BLOCK],
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stroke {
    Off(u8),
    /// A key, cents above it, and how hard it is struck.
    On(u8, i16, u8),
    /// The last rest's end: nothing is struck, but the music lasts so long.
    End,
}

impl Rendering {
    /// A rendering at `sample_rate` samples a second, from the performance's start to where its
    /// last string has faded.
    pub fn new(performance: &Performance, sample_rate: u32) -> Self {
        let rate = f64::from(sample_rate);
        let clock = Clock::new(performance);
        let at = |tick: u32| (clock.seconds(tick) * rate).round() as u64;
        let bends = Bends::new(performance);
        let mut events = Vec::with_capacity(performance.notes.len() * 2 + 1);
        for note in &performance.notes {
            // Percussion has no pitch that a string could play.
            if note.channel == PERCUSSION {
                continue;
            }
            let cents = bends.at(note.channel, note.start);
            events.push((at(note.start), Stroke::On(note.key, cents, note.velocity)));
            events.push((at(note.start.saturating_add(note.duration)), Stroke::Off(note.key)));
        }
        events.push((at(performance.end), Stroke::End));
        // Offs before ons at the same sample, or a repeated key would be damped as it is struck.
        events.sort_unstable_by(|a, b| b.cmp(a));
        let end = events.first().map_or(0, |&(end, _)| end);
        Self {
            voice: Voice::new(sample_rate as f32),
            events,
            now: 0,
            last: end + (TAIL * rate) as u64,
            ready: 0,
            left: [0.0; BLOCK],
            right: [0.0; BLOCK],
        }
    }

    /// How many samples may still come, at most.
    pub fn at_most(&self) -> u64 {
        self.last - self.now
    }
}

impl Iterator for Rendering {
    type Item = [f32; 2];

    fn next(&mut self) -> Option<[f32; 2]> {
        if self.ready == 0 {
            self.ready = self.render();
        }
        let at = BLOCK - self.ready;
        self.ready = self.ready.checked_sub(1)?;
        self.now += 1;
        Some([self.left[at], self.right[at]])
    }
}

impl Rendering {
    /// Renders up to the next event, a block at most; how many samples, none at the end.
    fn render(&mut self) -> usize {
        while let Some((_, stroke)) = self.events.pop_if(|(at, _)| *at <= self.now) {
            match stroke {
                Stroke::Off(key) => self.voice.note_off(key),
                Stroke::On(key, cents, velocity) => {
                    self.voice.note_on_bent(key, cents, f32::from(velocity) / 127.0);
                }
                Stroke::End => {}
            }
        }
        if self.events.is_empty() && self.voice.is_silent() {
            return 0;
        }
        let until = self.events.last().map_or(self.last, |&(at, _)| at.min(self.last));
        let frames = until.saturating_sub(self.now).min(BLOCK as u64) as usize;
        let from = BLOCK - frames;
        self.voice.render_block(&mut self.left[from..], &mut self.right[from..]);
        frames
    }
}

/// Seconds of ticks, by the performance's tempos.
struct Clock {
    /// Where a tempo starts in ticks and in seconds, and seconds a tick from there.
    tempos: Vec<(u32, f64, f64)>,
}

impl Clock {
    fn new(performance: &Performance) -> Self {
        let per_tick = |micros: u32| f64::from(micros) / 1e6 / f64::from(PPQ);
        let mut tempos = vec![(0, 0.0, per_tick(500_000))];
        for tempo in &performance.tempos {
            let (start, seconds, rate) = tempos[tempos.len() - 1];
            let seconds = seconds + f64::from(tempo.start.saturating_sub(start)) * rate;
            tempos.push((tempo.start, seconds, per_tick(tempo.microseconds_per_quarter)));
        }
        Self { tempos }
    }

    fn seconds(&self, tick: u32) -> f64 {
        let after = self.tempos.partition_point(|&(start, ..)| start <= tick);
        let (start, seconds, rate) = self.tempos[after.max(1) - 1];
        seconds + f64::from(tick - start) * rate
    }
}

/// How long a performance lasts in seconds, without the strings' ringing on.
pub fn seconds(performance: &Performance) -> f64 {
    Clock::new(performance).seconds(performance.end)
}

/// Writes a performance as a stereo WAV of 16 bits to `out`, at -1 dBFS peak.
///
/// It is rendered twice, first for its peak, so that no more than a sample is held in memory.
/// `on_progress` is told how many of the samples of both passes are done since it was told last, out of
/// [`wav_work`].
///
/// # Errors
///
/// [`RenderError`] where the performance is too long or `out` can't be written.
pub fn write_wav<W: Write + Seek>(
    performance: &Performance,
    sample_rate: u32,
    out: W,
    on_progress: &mut dyn FnMut(u64),
) -> Result<(), RenderError> {
    const TOLD_EVERY: u64 = 1 << 15;
    let lasts = seconds(performance);
    if lasts > LONGEST {
        return Err(RenderError::TooLong { minutes: (lasts / 60.0).ceil() as u64 });
    }
    let mut peak = 0.0f32;
    let mut samples = 0u64;
    for [left, right] in Rendering::new(performance, sample_rate) {
        peak = peak.max(left.abs()).max(right.abs());
        samples += 1;
        if samples.is_multiple_of(TOLD_EVERY) {
            on_progress(TOLD_EVERY);
        }
    }
    let gain = if peak > 0.0 { PEAK / peak } else { 1.0 };
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::new(out, spec)?;
    samples = 0;
    for frame in Rendering::new(performance, sample_rate) {
        for sample in frame {
            writer.write_sample((sample * gain * f32::from(i16::MAX)).round() as i16)?;
        }
        samples += 1;
        if samples.is_multiple_of(TOLD_EVERY) {
            on_progress(TOLD_EVERY);
        }
    }
    writer.finalize()?;
    Ok(())
}

/// At most how many samples [`write_wav`] works through.
pub fn wav_work(performance: &Performance, sample_rate: u32) -> u64 {
    2 * ((seconds(performance).min(LONGEST) + TAIL) * f64::from(sample_rate)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use earworm_abc::performance::{Note, Tempo};

    fn note(start: u32, duration: u32, key: u8) -> Note {
        Note {
            start,
            duration,
            key,
            velocity: 100,
            channel: 0,
            voice: 0,
            accompaniment: false,
            span: 0..0,
        }
    }

    #[test]
    fn a_wav_lasts_as_long_as_its_tempos_say_and_peaks_at_minus_one_decibel() {
        let performance = Performance {
            notes: vec![note(0, PPQ, 60), note(PPQ, PPQ, 64), note(2 * PPQ, PPQ, 67)],
            tempos: vec![
                Tempo { start: 0, microseconds_per_quarter: 500_000 },
                Tempo { start: 2 * PPQ, microseconds_per_quarter: 1_000_000 },
            ],
            end: 3 * PPQ,
            ..Performance::default()
        };
        assert_eq!(seconds(&performance), 2.0);
        let mut bytes = std::io::Cursor::new(Vec::new());
        write_wav(&performance, 44_100, &mut bytes, &mut |_| {}).unwrap();
        bytes.set_position(0);
        let mut wav = hound::WavReader::new(bytes).unwrap();
        assert_eq!((wav.spec().channels, wav.spec().sample_rate), (2, 44_100));
        let lasts = f64::from(wav.duration()) / 44_100.0;
        assert!((2.0..2.0 + TAIL).contains(&lasts), "{lasts} s");
        let peak = wav.samples::<i16>().map(|s| s.unwrap().unsigned_abs()).max().unwrap();
        let decibels = 20.0 * (f64::from(peak) / 32_767.0).log10();
        assert!((decibels + 1.0).abs() < 0.01, "{decibels} dBFS");
    }

    #[test]
    fn a_rest_at_the_end_is_kept() {
        let performance = Performance {
            notes: vec![note(0, 10, 72)],
            tempos: vec![Tempo { start: 0, microseconds_per_quarter: 500_000 }],
            end: 16 * PPQ,
            ..Performance::default()
        };
        assert!(Rendering::new(&performance, 8_000).count() >= 64_000);
    }

    #[test]
    fn what_would_last_past_three_hours_is_refused() {
        let performance = Performance { end: 100_000_000, ..Performance::default() };
        let refused = write_wav(&performance, 8_000, std::io::Cursor::new(Vec::new()), &mut |_| {});
        assert!(matches!(refused, Err(RenderError::TooLong { .. })));
    }
}
