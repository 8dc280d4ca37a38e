use std::fs;
use std::path::{Path, PathBuf};

use chrono::{NaiveDateTime, TimeDelta, Utc};
use toml_edit::{Document, Item};

use super::code::Code;
use crate::scaffold::ScaffoldError;

/// How the directory of a migration begins.
const VERSION: &str = "%Y-%m-%d-%H%M%S";

/// As many characters that has.
const VERSION_LENGTH: usize = 17;

/// Where the factory is.
pub(super) const LIB: &str = "src/lib.rs";

/// The service whose part is written.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) root: PathBuf,
    /// The name of its library, as Rust has it.
    pub(super) library: String,
    pub(super) edition: String,
    /// What its `src/lib.rs` says.
    pub(super) lib: String,
    /// And its `Cargo.toml`.
    pub(super) manifest: String,
    /// The directory with one of migrations for each database, below the root or beside it.
    pub(super) migrations: PathBuf,
}

impl Service {
    /// The service that a directory belongs to: the first package on the way up from it.
    pub(super) fn find(from: &Path) -> Result<Self, ScaffoldError> {
        let usage = |text: String| ScaffoldError::Usage(text);
        let start =
            from.canonicalize().map_err(|source| ScaffoldError::Io { path: from.to_owned(), source })?;
        for directory in start.ancestors() {
            let path = directory.join("Cargo.toml");
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let manifest = Document::parse(text.as_str())
                .map_err(|error| usage(format!("{} is not TOML: {}", path.display(), error.message())))?;
            if manifest.get("package").is_some() {
                return Self::read(directory, &manifest, &text);
            }
            return Err(usage(format!(
                "{} is that of a workspace: go into the directory of the service, or name it with --path",
                path.display()
            )));
        }
        Err(usage(format!(
            "this is no service: there is no Cargo.toml in {} or above it; go into the directory of one (`spanbox new` \
             writes one), or name it with --path",
            start.display()
        )))
    }

    fn read(root: &Path, manifest: &Document<&str>, source: &str) -> Result<Self, ScaffoldError> {
        let text = |item: Option<&Item>| item.and_then(Item::as_str).map(str::to_owned);
        let package = manifest.get("package");
        let name = text(package.and_then(|package| package.get("name"))).unwrap_or_default();
        let library = text(manifest.get("lib").and_then(|lib| lib.get("name")));
        if manifest.get("dependencies").and_then(|all| all.get("spanbox")).is_none() {
            return Err(ScaffoldError::Usage(format!(
                "the package `{name}` in {} is no service: it does not depend on spanbox",
                root.display()
            )));
        }
        let path = root.join(LIB);
        let lib = fs::read_to_string(&path);
        let lib = lib.map_err(|source| ScaffoldError::Io { path: path.clone(), source })?;
        if !lib.contains("Service::new") {
            return Err(ScaffoldError::Usage(format!(
                "{} makes no service: the factory `create_app` with its `Service::new(…)` is expected there",
                path.display()
            )));
        }
        let edition =
            text(package.and_then(|package| package.get("edition"))).unwrap_or_else(|| "2024".to_owned());
        Ok(Self {
            root: root.to_owned(),
            library: library.unwrap_or(name).replace('-', "_"),
            edition,
            migrations: migrations(&lib),
            lib,
            manifest: source.to_owned(),
        })
    }

    /// Whether its migrations are made in `src/lib.rs`.
    pub(super) fn has_migrations(&self) -> bool {
        Code::new(&self.lib).chain("Migrations::new", "").is_some()
    }

    /// Whether users sign in to it.
    pub(super) fn has_accounts(&self) -> bool {
        self.lib.contains("Auth::new(")
    }

    /// Whether in some profile it is Redis that hands its jobs out.
    pub(super) fn has_jobs_on_redis(&self) -> bool {
        let says_so = |text: &str| {
            let settings = Document::parse(text).ok()?;
            Some(settings.get("jobs")?.get("transport")?.as_str()? == "redis")
        };
        let files = fs::read_dir(self.root.join("config")).into_iter().flatten().flatten();
        let mut texts = files.filter_map(|file| fs::read_to_string(file.path()).ok());
        texts.any(|text| says_so(&text) == Some(true))
    }

    /// The directory's name of the migration of this name, if there is one.
    pub(super) fn migration(&self, name: &str) -> Option<String> {
        self.migration_names().into_iter().find(|known| known.get(VERSION_LENGTH + 1..) == Some(name))
    }

    /// The directory's name of a migration that is made now: behind all others, also where those have a later date.
    pub(super) fn new_migration(&self, name: &str) -> String {
        let now = Utc::now().naive_utc();
        let last = self
            .migration_names()
            .into_iter()
            .filter_map(|known| NaiveDateTime::parse_from_str(known.get(..VERSION_LENGTH)?, VERSION).ok());
        let next = last.max().map_or(now, |last| now.max(last + TimeDelta::seconds(1)));
        format!("{}_{name}", next.format(VERSION))
    }

    fn migration_names(&self) -> Vec<String> {
        let directories =
            ["sqlite", "postgres"].map(|database| self.root.join(&self.migrations).join(database));
        let entries = directories.iter().filter_map(|directory| fs::read_dir(directory).ok()).flatten();
        let mut names: Vec<_> =
            entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort();
        names
    }
}

/// Where `embed_migrations!` reads them.
fn migrations(lib: &str) -> PathBuf {
    let code = Code::new(lib);
    let named = code.words("embed_migrations").filter_map(|at| {
        // The text itself is blanked in the code.
        let open = at + "embed_migrations!".len();
        code.text().get(at..open)?.ends_with('!').then_some(())?;
        code.text()[open..].starts_with('(').then_some(())?;
        let close = code.close(open)?;
        let path = lib[open + 1..close - 1].trim().trim_matches('"');
        Some(Path::new(path).parent()?.to_owned())
    });
    let found = named.into_iter().next().filter(|path| !path.as_os_str().is_empty());
    found.unwrap_or_else(|| PathBuf::from("migrations"))
}
