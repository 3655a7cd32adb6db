//! Core: facts about what is read, and what is said about it.

use super::super::model::*;
use super::super::{Length, PerformOptions, decode, read};

fn findings(text: &str) -> Vec<(Severity, String)> {
    read(text).findings.into_iter().map(|finding| (finding.severity, finding.text)).collect()
}

fn music(music: &str) -> Vec<ElementKind> {
    let text = format!("X:1\nL:1/4\nM:none\nK:C\n{music}");
    let tune = read(&text).tunes.remove(0);
    tune.voices[0].elements.iter().map(|element| element.kind.clone()).collect()
}

#[test]
fn text_is_decoded_as_utf8_or_latin1_without_its_mark() {
    assert_eq!(decode(b"\xef\xbb\xbfT:\xc3\xa9"), "T:é");
    assert_eq!(decode(b"T:\xe9"), "T:é");
}

#[test]
fn a_tunebook_has_its_tunes_and_passes_its_header_down() {
    let text = "%abc-2.1\nM:3/4\nC:Anon\n\nX:1\nT:One\nK:G\nGAB|\n\nfree text, not | a tune\n\nX:2\r\nT:Two\r\nM:4/4\r\nK:D\r\ndefg|\r\n";
    let book = read(text);
    assert_eq!(book.tunes.len(), 2);
    assert_eq!(book.tunes[0].metre.to_string(), "3/4");
    assert_eq!(book.tunes[1].metre.to_string(), "4/4");
    assert_eq!(book.tunes[1].field('C'), Some("Anon"));
    assert_eq!(book.tunes[1].title(), "Two");
    assert!(text[book.tunes[0].span.clone()].starts_with("X:1"));
    assert_eq!(book.findings, []);
}

#[test]
fn a_tune_without_reference_number_is_read_and_said() {
    let book = read("T:Untitled\nM:4/4\nK:G\nGABc|\n");
    assert_eq!(book.tunes.len(), 1);
    assert_eq!(book.tunes[0].title(), "Untitled");
    assert!(book.findings.iter().any(|finding| finding.text.contains("reference number")));
}

#[test]
fn fields_are_read_in_the_header_on_lines_and_inline() {
    let text =
        "X:1\nT:t\nM:C|\nQ:1/2=60\nK:Ador\nA [M:3/4][K:G] B |\nL:1/16\nw: la la\n+: la\nW:verse\n";
    let book = read(text);
    let tune = &book.tunes[0];
    assert_eq!(tune.metre.to_string(), "C|");
    assert_eq!(tune.unit, Length::new(1, 8));
    let fields: Vec<(char, &str, bool)> = tune.voices[0]
        .elements
        .iter()
        .filter_map(|element| match &element.kind {
            ElementKind::Field(field) => Some((field.letter, field.text.as_str(), field.inline)),
            _ => None,
        })
        .collect();
    assert_eq!(
        fields,
        [
            ('M', "3/4", true),
            ('K', "G", true),
            ('L', "1/16", false),
            ('w', "la la la", false),
            ('W', "verse", false)
        ]
    );
}

#[test]
fn a_line_that_starts_with_a_note_and_a_repeat_sign_is_music() {
    let kinds = music("A B :|\ne:|\n");
    assert_eq!(kinds.iter().filter(|kind| matches!(kind, ElementKind::Note(_))).count(), 3);
}

#[test]
fn bar_lines_of_every_shape_are_read() {
    let shape = |text: &str| match music(&format!("A{text}B"))[1] {
        ElementKind::Bar(bar) => (bar.line, bar.repeat_end, bar.repeat_start),
        ref other => panic!("{text}: {other:?}"),
    };
    assert_eq!(shape("|"), (BarLine::Thin, 0, 0));
    assert_eq!(shape("||"), (BarLine::ThinThin, 0, 0));
    assert_eq!(shape("|]"), (BarLine::ThinThick, 0, 0));
    assert_eq!(shape("[|"), (BarLine::ThickThin, 0, 0));
    assert_eq!(shape(".|"), (BarLine::Dotted, 0, 0));
    assert_eq!(shape("[|]"), (BarLine::Invisible, 0, 0));
    assert_eq!(shape(":|").1, 1);
    assert_eq!(shape("::|").1, 2);
    assert_eq!(shape("|:").2, 1);
    assert_eq!(shape("|::").2, 2);
    for both in ["::", ":|:", ":||:", ":|]|:"] {
        let bar = shape(both);
        assert_eq!((bar.1, bar.2), (1, 1), "{both}");
    }
}

