//! Core: reading ABC text (ABC 2.1), never giving up.
//!
//! One pass over the lines (this file: file structure, headers, body lines), each line of music read
//! from left to right ([`music`]), then one pass over each voice that resolves what is written. All
//! three take time linear in the text's length; what is kept is bounded by [`MOST_MEMORY`].

mod fields;
mod music;

use super::Length;
use super::model::*;
use std::collections::HashMap;
use std::ops::Range;

/// The most text that is read, in bytes; the rest is cut and said.
pub const MOST_TEXT: usize = 100_000_000;
/// About the most memory that what is read may take, in bytes, the text itself not counted; half of it for the
/// longest texts.
pub const MOST_MEMORY: usize = 130_000_000;
/// The most elements of one tune.
pub const MOST_ELEMENTS: usize = 1 << 17;
/// The most findings that are kept for one file.
pub const MOST_FINDINGS: usize = 10_000;
/// The longest field or text in the music that is kept, in bytes.
pub const MOST_FIELD: usize = 1 << 14;
/// The most free text of a file that is kept, in bytes.
pub const MOST_FREE_TEXT: usize = 1 << 23;
/// The most voices of one tune.
pub const MOST_VOICES: usize = 256;
/// The most notes of a chord, and of a group of grace notes.
pub const MOST_CHORD: usize = 32;
/// The most bars that one `Z` may rest.
pub const MOST_BARS_REST: u32 = 9_999;
/// The largest number in a written length, above and below the stroke.
pub const MOST_LENGTH: u32 = 1 << 14;

/// Reads a file's text. Never fails: what is wrong is said in the findings, and reading goes on after it.
///
/// A tune without X: is read, too. Takes time linear in the text's
/// length and, with the text itself, less than 256 MB; see the limits in this module.
pub fn read(text: &str) -> Tunebook {
    let mut reader = Reader::new(text);
    reader.file();
    let mut findings = reader.findings;
    findings.sort_by_key(|finding| finding.span.start);
    let text_after = reader.free_text.trim_end().to_owned();
    Tunebook {
        version: reader.version,
        header: reader.file_header,
        tunes: reader.tunes,
        text_after,
        findings,
    }
}

/// Where in the file the next line stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the first tune.
    FileHeader,
    /// After a tune: free text.
    Between,
    /// From X: to K:.
    TuneHeader,
    /// After K:.
    Body,
}

struct Reader<'a> {
    text: &'a str,
    place: Place,
    findings: Vec<Finding>,
    findings_cut: bool,
    memory: usize,
    memory_cut: bool,
    /// What follows `%abc` in the first line.
    version: Option<String>,
    file_header: Vec<Field>,
    tunes: Vec<Tune>,
    /// Free text since the last tune, and how much more of it may be kept.
    free_text: String,
    free_text_left: usize,
    /// The tune that is being read.
    tune: Tune,
    elements: usize,
    elements_cut: bool,
    /// Index of the current voice, and voices by their identifiers.
    voice: usize,
    voice_ids: HashMap<String, usize>,
    /// The voices that the line of music so far has got to.
    line_voices: Vec<usize>,
    /// What waits for the note that it stands before, and where it starts.
    pending: Attached,
    pending_start: Option<usize>,
    /// Blank lines up to here have been looked at.
    blank_until: usize,
    /// Music after the tune's end has been spoken of.
    stray_said: bool,
    /// The line of music before ended in `\`.
    continued: bool,
    /// Letters that U: defines, over the standard's.
    symbols: HashMap<char, String>,
    /// Macros, m:, over the file's: what to look for and what stands for it.
    macros: Vec<(String, String)>,
    /// `!` (or `+`) stands for line breaks only, by I:linebreak or I:decoration.
    exclamation_breaks: bool,
    /// `+…+` are decorations only, by I:decoration +.
    plus_decorations: bool,
    /// Curly quotation marks, and spaces before lengths, have been spoken of in this tune.
    curly_said: bool,
    spaces_said: bool,
    /// I:linebreak <none>, or without <EOL>.
    line_ends_break: bool,
    /// L: or M: were given in the header, K: has been seen.
    unit_given: bool,
    /// Inside a %%begintext … %%endtext block: its end.
    block_end: Option<String>,
    /// The directive that began it, which its lines are kept with.
    block_field: Option<LastField>,
    /// The field that `+:` continues: in the header or in a voice.
    last_field: Option<LastField>,
    /// Where music is being read that stands for a macro: its place in the text.
    macro_span: Option<Range<usize>>,
    /// Whether the metre in force is compound, for voices that have changed theirs.
    voice_metres: HashMap<usize, bool>,
    /// Parts that the body starts, each with its place and every voice's length there.
    parts: Vec<(char, Range<usize>, Vec<usize>)>,
}

