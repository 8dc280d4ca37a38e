//! What surrounds every handler: its span, its limits, its module's hooks, and the one place where errors become
//! answers.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::body::BoxBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::error::InternalError;
use actix_web::http::header::HeaderMap;
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::{Error, HttpRequest, HttpResponse, ResponseError as _};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use opentelemetry::Context;
use opentelemetry::trace::FutureExt as _;
use tokio::time::timeout;

use super::around::{Around, Inner};
use super::bodies::Received;
use super::limits::Limits;
use super::problem::{Problem, from_foreign, is_problem, kind_of};
use super::roots::Roots;
use super::route::{RouteMeta, known_method};
use super::signals::{Sample, WebSignals, record_cause};
use crate::context;
use crate::telemetry::panic_message;

/// Looks at a request before its handler does, and may answer in its place with an error.
pub(crate) type Before =
    Arc<dyn Fn(HttpRequest) -> LocalBoxFuture<'static, Result<(), Problem>> + Send + Sync>;
/// Looks at an answer, and may change it, before it is sent.
pub(crate) type After = Arc<dyn Fn(&HttpRequest, &mut HttpResponse) + Send + Sync>;
/// Answers an error in a module's own way, or leaves it to the next.
pub(crate) type OnError = Arc<dyn Fn(&HttpRequest, &Problem) -> Option<HttpResponse> + Send + Sync>;

/// The hooks around a route, those of the outer modules first.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) before: Vec<Before>,
    pub(crate) after: Vec<After>,
    pub(crate) on_error: Vec<OnError>,
}

impl Hooks {
    /// Puts the hooks of an inner module inside these.
    pub(crate) fn extend(&mut self, inner: &Self) {
        self.before.extend(inner.before.iter().cloned());
        self.after.extend(inner.after.iter().cloned());
        self.on_error.extend(inner.on_error.iter().cloned());
    }
}

/// What a request is for.
#[derive(Clone)]
pub(crate) enum Target {
    /// A route of a module, whose names are fixed.
    Route(Arc<RouteMeta>),
    /// Services of actix itself that a module mounts: which one it is, is known when it has answered.
    Mount(&'static str),
    /// No route matches.
    Nothing,
}

/// Wraps a resource in its request span.
#[derive(Clone)]
pub(crate) struct RequestLayer {
    pub(crate) signals: Arc<WebSignals>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) target: Target,
    pub(crate) roots: Roots,
    pub(crate) hooks: Arc<Hooks>,
    /// The middlewares around hooks and handler, the outermost first.
    pub(crate) around: Arc<[Around]>,
}

impl<S> Transform<S, ServiceRequest> for RequestLayer
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Transform = RequestService<S>;
    type InitError = ();
    type Future = LocalBoxFuture<'static, Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let layer = self.clone();
        Box::pin(async move {
            let service = Rc::new(service);
            if layer.around.is_empty() {
                return Ok(RequestService { handling: Handling::Plain(service), layer });
            }
            let hooks = Arc::clone(&layer.hooks);
            let mut inner = Inner::new(move |request| {
                let (service, hooks) = (Rc::clone(&service), Arc::clone(&hooks));
                async move {
                    match handle(&*service, &hooks, request).await {
                        Err((Some(request), error)) => {
                            Ok(ServiceResponse::new(request, HttpResponse::from_error(error)))
                        }
                        other => other.map_err(|(_, error)| error),
                    }
                }
            });
            for around in layer.around.iter().rev() {
                inner = around(inner).await?;
            }
            Ok(RequestService { handling: Handling::Wrapped(inner), layer })
        })
    }
}

pub(crate) struct RequestService<S> {
    handling: Handling<S>,
    layer: RequestLayer,
}

/// Hooks and handler: by themselves, or with middlewares around them.
enum Handling<S> {
    Plain(Rc<S>),
    Wrapped(Inner),
}

