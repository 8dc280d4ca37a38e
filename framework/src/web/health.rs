use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use futures_util::future::{LocalBoxFuture, join_all};
use serde::Serialize;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::timeout;

/// How long one check may take before it counts as failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

type Probe = dyn Fn() -> LocalBoxFuture<'static, Result<(), String>> + Send + Sync;

/// Something a service needs to do its work, and how to find out whether it is there.
#[derive(Clone)]
pub struct Check {
    name: &'static str,
    required: bool,
    probe: Arc<Probe>,
}

impl Check {
    /// A check: `Err` says why the service is not ready, in words that anyone may read.
    pub fn new<F>(name: &'static str, probe: F) -> Self
    where
        F: Fn() -> LocalBoxFuture<'static, Result<(), String>> + Send + Sync + 'static,
    {
        Self { name, required: true, probe: Arc::new(probe) }
    }

    /// A check of what the service can do without: while it fails its status is `degraded`, and the service stays ready.
    pub fn optional<F>(name: &'static str, probe: F) -> Self
    where
        F: Fn() -> LocalBoxFuture<'static, Result<(), String>> + Send + Sync + 'static,
    {
        Self { required: false, ..Self::new(name, probe) }
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Check").field(&self.name).finish()
    }
}

/// The checks of a service, and whether it takes requests at all.
#[derive(Clone, Debug)]
pub struct Health {
    checks: Arc<[Check]>,
    draining: Arc<watch::Sender<bool>>,
}

/// What came of one check.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct CheckReport {
    /// Its name, e.g. `database`.
    pub name: &'static str,
    /// Whether it passed.
    pub status: CheckStatus,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
}

/// Whether a check passed.
#[derive(Clone, Copy, Debug, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum CheckStatus {
    /// What it looks for is there.
    Ok,
    /// It is not, or the check took too long.
    Failed,
    /// The same of what the service can do without.
    Degraded,
}

/// Whether a service takes requests.
#[derive(Clone, Copy, Debug, Serialize, PartialEq, Eq)]
pub enum ReadyStatus {
    /// It does.
    #[serde(rename = "ready")]
    Ready,
    /// A check failed.
    #[serde(rename = "not ready")]
    NotReady,
    /// It is about to stop.
    #[serde(rename = "draining")]
    Draining,
}

/// What came of all of them.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Readiness {
    /// What they come to.
    pub status: ReadyStatus,
    /// Each check, in the order they were registered.
    pub checks: Vec<CheckReport>,
}

impl Health {
    /// The checks of a service.
    pub fn new(checks: impl Into<Arc<[Check]>>) -> Self {
        Self { checks: checks.into(), draining: Arc::default() }
    }

    /// From now on the service is not ready: it is about to stop.
    pub fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Waits until the service is about to stop: for what would go on for as long as its client likes.
    pub fn draining(&self) -> impl Future<Output = ()> + use<> {
        let mut draining = self.draining.subscribe();
        async move {
            if draining.wait_for(|draining| *draining).await.is_err() {
                std::future::pending().await
            }
        }
    }

    /// Whether the service is ready, as an answer: 200, or 503 with what is missing.
    pub(crate) async fn answer(&self) -> HttpResponse {
        self.readiness().await.answer()
    }

    /// Runs all checks side by side; one that takes longer than two seconds has failed.
    pub async fn readiness(&self) -> Readiness {
        if *self.draining.borrow() {
            return Readiness { status: ReadyStatus::Draining, checks: Vec::new() };
        }
        let checks = join_all(self.checks.iter().map(run)).await;
        let ready = checks.iter().all(|check| check.status != CheckStatus::Failed);
        Readiness { status: if ready { ReadyStatus::Ready } else { ReadyStatus::NotReady }, checks }
    }
}

impl Readiness {
    /// Of a service whose checks are not known yet.
    pub(crate) const fn starting() -> Self {
        Self { status: ReadyStatus::NotReady, checks: Vec::new() }
    }

    pub(crate) fn answer(&self) -> HttpResponse {
        let mut response = match self.status {
            ReadyStatus::Ready => HttpResponse::Ok(),
            ReadyStatus::NotReady | ReadyStatus::Draining => HttpResponse::ServiceUnavailable(),
        };
        response.json(self)
    }
}

/// The process answers.
pub(crate) async fn alive() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "healthy" }))
}

async fn run(check: &Check) -> CheckReport {
    let started = Instant::now();
    let outcome = match timeout(CHECK_TIMEOUT, (check.probe)()).await {
        Ok(outcome) => outcome,
        Err(_elapsed) => Err(format!("no answer within {CHECK_TIMEOUT:?}")),
    };
    CheckReport {
        name: check.name,
        status: match outcome {
            Ok(()) => CheckStatus::Ok,
            Err(_) if check.required => CheckStatus::Failed,
            Err(_) => CheckStatus::Degraded,
        },
        error: outcome.err(),
        duration_ms: started.elapsed().as_secs_f64() * 1e3,
    }
}
