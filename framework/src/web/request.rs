//! What surrounds every handler: its span, its limits, its module's hooks and the service's middlewares.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::error::InternalError;
use actix_web::http::header::HeaderMap;
use actix_web::http::{ConnectionType, Method};
use actix_web::{Error, HttpMessage as _, HttpRequest, HttpResponse, ResponseError as _};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use opentelemetry::Context;
use opentelemetry::trace::FutureExt as _;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::around::{Around, Inner};
use super::edge::Edge;
use super::exchange::Exchange;
use super::explain::{explain, panicked, timed_out};
use super::hooks::Hooks;
use super::host::LastHost;
use super::limits::Limits;
use super::problem::Problem;
use super::roots::Roots;
use super::route::RouteMeta;
use super::series::Series;
use super::shed::Spared;
use super::signals::WebSignals;
use crate::context;

/// What middlewares have besides `server.request_timeout`, so that they still see the answer at its end.
const FOR_MIDDLEWARES: Duration = Duration::from_secs(1);

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
    pub(crate) edge: Arc<Edge>,
    pub(crate) target: Target,
    pub(crate) spared: Spared,
    pub(crate) roots: Roots,
    pub(crate) hooks: Arc<Hooks>,
    /// The middlewares around hooks and handler, the outermost first.
    pub(crate) around: Arc<[Around]>,
    pub(crate) series: Series,
    pub(crate) last_host: LastHost,
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
        let layer = Rc::new(self.clone());
        Box::pin(async move {
            let service = Rc::new(service);
            if layer.around.is_empty() {
                return Ok(RequestService { handling: Handling::Plain(service), layer });
            }
            let of = Rc::clone(&layer);
            let mut inner =
                Inner::new(move |request| surrounded(Rc::clone(&service), Rc::clone(&of), request));
            for around in layer.around.iter().rev() {
                inner = around(inner).await?;
            }
            Ok(RequestService { handling: Handling::Wrapped(inner), layer })
        })
    }
}

pub(crate) struct RequestService<S> {
    handling: Handling<S>,
    layer: Rc<RequestLayer>,
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

impl<S> Handling<S> {
    /// How long all of it may take; what is surrounded has the limit for itself.
    fn limit(&self, limit: Duration) -> Duration {
        match self {
            Self::Wrapped(_) if !limit.is_zero() => limit + FOR_MIDDLEWARES,
            _ => limit,
        }
    }
}

/// An answer, or an error with the request if it is still there.
type Handled = Result<ServiceResponse<BoxBody>, (Option<HttpRequest>, Error)>;

/// What came of hooks and handler: what they made, a panic, or the end of the time.
type Outcome = Result<std::thread::Result<Handled>, Elapsed>;

/// Waits for work, within the limit. The work stays where it is: it would be copied from place to place, each of which is
/// room in the future of the request.
async fn within(limit: Duration, work: Pin<&mut impl Future<Output = Handled>>) -> Outcome {
    let work = AssertUnwindSafe(work).catch_unwind();
    if limit.is_zero() { Ok(work.await) } else { timeout(limit, work).await }
}

// The arguments of an `async fn` have room in its future twice, and are copied when it is first polled; those of the functions
// below are where they are used.

#[expect(clippy::manual_async_fn, reason = "as said above")]
fn handle<S>(service: &S, layer: &RequestLayer, request: ServiceRequest) -> impl Future<Output = Handled>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    async move {
        let refused = |request: ServiceRequest, problem: Problem| -> Handled {
            Err((Some(request.into_parts().0), Error::from(problem)))
        };
        if let Err(problem) = layer.edge.admit(&request, &layer.target, &layer.spared) {
            return refused(request, problem);
        }
        for before in layer.hooks.before.iter().chain(&layer.hooks.admit) {
            if let Err(problem) = before(request.request().clone()).await {
                return refused(request, problem);
            }
        }
        service.call(request).await.map_err(|error| (None, error))
    }
}

/// What the innermost middleware sees: an answer, also where there is none because of an error, a panic or the end of the
/// time. What it puts on that answer stays there.
fn surrounded<S>(
    service: Rc<S>,
    layer: Rc<RequestLayer>,
    request: ServiceRequest,
) -> impl Future<Output = Result<ServiceResponse<BoxBody>, Error>>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    let (spare, limit) = (layer.spare(&request), layer.limits.request_timeout);
    async move {
        let cx = Context::current();
        let outcome = {
            let work = pin!(handle(&*service, &layer, request));
            within(limit, work).await
        };
        let (http, response, failure) = layer.finished(&cx, outcome, limit, spare);
        let Some(http) = http else {
            return Err(InternalError::from_response("a mounted service failed", response).into());
        };
        let (response, failure) = layer.explained(&cx, &http, response, failure);
        if let Some(failure) = failure {
            http.extensions_mut().insert(Failure(failure));
        }
        Ok(ServiceResponse::new(http, response))
    }
}

