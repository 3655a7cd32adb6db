//! Core: reading lines of music (ABC 2.1 §4).

use super::super::Length;
use super::super::model::*;
use super::super::text;
use super::super::unfold::MOST_PASSES;
use super::{MOST_BARS_REST, MOST_CHORD, MOST_LENGTH, MOST_VOICES, Reader};
use std::ops::Range;

/// Decorations that the standard names (§4.14), with the old and short names that files use.
const DECORATIONS: &[&str] = &[
    "trill",
    "trill(",
    "trill)",
    "lowermordent",
    "uppermordent",
    "mordent",
    "pralltriller",
    "roll",
    "turn",
    "turnx",
    "invertedturn",
    "invertedturnx",
    "arpeggio",
    ">",
    "accent",
    "emphasis",
    "fermata",
    "invertedfermata",
    "tenuto",
    "0",
    "1",
    "2",
    "3",
    "4",
    "5",
    "+",
    "plus",
    "snap",
    "slide",
    "wedge",
    "upbow",
    "downbow",
    "open",
    "thumb",
    "breath",
    "pppp",
    "ppp",
    "pp",
    "p",
    "mp",
    "mf",
    "f",
    "ff",
    "fff",
    "ffff",
    "sfz",
    "sf",
    "fp",
    "crescendo(",
    "<(",
    "crescendo)",
    "<)",
    "diminuendo(",
    ">(",
    "diminuendo)",
    ">)",
    "segno",
    "coda",
    "D.S.",
    "D.C.",
    "dacoda",
    "dacapo",
    "fine",
    "shortphrase",
    "mediumphrase",
    "longphrase",
    "staccato",
    "8va(",
    "8va)",
    "8vb(",
    "8vb)",
    "15ma(",
    "15ma)",
    "dot",
    "stemless",
    "Segno",
    "Coda",
    "D.S.alfine",
    "D.C.alfine",
    "D.S.alcoda",
    "D.C.alcoda",
    "ped",
    "ped-up",
    "rfz",
    "cresc",
    "dim",
    "editorial",
    "courtesy",
    "marcato",
    "^",
    "/",
    "//",
    "///",
    "beambr1",
    "beambr2",
    "xstem",
];

/// Quotation marks that word processors make of straight ones.
const CURLY_QUOTES: [char; 6] = ['“', '”', '„', '‟', '＂', '″'];

/// What a letter stands for where U: has not said otherwise (§4.14, §4.16).
fn letter_decoration(letter: char) -> Option<&'static str> {
    Some(match letter {
        '.' => "staccato",
        '~' => "roll",
        'H' => "fermata",
        'L' => "accent",
        'M' => "lowermordent",
        'O' => "coda",
        'P' => "uppermordent",
        'S' => "segno",
        'T' => "trill",
        'u' => "upbow",
        'v' => "downbow",
        // Not in 2.1, but in many files.
        'J' => "slide",
        'K' => "accent",
        'R' => "roll",
        _ => return None,
    })
}

/// A line of music from left to right: `at` moves up to `end`.
struct Line<'a> {
    text: &'a str,
    at: usize,
    end: usize,
}

impl<'a> Line<'a> {
    fn peek(&self) -> Option<u8> {
        self.ahead(0)
    }

    fn ahead(&self, distance: usize) -> Option<u8> {
        let at = self.at + distance;
        (at < self.end).then(|| self.text.as_bytes()[at])
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..self.end).unwrap_or_default()
    }

    /// A whole number, `None` where no figure stands; larger ones saturate.
    fn number(&mut self) -> Option<u32> {
        let start = self.at;
        let mut value: u32 = 0;
        while let Some(figure @ b'0'..=b'9') = self.peek() {
            value = value.saturating_mul(10).saturating_add(u32::from(figure - b'0'));
            self.at += 1;
        }
        (self.at > start).then_some(value)
    }
}

