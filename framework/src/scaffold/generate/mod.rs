//! `spanbox generate`: a part of a service, with its test and the lines that wire it.

mod actor;
mod code;
mod extension;
mod field;
mod format;
mod job;
mod manifest;
mod migration;
mod module;
mod name;
mod reserved;
mod resource;
mod service;
mod tables;
mod wire;
mod work;

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ScaffoldError;
use service::Service;
use work::Work;

/// A part of a service.
#[derive(Args)]
pub(super) struct Generate {
    #[command(subcommand)]
    part: Part,
    /// Show what would be written, and write nothing
    #[arg(long, global = true)]
    dry_run: bool,
    /// The directory of the service, or one in it
    #[arg(long, global = true, value_name = "DIR", default_value = ".")]
    path: PathBuf,
}

#[derive(Subcommand)]
enum Part {
    /// A module with a route, its test, and its place in the service
    Module(module::Module),
    /// A module with a table that is created, listed, shown, replaced and deleted over HTTP
    Resource(resource::Resource),
    /// An actor with a message and a test, started by a module
    Actor(actor::Actor),
    /// A durable job with a test, run by a module
    Job(job::Job),
    /// An extension with a section of the settings, a health check and a test
    Extension(extension::Extension),
    /// An empty migration for both databases
    Migration(migration::Migration),
}

impl Generate {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<(), ScaffoldError> {
        let mut work = Work::new(Service::find(&self.path)?)?;
        match &self.part {
            Part::Module(part) => part.plan(&mut work)?,
            Part::Resource(part) => part.plan(&mut work)?,
            Part::Actor(part) => part.plan(&mut work)?,
            Part::Job(part) => part.plan(&mut work)?,
            Part::Extension(part) => part.plan(&mut work)?,
            Part::Migration(part) => part.plan(&mut work)?,
        }
        let Work { plan, mut notes, is_plain, .. } = work;
        if is_plain {
            notes.push("it is not laid out, since rustfmt did not run: `rustup component add rustfmt`, then `cargo fmt`".to_owned());
        }
        if self.dry_run {
            plan.check()?;
            write!(out, "{}", plan.report())?;
            writeln!(out, "nothing was written: this is what would be, without --dry-run")?;
            return Ok(());
        }
        plan.carry_out()?;
        write!(out, "{}", plan.report())?;
        if plan.is_done() {
            writeln!(out, "all of it was there already")?;
            return Ok(());
        }
        for note in notes {
            writeln!(out, "{note}")?;
        }
        Ok(())
    }
}
