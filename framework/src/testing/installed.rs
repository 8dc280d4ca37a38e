//! Where the servers are installed that tests start; the build scripts ask too.

use std::path::{Path, PathBuf};

/// Where Debian and Ubuntu keep the servers, a directory per version.
pub(crate) const DEBIAN: &str = "/usr/lib/postgresql";

/// The directory that holds `initdb` and `postgres`: one of `PATH`, else the newest of [`DEBIAN`].
pub(crate) fn postgres_binaries() -> Option<PathBuf> {
    let complete =
        |directory: &Path| directory.join("initdb").is_file() && directory.join("postgres").is_file();
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(directory) = std::env::split_paths(&path).find(|directory| complete(directory)) {
        return Some(directory);
    }
    let version = |directory: &PathBuf| {
        let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.parse::<u32>().unwrap_or(0)
    };
    std::fs::read_dir(DEBIAN)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .filter(|directory| complete(&directory.join("bin")))
        .max_by_key(version)
        .map(|directory| directory.join("bin"))
}

/// `redis-server`, the first of `PATH`.
#[allow(dead_code, reason = "not every build script has tests that need one")]
pub(crate) fn redis_server() -> Option<PathBuf> {
    in_path("redis-server")
}

/// `memcached`, the first of `PATH`.
#[allow(dead_code, reason = "not every build script has tests that need one")]
pub(crate) fn memcached() -> Option<PathBuf> {
    in_path("memcached")
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file())
}