/// The text of a line of music before its comment. Between quotation marks `\%` is a sign; elsewhere the backslash
/// goes on with the next line.
fn music_without_comment(line: &str) -> &str {
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in line.bytes().enumerate() {
        match byte {
            b'%' if !(quoted && escaped) => {
                // A text that is never closed is none.
                if quoted && line[at..].contains('"') {
                    return super::fields::without_comment(line);
                }
                return &line[..at];
            }
            b'"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = byte == b'\\' && !escaped;
    }
    line
}

/// The direction that abcm2ps puts after the sign of a slur or tie.
fn curve_side(line: &mut Line) -> Option<CurveSide> {
    if line.take(b'\'') {
        Some(CurveSide::Above)
    } else if line.take(b',') {
        Some(CurveSide::Below)
    } else {
        None
    }
}

impl Reader<'_> {
    /// A line of music in the text, with its comment and its continuation mark.
    pub(super) fn music_line(&mut self, start: usize, end: usize) {
        let line = music_without_comment(&self.text[start..end]);
        let comment = start + line.len();
        let mut music = line.trim_end();
        let goes_on = std::mem::replace(&mut self.continued, music.ends_with('\\'));
        if self.continued {
            music = music[..music.len() - 1].trim_end();
        }
        let music_end = start + music.len();
        let breaks = !self.continued && self.line_ends_break;
        // Where the score's line goes on, a comment can't stand behind it: it goes before.
        if comment < end && (!breaks || music.trim().is_empty()) {
            self.comment(comment + 1, end, false);
        }
        self.line_voices.clear();
        let go_on = if goes_on { self.bar_line_gone_on_with(start, music_end) } else { start };
        self.music(self.text, go_on, music_end, 0);
        let mut comment_kept = comment >= end || !breaks || music.trim().is_empty();
        let ending = self.voices_of_line(start);
        let current = self.voice;
        for &voice in &ending {
            self.voice = voice;
            if breaks {
                if voice == current && !comment_kept {
                    self.comment(comment + 1, end, true);
                    comment_kept = true;
                }
                self.push(None, music_end..end, ElementKind::LineBreak(LineBreak::EndOfLine));
            } else {
                self.push(None, music_end..end, ElementKind::BeamBreak);
            }
        }
        self.voice = current;
        if !comment_kept {
            self.comment(comment + 1, end, false);
        }
        self.last_field = None;
    }

    /// The voices that the line of music from `start` has written in. Signs alone, waiting for a note of the next line,
    /// and spaces are nothing that ends with it.
    fn voices_of_line(&mut self, start: usize) -> Vec<usize> {
        self.voice_mut();
        self.note_voice_of_line();
        let mut voices = std::mem::take(&mut self.line_voices);
        voices.retain(|&voice| {
            let written = |element: &&Element| match &element.kind {
                ElementKind::BeamBreak => false,
                ElementKind::Field(field) => !field.is_comment(),
                _ => true,
            };
            let last = self.tune.voices[voice].elements.iter().rev().take(64).find(written);
            // What waited for a note may have begun on an earlier line.
            last.is_some_and(|last| last.span.end > start)
        });
        voices
    }

    /// Takes note that the line of music that is being read has got to the current voice.
    pub(super) fn note_voice_of_line(&mut self) {
        let voice = self.voice.min(self.tune.voices.len().saturating_sub(1));
        if !self.line_voices.contains(&voice) {
            self.line_voices.push(voice);
        }
    }

    /// A bar line that a continuation has parted, `||\` and `:` on the next line, is one. Returns where the music goes on.
    fn bar_line_gone_on_with(&mut self, start: usize, end: usize) -> usize {
        let line = &self.text[start..end];
        let indent = line.len() - line.trim_start().len();
        let strokes = line[indent..].bytes().take_while(|byte| b":|]".contains(byte)).count();
        if strokes == 0 {
            return start;
        }
        let elements = &self.voice_mut().elements;
        let Some(at) = elements.iter().rposition(|element| element.kind != ElementKind::BeamBreak)
        else {
            return start;
        };
        let bar = match &elements[at] {
            Element { attached: None, kind: ElementKind::Bar(_), span } => span.clone(),
            _ => return start,
        };
        // A bar line that a macro stands for has no text of its own here.
        let before = self.text[bar.clone()].trim_end_matches('\\');
        if self.text[bar.end..start].contains('|')
            || !before.bytes().all(|byte| b":|[]".contains(&byte))
        {
            return start;
        }
        let whole = format!("{before}{}", &line[indent..indent + strokes]);
        self.voice_mut().elements.truncate(at);
        self.macro_span = Some(bar.start..start + indent + strokes);
        let mut parted = Line { text: &whole, at: 0, end: whole.len() };
        while parted.at < parted.end {
            let before = parted.at;
            self.bar(&mut parted);
            if parted.at == before {
                break;
            }
        }
        self.macro_span = None;
        start + indent + strokes
    }

    fn music(&mut self, text: &str, start: usize, end: usize, depth: u8) {
        let mut line = Line { text, at: start, end };
        // Where no element can be kept, none need be looked for.
        while line.at < line.end && !self.memory_cut && !self.elements_cut {
            let before = line.at;
            self.element(&mut line, depth);
            if line.at == before {
                // Nothing took it: never stand still.
                line.at += line.rest().chars().next().map_or(1, char::len_utf8);
            }
        }
    }

    fn wait(&mut self, at: usize) -> &mut Attached {
        self.pending_start.get_or_insert(at);
        &mut self.pending
    }

    /// What was waiting for this element, and where the element starts with it.
    fn take_pending(&mut self, start: usize) -> (Option<Box<Attached>>, usize) {
        match self.pending_start.take() {
            Some(earlier) => {
                (Some(Box::new(std::mem::take(&mut self.pending))), earlier.min(start))
            }
            None => (None, start),
        }
    }

    fn emit(&mut self, start: usize, end: usize, kind: ElementKind) {
        let (attached, start) = self.take_pending(start);
        self.push(attached, start..end, kind);
    }

    fn element(&mut self, line: &mut Line, depth: u8) {
        let start = line.at;
        if depth == 0 && !self.macros.is_empty() && self.expand_macro(line) {
            return;
        }
        let Some(byte) = line.peek() else { return };
        if line.ahead(1) == Some(b':') && self.field_in_mid_line(line, depth) {
            return;
        }
        match byte {
            b' ' | b'\t' => {
                while matches!(line.peek(), Some(b' ' | b'\t')) {
                    line.at += 1;
                }
                self.push(None, start..line.at, ElementKind::BeamBreak);
            }
            b'A'..=b'G' | b'a'..=b'g' | b'^' | b'_' | b'=' => self.note_element(line),
            b'z' | b'x' => {
                line.at += 1;
                let length = self.length(line);
                self.emit(
                    start,
                    line.at,
                    ElementKind::Rest(Rest {
                        invisible: byte == b'x',
                        length,
                        value: length,
                        duration: length,
                    }),
                );
            }
            b'Z' | b'X' => {
                line.at += 1;
                let mut bars = line.number().unwrap_or(1);
                if bars > MOST_BARS_REST {
                    self.find(
                        Severity::Error,
                        start..line.at,
                        format!("a rest of {bars} bars is cut to {MOST_BARS_REST}"),
                        "",
                    );
                    bars = MOST_BARS_REST;
                }
                self.emit(start, line.at, ElementKind::BarsRest { bars, invisible: byte == b'X' });
            }
            b'y' => {
                line.at += 1;
                let width = self.length(line);
                self.emit(start, line.at, ElementKind::Spacer(width));
            }
            b'|' | b':' => self.bar(line),
            b'[' => self.bracket(line, depth),
            b'(' => self.parenthesis(line),
            b')' => {
                line.at += 1;
                self.push(None, start..line.at, ElementKind::SlurEnd);
            }
            b'{' => self.grace(line),
            b'"' => self.quoted(line),
            b'!' => self.exclamation(line),
            b'+' => self.plus(line),
            b'-' => {
                line.at += 1;
                curve_side(line);
                self.tie(start, line.at, Tie::Solid);
            }
            b'>' | b'<' => {
                while line.peek() == Some(byte) {
                    line.at += 1;
                }
                let mut marks = (line.at - start).min(100) as i8;
                if marks > 7 {
                    self.find(
                        Severity::Warning,
                        start..line.at,
                        "broken rhythm of more than seven marks is cut to seven",
                        "",
                    );
                    marks = 7;
                }
                self.push(
                    None,
                    start..line.at,
                    ElementKind::Broken(if byte == b'>' { marks } else { -marks }),
                );
            }
            b'.' => match line.ahead(1) {
                Some(b'|') => self.bar(line),
                Some(b'(') if !matches!(line.ahead(2), Some(b'0'..=b'9')) => {
                    line.at += 2;
                    let side = curve_side(line);
                    self.push(None, start..line.at, ElementKind::SlurStart { dotted: true, side });
                }
                Some(b'-') => {
                    line.at += 2;
                    curve_side(line);
                    self.tie(start, line.at, Tie::Dotted);
                }
                _ => self.letter(line),
            },
            b'&' => {
                let mut bars: u8 = 0;
                while line.peek() == Some(b'&') {
                    line.at += 1;
                    bars = bars.saturating_add(1);
                }
                line.take(b'\\');
                self.drop_pending();
                self.push(None, start..line.at, ElementKind::Overlay { bars });
            }
            b'$' => {
                line.at += 1;
                self.push(None, start..line.at, ElementKind::LineBreak(LineBreak::Mark));
            }
            b'`' => line.at += 1,
            b'\\' => {
                // A continuation mark that a comment or more music follows.
                line.at += 1;
                self.push(None, start..line.at, ElementKind::BeamBreak);
            }
            b'~' | b'H'..=b'W' | b'h'..=b'w' => self.letter(line),
            b'0'..=b'9' if self.ending_may_start() => self.ending(line, start),
            b'0'..=b'9' | b'/' if self.length_apart(line) => {}
            _ => self.unknown(line),
        }
    }

    /// Chords between the quotation marks of a word processor, and spaces that are not ASCII's. False where it is neither.
    fn typographic(&mut self, line: &mut Line) -> bool {
        let start = line.at;
        let Some(first) = line.rest().chars().next() else { return false };
        if first.is_whitespace() {
            line.at += first.len_utf8();
            self.push(None, start..line.at, ElementKind::BeamBreak);
            return true;
        }
        if !CURLY_QUOTES.contains(&first) {
            return false;
        }
        let inner = &line.rest()[first.len_utf8()..];
        let Some(close) = inner.find(|c| c == '"' || CURLY_QUOTES.contains(&c)) else {
            return false;
        };
        let mark = inner[close..].chars().next().map_or(1, char::len_utf8);
        line.at += first.len_utf8() + close + mark;
        if !std::mem::replace(&mut self.curly_said, true) {
            self.find(
                Severity::Warning,
                start..line.at,
                "curly quotation marks are read as straight ones",
                "write \"Am\", and switch smart quotes off in your editor",
            );
        }
        self.quoted_text(start, line.at, &inner[..close]);
        true
    }

    /// A length that stands apart from its note, `c 2`, as generators of tokens write it. False where none can.
    fn length_apart(&mut self, line: &mut Line) -> bool {
        let start = line.at;
        let elements = &self.voice_mut().elements;
        let apart = match &elements[..] {
            [.., note, space] => {
                space.kind == ElementKind::BeamBreak
                    && space.span.end == start
                    && note.span.end == space.span.start
                    && match &note.kind {
                        ElementKind::Note(note) => note.length == Length::ONE,
                        ElementKind::Rest(rest) => rest.length == Length::ONE,
                        ElementKind::Chord(chord) => chord.length == Length::ONE,
                        _ => false,
                    }
            }
            _ => false,
        };
        if !apart || self.macro_span.is_some() {
            return false;
        }
        // `/ 2`, too: the stroke and the figure are tokens of their own.
        line.number();
        let mut text = line.text[start..line.at].to_owned();
        while line.take(b'/') {
            text.push('/');
            while line.peek() == Some(b' ') && matches!(line.ahead(1), Some(b'0'..=b'9')) {
                line.at += 1;
            }
            let at = line.at;
            let denominator = line.number();
            text.push_str(&line.text[at..line.at]);
            if denominator.is_some() {
                break;
            }
        }
        let mut apart = Line { text: &text, at: 0, end: text.len() };
        let length = self.length(&mut apart);
        let end = line.at;
        let elements = &mut self.voice_mut().elements;
        elements.pop();
        if let Some(note) = elements.last_mut() {
            note.span.end = end;
            match &mut note.kind {
                ElementKind::Note(note) => note.length = length,
                ElementKind::Rest(rest) => rest.length = length,
                ElementKind::Chord(chord) => chord.length = length,
                _ => {}
            }
        }
        if !std::mem::replace(&mut self.spaces_said, true) {
            self.find(
                Severity::Warning,
                start..end,
                "spaces between notes and their lengths are read over",
                "write the length right after its note, such as c2",
            );
        }
        true
    }

    /// A field that stands in mid-line without brackets, after a bar line or space. False where none does.
    fn field_in_mid_line(&mut self, line: &mut Line, depth: u8) -> bool {
        let start = line.at;
        let (Some(letter), Some(b':')) = (line.peek(), line.ahead(1)) else { return false };
        let known = matches!(
            letter,
            b'K' | b'L' | b'M' | b'Q' | b'P' | b'R' | b'V' | b'w' | b'W' | b'T' | b'N' | b'I'
        );
        let before = line.text[..start].bytes().next_back();
        let apart = matches!(before, Some(b' ' | b'\t' | b'|' | b']' | b':'));
        let after = line.ahead(2).is_some_and(|byte| !matches!(byte, b'|' | b':' | b']'));
        if depth > 0 || !known || !apart || !after {
            return false;
        }
        let rest = line.rest();
        // A value is a word, a text goes on to the line's end, and so does what no bar line follows.
        let value = matches!(letter, b'K' | b'L' | b'M' | b'Q' | b'P' | b'V' | b'I');
        let length = if value && rest.contains('|') && !rest.starts_with("M:C|") {
            let spaces = rest[2..].len() - rest[2..].trim_start().len();
            rest[2 + spaces..].find([' ', '\t', '|']).map_or(rest.len(), |end| 2 + spaces + end)
        } else {
            rest.len()
        };
        line.at += length;
        self.find(
            Severity::Warning,
            start..line.at,
            "a field in the middle of a line of music",
            "write it on a line of its own, or in brackets, such as [M:3/4]",
        );
        self.drop_pending();
        let inline = value && !rest[..length].contains(']');
        self.body_field(start, line.at, inline);
        true
    }

    fn unknown(&mut self, line: &mut Line) {
        if self.typographic(line) {
            return;
        }
        let start = line.at;
        let mut first = true;
        // One finding for a run of what can't be read.
        while let Some(c) = line.rest().chars().next() {
            let readable = c.is_ascii_alphabetic()
                || c.is_whitespace()
                || CURLY_QUOTES.contains(&c)
                || "|[](){}\"!+-<>.&$:^_=~`\\".contains(c);
            if !first && (readable || line.at - start > 200) {
                break;
            }
            first = false;
            line.at += c.len_utf8();
        }
        let text = &line.text[start..line.at];
        // Reserved for the future (§8.1): left out and said, but no error.
        let reserved = text.bytes().all(|byte| b"#*;?@".contains(&byte));
        let shown: String = text.chars().take(16).collect();
        let span = self.macro_span.clone().unwrap_or(start..line.at);
        self.find(
            if reserved { Severity::Warning } else { Severity::Error },
            span,
            format!("`{}` means nothing here", shown.escape_debug()),
            "",
        );
        if self.spend(text.len() + 16, start) {
            self.push(None, start..line.at, ElementKind::Unknown(text.into()));
        }
    }

    /// A decoration of a single letter.
    fn letter(&mut self, line: &mut Line) {
        let start = line.at;
        let letter = char::from(line.peek().unwrap_or(b'.'));
        line.at += 1;
        let name = match self.symbols.get(&letter) {
            Some(name) if name == "nil" || name == "none" => return,
            Some(name) => name.clone(),
            None => match letter_decoration(letter) {
                Some(name) => name.to_owned(),
                None => {
                    let span = self.macro_span.clone().unwrap_or(start..line.at);
                    self.find(
                        Severity::Warning,
                        span,
                        format!("the letter `{letter}` stands for nothing here"),
                        "define it with a field such as U: T = !trill!",
                    );
                    letter.to_string()
                }
            },
        };
        // U: may stand for an annotation, too: U: k = "^text".
        if let Some(text) = name
            .strip_prefix(['^', '_', '<', '>', '@'])
            .filter(|text| !text.is_empty() && !DECORATIONS.contains(&name.as_str()))
        {
            let annotation = Annotation {
                place: place_of(name.as_bytes()[0]).unwrap_or(AnnotationPlace::Above),
                text: text.to_owned(),
            };
            self.attach(start, |attached| attached.annotations.push(annotation));
            return;
        }
        self.attach(start, |attached| {
            attached.decorations.push(Decoration { name, letter: Some(letter) });
        });
    }

    /// Adds to what waits for the next note, as far as there is room.
    fn attach(&mut self, start: usize, add: impl FnOnce(&mut Attached)) {
        let pending = &self.pending;
        if pending.decorations.len() + pending.annotations.len() + pending.chord_symbols.len() >= 64
        {
            self.find(
                Severity::Warning,
                start..start + 1,
                "more than 64 signs on one note; the rest are left out",
                "",
            );
            return;
        }
        if self.spend(96, start) {
            add(self.wait(start));
        }
    }

    fn quoted(&mut self, line: &mut Line) {
        let start = line.at;
        line.at += 1;
        let text_start = line.at;
        let mut escaped = false;
        let close = line.rest().bytes().position(|byte| {
            let closes = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            closes
        });
        let text_end = match close {
            Some(length) => text_start + length,
            None => {
                self.find(
                    Severity::Error,
                    start..line.end,
                    "a chord symbol or annotation without its closing quotation mark",
                    "put a \" after it",
                );
                line.end
            }
        };
        line.at = (text_end + 1).min(line.end);
        self.quoted_text(start, line.at, &line.text[text_start..text_end]);
    }

    /// A chord symbol or annotation: what stands between quotation marks.
    fn quoted_text(&mut self, start: usize, end: usize, text: &str) {
        if text.len() > 512 {
            self.find(
                Severity::Warning,
                start..end,
                "a text of more than 512 bytes on a note is left out",
                "",
            );
            return;
        }
        let bytes = text.len();
        if !self.spend(bytes, start) {
            return;
        }
        let place = text.bytes().next().and_then(place_of);
        let text =
            text::shown(&text[usize::from(place.is_some())..], text::Kind::Plain).into_owned();
        match place {
            Some(place) => {
                self.attach(start, |attached| {
                    attached.annotations.push(Annotation { place, text })
                });
            }
            None => self.attach(start, |attached| attached.chord_symbols.push(text)),
        }
    }

    /// `!`: a decoration, or a line break of old.
    fn exclamation(&mut self, line: &mut Line) {
        let start = line.at;
        let inner = &line.rest()[1..];
        let close = inner.find('!').filter(|&close| close <= 64);
        if !self.exclamation_breaks
            && let Some(close) = close
        {
            let name = &inner[..close];
            let known = DECORATIONS.contains(&name);
            // One word is a decoration, known or not. What holds spaces or bar lines is rather music between two
            // line breaks of old, unless it reads like a name.
            let one_word = !name.is_empty() && !name.contains([' ', '\t', '|']);
            let name_of_words = name.len() < 24
                && name.chars().all(|c| c.is_alphanumeric() || "()<>.+-_~^/':; ".contains(c))
                && name.contains(char::is_alphanumeric)
                && !looks_like_music(name);
            if known || one_word || name_of_words {
                line.at += close + 2;
                if !known {
                    let span = self.macro_span.clone().unwrap_or(start..line.at);
                    self.find(
                        Severity::Note,
                        span,
                        format!(
                            "the decoration `!{name}!` is not one of the standard's; it is kept"
                        ),
                        "",
                    );
                }
                let name = name.to_owned();
                self.attach(start, |attached| {
                    attached.decorations.push(Decoration { name, letter: None })
                });
                return;
            }
        }
        line.at += 1;
        self.push(None, start..line.at, ElementKind::LineBreak(LineBreak::Mark));
    }

    /// `+`: a decoration as in ABC 2.0, or a chord as in ABC 1.6.
    fn plus(&mut self, line: &mut Line) {
        let start = line.at;
        let inner = &line.rest()[1..];
        let close = inner.find('+').filter(|&close| close > 0 && close <= 64);
        let Some(close) = close else {
            self.unknown(line);
            return;
        };
        let name = &inner[..close];
        let known = DECORATIONS.contains(&name);
        let chord = !self.plus_decorations && is_chord_of_old(name);
        let word = !name.contains([' ', '\t', '|', '"', '[', ']', '!']);
        if known || (word && !chord) {
            let name = name.to_owned();
            line.at += close + 2;
            if !known {
                self.find(
                    Severity::Note,
                    start..line.at,
                    format!("the decoration `+{name}+` is not one of the standard's; it is kept"),
                    "",
                );
            }
            self.attach(start, |attached| {
                attached.decorations.push(Decoration { name, letter: None })
            });
        } else if chord {
            line.at += 1;
            self.find(
                Severity::Note,
                start..start + close + 2,
                "a chord between plus signs, as ABC 1.6 wrote it",
                "write it in square brackets, such as [CE]",
            );
            self.chord(line, start, b'+');
        } else {
            self.unknown(line);
        }
    }

    fn tie(&mut self, start: usize, end: usize, tie: Tie) {
        let layout = |element: &&mut Element| {
            matches!(element.kind, ElementKind::BeamBreak | ElementKind::LineBreak(_))
        };
        let before = self.tune.voices.get_mut(self.voice).and_then(|voice| {
            voice.elements.iter_mut().rev().take(8).find(|element| !layout(element))
        });
        if let Some(ElementKind::Ending(ending)) = before.map(|element| &mut element.kind) {
            ending.tied = true;
            self.find(
                Severity::Warning,
                start..end,
                "a tie at the start of an ending is taken for this ending alone",
                "write it after the note before the endings",
            );
            return;
        }
        let last = self.tune.voices.get_mut(self.voice).and_then(|voice| {
            voice.elements.iter_mut().rev().take(8).find(|element| {
                !matches!(
                    element.kind,
                    ElementKind::BeamBreak
                        | ElementKind::Bar(_)
                        | ElementKind::SlurEnd
                        | ElementKind::LineBreak(_)
                        | ElementKind::Broken(_)
                        | ElementKind::Field(_)
                        | ElementKind::Ending(_)
                )
            })
        });
        match last.map(|element| &mut element.kind) {
            Some(ElementKind::Note(note)) => note.tie = Some(tie),
            Some(ElementKind::Chord(chord)) => chord.tie = Some(tie),
            _ => {
                let span = self.macro_span.clone().unwrap_or(start..end);
                self.find(
                    Severity::Error,
                    span,
                    "a tie without a note before it is left out",
                    "put it right after the note",
                );
            }
        }
    }

    /// A written length: `2`, `3/2`, `/`, `//`, `/4`; 1 where nothing stands (§4.3).
    fn length(&mut self, line: &mut Line) -> Length {
        let start = line.at;
        let upper = line.number();
        let mut lower: u32 = 1;
        if line.peek() == Some(b'/') {
            let mut strokes = 0u32;
            while line.take(b'/') {
                strokes += 1;
            }
            lower = match line.number() {
                Some(number) => number.saturating_mul(1 << (strokes - 1).min(20)),
                None => 1 << strokes.min(20),
            };
        }
        let upper = upper.unwrap_or(1);
        if upper > MOST_LENGTH || lower > MOST_LENGTH || lower == 0 || upper == 0 {
            let span = self.macro_span.clone().unwrap_or(start..line.at);
            self.find(
                Severity::Error,
                span,
                if upper == 0 || lower == 0 {
                    "a length of zero is taken as 1".to_owned()
                } else {
                    format!("a length with a number over {MOST_LENGTH} is cut to that")
                },
                "",
            );
            if upper == 0 || lower == 0 {
                return Length::ONE;
            }
        }
        Length::new(upper.min(MOST_LENGTH), lower.min(MOST_LENGTH))
    }

    fn accidental(&mut self, line: &mut Line) -> Option<Accidental> {
        let (accidental, rest) = Accidental::read(line.rest())?;
        line.at = line.end - rest.len();
        Some(accidental)
    }

    /// A note with its accidental, octave and length; `None`, nothing taken, where none stands here.
    fn note(&mut self, line: &mut Line) -> Option<Note> {
        let start = line.at;
        let accidental = self.accidental(line);
        let step = line
            .peek()
            .and_then(|byte| Step::from_letter(char::from(byte)).map(|step| (step, byte)));
        let Some((step, byte)) = step else {
            line.at = start;
            return None;
        };
        line.at += 1;
        let mut octave: i8 = if byte.is_ascii_lowercase() { 5 } else { 4 };
        let mut cut = false;
        loop {
            match line.peek() {
                Some(b'\'') if octave < 10 => octave += 1,
                Some(b',') if octave > -2 => octave -= 1,
                Some(b'\'' | b',') => cut = true,
                _ => break,
            }
            line.at += 1;
        }
        if cut {
            let span = self.macro_span.clone().unwrap_or(start..line.at);
            self.find(Severity::Error, span, "an octave beyond hearing is cut", "");
        }
        let length = self.length(line);
        Some(Note {
            pitch: Pitch { step, octave, accidental },
            length,
            tie: None,
            alteration: 0,
            cents: 0,
            value: length,
            duration: length,
        })
    }

    fn note_element(&mut self, line: &mut Line) {
        let start = line.at;
        match self.note(line) {
            Some(note) => self.emit(start, line.at, ElementKind::Note(note)),
            None => {
                line.at += 1;
                let span = self.macro_span.clone().unwrap_or(start..line.at);
                self.find(
                    Severity::Error,
                    span,
                    "an accidental without a note after it is left out",
                    "put it right before the note",
                );
            }
        }
    }

    /// The notes of a chord; `[` or `+` has been taken.
    fn chord(&mut self, line: &mut Line, start: usize, close: u8) {
        let mut notes: Vec<Note> = Vec::new();
        let mut closed = false;
        let mut rest: Option<Rest> = None;
        let mut dots = false;
        let mut slurs: u8 = 0;
        let mut slur_ends: u8 = 0;
        let mut cut = false;
        while let Some(byte) = line.peek() {
            let at = line.at;
            if byte == close {
                line.at += 1;
                closed = true;
                break;
            }
            match byte {
                b' ' | b'\t' => line.at += 1,
                b'A'..=b'G' | b'a'..=b'g' | b'^' | b'_' | b'=' => match self.note(line) {
                    Some(note) if notes.len() < MOST_CHORD => notes.push(note),
                    Some(_) => cut = true,
                    None => line.at += 1,
                },
                b'-' => {
                    line.at += 1;
                    if let Some(note) = notes.last_mut() {
                        note.tie = Some(if dots { Tie::Dotted } else { Tie::Solid });
                    }
                    dots = false;
                }
                b'z' | b'x' => {
                    line.at += 1;
                    let length = self.length(line);
                    rest.get_or_insert(Rest {
                        invisible: byte == b'x',
                        length,
                        value: length,
                        duration: length,
                    });
                }
                b'"' => self.quoted(line),
                b'!' => self.exclamation(line),
                b'.' => {
                    line.at += 1;
                    if line.peek() == Some(b'-') {
                        dots = true;
                    } else {
                        line.at = at;
                        self.letter(line);
                    }
                }
                b'~' | b'H'..=b'W' | b'h'..=b'w' => self.letter(line),
                b'(' => {
                    line.at += 1;
                    slurs = slurs.saturating_add(1);
                }
                b')' => {
                    line.at += 1;
                    slur_ends = slur_ends.saturating_add(1);
                }
                b'`' => line.at += 1,
                b'{' => {
                    self.grace(line);
                    self.find(
                        Severity::Warning,
                        at..line.at,
                        "grace notes inside a chord are played before it",
                        "write them before the chord's bracket",
                    );
                }
                b'|' | b']' | b'[' => break,
                _ => {
                    line.at += line.rest().chars().next().map_or(1, char::len_utf8);
                    let span = self.macro_span.clone().unwrap_or(at..line.at);
                    self.find(
                        Severity::Error,
                        span,
                        "a sign that has no place in a chord is left out",
                        "",
                    );
                }
            }
        }
        let span = self.macro_span.clone().unwrap_or(start..line.at);
        if !closed {
            self.find(
                Severity::Error,
                span.clone(),
                "a chord without its closing bracket",
                "put a ] after its last note",
            );
        }
        if cut {
            self.find(
                Severity::Error,
                span.clone(),
                format!("a chord of more than {MOST_CHORD} notes; the rest are left out"),
                "",
            );
        }
        let length = self.length(line);
        for _ in 0..slurs {
            let slur = ElementKind::SlurStart { dotted: false, side: None };
            self.push(None, span.clone(), slur);
        }
        if notes.is_empty() {
            match rest {
                Some(mut rest) => {
                    rest.length = rest.length * length;
                    self.emit(start, line.at, ElementKind::Rest(rest));
                }
                None if closed => {
                    self.find(Severity::Error, span, "an empty chord is left out", "")
                }
                None => {}
            }
            return;
        }
        self.emit(
            start,
            line.at,
            ElementKind::Chord(Chord { notes, length, tie: None, value: length, duration: length }),
        );
        for _ in 0..slur_ends {
            self.push(None, start..line.at, ElementKind::SlurEnd);
        }
    }

    fn grace(&mut self, line: &mut Line) {
        let start = line.at;
        line.at += 1;
        let mut grace = Grace { acciaccatura: line.take(b'/'), notes: Vec::new() };
        let mut closed = false;
        let mut cut = false;
        while let Some(byte) = line.peek() {
            let at = line.at;
            match byte {
                b'}' => {
                    line.at += 1;
                    closed = true;
                    break;
                }
                b'A'..=b'G' | b'a'..=b'g' | b'^' | b'_' | b'=' => match self.note(line) {
                    Some(note) if grace.notes.len() < MOST_CHORD => grace.notes.push(vec![note]),
                    Some(_) => cut = true,
                    None => line.at += 1,
                },
                b'[' => {
                    line.at += 1;
                    let mut chord = Vec::new();
                    while let Some(byte) = line.peek() {
                        if byte == b']' {
                            line.at += 1;
                            break;
                        }
                        if matches!(byte, b'}' | b'|') {
                            break;
                        }
                        match self.note(line) {
                            Some(note) if chord.len() < MOST_CHORD => chord.push(note),
                            Some(_) => cut = true,
                            None => line.at += line.rest().chars().next().map_or(1, char::len_utf8),
                        }
                    }
                    let length = self.length(line);
                    for note in &mut chord {
                        note.length = note.length * length;
                    }
                    if !chord.is_empty() && grace.notes.len() < MOST_CHORD {
                        grace.notes.push(chord);
                    }
                }
                b'|' | b'{' => break,
                // Slurs, ties, spaces, broken rhythm and decorations of grace notes: read over.
                b' '
                | b'\t'
                | b'('
                | b')'
                | b'-'
                | b'>'
                | b'<'
                | b'.'
                | b'~'
                | b'H'..=b'W'
                | b'h'..=b'w'
                | b'`' => {
                    line.at += 1;
                }
                b'!' => {
                    let inner = &line.rest()[1..];
                    line.at += inner.find('!').map_or(1, |close| close + 2);
                }
                _ => {
                    line.at += line.rest().chars().next().map_or(1, char::len_utf8);
                    let span = self.macro_span.clone().unwrap_or(at..line.at);
                    self.find(
                        Severity::Error,
                        span,
                        "a sign that has no place in grace notes is left out",
                        "",
                    );
                }
            }
        }
        let span = self.macro_span.clone().unwrap_or(start..line.at);
        if !closed {
            self.find(
                Severity::Error,
                span.clone(),
                "grace notes without their closing brace",
                "put a } after the last one",
            );
        }
        if cut {
            self.find(
                Severity::Error,
                span,
                format!("more than {MOST_CHORD} grace notes; the rest are left out"),
                "",
            );
        }
        if grace.notes.is_empty() {
            return;
        }
        let attached = self.wait(start);
        match &mut attached.grace {
            Some(earlier) => {
                let room = MOST_CHORD.saturating_sub(earlier.notes.len());
                earlier.notes.extend(grace.notes.into_iter().take(room));
            }
            none => *none = Some(grace),
        }
    }

    /// `(`: a tuplet where a figure follows, else a slur.
    fn parenthesis(&mut self, line: &mut Line) {
        let start = line.at;
        line.at += 1;
        if !matches!(line.peek(), Some(b'0'..=b'9')) {
            let side = curve_side(line);
            self.push(None, start..line.at, ElementKind::SlurStart { dotted: false, side });
            return;
        }
        let p = line.number().unwrap_or(0);
        let mut q = None;
        let mut r = None;
        if line.take(b':') {
            q = line.number();
            if line.take(b':') {
                r = line.number();
            }
        }
        let span = self.macro_span.clone().unwrap_or(start..line.at);
        let compound = self.voice_metre_is_compound();
        let default_q = match p {
            2 | 4 | 8 => 3,
            3 | 6 => 2,
            _ if compound => 3,
            _ => 2,
        };
        let q = q.filter(|&q| q > 0);
        // `(1` alone is no tuplet, but `(1:2:2` may be one.
        let least = if q.is_some() { 1 } else { 2 };
        let q = q.unwrap_or(default_q);
        let r = r.filter(|&r| r > 0).unwrap_or(p);
        if !(least..=64).contains(&p) || q > 64 || r > 256 {
            self.find(
                Severity::Error,
                span,
                format!("a tuplet ({p}:{q}:{r} is left out"),
                "write one such as (3 or (5:4:5",
            );
            return;
        }
        self.push(None, span, ElementKind::Tuplet { p: p as u16, q: q as u16, r: r as u16 });
    }

    fn voice_metre_is_compound(&self) -> bool {
        match self.voice_metres.get(&self.voice) {
            Some(&compound) => compound,
            None => self.tune.metre.is_compound(),
        }
    }

    /// A bar line: every combination of `|`, `[`, `]` and `:` (§4.8).
    fn bar(&mut self, line: &mut Line) {
        let start = line.at;
        let dotted = line.take(b'.');
        let mut before: u32 = 0;
        while line.take(b':') {
            before += 1;
        }
        let strokes_start = line.at;
        loop {
            match line.peek() {
                Some(b'|') => line.at += 1,
                // `]` ends a bar line that has begun; `:]` is a sloppy `:|]`.
                Some(b']') if line.at > start => line.at += 1,
                // `[` belongs to the line only where a stroke follows: `|[1`, `|[CE]` start something else.
                Some(b'[') if line.at == start || matches!(line.ahead(1), Some(b'|')) => {
                    if matches!(line.ahead(1), Some(b'|' | b']')) {
                        line.at += 1;
                    } else {
                        break;
                    }
                }
                _ => break,
            }
        }
        let strokes = &line.text[strokes_start..line.at];
        let mut after: u32 = 0;
        if !strokes.is_empty() {
            while line.take(b':') {
                after += 1;
            }
            // `:|:|`: the colons belong to a second end of repeat; leave one bar line for it.
            if after > 0 && line.peek() == Some(b'|') && before > 0 && line.ahead(1) != Some(b':') {
                line.at -= after as usize;
                after = 0;
            } else if after > 0 && line.peek() == Some(b'|') && before == 0 {
                // `|:|` is a bar line and an end of repeat, unless it starts a line: `|:||:`.
                line.at -= after as usize;
                after = 0;
            }
        } else if before > 1 {
            // `::` is an end and a start (§4.8); an odd colon goes to the end.
            after = before / 2;
            before -= after;
        } else {
            let span = self.macro_span.clone().unwrap_or(start..line.at);
            // A colon on its own: taken with the bar line before or after it, if only a space lies between.
            let spaces = line.rest().bytes().take_while(|&byte| byte == b' ').count();
            if matches!(line.ahead(spaces), Some(b'|')) && spaces > 0 {
                line.at += spaces;
                while line.take(b'|') {}
                self.find(
                    Severity::Warning,
                    span,
                    "a space inside a bar line",
                    "write it without the space",
                );
                before = 1;
            } else {
                self.find(
                    Severity::Error,
                    span,
                    "a colon on its own means nothing here",
                    "write `|:` or `:|` for a repeat",
                );
                return;
            }
        }
        let repeat_end = before.min(99) as u8;
        let repeat_start = after.min(99) as u8;
        let bar_line = if repeat_end > 0 && repeat_start > 0 {
            BarLine::Repeats
        } else if dotted {
            BarLine::Dotted
        } else if strokes.contains("[|]") || strokes.contains("[]") {
            if strokes.len() > 3 { BarLine::ThinThin } else { BarLine::Invisible }
        } else if strokes.ends_with(']') {
            BarLine::ThinThick
        } else if strokes.starts_with('[') || strokes.ends_with('[') {
            BarLine::ThickThin
        } else if strokes.len() > 1 {
            BarLine::ThinThin
        } else {
            BarLine::Thin
        };
        self.push_bar(start, line.at, Bar { line: bar_line, repeat_end, repeat_start });
        // `|1`, `:|2`: the ending right after the line (§4.9); spaces before the figure are common.
        if matches!(line.peek(), Some(b'0'..=b'9')) {
            let at = line.at;
            self.ending(line, at);
        }
    }

    fn push_bar(&mut self, start: usize, end: usize, bar: Bar) {
        // Decorations and annotations may stand on the bar line itself; the rest waits for a note.
        let keeps = self.pending.grace.is_some() || !self.pending.chord_symbols.is_empty();
        let (attached, start) = if keeps { (None, start) } else { self.take_pending(start) };
        self.push(attached, start..end, ElementKind::Bar(bar));
    }

    /// Whether only spaces lie between here and a bar line: `| 1 …`.
    fn ending_may_start(&self) -> bool {
        self.tune.voices.get(self.voice).is_some_and(|voice| {
            voice
                .elements
                .iter()
                .rev()
                .find(|element| !matches!(element.kind, ElementKind::BeamBreak))
                .is_some_and(|element| matches!(element.kind, ElementKind::Bar(_)))
        })
    }

    /// The numbers of a variant ending: `1`, `1,3`, `1-3`, `2.` (§4.10).
    fn ending(&mut self, line: &mut Line, start: usize) {
        let mut passes: Vec<(u16, u16)> = Vec::new();
        let mut cut = false;
        while let Some(first) = line.number() {
            cut |= first > u32::from(MOST_PASSES);
            let first = first.clamp(1, u32::from(MOST_PASSES)) as u16;
            let mut last = first;
            if line.peek() == Some(b'-') && matches!(line.ahead(1), Some(b'0'..=b'9')) {
                line.at += 1;
                let number = line.number().unwrap_or(0);
                cut |= number > u32::from(MOST_PASSES);
                last = number.clamp(1, u32::from(MOST_PASSES)) as u16;
            }
            if passes.len() < 64 {
                passes.push((first.min(last), first.max(last)));
            } else {
                cut = true;
            }
            if matches!(line.peek(), Some(b',' | b'.'))
                && matches!(line.ahead(1), Some(b'0'..=b'9'))
            {
                line.at += 1;
            } else if line.peek() == Some(b',')
                && line.ahead(1) == Some(b' ')
                && matches!(line.ahead(2), Some(b'0'..=b'9'))
            {
                line.at += 2;
            } else {
                break;
            }
        }
        if matches!(line.peek(), Some(b'.' | b':'))
            && line.ahead(1) != Some(b'|')
            && line.peek() != Some(b':')
        {
            line.at += usize::from(!matches!(
                line.ahead(1),
                Some(b'A'..=b'G' | b'a'..=b'g' | b'^' | b'_' | b'=')
            ));
        }
        let span = self.macro_span.clone().unwrap_or(start..line.at);
        if cut {
            self.find(
                Severity::Error,
                span,
                format!("an ending of more than 64 numbers, or of one over {MOST_PASSES}, is cut"),
                "",
            );
        }
        if self.spend(passes.len() * 4, start) {
            self.push(
                None,
                start..line.at,
                ElementKind::Ending(Ending { passes, text: String::new(), tied: false }),
            );
        }
    }

    /// `[`: an inline field, an ending, a bar line or a chord.
    fn bracket(&mut self, line: &mut Line, depth: u8) {
        let start = line.at;
        match (line.ahead(1), line.ahead(2)) {
            (Some(letter), Some(b':'))
                if letter.is_ascii_alphabetic()
                    && line.ahead(3) != Some(b'|')
                    && line.ahead(3) != Some(b':') =>
            {
                let close = line.rest().find(']');
                let Some(close) = close else {
                    let span = self.macro_span.clone().unwrap_or(start..line.end);
                    self.find(
                        Severity::Error,
                        span,
                        "an inline field without its closing bracket is left out",
                        "put a ] after it",
                    );
                    line.at = line.end;
                    return;
                };
                let (inner_start, inner_end) = (start + 1, start + close);
                line.at = start + close + 1;
                // A macro holds no fields: its text is not the file's.
                if depth == 0 {
                    self.body_field(inner_start, inner_end, true);
                }
            }
            (Some(b'0'..=b'9'), _) => {
                line.at += 1;
                self.ending(line, start);
            }
            (Some(b' '), Some(b'0'..=b'9')) => {
                line.at += 2;
                self.ending(line, start);
            }
            (Some(b'"'), _) if is_ending_of_text(line.rest()) => {
                line.at += 2;
                let close = line.rest().find('"').unwrap_or(0);
                let text = &line.text[line.at..line.at + close];
                let text = text::shown(text, text::Kind::Plain).into_owned();
                line.at += close + 1;
                let number = text.trim().trim_end_matches('.').parse::<u16>().ok();
                let number = number.filter(|number| (1..=MOST_PASSES).contains(number));
                self.push(
                    None,
                    start..line.at,
                    ElementKind::Ending(Ending {
                        passes: number.map(|number| (number, number)).into_iter().collect(),
                        text,
                        tied: false,
                    }),
                );
            }
            (Some(b'|'), _) => self.bar(line),
            (Some(b']'), _) => {
                line.at += 2;
                while line.take(b'|') {}
                self.push_bar(
                    start,
                    line.at,
                    Bar { line: BarLine::Invisible, repeat_end: 0, repeat_start: 0 },
                );
            }
            _ => {
                line.at += 1;
                self.chord(line, start, b']');
            }
        }
    }

    /// A macro that starts here: what stands for it is read in its place (§9). True where one did.
    fn expand_macro(&mut self, line: &mut Line) -> bool {
        let rest = line.rest();
        let mut found: Option<(usize, String)> = None;
        for (target, value) in self.macros.iter().rev() {
            if let Some((prefix, suffix)) = target.split_once('n') {
                // A transposing macro: `n` stands for any note, other letters for notes above and below it.
                if let Some(note) = rest.strip_prefix(prefix) {
                    let bytes = note.as_bytes();
                    let Some(step) =
                        bytes.first().and_then(|&byte| Step::from_letter(char::from(byte)))
                    else {
                        continue;
                    };
                    let mut length = 1;
                    let mut octave: i32 = if bytes[0].is_ascii_lowercase() { 1 } else { 0 };
                    while let Some(mark @ (b'\'' | b',')) = bytes.get(length) {
                        octave += if *mark == b'\'' { 1 } else { -1 };
                        length += 1;
                        if length > 8 {
                            break;
                        }
                    }
                    if !note[length..].starts_with(suffix) {
                        continue;
                    }
                    length += suffix.len();
                    let base = octave * 7 + step as i32;
                    let expanded: String = value
                        .chars()
                        .map(|c| match c {
                            'h'..='u' => diatonic(base + (c as i32 - 'n' as i32)),
                            c => c.to_string(),
                        })
                        .collect();
                    found = Some((prefix.len() + length, expanded));
                    break;
                }
            } else if rest.starts_with(target.as_str()) {
                found = Some((target.len(), value.clone()));
                break;
            }
        }
        let Some((taken, value)) = found else {
            return false;
        };
        let start = line.at;
        line.at += taken;
        self.macro_span = Some(start..line.at);
        if self.spend(value.len(), start) {
            let end = value.len();
            self.music(&value, 0, end, 1);
        }
        // What waits for a note stands where the macro does.
        if self.pending_start.is_some() {
            self.pending_start = Some(start);
        }
        self.macro_span = None;
        true
    }

    /// Keeps a part's start for the voices that don't have it themselves.
    pub(super) fn log_part(&mut self, part: char, span: &Range<usize>) {
        let voices = self.tune.voices.len().max(1);
        if self.parts.len() * voices < 65_536 && self.parts.len() < 4096 && voices <= MOST_VOICES {
            let lengths = self.tune.voices.iter().map(|voice| voice.elements.len()).collect();
            self.parts.push((part, span.clone(), lengths));
        }
    }

    /// Remembers the metre that the last field set, for tuplets' defaults.
    pub(super) fn note_metre(&mut self) {
        let compound =
            self.tune.voices.get(self.voice).and_then(|voice| match &voice.elements.last()?.kind {
                ElementKind::Field(field) => match &field.change {
                    Change::Metre(metre) => Some(metre.is_compound()),
                    _ => None,
                },
                _ => None,
            });
        if let Some(compound) = compound {
            self.voice_metres.insert(self.voice, compound);
        }
    }
}

