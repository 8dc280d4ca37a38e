use std::future::Future;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::context::JobContext;
use super::failure::JobError;
use super::policy::Policy;

/// A piece of work that outlives the process that asked for it.
///
/// The value itself is stored as JSON with the job: put ids into it rather than data, and no secrets. It is read back by
/// whichever build runs the job, so a field that is added later needs `#[serde(default)]`.
///
/// A job runs at least once. Its effects in the database happen exactly once when it ends with
/// [`JobContext::complete_in`] in the transaction that holds them. (The shape, a small type with its name and queue as
/// constants, follows crates.io's `BackgroundJob`.)
pub trait Job: Serialize + DeserializeOwned + Send + 'static {
    /// Its kind, stored with the job: stable, unique in the service; lower-case letters, digits, `_`, `-` and `.`.
    const NAME: &'static str;

    /// The queue it goes to unless enqueued elsewhere.
    const QUEUE: &'static str = "default";

    /// What its runs need from the service: a handle that clones.
    type State: Clone + Send + Sync + 'static;

    /// How it is tried, how often and how long.
    #[must_use]
    fn policy() -> Policy {
        Policy::default()
    }

    /// Does the work. An error is tried again by the policy, unless it is [`JobError::give_up`].
    ///
    /// # Errors
    ///
    /// Whatever went wrong.
    fn run(self, state: Self::State, ctx: JobContext) -> impl Future<Output = Result<(), JobError>>;
}
