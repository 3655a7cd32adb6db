//! Core: how much room each column of music takes, where systems break, and how they are stretched to the width.

use super::{
    measure::{self, ClefSign, Event, EventKind, KeySign, Measure, Notes, Part},
    smufl::{self, Glyph},
    text_width,
};
use earworm_abc::{BarLine, Length, Metre, MetreSign};

/// Left and right of the page, in staff spaces.
pub(super) const MARGIN: f32 = 2.5;
/// Size of grace notes against full ones.
pub(super) const GRACE: f32 = 0.62;
/// Size of chord symbols, in staff spaces an em.
pub(super) const CHORD_SIZE: f32 = 1.9;
/// Size of annotations and lyrics.
pub(super) const TEXT_SIZE: f32 = 1.6;
/// From bar line to the first head.
const AFTER_BAR: f32 = 1.1;

/// Where a row of measures goes.
#[derive(Debug)]
pub(super) struct Line {
    /// The first measure and the one after the last.
    pub measures: std::ops::Range<usize>,
    /// Left of the staff lines.
    pub left: f32,
    /// Right of the staff lines.
    pub right: f32,
    /// For each measure: where it starts (right of the bar line before), its columns, and where its bar line starts.
    pub spans: Vec<MeasureSpan>,
    /// The clefs, keys in force at the start are drawn from here.
    pub prefix: f32,
}

#[derive(Debug)]
pub(super) struct MeasureSpan {
    /// Left edge.
    pub start: f32,
    /// Time and class of each column, and the x of its heads' left edge.
    pub columns: Vec<(Slot, f32)>,
    /// Left edge of the bar line that ends it.
    pub bar: f32,
}

impl MeasureSpan {
    /// The x of an event.
    pub(super) fn x(&self, event: &Event) -> f32 {
        let slot = slot(event);
        match self.columns.binary_search_by(|(at, _)| at.cmp(&slot)) {
            Ok(found) => self.columns[found].1,
            Err(near) => self.columns.get(near).map_or(self.start, |&(_, x)| x),
        }
    }
}

/// A column: when, and what comes first at the same time (clef, key, metre, then notes).
pub(super) type Slot = (Length, u8);

fn slot(event: &Event) -> Slot {
    let class = match event.kind {
        EventKind::Clef(_) => 0,
        EventKind::Key(..) => 1,
        EventKind::Metre(_) => 2,
        EventKind::Spacer => 4,
        _ => 3,
    };
    // Invisible rests last, and stand in line with the notes that sound with them.
    let class = if class == 4 && event.attached == Default::default() { 3 } else { class };
    (event.onset, class)
}

/// How wide a column must be and would like to be.
#[derive(Clone, Copy, Debug, Default)]
struct Column {
    left: f32,
    right: f32,
    /// From this column's x to the next one's, when nothing pulls.
    natural: f32,
    /// Room that texts above need to the right of x, before the next text.
    text: f32,
    /// Half the width of the widest syllable, which stands under the middle of its note.
    syllable: f32,
}

#[derive(Debug)]
struct MeasureRoom {
    slots: Vec<Slot>,
    columns: Vec<Column>,
    /// Room for the start of a repeat at the left, when it begins a system.
    repeat: f32,
    /// Width of the bar line that ends it.
    bar: f32,
    /// The same where it ends a system: a repeat that starts after it stands on the next one.
    last_bar: f32,
}

impl MeasureRoom {
    /// Width when every spring is stretched this much.
    fn width(&self, stretch: f32) -> f32 {
        let mut x = AFTER_BAR;
        for (index, column) in self.columns.iter().enumerate() {
            if index == 0 {
                x += column.left;
            }
            x += self.gap(index, stretch);
        }
        x + self.bar
    }

    fn gap(&self, index: usize, stretch: f32) -> f32 {
        let column = self.columns[index];
        match self.columns.get(index + 1) {
            Some(next) => {
                let clear = column.right + next.left + 0.45;
                let words = column.syllable + next.syllable + 0.5;
                (column.natural * stretch).max(clear).max(column.text).max(words)
            }
            None => (column.natural * stretch)
                .max(column.right + 0.9)
                .max(column.text)
                .max(column.syllable + 1.0),
        }
    }
}

