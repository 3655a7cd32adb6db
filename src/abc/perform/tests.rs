//! Core: facts about how tunes are played.

use super::super::performance::{MOST_NOTES, MOST_TICKS, Note};
use super::super::{PerformOptions, Performance, Tune, perform, read};

fn tune(header: &str, music: &str) -> Tune {
    let text = format!("X:1\nT:t\nM:4/4\nL:1/4\n{header}\n{music}\n");
    let mut tunes = read(&text).tunes;
    assert_eq!(tunes.len(), 1, "{text}");
    tunes.remove(0)
}

fn melody(header: &str, music: &str) -> Performance {
    perform(&tune(header, music), &PerformOptions::melody_only())
}

/// The notes' keys as ABC letters without octave, in order; sharps as `^f`.
fn letters(header: &str, music: &str) -> String {
    const NAMES: [&str; 12] = ["C", "^C", "D", "^D", "E", "F", "^F", "G", "^G", "A", "^A", "B"];
    let names: Vec<&str> =
        melody(header, music).notes.iter().map(|note| NAMES[usize::from(note.key % 12)]).collect();
    names.join(" ")
}

/// Each note as key@start+duration, in ticks.
fn times(header: &str, music: &str) -> String {
    let of = |note: &Note| format!("{}@{}+{}", note.key, note.start, note.duration);
    melody(header, music).notes.iter().map(of).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_repeat_sign_plays_its_section_twice() {
    assert_eq!(letters("K:C", "|: C D :| E F |]"), "C D C D E F");
    assert_eq!(letters("K:C", "|: C D :: E F :|"), "C D C D E F E F");
    assert_eq!(letters("K:C", "|: C D :|: E F :|"), "C D C D E F E F");
    assert_eq!(letters("K:C", "|: C D :||: E F :|"), "C D C D E F E F");
}

#[test]
fn two_colons_play_a_section_three_times() {
    assert_eq!(letters("K:C", "|:: C D ::| E"), "C D C D C D E");
    assert_eq!(letters("K:C", "|::: C :::| E"), "C C C C E");
}

#[test]
fn each_pass_plays_its_variant_ending() {
    assert_eq!(letters("K:C", "|: A |1 B :|2 C :|3 D |]"), "A B A C A D");
    assert_eq!(letters("K:C", "|: A |[1 B :|[2 C || D |]"), "A B A C D");
    assert_eq!(letters("K:C", "|: A |1,2 B :|3 C |]"), "A B A B A C");
    assert_eq!(letters("K:C", "|: A |[1-3 B :|[4 C |]"), "A B A B A B A C");
}

#[test]
fn endings_one_and_three_share_their_music_around_two_and_four() {
    assert_eq!(letters("K:C", "|: A |[1,3 B :|[2 C :|[4 D |] E"), "A B A C A B A D E");
    // A metre that changes within an ending changes back with the repeat.
    let performance = melody("K:C", "|: A4 |[1,3 [M:3/4] B3 :|[2 [M:4/4] C4 :|[4 [M:4/4] D4 |]");
    let metres: Vec<_> =
        performance.metres.iter().map(|metre| (metre.start, metre.numerator)).collect();
    let (bar, short) = (1920, 1440);
    let second = bar + short;
    let third = second + 2 * bar;
    assert_eq!(metres, [(0, 4), (bar, 3), (second, 4), (third + bar, 3), (third + bar + short, 4)]);
}

#[test]
fn a_repeat_without_a_start_starts_at_the_tune_or_the_last_double_bar_or_repeat() {
    assert_eq!(letters("K:C", "A | B :| C |]"), "A B A B C");
    assert_eq!(letters("K:C", "A | B || C | D :|"), "A B C D C D");
    assert_eq!(letters("K:C", "A | B |] C | D :|"), "A B C D C D");
    assert_eq!(letters("K:C", "A | B :| C | D :|"), "A B A B C D C D");
    // After an earlier repeat, too.
    assert_eq!(letters("K:C", "|: A :| B || C :|"), "A A B C C");
    assert_eq!(letters("K:C", "|: A |1 B :|2 C || D :| E"), "A B A C D D E");
    assert_eq!(letters("K:C", "|: A |1 B :|2 C |] D |1 E :|2 F |]"), "A B A C D E D F");
    // A double bar inside a section that says where it starts changes nothing.
    assert_eq!(letters("K:C", "|: A || B :|"), "A B A B");
}

#[test]
fn an_upbeat_before_a_repeat_is_played_once() {
    assert_eq!(letters("K:C", "G |: A B :|"), "G A B A B");
}

#[test]
fn parts_are_played_in_the_order_of_the_header() {
    let music = "P:A\nA |]\nP:B\nB |]\nP:C\nC |]\nP:D\nD |]";
    assert_eq!(letters("P:ABA(CD)2\nK:C", music), "A B A C D C D");
    assert_eq!(letters("P:A2.B3\nK:C", music), "A A B B B");
    assert_eq!(letters("P:((AB)2C)2\nK:C", music), "A B A B C A B A B C");
    assert_eq!(letters("K:C", music), "A B C D");
    assert_eq!(letters("P:AB\nK:C", "P:A\n|: A |1 C :|2 D |]\nP:B\nB|]"), "A C A D B");
}

#[test]
fn an_accidental_holds_to_the_end_of_its_bar_in_every_octave() {
    assert_eq!(letters("K:C", "^F f F, | F"), "^F ^F ^F F");
    assert_eq!(letters("K:G", "F =F F | F"), "^F F F ^F");
    assert_eq!(letters("%%propagate-accidentals octave\nK:C", "^F f"), "^F F");
}

#[test]
fn a_tie_carries_its_accidental_over_the_bar_and_no_further() {
    assert_eq!(times("K:C", "^F4- | F2 F2"), "66@0+2880 65@2880+960");
}

#[test]
fn ties_join_notes_of_the_same_pitch_only() {
    assert_eq!(times("K:C", "A2- A>B c- c- c"), "69@0+1680 71@1680+240 72@1920+1440");
    assert_eq!(times("K:C", "[A-c] A B"), "69@0+960 72@0+480 71@960+480");
    assert_eq!(times("K:C", "[Ac]- [Ac] B"), "69@0+960 72@0+960 71@960+480");
    assert_eq!(times("K:C", "A- B"), "69@0+480 71@480+480");
}

#[test]
fn a_tie_into_a_repeat_sounds_on_the_first_pass_and_starts_anew_on_the_second() {
    assert_eq!(times("K:C", "A4- |: A4 :|"), "69@0+3840 69@3840+1920");
}

#[test]
fn every_form_of_a_length_is_read() {
    assert_eq!(
        times("K:C", "A A2 A/ A/2 A// A3/2 A/4"),
        "69@0+480 69@480+960 69@1440+240 69@1680+240 69@1920+120 69@2040+720 69@2760+120"
    );
}

#[test]
fn broken_rhythm_lengthens_one_note_and_shortens_the_other() {
    assert_eq!(times("K:C", "A>B"), "69@0+720 71@720+240");
    assert_eq!(times("K:C", "A<B"), "69@0+240 71@240+720");
    assert_eq!(times("K:C", "A>>B"), "69@0+840 71@840+120");
    assert_eq!(times("K:C", "A > {g}B"), "69@0+720 71@720+240");
    assert_eq!(times("K:C", "A>[Bd]"), "69@0+720 71@720+240 74@720+240");
    assert_eq!(times("%%MIDI ratio 2 1\nK:C", "A>B"), "69@0+640 71@640+320");
}

#[test]
fn tuplets_take_their_time_from_the_metre() {
    assert_eq!(times("K:C", "(3ABc d"), "69@0+320 71@320+320 72@640+320 74@960+480");
    assert_eq!(times("K:C", "(5ABcde"), "69@0+192 71@192+192 72@384+192 74@576+192 76@768+192");
    assert_eq!(times("M:6/8\nK:C", "(2AB c"), "69@0+720 71@720+720 72@1440+480");
    assert_eq!(times("K:C", "(3:2:2 A2 B c"), "69@0+640 71@640+320 72@960+480");
    assert_eq!(times("K:C", "(3::2 A2 B c"), "69@0+640 71@640+320 72@960+480");
}

#[test]
fn an_overlay_sounds_together_with_its_bar() {
    assert_eq!(times("K:C", "A2 B2 & C4 | d4"), "69@0+960 60@0+1920 71@960+960 74@1920+1920");
}

#[test]
fn voices_sound_together_wherever_their_lines_stand() {
    let expected = "69@0+1920 48@0+1920 71@1920+1920 50@1920+1920";
    let in_order = |header: &str, music: &str| {
        let mut notes: Vec<(u32, u8)> =
            melody(header, music).notes.iter().map(|note| (note.start, note.key)).collect();
        notes.sort_unstable();
        notes
    };
    assert_eq!(times("K:C", "V:1\nA4|B4|\nV:2\nC,4|D,4|"), expected);
    assert_eq!(
        in_order("V:1\nV:2\nK:C", "[V:1]A4|\n[V:2]C,4|\n[V:1]B4|\n[V:2]D,4|"),
        in_order("K:C", "V:1\nA4|B4|\nV:2\nC,4|D,4|")
    );
}

#[test]
fn a_part_that_starts_before_the_voices_lines_starts_in_each_of_them() {
    let header = "P:ABA\nK:C";
    let music = "P:A\n[V:1]c4|\n[V:2]C4|\nP:B\n[V:1]d4|\n[V:2]D4|";
    let keys = |voice: u16| -> Vec<u8> {
        let performance = melody(header, music);
        performance.notes.iter().filter(|note| note.voice == voice).map(|note| note.key).collect()
    };
    assert_eq!(keys(0), [72, 74, 72]);
    assert_eq!(keys(1), [60, 62, 60]);
}

#[test]
fn clefs_and_words_after_the_key_move_what_is_heard() {
    assert_eq!(times("K:C treble-8", "A"), "57@0+480");
    assert_eq!(times("K:C octave=1", "A"), "81@0+480");
    assert_eq!(times("K:C transpose=-2", "A"), "67@0+480");
    assert_eq!(times("%%MIDI transpose 3\nK:C", "A"), "72@0+480");
    assert_eq!(times("K:C clef=bass", "A"), "69@0+480");
}

#[test]
fn bars_of_rest_last_as_many_bars() {
    assert_eq!(times("K:C", "Z2 A | Z | X A"), "69@3840+480 69@8160+480");
}

#[test]
fn a_tempo_counts_the_beat_it_names() {
    let tempo = |header: &str| melody(header, "A").tempos[0].microseconds_per_quarter;
    assert_eq!(tempo("Q:1/4=100\nK:C"), 600_000);
    assert_eq!(tempo("Q:3/8=100\nK:C"), 400_000);
    assert_eq!(tempo("Q:\"Allegro\" 1/4=100\nK:C"), 600_000);
    assert_eq!(tempo("Q:1/4 1/8=100\nK:C"), 400_000);
    assert_eq!(tempo("Q:100\nK:C"), 600_000);
    assert_eq!(tempo("Q:\"Slow\"\nK:C"), 500_000);
    assert_eq!(tempo("Q:1/2=100 \"fast\"\nK:C"), 300_000);
}

#[test]
fn a_hornpipe_swings_as_abc2midi_swings_it() {
    assert_eq!(
        times("L:1/8\nR:hornpipe\nK:C", "ABcd e>f g2"),
        "69@0+320 71@320+160 72@480+320 74@800+160 76@960+320 77@1280+160 79@1440+480"
    );
}

#[test]
fn old_files_are_played_as_they_were_meant() {
    // ABC 1.6: chords between plus signs, `!` for the end of a line.
    assert_eq!(letters("K:C", "+CE+ D | E !\nF !\nG"), "C E D E F G");
    assert_eq!(letters("K:C", "A B \\\nc d"), "A B C D");
}

#[test]
fn decorations_and_grace_notes_are_left_out_of_the_melody() {
    assert_eq!(times("K:C", "~A .B {g}Tc Hd"), "69@0+480 71@480+480 72@960+480 74@1440+480");
}

#[test]
fn grace_notes_take_their_time_from_the_note_after_them() {
    let performance = perform(&tune("L:1/8\nK:C", "{ga}B4 c4"), &PerformOptions::default());
    let heard: Vec<(u32, u32, u8)> =
        performance.notes.iter().map(|note| (note.start, note.duration, note.key)).collect();
    assert_eq!(heard, [(0, 60, 79), (60, 60, 81), (120, 840, 71), (960, 960, 72)]);
}

#[test]
fn chord_symbols_become_bass_and_chords_on_a_channel_of_their_own() {
    let tune = tune("K:C", "\"C\"c4|");
    let performance = perform(&tune, &PerformOptions::default());
    let (melody, chords): (Vec<&Note>, Vec<&Note>) =
        performance.notes.iter().partition(|note| !note.accompaniment);
    assert_eq!(melody.len(), 1);
    assert!(chords.iter().all(|note| note.channel != melody[0].channel));
    // fzczfzcz in eighths: bass on one and three, the chord on two and four.
    let bass: Vec<u32> =
        chords.iter().filter(|note| note.key == 36).map(|note| note.start).collect();
    let chord: Vec<u32> =
        chords.iter().filter(|note| note.key == 52).map(|note| note.start).collect();
    assert_eq!((bass, chord), (vec![0, 960], vec![480, 1440]));
    let off = PerformOptions { accompaniment: false, ..PerformOptions::default() };
    assert!(perform(&tune, &off).notes.iter().all(|note| !note.accompaniment));
}

#[test]
fn a_chord_symbol_in_mid_bar_leaves_the_chord_before_it_sounding_until_then() {
    let one = tune("%%MIDI gchord c8\nK:C", "\"C\"c2 c/\"G\"d/ d|");
    let performance = perform(&one, &PerformOptions::default());
    let c: Vec<&Note> =
        performance.notes.iter().filter(|n| n.accompaniment && n.key == 52).collect();
    assert_eq!((c[0].start, c[0].duration), (0, 1200));
    // Without a pattern's strike after it, the new chord waits for the next bar.
    let two = tune("%%MIDI gchord c4c4\nK:C", "\"C\"c \"G\"d2 d|");
    let performance = perform(&two, &PerformOptions::default());
    let start = |key: u8| {
        performance
            .notes
            .iter()
            .find(|n| n.accompaniment && n.key == key)
            .map(|n| (n.start, n.duration))
    };
    assert_eq!(start(52), Some((0, 480)));
    assert_eq!(start(59), Some((960, 960)));
}

#[test]
fn gchord_patterns_and_switches_are_honoured() {
    let strikes = |header: &str, music: &str| {
        let performance = perform(&tune(header, music), &PerformOptions::default());
        let mut starts: Vec<u32> = performance
            .notes
            .iter()
            .filter(|note| note.accompaniment)
            .map(|note| note.start)
            .collect();
        starts.dedup();
        starts
    };
    assert_eq!(strikes("%%MIDI gchord fzzz\nK:C", "\"C\"c4|c4|"), [0, 1920]);
    assert_eq!(strikes("K:C", "\"C\"c4|\n%%MIDI gchordoff\nc4|"), [0, 480, 960, 1440]);
    assert_eq!(strikes("M:6/8\nL:1/8\nK:C", "\"C\"c6|"), [0, 480, 720, 1200]);
    assert_eq!(strikes("K:C", "\"N.C.\"c4|"), [0u32; 0]);
}

#[test]
fn each_note_knows_its_place_in_the_text() {
    let text = "X:1\nK:C\n\"Am\"{g}A2 |: [CE]- :|\n";
    let tune = &read(text).tunes[0];
    let performance = perform(tune, &PerformOptions::melody_only());
    let places: Vec<&str> = performance.notes.iter().map(|note| &text[note.span.clone()]).collect();
    assert_eq!(places[0], "\"Am\"{g}A2");
    assert!(places[1].starts_with("[CE]"));
    let bars: Vec<&str> = performance.bars.iter().map(|bar| &text[bar.span.clone()]).collect();
    assert_eq!(bars[0], "\"Am\"{g}A2 |:");
}

#[test]
fn what_would_play_for_ever_is_cut_and_said() {
    let long = "|: A :".to_owned() + &"|".repeat(3) + &"|::::::::: A :::::::::|".repeat(2000);
    for (header, music) in [
        ("P:((((A)9)9)9)9\nK:C", "P:A\nABcd ABcd ABcd|"),
        ("P:(((((((((A)99)99)99)99)99)99)99)99)99\nK:C", "P:A\nABcd|"),
        ("K:C", "Z99999999|A"),
        ("K:C", "[1-65535 A :|[65535 B"),
        ("K:C", long.as_str()),
    ] {
        let tune = tune(header, music);
        let performance = perform(&tune, &PerformOptions::default());
        assert!(performance.notes.len() <= MOST_NOTES);
        assert!(performance.end <= MOST_TICKS * 2);
    }
    let endless = tune("K:C", &format!("|: {} |[1-60000 A :|[60001 B", "A4 ".repeat(500)));
    let performance = perform(&endless, &PerformOptions::melody_only());
    assert!(performance.findings.iter().any(|finding| finding.text.contains("cut")));
}
/// The notes' letters of a tune of one voice with this header, and what is said of how it is played.
fn heard(header: &str, music: &str) -> (String, Vec<String>) {
    let said = melody(header, music).findings.into_iter().map(|finding| finding.text).collect();
    (letters(header, music), said)
}

/// What is said of how a tune is played, and the place in the text that it points at.
fn pointed_at(header: &str, music: &str) -> Vec<(String, String)> {
    let text = format!("X:1\nT:t\nM:4/4\nL:1/4\n{header}\n{music}\n");
    let performance = perform(&read(&text).tunes[0], &PerformOptions::default());
    let place = |finding: &super::Finding| text[finding.span.clone()].to_owned();
    performance.findings.iter().map(|finding| (finding.text.clone(), place(finding))).collect()
}

#[test]
fn an_end_of_repeat_before_the_first_ending_does_not_play_for_ever() {
    for (music, expected) in [
        ("|:CD:|1 EF:|2 GA|]", "C D E F C D G A"),
        ("CD:|1 EF:|2 GA|]", "C D E F C D G A"),
        ("|:CD|EF:|[1 GA:|[2 Bc|]", "C D E F G A C D E F B C"),
        ("|:CD:|1 EF:|1 GA:|2 Bc|]", "C D E F C D G A B C"),
        ("|:CD:|\n|1 EF:|2 GA|]", "C D E F C D G A"),
        ("|:CD:|[1,3 EF:|[2 GA:|", "C D E F C D G A C D E F"),
        ("|:CD:|1 EF|] GA|]", "C D C D E F G A"),
    ] {
        let (letters, said) = heard("K:C", music);
        assert_eq!(letters, expected, "{music}");
        assert!(!said.is_empty() || music.contains("] GA"), "{music}");
    }
    let said = pointed_at("K:C", "|:CD:|1 EF:|2 GA|]");
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0].1, ":|");
}

