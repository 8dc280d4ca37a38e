use clap::{Args, Subcommand};
use serde::Serialize;

use super::text::json;
use super::{CliError, Output};
use crate::app::Ready;
use crate::config::{Entry, Explanation};
use crate::telemetry::Variable;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Config {
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand)]
enum What {
    /// Show every value that a setting is given, and which of them won
    ///
    /// From the weakest layer to the strongest: the default, the framework's default for the profile, the default in the
    /// service's code, default.toml, the profile's file, the plain variable, the variable with a section. Secrets are masked.
    Explain {
        /// The setting, as `server.port`; a table, as `server.tls`, for all that is in it
        key: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// One of either: a setting has a `key`, a variable of the telemetry is a `variable`.
#[derive(Serialize)]
#[serde(untagged)]
enum Shown<'a> {
    Setting(&'a Entry),
    Variable(&'a Variable),
}

pub(super) fn run(ready: &Ready, config: Config, output: &mut Output<'_>) -> Result<(), CliError> {
    match config.what {
        Some(What::Explain { key, json }) => explain(ready, &key, json, output),
        None => show(ready, config.json, output),
    }
}

fn show(ready: &Ready, json: bool, output: &mut Output<'_>) -> Result<(), CliError> {
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

fn explain(ready: &Ready, key: &str, as_json: bool, output: &mut Output<'_>) -> Result<(), CliError> {
    let config = ready.config();
    let key = key.trim_matches(['[', ']']);
    let below = format!("{key}.");
    let of_table: Vec<&str> =
        config.entries().iter().map(|entry| entry.key.as_str()).filter(|it| it.starts_with(&below)).collect();
    let keys = if of_table.is_empty() { vec![key] } else { of_table };
    let explained: Vec<Explanation> =
        keys.into_iter().map(|key| config.explain(key)).collect::<Result<_, _>>()?;
    if as_json {
        return output.print(&json(&explained)?);
    }
    let texts: Vec<String> =
        explained.iter().map(|it| format!("{it}\n  # to set it: {}\n", it.variables.join(" or "))).collect();
    output.print(&texts.join("\n"))
}
