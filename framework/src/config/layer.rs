use std::collections::BTreeMap;

use figment::value::{Dict, Map, Tag, Value};
use figment::{Error, Metadata, Profile, Provider};

use super::Origin;

/// The way to a value: `["server", "tls", "certificate"]`.
pub(super) type KeyPath = Vec<String>;

/// One source of settings: its values, and where each of them stands.
#[derive(Clone, Default)]
pub(super) struct Layer {
    /// Names the layer in figment's metadata; unique in a chain.
    pub(super) name: String,
    pub(super) values: Dict,
    origins: BTreeMap<KeyPath, Origin>,
}

impl Layer {
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Notes where a key stands.
    pub(super) fn locate(&mut self, path: &[String], origin: Origin) {
        self.origins.insert(path.to_vec(), origin);
    }

    /// Sets a value and where it stands; a value in the way of its table is replaced.
    pub(super) fn insert(&mut self, path: &[String], value: Value, origin: Origin) {
        for end in 1..path.len() {
            self.origins.entry(path[..end].to_vec()).or_insert_with(|| origin.clone());
        }
        self.locate(path, origin);
        insert(&mut self.values, path, value);
    }

    /// Where a key stands, or else the closest table above it.
    pub(super) fn origin(&self, path: &[String]) -> Option<&Origin> {
        (1..=path.len()).rev().find_map(|end| self.origins.get(&path[..end]))
    }

    pub(super) fn remove(&mut self, path: &[String]) {
        let Some((last, tables)) = path.split_last() else { return };
        let mut values = &mut self.values;
        for table in tables {
            match values.get_mut(table) {
                Some(Value::Dict(_, below)) => values = below,
                _ => return,
            }
        }
        values.remove(last);
    }
}

/// Everything goes into figment's default profile: which file belongs to a profile is decided by its name, so that
/// figment's own rule, by which a profile outranks an environment that is not `global`, has nothing to decide.
impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

pub(super) fn insert(values: &mut Dict, path: &[String], value: Value) {
    let Some((first, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        values.insert(first.clone(), value);
        return;
    }
    let table = values.entry(first.clone()).or_insert_with(|| Value::Dict(Tag::Default, Dict::new()));
    if !matches!(table, Value::Dict(..)) {
        *table = Value::Dict(Tag::Default, Dict::new());
    }
    if let Value::Dict(_, below) = table {
        insert(below, rest, value);
    }
}

/// The path as it is written in TOML: dotted, with quotes where a part needs them.
pub(super) fn dotted(path: &[String]) -> String {
    let parts: Vec<String> = path
        .iter()
        .map(|part| {
            let bare =
                !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
            if bare { part.clone() } else { super::render::string(part) }
        })
        .collect();
    parts.join(".")
}
