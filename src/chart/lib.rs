//! Interface: the face that charts are lettered in, and the genres' colours.

use std::sync::Once;

use plotters::style::{FontStyle, register_font};

/// Gives the charts' library its one face, under the name "sans-serif". It comes with the program, so that no system
/// needs to have one.
pub fn register_face() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // One that is refused would only leave the words out; the chart is still drawn.
        let _ = register_font("sans-serif", FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT);
    });
}

/// The colour of the genre at this index, sRGB, on a dark or a light ground.
///
/// Hues of fourteen genres lie evenly around the circle in OKLCH, and neighbours differ in lightness too, so that two genres are told apart by one of
/// the two even where hues look alike.
pub fn genre(index: usize, dark: bool) -> [u8; 3] {
    let hue = (index as f32 * 360.0 / 14.0 + 25.0).to_radians();
    let light = index.is_multiple_of(2);
    let lightness = match (dark, light) {
        (true, true) => 0.80,
        (true, false) => 0.64,
        (false, true) => 0.68,
        (false, false) => 0.50,
    };
    oklch(lightness, 0.13, hue)
}

/// The colour of an OKLCH triple (lightness 0 to 1, chroma, hue in radians), its chroma lowered until sRGB has it.
/// The matrices are Björn Ottosson's, "A perceptual color space for image processing" (2020).
fn oklch(lightness: f32, chroma: f32, hue: f32) -> [u8; 3] {
    let mut chroma = chroma;
    loop {
        let (a, b) = (chroma * hue.cos(), chroma * hue.sin());
        let l = (lightness + 0.396_337_78 * a + 0.215_803_76 * b).powi(3);
        let m = (lightness - 0.105_561_346 * a - 0.063_854_17 * b).powi(3);
        let s = (lightness - 0.089_484_18 * a - 1.291_485_5 * b).powi(3);
        let linear = [
            4.076_741_7 * l - 3.307_711_6 * m + 0.230_969_94 * s,
            -1.268_438 * l + 2.609_757_4 * m - 0.341_319_4 * s,
            -0.004_196_086_3 * l - 0.703_418_6 * m + 1.707_614_7 * s,
        ];
        if chroma <= 0.0 || linear.iter().all(|v| (-1e-4..=1.0001).contains(v)) {
            return linear.map(of_linear);
        }
        chroma -= 0.005;
    }
}

/// A share of light, 0 to 1, as sRGB writes it (IEC 61966-2-1).
fn of_linear(light: f32) -> u8 {
    let value =
        if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
    (255.0 * value).round().clamp(0.0, 255.0) as u8
}
