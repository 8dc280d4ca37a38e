//! Every value of every layer, held against the shape and the type of its key.

use std::collections::BTreeMap;

use figment::value::{Dict, Tag, Value};
use serde_json::Value as Json;

use super::complaint;
use super::errors::did_you_mean;
use super::layer::{KeyPath, Layer, dotted, insert};
use super::registry::{Registered, Registry};
use super::shape::{Kind, Shape};
use super::{Origin, Problem, suggest, variables};
use crate::redact::MASK;

/// What the inspection of all layers found. What is wrong has been taken out of its layer.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) problems: Vec<Problem>,
    /// What was taken out: the layer's place in the chain, and the key.
    pub(super) removed: Vec<(usize, KeyPath)>,
    /// Each value that stayed, as it may be shown.
    pub(super) shown: BTreeMap<(usize, KeyPath), Json>,
}

pub(super) fn inspect(registry: &Registry, layers: &mut [Layer]) -> Findings {
    let known = registry.keys();
    let mut findings = Findings::default();
    for (at, layer) in layers.iter_mut().enumerate() {
        let mut inspector = Inspector { known: &known, registry, at, layer, findings: &mut findings };
        for (name, value) in inspector.layer.values.clone() {
            let mut path = vec![name];
            match registry.get(&path[0]) {
                Some(section) => inspector.walk(section, &section.shape, &mut path, &value),
                None => inspector.unknown(&path, &value),
            }
        }
    }
    findings
}

struct Inspector<'a> {
    known: &'a [String],
    registry: &'a Registry,
    at: usize,
    layer: &'a mut Layer,
    findings: &'a mut Findings,
}

impl Inspector<'_> {
    fn walk(&mut self, section: &Registered, shape: &Shape, path: &mut KeyPath, value: &Value) {
        match (&shape.kind, value) {
            (Kind::Struct(_) | Kind::Map(_), Value::Dict(_, values)) => {
                for (name, value) in values {
                    path.push(name.clone());
                    match shape.child(name) {
                        Some(shape) => self.walk(section, shape, path, value),
                        None => self.unknown(path, value),
                    }
                    path.pop();
                }
            }
            _ => self.leaf(section, shape, path, value),
        }
    }

    /// Reads one value alone, on top of the section's defaults, so that each wrong one is found.
    fn leaf(&mut self, section: &Registered, shape: &Shape, path: &KeyPath, value: &Value) {
        let complaint = match (&shape.kind, value) {
            _ if path.len() == 1 => Some((path.clone(), "must be a table".to_owned())),
            // figment would take a number for the position of a variant.
            (Kind::Choice(_), Value::Num(..)) => {
                Some((path.clone(), complaint::not_a_choice(shape, &value.to_actual())))
            }
            _ => {
                let mut alone = Dict::new();
                insert(&mut alone, &path[1..], value.clone());
                match section.read(&Value::Dict(Tag::Default, alone)) {
                    Ok(settings) => {
                        let shown = find(&settings.show(), &path[1..]).cloned();
                        self.show(shape, path, value, shown);
                        None
                    }
                    // A table above misses what is set elsewhere, or will not do without it: no fault of this key.
                    Err(error) if error.path.len() < path.len() - 1 => {
                        self.show(shape, path, value, None);
                        None
                    }
                    Err(error) => Some(complaint::of(section, &error)),
                }
            }
        };
        if let Some((key, message)) = complaint {
            let origin = self.layer.origin(path).cloned();
            self.findings.problems.push(Problem::new(origin, &complaint::key(&key), message));
            self.remove(path);
        }
    }

    fn show(&mut self, shape: &Shape, path: &KeyPath, value: &Value, shown: Option<Json>) {
        let shown = shown.unwrap_or_else(|| match shape.conceals() {
            true => Json::from(MASK),
            false => serde_json::to_value(value).unwrap_or_default(),
        });
        self.findings.shown.insert((self.at, path.clone()), shown);
    }

    fn remove(&mut self, path: &[String]) {
        self.layer.remove(path);
        self.findings.removed.push((self.at, path.to_vec()));
    }

    /// One problem for a table in a file; one for each variable, since each is a name to correct.
    fn unknown(&mut self, path: &[String], value: &Value) {
        let origin = self.layer.origin(path).cloned();
        if let (Some(Origin::Variable(_)), Value::Dict(_, values)) = (&origin, value) {
            for (name, value) in values {
                let mut path = path.to_vec();
                path.push(name.clone());
                self.unknown(&path, value);
            }
            return;
        }
        let key = dotted(path);
        let problem = if path.len() == 1 && value.as_dict().is_some() {
            let close = suggest::closest(&key, self.registry.names()).map(|name| format!("[{name}]"));
            let message = format!("is not a section{}", did_you_mean(close.as_deref()));
            Problem::new(origin, &format!("[{key}]"), message)
        } else {
            let close = suggest::closest(&key, self.known.iter().map(String::as_str));
            let close = close.map(|close| match origin {
                Some(Origin::Variable(_)) => format!("{close} ({})", variables::name_of(close)),
                _ => close.to_owned(),
            });
            Problem::new(origin, &key, format!("is not a setting{}", did_you_mean(close.as_deref())))
        };
        self.findings.problems.push(problem);
        self.remove(path);
    }
}

/// The value at a path below a shown section.
pub(super) fn find<'a>(shown: &'a Json, path: &[String]) -> Option<&'a Json> {
    path.iter().try_fold(shown, |value, key| value.get(key))
}