#[test]
fn every_ending_is_played_whatever_its_number_and_however_the_one_before_ends() {
    for (music, expected) in [
        ("|:CD|1 EF|2 GA|]", "C D E F C D G A"),
        ("|:CD|1 EF:|3 GA|]", "C D E F C D G A"),
        ("|:CD|1 EF:|2 GA|4 Bc|]", "C D E F C D G A C D B C"),
        ("|:CD|[1 EF|[2 GA||Bc|]", "C D E F C D G A B C"),
        ("|:CD|2 EF:|1 GA|]", "C D G A C D E F"),
        ("|:CD|EF:|2 GA:|3 Bc|]", "C D E F C D E F G A C D E F B C"),
        ("|:CD|1 EF|2 GA:|3 Bc|]", "C D E F C D G A C D B C"),
        ("|:CD|3 EF:|3 GA:|", "C D E F G A"),
        ("|:CD|1 EF:||:GA|2 Bc:|", "C D E F C D G A B C"),
    ] {
        let (letters, said) = heard("K:C", music);
        assert_eq!(letters, expected, "{music}");
        // An unmarked first ending and a single one are nothing unusual.
        if !music.contains(":|2 GA:|3") && !music.contains("||:GA") {
            assert!(!said.is_empty(), "{music}");
        }
    }
    // What is by the book is not spoken of.
    for music in [
        "|:A|1 B:|2 c:|3 d|]",
        "|:A|[1-3 B:|[4 c|]",
        "|:A|1 B:|2 c||d|]",
        "|:A|1 B:|2 c:|",
        "A|1 B:|2 c|]",
    ] {
        assert_eq!(heard("K:C", music).1, [""; 0], "{music}");
    }
}

