//! Core: a tune back to ABC text that reads as the same tune.
