//! A request on its way: its attempts, and each of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use bytes::{Bytes, BytesMut};
use reqwest::Version;
use reqwest::header::{HeaderMap, LOCATION};
use tokio::time::{sleep, timeout_at};

use super::address::{NonePublic, Public};
use super::breaker::{Breaker, BreakerState};
use super::budget::Budget;
use super::settings::RetrySettings;
use super::signals::{Attempt, Signals, Subject};
use super::{ClientError, Response, retry, target};
use crate::telemetry;

/// What holds for all requests to the same: how they are sent, and what becomes of failures.
pub(super) struct Route {
    pub(super) client: reqwest::Client,
    pub(super) signals: Arc<Signals>,
    pub(super) timeout: Duration,
    pub(super) max_response_bytes: usize,
    pub(super) retry: RetrySettings,
    pub(super) budget: Arc<Budget>,
    /// None where nobody is left alone.
    pub(super) breaker: Option<Arc<Breaker>>,
    /// None where every address may be asked.
    pub(super) public: Option<Arc<Public>>,
}

pub(super) struct Call {
    pub(super) route: Arc<Route>,
    pub(super) subject: Subject,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) repeatable: bool,
    pub(super) propagate: bool,
    pub(super) timeout: Duration,
}

impl Call {
    /// Sends it until there is an answer that holds, or the attempts, the budget or the time are used up.
    pub(super) async fn run(self) -> Result<Response, ClientError> {
        let deadline = Instant::now() + self.timeout;
        let Route { retry: settings, budget, .. } = &*self.route;
        budget.earn();
        let mut tried = 0;
        // The last outcome of an attempt that may have had an effect.
        let mut sent = None;
        loop {
            let outcome = self.attempt(tried, deadline).await;
            tried += 1;
            let wait = retry::wait(&outcome, self.repeatable, tried, settings);
            let now = Instant::now();
            let unsent = outcome.as_ref().is_err_and(ClientError::is_unsent);
            match wait.filter(|wait| now + *wait < deadline).filter(|_| budget.spend(now)) {
                Some(wait) => {
                    if !unsent {
                        sent = Some(outcome);
                    }
                    telemetry::span("http.client.retry.wait").run(sleep(wait)).await;
                }
                // That the last attempt was not sent says nothing of those before it.
                None if unsent => return sent.unwrap_or(outcome),
                None => return outcome,
            }
        }
    }

    async fn attempt(&self, tried: u32, deadline: Instant) -> Result<Response, ClientError> {
        let mut attempt = self.route.signals.begin(&self.subject, tried);
        let outcome = self.guarded(&mut attempt, deadline).await;
        attempt.end(&outcome);
        outcome
    }

    /// Sends it if its address and the breaker let it.
    async fn guarded(&self, attempt: &mut Attempt, deadline: Instant) -> Result<Response, ClientError> {
        if let Some(public) = &self.route.public {
            public.check(&self.subject.url)?;
        }
        let Some(breaker) = &self.route.breaker else { return self.timed(attempt, deadline).await };
        let upstream = self.subject.upstream.as_deref().unwrap_or_default();
        let permit = breaker.admit(Instant::now()).map_err(|retry_in| {
            attempt.breaker(BreakerState::Open);
            ClientError::CircuitOpen { upstream: upstream.to_owned(), retry_in }
        })?;
        attempt.breaker(permit.state);
        let outcome = self.timed(attempt, deadline).await;
        let failed = match &outcome {
            Ok(response) => response.status().is_server_error(),
            Err(error) => error.is_failure(),
        };
        if let Some(state) = permit.end(failed, Instant::now()) {
            attempt.changed(upstream, state);
        }
        outcome
    }

    async fn timed(&self, attempt: &mut Attempt, deadline: Instant) -> Result<Response, ClientError> {
        attempt.sent(&self.subject);
        timeout_at(deadline.into(), self.exchange(attempt))
            .await
            .unwrap_or_else(|_| Err(ClientError::Timeout { server: self.server(), within: self.timeout }))
    }

