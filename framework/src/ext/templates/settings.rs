use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::Section;

/// `[templates]`: where pages are rendered from.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TemplateSettings {
    /// A directory whose files are taken in place of those of the same name in the program, and besides them. Default none.
    pub directory: Option<PathBuf>,
    /// Whether the files are read again for each rendering. Default false; the `development` profile's is true.
    pub reload: bool,
}

impl Section for TemplateSettings {
    const NAME: &'static str = "templates";

    fn check(&self, _production: bool) -> Vec<(&'static str, String)> {
        let missing = self.directory.as_ref().filter(|directory| !directory.is_dir());
        missing
            .map(|it| ("directory", format!("names {}, which is no directory", it.display())))
            .into_iter()
            .collect()
    }
}
