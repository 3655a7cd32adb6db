//! Core: a tune moved by an interval, with a sensible key signature.
