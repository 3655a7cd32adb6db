//! Interface: the `earworm` program's commands, one file each, and the manners they share.
//!
//! Exit codes: 0 done, 1 `check` found an error in a tune or `fmt --check` a file to be changed, 2 an input or an output
//! was refused. A refusal is one line on standard error, `earworm: subject: what (hint)`; the files beside it
//! are still done, and what is written appears whole or not at all. `-` is standard input or output.

mod check;
mod classify;
mod convert;
mod ended;
mod fmt;
mod generate;
mod pages;
mod standalone;
mod tag;
mod tune_file;

use std::ffi::OsString;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Hear which genre a mix sounds like, and write folk tunes.
#[derive(Parser)]
#[command(
    name = "earworm",
    version,
    about,
    arg_required_else_help = true,
    propagate_version = true
)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write a tune
    Generate(generate::Options),
    /// Turn ABC into MIDI, WAV or ABC, and MIDI into ABC, WAV or MIDI
    Convert(convert::Options),
    /// Say what is wrong in ABC files, a line a finding
    Check(check::Options),
    /// Put ABC files in order: spaces, line ends, blank lines; the music stays as it is
    Fmt(fmt::Options),
    /// Name the genre of audio files
    Classify(classify::Options),
    /// Write the genre of audio files into their tags
    Tag(tag::Options),
    /// Open Earworm Tunes in a window of its own
    Tunes(standalone::TunesOptions),
    /// Open Earworm Meter in a window of its own
    Meter(standalone::MeterOptions),
    /// Print what a shell needs to complete the commands and flags
    Completions(pages::Shells),
    /// Print the manual page of the program or of a command, for `man`
    Manual(pages::Pages),
}

/// How a command ended, worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// Everything asked for was done.
    Done,
    /// Everything was read, and `check` found an error in it.
    ErrorsFound,
    /// Something was refused; a line on standard error said what and why.
    Refused,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        ExitCode::from(match outcome {
            Outcome::Done => 0,
            Outcome::ErrorsFound => 1,
            Outcome::Refused => 2,
        })
    }
}

/// Why an input or output was refused, as the one line that the user reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    line: String,
}

impl Refusal {
    /// `subject` is a file or a flag, `what` is wrong with it, and `hint` says what to do.
    pub(crate) fn new(subject: impl Display, what: impl Display, hint: impl Display) -> Self {
        let line = format!("{subject}: {what} ({hint})");
        // Names of files may hold line breaks and escape sequences; the promise is one plain line.
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        Self { line: line.chars().map(plain).collect() }
    }

    /// A refusal of `path` for what the system says about it.
    pub(crate) fn from_io(path: &Path, error: &io::Error) -> Self {
        Self::of_stream(named(path), error)
    }

    /// A refusal of something that has a name and is no file.
    pub(crate) fn of_stream(name: impl Display, error: &io::Error) -> Self {
        let (what, hint) = match error.kind() {
            io::ErrorKind::NotFound => ("no such file or folder".into(), "check the path"),
            io::ErrorKind::PermissionDenied => {
                ("permission denied".into(), "check who may read or write it")
            }
            io::ErrorKind::IsADirectory => ("is a folder".into(), "name a file in it"),
            io::ErrorKind::StorageFull => ("no space left".into(), "make room and try again"),
            _ => (error.to_string(), "the system refused it"),
        };
        Self::new(name, what, hint)
    }

    /// Tells the user.
    pub(crate) fn report(&self) {
        // Nothing can be done about a closed standard error.
        let _ = writeln!(io::stderr(), "earworm: {}", self.line);
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.line)
    }
}

impl From<Result<Outcome, Refusal>> for Outcome {
    fn from(result: Result<Outcome, Refusal>) -> Self {
        result.unwrap_or_else(|refusal| {
            refusal.report();
            Outcome::Refused
        })
    }
}

/// Does `job` for each item; one that is refused is reported, and the others are still done.
pub(crate) fn for_each<T>(
    items: impl IntoIterator<Item = T>,
    mut job: impl FnMut(T) -> Result<Outcome, Refusal>,
) -> Outcome {
    items.into_iter().map(|item| Outcome::from(job(item))).max().unwrap_or(Outcome::Done)
}

/// Whether a path stands for standard input or output.
pub(crate) fn is_stream(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// How an input is called in what the user reads.
pub(crate) fn named(path: &Path) -> std::path::Display<'_> {
    if is_stream(path) { Path::new("standard input").display() } else { path.display() }
}

/// The whole of a file, or of standard input.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, Refusal> {
    let read = if is_stream(path) {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    read.map_err(|error| Refusal::from_io(path, &error))
}