#[test]
fn a_part_that_the_order_leaves_out_is_said() {
    let said = pointed_at("P:AB\nK:C", "P:A\nCD|\nP:B\nEF|\nP:C\nGA|]");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].0.contains("the part C is never played"), "{said:?}");
    assert_eq!(said[0].1, "GA");
}

#[test]
fn a_part_played_as_often_as_it_has_endings_plays_one_of_them_each_time() {
    let music = "P:A\nc4|[1 d4:|[2 e4:|[3 f4|]";
    assert_eq!(letters("P:A3\nK:C", music), "C D C E C F");
    assert_eq!(letters("P:A3B\nK:C", &format!("{music}\nP:B\ng4|]")), "C D C E C F G");
    assert_eq!(letters("P:A4\nK:C", "P:A\nc4|[1,3 d4:|[2,4 e4|]"), "C D C E C D C E");
    // A repeat of its own in a part that comes twice is a repeat.
    assert_eq!(letters("P:ABA\nK:C", "P:A\n|:c|1 d:|2 e|]\nP:B\nf|]"), "C D C E F C D C E");
}

#[test]
fn what_holds_at_a_place_holds_whenever_it_is_played() {
    let tempos = |header: &str, music: &str| -> Vec<(u32, u32)> {
        let performance = melody(header, music);
        let tempo =
            |tempo: &super::Tempo| (tempo.start, 60_000_000 / tempo.microseconds_per_quarter);
        performance.tempos.iter().map(tempo).collect()
    };
    let bar = 1920;
    assert_eq!(
        tempos("Q:1/4=60\nK:C", "|:CDEF|[Q:1/4=120]GABc:|"),
        [(0, 60), (bar, 120), (2 * bar, 60), (3 * bar, 120)]
    );
    assert_eq!(
        tempos("Q:1/4=60\nK:C", "|:CDEF|1 [Q:1/4=120]GABc:|2 cBAG|]"),
        [(0, 60), (bar, 120), (2 * bar, 60), (3 * bar, 120)]
    );
    assert_eq!(
        tempos("P:ABA\nQ:1/4=60\nK:C", "P:A\nCDEF|\nP:B\n[Q:1/4=120]CDEF|"),
        [(0, 60), (bar, 120), (2 * bar, 60)]
    );
    let programs = |music: &str| -> Vec<(u32, u8)> {
        melody("%%MIDI program 5\nK:C", music)
            .programs
            .iter()
            .map(|p| (p.start, p.program))
            .collect()
    };
    assert_eq!(
        programs("|:CDEF|[I:MIDI program 40]GABc:|"),
        [(0, 5), (bar, 40), (2 * bar, 5), (3 * bar, 40)]
    );
    assert_eq!(letters("K:C", "|:CD|[K:C transpose=2]CD:|"), "C D D E C D D E");
    assert_eq!(
        times("K:C", "|:C4|[K:C clef=treble+8]C4:|"),
        "60@0+1920 72@1920+1920 60@3840+1920 72@5760+1920"
    );
    assert_eq!(
        times("K:C", "|:C4|[I:MIDI transpose 12]C4:|"),
        "60@0+1920 72@1920+1920 60@3840+1920 72@5760+1920"
    );
    let channels = |music: &str| -> Vec<u8> {
        melody("K:C", music).notes.iter().map(|note| note.channel).collect()
    };
    assert_eq!(channels("|:C4|[I:MIDI channel 10]C4:|"), [0, 9, 0, 9]);
    let loud = |music: &str| -> Vec<u8> {
        let performance = perform(&tune("K:C", music), &PerformOptions::default());
        performance.notes.iter().map(|note| note.velocity).collect()
    };
    assert_eq!(loud("!p!|:C4|!f!C4:|"), [60, 105, 60, 105]);
    let chords = |music: &str| -> Vec<u32> {
        let performance = perform(&tune("K:C", music), &PerformOptions::default());
        let mut starts: Vec<u32> =
            performance.notes.iter().filter(|n| n.accompaniment).map(|n| n.start / bar).collect();
        starts.dedup();
        starts
    };
    assert_eq!(chords("\"C\"|:C4|[I:MIDI gchordoff]C4:|"), [0, 2]);
    // The chord that sounds at a place, too.
    let bass = |music: &str| -> Vec<u8> {
        let performance =
            perform(&tune("%%MIDI gchord fzzz\nK:C", music), &PerformOptions::default());
        performance.notes.iter().filter(|n| n.accompaniment).map(|n| n.key % 12).collect()
    };
    assert_eq!(bass("\"C\"C4|:C4|\"G\"D4:|"), [0, 0, 7, 0, 7]);
}

