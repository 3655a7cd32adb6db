//! Core: tunes as ABC text (ABC 2.1), such that reading it gives the same tunes.

use super::model::Note;
use super::{
    AnnotationPlace, Attached, Bar, BarLine, Chord, Clef, CurveSide, Element, ElementKind, Ending,
    Field, Grace, Length, LineBreak, Pitch, Tie, Tune, Tunebook, Voice, text,
};
use std::borrow::Cow;
use std::fmt::Write;

/// A tune as ABC text that reads back as the same tune.
///
/// What the tune has from its file header is written into its own, so that it stands alone. Macros (m:) are
/// written out where they were used. Layout that means nothing (runs of spaces, continued lines) is
/// not kept; comments are. Each voice's music is written in one piece.
///
/// ```
/// let text = "X:1\nT:Scale\nM:4/4\nL:1/4\nK:Dmix\nDEFG|A3/2B/c2|]\n";
/// assert_eq!(earworm_abc::write(&earworm_abc::read(text).tunes[0]), text);
/// ```
pub fn write(tune: &Tune) -> String {
    let mut sheet = Sheet::default();
    sheet.tune(tune, &tune.inherited);
    sheet.text
}

/// A whole tunebook as ABC text: its file header once, then each tune, an empty line between them; free text stays
/// where it stood.
pub fn write_book(book: &Tunebook) -> String {
    let mut sheet = Sheet::default();
    if let Some(version) = &book.version {
        let _ = writeln!(sheet.text, "%abc{version}");
    }
    for field in &book.header {
        sheet.field(field);
    }
    for tune in &book.tunes {
        sheet.free_text(&tune.text_before);
        if !sheet.text.is_empty() {
            sheet.text.push('\n');
        }
        sheet.tune(tune, &[]);
    }
    sheet.free_text(&book.text_after);
    sheet.text
}

#[derive(Default)]
struct Sheet {
    text: String,
    /// Whether the text ends in music whose line has not ended.
    in_line: bool,
    /// `!` is a line break here (I:linebreak !), so decorations stand between `+`.
    exclamation_breaks: bool,
    /// Lines' ends are no line breaks here (I:linebreak without <EOL>).
    ends_break_no_line: bool,
}

