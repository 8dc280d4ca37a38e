//! The chain as a whole; each file is one side of it.

mod chain;
mod problems;
mod provenance;

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::*;

/// A configuration directory of its own for one test.
struct Directory(TempDir);

impl Directory {
    fn with(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        Self(directory)
    }

    fn loader(&self, profile: &str, variables: &[(&str, &str)]) -> Loader {
        framework(Loader::new(profile).directory(self.0.path()).environment(variables.to_vec()))
    }

    /// The problems, one a line, with the directory written as `config`.
    fn problems(&self, profile: &str, variables: &[(&str, &str)]) -> Vec<String> {
        self.lines(&self.loader(profile, variables).load().unwrap_err())
    }

    fn lines(&self, errors: &ConfigErrors) -> Vec<String> {
        errors.problems().iter().map(|problem| self.short(&problem.to_string())).collect()
    }

    fn short(&self, text: &str) -> String {
        text.replace(self.0.path().to_str().unwrap(), "config")
    }
}

/// With every section of the framework.
fn framework(mut loader: Loader) -> Loader {
    loader
        .section::<ServiceSettings>()
        .section::<ServerSettings>()
        .section::<DatabaseSettings>()
        .section::<RedisSettings>()
        .section::<TelemetrySettings>()
        .section::<LogSettings>();
    loader
}

/// Without a directory: only variables.
fn environment(variables: &[(&str, &str)]) -> Loader {
    framework(Loader::new("development").environment(variables.to_vec()))
}

/// The section of a module.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct Payments {
    gateway: String,
    #[serde(serialize_with = "crate::redact::Secret::mask")]
    api_key: crate::redact::Secret<String>,
    currencies: Vec<String>,
    limits: std::collections::BTreeMap<String, u32>,
    retry: Option<Retry>,
    routes: Vec<Route>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Retry {
    attempts: u8,
    #[serde(default)]
    jitter: bool,
    #[serde(default, serialize_with = "crate::redact::Secret::masked")]
    token: Option<crate::redact::Secret<String>>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Route {
    path: String,
}

impl Section for Payments {
    const NAME: &'static str = "payments";

    fn check(&self, _production: bool) -> Vec<(&'static str, String)> {
        match &self.retry {
            Some(retry) if retry.attempts == 0 => vec![("retry.attempts", "must be at least 1".to_owned())],
            _ => Vec::new(),
        }
    }
}

/// Long enough for production.
const KEY: &str = "f5b1c9a07e3d42688b6f0e9d1c2a3b4c";
