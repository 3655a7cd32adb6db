//! Interface: the ABC text, highlighted, with what is wrong marked where it is.

use std::ops::Range;
use std::sync::Arc;

use egui::text::{LayoutJob, TextFormat};
use egui::{
    Color32, FontId, Galley, RichText, ScrollArea, Sense, Stroke, TextBuffer, TextEdit, Ui,
};

use super::notation::Notation;
use crate::theme::{self, Palette, SMALL};
use earworm_abc::{Finding, Severity};

/// Draws the text with its findings below; true if it was changed. `select` moves the cursor to a byte.
pub(super) fn show(
    ui: &mut Ui,
    palette: &Palette,
    text: &mut String,
    notation: &Notation,
    sounding: &[Range<usize>],
    editable: bool,
    select: &mut Option<usize>,
) -> bool {
    let findings: Vec<&Finding> = notation
        .book
        .findings
        .iter()
        .filter(|finding| finding.severity >= Severity::Warning)
        .collect();
    let listed = findings.len().min(4) as f32;
    let below = if findings.is_empty() { 0.0 } else { listed * 19.0 + 8.0 };
    let height = (ui.available_height() - below).max(40.0);
    let mut changed = false;
    // What is marked belongs to the text that was read; while typing runs ahead of it, nothing is marked.
    let current = *text == notation.text;
    let mut layouter = |ui: &Ui, buffer: &dyn TextBuffer, width: f32| -> Arc<Galley> {
        let text = buffer.as_str();
        let marks: &[&Finding] = if current { &findings } else { &[] };
        let playing: &[Range<usize>] = if current { sounding } else { &[] };
        let mut job = highlight(text, palette, marks, playing);
        job.wrap.max_width = width;
        ui.fonts_mut(|fonts| fonts.layout_job(job))
    };
    let id = ui.make_persistent_id("abc text");
    if let Some(byte) = select.take()
        && let Some(before) = text.get(..byte)
    {
        let mut state = TextEdit::load_state(ui.ctx(), id).unwrap_or_default();
        let cursor = egui::text::CCursor::new(before.chars().count());
        state.cursor.set_char_range(Some(egui::text_selection::CCursorRange::one(cursor)));
        state.store(ui.ctx(), id);
    }
    ScrollArea::vertical().id_salt("abc").max_height(height).auto_shrink([false, false]).show(
        ui,
        |ui| {
            let edit = TextEdit::multiline(text)
                .id(id)
                .code_editor()
                .margin(egui::Margin::symmetric(8, 6))
                .interactive(editable)
                .desired_width(f32::INFINITY)
                .min_size(egui::vec2(0.0, height))
                .layouter(&mut layouter);
            let response = ui.add(edit).accessible_name("ABC text");
            changed = response.changed();
        },
    );
    if findings.is_empty() {
        return changed;
    }
    ui.add_space(4.0);
    ScrollArea::vertical().id_salt("findings").max_height(below).auto_shrink([false, false]).show(
        ui,
        |ui| {
            ui.spacing_mut().item_spacing.y = 2.0;
            for finding in &findings {
                let (line, column) = notation.line_and_column(finding.span.start);
                let colour = match finding.severity {
                    Severity::Error => palette.error,
                    _ => palette.warning,
                };
                let row = RichText::new(format!("{line}:{column} {}", finding.text))
                    .size(SMALL)
                    .color(colour);
                let row = egui::Label::new(row).wrap().sense(Sense::click());
                let mut response = ui.add(row);
                response = response.on_hover_text(match finding.hint.as_str() {
                    "" => finding.text.to_string(),
                    hint => format!("{}\n{hint}", finding.text),
                });
                if response.clicked() {
                    *select = Some(finding.span.start);
                }
            }
        },
    );
    changed
}

/// Where the cursor stands in the text, in bytes, or what is marked.
pub(super) fn marked(ui: &Ui, text: &str) -> Option<Range<usize>> {
    let state = TextEdit::load_state(ui.ctx(), ui.make_persistent_id("abc text"))?;
    let range = state.cursor.char_range()?;
    let byte =
        |character: usize| text.char_indices().nth(character).map_or(text.len(), |(byte, _)| byte);
    let (one, other) = (byte(range.primary.index.into()), byte(range.secondary.index.into()));
    Some(one.min(other)..one.max(other))
}

