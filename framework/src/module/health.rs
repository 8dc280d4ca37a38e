//! The probes that every service has.

use actix_web::HttpResponse;
use actix_web::web::Data;

use super::Module;
use crate::web::{Health, alive};

/// `GET /health/`: the process answers. `GET /health/ready`: it takes requests and everything it needs is there,
/// else 503 with the check that failed.
pub(crate) fn health_module() -> Module {
    Module::new("health").critical().prefix("/health").get("/", alive).get("/ready", ready)
}

async fn ready(health: Data<Health>) -> HttpResponse {
    health.answer().await
}
