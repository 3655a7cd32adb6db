//! Core: a tune laid out as engraved notation.
