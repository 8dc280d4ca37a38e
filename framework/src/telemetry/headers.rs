use url::{Host, Url};

use super::TelemetryError;
use super::environment::{Environment, Notices};
use super::pairs::pairs;
use super::variables::API_KEY;
use crate::config::TelemetrySettings;
use crate::redact::Secret;

/// What is sent with each export: the headers of the first of the variables that is set, or else those of the
/// settings; and the key, unless they authorize already.
pub(super) fn headers(
    names: &[&str],
    url: &Url,
    settings: &TelemetrySettings,
    environment: &Environment,
    notices: &mut Notices,
) -> Result<Secret<Vec<(String, String)>>, TelemetryError> {
    let mut headers = match environment.first(names) {
        Some((name, list)) => {
            let mut listed = pairs(name, list, notices);
            let all = listed.len();
            listed.retain(|(key, value)| is_header(key, value));
            if listed.len() < all {
                notices.note(format!("{name} has an entry that is no header of HTTP: it is left out"));
            }
            listed
        }
        None => {
            let set = settings.headers.iter();
            set.map(|(key, value)| (key.clone(), value.expose().clone())).collect()
        }
    };
    if !headers.iter().any(|(key, _)| key.eq_ignore_ascii_case("authorization"))
        && let Some(key) = environment.get(API_KEY)
    {
        let token = format!("Bearer {key}");
        if !is_header("authorization", &token) {
            notices.note(format!("{API_KEY} holds what no header may hold: it is not sent"));
        } else if url.scheme() == "https" || is_loopback(url) {
            headers.push(("authorization".to_owned(), token));
        } else {
            return Err(TelemetryError::PlainKey { variable: API_KEY, endpoint: url.to_string() });
        }
    }
    Ok(Secret::new(headers))
}

fn is_header(key: &str, value: &str) -> bool {
    opentelemetry_http::Request::builder().header(key, value).body(()).is_ok()
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Headers = Vec<(String, String)>;

    fn read(url: &str, variables: &[(&str, &str)]) -> (Result<Headers, TelemetryError>, Notices) {
        let settings = TelemetrySettings {
            headers: [("x-tenant".to_owned(), Secret::new("settings".to_owned()))].into(),
            ..TelemetrySettings::default()
        };
        let environment = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let mut notices = Notices::default();
        let names = ["OWN", "ALL"];
        let headers = headers(&names, &Url::parse(url).unwrap(), &settings, &environment, &mut notices);
        (headers.map(|headers| headers.expose().clone()), notices)
    }

    fn header(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn the_signals_own_list_wins_over_the_general_one_and_that_over_the_settings() {
        let of = |variables: &[(&str, &str)]| read("http://a:4318", variables).0.unwrap();
        assert_eq!(of(&[]), [header("x-tenant", "settings")]);
        assert_eq!(of(&[("ALL", "x-tenant=all")]), [header("x-tenant", "all")]);
        assert_eq!(of(&[("ALL", "x-tenant=all"), ("OWN", "x-own=1")]), [header("x-own", "1")]);
    }

    #[test]
    fn what_is_no_header_is_left_out_and_noted_without_being_shown() {
        let (headers, notices) = read("http://a:4318", &[("ALL", "x y=hunter2,a=b%0Ahunter2,c=d")]);
        assert_eq!(headers.unwrap(), [header("c", "d")]);
        assert_eq!(notices.about("ALL"), Some("has an entry that is no header of HTTP: it is left out"));
    }

    #[test]
    fn the_key_is_a_bearer_token_over_https_and_to_this_machine_alone() {
        let key = (API_KEY, "hunter2");
        for url in
            ["https://scout.example:4317", "http://localhost:4317", "http://127.0.0.2", "http://[::1]:1"]
        {
            assert_eq!(
                read(url, &[key]).0.unwrap(),
                [header("x-tenant", "settings"), header("authorization", "Bearer hunter2")],
                "{url}"
            );
        }
        for url in ["http://collector:4317", "http://10.0.0.1:4318", "http://localhost.example"] {
            let message = read(url, &[key]).0.unwrap_err().to_string();
            assert!(message.contains(API_KEY) && message.contains("https"), "{message}");
            assert!(!message.contains("hunter2"), "{message}");
        }
    }

    #[test]
    fn the_key_gives_way_to_an_authorization_that_is_listed() {
        let listed = ("ALL", "Authorization=Basic%20abc");
        let (headers, _) = read("http://collector:4317", &[(API_KEY, "hunter2"), listed]);
        assert_eq!(headers.unwrap(), [header("Authorization", "Basic abc")]);
    }

    #[test]
    fn a_key_that_no_header_may_hold_is_not_sent() {
        let (headers, notices) = read("https://a", &[(API_KEY, "hunter2\nx: y")]);
        assert_eq!(headers.unwrap(), [header("x-tenant", "settings")]);
        assert!(notices.about(API_KEY).is_some_and(|notice| !notice.contains("hunter2")));
    }
}
