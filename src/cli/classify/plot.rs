//! Interface: a recording as a picture: its spectrogram, what spoke for the genre, the genres over time.

use std::fmt::Display;
use std::io::Write;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::cli::{Refusal, write_whole};
use earworm_chart as chart;
use earworm_genre::{ActivationMap, GENRES, Heard, Picture};
use earworm_spectrum::{BANDS, COLUMN_SECONDS, band_centre};

/// Size of the picture, pixels.
const SIZE: (u32, u32) = (1_200, 670);
/// Height of the line that says which colour is which genre, pixels, and where its first word starts.
const LEGEND: i32 = 30;
const LEFT: i32 = 70;
/// Range of the spectrogram below its loudest value, dB.
const RANGE: f32 = 70.0;
/// Frequencies that get a mark, Hz.
const MARKS: [f64; 9] =
    [100.0, 250.0, 500.0, 1_000.0, 2_000.0, 4_000.0, 6_000.0, 8_000.0, 10_000.0];

/// Draws what was heard in `file` into a PNG.
pub(super) fn write(png: &Path, file: &Path, heard: &Heard) -> Result<(), Refusal> {
    let Some(picture) = &heard.picture else { return Ok(()) };
    let refused =
        |error: &dyn Display| Refusal::new(png.display(), error, "the picture can't be drawn");
    // The encoder goes by the name, so the picture is made beside and then moved whole.
    let beside =
        tempfile::Builder::new().suffix(".png").tempfile().map_err(|error| refused(&error))?;
    draw(beside.path(), file, heard, picture).map_err(|error| refused(&error))?;
    let bytes = std::fs::read(beside.path()).map_err(|error| refused(&error))?;
    write_whole(png, |writer| {
        writer.write_all(&bytes).map_err(|error| Refusal::from_io(png, &error))
    })
}

type DrawResult = Result<(), Box<dyn std::error::Error>>;

fn draw(png: &Path, file: &Path, heard: &Heard, picture: &Picture) -> DrawResult {
    chart::register_face();
    let root = BitMapBackend::new(png, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let title = match heard.likeliest() {
        Some(genre) => {
            format!("{name}: {} {:.0} %", GENRES[genre], heard.probabilities[genre] * 100.0)
        }
        None => name.into_owned(),
    };
    root.draw(&Text::new(title, (LEFT, 12), ("sans-serif", 22).into_font().color(&BLACK)))?;
    let (_, below) = root.split_vertically(44);
    let (spectrum, below) = below.split_vertically(440);
    let (timeline, legend) = below.split_vertically(SIZE.1 as i32 - 44 - 440 - LEGEND);
    let seconds = heard.seconds.max(0.1);
    draw_spectrum(&spectrum, seconds, picture)?;
    draw_timeline(&timeline, seconds, heard)?;
    draw_legend(&legend, heard)?;
    root.present()?;
    Ok(())
}

type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

fn draw_spectrum(area: &Area, seconds: f64, picture: &Picture) -> DrawResult {
    // The vertical axis counts mel bands; its marks name their frequencies.
    let mut chart = ChartBuilder::on(area)
        .margin_right(20)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..seconds, 0.0..BANDS as f64)?;
    let plot = chart.plotting_area();
    let ((left, right), (top, bottom)) = plot.get_pixel_range().into_tuple();
    let pixels = plot.strip_coord_spec();
    let loudest = picture.columns.iter().flatten().copied().fold(f32::NEG_INFINITY, f32::max);
    let (width, height) = ((right - left).max(1), (bottom - top).max(1));
    for x in 0..width {
        let time = f64::from(x) / f64::from(width) * seconds;
        let each = picture.columns_each as f64 * COLUMN_SECONDS;
        let Some(column) = picture
            .columns
            .get(((time / each) as usize).min(picture.columns.len().saturating_sub(1)))
        else {
            continue;
        };
        let map = picture.maps.iter().rev().find(|(start, end, _)| (*start..*end).contains(&time));
        for y in 0..height {
            let place = 1.0 - (f64::from(y) + 0.5) / f64::from(height);
            let value = column[((place * BANDS as f64) as usize).min(BANDS - 1)];
            let level = ((value - loudest + RANGE) / RANGE).clamp(0.0, 1.0);
            let weight = map.map_or(0.0, |(start, end, map)| {
                weight(map, (time - start) / (end - start), place)
            });
            let (r, g, b) = colour(level, weight);
            pixels.draw_pixel((x, y), &RGBColor(r, g, b))?;
        }
    }
    chart
        .configure_mesh()
        .disable_mesh()
        .y_labels(0)
        .x_label_formatter(&|seconds| format!("{seconds:.0}"))
        .x_desc("s")
        .axis_desc_style(("sans-serif", 16))
        .label_style(("sans-serif", 14))
        .draw()?;
    let style = ("sans-serif", 14).into_font().color(&BLACK);
    for hertz in MARKS {
        let band = (0..BANDS).find(|&band| band_centre(band) >= hertz).unwrap_or(BANDS - 1);
        let y = bottom - ((band as f64 + 0.5) / BANDS as f64 * f64::from(height)) as i32;
        // The area's own pixels start at its corner, the plot's at the picture's.
        let (origin_x, origin_y) = area.get_base_pixel();
        let (x, y) = (left - origin_x, y - origin_y);
        area.draw(&PathElement::new([(x - 5, y), (x, y)], BLACK))?;
        let label = if hertz >= 1_000.0 {
            format!("{} kHz", hertz / 1_000.0)
        } else {
            format!("{hertz} Hz")
        };
        area.draw(&Text::new(label, (x - 62, y - 7), style.clone()))?;
    }
    Ok(())
}

