//! What a request's span says of it.

use actix_web::dev::ServiceRequest;
use actix_web::http::Version;
use actix_web::http::header::{AUTHORIZATION, HOST, USER_AGENT};
use opentelemetry::KeyValue;
use opentelemetry::trace::Span;
use opentelemetry_semantic_conventions::attribute::{
    HTTP_REQUEST_METHOD, NETWORK_PROTOCOL_VERSION, SERVER_ADDRESS, SERVER_PORT, URL_PATH, URL_SCHEME,
    USER_AGENT_ORIGINAL,
};

use super::request::Target;

/// As many attributes as a request's span has, or nearly: they are put in one place that need not grow.
pub(super) const ATTRIBUTES: usize = 14;

/// That a request brought credentials. Which, is never recorded.
const AUTH_PRESENT: &str = "http.auth.present";

/// The stable HTTP conventions, less what is personal: no query, no client address.
pub(super) fn describe(
    span: &mut impl Span,
    request: &ServiceRequest,
    target: &Target,
    method: &'static str,
) {
    let config = request.app_config();
    let mut say = |attribute| span.set_attribute(attribute);
    say(KeyValue::new(HTTP_REQUEST_METHOD, method));
    say(KeyValue::new(URL_PATH, request.path().to_owned()));
    say(KeyValue::new(URL_SCHEME, if config.secure() { "https" } else { "http" }));
    target.attributes().for_each(&mut say);
    if let Some(version) = protocol_version(request.version()) {
        say(KeyValue::new(NETWORK_PROTOCOL_VERSION, version));
    }
    let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    if let Some(host) = text(HOST) {
        let (address, port) = match host.rsplit_once(':') {
            Some((address, port)) if !port.ends_with(']') => (address, port.parse::<u16>().ok()),
            _ => (host, None),
        };
        say(KeyValue::new(SERVER_ADDRESS, address.to_owned()));
        if let Some(port) = port {
            say(KeyValue::new(SERVER_PORT, i64::from(port)));
        }
    }
    if let Some(agent) = text(USER_AGENT) {
        say(KeyValue::new(USER_AGENT_ORIGINAL, agent.to_owned()));
    }
    if request.headers().contains_key(AUTHORIZATION) {
        say(KeyValue::new(AUTH_PRESENT, true));
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