/// Breaks the parts into systems of this width and spaces them.
pub(super) fn systems(parts: &[Part], width: f32) -> Vec<Line> {
    let count = parts.iter().map(|part| part.measures.len()).max().unwrap_or(0);
    let rooms: Vec<MeasureRoom> = (0..count).map(|index| room(parts, index)).collect();
    let prefix_of = |measure: usize| prefix_width(parts, measure);
    let names: f32 = parts.iter().map(|part| text_width(&part.name, TEXT_SIZE)).fold(0.0, f32::max);
    let indent = if names > 0.0 { names + 1.0 } else { 0.0 };
    let usable = |first: usize| {
        let indent = if first == 0 { indent } else { 0.0 };
        (width
            - 2.0 * MARGIN
            - indent
            - prefix_of(first)
            - rooms.get(first).map_or(0.0, |r| r.repeat))
        .max(8.0)
    };
    let natural: Vec<f32> = rooms.iter().map(|room| room.width(1.0)).collect();
    let breaks = break_lines(parts, &natural, usable);
    let mut lines = Vec::new();
    for window in breaks.windows(2) {
        let (first, end) = (window[0], window[1]);
        let left = MARGIN + if first == 0 { indent } else { 0.0 };
        let room = usable(first);
        let surplus = rooms[end - 1].bar - rooms[end - 1].last_bar;
        let sum = |stretch: f32| -> f32 {
            rooms[first..end].iter().map(|room| room.width(stretch)).sum::<f32>() - surplus
        };
        let total = sum(1.0);
        let is_last = end == count;
        // A short last system keeps its natural width; every other is stretched or pressed to the margin.
        let stretch = if is_last && total < room * 0.72 {
            1.0
        } else {
            let (mut low, mut high) = (0.2, 1.0);
            while sum(high) < room && high < 64.0 {
                high *= 2.0;
            }
            for _ in 0..24 {
                let middle = (low + high) / 2.0;
                if sum(middle) > room {
                    high = middle;
                } else {
                    low = middle;
                }
            }
            low
        };
        let needed = sum(stretch);
        // Music too dense for one system is squeezed together rather than cut off.
        let squeeze = (room / needed).min(1.0);
        let mut x = left + prefix_of(first) + rooms[first].repeat;
        let prefix = left;
        let mut spans = Vec::new();
        for room in &rooms[first..end] {
            let start = x;
            let mut columns = Vec::new();
            let mut at = AFTER_BAR + room.columns.first().map_or(0.0, |column| column.left);
            for (index, slot) in room.slots.iter().enumerate() {
                columns.push((*slot, start + at * squeeze));
                at += room.gap(index, stretch);
            }
            let bar = start + at * squeeze;
            let is_last = spans.len() + 1 == end - first;
            x = bar + if is_last { room.last_bar } else { room.bar } * squeeze;
            spans.push(MeasureSpan { start, columns, bar });
        }
        lines.push(Line { measures: first..end, left, right: x, spans, prefix });
    }
    lines
}

/// The measures that begin a system, and the number of measures: the breaks with the least badness, where badness
/// is how far each system is from its natural width, squared. A break where the text's line ends costs less.
fn break_lines(parts: &[Part], natural: &[f32], usable: impl Fn(usize) -> f32) -> Vec<usize> {
    let count = natural.len();
    let mut best = vec![(f32::MAX, 0_usize); count + 1];
    best[0] = (0.0, 0);
    for first in 0..count {
        let (so_far, _) = best[first];
        let room = usable(first);
        let mut total = 0.0;
        for end in first + 1..=count {
            total += natural[end - 1];
            let ratio = room / total;
            let only = end == first + 1;
            if ratio < 0.82 && !only {
                break;
            }
            let is_last = end == count;
            let mut cost = match ratio {
                ratio if ratio < 1.0 => (1.0 / ratio - 1.0).powi(2) * 12.0,
                ratio if is_last => (ratio.min(3.0) - 1.0).powi(2) * 0.08,
                ratio => (ratio - 1.0).powi(2),
            };
            let text_ends =
                parts.iter().any(|part| part.measures.get(end - 1).is_some_and(|m| m.line_end));
            if !text_ends && !is_last {
                cost += 0.25;
            }
            cost += 0.02;
            if so_far + cost < best[end].0 {
                best[end] = (so_far + cost, first);
            }
        }
    }
    let mut breaks = vec![count];
    let mut at = count;
    while at > 0 {
        at = best[at].1;
        breaks.push(at);
    }
    breaks.reverse();
    breaks
}

