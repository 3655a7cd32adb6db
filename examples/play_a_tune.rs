//! Reads ABC notation, says what is wrong in it, and writes what it sounds like as a WAV file and as MIDI:
//!
//!     cargo run --release --example play_a_tune -- tune.abc tune

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;

use earworm_abc::{self as abc, PerformOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let input = arguments.next().ok_or("name an ABC file and where the sound goes")?;
    let output = arguments.next().ok_or("say where the sound goes, without an ending")?;
    let bytes = std::fs::read(&input)?;
    let text = abc::decode(&bytes);
    let book = abc::read(&text);
    for finding in &book.findings {
        let line = 1 + text[..finding.span.start].matches('\n').count();
        println!("line {line}: {}", finding.text);
    }
    let tune = book.tunes.first().ok_or("there is no tune in it")?;
    let performance = abc::perform(tune, &PerformOptions::default());
    println!("{} notes, {:.1} s", performance.notes.len(), earworm_audio::seconds(&performance));
    std::fs::write(output.with_extension("mid"), earworm_midi::write(&performance))?;
    let wav = BufWriter::new(File::create(output.with_extension("wav"))?);
    earworm_audio::write_wav(&performance, 44_100, wav, &mut |_| {})?;
    Ok(())
}
