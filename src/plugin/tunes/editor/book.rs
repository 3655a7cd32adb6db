//! Interface: tunes from files: opened, dropped in, and the other tunes of a book or a folder, searched and sorted.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use egui::{ComboBox, RichText, ScrollArea, Sense, TextEdit, Ui, WidgetInfo, vec2};

use super::export::{self, Found, OpenError};
use super::{TunesEditor, desk};
use crate::theme::{Palette, SMALL};
use crate::tunes::shared::{Origin, TunesShared};

/// Height of a row of the list, in points.
const ROW: f32 = 34.0;

/// In what order tunes are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    /// As they came.
    #[default]
    Given,
    Title,
    Rhythm,
    Key,
}

impl Order {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Given, "as they came"),
        (Self::Title, "by title"),
        (Self::Rhythm, "by rhythm"),
        (Self::Key, "by key"),
    ];
}

/// The tunes of the file or folder that was opened last, where it holds more than one.
#[derive(Default)]
pub(super) struct Book {
    name: String,
    tunes: Arc<Vec<Found>>,
    /// What is looked for.
    pub(super) search: String,
    order: Order,
    /// What is listed: indices into `tunes`.
    listed: Vec<usize>,
    /// For which search and order.
    for_what: Option<(String, Order)>,
    /// A folder on its way.
    reading: Option<Reading>,
}

/// A folder that is being read beside the window.
struct Reading {
    name: String,
    worker: JoinHandle<Result<Vec<Found>, OpenError>>,
}

impl Book {
    /// Whether it has tunes to choose from.
    pub(super) fn is_empty(&self) -> bool {
        self.tunes.is_empty()
    }

    /// What stands on the button that shows it.
    pub(super) fn label(&self) -> String {
        format!("Book: {}", self.tunes.len())
    }

    fn fill(&mut self, name: &str, tunes: Vec<Found>) {
        self.name = name.to_owned();
        self.tunes = Arc::new(tunes);
        self.search.clear();
        self.for_what = None;
    }

    fn list(&mut self) {
        let wanted = (self.search.clone(), self.order);
        if self.for_what.as_ref() == Some(&wanted) {
            return;
        }
        let search = Search::new(&self.search);
        let tunes = &self.tunes;
        self.listed = (0..tunes.len()).filter(|&index| search.finds(&tunes[index])).collect();
        match self.order {
            Order::Given => {}
            Order::Title => {
                self.listed.sort_by_cached_key(|&index| tunes[index].title.to_lowercase())
            }
            Order::Rhythm => self.listed.sort_by_cached_key(|&index| {
                (tunes[index].rhythm.to_lowercase(), tunes[index].title.to_lowercase())
            }),
            Order::Key => self.listed.sort_by_cached_key(|&index| {
                (tunes[index].key.to_lowercase(), tunes[index].title.to_lowercase())
            }),
        }
        self.for_what = Some(wanted);
    }

    /// Draws the search and the list; gives the text of the tune that was chosen.
    pub(super) fn show(&mut self, ui: &mut Ui, palette: &Palette, present: &str) -> Option<String> {
        search_field(ui, &mut self.search);
        self.list();
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 6.0;
            let found = match self.listed.len() {
                all if all == self.tunes.len() => format!("{all} tunes"),
                found => format!("{found} of {}", self.tunes.len()),
            };
            ui.label(RichText::new(found).size(SMALL).color(palette.weak))
                .on_hover_text(self.name.as_str());
            let chosen = Order::ALL.iter().find(|(order, _)| *order == self.order);
            ComboBox::from_id_salt("order of the book")
                .selected_text(RichText::new(chosen.map_or("", |(_, name)| name)).size(SMALL))
                .width(0.0)
                .show_ui(ui, |ui| {
                    for (order, name) in Order::ALL {
                        ui.selectable_value(&mut self.order, order, name);
                    }
                })
                .response
                .accessible_name("Order of the book");
        });
        self.list();
        let mut chosen = None;
        let tunes = self.tunes.clone();
        ScrollArea::vertical().id_salt("book").auto_shrink([false, false]).show_rows(
            ui,
            ROW,
            self.listed.len(),
            |ui, rows: Range<usize>| {
                for &index in &self.listed[rows] {
                    let tune = &tunes[index];
                    if row(ui, palette, index, tune, tune.abc == present) {
                        chosen = Some(tune.abc.clone());
                    }
                }
                if self.listed.is_empty() {
                    ui.weak(
                        "Nothing like it: title, rhythm, key and first notes are looked through.",
                    );
                }
            },
        );
        chosen
    }
}

/// A row that a click chooses.
fn row(ui: &mut Ui, palette: &Palette, index: usize, tune: &Found, is_present: bool) -> bool {
    let size = vec2(ui.available_width() - 8.0, ROW);
    let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
    let response = ui.interact(rect, ui.scope_id().with(("tune", index)), Sense::click());
    response.widget_info(|| {
        let name = format!("{}, {}", tune.title, tune.detail());
        WidgetInfo::selected(egui::Role::Button, true, is_present, name)
    });
    let lifted = response.hovered() || response.has_focus();
    if is_present || lifted {
        let fill = if is_present { palette.chosen } else { palette.raised };
        ui.painter().rect_filled(rect, 4.0, fill);
    }
    let mut inside = ui.new_child(egui::UiBuilder::new().max_rect(rect.shrink2(vec2(6.0, 2.0))));
    inside.spacing_mut().item_spacing.y = 0.0;
    let colour = if is_present { palette.accent } else { palette.text };
    let title = egui::Label::new(RichText::new(&tune.title).color(colour)).truncate();
    inside.add(title);
    let detail = RichText::new(tune.detail()).size(SMALL).color(palette.weak);
    inside.add(egui::Label::new(detail).truncate());
    response.on_hover_text(format!("{}\n{}", tune.title, tune.opening)).clicked()
}

