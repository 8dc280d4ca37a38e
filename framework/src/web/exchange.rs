//! One request, as it is recorded.

use std::rc::Rc;
use std::time::Instant;

use actix_web::dev::ServiceRequest;
use actix_web::{HttpRequest, HttpResponse};
use opentelemetry::Context;

use super::bodies::Received;
use super::leftover::Leftover;
use super::request::{RequestLayer, Target};
use super::route::known_method;
use super::signals::Sample;

/// One request from its head to its end. Dropped before that, the client has gone: that too is an end.
pub(super) struct Exchange {
    pub(super) layer: Rc<RequestLayer>,
    pub(super) cx: Context,
    sample: Sample,
    received: Option<Received>,
    leftover: Option<Leftover>,
    ended: bool,
}

impl Exchange {
    pub(super) fn begin(
        layer: &Rc<RequestLayer>,
        request: &ServiceRequest,
        received: Option<Received>,
        leftover: Option<Leftover>,
    ) -> Self {
        let mut sample = Sample {
            started: layer.signals.measures().then(Instant::now),
            began: None,
            method: known_method(request.method()),
            secure: request.app_config().secure(),
            told: false,
            pattern: None,
        };
        let host = layer.last_host.read(request.headers());
        let cx = layer.signals.context(request, layer, host.as_deref(), &mut sample);
        let cx = layer.edge.receive(request.request(), host.as_deref(), cx);
        layer.signals.began(&sample, &layer.series);
        Self { layer: Rc::clone(layer), cx, sample, received, leftover, ended: false }
    }

    pub(super) fn end(
        mut self,
        request: Option<&HttpRequest>,
        mut response: HttpResponse,
        error: Option<&'static str>,
    ) -> HttpResponse {
        self.ended = true;
        let RequestLayer { signals, target, series, .. } = &*self.layer;
        if let Target::Mount(_) = target {
            self.sample.pattern = request.and_then(HttpRequest::match_pattern);
        }
        signals.ended(&self.cx, &self.sample, target, series, Some(response.head()), error);
        if signals.measures_bodies() {
            let received = self.received.as_ref();
            response = signals.measure_bodies(&self.sample, target, received, response, error);
        }
        match self.leftover.take() {
            Some(leftover) => leftover.held_by(response),
            None => response,
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.ended {
            let RequestLayer { signals, target, series, .. } = &*self.layer;
            signals.ended(&self.cx, &self.sample, target, series, None, None);
        }
    }
}
