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
use crate::app::{Ready, Service};
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
        let findings = match service.prepare() {
            Ok(ready) => actix_rt::System::new().block_on(examine(ready, self.production)),
            Err(errors) => {
                let mut findings = settings::broken(&errors);
                findings.push(process::open_files(self.production));
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
    let production = production || ready.config().profile().is_production();
    let mut findings = settings::look(&ready, production);
    findings.extend(process::ports(&ready));
    findings.push(process::open_files(production));
    findings.extend(process::variables(&ready));
    findings.push(services::collector(&ready, production));
    findings.extend(services::redis(&ready, production).await);
    let db = database::look(&ready, production, &mut findings).await;
    // Without its database, which was told already, a service has no extensions to look at.
    if db.is_some() || ready.migrations().is_none() {
        findings.extend(services::checks(ready, db.clone()).await);
    }
    if let Some(db) = db {
        let _all_units_have_ended = db.close(CLOSE).await;
    }
    findings
}
