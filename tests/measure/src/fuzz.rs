//! Interface: `cargo xtask fuzz abc`: hostile text through the reader, the performer, the writer, the
//! transposer and the MIDI writer; `cargo xtask fuzz midi` in [`super::fuzz_midi`] goes round with it.
//!
//! Inputs are tunes (the project's own, and a folder's if one is given) mutated, and random text. A panic, a
//! span outside the text, a performance beyond its bounds or an input that takes longer than its size
//! allows is a failure; the input is then written to a file, so that it can become a test. `cargo xtask fuzz hostile` is
//! in [`super::hostile`].

use super::fuzz_midi;
use anyhow::{Context, bail};
use clap::ValueEnum;
use earworm_abc::{self as abc, PerformOptions, Severity};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Whether an input is being checked.
static CHECKING: AtomicBool = AtomicBool::new(false);

/// What is fuzzed.
#[derive(Clone, Copy, ValueEnum)]
enum Target {
    /// ABC notation: mutated tunes and random text
    Abc,
    /// MIDI files: mutated ones and random events
    Midi,
    /// ABC notation: the largest and worst inputs, their time and memory
    Hostile,
    /// Sound files with damaged headers, cut and joined
    Sound,
}

/// What the task is told on the command line.
#[derive(clap::Args)]
pub struct Options {
    /// What to fuzz
    target: Target,
    /// How many inputs
    #[arg(long, default_value_t = 100_000)]
    inputs: u64,
    /// The same seed gives the same inputs
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long hostile inputs are
    #[arg(long, default_value_t = 100)]
    megabytes: usize,
    /// Only the hostile inputs of this name
    #[arg(long)]
    kind: Option<String>,
    /// A folder whose .abc files are mutated, beside the project's own tunes
    #[arg(long)]
    corpus: Option<PathBuf>,
    /// Where an input that fails is written
    #[arg(long, default_value = "target/fuzz")]
    failures: PathBuf,
}

/// Tunes with everything in them that the reader knows.
const TUNES: &[&str] = &[
    "X:1\nT:One\nM:4/4\nL:1/8\nQ:1/4=120\nK:Gmix\n|:\"G\"G>A {ga}Bc d2-d2|(3efg !trill!e2 ~d2 .c2|1 [GBd]4 z4:|2 [G2B2]3 x2||\n",
    "X:2\nT:Two\nP:AB(AC)2\nM:6/8\nK:Am ^g\nP:A\n|:ABc cBA:|\nP:B\nM:9/8\nA>>B c<d (5ABcde f/g/|\nP:C\n[K:Edor][M:2+3/8][L:1/16]e4 Z2|]\n",
    "X:3\nT:Three\nM:C|\nV:1 clef=treble-8 name=\"One\"\nV:2 bass octave=-1\nK:Bb\n[V:1] B2 d2 & F4|[V:2] B,4|\nw: la la-la * |\nV:1\n^f__e=g'' c,,/4|X2|\n",
    "%abc-2.1\nI:linebreak $\nU:T=!trill!\nm: ~n2 = (3n/o/n/\n\nX:4\nR:hornpipe\nM:4/4\nL:1/8\nK:HP\n%%MIDI gchord fzcz\n%%MIDI program 1 3\nTABcd ~G2 {/g}A2$ (AB) .(cd)|[|]::[1,3 A8:|[2-4 B8|]\n%%begintext\nhello\n%%endtext\n",
    "X:5\nM:none\nK:none\ny A +CE+ `B` !segno!A \"^up\"B \"_down\"c \"Am7/G\"d [I:MIDI transpose 3]e-|-e \\\n% comment\nf|:: g ::| .| a [\"last\" b\n+:x\ns: * *\n",
];

