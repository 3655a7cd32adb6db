//! Interface: `cargo xtask fuzz hostile`: the largest and worst inputs, for time that grows with their length and no
//! faster, and for memory within bounds.

use anyhow::{Context, bail};
use earworm_abc::{self as abc, PerformOptions};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::process::Command;
use std::time::Instant;

/// The most memory that reading and performing may take, the text included, in bytes.
const MOST_MEMORY: u64 = 256_000_000;

/// How many times as long a byte of the whole input may take as one of a quarter of it: 1 is linear time, and the
/// rest is for caches and what else the machine does.
const MOST_GROWTH: f64 = 3.0;

/// A kind of input: its name, what it starts with, and what comes again and again until it is long enough; the
/// number counts the times.
struct Kind {
    name: &'static str,
    start: &'static str,
    again: fn(usize, &mut SmallRng, &mut Vec<u8>),
}

const KINDS: &[Kind] = &[
    Kind { name: "one line of notes", start: HEAD, again: |_, _, text| put(text, "ABcd efga|") },
    Kind {
        name: "tunes",
        start: "",
        again: |n, _, text| put(text, &format!("X:{n}\nK:G\nABcd|\n\n")),
    },
    Kind { name: "blank lines", start: "", again: |_, _, text| put(text, "\n") },
    Kind { name: "random bytes", start: "", again: |_, random, text| text.push(random.random()) },
    Kind { name: "Latin-1", start: HEAD, again: |_, _, text| text.extend(b"A\xe9 \"\xe4\"B|") },
    Kind { name: "nested parts", start: "X:1\nP:", again: |_, _, text| put(text, "((((A)9)9)9)9") },
    Kind {
        name: "parts that repeat parts",
        start: "X:1\nP:((((A)9)9)9)9\nK:C\n",
        again: |_, _, text| put(text, "P:A\nABcd|\n"),
    },
    Kind {
        name: "endings",
        start: HEAD,
        again: |n, _, text| put(text, &format!("|{} A :", n % 1000 + 1)),
    },
    Kind { name: "repeats", start: HEAD, again: |_, _, text| put(text, "|::::A::::|") },
    Kind { name: "ends of repeats", start: HEAD, again: |_, _, text| put(text, "A:|") },
    Kind { name: "rests of many bars", start: HEAD, again: |_, _, text| put(text, "Z99999999|") },
    Kind { name: "lengths", start: HEAD, again: |_, _, text| put(text, "A1/99999999 ") },
    Kind { name: "chords", start: HEAD, again: |_, _, text| put(text, "[CEGc]-") },
    Kind { name: "chords left open", start: HEAD, again: |_, _, text| put(text, "[CE") },
    Kind { name: "grace notes left open", start: HEAD, again: |_, _, text| put(text, "{g") },
    Kind { name: "quotation marks", start: HEAD, again: |_, _, text| put(text, "\"") },
    Kind { name: "exclamation marks", start: HEAD, again: |_, _, text| put(text, "!a") },
    Kind { name: "plus signs", start: HEAD, again: |_, _, text| put(text, "+c") },
    Kind { name: "tuplets", start: HEAD, again: |_, _, text| put(text, "(3A(5B") },
    Kind { name: "broken rhythm", start: HEAD, again: |_, _, text| put(text, "A>>") },
    Kind { name: "overlays", start: HEAD, again: |_, _, text| put(text, "A&&&") },
    Kind { name: "voices", start: HEAD, again: |n, _, text| put(text, &format!("V:{n}\nA|\n")) },
    Kind { name: "inline fields", start: HEAD, again: |_, _, text| put(text, "[K:G][M:3/4]A") },
    Kind { name: "fields left open", start: HEAD, again: |_, _, text| put(text, "[K:") },
    Kind { name: "header fields", start: "X:1\n", again: |_, _, text| put(text, "N:remark\n") },
    Kind { name: "continued fields", start: "X:1\nN:a\n", again: |_, _, text| put(text, "+:b\n") },
    Kind {
        name: "macros",
        start: "X:1\nm: ~n = n/o/n/m/\nK:C\n",
        again: |_, _, text| put(text, "~G~c'"),
    },
    Kind { name: "chord symbols", start: HEAD, again: |_, _, text| put(text, "\"Am7\"A\"G\"B|") },
    Kind {
        name: "drums",
        start: "X:1\nK:C\n%%MIDI drum d999d999\n%%MIDI drumon\n%%MIDI droneon\nM:1/1024\n",
        again: |_, _, text| put(text, "A64"),
    },
    Kind {
        name: "directives",
        start: HEAD,
        again: |_, _, text| put(text, "%%MIDI gchord fzcz\nA|\n"),
    },
];

