//! Core: ABC notation, read, performed, written and transposed.
//!
//! [`read`](read()) makes a [`Tunebook`] of text, [`perform`] a [`Performance`] (notes in ticks) of a
//! [`Tune`]. Two things are called note: [`model::Note`] is written, [`performance::Note`] is played.

mod accompaniment;
mod key;
mod length;
mod lyrics;
mod metre;
pub mod model;
pub mod performance;
mod read;
mod resolve;
mod transpose;
mod unfold;
mod write;

pub use key::{Bagpipe, Key, KeyError, Mode};
pub use length::Length;
pub use lyrics::lyric;
pub use metre::{Metre, MetreError, MetreSign};
pub use model::{
    Accidental, Annotation, AnnotationPlace, Attached, Bar, BarLine, Change, Chord, Clef,
    Decoration, Element, ElementKind, Ending, Field, Finding, Grace, LineBreak, PartOrder, Pitch,
    Rest, Severity, Step, Tempo, Tie, Tune, Tunebook, Voice,
};
pub use performance::{PPQ, PerformOptions, Performance, perform};
pub use read::{decode, read};
pub use resolve::WrittenBar;
pub use transpose::at_place;
pub use transpose::{transpose, transpose_chord_symbol, transpose_key};
pub use write::{same, write, write_book};
