//! Interface: `earworm completions` and `earworm manual`, made of the commands themselves.

use clap::{Command, CommandFactory};

use super::{Outcome, Program, Refusal, print};

/// What `earworm completions` is told.
#[derive(clap::Args)]
pub(super) struct Shells {
    /// The shell, whose own manual says where its completions belong
    #[arg(value_name = "SHELL")]
    shell: clap_complete::Shell,
}

/// What `earworm manual` is told.
#[derive(clap::Args)]
pub(super) struct Pages {
    /// A command; none: the program
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

/// The program's commands with what they share filled in.
fn program() -> Command {
    let mut program = Program::command();
    program.build();
    program
}

/// Prints completions.
pub(super) fn completions(options: Shells) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut program(), "earworm", &mut script);
    print(String::from_utf8_lossy(&script));
    Outcome::Done
}

/// Prints a manual page.
pub(super) fn manual(options: Pages) -> Outcome {
    Outcome::from(page(options.command.as_deref()).map(|page| {
        print(page);
        Outcome::Done
    }))
}

fn page(name: Option<&str>) -> Result<String, Refusal> {
    let program = program();
    let command = match name {
        None => program,
        Some(name) => {
            let found = program.get_subcommands().find(|command| command.get_name() == name);
            found.cloned().ok_or_else(|| {
                let known: Vec<&str> = program.get_subcommands().map(Command::get_name).collect();
                Refusal::new(name, "is no command", format!("one of {}", known.join(", ")))
            })?
        }
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut page)
        .map_err(|error| Refusal::new("manual", error, "this build is broken, build it again"))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
