use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, Responder};
use serde::Serialize;

use crate::web::Problem;

/// That an answer was given before, to the same request.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// An answer that can be kept: a status, headers, and a body in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Vec<u8>,
    pub(super) replayed: bool,
    /// What could not be written.
    pub(super) broken: Option<String>,
}

impl Reply {
    /// A status without a body.
    pub const fn new(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), replayed: false, broken: None }
    }

    /// A value as JSON. One that can not be written as such fails the request: nothing is stored.
    pub fn json(status: StatusCode, value: &impl Serialize) -> Self {
        let reply = Self::new(status).header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match serde_json::to_vec(value) {
            Ok(body) => Self { body, ..reply },
            Err(error) => Self { broken: Some(error.to_string()), ..reply },
        }
    }

    /// Adds a header that belongs to the answer whenever it is given. Default: that of the body's type. What the service
    /// adds to each of its answers is not kept with it.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }
}

impl Responder for Reply {
    type Body = BoxBody;

    fn respond_to(self, _request: &HttpRequest) -> HttpResponse {
        if let Some(broken) = self.broken {
            return HttpResponse::from_error(Problem::internal(broken));
        }
        let mut response = HttpResponse::build(self.status);
        for header in self.headers {
            response.append_header(header);
        }
        if self.replayed {
            response.insert_header((REPLAYED, HeaderValue::from_static("true")));
        }
        response.body(self.body)
    }
}