/// The map at a place of its window, 0…1 along time and frequency, smooth between its cells.
fn weight(map: &ActivationMap, time: f64, frequency: f64) -> f32 {
    let along = |place: f64, cells: usize| {
        let place = (place * cells as f64 - 0.5).clamp(0.0, cells.saturating_sub(1) as f64);
        let under = place as usize;
        (under, (under + 1).min(cells.saturating_sub(1)), place.fract() as f32)
    };
    let (left, right, part) = along(time, map.columns);
    let (low, high, up) = along(frequency, map.bands);
    let cell = |band: usize, column: usize| {
        map.values.get(band * map.columns + column).copied().unwrap_or(0.0)
    };
    let row = |band| cell(band, left) * (1.0 - part) + cell(band, right) * part;
    row(low) * (1.0 - up) + row(high) * up
}

/// Dark to light for the level; towards orange for the weight.
fn colour(level: f32, weight: f32) -> (u8, u8, u8) {
    // Steeper than the level itself, so that the music stands out from its background.
    let bright = level * level * (3.0 - 2.0 * level);
    let base = [12.0 + 228.0 * bright, 16.0 + 226.0 * bright, 40.0 + 208.0 * bright];
    let glow = [255.0, 110.0 + 60.0 * level, 10.0];
    let share = weight * (0.15 + 0.5 * level);
    let mixed = |index: usize| (base[index] * (1.0 - share) + glow[index] * share) as u8;
    (mixed(0), mixed(1), mixed(2))
}

fn draw_timeline(area: &Area, seconds: f64, heard: &Heard) -> DrawResult {
    let mut chart = ChartBuilder::on(area)
        .margin_right(20)
        .x_label_area_size(26)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..seconds, 0.0..1.0)?;
    chart
        .configure_mesh()
        .disable_mesh()
        .y_labels(3)
        .x_label_formatter(&|seconds| format!("{seconds:.0}"))
        .y_label_formatter(&|p| format!("{:.0} %", p * 100.0))
        .label_style(("sans-serif", 14))
        .draw()?;
    for stretch in &heard.timeline {
        let colour = colour_of(stretch.genre);
        let corners = [(stretch.start, 0.0), (stretch.end, f64::from(stretch.probability))];
        chart.draw_series([Rectangle::new(corners, colour.filled())])?;
        // A word takes about a tenth of the width.
        if stretch.end - stretch.start > seconds * 0.05 {
            let is_dark = colour.0 as u32 + 2 * colour.1 as u32 + (colour.2 as u32) < 470;
            let ink = if is_dark { WHITE } else { BLACK };
            let style = ("sans-serif", 15).into_font().color(&ink);
            chart.draw_series([Text::new(
                GENRES[stretch.genre],
                (stretch.start + seconds * 0.004, 0.16),
                style,
            )])?;
        }
    }
    Ok(())
}

/// The genres of the timeline with their colours and shares of it, the most frequent first.
fn draw_legend(area: &Area, heard: &Heard) -> DrawResult {
    let mut seconds = [0.0; GENRES.len()];
    for stretch in &heard.timeline {
        seconds[stretch.genre] += stretch.end - stretch.start;
    }
    let all: f64 = seconds.iter().sum();
    let mut genres: Vec<usize> = (0..GENRES.len()).filter(|&genre| seconds[genre] > 0.0).collect();
    genres.sort_by(|&a, &b| seconds[b].total_cmp(&seconds[a]));
    let mut left = LEFT;
    for genre in genres {
        let style = ("sans-serif", 14).into_font().color(&BLACK);
        let word = format!("{} {:.0} %", GENRES[genre], 100.0 * seconds[genre] / all);
        let width = area.estimate_text_size(&word, &style)?.0 as i32;
        let corners = [(left, 8), (left + 12, 20)];
        area.draw(&Rectangle::new(corners, colour_of(genre).filled()))?;
        area.draw(&Text::new(word, (left + 17, 7), style))?;
        left += width + 34;
    }
    Ok(())
}

/// The colour that the Meter has for a genre.
fn colour_of(genre: usize) -> RGBColor {
    let [r, g, b] = chart::genre(genre, false);
    RGBColor(r, g, b)
}

/// Pairs of ranges as pairs of their ends.
trait PixelRange {
    fn into_tuple(self) -> ((i32, i32), (i32, i32));
}

impl PixelRange for (std::ops::Range<i32>, std::ops::Range<i32>) {
    fn into_tuple(self) -> ((i32, i32), (i32, i32)) {
        ((self.0.start, self.0.end), (self.1.start, self.1.end))
    }
}
