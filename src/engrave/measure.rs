//! Core: a voice as measures of events, beamed, tied and slurred, before it has a place on the page.

use super::smufl::{self, Glyph};
use earworm_abc::{
    Accidental, AnnotationPlace, Attached, Bar, BarLine, Change, Clef, ElementKind, Length, Metre,
    MetreSign, Step, Tempo, Tune, Voice, model::Note,
};
use std::ops::Range;

/// Which event of a part: measure, then event within it.
pub(super) type Place = (usize, usize);

/// A note head: its event, and which of the event's heads it is.
pub(super) type HeadPlace = (Place, usize);

/// One voice.
pub(super) struct Part {
    /// The measures in order.
    pub measures: Vec<Measure>,
    /// Groups of events under one beam, at least two each.
    pub beams: Vec<Vec<Place>>,
    /// Tuplets: the figure and the events.
    pub tuplets: Vec<(u16, Vec<Place>)>,
    /// Ties: from an event's head to another event's head (indices of heads).
    pub ties: Vec<(HeadPlace, Option<HeadPlace>)>,
    /// Slurs from event to event; dotted ones are drawn like the others.
    pub slurs: Vec<(Place, Option<Place>)>,
    /// The voice's name, where it has one.
    pub name: String,
}

/// The music between two bar lines.
#[derive(Default)]
pub(super) struct Measure {
    /// What stands in it, in the order of the text.
    pub events: Vec<Event>,
    /// A repeat starts with it, and where that is written.
    pub repeats: Option<Range<usize>>,
    /// The bar line that ends it; none where the text ends before.
    pub bar: Option<(Bar, Range<usize>)>,
    /// A variant ending starts with it.
    pub ending: Option<(String, Range<usize>)>,
    /// A part starts with it.
    pub label: Option<(String, Range<usize>)>,
    /// The tempo changes with it.
    pub tempo: Option<(Tempo, Range<usize>)>,
    /// The metre that stands between the key and a repeat at the very start of the tune.
    pub metre: Option<(Metre, Range<usize>)>,
    /// How long it is, in whole notes.
    pub duration: Length,
    /// Clef, key and metre in force at its start.
    pub clef: ClefSign,
    pub key: KeySign,
    /// The line of text ended with it.
    pub line_end: bool,
}

/// A thing in a measure.
pub(super) struct Event {
    /// When, in whole notes from the bar line.
    pub onset: Length,
    /// 0, or more for music after `&`.
    pub layer: u8,
    /// Its place in the text.
    pub span: Range<usize>,
    pub kind: EventKind,
    pub attached: Attached,
    /// The syllables under it, verse by verse.
    pub lyrics: Vec<String>,
}

pub(super) enum EventKind {
    Notes(Notes),
    Rest(Value),
    /// Bars of rest and whether they are drawn.
    BarsRest(u32),
    Clef(ClefSign),
    /// The new key, and what it cancels.
    Key(KeySign, KeySign),
    Metre(Metre),
    /// Takes room and carries what is attached to it.
    Spacer,
}

/// A note or chord.
pub(super) struct Notes {
    pub value: Value,
    /// From the lowest to the highest.
    pub heads: Vec<Head>,
    /// Which beam it is under.
    pub beam: Option<usize>,
    /// It only lengthens the note before it.
    pub continues: bool,
}

#[derive(Clone, Copy)]
pub(super) struct Head {
    /// Half spaces above the bottom line.
    pub position: i16,
    pub accidental: Option<Accidental>,
    pub tied: bool,
    /// To find what a tie leads to: the pitch that sounds.
    pub pitch: (i16, i8),
}

/// A note value: `2^-power` whole notes (-1 is a breve), and dots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub power: i8,
    pub dots: u8,
}

