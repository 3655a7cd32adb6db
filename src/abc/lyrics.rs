//! Core: which syllable of w: lines is sung to which note, and when (ABC 2.1 §5.1).

use super::model::{Change, Element, ElementKind, LineBreak};
use super::performance::{Lyric, MOST_CHANGES, Performance};
use std::collections::HashMap;

/// Syllables by the place of the note or chord that they are sung to, a verse after the other.
type Verses = HashMap<usize, Vec<String>>;

/// Adds the syllables of a voice's `elements` to a performance. `sung` are the places of notes and chords in the order in
/// which they are played, and when. A note that is played again has the next verse, or the last again where there are
/// no more.
pub(super) fn sing(
    elements: &[Element],
    sung: impl Iterator<Item = (usize, u32)>,
    voice: u16,
    performance: &mut Performance,
) {
    let verses = verses(elements);
    if verses.is_empty() {
        return;
    }
    let mut passes: HashMap<usize, usize> = HashMap::new();
    for (place, start) in sung {
        let Some(of_note) = verses.get(&place) else { continue };
        let pass = passes.entry(place).or_default();
        let text = &of_note[(*pass).min(of_note.len() - 1)];
        *pass += 1;
        if !text.is_empty() && performance.lyrics.len() < MOST_CHANGES {
            performance.lyrics.push(Lyric { start, voice, text: text.clone() });
        }
    }
}

fn verses(elements: &[Element]) -> Verses {
    let mut verses = Verses::new();
    // The notes of the line of music that w: lines belong to, each with the number of its bar.
    let mut line: Vec<(usize, usize)> = Vec::new();
    let (mut bar, mut verse, mut over) = (0, 0, false);
    for element in elements {
        match &element.kind {
            ElementKind::Note(_) | ElementKind::Chord(_) => {
                if std::mem::take(&mut over) {
                    line.clear();
                    (bar, verse) = (0, 0);
                }
                line.push((element.span.start, bar));
            }
            ElementKind::Bar(_) if !line.is_empty() && !over => bar += 1,
            ElementKind::LineBreak(LineBreak::EndOfLine) => over = true,
            ElementKind::Field(field) if matches!(field.change, Change::Words) => {
                over = true;
                for (place, text) in aligned(&field.text, &line) {
                    let of_note = verses.entry(place).or_default();
                    of_note.resize(of_note.len().max(verse), String::new());
                    of_note.push(text);
                }
                verse += 1;
            }
            _ => {}
        }
    }
    verses
}

/// The syllables of a w: line, each with the place of its note.
fn aligned(text: &str, line: &[(usize, usize)]) -> Vec<(usize, String)> {
    let mut aligned = Vec::new();
    let (mut at, mut bar) = (0, 0);
    let mut word = String::new();
    let mut give = |word: &mut String, at: &mut usize| {
        if let Some(&(place, _)) = line.get(*at) {
            aligned.push((place, std::mem::take(word)));
        }
        word.clear();
        *at += 1;
    };
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' if word.is_empty() => {}
            ' ' | '\t' => give(&mut word, &mut at),
            '\\' if letters.peek() == Some(&'-') => {
                letters.next();
                word.push('-');
            }
            '-' => {
                if !word.is_empty() {
                    word.push('-');
                }
                give(&mut word, &mut at);
            }
            '_' | '*' => {
                if !word.is_empty() {
                    give(&mut word, &mut at);
                }
                give(&mut word, &mut at);
            }
            '~' => word.push(' '),
            '|' => {
                if !word.is_empty() {
                    give(&mut word, &mut at);
                }
                bar += 1;
                at = at.max(line.partition_point(|&(_, of)| of < bar));
            }
            letter => word.push(letter),
        }
    }
    if !word.is_empty() {
        give(&mut word, &mut at);
    }
    aligned
}

/// What w: asks for in a syllable so that it is read as it is.
pub fn lyric(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    let (body, goes_on) = match text.strip_suffix('-') {
        Some(body) if !body.is_empty() => (body, true),
        _ => (text, false),
    };
    for letter in body.chars() {
        match letter {
            '-' => written.push_str("\\-"),
            // Signs of the line itself, for which there are no others.
            ' ' | '_' | '*' | '|' | '~' => written.push('~'),
            letter if letter.is_control() => {}
            letter => written.push(letter),
        }
    }
    if goes_on {
        written.push('-');
    }
    written
}

#[cfg(test)]
mod tests {
    use super::super::{PerformOptions, perform, read};

    /// Syllables and the quarter that they start at.
    fn sung(music: &str) -> Vec<(u32, String)> {
        let book = read(&format!("X:1\nM:4/4\nL:1/4\nK:C\n{music}"));
        let performance = perform(&book.tunes[0], &PerformOptions::default());
        performance.lyrics.iter().map(|lyric| (lyric.start / 480, lyric.text.clone())).collect()
    }

    fn told(music: &str) -> String {
        let sung = sung(music);
        sung.iter().map(|(at, text)| format!("{at}{text} ")).collect::<String>().trim().to_owned()
    }

    #[test]
    fn syllables_are_sung_to_the_notes_of_the_line_before() {
        assert_eq!(
            told("CD [EG]z|FGA2|\nw: Hal-le-lu- jah~so * sing\n"),
            "0Hal- 1le- 2lu- 4jah so 6sing"
        );
        assert_eq!(told("CDEF|\nGABc|\nw: a b c d\n"), "4a 5b 6c 7d");
        assert_eq!(told("CDEF|GABc|\nw: a | b_c|\n"), "0a 4b 6c");
        assert_eq!(told("CDEF|\nw: e\\-mail now\n"), "0e-mail 1now");
    }

    #[test]
    fn a_repeat_has_the_next_verse_and_one_verse_is_sung_again() {
        assert_eq!(told("|:CDEF:|\nw: a b\nw: c d\n"), "0a 1b 4c 5d");
        assert_eq!(told("|:CDEF:|\nw: a b\n"), "0a 1b 4a 5b");
    }
}
