use std::fmt;
use std::time::{Duration, Instant};

use actix_web::http::Method;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use bytes::Bytes;
use opentelemetry_sdk::trace::SpanData;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::database::TestDatabase;
use super::{Capture, Spans};
use crate::app::{Running, Service, StopReport};

/// How long a test waits for what must come. Long, since nothing but a failing test ever waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A service under test: on a port, a database and a telemetry of its own, so that tests run side by side.
///
/// End it with [`TestApp::stop`], which fails when something is left running or a span has lost its cause. It sees
/// requests, messages, actors, units of work and spans. A task of [`context::spawn`](crate::context::spawn) it sees by
/// the spans that it has open; one that records nothing ends unseen, with the test's runtime.
pub struct TestApp {
    running: Option<Running>,
    capture: Capture,
    client: awc::Client,
    url: String,
    database: TestDatabase,
}

/// An answer, read whole.
#[derive(Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl TestApp {
    /// Starts a service in the `testing` profile, on a database of its own, see [`TestDatabase::fresh`].
    ///
    /// # Panics
    ///
    /// When the service does not start.
    pub async fn start(create_app: impl FnOnce(Option<&str>) -> Service) -> Self {
        Self::start_with(create_app, [] as [(&str, &str); 0]).await
    }

    /// The same with environment variables set.
    ///
    /// # Panics
    ///
    /// When the service does not start.
    pub async fn start_with<K: Into<String>, V: Into<String>>(
        create_app: impl FnOnce(Option<&str>) -> Service,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        Self::start_on(TestDatabase::fresh().await, create_app, environment).await
    }

    /// Stops the service as [`TestApp::stop`] does and starts one again on the same database.
    ///
    /// # Panics
    ///
    /// Those of [`TestApp::stop`], and when the service does not start.
    pub async fn restart(self, create_app: impl FnOnce(Option<&str>) -> Service) -> Self {
        let database = self.database.clone();
        self.stop().await;
        Self::start_on(database, create_app, [] as [(&str, &str); 0]).await
    }

    /// The same on a database that is there already, e.g. that of an earlier or another service.
    ///
    /// # Panics
    ///
    /// When the service does not start.
    pub async fn start_on<K: Into<String>, V: Into<String>>(
        database: TestDatabase,
        create_app: impl FnOnce(Option<&str>) -> Service,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let capture = Capture::new();
        let service = create_app(Some("testing"))
            .environment([
                ("PORT", "0"),
                ("DATABASE_URL", database.url()),
                ("APP_SERVER__HOST", "127.0.0.1"),
                ("APP_SERVER__WORKERS", "1"),
                ("LOG_LEVEL", "off"),
            ])
            .with_environment(environment)
            .span_processor(capture.clone());
        let ready = match service.prepare() {
            Ok(ready) => ready,
            Err(errors) => panic!("the service under test is not ready:\n{errors}"),
        };
        let running = match ready.start().await {
            Ok(running) => running,
            Err(error) => panic!("the service under test did not start: {error}"),
        };
        let url = format!("http://{}", running.addresses()[0]);
        let client = awc::Client::builder().timeout(PATIENCE).disable_redirects().finish();
        Self { running: Some(running), capture, client, url, database }
    }

    /// The service itself.
    ///
    /// # Panics
    ///
    /// Never: it is there until [`TestApp::stop`], which consumes this.
    pub fn running(&self) -> &Running {
        self.running.as_ref().expect("only stop takes it")
    }

    /// `http://address:port`, without a path.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its database. A clone of it outlives the service.
    #[must_use]
    pub const fn database(&self) -> &TestDatabase {
        &self.database
    }

    /// The spans that it has ended.
    #[must_use]
    pub const fn capture(&self) -> &Capture {
        &self.capture
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], Bytes::new()).await
    }

    /// `POST` with a body of JSON.
    ///
    /// # Panics
    ///
    /// When the value can not be written as JSON.
    pub async fn post(&self, path: &str, body: &impl Serialize) -> Answer {
        let body = serde_json::to_vec(body).expect("the body of a test is JSON");
        self.send(Method::POST, path, &[("content-type", "application/json")], body.into()).await
    }

    /// Any request.
    ///
    /// # Panics
    ///
    /// When there is no answer.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Bytes) -> Answer {
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.url));
        for header in headers {
            request = request.insert_header(*header);
        }
        let mut answer = match request.send_body(body).await {
            Ok(answer) => answer,
            Err(error) => panic!("{method} {path} was not answered: {error}"),
        };
        let body = match answer.body().limit(16 * 1024 * 1024).await {
            Ok(body) => body,
            Err(error) => panic!("the answer to {method} {path} was cut off: {error}"),
        };
        Answer { status: answer.status(), headers: answer.headers().clone(), body }
    }

    /// Waits for a span by the way to it, see [`Spans::find_path`]: cause and effect across requests, mailboxes
    /// and statements.
    ///
    /// # Panics
    ///
    /// With the spans drawn as trees, when it does not come.
    pub async fn expect_path(&self, path: &[&str]) -> SpanData {
        match self.capture.wait_for(PATIENCE, |spans| spans.find_path(path).cloned()).await {
            Ok(span) => span,
            Err(spans) => panic!("no span at {}\nthere are:\n{spans:?}", path.join(" > ")),
        }
    }

    /// Waits until `check` answers `Some`, asking again whenever a span has ended.
    ///
    /// # Panics
    ///
    /// When it never does.
    pub async fn eventually<T>(&self, what: &str, mut check: impl AsyncFnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(value) = check().await {
                return value;
            }
            assert!(Instant::now() < deadline, "it never happened: {what}");
            // Whatever the service does next ends a span; a check that makes a request ends one itself.
            let seen = self.capture.spans().all().len();
            let next = self
                .capture
                .wait_for(Duration::from_millis(50), |spans| (spans.all().len() > seen).then_some(()));
            next.await.ok();
        }
    }

    /// Stops the service without looking at what it leaves behind, for tests that leave something on purpose.
    ///
    /// # Panics
    ///
    /// Never: it consumes this, so it is the first.
    pub async fn stop_unchecked(mut self) -> StopReport {
        self.running.take().expect("stop consumes this, so it is the first").stop().await
    }

    /// Stops the service.
    ///
    /// # Panics
    ///
    /// When anything was abandoned, an actor did not stop, a span was not ended, or a span has lost its cause.
    pub async fn stop(mut self) -> (StopReport, Spans) {
        let running = self.running.take().expect("stop consumes this, so it is the first");
        let report = running.stop().await;
        let abandoned = (report.requests_abandoned, report.messages_abandoned, report.units_abandoned);
        assert_eq!(abandoned, (0, 0, 0), "something was abandoned: {report:?}");
        assert_eq!(report.actors_unresponsive, 0, "an actor did not stop: {report:?}");
        assert_eq!(report.stops_failed, 0, "an extension or a stop hook did not end: {report:?}");
        assert_eq!(self.capture.open(), Vec::<String>::new(), "these spans were never ended");
        let spans = self.capture.spans();
        let gaps = spans.gaps();
        assert!(gaps.is_empty(), "causality broke:\n{}\nthe spans:\n{spans:?}", gaps.join("\n"));
        (report, spans)
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if self.running.is_some() && !std::thread::panicking() {
            panic!("a test ended without TestApp::stop, so nothing checked what it left behind");
        }
    }
}

impl fmt::Debug for TestApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestApp").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// With the body, when it is something else.
    #[must_use]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("{error}: {}", self.text()),
        }
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.text())
    }
}
