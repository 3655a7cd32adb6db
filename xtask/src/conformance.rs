//! Interface: `cargo xtask conformance`: the ABC reader beside abc2midi, tune by tune.
//!
//! Both read the same tune. Decorations are taken out of the text that abc2midi gets (it plays them and has
//! no switch against all of them), grace notes, chord symbols and dynamics are switched off there, and so is
//! the delay between a chord's notes. What is left is the melody: pitch, onset and duration in ticks.

use anyhow::{Context, bail};
use earworm::abc::{self, PerformOptions, Tune};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the task is told on the command line.
#[derive(clap::Args)]
pub struct Options {
    /// A folder of .abc files, or one such file; each folder in it is a collection of its own
    folder: PathBuf,
    /// Prints each tune that differs, with the first note that does
    #[arg(long)]
    list: bool,
    /// Only tunes whose title or path contains this
    #[arg(long)]
    only: Option<String>,
}

/// A melody's note: onset and duration in ticks, MIDI key.
type Note = (u32, u8, u32);

/// How a tune came out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Equal,
    /// Equal once the repeats' starts that the standard implies are written out for abc2midi.
    WrittenOut,
    /// The class of the difference.
    Differs(&'static str),
}

#[derive(Default)]
struct Tally {
    tunes: usize,
    /// Of those that abc2midi reads without an error.
    clean: usize,
    clean_equal: usize,
    /// Of those that differ, the ones that are equal once implied starts of repeats are written out.
    written_out: usize,
    /// Of those that abc2midi complains of.
    faulty_equal: usize,
    differences: BTreeMap<&'static str, Vec<String>>,
}

/// Runs the task.
pub fn run(options: Options) -> anyhow::Result<()> {
    if Command::new("abc2midi").arg("-ver").output().is_err() {
        bail!(
            "abc2midi is not installed; on Debian and Ubuntu it is in the package abcmidi (`sudo apt-get install abcmidi`)"
        );
    }
    let files = abc_files(&options.folder)?;
    if files.is_empty() {
        bail!("there is no .abc file in {}", options.folder.display());
    }
    let folder = tempfile::tempdir().context("a folder for abc2midi's files")?;
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    for file in &files {
        let collection = file
            .strip_prefix(&options.folder)
            .ok()
            .and_then(|path| path.parent())
            .map(|path| path.display().to_string())
            .filter(|path| !path.is_empty())
            .unwrap_or_else(|| "(this folder)".to_owned());
        let tally = tallies.entry(collection).or_default();
        let bytes = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
        let text = abc::decode(&bytes);
        for tune in abc::read(&text).tunes {
            let name = format!("{} X:{} {}", file.display(), tune.reference, tune.title());
            if options.only.as_ref().is_some_and(|only| !name.contains(only)) {
                continue;
            }
            let ours = melody(&tune);
            let (theirs, complaints) = abc2midi(&text[tune.span.clone()], folder.path())?;
            tally.tunes += 1;
            let mut outcome = compare(&ours, theirs.as_deref());
            if outcome != Outcome::Equal
                && let Some(text) = with_repeats_written_out(&text, &tune)
            {
                let (theirs, _) = abc2midi(&text, folder.path())?;
                if compare(&ours, theirs.as_deref()) == Outcome::Equal {
                    outcome = Outcome::WrittenOut;
                }
            }
            let clean = !complaints.iter().any(|line| line.starts_with("Error"));
            if clean {
                tally.clean += 1;
            }
            match outcome {
                Outcome::Equal if clean => tally.clean_equal += 1,
                Outcome::Equal => tally.faulty_equal += 1,
                Outcome::WrittenOut if clean => {
                    tally.written_out += 1;
                    if options.list {
                        println!("{name}: equal once the implied start of a repeat is written out");
                    }
                    tally
                        .differences
                        .entry("start of a repeat implied by a double bar or `:|`")
                        .or_default()
                        .push(name);
                }
                Outcome::Differs(class) if clean => {
                    if options.list {
                        println!("{name}: {class}");
                        print_difference(&ours, theirs.as_deref().unwrap_or_default());
                        for line in complaints.iter().take(3) {
                            println!("    {line}");
                        }
                    }
                    tally.differences.entry(class).or_default().push(name);
                }
                Outcome::WrittenOut | Outcome::Differs(_) => {}
            }
        }
    }
    print_table(&tallies);
    Ok(())
}

