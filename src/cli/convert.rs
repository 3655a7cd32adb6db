//! Interface: `earworm convert`.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::check::no_tune;
use super::tune_file::{Format, write_abc, write_performance};
use super::{Outcome, Refusal, for_each, is_stream, named, read_file};
use earworm_abc::{self as abc, PerformOptions, Performance, Severity, Tune, Tunebook};
use earworm_midi as midi;
use earworm_tunes::harmony::Harmonizer;

/// What `earworm convert` is told.
#[derive(clap::Args)]
#[command(after_help = "\
An ABC file with several tunes becomes a file for each, its reference number (X:) before the
extension: `convert book.abc out.mid` writes out-1.mid, out-2.mid, … To .abc they stay together.
`--tune N` takes the one with that number and writes OUT itself.

`-` is standard input or output: `curl -s URL | earworm convert - --to mid - | player`. What comes in
is known by its first bytes where --from does not say.")]
pub(crate) struct Options {
    /// The written notes alone: no accompaniment, grace notes or ornaments
    #[arg(long)]
    melody_only: bool,
    /// Puts chord symbols above tunes of an ABC file that have none
    #[arg(long, conflicts_with = "melody_only")]
    chords: bool,
    /// Moves every note and key by so many semitones, down where negative
    #[arg(long, value_name = "SEMITONES", allow_hyphen_values = true, default_value_t = 0,
          value_parser = clap::value_parser!(i8).range(-48..=48))]
    transpose: i8,
    /// Takes the tune with this reference number (X:) of several
    #[arg(long, value_name = "NUMBER")]
    tune: Option<u32>,
    /// What IN holds, whatever its name: abc or mid
    #[arg(long, value_name = "FORMAT", hide_possible_values = true)]
    from: Option<Format>,
    /// What OUT holds, whatever its name: abc, mid or wav
    #[arg(long, value_name = "FORMAT", hide_possible_values = true)]
    to: Option<Format>,
    /// Where to read: .abc or .mid (also .midi, .kar, .rmi, .smf), or - for standard input
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Where to write: .abc, .mid or .wav, or - for standard output
    #[arg(value_name = "OUT")]
    output: PathBuf,
}

/// Converts one file.
pub(crate) fn run(options: Options) -> Outcome {
    Outcome::from(convert(&options))
}

fn convert(options: &Options) -> Result<Outcome, Refusal> {
    let to = match options.to {
        Some(to) => to,
        None if is_stream(&options.output) => {
            let hint = "say --to abc, --to mid or --to wav";
            return Err(Refusal::new("standard output", "its name says no format", hint));
        }
        None => Format::of(&options.output)?,
    };
    let from = match options.from {
        Some(from) => Some(from),
        None if is_stream(&options.input) => None,
        None => Some(Format::of(&options.input)?),
    };
    let bytes = read_file(&options.input)?;
    match from.unwrap_or_else(|| Format::of_bytes(&bytes)) {
        Format::Abc => from_abc(options, &bytes, to),
        Format::Midi => from_midi(options, &bytes, to),
        Format::Wav => Err(Refusal::new(
            named(&options.input),
            "audio can't be turned into notes",
            "give an .abc or .mid file",
        )),
    }
}

fn from_abc(options: &Options, bytes: &[u8], to: Format) -> Result<Outcome, Refusal> {
    let text = abc::decode(bytes);
    let mut book = abc::read(&text);
    if options.chords {
        book = abc::read(&Harmonizer::embedded().harmonize(&text));
    }
    warn_of_errors(&options.input, &book);
    if book.tunes.is_empty() {
        return Err(no_tune(&options.input));
    }
    if let Some(number) = options.tune {
        let numbers: Vec<u32> = book.tunes.iter().map(|tune| tune.reference).collect();
        book.tunes.retain(|tune| tune.reference == number);
        book.tunes.truncate(1);
        if book.tunes.is_empty() {
            return Err(Refusal::new(
                named(&options.input),
                format!("no tune in it has the number {number}"),
                format!("it has {}", listed(&numbers)),
            ));
        }
    }
    if options.transpose != 0 {
        for tune in &mut book.tunes {
            *tune = abc::transpose(tune, options.transpose);
        }
    }
    if to == Format::Abc {
        if options.melody_only {
            book.tunes.iter_mut().for_each(leave_melody);
        }
        // A tune taken out of its book takes along what the book's header says.
        let text = match &book.tunes[..] {
            [tune] if options.tune.is_some() => abc::write(tune),
            _ => abc::write_book(&book),
        };
        return write_abc(&options.output, &text).map(|()| Outcome::Done);
    }
    let perform_options =
        if options.melody_only { PerformOptions::melody_only() } else { PerformOptions::default() };
    if let [tune] = &book.tunes[..] {
        let performance = played(tune, &perform_options);
        return write_performance(&options.output, to, &performance).map(|()| Outcome::Done);
    }
    if is_stream(&options.output) {
        return Err(Refusal::new(
            "standard output",
            format!("{} tunes, which need a file each", book.tunes.len()),
            "say which with --tune NUMBER, or name a file",
        ));
    }
    let outputs = numbered(&options.output, &book);
    // Not an error, but OUT itself won't be there.
    let _ = writeln!(
        io::stderr(),
        "earworm: {}: {} tunes, one file each, from {} to {}",
        named(&options.input),
        outputs.len(),
        outputs.first().map_or("".into(), |path| path.display().to_string()),
        outputs.last().map_or("".into(), |path| path.display().to_string()),
    );
    Ok(for_each(book.tunes.iter().zip(&outputs), |(tune, output)| {
        let performance = played(tune, &perform_options);
        write_performance(output, to, &performance).map(|()| Outcome::Done)
    }))
}