/// The field that a search is typed into.
pub(super) fn search_field(ui: &mut Ui, search: &mut String) {
    let width = ui.available_width() - 8.0;
    let field = TextEdit::singleline(search).hint_text("Search").desired_width(width);
    ui.add(field).accessible_name("Search").on_hover_text(
        "Words of the title, the rhythm or the key; or the first notes, such as GABd.",
    );
}

/// What is looked for, word by word.
pub(super) struct Search {
    words: Vec<String>,
}

impl Search {
    pub(super) fn new(text: &str) -> Self {
        Self { words: text.split_whitespace().map(str::to_lowercase).collect() }
    }

    /// Whether each word is somewhere in the texts.
    pub(super) fn matches(&self, texts: &[&str]) -> bool {
        let texts: Vec<String> = texts.iter().map(|text| text.to_lowercase()).collect();
        self.words.iter().all(|word| texts.iter().any(|text| text.contains(word.as_str())))
    }

    fn finds(&self, tune: &Found) -> bool {
        self.words.is_empty()
            || self.words.iter().all(|word| {
                let titled = [&tune.title, &tune.rhythm, &tune.key]
                    .iter()
                    .any(|text| text.to_lowercase().contains(word.as_str()));
                titled || tune.opening.to_lowercase().starts_with(word.as_str())
            })
    }
}

/// Takes a file that was dropped into the window.
pub(super) fn take_drop(ui: &Ui, editor: &mut TunesEditor, shared: &TunesShared) {
    let dropped = ui.input(|input| input.raw.dropped_files.clone());
    let Some(file) = dropped.into_iter().next() else {
        return;
    };
    let name = file.path().to_string_lossy().into_owned();
    let found = match file.bytes() {
        Ok(bytes) => export::tunes(&bytes).map_err(|error| error.to_string()),
        Err(error) => Err(error),
    };
    match found {
        Ok(tunes) => take(ui, editor, shared, tunes, &name),
        Err(error) => editor.notice.refused(ui, format!("{name}: {error}")),
    }
}

/// Opens a file, or all files of a folder.
pub(super) fn open(ui: &Ui, editor: &mut TunesEditor, shared: &TunesShared, path: &Path) {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if path.is_dir() {
        let path: PathBuf = path.to_owned();
        let work = move || export::folder(&path);
        match std::thread::Builder::new().name("earworm-open".to_owned()).spawn(work) {
            Ok(worker) => editor.book.reading = Some(Reading { name, worker }),
            Err(error) => editor.chooser.refuse(format!("{name}: {error}")),
        }
        return;
    }
    match export::read(path).and_then(|bytes| export::tunes(&bytes)) {
        Ok(tunes) => take(ui, editor, shared, tunes, &name),
        Err(error) => editor.chooser.refuse(format!("{name}: {error}")),
    }
}

/// Takes a folder over once it was read.
pub(super) fn watch(ui: &Ui, editor: &mut TunesEditor, shared: &TunesShared) {
    let Some(reading) = &editor.book.reading else { return };
    if !reading.worker.is_finished() {
        ui.ctx().request_repaint_after(Duration::from_millis(100));
        return;
    }
    let Some(Reading { name, worker }) = editor.book.reading.take() else { return };
    match worker.join() {
        Ok(Ok(tunes)) => take(ui, editor, shared, tunes, &name),
        Ok(Err(error)) => editor.chooser.refuse(format!("{name}: {error}")),
        Err(_) => editor.chooser.refuse(format!("{name}: it could not be read")),
    }
}

/// Takes tunes that were found: the first goes on the desk, the others are offered beside it.
fn take(ui: &Ui, editor: &mut TunesEditor, shared: &TunesShared, tunes: Vec<Found>, name: &str) {
    let Some(first) = tunes.first() else { return };
    desk::set_tune(ui, editor, shared, &first.abc.clone(), Origin::Opened);
    if tunes.len() > 1 {
        editor.notice.done(ui, format!("{name}: {} tunes, see Tunes", tunes.len()));
        editor.shows_book = true;
        editor.book.fill(name, tunes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(title: &str, rhythm: &str, key: &str, opening: &str) -> Found {
        let text = |text: &str| text.to_owned();
        Found {
            title: text(title),
            rhythm: text(rhythm),
            key: text(key),
            opening: text(opening),
            abc: String::new(),
        }
    }

    #[test]
    fn a_book_is_searched_by_title_rhythm_key_and_first_notes_and_sorted() {
        let mut book = Book::default();
        book.fill(
            "book",
            vec![
                found("The Silver Spear", "reel", "D", "A2FA"),
                found("Kesh", "jig", "G", "G3GAB"),
                found("Drowsy Maggie", "reel", "Edor", "E2BE"),
            ],
        );
        let mut listed = |search: &str, order| {
            book.search = search.to_owned();
            book.order = order;
            book.list();
            book.listed.clone()
        };
        assert_eq!(listed("", Order::Given), [0, 1, 2]);
        assert_eq!(listed("", Order::Title), [2, 1, 0]);
        assert_eq!(listed("reel", Order::Key), [0, 2]);
        assert_eq!(listed("SILVER reel", Order::Given), [0]);
        assert_eq!(listed("e2be", Order::Given), [2]);
        assert!(listed("polka", Order::Given).is_empty());
    }
}
