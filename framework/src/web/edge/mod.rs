//! What is done to every request and every answer at the service's edge, whoever wrote the handler between.

mod compression;
mod protection;
mod refusal;

use std::sync::Arc;

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Context, KeyValue};

use self::compression::Compression;
use self::protection::Protection;
use super::Problem;
use super::client_address::Proxies;
use super::host::Host;
use super::request::Target;
use super::shed::{Shedder, Spared};
use crate::config::{EdgeSettings, ServerSettings};
use crate::context::RequestId;

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the settings want of it. One a service.
pub(crate) struct Edge {
    request_id: bool,
    protection: Option<Protection>,
    pub(super) compression: Option<Compression>,
    shedder: Arc<Shedder>,
}

impl Edge {
    pub(crate) fn new(settings: &EdgeSettings, server: &ServerSettings, shedder: Arc<Shedder>) -> Self {
        Self {
            request_id: settings.request_id,
            protection: settings.security_headers.then(|| Protection::new(settings, Proxies::new(server))),
            compression: settings.compression.then_some(Compression { from: settings.compress_from }),
            shedder,
        }
    }

    /// Looks at a request before anything else does, and gives it its id: on its span, and in its context for the logs.
    pub(super) fn receive(&self, request: &HttpRequest, host: Option<&Host>, cx: Context) -> Context {
        refusal::note(request, host);
        if !self.request_id {
            return cx;
        }
        let said = request.headers().get(&X_REQUEST_ID).and_then(|value| value.to_str().ok());
        let id = said.and_then(RequestId::parse).unwrap_or_default();
        if cx.span().is_recording() {
            cx.span().set_attribute(KeyValue::new("spanbox.request.id", id.as_str().to_owned()));
        }
        cx.with_value(id)
    }

    /// Whether a request may go on to the hooks and the handler.
    pub(super) fn admit(
        &self,
        request: &ServiceRequest,
        target: &Target,
        spared: &Spared,
    ) -> Result<(), Problem> {
        refusal::check(request, target)?;
        self.shedder.admit(request.method(), spared)
    }

    /// Which requests of a target are taken also when others are refused.
    pub(crate) fn spared(&self, critical: bool, target: &Target) -> Spared {
        match target {
            _ if critical => Spared::All,
            Target::Route(route) => self.shedder.spared(route.pattern),
            Target::Mount(_) | Target::Nothing => Spared::default(),
        }
    }

    /// Puts on an answer what it lacks. It is to be compressed after that.
    pub(super) fn finish(&self, cx: &Context, request: Option<&HttpRequest>, response: &mut HttpResponse) {
        if self.request_id
            && let Some(id) = cx.get::<RequestId>()
            && let Ok(value) = HeaderValue::from_str(id.as_str())
        {
            response.headers_mut().insert(X_REQUEST_ID.clone(), value);
        }
        if let Some(protection) = &self.protection {
            protection.protect(request, response);
        }
        if let Some(request) = request {
            refusal::close(request, response);
        }
    }
}
