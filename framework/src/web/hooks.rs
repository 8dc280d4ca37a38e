//! What the modules around a route do before and after its handler.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse};
use futures_util::future::LocalBoxFuture;

use super::problem::Problem;

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
    /// Like `before`, and after all of these.
    pub(crate) admit: Vec<Before>,
    pub(crate) after: Vec<After>,
    pub(crate) on_error: Vec<OnError>,
}

impl Hooks {
    /// Puts the hooks of an inner module inside these.
    pub(crate) fn extend(&mut self, inner: &Self) {
        self.before.extend(inner.before.iter().cloned());
        self.admit.extend(inner.admit.iter().cloned());
        self.after.extend(inner.after.iter().cloned());
        self.on_error.extend(inner.on_error.iter().cloned());
    }
}