impl Value {
    /// The longest value with at most three dots that is not longer than this many whole notes.
    pub(super) fn of(length: Length) -> Self {
        let (numerator, denominator) =
            (u64::from(length.numerator()), u64::from(length.denominator()));
        let mut power: i8 = -1;
        // 2^-power <= n/d, that is d <= n * 2^power; for the breve 2d <= n.
        let fits = |power: i8| match power {
            -1 => 2 * denominator <= numerator,
            power => denominator <= numerator << power,
        };
        while power < 7 && !fits(power) {
            power += 1;
        }
        let mut dots = 0;
        while dots < 3 {
            let next = dots + 1;
            // (2^(next+1) - 1) / 2^next of the value: compare over 2^(power + next).
            let shift = i32::from(power) + i32::from(next);
            let sum = (1u64 << (next + 1)) - 1;
            let enough = match shift {
                shift if shift >= 0 => sum * denominator <= numerator << shift,
                _ => sum * denominator * 2 <= numerator,
            };
            if !enough {
                break;
            }
            dots = next;
        }
        Self { power, dots }
    }

    /// How long it lasts, in whole notes.
    fn length(self) -> Length {
        let dotted = Length::new((1 << (self.dots + 1)) - 1, 1 << self.dots);
        match self.power {
            power if power < 0 => dotted * Length::new(2, 1),
            power => dotted * Length::new(1, 1 << power),
        }
    }

    /// Any length as values that are tied together, with the length of each: most are one value, five quavers are
    /// two.
    fn tied(length: Length) -> Vec<(Self, Length)> {
        /// More than this no player reads as one note.
        const MOST: usize = 3;
        let mut pieces = Vec::new();
        let mut rest = length;
        while pieces.len() < MOST {
            // Nine units are three beats of three, as in 9/8.
            let piece = match rest.numerator() {
                9 => Self::of(Length::new(6, rest.denominator())),
                _ => Self::of(rest),
            };
            let long = piece.length();
            let left = rest.saturating_sub(long);
            if left.is_zero() || left.denominator() > 128 || pieces.len() + 1 == MOST {
                pieces.push((piece, rest));
                break;
            }
            pieces.push((piece, long));
            rest = left;
        }
        pieces
    }

    /// Flags or beams.
    pub(super) fn flags(self) -> u8 {
        (self.power - 2).clamp(0, 5) as u8
    }
}

/// A clef on a staff.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ClefSign {
    pub glyph: Option<Glyph>,
    /// The line that the glyph's origin stands on, 1 for the lowest.
    pub line: i16,
    /// Steps above middle C of the bottom line.
    pub bottom: i16,
}

impl Default for ClefSign {
    fn default() -> Self {
        Self { glyph: Some(smufl::G_CLEF), line: 2, bottom: 2 }
    }
}

impl ClefSign {
    /// The clef that K: or V: asks for; `None` where they ask for none.
    fn of(clef: &Clef) -> Option<Self> {
        let name = clef.name.as_deref().unwrap_or_default();
        if name.is_empty() && clef.middle.is_none() {
            return None;
        }
        let plain = name.trim_end_matches(['+', '-', '8', '1', '5']);
        let octave = name[plain.len()..].trim_start_matches(char::is_numeric);
        let digits =
            plain.len() - plain.trim_end_matches(|letter: char| letter.is_ascii_digit()).len();
        let (word, line) = plain.split_at(plain.len() - digits);
        let line: Option<i16> = line.parse().ok().filter(|line| (1..=5).contains(line));
        let (kind, own, up) = match word.to_ascii_lowercase().as_str() {
            "bass" | "f" => (smufl::F_CLEF, 4, -4),
            "alto" => (smufl::C_CLEF, 3, 0),
            "tenor" => (smufl::C_CLEF, 4, 0),
            "soprano" => (smufl::C_CLEF, 1, 0),
            "mezzosoprano" => (smufl::C_CLEF, 2, 0),
            "baritone" => (smufl::F_CLEF, 3, -4),
            "c" => (smufl::C_CLEF, 3, 0),
            "perc" | "p" => (smufl::UNPITCHED_PERCUSSION_CLEF_1, 3, 6),
            _ => (smufl::G_CLEF, 2, 4),
        };
        let line = line.unwrap_or(own);
        // The 8 only tells players to sound an octave away: the written place is the same.
        let glyph = match (kind == smufl::G_CLEF, octave) {
            (true, "-8" | "-") => smufl::G_CLEF_8VB,
            (true, "+8" | "+") => smufl::G_CLEF_8VA,
            (false, "-8" | "-") if kind == smufl::F_CLEF => smufl::F_CLEF_8VB,
            (false, "+8" | "+") if kind == smufl::F_CLEF => smufl::F_CLEF_8VA,
            _ => kind,
        };
        let mut sign =
            Self { glyph: (word != "none").then_some(glyph), line, bottom: up - 2 * (line - 1) };
        if let Some(step) = clef.middle.as_deref().and_then(written_step) {
            sign.bottom = step - 4;
        }
        Some(sign)
    }
}

