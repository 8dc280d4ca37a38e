//! From which pages a WebSocket may come. Browsers let every page open one, and send the cookies of its visitor along.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{COOKIE, HOST, ORIGIN};
use actix_web::web::Data;

use super::super::Problem;

/// The origins besides the service's own whose pages may open a [`websocket`](super::websocket). Nobody else's may until an
/// extension gives this to [`Boot::provide`](crate::module::Boot::provide), as `Cors` does with what `[cors]` lists.
#[derive(Clone, Debug, Default)]
pub struct AllowedOrigins {
    origins: Vec<String>,
    cookies: bool,
}

impl AllowedOrigins {
    /// These origins, each as browsers send it, e.g. `https://shop.example`; `*` is any. Their handshakes may bring no
    /// cookies.
    #[must_use]
    pub fn new<T: Into<String>>(origins: impl IntoIterator<Item = T>) -> Self {
        Self { origins: origins.into_iter().map(Into::into).collect(), cookies: false }
    }

    /// Whether their handshakes may bring the visitor's cookies. Default false.
    #[must_use]
    pub fn cookies(mut self, allowed: bool) -> Self {
        self.cookies = allowed;
        self
    }
}

/// Refuses the handshake that a page of another origin makes, unless that is listed: 403.
pub(super) fn check(request: &HttpRequest) -> Result<(), Problem> {
    let Some(origin) = request.headers().get(ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    if is_same(request, origin) {
        return Ok(());
    }
    let refused = |why| Err(Problem::new(StatusCode::FORBIDDEN, "cross-origin").detail(why));
    let allowed = request.app_data::<Data<AllowedOrigins>>();
    let listed = allowed.filter(|allowed| allowed.origins.iter().any(|it| it == "*" || it == origin));
    match listed {
        None => refused(
            "a WebSocket is for pages of this service's own origin, and for those that `cors.origins` lists",
        ),
        Some(listed) if !listed.cookies && request.headers().contains_key(COOKIE) => refused(
            "a page of another origin opens a WebSocket without cookies, unless `cors.credentials` allows them",
        ),
        Some(_) => Ok(()),
    }
}

/// Whether the origin is that of the host to which the request goes.
fn is_same(request: &HttpRequest, origin: &str) -> bool {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    origin.split_once("://").is_some_and(|(_, authority)| Some(authority) == host)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn is_let_in(allowed: Option<(&[&str], bool)>, headers: &[(&'static str, &'static str)]) -> bool {
        let mut request = TestRequest::default().insert_header((HOST, "orders.example:8080"));
        if let Some((origins, cookies)) = allowed {
            let allowed = AllowedOrigins::new(origins.iter().copied()).cookies(cookies);
            request = request.app_data(Data::new(allowed));
        }
        for header in headers {
            request = request.append_header(*header);
        }
        check(&request.to_http_request()).is_ok()
    }

    const OWN: (&str, &str) = ("origin", "https://orders.example:8080");
    const SHOP: (&str, &str) = ("origin", "https://shop.example");
    const COOKIES: (&str, &str) = ("cookie", "session=1");

    #[test]
    fn who_is_no_page_and_pages_of_the_own_origin_are_let_in() {
        for allowed in [None, Some((&["https://shop.example"][..], false))] {
            assert!(is_let_in(allowed, &[COOKIES]));
            assert!(is_let_in(allowed, &[OWN, COOKIES]));
            for other in
                ["https://orders.example", "https://orders.example:80800", "null", "", "orders.example:8080"]
            {
                assert!(!is_let_in(allowed, &[("origin", other)]), "{other}");
            }
        }
    }

    #[test]
    fn pages_of_another_origin_are_let_in_where_they_are_listed_and_with_cookies_where_these_are_allowed() {
        assert!(!is_let_in(None, &[SHOP]));
        assert!(!is_let_in(Some((&["https://other.example"], true)), &[SHOP]));
        let listed: &[&str] = &["https://other.example", "https://shop.example"];
        assert!(is_let_in(Some((listed, false)), &[SHOP]));
        assert!(!is_let_in(Some((listed, false)), &[SHOP, COOKIES]));
        assert!(is_let_in(Some((listed, true)), &[SHOP, COOKIES]));
        assert!(is_let_in(Some((&["*"], false)), &[SHOP]));
        assert!(!is_let_in(Some((&["*"], false)), &[SHOP, COOKIES]));
    }
}
