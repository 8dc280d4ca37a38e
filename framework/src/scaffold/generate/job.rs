use clap::Args;
use serde_json::json;

use super::module::home;
use super::name::Name;
use super::service::LIB;
use super::wire;
use super::work::Work;
use crate::scaffold::ScaffoldError;

/// As long as the name of a queue may be.
const MAX_QUEUE: usize = 64;

#[derive(Args)]
pub(super) struct Job {
    /// What it does, e.g. SendReminder
    name: String,
    /// The module that it belongs to. Default: one of its own
    #[arg(long)]
    module: Option<String>,
    /// Where it waits for a worker
    #[arg(long, default_value = "default")]
    queue: String,
}

impl Job {
    pub(super) fn plan(&self, work: &mut Work) -> Result<(), ScaffoldError> {
        let name = Name::new(&self.name)?;
        name.check_type()?;
        if ["Job", "JobContext", "JobError", "JobsError", "State", "TestApp"].contains(&name.camel.as_str()) {
            return Err(ScaffoldError::Usage(format!(
                "`{}` is no name here: jobs are made of it",
                name.camel
            )));
        }
        let queue = &self.queue;
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ['.', '-', '_'].contains(&c);
        if queue.is_empty() || queue.len() > MAX_QUEUE || !queue.chars().all(fits) {
            return Err(ScaffoldError::Usage(format!(
                "{queue:?} is no name for a queue: up to {MAX_QUEUE} lower-case letters, digits, `.`, `-` and `_`"
            )));
        }
        work.depend(&["serde", "tracing"], &["actix"])?;
        let (module, file) = home(work, &name, self.module.as_deref(), "job")?;
        let words = json!({ "name": name, "queue": queue, "redis": work.service.has_jobs_on_redis() });
        work.file(format!("src/{module}/{file}.rs"), "job/job.rs", words)?;
        let path = format!("{file}::{}", name.camel);
        let line = format!(".job::<{path}, _>(|_boot| Ok(()))");
        work.line(&format!("src/{module}/mod.rs"), &line, |text| wire::add_job(text, &path))?;
        work.line(
            LIB,
            "static MIGRATIONS: Migrations = ….with(&spanbox::jobs::MIGRATIONS);",
            wire::add_job_tables,
        )
    }
}
