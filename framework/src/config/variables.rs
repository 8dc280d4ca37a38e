//! The environment: `APP_SECTION__KEY`, and a few plain names that platforms set.

use std::collections::BTreeMap;

use figment::value::{Num, Value};

use super::layer::{KeyPath, Layer};
use super::registry::Registry;
use super::shape::{Kind, Shape};
use super::{Origin, file};

const PREFIX: &str = "APP_";

/// Names without a section, as platforms and the twelve-factor habit set them.
const PLAIN: [(&str, [&str; 2]); 8] = [
    ("APP_VERSION", ["service", "version"]),
    ("CACHE_URL", ["cache", "url"]),
    ("DATABASE_URL", ["database", "url"]),
    ("ENVIRONMENT", ["service", "environment"]),
    ("LOG_LEVEL", ["log", "level"]),
    ("PORT", ["server", "port"]),
    ("REDIS_URL", ["redis", "url"]),
    ("SECRET_KEY", ["service", "secret_key"]),
];

/// The layer of the plain names, and above it the layer of the names with a section.
///
/// An empty variable is unset. A plain name whose section the service does not have is none of its business.
pub(super) fn layers(environment: &BTreeMap<String, String>, registry: &Registry) -> [Layer; 2] {
    let mut plain = Layer::new("plain variables");
    for (name, path) in PLAIN {
        let path: KeyPath = path.map(str::to_owned).into();
        let value = environment.get(name).filter(|value| !value.is_empty());
        if let (Some(value), Some(section)) = (value, registry.get(&path[0])) {
            let value = typed(value, section.shape.child(&path[1]));
            plain.insert(&path, value, Origin::Variable(name.to_owned()));
        }
    }
    let mut prefixed = Layer::new("variables");
    for (name, value) in environment {
        let Some(key) = name.strip_prefix(PREFIX).filter(|key| key.contains("__")) else { continue };
        if !value.is_empty() {
            let (path, shape) = resolve(key, registry);
            prefixed.insert(&path, typed(value, shape), Origin::Variable(name.clone()));
        }
    }
    [plain, prefixed]
}

/// The variable that sets a key, e.g. `APP_SERVER__PORT`.
pub(super) fn name_of(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").replace('-', "_").to_uppercase())
}

/// Every variable that sets a key, the strongest first.
pub(super) fn names_of(key: &str) -> Vec<String> {
    let plain = PLAIN.iter().filter(|(_, [section, field])| key == format!("{section}.{field}"));
    std::iter::once(name_of(key)).chain(plain.map(|(name, _)| (*name).to_owned())).collect()
}

/// The key that `SERVER__TLS__CERTIFICATE` means. What no section knows stays as it is written, in lower case, to be
/// refused later.
fn resolve<'a>(key: &str, registry: &'a Registry) -> (KeyPath, Option<&'a Shape>) {
    let mut path = KeyPath::new();
    let mut shape: Option<&Shape> = None;
    for part in key.split("__") {
        let mut part = part.to_lowercase();
        let known: Vec<&str> = match shape.map(|shape| &shape.kind) {
            None if path.is_empty() => registry.names().collect(),
            Some(Kind::Struct(fields)) => fields.iter().map(|(name, _)| *name).collect(),
            _ => Vec::new(),
        };
        // A variable's name has neither case nor hyphens.
        if let Some(name) = known.iter().find(|name| name.to_lowercase().replace('-', "_") == part) {
            part = (*name).to_owned();
        }
        shape = if path.is_empty() {
            registry.get(&part).map(|section| &section.shape)
        } else {
            shape.and_then(|shape| shape.child(&part))
        };
        path.push(part);
    }
    (path, shape)
}

/// The text as the type that the key wants; as text where it is not one, so that the type's own error tells.
fn typed(text: &str, shape: Option<&Shape>) -> Value {
    let trimmed = text.trim();
    let value = match shape.map(|shape| &shape.kind) {
        None | Some(Kind::Text | Kind::Choice(_)) => None,
        Some(Kind::Bool) => match trimmed.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true.into()),
            "false" | "0" | "no" | "off" => Some(false.into()),
            _ => None,
        },
        Some(Kind::Integer) => integer(trimmed).map(Value::from),
        Some(Kind::Float) => trimmed.parse::<f64>().ok().map(Value::from),
        Some(Kind::List(_)) if trimmed.starts_with('[') => file::value(trimmed),
        Some(Kind::List(item)) => {
            let items = trimmed.split(',').map(str::trim).filter(|part| !part.is_empty());
            Some(items.map(|part| typed(part, Some(item))).collect::<Vec<Value>>().into())
        }
        Some(Kind::Struct(_) | Kind::Map(_)) => {
            file::value(trimmed).filter(|value| value.as_dict().is_some())
        }
        Some(Kind::Any) => file::value(trimmed),
    };
    value.unwrap_or_else(|| Value::from(text))
}

fn integer(text: &str) -> Option<Num> {
    text.parse::<i64>().map(Num::from).or_else(|_| text.parse::<u64>().map(Num::from)).ok()
}
