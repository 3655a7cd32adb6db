//! Interface: the `earworm` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    earworm::cli::run()
}
