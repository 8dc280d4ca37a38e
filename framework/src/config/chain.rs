//! The merged layers, and which of them won.

use figment::Figment;
use figment::value::Value;
use serde_json::Value as Json;

use super::inspect::{Findings, find};
use super::layer::{KeyPath, Layer, dotted};
use super::registry::Registered;
use super::shape::{Kind, Shape};
use super::{Entry, Origin};

pub(super) struct Chain<'a> {
    pub(super) merged: Figment,
    pub(super) layers: &'a [Layer],
    pub(super) findings: &'a Findings,
}

impl Chain<'_> {
    /// The place in the chain of the layer that set a key, by the mark that figment leaves on every value.
    fn winner(&self, path: &[String]) -> Option<usize> {
        let (section, keys) = path.split_first()?;
        let mut value = self.merged.find_value(section).ok()?;
        for key in keys {
            let Value::Dict(_, mut values) = value else { return None };
            value = values.remove(key)?;
        }
        let name = &self.merged.get_metadata(value.tag())?.name;
        self.layers.iter().position(|layer| layer.name == *name)
    }

    /// Where a key is set; [`Origin::Default`] when no layer does.
    fn origin(&self, path: &[String]) -> Origin {
        let layer = self.winner(path).map(|layer| &self.layers[layer]);
        layer.and_then(|layer| layer.origin(path)).cloned().unwrap_or(Origin::Default)
    }

    /// Where a key, or else the closest table above it, is set: the place to correct.
    pub(super) fn nearest_origin(&self, path: &[String]) -> Origin {
        let ends = (2..=path.len()).rev();
        let mut origins = ends.map(|end| self.origin(&path[..end]));
        origins.find(|origin| *origin != Origin::Default).unwrap_or(Origin::Default)
    }

    /// Whether a value for the key was taken out that would have won: what is said of the key then is not true.
    pub(super) fn has_lost(&self, path: &[String]) -> bool {
        let winner = self.winner(path);
        let mut lost = self.findings.removed.iter().filter(|(_, key)| path.starts_with(key));
        lost.any(|(layer, _)| winner.is_none_or(|winner| *layer > winner))
    }

    /// Lists every key of a section.
    pub(super) fn entries(&self, section: &Registered, shown: &Json, into: &mut Vec<Entry>) {
        let nothing = Value::from(figment::value::Dict::new());
        let defaults = section.read(&nothing).map(|settings| settings.show()).unwrap_or_default();
        let mut path = vec![section.name.to_owned()];
        self.walk(&section.shape, shown, &defaults, &mut path, into);
    }

    fn walk(&self, shape: &Shape, shown: &Json, defaults: &Json, path: &mut KeyPath, into: &mut Vec<Entry>) {
        let keys: Vec<String> = match (&shape.kind, shown) {
            (Kind::Struct(fields), Json::Object(_)) => {
                fields.iter().map(|(name, _)| name.to_string()).collect()
            }
            (Kind::Map(_), Json::Object(values)) if !values.is_empty() => values.keys().cloned().collect(),
            _ => return self.leaf(Some(shown), defaults, path, into),
        };
        for key in keys {
            let value = shown.get(&key);
            path.push(key);
            match (value, shape.child(&path[path.len() - 1])) {
                (Some(value), Some(shape)) => self.walk(shape, value, defaults, path, into),
                // Not shown by the section, or another name of a field: listed when it is set.
                _ if self.winner(path).is_some() => self.leaf(None, defaults, path, into),
                _ => {}
            }
            path.pop();
        }
    }

    fn leaf(&self, shown: Option<&Json>, defaults: &Json, path: &KeyPath, into: &mut Vec<Entry>) {
        let default = find(defaults, &path[1..]).cloned().unwrap_or_default();
        let mut layers = vec![(Origin::Default, default)];
        for (at, layer) in self.layers.iter().enumerate() {
            if let (Some(value), Some(origin)) =
                (self.findings.shown.get(&(at, path.clone())), layer.origin(path))
            {
                layers.push((origin.clone(), value.clone()));
            }
        }
        let last = layers.last().map(|(_, value)| value.clone());
        let value = shown.cloned().or(last).unwrap_or_default();
        into.push(Entry { key: dotted(path), value, origin: self.origin(path), layers });
    }
}
