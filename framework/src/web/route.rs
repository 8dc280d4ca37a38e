use actix_web::http::Method;

/// What the request span and the metrics say of a route. Made once, when the service is built: no request formats
/// a name.
#[derive(Debug)]
pub(crate) struct RouteMeta {
    /// `http.route`, e.g. `/api/orders/{id}`.
    pub(crate) pattern: &'static str,
    /// The module it belongs to.
    pub(crate) module: &'static str,
    /// The span's name by method, e.g. `GET /api/orders/{id}`.
    names: Vec<(Method, &'static str)>,
    /// The span's name for any other method, which is the client's to choose.
    other: &'static str,
    /// The methods it answers, for `Allow`.
    pub(crate) allow: String,
}

impl RouteMeta {
    /// The names live as long as the process: a route is a thing that a program has a fixed number of.
    pub(crate) fn new(pattern: &str, module: &'static str, methods: &[Method]) -> Self {
        let pattern: &'static str = String::leak(pattern.to_owned());
        let mut methods = methods.to_vec();
        if methods.contains(&Method::GET) && !methods.contains(&Method::HEAD) {
            methods.push(Method::HEAD);
        }
        let names = methods
            .iter()
            .map(|method| (method.clone(), &*String::leak(format!("{method} {pattern}"))))
            .collect();
        let allow = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        let other = String::leak(format!("HTTP {pattern}"));
        Self { pattern, module, names, other, allow }
    }

    /// Whether it is one path, without parameters.
    pub(crate) fn is_fixed(&self) -> bool {
        !self.pattern.contains(['{', '*'])
    }

    /// The span's name by method.
    pub(super) fn names(&self) -> impl Iterator<Item = (&Method, &'static str)> {
        self.names.iter().map(|(method, name)| (method, *name))
    }

    /// `{METHOD} {http.route}`, or `HTTP {http.route}` for a method that the route does not answer.
    pub(crate) fn span_name(&self, method: &Method) -> &'static str {
        self.names.iter().find(|(known, _)| known == method).map_or(self.other, |(_, name)| name)
    }
}

/// The method for spans and metrics: one of the nine of RFC 9110 and RFC 5789, else `_OTHER`, so that a client can
/// not make up values.
pub(crate) fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::CONNECT => "CONNECT",
        Method::OPTIONS => "OPTIONS",
        Method::TRACE => "TRACE",
        Method::PATCH => "PATCH",
        _ => "_OTHER",
    }
}
