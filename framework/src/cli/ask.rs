//! Asks a service that runs on this machine.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{Bytes, HttpClient as _, Request};

use super::CliError;
use crate::app::Ready;
use crate::config::{ManagementSettings, ServerSettings};

/// Where to ask, as `http://127.0.0.1:9464`.
pub(super) struct Place {
    service: &'static str,
    base: String,
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

impl Place {
    /// The management listener of the service.
    pub(super) fn management(ready: &Ready) -> Result<Self, CliError> {
        let settings = ready.config().get::<ManagementSettings>()?;
        if !settings.enabled {
            return Err(CliError::NoManagement);
        }
        Self::new(ready, "management.port", &settings.address, settings.port)
    }

    /// The public listener, of a service that has no other and speaks plain HTTP.
    pub(super) fn public(ready: &Ready) -> Result<Option<Self>, CliError> {
        let settings = ready.config().get::<ServerSettings>()?;
        match settings.tls {
            Some(_) => Ok(None),
            None => Self::new(ready, "server.port", &settings.host, settings.port).map(Some),
        }
    }

    /// Who listens on all addresses is asked on this machine's own.
    fn new(ready: &Ready, key: &'static str, host: &str, port: u16) -> Result<Self, CliError> {
        if port == 0 {
            return Err(CliError::AnyPort { key });
        }
        let host = host.trim_matches(['[', ']']);
        let host = match host.parse::<IpAddr>() {
            Ok(IpAddr::V4(ip)) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
            Ok(IpAddr::V6(ip)) if ip.is_unspecified() => format!("[{}]", Ipv6Addr::LOCALHOST),
            Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
            _ => host.to_owned(),
        };
        Ok(Self { service: ready.name(), base: format!("http://{host}:{port}") })
    }

    pub(super) fn shown(&self) -> &str {
        &self.base
    }

    /// `GET`, answered within a time.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub(super) async fn get(&self, path: &str, within: Duration) -> Result<Answer, CliError> {
        let unanswered =
            |reason: String| CliError::Unanswered { service: self.service, at: self.base.clone(), reason };
        let request = Request::get(format!("{}{path}", self.base)).body(Bytes::new());
        let request = request.map_err(|error| unanswered(error.to_string()))?;
        let client = HyperClient::with_default_connector(within, None);
        let answer =
            client.send_bytes(request).await.map_err(|error| unanswered(innermost(error.as_ref())))?;
        Ok(Answer { status: answer.status().as_u16(), body: answer.into_body() })
    }

    /// What to say of an answer that nobody expects.
    pub(super) fn strange(&self, status: u16) -> CliError {
        CliError::Strange { service: self.service, at: self.base.clone(), status }
    }
}

/// The system's own words, without the steps of the client on the way there.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
