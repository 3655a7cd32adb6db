//! Has the network write a tune and prints it; the same seed gives the same tune:
//!
//!     cargo run --release --example write_a_tune -- 7

use std::error::Error;
use std::ops::ControlFlow;

use earworm_tunes::{Composer, Request, Style};

fn main() -> Result<(), Box<dyn Error>> {
    let seed = std::env::args().nth(1).map_or(Ok(1), |text| text.parse())?;
    let request = Request { style: Style::Jig, seed, chords: true, ..Request::default() };
    let composer = Composer::embedded()?;
    let composition = composer.compose(&request, &mut |_| ControlFlow::Continue(()))?;
    println!("{}", composition.abc);
    Ok(())
}