/// A tune played; of what is said of it only what is left out is told here, `earworm check` says the rest.
fn played(tune: &Tune, options: &PerformOptions) -> Performance {
    let mut performance = abc::perform(tune, options);
    performance.findings.retain(|finding| finding.severity == Severity::Error);
    performance
}

/// Up to eight of the numbers in a row.
fn listed(numbers: &[u32]) -> String {
    let mut told: Vec<String> = numbers.iter().take(8).map(u32::to_string).collect();
    if numbers.len() > 8 {
        told.push(format!("… ({} tunes)", numbers.len()));
    }
    told.join(", ")
}

/// A path for each tune: its reference number before the extension, and a count where numbers repeat.
fn numbered(output: &Path, book: &Tunebook) -> Vec<PathBuf> {
    let stem = output.file_stem().unwrap_or_default().to_string_lossy();
    let extension = output.extension().unwrap_or_default().to_string_lossy();
    let mut taken = HashSet::new();
    book.tunes
        .iter()
        .map(|tune| {
            let mut name = format!("{stem}-{}.{extension}", tune.reference);
            let mut count = 2;
            while !taken.insert(name.clone()) {
                name = format!("{stem}-{}-{count}.{extension}", tune.reference);
                count += 1;
            }
            output.with_file_name(name)
        })
        .collect()
}

/// Takes chord symbols, grace notes and decorations off a tune.
fn leave_melody(tune: &mut Tune) {
    for element in tune.voices.iter_mut().flat_map(|voice| &mut voice.elements) {
        if let Some(attached) = &mut element.attached {
            attached.chord_symbols.clear();
            attached.decorations.clear();
            attached.grace = None;
        }
    }
}

/// Says that something in the file could not be read, once, and how to see what.
fn warn_of_errors(path: &Path, book: &Tunebook) {
    let errors = book.findings.iter().filter(|f| f.severity == Severity::Error).count();
    if errors > 0 {
        let _ = writeln!(
            io::stderr(),
            "earworm: {path}: {errors} {places} could not be read (earworm check lists them)",
            path = named(path),
            places = if errors == 1 { "place" } else { "places" },
        );
    }
}

fn from_midi(options: &Options, bytes: &[u8], to: Format) -> Result<Outcome, Refusal> {
    if options.tune.is_some() {
        return Err(Refusal::new("--tune", "a MIDI file holds one tune", "leave the flag out"));
    }
    let mut performance = midi::read(bytes)
        .map_err(|error| Refusal::new(named(&options.input), &error, error.hint()))?;
    if options.melody_only {
        performance.notes.retain(|note| !note.accompaniment);
        performance.chords.clear();
    }
    if performance.notes.is_empty() {
        return Err(Refusal::new(
            named(&options.input),
            "there are no notes in it",
            "check what it is",
        ));
    }
    if options.transpose != 0 {
        transpose(&mut performance, options.transpose);
    }
    write_performance(&options.output, to, &performance).map(|()| Outcome::Done)
}

/// Moves a performance's notes and key signatures. Percussion stays, and a note that would leave MIDI's range
/// stays an octave inside it.
fn transpose(performance: &mut Performance, semitones: i8) {
    for note in &mut performance.notes {
        if note.channel == 9 {
            continue;
        }
        let mut key = i16::from(note.key) + i16::from(semitones);
        while key < 0 {
            key += 12;
        }
        while key > 127 {
            key -= 12;
        }
        note.key = key as u8;
    }
    let key = performance.keys.first().map(|start| start.key.clone()).unwrap_or_default();
    for start in &mut performance.keys {
        start.key = abc::transpose_key(&start.key, semitones);
    }
    for chord in &mut performance.chords {
        chord.symbol = abc::transpose_chord_symbol(&chord.symbol, semitones, &key);
    }
}
