//! Core: what the written notes come to: values, durations and alterations.

use super::model::*;
use super::{Key, Length, Metre};
use std::collections::HashMap;
use std::ops::Range;

/// A bar as it is written, and what its metre asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenBar {
    /// The index of the voice.
    pub voice: usize,
    /// Its place in the text, in bytes: from its first element to its bar line.
    pub span: Range<usize>,
    /// Its length in whole notes: overlays and tuplets taken into account.
    pub length: Length,
    /// The length that the metre in force asks for; none in free metre.
    pub metre: Option<Length>,
    /// Whether it may be shorter: at the start or end of the tune, of a repeat or of an ending, or at a
    /// double bar.
    pub edge: bool,
}

impl WrittenBar {
    /// Whether the bar adds up: as long as the metre asks for, or shorter at an edge.
    pub fn adds_up(&self) -> bool {
        match self.metre {
            Some(metre) => self.length == metre || (self.edge && self.length < metre),
            None => true,
        }
    }
}

impl Tune {
    /// Fills in every resolved field anew (note values, durations and alterations) from what is written:
    /// unit note length, broken rhythm, tuplets, key signatures and accidentals. Spans are left as they are.
    pub fn resolve(&mut self) {
        self.resolve_and_check();
    }

    /// Every bar of every voice that holds music, with its length and what the metre asks for.
    pub fn written_bars(&self) -> Vec<WrittenBar> {
        let mut bars = Vec::new();
        for (voice, music) in self.voices.iter().enumerate() {
            written_bars(voice, &music.elements, &self.metre, &mut bars);
        }
        bars
    }

    /// Resolves, and says what doesn't add up.
    pub(super) fn resolve_and_check(&mut self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let swing = self.is_hornpipe();
        let ratio = self
            .inherited
            .iter()
            .chain(&self.header)
            .filter_map(|field| broken_ratio(&field.change))
            .next_back();
        let propagation = self
            .inherited
            .iter()
            .chain(&self.header)
            .filter_map(Propagation::of)
            .next_back()
            .unwrap_or(Propagation::Pitch);
        for voice in &mut self.voices {
            let mut resolver = Resolver {
                unit: self.unit,
                signature: signature(&self.key),
                metre: self.metre.clone(),
                swing,
                ratio,
                propagation,
                in_bar: HashMap::new(),
                tied: Vec::new(),
                tied_here: Vec::new(),
                findings: &mut findings,
            };
            resolver.voice(&mut voice.elements);
        }
        for bar in self.written_bars() {
            if !bar.adds_up()
                && let Some(metre) = bar.metre
            {
                findings.push(Finding {
                    severity: Severity::Warning,
                    span: bar.span.clone(),
                    text: format!(
                        "the bar lasts {} whole notes where the metre asks for {metre}",
                        bar.length
                    ),
                    hint: if bar.length > metre {
                        "shorten a note, or put a bar line or an M: field where it belongs"
                            .to_owned()
                    } else {
                        "lengthen a note or add a rest, or put an M: field where the metre changes"
                            .to_owned()
                    },
                });
            }
        }
        findings
    }

    /// Whether R: of the header says hornpipe.
    fn is_hornpipe(&self) -> bool {
        let mut fields = self.header.iter().chain(&self.inherited);
        fields.find(|field| field.letter == 'R').is_some_and(|field| is_hornpipe(&field.text))
    }
}

/// Whether what R: says is a hornpipe.
fn is_hornpipe(rhythm: &str) -> bool {
    rhythm.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("hornpipe"))
}

/// Whether a hornpipe of this metre has its pairs played long and short, two to one, as abc2midi plays those in 2/4 and
/// 4/4: in all of two beats.
fn swings(metre: &Metre) -> bool {
    matches!((metre.numerator(), metre.unit), (2 | 4, 4) | (2, 2))
}

/// What a key signature does to each step.
fn signature(key: &Key) -> [Alteration; 7] {
    let (semitones, cents) = (key.alterations(), key.cents());
    std::array::from_fn(|step| (semitones[step], cents[step]))
}

/// How far a written accidental reaches within its bar: `%%propagate-accidentals` (ABC 2.1 §11.3), and abc2midi's
/// `%%MIDI nobarlines` for music without bars.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Propagation {
    /// `not`: its own note only.
    Not,
    /// `octave`: the notes of its step in its octave.
    Octave,
    /// `pitch`, the default: the notes of its step in every octave.
    Pitch,
}