/// The room between the left end of the staff and the first measure: clef, key, and the metre at the very start is
/// an event of its own.
fn prefix_width(parts: &[Part], measure: usize) -> f32 {
    parts
        .iter()
        .filter_map(|part| part.measures.get(measure))
        .map(|measure| prefix_parts(measure.clef, measure.key).1 + opening_width(measure))
        .fold(0.0, f32::max)
}

/// The room that the metre takes at the start of a tune.
fn opening_width(measure: &Measure) -> f32 {
    measure.metre.as_ref().map_or(0.0, |(metre, _)| {
        let (upper, lower) = metre_glyphs(metre);
        row_width(&upper).max(row_width(&lower)) + 0.5
    })
}

/// Where clef and key stand from the left end of the staff, and where they end.
pub(super) fn prefix_parts(clef: ClefSign, key: KeySign) -> (f32, f32) {
    let clef_width = clef.glyph.map_or(0.0, |glyph| glyph.advance);
    let key_at = 0.6 + clef_width + 0.7;
    let key_width = signature_width(key);
    let end = if key_width > 0.0 { key_at + key_width + 0.3 } else { key_at - 0.2 };
    (key_at, end)
}

/// The width of a key signature.
pub(super) fn signature_width(key: KeySign) -> f32 {
    measure::signature(key)
        .iter()
        .map(|&(_, alteration, _)| accidental_glyph(alteration).advance + 0.06)
        .sum()
}

/// The accidental of so many semitones.
pub(super) fn accidental_glyph(semitones: i8) -> Glyph {
    match semitones {
        i8::MIN..=-2 => smufl::ACCIDENTAL_DOUBLE_FLAT,
        -1 => smufl::ACCIDENTAL_FLAT,
        0 => smufl::ACCIDENTAL_NATURAL,
        1 => smufl::ACCIDENTAL_SHARP,
        2.. => smufl::ACCIDENTAL_DOUBLE_SHARP,
    }
}

/// The glyphs of a number in time signature figures.
pub(super) fn figures(number: u32) -> Vec<Glyph> {
    const DIGITS: [Glyph; 10] = [
        smufl::TIME_SIG_0,
        smufl::TIME_SIG_1,
        smufl::TIME_SIG_2,
        smufl::TIME_SIG_3,
        smufl::TIME_SIG_4,
        smufl::TIME_SIG_5,
        smufl::TIME_SIG_6,
        smufl::TIME_SIG_7,
        smufl::TIME_SIG_8,
        smufl::TIME_SIG_9,
    ];
    number.to_string().bytes().map(|digit| DIGITS[usize::from(digit - b'0')]).collect()
}

/// The upper and lower glyphs of a time signature; the lower ones are empty where one sign says all.
pub(super) fn metre_glyphs(metre: &Metre) -> (Vec<Glyph>, Vec<Glyph>) {
    match metre.sign {
        MetreSign::None => (Vec::new(), Vec::new()),
        MetreSign::Common => (vec![smufl::TIME_SIG_COMMON], Vec::new()),
        MetreSign::Cut => (vec![smufl::TIME_SIG_CUT_COMMON], Vec::new()),
        MetreSign::Numbers => {
            let mut upper = Vec::new();
            for (index, &beats) in metre.beats.iter().enumerate() {
                if index > 0 {
                    upper.push(smufl::TIME_SIG_PLUS);
                }
                upper.extend(figures(u32::from(beats)));
            }
            (upper, figures(u32::from(metre.unit)))
        }
    }
}

/// The width of a row of glyphs.
pub(super) fn row_width(glyphs: &[Glyph]) -> f32 {
    glyphs.iter().map(|&glyph| glyph.advance * figure_size(glyph)).sum()
}

/// The size of a glyph in a time signature: at its own, a plus would touch the figure below.
pub(super) fn figure_size(glyph: Glyph) -> f32 {
    if glyph.code == smufl::TIME_SIG_PLUS.code { 0.6 } else { 1.0 }
}

