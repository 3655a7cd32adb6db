//! Core: ABC notation, read, performed, written and transposed.

mod transpose;
mod write;