impl Propagation {
    /// What a field says of it, where it does.
    fn of(field: &Field) -> Option<Self> {
        if let Change::Midi(words) = &field.change {
            return match words.first()?.as_str() {
                "nobarlines" => Some(Self::Not),
                "barlines" => Some(Self::Pitch),
                _ => None,
            };
        }
        let mut words = field.text.split_whitespace();
        if !matches!(field.letter, '%' | 'I') || words.next()? != "propagate-accidentals" {
            return None;
        }
        match words.next()? {
            "not" => Some(Self::Not),
            "octave" => Some(Self::Octave),
            "pitch" => Some(Self::Pitch),
            _ => None,
        }
    }
}

type Place = (Step, i8);

/// Semitones above the natural note, and cents above that where a microtone says so.
type Alteration = (i8, i8);

struct Resolver<'a> {
    unit: Length,
    signature: [Alteration; 7],
    metre: Metre,
    /// R: says hornpipe.
    swing: bool,
    /// What a single `>` makes of two notes where `%%MIDI ratio` says it.
    ratio: Option<(u32, u32)>,
    propagation: Propagation,
    /// Alterations that hold to the end of the bar.
    in_bar: HashMap<Place, Alteration>,
    /// Notes tied over from the element before, with their alterations. A chord may tie two of one place.
    tied: Vec<(Place, Alteration)>,
    /// Notes that this element ties on.
    tied_here: Vec<(Place, Alteration)>,
    findings: &'a mut Vec<Finding>,
}

/// A tuplet that is running.
struct Running {
    ratio: Length,
    left: u16,
}

