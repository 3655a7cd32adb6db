//! Worker: takes the Meter's frames in and publishes what they sound like.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use atomic_float::AtomicF32;
use rtrb::Consumer;

use super::loudness::Loudness;
use super::params::MeterParams;
use super::shared::{COLUMNS, Evidence, GENRES, Hearing, MeterShared};
use crate::pool::Job;
use earworm_genre::{Ear, GenreError, Network, Reading, State};
use earworm_spectrum::{Bank, COLUMN_SECONDS, Column};

/// Columns from one reading to the next: about a third of a second.
const READING_EVERY: u32 = 4;

/// After this long without a column the last reading is brought up to date.
const SETTLED: Duration = Duration::from_millis(150);

/// The least decibels under the loudest place that the picture shows.
const FLOOR: f32 = -80.0;

/// Where a listener has its network from.
pub type Source = fn() -> Result<Arc<Network>, GenreError>;

/// One Meter's listener, a job of the Meters' pool.
pub struct Listener {
    params: Arc<MeterParams>,
    shared: Arc<MeterShared>,
    /// Frames as the audio thread packs them: an epoch, then the powers.
    frames: Consumer<f32>,
    frame: Vec<f32>,
    /// The sound itself, its channels interleaved.
    sound: Consumer<f32>,
    /// None where its kind of stream has no loudness.
    meter: Option<Loudness>,
    /// The host's transport's starts that were seen.
    starts: u32,
    bank: Bank,
    network: Source,
    /// Made by the first call: loading the weights is not for the thread that activates.
    ear: Option<Ear>,
    /// Which request for weights the ear answers.
    seen_weights: Option<u64>,
    epoch: f32,
    /// The newest last.
    columns: VecDeque<Column>,
    drawn: u64,
    since_reading: u32,
    /// Seconds of the mix since the history's clock was last set.
    since_entry: f64,
    last_column: Instant,
    broken: bool,
}

impl Listener {
    /// A listener for frames of `bins` powers at `sample_rate`, in hertz.
    pub fn new(
        params: Arc<MeterParams>,
        shared: Arc<MeterShared>,
        frames: Consumer<f32>,
        bins: usize,
        sample_rate: f32,
        (sound, channels): (Consumer<f32>, u32),
        network: Source,
    ) -> Self {
        Self {
            network,
            sound,
            meter: Loudness::new(channels, sample_rate as u32).ok(),
            starts: shared.starts.load(Ordering::Relaxed),
            params,
            shared,
            frames,
            frame: vec![0.0; bins + 1],
            bank: Bank::new(sample_rate),
            ear: None,
            seen_weights: None,
            epoch: 0.0,
            columns: VecDeque::with_capacity(COLUMNS),
            drawn: 0,
            since_reading: 0,
            since_entry: 0.0,
            last_column: Instant::now(),
            broken: false,
        }
    }

    fn listen(&mut self, dismissed: &AtomicBool) -> Result<(), GenreError> {
        let weights = &self.shared.weights;
        let new = weights.take(&mut self.seen_weights, earworm_weights::genre, self.network)?;
        if let Some(network) = new {
            let mut ear = Ear::new(network);
            // What was heard so far is for another network to hear too.
            self.columns.iter().for_each(|column| ear.push(column));
            if self.columns.is_empty() {
                self.shared.set_hearing(Hearing::Listening);
            }
            self.ear = Some(ear);
        }
        if self.shared.reset.swap(false, Ordering::AcqRel) {
            self.start_afresh();
            if let Some(meter) = &mut self.meter {
                meter.reset();
            }
            // Once more, as a reading may have come between the request and now.
            self.shared.forget();
            self.shared.set_hearing(Hearing::Listening);
        }
        let starts = self.shared.starts.load(Ordering::Relaxed);
        if std::mem::replace(&mut self.starts, starts) != starts
            && self.params.view.get().from_start
        {
            self.shared.begin_mean();
            if let Some(meter) = &mut self.meter {
                meter.reset();
            }
        }
        self.weigh();
        let began = Instant::now();
        let mut taken = 0;
        while !dismissed.load(Ordering::Acquire) && self.take_frame() {
            taken += 1;
            // One reading for each so many frames, however fast they come: offline the host waits for us,
            // and a render is the same on every run.
            if self.since_reading >= READING_EVERY && (self.frames.is_empty() || !self.behind()) {
                self.read_ear();
            }
            // Last, so that whoever waits for this count finds the reading published.
            self.shared.heard_frames.fetch_add(1, Ordering::Release);
        }
        if taken > 0 {
            self.last_column = Instant::now();
            if self.shared.watched.swap(false, Ordering::Relaxed) {
                self.draw();
            }
            let audio = f64::from(taken) * COLUMN_SECONDS;
            let load = (began.elapsed().as_secs_f64() / audio) as f32;
            let before = self.shared.load.load(Ordering::Relaxed);
            self.shared.load.store(before + 0.1 * (load - before), Ordering::Relaxed);
        } else if self.since_reading > 0 && self.last_column.elapsed() > SETTLED {
            self.read_ear();
        }
        if self.params.bypass.value() {
            self.shared.set_hearing(Hearing::Asleep);
        }
        Ok(())
    }

