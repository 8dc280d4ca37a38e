//! The order service as a program: `orders --help` lists its commands.

use std::process::ExitCode;

fn main() -> ExitCode {
    orders::commands().run()
}
