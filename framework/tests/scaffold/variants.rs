//! Each service that `spanbox new` can write, looked at without building it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use toml_edit::DocumentMut;

use crate::{new, root};

/// In every service.
const SERVICE: &[&str] = &[
    ".cargo/config.toml",
    ".dockerignore",
    ".github/workflows/ci.yml",
    ".gitignore",
    "Cargo.toml",
    "README.md",
    "build.rs",
    "clippy.toml",
    "config/default.toml",
    "config/development.toml",
    "config/production.toml",
    "config/testing.toml",
    "deploy/Dockerfile",
    "deploy/compose.yaml",
    "deploy/otel-collector.yaml",
    "rustfmt.toml",
    "src/lib.rs",
    "src/main.rs",
    "src/schema.rs",
    "tests/it/main.rs",
    "tests/it/service.rs",
];

const NOTES: &[&str] = &[
    "migrations/postgres/2026-01-01-000100_create_notes/down.sql",
    "migrations/postgres/2026-01-01-000100_create_notes/up.sql",
    "migrations/sqlite/2026-01-01-000100_create_notes/down.sql",
    "migrations/sqlite/2026-01-01-000100_create_notes/up.sql",
    "src/notes/count_words.rs",
    "src/notes/counter.rs",
    "src/notes/error.rs",
    "src/notes/mod.rs",
    "src/notes/model.rs",
    "src/notes/routes.rs",
    "src/notes/store.rs",
    "tests/it/notes.rs",
    "tests/it/trace.rs",
];

const ACCOUNTS: &[&str] = &[
    "migrations/postgres/2026-01-01-000000_create_users/down.sql",
    "migrations/postgres/2026-01-01-000000_create_users/up.sql",
    "migrations/sqlite/2026-01-01-000000_create_users/down.sql",
    "migrations/sqlite/2026-01-01-000000_create_users/up.sql",
    "src/accounts/caller.rs",
    "src/accounts/error.rs",
    "src/accounts/input.rs",
    "src/accounts/mod.rs",
    "src/accounts/model.rs",
    "src/accounts/routes.rs",
    "src/accounts/store.rs",
    "tests/it/accounts.rs",
];

/// Without them git would not keep the directories, which are a part of the program.
const NO_MIGRATIONS: &[&str] = &["migrations/postgres/.gitkeep", "migrations/sqlite/.gitkeep"];

/// The options of one service.
#[derive(Clone, Copy, Debug)]
struct Variant {
    postgres: bool,
    redis: bool,
    auth: bool,
    bare: bool,
}

impl Variant {
    fn all() -> impl Iterator<Item = Self> {
        (0..16).map(|bits| Self {
            postgres: bits & 1 != 0,
            redis: bits & 2 != 0,
            auth: bits & 4 != 0,
            bare: bits & 8 != 0,
        })
    }

    fn options(self) -> Vec<&'static str> {
        let mut options = vec![
            "--database",
            if self.postgres { "postgres" } else { "sqlite" },
            "--jobs",
            if self.redis { "redis" } else { "database" },
        ];
        options.extend(self.auth.then_some("--auth"));
        options.extend(self.bare.then_some("--bare"));
        options
    }

    fn files(self) -> BTreeSet<String> {
        let layers = [
            (SERVICE, true),
            (NOTES, !self.bare),
            (ACCOUNTS, self.auth),
            (NO_MIGRATIONS, self.bare && !self.auth),
            (&["tests/it/redis.rs"], self.redis && !self.bare),
            (&["deploy/development.yaml"], self.postgres || self.redis),
        ];
        let wanted = layers.into_iter().filter(|(_, wanted)| *wanted);
        wanted.flat_map(|(files, _)| files.iter().map(|file| (*file).to_owned())).collect()
    }

    fn features(self) -> Vec<&'static str> {
        let features = [
            ("auth", self.auth),
            ("limit", self.auth),
            ("openapi", true),
            ("postgres", self.postgres),
            ("redis", self.redis),
        ];
        features.into_iter().filter(|(_, wanted)| *wanted).map(|(feature, _)| feature).collect()
    }
}

/// Every file below a directory with its text, by its path.
pub(crate) fn texts(directory: &Path) -> BTreeMap<String, String> {
    let (mut found, mut directories) = (BTreeMap::new(), vec![directory.to_owned()]);
    while let Some(inner) = directories.pop() {
        for path in fs::read_dir(inner).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                directories.push(path);
            } else {
                let name = path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read_to_string(path).unwrap());
            }
        }
    }
    found
}

