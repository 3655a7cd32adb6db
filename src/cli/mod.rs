//! Interface: the `earworm` program's commands, one file each, and the manners they share.
//!
//! Exit codes: 0 done, 1 `check` found an error in a tune, 2 an input or an output was refused.
//! A refusal is one line on standard error, `earworm: subject: what (hint)`; the files beside it
//! are still done, and what is written appears whole or not at all.

mod check;
mod classify;
mod convert;
mod generate;
mod tune_file;

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, BufWriter, Seek, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Hear which genre a mix sounds like, and write folk tunes.
#[derive(Parser)]
#[command(name = "earworm", version, about, arg_required_else_help = true)]
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
    /// Name the genre of audio files
    Classify(classify::Options),
    /// Open Earworm Tunes in a window of its own; the flags after it go to the audio backend
    #[command(disable_help_flag = true)]
    Tunes(Standalone),
    /// Open Earworm Meter in a window of its own; the flags after it go to the audio backend
    #[command(disable_help_flag = true)]
    Meter(Standalone),
}

/// What a plug-in's own window is told: everything goes to the audio backend as it is.
#[derive(clap::Args)]
struct Standalone {
    /// For the audio backend, such as `--backend dummy`; `--help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    flags: Vec<String>,
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
        let (what, hint) = match error.kind() {
            io::ErrorKind::NotFound => ("no such file or folder".into(), "check the path"),
            io::ErrorKind::PermissionDenied => {
                ("permission denied".into(), "check who may read or write it")
            }
            io::ErrorKind::IsADirectory => ("is a folder".into(), "name a file in it"),
            io::ErrorKind::StorageFull => ("no space left".into(), "nothing was written"),
            _ => (error.to_string(), "the system refused it"),
        };
        Self::new(path.display(), what, hint)
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

/// The whole of a file.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, Refusal> {
    std::fs::read(path).map_err(|error| Refusal::from_io(path, &error))
}

/// Writes `path` through `fill`; whoever looks sees the file whole or, where `fill` fails, as it
/// was before.
pub(crate) fn write_whole(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&std::fs::File>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let refused = |error: io::Error| Refusal::from_io(path, &error);
    // A rename would replace a link, or a device such as /dev/null, by a file.
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    if let Ok(metadata) = target.metadata() {
        if metadata.is_dir() {
            return Err(refused(io::ErrorKind::IsADirectory.into()));
        }
        if !metadata.is_file() {
            // Pipes and devices take bytes in one go and can't seek, as a WAV header must.
            let mut whole = tempfile::tempfile().map_err(refused)?;
            let mut writer = BufWriter::new(&whole);
            fill(&mut writer)?;
            writer.flush().map_err(refused)?;
            drop(writer);
            whole.rewind().map_err(refused)?;
            let mut device =
                std::fs::OpenOptions::new().write(true).open(&target).map_err(refused)?;
            return io::copy(&mut whole, &mut device).map(drop).map_err(refused);
        }
    }
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".earworm-").suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // What a file made here would have anyway, less the umask, or what the one before had.
        let mode = target.metadata().map_or(0o666, |m| m.permissions().mode());
        builder.permissions(std::fs::Permissions::from_mode(mode));
    }
    let part = builder.tempfile_in(folder).map_err(|error| {
        // The name of the file that never came to be would only confuse.
        refused(error.kind().into())
    })?;
    let mut writer = BufWriter::new(part.as_file());
    fill(&mut writer)?;
    writer.flush().map_err(refused)?;
    drop(writer);
    part.persist(&target).map(drop).map_err(|error| refused(error.error))
}

/// Prints on standard output; a reader that has gone away (`| head`) ends the program quietly.
pub(crate) fn print(text: impl Display) {
    let mut out = io::stdout().lock();
    if write!(out, "{text}").and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
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
    let program = match Program::try_parse_from(args) {
        Ok(program) => program,
        Err(error) => return told_by_clap(&error),
    };
    match program.command {
        Command::Generate(options) => generate::run(options),
        Command::Convert(options) => convert::run(options),
        Command::Check(options) => check::run(options),
        Command::Classify(options) => classify::run(options),
        Command::Tunes(options) => open_standalone("tunes", options),
        Command::Meter(options) => open_standalone("meter", options),
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
        // As above: a closed pipe is the reader's choice.
        let _ = error.print();
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

#[cfg(feature = "plugin")]
fn open_standalone(plugin: &str, options: Standalone) -> Outcome {
    let opened = match plugin {
        "meter" => earworm_plugin::run_meter(options.flags),
        _ => earworm_plugin::run_tunes(options.flags),
    };
    // The audio backend has said why.
    if opened { Outcome::Done } else { Outcome::Refused }
}

#[cfg(not(feature = "plugin"))]
fn open_standalone(plugin: &str, _options: Standalone) -> Outcome {
    Refusal::new(
        plugin,
        "this build has no plug-in windows",
        "build with the default features: cargo build --release",
    )
    .report();
    Outcome::Refused
}
