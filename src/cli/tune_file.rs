//! Interface: tunes written to the files that the user names, each in the format of its extension.

use std::io::{self, IsTerminal};
use std::path::Path;

use super::{Progress, Refusal, is_stream, write_whole};
use earworm_abc::Performance;
use earworm_abc::performance::PERCUSSION;
use earworm_audio::{self as audio, RenderError, wav_work, write_wav};
use earworm_midi as midi;
use std::io::Write;

/// The rate of WAV files, samples a second.
const SAMPLE_RATE: u32 = 44_100;

/// What a file holds, by its extension or by what the user says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    Abc,
    #[value(name = "mid", alias = "midi", alias = "rmi", alias = "kar", alias = "smf")]
    Midi,
    #[value(alias = "wave")]
    Wav,
}

impl Format {
    /// The format of a path's extension, whatever its case.
    pub(super) fn of(path: &Path) -> Result<Self, Refusal> {
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        match extension.to_ascii_lowercase().as_str() {
            "abc" => Ok(Self::Abc),
            "mid" | "midi" | "rmi" | "kar" | "smf" => Ok(Self::Midi),
            "wav" | "wave" => Ok(Self::Wav),
            _ if path.is_dir() => Err(Refusal::from_io(path, &io::ErrorKind::IsADirectory.into())),
            _ => Err(Refusal::new(
                path.display(),
                "the extension names no format",
                "name it .abc, .mid or .wav",
            )),
        }
    }

    /// The format of what is read, by its first bytes.
    pub(super) fn of_bytes(bytes: &[u8]) -> Self {
        match bytes.get(..4) {
            Some(b"MThd") => Self::Midi,
            Some(b"RIFF") if bytes.get(8..12) == Some(b"RMID") => Self::Midi,
            Some(b"RIFF") => Self::Wav,
            _ => Self::Abc,
        }
    }
}

/// Writes ABC text.
pub(super) fn write_abc(path: &Path, text: &str) -> Result<(), Refusal> {
    write_bytes(path, text.as_bytes())
}

fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), Refusal> {
    write_whole(path, |out| out.write_all(bytes).map_err(|error| Refusal::from_io(path, &error)))
}

/// How an output is called in what the user reads.
fn named_output(path: &Path) -> std::path::Display<'_> {
    if is_stream(path) { Path::new("standard output").display() } else { path.display() }
}

/// Writes a performance as MIDI or as audio, and says what of it can't be told there.
pub(super) fn write_performance(
    path: &Path,
    format: Format,
    performance: &Performance,
) -> Result<(), Refusal> {
    if performance.notes.is_empty() {
        return Err(Refusal::new(
            named_output(path),
            "there are no notes to write",
            "nothing was written",
        ));
    }
    if is_stream(path) && format != Format::Abc && io::stdout().is_terminal() {
        return Err(Refusal::new(
            named_output(path),
            "a terminal shows text only",
            "send it to a file or a program, with > or |",
        ));
    }
    let left_out = match format {
        Format::Abc => midi::left_out_of_abc(performance),
        Format::Midi => midi::left_out_of_midi(performance),
        Format::Wav => audio::left_out(performance),
    };
    for finding in performance.findings.iter().chain(&left_out) {
        let hint = if finding.hint.is_empty() { "the rest is written" } else { &finding.hint };
        Refusal::new(named_output(path), &finding.text, hint).report();
    }
    if format == Format::Wav && performance.notes.iter().all(|note| note.channel == PERCUSSION) {
        return Err(Refusal::new(
            named_output(path),
            "there is percussion only, which the built-in voice has no sounds for",
            "nothing was written; a sampler plays the MIDI file",
        ));
    }
    match format {
        Format::Abc => write_abc(path, &midi::to_abc(performance)),
        Format::Midi => {
            let bytes = midi::write(performance);
            let is_wrapped = path.extension().is_some_and(|name| name.eq_ignore_ascii_case("rmi"));
            write_bytes(path, &if is_wrapped { midi::wrapped(&bytes) } else { bytes })
        }
        Format::Wav => write_whole(path, |out| {
            let mut progress = Progress::new(
                Some(wav_work(performance, SAMPLE_RATE)),
                named_output(path).to_string(),
            );
            write_wav(performance, SAMPLE_RATE, out, &mut |samples| progress.advance(samples))
                .map_err(|error| match error {
                    RenderError::Write(hound::Error::IoError(error)) => {
                        Refusal::from_io(path, &error)
                    }
                    error => Refusal::new(named_output(path), error, "nothing was written"),
                })
        }),
    }
}
