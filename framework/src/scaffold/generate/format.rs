use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Rust source as the service's own rustfmt lays it out, by the settings in its directory; `None` where rustfmt is not
/// installed or does not like it.
pub(super) fn formatted(text: &str, edition: &str, directory: &Path) -> Option<String> {
    // As `cargo fmt` finds it.
    let program = std::env::var_os("RUSTFMT").unwrap_or_else(|| OsString::from("rustfmt"));
    let mut rustfmt = Command::new(program)
        .args(["--edition", edition, "--emit", "stdout"])
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    // It reads all before it writes anything; if it ends sooner, its status says so.
    let written = rustfmt.stdin.take().map(|mut stdin| stdin.write_all(text.as_bytes()));
    let output = rustfmt.wait_with_output().ok()?;
    let good = output.status.success() && written.is_some_and(|written| written.is_ok());
    good.then(|| String::from_utf8(output.stdout).ok())?
}
