//! Interface: keeps the text in the field, the notation drawn from it and the tune that plays one and the same.

use std::sync::Arc;
use std::time::Duration;

use egui::Ui;

use super::TunesEditor;
use super::notation::Notation;
use crate::tunes::shared::{Origin, Score, TunesShared};

/// How long after the last key a changed text becomes the tune, in seconds.
const SETTLED: f64 = 0.4;

/// Takes over a tune that came from elsewhere: written, restored, or taken up again.
pub(super) fn follow(editor: &mut TunesEditor, shared: &TunesShared) {
    let tune = shared.tune();
    if editor.number != Some(tune.number) {
        // What was being typed when another tune came is no less a tune.
        if editor.changed.is_some() {
            shared.keep(&editor.text);
        }
        take(editor, &tune);
    }
}

fn take(editor: &mut TunesEditor, tune: &Arc<Score>) {
    editor.number = Some(tune.number);
    editor.changed = None;
    editor.refused = None;
    if editor.text != tune.abc {
        editor.text.clone_from(&tune.abc);
        editor.notation = Notation::read(&tune.abc);
        editor.followed = None;
    }
}

/// Makes a text the tune at once.
pub(super) fn set_tune(
    ui: &Ui,
    editor: &mut TunesEditor,
    shared: &TunesShared,
    text: &str,
    origin: Origin,
) {
    hand_over(editor, shared);
    match shared.set_tune(text, origin) {
        Ok(tune) => {
            editor.text.clear();
            take(editor, &tune);
        }
        Err(error) => editor.notice.refused(ui, error.to_string()),
    }
}

/// Goes back to the tune before.
pub(super) fn undo(ui: &Ui, editor: &mut TunesEditor, shared: &TunesShared) {
    hand_over(editor, shared);
    if let Some(before) = shared.undo() {
        take(editor, &before);
        ui.ctx().request_repaint();
    }
}

/// Goes forth again to the tune that undo went back from.
pub(super) fn redo(ui: &Ui, editor: &mut TunesEditor, shared: &TunesShared) {
    hand_over(editor, shared);
    if let Some(after) = shared.redo() {
        take(editor, &after);
        ui.ctx().request_repaint();
    }
}

/// Hands over at once what was typed and still waits for a pause.
fn hand_over(editor: &mut TunesEditor, shared: &TunesShared) {
    if editor.changed.take().is_none() {
        return;
    }
    match shared.type_on(&editor.text) {
        Ok(tune) => {
            editor.number = Some(tune.number);
            editor.refused = None;
        }
        // The text stays as it was typed; the tune that plays stays as it was.
        Err(error) => editor.refused = Some(error.to_string()),
    }
}

/// Draws what was typed at once; it becomes the tune when typing pauses.
pub(super) fn typed(ui: &Ui, editor: &mut TunesEditor) {
    editor.notation = Notation::read(&editor.text);
    editor.changed = Some(ui.input(|input| input.time));
    ui.ctx().request_repaint();
}

/// Hands a typed text to the engine once typing has paused.
pub(super) fn settle(ui: &Ui, editor: &mut TunesEditor, shared: &TunesShared) {
    let Some(changed) = editor.changed else {
        return;
    };
    let now = ui.input(|input| input.time);
    if now - changed < SETTLED {
        let rest = Duration::from_secs_f64(SETTLED - (now - changed));
        ui.ctx().request_repaint_after(rest);
        return;
    }
    hand_over(editor, shared);
}

/// Follows the text that the network is writing.
pub(super) fn grow(editor: &mut TunesEditor, text: Option<&str>) {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        editor.growing = None;
        return;
    };
    let same = editor.growing.as_ref().is_some_and(|growing| growing.text == text);
    if !same {
        editor.growing = Some(Notation::read(text));
    }
}
