//! A service asks for what the tests of this repository have been compiled with, so that only what is its own is compiled.
//!
//! Cargo compiles a crate once for each set of its features that is asked for. All members of this workspace together ask
//! for more than a service does, by their own tests and benchmarks; so the service is made to ask for the rest, too.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use toml_edit::DocumentMut;

use crate::root;

/// A crate with its version and the features it is compiled with.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Crate {
    name: String,
    version: String,
    features: BTreeSet<String>,
}

/// Cargo, as it is from a shell: what it tells a test of the package that this is one of would have every crate compiled anew
/// whose build script asks for that.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let told = ["CARGO_BIN_", "CARGO_CRATE_", "CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_PRIMARY_"];
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text == "OUT_DIR" || told.iter().any(|start| text.starts_with(start)) {
            cargo.env_remove(&name);
        }
    }
    cargo
}

/// The crates that are compiled for the package or the workspace in a directory with its tests; none that is a path.
fn crates(directory: &Path, options: &[&str]) -> BTreeSet<Crate> {
    let mut tree = cargo();
    tree.args(["tree", "--offline", "--quiet", "--prefix", "none", "--format", "{p}|{f}"]).args(options);
    let output = tree.current_dir(directory).output().unwrap();
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let crates = lines.lines().filter_map(|line| {
        let (package, features) = line.trim_end_matches(" (*)").split_once('|')?;
        let package = package.trim_end_matches(" (proc-macro)");
        let (name, version) = package.split_once(" v").filter(|(_, version)| !version.contains(' '))?;
        let features = features.split(',').filter(|feature| !feature.is_empty());
        Some(Crate {
            name: name.to_owned(),
            version: version.to_owned(),
            features: features.map(str::to_owned).collect(),
        })
    });
    crates.collect()
}

/// What this repository is built in the way of, to its end.
const PROFILES: &str = "[profile.dev]";

/// The manifest of a service that asks for every feature that spanbox has, and is built in the way of this repository.
fn asking_for_all(manifest: &str) -> String {
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    let framework: DocumentMut =
        read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).parse().unwrap();
    let features = framework["features"].as_table().unwrap().iter().map(|(name, _)| name);
    let features: Vec<_> = features.filter(|name| *name != "default").collect();
    assert!(features.contains(&"postgres"), "{features:?}");
    let (before, rest) = manifest.split_once("\nspanbox = {").unwrap();
    let (path, rest) = rest.split_once("features = [").unwrap();
    let after = rest.split_once(']').unwrap().1;
    let (after, _) = after.split_once(PROFILES).unwrap();
    let ours = read(&root().join("Cargo.toml"));
    let (_, profiles) = ours.split_once(PROFILES).unwrap();
    format!("{before}\nspanbox = {{{path}features = {features:?}{after}{PROFILES}{profiles}")
}

/// Changes the manifest of a service, which is generated and has the `Cargo.lock` of this repository.
pub(crate) fn take(service: &Path) {
    let path = service.join("Cargo.toml");
    let mut manifest = asking_for_all(&fs::read_to_string(&path).unwrap());
    fs::write(&path, &manifest).unwrap();
    let compiled = crates(root(), &["--workspace", "--all-features"]);
    // Beside the tests' own dependencies, some of which these may be.
    manifest.push_str("\n[target.'cfg(all())'.dev-dependencies]\n");
    for wanted in crates(service, &[]).iter().filter(|wanted| !compiled.contains(wanted)) {
        let has_all = |it: &&Crate| {
            it.name == wanted.name
                && it.version == wanted.version
                && it.features.is_superset(&wanted.features)
        };
        // Nobody in the workspace asks for this one, or not for all of it.
        let Some(Crate { name, version, features }) = compiled.iter().find(has_all) else { continue };
        let features: Vec<_> = features.iter().collect();
        manifest.push_str(&format!(
            "{name} = {{ version = \"={version}\", default-features = false, features = {features:?} }}\n"
        ));
    }
    fs::write(&path, manifest).unwrap();
}
