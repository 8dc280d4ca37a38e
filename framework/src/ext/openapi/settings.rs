use serde::{Deserialize, Serialize};

use crate::config::Section;

/// `[openapi]`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpenApiSettings {
    /// Whether `/openapi.json` and `/docs/` are answered. Default: in the `development` profile alone.
    pub serve: Option<bool>,
}

impl Section for OpenApiSettings {
    const NAME: &'static str = "openapi";
}