#[test]
fn jumps_are_played_once_and_without_repeats() {
    for (music, expected) in [
        ("CD|EF|GA!D.C.!|]", "C D E F G A C D E F G A"),
        ("!segno!CD|EF!fine!|GA|Bc!D.C.alfine!|]", "C D E F G A B C C D E F"),
        ("CD|EF!dacoda!|GA!D.C.alcoda!|!coda!cc|]", "C D E F G A C D E F C C"),
        ("CD|!segno!EF|!fine!GA|Bc!D.S.!|]", "C D E F G A B C E F G A"),
        ("CD|SEF|GAO|Bc!D.S.alcoda!|Odd|]", "C D E F G A B C E F G A D D"),
        ("|:CD|1 EF:|2 GA!fine!|]|:Bc:|!D.C.!|]", "C D E F C D G A B C B C C D G A"),
        ("CD|EF\"^Fine\"|GA|B\"_D.C. al Fine\"c|]", "C D E F G A B C C D E F"),
        ("CD|\"D.C.\"EF|GA|]", "C D E F C D E F G A"),
        // Two chords.
        ("CD|\"D(C)\"EF|GA|]", "C D E F G A"),
        ("|:CD|EF!D.C.!:|GA|]", "C D E F C D E F C D E F G A"),
    ] {
        let (letters, said) = heard("K:C", music);
        assert_eq!(letters, expected, "{music}");
        assert_eq!(said, [""; 0], "{music}");
    }
}