fn toml(text: &str) -> DocumentMut {
    text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The values of a table and of those in it, by their keys.
fn values(item: &toml_edit::Item) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for (key, item) in item.as_table_like().unwrap().iter() {
        if item.is_table_like() {
            values.extend(
                self::values(item).into_iter().map(|(inner, value)| (format!("{key}.{inner}"), value)),
            );
        } else {
            let text = item.as_str().map(str::to_owned);
            let value = text.or_else(|| Some(item.as_bool()?.to_string()));
            values.insert(key.to_owned(), value.or_else(|| Some(item.as_integer()?.to_string())).unwrap());
        }
    }
    values
}

#[test]
fn sqlite_is_built_as_it_is_here() {
    let template = "framework/templates/new/service/.cargo/config.toml.jinja";
    let [ours, theirs] =
        [".cargo/config.toml", template].map(|path| std::fs::read(root().join(path)).unwrap());
    assert!(ours == theirs, "{template} is another than .cargo/config.toml");
}

#[test]
fn each_has_its_files_and_they_are_what_they_should_be() {
    let directory = tempfile::tempdir().unwrap();
    for (number, variant) in Variant::all().enumerate() {
        let path = format!("services/{number}");
        let report =
            new(directory.path(), &[&["my-shop", "--yes", "--path", &path][..], &variant.options()].concat());
        let texts = texts(&directory.path().join(path));
        assert_eq!(texts.keys().cloned().collect::<BTreeSet<_>>(), variant.files(), "{variant:?}");
        for (file, text) in &texts {
            assert!(report.contains(file), "{file} is not in the report:\n{report}");
            for mark in ["{{", "{%", "{#", "%}"] {
                assert!(!text.contains(mark), "{variant:?}: {file} is no more than a template:\n{text}");
            }
            assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{variant:?}: {file}:\n{text:?}");
            assert!(!text.contains("\n\n\n"), "{variant:?}: {file}:\n{text}");
            assert!(text.lines().all(|line| line.trim_end() == line), "{variant:?}: {file}:\n{text}");
            if file.ends_with(".toml") {
                toml(text);
            } else if file.ends_with(".yaml") || file.ends_with(".yml") {
                let parsed: Result<serde_json::Value, _> = serde_saphyr::from_str(text);
                assert!(parsed.is_ok_and(|document| document.is_object()), "{variant:?}: {file}:\n{text}");
            }
        }
        let manifest = toml(&texts["Cargo.toml"]);
        let dependency = &manifest["dependencies"]["spanbox"];
        let features: Vec<_> = dependency["features"]
            .as_array()
            .unwrap()
            .iter()
            .map(|feature| feature.as_str().unwrap())
            .collect();
        assert_eq!(features, variant.features());
        assert_eq!(dependency["default-features"].as_bool(), Some(false));
    }
}