/// The room that a bar line takes, from the end of one measure to the start of the next.
pub(super) fn bar_width(line: BarLine, repeat_end: bool, repeat_start: bool) -> f32 {
    match (repeat_end, repeat_start, line) {
        (true, true, _) => 2.9,
        (true, false, _) => 1.75,
        (false, true, _) => 1.75,
        (_, _, BarLine::Thin | BarLine::Dotted) => 0.16,
        (_, _, BarLine::Invisible) => 0.0,
        (_, _, BarLine::ThinThin) => 0.72,
        _ => 1.06,
    }
}

/// How far the accidentals of a chord reach to the left of its heads, and where each stands.
pub(super) fn accidental_columns(notes: &Notes) -> (f32, Vec<(usize, f32)>) {
    // From the top down; each goes as near to the heads as the ones already placed let it.
    let mut placed: Vec<(i16, f32, f32)> = Vec::new();
    let mut offsets = Vec::new();
    let mut reach = 0.0_f32;
    for (index, head) in notes.heads.iter().enumerate().rev() {
        let Some(accidental) = head.accidental else {
            continue;
        };
        let width = written_accidental(accidental).advance;
        let mut right = 0.25;
        for &(position, from, to) in &placed {
            if (position - head.position).abs() < 6 && right < to && right + width > from {
                right = to + 0.12;
            }
        }
        placed.push((head.position, right, right + width));
        offsets.push((index, right + width));
        reach = reach.max(right + width);
    }
    (reach, offsets)
}

/// The glyph of a written accidental.
pub(super) fn written_accidental(accidental: earworm_abc::Accidental) -> Glyph {
    use earworm_abc::Accidental::Microtone;
    match accidental {
        Microtone { numerator, denominator } => {
            let semitones = f32::from(numerator) / f32::from(denominator.max(1));
            match semitones {
                s if s <= -1.0 => smufl::ACCIDENTAL_THREE_QUARTER_TONES_FLAT_ZIMMERMANN,
                s if s < 0.0 => smufl::ACCIDENTAL_QUARTER_TONE_FLAT_STEIN,
                s if s > 1.0 => smufl::ACCIDENTAL_THREE_QUARTER_TONES_SHARP_STEIN,
                _ => smufl::ACCIDENTAL_QUARTER_TONE_SHARP_STEIN,
            }
        }
        plain => accidental_glyph(plain.semitones()),
    }
}

/// The head of a note value.
pub(super) fn head_glyph(value: measure::Value) -> Glyph {
    match value.power {
        ..0 => smufl::NOTEHEAD_DOUBLE_WHOLE,
        0 => smufl::NOTEHEAD_WHOLE,
        1 => smufl::NOTEHEAD_HALF,
        _ => smufl::NOTEHEAD_BLACK,
    }
}

/// The rest of a note value.
pub(super) fn rest_glyph(value: measure::Value) -> Glyph {
    match value.power {
        ..0 => smufl::REST_DOUBLE_WHOLE,
        0 => smufl::REST_WHOLE,
        1 => smufl::REST_HALF,
        2 => smufl::REST_QUARTER,
        3 => smufl::REST_8TH,
        4 => smufl::REST_16TH,
        5 => smufl::REST_32ND,
        6 => smufl::REST_64TH,
        7.. => smufl::REST_128TH,
    }
}

/// How wide the grace notes before a note are.
pub(super) fn grace_width(event: &Event) -> f32 {
    let Some(grace) = &event.attached.grace else {
        return 0.0;
    };
    let accidentals =
        grace.notes.iter().flatten().filter(|note| note.pitch.accidental.is_some()).count();
    grace.notes.len() as f32 * GRACE_STEP + accidentals as f32 * 0.7 + 0.5
}

/// From one grace note to the next.
pub(super) const GRACE_STEP: f32 = 1.15;

/// The part of a column's width that follows from how long it lasts: the fifth root of two for each doubling would
/// be too tight for folk tunes' quavers, twice too wide; 2^0.62 lies where Gould's table of spacing does.
fn natural_width(duration: f64) -> f32 {
    (3.0 * (duration * 8.0).powf(0.62)).clamp(2.0, 14.0) as f32
}