/// Whether `["text"` starts an ending, and not a chord: a chord has a note or another sign after the text, and its
/// closing bracket before any bar line.
fn is_ending_of_text(text: &str) -> bool {
    let Some(inner) = text.strip_prefix("[\"") else { return false };
    let Some(close) = inner.find('"') else { return false };
    let after = &inner[close + 1..];
    let chord = after.starts_with(|c: char| "ABCDEFGabcdefg^_=]\"z".contains(c));
    !chord || after.find([']', '|', ':']).is_some_and(|at| !after[at..].starts_with(']'))
}

/// The place that an annotation's first letter asks for.
fn place_of(byte: u8) -> Option<AnnotationPlace> {
    Some(match byte {
        b'^' => AnnotationPlace::Above,
        b'_' => AnnotationPlace::Below,
        b'<' => AnnotationPlace::Left,
        b'>' => AnnotationPlace::Right,
        b'@' => AnnotationPlace::Free,
        _ => return None,
    })
}

/// Whether a text between two marks is rather music than the name of a decoration.
fn looks_like_music(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| matches!(c, 'A'..='G' | 'a'..='g' | 'z' | '0'..='9' | '/' | '\'' | ',' | '^' | '_' | '=' | '-' | '(' | ')' | '>' | '<' | '~' | '.' | ' '))
        && text.chars().any(|c| matches!(c, 'A'..='G' | 'a'..='g' | 'z'))
}

/// Whether what stands between two plus signs is a chord as ABC 1.6 wrote it: dots and decorations stand before notes.
fn is_chord_of_old(text: &str) -> bool {
    looks_like_music(text) && !text.trim_end().ends_with(['.', '~', '^', '_', '='])
}

/// A note as ABC writes it, so many steps above the C of `C`.
fn diatonic(steps: i32) -> String {
    let octave = steps.div_euclid(7);
    let letter = Step::ALL[steps.rem_euclid(7) as usize].letter();
    let mut text = String::new();
    if octave >= 1 {
        text.push(letter.to_ascii_lowercase());
        (1..octave).for_each(|_| text.push('\''));
    } else {
        text.push(letter);
        (octave..0).for_each(|_| text.push(','));
    }
    text
}