#[test]
fn a_jump_that_can_not_be_made_out_is_said_and_not_made() {
    for music in ["CD|EF!D.S.!|]", "CD|EF!D.C.alfine!|]", "CD|EF!D.C.alcoda!|!coda!GA|]"] {
        let (letters, said) = heard("K:C", music);
        assert!(letters == "C D E F" || letters == "C D E F G A", "{letters}");
        assert!(said.iter().any(|text| text.contains("jump is not made")), "{music}: {said:?}");
    }
}

#[test]
fn a_jump_in_one_voice_leads_the_others_along() {
    let performance = melody("K:C", "V:1\nC4|D4!fine!|E4!D.C.alfine!|]\nV:2\nC,4|D,2D,2|E,4|]");
    let keys = |voice: u16| -> Vec<u8> {
        performance.notes.iter().filter(|note| note.voice == voice).map(|note| note.key).collect()
    };
    assert_eq!(keys(0), [60, 62, 64, 60, 62]);
    assert_eq!(keys(1), [48, 50, 50, 52, 48, 50, 50]);
    assert_eq!(performance.findings, []);
}

#[test]
fn percussion_is_played_on_its_channel_and_with_its_sounds() {
    let heard = |header: &str, music: &str| -> Vec<(u8, u8)> {
        melody(header, music).notes.iter().map(|note| (note.channel, note.key)).collect()
    };
    assert_eq!(heard("K:perc", "Fc|]"), [(9, 65), (9, 72)]);
    assert_eq!(
        heard(
            "%%percmap F acoustic-bass-drum\n%%percmap c 38\n%%percmap ^g c-h-h\nK:C perc",
            "Fc^g|]"
        ),
        [(9, 35), (9, 38), (9, 42)]
    );
    assert_eq!(heard("V:1\nV:2 clef=perc\nK:C", "[V:1]C4|\n[V:2]F4|"), [(0, 60), (9, 65)]);
}

