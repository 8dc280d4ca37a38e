use serde::Serialize;

use super::{CliError, Output};
use crate::app::Ready;
use crate::config::Entry;
use crate::telemetry::Variable;

/// One of either: a setting has a `key`, a variable of the telemetry is a `variable`.
#[derive(Serialize)]
#[serde(untagged)]
enum Shown<'a> {
    Setting(&'a Entry),
    Variable(&'a Variable),
}

pub(super) fn show(ready: &Ready, json: bool, output: &mut Output<'_>) -> Result<(), CliError> {
    let variables = ready.variables();
    if json {
        let settings = ready.config().entries().iter().map(Shown::Setting);
        let all: Vec<Shown<'_>> = settings.chain(variables.iter().map(Shown::Variable)).collect();
        return output.print(&format!("{}\n", serde_json::to_string_pretty(&all)?));
    }
    let mut text = ready.config().render();
    if !variables.is_empty() {
        text.push_str("\n# The telemetry's own variables, which win over its settings:\n");
        text.extend(variables.iter().map(|variable| format!("# {variable}\n")));
    }
    output.print(&text)
}
