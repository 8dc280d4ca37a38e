use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use serde::{Serialize, Serializer};

use super::suggest;

/// The name of a set of settings: which `config/{profile}.toml` is read, and which defaults apply.
///
/// `development`, `testing` and `production` always exist; any other does when it has a file in the configuration
/// directory. Whether it does is checked by [`Loader::load`](super::Loader::load), together with all else.
///
/// ```
/// use spanbox::config::Profile;
///
/// assert!(Profile::from("production").is_production());
/// assert_eq!(Profile::default().name(), "development");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Profile(Cow<'static, str>);

impl Profile {
    /// For the desk: the default.
    pub const DEVELOPMENT: Self = Self(Cow::Borrowed("development"));
    /// For automated tests: any free port, quiet logs.
    pub const TESTING: Self = Self(Cow::Borrowed("testing"));
    /// For what serves others: listens on all addresses, logs JSON, demands real secrets.
    pub const PRODUCTION: Self = Self(Cow::Borrowed("production"));

    /// The name, e.g. `development`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// True for `production` alone; a profile of one's own is not.
    #[must_use]
    pub fn is_production(&self) -> bool {
        *self == Self::PRODUCTION
    }

    /// What the framework changes in this profile, as TOML.
    pub(super) fn preset(&self) -> Option<&'static str> {
        match self.name() {
            "development" => Some(include_str!("presets/development.toml")),
            "production" => Some(include_str!("presets/production.toml")),
            "testing" => Some(include_str!("presets/testing.toml")),
            _ => None,
        }
    }

    /// Whether it exists; else what to say.
    pub(super) fn check(&self, directory: &Path) -> Result<(), String> {
        let built_in = [Self::DEVELOPMENT, Self::TESTING, Self::PRODUCTION];
        let name = self.name();
        let file = directory.join(format!("{name}.toml"));
        if built_in.contains(self) || (is_well_formed(name) && file.is_file()) {
            return Ok(());
        }
        let found = std::fs::read_dir(directory).into_iter().flatten().flatten();
        let found = found.filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            name.strip_suffix(".toml").filter(|stem| is_well_formed(stem)).map(str::to_owned)
        });
        let mut known: Vec<String> =
            built_in.iter().map(|profile| profile.0.to_string()).chain(found).collect();
        known.sort();
        known.dedup();
        let why = if is_well_formed(name) {
            format!("there is no {}", file.display())
        } else {
            "a name is lower-case letters, digits, `_` and `-`, a letter first".to_owned()
        };
        Err(match suggest::closest(name, known.iter().map(String::as_str)) {
            Some(close) => format!("`{name}` is not a profile ({why}); did you mean {close}?"),
            None => format!("`{name}` is not a profile ({why}); known are {}", known.join(", ")),
        })
    }
}

/// `default` is no profile: its file is below every profile.
fn is_well_formed(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-')
        && name != "default"
}

impl Default for Profile {
    fn default() -> Self {
        Self::DEVELOPMENT
    }
}

impl From<&str> for Profile {
    fn from(name: &str) -> Self {
        Self(Cow::Owned(name.to_owned()))
    }
}

impl From<String> for Profile {
    fn from(name: String) -> Self {
        Self(Cow::Owned(name))
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Profile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