impl Resolver<'_> {
    fn place(&self, pitch: Pitch) -> Place {
        (pitch.step, if self.propagation == Propagation::Octave { pitch.octave } else { 0 })
    }

    /// What a single `>` makes of two notes: three to one, in a hornpipe that swings two to one.
    fn broken(&self) -> (u32, u32) {
        self.ratio.unwrap_or(if self.swing && swings(&self.metre) { (2, 1) } else { (3, 1) })
    }

    fn alter(&mut self, note: &mut Note) {
        let place = self.place(note.pitch);
        let exact = (note.pitch.step, note.pitch.octave);
        (note.alteration, note.cents) = match note.pitch.accidental {
            Some(accidental) => {
                let alteration = (accidental.semitones(), accidental.cents());
                if self.propagation != Propagation::Not {
                    self.in_bar.insert(place, alteration);
                }
                alteration
            }
            None => {
                let plain = self
                    .in_bar
                    .get(&place)
                    .copied()
                    .unwrap_or(self.signature[note.pitch.step as usize]);
                let mut tied = self.tied.iter().filter(|tied| tied.0 == exact).map(|tied| tied.1);
                match tied.next() {
                    Some(first) if first != plain && tied.all(|other| other != plain) => first,
                    _ => plain,
                }
            }
        };
    }

    /// A key signature from here on. A tie joins notes of one pitch (§4.11): what a note before had from the old
    /// signature is not carried into the new one.
    fn set_key(&mut self, key: &Key) {
        let old = std::mem::replace(&mut self.signature, signature(key));
        self.tied.retain(|&((step, _), alteration)| alteration != old[step as usize]);
    }

    /// Ties every note of an element to the next one.
    fn tie_all(&mut self, kind: &ElementKind) {
        let notes = match kind {
            ElementKind::Note(note) => std::slice::from_ref(note),
            ElementKind::Chord(chord) => &chord.notes,
            _ => &[],
        };
        for note in notes {
            let place = (note.pitch.step, note.pitch.octave);
            self.tied.push((place, (note.alteration, note.cents)));
        }
    }

    fn voice(&mut self, elements: &mut [Element]) {
        let mut tuplet: Option<Running> = None;
        // The timed element before, and the broken rhythm that waits for the next one.
        let mut last: Option<usize> = None;
        let mut broken: Option<(i8, usize, Range<usize>)> = None;
        // For hornpipes: where in the bar the next note starts, and the last note's written length.
        let mut position = Length::ZERO;
        let mut last_swung: Option<Length> = None;
        for at in 0..elements.len() {
            let (before, rest) = elements.split_at_mut(at);
            let Some(element) = rest.first_mut() else { break };
            if let Some(attached) = &mut element.attached
                && let Some(grace) = &mut attached.grace
            {
                // What grace notes alter holds for them alone: they may stand before a bar line or be left out.
                let in_bar = self.in_bar.clone();
                for note in grace.notes.iter_mut().flatten() {
                    self.alter(note);
                    note.value = note.length * self.unit;
                    note.duration = note.value;
                }
                self.in_bar = in_bar;
            }
            let ratio = tuplet.as_ref().map_or(Length::ONE, |running| running.ratio);
            let timed = match &mut element.kind {
                ElementKind::Note(note) => {
                    self.alter(note);
                    note.value = note.length * self.unit;
                    note.duration = note.value * ratio;
                    if note.tie.is_some() {
                        self.tied_here.push((
                            (note.pitch.step, note.pitch.octave),
                            (note.alteration, note.cents),
                        ));
                    }
                    true
                }
                ElementKind::Chord(chord) => {
                    for note in &mut chord.notes {
                        self.alter(note);
                        note.value = note.length * chord.length * self.unit;
                        if note.tie.is_some() || chord.tie.is_some() {
                            self.tied_here.push((
                                (note.pitch.step, note.pitch.octave),
                                (note.alteration, note.cents),
                            ));
                        }
                    }
                    if let Some(first) = chord.notes.first() {
                        chord.value = first.value;
                        chord.duration = first.value * ratio;
                    }
                    // The chord lasts as long as its first note (§4.17), and all its notes with it.
                    for note in &mut chord.notes {
                        note.duration = chord.duration;
                    }
                    true
                }
                ElementKind::Rest(rest) => {
                    rest.value = rest.length * self.unit;
                    rest.duration = rest.value * ratio;
                    true
                }
                ElementKind::Bar(_) => {
                    self.in_bar.clear();
                    position = Length::ZERO;
                    false
                }
                ElementKind::Overlay { .. } => {
                    self.in_bar.clear();
                    self.tied.clear();
                    position = Length::ZERO;
                    false
                }
                ElementKind::Tuplet { p, q, r } => {
                    if let Some(running) = &tuplet
                        && running.left > 0
                    {
                        self.findings.push(Finding {
                            severity: Severity::Warning,
                            span: element.span.clone(),
                            text: "a tuplet starts before the one before it is full".to_owned(),
                            hint: "count the notes after the parenthesis".to_owned(),
                        });
                    }
                    tuplet = Some(Running {
                        ratio: Length::new(u32::from(*q), u32::from(*p)),
                        left: *r,
                    });
                    false
                }
                ElementKind::Broken(marks) => {
                    match last {
                        Some(last) if broken.is_none() => {
                            broken = Some((*marks, last, element.span.clone()))
                        }
                        _ => self.findings.push(Finding {
                            severity: Severity::Error,
                            span: element.span.clone(),
                            text: "broken rhythm without a note on both sides is left out"
                                .to_owned(),
                            hint: "write it between two notes, such as A>B".to_owned(),
                        }),
                    }
                    false
                }
                ElementKind::Field(field) => {
                    self.propagation = Propagation::of(field).unwrap_or(self.propagation);
                    if field.letter == 'R' {
                        self.swing = is_hornpipe(&field.text);
                    }
                    match &field.change {
                        Change::Key(Some(key), _) => self.set_key(key),
                        Change::Unit(unit) => self.unit = *unit,
                        Change::Metre(metre) => self.metre = metre.clone(),
                        change => self.ratio = broken_ratio(change).or(self.ratio),
                    }
                    false
                }
                ElementKind::BarsRest { .. } => {
                    last_swung = None;
                    false
                }
                ElementKind::Ending(ending) => {
                    if ending.tied
                        && let Some(last) = last
                    {
                        self.tie_all(&before[last].kind);
                    }
                    false
                }
                _ => false,
            };
            if !timed {
                continue;
            }
            self.tied = std::mem::take(&mut self.tied_here);
            let written = duration(&element.kind);
            if let Some((marks, first, _)) = broken.take() {
                scale(&mut before[first].kind, broken_factor(marks, self.broken()));
                scale(&mut element.kind, broken_factor(-marks, self.broken()));
                last_swung = None;
            } else if self.swing && swings(&self.metre) {
                let eighth = matches!(element.kind, ElementKind::Note(_)).then_some(written);
                // The eighth part of a bar (a sixteenth note in 2/4) on an offbeat, after one of the same length.
                let small = self.metre.bar().unwrap_or(Length::ONE) / Length::new(8, 1);
                let offbeat = position.denominator() == small.denominator();
                if let (Some(length), Some(last_length), Some(last)) = (eighth, last_swung, last)
                    && length == last_length
                    && length == small
                    && offbeat
                {
                    scale_duration(&mut before[last].kind, Length::new(4, 3));
                    scale_duration(&mut element.kind, Length::new(2, 3));
                }
                last_swung = eighth;
            }
            position = position + written;
            if let Some(running) = &mut tuplet {
                running.left = running.left.saturating_sub(1);
                if running.left == 0 {
                    tuplet = None;
                }
            }
            last = Some(at);
        }
        if let Some((_, _, span)) = broken {
            self.findings.push(Finding {
                severity: Severity::Error,
                span,
                text: "broken rhythm without a note after it is left out".to_owned(),
                hint: "write it between two notes, such as A>B".to_owned(),
            });
        }
    }
}

