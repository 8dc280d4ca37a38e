use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Serialize;

use super::Managed;
use super::routes::Answer;
use crate::actor::{ActorCondition, ActorSnapshot};
use crate::web::Problem;

#[derive(Serialize)]
struct Document {
    service: &'static str,
    pid: u32,
    actors: Vec<View>,
}

/// An actor without the text of its last panic, which may say anything.
#[derive(Serialize)]
struct View {
    name: String,
    member: Option<usize>,
    r#type: &'static str,
    state: ActorCondition,
    mailbox: Mailbox,
    handled: u64,
    failed: u64,
    in_flight: usize,
    restarts: u64,
    handling: Option<&'static str>,
    handling_seconds: Option<f64>,
}

#[derive(Serialize)]
struct Mailbox {
    depth: u64,
    capacity: Option<usize>,
    oldest_seconds: Option<f64>,
}

pub(super) fn listed(managed: &Managed) -> Answer {
    let actors = managed.actors.get().ok_or_else(|| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "starting")
            .detail("the service has not started its actors yet")
    })?;
    let actors = actors.snapshot().into_iter().map(View::from).collect();
    Ok(HttpResponse::Ok().json(Document { service: managed.service, pid: std::process::id(), actors }))
}

impl From<ActorSnapshot> for View {
    fn from(actor: ActorSnapshot) -> Self {
        Self {
            name: actor.name,
            member: actor.member,
            r#type: actor.kind,
            state: actor.condition,
            mailbox: Mailbox { depth: actor.depth, capacity: actor.capacity, oldest_seconds: actor.oldest },
            handled: actor.handled,
            failed: actor.failed,
            in_flight: actor.in_flight,
            restarts: actor.restarts,
            handling: actor.handling,
            handling_seconds: actor.handling_for,
        }
    }
}
