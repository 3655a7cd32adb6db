//! Names the genre of a sound file, as `earworm classify` does:
//!
//!     cargo run --release --example name_a_genre -- song.flac

use std::error::Error;
use std::path::PathBuf;

use earworm_genre::{GENRES, Hearing, Network, State};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).map(PathBuf::from).ok_or("name a sound file")?;
    let mut decoder = earworm_audio::decode(&path)?;
    let mut hearing = Hearing::new(Network::embedded()?, decoder.sample_rate(), false);
    while let Some(chunk) = decoder.next_chunk() {
        hearing.set_rate(chunk.sample_rate);
        hearing.push(chunk.samples, chunk.channels);
    }
    let heard = hearing.finish();
    match (heard.likeliest(), heard.state) {
        (Some(genre), State::Heard) => {
            println!("{} ({:.0} %)", GENRES[genre], 100.0 * heard.probabilities[genre]);
        }
        (Some(genre), _) => println!("unsure; {} is the likeliest", GENRES[genre]),
        (None, _) => println!("nothing to judge in {:.1} s of sound", heard.sounding),
    }
    Ok(())
}