/// What broken rhythm makes of a note: the one before so many marks (the one after, where negative), §4.4.
/// `ratio` is that of a single mark.
fn broken_factor(marks: i8, ratio: (u32, u32)) -> Length {
    let strength = 1u32 << marks.unsigned_abs().min(7);
    if strength == 2 {
        let part = if marks > 0 { ratio.0 } else { ratio.1 };
        return Length::new(2 * part, ratio.0 + ratio.1);
    }
    if marks > 0 { Length::new(2 * strength - 1, strength) } else { Length::new(1, strength) }
}

/// The ratio that `%%MIDI ratio 2 1` gives.
fn broken_ratio(change: &Change) -> Option<(u32, u32)> {
    let Change::Midi(words) = change else { return None };
    if words.first()? != "ratio" {
        return None;
    }
    let part =
        |at: usize| words.get(at)?.parse::<u32>().ok().filter(|part| (1..=64).contains(part));
    Some((part(1)?, part(2)?))
}

fn scale(kind: &mut ElementKind, factor: Length) {
    match kind {
        ElementKind::Note(note) => note.value = note.value * factor,
        ElementKind::Rest(rest) => rest.value = rest.value * factor,
        ElementKind::Chord(chord) => {
            chord.value = chord.value * factor;
            for note in &mut chord.notes {
                note.value = note.value * factor;
            }
        }
        _ => {}
    }
    scale_duration(kind, factor);
}

fn scale_duration(kind: &mut ElementKind, factor: Length) {
    match kind {
        ElementKind::Note(note) => note.duration = note.duration * factor,
        ElementKind::Rest(rest) => rest.duration = rest.duration * factor,
        ElementKind::Chord(chord) => {
            chord.duration = chord.duration * factor;
            for note in &mut chord.notes {
                note.duration = note.duration * factor;
            }
        }
        _ => {}
    }
}

/// How far the music goes on with this element, in whole notes.
pub(super) fn duration(kind: &ElementKind) -> Length {
    match kind {
        ElementKind::Note(note) => note.duration,
        ElementKind::Chord(chord) => chord.duration,
        ElementKind::Rest(rest) => rest.duration,
        _ => Length::ZERO,
    }
}

fn written_bars(voice: usize, elements: &[Element], metre: &Metre, bars: &mut Vec<WrittenBar>) {
    let mut metre = metre.clone();
    let mut length = Length::ZERO;
    let mut longest = Length::ZERO;
    let mut start: Option<usize> = None;
    let mut end = 0;
    let mut edge = true;
    let mut bar_metre = metre.bar();
    let first_of_voice = bars.len();
    for element in elements {
        match &element.kind {
            ElementKind::Bar(bar) => {
                length = length.max(longest);
                let after_edge = bar.repeat_end > 0
                    || bar.repeat_start > 0
                    || matches!(
                        bar.line,
                        BarLine::ThinThin
                            | BarLine::ThinThick
                            | BarLine::ThickThin
                            | BarLine::Repeats
                    );
                if !length.is_zero() {
                    bars.push(WrittenBar {
                        voice,
                        span: start.unwrap_or(element.span.start)..element.span.end,
                        length,
                        metre: bar_metre,
                        edge: edge || after_edge,
                    });
                    edge = after_edge;
                } else {
                    edge |= after_edge;
                }
                start = None;
                (length, longest) = (Length::ZERO, Length::ZERO);
                bar_metre = metre.bar();
            }
            ElementKind::Ending(_) => {
                // The bar before an ending may be completed by it.
                if let Some(last) = bars[first_of_voice..].last_mut() {
                    last.edge = true;
                }
                edge = true;
            }
            ElementKind::Overlay { .. } => {
                longest = longest.max(length);
                length = Length::ZERO;
            }
            ElementKind::Field(field) => {
                if let Change::Metre(new) = &field.change {
                    metre = new.clone();
                    if length.is_zero() {
                        bar_metre = metre.bar();
                    }
                }
            }
            kind => {
                let duration = duration(kind);
                if !duration.is_zero() {
                    start.get_or_insert(element.span.start);
                    end = element.span.end;
                    length = length + duration;
                } else if matches!(kind, ElementKind::BarsRest { .. }) {
                    start.get_or_insert(element.span.start);
                }
            }
        }
    }
    length = length.max(longest);
    if !length.is_zero() {
        bars.push(WrittenBar {
            voice,
            span: start.unwrap_or(end)..end,
            length,
            metre: bar_metre,
            edge: true,
        });
    }
}
