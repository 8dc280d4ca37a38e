//! What is recorded of requests to others.

use std::sync::{Arc, Weak};
use std::time::Instant;

use actix_web::http::{Method, StatusCode};
use opentelemetry::metrics::{Histogram, UpDownCounter};
use opentelemetry::trace::{SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_semantic_conventions::{attribute, metric};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::breaker::{Breaker, BreakerState};
use super::{ClientError, Response, target};
use crate::telemetry::Telemetry;
use crate::web::known_method;

/// The upstream of a request, and of a breaker.
const UPSTREAM: &str = "spanbox.client.upstream";
/// How its breaker is.
const BREAKER_STATE: &str = "spanbox.client.breaker.state";
/// The events of a span whose request has changed that.
const BREAKER_OPENED: &str = "spanbox.client.breaker.opened";
const BREAKER_CLOSED: &str = "spanbox.client.breaker.closed";

/// The instruments of a client. One a service.
pub(super) struct Signals {
    telemetry: Telemetry,
    metrics: Option<Metrics>,
}

struct Metrics {
    duration: Histogram<f64>,
    active: UpDownCounter<i64>,
}

/// What one request is, for all of its attempts.
pub(super) struct Subject {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) template: Option<String>,
    pub(super) upstream: Option<String>,
    pub(super) untrusted: bool,
}

/// One attempt, recorded from here until it is ended; dropped before that, it was given up.
pub(super) struct Attempt {
    signals: Arc<Signals>,
    cx: Context,
    /// None when nothing is recorded.
    span: bool,
    started: Instant,
    /// The attributes of its measurements, once it counts as a request.
    measured: Option<Measured>,
    ended: bool,
}

struct Measured {
    active: Vec<KeyValue>,
    duration: Vec<KeyValue>,
}

impl Signals {
    pub(super) fn new(telemetry: &Telemetry) -> Self {
        let metrics = telemetry.meter().map(|meter| Metrics {
            duration: meter
                .f64_histogram(metric::HTTP_CLIENT_REQUEST_DURATION)
                .with_unit("s")
                .with_description(
                    "How long one attempt of a request to others took, until its answer was read.",
                )
                .with_boundaries(vec![
                    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
                ])
                .build(),
            active: meter
                .i64_up_down_counter(metric::HTTP_CLIENT_ACTIVE_REQUESTS)
                .with_unit("{request}")
                .with_description("Requests to others that are not answered yet.")
                .build(),
        });
        Self { telemetry: telemetry.clone(), metrics }
    }

    /// Shows how a breaker is whenever metrics are collected, for as long as it is there.
    pub(super) fn observe(&self, upstream: &str, breaker: Weak<Breaker>) {
        let Some(meter) = self.telemetry.meter() else { return };
        let upstream = upstream.to_owned();
        meter
            .i64_observable_gauge("spanbox.client.breaker")
            .with_unit("1")
            .with_description("1 for the state that the breaker of an upstream is in, 0 for the others.")
            .with_callback(move |observer| {
                let Some(breaker) = breaker.upgrade() else { return };
                let is = breaker.state(Instant::now());
                for state in BreakerState::ALL {
                    let attributes = [
                        KeyValue::new(UPSTREAM, upstream.clone()),
                        KeyValue::new(BREAKER_STATE, state.as_str()),
                    ];
                    observer.observe(i64::from(state == is), &attributes);
                }
            })
            .build();
    }

    /// Begins an attempt, after so many others of the same request.
    pub(super) fn begin(self: &Arc<Self>, subject: &Subject, resent: u32) -> Attempt {
        let parent = Context::current();
        let recorded = parent.has_active_span() && parent.span().is_recording();
        let cx = match self.telemetry.tracer().filter(|_| recorded) {
            Some(tracer) => {
                let builder = SpanBuilder::from_name(subject.name())
                    .with_kind(SpanKind::Client)
                    .with_attributes(subject.attributes(resent));
                parent.with_span(tracer.build_with_context(builder, &parent))
            }
            None => parent,
        };
        Attempt {
            signals: Arc::clone(self),
            span: recorded && self.telemetry.tracer().is_some(),
            cx,
            started: Instant::now(),
            measured: None,
            ended: false,
        }
    }
}

impl Subject {
    /// `{METHOD} {url.template}`, or the method alone.
    fn name(&self) -> String {
        let method = match known_method(&self.method) {
            "_OTHER" => "HTTP",
            method => method,
        };
        match &self.template {
            Some(template) => format!("{method} {template}"),
            None => method.to_owned(),
        }
    }

