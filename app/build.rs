//! Tells the tests which servers can be started here: `cfg(has_postgres)`, `cfg(has_redis)`, `cfg(has_memcached)`.

#[path = "../framework/src/testing/installed.rs"]
mod installed;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(has_postgres, has_redis, has_memcached)");
    println!("cargo::rerun-if-env-changed=PATH");
    // A path that is not there would make every build run this again.
    if std::path::Path::new(installed::DEBIAN).exists() {
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
}
