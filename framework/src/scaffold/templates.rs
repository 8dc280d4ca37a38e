//! The templates of the program, which are files below `framework/templates/` whose names end in `.jinja`.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;

use super::ScaffoldError;

/// Each by its path below `framework/templates/`, without `.jinja`.
static TEMPLATES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// Renders templates: a block's line leaves no line, and a name that a template was not given is an error. The filter
/// `quoted` is [`quoted`].
pub(super) struct Templates {
    environment: Environment<'static>,
}

impl Templates {
    pub(super) fn new() -> Result<Self, ScaffoldError> {
        let mut environment = Environment::new();
        let syntax =
            SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
        environment
            .set_syntax(syntax.map_err(|source| ScaffoldError::Template { name: String::new(), source })?);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.add_filter("quoted", |text: String| quoted(&text));
        for (name, text) in TEMPLATES {
            environment
                .add_template(name, text)
                .map_err(|source| ScaffoldError::Template { name: (*name).to_owned(), source })?;
        }
        Ok(Self { environment })
    }

    /// The names of those below a directory of templates, without it: `files("new/")`.
    pub(super) fn files(directory: &str) -> impl Iterator<Item = &'static str> {
        TEMPLATES.iter().filter_map(move |(name, _)| name.strip_prefix(directory))
    }

    /// Renders the template of this name with these words.
    pub(super) fn render(&self, name: &str, words: impl Serialize) -> Result<String, ScaffoldError> {
        self.environment
            .get_template(name)
            .and_then(|template| template.render(Serde(words)))
            .map_err(|source| ScaffoldError::Template { name: name.to_owned(), source })
    }
}

/// A string of TOML (TOML 1.0, "String"), of YAML and of JSON in double quotes: what JSON escapes, all of them escape alike.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}