    /// Takes the sound in and publishes how loud it is.
    fn weigh(&mut self) {
        let Some(meter) = &mut self.meter else { return };
        // A block that is not whole comes with the next.
        let whole = self.sound.slots() / meter.channels() as usize * meter.channels() as usize;
        let Ok(chunk) = self.sound.read_chunk(whole) else { return };
        if whole == 0 {
            return;
        }
        let (one, other) = chunk.as_slices();
        // A ring that holds whole frames parts between two of them.
        let taken = meter.push(one).and_then(|()| meter.push(other));
        chunk.commit_all();
        if taken.is_err() {
            self.meter = None;
            return;
        }
        let loudness = &self.shared.loudness;
        let told = |place: &AtomicF32, value: Result<f64, ebur128::Error>| {
            let value = value.ok().filter(|value| value.is_finite() && *value > -70.0);
            place.store(value.map_or(f32::NAN, |value| value as f32), Ordering::Relaxed);
        };
        told(&loudness.momentary, meter.momentary());
        told(&loudness.short_term, Ok(meter.short_term()));
        told(&loudness.integrated, meter.integrated());
        let peak = meter.true_peak();
        let peak = if peak > 0.0 { (20.0 * peak.log10()) as f32 } else { f32::NAN };
        loudness.true_peak.store(peak, Ordering::Relaxed);
    }

    /// Whether so much lies in the ring that readings should be left out to catch up.
    fn behind(&self) -> bool {
        self.frames.slots() > 2 * READING_EVERY as usize * self.frame.len()
    }

    fn take_frame(&mut self) -> bool {
        if self.frames.pop_entire_slice(&mut self.frame).is_err() {
            return false;
        }
        let Some(&epoch) = self.frame.first() else {
            return false;
        };
        if epoch != self.epoch {
            self.epoch = epoch;
            self.start_afresh();
        }
        let column = self.bank.column(&self.frame[1..]);
        if self.columns.len() == COLUMNS {
            self.columns.pop_front();
        }
        self.columns.push_back(column);
        self.drawn += 1;
        if let Some(ear) = &mut self.ear {
            ear.push(&column);
        }
        self.since_reading += 1;
        self.since_entry += COLUMN_SECONDS;
        true
    }

    /// The next column is the first that is heard.
    fn start_afresh(&mut self) {
        self.columns.clear();
        self.since_reading = 0;
        if let Some(ear) = &mut self.ear {
            ear.reset();
        }
    }

    fn read_ear(&mut self) {
        let Some(ear) = &mut self.ear else {
            return;
        };
        let window = (f64::from(self.params.window.value()) / COLUMN_SECONDS) as usize;
        let reading = ear.listen_back(window);
        self.publish(reading);
    }

    fn publish(&mut self, reading: Reading) {
        let elapsed = f64::from(std::mem::take(&mut self.since_reading)) * COLUMN_SECONDS;
        let hearing = match reading.state {
            State::Listening => Hearing::Listening,
            State::Silence => Hearing::Silence,
            State::Unsure => Hearing::Unsure,
            State::Heard => Hearing::Heard,
        };
        let response = f64::from(self.params.response.value());
        let step = if response > 0.0 { 1.0 - (-elapsed / response).exp() } else { 1.0 } as f32;
        if matches!(hearing, Hearing::Unsure | Hearing::Heard) {
            for genre in 0..GENRES {
                let p = reading.probabilities[genre];
                self.shared.probabilities[genre].store(p, Ordering::Relaxed);
                let shown = &self.shared.shown[genre];
                let before = shown.load(Ordering::Relaxed);
                shown.store(before + step * (p - before), Ordering::Relaxed);
            }
        }
        if matches!(hearing, Hearing::Unsure | Hearing::Heard) {
            self.shared.integrate(&reading.probabilities, elapsed);
        }
        self.shared.set_hearing(hearing);
        let mut history = self.shared.history();
        history.advance(std::mem::take(&mut self.since_entry));
        history.push(hearing, self.shared.probabilities());
        drop(history);
        let genre = reading.likeliest();
        self.shared.picture().map = reading.map.map(|map| Evidence {
            genre,
            bands: map.bands,
            columns: map.columns,
            strength: map.values,
            seconds: map.seconds,
        });
        self.shared.readings.fetch_add(1, Ordering::Release);
    }

