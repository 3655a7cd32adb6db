//! Core: facts about what is read, and what is said about it.

use super::super::model::*;
use super::super::{Length, decode, read};

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
