//! What a request's span says of it.

use actix_web::dev::ServiceRequest;
use actix_web::http::Version;
use actix_web::http::header::{AUTHORIZATION, USER_AGENT};
use opentelemetry::KeyValue;
use opentelemetry_semantic_conventions::attribute::{
    HTTP_REQUEST_METHOD, HTTP_ROUTE, NETWORK_PROTOCOL_VERSION, SERVER_ADDRESS, SERVER_PORT, URL_PATH,
    URL_SCHEME, USER_AGENT_ORIGINAL,
};

use super::host::Host;
use super::request::Target;
use super::signals::MODULE;

/// As many attributes as a request's span has, or nearly: they are put in one place that need not grow.
const ATTRIBUTES: usize = 14;

/// That a request brought credentials. Which, is never recorded.
const AUTH_PRESENT: &str = "http.auth.present";

/// The stable HTTP conventions, less what is personal: no query, no client address. They are known before the span is, for
/// samplers of a service's own.
pub(super) fn described(
    request: &ServiceRequest,
    target: &Target,
    method: &'static str,
    host: Option<&Host>,
) -> Vec<KeyValue> {
    let (config, headers) = (request.app_config(), request.headers());
    let mut attributes = Vec::with_capacity(ATTRIBUTES);
    attributes.push(KeyValue::new(HTTP_REQUEST_METHOD, method));
    attributes.push(match target {
        // A path without parameters is its own pattern.
        Target::Route(route) if route.pattern == request.path() => KeyValue::new(URL_PATH, route.pattern),
        _ => KeyValue::new(URL_PATH, request.path().to_owned()),
    });
    attributes.push(KeyValue::new(URL_SCHEME, if config.secure() { "https" } else { "http" }));
    target.describe(&mut attributes);
    if let Some(version) = protocol_version(request.version()) {
        attributes.push(KeyValue::new(NETWORK_PROTOCOL_VERSION, version));
    }
    if let Some(Host { address: Some(address), port, .. }) = host {
        attributes.push(KeyValue::new(SERVER_ADDRESS, address.clone()));
        if let Some(port) = port {
            attributes.push(KeyValue::new(SERVER_PORT, i64::from(*port)));
        }
    }
    if let Some(agent) = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()) {
        attributes.push(KeyValue::new(USER_AGENT_ORIGINAL, agent.to_owned()));
    }
    if headers.contains_key(AUTHORIZATION) {
        attributes.push(KeyValue::new(AUTH_PRESENT, true));
    }
    attributes
}

impl Target {
    /// What is known of it before it answers.
    pub(super) fn describe(&self, attributes: &mut Vec<KeyValue>) {
        match self {
            Self::Route(route) => {
                attributes.push(KeyValue::new(HTTP_ROUTE, route.pattern));
                attributes.push(KeyValue::new(MODULE, route.module));
            }
            Self::Mount(module) => attributes.push(KeyValue::new(MODULE, *module)),
            Self::Nothing => {}
        }
    }
}

const fn protocol_version(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        _ => None,
    }
}