fn room(parts: &[Part], index: usize) -> MeasureRoom {
    let measures: Vec<&Measure> =
        parts.iter().filter_map(|part| part.measures.get(index)).collect();
    let mut slots: Vec<Slot> =
        measures.iter().flat_map(|measure| measure.events.iter().map(slot)).collect();
    slots.sort();
    slots.dedup();
    let mut columns = vec![Column::default(); slots.len()];
    for measure in &measures {
        for event in &measure.events {
            let Ok(at) = slots.binary_search(&slot(event)) else {
                continue;
            };
            let (left, right) = extent(event);
            let column = &mut columns[at];
            column.left = column.left.max(left);
            column.right = column.right.max(right);
            let chord = event
                .attached
                .chord_symbols
                .iter()
                .map(|symbol| text_width(symbol, CHORD_SIZE) + 0.7)
                .fold(0.0, f32::max);
            let lyric = event
                .lyrics
                .iter()
                .map(|syllable| text_width(syllable, TEXT_SIZE))
                .fold(0.0, f32::max);
            column.text = column.text.max(chord * 0.55);
            column.syllable = column.syllable.max(lyric * 0.53);
        }
    }
    let duration = measures.iter().map(|measure| measure.duration).max().unwrap_or(Length::ZERO);
    for at in 0..slots.len() {
        let (onset, class) = slots[at];
        // Time to the next column that has time; signatures and spacers take only their own room.
        if class == 3 {
            let next = slots[at + 1..]
                .iter()
                .find(|(later, _)| *later > onset)
                .map_or(duration, |(later, _)| *later);
            columns[at].natural = natural_width(next.saturating_sub(onset).to_f64());
        } else {
            columns[at].natural = columns[at].right + 0.6;
        }
    }
    let right = measures.iter().find_map(|measure| measure.bar.as_ref());
    let repeats = |index: usize| {
        parts
            .iter()
            .filter_map(|part| part.measures.get(index))
            .any(|measure| measure.repeats.is_some())
    };
    MeasureRoom {
        slots,
        columns,
        repeat: if repeats(index) { 2.2 } else { 0.0 },
        bar: right
            .map_or(0.0, |(bar, _)| bar_width(bar.line, bar.repeat_end > 0, repeats(index + 1))),
        last_bar: right.map_or(0.0, |(bar, _)| bar_width(bar.line, bar.repeat_end > 0, false)),
    }
}

/// How far an event reaches to the left and right of its column.
fn extent(event: &Event) -> (f32, f32) {
    match &event.kind {
        EventKind::Notes(notes) => {
            let head = head_glyph(notes.value).advance;
            let (reach, _) = accidental_columns(notes);
            let dots = f32::from(notes.value.dots) * 0.65;
            let flag = match notes.beam {
                None if notes.value.flags() > 0 => 0.75,
                _ => 0.0,
            };
            let seconds =
                notes.heads.windows(2).any(|pair| pair[1].position - pair[0].position <= 1);
            let seconds = if seconds { head } else { 0.0 };
            let arpeggio =
                event.attached.decorations.iter().any(|decoration| decoration.name == "arpeggio");
            let arpeggio = if arpeggio { 1.0 } else { 0.0 };
            (reach + grace_width(event) + arpeggio, head + seconds + dots.max(flag))
        }
        EventKind::Rest(value) => {
            let glyph = rest_glyph(*value);
            (0.0, glyph.advance + f32::from(value.dots) * 0.65)
        }
        EventKind::BarsRest(bars) => (0.0, if *bars > 1 { 8.0 } else { 3.0 }),
        EventKind::Clef(sign) => (0.0, sign.glyph.map_or(0.0, |glyph| glyph.advance * 0.75)),
        EventKind::Key(new, old) => (0.0, key_change_width(*new, *old)),
        EventKind::Metre(metre) => {
            let (upper, lower) = metre_glyphs(metre);
            (0.0, row_width(&upper).max(row_width(&lower)))
        }
        EventKind::Spacer => (0.0, 0.0),
    }
}

/// A change of key: naturals for what is no longer altered, then the new signature.
pub(super) fn key_change_width(new: KeySign, old: KeySign) -> f32 {
    cancelled(new, old).len() as f32 * (smufl::ACCIDENTAL_NATURAL.advance + 0.1)
        + signature_width(new)
        + 0.3
}

/// What naturals a change of key needs: their places on a treble staff.
pub(super) fn cancelled(new: KeySign, old: KeySign) -> Vec<i16> {
    measure::signature(old)
        .into_iter()
        .filter(|(step, _, _)| new[*step as usize] == 0)
        .map(|(_, _, position)| position)
        .collect()
}
