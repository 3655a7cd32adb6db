//! Interface: `cargo xtask conformance`: the ABC reader beside abc2midi, tune by tune, and beside itself by way of ABC
//! and of MIDI.
//!
//! Both programs read the same tune: the file header's fields are written into it for abc2midi, which leaves most
//! of them out. Decorations are taken out of the text that abc2midi gets (it plays them and has no switch
//! against all of them), grace notes, chord symbols and dynamics are switched off there, and so is the delay between a
//! chord's notes. What is left is the melody of every voice: pitch, onset and duration in ticks.
//!
//! Where the two differ, abc2midi is asked again with things written out that the standard asks for and abc2midi is
//! known to pass over ([`Known`]); a tune that is the same then is counted apart, and named by what it took.

use super::roundtrip::Roundtrip;
use anyhow::{Context, bail};
use earworm_abc::{self as abc, PerformOptions, Tune};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

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

/// The longest that abc2midi may take over one tune.
const PATIENCE: Duration = Duration::from_secs(20);

/// A melody's note: onset in ticks, pitch in cents above MIDI key 0, duration in ticks.
type Note = (u32, i32, u32);

/// What abc2midi is known to pass over, and how a tune says it so that abc2midi hears it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// Macros (§9): what they stand for is written in their place.
    Macros,
    /// Starts of repeats that a double bar or an end of a repeat implies (ABC 2.1 §4.8): written as `|:`.
    RepeatStarts,
    /// Clefs with `+8` or `-8` (§4.6) that other properties follow: written last.
    OctaveClefs,
    /// Blank lines between K: and the music, at which a tune ends by the letter (§2.2): left out.
    BlankLines,
    /// Last endings that `:|` closes (§4.10): written with `||`.
    ClosedEndings,
    /// Dotted slurs (§4.11), whose dot abc2midi takes for a staccato: written without it.
    DottedSlurs,
}

impl Known {
    const ALL: [Self; 6] = [
        Self::BlankLines,
        Self::Macros,
        Self::DottedSlurs,
        Self::ClosedEndings,
        Self::RepeatStarts,
        Self::OctaveClefs,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Macros => "macros",
            Self::RepeatStarts => "start of a repeat implied by a double bar or `:|`",
            Self::OctaveClefs => "octave of a clef before other properties",
            Self::BlankLines => "blank line before the music",
            Self::ClosedEndings => "last ending closed by `:|`",
            Self::DottedSlurs => "dotted slur",
        }
    }

    /// The text of one tune with it written out; `None` where there is none of it.
    fn written_out(self, text: &str, tune: &Tune) -> Option<String> {
        match self {
            Self::Macros => {
                let defined = tune.header.iter().any(|field| field.letter == 'm');
                defined.then(|| abc::write(tune))
            }
            Self::RepeatStarts => with_repeats_written_out(text, tune),
            Self::OctaveClefs => with_octave_clefs_last(text),
            Self::BlankLines => {
                let blank = |line: &str| line.trim().is_empty();
                let inside = text.trim_end();
                inside.lines().any(blank).then(|| {
                    let kept = inside.lines().filter(|line| !blank(line));
                    kept.flat_map(|line| [line, "\n"]).collect()
                })
            }
            Self::ClosedEndings => with_last_endings_closed_by_double_bars(text, tune),
            Self::DottedSlurs => {
                let plain = text.replace(".('", "(").replace(".(,", "(").replace(".(", "(");
                (plain != text).then_some(plain)
            }
        }
    }
}

