use std::path::Path;

use serde::Serialize;

use super::format::formatted;
use super::manifest::{self, Section};
use super::service::{LIB, Service};
use super::wire;
use crate::scaffold::{Plan, ScaffoldError, Templates};

/// Where the modules of the tests are declared.
const TESTS: &str = "tests/it/main.rs";

/// A part of a service as it is being planned.
pub(super) struct Work {
    pub(super) service: Service,
    pub(super) plan: Plan,
    templates: Templates,
    /// What to know, and to do, when it is there.
    pub(super) notes: Vec<String>,
    /// Whether something was not laid out by rustfmt.
    pub(super) is_plain: bool,
}

impl Work {
    pub(super) fn new(service: Service) -> Result<Self, ScaffoldError> {
        let plan = Plan::new(&service.root);
        Ok(Self { service, plan, templates: Templates::new()?, notes: Vec::new(), is_plain: false })
    }

    /// Adds a file: a template below `generate/`, rendered with these words.
    pub(super) fn file(
        &mut self,
        path: impl AsRef<Path>,
        template: &str,
        words: impl Serialize,
    ) -> Result<(), ScaffoldError> {
        let text = self.render(template, words)?;
        let path = path.as_ref();
        let is_rust = path.extension().is_some_and(|extension| extension == "rs");
        let laid_out = is_rust.then(|| self.formatted(&text)).flatten();
        self.is_plain |= is_rust && laid_out.is_none();
        self.plan.create(path, laid_out.unwrap_or(text))
    }

    pub(super) fn render(&self, template: &str, words: impl Serialize) -> Result<String, ScaffoldError> {
        self.templates.render(&format!("generate/{template}"), words)
    }

    /// Adds `mod name;` to a file.
    pub(super) fn declare(&mut self, file: &str, name: &str) -> Result<(), ScaffoldError> {
        self.line(file, &format!("mod {name};"), |text| wire::declare(text, name))
    }

    /// Adds a test's file and its `mod name;`.
    pub(super) fn test(
        &mut self,
        name: &str,
        template: &str,
        words: impl Serialize,
    ) -> Result<(), ScaffoldError> {
        if !self.plan.has(TESTS) {
            self.file(TESTS, "tests_main.rs", serde_json::json!({ "library": self.service.library }))?;
        }
        self.file(format!("tests/it/{name}.rs"), template, words)?;
        self.declare(TESTS, name)
    }

    /// Makes the service depend on crates, its tests on others.
    pub(super) fn depend(&mut self, crates: &[&str], for_tests: &[&str]) -> Result<(), ScaffoldError> {
        let normal = crates.iter().map(|name| (name, Section::Normal));
        for (name, section) in normal.chain(for_tests.iter().map(|name| (name, Section::Tests))) {
            self.line("Cargo.toml", &manifest::line(name), |text| manifest::depend(text, name, section))?;
        }
        Ok(())
    }

    /// Turns a feature of spanbox on.
    pub(super) fn feature(&mut self, name: &str) -> Result<(), ScaffoldError> {
        self.line("Cargo.toml", &format!("features = [\"{name}\"]"), |text| manifest::feature(text, name))
    }

    /// Adds `mod name;` and `.module(name::module())` to the service.
    pub(super) fn wire_module(&mut self, name: &str) -> Result<(), ScaffoldError> {
        self.declare(LIB, name)?;
        self.line(LIB, &format!(".module({name}::module())"), |text| wire::add_module(text, name))
    }

    /// Adds the operations of a module to the description of the service.
    pub(super) fn describe(&mut self, name: &str) -> Result<(), ScaffoldError> {
        self.feature("openapi")?;
        self.depend(&["utoipa"], &[])?;
        let line = format!(".with(&{name}::Api::openapi())");
        self.line(LIB, &line, |text| wire::describe(text, name))
    }

    /// Refuses a module whose file is there in another shape.
    pub(super) fn check_module(&self, name: &str) -> Result<(), ScaffoldError> {
        let flat = self.service.root.join(format!("src/{name}.rs"));
        if flat.exists() { Err(ScaffoldError::There(vec![flat])) } else { Ok(()) }
    }

    /// Changes a file by one line, whatever its line ends and its layout. One that was laid out by rustfmt stays so.
    pub(super) fn line(
        &mut self,
        file: &str,
        line: &str,
        edit: impl FnOnce(&str) -> Result<String, &'static str>,
    ) -> Result<(), ScaffoldError> {
        let (edition, root) = (self.service.edition.clone(), self.service.root.clone());
        let layout = |text: &str| formatted(text, &edition, &root);
        let is_rust = file.ends_with(".rs");
        self.plan.edit(file, |text| {
            let plain = text.replace("\r\n", "\n");
            let edited = edit(&plain).map_err(|why| ScaffoldError::NoPlace {
                file: root.join(file),
                line: line.to_owned(),
                why,
            })?;
            if edited == plain {
                return Ok(text.to_owned());
            }
            let was_laid_out = is_rust && layout(&plain).is_some_and(|laid_out| laid_out == plain);
            let edited = was_laid_out.then(|| layout(&edited)).flatten().unwrap_or(edited);
            Ok(if text.contains("\r\n") { edited.replace('\n', "\r\n") } else { edited })
        })
    }

    fn formatted(&self, text: &str) -> Option<String> {
        formatted(text, &self.service.edition, &self.service.root)
    }
}
