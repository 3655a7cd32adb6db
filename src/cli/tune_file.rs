//! Interface: tunes written to the files that the user names, each in the format of its extension.

use std::path::Path;

use super::{Progress, Refusal, write_whole};
use earworm_abc::Performance;
use earworm_audio::{RenderError, wav_work, write_wav};
use earworm_midi as midi;
use std::io::Write;

/// The rate of WAV files, samples a second.
const SAMPLE_RATE: u32 = 44_100;

/// What a file holds, by its extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Abc,
    Midi,
    Wav,
}

impl Format {
    /// The format of a path's extension, whatever its case.
    pub(super) fn of(path: &Path) -> Result<Self, Refusal> {
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        match extension.to_ascii_lowercase().as_str() {
            "abc" => Ok(Self::Abc),
            "mid" | "midi" => Ok(Self::Midi),
            "wav" | "wave" => Ok(Self::Wav),
            _ => Err(Refusal::new(
                path.display(),
                "the extension names no format",
                "name it .abc, .mid or .wav",
            )),
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

/// Writes a performance as MIDI or as audio.
pub(super) fn write_performance(
    path: &Path,
    format: Format,
    performance: &Performance,
) -> Result<(), Refusal> {
    for finding in &performance.findings {
        let hint = if finding.hint.is_empty() { "the rest is written" } else { &finding.hint };
        Refusal::new(path.display(), &finding.text, hint).report();
    }
    if performance.notes.is_empty() {
        return Err(Refusal::new(
            path.display(),
            "there are no notes to write",
            "nothing was written",
        ));
    }
    match format {
        Format::Abc => write_abc(path, &midi::to_abc(performance)),
        Format::Midi => write_bytes(path, &midi::write(performance)),
        Format::Wav => write_whole(path, |out| {
            let mut progress =
                Progress::new(Some(wav_work(performance, SAMPLE_RATE)), path.display().to_string());
            write_wav(performance, SAMPLE_RATE, out, &mut |samples| progress.advance(samples))
                .map_err(|error| match error {
                    RenderError::Write(hound::Error::IoError(error)) => {
                        Refusal::from_io(path, &error)
                    }
                    error => Refusal::new(path.display(), error, "nothing was written"),
                })
        }),
    }
}