/// How a tune came out.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Equal,
    /// Equal once this is written out for abc2midi.
    WrittenOut(&'static str),
    /// The class of the difference.
    Differs(&'static str),
}

#[derive(Default)]
struct Tally {
    tunes: usize,
    /// Of those that abc2midi reads without an error.
    clean: usize,
    clean_equal: usize,
    /// Of those that differ, the ones that are equal once what abc2midi passes over is written out.
    written_out: usize,
    /// Of those that abc2midi complains of.
    faulty_equal: usize,
    /// Clean tunes of several voices, and those that are equal, written out or not.
    several: usize,
    several_equal: usize,
    differences: BTreeMap<&'static str, Vec<String>>,
    roundtrip: Roundtrip,
}

impl Tally {
    fn merge(&mut self, other: &Self) {
        self.tunes += other.tunes;
        self.clean += other.clean;
        self.clean_equal += other.clean_equal;
        self.written_out += other.written_out;
        self.faulty_equal += other.faulty_equal;
        self.several += other.several;
        self.several_equal += other.several_equal;
        for (class, names) in &other.differences {
            self.differences.entry(class).or_default().extend_from_slice(names);
        }
        self.roundtrip.merge(&other.roundtrip);
    }

    fn add(&mut self, name: String, tune: &Tune, outcome: &Outcome, clean: bool) {
        self.tunes += 1;
        if !clean {
            self.faulty_equal += usize::from(*outcome == Outcome::Equal);
            return;
        }
        self.clean += 1;
        let several = tune.voices.len() > 1;
        self.several += usize::from(several);
        match outcome {
            Outcome::Equal => self.clean_equal += 1,
            Outcome::WrittenOut(class) => {
                self.written_out += 1;
                self.differences.entry(class).or_default().push(name);
            }
            Outcome::Differs(class) => self.differences.entry(class).or_default().push(name),
        }
        if several && !matches!(outcome, Outcome::Differs(_)) {
            self.several_equal += 1;
        }
    }
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
            for lost in tally.roundtrip.add(&tune) {
                if options.list {
                    println!("{name}: another tune {lost}");
                }
            }
            let ours = melody(&tune);
            let alone = standing_alone(&text, &tune);
            let heard = abc2midi(&alone, folder.path())?;
            let mut outcome = compare(&ours, heard.melody.as_deref());
            if outcome != Outcome::Equal
                && let Some(class) = written_out(alone.clone(), &ours, folder.path())?
            {
                outcome = Outcome::WrittenOut(class);
            }
            if matches!(outcome, Outcome::Differs(_)) {
                for (class, plain) in played_here_alone(&tune) {
                    let plain = melody(&plain);
                    if compare(&plain, heard.melody.as_deref()) == Outcome::Equal
                        || written_out(alone.clone(), &plain, folder.path())?.is_some()
                    {
                        outcome = Outcome::WrittenOut(class);
                        break;
                    }
                }
            }
            let clean = !heard.complaints.iter().any(|line| line.starts_with("Error"));
            if options.list && clean {
                match &outcome {
                    Outcome::Equal => {}
                    Outcome::WrittenOut(class) => {
                        println!("{name}: equal once written out: {class}");
                    }
                    Outcome::Differs(class) => {
                        println!("{name}: {class}");
                        print_difference(
                            &merged(&ours),
                            &merged(heard.melody.as_deref().unwrap_or_default()),
                        );
                        for line in heard.complaints.iter().take(3) {
                            println!("    {line}");
                        }
                    }
                }
            }
            tally.add(name, &tune, &outcome, clean);
        }
    }
    print_table(&tallies);
    Ok(())
}

/// What of the known has to be written out for abc2midi to play a tune alike; `None` where nothing helps.
fn written_out(
    mut text: String,
    ours: &[Vec<Note>],
    folder: &Path,
) -> anyhow::Result<Option<&'static str>> {
    for known in Known::ALL {
        let Some(tune) = abc::read(&text).tunes.into_iter().next() else { return Ok(None) };
        let Some(now) = known.written_out(&text, &tune) else { continue };
        if compare(ours, abc2midi(&now, folder)?.melody.as_deref()) == Outcome::Equal {
            return Ok(Some(known.name()));
        }
        text = now;
    }
    Ok(None)
}

/// What Earworm plays and abc2midi is known to pass over, with the tune that has none of it.
fn played_here_alone(tune: &Tune) -> Vec<(&'static str, Tune)> {
    let mut without_marks = tune.clone();
    for element in without_marks.voices.iter_mut().flat_map(|voice| &mut voice.elements) {
        if let Some(attached) = &mut element.attached {
            // A melody has nothing of them but where they make it jump.
            attached.annotations.clear();
            attached.chord_symbols.clear();
            attached.decorations.clear();
        }
    }
    let mut without_dance = without_marks.clone();
    without_dance.header.retain(|field| field.letter != 'R');
    without_dance.inherited.retain(|field| field.letter != 'R');
    without_dance.resolve();
    vec![
        ("jumps (da capo, dal segno, coda)", without_marks),
        ("swing of hornpipes in C| and 2/2", without_dance),
    ]
}