    fn draw(&self) {
        let loudest = self
            .columns
            .iter()
            .flat_map(|column| &column.bands)
            .fold(f32::NEG_INFINITY, |loudest, &value| loudest.max(value));
        let mut picture = self.shared.picture();
        picture.columns.clear();
        picture.columns.extend(
            self.columns
                .iter()
                .map(|column| column.bands.map(|value| (value - loudest).max(FLOOR))),
        );
        picture.drawn = self.drawn;
    }

    fn fail(&mut self, why: String) {
        self.broken = true;
        self.ear = None;
        self.shared.set_fault(Some(why));
        self.shared.set_hearing(Hearing::Failed);
    }
}

impl Job for Listener {
    fn work(&mut self, dismissed: &AtomicBool) {
        if self.broken && self.shared.weights.has_news(self.seen_weights) {
            self.broken = false;
            self.seen_weights = None;
            self.shared.set_fault(None);
        }
        if self.broken {
            // Nobody will hear them; the ring must not fill and count as dropped.
            let heard = self.frames.slots() / self.frame.len();
            if let Ok(chunk) = self.frames.read_chunk(heard * self.frame.len()) {
                chunk.commit_all();
            }
            self.weigh();
        } else if let Err(error) = self.listen(dismissed) {
            self.fail(error.to_string());
        }
    }

