//! Core: what is written above and below a staff: annotations, chord symbols, endings, part labels, tempo, lyrics.

use super::{Staff, marks::dynamic, rule, signs::is_clef};
use crate::{
    Anchor, Ink, Item, Role,
    measure::{self, Measure, Part},
    smufl,
    space::{CHORD_SIZE, MeasureSpan, TEXT_SIZE},
    text_width,
};
use earworm_abc::{BarLine, Tempo};
use std::ops::Range;

impl Staff<'_> {
    /// Everything that stands outside the staff, from the notes outwards: articulations, ornaments, annotations,
    /// chord symbols, endings, parts and tempo above; lyrics and dynamics below.
    /// All that is written above the staff, row over row from its highest ink, and below it.
    pub(super) fn above_and_below(
        &mut self,
        all: &[(usize, &Measure, &MeasureSpan)],
        first_staff: bool,
    ) {
        for &(index, measure, span) in all {
            for (number, event) in measure.events.iter().enumerate() {
                self.marks((index, number), event, span.x(event));
            }
        }
        let (top, bottom) = self.skyline();
        let mut above = top.min(-0.6) - 0.7;
        above = self.annotations_above(all, above);
        above = self.chord_symbols(all, above);
        above = self.endings(all, above);
        self.parts_and_tempo(all, above, first_staff);
        let below = self.annotations_below(all, bottom.max(4.6) + 0.5);
        let verses = all.iter().flat_map(|(_, measure, _)| &measure.events);
        for verse in 0..verses.map(|event| event.lyrics.len()).max().unwrap_or(0) {
            let y = below + TEXT_SIZE * (0.9 + verse as f32 * 1.15);
            self.verse(all, verse, y);
        }
    }

    /// Highest and lowest ink so far, clefs aside.
    fn skyline(&self) -> (f32, f32) {
        let clef = |item: &Item| {
            item.role == Role::Frame
                && matches!(item.ink, Ink::Glyph { glyph, .. } if is_clef(glyph))
        };
        self.items.iter().filter(|item| !clef(item)).fold(
            (0.0_f32, 4.0_f32),
            |(top, bottom), item| {
                let bounds = item.ink.bounds();
                (top.min(bounds[1]), bottom.max(bounds[3]))
            },
        )
    }

    /// Annotations over the notes, from `above` upwards; returns where the next row stands.
    fn annotations_above(&mut self, all: &[(usize, &Measure, &MeasureSpan)], above: f32) -> f32 {
        let mut rows = 0;
        for &(_, measure, span) in all {
            for event in &measure.events {
                for (row, text) in event.annotations(false).enumerate() {
                    rows = rows.max(row + 1);
                    let at = [span.x(event), above - row as f32 * TEXT_SIZE];
                    self.text(text, at, TEXT_SIZE, Anchor::Start, false, &event.span, Role::Text);
                }
            }
        }
        if rows == 0 { above } else { above - (TEXT_SIZE * rows as f32 + 0.2) }
    }

    /// Chord symbols, as [`Self::annotations_above`].
    fn chord_symbols(&mut self, all: &[(usize, &Measure, &MeasureSpan)], above: f32) -> f32 {
        let mut rows = 0;
        for &(_, measure, span) in all {
            for event in &measure.events {
                for (row, symbol) in event.attached.chord_symbols.iter().rev().enumerate() {
                    rows = rows.max(row + 1);
                    let at = [span.x(event), above - row as f32 * CHORD_SIZE];
                    self.text(
                        &chord_text(symbol),
                        at,
                        CHORD_SIZE,
                        Anchor::Start,
                        true,
                        &event.span,
                        Role::ChordSymbol,
                    );
                }
            }
        }
        above - CHORD_SIZE * rows as f32
    }

    /// Annotations and dynamics below the staff, from `below` downwards; returns where the first verse may begin.
    fn annotations_below(&mut self, all: &[(usize, &Measure, &MeasureSpan)], below: f32) -> f32 {
        let y = below + TEXT_SIZE * 0.8;
        let mut drawn = false;
        for &(_, measure, span) in all {
            for event in &measure.events {
                let x = span.x(event);
                for text in event.annotations(true) {
                    drawn = true;
                    self.text(
                        text,
                        [x, y],
                        TEXT_SIZE,
                        Anchor::Start,
                        false,
                        &event.span,
                        Role::Text,
                    );
                }
                let marks = event.attached.decorations.iter();
                for glyphs in marks.filter_map(|decoration| dynamic(&decoration.name)) {
                    drawn = true;
                    let mut x = x - 0.4;
                    for glyph in glyphs {
                        self.glyph(glyph, [x, y], 0.9, &event.span, Role::Music);
                        x += glyph.advance * 0.9;
                    }
                }
            }
        }
        drawn |= self.hairpins(all, y - 0.5);
        if drawn { y + 0.7 } else { below }
    }

    /// Hairpins about `y`; whether there are any.
    fn hairpins(&mut self, all: &[(usize, &Measure, &MeasureSpan)], y: f32) -> bool {
        /// Half of how far a hairpin opens.
        const OPENS: f32 = 0.55;
        // One that the line before leaves open goes on here.
        let before = self.part.measures.iter().take(self.line.measures.start);
        let mut open: Option<(bool, f32, Range<usize>)> = None;
        for event in before.flat_map(|measure| &measure.events) {
            for decoration in &event.attached.decorations {
                match hairpin(&decoration.name) {
                    Some((grows, true)) => {
                        open = Some((grows, self.line.prefix + 2.0, event.span.clone()));
                    }
                    Some((_, false)) => open = None,
                    None => {}
                }
            }
        }
        let mut drawn = Vec::new();
        for &(_, measure, span) in all {
            for event in &measure.events {
                let x = span.x(event);
                for decoration in &event.attached.decorations {
                    match hairpin(&decoration.name) {
                        Some((grows, true)) => open = Some((grows, x, event.span.clone())),
                        Some((_, false)) => {
                            let end = x + smufl::NOTEHEAD_BLACK.advance;
                            drawn.extend(open.take().map(|open| (open, end)));
                        }
                        None => {}
                    }
                }
            }
        }
        drawn.extend(open.map(|open| (open, self.line.right - 0.5)));
        let any = !drawn.is_empty();
        for ((grows, from, span), to) in drawn {
            let (tip, mouth) = if grows { (from, to) } else { (to, from) };
            for away in [-OPENS, OPENS] {
                self.items.push(rule([tip, y], [mouth, y + away], 0.15, span.clone(), Role::Music));
            }
        }
        any
    }

    /// The syllables of a verse; the hyphen of a divided word stands midway to the next.
    fn verse(&mut self, all: &[(usize, &Measure, &MeasureSpan)], verse: usize, y: f32) {
        let mut syllables: Vec<(f32, &str, &Range<usize>)> = Vec::new();
        for &(_, measure, span) in all {
            for event in &measure.events {
                if let Some(syllable) = event.lyrics.get(verse).filter(|text| !text.is_empty()) {
                    let x = span.x(event) + smufl::NOTEHEAD_BLACK.advance / 2.0;
                    syllables.push((x, syllable, &event.span));
                }
            }
        }
        for (index, &(x, syllable, span)) in syllables.iter().enumerate() {
            let text = syllable.strip_suffix('-').unwrap_or(syllable);
            let mut say = |text: &str, x: f32| {
                self.text(text, [x, y], TEXT_SIZE, Anchor::Middle, false, span, Role::Text);
            };
            say(text, x);
            if text.len() < syllable.len() {
                let half = |text: &str| text_width(text, TEXT_SIZE) / 2.0;
                let right = x + half(text);
                let left = match syllables.get(index + 1) {
                    Some((x, next, _)) => x - half(next.trim_end_matches('-')),
                    None => right + TEXT_SIZE,
                };
                say("-", (right + left) / 2.0);
            }
        }
    }

    fn endings(&mut self, all: &[(usize, &Measure, &MeasureSpan)], above: f32) -> f32 {
        let part = self.part;
        let line_end = self.line.measures.end;
        let first = self.line.measures.start;
        let mut drawn = false;
        let y = above - 1.9;
        // An ending that began on an earlier system goes on without its hook.
        type Label = (String, Range<usize>);
        let mut open: Option<(f32, Option<Label>)> = None;
        let before = (0..first).rev().find_map(|index| {
            let measure = &part.measures.get(index)?;
            if stops_ending(part, index) {
                return Some(false);
            }
            measure.ending.is_some().then_some(true)
        });
        if before == Some(true) && part.measures.get(first).is_some_and(|m| m.ending.is_none()) {
            open = Some((self.line.spans[0].start - 0.2, None));
        }
        for &(index, measure, span) in all {
            if let Some((text, source)) = &measure.ending {
                open = Some((span.start + 0.1, Some((text.clone(), source.clone()))));
            }
            let stops = stops_ending(part, index);
            if open.is_some() && (stops || index + 1 >= line_end) {
                drawn = true;
                let (from, label) = open.take().unwrap_or((span.start, None));
                let to = span.bar;
                let closed =
                    stops && measure.bar.as_ref().is_some_and(|(bar, _)| bar.repeat_end > 0);
                let source = label.as_ref().map_or(0..0, |(_, source)| source.clone());
                self.items.push(rule([from, y], [to, y], 0.16, source.clone(), Role::Frame));
                if let Some((text, source)) = label {
                    self.items.push(rule(
                        [from, y],
                        [from, y + 1.9],
                        0.16,
                        source.clone(),
                        Role::Frame,
                    ));
                    self.text(
                        &text,
                        [from + 0.5, y + 1.55],
                        1.5,
                        Anchor::Start,
                        false,
                        &source,
                        Role::Frame,
                    );
                }
                if closed {
                    self.items.push(rule([to, y], [to, y + 1.9], 0.16, source, Role::Frame));
                }
            }
        }
        if drawn { y - 0.4 } else { above }
    }

    fn parts_and_tempo(
        &mut self,
        all: &[(usize, &Measure, &MeasureSpan)],
        above: f32,
        first_staff: bool,
    ) {
        if !first_staff {
            return;
        }
        for &(index, measure, span) in all {
            let mut x = match index == self.line.measures.start {
                true => self.line.left,
                false => span.start,
            };
            if let Some((label, source)) = &measure.label {
                let width = text_width(label, 1.9) + 0.9;
                let (top, bottom) = (above - 2.3, above);
                for (a, b) in [
                    ([x, top], [x + width, top]),
                    ([x, bottom], [x + width, bottom]),
                    ([x, top], [x, bottom]),
                    ([x + width, top], [x + width, bottom]),
                ] {
                    self.items.push(rule(a, b, 0.14, source.clone(), Role::Frame));
                }
                self.text(
                    label,
                    [x + width / 2.0, above - 0.5],
                    1.9,
                    Anchor::Middle,
                    true,
                    source,
                    Role::Frame,
                );
                x += width + 1.0;
            }
            if let Some((tempo, source)) = &measure.tempo {
                self.tempo(tempo, [x, above - 0.2], source);
            }
        }
    }

    fn tempo(&mut self, tempo: &Tempo, at: [f32; 2], span: &Range<usize>) {
        let mut x = at[0];
        let size = 1.7;
        if !tempo.before.is_empty() {
            self.text(&tempo.before, [x, at[1]], size, Anchor::Start, true, span, Role::Text);
            x += text_width(&tempo.before, size) + 0.8;
        }
        if tempo.beats_per_minute > 0.0 && !tempo.beat.is_empty() {
            for &beat in &tempo.beat {
                let value = measure::Value::of(beat);
                let glyph = match value.power {
                    ..=0 => smufl::MET_NOTE_WHOLE,
                    1 => smufl::MET_NOTE_HALF_UP,
                    2 => smufl::MET_NOTE_QUARTER_UP,
                    3 => smufl::MET_NOTE_8TH_UP,
                    _ => smufl::MET_NOTE_16TH_UP,
                };
                self.glyph(glyph, [x, at[1] - 0.1], 0.72, span, Role::Text);
                x += glyph.advance * 0.72 + 0.2;
                for _ in 0..value.dots {
                    self.glyph(
                        smufl::MET_AUGMENTATION_DOT,
                        [x, at[1] - 0.1],
                        0.72,
                        span,
                        Role::Text,
                    );
                    x += 0.5;
                }
                x += 0.2;
            }
            let text = format!("= {:.0}", tempo.beats_per_minute);
            self.text(&text, [x, at[1]], size, Anchor::Start, false, span, Role::Text);
            x += text_width(&text, size) + 0.8;
        }
        if !tempo.after.is_empty() {
            self.text(&tempo.after, [x, at[1]], size, Anchor::Start, true, span, Role::Text);
        }
    }
}

