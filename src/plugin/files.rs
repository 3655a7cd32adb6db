//! Interface: choosing and writing files from an editor.
//!
//! The window library has no file dialogue of its own and a plug-in should not bring a second toolkit into its host,
//! so a small one is drawn in the window itself.

use std::path::{Path, PathBuf};

use egui::{Align, Context, Id, Key, Layout, Modal, RichText, ScrollArea, TextEdit};

use super::theme::Palette;

pub use earworm_files::write;

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    saves: bool,
    /// The name that is offered, without its extension.
    name: String,
    /// Extensions that are listed; the first is added to a name without one.
    extensions: Vec<String>,
    /// Whether a whole folder may be opened.
    folders: bool,
}

/// Room for the buttons beside the name, in points.
const BUTTONS: f32 = 150.0;

impl Wish {
    /// A file to be written.
    pub fn save(name: &str, extension: &str) -> Self {
        let name = match name.trim() {
            "" => "untitled",
            name => name,
        };
        let name = name.replace(['/', '\\', ':', '\0'], "-");
        Self { saves: true, name, extensions: vec![extension.to_owned()], folders: false }
    }

    /// A file to be written gets the extension that it lacks.
    fn completed(&self, mut path: PathBuf) -> PathBuf {
        if self.saves && path.extension().is_none() {
            path.set_extension(&self.extensions[0]);
        }
        path
    }

    /// A file to be read.
    pub fn open(extensions: &[&str]) -> Self {
        let owned = extensions.iter().map(|&extension| extension.to_owned());
        let extensions = owned.collect();
        Self { saves: false, name: String::new(), extensions, folders: false }
    }

    /// Or all files of a folder.
    pub fn or_a_folder(mut self) -> Self {
        self.folders = true;
        self
    }
}

/// A dialogue for one file at a time. `T` says what the file is for.
pub struct Chooser<T> {
    asked: Option<(Wish, T)>,
    /// What was asked for last, to ask again where it could not be done.
    last: Option<(Wish, T)>,
    folder: PathBuf,
    name: String,
    listing: Vec<(String, bool)>,
    problem: Option<String>,
    /// A file that is there already, and was asked about.
    replaced: Option<PathBuf>,
    /// The name is to get the keyboard in the next frame.
    focus: bool,
}

impl<T> Default for Chooser<T> {
    fn default() -> Self {
        Self {
            asked: None,
            last: None,
            folder: PathBuf::new(),
            name: String::new(),
            listing: Vec::new(),
            problem: None,
            replaced: None,
            focus: false,
        }
    }
}

impl<T: Copy> Chooser<T> {
    /// Opens the dialogue. It begins in the folder last used, at first the user's own.
    pub fn open(&mut self, wish: Wish, what: T) {
        if self.folder.as_os_str().is_empty() {
            self.folder = home();
        }
        self.name = match wish.saves {
            true => format!("{}.{}", wish.name, wish.extensions[0]),
            false => String::new(),
        };
        self.problem = None;
        self.replaced = None;
        self.focus = true;
        self.asked = Some((wish, what));
        self.list();
    }

    /// Opens again as it was closed, and says why the file could not be read or written.
    pub fn refuse(&mut self, problem: String) {
        if let Some(last) = self.last.clone() {
            self.asked = Some(last);
            self.problem = Some(problem);
            self.replaced = None;
            self.focus = true;
            let problem = self.problem.take();
            self.list();
            self.problem = problem;
        }
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.asked.is_some()
    }

    /// Goes to a folder.
    pub fn go_to(&mut self, folder: &Path) {
        self.folder = folder.to_owned();
        self.list();
    }

