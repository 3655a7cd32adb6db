//! Engraving: what a player would see on the page.

use earworm_abc as abc;
use earworm_engrave::{Ink, Item, Options, Role, Score, engrave};

fn score(text: &str, width: f32) -> Score {
    let book = abc::read(text);
    engrave(&book.tunes[0], &Options { width, heading: true })
}

const REEL: &str = "X:1\nT:Reel\nC:Trad.\nM:4/4\nL:1/8\nQ:1/4=180\nK:Dmaj\n\
    |:\"D\"DFAd fdAF|\"G\"G2BG dGBG|\"D\"DFAd (3fed AF|1\"A7\"EGFE D4:|2\"A7\"EGFE D4||\n\
    |:{g}f2af dfaf|g2bg efge|f>d A<F GBdB|cA^GE D4-:|\n";

fn notes(score: &Score) -> usize {
    let places = score.systems.iter().flat_map(|system| &system.places);
    places.filter(|place| place.sounds).count()
}

fn out_of_page(score: &Score) -> Option<(Ink, [f32; 4])> {
    let items = score.systems.iter().flat_map(|system| &system.items);
    items
        .filter(|item| item.role != Role::Text && item.role != Role::ChordSymbol)
        .map(|item| (item.ink.clone(), item.ink.bounds()))
        .find(|(_, [left, top, right, bottom])| {
            let inside = *left >= -0.5
                && *right <= score.width + 0.5
                && *top >= -0.5
                && *bottom <= score.height + 0.5;
            !inside
        })
}

#[test]
fn every_note_of_the_text_stands_on_the_page_once_at_any_width() {
    let book = abc::read(REEL);
    let written = book.tunes[0].voices[0]
        .elements
        .iter()
        .filter(|element| matches!(element.kind, abc::ElementKind::Note(_)))
        .count();
    for width in [40.0, 70.0, 120.0, 300.0] {
        let score = score(REEL, width);
        assert_eq!(notes(&score), written, "{width}");
        assert_eq!(out_of_page(&score), None, "{width}");
    }
}

#[test]
fn every_system_but_a_short_last_one_reaches_the_right_margin() {
    let score = score(REEL, 70.0);
    assert!(score.systems.len() > 2);
    let right_ends: Vec<f32> = score
        .systems
        .iter()
        .map(|system| {
            let staff = system.items.iter().filter(|item| item.role == Role::Staff);
            staff.map(|item| item.ink.bounds()[2]).fold(0.0, f32::max)
        })
        .collect();
    for right in &right_ends[..right_ends.len() - 1] {
        assert!((right - right_ends[0]).abs() < 0.2, "{right_ends:?}");
    }
}

#[test]
fn notes_of_one_system_stand_from_left_to_right_as_they_are_played() {
    for system in &score(REEL, 90.0).systems {
        let notes: Vec<_> = system.places.iter().filter(|place| place.sounds).collect();
        for pair in notes.windows(2) {
            assert!(pair[0].area[0] < pair[1].area[0]);
            assert!(pair[0].span.start < pair[1].span.start);
        }
    }
}

#[test]
fn a_longer_note_gets_more_room_than_a_shorter_one() {
    let score = score("X:1\nM:4/4\nL:1/8\nK:C\nC2 D E F4|C8|]\n", 80.0);
    let lefts: Vec<f32> = score.systems[0]
        .places
        .iter()
        .filter(|place| place.sounds)
        .map(|place| place.area[0])
        .collect();
    let crotchet = lefts[1] - lefts[0];
    let quaver = lefts[2] - lefts[1];
    assert!(crotchet > quaver * 1.2, "{crotchet} and {quaver}");
}

#[test]
fn quavers_written_without_spaces_are_beamed_by_the_beat() {
    let beams = |text: &str| {
        let score = score(text, 80.0);
        let items = score.systems.iter().flat_map(|system| &system.items);
        items.filter(|item| matches!(item.ink, Ink::Quad(_))).count()
    };
    assert_eq!(beams("X:1\nM:6/8\nL:1/8\nK:C\nCDEFGA|\n"), 2);
    assert_eq!(beams("X:1\nM:4/4\nL:1/8\nK:C\nCDEFGABc|\n"), 2);
    assert_eq!(beams("X:1\nM:3/4\nL:1/8\nK:C\nCDEFGA|\n"), 3);
    // Where the text has spaces, they say how.
    assert_eq!(beams("X:1\nM:3/4\nL:1/8\nK:C\nCDE FGA|\n"), 2);
}

