//! The one place where errors become answers.

use std::any::Any;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use actix_web::{HttpRequest, HttpResponse, ResponseError as _};
use opentelemetry::Context;

use super::hooks::Hooks;
use super::problem::{Problem, from_foreign, is_problem};
use super::shed::OVERLOADED;
use super::signals::record_cause;
use crate::telemetry::panic_message;

pub(super) fn panicked(cx: &Context, panic: &(dyn Any + Send)) -> Problem {
    let message = panic_message(panic);
    tracing::error!(panic = message, "a handler panicked");
    record_cause(cx, "panic", message, None);
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal")
}

pub(super) fn timed_out(limit: Duration) -> Problem {
    tracing::warn!(?limit, "a request was cut off by server.request_timeout");
    Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout")
        .detail(format!("there was no answer within {limit:?}"))
}

/// Makes a problem document of an error that is none yet, records the cause of a failure unless that is done
/// (`recorded`), and asks the module's error handlers.
pub(super) fn explain(
    cx: &Context,
    hooks: &Hooks,
    request: Option<&HttpRequest>,
    response: HttpResponse,
    recorded: Option<&'static str>,
) -> HttpResponse {
    let Some(error) = response.error() else { return response };
    let foreign;
    let problem = match error.as_error::<Problem>() {
        Some(problem) => problem,
        None => match from_foreign(error, response.status()) {
            Some(problem) => {
                foreign = problem;
                &foreign
            }
            None => return response,
        },
    };
    let failed = problem.status().is_server_error();
    if recorded.is_none() && (failed || problem.has_cause()) {
        let cause = cause_chain(problem);
        // Whoever refuses requests has said so once, not once a request.
        if failed && problem.kind() != OVERLOADED {
            tracing::error!(problem = problem.kind(), cause, "a request failed");
        }
        record_cause(cx, problem.kind(), &cause, problem.public_detail());
    }
    let own = request
        .and_then(|request| hooks.on_error.iter().rev().find_map(|on_error| on_error(request, problem)));
    let mut answer = match own {
        Some(own) => own,
        None if is_problem(&response) => return response,
        None => problem.error_response(),
    };
    keep_headers(&response, &mut answer);
    answer
}

/// What was put on an answer, by a middleware as much as by its author, stays on the one in its place, less what is about
/// its body.
fn keep_headers(from: &HttpResponse, to: &mut HttpResponse) {
    let of_body = [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING];
    let there: Vec<HeaderName> = to.headers().keys().cloned().collect();
    for (name, value) in from.headers() {
        if !of_body.contains(name) && !there.contains(name) {
            to.headers_mut().append(name.clone(), value.clone());
        }
    }
}

/// The cause and what it came from, in one line; the problem's own text when it has no cause.
fn cause_chain(problem: &Problem) -> String {
    let mut next = std::error::Error::source(problem);
    let mut chain = Vec::new();
    while let Some(error) = next {
        chain.push(error.to_string());
        next = error.source();
    }
    if chain.is_empty() { problem.to_string() } else { chain.join(": ") }
}
