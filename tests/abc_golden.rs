//! Core: what tunes sound like, note for note, by the ABC standard 2.1.

use earworm::abc::{self, PPQ, PerformOptions, Performance};

/// A tune of these header lines and this music, played; every finding is a mistake of the test's.
#[track_caller]
fn performed(head: &str, music: &str, options: &PerformOptions) -> Performance {
    let text = format!("X:1\nT:Golden\n{head}\n{music}\n");
    let book = abc::read(&text);
    assert_eq!(book.tunes.len(), 1);
    let errors: Vec<_> =
        book.findings.iter().filter(|finding| finding.severity == abc::Severity::Error).collect();
    assert!(errors.is_empty(), "{text}{errors:?}");
    abc::perform(&book.tunes[0], options)
}

/// Start and duration in ticks, and key.
#[track_caller]
fn played(head: &str, music: &str) -> Vec<(u32, u32, u8)> {
    let performance = performed(head, music, &PerformOptions::melody_only());
    performance.notes.iter().map(|note| (note.start, note.duration, note.key)).collect()
}

/// The keys alone.
#[track_caller]
fn keys(head: &str, music: &str) -> Vec<u8> {
    played(head, music).into_iter().map(|(_, _, key)| key).collect()
}

/// The durations alone.
#[track_caller]
fn durations(head: &str, music: &str) -> Vec<u32> {
    played(head, music).into_iter().map(|(_, duration, _)| duration).collect()
}

const PLAIN: &str = "M:4/4\nL:1/4\nK:C";
const EIGHTHS: &str = "M:4/4\nL:1/8\nK:C";
const QUARTER: u32 = PPQ;
const EIGHTH: u32 = PPQ / 2;
const C: u8 = 60;
const D: u8 = 62;
const E: u8 = 64;
const F: u8 = 65;
const G: u8 = 67;
const A: u8 = 69;
const B: u8 = 71;

#[test]
fn octaves_are_written_by_case_commas_and_apostrophes() {
    assert_eq!(keys(PLAIN, "C,,C,Cc|c'c''|"), [36, 48, 60, 72, 84, 96]);
}

#[test]
fn lengths_count_the_unit_note_length() {
    assert_eq!(
        played(PLAIN, "C2 D/ E/2 F//|G3/2 A/4|"),
        [
            (0, 960, C),
            (960, 240, D),
            (1200, 240, E),
            (1440, 120, F),
            (1560, 720, G),
            (2280, 120, A)
        ]
    );
}

#[test]
fn the_unit_note_length_follows_from_the_metre_where_it_is_not_given() {
    assert_eq!(durations("M:2/4\nK:C", "C|"), [PPQ / 4]);
    assert_eq!(durations("M:3/4\nK:C", "C|"), [PPQ / 2]);
    assert_eq!(durations("M:C|\nK:C", "C|"), [PPQ / 2]);
    assert_eq!(durations("K:C", "C|"), [PPQ / 2]);
}

#[test]
fn rests_take_time_and_bars_of_rest_take_bars() {
    assert_eq!(played(PLAIN, "CzDx|Z2|E|"), [(0, 480, C), (960, 480, D), (5760, 480, E)]);
}

#[test]
fn a_repeat_without_a_start_goes_back_to_the_tune_s_or_the_section_s_start() {
    assert_eq!(keys(PLAIN, "CD:|EF:|"), [C, D, C, D, E, F, E, F]);
    assert_eq!(keys(PLAIN, "C||D:|E|"), [C, D, D, E]);
    assert_eq!(keys(PLAIN, "C|:D::E:|"), [C, D, D, E, E]);
}

#[test]
fn more_colons_repeat_more_often() {
    assert_eq!(keys(PLAIN, "|::CD::|E|"), [C, D, C, D, C, D, E]);
}

#[test]
fn variant_endings_are_played_on_their_passes() {
    assert_eq!(keys(PLAIN, "|:C|1D:|2E|]"), [C, D, C, E]);
    assert_eq!(keys(PLAIN, "|:A|1B:|2C:|3D|]"), [A, B, A, C, A, D]);
    assert_eq!(keys(PLAIN, "|:C|[1,3D:|[2E:|[4F|]"), [C, D, C, E, C, D, C, F]);
    assert_eq!(keys(PLAIN, "|:C|[1-2D:|[3E|]"), [C, D, C, D, C, E]);
}

#[test]
fn a_second_part_has_endings_of_its_own() {
    assert_eq!(keys(PLAIN, "|:C|1D:|2E||\n|:F|1G:|2A|]"), [C, D, C, E, F, G, F, A]);
}

#[test]
fn parts_are_played_in_the_order_that_the_header_gives() {
    let head = "P:A(BA)2\nM:4/4\nL:1/4\nK:C";
    assert_eq!(keys(head, "P:A\nCD|\nP:B\nE|\n"), [C, D, E, C, D, E, C, D]);
}

