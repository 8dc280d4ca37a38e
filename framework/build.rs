//! Facts about the machine that builds: the compiler's version, which the telemetry's resource says
//! (`process.runtime.version`), and for the tests what can be started: `cfg(has_postgres)`, `cfg(has_redis)`,
//! `cfg(has_memcached)`, and `cfg(has_faketime)` for the library that shows a process another time.

use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "src/testing/installed.rs"]
mod installed;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=RUSTC");
    if let Some(version) = compiler() {
        println!("cargo::rustc-env=SPANBOX_RUSTC_VERSION={version}");
    }
    println!("cargo::rustc-check-cfg=cfg(has_postgres, has_redis, has_memcached, has_faketime)");
    println!("cargo::rerun-if-env-changed=PATH");
    // A path that is not there would make every build run this again.
    if Path::new(installed::DEBIAN).exists() {
        println!("cargo::rerun-if-changed={}", installed::DEBIAN);
    }
    if installed::postgres_binaries().is_some() {
        println!("cargo::rustc-cfg=has_postgres");
    }
    if installed::redis_server().is_some() {
        println!("cargo::rustc-cfg=has_redis");
    }
    if installed::memcached().is_some() {
        println!("cargo::rustc-cfg=has_memcached");
    }
    if let Some(library) = faketime() {
        println!("cargo::rustc-cfg=has_faketime");
        println!("cargo::rustc-env=SPANBOX_FAKETIME={}", library.display());
    }
}

/// The second word of e.g. `rustc 1.95.0 (hash date)`.
fn compiler() -> Option<String> {
    let output = Command::new(std::env::var_os("RUSTC")?).arg("--version").output().ok()?;
    String::from_utf8_lossy(&output.stdout).split_whitespace().nth(1).map(str::to_owned)
}

/// Where Debian and Ubuntu keep libfaketime.
fn faketime() -> Option<PathBuf> {
    let architecture = std::env::var("CARGO_CFG_TARGET_ARCH").ok()?;
    let library = format!("/usr/lib/{architecture}-linux-gnu/faketime/libfaketime.so.1");
    let library = PathBuf::from(library);
    library.is_file().then_some(library)
}