impl Sheet {
    /// Text that is no part of a tune.
    fn free_text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        let _ = writeln!(self.text, "{text}");
    }

    fn tune(&mut self, tune: &Tune, inherited: &[Field]) {
        self.in_line = false;
        self.exclamation_breaks = false;
        self.ends_break_no_line = false;
        let header_start = self.text.len();
        if tune.header.iter().all(|field| field.letter != 'X') {
            let _ = writeln!(self.text, "X:{}", tune.reference.max(1));
        }
        // The file header's fields go before the tune's own, that may change what they say, but X: and
        // T: are first in any tune (§3.1.1, §3.1.2).
        let titles =
            tune.header.iter().take_while(|field| matches!(field.letter, 'X' | 'T')).count();
        let (titles, rest) = tune.header.split_at(titles);
        for field in titles.iter().chain(inherited).chain(rest) {
            self.field(field);
        }
        let has_music = tune.voices.iter().any(|voice| !voice.elements.is_empty());
        let last = tune.header.iter().rfind(|field| !field.is_comment());
        if has_music && last.is_none_or(|field| field.letter != 'K') {
            let _ = writeln!(self.text, "K:{}", tune.key);
        }
        // What the header says of voices need not be said again.
        let named = tune.voices.iter().any(|voice| !voice.id.is_empty());
        let known = if named {
            super::read(&self.text[header_start..])
                .tunes
                .pop()
                .map_or_else(Vec::new, |header| header.voices)
        } else {
            Vec::new()
        };
        for voice in &tune.voices {
            if !voice.id.is_empty() {
                let said = known.iter().any(|known| {
                    (&known.id, &known.properties, &known.clef)
                        == (&voice.id, &voice.properties, &voice.clef)
                });
                if tune.voices.len() > 1 || !said {
                    self.voice(voice, !said);
                }
            }
            self.elements(&voice.elements);
        }
    }

    /// A field or directive on a line of its own.
    fn field(&mut self, field: &Field) {
        self.follow(field);
        match field.letter {
            // Its music stands where it was used.
            'm' => {}
            '%' => {
                let _ = writeln!(self.text, "%%{}", field.text);
                // An open block would swallow the tune.
                let word = field.text.split_whitespace().next().unwrap_or_default();
                if let Some(block @ ("text" | "ps" | "svg" | "ml" | "js" | "css")) =
                    word.strip_prefix("begin")
                {
                    let _ = writeln!(self.text, "%%end{block}");
                }
            }
            Field::COMMENT => {
                if field.inline && self.text.ends_with('\n') {
                    // Behind the field before it.
                    self.text.pop();
                    self.text.push(' ');
                }
                let _ = writeln!(self.text, "%{}", field.text);
            }
            letter => {
                // `e:|` at a line's start would be music.
                let space = if field.text.starts_with(['|', ':']) { " " } else { "" };
                let _ = writeln!(self.text, "{letter}:{space}{}", text_of(field));
            }
        }
    }

    /// Takes note of what changes how the music after it is read.
    fn follow(&mut self, field: &Field) {
        if !matches!(field.letter, 'I' | '%') {
            return;
        }
        let mut words = field.text.split_whitespace();
        match words.next() {
            Some("linebreak") => {
                let words: Vec<&str> = words.collect();
                self.exclamation_breaks = words.contains(&"!");
                self.ends_break_no_line = !words.contains(&"<EOL>");
            }
            Some("decoration") if words.next() == Some("+") => self.exclamation_breaks = true,
            _ => {}
        }
    }

    fn voice(&mut self, voice: &Voice, with_properties: bool) {
        let space = if voice.id.starts_with(['|', ':']) { " " } else { "" };
        let _ = write!(self.text, "V:{space}{}", voice.id);
        if with_properties {
            let Clef { name, middle, transpose, octave, staff_lines } = &voice.clef;
            let mut property = |name: &str, value: Option<String>| {
                if let Some(value) = value {
                    let quoted = value.is_empty() || value.contains(char::is_whitespace);
                    let mark = if quoted { "\"" } else { "" };
                    let _ = write!(self.text, " {name}={mark}{value}{mark}");
                }
            };
            property("clef", name.clone());
            property("middle", middle.clone());
            property("transpose", transpose.map(|n| n.to_string()));
            property("octave", octave.map(|n| n.to_string()));
            property("stafflines", staff_lines.map(|n| n.to_string()));
            for (name, value) in &voice.properties {
                property(name, Some(text::quoted(value)));
            }
        }
        self.text.push('\n');
    }

    fn elements(&mut self, elements: &[Element]) {
        for (index, element) in elements.iter().enumerate() {
            let next = elements.get(index + 1).map(|next| &next.kind);
            self.element(element, elements, index, next);
        }
        if self.in_line {
            // The last line was continued, and nothing came: so it must be again.
            let broken = matches!(elements.last().map(|e| &e.kind), Some(ElementKind::BeamBreak));
            if broken && !self.ends_break_no_line {
                self.text.push('\\');
            }
            self.end_line();
        }
    }

    fn end_line(&mut self) {
        self.text.push('\n');
        self.in_line = false;
    }

    fn element(
        &mut self,
        element: &Element,
        all: &[Element],
        index: usize,
        next: Option<&ElementKind>,
    ) {
        match &element.kind {
            // What waited for a note that never came was written before the line's end.
            ElementKind::Spacer(Length::ZERO) => {
                let before = index.checked_sub(1).map(|before| &all[before].kind);
                if before != Some(&ElementKind::LineBreak(LineBreak::EndOfLine)) {
                    self.attached(element.attached.as_deref());
                    self.in_line = true;
                }
                return;
            }
            ElementKind::LineBreak(LineBreak::EndOfLine) => {
                let before = index.checked_sub(1).map(|before| &all[before].kind);
                let commented = matches!(before, Some(ElementKind::Field(field)) if field.is_comment() && field.inline);
                if let Some(ElementKind::Spacer(Length::ZERO)) = next
                    && !commented
                {
                    self.attached(all[index + 1].attached.as_deref());
                    self.in_line = true;
                }
                let empty = self.text.rsplit('\n').next().is_none_or(|line| line.trim().is_empty());
                if !self.in_line || empty {
                    // A line with nothing but a comment; an empty one would end the tune.
                    self.text.push_str(" %");
                }
                self.end_line();
                return;
            }
            ElementKind::Field(field) if field.is_comment() && field.inline && self.in_line => {
                // What waits for a note that never comes stands before the comment, too.
                if let [line_end, waiting, ..] = &all[index + 1..]
                    && line_end.kind == ElementKind::LineBreak(LineBreak::EndOfLine)
                    && waiting.kind == ElementKind::Spacer(Length::ZERO)
                {
                    self.attached(waiting.attached.as_deref());
                }
                let _ = write!(self.text, " %{}", field.text);
                if !matches!(next, Some(ElementKind::LineBreak(LineBreak::EndOfLine))) {
                    self.end_line();
                }
                return;
            }
            ElementKind::Field(field) if !field.inline || field.is_comment() => {
                if self.in_line {
                    if !self.ends_break_no_line {
                        self.text.push('\\');
                    }
                    self.end_line();
                }
                self.field(field);
                return;
            }
            _ => {}
        }
        self.in_line = true;
        self.attached(element.attached.as_deref());
        match &element.kind {
            ElementKind::Note(note) => self.note(note),
            ElementKind::Chord(chord) => self.chord(chord),
            ElementKind::Rest(rest) => {
                self.text.push(if rest.invisible { 'x' } else { 'z' });
                self.length(rest.length);
            }
            ElementKind::BarsRest { bars, invisible } => {
                self.text.push(if *invisible { 'X' } else { 'Z' });
                if *bars != 1 {
                    let _ = write!(self.text, "{bars}");
                }
            }
            ElementKind::Spacer(width) => {
                self.text.push('y');
                self.length(*width);
            }
            ElementKind::BeamBreak => {
                // Before a line's end spaces mean nothing; there the break is a continued line.
                if !matches!(
                    next,
                    None | Some(
                        ElementKind::BeamBreak | ElementKind::LineBreak(LineBreak::EndOfLine)
                    )
                ) && !matches!(next, Some(ElementKind::Field(field)) if !field.inline)
                {
                    self.text.push(' ');
                }
            }
            ElementKind::Broken(marks) => {
                let mark = if *marks > 0 { '>' } else { '<' };
                // Two in a row, for what stood between them is left out, are not one. A backquote means nothing (§4.7).
                if self.text.ends_with(mark) {
                    self.text.push('`');
                }
                (0..marks.unsigned_abs()).for_each(|_| self.text.push(mark));
            }
            ElementKind::Tuplet { p, q, r } => {
                // (3 alone means the same in every metre, but before `:|` its colon would be the tuplet's.
                let colon = matches!(next, Some(ElementKind::Bar(bar)) if bar.repeat_end > 0);
                if (*p, *q, *r) == (3, 2, 3) && !colon {
                    self.text.push_str("(3");
                } else {
                    let _ = write!(self.text, "({p}:{q}:{r}");
                }
            }
            ElementKind::SlurStart { dotted, side } => {
                self.text.push_str(if *dotted { ".(" } else { "(" });
                self.text.push_str(match side {
                    Some(CurveSide::Above) => "'",
                    Some(CurveSide::Below) => ",",
                    None => "",
                });
            }
            ElementKind::SlurEnd => self.text.push(')'),
            ElementKind::Bar(bar) => {
                let letter = |decoration: &super::Decoration| decoration.letter.is_some();
                let attached = element.attached.as_deref();
                if attached.is_some_and(|attached| attached.decorations.last().is_some_and(letter))
                {
                    // Or `.|` would be a dotted bar line, `T:|` a field. A backquote means nothing (§4.7).
                    self.text.push('`');
                }
                let before = index.checked_sub(1).map(|before| &all[before].kind);
                match before {
                    Some(ElementKind::Bar(before)) if would_merge(before, bar) => {
                        self.text.push('`');
                        self.bar(bar);
                    }
                    Some(ElementKind::Bar(_)) if bar.line == BarLine::Repeats => {
                        self.text.push_str(":|:")
                    }
                    _ => self.bar(bar),
                }
            }
            ElementKind::Ending(ending) => {
                self.ending(ending);
                // `["last"A` would be a chord, and so would a text before a chord symbol or a rest. A space would part
                // beams, a backquote means nothing (§4.7).
                let after = all.get(index + 1);
                let decorated =
                    after.and_then(|after| after.attached.as_deref()).is_some_and(|attached| {
                        attached.grace.is_none()
                            && attached.chord_symbols.is_empty()
                            && attached.annotations.is_empty()
                            && attached
                                .decorations
                                .first()
                                .is_some_and(|first| first.letter.is_none())
                    });
                if ending.tied {
                    self.text.push('-');
                } else if !ending.text.is_empty()
                    && !decorated
                    && !matches!(next, Some(ElementKind::BeamBreak))
                {
                    self.text.push('`');
                }
            }
            // A macro's music stands where it was used.
            ElementKind::Field(field) if field.letter == 'm' => {}
            ElementKind::Field(field) => {
                self.follow(field);
                let space = if field.text.starts_with(['|', ':']) { " " } else { "" };
                let _ = write!(self.text, "[{}:{space}{}]", field.letter, text_of(field));
            }
            ElementKind::Overlay { bars } => {
                // Two in a row are not one that goes back further. A backquote means nothing (§4.7).
                if self.text.ends_with('&') {
                    self.text.push('`');
                }
                (0..*bars).for_each(|_| self.text.push('&'));
            }
            ElementKind::LineBreak(_) => self.text.push('$'),
            ElementKind::Unknown(text) => {
                // A figure would become the length of the note before. A backquote means nothing (§4.7).
                self.text.push('`');
                self.text.push_str(text);
            }
        }
    }

    fn attached(&mut self, attached: Option<&Attached>) {
        let Some(attached) = attached else { return };
        for symbol in &attached.chord_symbols {
            let _ = write!(self.text, "\"{}\"", text::quoted(symbol));
        }
        for annotation in &attached.annotations {
            let place = match annotation.place {
                AnnotationPlace::Above => '^',
                AnnotationPlace::Below => '_',
                AnnotationPlace::Left => '<',
                AnnotationPlace::Right => '>',
                AnnotationPlace::Free => '@',
            };
            let _ = write!(self.text, "\"{place}{}\"", text::quoted(&annotation.text));
        }
        if let Some(grace) = &attached.grace {
            self.grace(grace);
        }
        for decoration in &attached.decorations {
            let mark = if self.exclamation_breaks { '+' } else { '!' };
            match decoration.letter {
                Some(letter) => self.text.push(letter),
                None => {
                    let _ = write!(self.text, "{mark}{}{mark}", decoration.name);
                }
            }
        }
    }

    fn grace(&mut self, grace: &Grace) {
        self.text.push_str(if grace.acciaccatura { "{/" } else { "{" });
        for chord in &grace.notes {
            if let [note] = &chord[..] {
                self.note(note);
            } else {
                self.text.push('[');
                chord.iter().for_each(|note| self.note(note));
                self.text.push(']');
            }
        }
        self.text.push('}');
    }

    fn note(&mut self, note: &Note) {
        self.text.push_str(&pitch(note.pitch));
        self.length(note.length);
        self.tie(note.tie);
    }

    fn chord(&mut self, chord: &Chord) {
        self.text.push('[');
        chord.notes.iter().for_each(|note| self.note(note));
        self.text.push(']');
        self.length(chord.length);
        self.tie(chord.tie);
    }

    fn tie(&mut self, tie: Option<Tie>) {
        self.text.push_str(match tie {
            Some(Tie::Solid) => "-",
            Some(Tie::Dotted) => ".-",
            None => "",
        });
    }

    fn length(&mut self, length: Length) {
        let _ = match (length.numerator(), length.denominator()) {
            (1, 1) => Ok(()),
            (1, 2) => write!(self.text, "/"),
            (n, 1) => write!(self.text, "{n}"),
            (1, d) => write!(self.text, "/{d}"),
            (n, d) => write!(self.text, "{n}/{d}"),
        };
    }

    fn bar(&mut self, bar: &Bar) {
        let Bar { line, repeat_end, repeat_start } = *bar;
        if (line, repeat_end, repeat_start) == (BarLine::Repeats, 1, 1) {
            self.text.push_str("::");
            return;
        }
        (0..repeat_end).for_each(|_| self.text.push(':'));
        self.text.push_str(match line {
            BarLine::Thin | BarLine::Repeats => "|",
            BarLine::ThinThin => "||",
            BarLine::ThinThick => "|]",
            BarLine::ThickThin => "[|",
            BarLine::Dotted => ".|",
            BarLine::Invisible => "[|]",
        });
        (0..repeat_start).for_each(|_| self.text.push(':'));
    }

    fn ending(&mut self, ending: &Ending) {
        if !ending.text.is_empty() || ending.passes.is_empty() {
            let _ = write!(self.text, "[\"{}\"", text::quoted(&ending.text));
            return;
        }
        let passes: Vec<String> = ending
            .passes
            .iter()
            .map(
                |&(first, last)| {
                    if first == last { first.to_string() } else { format!("{first}-{last}") }
                },
            )
            .collect();
        let _ = write!(self.text, "[{}", passes.join(","));
    }
}

