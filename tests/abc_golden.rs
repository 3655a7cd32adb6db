//! Core: what tunes sound like, note for note, by the ABC standard 2.1.

use earworm_abc::{self as abc, PPQ, PerformOptions, Performance};

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
    // Lengths inside multiply with the one outside; the first note's is the chord's (§4.17).
    assert_eq!(played(PLAIN, "[C2E2]/ F|"), [(0, 480, C), (0, 480, E), (480, 480, F)]);
    assert_eq!(played(PLAIN, "[C2E] F|"), [(0, 960, C), (0, 960, E), (960, 480, F)]);
    assert_eq!(played(PLAIN, "[CE4] F|"), [(0, 480, C), (0, 480, E), (480, 480, F)]);
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
        ("Q:3/8 1/8=60", 500_000),
        ("Q:1/4=120 \"Allegro\"", 500_000),
        ("Q:\"Allegro\" 1/4=120", 500_000),
        ("Q: 1/4 = 120", 500_000),
        ("Q:120", 500_000),
        // Of old: so many of the unit note length, here a quarter note, or of several.
        ("Q:C=120", 500_000),
        ("Q:C2=60", 500_000),
        // A text alone names no number of beats: 120 quarter notes a minute.
        ("Q:\"Allegro\"", 500_000),
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

#[test]
fn a_tempo_may_change_in_the_tune() {
    let performance =
        performed(PLAIN, "CDEF|[Q:1/4=60]G4|\nQ:1/2=60\nC4|", &PerformOptions::default());
    let tempos: Vec<_> = performance
        .tempos
        .iter()
        .map(|tempo| (tempo.start, tempo.microseconds_per_quarter))
        .collect();
    assert_eq!(tempos, [(0, 500_000), (1920, 1_000_000), (3840, 500_000)]);
}

#[test]
fn dotted_ties_join_and_slurs_of_either_kind_change_no_note() {
    assert_eq!(played(PLAIN, "C2.-C2|"), [(0, 1920, C)]);
    assert_eq!(played(PLAIN, "(C2D2)|.(E2F2)|"), played(PLAIN, "C2D2|E2F2|"));
    assert_eq!(played(PLAIN, "(C2C2)|"), [(0, 960, C), (960, 960, C)]);
}

#[test]
fn rests_spacers_and_bars_of_rest_of_either_kind_sound_nothing() {
    assert_eq!(
        played(PLAIN, "z2 C y D|X|Z|x2 y20 E2|"),
        [(960, 480, C), (1440, 480, D), (3 * 1920 + 960, 960, E)]
    );
}

#[test]
fn an_ending_may_stand_on_a_line_of_its_own_with_a_bar_line_before_it() {
    assert_eq!(keys(PLAIN, "|:C|\n|1D:|\n|2E|]\n"), [C, D, C, E]);
    assert_eq!(keys(PLAIN, "|:C|1D:|\n|2E|]\n|:F:|"), [C, D, C, E, F, F]);
    assert_eq!(keys(PLAIN, "|:C|1D:| |2E|]"), [C, D, C, E]);
}

#[test]
fn a_last_ending_may_end_with_a_repeat_sign() {
    assert_eq!(keys(PLAIN, "|:C|1D:|2E:|F|1G:|2A:|"), [C, D, C, E, F, G, F, A]);
}

#[test]
fn an_overlay_may_go_back_over_several_bars() {
    let sorted = |music: &str| {
        let mut notes = played(PLAIN, music);
        notes.sort_unstable();
        notes
    };
    let bar = 1920;
    let expected = [(0, bar, C), (0, bar, E), (bar, bar, D), (bar, bar, F), (2 * bar, bar, G)];
    assert_eq!(sorted("C4|D4&&E4|F4|G4|"), expected);
    // As the standard writes it (§7.4): after the last bar's line.
    assert_eq!(sorted("C4|D4|\n&&E4|F4|G4|"), expected);
    assert_eq!(sorted("C4|D4|\n&&E4|F4|]\nG4|"), expected);
}

