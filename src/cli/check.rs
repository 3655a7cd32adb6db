//! Interface: `earworm check`.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::{Outcome, Refusal, for_each, print, read_file};
use earworm_abc::{self as abc, Finding, PerformOptions, Severity};

/// What `earworm check` is told.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// ABC files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Prints each finding as `file:line:column: message`, lines and columns from 1, columns in characters. The
/// exit code is 1 where one is an error.
pub(crate) fn run(options: Options) -> Outcome {
    for_each(&options.files, |path| check(path))
}

fn check(path: &Path) -> Result<Outcome, Refusal> {
    let bytes = read_file(path)?;
    let text = abc::decode(&bytes);
    let book = abc::read(&text);
    if book.tunes.is_empty() {
        return Err(no_tune(path));
    }
    let mut findings = book.findings;
    for tune in &book.tunes {
        findings.extend(abc::perform(tune, &PerformOptions::default()).findings);
    }
    findings.sort_by_key(|finding| finding.span.start);
    print(told(&path.display().to_string(), &text, &findings));
    let error = findings.iter().any(|finding| finding.severity == Severity::Error);
    Ok(if error { Outcome::ErrorsFound } else { Outcome::Done })
}

/// The refusal of a file without a tune.
pub(super) fn no_tune(path: &Path) -> Refusal {
    Refusal::new(
        path.display(),
        "there is no tune in it",
        "a tune of ABC starts with X: and has a K: before its music",
    )
}

/// A line for each finding; they are sorted by place.
fn told(file: &str, text: &str, findings: &[Finding]) -> String {
    let bytes = text.as_bytes();
    let mut told = String::new();
    let (mut line, mut line_start, mut at) = (1, 0, 0);
    // Characters are counted on from the finding before, or many findings in one long line would take
    // quadratic time.
    let (mut column, mut counted) = (1, 0);
    for finding in findings {
        let mut place = finding.span.start.min(text.len());
        while !text.is_char_boundary(place) {
            place -= 1;
        }
        while at < place {
            // Lines end as the reader ends them: \n, \r\n or \r.
            let ends =
                bytes[at] == b'\n' || (bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
            at += 1;
            if ends {
                line += 1;
                line_start = at;
            }
        }
        if counted < line_start {
            (column, counted) = (1, line_start);
        }
        column += text[counted..place.max(counted)].chars().count();
        counted = place.max(counted);
        let severity = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        let _ = write!(told, "{file}:{line}:{column}: {severity}: {}", finding.text);
        if !finding.hint.is_empty() {
            let _ = write!(told, " ({})", finding.hint);
        }
        told.push('\n');
    }
    told
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