impl<S> Clone for Handling<S> {
    fn clone(&self) -> Self {
        match self {
            Self::Plain(service) => Self::Plain(Rc::clone(service)),
            Self::Wrapped(inner) => Self::Wrapped(inner.clone()),
        }
    }
}

impl<S> Handling<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    async fn call(&self, hooks: &Hooks, request: ServiceRequest) -> Handled {
        match self {
            Self::Plain(service) => handle(&**service, hooks, request).await,
            Self::Wrapped(inner) => inner.call(request).await.map_err(|error| (None, error)),
        }
    }
}

/// An answer, or an error with the request if it is still there.
type Handled = Result<ServiceResponse<BoxBody>, (Option<HttpRequest>, Error)>;

async fn handle<S>(service: &S, hooks: &Hooks, request: ServiceRequest) -> Handled
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    for before in &hooks.before {
        if let Err(problem) = before(request.request().clone()).await {
            return Err((Some(request.into_parts().0), Error::from(problem)));
        }
    }
    service.call(request).await.map_err(|error| (None, error))
}

impl<S> Service<ServiceRequest> for RequestService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    // What actix has below a resource or a scope always is.
    actix_web::dev::always_ready!();

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let received = self.layer.limits.apply(&mut request, self.layer.signals.measures_bodies());
        let exchange = Exchange::begin(&self.layer, &request, received);
        let cx = exchange.cx.clone();
        if matches!(self.layer.target, Target::Mount(_)) {
            // Whoever reads the headers below this span (another instrumentation) continues from here, and learns of the
            // caller what this span follows.
            continue_from(&cx, request.headers_mut());
        }
        Box::pin(answer(self.handling.clone(), self.layer.clone(), request, exchange).with_context(cx))
    }
}

fn continue_from(cx: &Context, headers: &mut HeaderMap) {
    let said = ["traceparent", "tracestate", "baggage"].map(|name| headers.remove(name).next().is_some());
    if said.contains(&true) {
        context::inject(cx, headers);
    }
}

/// Runs the hooks and the handler; whatever they do, there is an answer.
async fn answer<S>(
    handling: Handling<S>,
    layer: RequestLayer,
    request: ServiceRequest,
    exchange: Exchange,
) -> Result<ServiceResponse<BoxBody>, Error>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    let head = request.method() == Method::HEAD;
    // The router of mounted services wants the request for itself alone.
    let spare = (!matches!(layer.target, Target::Mount(_))).then(|| request.request().clone());
    let work = async {
        let handled = handling.call(&layer.hooks, request).await;
        handled.map_err(|(request, error)| (request.or_else(|| spare.clone()), error))
    };
    let limit = layer.limits.request_timeout;
    let work = AssertUnwindSafe(work).catch_unwind();
    let outcome = if limit.is_zero() { Ok(work.await) } else { timeout(limit, work).await };

    let failed = |http, problem: Problem, error| (http, HttpResponse::from_error(problem), Some(error));
    let (http, response, error) = match outcome {
        Ok(Ok(Ok(response))) => {
            let (http, response) = response.into_parts();
            (Some(http), response, None)
        }
        Ok(Ok(Err((http, error)))) => (http, HttpResponse::from_error(error), None),
        Ok(Err(panic)) => failed(spare.clone(), panicked(&exchange.cx, &*panic), "panic"),
        Err(_elapsed) => failed(spare.clone(), timed_out(limit), "timeout"),
    };
    // The hooks are the module's code as much as the handler is.
    let finish = AssertUnwindSafe(|| finish(&exchange.cx, &layer.hooks, http.as_ref(), response, error));
    let (response, error) = match catch_unwind(finish) {
        Ok(response) => (response, error),
        Err(panic) => (panicked(&exchange.cx, &*panic).error_response(), Some("panic")),
    };
    let response = if head { without_body(response) } else { response };
    let response = exchange.end(http.as_ref(), response, error);
    match http {
        Some(http) => Ok(ServiceResponse::new(http, response)),
        None => Err(InternalError::from_response("a mounted service failed", response).into()),
    }
}