#[test]
fn letters_and_macros_stand_for_what_they_are_defined_as() {
    assert_eq!(keys("U:W=!trill!\nM:4/4\nL:1/4\nK:C", "WCD|"), [C, D]);
    assert_eq!(
        played("m: ~G2 = G/A/G/F/\nM:4/4\nL:1/4\nK:C", "~G2 C2|"),
        [(0, 240, G), (240, 240, A), (480, 240, G), (720, 240, F), (960, 960, C)]
    );
    assert_eq!(keys("m: ~n = n/o/\nM:4/4\nL:1/4\nK:C", "~C~G|"), [C, D, G, A]);
}

#[test]
fn a_clef_s_octave_and_the_voice_s_own_add_up_and_hold_until_changed() {
    let head = "M:4/4\nL:1/4\nV:1 clef=treble-8 name=\"Tenor\"\nV:2 octave=-1\nK:C";
    let mut notes = played(head, "V:1\nC2D2|\nV:2\nC2[K:G clef=bass]F2|\n");
    notes.sort_unstable();
    assert_eq!(
        notes,
        [(0, 960, C - 12), (0, 960, C - 12), (960, 960, D - 12), (960, 960, 66 - 12)]
    );
    assert_eq!(keys("M:4/4\nL:1/4\nK:C", "C[K:C treble+8]C[K:C transpose=-2]C|"), [C, 72, 70]);
}

#[test]
fn accidentals_reach_as_far_as_they_are_told() {
    let head = |how: &str| format!("%%propagate-accidentals {how}\nM:4/4\nL:1/4\nK:C");
    assert_eq!(keys(&head("pitch"), "^FFfF|F|"), [66, 66, 78, 66, F]);
    assert_eq!(keys(&head("octave"), "^FFfF|F|"), [66, 66, 77, 66, F]);
    assert_eq!(keys(&head("not"), "^FFfF|F|"), [66, F, 77, F, F]);
    assert_eq!(keys("%%MIDI nobarlines\nL:1/4\nK:C", "^FFfF"), [66, F, 77, F]);
}

#[test]
fn a_hornpipe_swings_from_where_its_metre_is_given() {
    let swung = [320, 160, 320, 160];
    assert_eq!(durations("R:hornpipe\nM:4/4\nL:1/8\nK:C", "CDEF|"), swung);
    assert_eq!(durations("R:hornpipe\nL:1/8\nK:C", "[M:4/4]CDEF|"), swung);
    assert_eq!(durations("R:hornpipe\nM:3/2\nL:1/8\nK:C", "CDEF|"), [240; 4]);
}

#[test]
fn microtones_bend_the_nearest_key() {
    let performance = performed(PLAIN, "^/C ^3/4C C _1/4D|C4|", &PerformOptions::melody_only());
    let keys: Vec<u8> = performance.notes.iter().map(|note| note.key).collect();
    assert_eq!(keys, [C, C + 1, C + 1, D, C]);
    let bends: Vec<_> = performance.bends.iter().map(|bend| (bend.start, bend.cents)).collect();
    assert_eq!(bends, [(0, 50), (480, -25), (1920, 0)]);
}

#[test]
fn drums_are_played_on_the_channel_of_percussion_while_they_are_on() {
    let head = "M:4/4\nL:1/4\nK:C\n%%MIDI drum d2zdd 35 38 39 100 50 60";
    let music = "%%MIDI drumon\nCDEF|CDEF|\n%%MIDI drumoff\nCDEF|\n";
    let all = performed(head, music, &PerformOptions::default());
    let drums: Vec<_> = all
        .notes
        .iter()
        .filter(|note| note.channel == 9)
        .map(|note| (note.start, note.duration, note.key, note.velocity))
        .collect();
    // Five steps to the bar: a double one, a rest, two single ones.
    let step = 1920 / 5;
    let bar = |start: u32| {
        [
            (start, 2 * step, 35, 100),
            (start + 3 * step, step, 38, 50),
            (start + 4 * step, step, 39, 60),
        ]
    };
    assert_eq!(drums, [bar(0), bar(1920)].concat());
    assert!(all.notes.iter().all(|note| note.accompaniment == (note.channel == 9)));
    let melody = performed(head, music, &PerformOptions::melody_only());
    assert_eq!(melody.notes.len(), 12);
}

