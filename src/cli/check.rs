//! Interface: `earworm check`.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Outcome, Refusal, for_each, named, print, read_file};
use earworm_abc::{self as abc, Finding, PerformOptions, Severity};

/// What `earworm check` is told.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// ABC files; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Prints one JSON object a line for each file, with the places as bytes of its text in UTF-8
    #[arg(long)]
    json: bool,
}

/// Prints each finding as `file:line:column: message`, lines and columns from 1, columns in characters. The
/// exit code is 1 where one is an error.
pub(crate) fn run(options: Options) -> Outcome {
    for_each(&options.files, |path| check(path, options.json))
}

fn check(path: &Path, json: bool) -> Result<Outcome, Refusal> {
    let bytes = read_file(path)?;
    let text = abc::decode(&bytes);
    let book = abc::read(&text);
    if book.tunes.is_empty() {
        return Err(no_tune(path));
    }
    let mut findings = book.findings;
    for tune in &book.tunes {
        let performance = abc::perform(tune, &PerformOptions::default());
        findings.extend(performance.findings);
        if performance.notes.is_empty() {
            findings.push(Finding {
                severity: Severity::Warning,
                span: tune.span.start..tune.span.start,
                text: "there are no notes in this tune".to_owned(),
                hint: "its music starts after the K: line".to_owned(),
            });
        }
    }
    findings.sort_by_key(|finding| finding.span.start);
    if json {
        print(object(path, &text, &findings)?);
    } else {
        print(told(&path.display().to_string(), &text, &findings));
    }
    let error = findings.iter().any(|finding| finding.severity == Severity::Error);
    Ok(if error { Outcome::ErrorsFound } else { Outcome::Done })
}

/// The refusal of a file without a tune.
pub(super) fn no_tune(path: &Path) -> Refusal {
    Refusal::new(
        named(path),
        "there is no tune in it",
        "a tune of ABC starts with X: and has a K: before its music",
    )
}

/// Goes through a text from one place to the next and tells lines and columns, both from 1, columns in characters.
struct Places<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    line_start: usize,
    /// Characters are counted on from the place before, or many places in one long line would take quadratic time.
    column: usize,
    counted: usize,
}

impl<'a> Places<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0, line: 1, line_start: 0, column: 1, counted: 0 }
    }

    /// The line and column of a byte that is no earlier than the one before.
    fn next(&mut self, byte: usize) -> (usize, usize) {
        let place = self.text.floor_char_boundary(byte);
        let bytes = self.text.as_bytes();
        while self.at < place {
            // Lines end as the reader ends them: \n, \r\n or \r.
            let ends = bytes[self.at] == b'\n'
                || (bytes[self.at] == b'\r' && bytes.get(self.at + 1) != Some(&b'\n'));
            self.at += 1;
            if ends {
                self.line += 1;
                self.line_start = self.at;
            }
        }
        if self.counted < self.line_start {
            (self.column, self.counted) = (1, self.line_start);
        }
        let upto = place.max(self.counted);
        self.column += self.text[self.counted..upto].chars().count();
        self.counted = upto;
        (self.line, self.column)
    }
}

const fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// A line for each finding; they are sorted by place.
fn told(file: &str, text: &str, findings: &[Finding]) -> String {
    let mut told = String::new();
    let mut places = Places::new(text);
    for finding in findings {
        let (line, column) = places.next(finding.span.start);
        let severity = word(finding.severity);
        let _ = write!(told, "{file}:{line}:{column}: {severity}: {}", finding.text);
        if !finding.hint.is_empty() {
            let _ = write!(told, " ({})", finding.hint);
        }
        told.push('\n');
    }
    told
}

/// What `--json` prints of a file.
#[derive(Serialize)]
struct File<'a> {
    file: &'a str,
    findings: Vec<Found<'a>>,
}

#[derive(Serialize)]
struct Found<'a> {
    severity: &'static str,
    /// Bytes of the text, from the first to the one after the last.
    start: usize,
    end: usize,
    line: usize,
    column: usize,
    text: &'a str,
    hint: &'a str,
}

/// The findings as one JSON object in a line; they are sorted by place.
fn object(path: &Path, text: &str, findings: &[Finding]) -> Result<String, Refusal> {
    let mut places = Places::new(text);
    let findings = findings
        .iter()
        .map(|finding| {
            let (line, column) = places.next(finding.span.start);
            let (start, end) = (finding.span.start, finding.span.end);
            let severity = word(finding.severity);
            Found { severity, start, end, line, column, text: &finding.text, hint: &finding.hint }
        })
        .collect();
    let file = path.to_string_lossy();
    let mut line = serde_json::to_string(&File { file: &file, findings }).map_err(|error| {
        Refusal::new(named(path), error, "its findings can't be written as JSON")
    })?;
    line.push('\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(start: usize) -> Finding {
        Finding {
            severity: Severity::Error,
            span: start..start,
            text: "bad".into(),
            hint: String::new(),
        }
    }

    #[test]
    fn places_are_lines_and_characters_whatever_the_line_ends() {
        let text = "é?\r\n\u{266d}\u{266d}!\rx\n?";
        let places: Vec<usize> = ["?", "!", "x"].iter().map(|c| text.find(c).unwrap()).collect();
        let findings: Vec<Finding> =
            places.into_iter().chain([text.len() - 1, text.len()]).map(finding).collect();
        assert_eq!(
            told("f", text, &findings),
            "f:1:2: error: bad\nf:2:3: error: bad\nf:3:1: error: bad\nf:4:1: error: bad\nf:4:2: error: bad\n"
        );
    }
}