#[test]
fn endings_are_read_in_every_spelling() {
    let passes = |text: &str| {
        music(text)
            .into_iter()
            .find_map(|kind| match kind {
                ElementKind::Ending(ending) => Some(ending.passes),
                _ => None,
            })
            .unwrap_or_default()
    };
    assert_eq!(passes("A |1 B"), [(1, 1)]);
    assert_eq!(passes("A |[1 B"), [(1, 1)]);
    assert_eq!(passes("A | [1,3 B"), [(1, 1), (3, 3)]);
    assert_eq!(passes("A |1-3 B"), [(1, 3)]);
    assert_eq!(passes("A [1,3-5 B"), [(1, 1), (3, 5)]);
    assert_eq!(passes("A :|2 B"), [(2, 2)]);
}

#[test]
fn decorations_chord_symbols_and_annotations_stay_with_their_note() {
    let text = "X:1\nU:W=!wedge!\nK:C\n\"Am7\"\"^slow\"!trill!~W{/g}A";
    let tune = read(text).tunes.remove(0);
    let attached = tune.voices[0].elements[0].attached.as_ref().expect("something is attached");
    assert_eq!(attached.chord_symbols, ["Am7"]);
    assert_eq!(attached.annotations[0].text, "slow");
    assert_eq!(attached.annotations[0].place, AnnotationPlace::Above);
    let names: Vec<&str> =
        attached.decorations.iter().map(|decoration| decoration.name.as_str()).collect();
    assert_eq!(names, ["trill", "roll", "wedge"]);
    assert!(attached.grace.as_ref().expect("grace notes").acciaccatura);
    assert_eq!(&text[tune.voices[0].elements[0].span.clone()], "\"Am7\"\"^slow\"!trill!~W{/g}A");
}

#[test]
fn an_exclamation_mark_is_a_decoration_or_the_end_of_a_line_of_old() {
    let breaks = |text: &str| {
        music(text)
            .iter()
            .filter(|kind| matches!(kind, ElementKind::LineBreak(LineBreak::Mark)))
            .count()
    };
    assert_eq!(breaks("A!fermata!B"), 0);
    assert_eq!(breaks("A2 B2|!\nc2 d2|!"), 2);
    assert_eq!(breaks("A2 B2!c2|d2!"), 2);
}

#[test]
fn macros_are_played_in_their_place() {
    let kinds = |text: &str| -> Vec<Pitch> {
        read(text).tunes[0].voices[0]
            .elements
            .iter()
            .filter_map(|element| match element.kind {
                ElementKind::Note(note) => Some(note.pitch),
                _ => None,
            })
            .collect()
    };
    assert_eq!(kinds("X:1\nm: ~g2 = g/a/g/f/\nK:C\n~g2 a").len(), 5);
    let transposed = kinds("X:1\nm: ~n2 = n/o/n/m/\nK:C\n~G2 ~c2");
    let steps: Vec<Step> = transposed.iter().map(|pitch| pitch.step).collect();
    use Step::*;
    assert_eq!(steps, [G, A, G, F, C, D, C, B]);
}

#[test]
fn bars_that_do_not_add_up_are_said_and_upbeats_are_not() {
    let said = |music: &str| {
        findings(&format!("X:1\nM:4/4\nL:1/4\nK:C\n{music}\n"))
            .iter()
            .filter(|(_, text)| text.contains("the bar lasts"))
            .count()
    };
    assert_eq!(said("A | ABcd | ABc |]"), 0);
    assert_eq!(said("ABcd | ABc | ABcd |]"), 1);
    assert_eq!(said("ABcd | ABcde | ABcd |]"), 1);
    assert_eq!(said("G |: ABcd | ABc :| d | ABcd |]"), 0);
    assert_eq!(said("ABcd | [M:3/4] ABc | ABc |]"), 0);
    assert_eq!(said("ABcd | A2 & C4 | ABcd |]"), 0);
}

