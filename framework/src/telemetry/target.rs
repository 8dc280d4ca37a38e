use std::time::Duration;

use opentelemetry_otlp::Compression;
use url::Url;

use super::environment::{Environment, Notices};
use super::tls::Tls;
use super::{TelemetryError, headers};
use crate::config::{OtlpProtocol, TelemetrySettings};
use crate::redact::Secret;

/// What is exported: each signal has its own endpoint, exporter and loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    Traces,
    Metrics,
    Logs,
}

impl Signal {
    /// What the signal consists of.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Traces => "spans",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Traces => "v1/traces",
            Self::Metrics => "v1/metrics",
            Self::Logs => "v1/logs",
        }
    }

    /// As the variables call it.
    fn upper_case(self) -> &'static str {
        match self {
            Self::Traces => "TRACES",
            Self::Metrics => "METRICS",
            Self::Logs => "LOGS",
        }
    }

    /// Of the processor or the reader in front of the exporter.
    fn export_timeout(self) -> &'static str {
        match self {
            Self::Traces => "OTEL_BSP_EXPORT_TIMEOUT",
            Self::Metrics => "OTEL_METRIC_EXPORT_TIMEOUT",
            Self::Logs => "OTEL_BLRP_EXPORT_TIMEOUT",
        }
    }

    /// The signal's own variable and the one for all of them.
    fn variables(self, what: &str) -> [String; 2] {
        let signal = self.upper_case();
        [format!("OTEL_EXPORTER_OTLP_{signal}_{what}"), format!("OTEL_EXPORTER_OTLP_{what}")]
    }
}

/// Where a signal goes and how.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) signal: Signal,
    pub(super) protocol: OtlpProtocol,
    /// The whole URL, for HTTP with the signal's path.
    pub(super) url: Url,
    /// Host and port: all that logs and errors say of the collector.
    pub(super) endpoint: String,
    pub(super) headers: Secret<Vec<(String, String)>>,
    pub(super) compression: Option<Compression>,
    pub(super) tls: Tls,
    /// How long one export may take, with its retries.
    pub(super) timeout: Duration,
}

/// The target of a signal; `None` when it is not exported.
pub(super) fn resolve(
    signal: Signal,
    settings: &TelemetrySettings,
    environment: &Environment,
    notices: &mut Notices,
) -> Result<Option<Target>, TelemetryError> {
    if !wanted(signal, environment, notices) {
        return Ok(None);
    }
    let names = |what: &str| signal.variables(what);
    let first = |what: &str| {
        let names = names(what);
        let found = environment.first(&[names[0].as_str(), names[1].as_str()]);
        found.map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let own_endpoint = environment.get(&names("ENDPOINT")[0]).is_some();
    let from_settings = || Some(("telemetry.endpoint".to_owned(), settings.endpoint.clone()?));
    let Some((origin, raw)) = first("ENDPOINT").or_else(from_settings) else { return Ok(None) };

    let stated = protocol(&names("PROTOCOL"), settings.protocol, environment, notices);
    let text = match (raw.contains("://"), stated) {
        // gRPC allows `host:port`; it means TLS unless the variable says otherwise.
        (false, Some(OtlpProtocol::Grpc)) => {
            let names = names("INSECURE");
            let insecure = environment.is_true(&[&names[0], &names[1]], notices);
            format!("{}://{raw}", if insecure { "http" } else { "https" })
        }
        _ => raw.clone(),
    };
    let mut url = parse(&origin, &raw, &text)?;
    let protocol = stated.unwrap_or(match url.port() {
        Some(4317) => OtlpProtocol::Grpc,
        _ => OtlpProtocol::HttpProtobuf,
    });
    // The specification: an endpoint for all signals is a base, one for a single signal is the whole address.
    if protocol == OtlpProtocol::HttpProtobuf && !own_endpoint {
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/{}", signal.path()));
    }
    let [headers, timeout] = ["HEADERS", "TIMEOUT"].map(names);
    let export = environment.millis(&[signal.export_timeout()], 30_000, notices);
    Ok(Some(Target {
        signal,
        protocol,
        endpoint: host_and_port(&url),
        headers: headers::headers(
            &headers.each_ref().map(String::as_str),
            &url,
            settings,
            environment,
            notices,
        )?,
        compression: compression(&names("COMPRESSION"), environment, notices),
        tls: if url.scheme() == "https" { Tls::read(first)? } else { Tls::default() },
        timeout: environment.millis(&[&timeout[0], &timeout[1]], 10_000, notices).min(export),
        url,
    }))
}

fn wanted(signal: Signal, environment: &Environment, notices: &mut Notices) -> bool {
    let name = format!("OTEL_{}_EXPORTER", signal.upper_case());
    match environment.get(&name).map(str::to_ascii_lowercase).as_deref() {
        None => true,
        Some("none") => false,
        Some(list) if list.split(',').any(|exporter| exporter.trim() == "otlp") => true,
        Some(other) => {
            let noun = signal.noun();
            notices.note(format!(
                "{name} is `{other}`, which is not built in: no {noun} are exported; use `otlp` or `none`"
            ));
            false
        }
    }
}

fn protocol(
    names: &[String; 2],
    by_settings: Option<OtlpProtocol>,
    environment: &Environment,
    notices: &mut Notices,
) -> Option<OtlpProtocol> {
    let shown = match by_settings {
        Some(OtlpProtocol::Grpc) => "grpc",
        Some(OtlpProtocol::HttpProtobuf) => "http/protobuf",
        None => "what the port says",
    };
    let flaw = "neither `grpc` nor `http/protobuf`";
    environment.read(&[&names[0], &names[1]], (by_settings, shown), flaw, notices, |text| {
        match text.to_ascii_lowercase().as_str() {
            "grpc" => Some(Some(OtlpProtocol::Grpc)),
            "http/protobuf" => Some(Some(OtlpProtocol::HttpProtobuf)),
            _ => None,
        }
    })
}

fn compression(names: &[String; 2], environment: &Environment, notices: &mut Notices) -> Option<Compression> {
    let flaw = "none of `gzip`, `zstd` and `none`";
    environment.read(&[&names[0], &names[1]], (None, "none"), flaw, notices, |text| {
        match text.to_ascii_lowercase().as_str() {
            "none" => Some(None),
            text => text.parse().ok().map(Some),
        }
    })
}

/// The URL that `text` is, which was read as `raw`.
fn parse(origin: &str, raw: &str, text: &str) -> Result<Url, TelemetryError> {
    let wrong = |reason: &str| TelemetryError::Endpoint {
        origin: origin.to_owned(),
        value: without_password(raw),
        reason: reason.to_owned(),
    };
    if !text.contains("://") {
        return Err(wrong("has no scheme"));
    }
    let url = Url::parse(text).map_err(|error| wrong(&format!("is no URL ({error})")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong(&format!("has the scheme `{}` instead of http or https", url.scheme())));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(
            "holds a user or password, which OTLP does not send: put them in OTEL_EXPORTER_OTLP_HEADERS",
        ));
    }
    Ok(url)
}

