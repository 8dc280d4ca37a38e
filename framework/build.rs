//! Two facts about the machine that builds: the compiler's version, which the telemetry's resource says
//! (`process.runtime.version`), and for the tests whether a PostgreSQL server can be started: `cfg(has_postgres)`.

use std::process::Command;

#[path = "src/testing/installed.rs"]
mod installed;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=RUSTC");
    if let Some(version) = compiler() {
        println!("cargo::rustc-env=SPANBOX_RUSTC_VERSION={version}");
    }
    println!("cargo::rustc-check-cfg=cfg(has_postgres)");
    println!("cargo::rerun-if-env-changed=PATH");
    // A path that is not there would make every build run this again.
    if std::path::Path::new(installed::DEBIAN).exists() {
        println!("cargo::rerun-if-changed={}", installed::DEBIAN);
    }
    if installed::postgres_binaries().is_some() {
        println!("cargo::rustc-cfg=has_postgres");
    }
}

/// The second word of e.g. `rustc 1.95.0 (hash date)`.
fn compiler() -> Option<String> {
    let output = Command::new(std::env::var_os("RUSTC")?).arg("--version").output().ok()?;
    String::from_utf8_lossy(&output.stdout).split_whitespace().nth(1).map(str::to_owned)
}
