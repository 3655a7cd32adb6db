//! Core: the tempo of a dance, for tunes without Q:.

use super::model::{ElementKind, Tempo, Tune};
use super::{Length, Metre};

/// The beat of a dance.
#[derive(Clone, Copy)]
enum Beat {
    /// Two in a bar of 2/2, 4/4 or 2/4.
    Half,
    /// The dotted quarter note of 6/8, 9/8 and 12/8.
    Dotted,
    /// The quarter note of 3/4.
    Quarter,
}

/// Beats a minute, by words of R:; the first that is found counts.
///
/// What players for sets, céilís and sessions ask for or have measured: Sydney Irish Ceili Dancers' page on dance
/// music (two beats a bar: reels and jigs 116 to 124, hornpipes 92 to 100, polkas and slides 132 to 140), the
/// "Tempo/Speed" thread of the Chiff & Fipple forum (reels 112 to 120, jigs 126, slip jigs 144, slides and polkas
/// 132 to 138, hornpipes 92), concertina.net's "Reels, how many beats per minute?" (sessions: 96 to 102), una.ie's
/// "Suggested Learning Order" (marches 118). Sessions play slower than for dancers, so the lower ends are taken.
/// Polskas, valses, schottisches, mazurkas and hallings have the medians of what FolkWiki's tunes with Q: say.
const DANCES: &[(&str, Beat, u16)] = &[
    ("slip jig", Beat::Dotted, 132),
    ("slipjig", Beat::Dotted, 132),
    ("hop jig", Beat::Dotted, 144),
    ("jig", Beat::Dotted, 116),
    ("slide", Beat::Dotted, 132),
    ("hornpipe", Beat::Half, 88),
    ("strathspey", Beat::Half, 62),
    ("barndance", Beat::Half, 84),
    ("barn dance", Beat::Half, 84),
    ("fling", Beat::Half, 84),
    ("schottis", Beat::Half, 80),
    ("halling", Beat::Half, 100),
    ("polka", Beat::Half, 132),
    ("reel", Beat::Half, 108),
    ("breakdown", Beat::Half, 108),
    ("march", Beat::Half, 59),
    ("polska", Beat::Quarter, 110),
    ("mazurka", Beat::Quarter, 160),
    ("waltz", Beat::Quarter, 126),
    ("vals", Beat::Quarter, 160),
];

/// The tempo at which sessions play a dance, as R: names it, in a metre; `None` where the dance is not known, does not
/// go with the metre, or is to be slow.
///
/// ```
/// use earworm_abc::{Metre, dance_tempo};
/// let tempo = dance_tempo("reel", &Metre::new(4, 4)).unwrap();
/// assert_eq!(tempo.to_string(), "1/2=108");
/// assert_eq!(tempo.quarters_per_minute(), Some(216.0));
/// assert_eq!(dance_tempo("slow air", &Metre::new(3, 4)), None);
/// ```
pub fn dance_tempo(rhythm: &str, metre: &Metre) -> Option<Tempo> {
    let rhythm = rhythm.to_lowercase();
    if rhythm.contains("slow") {
        return None;
    }
    let (_, beat, mut a_minute) = *DANCES.iter().find(|(name, ..)| rhythm.contains(name))?;
    let (numerator, compound) = (metre.numerator(), metre.is_compound());
    let length = match beat {
        Beat::Dotted if compound => {
            // A jig in 9/8 is a slip jig, whatever it is called.
            if numerator == 9 && a_minute < 132 {
                a_minute = 132;
            }
            Length::new(3, u32::from(metre.unit))
        }
        // Marches and some polkas are in 6/8, too: two beats a bar as ever.
        Beat::Half if compound && numerator == 6 => {
            a_minute = a_minute.max(112);
            Length::new(3, u32::from(metre.unit))
        }
        // Two beats in a bar, the quarter notes of 2/4 among them. A march in 4/4 has four steps a bar, else two.
        Beat::Half if !compound && matches!(numerator, 2 | 4) => {
            if numerator == 2 && rhythm.contains("march") {
                a_minute *= 2;
            }
            Length::new(numerator / 2, u32::from(metre.unit))
        }
        // The old English hornpipe.
        Beat::Half if (numerator, metre.unit) == (3, 2) => Length::new(1, 2),
        Beat::Quarter if numerator == 3 => Length::new(1, u32::from(metre.unit)),
        _ => return None,
    };
    Some(Tempo { beat: vec![length], beats_per_minute: f64::from(a_minute), ..Tempo::default() })
}

impl Tune {
    /// The tempo at which sessions play the tune's dance ([`dance_tempo`]): what a player takes where Q: is missing.
    pub fn dance_tempo(&self) -> Option<Tempo> {
        // R: belongs into the header, but many write it after K:.
        let in_body = || {
            let elements = &self.voices.first()?.elements;
            elements.iter().take(16).find_map(|element| match &element.kind {
                ElementKind::Field(field) if field.letter == 'R' => Some(field.text.as_str()),
                _ => None,
            })
        };
        dance_tempo(self.field('R').or_else(in_body)?, &self.metre)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{PerformOptions, perform, read};

    /// Bars a minute of a tune with this R: and M:.
    fn bars_a_minute(rhythm: &str, metre: &str) -> f64 {
        let text = format!("X:1\nT:t\nR:{rhythm}\nM:{metre}\nL:1/8\nK:D\nd2|\n");
        let tune = &read(&text).tunes[0];
        let performance = perform(tune, &PerformOptions::default());
        let quarters = 60e6 / f64::from(performance.tempos[0].microseconds_per_quarter);
        quarters / 4.0 / tune.metre.bar().unwrap().to_f64()
    }

    #[test]
    fn a_dance_without_a_tempo_is_played_as_sessions_play_it() {
        for (rhythm, metre, slowest, fastest) in [
            ("reel", "4/4", 48.0, 60.0),
            ("Reel", "C|", 48.0, 60.0),
            ("jig", "6/8", 50.0, 63.0),
            ("Double jig", "6/8", 50.0, 63.0),
            ("slip jig", "9/8", 40.0, 48.0),
            ("jig", "9/8", 40.0, 48.0),
            ("hornpipe", "4/4", 40.0, 50.0),
            ("polka", "2/4", 60.0, 70.0),
            ("slide", "12/8", 30.0, 36.0),
            ("waltz", "3/4", 38.0, 46.0),
            ("strathspey", "C", 28.0, 33.0),
            ("march", "4/4", 27.0, 32.0),
            ("march", "2/4", 54.0, 62.0),
            ("polska", "3/4", 34.0, 40.0),
        ] {
            let bars = bars_a_minute(rhythm, metre);
            assert!(
                (slowest..=fastest).contains(&bars),
                "{rhythm} in {metre}: {bars} bars a minute"
            );
        }
    }

    #[test]
    fn a_tempo_that_is_written_and_dances_that_are_none_stay_as_they_are() {
        assert_eq!(bars_a_minute("air", "4/4"), 30.0);
        assert_eq!(bars_a_minute("slow reel", "4/4"), 30.0);
        assert_eq!(bars_a_minute("reel", "3/4"), 40.0);
        let tune = read("X:1\nR:reel\nM:4/4\nQ:1/4=90\nK:D\nd2|\n").tunes.remove(0);
        let performance = perform(&tune, &PerformOptions::default());
        assert_eq!(performance.tempos[0].microseconds_per_quarter, 666_667);
    }
}