pub(super) fn without_password(raw: &str) -> String {
    match (raw.split_once("://"), raw.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://***@{rest}"),
        (None, Some((_, rest))) => format!("***@{rest}"),
        (_, None) => raw.to_owned(),
    }
}

fn host_and_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";

    fn traces(endpoint: Option<&str>, variables: &[(&str, &str)]) -> Result<Option<Target>, TelemetryError> {
        let settings =
            TelemetrySettings { endpoint: endpoint.map(str::to_owned), ..TelemetrySettings::default() };
        let environment = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        resolve(Signal::Traces, &settings, &environment, &mut Notices::default())
    }

    fn target(endpoint: Option<&str>, variables: &[(&str, &str)]) -> Target {
        traces(endpoint, variables).unwrap().unwrap()
    }

    #[test]
    fn without_an_endpoint_nothing_is_exported() {
        assert!(traces(None, &[]).unwrap().is_none());
        assert!(traces(None, &[(ENDPOINT, "")]).unwrap().is_none());
    }

    #[test]
    fn an_exporter_of_none_switches_the_signal_off() {
        assert!(traces(Some("http://a:4318"), &[("OTEL_TRACES_EXPORTER", "none")]).unwrap().is_none());
        assert!(traces(Some("http://a:4318"), &[("OTEL_METRICS_EXPORTER", "none")]).unwrap().is_some());
    }

    #[test]
    fn the_variable_wins_over_the_settings_and_the_signals_own_over_both() {
        assert_eq!(target(Some("http://toml:1"), &[(ENDPOINT, "http://env:2")]).endpoint, "env:2");
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://own:3/x");
        let target = target(Some("http://toml:1"), &[(ENDPOINT, "http://env:2"), own]);
        assert_eq!(target.url.as_str(), "http://own:3/x", "used as it is");
    }

    #[test]
    fn the_signals_path_is_appended_to_a_general_http_endpoint() {
        for (endpoint, expected) in [
            ("http://a:4318", "http://a:4318/v1/traces"),
            ("http://a:4318/", "http://a:4318/v1/traces"),
            ("https://a/otlp/", "https://a/otlp/v1/traces"),
        ] {
            assert_eq!(target(None, &[(ENDPOINT, endpoint)]).url.as_str(), expected);
        }
    }

    #[test]
    fn port_4317_is_grpc_unless_a_protocol_is_stated() {
        assert_eq!(target(Some("http://a:4317"), &[]).protocol, OtlpProtocol::Grpc);
        assert_eq!(target(Some("http://a:4318"), &[]).protocol, OtlpProtocol::HttpProtobuf);
        let stated = (PROTOCOL, "http/protobuf");
        assert_eq!(target(Some("http://a:4317"), &[stated]).protocol, OtlpProtocol::HttpProtobuf);
    }

    #[test]
    fn a_grpc_endpoint_without_a_scheme_means_tls_unless_insecure_is_stated() {
        let variables = [(PROTOCOL, "grpc"), (ENDPOINT, "collector:4317")];
        assert_eq!(target(None, &variables).url.scheme(), "https");
        let [protocol, endpoint] = variables;
        let insecure = ("OTEL_EXPORTER_OTLP_INSECURE", "true");
        assert_eq!(target(None, &[protocol, endpoint, insecure]).url.scheme(), "http");
    }

    #[test]
    fn the_shorter_of_the_two_timeouts_holds() {
        let own = ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "1500");
        let timeout = |variables: &[(&str, &str)]| target(Some("http://a:4318"), variables).timeout;
        assert_eq!(timeout(&[]), Duration::from_secs(10));
        assert_eq!(timeout(&[own]), Duration::from_millis(1_500));
        assert_eq!(timeout(&[own, ("OTEL_BSP_EXPORT_TIMEOUT", "200")]), Duration::from_millis(200));
        assert_eq!(timeout(&[own, ("OTEL_BLRP_EXPORT_TIMEOUT", "200")]), Duration::from_millis(1_500));
    }

    #[test]
    fn compression_is_that_of_the_first_variable_that_says_one() {
        let (own, all) = ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION");
        for (variables, expected) in [
            (vec![], None),
            (vec![(all, "")], None),
            (vec![(all, "none")], None),
            (vec![(all, "GZIP")], Some(Compression::Gzip)),
            (vec![(all, "zstd")], Some(Compression::Zstd)),
            (vec![(all, "gzip"), (own, "none")], None),
            (vec![(all, "gzip"), (own, "brotli")], Some(Compression::Gzip)),
        ] {
            assert_eq!(target(Some("http://a:4318"), &variables).compression, expected, "{variables:?}");
        }
    }

    #[test]
    fn a_target_does_not_show_its_headers() {
        let headers = ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20hunter2");
        let target = target(Some("http://a:4318"), &[headers]);
        assert_eq!(target.headers.expose()[0].1, "Bearer hunter2");
        assert!(!format!("{target:?}").contains("hunter2"));
    }

    #[test]
    fn certificates_are_read_only_where_there_is_tls() {
        let missing = ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem");
        assert!(traces(Some("http://a:4318"), &[missing]).is_ok());
        let message = traces(Some("https://a:4318"), &[missing]).unwrap_err().to_string();
        assert!(message.starts_with("OTEL_EXPORTER_OTLP_CERTIFICATE names /nowhere/ca.pem"), "{message}");
    }

    #[test]
    fn a_bad_endpoint_is_refused_with_its_variable_and_what_to_do() {
        for (endpoint, reason) in [
            ("http://", "is no URL"),
            ("http://a:port", "is no URL"),
            ("localhost:4318", "has no scheme"),
            ("ftp://a", "has the scheme `ftp`"),
        ] {
            let message = traces(None, &[(ENDPOINT, endpoint)]).unwrap_err().to_string();
            assert!(message.starts_with(&format!("{ENDPOINT} is `{endpoint}`, which {reason}")), "{message}");
            assert!(message.contains("http://localhost:4317"), "{message}");
        }
        let message = traces(Some("nowhere"), &[]).unwrap_err().to_string();
        assert!(message.starts_with("telemetry.endpoint is `nowhere`"), "{message}");
    }

    #[test]
    fn an_error_does_not_show_a_password() {
        let message = traces(Some("http://me:hunter2@a:4318"), &[]).unwrap_err().to_string();
        assert!(message.contains("***@a:4318") && !message.contains("hunter2"), "{message}");
    }

    #[test]
    fn an_unknown_protocol_gives_way_to_the_next() {
        let own = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json");
        assert_eq!(target(Some("http://a:4317"), &[own]).protocol, OtlpProtocol::Grpc);
        let all = (PROTOCOL, "http/protobuf");
        assert_eq!(target(Some("http://a:4317"), &[own, all]).protocol, OtlpProtocol::HttpProtobuf);
    }
}