/// Pieces that turn up where they have no business.
const PIECES: &[&str] = &[
    "|:",
    ":|",
    "::",
    "|::",
    "::|",
    "||",
    "|]",
    "[|",
    "[1",
    "[2",
    "|1",
    "[1-9",
    "[1,2,3",
    "(3",
    "(5:4:5",
    "(99:99:99",
    "(0",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "!",
    "+",
    "-",
    ".-",
    ">",
    "<",
    ">>>>>>>>",
    "&",
    "&&",
    "&&&&&&&&",
    "$",
    "\\\n",
    "\n",
    "\n\n",
    "\r\n",
    "\r",
    "%",
    "%%",
    "%%MIDI ",
    "%%MIDI gchord ",
    "%%MIDI transpose 999",
    "%%MIDI beat 0 0 0 0",
    "%%MIDI ratio 0 0",
    "%%MIDI drum dzd2 35 38\n",
    "%%MIDI drumbars 9\n",
    "\n%%MIDI drumon\n",
    "\n%%MIDI drumoff\n",
    "\n%%MIDI droneon\n",
    "\n%%MIDI droneoff\n",
    "%%MIDI drone 1 127 0 999\n",
    "%%MIDI channel 10\n",
    "%%MIDI drummap ^C 40\n",
    "%%propagate-accidentals not\n",
    "V:2 clef=treble-8 octave=-2\n",
    "R:hornpipe\nM:4/4\n",
    "d: * *\n",
    "[M:",
    "[K:",
    "[L:",
    "[V:",
    "[P:A]",
    "[Q:",
    "[r:x]",
    "X:",
    "X:1\nK:C\n",
    "K:",
    "K:C\n",
    "M:0/0\n",
    "M:1023/1024\n",
    "M:1+1+1/8\n",
    "L:4096/1\n",
    "L:1/4096\n",
    "Q:0\n",
    "Q:1/4=99999\n",
    "P:((((A)9)9)9)9\n",
    "P:A999999999\n",
    "P:A\n",
    "V:1\n",
    "V:2\n",
    "V:",
    "U:T=!x!\n",
    "U:A=B\n",
    "m: n = nn\n",
    "m: A = AAAA\n",
    "w:",
    "+:",
    "A0",
    "A1/99999999",
    "Z99999999",
    "X9999",
    "z/",
    "////////",
    "A'''''''",
    "a,,,,,,,",
    "^^",
    "__",
    "=",
    "^3/4",
    "_/",
    "^12/1",
    "é",
    "\u{feff}",
    "♯",
    "\0",
    "\u{10ffff}",
    "K:C transpose=127",
    "K:C octave=99",
    "K:HP\n",
    "K:C exp ^f",
    "%%propagate-accidentals octave\n",
    "%%begintext\n",
    "R:hornpipe\n",
    "I:decoration +\n",
    "I:linebreak !\n",
    "\"C\"",
    "\"N.C.\"",
    "\"G/\"",
    "y99",
    "*",
    ";",
    "@",
    "#",
    "?",
];

/// What music is mostly written in.
const LETTERS: &[u8] = b" ABCDEFGabcdefgz|:[]()/0123456789'^,_=-<>";