#[test]
fn each_fault_is_said_at_its_place_and_reading_goes_on() {
    for (music, place) in [
        ("A } B", "}"),
        ("A > | B", ">"),
        ("A [CE B", "[CE B"),
        ("A \"Am B", "\"Am B"),
        ("A {gB", "{gB"),
        ("A ^ B", "^"),
        ("A [K:foo] B", "K:foo"),
        ("A0 B", "0"),
        ("- A B", "-"),
    ] {
        let text = format!("X:1\nL:1/4\nK:C\n{music}\n");
        let book = read(&text);
        let places: Vec<&str> = book
            .findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .map(|finding| &text[finding.span.clone()])
            .collect();
        if place == ">" {
            // Across the bar line it is read as it was meant.
            assert_eq!(places, [""; 0]);
        } else {
            assert_eq!(places, [place], "{music}");
        }
        let notes = book.tunes[0].voices[0]
            .elements
            .iter()
            .filter(|element| matches!(element.kind, ElementKind::Note(_) | ElementKind::Chord(_)))
            .count();
        assert!(notes >= 1, "{music}");
    }
}

#[test]
fn hostile_input_is_cut_and_that_is_said() {
    let huge = "A".repeat(400_000);
    let endings = "|1 A :|2 B :".repeat(10_000);
    for (music, word) in [
        ("A1/99999999", "length"),
        ("Z99999999", "cut"),
        (huge.as_str(), "elements"),
        ("[CDEFGABCDEFGABCDEFGABCDEFGABCDEFGABCDEFGAB]", "chord"),
        ("A''''''''''''''''", "octave"),
    ] {
        let said = findings(&format!("X:1\nK:C\n{music}\n"));
        assert!(said.iter().any(|(_, text)| text.contains(word)), "{word}: {said:?}");
    }
    assert_eq!(read(&format!("X:1\nK:C\n{endings}\n")).tunes.len(), 1);
}

/// The keys of the notes that are played, in order, and what was said of the text.
fn heard(text: &str) -> (Vec<u8>, Vec<String>) {
    let book = read(text);
    let performance = super::super::perform(&book.tunes[0], &PerformOptions::melody_only());
    let keys = performance.notes.iter().map(|note| note.key).collect();
    (keys, book.findings.into_iter().map(|finding| finding.text).collect())
}

#[test]
fn a_word_between_marks_is_a_decoration_whether_it_is_known_or_not() {
    for text in [
        "X:1\nL:1/8\nI:decoration +\nK:C\nc4 +fe+d4|\n",
        "X:1\nL:1/8\nK:C\nc4 !b!d4|\n",
        "X:1\nL:1/8\nK:C\nc4 !wobble2!d4|\n",
        "X:1\nL:1/8\nK:C\nc4 +wobble+d4|\n",
        "X:1\nL:1/8\nK:C\nc4 +DC.+d4|\n",
    ] {
        assert_eq!(heard(text).0, [72, 74], "{text}");
    }
    // Without the dialect a chord of old is one, and music between two breaks of old is music.
    assert_eq!(heard("X:1\nL:1/8\nK:C\nc4 +fe+d4|\n").0.len(), 4);
    assert_eq!(heard("X:1\nL:1/8\nK:C\nc4!d4 e4!f4|\n").0, [72, 74, 76, 77]);
}

#[test]
fn accidentals_after_a_mode_that_is_none_count() {
    assert_eq!(heard("X:1\nL:1/8\nK:D freygish _e ^f\ne4 f4|\n").0, [75, 78]);
    assert_eq!(heard("X:1\nL:1/8\nK:A Hijaz _b ^c\nb4 c4|\n").0, [82, 73]);
}

