use std::any::type_name;
use std::sync::Arc;

use actix_web::guard::{self, GuardContext};
use actix_web::http::Method;
use actix_web::{FromRequest, Handler, Responder, web};
use serde::Serialize;

/// A module's guard.
pub(super) type Guard = Arc<dyn Fn(&GuardContext<'_>) -> bool + Send + Sync>;

/// Services of actix itself below a path.
pub(super) struct Mount {
    pub(super) path: String,
    pub(super) configure: Arc<dyn Fn(&mut web::ServiceConfig) + Send + Sync>,
}

/// A method, a path and a handler, before they are part of a service.
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) handler: &'static str,
    /// Every worker makes its own.
    pub(super) make: Arc<dyn Fn() -> actix_web::Route + Send + Sync>,
}

impl Route {
    pub(super) fn new<F, Args>(method: Method, path: &str, handler: F) -> Self
    where
        F: Handler<Args> + Send + Sync,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let answered = method.clone();
        Self {
            method,
            path: path.to_owned(),
            handler: type_name::<F>(),
            make: Arc::new(move || {
                let route = web::route().to(handler.clone());
                // HEAD is GET without the body, which the server leaves out by itself.
                if answered == Method::GET {
                    route.guard(guard::Any(guard::Get()).or(guard::Head()))
                } else {
                    route.guard(guard::Method(answered.clone()))
                }
            }),
        }
    }
}

/// A route as a person sees it.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouteInfo {
    /// `GET`, `POST`, …
    pub method: String,
    /// The full pattern, e.g. `/api/orders/{id}`.
    pub pattern: String,
    /// The module it belongs to.
    pub module: String,
    /// The path of the handler function.
    pub handler: String,
}