/// Runs the task.
pub fn run(options: Options) -> anyhow::Result<()> {
    if let Target::Hostile = options.target {
        return super::hostile::run(options.megabytes, options.kind.as_deref());
    }
    if let Target::Sound = options.target {
        return super::sound::run(options.inputs, options.seed, &options.failures);
    }
    let mut corpus: Vec<Vec<u8>> = TUNES.iter().map(|tune| tune.as_bytes().to_vec()).collect();
    if let Some(folder) = &options.corpus {
        for path in super::conformance::abc_files(folder)? {
            let bytes =
                std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            let text = abc::decode(&bytes);
            for tune in abc::read(&text).tunes.iter().filter(|tune| tune.span.len() < 2_000) {
                corpus.push(text[tune.span.clone()].as_bytes().to_vec());
            }
        }
    }
    let is_midi = matches!(options.target, Target::Midi);
    if is_midi {
        corpus = fuzz_midi::files(&corpus);
    }
    // A panic under check is this task's to report; any other is a fault of the task itself.
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !CHECKING.load(Ordering::Relaxed) {
            report(panic);
        }
    }));
    let bar = indicatif::ProgressBar::new(options.inputs);
    let began = Instant::now();
    let mut random = SmallRng::seed_from_u64(options.seed);
    let (mut failures, mut slowest) = (0u32, Duration::ZERO);
    for number in 0..options.inputs {
        let input = match is_midi {
            true => fuzz_midi::input(&corpus, &mut random),
            false => input(&corpus, &mut random),
        };
        let thorough = number % 8 == 0;
        let started = Instant::now();
        CHECKING.store(true, Ordering::Relaxed);
        let outcome = catch_unwind(AssertUnwindSafe(|| match is_midi {
            true => fuzz_midi::check(&input),
            false => check(&input, thorough),
        }));
        CHECKING.store(false, Ordering::Relaxed);
        let took = started.elapsed();
        slowest = slowest.max(took);
        let fault = match outcome {
            Ok(Ok(())) if took > Duration::from_secs(5) => Some(format!("took {took:?}")),
            Ok(Ok(())) => None,
            Ok(Err(fault)) => Some(fault),
            Err(panic) => Some(format!(
                "panicked: {}",
                panic
                    .downcast_ref::<String>()
                    .map(String::as_str)
                    .or_else(|| panic.downcast_ref::<&str>().copied())
                    .unwrap_or("without a word")
            )),
        };
        if let Some(fault) = fault {
            failures += 1;
            std::fs::create_dir_all(&options.failures)?;
            let kind = if is_midi { "mid" } else { "abc" };
            let path = options.failures.join(format!("{kind}-{}-{number}.{kind}", options.seed));
            std::fs::write(&path, &input)?;
            eprintln!("input {number}: {fault}; kept as {}", path.display());
            if failures >= 20 {
                break;
            }
        }
        if number % 1024 == 0 {
            bar.set_position(number);
        }
    }
    bar.finish_and_clear();
    let _ = std::panic::take_hook();
    println!(
        "{} inputs from {} tunes, seed {}, in {:.0} s: {failures} failures; the slowest took {slowest:?}",
        options.inputs,
        corpus.len(),
        options.seed,
        began.elapsed().as_secs_f64()
    );
    if failures > 0 {
        bail!("{failures} inputs failed");
    }
    Ok(())
}

/// One input: a tune that is mutated, tunes that are spliced, or random text.
fn input(corpus: &[Vec<u8>], random: &mut SmallRng) -> Vec<u8> {
    let piece = |random: &mut SmallRng| PIECES[random.random_range(0..PIECES.len())].as_bytes();
    let mut text = match random.random_range(0..10) {
        0 => {
            let length = random.random_range(0..200);
            (0..length).map(|_| random.random()).collect()
        }
        1 | 2 => {
            let mut text = b"X:1\nK:C\n".to_vec();
            for _ in 0..random.random_range(0..40) {
                if random.random_bool(0.5) {
                    text.push(LETTERS[random.random_range(0..LETTERS.len())]);
                } else {
                    text.extend_from_slice(piece(random));
                }
            }
            text
        }
        3 => corpus[random.random_range(0..corpus.len())].clone(),
        // The start of a tune and a stretch of its music: short, so that many can be tried.
        _ => {
            let tune = &corpus[random.random_range(0..corpus.len())];
            let header = tune.windows(3).position(|start| start == b"\nK:").unwrap_or(0);
            let body =
                header + tune[header..].iter().skip(1).position(|&byte| byte == b'\n').unwrap_or(0);
            let start = random.random_range(body..=tune.len());
            let end = (start + random.random_range(0usize..120)).min(tune.len());
            let mut text =
                if random.random_bool(0.3) { tune[..body].to_vec() } else { b"X:1\nK:G".to_vec() };
            text.push(b'\n');
            text.extend_from_slice(&tune[start..end]);
            text
        }
    };
    for _ in 0..random.random_range(1..8) {
        let at = random.random_range(0..=text.len());
        match random.random_range(0..8) {
            0 if at < text.len() => text[at] = random.random(),
            1 if at < text.len() => {
                text.remove(at);
            }
            2 => {
                let end = (at + random.random_range(0usize..20)).min(text.len());
                text.drain(at..end);
            }
            3 => {
                let end = (at + random.random_range(0..30)).min(text.len());
                let copy = text[at..end].to_vec();
                let times = if random.random_bool(0.02) { 300 } else { random.random_range(1..4) };
                for _ in 0..times {
                    text.splice(at..at, copy.iter().copied());
                }
            }
            4 => {
                let other = &corpus[random.random_range(0..corpus.len())];
                let start = random.random_range(0..other.len());
                let end = (start + random.random_range(0..60)).min(other.len());
                text.splice(at..at, other[start..end].iter().copied());
            }
            5 => text.truncate(at),
            _ => {
                let piece = piece(random);
                text.splice(at..at, piece.iter().copied());
            }
        }
    }
    text
}

