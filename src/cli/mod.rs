//! Interface: the `earworm` program's commands, one file each.

mod check;
mod classify;
mod convert;
mod generate;
