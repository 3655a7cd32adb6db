//! Core: reading information fields and directives (ABC 2.1 §3, §7, §11).

use super::super::model::*;
use super::super::{Key, Length, Metre, charset, text};
use super::{LastField, MOST_VOICES, Place, Reader};
use std::ops::Range;

/// The text before a comment: `%`, unless `\` stands before it (and not another one before that).
pub(super) fn without_comment(text: &str) -> &str {
    let bytes = text.as_bytes();
    let mut escaped = false;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte == b'%' && !escaped {
            return &text[..at];
        }
        escaped = byte == b'\\' && !escaped;
    }
    text
}

/// One word of a V: or K: field, or a `name=value` with or without quotes; and what follows it.
fn next_property(text: &str) -> Option<(&str, Option<&str>, &str)> {
    let text = text.trim_start();
    if text.is_empty() {
        return None;
    }
    let end = text.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(text.len());
    let after = text[end..].trim_start();
    if let Some(value) = after.strip_prefix('=') {
        if end == 0 {
            return Some(("", None, value));
        }
        let value = value.trim_start();
        if let Some(quoted) = value.strip_prefix('"') {
            let close = quoted.find('"').unwrap_or(quoted.len());
            return Some((
                &text[..end],
                Some(&quoted[..close]),
                &quoted[(close + 1).min(quoted.len())..],
            ));
        }
        let close = value.find(char::is_whitespace).unwrap_or(value.len());
        return Some((&text[..end], Some(&value[..close]), &value[close..]));
    }
    if let Some(quoted) = text.strip_prefix('"') {
        let close = quoted.find('"').unwrap_or(quoted.len());
        return Some((&quoted[..close], None, &quoted[(close + 1).min(quoted.len())..]));
    }
    Some((&text[..end], None, &text[end..]))
}

fn is_clef(word: &str) -> bool {
    ["treble", "alto", "tenor", "bass", "perc", "none", "auto"].iter().any(|name| {
        word.strip_prefix(name)
            .is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || "+-^_".contains(c)))
    }) || (word.len() == 2
        && word.starts_with(['G', 'C', 'F'])
        && word.ends_with(|c: char| ('1'..='5').contains(&c)))
}

/// Takes a property into a clef; false where it is none of a clef's.
fn clef_property(clef: &mut Clef, name: &str, value: Option<&str>) -> bool {
    match (name.to_ascii_lowercase().as_str(), value) {
        ("clef", Some(value)) => clef.name = Some(value.to_owned()),
        ("middle" | "m", Some(value)) => clef.middle = Some(value.to_owned()),
        ("transpose" | "t", Some(value)) => {
            clef.transpose = value.trim_start_matches('+').parse().ok()
        }
        ("octave", Some(value)) => {
            clef.octave = value.trim_start_matches('+').parse::<i8>().ok().map(|o| o.clamp(-9, 9))
        }
        ("stafflines", Some(value)) => clef.staff_lines = value.parse().ok(),
        (_, None) if is_clef(name) => clef.name = Some(name.to_owned()),
        _ => return false,
    }
    true
}

fn length(text: &str) -> Option<Length> {
    let text = text.trim();
    let (upper, lower) = match text.split_once('/') {
        Some((upper, lower)) => (upper.trim(), lower.trim()),
        None => (text, "1"),
    };
    // What stands behind the number is a slip of the hand: `L:1/16'`.
    let lower = &lower[..lower.find(|c: char| !c.is_ascii_digit()).unwrap_or(lower.len())];
    let upper: u32 = upper.parse().ok()?;
    let lower: u32 = lower.parse().ok()?;
    (upper > 0 && lower > 0 && upper <= 4096 && lower <= 4096).then(|| Length::new(upper, lower))
}