fn print_table(tallies: &BTreeMap<String, Tally>) {
    println!(
        "| collection | tunes | abc2midi reports no error | same melody | share | once implied starts of repeats are written out | same melody despite errors |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let row = |name: &str, tallies: &mut dyn Iterator<Item = &Tally>| {
        let (mut tunes, mut clean, mut equal, mut faulty, mut written_out) = (0, 0, 0, 0, 0);
        for tally in tallies {
            tunes += tally.tunes;
            clean += tally.clean;
            equal += tally.clean_equal;
            faulty += tally.faulty_equal;
            written_out += tally.written_out;
        }
        let share = 100.0 * equal as f64 / clean.max(1) as f64;
        let share_written_out = 100.0 * (equal + written_out) as f64 / clean.max(1) as f64;
        println!(
            "| {name} | {tunes} | {clean} | {equal} | {share:.2} % | {share_written_out:.2} % | {faulty} of {} |",
            tunes - clean
        );
    };
    for (name, tally) in tallies {
        row(name, &mut std::iter::once(tally));
    }
    row("all", &mut tallies.values());
    let mut classes: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for (class, names) in tallies.values().flat_map(|tally| &tally.differences) {
        let entry = classes.entry(class).or_insert((0, names[0].as_str()));
        entry.0 += names.len();
    }
    if !classes.is_empty() {
        println!("\n| difference | tunes | for example |");
        println!("| --- | --- | --- |");
        for (class, (count, example)) in classes {
            println!("| {class} | {count} | {example} |");
        }
    }
}