#[test]
fn an_instrument_that_was_not_asked_for_before_a_repeat_is_the_first_again_after_it() {
    let programs: Vec<(u32, u8)> = melody("K:C", "|:CDEF|[I:MIDI program 40]GABc:|")
        .programs
        .iter()
        .map(|program| (program.start, program.program))
        .collect();
    assert_eq!(programs, [(1920, 40), (3840, 0), (5760, 40)]);
}

#[test]
fn controllers_are_set_when_they_are_asked_for() {
    let controls = |header: &str, music: &str| -> Vec<(u32, u8, u8, u8)> {
        let performance = melody(header, music);
        performance.controls.iter().map(|c| (c.start, c.channel, c.controller, c.value)).collect()
    };
    assert_eq!(controls("%%MIDI control 7 35\nK:C", "C4|"), [(0, 0, 7, 35)]);
    assert_eq!(
        controls("K:C", "|:C4|[I:MIDI control 10 20]C4|[I:MIDI control 10 90]C4|"),
        [(1920, 0, 10, 20), (3840, 0, 10, 90)]
    );
}

#[test]
fn a_key_may_have_microtones() {
    let performance = melody("K:C ^/f", "F G =F F | F");
    let bends: Vec<(u32, i16)> =
        performance.bends.iter().map(|bend| (bend.start, bend.cents)).collect();
    assert_eq!(bends, [(0, 50), (480, 0), (1920, 50)]);
}

