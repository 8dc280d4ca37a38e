//! Whom a request is for, and what may be said of that.

use opentelemetry::KeyValue;
use opentelemetry_semantic_conventions::attribute;
use url::Url;

use super::ClientError;

/// What stands in a recorded URL for what is not shown.
const REDACTED: &str = "REDACTED";

/// Reads a URL of the code or of a user.
pub(super) fn parse(raw: &str) -> Result<Url, ClientError> {
    let wrong = |reason: String| ClientError::Url { reason };
    let url = Url::parse(raw).map_err(|error| wrong(format!("is none ({error})")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong(format!("has the scheme `{}`: only http and https are spoken", url.scheme())));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("holds credentials, which end up in logs: send them in a header".to_owned()));
    }
    Ok(url)
}

/// A path, with a query maybe, below a base.
pub(super) fn join(base: &Url, path: &str) -> Result<Url, ClientError> {
    let root = base.as_str().trim_end_matches('/');
    let separator = if path.is_empty() || path.starts_with(['/', '?']) { "" } else { "/" };
    let url = parse(&format!("{root}{separator}{path}"))?;
    // `..` and the like are resolved by now, and `@` would have made the base a user's name.
    let inside = url.origin() == base.origin()
        && (url.path() == base.path().trim_end_matches('/')
            || url.path().starts_with(&format!("{}/", base.path().trim_end_matches('/'))));
    if inside { Ok(url) } else { Err(ClientError::Url { reason: format!("leads out of {base}") }) }
}

/// Host and port.
pub(super) fn server(url: &Url) -> String {
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{}:{port}", url.host_str().unwrap_or_default())
}

/// `url.full` without the values of its query, and without the path of a URL that is a user's, which may be all that
/// guards what is there.
pub(super) fn shown(url: &Url, untrusted: bool) -> String {
    let mut shown = url.clone();
    shown.set_fragment(None);
    if untrusted && url.path() != "/" {
        shown.set_path(REDACTED);
    }
    if url.query().is_some() {
        let keys: Vec<_> = url.query_pairs().map(|(key, _)| key.into_owned()).collect();
        shown.query_pairs_mut().clear().extend_pairs(keys.iter().map(|key| (key, REDACTED)));
    }
    shown.into()
}

/// What a span and a measurement say of the server. Users name any number of hosts, so theirs is on spans alone.
pub(super) fn attributes(url: &Url) -> impl Iterator<Item = KeyValue> {
    let address = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = i64::from(url.port_or_known_default().unwrap_or_default());
    [KeyValue::new(attribute::SERVER_ADDRESS, address), KeyValue::new(attribute::SERVER_PORT, port)]
        .into_iter()
}

/// Whether a host is on a list of hosts.
pub(super) fn is_listed(host: &str, list: &[String]) -> bool {
    list.iter().any(|listed| match listed.strip_prefix("*.") {
        Some(above) => host.strip_suffix(above).is_some_and(|below| below.len() > 1 && below.ends_with('.')),
        None => host.eq_ignore_ascii_case(listed),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_holds_that_may_be_secret_is_not_shown() {
        let show = |url: &str, untrusted| shown(&Url::parse(url).unwrap(), untrusted);
        assert_eq!(
            show("https://a.example/x/7?token=hunter2&page=2#hunter2", false),
            "https://a.example/x/7?token=REDACTED&page=REDACTED"
        );
        assert_eq!(
            show("https://hooks.example/T1/hunter2?a=b", true),
            "https://hooks.example/REDACTED?a=REDACTED"
        );
        assert_eq!(show("https://a.example/", true), "https://a.example/");
        for url in ["https://me:hunter2@h/", "https://me@h/", "file:///etc/passwd", "gopher://h", "nothing"] {
            let message = parse(url).unwrap_err().to_string();
            assert!(!message.contains("hunter2") && !message.contains("passwd"), "{message}");
        }
    }

    #[test]
    fn a_path_stays_below_its_base() {
        let base = Url::parse("https://api.example/v1/").unwrap();
        for (path, whole) in [
            ("/charges", "https://api.example/v1/charges"),
            ("charges?x=1", "https://api.example/v1/charges?x=1"),
            ("", "https://api.example/v1"),
            ("/a/../b", "https://api.example/v1/b"),
        ] {
            assert_eq!(join(&base, path).unwrap().as_str(), whole, "{path}");
        }
        for path in ["/../admin", "/..", "/%2e%2e/admin", "/../v10"] {
            assert!(join(&base, path).is_err(), "{path}");
        }
        let root = Url::parse("http://api.example").unwrap();
        assert_eq!(join(&root, "@evil.example/").unwrap().host_str(), Some("api.example"));
        assert_eq!(join(&root, ":80@evil.example/").unwrap().host_str(), Some("api.example"));
    }

    #[test]
    fn a_list_of_hosts_names_hosts_and_all_below_one() {
        let list = ["api.example.com".to_owned(), "*.internal".to_owned()];
        for listed in ["api.example.com", "API.example.com", "a.internal", "a.b.internal"] {
            assert!(is_listed(listed, &list), "{listed}");
        }
        for other in ["example.com", "xapi.example.com", "internal", ".internal", "ainternal", ""] {
            assert!(!is_listed(other, &list), "{other}");
        }
    }
}
