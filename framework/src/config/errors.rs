use std::fmt;

use super::Origin;

/// One thing that is wrong with the configuration, in one line. It never shows the value of a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// What set the value; `None` when nothing did, e.g. for a profile that the caller named.
    pub origin: Option<Origin>,
    /// The setting, e.g. `server.port`; empty when the problem is not about one.
    pub key: String,
    /// What is wrong with it and what to do, without the key.
    pub message: String,
}

impl Problem {
    pub(super) fn new(origin: impl Into<Option<Origin>>, key: &str, message: impl Into<String>) -> Self {
        Self { origin: origin.into(), key: key.to_owned(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{} ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

/// Everything that is wrong with the configuration, at once. Displayed as a heading with the count and one line for
/// each problem, sorted by where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    problems: Vec<Problem>,
}

impl ConfigErrors {
    pub(super) fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort();
        problems.dedup();
        Self { problems }
    }

    /// The problems, sorted; at least one.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The problems themselves, e.g. to report them together with others.
    #[must_use]
    pub fn into_problems(self) -> Vec<Problem> {
        self.problems
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => f.write_str("the configuration has 1 problem:")?,
            count => write!(f, "the configuration has {count} problems:")?,
        }
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for ConfigErrors {}

/// A question to a loaded configuration that it cannot answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The section was never registered.
    #[error("the section [{0}] was not loaded: register it with `Loader::section` before `load`")]
    NotRegistered(&'static str),
    /// No registered section has that key.
    #[error("{key} is not a setting{}", or_all_of_them(.suggestion.as_deref()))]
    UnknownKey {
        /// The key that was asked for.
        key: String,
        /// The closest key that exists.
        suggestion: Option<String>,
    },
}

pub(super) fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map(|known| format!("; did you mean {known}?")).unwrap_or_default()
}

fn or_all_of_them(suggestion: Option<&str>) -> String {
    if suggestion.is_none() {
        "; `config` shows all that there are".to_owned()
    } else {
        did_you_mean(suggestion)
    }
}
