//! Durable jobs: work that outlives the process that asked for it.
//!
//! A job is a row in the caller's transaction. Rolled back, it never was; committed, it is run at least once by some
//! worker, in this process or another. Its effects in the database happen exactly once when the run ends with
//! [`JobContext::complete_in`] in the transaction that holds them.
//!
//! A worker has a job on a lease with a fencing token, which every write about the job has to show: one that was thought
//! dead and comes back changes nothing. Only the database's clock is ever read. [`store`] has every statement, [`State`]
//! the moves that there are. Jobs that are due again and again are enqueued by a [`Schedule`].
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use spanbox::config::DatabaseSettings;
//! use spanbox::data::{Conn, Db};
//! use spanbox::jobs::{self, Job, JobContext, JobError, JobsError, Policy};
//! use spanbox::redact::Secret;
//! use spanbox::telemetry::Telemetry;
//!
//! #[derive(Serialize, Deserialize)]
//! struct ProcessOrder {
//!     order_id: i64,
//! }
//!
//! impl Job for ProcessOrder {
//!     const NAME: &'static str = "process_order";
//!     const QUEUE: &'static str = "orders";
//!     type State = Db;
//!
//!     fn policy() -> Policy {
//!         Policy::default().max_attempts(5)
//!     }
//!
//!     async fn run(self, db: Db, ctx: JobContext) -> Result<(), JobError> {
//!         db.write(async move |conn: &mut Conn| ctx.complete_in(conn).await).await
//!     }
//! }
//!
//! # let directory = tempfile::tempdir().unwrap();
//! # let url = Secret::new(format!("sqlite://{}", directory.path().join("jobs.db").display()));
//! # let settings = DatabaseSettings { url, ..DatabaseSettings::default() };
//! # actix_rt::System::new().block_on(async move {
//! let db = Db::connect(&settings, &Telemetry::disabled()).await?;
//! db.migrate(&jobs::MIGRATIONS).await?;
//! let enqueued = db
//!     .write(async |conn: &mut Conn| jobs::enqueue(conn, ProcessOrder { order_id: 7 }).await)
//!     .await?;
//! assert!(enqueued.fresh);
//! # Ok::<_, JobsError>(())
//! # }).unwrap();
//! ```

/// The examples of the page for users, so that they are tested.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/JOBS.md")]
pub struct Page;

mod backoff;
mod carried;
mod context;
mod enqueue;
mod error;
mod failure;
mod job;
mod kinds;
mod messaging;
mod name;
mod policy;
mod run;
mod schedule;
mod schema;
mod settings;
mod state;
pub mod store;
#[cfg(test)]
mod tests;

pub use backoff::Backoff;
pub use carried::Carried;
pub use context::{Cancelled, JobContext};
pub use enqueue::{Enqueue, enqueue, enqueue_many};
pub use error::JobsError;
pub use failure::JobError;
pub use job::Job;
pub use kinds::Kinds;
pub(crate) use name::{check_names, kind as check_kind, queue as check_queue};
pub use policy::{Causality, Policy};
#[cfg(feature = "testing")]
pub(crate) use run::TICK;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub use run::properties::job_payload;
pub use run::{Runner, RunnerReport};
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub use schedule::properties::cron;
pub use schedule::{Schedule, ScheduleError};
pub use schema::MIGRATIONS;
pub use settings::{JobsSettings, QueueSettings, RateSettings, Transport};
pub use state::{State, UnknownState};
pub use store::Enqueued;