#[test]
fn broken_rhythm_gives_to_one_note_what_it_takes_from_the_other() {
    assert_eq!(durations(EIGHTHS, "C>D E<F|"), [360, 120, 120, 360]);
    assert_eq!(durations(EIGHTHS, "C>>D E<<F|"), [420, 60, 60, 420]);
    assert_eq!(durations(EIGHTHS, "C > D|"), [360, 120]);
    assert_eq!(durations(EIGHTHS, "C>z D|"), [360, 240]);
    assert_eq!(durations(EIGHTHS, "C>{e}D|"), [360, 120]);
}

#[test]
fn a_triplet_is_three_in_the_time_of_two() {
    assert_eq!(
        played(EIGHTHS, "(3CDE F|"),
        [(0, 160, C), (160, 160, D), (320, 160, E), (480, 240, F)]
    );
}

#[test]
fn tuplets_default_to_three_in_compound_metres_and_to_two_in_simple_ones() {
    assert_eq!(durations(EIGHTHS, "(5CDEFG|")[0], 2 * EIGHTH / 5);
    assert_eq!(durations("M:6/8\nL:1/8\nK:C", "(5CDEFG|")[0], 3 * EIGHTH / 5);
    assert_eq!(durations("M:6/8\nL:1/8\nK:C", "(2CD|"), [360, 360]);
    assert_eq!(durations(EIGHTHS, "(4CDEF|"), [180; 4]);
}

#[test]
fn a_tuplet_may_count_other_notes_than_its_figure() {
    assert_eq!(durations(EIGHTHS, "(3:2:2C2D E|"), [320, 160, 240]);
    assert_eq!(durations(EIGHTHS, "(3::4C/D/EF G|"), [80, 80, 160, 160, 240]);
}

#[test]
fn broken_rhythm_holds_inside_a_tuplet() {
    assert_eq!(durations(EIGHTHS, "(3C>DE|"), [240, 80, 160]);
}

#[test]
fn tied_notes_are_one_note() {
    assert_eq!(played(PLAIN, "C2-C2|C|"), [(0, 1920, C), (1920, 480, C)]);
    assert_eq!(played(PLAIN, "C4-|C4-|C|"), [(0, 9 * QUARTER, C)]);
}

#[test]
fn a_tie_carries_its_accidental_over_the_bar_line_but_no_further() {
    assert_eq!(played(PLAIN, "^F4-|F2F2|"), [(0, 6 * QUARTER, 66), (6 * QUARTER, 2 * QUARTER, F)]);
}

#[test]
fn chords_sound_together_and_last_as_their_first_note() {
    assert_eq!(played(PLAIN, "[CEG]2 F|"), [(0, 960, C), (0, 960, E), (0, 960, G), (960, 480, F)]);
    assert_eq!(played(PLAIN, "[C2E] F|"), [(0, 960, C), (0, 480, E), (960, 480, F)]);
    assert_eq!(played(PLAIN, "[C2E2]/ F|"), [(0, 480, C), (0, 480, E), (480, 480, F)]);
}

#[test]
fn a_chord_may_tie_one_of_its_notes() {
    assert_eq!(played(PLAIN, "[C-E]2[CF]2|"), [(0, 1920, C), (0, 960, E), (960, 960, F)]);
}

#[test]
fn each_mode_has_its_signature() {
    let scale = "CDEFGAB|";
    let altered = |key: &str| -> Vec<u8> {
        keys(&format!("M:none\nL:1/4\nK:{key}"), scale)
            .into_iter()
            .zip([C, D, E, F, G, A, B])
            .filter(|(sounds, natural)| sounds != natural)
            .map(|(sounds, _)| sounds)
            .collect()
    };
    let (f_sharp, c_sharp, b_flat, e_flat, a_flat) = (66, 61, 70, 63, 68);
    assert_eq!(altered("Am"), Vec::<u8>::new());
    assert_eq!(altered("G"), [f_sharp]);
    assert_eq!(altered("Dmix"), [f_sharp]);
    assert_eq!(altered("Edor"), [c_sharp, f_sharp]);
    assert_eq!(altered("E phrygian"), Vec::<u8>::new());
    assert_eq!(altered("Flyd"), Vec::<u8>::new());
    assert_eq!(altered("Gmin"), [e_flat, b_flat]);
    assert_eq!(altered("C Aeolian"), [e_flat, a_flat, b_flat]);
    assert_eq!(altered("Bloc"), Vec::<u8>::new());
    assert_eq!(altered("HP"), [c_sharp, f_sharp]);
    assert_eq!(altered("D ^g =c"), [f_sharp, 68]);
    assert_eq!(altered("D exp _b"), [b_flat]);
    assert_eq!(altered("none"), Vec::<u8>::new());
}

