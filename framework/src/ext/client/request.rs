use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use url::Url;

use super::call::{Call, Route};
use super::signals::Subject;
use super::{ClientError, Response, retry, target};
use crate::redact::Secret;

/// The header by which a request is known again (IETF draft "The Idempotency-Key HTTP Header Field").
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A request that is not sent yet. What is wrong with it is told by [`Request::send`].
#[must_use = "a request does nothing until it is sent"]
pub struct Request {
    route: Arc<Route>,
    method: Method,
    url: Result<Url, ClientError>,
    upstream: Option<String>,
    untrusted: bool,
    propagate: bool,
    template: Option<String>,
    headers: HeaderMap,
    body: Bytes,
    timeout: Duration,
    /// The first thing that is wrong with headers or body.
    wrong: Option<String>,
}

impl Request {
    pub(super) fn new(route: &Arc<Route>, method: Method, url: Result<Url, ClientError>) -> Self {
        Self {
            timeout: route.timeout,
            route: Arc::clone(route),
            method,
            url,
            upstream: None,
            untrusted: false,
            propagate: false,
            template: None,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            wrong: None,
        }
    }

    pub(super) fn for_upstream(mut self, name: &str) -> Self {
        self.upstream = Some(name.to_owned());
        self
    }

    pub(super) const fn untrusted(mut self) -> Self {
        self.untrusted = true;
        self
    }

    pub(super) const fn propagate(mut self, propagate: bool) -> Self {
        self.propagate = propagate;
        self
    }

    /// The path with its parameters as names, `/charges/{id}`: what the span is called by, and `url.template` of span and
    /// metrics. Default none: then the span is called by the method alone.
    pub fn template(mut self, template: impl Into<String>) -> Self {
        self.template = Some(template.into());
        self
    }

    /// A header, in place of one of the same name.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.insert(name, value, false);
        self
    }

    /// A header that nothing shows.
    pub fn secret_header(mut self, name: &str, value: &Secret<String>) -> Self {
        self.insert(name, value.expose(), true);
        self
    }

    /// `Authorization: Bearer …`.
    pub fn bearer(mut self, token: &Secret<String>) -> Self {
        let value = Secret::new(format!("Bearer {}", token.expose()));
        self.insert(AUTHORIZATION.as_str(), value.expose(), true);
        self
    }

    /// `Idempotency-Key`: the other side knows the request again by it, so that it may be sent again whatever its method.
    pub fn idempotency_key(mut self, key: &str) -> Self {
        self.insert(IDEMPOTENCY_KEY.as_str(), key, false);
        self
    }

    /// A body of bytes. Default empty.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// A body of JSON, with its `Content-Type`.
    pub fn json(mut self, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => {
                self.body = body.into();
                self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
            Err(error) => {
                self.wrong.get_or_insert_with(|| format!("its body can not be written as JSON: {error}"));
            }
        }
        self
    }

    /// How long it may take in all. Default: the upstream's, else `http_client.timeout`.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sends it, again if it is safe to, and reads the answer. Any status is an answer; see [`Response::success`].
    ///
    /// Each attempt is a CLIENT span below the current one. Dropping the future ends it and closes the connection.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn send(self) -> Result<Response, ClientError> {
        let url = self.url?;
        if let Some(reason) = self.wrong {
            return Err(ClientError::Request { server: target::server(&url), reason });
        }
        let call = Call {
            repeatable: retry::is_repeatable(&self.method, self.headers.contains_key(IDEMPOTENCY_KEY)),
            subject: Subject {
                method: self.method,
                url,
                template: self.template,
                upstream: self.upstream,
                untrusted: self.untrusted,
            },
            route: self.route,
            headers: self.headers,
            body: self.body,
            propagate: self.propagate,
            timeout: self.timeout,
        };
        call.run().await
    }

    /// Never shows a value that is none of a header: it may be a secret.
    fn insert(&mut self, name: &str, value: &str, secret: bool) {
        match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            (Ok(name), Ok(mut value)) => {
                value.set_sensitive(secret);
                self.headers.insert(name, value);
            }
            (Err(_), _) => {
                self.wrong.get_or_insert_with(|| format!("`{}` is no name of a header", name.escape_debug()));
            }
            (_, Err(_)) => {
                self.wrong.get_or_insert_with(|| format!("the value of `{name}` can not be in a header"));
            }
        }
    }
}

/// Without URL, headers and body.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("upstream", &self.upstream)
            .field("template", &self.template)
            .finish_non_exhaustive()
    }
}
