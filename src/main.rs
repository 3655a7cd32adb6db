//! Interface: the `earworm` program.

fn main() {}