/// Steps above middle C of a note as ABC writes it: `C,`, `d'`.
/// The share of a duration that a part of its written value takes.
fn share(duration: Length, part: Length, value: Length) -> Length {
    match part == value {
        true => duration,
        false => duration * part / value,
    }
}

fn written_step(text: &str) -> Option<i16> {
    let letter = text.chars().next()?;
    let step = Step::from_letter(letter)? as i16;
    let octave = if letter.is_lowercase() { 7 } else { 0 };
    let marks: i16 = text
        .chars()
        .skip(1)
        .map(|mark| match mark {
            '\'' => 7,
            ',' => -7,
            _ => 0,
        })
        .sum();
    Some(step + octave + marks)
}

/// A key signature: semitones by step, from C to B.
pub(super) type KeySign = [i8; 7];

/// The signs of a key signature in the order they are written, with their half spaces above the bottom line of a
/// treble staff.
pub(super) fn signature(key: KeySign) -> Vec<(Step, i8, i16)> {
    use Step::{A, B, C, D, E, F, G};
    const SHARPS: [(Step, i16); 7] = [(F, 8), (C, 5), (G, 9), (D, 6), (A, 3), (E, 7), (B, 4)];
    const FLATS: [(Step, i16); 7] = [(B, 4), (E, 7), (A, 3), (D, 6), (G, 2), (C, 5), (F, 1)];
    let of = |order: [(Step, i16); 7], sharp: bool| {
        order.into_iter().filter_map(move |(step, position)| {
            let alteration = key[step as usize];
            ((alteration > 0) == sharp && alteration != 0).then_some((step, alteration, position))
        })
    };
    of(SHARPS, true).chain(of(FLATS, false)).collect()
}

struct Reader {
    part: Part,
    measure: Measure,
    clef: ClefSign,
    key: KeySign,
    metre: Metre,
    at: Length,
    layer: u8,
    /// Open slurs.
    slurs: Vec<Option<Place>>,
    slur_waits: usize,
    /// Tied heads that wait for their other end.
    ties: Vec<(Place, usize)>,
    tuplet: Option<(usize, u16)>,
    /// Events of the beam that is being gathered.
    beam: Vec<Place>,
    /// Beam by the metre: the text has no spaces to say how.
    by_metre: bool,
    /// Where in the notes the current line of music began, for lyrics.
    line_start: Place,
    /// Where the next line of music will begin, once a note comes.
    next_line: Option<Place>,
    verse: usize,
}

