use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::ask::Place;
use super::text::{json, safe, table};
use super::{CliError, Output};
use crate::app::Ready;

/// How long the service may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Args)]
pub(super) struct Actors {
    /// Only those whose name or type contains this
    filter: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// What the management listener answers.
#[derive(Deserialize, Serialize)]
struct Document {
    service: String,
    pid: u32,
    actors: Vec<Actor>,
}

#[derive(Deserialize, Serialize)]
struct Actor {
    name: String,
    member: Option<usize>,
    r#type: String,
    state: String,
    mailbox: Mailbox,
    handled: u64,
    failed: u64,
    in_flight: usize,
    restarts: u64,
    handling: Option<String>,
    handling_seconds: Option<f64>,
}

#[derive(Deserialize, Serialize)]
struct Mailbox {
    depth: u64,
    capacity: Option<usize>,
    oldest_seconds: Option<f64>,
}

impl Actors {
    /// Asks the service that runs.
    pub(super) fn run(&self, ready: &Ready, output: &mut Output<'_>) -> Result<(), CliError> {
        let place = Place::management(ready)?;
        let answer = actix_rt::System::new().block_on(place.get("/actors", PATIENCE))?;
        if answer.status != 200 {
            return Err(place.strange(answer.status));
        }
        let mut document: Document =
            serde_json::from_slice(&answer.body).map_err(|_| place.strange(answer.status))?;
        if let Some(filter) = &self.filter {
            document.actors.retain(|actor| actor.name.contains(filter) || actor.r#type.contains(filter));
        }
        if self.json {
            return output.print(&json(&document)?);
        }
        output.print(&render(&document, place.shown()))
    }
}

fn render(document: &Document, at: &str) -> String {
    let head = format!("{} (pid {}) at {at}\n", safe(&document.service), document.pid);
    if document.actors.is_empty() {
        return format!("{head}there are no such actors\n");
    }
    let columns =
        ["ACTOR", "TYPE", "STATE", "MAILBOX", "OLDEST", "HANDLED", "FAILED", "RESTARTS", "HANDLING"];
    let mut rows = vec![columns.map(str::to_owned).to_vec()];
    rows.extend(document.actors.iter().map(row));
    head + &table(&rows, |column| (3..8).contains(&column))
}

fn row(actor: &Actor) -> Vec<String> {
    let name = match actor.member {
        Some(member) => format!("{}-{member}", actor.name),
        None => actor.name.clone(),
    };
    let capacity = actor.mailbox.capacity.map_or_else(|| "∞".to_owned(), |capacity| capacity.to_string());
    let handling = match (&actor.handling, actor.handling_seconds) {
        (Some(message), Some(seconds)) => format!("{message} for {}", span(seconds)),
        (Some(message), None) => message.clone(),
        (None, _) => "-".to_owned(),
    };
    vec![
        safe(&name),
        safe(&actor.r#type),
        safe(&actor.state),
        format!("{}/{capacity}", actor.mailbox.depth),
        actor.mailbox.oldest_seconds.map_or_else(|| "-".to_owned(), span),
        actor.handled.to_string(),
        actor.failed.to_string(),
        actor.restarts.to_string(),
        safe(&handling),
    ]
}

/// To the millisecond below a second, else to the second.
fn span(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.0}ms", seconds * 1e3) } else { format!("{seconds:.0}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_is_a_line() {
        let text = r#"{"service":"shop","pid":7,"actors":[
            {"name":"mailer","member":1,"type":"Mailer","state":"running","mailbox":{"depth":3,"capacity":16,
             "oldest_seconds":0.25},"handled":12,"failed":1,"in_flight":0,"restarts":2,"handling":"Send",
             "handling_seconds":4.2},
            {"name":"hub","member":null,"type":"Hub","state":"restarting","mailbox":{"depth":0,"capacity":null,
             "oldest_seconds":null},"handled":0,"failed":0,"in_flight":0,"restarts":0,"handling":null,
             "handling_seconds":null}]}"#;
        let document: Document = serde_json::from_str(text).unwrap();
        assert_eq!(
            render(&document, "http://127.0.0.1:9464"),
            "\
shop (pid 7) at http://127.0.0.1:9464
ACTOR     TYPE    STATE       MAILBOX  OLDEST  HANDLED  FAILED  RESTARTS  HANDLING
mailer-1  Mailer  running        3/16   250ms       12       1         2  Send for 4s
hub       Hub     restarting      0/∞       -        0       0         0  -
"
        );
    }
}
