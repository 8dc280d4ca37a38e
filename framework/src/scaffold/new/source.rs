//! Where a service has the framework from.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::super::ScaffoldError;
use super::super::templates::quoted;
use super::place::{is_a_workspace, manifest, real, way};

/// Where this program was built.
const BUILT_IN: &str = env!("CARGO_MANIFEST_DIR");

/// The options that say where `spanbox` comes from: at most one of the three.
#[derive(Args, Debug, Default)]
pub(super) struct SourceArguments {
    /// Take spanbox from this directory, that of its Cargo.toml [default: the checkout that this program was built
    /// from, if it is there, else the version of this program]
    #[arg(long, value_name = "DIR", conflicts_with_all = ["spanbox_git", "spanbox_version"])]
    spanbox_path: Option<PathBuf>,
    /// Take spanbox from a repository of git
    #[arg(long, value_name = "URL", conflicts_with = "spanbox_version")]
    spanbox_git: Option<String>,
    /// At this commit of that repository
    #[arg(long, value_name = "COMMIT", requires = "spanbox_git")]
    rev: Option<String>,
    /// Take this version of spanbox from the registry
    #[arg(long, value_name = "VERSION")]
    spanbox_version: Option<String>,
}

/// Where `spanbox` comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A directory: from that of the service on, or from the root on.
    Path {
        path: String,
        checkout: Checkout,
    },
    Git {
        url: String,
        rev: Option<String>,
    },
    Version(String),
}

/// What a build elsewhere, e.g. of an image, needs to have of this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Checkout {
    /// The directory that has it all: from that of the service on, or from the root on.
    root: String,
    /// The same as compose files in `deploy/` write it.
    from_deploy: String,
    /// The framework in it; empty if it is the root itself.
    below: String,
}

impl Source {
    /// What was said, and what is true if nothing was.
    pub(super) fn choose(said: &SourceArguments, directory: &Path) -> Result<Self, ScaffoldError> {
        if let Some(path) = &said.spanbox_path {
            let named = manifest(path).and_then(|manifest| {
                let name = manifest.get("package")?.get("name")?;
                Some(name.as_str()? == "spanbox")
            });
            if named != Some(true) {
                let shown = path.display();
                return Err(ScaffoldError::Usage(format!(
                    "--spanbox-path: there is no Cargo.toml of the package spanbox in {shown}: in a checkout of it, that is \
                     its directory `framework`"
                )));
            }
            return Self::path(path, directory);
        }
        if let Some(url) = &said.spanbox_git {
            return Ok(Self::Git { url: url.clone(), rev: said.rev.clone() });
        }
        if let Some(version) = &said.spanbox_version {
            return Ok(Self::Version(version.clone()));
        }
        let built_in = Path::new(BUILT_IN);
        // In the registry's copy of a package no workspace is around it.
        if manifest(built_in).is_some() && built_in.parent().is_some_and(is_a_workspace) {
            return Self::path(built_in, directory);
        }
        Ok(Self::Version(env!("CARGO_PKG_VERSION").to_owned()))
    }

    fn path(path: &Path, directory: &Path) -> Result<Self, ScaffoldError> {
        let io = |source| ScaffoldError::Io { path: path.to_owned(), source };
        let framework = real(path).map_err(io)?;
        let root = framework.ancestors().find(|around| is_a_workspace(around)).unwrap_or(&framework);
        let text = |path: &Path| match path.to_str() {
            Some(text) => Ok(text.replace('\\', "/")),
            None => {
                let shown = path.display();
                Err(ScaffoldError::Usage(format!(
                    "{shown} is no UTF-8, as a Cargo.toml has to be: move spanbox elsewhere"
                )))
            }
        };
        let below = text(framework.strip_prefix(root).unwrap_or(Path::new("")))?;
        // Who says where it is from here wants it to be found from there, wherever both are moved to.
        let service = real(directory).map_err(io)?;
        let (path, shown) = if path.is_absolute() {
            (text(&framework)?, text(root)?)
        } else {
            (text(&way(&service, &framework))?, text(&way(&service, root))?)
        };
        let from_deploy = if path.starts_with('/') { shown.clone() } else { format!("../{shown}") };
        Ok(Self::Path { path, checkout: Checkout { root: shown, from_deploy, below } })
    }

    /// As it stands in the inline table of a dependency.
    pub(super) fn dependency(&self) -> String {
        match self {
            Self::Path { path, .. } => format!("path = {}", quoted(path)),
            Self::Git { url, rev: None } => format!("git = {}", quoted(url)),
            Self::Git { url, rev: Some(rev) } => format!("git = {}, rev = {}", quoted(url), quoted(rev)),
            Self::Version(version) => format!("version = {}", quoted(version)),
        }
    }

    pub(super) fn checkout(&self) -> Option<Checkout> {
        if let Self::Path { checkout, .. } = self { Some(checkout.clone()) } else { None }
    }
}
