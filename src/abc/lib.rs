//! Core: ABC notation, read, performed, written and transposed.
//!
//! [`decode`] makes text of bytes, [`read`](read()) a [`Tunebook`] of text, [`perform`](perform()) a
//! [`Performance`] (notes in ticks) of a [`Tune`], [`write`](write()) text again. Two things are called note:
//! [`model::Note`] is written, [`performance::Note`] is played.
//!
#![doc = include_str!("README.md")]

mod accompaniment;
mod charset;
mod chord;
mod clock;
mod dance;
mod jumps;
mod key;
mod length;
mod lyrics;
mod metre;
pub mod model;
mod perform;
pub mod performance;
mod read;
mod resolve;
mod text;
mod transpose;
mod unfold;
mod write;

pub use charset::decode;
pub use dance::dance_tempo;
pub use key::{Bagpipe, Key, KeyError, Mode};
pub use length::Length;
pub use lyrics::lyric;
pub use metre::{Metre, MetreError, MetreSign};
pub use model::{
    Accidental, Annotation, AnnotationPlace, Attached, Bar, BarLine, Change, Chord, Clef,
    CurveSide, Decoration, Element, ElementKind, Ending, Field, Finding, Grace, LineBreak,
    PartOrder, Pitch, Rest, Severity, Step, Tempo, Tie, Tune, Tunebook, Voice,
};
pub use perform::perform;
pub use performance::{PPQ, PerformOptions, Performance};
pub use read::read;
pub use resolve::WrittenBar;
pub use text::escaped;
pub use transpose::at_place;
pub use transpose::{transpose, transpose_chord_symbol, transpose_key};
pub use write::{same, write, write_book};