/// Takes an input the whole way; says what is wrong with what came of it.
pub fn check(input: &[u8], thorough: bool) -> Result<(), String> {
    let text = abc::decode(input);
    let book = abc::read(&text);
    let inside =
        |span: &std::ops::Range<usize>| span.start <= span.end && text.get(span.clone()).is_some();
    for finding in &book.findings {
        if !inside(&finding.span) {
            return Err(format!(
                "finding `{}` at {:?} of {}",
                finding.text,
                finding.span,
                text.len()
            ));
        }
    }
    let errors = book.findings.iter().any(|finding| finding.severity == Severity::Error);
    for tune in &book.tunes {
        for element in tune.voices.iter().flat_map(|voice| &voice.elements) {
            if !inside(&element.span) {
                return Err(format!("an element at {:?} of {}", element.span, text.len()));
            }
        }
        let performance = abc::perform(tune, &PerformOptions::default());
        if performance.notes.len() > 2 * abc::performance::MOST_NOTES {
            return Err(format!("{} notes", performance.notes.len()));
        }
        if let Some(note) = performance.notes.iter().find(|note| {
            note.key > 127 || note.velocity > 127 || note.channel > 15 || !inside(&note.span)
        }) {
            return Err(format!("a note {note:?}"));
        }
        if performance.notes.windows(2).any(|notes| notes[0].start > notes[1].start) {
            return Err("notes out of order".to_owned());
        }
        if !thorough || performance.notes.len() > 20_000 {
            continue;
        }
        let melody = abc::perform(tune, &PerformOptions::melody_only());
        let written = abc::write(tune);
        let again = abc::read(&written);
        // What was read without an error reads back as the same notes.
        if !errors && again.tunes.len() == 1 {
            let back = abc::perform(&again.tunes[0], &PerformOptions::melody_only());
            let notes = |performance: &abc::Performance| -> Vec<(u32, u32, u8)> {
                performance.notes.iter().map(|note| (note.start, note.duration, note.key)).collect()
            };
            if notes(&back) != notes(&melody) {
                return Err(format!("plays differently once written:\n{written}"));
            }
        }
        let semitones = (input.len() % 25) as i8 - 12;
        let _ = abc::perform(&abc::transpose(tune, semitones), &PerformOptions::melody_only());
        let bytes = earworm_midi::write(&performance);
        let back = match earworm_midi::read(&bytes) {
            Ok(back) => back,
            Err(error) => return Err(format!("its MIDI file does not read back: {error}")),
        };
        if back.notes.len() < 2_000 && back.end < 1 << 20 {
            let text = earworm_midi::to_abc(&back);
            if abc::read(&text).tunes.len() != 1 {
                return Err(format!("its MIDI file as ABC is not one tune:\n{text}"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_read_played_and_written_without_a_panic() {
        let corpus: Vec<Vec<u8>> = TUNES.iter().map(|tune| tune.as_bytes().to_vec()).collect();
        let mut random = SmallRng::seed_from_u64(7);
        for number in 0..3_000 {
            let input = input(&corpus, &mut random);
            if let Err(fault) = check(&input, number % 8 == 0) {
                panic!("input {number}: {fault}\n{}", String::from_utf8_lossy(&input));
            }
        }
    }
}