    fn list(&mut self) {
        self.listing.clear();
        let Some((wish, _)) = &self.asked else {
            return;
        };
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) => {
                self.problem = Some(format!("{}: {error}", self.folder.display()));
                return;
            }
        };
        for entry in entries.flatten().take(5_000) {
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let is_folder = entry.path().is_dir();
            let fits = Path::new(&name)
                .extension()
                .and_then(|extension| extension.to_str())
                .is_some_and(|extension| {
                    let same = |wanted: &String| wanted.eq_ignore_ascii_case(extension);
                    wish.extensions.iter().any(same)
                });
            if !name.starts_with('.') && (is_folder || fits) {
                self.listing.push((name, is_folder));
            }
        }
        self.listing.sort_by(|(a, a_folder), (b, b_folder)| {
            let by_name = a.to_lowercase().cmp(&b.to_lowercase());
            b_folder.cmp(a_folder).then(by_name)
        });
    }

    /// The file that is named at the moment.
    fn target(&self, wish: &Wish) -> PathBuf {
        wish.completed(self.folder.join(self.name.trim()))
    }

    /// Draws the dialogue while it is open; gives the path once it was chosen.
    pub fn show(&mut self, context: &Context) -> Option<(PathBuf, T)> {
        let (wish, what) = self.asked.clone()?;
        let palette = Palette::of(context);
        let mut chosen = None;
        let mut go = None;
        let mut cancel = false;
        let mut whole = false;
        let title = if wish.saves { "Save as" } else { "Open" };
        let height = (context.content_rect().height() - 190.0).clamp(80.0, 320.0);
        let width = (context.content_rect().width() - 60.0).clamp(260.0, 480.0);
        let modal = Modal::new(Id::unique("file dialogue")).show(context, |ui| {
            ui.set_width(width);
            ui.heading(title);
            ui.horizontal(|ui| {
                if ui.button("Up").on_hover_text("To the folder above.").clicked() {
                    go = self.folder.parent().map(Path::to_owned);
                }
                let path = self.folder.display().to_string();
                let shown = egui::Label::new(RichText::new(&path).weak()).truncate();
                ui.add(shown).on_hover_text(path);
            });
            ScrollArea::vertical()
                .max_height(height)
                .min_scrolled_height(height)
                .auto_shrink([false, false])
                .show(ui, |ui| {
                    ui.with_layout(Layout::top_down_justified(Align::Min), |ui| {
                        for (name, is_folder) in &self.listing {
                            let shown = match is_folder {
                                true => format!("{name}/"),
                                false => name.clone(),
                            };
                            let response = ui.selectable_label(*name == self.name, shown);
                            if response.clicked() {
                                match is_folder {
                                    true => go = Some(self.folder.join(name)),
                                    false => self.name.clone_from(name),
                                }
                            }
                            if response.double_clicked() && !is_folder {
                                chosen = Some(self.folder.join(name));
                            }
                        }
                        if self.listing.is_empty() {
                            ui.weak(format!("No .{} here", wish.extensions.join(", .")));
                        }
                    });
                });
            if let Some(problem) = &self.problem {
                ui.colored_label(palette.error, problem);
            }
            ui.horizontal(|ui| {
                let label = ui.label("File");
                let buttons = BUTTONS * if wish.folders { 1.6 } else { 1.0 };
                let room = (ui.available_width() - buttons).max(80.0);
                let edit = TextEdit::singleline(&mut self.name).desired_width(room);
                let response = ui.add(edit).labelled_by(label.id);
                if std::mem::take(&mut self.focus) {
                    response.request_focus();
                }
                let ready = !self.name.trim().is_empty();
                let enter = ui.input(|input| input.key_pressed(Key::Enter));
                if response.lost_focus() && enter && ready {
                    chosen = Some(self.folder.join(self.name.trim()));
                }
                cancel = ui.button("Cancel").clicked();
                if wish.folders {
                    let all =
                        ui.button("All here").on_hover_text("Opens every file of this folder.");
                    whole = all.clicked();
                }
                let named = self.target(&wish);
                let verb = match wish.saves {
                    true if self.replaced.as_ref() == Some(&named) => "Replace",
                    true => "Save",
                    false => "Open",
                };
                if ui.add_enabled(ready, egui::Button::new(verb)).clicked() {
                    chosen = Some(self.folder.join(self.name.trim()));
                }
            });
        });
        if let Some(folder) = go {
            self.problem = None;
            self.go_to(&folder);
        }
        if whole {
            self.last = self.asked.take();
            return Some((self.folder.clone(), what));
        }
        if let Some(path) = chosen {
            if path.is_dir() {
                self.name.clear();
                self.go_to(&path);
                return None;
            }
            let path = wish.completed(path);
            if wish.saves && path.exists() && self.replaced.as_ref() != Some(&path) {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                self.problem = Some(format!("{name} is there already. Replace it?"));
                self.replaced = Some(path);
                self.focus = true;
                return None;
            }
            self.last = self.asked.take();
            return Some((path, what));
        }
        if cancel || modal.should_close() {
            self.asked = None;
        }
        None
    }
}

fn home() -> PathBuf {
    std::env::var_os("HOME")
        .or_else(|| std::env::var_os("USERPROFILE"))
        .map(PathBuf::from)
        .filter(|path| path.is_dir())
        .or_else(|| std::env::current_dir().ok())
        .unwrap_or_else(|| PathBuf::from("/"))
}
