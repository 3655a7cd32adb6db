//! Core: what holds for any tune, tried with made ones; a tune that breaks it is shrunk to the shortest that does.

use earworm_abc::{self as abc, Length, PPQ, PerformOptions, Performance};
use proptest::prelude::*;

/// A length as music has them: whole parts of a whole note down to 1/64, dotted, in a tuplet.
fn length() -> impl Strategy<Value = Length> {
    (1_u32..=24, prop::sample::select(vec![1_u32, 2, 3, 4, 6, 8, 12, 16, 32, 64]))
        .prop_map(|(numerator, denominator)| Length::new(numerator, denominator))
}

/// A note, rest or chord, with what may stand before and after it.
fn element() -> impl Strategy<Value = String> {
    let before = prop::sample::select(vec![
        "", "", "", "", "\"G\"", "\"Am7\"", ".", "~", "!trill!", "{g}", "(3", "\"^up\"",
    ]);
    let pitch = prop::sample::select(vec![
        "C", "D", "E", "F", "G", "A", "B", "c", "d", "e'", "G,", "^F", "_B", "=c", "[CEG]", "[Ac]",
        "z", "x",
    ]);
    let after = prop::sample::select(vec!["", "", "", "2", "3", "/", "3/2", "-", ">", "<"]);
    (before, pitch, after).prop_map(|(before, pitch, after)| format!("{before}{pitch}{after}"))
}

/// A bar of some elements, with the line that ends it.
fn bar() -> impl Strategy<Value = String> {
    let line = prop::sample::select(vec!["|", "|", "|", "||", ":|", "|:", "|1 ", ":|2 "]);
    (prop::collection::vec(element(), 1..8), line)
        .prop_map(|(elements, line)| elements.concat() + line)
}

/// A whole tune.
fn tune() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec!["C", "D", "Bb", "F#m", "Edor", "Amix", "Gm", "Ab"]);
    let metre = prop::sample::select(vec!["4/4", "6/8", "3/4", "9/8", "C|", "none"]);
    let unit = prop::sample::select(vec!["1/8", "1/4", "1/16"]);
    (key, metre, unit, prop::collection::vec(bar(), 1..10)).prop_map(|(key, metre, unit, bars)| {
        format!("X:1\nT:Made\nM:{metre}\nL:{unit}\nK:{key}\n{}\n", bars.concat())
    })
}

fn notes(performance: &Performance) -> Vec<(u32, u32, u8)> {
    let mut notes: Vec<_> =
        performance.notes.iter().map(|note| (note.start, note.duration, note.key)).collect();
    notes.sort_unstable();
    notes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lengths_add_and_multiply_as_fractions_do(one in length(), two in length(), three in length()) {
        prop_assert_eq!(one + two, two + one);
        prop_assert_eq!((one + two) + three, one + (two + three));
        prop_assert_eq!(one * two, two * one);
        prop_assert_eq!(one * (two + three), one * two + one * three);
        prop_assert_eq!((one + two).saturating_sub(two), one);
        prop_assert!((one.to_f64() + two.to_f64() - (one + two).to_f64()).abs() < 1e-9);
    }

    #[test]
    fn the_ticks_of_a_length_are_its_share_of_a_whole_note(one in length()) {
        let exact = one.to_f64() * 4.0 * f64::from(PPQ);
        prop_assert!((f64::from(one.ticks()) - exact).abs() <= 0.5);
    }

    #[test]
    fn a_tune_written_and_read_again_is_the_same_tune_and_sounds_the_same(text in tune()) {
        let tune = abc::read(&text).tunes.remove(0);
        let again = abc::read(&abc::write(&tune)).tunes.remove(0);
        prop_assert!(abc::same(&tune, &again), "{}", abc::write(&tune));
        let everything = PerformOptions::default();
        let (one, two) = (abc::perform(&tune, &everything), abc::perform(&again, &everything));
        prop_assert_eq!(notes(&one), notes(&two));
    }

    #[test]
    fn a_transposed_tune_has_every_note_as_far_away(text in tune(), semitones in -11_i8..=11) {
        let tune = abc::read(&text).tunes.remove(0);
        let melody = PerformOptions::melody_only();
        let played = notes(&abc::perform(&tune, &melody));
        let moved = abc::transpose(&tune, semitones);
        let expected: Vec<_> = played
            .iter()
            .map(|&(start, duration, key)| (start, duration, key.saturating_add_signed(semitones)))
            .collect();
        prop_assert_eq!(notes(&abc::perform(&moved, &melody)), expected);
        let back = abc::transpose(&moved, -semitones);
        prop_assert_eq!(notes(&abc::perform(&back, &melody)), played);
    }
}