impl Part {
    /// Reads a voice.
    pub(super) fn read(tune: &Tune, voice: &Voice) -> Self {
        let clef = ClefSign::of(&voice.clef)
            .or_else(|| {
                tune.header.iter().find_map(|field| match &field.change {
                    Change::Key(_, clef) => ClefSign::of(clef),
                    _ => None,
                })
            })
            .unwrap_or_default();
        let by_metre =
            !voice.elements.iter().any(|element| matches!(element.kind, ElementKind::BeamBreak));
        let name = voice
            .properties
            .iter()
            .find(|(name, _)| name == "name" || name == "nm")
            .map_or_else(String::new, |(_, value)| value.trim_matches('"').to_owned());
        let mut reader = Reader {
            part: Self {
                measures: Vec::new(),
                beams: Vec::new(),
                tuplets: Vec::new(),
                ties: Vec::new(),
                slurs: Vec::new(),
                name,
            },
            measure: Measure::default(),
            clef,
            key: tune.key.alterations(),
            metre: tune.metre.clone(),
            at: Length::ZERO,
            layer: 0,
            slurs: Vec::new(),
            slur_waits: 0,
            ties: Vec::new(),
            tuplet: None,
            beam: Vec::new(),
            by_metre,
            line_start: (0, 0),
            next_line: None,
            verse: 0,
        };
        reader.open_measure();
        if let Some(tempo) = &tune.tempo {
            let span = tune
                .header
                .iter()
                .find(|field| field.letter == 'Q')
                .map_or(0..0, |field| field.span.clone());
            reader.measure.tempo = Some((tempo.clone(), span));
        }
        if tune.metre.sign != MetreSign::None {
            let span = tune
                .header
                .iter()
                .find(|field| field.letter == 'M')
                .map_or(0..0, |field| field.span.clone());
            reader.measure.metre = Some((tune.metre.clone(), span));
        }
        for element in &voice.elements {
            let attached = element.attached.as_deref().cloned().unwrap_or_default();
            reader.element(&element.kind, element.span.clone(), attached);
        }
        reader.finish()
    }
}

impl Reader {
    fn open_measure(&mut self) {
        self.measure = Measure {
            clef: self.clef,
            key: self.key,
            duration: Length::ZERO,
            ..Measure::default()
        };
        self.at = Length::ZERO;
        self.layer = 0;
    }

    fn place(&self) -> Place {
        (self.part.measures.len(), self.measure.events.len())
    }

    /// Whether anything but signatures stands in the measure.
    fn has_music(&self) -> bool {
        self.measure.events.iter().any(|event| {
            matches!(
                event.kind,
                EventKind::Notes(_)
                    | EventKind::Rest(_)
                    | EventKind::BarsRest(_)
                    | EventKind::Spacer
            )
        })
    }

    fn push(&mut self, kind: EventKind, span: Range<usize>, attached: Attached) {
        self.measure.events.push(Event {
            onset: self.at,
            layer: self.layer,
            span,
            kind,
            attached,
            lyrics: Vec::new(),
        });
    }