#[test]
fn a_drum_pattern_may_last_several_bars() {
    let head = "M:2/4\nL:1/4\nK:C\n%%MIDI drumbars 2\n%%MIDI drum dzzd 36 40\n%%MIDI drumon";
    let all = performed(head, "CD|EF|GA|", &PerformOptions::default());
    let drums: Vec<_> = all
        .notes
        .iter()
        .filter(|note| note.channel == 9)
        .map(|note| (note.start, note.key))
        .collect();
    assert_eq!(drums, [(0, 36), (1440, 40), (1920, 36)]);
}

#[test]
fn a_drone_sounds_from_where_it_is_on_to_where_it_is_off() {
    let head = "M:4/4\nL:1/4\nK:C\n%%MIDI drone 109 57 45 70 60";
    let music = "CDEF|\n%%MIDI droneon\nCDEF|CDEF|\n%%MIDI droneoff\nCDEF|\n";
    let all = performed(head, music, &PerformOptions::default());
    let drone: Vec<_> = all.notes.iter().filter(|note| note.accompaniment).collect();
    let sound: Vec<_> =
        drone.iter().map(|note| (note.start, note.duration, note.key, note.velocity)).collect();
    assert_eq!(sound, [(1920, 3840, 45, 60), (1920, 3840, 57, 70)]);
    let channel = drone[0].channel;
    assert!(all.notes.iter().all(|note| note.accompaniment || note.channel != channel));
    assert!(
        all.programs.iter().any(|program| (program.channel, program.program) == (channel, 109))
    );
    // Without an end it lasts as long as the music; unless it is told otherwise, it is a bassoon's A2 and A1.
    let endless = performed(PLAIN, "%%MIDI droneon\nCDEF|\n", &PerformOptions::default());
    let sound: Vec<_> = endless
        .notes
        .iter()
        .filter(|note| note.accompaniment)
        .map(|note| (note.start, note.duration, note.key, note.velocity))
        .collect();
    assert_eq!(sound, [(0, 1920, 33, 80), (0, 1920, 45, 80)]);
}

#[test]
fn a_percussion_voice_plays_the_instruments_that_its_notes_are_mapped_to() {
    let head = "M:4/4\nL:1/4\nK:C\n%%MIDI channel 10\n%%MIDI drummap ^C 40\n%%MIDI drummap d, 36";
    assert_eq!(keys(head, "^C D, d, E|"), [40, 50, 36, E]);
}

#[test]
fn a_finding_says_how_grave_it_is_where_it_is_what_is_wrong_and_what_to_do() {
    let text = "X:1\nL:1/4\nK:C\nCD \"Am E|\n";
    let book = abc::read(text);
    let finding = &book.findings[0];
    assert_eq!(finding.severity, abc::Severity::Error);
    assert_eq!(&text[finding.span.clone()], "\"Am E|");
    assert_eq!(finding.text, "a chord symbol or annotation without its closing quotation mark");
    assert_eq!(finding.hint, "put a \" after it");
}

#[test]
fn music_after_a_blank_line_is_left_out_and_that_is_said() {
    let book =
        abc::read("X:1\nK:C\nV:1\n\nCDEF|GABc|\nd4|\n\nThis is free text | with a stroke.\n");
    let said: Vec<_> =
        book.findings.iter().filter(|finding| finding.text.contains("blank line")).collect();
    assert_eq!(said.len(), 1, "{:?}", book.findings);
    assert_eq!(said[0].severity, abc::Severity::Warning);
    let free = abc::read("X:1\nK:C\nCDEF|\n\nWords of the book | and its editor.\n");
    assert_eq!(free.findings, []);
}
