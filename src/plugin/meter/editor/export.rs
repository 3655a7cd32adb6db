//! Interface: a reading as text, the last five minutes as a table or a picture.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use plotters::prelude::*;

use super::super::history::{History, SECONDS};
use super::super::shared::{GENRES, Hearing};
use super::{genre_name, most_probable};
use crate::theme::{self, Palette};

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExportError {
    /// Nothing has been heard yet.
    #[error("Nothing was heard yet, so there is nothing to save")]
    Empty,
    /// The file could not be written.
    #[error("{}: {error}", .path.display())]
    File {
        /// Where.
        path: PathBuf,
        /// Why.
        error: String,
    },
}

/// A reading, the most probable genre first.
pub(super) fn text(probabilities: &[f32; GENRES]) -> String {
    let mut order: Vec<usize> = (0..GENRES).collect();
    order.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
    let mut text = String::new();
    for genre in order {
        let percent = probabilities[genre] * 100.0;
        let _ = writeln!(text, "{}\t{percent:.1} %", genre_name(genre));
    }
    text
}

/// Writes a line a reading: seconds before now, what the Meter was doing, the genre, each probability.
pub(super) fn csv(history: &History, path: &Path) -> Result<(), ExportError> {
    if history.entries().len() == 0 {
        return Err(ExportError::Empty);
    }
    let mut table = String::from("seconds,state,genre");
    for genre in 0..GENRES {
        let _ = write!(table, ",{}", genre_name(genre).to_lowercase());
    }
    table.push('\n');
    for entry in history.entries() {
        let state = match entry.hearing {
            Hearing::Asleep => "asleep",
            Hearing::Listening => "listening",
            Hearing::Silence => "silence",
            Hearing::Unsure => "unsure",
            Hearing::Heard => "heard",
            Hearing::Failed => "failed",
        };
        let genre = match entry.hearing {
            Hearing::Heard => genre_name(most_probable(&entry.probabilities)),
            _ => "",
        };
        let seconds = entry.time - history.now();
        let _ = write!(table, "{seconds:.1},{state},{}", genre.to_lowercase());
        for p in entry.probabilities {
            let _ = write!(table, ",{p:.4}");
        }
        table.push('\n');
    }
    crate::files::write(path, table.as_bytes()).map_err(|error| file(path, error))
}

fn file(path: &Path, error: impl std::fmt::Display) -> ExportError {
    ExportError::File { path: path.to_owned(), error: error.to_string() }
}

/// Draws the probabilities of the last five minutes on top of each other.
/// `track` names what was heard, where the host says it.
pub(super) fn png(
    history: &History,
    palette: &Palette,
    track: &str,
    path: &Path,
) -> Result<(), ExportError> {
    if history.entries().len() == 0 {
        return Err(ExportError::Empty);
    }
    let (width, height) = (1200_u32, 520_u32);
    let mut pixels = vec![0_u8; (width * height * 3) as usize];
    draw(history, palette, &heading(track), &mut pixels, (width, height))
        .map_err(|error| file(path, error))?;
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(&pixels))
        .map_err(|error| file(path, error))?;
    crate::files::write(path, &bytes).map_err(|error| file(path, error))
}

/// What stands over a picture: what it shows, of what, and when.
fn heading(track: &str) -> String {
    let date = jiff::Zoned::now().strftime("%Y-%m-%d %H:%M").to_string();
    match track {
        "" => format!("Earworm Meter: genres of the last five minutes, {date}"),
        track => format!("Earworm Meter: genres of the last five minutes of {track}, {date}"),
    }
}

/// The name that is offered for a file, without its extension.
pub(super) fn file_name(track: &str) -> String {
    let date = jiff::Zoned::now().strftime("%Y-%m-%d");
    match track {
        "" => format!("earworm-meter-{date}"),
        track => format!("{track}-{date}"),
    }
}

fn draw(
    history: &History,
    palette: &Palette,
    heading: &str,
    pixels: &mut [u8],
    size: (u32, u32),
) -> Result<(), Box<dyn std::error::Error>> {
    let rgb = |colour: egui::Color32| RGBColor(colour.r(), colour.g(), colour.b());
    earworm_chart::register_face();
    let root = BitMapBackend::with_buffer(pixels, size).into_drawing_area();
    root.fill(&rgb(palette.panel))?;
    let (over, root) = root.split_vertically(44);
    let title = ("sans-serif", 19).into_font().color(&rgb(palette.text));
    over.draw(&Text::new(heading, (20, 16), title))?;
    let (legend, plot) = root.split_horizontally(150);
    let text = ("sans-serif", 17).into_font().color(&rgb(palette.text));
    for genre in 0..GENRES {
        let y = 16 + genre as i32 * (440 / GENRES as i32).min(32);
        let colour = rgb(theme::genre(palette, genre));
        legend.draw(&Rectangle::new([(20, y), (36, y + 16)], colour.filled()))?;
        legend.draw(&Text::new(genre_name(genre), (44, y), text.clone()))?;
    }
    let mut chart = ChartBuilder::on(&plot)
        .margin(20)
        .x_label_area_size(40)
        .y_label_area_size(50)
        .build_cartesian_2d(-SECONDS..0.0, 0.0..1.0)?;
    chart
        .configure_mesh()
        .disable_mesh()
        .x_desc("seconds before now")
        .y_desc("probability")
        .label_style(("sans-serif", 15).into_font().color(&rgb(palette.weak)))
        .axis_style(rgb(palette.line))
        .draw()?;
    let entries: Vec<_> = history.entries().collect();
    for (index, entry) in entries.iter().enumerate() {
        if !matches!(entry.hearing, Hearing::Heard | Hearing::Unsure) {
            continue;
        }
        let next = entries.get(index + 1).map_or(history.now(), |next| next.time);
        let (from, to) = (entry.time - history.now(), next - history.now());
        let mut sum = 0.0;
        for (genre, &p) in entry.probabilities.iter().enumerate() {
            let top = (sum + f64::from(p)).min(1.0);
            let colour = rgb(theme::genre(palette, genre));
            chart.draw_series(std::iter::once(Rectangle::new(
                [(from, sum), (to, top)],
                colour.filled(),
            )))?;
            sum = top;
        }
    }
    root.present()?;
    Ok(())
}
