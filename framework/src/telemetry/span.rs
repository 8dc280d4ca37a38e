use std::borrow::Cow;
use std::future::Future;

use opentelemetry::trace::{
    FutureExt as _, Link, SpanBuilder, SpanContext, SpanKind, TraceContextExt, Tracer,
};
use opentelemetry::{Context, ContextGuard, Key, KeyValue, Value};

use super::Telemetry;
use super::begun::{Begun, Inside};

/// A span of the service's own, child of the current one: see [`ScopedSpan::run`] and [`ScopedSpan::in_scope`]. For the
/// whole of a function there is [`traced`](crate::traced).
///
/// Where nothing is recorded (no telemetry in the context, or a trace that is not sampled), nothing is built
/// either, and the work runs all the same.
///
/// ```
/// # use opentelemetry::Context;
/// # futures_util::future::FutureExt::now_or_never(async {
/// use spanbox::telemetry;
///
/// let total = telemetry::span("calculate_analytics").attribute("orders", 2).run(async { 3 + 4 }).await;
/// assert_eq!(total, 7);
/// # }).unwrap();
/// ```
pub fn span(name: impl Into<Cow<'static, str>>) -> ScopedSpan {
    let telemetry = Context::map_current(|parent| {
        if is_unwanted(parent) {
            None
        } else {
            parent.get::<Telemetry>().filter(|it| it.tracer().is_some()).cloned()
        }
    });
    ScopedSpan {
        name: name.into(),
        kind: SpanKind::Internal,
        attributes: Vec::new(),
        links: Vec::new(),
        telemetry,
    }
}

/// Runs work of which nothing is recorded: what a service does again and again of its own accord, and that says nothing to
/// anybody.
pub async fn unrecorded<F: Future>(work: F) -> F::Output {
    let cx = Context::current().with_telemetry_suppressed();
    work.with_context(cx).await
}

/// Whether a span below the current one would not be recorded, so that nothing has to be built for it.
///
/// The samplers that can be set all decide by the parent or by the trace's id: what is not sampled stays so, and is
/// recorded only below what is.
pub(crate) fn is_unwanted(cx: &Context) -> bool {
    let span = cx.span();
    cx.has_active_span() && !span.span_context().is_sampled() && !span.is_recording()
}

/// A span that is not started yet, see [`span`].
#[must_use = "a span is started by `run`, `in_scope` or `enter`"]
#[derive(Debug)]
pub struct ScopedSpan {
    name: Cow<'static, str>,
    kind: SpanKind,
    attributes: Vec<KeyValue>,
    links: Vec<Link>,
    /// None when nothing is to be recorded.
    telemetry: Option<Telemetry>,
}

impl ScopedSpan {
    /// An attribute of the span. Default none.
    pub fn attribute(mut self, key: impl Into<Key>, value: impl Into<Value>) -> Self {
        if self.telemetry.is_some() {
            self.attributes.push(KeyValue::new(key, value));
        }
        self
    }

    /// The span's kind. Default internal.
    pub fn kind(mut self, kind: SpanKind) -> Self {
        self.kind = kind;
        self
    }

    /// A link to a span of this or of another trace that has to do with this one without being above it. Default
    /// none; what is not valid is left out.
    pub fn link(mut self, to: SpanContext) -> Self {
        if self.telemetry.is_some() && to.is_valid() {
            self.links.push(Link::with_context(to));
        }
        self
    }

    /// Runs the future inside the span, from its first poll until it is done or dropped.
    pub async fn run<F: Future>(self, work: F) -> F::Output {
        let begun = self.begin();
        Inside::new(work, begun.as_ref()).await
    }

    /// Calls the function inside the span, with the context that holds it.
    pub fn in_scope<T>(self, work: impl FnOnce(&Context) -> T) -> T {
        match self.begin() {
            Some(begun) => {
                let _current = begun.enter();
                work(begun.context())
            }
            None => work(&Context::current()),
        }
    }

    /// Makes the span the current one until the guard is dropped, which ends it: for a block that is not worth a
    /// function.
    ///
    /// ```
    /// use spanbox::telemetry;
    ///
    /// fn total(amounts: &[i64]) -> Option<i64> {
    ///     let _span = telemetry::span("sum_up").enter();
    ///     amounts.iter().try_fold(0_i64, |sum, amount| sum.checked_add(*amount))
    /// }
    /// # assert_eq!(total(&[3, 4]), Some(7));
    /// ```
    pub fn enter(self) -> SpanGuard {
        let begun = self.begin();
        SpanGuard { _current: begun.as_ref().map(Begun::enter), _begun: begun }
    }

    pub(crate) fn begin(self) -> Option<Begun> {
        let telemetry = self.telemetry?;
        let tracer = telemetry.tracer()?;
        let builder = SpanBuilder {
            name: self.name,
            span_kind: Some(self.kind),
            attributes: Some(self.attributes),
            links: Some(self.links),
            ..SpanBuilder::default()
        };
        Some(Begun::new(Context::current_with_span(tracer.build(builder))))
    }
}

/// Keeps a span the current one of this thread, see [`ScopedSpan::enter`].
///
/// It must not be held over an `.await`: whatever else the thread does in the meantime would be recorded below its
/// span. It is not `Send`, so that a future that holds one can not be given to another thread; for those that stay on
/// theirs, name it in `await-holding-invalid-types` of your `.clippy.toml`. In a future use [`ScopedSpan::run`].
///
/// ```compile_fail
/// async fn save() {}
///
/// fn spawned() -> impl Future<Output = ()> + Send {
///     async {
///         let _span = spanbox::telemetry::span("save").enter();
///         save().await;
///     }
/// }
/// ```
#[must_use = "the span ends when the guard is dropped"]
#[derive(Debug)]
pub struct SpanGuard {
    // First, since fields are dropped in their order.
    _current: Option<ContextGuard>,
    _begun: Option<Begun>,
}