/// An ending lasts to a repeat, a heavy or double bar line, or the next ending.
fn stops_ending(part: &Part, index: usize) -> bool {
    let next = part.measures.get(index + 1);
    next.is_none_or(|next| next.ending.is_some())
        || part.measures[index].bar.as_ref().is_none_or(|(bar, _)| {
            bar.repeat_end > 0
                || !matches!(bar.line, BarLine::Thin | BarLine::Dotted | BarLine::Invisible)
        })
        || next.is_some_and(|next| next.repeats.is_some())
}

/// A chord symbol with real sharps and flats: the standard's `#` and `b` after the root or a number's sign.
fn chord_text(symbol: &str) -> String {
    let mut text = String::with_capacity(symbol.len() + 4);
    let mut before = ' ';
    for letter in symbol.chars() {
        text.push(match letter {
            '#' => '♯',
            'b' if ('A'..='G').contains(&before) => '♭',
            letter => letter,
        });
        before = letter;
    }
    text
}

/// Whether a decoration begins (true) or ends a hairpin, and whether that grows louder.
fn hairpin(name: &str) -> Option<(bool, bool)> {
    match name {
        "<(" | "crescendo(" => Some((true, true)),
        "<)" | "crescendo)" => Some((true, false)),
        ">(" | "diminuendo(" => Some((false, true)),
        ">)" | "diminuendo)" => Some((false, false)),
        _ => None,
    }
}