#[test]
fn grace_notes_inside_a_chord_leave_the_chord_whole() {
    let tune = read("X:1\nL:1/8\nK:C\n[{g}ce]4 d4|\n").tunes.remove(0);
    let first = &tune.voices[0].elements[0];
    assert!(matches!(&first.kind, ElementKind::Chord(chord) if chord.notes.len() == 2));
    assert_eq!(first.attached.as_ref().unwrap().grace.as_ref().unwrap().notes.len(), 1);
}

#[test]
fn a_field_in_mid_line_is_one_and_the_music_goes_on_after_it() {
    for text in
        ["X:1\nL:1/8\nM:4/4\nK:C\nc8|M:3/4\nd6|\n", "X:1\nL:1/8\nM:4/4\nK:C\nc8| M:3/4 d6|\n"]
    {
        let (keys, said) = heard(text);
        assert_eq!(keys, [72, 74]);
        assert_eq!(said, ["a field in the middle of a line of music"], "{text}");
    }
    assert_eq!(heard("X:1\nL:1/8\nM:4/4\nK:C\nc8|[K:D]f8| w:la la\n").0, [72, 78]);
}

#[test]
fn a_blank_line_after_the_key_does_not_silence_the_tune() {
    let (keys, said) = heard("X:1\nL:1/8\nK:C\n\n\nc4 d4|\n\nX:2\nK:C\ne|\n");
    assert_eq!(keys, [72, 74]);
    assert!(said.iter().any(|text| text.contains("blank line")), "{said:?}");
    // Free text after a tune without music is none.
    assert_eq!(heard("X:1\nL:1/8\nK:C\n\nA remark.\n").0, [0u8; 0]);
}

#[test]
fn lengths_that_stand_apart_are_read_and_said_once() {
    let (keys, said) =
        heard("X:1\nM:6/8\nL:1/8\nK:Cmin\n|: G E E E 2 D | c 2 B G > F D / 2 E :|\n");
    assert_eq!(keys.len(), 22);
    assert_eq!(said.iter().filter(|text| text.contains("spaces")).count(), 1, "{said:?}");
    assert!(said.iter().all(|text| !text.contains("means nothing")), "{said:?}");
    let lengths = |music: &str| -> Vec<String> {
        read(&format!("X:1\nL:1/8\nK:C\n{music}\n")).tunes[0].voices[0]
            .elements
            .iter()
            .filter_map(|element| match &element.kind {
                ElementKind::Note(note) => Some(note.length.to_string()),
                _ => None,
            })
            .collect()
    };
    assert_eq!(lengths("c 2 d /2 e 3/2 f / 2 g / a"), ["2", "1/2", "3/2", "1/2", "1/2", "1"]);
}

#[test]
fn curly_quotation_marks_are_read_and_said_once() {
    let book = read("X:1\nL:1/4\nK:C\n“Am”C D “G7”E „F”F|\n");
    let symbols: Vec<&str> = book.tunes[0].voices[0]
        .elements
        .iter()
        .filter_map(|element| element.attached.as_ref())
        .flat_map(|attached| attached.chord_symbols.iter().map(String::as_str))
        .collect();
    assert_eq!(symbols, ["Am", "G7", "F"]);
    assert_eq!(book.findings.len(), 1, "{:?}", book.findings);
}

#[test]
fn slurs_have_their_directions() {
    let slurs = |music: &str| -> Vec<(bool, Option<CurveSide>)> {
        let text = format!("X:1\nL:1/4\nK:C\n{music}\n");
        let book = read(&text);
        assert_eq!(book.findings, [], "{text}");
        let slur = |element: &Element| match element.kind {
            ElementKind::SlurStart { dotted, side } => Some((dotted, side)),
            _ => None,
        };
        book.tunes[0].voices[0].elements.iter().filter_map(slur).collect()
    };
    assert_eq!(
        slurs("('AB) (,cd) .('ef) (gA) A-'A|"),
        [
            (false, Some(CurveSide::Above)),
            (false, Some(CurveSide::Below)),
            (true, Some(CurveSide::Above)),
            (false, None)
        ]
    );
}