/// The text in its colours.
fn highlight(
    text: &str,
    palette: &Palette,
    findings: &[&Finding],
    sounding: &[Range<usize>],
) -> LayoutJob {
    let mut colours: Vec<(Range<usize>, Color32)> = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        music_line(line, start, palette, &mut colours);
        start += line.len();
    }
    // Every place where the format changes.
    let mut cuts: Vec<usize> = vec![0, text.len()];
    let ranges = colours
        .iter()
        .map(|(range, _)| range.clone())
        .chain(findings.iter().map(|finding| mark(text, &finding.span)))
        .chain(sounding.iter().cloned());
    for range in ranges {
        cuts.push(range.start);
        cuts.push(range.end);
    }
    cuts.retain(|&cut| text.is_char_boundary(cut) && cut <= text.len());
    cuts.sort_unstable();
    cuts.dedup();
    let mut job = LayoutJob::default();
    let mut colour_at = 0;
    for pair in cuts.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        while colour_at < colours.len() && colours[colour_at].0.end <= from {
            colour_at += 1;
        }
        let colour = colours
            .get(colour_at)
            .filter(|(range, _)| range.contains(&from))
            .map_or(palette.text, |&(_, colour)| colour);
        let mut format = TextFormat::simple(FontId::monospace(12.5), colour);
        let wrong = findings
            .iter()
            .filter(|finding| mark(text, &finding.span).contains(&from))
            .max_by_key(|finding| finding.severity);
        if let Some(finding) = wrong {
            let colour = match finding.severity {
                Severity::Error => palette.error,
                _ => palette.warning,
            };
            format.underline = Stroke::new(1.5, colour);
        }
        if sounding.iter().any(|range| range.contains(&from)) {
            format.background = theme::sounding(palette);
        }
        job.append(&text[from..to], 0.0, format);
    }
    job
}

/// What is underlined for a finding: its span, or the character it points at.
fn mark(text: &str, span: &Range<usize>) -> Range<usize> {
    if span.end > span.start {
        return span.clone();
    }
    let next =
        text.get(span.start..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    span.start..span.start + next
}

/// Colours for what stands out in one line, in order.
fn music_line(
    line: &str,
    start: usize,
    palette: &Palette,
    colours: &mut Vec<(Range<usize>, Color32)>,
) {
    let bytes = line.as_bytes();
    let mut put = |from: usize, to: usize, colour| {
        colours.push((start + from..start + to, colour));
    };
    let end = line.trim_end().len();
    if bytes.first() == Some(&b'%') {
        put(0, end, palette.weak);
        return;
    }
    let is_field =
        bytes.len() > 1 && (bytes[0].is_ascii_alphabetic() || bytes[0] == b'+') && bytes[1] == b':';
    if is_field {
        put(0, 2, palette.field);
        if matches!(bytes[0], b'w' | b'W' | b'T' | b'C' | b'N') {
            put(2, end, palette.string);
        }
        return;
    }
    let close = |from: usize, mark: u8| {
        bytes[from + 1..end.max(from + 1)]
            .iter()
            .position(|&byte| byte == mark)
            .map(|at| from + at + 2)
    };
    let mut at = 0;
    while at < end {
        let byte = bytes[at];
        let mut next = at + 1;
        match byte {
            b'%' => {
                put(at, end, palette.weak);
                return;
            }
            b'"' => {
                next = close(at, b'"').unwrap_or(end);
                put(at, next, palette.string);
            }
            b'!' | b'+' => {
                if let Some(to) = close(at, byte) {
                    next = to;
                    put(at, next, palette.ornament);
                }
            }
            b'{' => {
                next = close(at, b'}').unwrap_or(end);
                put(at, next, palette.ornament);
            }
            b'[' if bytes.get(at + 2) == Some(&b':') => {
                next = close(at, b']').unwrap_or(end);
                put(at, next, palette.field);
            }
            b'|' | b':' => put(at, next, palette.bar),
            b'[' | b']' if bytes.get(at + 1) == Some(&b'|') || at > 0 && bytes[at - 1] == b'|' => {
                put(at, next, palette.bar);
            }
            b'(' if bytes.get(at + 1).is_some_and(u8::is_ascii_digit) => {
                next = at + 2;
                put(at, next, palette.ornament);
            }
            b'~' | b'.' | b'T' | b'u' | b'v' => put(at, next, palette.ornament),
            b'^' | b'_' | b'=' => put(at, next, palette.field),
            _ => {}
        }
        at = next;
    }
}
