use clap::Args;

use super::desk::Desk;
use super::text::{indented, json, pretty, safe, when};
use super::view::JobView;
use super::{CliError, Output, id};
use crate::data::{Conn, DbError};
use crate::jobs::State;
use crate::jobs::store::{self, Record};

#[derive(Args)]
pub(super) struct Show {
    /// The id of the job
    #[arg(value_parser = id)]
    id: i64,
    /// As JSON, the payload as it is stored
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) async fn run(&self, desk: &Desk, output: &mut Output<'_>) -> Result<(), CliError> {
        let id = self.id;
        let (now, job) = desk
            .read(async move |conn: &mut Conn| Ok((store::clock(conn).await?, store::get(conn, id).await?)))
            .await?;
        let job = job.ok_or(CliError::NoSuchJob(id))?;
        if self.json {
            return output.print(&json(&JobView::new(&job)?.with_payload(&job.payload)?)?);
        }
        output.print(&render(&job, now)?)
    }
}

fn render(job: &Record, now: i64) -> Result<String, DbError> {
    let state = job.state()?;
    let at = |time: Option<i64>| time.map(|time| when(time, now));
    let running = state == State::Running;
    let lease = match job.lease_until {
        Some(until) => format!("until {}, token {}", when(until, now), job.token),
        None => format!("none, last token {}", job.token),
    };
    let key = job.unique_key.as_ref().map(|key| {
        let held = if job.unique_held { "held" } else { "given up" };
        format!("{} ({held})", safe(key))
    });
    let wanted = job.cancel_requested.then(|| "asked to be cancelled".to_owned());
    let fields = [
        ("job", Some(job.id.to_string())),
        ("state", Some(state.to_string())),
        ("", wanted),
        ("queue", Some(safe(&job.queue))),
        ("kind", Some(safe(&job.kind))),
        ("priority", Some(job.priority.to_string())),
        ("attempt", Some(format!("{} of {}", job.attempt, job.max_attempts))),
        ("crashes", Some(job.crashes.to_string())),
        ("enqueued", at(Some(job.created_at))),
        ("due", at(Some(job.run_at))),
        ("begun", at(job.started_at)),
        ("ended", at(job.finished_at)),
        ("lease", Some(lease)),
        (if running { "worker" } else { "last worker" }, job.worker.as_deref().map(safe)),
        ("unique key", key),
        ("trace", job.trace_id.as_deref().map(safe)),
    ];
    let mut shown = String::new();
    for (name, value) in fields {
        if let Some(value) = value {
            shown.push_str(&format!("{name:<12} {value}\n"));
        }
    }
    if let Some(error) = &job.error {
        shown.push_str(&format!("error\n{}", indented(error)));
    }
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&job.payload).is_ok();
    let (title, payload) = if is_json {
        ("payload", pretty(&job.payload))
    } else {
        ("payload (it is no JSON)", job.payload.clone())
    };
    shown.push_str(&format!("{title}\n{}", indented(&payload)));
    Ok(shown)
}