#[test]
fn a_length_that_no_single_note_has_is_written_as_tied_notes() {
    let count = |text: &str| {
        let score = score(text, 80.0);
        let items = || score.systems.iter().flat_map(|system| &system.items);
        let ties = items().filter(|item| matches!(item.ink, Ink::Curve { .. })).count();
        (notes(&score), ties)
    };
    assert_eq!(count("X:1\nM:5/8\nL:1/8\nK:C\nA5|\n"), (2, 1));
    assert_eq!(count("X:1\nM:9/8\nL:1/8\nK:C\nA9|\n"), (2, 1));
    assert_eq!(count("X:1\nM:3/4\nL:1/8\nK:C\nA6|\n"), (1, 0));
    assert_eq!(count("X:1\nM:4/4\nL:1/8\nK:C\n[CEG]5 A3|\n"), (3, 3));
    // A syllable belongs to the whole of it.
    let sung = score("X:1\nM:5/8\nL:1/8\nK:C\nA5|B5|\nw: one two\n", 80.0);
    let words = sung.systems[0].items.iter().filter_map(|item| match &item.ink {
        Ink::Text { text, .. } => Some(text.as_str()),
        _ => None,
    });
    assert_eq!(words.collect::<Vec<_>>(), ["one", "two"]);
}

#[test]
fn the_hyphen_of_a_divided_word_stands_between_its_syllables() {
    let text = "X:1\nM:4/4\nL:1/8\nK:C\nABcd efga|\nw: lit-tle words to sing and hear-ing\n";
    for width in [40.0, 60.0, 120.0] {
        let score = score(text, width);
        let texts: Vec<([f32; 4], &str)> = score.systems[0]
            .items
            .iter()
            .filter_map(|item| match &item.ink {
                Ink::Text { text, .. } => Some((item.ink.bounds(), text.as_str())),
                _ => None,
            })
            .collect();
        let at = texts.iter().position(|(_, text)| *text == "-").unwrap();
        let (before, hyphen, after) = (texts[at - 1].0, texts[at].0, texts[at + 1].0);
        let middle = (hyphen[0] + hyphen[2]) / 2.0;
        assert!(before[2] < middle && middle < after[0], "{width}: {texts:?}");
        let words: Vec<_> = texts.iter().filter(|(_, text)| *text != "-").collect();
        for pair in words.windows(2) {
            assert!(pair[0].0[2] < pair[1].0[0], "{width}: {pair:?}");
        }
    }
}

/// The texts of items, in order.
fn texts(items: &[Item]) -> Vec<&str> {
    let text = items.iter().filter_map(|item| match &item.ink {
        Ink::Text { text, .. } => Some(text.as_str()),
        _ => None,
    });
    text.collect()
}

#[test]
fn every_title_stands_over_the_tune_and_a_long_one_takes_several_lines() {
    let long =
        "The Humours of a Very Long Winter Evening by the Fire in the House of My Grandmother";
    let text = format!("X:1\nT:{long}\nT:Another Name\nM:4/4\nK:C\nCDEF|\n");
    let score = score(&text, 45.0);
    let titles = texts(&score.heading);
    assert!(titles.len() > 2, "{titles:?}");
    assert_eq!(titles[..titles.len() - 1].join(" "), long);
    assert_eq!(titles.last(), Some(&"Another Name"));
    for item in &score.heading {
        let [left, _, right, _] = item.ink.bounds();
        assert!(left >= 0.0 && right <= 45.0, "{item:?}");
    }
}

#[test]
fn words_below_the_tune_are_drawn_below_it() {
    let text = "X:1\nM:4/4\nK:C\nW:Before the music\nCDEF|\nW:First verse\nW:\nW:Second verse\n";
    let score = score(text, 60.0);
    assert_eq!(texts(&score.words), ["Before the music", "First verse", "Second verse"]);
    let below = score.systems.last().unwrap().bottom;
    let tops: Vec<f32> = score.words.iter().map(|item| item.ink.bounds()[1]).collect();
    assert!(tops[0] > below && tops.is_sorted());
    assert!(score.height >= score.words[2].ink.bounds()[3]);
}

