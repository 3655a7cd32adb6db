//! Interface: `earworm fmt`.

use std::path::{Path, PathBuf};

use super::check::no_tune;
use super::{Outcome, Refusal, for_each, is_stream, named, print, read_file};
use earworm_abc::{self as abc, Tunebook};

/// What `earworm fmt` is told.
#[derive(clap::Args)]
#[command(after_help = "\
Fields lose the spaces after their colon, music its runs of spaces, lines the spaces at their end;
one blank line stands between tunes, line ends are LF, the text is UTF-8. Comments and free text
stay. A file is written only where every tune in it reads as before.")]
pub(super) struct Options {
    /// ABC files, written in place; - is standard input, printed on standard output
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Writes nothing, names the files that would change, and exits with 1 where there are any
    #[arg(long)]
    check: bool,
}

/// Puts files in order.
pub(super) fn run(options: Options) -> Outcome {
    for_each(&options.files, |path| format(path, options.check))
}

fn format(path: &Path, check: bool) -> Result<Outcome, Refusal> {
    let bytes = read_file(path)?;
    let text = abc::decode(&bytes);
    let before = abc::read(&text);
    if before.tunes.is_empty() {
        return Err(no_tune(path));
    }
    let is_utf8 = std::str::from_utf8(&bytes).is_ok();
    let ordered = in_order(&text, is_utf8);
    if !reads_alike(&before, &abc::read(&ordered)) {
        return Err(Refusal::new(
            named(path),
            "it can't be put in order without changing its music",
            "earworm check says what is unclear in it",
        ));
    }
    let changes = ordered.as_bytes() != bytes;
    if check {
        if changes {
            print(format_args!("{}\n", named(path)));
            return Ok(Outcome::ErrorsFound);
        }
    } else if is_stream(path) {
        print(&ordered);
    } else if changes {
        earworm_files::write(path, ordered.as_bytes())
            .map_err(|error| Refusal::from_io(path, &error))?;
    }
    Ok(Outcome::Done)
}

fn reads_alike(before: &Tunebook, after: &Tunebook) -> bool {
    before.tunes.len() == after.tunes.len()
        && before.findings.len() == after.findings.len()
        && before.tunes.iter().zip(&after.tunes).all(|(one, two)| abc::same(one, two))
}

/// A text in order, line by line.
fn in_order(text: &str, is_utf8: bool) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut ordered = String::with_capacity(text.len());
    // Between %%begintext and %%endtext, or the like, everything stands as it is.
    let mut verbatim = false;
    let mut blank = 0;
    for line in text.split('\n') {
        let line = line.trim_end();
        let directive = line.strip_prefix("%%").map(str::trim_start).unwrap_or_default();
        if line.is_empty() && !verbatim {
            blank += 1;
            continue;
        }
        if blank > 0 && !ordered.is_empty() {
            ordered.push('\n');
        }
        blank = 0;
        // What says that the bytes are others than they are now.
        let named = line.strip_prefix("I:").map_or(directive, str::trim_start);
        if !is_utf8 && named.starts_with("abc-charset") {
            continue;
        }
        if verbatim || line.starts_with('%') {
            ordered.push_str(line);
        } else if let Some((field, rest)) = field(line) {
            ordered.push_str(field);
            ordered.push_str(rest.trim_start());
        } else {
            push_music(line, &mut ordered);
        }
        ordered.push('\n');
        verbatim = directive.starts_with("begin") || (verbatim && !directive.starts_with("end"));
    }
    ordered
}

/// The letter and colon of a line that is a field, and what follows.
fn field(line: &str) -> Option<(&str, &str)> {
    let mut bytes = line.bytes();
    let letter = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'+');
    (letter && bytes.next() == Some(b':')).then(|| line.split_at(2))
}

/// Music with one space where there are several, but not between quotation marks or in a comment.
fn push_music(line: &str, ordered: &mut String) {
    let (mut quoted, mut spaces) = (false, false);
    for (at, letter) in line.char_indices() {
        match letter {
            '%' if !quoted && !line[..at].ends_with('\\') => {
                if spaces {
                    ordered.push(' ');
                }
                ordered.push_str(&line[at..]);
                return;
            }
            ' ' | '\t' if !quoted => {
                spaces = true;
                continue;
            }
            '"' => quoted = !quoted,
            _ => {}
        }
        if std::mem::take(&mut spaces) {
            ordered.push(' ');
        }
        ordered.push(letter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_lines_and_ends_are_put_in_order_and_words_and_comments_stay() {
        let text = "\u{feff}\r\n\r\n% a  remark  \r\nX: 1\r\nT:  Two  words \r\nK:C\r\nCD  EF |\t\"^two  words\"G4|  % a  remark\r\n\r\n\r\n\r\nX:2\r\nK:C\r\nC|";
        let ordered = "% a  remark\nX:1\nT:Two  words\nK:C\nCD EF | \"^two  words\"G4| % a  remark\n\nX:2\nK:C\nC|\n";
        assert_eq!(in_order(text, true), ordered);
        assert_eq!(in_order(ordered, true), ordered);
    }

    #[test]
    fn what_is_set_as_text_stands_as_it_is() {
        let text = "X:1\nT:T\nK:C\n%%begintext\n  far   in\n\n\n%%endtext\nC|\n";
        assert_eq!(in_order(text, true), text);
    }
}
