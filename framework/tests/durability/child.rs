//! What a worker process does. It says how far it is in lines on standard output, and ends with the test that started
//! it, however that ends.

use std::io::{Read as _, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use spanbox::app::{Service, Signals};
use spanbox::jobs;

use crate::commit::{self, Step};
use crate::{unique, work};

/// The variable that holds an [`Assignment`] as JSON.
pub(crate) const ASSIGNMENT: &str = "DURABILITY_ASSIGNMENT";
/// What is said begins with it: the test runner writes to standard output too.
pub(crate) const MARK: &str = "» ";

/// What a worker process is there for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Assignment {
    /// To run jobs as a service with these variables does. Says `ready` and the time, and `stopped` with a report.
    Work { environment: Vec<(String, String)> },
    /// To place orders with their jobs, numbered from `first`, see [`commit::place_orders`].
    Order { url: String, first: i64, die: Option<Step> },
    /// To enqueue jobs with keys, see [`unique::claim`].
    Claim { url: String, clients: usize, keys: usize, seed: u64 },
}

/// Does what it is told, and returns when that is done.
pub(crate) fn perform(assignment: &str) {
    let assignment: Assignment = serde_json::from_str(assignment).unwrap();
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(3);
    });
    actix_rt::System::new().block_on(async move {
        match assignment {
            Assignment::Work { environment } => run_jobs(environment).await,
            Assignment::Order { url, first, die } => commit::place_orders(&url, first, die).await,
            Assignment::Claim { url, clients, keys, seed } => unique::claim(&url, clients, keys, seed).await,
        }
    });
}

/// Says something to the test, at once.
pub(crate) fn say(what: impl std::fmt::Display) {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{MARK}{what}").and_then(|()| stdout.flush()).unwrap();
}

async fn run_jobs(environment: Vec<(String, String)>) {
    let mut signals = Signals::listen().unwrap();
    let service = Service::new("durability", "1.0.0")
        .profile(Some("testing"))
        .environment(environment)
        .migrations(&jobs::MIGRATIONS)
        .module(work::module());
    let ready = service.prepare().unwrap_or_else(|errors| panic!("{errors}"));
    let running = ready.start_worker(Vec::new()).await.unwrap_or_else(|error| panic!("{error}"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    say(format!("ready {}", now.as_secs()));
    let report = running.run_until(&mut signals).await;
    say(format!("stopped {}", serde_json::to_string(&report).unwrap()));
}
