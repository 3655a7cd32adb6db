//! Worker: how well the network names clips.

use earworm_genre::{ANSWERS, Ear, GENRES, GTZAN_GENRES, Head, State};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;

use crate::genre_clips::Features;

/// What the network said about one clip.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its genre's place in [`GENRES`], or [`OTHER`](earworm_genre::OTHER).
    pub genre: usize,
    /// Probabilities, over the genres that were allowed.
    pub probabilities: [f32; GENRES.len()],
    /// Probability that it is none of them.
    pub none: f32,
}

impl Answer {
    /// A head's answer to a clip: the mean over its half minutes. None where nothing was heard.
    pub fn to(head: &Head, genre: usize, heard: &Features) -> Option<Self> {
        let count = heard.whole.len() as f32;
        let mut answer = Self { genre, probabilities: [0.0; GENRES.len()], none: 0.0 };
        for row in &heard.whole {
            let told: [f32; ANSWERS] = head.probabilities(row);
            let sum: f32 = told[..GENRES.len()].iter().sum();
            for (mean, p) in answer.probabilities.iter_mut().zip(told) {
                *mean += p / sum.max(f32::MIN_POSITIVE) / count;
            }
            answer.none += (1.0 - sum.min(1.0)) / count;
        }
        (count > 0.0).then_some(answer)
    }

    /// The likeliest genre.
    pub fn named(&self) -> usize {
        let pairs = self.probabilities.iter().enumerate();
        pairs.max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(genre, _)| genre)
    }

    /// Whether the ear would call itself sure.
    pub fn is_sure(&self) -> bool {
        Ear::state_at(self.probabilities[self.named()], self.none) == State::Heard
    }
}

/// Answers to a set of clips.
pub struct Scores {
    /// One for each clip.
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

/// Probabilities renormalised over GTZAN's genres, the first ones.
pub fn over_gtzan(mut probabilities: [f32; GENRES.len()]) -> [f32; GENRES.len()] {
    probabilities[GTZAN_GENRES..].fill(0.0);
    let sum: f32 = probabilities.iter().sum();
    probabilities.map(|p| p / sum.max(f32::MIN_POSITIVE))
}

impl Scores {
    /// The answers to clips of one of our genres.
    fn of_genres(&self) -> impl Iterator<Item = &Answer> {
        self.answers.iter().filter(|answer| answer.genre < GENRES.len())
    }

    /// Clips of one of our genres.
    pub fn clips(&self) -> usize {
        self.of_genres().count()
    }

    /// Share of clips named right.
    pub fn accuracy(&self) -> f32 {
        let right = self.of_genres().filter(|answer| answer.named() == answer.genre).count();
        right as f32 / self.clips().max(1) as f32
    }

    /// The same of the half whose likeliest genre is likeliest.
    pub fn surer_half(&self) -> f32 {
        let mut answers: Vec<(f32, bool)> = self
            .of_genres()
            .map(|answer| (answer.probabilities[answer.named()], answer.named() == answer.genre))
            .collect();
        answers.sort_by(|a, b| b.0.total_cmp(&a.0));
        answers.truncate(answers.len() / 2);
        let right = answers.iter().filter(|answer| answer.1).count();
        right as f32 / answers.len().max(1) as f32
    }

    /// Share of the clips of other music that the ear is unsure about, and how many there are.
    pub fn other_unsure(&self) -> (f32, usize) {
        let others: Vec<&Answer> =
            self.answers.iter().filter(|answer| answer.genre >= GENRES.len()).collect();
        let unsure = others.iter().filter(|answer| !answer.is_sure()).count();
        (unsure as f32 / others.len().max(1) as f32, others.len())
    }

    /// The answers at another temperature; for answers at temperature 1.
    pub fn at(&self, temperature: f32) -> Self {
        let answers = self.answers.iter().map(|answer| {
            let powers = answer.probabilities.map(|p| p.max(1e-12).powf(1.0 / temperature));
            let sum: f32 = powers.iter().sum();
            Answer { probabilities: powers.map(|power| power / sum), ..answer.clone() }
        });
        Self { answers: answers.collect(), gtzan: self.gtzan }
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

    /// Clips by genre (rows) and by the genre named (columns).
    pub fn confusion(&self) -> [[usize; GENRES.len()]; GENRES.len()] {
        let mut counts = [[0; GENRES.len()]; GENRES.len()];
        for answer in self.of_genres() {
            counts[answer.genre][answer.named()] += 1;
        }
        counts
    }

    /// Expected calibration error over ten bins of equal width (M. Naeini, G. Cooper, M. Hauskrecht 2015).
    pub fn calibration_error(&self) -> f32 {
        calibration_error(
            self.of_genres().map(|answer| {
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
            self.of_genres().map(|answer| answer.probabilities[answer.named()]).collect();
        let mut draw = || {
            calibration_error(
                given.iter().map(|&p| (p, random.random_bool(p.clamp(0.0, 1.0).into()))),
            )
        };
        (0..DRAWS).map(|_| draw()).sum::<f32>() / DRAWS as f32
    }

    /// The main figures in one line.
    pub fn summary(&self) -> String {
        format!(
            "{:.1} % of {} clips right, balanced {:.1} %, the surer half {:.1} %, calibration error {:.1} % ({:.1} % by chance \
             alone)",
            self.accuracy() * 100.0,
            self.clips(),
            self.balanced_accuracy() * 100.0,
            self.surer_half() * 100.0,
            self.calibration_error() * 100.0,
            self.calibration_error_by_chance() * 100.0
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
        let mut probabilities = [(1.0 - probability) / 13.0; GENRES.len()];
        probabilities[named] = probability;
        Answer { genre, probabilities, none: 0.0 }
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
        let scores = Scores { answers, gtzan: false };
        assert!(scores.at(3.0).calibration_error() < scores.calibration_error() - 0.05);
        assert_eq!(scores.at(3.0).accuracy(), scores.accuracy());
    }

    #[test]
    fn other_music_counts_where_the_ear_is_unsure_and_nowhere_else() {
        let sure = Answer { none: 0.1, ..answer(earworm_genre::OTHER, 2, 0.9) };
        let unsure = Answer { none: 0.7, ..sure.clone() };
        let answers = vec![answer(0, 0, 0.9), sure, unsure];
        let scores = Scores { answers, gtzan: false };
        assert_eq!((scores.accuracy(), scores.clips()), (1.0, 1));
        assert_eq!(scores.other_unsure(), (0.5, 2));
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
