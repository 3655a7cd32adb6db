//! Core: lays a built library out as the CLAP and VST3 formats prescribe.
