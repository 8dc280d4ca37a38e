//! What may be tried again, and when.

use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use chrono::{DateTime, Utc};

use super::settings::RetrySettings;
use super::{ClientError, Response};

/// Whether a request may arrive twice: its method says so (RFC 9110, section 9.2.2), or it has a key by which the other
/// side knows it again.
pub(super) fn is_repeatable(method: &Method, has_key: bool) -> bool {
    let idempotent = [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS, Method::TRACE];
    has_key || idempotent.contains(method)
}

/// How long to wait before a request is sent again, of which there have been `tried`; `None` is never.
pub(super) fn wait(
    outcome: &Result<Response, ClientError>,
    repeatable: bool,
    tried: u32,
    settings: &RetrySettings,
) -> Option<Duration> {
    if tried >= settings.attempts {
        return None;
    }
    match outcome {
        Err(ClientError::Connect { .. }) => Some(backoff(settings, tried)),
        Err(ClientError::NoAnswer { .. } | ClientError::CutOff { .. }) if repeatable => {
            Some(backoff(settings, tried))
        }
        Ok(response) if repeatable => {
            let asked = response.header("retry-after").and_then(|text| retry_after(text, Utc::now()));
            match response.status() {
                StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                    Some(asked.unwrap_or_else(|| backoff(settings, tried)))
                }
                // Who has had enough says when it is over, or is not asked again.
                StatusCode::TOO_MANY_REQUESTS => asked,
                _ => None,
            }
        }
        _ => None,
    }
}

/// Exponential with full jitter ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
fn backoff(settings: &RetrySettings, tried: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(tried.saturating_sub(1));
    settings.backoff.saturating_mul(doubled).min(settings.max_backoff).mul_f64(fastrand::f64())
}

/// `Retry-After`: seconds, or a date.
fn retry_after(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTime::parse_from_rfc2822(text.trim()).ok()?;
    Some((date.to_utc() - now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_grows_and_chance_decides_how_much_of_it_is_waited() {
        let settings = RetrySettings {
            backoff: Duration::from_millis(100),
            max_backoff: Duration::from_millis(300),
            ..RetrySettings::default()
        };
        for (tried, most) in [(1, 100), (2, 200), (3, 300), (40, 300)] {
            let waits: Vec<_> = (0..1000).map(|_| backoff(&settings, tried)).collect();
            let most = Duration::from_millis(most);
            assert!(waits.iter().all(|wait| *wait <= most), "{tried}");
            assert!(
                waits.iter().any(|wait| *wait < most / 4) && waits.iter().any(|wait| *wait > most / 4 * 3)
            );
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = "2026-11-24T08:00:00Z".parse().unwrap();
        assert_eq!(retry_after(" 7 ", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Tue, 24 Nov 2026 08:00:30 GMT", now), Some(Duration::from_secs(30)));
        assert_eq!(retry_after("Tue, 24 Nov 2026 07:00:00 GMT", now), Some(Duration::ZERO));
        for none in ["", "-1", "soon", "1.5"] {
            assert_eq!(retry_after(none, now), None, "{none}");
        }
    }

    #[test]
    fn only_what_may_arrive_twice_is_repeatable() {
        assert!(is_repeatable(&Method::PUT, false) && is_repeatable(&Method::POST, true));
        assert!(!is_repeatable(&Method::POST, false) && !is_repeatable(&Method::PATCH, false));
    }
}
