//! Tells the tests whether a PostgreSQL server can be started here: `cfg(has_postgres)`.

#[path = "../framework/src/testing/installed.rs"]
mod installed;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
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