/// What keeps a file from being written whole.
enum Fault {
    /// The system, at the file itself.
    File(io::Error),
    /// Whoever fills it.
    Refused(Refusal),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

/// Writes `path`, or standard output, through `fill`; whoever looks sees the file whole or, where `fill` fails, as it
/// was before.
pub(crate) fn write_whole(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&File>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let fill = |out: &mut BufWriter<&File>| fill(out).map_err(Fault::Refused);
    let written = if is_stream(path) {
        let mut out = io::stdout().lock();
        earworm_files::write_to(&mut out, fill)
    } else {
        earworm_files::write_with(path, fill)
    };
    match written {
        Ok(()) => Ok(()),
        Err(Fault::Refused(refusal)) => Err(refusal),
        Err(Fault::File(error)) if is_stream(path) => Err(output_refused(&error)),
        Err(Fault::File(error)) => Err(Refusal::from_io(path, &error)),
    }
}

/// Prints on standard output; a reader that has gone away (`| head`) ends the program quietly, anything else that keeps it
/// from being printed with a word.
pub(crate) fn print(text: impl Display) {
    let mut out = io::stdout().lock();
    if let Err(error) = write!(out, "{text}").and_then(|()| out.flush()) {
        output_refused(&error).report();
        std::process::exit(2);
    }
}

/// The refusal of standard output; ends the program where its reader has gone away.
fn output_refused(error: &io::Error) -> Refusal {
    if error.kind() == io::ErrorKind::BrokenPipe {
        std::process::exit(0);
    }
    Refusal::of_stream("standard output", error)
}

/// A progress bar on standard error that shows itself once the work has taken a second, and
/// only on a terminal.
pub(crate) struct Progress {
    bar: ProgressBar,
    started: Instant,
    shown: bool,
}

impl Progress {
    /// `total` in the caller's own units, `None` where it can't be known; `doing` is shown before
    /// the bar.
    pub(crate) fn new(total: Option<u64>, doing: impl Into<String>) -> Self {
        let bar = match total {
            Some(total) => ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden())
                .with_style(
                    ProgressStyle::with_template("{msg} {wide_bar} {percent:>3} % {eta}")
                        .unwrap_or_else(|_| ProgressStyle::default_bar()),
                ),
            None => ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()),
        };
        bar.set_message(doing.into());
        Self { bar, started: Instant::now(), shown: false }
    }

    /// `amount` more is done.
    pub(crate) fn advance(&mut self, amount: u64) {
        self.bar.inc(amount);
        if !self.shown && self.started.elapsed() > Duration::from_secs(1) {
            self.shown = true;
            // Draws nothing where standard error is not a terminal.
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }
}

impl Progress {
    /// Does `job`, which prints, with the bar out of its way.
    pub(crate) fn aside(&self, job: impl FnOnce()) {
        self.bar.suspend(job);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Runs the program with the process's own arguments.
pub fn run() -> ExitCode {
    run_with(std::env::args_os()).into()
}

fn run_with(args: impl IntoIterator<Item = OsString>) -> Outcome {
    ended::leave_no_parts();
    let program = match Program::try_parse_from(args) {
        Ok(program) => program,
        Err(error) => return told_by_clap(&error),
    };
    match program.command {
        Command::Generate(options) => generate::run(options),
        Command::Convert(options) => convert::run(options),
        Command::Check(options) => check::run(options),
        Command::Classify(options) => classify::run(options),
        Command::Tag(options) => tag::run(options),
        Command::Fmt(options) => fmt::run(options),
        Command::Tunes(options) => standalone::tunes(options),
        Command::Meter(options) => standalone::meter(options),
        Command::Completions(options) => pages::completions(options),
        Command::Manual(options) => pages::manual(options),
    }
}

/// Help and version as they are; a mistake in the flags as one line like any other refusal.
fn told_by_clap(error: &clap::Error) -> Outcome {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        if let Err(error) = error.print().and_then(|()| io::stdout().flush()) {
            output_refused(&error).report();
            return Outcome::Refused;
        }
        return if error.use_stderr() { Outcome::Refused } else { Outcome::Done };
    }
    let told = error.render().to_string();
    let words: Vec<&str> = told
        .split("\n\n")
        .filter(|paragraph| {
            let start = paragraph.trim_start();
            !start.starts_with("Usage:") && !start.starts_with("For more information")
        })
        .flat_map(str::split_whitespace)
        .collect();
    let told = words.join(" ");
    let what = told.strip_prefix("error: ").unwrap_or(&told);
    Refusal::new("command line", what, "earworm COMMAND --help lists the flags").report();
    Outcome::Refused
}