const HEAD: &str = "X:1\nK:C\n";

fn put(text: &mut Vec<u8>, more: &str) {
    text.extend_from_slice(more.as_bytes());
}

/// An input of about so many bytes.
fn input(kind: &Kind, bytes: usize) -> Vec<u8> {
    let mut random = SmallRng::seed_from_u64(1);
    let mut text = Vec::with_capacity(bytes + 64);
    put(&mut text, kind.start);
    let mut number = 0;
    while text.len() < bytes {
        number += 1;
        (kind.again)(number, &mut random, &mut text);
    }
    text
}

/// Reads an input and plays what was read; how many tunes, notes and findings there were.
fn take(bytes: &[u8]) -> (usize, usize, usize) {
    let text = abc::decode(bytes);
    let book = abc::read(&text);
    let mut notes = 0;
    for tune in &book.tunes {
        notes += abc::perform(tune, &PerformOptions::default()).notes.len();
    }
    (book.tunes.len(), notes, book.findings.len())
}

/// The most memory that this process has held, in bytes, where the system says.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// Runs every kind, each in a process of its own, for memory that one has held the next would seem to hold, too.
pub fn run(megabytes: usize, kind: Option<&str>) -> anyhow::Result<()> {
    if let Some(name) = kind {
        let Some(kind) = KINDS.iter().find(|kind| kind.name == name) else {
            let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
            bail!("no hostile input is called `{name}`; there are: {}", names.join(", "));
        };
        return measure(kind, megabytes);
    }
    println!("| input of {megabytes} MB | tunes | notes | findings | seconds | growth | memory |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let program = std::env::current_exe().context("this program's place")?;
    let mut failed = Vec::new();
    for kind in KINDS {
        let status = Command::new(&program)
            .args(["fuzz", "hostile", "--megabytes", &megabytes.to_string(), "--kind", kind.name])
            .status()
            .context("running this program again")?;
        if !status.success() {
            failed.push(kind.name);
        }
    }
    if !failed.is_empty() {
        bail!("not as they should be: {}", failed.join(", "));
    }
    Ok(())
}

/// Measures a kind at its full length and at a quarter of it, and prints its row.
fn measure(kind: &Kind, megabytes: usize) -> anyhow::Result<()> {
    let bytes = megabytes * 1_000_000;
    let of = |bytes: usize| {
        let text = input(kind, bytes);
        let began = Instant::now();
        let counts = take(&text);
        (counts, began.elapsed().as_secs_f64(), text.len() as f64)
    };
    let (_, quarter, quarter_length) = of(bytes / 4);
    let ((tunes, notes, findings), seconds, length) = of(bytes);
    let growth = (seconds / length) / (quarter / quarter_length).max(1e-12);
    let memory = peak();
    println!(
        "| {} | {tunes} | {notes} | {findings} | {seconds:.2} | {growth:.2} | {} |",
        kind.name,
        memory.map_or_else(|| "not known".to_owned(), |bytes| format!("{} MB", bytes / 1_000_000))
    );
    // What takes next to no time has no growth worth the name.
    if growth > MOST_GROWTH && seconds > 2.0 {
        bail!("{}: time grows faster than the input", kind.name);
    }
    if memory.is_some_and(|bytes| bytes >= MOST_MEMORY) {
        bail!("{}: more than {MOST_MEMORY} bytes", kind.name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_hostile_input_is_read_to_its_end_and_what_is_cut_is_said() {
        for kind in KINDS {
            let text = input(kind, 1_000_000);
            let decoded = abc::decode(&text);
            let book = abc::read(&decoded);
            // A performance that is cut says so; so does a book.
            let said = |findings: &[abc::Finding]| {
                findings.iter().any(|finding| {
                    ["cut", "left out", "more than", "without its closing"]
                        .iter()
                        .any(|word| finding.text.contains(word))
                })
            };
            for tune in book.tunes.iter().take(16) {
                let performance = abc::perform(tune, &PerformOptions::default());
                let elements: usize = tune.voices.iter().map(|voice| voice.elements.len()).sum();
                let most = performance.notes.len() >= abc::performance::MOST_NOTES
                    || performance.end >= abc::performance::MOST_TICKS;
                if most {
                    assert!(said(&performance.findings) || said(&book.findings), "{}", kind.name);
                }
                // A note takes three bytes at most here: what is missing was cut.
                if kind.name == "one line of notes" {
                    assert!(elements < text.len() / 3 && said(&book.findings), "{}", kind.name);
                }
            }
        }
    }
}
