//! Interface: who is taken for whom, as a picture.

use std::path::Path;

use anyhow::anyhow;
use earworm_chart as chart;
use earworm_genre::GENRES;
use plotters::prelude::*;

use crate::genre_scores::Scores;

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
