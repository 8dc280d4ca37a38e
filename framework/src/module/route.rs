use std::any::type_name;
use std::sync::Arc;

use actix_web::guard::GuardContext;
use actix_web::http::Method;
use actix_web::{FromRequest, Handler, Responder, web};
use serde::Serialize;

use crate::web::Principal;

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
    /// Who may ask, as far as the types of its arguments tell.
    pub(super) auth: Option<&'static str>,
    /// Every worker makes its own, for any method.
    pub(super) make: Arc<dyn Fn() -> actix_web::Route + Send + Sync>,
}

impl Route {
    pub(super) fn new<F, Args>(method: Method, path: &str, handler: F) -> Self
    where
        F: Handler<Args> + Send + Sync,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        Self {
            method,
            path: path.to_owned(),
            handler: type_name::<F>(),
            auth: demanded(type_name::<Args>()),
            make: Arc::new(move || web::route().to(handler.clone())),
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
    /// What surrounds it, in the order in which a request comes by: what extensions say that they put around all requests
    /// ([`Extension::SURROUNDS`](crate::ext::Extension::SURROUNDS)), then the guards and hooks of the service, of the modules
    /// around and of its own, as `before orders::auth::check`.
    pub middleware: Vec<String>,
    /// Who may ask: the security schemes of the service's description, such as `bearer`; `public`; `optional bearer`. Where
    /// there is no description, `signed in` or `optional` if the handler takes a
    /// [`Principal`](crate::web::Principal). `None` if nobody knows.
    pub auth: Option<String>,
}

/// What a handler with these arguments asks of whoever calls it.
fn demanded(arguments: &str) -> Option<&'static str> {
    let principal = type_name::<Principal>();
    if arguments.contains(&format!("Option<{principal}>")) {
        Some("optional")
    } else if arguments.contains(principal) {
        Some("signed in")
    } else {
        None
    }
}

/// A hook, by what it is for and the function that it is; a closure by the function that it stands in.
pub(super) fn hook<F>(what: &str) -> String {
    format!("{what} {}", type_name::<F>().replace("::{{closure}}", ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_handler_demands_is_seen_by_its_arguments() {
        assert_eq!(demanded(type_name::<(String, Principal)>()), Some("signed in"));
        assert_eq!(demanded(type_name::<(Option<Principal>,)>()), Some("optional"));
        assert_eq!(demanded(type_name::<(String,)>()), None);
    }
}