/// Whether a line that should be none is rather music than free text: it has bar lines and next to no other letters than
/// notes'.
fn looks_like_music(line: &str) -> bool {
    let line = &line.as_bytes()[..line.len().min(256)];
    let count = |of: &dyn Fn(&u8) -> bool| line.iter().filter(|byte| of(byte)).count();
    let notes = count(&|byte| matches!(byte, b'A'..=b'G' | b'a'..=b'g' | b'z'));
    let letters = count(&|byte| byte.is_ascii_alphabetic() || !byte.is_ascii());
    line.contains(&b'|') && notes > 0 && notes * 10 >= letters * 9
}

#[derive(Clone, Copy)]
enum LastField {
    File,
    Header,
    Body(usize, usize),
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            place: Place::FileHeader,
            findings: Vec::new(),
            findings_cut: false,
            memory: MOST_MEMORY
                .min((2 * MOST_MEMORY).saturating_sub(2 * text.len()).max(MOST_MEMORY / 2)),
            memory_cut: false,
            version: None,
            file_header: Vec::new(),
            tunes: Vec::new(),
            free_text: String::new(),
            free_text_left: MOST_FREE_TEXT,
            tune: Tune::default(),
            elements: 0,
            elements_cut: false,
            voice: 0,
            voice_ids: HashMap::new(),
            line_voices: Vec::new(),
            pending: Attached::default(),
            pending_start: None,
            blank_until: 0,
            stray_said: false,
            continued: false,
            symbols: HashMap::new(),
            macros: Vec::new(),
            exclamation_breaks: false,
            plus_decorations: false,
            curly_said: false,
            spaces_said: false,
            line_ends_break: true,
            unit_given: false,
            block_end: None,
            block_field: None,
            last_field: None,
            macro_span: None,
            voice_metres: HashMap::new(),
            parts: Vec::new(),
        }
    }

    fn find(
        &mut self,
        severity: Severity,
        span: Range<usize>,
        text: impl Into<String>,
        hint: &str,
    ) {
        // What stands for a macro has no place of its own in the text.
        let span = self.macro_span.clone().unwrap_or(span);
        if self.findings.len() >= MOST_FINDINGS {
            if !self.findings_cut {
                self.findings_cut = true;
                self.findings.push(Finding {
                    severity: Severity::Warning,
                    span,
                    text: format!("more than {MOST_FINDINGS} findings; the rest are left out"),
                    hint: String::new(),
                });
            }
            return;
        }
        self.findings.push(Finding { severity, span, text: text.into(), hint: hint.to_owned() });
    }

    /// Takes so many bytes of what may be kept; false, and said once, where there are none left.
    fn spend(&mut self, bytes: usize, place: usize) -> bool {
        if self.memory < bytes {
            if !self.memory_cut {
                self.memory_cut = true;
                self.find(
                    Severity::Error,
                    place..place,
                    "the file is too large; what follows is left out",
                    "split the file into smaller tunebooks",
                );
            }
            return false;
        }
        self.memory -= bytes;
        true
    }

    /// A text that is kept, cut where it is too long, and that is said.
    fn keep(&mut self, text: &str, place: usize) -> String {
        let mut end = text.len().min(MOST_FIELD);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        if end < text.len() {
            self.find(
                Severity::Warning,
                place..place + text.len(),
                format!("a text longer than {MOST_FIELD} bytes is cut"),
                "spread it over several fields",
            );
        }
        if !self.spend(end + 24, place) {
            return String::new();
        }
        text[..end].to_owned()
    }

    fn file(&mut self) {
        let mut end = self.text.len();
        if end > MOST_TEXT {
            end = MOST_TEXT;
            while !self.text.is_char_boundary(end) {
                end -= 1;
            }
            self.find(
                Severity::Error,
                end..self.text.len(),
                format!("the file is longer than {MOST_TEXT} bytes; the rest is cut"),
                "split the file into smaller tunebooks",
            );
        }
        let bytes = self.text.as_bytes();
        let mut at = 0;
        // A byte order mark may have been left in the text.
        if self.text.starts_with('\u{feff}') {
            at = 3;
        }
        while at < end {
            let line_end = bytes[at..end]
                .iter()
                .position(|&byte| byte == b'\n' || byte == b'\r')
                .map_or(end, |length| at + length);
            self.line(at, line_end);
            if self.memory_cut {
                break;
            }
            at = line_end + 1;
            if at < end && bytes[line_end] == b'\r' && bytes[at] == b'\n' {
                at += 1;
            }
        }
        self.finish_tune(end);
    }

    fn line(&mut self, start: usize, end: usize) {
        let line = &self.text[start..end];
        if let Some(block_end) = &self.block_end {
            if line.trim_start_matches("%%").trim() == block_end {
                self.block_end = None;
                if self.place == Place::Between {
                    self.keep_free_text(line, start);
                }
            } else {
                self.block_line(line, start);
            }
            return;
        }
        if line.trim().is_empty() {
            self.blank_line(start);
            return;
        }
        let bytes = line.as_bytes();
        if bytes[0] == b'%' {
            // The file's identification (§2.1).
            let first = self.text[..start].trim_start_matches('\u{feff}').is_empty();
            if bytes.get(1) == Some(&b'%') {
                self.directive(start, end);
            } else if let Some(version) = line.strip_prefix("%abc")
                && first
            {
                self.version = Some(version.trim_end().chars().take(16).collect());
            } else {
                self.comment(start + 1, end, false);
            }
            return;
        }
        if bytes.get(1) == Some(&b':') {
            if bytes[0] == b'+' {
                self.continuation(start, end);
                return;
            }
            // `e:|` starts a line of music: a note or rest before a repeat sign. `d:` and a word is the symbol
            // line of old.
            let music = self.place == Place::Body
                && matches!(bytes[0], b'a'..=b'g' | b'x' | b'z' | b'A'..=b'G' | b'Z')
                && matches!(bytes.get(2), Some(b'|' | b':' | b']'));
            if bytes[0].is_ascii_alphabetic() && !music {
                self.field_line(start, end);
                return;
            }
        }
        match self.place {
            Place::Body => self.music_line(start, end),
            Place::TuneHeader => {
                // Music before K:, or free text.
                if looks_like_music(line) {
                    self.find(
                        Severity::Error,
                        start..end,
                        "music before the key",
                        "end the header with a K: field",
                    );
                    let key = self.tune.key.clone();
                    self.tune.header.push(Field {
                        span: start..start,
                        letter: 'K',
                        text: key.to_string(),
                        inline: false,
                        change: Change::Key(Some(key), Clef::default()),
                    });
                    self.start_body();
                    self.music_line(start, end);
                } else {
                    self.find(
                        Severity::Warning,
                        start..end,
                        "a line in the header that is no field is left out",
                        "put a letter and a colon before it, such as N: for notes",
                    );
                }
            }
            Place::Between if !self.stray_said && looks_like_music(line) => {
                self.stray_said = true;
                self.keep_free_text(line, start);
                self.find(
                    Severity::Warning,
                    start..end,
                    "what looks like music stands after a blank line, which ended the tune, and is left out",
                    "leave no line blank within a tune, and start each with X:",
                );
            }
            Place::FileHeader | Place::Between => self.keep_free_text(line, start),
        }
    }

    /// Keeps a line that is no part of a tune, to be written back.
    fn keep_free_text(&mut self, line: &str, at: usize) {
        if line.len() >= self.free_text_left {
            if self.free_text_left > 0 {
                self.free_text_left = 0;
                self.find(
                    Severity::Note,
                    at..at + line.len(),
                    format!("more than {MOST_FREE_TEXT} bytes of free text; the rest is not kept"),
                    "",
                );
            }
            return;
        }
        self.free_text_left -= line.len() + 1;
        if self.spend(line.len() + 1, at) {
            self.free_text.push_str(line);
            self.free_text.push('\n');
        }
    }

    /// A line of a `%%begin…` block.
    fn block_line(&mut self, line: &str, at: usize) {
        if self.place == Place::Between {
            return self.keep_free_text(line, at);
        }
        let room = MOST_FIELD.saturating_sub(line.len() + 1);
        if !self.spend(line.len() + 1, at) {
            return;
        }
        if let Some(place) = self.block_field
            && let Some(field) = self.field_at(place)
            && field.text.len() <= room
        {
            field.text.push('\n');
            field.text.push_str(line);
        }
    }

    /// Keeps a comment; `behind` says whether it stands behind something else on its line.
    fn comment(&mut self, start: usize, end: usize, behind: bool) {
        if self.place == Place::Between {
            if !behind {
                self.keep_free_text(&self.text[start - 1..end], start);
            }
            return;
        }
        let in_header = self.place == Place::Body && self.before_voices();
        let text = self.keep(self.text[start..end].trim_end(), start);
        let span = start - 1..start + text.len();
        let field = Field {
            span: span.clone(),
            letter: Field::COMMENT,
            text,
            // What it stands behind is not in the header, where it goes.
            inline: behind && !in_header,
            change: Change::Nothing,
        };
        match self.place {
            Place::FileHeader => {
                if self.file_header.len() < 1024 {
                    self.file_header.push(field);
                }
            }
            Place::Body if !in_header => {
                self.push(None, span, ElementKind::Field(Box::new(field)));
            }
            _ => {
                if self.tune.header.len() < 4096 && self.spend(size_of::<Field>(), start) {
                    self.tune.header.push(field);
                }
            }
        }
    }

    /// Before any voice is begun a comment belongs to the header.
    fn before_voices(&self) -> bool {
        match &self.tune.voices[..] {
            [] => true,
            [only] => only.id.is_empty() && !only.elements.iter().any(is_music),
            _ => false,
        }
    }

    fn blank_line(&mut self, at: usize) {
        match self.place {
            Place::FileHeader if self.file_header.iter().any(|field| !field.is_comment()) => {
                self.place = Place::Between;
            }
            Place::FileHeader | Place::Between => {
                if !self.free_text.is_empty() {
                    self.keep_free_text("", at);
                }
            }
            Place::TuneHeader if at < self.blank_until => {}
            Place::TuneHeader => {
                // Fields may go on after it: old files have blank lines in the header.
                let goes_on = self.line_after_blanks(at).is_some_and(|line| {
                    let bytes = line.as_bytes();
                    bytes.get(1) == Some(&b':')
                        && bytes[0].is_ascii_alphabetic()
                        && bytes[0] != b'X'
                });
                if goes_on {
                    self.find(
                        Severity::Warning,
                        at..at,
                        "a blank line in the header",
                        "a blank line ends a tune; leave it out",
                    );
                } else {
                    self.finish_tune(at);
                }
            }
            Place::Body if at < self.blank_until => {}
            Place::Body => {
                // A blank line between K: and the music would leave the tune without any.
                let silent =
                    !self.tune.voices.iter().any(|voice| voice.elements.iter().any(is_music));
                let music = silent
                    && self.line_after_blanks(at).is_some_and(|line| {
                        looks_like_music(line) || line.starts_with("V:") || line.starts_with("[V:")
                    });
                if music {
                    self.find(
                        Severity::Warning,
                        at..at,
                        "a blank line before the music is read over",
                        "a blank line ends a tune; leave it out",
                    );
                } else {
                    self.finish_tune(at);
                }
            }
        }
    }

    /// The next line that is not blank; the blank ones before it are not looked at again.
    fn line_after_blanks(&mut self, at: usize) -> Option<&str> {
        let next = self.text[at..].lines().find(|line| !line.trim().is_empty());
        self.blank_until = next
            .map_or(self.text.len(), |next| next.as_ptr() as usize - self.text.as_ptr() as usize);
        next
    }

    fn start_tune(&mut self, at: usize) {
        self.finish_tune(at);
        self.stray_said = false;
        let inherited =
            self.file_header.iter().filter(|field| !field.is_comment()).cloned().collect();
        let text_before = std::mem::take(&mut self.free_text).trim_end().to_owned();
        self.tune = Tune { span: at..at, inherited, text_before, ..Tune::default() };
        self.elements = 0;
        self.elements_cut = false;
        self.voice = 0;
        self.voice_ids.clear();
        self.symbols.clear();
        self.macros.clear();
        self.voice_metres.clear();
        self.parts.clear();
        self.exclamation_breaks = false;
        self.plus_decorations = false;
        self.curly_said = false;
        self.spaces_said = false;
        self.line_ends_break = true;
        self.unit_given = false;
        self.pending = Attached::default();
        self.pending_start = None;
        self.continued = false;
        self.last_field = None;
        self.place = Place::TuneHeader;
        // The tune itself, twice for the room that the list of them grows by.
        self.spend(2 * size_of::<Tune>() + size_of::<Voice>() + 256, at);
        let mut inherited = std::mem::take(&mut self.tune.inherited);
        for field in &mut inherited {
            self.instruction(field);
            self.apply_header_field(field);
        }
        self.unit_given = inherited.iter().any(|field| matches!(field.change, Change::Unit(_)));
        let bytes: usize =
            inherited.iter().map(|field| field.text.len() + size_of::<Field>()).sum();
        self.spend(bytes, at);
        self.tune.inherited = inherited;
    }

    /// What the header says, taken over by the voices: the body starts.
    fn start_body(&mut self) {
        self.place = Place::Body;
        if !self.unit_given {
            self.tune.unit = self.tune.metre.default_unit();
        }
        self.voice = 0;
    }

    fn finish_tune(&mut self, at: usize) {
        let place = self.place;
        if place == Place::FileHeader {
            return;
        }
        self.place = Place::Between;
        if place == Place::Between {
            return;
        }
        self.drop_pending();
        let mut tune = std::mem::take(&mut self.tune);
        tune.span.end = at;
        if place == Place::TuneHeader {
            if tune.header.iter().all(|field| field.letter != 'X') {
                // Fields between tunes without K: are text to be typeset (§2.2.3), not a tune.
                return;
            }
            let key = tune.header[0].span.clone();
            self.find(
                Severity::Error,
                key,
                "a tune without a key",
                "end its header with a K: field, such as K:C or K:none",
            );
            if !self.unit_given {
                tune.unit = tune.metre.default_unit();
            }
        }
        if tune.voices.is_empty() {
            tune.voices.push(Voice::default());
        }
        if tune.voices.len() > 1 {
            // A voice that only carried what stood before the first V: is none.
            let first = &tune.voices[0];
            if first.id.is_empty() && !first.elements.iter().any(is_music) {
                let before: Vec<Element> = tune
                    .voices
                    .remove(0)
                    .elements
                    .into_iter()
                    .filter(|element| {
                        matches!(&element.kind, ElementKind::Field(field)
                            if !matches!(field.change, Change::Nothing | Change::Words | Change::Symbols))
                    })
                    .take(64)
                    .collect();
                for voice in &mut tune.voices {
                    voice.elements.splice(0..0, before.iter().cloned());
                }
                // Parts' places count the voices that are left and what now stands before their music.
                for (_, _, lengths) in self.parts.iter_mut().filter(|part| part.2.len() > 1) {
                    lengths.remove(0);
                    for length in lengths {
                        *length += before.len();
                    }
                }
            }
        }
        self.spread_parts(&mut tune);
        for voice in &mut tune.voices {
            voice.elements.shrink_to_fit();
        }
        let mut findings = tune.resolve_and_check();
        for finding in findings.drain(..) {
            self.find(finding.severity, finding.span, finding.text, &finding.hint);
        }
        self.tunes.push(tune);
    }

    /// Gives each voice the parts that only another voice starts (P: between the voices' lines).
    fn spread_parts(&mut self, tune: &mut Tune) {
        let parts = std::mem::take(&mut self.parts);
        if tune.voices.len() < 2 || tune.voices.len() != parts.last().map_or(0, |part| part.2.len())
        {
            return;
        }
        for (index, voice) in tune.voices.iter_mut().enumerate() {
            let own: Vec<char> = voice
                .elements
                .iter()
                .filter_map(|element| match &element.kind {
                    ElementKind::Field(field) => match field.change {
                        Change::Part(part) => Some(part),
                        _ => None,
                    },
                    _ => None,
                })
                .collect();
            let missing: Vec<_> = parts.iter().filter(|part| !own.contains(&part.0)).collect();
            if missing.is_empty() {
                continue;
            }
            let mut elements = Vec::with_capacity(voice.elements.len() + missing.len());
            let mut missing = missing.into_iter().peekable();
            for (at, element) in std::mem::take(&mut voice.elements).into_iter().enumerate() {
                while let Some((part, span, _)) =
                    missing.next_if(|part| part.2.get(index).copied().unwrap_or(0) <= at)
                {
                    elements.push(Element {
                        span: span.clone(),
                        attached: None,
                        kind: ElementKind::Field(Box::new(Field {
                            span: span.clone(),
                            letter: 'P',
                            text: part.to_string(),
                            inline: false,
                            change: Change::Part(*part),
                        })),
                    });
                }
                elements.push(element);
            }
            voice.elements = elements;
        }
    }

    /// What waits for a note that never comes.
    fn drop_pending(&mut self) {
        if let Some(start) = self.pending_start.take() {
            let pending = std::mem::take(&mut self.pending);
            if pending.grace.is_some() {
                self.find(
                    Severity::Warning,
                    start..start + 1,
                    "grace notes without a note after them are left out",
                    "",
                );
            } else {
                self.push(Some(Box::new(pending)), start..start, ElementKind::Spacer(Length::ZERO));
            }
        }
    }

    fn voice_mut(&mut self) -> &mut Voice {
        if self.tune.voices.is_empty() {
            self.tune.voices.push(Voice::default());
            self.voice = 0;
        }
        let at = self.voice.min(self.tune.voices.len() - 1);
        &mut self.tune.voices[at]
    }

    fn push(&mut self, attached: Option<Box<Attached>>, span: Range<usize>, kind: ElementKind) {
        if self.elements >= MOST_ELEMENTS {
            if !self.elements_cut {
                self.elements_cut = true;
                self.find(
                    Severity::Error,
                    span,
                    format!("a tune of more than {MOST_ELEMENTS} elements; the rest is left out"),
                    "split it into several tunes",
                );
            }
            return;
        }
        let mut bytes = size_of::<Element>();
        if let Some(attached) = &attached {
            bytes += size_of::<Attached>()
                + attached.chord_symbols.len() * 24
                + attached.decorations.len() * 32
                + attached.annotations.len() * 32;
            if let Some(grace) = &attached.grace {
                bytes += grace
                    .notes
                    .iter()
                    .map(|chord| 24 + chord.len() * size_of::<Note>())
                    .sum::<usize>();
            }
        }
        if let ElementKind::Chord(chord) = &kind {
            bytes += chord.notes.len() * size_of::<Note>();
        }
        if let ElementKind::Field(_) = &kind {
            bytes += size_of::<Field>();
        }
        if !self.spend(bytes, span.start) {
            return;
        }
        self.elements += 1;
        let span = self.macro_span.clone().unwrap_or(span);
        self.voice_mut().elements.push(Element { span, attached, kind });
    }

    /// Whether what the text says so far makes up a tune without X:, as snippets do.
    fn begin_without_reference(&mut self, at: usize, letter: u8) {
        if self.place == Place::FileHeader && letter == b'K' {
            let mut header = std::mem::take(&mut self.file_header);
            self.start_tune(header.first().map_or(at, |field| field.span.start));
            for field in &mut header {
                self.instruction(field);
                self.apply_header_field(field);
            }
            self.unit_given = header.iter().any(|field| matches!(field.change, Change::Unit(_)));
            self.tune.header = header;
        } else if self.place == Place::Between && matches!(letter, b'T' | b'K') {
            self.start_tune(at);
        }
    }
}

/// Whether an element is music rather than a field or layout.
fn is_music(element: &Element) -> bool {
    matches!(
        element.kind,
        ElementKind::Note(_)
            | ElementKind::Chord(_)
            | ElementKind::Rest(_)
            | ElementKind::BarsRest { .. }
            | ElementKind::Bar(_)
    )
}

#[cfg(test)]
mod tests;
