//! Worker: how well a network names clips, heard exactly as the ear hears them.

use std::sync::Arc;

use earworm_genre::{GENRES, GTZAN_GENRES, Hearing, Network};
use earworm_spectrum::{BANDS, COLUMN_SECONDS};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;

use crate::genre_clips::Clip;

/// What the network said about one clip.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its genre's place in [`GENRES`].
    pub genre: usize,
    /// Probabilities, over the genres that were allowed.
    pub probabilities: [f32; GENRES.len()],
}

impl Answer {
    /// The likeliest genre.
    pub fn named(&self) -> usize {
        let pairs = self.probabilities.iter().enumerate();
        pairs.max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(genre, _)| genre)
    }
}

/// Answers to a set of clips.
pub struct Scores {
    /// One for each clip of one of our genres.
    pub answers: Vec<Answer>,
    /// Whether only GTZAN's genres were allowed.
    pub gtzan: bool,
}

/// Figures of one genre.
#[derive(Clone, Debug, Serialize)]
pub struct GenreFigures {
    /// The genre.
    #[serde(skip)]
    pub genre: &'static str,
    /// Clips of it.
    pub clips: usize,
    /// Share of the clips named so that are of it.
    pub precision: f32,
    /// Share of its clips that are named so.
    pub recall: f32,
    /// Harmonic mean of both.
    pub f1: f32,
}

/// Lets an ear hear each clip's stored mels, the whole of it.
pub fn measure(network: &Network, clips: &[Clip], gtzan: bool) -> anyhow::Result<Scores> {
    measure_first(network, clips, gtzan, f64::INFINITY)
}

/// Lets an ear hear the first `seconds` of each clip's stored mels.
pub fn measure_first(
    network: &Network,
    clips: &[Clip],
    gtzan: bool,
    seconds: f64,
) -> anyhow::Result<Scores> {
    let network = Arc::new(network.clone());
    let mut answers = Vec::new();
    for clip in clips {
        let Some(genre) = clip.genre else { continue };
        let columns = clip.front_end_columns();
        if let Some(probabilities) = listen(&network, columns, clip.is_sparse(), seconds)? {
            let probabilities = if gtzan { over_gtzan(probabilities) } else { probabilities };
            answers.push(Answer { genre, probabilities });
        }
    }
    Ok(Scores { answers, gtzan })
}

/// What is heard in the first `seconds` of columns of mel bands (dB), `sparse` where they were taken 232 ms apart and
/// repeated; none where that is too short.
pub fn listen(
    network: &Arc<Network>,
    columns: impl Iterator<Item = [f32; BANDS]>,
    sparse: bool,
    seconds: f64,
) -> anyhow::Result<Option<[f32; GENRES.len()]>> {
    let mut hearing = Hearing::new(network.clone(), 22_050, false).without_timeline();
    if sparse {
        hearing = hearing.sparse();
    }
    // A column more than the time holds: the ear must have heard all of it.
    for column in columns.take(((seconds / COLUMN_SECONDS) as usize).saturating_add(1)) {
        hearing.push_column(column)?;
    }
    let heard = hearing.finish()?;
    Ok(heard.likeliest().map(|_| heard.probabilities))
}

/// Probabilities renormalised over GTZAN's genres, the first ones.
pub fn over_gtzan(mut probabilities: [f32; GENRES.len()]) -> [f32; GENRES.len()] {
    probabilities[GTZAN_GENRES..].fill(0.0);
    let sum: f32 = probabilities.iter().sum();
    probabilities.map(|p| p / sum.max(f32::MIN_POSITIVE))
}

impl Scores {
    /// Share of clips named right.
    pub fn accuracy(&self) -> f32 {
        let right = self.answers.iter().filter(|answer| answer.named() == answer.genre).count();
        right as f32 / self.answers.len().max(1) as f32
    }

    /// Figures of every genre that has clips.
    pub fn per_genre(&self) -> Vec<GenreFigures> {
        let confusion = self.confusion();
        (0..GENRES.len())
            .filter_map(|genre| {
                let clips: usize = confusion[genre].iter().sum();
                let named: usize = confusion.iter().map(|row| row[genre]).sum();
                let right = confusion[genre][genre] as f32;
                let (precision, recall) =
                    (right / named.max(1) as f32, right / clips.max(1) as f32);
                let f1 = 2.0 * precision * recall / (precision + recall).max(f32::MIN_POSITIVE);
                (clips > 0).then(|| GenreFigures {
                    genre: GENRES[genre],
                    clips,
                    precision,
                    recall,
                    f1,
                })
            })
            .collect()
    }

    /// Mean recall of the genres that have clips.
    pub fn balanced_accuracy(&self) -> f32 {
        let genres = self.per_genre();
        genres.iter().map(|figures| figures.recall).sum::<f32>() / genres.len().max(1) as f32
    }

    /// Mean F1 of the genres that have clips.
    pub fn macro_f1(&self) -> f32 {
        let genres = self.per_genre();
        genres.iter().map(|figures| figures.f1).sum::<f32>() / genres.len().max(1) as f32
    }

    /// The figure that goes on a curve: accuracy on GTZAN, balanced accuracy elsewhere.
    pub fn headline(&self) -> f32 {
        if self.gtzan { self.accuracy() } else { self.balanced_accuracy() }
    }