#[test]
fn hornpipes_swing_in_every_metre_of_two_beats_and_wherever_they_are_named() {
    let swung = [320, 160, 320, 160];
    for header in [
        "R:hornpipe\nM:C|\nL:1/8\nK:G",
        "R:Hornpipe, set dance\nM:2/2\nL:1/8\nK:G",
        "M:4/4\nL:1/8\nK:G\nR:HORNPIPE",
    ] {
        let lengths: Vec<u32> =
            melody(header, "GABc d4|").notes.iter().map(|n| n.duration).collect();
        assert_eq!(lengths[..4], swung, "{header}");
    }
    let plain = melody("R:reel\nM:C|\nL:1/8\nK:G", "GABc d4|");
    assert_eq!(plain.notes[0].duration, 240);
}

#[test]
fn a_slow_tempo_is_kept() {
    assert_eq!(melody("Q:1/4=1\nK:C", "C").tempos[0].microseconds_per_quarter, 60_000_000);
}

#[test]
fn tuplets_of_one_note_are_played() {
    assert_eq!(times("K:C", "(1:2:2CD E"), "60@0+960 62@960+960 64@1920+480");
    assert_eq!(times("K:C", "(3:2:1C3 D"), "60@0+960 62@960+480");
}

#[test]
fn a_tie_over_a_change_of_key_joins_only_what_sounds_alike() {
    assert_eq!(times("K:C", "f2-[K:D]f2|"), "77@0+960 78@960+960");
    assert_eq!(times("K:C", "^f2-[K:D]f2|"), "78@0+1920");
    assert_eq!(times("K:C", "^f4-|[K:F]f2 f2|"), "78@0+2880 77@2880+960");
}