#[test]
fn an_accidental_holds_to_the_end_of_its_bar() {
    assert_eq!(keys(PLAIN, "^FF=F^F|F|"), [66, 66, F, 66, F]);
    assert_eq!(keys("M:4/4\nL:1/4\nK:D", "=FF^^C_B|F|"), [F, F, 62, 70, 66]);
}

#[test]
fn key_metre_and_unit_may_change_in_the_tune() {
    assert_eq!(keys(PLAIN, "F|[K:G]F|\nK:C\nF|"), [F, 66, F]);
    assert_eq!(durations(PLAIN, "C|[L:1/8]C|"), [QUARTER, EIGHTH]);
}

#[test]
fn tempos_count_their_own_beat() {
    for (field, microseconds) in [
        ("Q:1/4=120", 500_000),
        ("Q:3/8=80", 500_000),
        ("Q:\"Slow\" 1/2=30", 1_000_000),
        ("Q:1/8 1/8=60", 1_000_000),
    ] {
        let head = format!("M:4/4\nL:1/4\n{field}\nK:C");
        let performance = performed(&head, "CDEF|", &PerformOptions::default());
        assert_eq!(performance.tempos[0].microseconds_per_quarter, microseconds, "{field}");
    }
}

#[test]
fn grace_notes_sound_but_not_in_the_melody_alone() {
    let all = performed(EIGHTHS, "{de}C2 D2|", &PerformOptions::default());
    let keys: Vec<u8> = all.notes.iter().map(|note| note.key).collect();
    assert_eq!(keys, [74, 76, C, D]);
    assert_eq!(played(EIGHTHS, "{de}C2 D2|"), [(0, 480, C), (480, 480, D)]);
    // They take their time from the note that they grace: the next one starts where it would.
    assert_eq!(all.notes[3].start, 480);
}

#[test]
fn voices_sound_together_from_the_start() {
    let head = "M:4/4\nL:1/4\nV:1\nV:2 clef=bass\nK:C";
    let mut notes = played(head, "V:1\nCD|\nV:2\nE,2|\nV:1\nE2|\nV:2\nF,2|\n");
    notes.sort_unstable();
    assert_eq!(notes, [(0, 480, C), (0, 960, 52), (480, 480, D), (960, 960, 53), (960, 960, E)]);
}

#[test]
fn an_overlay_sounds_with_its_bar() {
    let mut notes = played(PLAIN, "C|D2E2&F4|G|");
    notes.sort_unstable();
    let bar = 480;
    assert_eq!(
        notes,
        [(0, 480, C), (bar, 960, D), (bar, 1920, F), (bar + 960, 960, E), (bar + 1920, 480, G)]
    );
}

#[test]
fn chord_symbols_are_played_on_a_channel_of_their_own_and_can_be_switched_off() {
    let head = "M:4/4\nL:1/4\nK:C";
    let all = performed(head, "\"C\"CEGc|\"G7\"BGFD|", &PerformOptions::default());
    let melody: Vec<u8> =
        all.notes.iter().filter(|note| !note.accompaniment).map(|note| note.channel).collect();
    let chords: Vec<_> = all.notes.iter().filter(|note| note.accompaniment).collect();
    assert_eq!(melody.len(), 8);
    assert!(!chords.is_empty() && chords.iter().all(|note| !melody.contains(&note.channel)));
    let in_first_bar: Vec<u8> =
        chords.iter().filter(|note| note.start < 1920).map(|note| note.key % 12).collect();
    assert!(in_first_bar.iter().all(|class| [0, 4, 7].contains(class)), "{in_first_bar:?}");
    let off = PerformOptions { accompaniment: false, ..PerformOptions::default() };
    let off = performed(head, "\"C\"CEGc|\"G7\"BGFD|", &off);
    assert!(off.notes.iter().all(|note| !note.accompaniment));
}

#[test]
fn a_chord_symbol_in_mid_bar_leaves_the_chord_before_it_sounding_until_then() {
    let all = performed("M:4/4\nL:1/4\nK:C", "\"C\"CE\"F\"FA|", &PerformOptions::default());
    let classes = |from: u32, to: u32| -> Vec<u8> {
        let mut classes: Vec<u8> = all
            .notes
            .iter()
            .filter(|note| note.accompaniment && (from..to).contains(&note.start))
            .map(|note| note.key % 12)
            .collect();
        classes.sort_unstable();
        classes.dedup();
        classes
    };
    assert_eq!(classes(0, 960), [0, 4, 7]);
    assert_eq!(classes(960, 1920), [0, 5, 9]);
}

#[test]
fn an_old_line_break_and_a_continued_line_change_no_note() {
    assert_eq!(keys(PLAIN, "CD!\nEF\\\nGA|"), [C, D, E, F, G, A]);
}
