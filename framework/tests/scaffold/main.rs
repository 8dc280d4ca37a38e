//! The program `spanbox`: what `new` and `generate` write, what they refuse, and that what they write builds, passes its own
//! tests and runs.

#![allow(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod built;
mod compiled;
mod deploy;
mod generate;
mod redis;
mod refusals;
mod variants;

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs the program in a directory, without a terminal.
fn spanbox(directory: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spanbox"));
    command.args(words).current_dir(directory).stdin(Stdio::null()).output().unwrap()
}

/// Writes a service, and fails if that does.
fn new(directory: &Path, words: &[&str]) -> String {
    let output = spanbox(directory, &[&["new"], words].concat());
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
