//! Interface: a training run as pictures: the loss and the figures over time, and who is taken for whom.

use std::path::Path;

use anyhow::anyhow;
use earworm_chart as chart;
use earworm_genre::GENRES;
use plotters::prelude::*;
use serde::{Deserialize, Serialize};

use crate::genre_scores::Scores;

/// One measurement of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Epoch {
    /// Steps taken.
    pub step: usize,
    /// Mean loss since the last measurement.
    pub loss: f32,
    /// The figure of each set, 0…1.
    pub accuracies: Vec<f32>,
}

/// Loss (left axis) and figures in percent (right axis) over steps.
pub fn draw_curves(path: &Path, history: &[Epoch], names: &[&str]) -> anyhow::Result<()> {
    chart::register_face();
    let failed =
        |error: &dyn std::fmt::Display| anyhow!("{} can't be drawn: {error}", path.display());
    let last = history.last().map_or(1, |epoch| epoch.step).max(1);
    let highest = history.iter().map(|epoch| epoch.loss).fold(0.0_f32, f32::max).max(0.1) * 1.1;
    let root = BitMapBackend::new(path, (900, 500)).into_drawing_area();
    root.fill(&WHITE).map_err(|e| failed(&e))?;
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(50)
        .right_y_label_area_size(50)
        .build_cartesian_2d(0..last, 0.0..highest)
        .map_err(|e| failed(&e))?
        .set_secondary_coord(0..last, 0.0..100.0_f32);
    chart.configure_mesh().x_desc("steps").y_desc("loss").draw().map_err(|e| failed(&e))?;
    chart.configure_secondary_axes().y_desc("%").draw().map_err(|e| failed(&e))?;
    let losses = history.iter().map(|epoch| (epoch.step, epoch.loss));
    chart
        .draw_series(LineSeries::new(losses, BLACK.stroke_width(2)))
        .map_err(|e| failed(&e))?
        .label("loss")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], BLACK));
    for (index, name) in names.iter().enumerate() {
        let colour = Palette99::pick(index).to_rgba();
        let points = history
            .iter()
            .filter_map(|epoch| Some((epoch.step, epoch.accuracies.get(index)? * 100.0)));
        chart
            .draw_secondary_series(LineSeries::new(points, colour.stroke_width(2)))
            .map_err(|e| failed(&e))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()
        .map_err(|e| failed(&e))?;
    root.present().map_err(|e| failed(&e))
}

/// The confusion matrix of `scores`: genres down, names given across.
pub fn draw_confusion(path: &Path, scores: &Scores, title: &str) -> anyhow::Result<()> {
    chart::register_face();
    let failed =
        |error: &dyn std::fmt::Display| anyhow!("{} can't be drawn: {error}", path.display());
    let confusion = scores.confusion();
    let (cell, left, top) = (48, 110, 110);
    let count = GENRES.len() as i32;
    let size = ((left + count * cell + 20) as u32, (top + count * cell + 20) as u32);
    let root = BitMapBackend::new(path, size).into_drawing_area();
    root.fill(&WHITE).map_err(|e| failed(&e))?;
    let label = ("sans-serif", 16).into_font().color(&BLACK);
    let upright = label.transform(FontTransform::Rotate270);
    let heading =
        format!("{title}: {:.1} % right; genre down, named across", scores.accuracy() * 100.0);
    root.draw(&Text::new(heading, (12, 10), label.clone())).map_err(|e| failed(&e))?;
    for genre in 0..GENRES.len() {
        let place = genre as i32 * cell;
        root.draw(&Text::new(GENRES[genre], (12, top + place + 16), label.clone()))
            .map_err(|e| failed(&e))?;
        root.draw(&Text::new(GENRES[genre], (left + place + 16, top - 6), upright.clone()))
            .map_err(|e| failed(&e))?;
        let clips = confusion[genre].iter().sum::<usize>().max(1) as f64;
        for (named, &clip_count) in confusion[genre].iter().enumerate() {
            let (x, y) = (left + named as i32 * cell, top + place);
            let share = clip_count as f64 / clips;
            let colour = if named == genre { GREEN.mix(share * 0.7) } else { RED.mix(share * 0.7) };
            root.draw(&Rectangle::new([(x, y), (x + cell - 2, y + cell - 2)], colour.filled()))
                .map_err(|e| failed(&e))?;
            if clip_count > 0 {
                root.draw(&Text::new(clip_count.to_string(), (x + 14, y + 14), label.clone()))
                    .map_err(|e| failed(&e))?;
            }
        }
    }
    root.present().map_err(|e| failed(&e))
}
