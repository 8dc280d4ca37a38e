//! The program `spanbox`: it writes a new service, and parts of one, from templates that it has in itself.
//!
//! Nothing that is there is ever overwritten: what a command would write is a plan first, and a file that is there with
//! another text stops all of it. Nothing is asked of the network.
//!
//! Exit codes: 0 for success, 1 for a failure that is told on stderr, 2 for words that are no command or make none.
//! [`execute`] runs a command within a test:
//!
//! ```
//! let (mut out, mut err) = (Vec::new(), Vec::new());
//! assert_eq!(spanbox::scaffold::execute(["spanbox", "--version"], &mut out, &mut err), 0);
//! ```

mod error;
mod generate;
mod new;
mod plan;
mod templates;
mod writing;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use error::ScaffoldError;
use plan::Plan;
use templates::Templates;

#[derive(Parser)]
#[command(name = "spanbox", version, about = "Writes services made of actors, and their parts")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write a new service
    New(new::New),
    /// Write a part of the service in this directory
    #[command(visible_alias = "g")]
    Generate(generate::Generate),
}

/// Runs the command that the process was called with.
pub fn run() -> ExitCode {
    execute(std::env::args_os(), &mut std::io::stdout(), &mut std::io::stderr()).into()
}

/// Runs a command of these words, the first of which is the program's name. It writes to `out` and `err` and answers the
/// exit code.
pub fn execute<W>(words: W, out: &mut dyn Write, err: &mut dyn Write) -> u8
where
    W: IntoIterator<Item: Into<OsString> + Clone>,
{
    let arguments = match Arguments::try_parse_from(words) {
        Ok(arguments) => arguments,
        // The help and the version are of these, too.
        Err(told) => {
            return if told.use_stderr() {
                write!(err, "{told}").map_or(1, |()| 2)
            } else {
                write!(out, "{told}").map_or(1, |()| 0)
            };
        }
    };
    let outcome = match arguments.command {
        Command::New(new) => new.run(out, err),
        Command::Generate(generate) => generate.run(out),
    };
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            // Nobody is left to be told if that fails.
            let _ = writeln!(err, "spanbox: {error}");
            error.exit_code()
        }
    }
}