#[test]
fn a_hairpin_opens_towards_the_louder_end() {
    let wedge = |marks: (&str, &str)| {
        let text = format!("X:1\nM:4/4\nL:1/4\nK:C\n!{}!CDE!{}!F|\n", marks.0, marks.1);
        let score = score(&text, 60.0);
        let lines = score.systems[0].items.iter().filter_map(|item| match item.ink {
            Ink::Line { from, to, .. }
                if item.role == Role::Music && from[0] != to[0] && from[1] != to[1] =>
            {
                Some((from, to))
            }
            _ => None,
        });
        lines.collect::<Vec<_>>()
    };
    for marks in [("<(", "<)"), ("crescendo(", "crescendo)")] {
        let lines = wedge(marks);
        assert_eq!(lines.len(), 2, "{marks:?}");
        assert!(lines.iter().all(|(tip, mouth)| tip[0] < mouth[0] && tip[1] > 4.0));
    }
    assert!(wedge((">(", ">)")).iter().all(|(tip, mouth)| tip[0] > mouth[0]));
    assert!(wedge(("trill", "trill")).is_empty());
}

#[test]
fn what_score_joins_has_a_bracket_or_a_brace_of_its_height() {
    let text = |score: &str| {
        format!("X:1\n{score}M:4/4\nL:1/4\nK:C\nV:1\nCDEF|\nV:2\nCDEF|\nV:3\nCDEF|\n")
    };
    let left_of_staves = |text: &str| {
        let score = score(text, 60.0);
        let items = score.systems[0].items.clone();
        let left = items
            .iter()
            .filter(|item| item.role == Role::Staff)
            .map(|item| item.ink.bounds()[0])
            .fold(f32::MAX, f32::min);
        let outside: Vec<Item> =
            items.into_iter().filter(|item| item.ink.bounds()[0] < left - 0.3).collect();
        outside
    };
    assert!(left_of_staves(&text("")).is_empty());
    let bracket = left_of_staves(&text("%%score [1 2 3]\n"));
    assert!(
        bracket
            .iter()
            .any(|item| matches!(item.ink, Ink::Line { thickness, .. } if thickness > 0.3))
    );
    let height = |items: &[Item]| {
        let bounds = items.iter().map(|item| item.ink.bounds());
        let (top, bottom) = bounds.fold((f32::MAX, f32::MIN), |(top, bottom), bounds| {
            (top.min(bounds[1]), bottom.max(bounds[3]))
        });
        bottom - top
    };
    let brace = left_of_staves(&text("%%staves {1 2} 3\n"));
    assert!(brace.iter().all(|item| matches!(item.ink, Ink::Curve { .. })));
    assert_eq!(brace.len(), 2);
    assert!(height(&brace) < height(&bracket));
}

#[test]
fn whatever_is_typed_can_be_drawn() {
    let odd = [
        "X:1\nK:C\n",
        "X:1\nK:C\n|||::|]\n",
        "X:1\nK:C\n(3(3(3ABC-)))&&&{g}[CEG",
        "X:1\nK:C clef=none\nZ99|X3|y100 z128|A,,,,,,,,,,,,,,,,C''''''''''''\n",
        "X:1\nM:1/1024\nL:1/1024\nK:Cb\nA1000000/3 B/1024|\n",
        "X:1\nK:C\nV:1\nA|\nV:2\n[V:2]B|C|D|\nV:3\n",
        "X:1\nK:C\nA&B&C|w\nw: a-b-c-d\nw: *|_ _\n[K:Gb clef=bass][M:none]A(|)B",
    ];
    for text in odd {
        for tune in &abc::read(text).tunes {
            for width in [10.0, 60.0] {
                let score = engrave(tune, &Options { width, heading: true });
                assert!(score.height.is_finite(), "{text:?}");
            }
        }
    }
}

#[test]
fn real_tunes_stay_on_the_page() {
    let Some(folder) = std::env::var_os("EARWORM_DATA").map(std::path::PathBuf::from) else {
        host::skipped("EARWORM_DATA names no folder");
        return;
    };
    let mut folders = vec![folder.join("tunes")];
    let (mut tunes, mut off) = (0, Vec::new());
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            host::skipped(&format!("{} is absent", folder.display()));
            continue;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "abc") {
                let bytes = std::fs::read(&path).unwrap();
                for tune in &abc::read(&abc::decode(&bytes)).tunes {
                    let score = engrave(tune, &Options { width: 110.0, heading: true });
                    tunes += 1;
                    if let Some(what) = out_of_page(&score) {
                        off.push((tune.title().to_owned(), what));
                    }
                }
            }
        }
    }
    println!("{tunes} tunes engraved");
    assert!(off.is_empty(), "{} off the page: {:?}", off.len(), &off[..off.len().min(3)]);
}
