//! The program `spanbox`: `spanbox --help` lists its commands.

use std::process::ExitCode;

fn main() -> ExitCode {
    spanbox::scaffold::run()
}
