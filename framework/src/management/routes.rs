use std::future::Future;

use actix_web::http::header::{ACCEPT, CONTENT_TYPE};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, ResponseError as _, web};

use super::{Managed, actors, log};
use crate::telemetry::Exposition;
use crate::web::{Problem, Readiness, alive, method_not_allowed, without_body};

pub(super) type Answer = Result<HttpResponse, Problem>;

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(read("/metrics", |request, managed| async move { metrics(&request, &managed) }))
        .service(read("/actors", |_, managed| async move { actors::listed(&managed) }))
        .configure(log::configure)
        .service(read("/health/live", |_, _| async { Ok(alive().await) }))
        .service(read("/health/ready", |_, managed| async move { Ok(ready(&managed).await) }))
        .default_service(web::to(nothing_here));
}

/// A path that is only read: by GET, and by HEAD without what GET would answer.
fn read<F, Fut>(path: &str, answer: F) -> actix_web::Resource
where
    F: Fn(HttpRequest, web::Data<Managed>) -> Fut + Clone + 'static,
    Fut: Future<Output = Answer> + 'static,
{
    let answered = move |request: HttpRequest, managed: web::Data<Managed>| {
        let head = request.method() == Method::HEAD;
        let answer = answer(request, managed);
        async move {
            let response = answer.await.unwrap_or_else(|problem| problem.error_response());
            if head { without_body(response) } else { response }
        }
    };
    web::resource(path)
        .route(web::get().to(answered.clone()))
        .route(web::head().to(answered))
        .default_service(web::to(|| refused("GET, HEAD")))
}

fn metrics(request: &HttpRequest, managed: &Managed) -> Answer {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let exposition = Exposition::accepted(accept);
    match managed.telemetry.exposition(exposition) {
        Some(text) => {
            Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, exposition.content_type())).body(text))
        }
        None => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no-metrics")
            .detail("metrics are off, or the service has stopped: see telemetry.enabled")),
    }
}

async fn ready(managed: &Managed) -> HttpResponse {
    match managed.health.get() {
        Some(health) => health.answer().await,
        None => Readiness::starting().answer(),
    }
}

async fn nothing_here(request: HttpRequest) -> HttpResponse {
    let detail = format!(
        "there is nothing at {}: see /metrics, /health/live, /health/ready, /actors, /log",
        request.path()
    );
    Problem::not_found(detail).error_response()
}

pub(super) async fn refused(allow: &'static str) -> HttpResponse {
    method_not_allowed(allow).error_response()
}