/// The answer to HEAD. The server would leave the body out by itself, but forgets which request was HEAD when another
/// has arrived behind it on the same connection, and then sends the body to a client that takes it for the next
/// answer; so there is none, and the connection ends.
pub(crate) fn without_body(response: HttpResponse) -> HttpResponse {
    let mut response = response.map_body(|_, _| BoxBody::new(actix_web::body::None::new()));
    response.head_mut().set_connection_type(ConnectionType::Close);
    response
}

fn panicked(cx: &Context, panic: &(dyn Any + Send)) -> Problem {
    let message = panic_message(panic);
    tracing::error!(panic = message, "a handler panicked");
    record_cause(cx, "panic", message, None);
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal")
}

fn timed_out(limit: Duration) -> Problem {
    tracing::warn!(?limit, "a request was cut off by server.request_timeout");
    Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout")
        .detail(format!("there was no answer within {limit:?}"))
}

/// Explains an error and lets the module's hooks see the answer. Nobody's hooks see the failure of a mounted
/// service, whose request is gone.
fn finish(
    cx: &Context,
    hooks: &Hooks,
    request: Option<&HttpRequest>,
    response: HttpResponse,
    recorded: Option<&'static str>,
) -> HttpResponse {
    let mut response = explain(cx, hooks, request, response, recorded);
    if let Some(request) = request {
        for after in hooks.after.iter().rev() {
            after(request, &mut response);
        }
    }
    response
}

/// Makes a problem document of an error that is none yet, records the cause of a failure unless that is done
/// (`recorded`), and asks the module's error handlers.
fn explain(
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
        if failed {
            tracing::error!(problem = problem.kind(), cause, "a request failed");
        }
        record_cause(cx, problem.kind(), &cause, problem.public_detail());
    }
    let own = request
        .and_then(|request| hooks.on_error.iter().rev().find_map(|on_error| on_error(request, problem)));
    match own {
        Some(own) => own,
        None if is_problem(&response) => response,
        None => problem.error_response(),
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

/// One request from its head to its end. Dropped before that, the client has gone: that too is an end.
struct Exchange {
    signals: Arc<WebSignals>,
    cx: Context,
    sample: Sample,
    received: Option<Received>,
    ended: bool,
}

impl Exchange {
    fn begin(layer: &RequestLayer, request: &ServiceRequest, received: Option<Received>) -> Self {
        let sample = Sample {
            started: Instant::now(),
            method: known_method(request.method()),
            secure: request.app_config().secure(),
            target: layer.target.clone(),
            pattern: None,
        };
        let cx = layer.signals.context(request, &layer.target, &layer.roots);
        layer.signals.began(&sample);
        Self { signals: Arc::clone(&layer.signals), cx, sample, received, ended: false }
    }

    fn end(
        mut self,
        request: Option<&HttpRequest>,
        response: HttpResponse,
        error: Option<&'static str>,
    ) -> HttpResponse {
        self.ended = true;
        if let Target::Mount(_) = self.sample.target {
            self.sample.pattern = request.and_then(HttpRequest::match_pattern);
        }
        self.signals.ended(&self.cx, &self.sample, Some(response.head()), error);
        self.signals.measure_bodies(&self.sample, self.received.as_ref(), response, error)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.ended {
            self.signals.ended(&self.cx, &self.sample, None, None);
        }
    }
}

/// The answer of a path that no route matches.
pub(crate) async fn no_such_route(request: HttpRequest) -> Result<HttpResponse, Problem> {
    Err(Problem::not_found(format!("there is nothing at {}", request.path())))
}

/// The answer of a route that does not know the method.
pub(crate) fn method_not_allowed(allow: &str) -> Problem {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let problem = Problem::new(status, kind_of(status)).detail(format!("this resource answers {allow}"));
    match actix_web::http::header::HeaderValue::from_str(allow) {
        Ok(allow) => problem.header(actix_web::http::header::ALLOW, allow),
        Err(_) => problem,
    }
}