/// Reads the text of a Q: field; `unit` is what `C` stood for in old tempos.
fn tempo(text: &str, unit: Length) -> Option<Tempo> {
    let mut tempo = Tempo::default();
    let mut rest = text.trim();
    let quoted = |rest: &mut &str| -> Option<String> {
        let inner = rest.strip_prefix('"')?;
        let close = inner.find('"').unwrap_or(inner.len());
        let text = text::shown(&inner[..close], text::Kind::Plain).into_owned();
        *rest = inner[(close + 1).min(inner.len())..].trim_start();
        Some(text)
    };
    if let Some(before) = quoted(&mut rest) {
        tempo.before = before;
        if rest.is_empty() {
            return Some(tempo);
        }
    }
    let figures = |rest: &mut &str| -> Option<f64> {
        let trimmed = rest
            .trim_start()
            .trim_start_matches(|c: char| c.is_alphabetic() || c == '.' || c == ' ');
        let end = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
        let value: f64 = trimmed[..end].parse().ok()?;
        *rest = trimmed[end..].trim_start();
        (value > 0.0 && value <= 100_000_000.0).then_some(value)
    };
    if let Some((beat, after)) = rest.split_once('=') {
        for word in beat.split_whitespace() {
            if tempo.beat.len() >= 16 {
                return None;
            }
            if let Some(count) = word.strip_prefix(['C', 'c']) {
                let count = if count.is_empty() { Length::ONE } else { length(count)? };
                tempo.beat.push(unit * count);
            } else {
                tempo.beat.push(length(word)?);
            }
        }
        if tempo.beat.is_empty() {
            return None;
        }
        rest = after;
        tempo.beats_per_minute = figures(&mut rest)?;
    } else {
        // A bare number counts quarter notes, as abc2midi takes it.
        tempo.beats_per_minute = figures(&mut rest)?;
        tempo.beat.push(Length::new(1, 4));
    }
    if let Some(at) = rest.find('"') {
        let mut rest = &rest[at..];
        tempo.after = quoted(&mut rest).unwrap_or_default();
    }
    Some(tempo)
}

/// What a directive changes that is heard: `MIDI` and `percmap`.
fn midi_change(text: &str) -> Change {
    let apart = |rest: &str| rest.starts_with(|c: char| c.is_whitespace() || c == '=');
    if let Some(midi) = text.strip_prefix("MIDI").filter(|rest| apart(rest)) {
        return Change::Midi(midi_words(midi));
    }
    if text.strip_prefix("percmap").is_some_and(apart) {
        // `=` is a natural here.
        let words = text.split_whitespace().take(4);
        return Change::Midi(words.map(|word| word.chars().take(64).collect()).collect());
    }
    Change::Nothing
}

/// The words of a %%MIDI directive.
fn midi_words(text: &str) -> Vec<String> {
    text.replace('=', " = ")
        .split_whitespace()
        .filter(|&word| word != "=")
        .take(64)
        .map(|word| word.chars().take(64).collect())
        .collect()
}