/// What a field says, as ABC writes it.
fn text_of(field: &Field) -> Cow<'_, str> {
    match text::Kind::of_field(field.letter) {
        Some(kind) => text::written(&field.text, kind),
        None => Cow::Borrowed(&field.text),
    }
}

/// Whether two bar lines written one after the other would be read as one, or as others.
fn would_merge(one: &Bar, two: &Bar) -> bool {
    if two.line == BarLine::Dotted {
        return false;
    }
    if two.line == BarLine::Repeats {
        return (one.repeat_end, one.repeat_start, two.repeat_end, two.repeat_start)
            != (0, 0, 1, 1);
    }
    let simple = one.repeat_start == 0 && two.repeat_end > 0 && two.repeat_start == 0;
    !simple || matches!(two.line, BarLine::ThickThin | BarLine::Invisible)
}

/// A pitch as ABC writes it, `^c'` (§4.1, §4.2).
fn pitch(pitch: Pitch) -> String {
    let mut text = pitch.accidental.map_or_else(String::new, |accidental| accidental.to_string());
    let letter = pitch.step.letter();
    if pitch.octave >= 5 {
        text.push(letter.to_ascii_lowercase());
        (5..pitch.octave).for_each(|_| text.push('\''));
    } else {
        text.push(letter);
        (pitch.octave..4).for_each(|_| text.push(','));
    }
    text
}