    fn attributes(&self, resent: u32) -> Vec<KeyValue> {
        let mut attributes = Vec::with_capacity(8);
        attributes.push(KeyValue::new(attribute::HTTP_REQUEST_METHOD, known_method(&self.method)));
        attributes.extend(target::attributes(&self.url));
        attributes.push(KeyValue::new(attribute::URL_FULL, target::shown(&self.url, self.untrusted)));
        attributes.extend(self.template.clone().map(|it| KeyValue::new(attribute::URL_TEMPLATE, it)));
        attributes.extend(self.upstream.clone().map(|it| KeyValue::new(UPSTREAM, it)));
        if resent > 0 {
            attributes.push(KeyValue::new(attribute::HTTP_REQUEST_RESEND_COUNT, i64::from(resent)));
        }
        attributes
    }

    fn measured(&self) -> Measured {
        let mut active = vec![
            KeyValue::new(attribute::HTTP_REQUEST_METHOD, known_method(&self.method)),
            KeyValue::new(attribute::URL_SCHEME, self.url.scheme().to_owned()),
        ];
        if !self.untrusted {
            active.extend(target::attributes(&self.url));
        }
        let mut duration = active.clone();
        duration.extend(self.template.clone().map(|it| KeyValue::new(attribute::URL_TEMPLATE, it)));
        Measured { active, duration }
    }
}

impl Attempt {
    /// The breaker's state that it is sent in, or was refused for.
    pub(super) fn breaker(&self, state: BreakerState) {
        if self.span {
            self.cx.span().set_attribute(KeyValue::new(BREAKER_STATE, state.as_str()));
        }
    }

    /// It has changed the breaker's state.
    pub(super) fn changed(&self, upstream: &str, to: BreakerState) {
        let event = if to == BreakerState::Open {
            tracing::warn!(upstream, "failed again and again: it is left alone for a while");
            BREAKER_OPENED
        } else {
            tracing::info!(upstream, "is back");
            BREAKER_CLOSED
        };
        if self.span {
            self.cx.span().add_event(event, vec![KeyValue::new(UPSTREAM, upstream.to_owned())]);
        }
    }

    /// The headers by which the other side continues the trace.
    pub(super) fn inject(&self, headers: &mut HeaderMap) {
        let mut carried = actix_web::http::header::HeaderMap::new();
        self.signals.telemetry.inject(&self.cx, &mut carried);
        for (name, value) in &carried {
            let name = HeaderName::from_bytes(name.as_str().as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
                headers.insert(name, value);
            }
        }
    }

    /// The request is on its way: from here on it is measured.
    pub(super) fn sent(&mut self, subject: &Subject) {
        if let Some(metrics) = &self.signals.metrics {
            let measured = subject.measured();
            metrics.active.add(1, &measured.active);
            self.measured = Some(measured);
        }
    }

    /// The head of the answer is there.
    pub(super) fn answered(&mut self, status: StatusCode, version: Option<&'static str>) {
        let mut known = vec![KeyValue::new(attribute::HTTP_RESPONSE_STATUS_CODE, i64::from(status.as_u16()))];
        known.extend(version.map(|it| KeyValue::new(attribute::NETWORK_PROTOCOL_VERSION, it)));
        if let Some(measured) = &mut self.measured {
            measured.duration.extend(known.iter().cloned());
        }
        if self.span {
            self.cx.span().set_attributes(known);
        }
    }

    pub(super) fn end(mut self, outcome: &Result<Response, ClientError>) {
        let (error, why) = match outcome {
            Ok(response) if response.status().as_u16() >= 400 => {
                (Some(Value::from(response.status().as_str().to_owned())), String::new())
            }
            Ok(_) => (None, String::new()),
            Err(error) => (Some(Value::from(error.kind())), error.to_string()),
        };
        self.close(error, why);
    }

    fn close(&mut self, error: Option<Value>, why: String) {
        self.ended = true;
        let error = error.map(|error| KeyValue::new(attribute::ERROR_TYPE, error));
        if self.span {
            let span = self.cx.span();
            if let Some(error) = &error {
                span.set_attribute(error.clone());
                span.set_status(Status::error(why));
            }
            span.end();
        }
        if let (Some(metrics), Some(mut measured)) = (&self.signals.metrics, self.measured.take()) {
            metrics.active.add(-1, &measured.active);
            measured.duration.extend(error);
            metrics.duration.record(self.started.elapsed().as_secs_f64(), &measured.duration);
        }
    }
}

impl Drop for Attempt {
    /// Nobody waits for the answer any more.
    fn drop(&mut self) {
        if !self.ended {
            self.close(Some(Value::from("cancelled")), "nobody waited for the answer".to_owned());
        }
    }
}
