//! Facts about the machine that builds: the compiler's version, which the telemetry's resource says
//! (`process.runtime.version`), the target, and for the tests what can be started: `cfg(has_postgres)`, `cfg(has_redis)`,
//! `cfg(has_memcached)`, and `cfg(has_faketime)` for the library that shows a process another time. And the templates of
//! the program `spanbox`, as a table of their names and texts.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

#[path = "src/testing/installed.rs"]
mod installed;

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    templates()?;
    println!("cargo::rerun-if-env-changed=RUSTC");
    if let Some(version) = compiler() {
        println!("cargo::rustc-env=SPANBOX_RUSTC_VERSION={version}");
    }
    if let Some(target) = env::var_os("TARGET") {
        println!("cargo::rustc-env=SPANBOX_TARGET={}", target.display());
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
    Ok(())
}

/// Writes the table that `scaffold/templates.rs` includes: each file below `templates/` by its path there, without its
/// extension `.jinja`.
fn templates() -> std::io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("templates");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    files_in(&root, &mut files)?;
    files.sort();
    let mut table = String::from("&[\n");
    for file in files {
        let name = file.strip_prefix(&root).unwrap_or(&file).with_extension("");
        let name = name.to_string_lossy().replace('\\', "/");
        // Writing to a string does not fail.
        let _ = writeln!(table, "    ({name:?}, include_str!({:?})),", file.display().to_string());
    }
    table.push_str("]\n");
    fs::write(PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("templates.rs"), table)
}

fn files_in(directory: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            files_in(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "jinja") {
            found.push(path);
        }
    }
    Ok(())
}

/// The second word of e.g. `rustc 1.95.0 (hash date)`.
fn compiler() -> Option<String> {
    let output = Command::new(env::var_os("RUSTC")?).arg("--version").output().ok()?;
    String::from_utf8_lossy(&output.stdout).split_whitespace().nth(1).map(str::to_owned)
}

/// Where Debian and Ubuntu keep libfaketime.
fn faketime() -> Option<PathBuf> {
    let architecture = env::var("CARGO_CFG_TARGET_ARCH").ok()?;
    let library = format!("/usr/lib/{architecture}-linux-gnu/faketime/libfaketime.so.1");
    let library = PathBuf::from(library);
    library.is_file().then_some(library)
}