/// Whether two tunes are the same in all that is heard or engraved: fields, voices and every element, whatever
/// their places in a text, how white space is laid out, and whether a field stands in the file header or
/// their own.
pub fn same(one: &Tune, two: &Tune) -> bool {
    // A number that a tune has not is given to it where it is written.
    let numbered =
        [one, two].iter().all(|tune| tune.header.iter().any(|field| field.letter == 'X'));
    let fields = |tune: &'_ Tune| -> Vec<(char, String)> {
        let all = tune.inherited.iter().chain(&tune.header);
        let mut fields: Vec<_> = all
            .filter(|field| field.letter != 'm' && (numbered || field.letter != 'X'))
            .map(|field| (field.letter, field.text.clone()))
            .collect();
        // Only fields of one letter may not change places.
        fields.sort_by_key(|&(letter, _)| letter);
        fields
    };
    fn placeless(elements: &[Element]) -> Vec<Element> {
        let mut placeless: Vec<Element> = Vec::with_capacity(elements.len());
        for element in elements {
            let mut element = element.clone();
            element.span = 0..0;
            if let ElementKind::Field(field) = &mut element.kind {
                if field.letter == 'm' {
                    continue;
                }
                field.span = 0..0;
            }
            // Runs of white space are one, and at a line's end it is none.
            let line_ends = element.kind == ElementKind::LineBreak(LineBreak::EndOfLine);
            if line_ends || element.kind == ElementKind::BeamBreak {
                placeless.pop_if(|last| last.kind == ElementKind::BeamBreak);
            }
            placeless.push(element);
        }
        placeless
    }
    let header = |tune: &Tune| {
        (tune.key.clone(), tune.metre.clone(), tune.unit, tune.tempo.clone(), tune.parts.clone())
    };
    fields(one) == fields(two)
        && header(one) == header(two)
        && one.voices.len() == two.voices.len()
        && one.voices.iter().zip(&two.voices).all(|(a, b)| {
            (&a.id, &a.properties, &a.clef) == (&b.id, &b.properties, &b.clef)
                && placeless(&a.elements) == placeless(&b.elements)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads, writes and reads again; what was written comes back as it was.
    fn back(text: &str) -> String {
        let tune = super::super::read(text).tunes.remove(0);
        let written = write(&tune);
        let again = super::super::read(&written).tunes.remove(0);
        assert!(same(&tune, &again), "{text}\nwas written as\n{written}");
        written
    }

    #[test]
    fn every_kind_of_element_reads_back_as_it_was() {
        for music in [
            "A,,B,CDc'd''|^F_B=c^^d__e|A2B/c/4d3/2|",
            "|:AB>cd<e f>>g|1 abc:|2 [ceg]2 z2|]",
            "A4|B4&&\\&&\\&C4|(3\"0\":|A2|",
            "(3ABC (5:4:6abcdef (ab)(.(cd)) A-|A2 .-|A|",
            "{ga}b {/g}c {[ce]d}e \"Am7\"\"^above\"~A.B !trill!c!>!d T(e u)f|",
            "Z4|X|x2y y3 z/|::CD::EF:|.|G[|]A|[1,3 B:|[2-4 c||",
            "[M:3/4][K:Dmin]D2F2A2|[Q:1/4=90]d6|[\"last\" d6|]",
            "C4&E4|[CE]3-[CE]/-|[C2E2G2]4|",
            "ABc \\\nabc|$def|\nw:la la la\nK:G\nGAB|",
            "('AB) (,cd) .('ef) \"^50 \\% \\u0022\"A-|1 -B:|2-c|]",
            "A % remark\n% line\nB|\\ % going on\nc|",
            "+wobble+A !b!c !two;words!d|",
        ] {
            back(&format!("X:1\nT:Kinds\nM:4/4\nL:1/8\nK:C\n{music}\n"));
        }
    }

    #[test]
    fn several_voices_keep_their_own_music_and_properties() {
        let written = back(
            "X:2\nT:Duet\nM:2/4\nL:1/8\nV:T clef=treble name=\"Tin whistle\"\nV:B clef=bass\nK:G\n\
             [V:T]GABc|d4|\n[V:B]G,2D2|G,4|\n",
        );
        assert_eq!(written.matches("name=\"Tin whistle\"").count(), 1, "{written}");
    }

    #[test]
    fn comments_stay_in_their_voices() {
        back(
            "X:1\nI:linebreak $\nL:1/8\nK:C\nV:1 treble\nV:2 bass\nL:1/8\nV:1\nCD | EF | %2\nGA |$ %3\nL:1/8\nV:2\n\
             C,4 | %2\nF,4 |$ %3\n",
        );
        back("X:1\nK:C\nL:1/4\n% first\nV:1\nC|\nV:2\n% second\nE|\n");
        back("X:1\nV:1\nV:2\nK:C\n% first\n[V:1] C|\n[V:2] E| % second\n");
    }

    #[test]
    fn what_the_file_header_says_stands_in_each_tune_written_alone() {
        let book = super::super::read(
            "M:6/8\nL:1/16\n\nX:1\nT:One\nK:D\nd2|\n\nX:2\nT:Two\nM:3/4\nK:D\nd2|\n",
        );
        let two = write(&book.tunes[1]);
        let again = super::super::read(&two).tunes.remove(0);
        assert_eq!((again.metre.to_string(), again.unit), ("3/4".into(), Length::new(1, 16)));
        let whole = super::super::read(&write_book(&book));
        assert_eq!(whole.tunes.len(), 2);
        assert!(book.tunes.iter().zip(&whole.tunes).all(|(a, b)| same(a, b)));
    }

    #[test]
    fn marks_of_broken_rhythm_that_lost_what_parted_them_stay_apart() {
        back("X:1\nL:1/8\nK:C\nA>->B c>>.->d|e<-<f|\n");
    }

    #[test]
    fn what_waits_for_a_note_at_the_end_is_no_part_of_a_comment() {
        let written = back("X:1\nL:1/8\nK:C\nCD|EF|!D.C.! % back\n");
        assert!(written.contains("!D.C.! % back"), "{written}");
        back("X:1\nL:1/8\nK:C\nCD|\"^Fine\" % end\nV:2\nE|T\n");
    }

    #[test]
    fn a_line_of_several_voices_ends_in_each() {
        back("X:1\nL:1/8\nK:C\n[V:1]CD|[V:2]EF|\n[V:1]GA|[V:2]Bc| % end\n");
        let written = back("X:1\nL:1/8\nK:C\n[V:1] % one\nCD|\n[V:2]EF|[V:1] % two\n");
        assert!(written.contains("% one") && written.contains("% two"), "{written}");
    }

    #[test]
    fn nothing_comes_between_the_text_of_an_ending_and_its_music() {
        back("X:1\nL:1/8\nK:C\n|:CD|[\"first\"(EF):|[\"last\"GA|]\n");
    }

    #[test]
    fn each_comment_stays_one_of_its_own() {
        // Behind fields that stand elsewhere: before the first voice, of a voice that goes on, of a macro.
        back("X:1\nK:C % key\nB:one %2 two\nN:three %3 four\nV:1 % five\nV:2\nV:1\nC|\nV:2\nE|\n");
        back("X:1\nK:C\nV:1\nC| % one\nV:2\nE|\nV:1 % two\nD| % three\nV:1 % four\n");
        back("X:1\nV:1\nK:C % one\nV:1 % two\nC|\n");
        back("X:1\nK:C % one\n( % two\nCD)|\n");
        back("X:1\nV:1\nK:C\n  % one\nC|\n");
        back(
            "X:1\nT:Name % one\nm: ~G2 = {A}G{F}G % two\nK:C\n~G2| % three\nm: ~A2 = {B}A % four\n~A2|\n",
        );
        let written = back("X:1\nV:1\nK:C % one\nL:1/4 % two\nC|\nM:3/4 % three\nD2.|\n");
        assert!(written.contains("M:3/4 % three"), "{written}");
    }

    #[test]
    fn a_macro_is_written_out_once() {
        let written = back("X:1\nT:Macro\nM:4/4\nL:1/8\nm: ~G2 = {A}G{F}G\nK:C\n~G2 AB|\n");
        assert!(written.contains("{A}G{F}G AB") && !written.contains("m:"), "{written}");
    }
}