    fn element(&mut self, kind: &ElementKind, span: Range<usize>, attached: Attached) {
        match kind {
            ElementKind::Note(note) => {
                let heads = vec![self.head(note, note.tie.is_some())];
                self.notes(heads, note.value, note.duration, span, attached);
            }
            ElementKind::Chord(chord) => {
                let mut heads: Vec<Head> = chord
                    .notes
                    .iter()
                    .map(|note| self.head(note, note.tie.is_some() || chord.tie.is_some()))
                    .collect();
                heads.sort_by_key(|head| head.position);
                if !heads.is_empty() {
                    self.notes(heads, chord.value, chord.duration, span, attached);
                }
            }
            ElementKind::Rest(rest) => {
                self.close_beam();
                self.count_tuplet();
                if rest.invisible {
                    self.push(EventKind::Spacer, span, attached);
                    self.advance(rest.duration);
                    return;
                }
                let mut attached = Some(attached);
                for (value, part) in Value::tied(rest.value) {
                    let attached = attached.take().unwrap_or_default();
                    self.push(EventKind::Rest(value), span.clone(), attached);
                    self.advance(share(rest.duration, part, rest.value));
                }
            }
            ElementKind::BarsRest { bars, invisible } => {
                self.close_beam();
                let kind = match invisible {
                    true => EventKind::Spacer,
                    false => EventKind::BarsRest((*bars).max(1)),
                };
                self.push(kind, span, attached);
                let bar = self.metre.bar().unwrap_or(Length::ONE);
                self.advance(bar);
            }
            ElementKind::Spacer(_) => self.push(EventKind::Spacer, span, attached),
            ElementKind::BeamBreak => self.close_beam(),
            ElementKind::Tuplet { p, r, .. } => {
                self.part.tuplets.push((*p, Vec::new()));
                self.tuplet = Some((self.part.tuplets.len() - 1, *r));
            }
            ElementKind::SlurStart { .. } => self.slur_waits += 1,
            ElementKind::SlurEnd => {
                let last = self
                    .measure
                    .events
                    .iter()
                    .rposition(|event| matches!(event.kind, EventKind::Notes(_)));
                if let Some(start) = self.slurs.pop().flatten()
                    && let Some(index) = last
                {
                    let end = (self.part.measures.len(), index);
                    if end != start {
                        self.part.slurs.push((start, Some(end)));
                    }
                }
            }
            ElementKind::Bar(bar) => self.bar(*bar, span, attached),
            ElementKind::Ending(ending) => {
                let text = match ending.passes.is_empty() {
                    true => ending.text.clone(),
                    false => {
                        let passes: Vec<String> = ending
                            .passes
                            .iter()
                            .map(|&(first, last)| match first == last {
                                true => format!("{first}"),
                                false => format!("{first}–{last}"),
                            })
                            .collect();
                        format!("{}.", passes.join(", "))
                    }
                };
                self.measure.ending = Some((text, span));
            }
            ElementKind::Field(field) => match &field.change {
                Change::Key(key, clef) => {
                    if let Some(sign) = ClefSign::of(clef)
                        && sign != self.clef
                    {
                        self.clef = sign;
                        self.signature(EventKind::Clef(sign), field.span.clone());
                    }
                    let new = key.as_ref().map_or(self.key, |key| key.alterations());
                    if new != self.key {
                        let old = std::mem::replace(&mut self.key, new);
                        self.signature(EventKind::Key(new, old), field.span.clone());
                    }
                }
                Change::Metre(metre) if *metre != self.metre => {
                    self.metre = metre.clone();
                    if metre.sign != MetreSign::None {
                        self.signature(EventKind::Metre(metre.clone()), field.span.clone());
                    }
                }
                Change::Tempo(tempo) => {
                    self.measure.tempo = Some((tempo.clone(), field.span.clone()));
                }
                Change::Part(part) => {
                    self.measure.label = Some((part.to_string(), field.span.clone()));
                }
                Change::Words => self.words(&field.text),
                _ => {}
            },
            ElementKind::Overlay { .. } => {
                self.close_beam();
                self.at = Length::ZERO;
                self.layer = self.layer.saturating_add(1);
            }
            ElementKind::LineBreak(_) => {
                self.close_beam();
                if self.has_music() {
                    self.measure.line_end = true;
                } else if let Some(last) = self.part.measures.last_mut() {
                    last.line_end = true;
                }
                self.next_line = Some(self.place());
            }
            ElementKind::Broken(_) | ElementKind::Unknown(_) => {}
        }
    }

    fn head(&self, note: &Note, tied: bool) -> Head {
        let step = note.pitch.staff_step();
        Head {
            position: step - self.clef.bottom,
            accidental: note.pitch.accidental,
            tied,
            pitch: (step, note.alteration),
        }
    }

    /// A signature inside the music; before the first measure's music it takes the header's place.
    fn signature(&mut self, kind: EventKind, span: Range<usize>) {
        self.close_beam();
        if self.part.measures.is_empty() && !self.has_music() {
            match kind {
                EventKind::Clef(_) => self.measure.clef = self.clef,
                EventKind::Key(..) => self.measure.key = self.key,
                EventKind::Metre(metre) => self.measure.metre = Some((metre, span)),
                _ => {}
            }
            return;
        }
        self.push(kind, span, Attached::default());
    }

