use clap::Args;
use serde_json::json;

use super::name::Name;
use super::service::LIB;
use super::wire;
use super::work::Work;
use crate::scaffold::ScaffoldError;

/// What its file imports.
const IMPORTED: &[&str] =
    &["Arc", "Boot", "BoxError", "Check", "Extension", "Installed", "Loader", "Section"];

#[derive(Args)]
pub(super) struct Extension {
    /// What it is, e.g. Mailer
    name: String,
}

impl Extension {
    pub(super) fn plan(&self, work: &mut Work) -> Result<(), ScaffoldError> {
        let name = Name::module(&self.name)?;
        name.check_type()?;
        if IMPORTED.contains(&name.camel.as_str()) {
            return Err(ScaffoldError::Usage(format!(
                "`{}` is no name here: extensions are made of it",
                name.camel
            )));
        }
        let directory = work.service.root.join("src").join(&name.snake);
        if directory.exists() {
            return Err(ScaffoldError::There(vec![directory]));
        }
        let words = json!({ "name": name, "library": work.service.library });
        work.depend(&["serde", "tracing"], &["actix", "serde_json"])?;
        work.file(format!("src/{}.rs", name.snake), "extension/extension.rs", &words)?;
        work.declare(LIB, &name.snake)?;
        let expression = format!("{}::{}", name.snake, name.camel);
        work.line(LIB, &format!(".extension({expression})"), |text| wire::add_extension(text, &expression))?;
        work.test(&name.snake, "extension/test.rs", &words)
    }
}
