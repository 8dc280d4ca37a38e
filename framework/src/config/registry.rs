//! The sections that a service has, without their types.

use std::any::{Any, TypeId, type_name};

use figment::Error;
use figment::error::Kind as ErrorKind;
use figment::value::{Dict, Value};

use super::layer::insert;
use super::shape::Shape;
use super::{Origin, Problem, Section};

/// A struct whose `Deserialize` asks for ever more keys is not followed further.
const MOST_MISSING: usize = 64;

/// A section's values, without their type.
pub(super) trait Settings: Any + Send + Sync {
    /// As the section's own `Serialize` shows them: secrets masked.
    fn show(&self) -> serde_json::Value;
    fn check(&self, production: bool) -> Vec<(&'static str, String)>;
}

impl<S: Section> Settings for S {
    fn show(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    fn check(&self, production: bool) -> Vec<(&'static str, String)> {
        Section::check(self, production)
    }
}

/// figment's error is large, and rare.
type ReadResult = Result<Box<dyn Settings>, Box<Error>>;

pub(super) struct Registered {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) id: TypeId,
    type_name: &'static str,
    read: fn(&Value) -> ReadResult,
}

impl Registered {
    /// The section with the given values on top of its defaults.
    pub(super) fn read(&self, values: &Value) -> ReadResult {
        (self.read)(values)
    }

    /// The same with every key that is missing, where serde names only the first: each is filled with a blank to come
    /// to the next. What a blank itself provokes is left out.
    pub(super) fn read_fully(&self, values: Dict) -> Result<Box<dyn Settings>, Vec<Error>> {
        let mut values = Value::from(values);
        let mut missing: Vec<Error> = Vec::new();
        loop {
            let error = match self.read(&values) {
                Ok(settings) if missing.is_empty() => return Ok(settings),
                Ok(_) => return Err(missing),
                Err(error) => error,
            };
            let mut path = error.path.clone();
            let ErrorKind::MissingField(field) = &error.kind else {
                if missing.is_empty() {
                    missing.push(*error);
                }
                return Err(missing);
            };
            path.push(field.to_string());
            let shape = path.iter().try_fold(&self.shape, |shape, key| shape.child(key));
            let (Some(blank), Value::Dict(_, table)) = (shape.and_then(Shape::blank), &mut values) else {
                missing.push(*error);
                return Err(missing);
            };
            insert(table, &path, blank);
            missing.push(*error);
            if missing.len() > MOST_MISSING {
                return Err(missing);
            }
        }
    }
}

#[derive(Default)]
pub(super) struct Registry {
    sections: Vec<Registered>,
    problems: Vec<Problem>,
}

impl Registry {
    pub(super) fn add<S: Section>(&mut self) {
        let section = Registered {
            name: S::NAME,
            shape: Shape::of::<S>(),
            id: TypeId::of::<S>(),
            type_name: type_name::<S>(),
            read: |values| Ok(Box::new(values.deserialize::<S>()?)),
        };
        match self.get(S::NAME) {
            Some(other) if other.id == section.id => return,
            Some(other) => {
                let message = format!(
                    "is the section of both {} and {}: rename one of them",
                    other.type_name, section.type_name
                );
                self.problems.push(Problem::new(Origin::Code, S::NAME, message));
                return;
            }
            None => {}
        }
        if !is_well_formed(S::NAME) {
            let message =
                "is no name for a section: use lower-case letters, digits and single `_`, a letter first";
            self.problems.push(Problem::new(Origin::Code, S::NAME, message));
        }
        let nothing = Value::from(Dict::new());
        if let Err(error) = section.read(&nothing) {
            let message = format!(
                "has no default for every key ({error}): put #[serde(default)] on {}",
                section.type_name
            );
            self.problems.push(Problem::new(Origin::Code, S::NAME, message));
        }
        self.sections.push(section);
    }

    pub(super) fn get(&self, name: &str) -> Option<&Registered> {
        self.sections.iter().find(|section| section.name == name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Registered> {
        self.sections.iter()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.sections.iter().map(|section| section.name)
    }

    pub(super) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Every key of every section, dotted, tables included.
    pub(super) fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        self.sections.iter().for_each(|section| section.shape.keys(section.name, &mut keys));
        keys
    }
}

/// A bare TOML key that a variable's name can carry, too.
fn is_well_formed(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !name.contains("__")
}
