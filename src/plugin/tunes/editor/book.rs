//! Interface: tunes from files: opened, dropped in, and the other tunes of a book.

use std::path::Path;

use egui::{ComboBox, Ui};

use super::{TunesEditor, desk, export};
use crate::tunes::shared::{Origin, TunesShared};

/// How many tunes of a book are offered.
const OFFERED: usize = 2_000;

/// The tunes of the file that was opened last, where it holds more than one.
#[derive(Default)]
pub(super) struct Book {
    /// Title and text of each.
    tunes: Vec<(String, String)>,
}

impl Book {
    /// Draws the choice of a tune; gives the text of the one that was chosen.
    pub(super) fn show(&self, ui: &mut Ui) -> Option<String> {
        if self.tunes.is_empty() {
            return None;
        }
        let mut chosen = None;
        ComboBox::from_id_salt("book")
            .selected_text(format!("Opened book: {} tunes", self.tunes.len()))
            .width(ui.available_width() - 8.0)
            .show_ui(ui, |ui| {
                for (title, text) in self.tunes.iter().take(OFFERED) {
                    if ui.selectable_label(false, title).clicked() {
                        chosen = Some(text.clone());
                    }
                }
            })
            .response
            .accessible_name("Tunes of the opened book");
        chosen
    }
}

/// Takes a file that was dropped into the window.
pub(super) fn take_drop(ui: &Ui, editor: &mut TunesEditor, shared: &TunesShared) {
    let dropped = ui.input(|input| input.raw.dropped_files.clone());
    let Some(file) = dropped.into_iter().next() else {
        return;
    };
    let name = file.path().to_string_lossy().into_owned();
    match file.bytes() {
        Ok(bytes) => take(ui, editor, shared, &bytes, &name),
        Err(error) => editor.notice.refused(ui, format!("{name}: {error}")),
    }
}

/// Opens a file.
pub(super) fn open(ui: &Ui, editor: &mut TunesEditor, shared: &TunesShared, path: &Path) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match export::read(path) {
        Ok(bytes) => take(ui, editor, shared, &bytes, &name),
        Err(error) => editor.notice.refused(ui, format!("{name}: {error}")),
    }
}

/// Takes a file's tunes: the first goes on the desk, the others are offered beside it.
fn take(ui: &Ui, editor: &mut TunesEditor, shared: &TunesShared, bytes: &[u8], name: &str) {
    match export::tunes(bytes) {
        Ok(mut tunes) => {
            let text = tunes[0].1.clone();
            desk::set_tune(ui, editor, shared, &text, Origin::Edited);
            if tunes.len() == 1 {
                tunes.clear();
            } else {
                editor.notice.done(ui, format!("{name}: {} tunes, see Tunes", tunes.len()));
            }
            editor.book = Book { tunes };
        }
        Err(error) => editor.notice.refused(ui, format!("{name}: {error}")),
    }
}
