//! Records the compiler's version, which the telemetry's resource says (`process.runtime.version`).

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=RUSTC");
    println!("cargo::rerun-if-changed=build.rs");
    let Some(rustc) = std::env::var_os("RUSTC") else { return };
    let Ok(output) = Command::new(rustc).arg("--version").output() else { return };
    // `rustc 1.95.0 (hash date)`
    if let Some(version) = String::from_utf8_lossy(&output.stdout).split_whitespace().nth(1) {
        println!("cargo::rustc-env=SPANBOX_RUSTC_VERSION={version}");
    }
}