    /// A note or chord; one that no single value stands for becomes several, tied.
    fn notes(
        &mut self,
        heads: Vec<Head>,
        value: Length,
        duration: Length,
        span: Range<usize>,
        attached: Attached,
    ) {
        let pieces = Value::tied(value);
        let last = pieces.len() - 1;
        let mut attached = Some(attached);
        for (index, (piece, part)) in pieces.into_iter().enumerate() {
            let heads = heads
                .iter()
                .map(|head| Head {
                    tied: head.tied || index < last,
                    accidental: head.accidental.filter(|_| index == 0),
                    ..*head
                })
                .collect();
            let notes = Notes { value: piece, heads, beam: None, continues: index > 0 };
            let duration = share(duration, part, value);
            self.push_notes(notes, duration, span.clone(), attached.take().unwrap_or_default());
        }
    }

    fn push_notes(
        &mut self,
        notes: Notes,
        duration: Length,
        span: Range<usize>,
        attached: Attached,
    ) {
        if let Some(start) = self.next_line.take() {
            self.line_start = start;
            self.verse = 0;
        }
        let place = self.place();
        let Notes { value, heads, .. } = &notes;
        if self.by_metre && self.starts_beat() {
            self.close_beam();
        }
        if value.flags() == 0 {
            self.close_beam();
        }
        for waiting in std::mem::take(&mut self.ties) {
            let (from, index) = waiting;
            let pitch = self.pitch_of(from, index);
            let to = heads.iter().position(|head| Some(head.pitch) == pitch);
            let ends = to.map(|head| (place, head));
            self.part.ties.push((waiting, ends));
        }
        for (index, head) in heads.iter().enumerate() {
            if head.tied {
                self.ties.push((place, index));
            }
        }
        for _ in 0..std::mem::take(&mut self.slur_waits) {
            self.slurs.push(Some(place));
        }
        if !notes.continues {
            self.count_tuplet();
        }
        let grouped = value.flags() > 0;
        self.push(EventKind::Notes(notes), span, attached);
        if grouped {
            self.beam.push(place);
        }
        self.advance(duration);
    }

    fn pitch_of(&self, (measure, event): Place, head: usize) -> Option<(i16, i8)> {
        let measure = match self.part.measures.get(measure) {
            Some(measure) => measure,
            None => &self.measure,
        };
        match &measure.events.get(event)?.kind {
            EventKind::Notes(notes) => notes.heads.get(head).map(|head| head.pitch),
            _ => None,
        }
    }

