use std::fmt;
use std::path::PathBuf;

use serde::{Serialize, Serializer};

/// Where a setting's value comes from. Displayed, and serialised, as e.g. `config/production.toml:12`,
/// `DATABASE_URL`, `default (production)`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Origin {
    /// The section's own default.
    Default,
    /// The framework's default in the named profile.
    ProfileDefault(String),
    /// A default that the service gives, see [`Loader::default_value`](super::Loader::default_value).
    Code,
    /// A file, and the line of the key in it, from 1; no line when the file as a whole is meant.
    File {
        /// The file, as it was opened.
        path: PathBuf,
        /// The line of the key, from 1.
        line: Option<usize>,
    },
    /// An environment variable.
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::ProfileDefault(profile) => write!(f, "default ({profile})"),
            Self::Code => f.write_str("set in code"),
            Self::File { path, line: Some(line) } => write!(f, "{}:{line}", path.display()),
            Self::File { path, line: None } => write!(f, "{}", path.display()),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
