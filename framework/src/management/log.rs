use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use actix_web::{HttpResponse, web};
use tokio::time::timeout;

use super::routes::{Answer, refused};
use super::{Managed, PATIENCE};
use crate::telemetry::LogLevels;
use crate::web::Problem;

/// Longer than any list of levels.
const MAX_BODY: usize = 8 * 1024;

/// By whom the levels are changed here.
const BY: &str = "the management listener";

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/log")
                .route(web::get().to(shown))
                .route(web::put().to(set))
                .route(web::delete().to(reset))
                .default_service(web::to(|| refused("GET, PUT, DELETE"))),
        )
        .service(
            web::resource("/log/{target}")
                .route(web::put().to(set_target))
                .default_service(web::to(|| refused("PUT"))),
        );
}

async fn shown(managed: web::Data<Managed>) -> Answer {
    Ok(answer(levels(&managed)?))
}

async fn set(managed: web::Data<Managed>, body: web::Payload) -> Answer {
    let text = text(body, PATIENCE).await?;
    let levels = levels(&managed)?;
    levels.set(&text, BY).map_err(Problem::bad_request)?;
    Ok(answer(levels))
}

async fn set_target(managed: web::Data<Managed>, target: web::Path<String>, body: web::Payload) -> Answer {
    let text = text(body, PATIENCE).await?;
    let levels = levels(&managed)?;
    levels.set_target(&target, text.trim(), BY).map_err(Problem::bad_request)?;
    Ok(answer(levels))
}

async fn reset(managed: web::Data<Managed>) -> Answer {
    let levels = levels(&managed)?;
    levels.reset(BY);
    Ok(answer(levels))
}

fn levels(managed: &Managed) -> Result<&LogLevels, Problem> {
    let missing = || Problem::not_found("the log is not the service's own");
    managed.telemetry.log_levels().ok_or_else(missing)
}

/// The levels as they are now.
fn answer(levels: &LogLevels) -> HttpResponse {
    HttpResponse::Ok().insert_header(ContentType::plaintext()).body(format!("{levels}\n"))
}

async fn text(body: web::Payload, within: Duration) -> Result<String, Problem> {
    let too_late = |_| Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout").detail("the body did not come");
    let too_long = |_| {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large")
            .detail(format!("levels fit in {MAX_BODY} bytes"))
    };
    let read = timeout(within, body.to_bytes_limited(MAX_BODY)).await.map_err(too_late)?;
    let bytes = read.map_err(too_long)?.map_err(|_| Problem::bad_request("the body can not be read"))?;
    String::from_utf8(bytes.into()).map_err(|_| Problem::bad_request("the body is no UTF-8"))
}