#[test]
fn a_bar_line_parted_by_a_continuation_is_one() {
    let bars = |music: &str| -> Vec<(BarLine, u8, u8)> {
        let tune = read(&format!("X:1\nL:1/4\nK:C\n{music}\n")).tunes.remove(0);
        let bar = |element: &Element| match element.kind {
            ElementKind::Bar(bar) => Some((bar.line, bar.repeat_end, bar.repeat_start)),
            _ => None,
        };
        tune.voices[0].elements.iter().filter_map(bar).collect()
    };
    assert_eq!(bars("AB||\\\n:cd:|"), bars("AB||:cd:|"));
    assert_eq!(bars("AB:|\\\n|:cd:|"), bars("AB:||:cd:|"));
    assert_eq!(bars("AB|\\ % so\n|cd|"), bars("AB||cd|"));
    assert_eq!(bars("AB|\\\ncd|"), bars("AB|cd|"));
}

#[test]
fn texts_have_the_letters_that_the_standard_spells_them_with() {
    let text = "X:1\nT:Caf\\'e 100\\%\nC:Se\\'an\nK:C\n\"^\\'e\"C \"_&eacute;\\\"\"D|\nw:\\'e \\aa\\-x\nW:\\u00e9 &amp; b\n";
    let book = read(text);
    let tune = &book.tunes[0];
    assert_eq!(tune.title(), "Café 100%");
    assert_eq!(tune.field('C'), Some("Seán"));
    let elements = &tune.voices[0].elements;
    let annotations: Vec<&str> = elements
        .iter()
        .filter_map(|element| element.attached.as_ref())
        .map(|attached| attached.annotations[0].text.as_str())
        .collect();
    assert_eq!(annotations, ["é", "é\""]);
    let fields: Vec<&str> = elements
        .iter()
        .filter_map(|element| match &element.kind {
            ElementKind::Field(field) => Some(field.text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(fields, ["é å\\-x", "é & b"]);
    // Written and read any number of times they stay so.
    let mut again = tune.clone();
    for _ in 0..3 {
        again = read(&super::super::write(&again)).tunes.remove(0);
        assert!(super::super::same(tune, &again), "{}", super::super::write(&again));
    }
}

#[test]
fn a_character_set_that_is_not_known_is_said() {
    let said = |name: &str| findings(&format!("I:abc-charset {name}\nX:1\nK:C\nC|\n"));
    assert_eq!(said("iso-8859-2"), []);
    assert!(said("klingon")[0].1.contains("character set"));
}

#[test]
fn the_lowest_keys_and_the_fastest_tempos_can_be_written() {
    assert_eq!(heard("X:1\nK:C\n^B,,,,,,C,,,,,|\n"), (vec![0, 0], vec![]));
    assert_eq!(findings("X:1\nQ:1/4=60000000\nK:C\nC|\n"), []);
}

#[test]
fn comments_free_text_and_blocks_come_back() {
    let text = "%abc-2.1\n% a file\nM:4/4\n\nOn these tunes: 100 % folk.\n% and so on\n\nX:1 % one\nT:Kept\n% in the header\nL:1/4\nK:C % key\n\
        % before the music\nCDEF|GABc| % a line\n% between\nw:a b c d\n%%begintext\nsome % text\nmore\n%%endtext\ncBAG|]\n\nThe end.\n\nX:2\nT:Second\nK:D\nDEFG|\n\nLast words.\n";
    let book = read(text);
    let written = super::super::write_book(&book);
    for kept in [
        "%abc-2.1\n",
        "% a file",
        "On these tunes: 100 % folk.\n% and so on",
        "X:1 % one",
        "% in the header",
        "K:C % key\n% before the music\n",
        "GABc| % a line\n% between\n",
        "%%begintext\nsome % text\nmore\n%%endtext\n",
        "\nThe end.\n",
        "\nLast words.\n",
    ] {
        assert!(written.contains(kept), "{kept:?} is not in\n{written}");
    }
    let again = read(&written);
    assert_eq!(super::super::write_book(&again), written);
    assert!(book.tunes.iter().zip(&again.tunes).all(|(a, b)| super::super::same(a, b)));
}