impl Reader<'_> {
    /// Reads what a field says. `start..end` is its place, the letter and the colon included.
    fn field(&mut self, start: usize, end: usize, inline: bool) -> Field {
        let line = &self.text[start..end];
        let letter = char::from(line.as_bytes()[0]);
        let text = without_comment(&line[2..]);
        let span = start..start + 2 + text.trim_end().len();
        let text = match text::Kind::of_field(letter) {
            Some(kind) => self.keep(&text::shown(text.trim(), kind), start),
            None => self.keep(text.trim(), start),
        };
        if !inline {
            self.spend(2 * size_of::<Field>(), start);
        }
        let change = self.change(letter, &text, &span);
        Field { span, letter, text, inline, change }
    }

    fn change(&mut self, letter: char, text: &str, span: &Range<usize>) -> Change {
        match letter {
            'K' => self.key_change(text, span),
            'M' => match text.parse::<Metre>() {
                Ok(metre) => Change::Metre(metre),
                Err(_) => {
                    // `M:4/4 C` or `M:C| (cut)`: the first word may do.
                    let word = text.split_whitespace().next().unwrap_or_default();
                    if let Ok(metre) = word.parse::<Metre>() {
                        return Change::Metre(metre);
                    }
                    self.find(
                        Severity::Error,
                        span.clone(),
                        format!("the metre `{}` cannot be read", short(text)),
                        "write one such as 4/4, 6/8, 2+3/8, C, C| or none",
                    );
                    Change::Nothing
                }
            },
            'L' => match length(text.split_whitespace().next().unwrap_or_default())
                .or_else(|| length(text))
            {
                Some(unit) => Change::Unit(unit),
                None => {
                    self.find(
                        Severity::Error,
                        span.clone(),
                        format!("the unit note length `{}` cannot be read", short(text)),
                        "write one such as 1/8",
                    );
                    Change::Nothing
                }
            },
            'Q' => {
                let unit = if self.tune.unit == Length::ONE {
                    self.tune.metre.default_unit()
                } else {
                    self.tune.unit
                };
                match tempo(text, unit) {
                    Some(tempo) => Change::Tempo(tempo),
                    None => {
                        if !text.is_empty() {
                            self.find(
                                Severity::Error,
                                span.clone(),
                                format!("the tempo `{}` cannot be read", short(text)),
                                "write one such as 1/4=120 or \"Allegro\" 1/4=120",
                            );
                        }
                        Change::Nothing
                    }
                }
            }
            'P' if self.place == Place::Body => {
                match text.trim_matches(|c: char| c == '"' || c.is_whitespace()).chars().next() {
                    Some(part) => Change::Part(part),
                    None => Change::Nothing,
                }
            }
            'P' => Change::PartOrder(PartOrder { text: text.to_owned() }),
            'w' => Change::Words,
            's' => Change::Symbols,
            'I' => midi_change(text),
            _ => Change::Nothing,
        }
    }

    fn key_change(&mut self, text: &str, span: &Range<usize>) -> Change {
        let (mut key, mut rest) = match Key::read_prefix(text) {
            Some((key, rest)) => (Some(key), rest),
            None => (None, text),
        };
        let mut clef = Clef::default();
        let mut unknown = false;
        loop {
            // `K:D freygish _e ^f`: the accidentals are the standard's, though the word is not.
            if let Some(key) = &mut key
                && let Some((accidental, after)) = Key::read_accidental(rest)
            {
                key.add(accidental);
                rest = after;
                continue;
            }
            let Some((name, value, after)) = next_property(rest) else { break };
            if !clef_property(&mut clef, name, value) && !name.is_empty() {
                unknown = true;
            }
            rest = after;
        }
        if key.is_none() && clef == Clef::default() {
            if text.is_empty() {
                key = Some(Key::default());
            } else {
                self.find(
                    Severity::Error,
                    span.clone(),
                    format!("the key `{}` cannot be read", short(text)),
                    "write a tonic and a mode, such as G, Dmaj, F#m or E dorian",
                );
            }
        } else if unknown {
            self.find(
                Severity::Note,
                span.clone(),
                "words after the key that are not understood are kept as they are",
                "",
            );
        }
        Change::Key(key, clef)
    }

    /// A line of the form `A:text`.
    pub(super) fn field_line(&mut self, start: usize, end: usize) {
        let letter = self.text.as_bytes()[start];
        self.begin_without_reference(start, letter);
        if letter == b'X' {
            if self.place == Place::Body {
                self.find(
                    Severity::Warning,
                    start..start + 2,
                    "a tune starts without a blank line before it",
                    "leave a line empty between tunes",
                );
            }
            self.start_tune(start);
        }
        if self.place == Place::Between {
            return self.keep_free_text(&self.text[start..end], start);
        }
        if self.place == Place::Body {
            self.body_field(start, end, false);
            self.comment_behind(start, end);
            return;
        }
        let mut field = self.field(start, end, false);
        self.instruction(&mut field);
        if self.place == Place::FileHeader {
            if self.file_header.len() < 1024 {
                self.file_header.push(field);
                self.last_field = Some(LastField::File);
                self.comment_behind(start, end);
            }
            return;
        }
        if letter == b'X' {
            self.tune.reference = field.text.parse().unwrap_or_else(|_| {
                let digits: String =
                    field.text.chars().take_while(char::is_ascii_digit).take(9).collect();
                digits.parse().unwrap_or(0)
            });
            if self.tune.reference == 0 {
                self.find(
                    Severity::Warning,
                    field.span.clone(),
                    "the reference number is not a positive number",
                    "write X:1",
                );
            }
        }
        match &field.change {
            Change::Unit(_) => self.unit_given = true,
            Change::Key(key, _) => {
                if let Some(key) = key {
                    self.tune.key = key.clone();
                }
                if self.tune.header.iter().all(|field| field.letter != 'X') {
                    self.find(
                        Severity::Warning,
                        start..start + 1,
                        "a tune without a reference number",
                        "start it with an X: field, such as X:1",
                    );
                }
            }
            _ => {}
        }
        self.apply_header_field(&field);
        self.tune.header.push(field);
        self.last_field = Some(LastField::Header);
        self.comment_behind(start, end);
        if letter == b'K' {
            self.start_body();
        }
    }

    /// Keeps the comment at the end of a line.
    pub(super) fn comment_behind(&mut self, start: usize, end: usize) {
        let before = without_comment(&self.text[start..end]).len();
        if start + before < end {
            let behind = self.keeps_field_of(start);
            self.comment(start + before + 1, end, behind);
        }
    }

    /// Whether the field that starts here is the last thing kept where a comment would be kept now: one that begins or
    /// goes on with a voice is kept nowhere, and a macro's music stands where it is used.
    fn keeps_field_of(&mut self, start: usize) -> bool {
        let field = match self.place {
            Place::FileHeader => self.file_header.last(),
            Place::Body if !self.before_voices() => {
                match self.voice_mut().elements.last().map(|element| &element.kind) {
                    Some(ElementKind::Field(field)) => Some(&**field),
                    _ => None,
                }
            }
            _ => self.tune.header.last(),
        };
        field.is_some_and(|field| field.span.start == start && field.letter != 'm')
    }

    /// Takes over what a header's field says for the whole tune.
    pub(super) fn apply_header_field(&mut self, field: &Field) {
        match &field.change {
            Change::Metre(metre) => self.tune.metre = metre.clone(),
            Change::Unit(unit) => self.tune.unit = *unit,
            Change::Tempo(tempo) => self.tune.tempo = Some(tempo.clone()),
            Change::PartOrder(order) => self.tune.parts = Some(order.clone()),
            _ => {}
        }
        match field.letter {
            'U' => self.define_symbol(&field.text, &field.span),
            'm' => self.define_macro(&field.text),
            'V' => self.voice_field(&field.text, &field.span),
            _ => {}
        }
    }

    /// A field among the music.
    pub(super) fn body_field(&mut self, start: usize, end: usize, inline: bool) {
        let mut field = self.field(start, end, inline);
        match field.letter {
            'U' => self.define_symbol(&field.text, &field.span),
            'm' => self.define_macro(&field.text),
            'I' => self.instruction(&mut field),
            'V' => {
                if inline && !self.tune.voices.is_empty() {
                    self.note_voice_of_line();
                }
                self.voice_field(&field.text, &field.span);
                self.last_field = None;
                return;
            }
            _ => {}
        }
        if let Change::Part(part) = field.change {
            self.log_part(part, &field.span);
        }
        let span = field.span.clone();
        self.push_field(field, span);
        self.note_metre();
    }

    fn push_field(&mut self, field: Field, span: Range<usize>) {
        self.push(None, span, ElementKind::Field(Box::new(field)));
        let voice = self.voice.min(self.tune.voices.len().saturating_sub(1));
        let length = self.voice_mut().elements.len();
        self.last_field = Some(LastField::Body(voice, length.saturating_sub(1)));
    }

    /// `%%…`: a directive, in any place.
    pub(super) fn directive(&mut self, start: usize, end: usize) {
        let text = self.text[start + 2..end].trim();
        if text == &charset::CUT[2..] {
            self.find(
                Severity::Error,
                start..end,
                format!(
                    "the file makes more than {} bytes of UTF-8; the rest is cut",
                    charset::MOST_DECODED
                ),
                "store it as UTF-8, or split it into smaller tunebooks",
            );
            return;
        }
        let first = text.split_whitespace().next().unwrap_or_default();
        if matches!(
            first,
            "begintext" | "beginps" | "beginsvg" | "beginml" | "beginjs" | "begincss"
        ) {
            self.block_end = Some(format!("end{}", &first[5..]));
        }
        if self.place == Place::Between {
            return self.keep_free_text(&self.text[start..end], start);
        }
        let text =
            if matches!(first, "MIDI" | "percmap") { without_comment(text).trim() } else { text };
        let text = self.keep(text, start);
        let change = midi_change(&text);
        let span = start..end;
        let mut field = Field { span: span.clone(), letter: '%', text, inline: false, change };
        self.instruction(&mut field);
        self.block_field = None;
        match self.place {
            Place::FileHeader if self.file_header.len() < 1024 => {
                self.file_header.push(field);
                self.block_field = Some(LastField::File);
            }
            Place::TuneHeader if self.tune.header.len() < 4096 => {
                self.tune.header.push(field);
                self.block_field = Some(LastField::Header);
            }
            Place::Body => {
                self.push_field(field, span);
                self.block_field = self.last_field;
            }
            _ => {}
        }
    }

    /// The field that `+:` goes on with.
    fn continued_field(&mut self) -> Option<&mut Field> {
        self.field_at(self.last_field?)
    }

    pub(super) fn field_at(&mut self, place: LastField) -> Option<&mut Field> {
        match place {
            LastField::File => self.file_header.iter_mut().rfind(|field| !field.is_comment()),
            LastField::Header => self.tune.header.iter_mut().rfind(|field| !field.is_comment()),
            LastField::Body(voice, at) => {
                match &mut self.tune.voices.get_mut(voice)?.elements.get_mut(at)?.kind {
                    ElementKind::Field(field) => Some(field),
                    _ => None,
                }
            }
        }
    }

    /// `+:` goes on with the field before it (§3.3).
    pub(super) fn continuation(&mut self, start: usize, end: usize) {
        let text = without_comment(&self.text[start + 2..end]).trim();
        let kind = self.continued_field().and_then(|field| text::Kind::of_field(field.letter));
        let text = match kind {
            Some(kind) => self.keep(&text::shown(text, kind), start),
            None => self.keep(text, start),
        };
        match self.continued_field() {
            Some(field) => {
                if field.text.len() + text.len() <= super::MOST_FIELD {
                    field.text.push(' ');
                    field.text.push_str(&text);
                }
                // Keys and tempos are short; longer ones are kept as texts.
                if matches!(field.letter, 'K' | 'Q') && field.text.len() <= 256 {
                    let (letter, text, span) =
                        (field.letter, field.text.clone(), field.span.clone());
                    let change = self.change(letter, &text, &span);
                    if matches!(self.last_field, Some(LastField::Header)) {
                        match &change {
                            Change::Key(Some(key), _) => self.tune.key = key.clone(),
                            Change::Tempo(tempo) => self.tune.tempo = Some(tempo.clone()),
                            _ => {}
                        }
                    }
                    if let Some(field) = self.continued_field() {
                        field.change = change;
                    }
                }
            }
            None => {
                if self.place != Place::Between {
                    self.find(
                        Severity::Warning,
                        start..end,
                        "`+:` without a field before it is left out",
                        "",
                    );
                }
            }
        }
    }

    /// I: and `%%` directives that change how the music is read (§11.4).
    pub(super) fn instruction(&mut self, field: &mut Field) {
        if !matches!(field.letter, 'I' | '%') {
            return;
        }
        let mut words = field.text.split_whitespace();
        match words.next() {
            Some("abc-charset") => {
                let name = words.next().unwrap_or_default();
                if charset::by_name(name).is_none() {
                    self.find(
                        Severity::Warning,
                        field.span.clone(),
                        format!("the character set `{}` is not known", short(name)),
                        "store the file as UTF-8",
                    );
                }
                // Once it is text, it is in no other.
                field.text = "abc-charset utf-8".to_owned();
            }
            Some("linebreak") => {
                let words: Vec<&str> = words.collect();
                self.exclamation_breaks = words.contains(&"!");
                self.line_ends_break = words.contains(&"<EOL>");
            }
            Some("decoration") if words.next() == Some("+") => {
                self.exclamation_breaks = true;
                self.plus_decorations = true;
            }
            _ => {}
        }
    }

    /// U: makes a letter a decoration (§4.16): `U: T = !trill!`.
    fn define_symbol(&mut self, text: &str, span: &Range<usize>) {
        let definition = text.split_once('=').and_then(|(letter, value)| {
            let letter = letter.trim();
            let first = letter.chars().next()?;
            (letter.len() == 1 && (first == '~' || first.is_ascii_alphabetic()))
                .then_some((first, value.trim()))
        });
        let Some((letter, value)) = definition else {
            self.find(
                Severity::Warning,
                span.clone(),
                "a definition of a letter that cannot be read is left out",
                "write it as in U: T = !trill!",
            );
            return;
        };
        let name = value.trim_matches(['!', '+', '"']);
        let name: String = name.chars().take(64).collect();
        if self.symbols.len() < 64 {
            self.symbols.insert(letter, name);
        }
    }

    /// m: gives a name to a piece of music (§9).
    fn define_macro(&mut self, text: &str) {
        if let Some((target, value)) = text.split_once('=') {
            let (target, value) = (target.trim(), value.trim());
            if !target.is_empty()
                && target.len() <= 32
                && value.len() <= 256
                && self.macros.len() < 64
            {
                self.macros.push((target.to_owned(), value.to_owned()));
            }
        }
    }

    /// Makes a voice the current one, new where it has not been mentioned (§7.1).
    fn voice_field(&mut self, text: &str, span: &Range<usize>) {
        let Some((id, _, mut rest)) = next_property(text) else {
            self.find(Severity::Warning, span.clone(), "a V: field without a voice", "write V:1");
            return;
        };
        if self.place == Place::Body {
            self.drop_pending();
        }
        let at = match self.voice_ids.get(id) {
            Some(&at) => at,
            None => {
                if self.tune.voices.len() >= MOST_VOICES {
                    self.find(
                        Severity::Error,
                        span.clone(),
                        format!(
                            "more than {MOST_VOICES} voices; this one goes on in the voice before"
                        ),
                        "",
                    );
                    return;
                }
                let id: String = id.chars().take(64).collect();
                self.tune.voices.push(Voice { id: id.clone(), ..Voice::default() });
                self.voice_ids.insert(id, self.tune.voices.len() - 1);
                self.tune.voices.len() - 1
            }
        };
        self.voice = at;
        let voice = &mut self.tune.voices[at];
        while let Some((name, value, after)) = next_property(rest) {
            rest = after;
            // No property has a name with spaces: a text in quotation marks alone is none.
            if name.is_empty()
                || name.contains(char::is_whitespace)
                || clef_property(&mut voice.clef, name, value)
            {
                continue;
            }
            let value = text::shown(value.unwrap_or_default(), text::Kind::Plain);
            let (name, value) = (name.to_owned(), value.into_owned());
            match voice.properties.iter().position(|(known, _)| *known == name) {
                Some(known) => voice.properties[known].1 = value,
                None if voice.properties.len() < 32 => voice.properties.push((name, value)),
                None => {}
            }
        }
    }
}

/// The start of a text, for a finding.
fn short(text: &str) -> String {
    text.chars().take(24).collect()
}