    async fn exchange(&self, attempt: &mut Attempt) -> Result<Response, ClientError> {
        let request = self.request(attempt)?;
        let response = self.route.client.execute(request).await.map_err(|error| self.failed(&error))?;
        let status = StatusCode::from_u16(response.status().as_u16()).map_err(|_| ClientError::NoAnswer {
            server: self.server(),
            reason: "its status is none".to_owned(),
        })?;
        attempt.answered(status, protocol_version(response.version()));
        if let Some(to) = redirect(status, response.headers()) {
            return Err(ClientError::Redirect { server: self.server(), status, to: self.host_of(to) });
        }
        self.read(response, status).await
    }

    fn request(&self, attempt: &Attempt) -> Result<reqwest::Request, ClientError> {
        let wrong = |reason: &str| ClientError::Request { server: self.server(), reason: reason.to_owned() };
        let method = reqwest::Method::from_bytes(self.subject.method.as_str().as_bytes())
            .map_err(|_| wrong("its method is none"))?;
        let mut request = reqwest::Request::new(method, self.subject.url.clone());
        *request.headers_mut() = self.headers.clone();
        if self.propagate {
            attempt.inject(request.headers_mut());
        }
        if !self.body.is_empty() {
            *request.body_mut() = Some(self.body.clone().into());
        }
        Ok(request)
    }

    /// Reads the body, up to the limit.
    async fn read(
        &self,
        mut response: reqwest::Response,
        status: StatusCode,
    ) -> Result<Response, ClientError> {
        let limit = self.route.max_response_bytes;
        let too_large = || ClientError::TooLarge { server: self.server(), limit };
        let said =
            response.content_length().map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX));
        // The answer to HEAD says how long the body would be.
        let has_body = self.subject.method != actix_web::http::Method::HEAD;
        if has_body && said > limit {
            return Err(too_large());
        }
        let headers = std::mem::take(response.headers_mut());
        let mut body = BytesMut::new();
        loop {
            let chunk = response.chunk().await.map_err(|error| ClientError::CutOff {
                server: self.server(),
                status,
                received: body.len(),
                reason: causes(&error),
            })?;
            let Some(chunk) = chunk else { break };
            if body.len() + chunk.len() > limit {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response { server: self.server(), status, headers, body: body.freeze() })
    }

    /// What an error before the answer means.
    fn failed(&self, error: &reqwest::Error) -> ClientError {
        if let Some(refused) = find::<NonePublic>(error) {
            let host = self.subject.url.host_str().unwrap_or_default().to_owned();
            return ClientError::AddressRefused { host, what: format!("no address that is ({refused})") };
        }
        let (server, reason) = (self.server(), causes(error));
        if error.is_connect() {
            ClientError::Connect { server, reason }
        } else if error.is_builder() {
            ClientError::Request { server, reason }
        } else {
            ClientError::NoAnswer { server, reason }
        }
    }

    fn server(&self) -> String {
        target::server(&self.subject.url)
    }

    /// Where a `Location` leads, without what it may hold.
    fn host_of(&self, location: &str) -> String {
        let url = self.subject.url.join(location).ok();
        let host = url.as_ref().and_then(|url| url.host_str()).map(str::to_owned);
        host.unwrap_or_else(|| "what is no URL".to_owned())
    }
}

fn redirect(status: StatusCode, headers: &HeaderMap) -> Option<&str> {
    let sends_on = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
    sends_on.then(|| headers.get(LOCATION)?.to_str().ok()).flatten()
}

const fn protocol_version(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        _ => None,
    }
}

/// An error of this type among the causes.
fn find<'a, E: std::error::Error + 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a E> {
    std::iter::successors(Some(error), |error| error.source()).find_map(|error| error.downcast_ref())
}

/// What an error of the library comes from, in one line. Its own text is left out: it shows the URL.
fn causes(error: &reqwest::Error) -> String {
    let first = std::error::Error::source(error);
    let mut told: Vec<String> = Vec::new();
    for cause in std::iter::successors(first, |cause| cause.source()) {
        let text = cause.to_string();
        if told.last().is_none_or(|last| !last.contains(&text)) {
            told.push(text);
        }
    }
    if told.is_empty() { "it says no more".to_owned() } else { told.join(": ") }
}