/// What a request failed of, where a middleware still had to see its answer.
struct Failure(&'static str);

impl RequestLayer {
    /// The request for whoever needs it when it is over. The router of mounted services wants it for itself alone.
    fn spare(&self, request: &ServiceRequest) -> Option<HttpRequest> {
        (!matches!(self.target, Target::Mount(_))).then(|| request.request().clone())
    }

    /// The answer that came, or one for whatever else did; also what it failed of.
    fn finished(
        &self,
        cx: &Context,
        outcome: Outcome,
        limit: Duration,
        spare: Option<HttpRequest>,
    ) -> (Option<HttpRequest>, HttpResponse, Option<&'static str>) {
        match outcome {
            Ok(Ok(Ok(response))) => {
                let (http, response) = response.into_parts();
                (Some(http), response, None)
            }
            Ok(Ok(Err((http, error)))) => (http.or(spare), HttpResponse::from_error(error), None),
            Ok(Err(panic)) => (spare, HttpResponse::from_error(panicked(cx, &*panic)), Some("panic")),
            Err(_) => (spare, HttpResponse::from_error(timed_out(limit)), Some("timeout")),
        }
    }

    /// The answer that an error becomes, and nothing left of the error, so that it is told once.
    fn explained(
        &self,
        cx: &Context,
        http: &HttpRequest,
        response: HttpResponse,
        failure: Option<&'static str>,
    ) -> (HttpResponse, Option<&'static str>) {
        let explain = AssertUnwindSafe(|| explain(cx, &self.hooks, Some(http), response, failure));
        match catch_unwind(explain) {
            Ok(response) => (HttpResponse::from(actix_http::Response::from(response)), failure),
            Err(panic) => (panicked(cx, &*panic).error_response(), Some("panic")),
        }
    }
}

impl<S> RequestService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
{
    pub(crate) fn respond(
        &self,
        mut request: ServiceRequest,
    ) -> impl Future<Output = Result<ServiceResponse<BoxBody>, Error>> + use<S> {
        let measured = self.layer.signals.measures_bodies();
        let (received, leftover) = self.layer.limits.apply(&mut request, measured);
        let exchange = Exchange::begin(&self.layer, &request, received, leftover);
        let cx = exchange.cx.clone();
        if matches!(self.layer.target, Target::Mount(_)) {
            // Whoever reads the headers below this span (another instrumentation) continues from here, and learns of the
            // caller what this span follows.
            continue_from(&cx, request.headers_mut());
        }
        answer(self.handling.clone(), request, exchange).with_context(cx)
    }
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

    fn call(&self, request: ServiceRequest) -> Self::Future {
        Box::pin(self.respond(request))
    }
}

fn continue_from(cx: &Context, headers: &mut HeaderMap) {
    let said = ["traceparent", "tracestate", "baggage"].map(|name| headers.remove(name).next().is_some());
    if said.contains(&true) {
        context::inject(cx, headers);
    }
}

/// Runs the hooks and the handler; whatever they do, there is an answer.
fn answer<S>(
    handling: Handling<S>,
    request: ServiceRequest,
    exchange: Exchange,
) -> impl Future<Output = Result<ServiceResponse<BoxBody>, Error>>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    let (head, spare) = (request.method() == Method::HEAD, exchange.layer.spare(&request));
    async move {
        let layer = &*exchange.layer;
        let limit = handling.limit(layer.limits.request_timeout);
        let outcome = {
            let work = pin!(async {
                match &handling {
                    Handling::Plain(service) => handle(&**service, layer, request).await,
                    Handling::Wrapped(inner) => inner.call(request).await.map_err(|error| (None, error)),
                }
            });
            within(limit, work).await
        };
        let (http, mut response, mut failure) = layer.finished(&exchange.cx, outcome, limit, spare);
        if let (Handling::Wrapped(_), Some(http)) = (&handling, &http) {
            failure = failure.or(http.extensions_mut().remove::<Failure>().map(|failure| failure.0));
        }
        if response.error().is_some() || !layer.hooks.after.is_empty() {
            // The hooks are the module's code as much as the handler is.
            let finish =
                AssertUnwindSafe(|| finish(&exchange.cx, &layer.hooks, http.as_ref(), response, failure));
            response = catch_unwind(finish).unwrap_or_else(|panic| {
                failure = Some("panic");
                panicked(&exchange.cx, &*panic).error_response()
            });
        }
        layer.edge.finish(&exchange.cx, http.as_ref(), &mut response);
        if let (Some(http), Some(compression)) = (&http, &layer.edge.compression) {
            response = compression.compress(http, response);
        }
        if head {
            response = without_body(response);
        }
        response = exchange.end(http.as_ref(), response, failure);
        match http {
            Some(http) => Ok(ServiceResponse::new(http, response)),
            None => Err(InternalError::from_response("a mounted service failed", response).into()),
        }
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