fn print_table(tallies: &BTreeMap<String, Tally>) {
    println!(
        "| collection | tunes | abc2midi reports no error | same melody | share | once written out | of several voices | same melody despite errors | read, written, read | ABC, MIDI, ABC, MIDI |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    let row = |name: &str, tally: &Tally| {
        let share = |part: usize, whole: usize| {
            // Cut, not rounded: 100 % means all of them.
            let hundredths = (part * 10_000).checked_div(whole).unwrap_or(10_000);
            format!("{}.{:02} %", hundredths / 100, hundredths % 100)
        };
        let roundtrip = &tally.roundtrip;
        println!(
            "| {name} | {} | {} | {} | {} | {} | {} of {} | {} of {} | {} | {} |",
            tally.tunes,
            tally.clean,
            tally.clean_equal,
            share(tally.clean_equal, tally.clean),
            share(tally.clean_equal + tally.written_out, tally.clean),
            tally.several_equal,
            tally.several,
            tally.faulty_equal,
            tally.tunes - tally.clean,
            share(roundtrip.written_alike, roundtrip.tunes),
            share(roundtrip.melody_alike, roundtrip.single_voice),
        );
    };
    let mut all = Tally::default();
    for (name, tally) in tallies {
        row(name, tally);
        all.merge(tally);
    }
    if tallies.len() > 1 {
        row("all", &all);
    }
    if !all.differences.is_empty() {
        println!("\n| difference | tunes | for example |");
        println!("| --- | --- | --- |");
        for (class, names) in all.differences {
            println!("| {class} | {} | {} |", names.len(), names[0]);
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
        } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("abc")) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Every voice's melody, each in order.
fn melody(tune: &Tune) -> Vec<Vec<Note>> {
    let performance = abc::perform(tune, &PerformOptions::melody_only());
    let mut bends: HashMap<u8, Vec<(u32, i16)>> = HashMap::new();
    for bend in &performance.bends {
        bends.entry(bend.channel).or_default().push((bend.start, bend.cents));
    }
    let mut voices = vec![Vec::new(); tune.voices.len()];
    for note in &performance.notes {
        let bent = bends.get(&note.channel).map_or(0, |bends| {
            let passed = bends.partition_point(|bend| bend.0 <= note.start);
            passed.checked_sub(1).map_or(0, |last| bends[last].1)
        });
        let pitch = i32::from(note.key) * 100 + i32::from(bent);
        voices[usize::from(note.voice)].push((note.start, pitch, note.duration));
    }
    for voice in &mut voices {
        voice.sort_unstable();
    }
    voices
}

/// What abc2midi made of a tune.
struct Heard {
    /// The melody of every track, `None` where it writes no file that can be read.
    melody: Option<Vec<Vec<Note>>>,
    /// Its lines that start with `Error` or `Warning`.
    complaints: Vec<String>,
}

/// Has abc2midi play a tune's text.
fn abc2midi(text: &str, folder: &Path) -> anyhow::Result<Heard> {
    let (input, output, said) =
        (folder.join("tune.abc"), folder.join("tune.mid"), folder.join("said.txt"));
    let _ = std::fs::remove_file(&output);
    std::fs::write(&input, prepared(text))?;
    let mut running = Command::new("abc2midi")
        .arg(&input)
        .arg("-o")
        .arg(&output)
        .args(["-NGUI", "-NGRA", "-NFER", "-NFNP", "-NCOM"])
        .stdout(std::fs::File::create(&said)?)
        .stderr(Stdio::null())
        .spawn()
        .context("running abc2midi")?;
    let began = Instant::now();
    let mut pause = Duration::from_micros(200);
    let status = loop {
        if let Some(status) = running.try_wait()? {
            break Some(status);
        }
        if began.elapsed() > PATIENCE {
            running.kill()?;
            running.wait()?;
            break None;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    };
    let mut complaints: Vec<String> = String::from_utf8_lossy(&std::fs::read(&said)?)
        .lines()
        .filter(|line| line.starts_with("Error") || line.starts_with("Warning"))
        .map(str::to_owned)
        .collect();
    match status {
        None => complaints.push("Error: abc2midi was stopped, it took too long".to_owned()),
        Some(status) if status.code().is_none() => {
            complaints.push(format!("Error: abc2midi ended with {status}"));
        }
        Some(_) => {}
    }
    let melody = std::fs::read(&output).ok().and_then(|bytes| tracks_of(&bytes));
    Ok(Heard { melody, complaints })
}

/// The notes of each track of a Standard MIDI File. abc2midi starts each note a tick after its time and ends it on
/// time.
fn tracks_of(bytes: &[u8]) -> Option<Vec<Vec<Note>>> {
    let file = midly::Smf::parse(bytes).ok()?;
    let mut tracks = Vec::new();
    for track in &file.tracks {
        let mut now = 0;
        let mut notes = Vec::new();
        // Channel, key, start and pitch.
        let mut sounding: Vec<(u8, u8, u32, i32)> = Vec::new();
        let mut bent = [0i32; 16];
        for event in track {
            now += event.delta.as_int();
            let midly::TrackEventKind::Midi { channel, message } = event.kind else {
                continue;
            };
            let channel = channel.as_int();
            match message {
                midly::MidiMessage::PitchBend { bend } => {
                    // A semitone is 4,096 steps.
                    bent[usize::from(channel)] = i32::from(bend.as_int()) * 100 / 4096;
                }
                midly::MidiMessage::NoteOn { key, vel } if vel.as_int() > 0 => {
                    let pitch = i32::from(key.as_int()) * 100 + bent[usize::from(channel)];
                    sounding.push((channel, key.as_int(), now.saturating_sub(1), pitch));
                }
                midly::MidiMessage::NoteOff { key, .. }
                | midly::MidiMessage::NoteOn { key, .. } => {
                    let key = key.as_int();
                    if let Some(at) =
                        sounding.iter().position(|note| note.0 == channel && note.1 == key)
                    {
                        let (.., start, pitch) = sounding.remove(at);
                        notes.push((start, pitch, now - start));
                    }
                }
                _ => {}
            }
        }
        notes.sort_unstable();
        tracks.push(notes);
    }
    Some(tracks)
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

/// The tune with `||` in place of the ends of repeats that close a last ending; `None` where none does.
fn with_last_endings_closed_by_double_bars(text: &str, tune: &Tune) -> Option<String> {
    let mut ends: Vec<_> =
        tune.voices.iter().flat_map(|voice| voice.closed_last_endings()).collect();
    ends.sort_by_key(|span| span.start);
    ends.dedup();
    if ends.is_empty() {
        return None;
    }
    let mut out = String::new();
    let mut at = tune.span.start;
    for span in ends {
        let line = &text[span.clone()];
        let strokes = line.trim_end_matches(['|', ':', '[', ']']);
        if span.start < at {
            continue;
        }
        out.push_str(&text[at..span.start + strokes.len()]);
        let starts_anew = line == "::" || line[strokes.len()..].ends_with("|:");
        out.push_str(if starts_anew { "|:" } else { "||" });
        at = span.end;
    }
    out.push_str(&text[at..tune.span.end]);
    Some(out)
}

/// The tune with clefs such as `treble-8` at the end of their V: and K: fields; `None` where none is elsewhere.
fn with_octave_clefs_last(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut moved = false;
    for line in text.split_inclusive('\n') {
        let (content, end) = line.split_at(line.trim_end_matches(['\n', '\r']).len());
        let mut rest = content;
        // The field that the line is, or those in brackets.
        loop {
            let start = if rest.len() == content.len() && is_voice_or_key(rest) {
                Some(0)
            } else {
                rest.match_indices('[')
                    .map(|(at, _)| at + 1)
                    .find(|&at| is_voice_or_key(&rest[at..]))
            };
            let Some(start) = start else { break };
            let length = if start == 0 { rest.len() } else { rest[start..].find(']').unwrap_or(0) };
            out.push_str(&rest[..start]);
            match octave_clef_last(&rest[start..start + length]) {
                Some(field) => {
                    moved = true;
                    out.push_str(&field);
                }
                None => out.push_str(&rest[start..start + length]),
            }
            rest = &rest[start + length..];
            if length == 0 {
                break;
            }
        }
        out.push_str(rest);
        out.push_str(end);
    }
    moved.then_some(out)
}

fn is_voice_or_key(text: &str) -> bool {
    text.starts_with("V:") || text.starts_with("K:")
}

/// A V: or K: field with its clef last, where that has an octave and something follows it.
fn octave_clef_last(field: &str) -> Option<String> {
    let field = field.split('%').next().unwrap_or_default().trim_end();
    let mut quoted = false;
    // Split at white space outside quotation marks.
    let mut words: Vec<&str> = field
        .split(|c: char| {
            quoted ^= c == '"';
            c.is_whitespace() && !quoted
        })
        .collect();
    let at = words.iter().position(|word| {
        !word.contains('"')
            && ["+8", "-8", "+15", "-15"].iter().any(|octave| word.ends_with(octave))
    })?;
    if at + 1 == words.len() {
        return None;
    }
    let clef = words.remove(at);
    words.push(clef);
    Some(words.join(" "))
}

/// A tune's text with the file header's fields in its own header: abc2midi leaves most of them out.
fn standing_alone(text: &str, tune: &Tune) -> String {
    let own = &text[tune.span.clone()];
    let (first, rest) = own.split_at(own.find('\n').map_or(own.len(), |end| end + 1));
    let mut alone = first.to_owned();
    for field in &tune.inherited {
        // Titles and words are not played, and abc2midi knows few of them.
        if matches!(field.letter, 'L' | 'M' | 'Q' | 'R' | 'U' | 'm' | 'P')
            || field.letter == 'I' && field.text.starts_with("MIDI")
        {
            alone.push_str(&format!("{}:{}\n", field.letter, field.text));
        } else if field.letter == '%' {
            alone.push_str(&format!("%%{}\n", field.text));
        }
    }
    alone.push_str(rest);
    alone
}

/// What abc2midi gets of a tune: no decorations, nothing that accompanies, and the delay between a chord's notes
/// switched off.
fn prepared(text: &str) -> String {
    // Drums and drones accompany; trimmed and expanded notes and delayed chords are a player's touch.
    const TOUCHES: &[&str] = &[
        "drum",
        "drumon",
        "drumoff",
        "drumbars",
        "drone",
        "droneon",
        "droneoff",
        "trim",
        "expand",
        "chordattack",
        "randomchordattack",
    ];
    let mut out = String::with_capacity(text.len() + 256);
    let mut body = false;
    for line in text.lines() {
        let midi = line.strip_prefix("%%MIDI").unwrap_or_default();
        if midi.split_whitespace().next().is_some_and(|word| TOUCHES.contains(&word)) {
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
        without_decorations(line, &mut out);
        out.push('\n');
    }
    out
}

/// A line of music without what decorates its notes.
fn without_decorations(line: &str, out: &mut String) {
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
            // Other decorations stay whole, as their letters are none.
            '!' => match rest[1..].find('!') {
                Some(close) if close < 24 && !rest[1..=close].contains([' ', '|', '[']) => {
                    close + 2
                }
                _ => 1,
            },
            _ => c.len_utf8(),
        };
        let decorates = match c {
            '~' | 'H'..='W' | 'h'..='w' => true,
            '.' => !matches!(rest.as_bytes().get(1), Some(b'|' | b'(' | b'-')),
            '!' if taken > 1 => PLAYED.contains(&&rest[1..taken - 1]),
            '+' => {
                if let Some(close) = rest[1..].find('+')
                    && PLAYED.contains(&&rest[1..=close])
                {
                    rest = &rest[close + 2..];
                    continue;
                }
                false
            }
            _ => false,
        };
        if !decorates {
            out.push_str(&rest[..taken]);
        }
        rest = &rest[taken..];
    }
}

/// All voices' notes, in order. Which of several notes of one pitch ends first no MIDI file can say: the first that
/// started does.
fn merged(voices: &[Vec<Note>]) -> Vec<Note> {
    let mut by_pitch: BTreeMap<i32, (Vec<u32>, Vec<u32>)> = BTreeMap::new();
    for &(start, pitch, duration) in voices.iter().flatten() {
        let (starts, ends) = by_pitch.entry(pitch).or_default();
        starts.push(start);
        ends.push(start + duration);
    }
    let mut notes = Vec::new();
    for (pitch, (mut starts, mut ends)) in by_pitch {
        starts.sort_unstable();
        ends.sort_unstable();
        let pairs = starts.into_iter().zip(ends);
        notes.extend(pairs.map(|(start, end)| (start, pitch, end.saturating_sub(start))));
    }
    notes.sort_unstable();
    notes
}

/// abc2midi divides overlays and chords into tracks of their own, so voices are compared together: the same notes at
/// the same times.
fn compare(ours: &[Vec<Note>], theirs: Option<&[Vec<Note>]>) -> Outcome {
    let ours = merged(ours);
    let Some(theirs) = theirs.map(merged) else {
        return if ours.is_empty() {
            Outcome::Equal
        } else {
            Outcome::Differs("abc2midi writes no file")
        };
    };
    if ours == theirs {
        return Outcome::Equal;
    }
    let first = ours.iter().zip(&theirs).position(|(a, b)| a != b);
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

/// The first notes that differ, as key@onset+duration.
fn print_difference(ours: &[Note], theirs: &[Note]) {
    let first =
        ours.iter().zip(theirs).position(|(a, b)| a != b).unwrap_or(ours.len().min(theirs.len()));
    let show = |notes: &[Note]| {
        notes
            .iter()
            .skip(first)
            .take(6)
            .map(|(start, pitch, duration)| {
                let cents =
                    if pitch % 100 == 0 { String::new() } else { format!("{:+}c", pitch % 100) };
                format!("{}{cents}@{start}+{duration}", pitch / 100)
            })
            .collect::<Vec<_>>()
            .join(" ")
    };
    println!("    note {first} of {}: {}", ours.len(), show(ours));
    println!("    abc2midi of {}: {}", theirs.len(), show(theirs));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decorations_are_taken_out_and_everything_else_stays() {
        let without = |line: &str| {
            let mut out = String::new();
            without_decorations(line, &mut out);
            out
        };
        assert_eq!(without("~A .B !trill!c Td|"), "A B c d|");
        assert_eq!(without("\"Tenor\"A !mf!B [K:Hp]c .|"), "\"Tenor\"A !mf!B [K:Hp]c .|");
        assert_eq!(without("AB|!\n"), "AB|!\n");
        assert_eq!(without("+fermata+A +CE+|"), "A +CE+|");
    }

    #[test]
    fn a_clef_with_an_octave_is_written_last() {
        let last = |text: &str| with_octave_clefs_last(text);
        assert_eq!(
            last("V:T clef=treble-8 name=\"Tenor I\"\nCD|\n").as_deref(),
            Some("V:T name=\"Tenor I\" clef=treble-8\nCD|\n")
        );
        assert_eq!(
            last("[V:T treble-8 nm=T]CD|[K:C]E\n").as_deref(),
            Some("[V:T nm=T treble-8]CD|[K:C]E\n")
        );
        assert_eq!(last("V:T name=\"-8\" clef=treble-8\nK:C clef=bass octave=-1\n"), None);
    }

    #[test]
    fn starts_of_repeats_are_written_where_they_are_implied() {
        let text = "X:1\nK:C\nA|B||c|d:|e:|\n";
        let tune = &abc::read(text).tunes[0];
        assert_eq!(
            with_repeats_written_out(text, tune).as_deref(),
            Some("X:1\nK:C\nA|B|:c|d::e:|\n")
        );
    }

    #[test]
    fn a_last_ending_is_closed_by_a_double_bar() {
        let text = "X:1\nK:C\n|:A|1B:|2c:|d|1e:|2f::g:|\n";
        let tune = &abc::read(text).tunes[0];
        assert_eq!(
            with_last_endings_closed_by_double_bars(text, tune).as_deref(),
            Some("X:1\nK:C\n|:A|1B:|2c||d|1e:|2f|:g:|\n")
        );
    }

    #[test]
    fn a_file_header_s_fields_stand_in_the_tune_that_abc2midi_gets() {
        let text = "%abc-2.1\nL:1/4\n%%MIDI transpose 2\n\nX:1\nT:t\nK:C\nA|\n";
        let tune = &abc::read(text).tunes[0];
        assert_eq!(standing_alone(text, tune), "X:1\nL:1/4\n%%MIDI transpose 2\nT:t\nK:C\nA|\n");
    }

    #[test]
    fn which_of_two_notes_of_one_pitch_ends_first_makes_no_difference() {
        let one = vec![vec![(0, 6000, 100), (50, 6000, 200)]];
        let two = vec![vec![(0, 6000, 250)], vec![(50, 6000, 50)]];
        assert_eq!(compare(&one, Some(&two)), Outcome::Equal);
        let other = vec![vec![(0, 6000, 250), (50, 6000, 60)]];
        assert_eq!(compare(&one, Some(&other)), Outcome::Differs("duration"));
    }
}
