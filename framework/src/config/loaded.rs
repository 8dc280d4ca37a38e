use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value as Json;

use super::{ConfigError, Origin, Profile, Section, render, suggest, variables};

/// The settings of one service, checked: read once, handed down, cheap to clone.
///
/// It holds the sections as their types; what can be listed or printed is what the sections' own `Serialize` shows,
/// so no secret.
#[derive(Clone)]
pub struct Config {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) profile: Profile,
    pub(super) sections: HashMap<TypeId, Box<dyn Any + Send + Sync>>,
    pub(super) entries: Vec<Entry>,
}

/// One setting in effect.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Entry {
    /// Its name, e.g. `server.tls.certificate`.
    pub key: String,
    /// Its value, secrets masked; `null` when it is not set and has no default.
    pub value: Json,
    /// What set it.
    pub origin: Origin,
    #[serde(skip)]
    pub(super) layers: Vec<(Origin, Json)>,
}

impl Entry {
    /// The value as TOML, e.g. `"30s"`; empty when it is not set.
    #[must_use]
    pub fn text(&self) -> String {
        render::toml(&self.value)
    }
}

/// Where a setting is set, see [`Config::explain`]. Displayed as one line for each layer, the winner marked with `>`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// The setting, e.g. `server.port`.
    pub key: String,
    /// Each layer that sets it, from the default upwards, with its value (secrets masked): the last one wins.
    pub layers: Vec<(Origin, Json)>,
    /// The variables that set it, the strongest first: `APP_SERVER__PORT`, `PORT`.
    pub variables: Vec<String>,
}

impl Config {
    pub(super) fn new(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// The profile that was loaded.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.inner.profile
    }

    /// A section's settings.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NotRegistered`] when the section was not registered before `load`.
    pub fn get<S: Section>(&self) -> Result<S, ConfigError> {
        let section = self.inner.sections.get(&TypeId::of::<S>());
        section
            .and_then(|settings| settings.downcast_ref::<S>())
            .cloned()
            .ok_or(ConfigError::NotRegistered(S::NAME))
    }

    /// Every key of every registered section, in the order of registration and of the fields.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.inner.entries
    }

    /// Every layer's value of one key.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnknownKey`], with a suggestion, when no registered section has the key.
    pub fn explain(&self, key: &str) -> Result<Explanation, ConfigError> {
        match self.entries().iter().find(|entry| entry.key == key) {
            Some(entry) => Ok(Explanation {
                key: entry.key.clone(),
                layers: entry.layers.clone(),
                variables: variables::names_of(key),
            }),
            None => {
                let known = self.entries().iter().map(|entry| entry.key.as_str());
                let suggestion = suggest::closest(key, known).map(str::to_owned);
                Err(ConfigError::UnknownKey { key: key.to_owned(), suggestion })
            }
        }
    }

    /// Every setting with where it comes from, as TOML that can be read back; secrets are `"***"`.
    #[must_use]
    pub fn render(&self) -> String {
        render::all(self.profile(), self.entries())
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("profile", self.profile()).field("entries", &self.entries()).finish()
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        for (at, (origin, value)) in self.layers.iter().enumerate() {
            let mark = if at + 1 == self.layers.len() { '>' } else { ' ' };
            let value = if value.is_null() { "(not set)".to_owned() } else { render::toml(value) };
            write!(f, "\n{mark} {value}  # {}", render::comment(origin))?;
        }
        Ok(())
    }
}
