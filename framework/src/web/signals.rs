//! What the web layer of a service records: one span and one measurement a request.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use actix_web::HttpResponse;
use actix_web::dev::{ResponseHead, ServiceRequest};
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use opentelemetry::metrics::{Histogram, UpDownCounter};
use opentelemetry::trace::{SpanBuilder, SpanKind, SpanRef, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_semantic_conventions::attribute::{
    ERROR_TYPE, EXCEPTION_MESSAGE, EXCEPTION_TYPE, HTTP_REQUEST_METHOD, HTTP_RESPONSE_STATUS_CODE,
    HTTP_ROUTE, URL_SCHEME,
};

use super::bodies::{Bodies, Received};
use super::described::described;
use super::excluded::Excluded;
use super::headers::Headers;
use super::host::Host;
use super::request::{RequestLayer, Target};
use super::roots::Roots;
use super::route::RouteMeta;
use super::series::Series;
use super::stream::{Protocol, STREAM_PROTOCOL};
use crate::config::{SamplingSettings, TelemetrySettings, Trust};
use crate::context::TRACEPARENT;
use crate::telemetry::{Asking, Operation, Telemetry};

/// The module that a route belongs to, on its spans and metrics.
pub(crate) const MODULE: &str = "spanbox.module";

/// What the client was told of a failure, on its exception event.
const PUBLIC_MESSAGE: &str = "spanbox.problem.detail";

/// The web layer's instruments and everything else that does not change from request to request. One a service.
pub(crate) struct WebSignals {
    telemetry: Telemetry,
    /// A context with nothing but the service's telemetry in it.
    root: Context,
    /// The same, in which nothing is recorded.
    silent: Context,
    excluded: Excluded,
    sampling: SamplingSettings,
    trust: Trust,
    request_headers: Headers,
    response_headers: Headers,
    metrics: Option<WebMetrics>,
    in_flight: AtomicUsize,
    finished: AtomicUsize,
    cut_off: AtomicUsize,
    downloads: AtomicUsize,
}

struct WebMetrics {
    duration: Histogram<f64>,
    active: UpDownCounter<i64>,
    streams: UpDownCounter<i64>,
    /// None unless they are wanted.
    bodies: Option<Bodies>,
}

impl WebSignals {
    pub(crate) fn new(telemetry: Telemetry, settings: &TelemetrySettings) -> Self {
        let root = telemetry.root();
        let metrics = telemetry.meter().map(|meter| WebMetrics {
            duration: meter
                .f64_histogram("http.server.request.duration")
                .with_unit("s")
                .with_description("How long a request took, from its head to its answer.")
                .with_boundaries(vec![
                    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
                ])
                .build(),
            active: meter
                .i64_up_down_counter("http.server.active_requests")
                .with_unit("{request}")
                .with_description("Requests that are being answered.")
                .build(),
            streams: meter
                .i64_up_down_counter("spanbox.web.streams")
                .with_unit("{stream}")
                .with_description("Answers that go on after their head.")
                .build(),
            bodies: settings.body_sizes.then(|| Bodies::new(meter)),
        });
        let silent = root.with_telemetry_suppressed();
        Self {
            telemetry,
            root,
            silent,
            excluded: Excluded::new(&settings.excluded_paths),
            sampling: settings.sampling.clone(),
            trust: settings.trust.clone(),
            request_headers: Headers::new("http.request.header.", &settings.capture.request_headers),
            response_headers: Headers::new("http.response.header.", &settings.capture.response_headers),
            metrics,
            in_flight: AtomicUsize::new(0),
            finished: AtomicUsize::new(0),
            cut_off: AtomicUsize::new(0),
            downloads: AtomicUsize::new(0),
        }
    }

    /// Requests that are being answered now.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Requests that ended without an answer since the start: cut off by their client or by a stop.
    pub(crate) fn cut_off(&self) -> usize {
        self.cut_off.load(Ordering::Relaxed)
    }

    /// Requests that have been answered since the start.
    pub(crate) fn finished(&self) -> usize {
        self.finished.load(Ordering::Relaxed)
    }

    /// What the requests of a route, or of anything else in these modules, begin in.
    pub(crate) fn roots(&self, modules: &[&'static str], route: Option<&RouteMeta>) -> Roots {
        Roots::new(&self.telemetry, &self.root, &self.excluded, &self.sampling, modules, route)
    }

    /// The context that a request is answered in: its span on top of the caller's, if it is recorded.
    pub(super) fn context(
        &self,
        request: &ServiceRequest,
        layer: &RequestLayer,
        host: Option<&Host>,
        sample: &mut Sample,
    ) -> Context {
        let RequestLayer { target, roots, .. } = layer;
        if roots.excludes(&self.excluded, request.path()) {
            return self.silent.clone();
        }
        let (root, headers) = (roots.of(request.method()), request.headers());
        let trusted = self.trust.includes(request.peer_addr().map(|peer| peer.ip()));
        let mut parent = if trusted { self.telemetry.extract(root, headers) } else { Cow::Borrowed(root) };
        if self.telemetry.database().comment
            && let Some(asking) = target.asking()
        {
            parent = Cow::Owned(parent.with_value(asking));
        }
        let Some(tracer) = self.telemetry.tracer() else { return parent.into_owned() };
        // Nothing is built for a trace that is not recorded.
        if let Some(unrecorded) = self.telemetry.unrecorded_below(&parent) {
            return unrecorded;
        }
        let name = match target {
            Target::Route(route) => route.span_name(request.method()),
            Target::Mount(_) | Target::Nothing => bare_name(sample.method),
        };
        let mut attributes = described(request, target, sample.method, host);
        if !self.request_headers.is_empty() {
            attributes.extend(self.request_headers.attributes(headers));
        }
        sample.began = sample.started.map(|_| SystemTime::now());
        let builder = SpanBuilder {
            name: name.into(),
            span_kind: Some(SpanKind::Server),
            attributes: Some(attributes),
            start_time: sample.began,
            ..SpanBuilder::default()
        };
        let cx = parent.with_span(tracer.build_with_context(builder, &parent));
        if !trusted && cx.span().is_recording() {
            link_caller(&self.telemetry, &cx.span(), headers);
        }
        sample.told = true;
        Operation::begin(&self.telemetry, cx)
    }

    pub(super) fn began(&self, sample: &Sample, series: &Series) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        if let Some(metrics) = &self.metrics {
            series.count(&metrics.active, sample, 1);
        }
    }

    /// `response` is `None` when the client went away before there was an answer.
    pub(super) fn ended(
        &self,
        cx: &Context,
        sample: &Sample,
        target: &Target,
        series: &Series,
        response: Option<&ResponseHead>,
        error: Option<&'static str>,
    ) {
        let status = response.map(|response| response.status);
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        let ended = if status.is_some() { &self.finished } else { &self.cut_off };
        ended.fetch_add(1, Ordering::Relaxed);
        let took = sample.elapsed();
        if sample.told {
            let span = cx.span();
            if let Some(status) = status {
                span.set_attribute(KeyValue::new(HTTP_RESPONSE_STATUS_CODE, i64::from(status.as_u16())));
            }
            if let Some(response) = response
                && !self.response_headers.is_empty()
            {
                span.set_attributes(self.response_headers.attributes(response.headers()));
            }
            if let Some(error) = error_type(status, error) {
                span.set_attribute(KeyValue::new(ERROR_TYPE, error));
            }
            if let Some(pattern) = &sample.pattern {
                span.update_name(format!("{} {pattern}", bare_name(sample.method)));
                span.set_attribute(KeyValue::new(HTTP_ROUTE, pattern.clone()));
            }
            if status.is_some_and(|status| status.is_server_error()) {
                span.set_status(Status::error(""));
            }
            Operation::end(&self.telemetry, cx);
            match sample.began.and_then(|began| began.checked_add(took)) {
                Some(end) => span.end_with_timestamp(end),
                None => span.end(),
            }
        }
        if let Some(metrics) = &self.metrics {
            series.count(&metrics.active, sample, -1);
            let (duration, took) = (&metrics.duration, took.as_secs_f64());
            match (status, error, &sample.pattern) {
                (Some(status), None, None) => series.record(duration, sample, target, status, took),
                _ => duration.record(took, &sample.attributes(target, status, error)),
            }
        }
    }
}

impl WebSignals {
    /// Downloads whose end is not sent yet.
    pub(crate) fn downloads(&self) -> usize {
        self.downloads.load(Ordering::Relaxed)
    }

    /// An answer goes on after its head.
    pub(super) fn stream_began(&self, protocol: Protocol) {
        if protocol == Protocol::Download {
            self.downloads.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(metrics) = &self.metrics {
            metrics.streams.add(1, &[KeyValue::new(STREAM_PROTOCOL, protocol.name())]);
        }
    }

    pub(super) fn stream_ended(&self, protocol: Protocol) {
        if protocol == Protocol::Download {
            self.downloads.fetch_sub(1, Ordering::Relaxed);
        }
        if let Some(metrics) = &self.metrics {
            metrics.streams.add(-1, &[KeyValue::new(STREAM_PROTOCOL, protocol.name())]);
        }
    }

    /// Whether requests are measured.
    pub(super) fn measures(&self) -> bool {
        self.metrics.is_some()
    }

    pub(super) fn measures_bodies(&self) -> bool {
        self.metrics.as_ref().is_some_and(|metrics| metrics.bodies.is_some())
    }

    /// Measures the bodies of a request that has ended and of its answer, if that is wanted.
    pub(super) fn measure_bodies(
        &self,
        sample: &Sample,
        target: &Target,
        received: Option<&Received>,
        response: HttpResponse,
        error: Option<&'static str>,
    ) -> HttpResponse {
        let Some(bodies) = self.metrics.as_ref().and_then(|metrics| metrics.bodies.clone()) else {
            return response;
        };
        let attributes = sample.attributes(target, Some(response.status()), error);
        if let Some(received) = received {
            bodies.received(received, &attributes);
        }
        bodies.answered(response, attributes)
    }
}

/// What a request is measured by.
pub(super) struct Sample {
    /// None where nobody wants to know.
    pub(super) started: Option<Instant>,
    /// When its span began, where it is measured as well: the span is as long as what is measured, by one look at the clock.
    pub(super) began: Option<SystemTime>,
    pub(super) method: &'static str,
    pub(super) secure: bool,
    /// Whether a span tells of it.
    pub(super) told: bool,
    /// The route of a mounted service, once it is known.
    pub(super) pattern: Option<String>,
}

impl Sample {
    fn elapsed(&self) -> Duration {
        self.started.map_or(Duration::ZERO, |started| started.elapsed())
    }

    const fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    pub(super) fn active_attributes(&self) -> [KeyValue; 2] {
        [KeyValue::new(HTTP_REQUEST_METHOD, self.method), KeyValue::new(URL_SCHEME, self.scheme())]
    }

    pub(super) fn attributes(
        &self,
        target: &Target,
        status: Option<StatusCode>,
        error: Option<&'static str>,
    ) -> Vec<KeyValue> {
        let mut attributes = Vec::with_capacity(6);
        attributes.extend(self.active_attributes());
        if let Some(pattern) = &self.pattern {
            attributes.push(KeyValue::new(HTTP_ROUTE, pattern.clone()));
        }
        target.describe(&mut attributes);
        if let Some(status) = status {
            attributes.push(KeyValue::new(HTTP_RESPONSE_STATUS_CODE, i64::from(status.as_u16())));
        }
        if let Some(error) = error_type(status, error) {
            attributes.push(KeyValue::new(ERROR_TYPE, error));
        }
        attributes
    }
}

/// `error.type`: what happened if that has a name, else the status code of a server error.
fn error_type(status: Option<StatusCode>, error: Option<&'static str>) -> Option<opentelemetry::Value> {
    match (error, status) {
        (Some(error), _) => Some(error.into()),
        (None, Some(status)) if status.is_server_error() => Some(status.as_str().to_owned().into()),
        (None, None) => Some("client_disconnected".into()),
        (None, Some(_)) => None,
    }
}

/// Records on the request's span why it failed: the cause with what it came from, and apart from it what the client
/// is told.
pub(super) fn record_cause(cx: &Context, kind: &str, cause: &str, public: Option<&str>) {
    let span = cx.span();
    if !span.is_recording() {
        return;
    }
    let mut attributes = vec![
        KeyValue::new(EXCEPTION_TYPE, kind.to_owned()),
        KeyValue::new(EXCEPTION_MESSAGE, cause.to_owned()),
    ];
    attributes.extend(public.map(|public| KeyValue::new(PUBLIC_MESSAGE, public.to_owned())));
    span.add_event("exception", attributes);
}

/// What a caller who is not trusted says of its trace is not followed, and not lost.
fn link_caller(telemetry: &Telemetry, span: &SpanRef<'_>, headers: &HeaderMap) {
    if headers.contains_key(&TRACEPARENT) {
        let caller = telemetry.extract(&Context::new(), headers).span().span_context().clone();
        if caller.is_valid() {
            span.add_link(caller, Vec::new());
        }
    }
}

/// The span's name where no route gives one.
const fn bare_name(method: &'static str) -> &'static str {
    match method.as_bytes() {
        b"_OTHER" => "HTTP",
        _ => method,
    }
}

impl Target {
    /// What its statements say of it.
    fn asking(&self) -> Option<Asking> {
        match self {
            Self::Route(route) => Some(Asking { module: route.module, route: Some(route.pattern) }),
            Self::Mount(module) => Some(Asking { module, route: None }),
            Self::Nothing => None,
        }
    }
}
