use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use minijinja::value::{Serde, Value};
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use super::{Html, TemplateSettings};
use crate::config::Loader;
use crate::ext::Extension;
use crate::module::{Boot, BoxError};
use crate::telemetry;
use crate::web::Problem;

/// The extension that provides [`Templates`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct TemplateEngine {
    embedded: &'static [(&'static str, &'static str)],
    at_the_desk: Option<PathBuf>,
    required: Vec<&'static str>,
}

/// What was loaded; cheap to clone.
#[derive(Clone, Debug)]
pub struct Templates {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    sources: Sources,
    /// None when the files are read again for each rendering.
    loaded: Option<Environment<'static>>,
}

#[derive(Debug)]
struct Sources {
    embedded: &'static [(&'static str, &'static str)],
    directory: Option<PathBuf>,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// A template can not be read, or not be rendered.
    #[error("the template `{template}`{}: {reason}", .line.map(|line| format!(", line {line}")).unwrap_or_default())]
    Template {
        /// The template: the one at fault, which may be one that the rendered one includes.
        template: String,
        /// The line, from 1, if it is known.
        line: Option<usize>,
        /// What is wrong there.
        reason: String,
    },
    /// There is no template of that name.
    #[error("there is no template `{template}`: there are {}", .known.join(", "))]
    Missing {
        /// The name.
        template: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// A directory of templates can not be read.
    #[error("the templates in {} can not be read: {source}", .directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}

/// A page that can not be made is our fault: 500, with the cause in the trace alone.
impl From<TemplateError> for Problem {
    fn from(error: TemplateError) -> Self {
        Self::internal(error)
    }
}

impl TemplateEngine {
    /// Templates in the program, as `(name, source)`: `&[("receipt.html", include_str!("receipt.html"))]`.
    pub const fn embedded(files: &'static [(&'static str, &'static str)]) -> Self {
        Self { embedded: files, at_the_desk: None, required: Vec::new() }
    }

    /// Where these files are in the repository. They are read from there, in place of the program's, when
    /// `templates.reload` is on and the directory is there. Default none.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.at_the_desk = Some(directory.into());
        self
    }

    /// Templates without which the service does not start. Default none.
    pub fn require(mut self, names: &[&'static str]) -> Self {
        self.required.extend_from_slice(names);
        self
    }
}

impl Extension for TemplateEngine {
    const NAME: &'static str = "templates";
    type Installed = ();

    fn settings(loader: &mut Loader) {
        loader.section::<TemplateSettings>();
    }

    async fn install(self, boot: Boot) -> Result<(), BoxError> {
        let TemplateSettings { directory, reload } = boot.settings()?;
        let at_the_desk = self.at_the_desk.filter(|directory| reload && directory.is_dir());
        let sources = Sources { embedded: self.embedded, directory: directory.or(at_the_desk) };
        let loaded = sources.load()?;
        for name in self.required {
            find(&loaded, name)?;
        }
        let loaded = (!reload || sources.directory.is_none()).then_some(loaded);
        boot.provide(Templates { inner: Arc::new(Inner { sources, loaded }) });
        Ok(())
    }
}

impl Templates {
    /// Renders a template with what its variables stand for: anything that serializes as a map, e.g.
    /// [`context!`](super::context)`{ order }`.
    ///
    /// # Errors
    ///
    /// [`TemplateError`]; it becomes a 500 in a handler by `?`.
    pub fn render(&self, name: &str, variables: impl Serialize) -> Result<Html, TemplateError> {
        let span = telemetry::span("template.render").attribute("template.name", name.to_owned());
        span.in_scope(|_| {
            let rendered = match &self.inner.loaded {
                Some(loaded) => render(loaded, name, &variables),
                None => self.inner.sources.load().and_then(|loaded| render(&loaded, name, &variables)),
            };
            if let Err(error) = &rendered {
                telemetry::record_error(error);
            }
            rendered
        })
    }
}

fn render(loaded: &Environment<'_>, name: &str, variables: &impl Serialize) -> Result<Html, TemplateError> {
    find(loaded, name)?;
    let template = loaded.get_template(name).map_err(|error| wrong(name, &error))?;
    template.render(Value::from(Serde(variables))).map(Html).map_err(|error| wrong(name, &error))
}

fn find(loaded: &Environment<'_>, name: &str) -> Result<(), TemplateError> {
    if loaded.templates().any(|(known, _)| known == name) {
        return Ok(());
    }
    let mut known: Vec<_> = loaded.templates().map(|(known, _)| known.to_owned()).collect();
    known.sort();
    Err(TemplateError::Missing { template: name.to_owned(), known })
}

/// The innermost place that an error comes from.
fn wrong(name: &str, error: &minijinja::Error) -> TemplateError {
    let mut at = error;
    while let Some(inner) = std::error::Error::source(at).and_then(|inner| inner.downcast_ref()) {
        at = inner;
    }
    TemplateError::Template {
        template: at.name().unwrap_or(name).to_owned(),
        line: at.line(),
        reason: match at.detail() {
            Some(detail) => format!("{} ({detail})", at.kind()),
            None => at.kind().to_string(),
        },
    }
}

impl Sources {
    /// Reads and compiles all of them.
    fn load(&self) -> Result<Environment<'static>, TemplateError> {
        let mut files: BTreeMap<String, String> =
            self.embedded.iter().map(|(name, source)| ((*name).to_owned(), (*source).to_owned())).collect();
        if let Some(directory) = &self.directory {
            let unreadable = |source| TemplateError::Directory { directory: directory.clone(), source };
            read(directory, "", &mut files).map_err(unreadable)?;
        }
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        for (name, source) in files {
            environment.add_template_owned(name.clone(), source).map_err(|error| wrong(&name, &error))?;
        }
        Ok(environment)
    }
}

/// All files below a directory, by their paths with `/`. Hidden ones are not templates.
fn read(directory: &Path, above: &str, files: &mut BTreeMap<String, String>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with('.') {
            continue;
        }
        let name = format!("{above}{name}");
        if entry.file_type()?.is_dir() {
            read(&entry.path(), &format!("{name}/"), files)?;
        } else {
            let source = fs::read_to_string(entry.path())
                .map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
            files.insert(name, source);
        }
    }
    Ok(())
}
