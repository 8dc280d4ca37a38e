//! `spanbox new`.

use std::io::Write;

use clap::Args;

use super::{Plan, ScaffoldError, Templates};

/// What a new service is.
#[derive(Args, Debug)]
pub(super) struct New {
    /// The name of the service and of its directory
    name: String,
}

impl New {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<(), ScaffoldError> {
        let templates = Templates::new()?;
        let mut plan = Plan::new(&self.name);
        for file in Templates::files("new/") {
            plan.create(file, templates.render(&format!("new/{file}"), ())?)?;
        }
        plan.carry_out()?;
        Ok(write!(out, "{}", plan.report())?)
    }
}