#[test]
fn each_is_formatted_also_with_the_shortest_and_the_longest_name() {
    let directory = tempfile::tempdir().unwrap();
    let longest = "x".repeat(64);
    for (number, variant) in Variant::all().enumerate() {
        for name in ["a", &longest] {
            let path = format!("{}-{number}", name.len());
            new(directory.path(), &[&[name, "--yes", "--path", &path][..], &variant.options()].concat());
            let output = Command::new("rustfmt")
                .args(["--check", "--edition", "2024"])
                .args(["build.rs", "src/main.rs", "src/lib.rs", "tests/it/main.rs"])
                .current_dir(directory.path().join(path))
                .output()
                .unwrap();
            let told = String::from_utf8_lossy(&output.stdout);
            assert!(
                output.status.success(),
                "{variant:?}: {told}{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
}

#[test]
fn both_databases_have_the_same_migrations() {
    for file in NOTES.iter().chain(ACCOUNTS).filter(|file| file.starts_with("migrations/sqlite/")) {
        let other = file.replace("/sqlite/", "/postgres/");
        assert!(NOTES.contains(&other.as_str()) || ACCOUNTS.contains(&other.as_str()), "{other}");
    }
}

#[test]
fn it_depends_on_what_this_repository_does_and_on_features_that_there_are() {
    let directory = tempfile::tempdir().unwrap();
    let all = ["--auth", "--database", "postgres", "--jobs", "redis"];
    new(directory.path(), &[&["shop", "--yes"][..], &all].concat());
    let manifest = toml(&fs::read_to_string(directory.path().join("shop/Cargo.toml")).unwrap());
    let ours = toml(&fs::read_to_string(root().join("Cargo.toml")).unwrap());
    let version = |entry: &toml_edit::Item| {
        entry.as_str().or_else(|| entry.get("version")?.as_str()).map(str::to_owned)
    };
    for table in ["dependencies", "dev-dependencies"] {
        for (name, entry) in manifest[table].as_table().unwrap() {
            let there = &ours["workspace"]["dependencies"][name];
            if name != "spanbox" {
                assert_eq!(version(entry), version(there), "{name}");
            }
            // A service of that name would be mistaken for it.
            let refused = crate::spanbox(directory.path(), &["new", name, "--yes"]);
            assert_eq!(refused.status.code(), Some(2), "{name}");
        }
    }
    for table in ["dev", "release"] {
        assert_eq!(values(&manifest["profile"][table]), values(&ours["profile"][table]), "{table}");
    }
    let framework = toml(&fs::read_to_string(root().join("framework/Cargo.toml")).unwrap());
    for table in ["dependencies", "dev-dependencies"] {
        for feature in manifest[table]["spanbox"]["features"].as_array().unwrap() {
            let feature = feature.as_str().unwrap();
            assert!(framework["features"].get(feature).is_some(), "{feature}");
        }
    }
}

#[test]
fn spanbox_comes_from_where_it_was_said() {
    let directory = tempfile::tempdir().unwrap();
    let framework = env!("CARGO_MANIFEST_DIR");
    let link = directory.path().join("a \"checkout\"");
    fs::create_dir(&link).unwrap();
    fs::write(link.join("Cargo.toml"), "[package]\nname = \"spanbox\"\n").unwrap();
    let comes_from = |number: usize, options: &[&str]| {
        let path = format!("services/{number}");
        let report = new(directory.path(), &[&["shop", "--yes", "--path", &path][..], options].concat());
        let manifest = toml(&fs::read_to_string(directory.path().join(path).join("Cargo.toml")).unwrap());
        for table in ["dependencies", "dev-dependencies"] {
            let entry = manifest[table]["spanbox"].as_inline_table().unwrap().clone();
            assert_eq!(report.contains("--spanbox-git"), entry.contains_key("path"), "{report}");
        }
        let entry = manifest["dependencies"]["spanbox"].as_inline_table().unwrap().clone();
        let source = entry.iter().filter(|(key, _)| !["default-features", "features"].contains(key));
        source.map(|(key, value)| (key.to_owned(), value.as_str().unwrap().to_owned())).collect::<Vec<_>>()
    };
    let one = |key: &str, value: &str| vec![(key.to_owned(), value.to_owned())];
    assert_eq!(comes_from(0, &[]), one("path", framework));
    assert_eq!(comes_from(1, &["--spanbox-path", framework]), one("path", framework));
    // Said from here, it is found from there.
    assert_eq!(comes_from(2, &["--spanbox-path", "a \"checkout\""]), one("path", "../../a \"checkout\""));
    assert_eq!(comes_from(3, &["--spanbox-version", "0.1"]), one("version", "0.1"));
    let git = ["--spanbox-git", "https://example.com/spanbox.git", "--rev", "abc"];
    let both = [one("git", "https://example.com/spanbox.git"), one("rev", "abc")].concat();
    assert_eq!(comes_from(4, &git), both);
    // An image is built of the checkout, too.
    let dockerfile = fs::read_to_string(directory.path().join("services/2/deploy/Dockerfile")).unwrap();
    assert!(dockerfile.contains(r#"COPY --from=spanbox [".", "../../a \"checkout\""]"#), "{dockerfile}");
}

#[test]
fn inside_of_a_workspace_it_is_one_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let manifest = |path: &str| fs::read_to_string(directory.path().join(path).join("Cargo.toml")).unwrap();
    new(directory.path(), &["shop", "--yes"]);
    assert!(!manifest("shop").contains("[workspace]"));
    fs::write(directory.path().join("Cargo.toml"), "[workspace]\n").unwrap();
    new(directory.path(), &["till", "--yes", "--path", "services/till"]);
    assert!(toml(&manifest("services/till")).contains_key("workspace"));
}
