//! Headers that keep browsers from harm.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse};

use crate::config::EdgeSettings;
use crate::web::client_address::Proxies;

/// What is no page loads nothing and is framed by nobody, should a browser take it for one.
static NO_PAGE: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// On every answer that says nothing else.
static ALWAYS: [(HeaderName, HeaderValue); 5] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

pub(super) struct Protection {
    always: [(HeaderName, HeaderValue); 5],
    no_page: HeaderValue,
    page: HeaderValue,
    hsts: Option<HeaderValue>,
    proxies: Proxies,
}

impl Protection {
    pub(super) fn new(settings: &EdgeSettings, proxies: Proxies) -> Self {
        let hsts = (!settings.hsts.is_zero()).then(|| format!("max-age={}", settings.hsts.as_secs()));
        Self {
            always: ALWAYS.clone(),
            no_page: NO_PAGE.clone(),
            // The settings have been checked.
            page: HeaderValue::from_str(&settings.content_security_policy)
                .unwrap_or_else(|_| NO_PAGE.clone()),
            hsts: hsts.and_then(|hsts| HeaderValue::from_str(&hsts).ok()),
            proxies,
        }
    }

    pub(super) fn protect(&self, request: Option<&HttpRequest>, response: &mut HttpResponse) {
        let headers = response.headers_mut();
        for (name, value) in &self.always {
            if !headers.contains_key(name) {
                headers.insert(name.clone(), value.clone());
            }
        }
        if !headers.contains_key(CONTENT_SECURITY_POLICY) {
            let page = headers.get(CONTENT_TYPE).is_some_and(|is| is.as_bytes().starts_with(b"text/html"));
            headers.insert(CONTENT_SECURITY_POLICY, if page { &self.page } else { &self.no_page }.clone());
        }
        if let (Some(hsts), Some(request)) = (&self.hsts, request)
            && (request.app_config().secure() || self.proxies.say_https(request))
            && !headers.contains_key(STRICT_TRANSPORT_SECURITY)
        {
            headers.insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
    }
}