    fn failed(&mut self, why: &str) {
        self.fail(format!("the genre network stopped unexpectedly: {why}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::history::SECONDS;
    use earworm_spectrum::Stft;
    use rtrb::{Producer, RingBuffer};

    const RATE: f32 = 22_050.0;

    fn listener() -> (Listener, Producer<f32>, Arc<MeterShared>) {
        let shared = Arc::new(MeterShared::default());
        let params = Arc::new(MeterParams::new(shared.clone()));
        let bins = Stft::new(RATE, 1).frame_length();
        let (producer, consumer) = RingBuffer::new(200 * (bins + 1));
        let listener = Listener::new(
            params,
            shared.clone(),
            consumer,
            bins,
            RATE,
            (RingBuffer::new(1).1, 1),
            Network::embedded,
        );
        (listener, producer, shared)
    }

    /// So many seconds of a chord go by, as the audio thread passes them on.
    fn hear(listener: &mut Listener, frames: &mut Producer<f32>, seconds: f32) {
        let mut stft = Stft::new(RATE, 1);
        for n in 0..(RATE * seconds) as usize {
            let time = n as f32 / RATE;
            let tone = |hertz: f32| (std::f32::consts::TAU * hertz * time).sin();
            let Some(power) = stft.push(&[0.2 * (tone(220.0) + tone(277.2) + tone(329.6))]) else {
                continue;
            };
            frames.push(0.0).unwrap();
            power.iter().for_each(|&bin| frames.push(bin).unwrap());
            listener.work(&AtomicBool::new(false));
        }
    }

    #[test]
    fn the_history_goes_on_while_no_window_is_open_and_from_one_activation_to_the_next() {
        let (mut first, mut frames, shared) = listener();
        hear(&mut first, &mut frames, 5.0);
        let heard = shared.history().entries().len();
        assert!(heard > 10, "{heard} readings in 5 s");
        let now = shared.history().now();
        assert!((4.0..5.0).contains(&now), "{now} s");
        let params = Arc::new(MeterParams::new(shared.clone()));
        let bins = Stft::new(RATE, 1).frame_length();
        let (mut frames, consumer) = RingBuffer::new(200 * (bins + 1));
        let mut second = Listener::new(
            params,
            shared.clone(),
            consumer,
            bins,
            RATE,
            (RingBuffer::new(1).1, 1),
            Network::embedded,
        );
        hear(&mut second, &mut frames, 5.0);
        let history = shared.history();
        assert!(history.entries().len() > heard + 10);
        assert!(history.now() > now + 4.0 && history.now() < SECONDS);
        assert!(history.entries().any(|entry| entry.probabilities[0] > 0.0));
    }

    fn damaged() -> Result<Arc<Network>, GenreError> {
        let weights = include_bytes!("../../../models/genre.safetensors");
        Network::from_safetensors(&weights[..weights.len() / 2]).map(Arc::new)
    }

    fn panicking() -> Result<Arc<Network>, GenreError> {
        panic!("capacity overflow")
    }

    #[test]
    fn damaged_weights_and_a_panic_are_told_and_the_next_activation_starts_afresh() {
        use crate::pool::WorkerPool;
        static POOL: WorkerPool = WorkerPool::new("test-weights");
        for (network, told) in
            [(damaged as Source, "weights can't be read"), (panicking, "capacity overflow")]
        {
            let (mut listener, mut frames, shared) = listener();
            listener.network = network;
            let worker = POOL.add(listener).unwrap();
            // A minute at most: what is wrong must not be waited for.
            for _ in 0..60_000 {
                if shared.hearing() == Hearing::Failed {
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            assert_eq!(shared.hearing(), Hearing::Failed);
            let fault = shared.fault().unwrap();
            assert!(fault.contains(told), "{fault}");
            // What the audio thread goes on sending is no dropped frame.
            for _ in 0..1_000 {
                if frames.slots() > 0 {
                    frames.push(0.0).unwrap();
                }
            }
            assert_eq!(shared.dropped_frames.load(Ordering::Relaxed), 0);
            drop(worker);
            let (mut next, mut frames, shared) = super::tests::listener();
            hear(&mut next, &mut frames, 4.0);
            assert!(matches!(shared.hearing(), Hearing::Heard | Hearing::Unsure));
        }
    }

    #[test]
    fn a_reset_forgets_what_was_heard_and_listens_afresh() {
        let (mut listener, mut frames, shared) = listener();
        hear(&mut listener, &mut frames, 5.0);
        assert!(shared.probabilities().iter().sum::<f32>() > 0.9);
        shared.request_reset();
        let nothing_is_left = || {
            assert_eq!(shared.probabilities(), [0.0; GENRES]);
            assert_eq!(shared.shown(), [0.0; GENRES]);
            assert_eq!(shared.history().entries().len(), 0);
            assert!(shared.picture().columns.is_empty() && shared.picture().map.is_none());
        };
        nothing_is_left();
        listener.work(&AtomicBool::new(false));
        nothing_is_left();
        // Too little for a reading, so the seconds before the reset don't count.
        hear(&mut listener, &mut frames, 2.0);
        assert_eq!(shared.hearing(), Hearing::Listening);
        assert_eq!(shared.probabilities(), [0.0; GENRES]);
        hear(&mut listener, &mut frames, 3.0);
        assert!(shared.probabilities().iter().sum::<f32>() > 0.9);
    }

    #[test]
    fn the_loudness_of_a_tone_is_what_the_recommendation_says() {
        let shared = Arc::new(MeterShared::default());
        let params = Arc::new(MeterParams::new(shared.clone()));
        let rate = 48_000.0;
        let bins = Stft::new(rate, 2).frame_length();
        let (_frames, consumer) = RingBuffer::new(200 * (bins + 1));
        let (mut sound, heard) = RingBuffer::new(2 * 48_000);
        let network = Network::embedded as Source;
        let mut listener =
            Listener::new(params, shared.clone(), consumer, bins, rate, (heard, 2), network);
        let read = |place: &AtomicF32| place.load(Ordering::Relaxed);
        let loudness = &shared.loudness;
        assert!(read(&loudness.momentary).is_nan() && read(&loudness.true_peak).is_nan());
        // A sine of 1 kHz at -23 dBFS in both channels is at -23 LUFS (EBU Tech 3341, case 1), give or take 0.1.
        let level = 10.0_f32.powf(-23.0 / 20.0);
        for frame in 0..4 * 48_000 {
            let sample = level * (std::f32::consts::TAU * 1000.0 * frame as f32 / rate).sin();
            sound.push(sample).unwrap();
            sound.push(sample).unwrap();
            if frame % 10_000 == 9_999 {
                listener.weigh();
            }
        }
        listener.weigh();
        for place in [&loudness.momentary, &loudness.short_term, &loudness.integrated] {
            assert!((read(place) + 23.0).abs() < 0.1, "{} LUFS", read(place));
        }
        assert!((read(&loudness.true_peak) + 23.0).abs() < 0.2, "{}", read(&loudness.true_peak));
    }
}
