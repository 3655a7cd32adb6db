//! Interface: how loud the mix is, above the spectrogram.

use std::sync::atomic::Ordering;

use atomic_float::AtomicF32;
use egui::{Align2, FontId, Sense, Ui, WidgetInfo, vec2};

use super::Scene;
use crate::theme::{self, SMALL};

/// Draws the readings in one line.
pub(super) fn show(ui: &mut Ui, scene: Scene) {
    let loudness = &scene.shared.loudness;
    let palette = scene.palette;
    let read = |place: &AtomicF32| match place.load(Ordering::Relaxed) {
        value if value.is_finite() => format!("{value:.1}").replace('-', "\u{2212}"),
        _ => "\u{2013}".to_owned(),
    };
    let readings = [
        ("Momentary", "M", read(&loudness.momentary), "LUFS"),
        ("Short-term", "S", read(&loudness.short_term), "LUFS"),
        ("Integrated", "I", read(&loudness.integrated), "LUFS"),
        ("True peak", "TP", read(&loudness.true_peak), "dBTP"),
    ];
    let width = ui.available_width();
    let (rect, response) = ui.allocate_exact_size(vec2(width, SMALL + 3.0), Sense::hover());
    let spelled: Vec<String> =
        readings.iter().map(|(name, _, value, unit)| format!("{name} {value} {unit}")).collect();
    response.widget_info(|| {
        let text = format!("Loudness: {}", spelled.join(", "));
        WidgetInfo::labeled(egui::Role::Label, true, text)
    });
    let names = FontId::proportional(SMALL);
    let numbers = FontId::new(SMALL, theme::semibold());
    let roomy = width > 470.0;
    let step = width / readings.len() as f32;
    for (index, (name, short, value, unit)) in readings.into_iter().enumerate() {
        let at = rect.left_center() + vec2(step * index as f32, 0.0);
        let name = if roomy { name } else { short };
        let painter = ui.painter();
        let named = painter.text(at, Align2::LEFT_CENTER, name, names.clone(), palette.weak);
        let at = named.right_center() + vec2(5.0, 0.0);
        let told = painter.text(at, Align2::LEFT_CENTER, value, numbers.clone(), palette.text);
        // Only where there is room before the next.
        if told.right() + 32.0 < rect.left() + step * (index + 1) as f32 {
            let at = told.right_center() + vec2(4.0, 0.0);
            painter.text(at, Align2::LEFT_CENTER, unit, names.clone(), palette.weak);
        }
    }
    let help = "By EBU R 128: the last 0.4 s, the last 3 s, all since the start or the last reset, and its highest true \
                peak.";
    response.on_hover_text(format!("{}\n{help}", spelled.join("\n")));
}
