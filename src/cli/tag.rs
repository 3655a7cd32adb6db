//! Interface: `earworm tag`.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use lofty::config::WriteOptions;
use lofty::file::TaggedFileExt;
use lofty::prelude::*;
use lofty::probe::Probe;
use lofty::tag::{Tag, TagExt};

use super::{Outcome, Refusal, classify, for_each, print, read_file};
use earworm_genre::{GENRES, Heard, Network, State};

/// What `earworm tag` is told.
#[derive(clap::Args)]
#[command(after_help = "\
The genre goes into the file's own kind of tag: ID3 in MP3, AIFF and WAV, Vorbis comments in FLAC, Ogg
and Opus, an MP4 tag in M4A. Everything else in the file stays as it is, the sound to the byte.")]
pub(super) struct Options {
    /// Audio files: MP3, FLAC, Ogg Vorbis, Opus, M4A, AIFF or WAV
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Says what would be written, and writes nothing
    #[arg(long)]
    dry_run: bool,
    /// Tags only where the genre is at least as probable as this
    #[arg(long, value_name = "P", default_value_t = 0.6, value_parser = probability)]
    min: f32,
    /// Replaces a genre that is there
    #[arg(long)]
    overwrite: bool,
    /// Weights of a genre network, as `cargo xtask train genre` writes them; none: the built-in ones
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
}

fn probability(text: &str) -> Result<f32, String> {
    let number = text.parse().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| "0 to 1 is possible".to_owned())
}

/// Writes genres into files.
pub(super) fn run(options: Options) -> Outcome {
    match classify::network(options.weights.as_deref()) {
        Ok(network) => for_each(&options.files, |path| tag(path, &options, &network)),
        Err(refusal) => Outcome::from(Err(refusal)),
    }
}

/// A genre as tags call it.
const fn name(genre: usize) -> &'static str {
    match genre {
        0 => "Blues",
        1 => "Classical",
        2 => "Country",
        3 => "Disco",
        4 => "Hip-Hop",
        5 => "Jazz",
        6 => "Metal",
        7 => "Pop",
        8 => "Reggae",
        9 => "Rock",
        10 => "Electronic",
        11 => "Folk",
        12 => "Soul",
        _ => "Punk",
    }
}
const _: () = assert!(GENRES.len() == 14);

fn tag(
    path: &Path,
    options: &Options,
    network: &std::sync::Arc<Network>,
) -> Result<Outcome, Refusal> {
    let bytes = read_file(path)?;
    let unread = |error: &dyn std::fmt::Display| {
        Refusal::new(path.display(), error, "its tags can't be read, and it is left as it is")
    };
    let mut file = Probe::new(Cursor::new(&bytes))
        .guess_file_type()
        .map_err(|error| unread(&error))?
        .read()
        .map_err(|error| unread(&error))?;
    // A file may bear several tags, and players ask now this one and now that.
    let before = file.tags().iter().find_map(|tag| tag.genre().map(|genre| genre.into_owned()));
    let say = |what: String| print(format_args!("{}: {what}\n", classify::plain(path)));
    if let Some(before) = before.as_deref().filter(|_| !options.overwrite) {
        let before: String = before.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        say(format!("left as it is, {before} (--overwrite replaces it)"));
        return Ok(Outcome::Done);
    }
    let (heard, fault) = classify::hear(path, network, false, &mut |_| {})?;
    if let Some(fault) = fault {
        return Err(fault);
    }
    let Some((genre, p)) = sure(&heard, options.min) else {
        say(match heard.likeliest() {
            Some(genre) => {
                let p = heard.probabilities[genre] * 100.0;
                format!("left as it is, too unsure ({} {p:.0} %)", name(genre))
            }
            None => "left as it is, nothing to name".to_owned(),
        });
        return Ok(Outcome::Done);
    };
    let kind = file.primary_tag_type();
    if !options.dry_run {
        let mut written = Cursor::new(bytes.clone());
        if file.primary_tag().is_none() {
            file.insert_tag(Tag::new(kind));
        }
        let tags = file.tags().len();
        for tag in
            (0..tags).filter_map(|at| file.tags().get(at).map(Tag::tag_type)).collect::<Vec<_>>()
        {
            // In every tag that is there: players ask now this one and now that.
            let Some(tag) = file.tag_mut(tag) else { continue };
            tag.set_genre(name(genre).to_owned());
            tag.save_to(&mut written, options_of(&bytes))
                .map_err(|error| Refusal::new(path.display(), error, "it is left as it is"))?;
        }
        earworm_files::write(path, written.get_ref())
            .map_err(|error| Refusal::from_io(path, &error))?;
    }
    let before = before.map_or(String::new(), |before| format!(" instead of {before}"));
    say(format!("{} {:.0} %{before}", name(genre), p * 100.0));
    Ok(Outcome::Done)
}

/// The genre that is sure enough.
fn sure(heard: &Heard, min: f32) -> Option<(usize, f32)> {
    let is_judged = matches!(heard.state, State::Heard | State::Unsure);
    let genre = heard.likeliest().filter(|_| is_judged)?;
    let p = heard.probabilities[genre];
    // It may be none of the genres, too.
    (p * (1.0 - heard.none) >= min).then_some((genre, p))
}

/// How a tag is written: in the version of ID3 that the file has.
fn options_of(bytes: &[u8]) -> WriteOptions {
    let is_third = bytes.starts_with(b"ID3\x03");
    WriteOptions::new().respect_read_only(false).use_id3v23(is_third)
}