    fn count_tuplet(&mut self) {
        let place = self.place();
        if let Some((tuplet, left)) = &mut self.tuplet {
            self.part.tuplets[*tuplet].1.push(place);
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.tuplet = None;
            }
        }
    }

    /// Whether a beam must not cross from before to here: a beat starts (a half bar for quavers in 4/4).
    fn starts_beat(&self) -> bool {
        let beat = match &self.metre {
            metre if metre.is_compound() => Length::new(3, u32::from(metre.unit)),
            Metre { sign, beats, unit, .. } if *sign != MetreSign::None => {
                if beats.len() > 1 {
                    let mut at = Length::ZERO;
                    return beats.iter().any(|&group| {
                        let starts = at == self.at;
                        at = at + Length::new(u32::from(group), u32::from(*unit));
                        starts
                    });
                }
                match (beats[..].first(), unit) {
                    (Some(4), 4) | (Some(2), 2) => Length::new(1, 2),
                    (_, 8) => Length::new(1, 4),
                    (_, unit) => Length::new(1, u32::from(*unit)),
                }
            }
            _ => Length::new(1, 4),
        };
        (self.at / beat).denominator() == 1
    }

    fn advance(&mut self, duration: Length) {
        self.at = self.at + duration;
        self.measure.duration = self.measure.duration.max(self.at);
    }

    fn close_beam(&mut self) {
        let group = std::mem::take(&mut self.beam);
        if group.len() < 2 {
            return;
        }
        let number = self.part.beams.len();
        for &(measure, event) in &group {
            let measure = match self.part.measures.get_mut(measure) {
                Some(measure) => measure,
                None => &mut self.measure,
            };
            if let EventKind::Notes(notes) = &mut measure.events[event].kind {
                notes.beam = Some(number);
            }
        }
        self.part.beams.push(group);
    }

    fn bar(&mut self, bar: Bar, span: Range<usize>, attached: Attached) {
        self.close_beam();
        let carries = !attached.chord_symbols.is_empty()
            || !attached.annotations.is_empty()
            || !attached.decorations.is_empty();
        if carries {
            self.push(EventKind::Spacer, span.clone(), attached);
        }
        if self.has_music() {
            self.measure.bar = Some((bar, span.clone()));
            let full = std::mem::take(&mut self.measure);
            self.part.measures.push(full);
            self.open_measure();
        } else if let Some(last) = self.part.measures.last_mut()
            && let Some((before, _)) = &mut last.bar
        {
            // Two bar lines with nothing between them are one: `|` at a line's end, then `|:`.
            before.repeat_end = before.repeat_end.max(bar.repeat_end);
            if before.line == BarLine::Thin {
                before.line = bar.line;
            }
        }
        if bar.repeat_start > 0 {
            self.measure.repeats = Some(span);
        }
    }

    /// Lays the syllables of a w: field under the notes of the line before (ABC 2.1 §5.1).
    fn words(&mut self, text: &str) {
        let mut syllables = Vec::new();
        let mut word = String::new();
        for letter in text.chars() {
            match letter {
                ' ' | '\t' => {
                    if !word.is_empty() {
                        syllables.push(std::mem::take(&mut word));
                    }
                }
                '-' => {
                    word.push('-');
                    syllables.push(std::mem::take(&mut word));
                }
                '_' | '*' => {
                    if !word.is_empty() {
                        syllables.push(std::mem::take(&mut word));
                    }
                    syllables.push(String::new());
                }
                '~' => word.push(' '),
                '|' => {}
                letter => word.push(letter),
            }
        }
        if !word.is_empty() {
            syllables.push(word);
        }
        let verse = self.verse;
        self.verse += 1;
        let from = self.line_start;
        let mut syllables = syllables.into_iter();
        let measures = self.part.measures.iter_mut().chain(std::iter::once(&mut self.measure));
        for (number, measure) in measures.enumerate().skip(from.0) {
            for (index, event) in measure.events.iter_mut().enumerate() {
                if (number, index) < from {
                    continue;
                }
                if !matches!(&event.kind, EventKind::Notes(notes) if !notes.continues) {
                    continue;
                }
                let Some(syllable) = syllables.next() else {
                    break;
                };
                if event.lyrics.len() < verse {
                    event.lyrics.resize(verse, String::new());
                }
                event.lyrics.push(syllable);
            }
        }
    }

    fn finish(mut self) -> Part {
        self.close_beam();
        if self.has_music() {
            let rest = std::mem::take(&mut self.measure);
            self.part.measures.push(rest);
        }
        for waiting in std::mem::take(&mut self.ties) {
            self.part.ties.push((waiting, None));
        }
        for start in std::mem::take(&mut self.slurs).into_iter().flatten() {
            self.part.slurs.push((start, None));
        }
        self.part.tuplets.retain(|(_, events)| !events.is_empty());
        self.part
    }
}

impl Event {
    /// Texts above or below: annotations, by where they go.
    pub(super) fn annotations(&self, below: bool) -> impl Iterator<Item = &str> {
        self.attached
            .annotations
            .iter()
            .filter(move |annotation| (annotation.place == AnnotationPlace::Below) == below)
            .map(|annotation| annotation.text.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use earworm_abc::Length;

    #[test]
    fn dotted_values_are_taken_apart_as_a_player_reads_them() {
        let value = |numerator, denominator| Value::of(Length::new(numerator, denominator));
        let of = |power, dots| Value { power, dots };
        assert_eq!(value(1, 8), of(3, 0));
        assert_eq!(value(3, 8), of(2, 1));
        assert_eq!(value(7, 16), of(2, 2));
        assert_eq!(value(3, 2), of(0, 1));
        assert_eq!(value(2, 1), of(-1, 0));
        assert_eq!(value(3, 1), of(-1, 1));
    }
}