/// Every .abc file in a folder and its folders, or the one file.
pub(crate) fn abc_files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    let entries = std::fs::read_dir(path)
        .with_context(|| format!("opening the folder {}", path.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(abc_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "abc") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn melody(tune: &Tune) -> Vec<Note> {
    let mut notes: Vec<Note> = abc::perform(tune, &PerformOptions::melody_only())
        .notes
        .iter()
        .map(|note| (note.start, note.key, note.duration))
        .collect();
    notes.sort_unstable();
    notes
}

/// What abc2midi makes of a tune, `None` where it writes no file, and what it complains of.
fn abc2midi(tune: &str, folder: &Path) -> anyhow::Result<(Option<Vec<Note>>, Vec<String>)> {
    let (input, output) = (folder.join("tune.abc"), folder.join("tune.mid"));
    let _ = std::fs::remove_file(&output);
    // Bytes as most files have them; the notes are ASCII either way.
    std::fs::write(&input, without_decorations(tune))?;
    let said = Command::new("abc2midi")
        .arg(&input)
        .arg("-o")
        .arg(&output)
        .args(["-NGUI", "-NGRA", "-NFER", "-NFNP", "-NCOM"])
        .output()
        .context("running abc2midi")?;
    let complaints = String::from_utf8_lossy(&said.stdout)
        .lines()
        .filter(|line| line.starts_with("Error") || line.starts_with("Warning"))
        .map(str::to_owned)
        .collect();
    let notes = match std::fs::read(&output) {
        Ok(bytes) => Some(notes_of(&bytes)?),
        Err(_) => None,
    };
    Ok((notes, complaints))
}

/// A Standard MIDI File's notes. abc2midi starts each note a tick after its time and ends it on time.
fn notes_of(bytes: &[u8]) -> anyhow::Result<Vec<Note>> {
    let file = midly::Smf::parse(bytes).context("reading abc2midi's file")?;
    let mut notes = Vec::new();
    for track in &file.tracks {
        let mut now = 0;
        let mut sounding: Vec<(u8, u8, u32)> = Vec::new();
        for event in track {
            now += event.delta.as_int();
            let midly::TrackEventKind::Midi { channel, message } = event.kind else {
                continue;
            };
            let channel = channel.as_int();
            match message {
                midly::MidiMessage::NoteOn { key, vel } if vel.as_int() > 0 => {
                    sounding.push((channel, key.as_int(), now.saturating_sub(1)));
                }
                midly::MidiMessage::NoteOff { key, .. }
                | midly::MidiMessage::NoteOn { key, .. } => {
                    let key = key.as_int();
                    if let Some(at) =
                        sounding.iter().position(|note| note.0 == channel && note.1 == key)
                    {
                        let start = sounding.remove(at).2;
                        notes.push((start, key, now - start));
                    }
                }
                _ => {}
            }
        }
    }
    notes.sort_unstable();
    Ok(notes)
}

/// The tune with `|:` wherever a repeated section starts without it; `None` where none does.
fn with_repeats_written_out(text: &str, tune: &Tune) -> Option<String> {
    let mut starts: Vec<_> =
        tune.voices.iter().flat_map(|voice| voice.implied_repeat_starts()).collect();
    starts.sort_by_key(|span| span.start);
    starts.dedup();
    if starts.is_empty() {
        return None;
    }
    let mut out = String::new();
    let mut at = tune.span.start;
    for span in starts {
        // A bar line's element starts with what stands on it; the strokes are its end.
        let line = &text[span.clone()];
        let strokes = line.trim_end_matches(['|', ':', '[', ']']);
        if span.start < at {
            continue;
        }
        out.push_str(&text[at..span.start + strokes.len()]);
        out.push_str(if line[strokes.len()..].starts_with(':') { "::" } else { "|:" });
        at = span.end;
    }
    out.push_str(&text[at..tune.span.end]);
    Some(out)
}

/// The tune without what decorates notes, and with abc2midi's chord delay switched off.
fn without_decorations(tune: &str) -> String {
    const PLAYED: &[&str] = &[
        "trill",
        "roll",
        "fermata",
        "staccato",
        "turn",
        "invertedturn",
        "mordent",
        "lowermordent",
        "uppermordent",
        "pralltriller",
        "arpeggio",
        "slide",
        "tenuto",
        "marcato",
        "invertedfermata",
        "breath",
        "wedge",
    ];
    let mut out = String::with_capacity(tune.len() + 32);
    let mut body = false;
    for line in tune.lines() {
        // Drums and drones accompany; trimmed and expanded notes and delayed chords are a player's touch.
        let word = line.strip_prefix("%%MIDI").map(str::trim_start).unwrap_or_default();
        if ["drum", "drone", "trim", "expand", "chordattack", "randomchordattack"]
            .iter()
            .any(|touch| word.starts_with(touch))
        {
            continue;
        }
        let bytes = line.as_bytes();
        let field = bytes.len() > 1
            && bytes[0].is_ascii_alphabetic()
            && bytes[1] == b':'
            && !matches!(bytes.get(2), Some(b'|' | b':'));
        if !body || field || line.starts_with('%') {
            out.push_str(line);
            out.push('\n');
            if line.starts_with("X:") {
                out.push_str("%%MIDI chordattack 0\n");
            }
            body |= line.starts_with("K:");
            continue;
        }
        let mut rest = line;
        while let Some(c) = rest.chars().next() {
            let taken = match c {
                '"' => rest[1..].find('"').map_or(rest.len(), |close| close + 2),
                '[' if rest.len() > 2
                    && rest.as_bytes()[1].is_ascii_alphabetic()
                    && rest.as_bytes()[2] == b':' =>
                {
                    rest.find(']').map_or(rest.len(), |close| close + 1)
                }
                '%' => rest.len(),
                _ => c.len_utf8(),
            };
            let decorates = match c {
                '~' | 'H'..='W' | 'h'..='w' => true,
                '.' => !matches!(rest.as_bytes().get(1), Some(b'|' | b'(' | b'-')),
                _ => false,
            };
            if c == '!' || c == '+' {
                let inner = &rest[1..];
                if let Some(close) = inner.find(c)
                    && PLAYED.contains(&&inner[..close])
                {
                    rest = &inner[close + 1..];
                    continue;
                }
            }
            if !decorates {
                out.push_str(&rest[..taken]);
            }
            rest = &rest[taken..];
        }
        out.push('\n');
    }
    out
}

fn compare(ours: &[Note], theirs: Option<&[Note]>) -> Outcome {
    let Some(theirs) = theirs else {
        return if ours.is_empty() {
            Outcome::Equal
        } else {
            Outcome::Differs("abc2midi writes no file")
        };
    };
    if ours == theirs {
        return Outcome::Equal;
    }
    let first = ours.iter().zip(theirs).position(|(a, b)| a != b);
    let Some(first) = first else {
        return Outcome::Differs("one plays on after the other has ended");
    };
    let (a, b) = (ours[first], theirs[first]);
    Outcome::Differs(if a.0 == b.0 && a.1 == b.1 {
        "duration"
    } else if a.0 == b.0 {
        "pitch"
    } else if ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| a.1 == b.1) {
        "onset"
    } else {
        "other notes"
    })
}

fn print_difference(ours: &[Note], theirs: &[Note]) {
    let first =
        ours.iter().zip(theirs).position(|(a, b)| a != b).unwrap_or(ours.len().min(theirs.len()));
    let show = |notes: &[Note]| {
        notes
            .iter()
            .skip(first)
            .take(6)
            .map(|(start, key, duration)| format!("{key}@{start}+{duration}"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    println!("    note {first} of {}: {}", ours.len(), show(ours));
    println!("    abc2midi of {}: {}", theirs.len(), show(theirs));
}
