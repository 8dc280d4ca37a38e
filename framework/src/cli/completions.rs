use clap_complete::Shell;

use super::{CliError, Output};

/// Prints what makes the shell complete the words of this program.
pub(super) fn print(
    shell: Shell,
    mut described: clap::Command,
    program: &str,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut described, program, &mut script);
    output.print(&String::from_utf8_lossy(&script))
}