    /// Clips by genre (rows) and by the genre named (columns).
    pub fn confusion(&self) -> [[usize; GENRES.len()]; GENRES.len()] {
        let mut counts = [[0; GENRES.len()]; GENRES.len()];
        for answer in &self.answers {
            counts[answer.genre][answer.named()] += 1;
        }
        counts
    }

    /// Expected calibration error over ten bins of equal width (M. Naeini, G. Cooper, M. Hauskrecht 2015).
    pub fn calibration_error(&self) -> f32 {
        calibration_error(
            self.answers.iter().map(|answer| {
                (answer.probabilities[answer.named()], answer.named() == answer.genre)
            }),
        )
    }

    /// The calibration error that chance alone would show on so few clips: what [`Self::calibration_error`] is on
    /// average where each answer is right with exactly the probability that was given for it.
    pub fn calibration_error_by_chance(&self) -> f32 {
        const DRAWS: usize = 1000;
        let mut random = StdRng::seed_from_u64(1);
        let given: Vec<f32> =
            self.answers.iter().map(|answer| answer.probabilities[answer.named()]).collect();
        let mut draw = || {
            calibration_error(
                given.iter().map(|&p| (p, random.random_bool(p.clamp(0.0, 1.0).into()))),
            )
        };
        (0..DRAWS).map(|_| draw()).sum::<f32>() / DRAWS as f32
    }

    /// The temperature under which the right genres are likeliest; for answers at temperature 1.
    pub fn best_temperature(&self) -> f64 {
        let loss = |temperature: f64| -> f64 {
            self.answers
                .iter()
                .map(|answer| {
                    let power = |p: f32| f64::from(p.max(1e-12)).powf(1.0 / temperature);
                    let allowed = answer.probabilities.iter().filter(|&&p| p > 0.0);
                    let sum: f64 = allowed.map(|&p| power(p)).sum();
                    -(power(answer.probabilities[answer.genre]) / sum).ln()
                })
                .sum()
        };
        let candidates = (0..=140).map(|step| 0.4 * 1.015_f64.powi(step));
        candidates.min_by(|&a, &b| loss(a).total_cmp(&loss(b))).unwrap_or(1.0)
    }

    /// The main figures in one line.
    pub fn summary(&self) -> String {
        format!(
            "accuracy {:.1} %, balanced {:.1} %, macro F1 {:.3}, calibration error {:.1} %, {} clips",
            self.accuracy() * 100.0,
            self.balanced_accuracy() * 100.0,
            self.macro_f1(),
            self.calibration_error() * 100.0,
            self.answers.len()
        )
    }
}

/// Over (probability of the answer, whether it was right).
fn calibration_error(answers: impl Iterator<Item = (f32, bool)>) -> f32 {
    let mut bins = [(0.0_f32, 0.0_f32, 0_usize); 10];
    for (probability, right) in answers {
        let bin = &mut bins[((probability * 10.0) as usize).min(9)];
        bin.0 += probability;
        bin.1 += f32::from(u8::from(right));
        bin.2 += 1;
    }
    let all = bins.iter().map(|bin| bin.2).sum::<usize>().max(1) as f32;
    bins.iter().map(|(probability, right, _)| (probability - right).abs()).sum::<f32>() / all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(genre: usize, named: usize, probability: f32) -> Answer {
        let mut probabilities = [(1.0 - probability) / 11.0; GENRES.len()];
        probabilities[named] = probability;
        Answer { genre, probabilities }
    }

    #[test]
    fn figures_are_those_of_a_worked_example() {
        // Blues: one of two right; classical: two of two, and a blues clip named so.
        let answers =
            vec![answer(0, 0, 0.9), answer(0, 1, 0.9), answer(1, 1, 0.9), answer(1, 1, 0.9)];
        let scores = Scores { answers, gtzan: false };
        assert_eq!(scores.accuracy(), 0.75);
        assert_eq!(scores.balanced_accuracy(), 0.75);
        // F1 is 2/3 for blues and 4/5 for classical.
        assert!((scores.macro_f1() - (2.0 / 3.0 + 0.8) / 2.0).abs() < 1e-6);
        // Said 0.9, right in 0.75.
        assert!((scores.calibration_error() - 0.15).abs() < 1e-6);
    }

    #[test]
    fn too_sure_answers_are_brought_down_by_the_temperature() {
        let answers = (0..10).map(|index| answer(0, if index < 6 { 0 } else { 1 }, 0.99)).collect();
        assert!(Scores { answers, gtzan: false }.best_temperature() > 1.5);
    }

    #[test]
    fn what_chance_does_to_the_calibration_error_shrinks_with_the_number_of_clips() {
        let by_chance = |clips: usize| {
            let answers = (0..clips).map(|n| answer(0, 0, 0.3 + 0.6 * (n % 100) as f32 / 100.0));
            Scores { answers: answers.collect(), gtzan: false }.calibration_error_by_chance()
        };
        let (few, many) = (by_chance(100), by_chance(10_000));
        assert!((0.05..0.2).contains(&few) && many < few / 5.0, "{few} {many}");
    }
}
