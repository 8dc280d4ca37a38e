//! The probes that every service has.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::json;

use super::Module;
use crate::web::{Health, ReadyStatus};

/// `GET /health/`: the process answers. `GET /health/ready`: it takes requests and everything it needs is there,
/// else 503 with the check that failed.
pub(crate) fn health_module() -> Module {
    Module::new("health").prefix("/health").get("/", alive).get("/ready", ready)
}

async fn alive() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "healthy" }))
}

async fn ready(health: Data<Health>) -> HttpResponse {
    let readiness = health.readiness().await;
    let mut response = match readiness.status {
        ReadyStatus::Ready => HttpResponse::Ok(),
        ReadyStatus::NotReady | ReadyStatus::Draining => HttpResponse::ServiceUnavailable(),
    };
    response.json(readiness)
}
