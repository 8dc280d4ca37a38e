//! `doctor`: looks for what does not work or will not.

mod database;
mod finding;
mod process;
mod services;
mod settings;

use clap::Args;
use serde::Serialize;

use super::text::json;
use super::{CLOSE, CliError, Output};
use crate::app::{Ready, Remains, Service};
use crate::data::Db;
use finding::{Finding, Verdict, render};

#[derive(Args)]
pub(super) struct Doctor {
    /// Judge by what production needs: with the settings of the profile `production`, and what is only advice at a desk is a
    /// failure
    #[arg(long)]
    production: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    verdict: Verdict,
    findings: &'a [Finding],
}

impl Doctor {
    /// Looks at a service that may not even be well described.
    pub(super) fn run(&self, service: Service, output: &mut Output<'_>) -> Result<(), CliError> {
        let system = actix_rt::System::new();
        let findings = match service.prepare_or_remain() {
            Ok(ready) => system.block_on(examine(ready, self.production)),
            Err(refused) => {
                let (errors, remains) = *refused;
                let mut findings = settings::broken(&errors);
                findings.extend(system.block_on(examine_the_rest(&remains, self.production)));
                findings
            }
        };
        let verdict = findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Ok);
        if self.json {
            output.print(&json(&Document { verdict, findings: &findings })?)?;
        } else {
            let text = render(&findings, output);
            output.print(&text)?;
        }
        match findings.iter().filter(|finding| finding.verdict == Verdict::Fail).count() {
            0 => Ok(()),
            failures => Err(CliError::Unwell(failures)),
        }
    }
}

async fn examine(ready: Ready, production: bool) -> Vec<Finding> {
    let config = ready.config();
    let production = production || config.profile().is_production();
    let mut findings = settings::look(config, production);
    findings.extend(process::ports(config));
    findings.push(process::open_files(production));
    findings.extend(process::variables(&ready.variables()));
    findings.push(services::collector(ready.probe_collector(), production));
    findings.extend(services::redis(config, production).await);
    let db = database::look(ready.name(), config, ready.migrations(), production, &mut findings).await;
    // Without its database, which was told already, a service has no extensions to look at.
    if db.is_some() || ready.migrations().is_none() {
        findings.extend(services::checks(ready, db.clone()).await);
    }
    close(db).await;
    findings
}

/// Looks at what can be looked at where something is wrong with the settings or the service, so that all of it is told at
/// once. No extension is installed.
async fn examine_the_rest(remains: &Remains, production: bool) -> Vec<Finding> {
    let config = &remains.config;
    let production = production || config.profile().is_production();
    let mut findings = settings::look_at_the_rest(config, production);
    findings.extend(process::ports(config));
    findings.push(process::open_files(production));
    findings.extend(remains.variables().iter().flat_map(|variables| process::variables(variables)));
    findings.extend(remains.probe_collector().map(|probed| services::collector(probed, production)));
    findings.extend(services::redis(config, production).await);
    let db = database::look(remains.name, config, remains.migrations, production, &mut findings).await;
    close(db).await;
    findings.push(Finding::warn(
        "not looked at",
        "the extensions, and whatever else needs a setting that does not hold",
        "correct what fails, and run this again",
    ));
    findings
}

async fn close(db: Option<Db>) {
    if let Some(db) = db {
        let _all_units_have_ended = db.close(CLOSE).await;
    }
}