#[test]
fn a_tie_at_the_start_of_an_ending_is_that_ending_s() {
    assert_eq!(
        times("K:C", "|:c2 d2|1 -d2 e2:|2 d4|]"),
        "72@0+960 74@960+1920 76@2880+960 72@3840+960 74@4800+960 74@5760+1920"
    );
}

#[test]
fn ties_to_nothing_voices_that_drift_and_words_for_chords_are_said() {
    let said = |header: &str, music: &str| -> Vec<String> {
        let performance = perform(&tune(header, music), &PerformOptions::default());
        performance.findings.into_iter().map(|finding| finding.text).collect()
    };
    for music in ["C-D EF|]", "E-z E2|]", "C4-|]", "[C-E]2 [DE]2|]"] {
        assert!(said("K:C", music).iter().any(|text| text.contains("a tie to no note")), "{music}");
    }
    for music in ["C-C|]", "[CE]-[CG]|]", "|:CG-|1 G2:|2 G E||", "|:GC|EG-:|G2|]", "C4-|C4 & E4|]"]
    {
        assert_eq!(said("K:C", music), [""; 0], "{music}");
    }
    for music in
        ["V:1\nC4|D4|]\nV:2\nC,4|]", "V:1\n|:C4:|\nV:2\nC,4|]", "V:1\nCDE|FG|]\nV:2\nC,2|F,2|]"]
    {
        assert!(said("K:C", music).iter().any(|text| text.contains("V:2 lasts")), "{music}");
    }
    assert_eq!(said("K:C", "V:1\n|:C4:|\nV:2\nC,4|C,4|]"), [""; 0]);
    let symbols = said("K:C", "\"H7\"C \"hello\"D \"C-7b5\"E \"N.C.\"F|\"hello\"C4|]");
    assert_eq!(symbols.len(), 1, "{symbols:?}");
    assert!(symbols[0].contains("hello"));
}
