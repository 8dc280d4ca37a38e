//! Answers where there is no handler.

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};

use super::problem::{Problem, kind_of};

/// The answer of a path that no route matches.
pub(crate) async fn no_such_route(request: HttpRequest) -> Result<HttpResponse, Problem> {
    Err(Problem::not_found(format!("there is nothing at {}", request.path())))
}

/// The answer of a route that does not know the method.
pub(crate) fn method_not_allowed(allow: &str) -> Problem {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let problem = Problem::new(status, kind_of(status)).detail(format!("this resource answers {allow}"));
    match HeaderValue::from_str(allow) {
        Ok(allow) => problem.header(ALLOW, allow),
        Err(_) => problem,
    }
}
