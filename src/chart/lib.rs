//! Interface: the face that charts are lettered in.

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
