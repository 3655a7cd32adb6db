//! Interface: a training run's losses as a picture.

use std::path::Path;

use earworm_chart as chart;
use plotters::prelude::*;

/// Draws (update, training, validation) points to a PNG.
pub fn draw(path: &Path, unit: &str, curve: &[(usize, f64, f64)]) -> anyhow::Result<()> {
    let Some(last) = curve.last() else { return Ok(()) };
    chart::register_face();
    let values = || curve.iter().flat_map(|point| [point.1, point.2]);
    let low = values().fold(f64::INFINITY, f64::min) * 0.98;
    let high = values().fold(0.0, f64::max) * 1.02;
    let root = BitMapBackend::new(path, (900, 500)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .margin(16)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(0..last.0.max(1), low..high)?;
    chart.configure_mesh().x_desc("updates").y_desc(unit).light_line_style(WHITE).draw()?;
    for (name, colour, pick) in [
        (
            "training",
            RGBColor(150, 150, 150),
            (|point: &(usize, f64, f64)| point.1) as fn(&(usize, f64, f64)) -> f64,
        ),
        ("validation", RGBColor(200, 60, 40), |point| point.2),
    ] {
        chart
            .draw_series(LineSeries::new(
                curve.iter().map(|point| (point.0, pick(point))),
                colour.stroke_width(2),
            ))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    root.present()?;
    Ok(())
}
