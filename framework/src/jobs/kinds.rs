use std::any::type_name;
use std::collections::{BTreeSet, HashMap};
use std::fmt;

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;

use super::context::JobContext;
use super::error::JobsError;
use super::failure::JobError;
use super::job::Job;
use super::name;
use super::policy::Policy;
use super::schedule::{Planned, Schedule};

type Begin = Box<dyn Fn(&str, JobContext) -> Result<Running, serde_json::Error> + Send + Sync>;

/// A run that has begun.
pub(super) type Running = LocalBoxFuture<'static, Result<(), JobError>>;

/// The kinds of jobs that a process can run, each with the state that its runs get, and the schedules that it keeps.
#[derive(Default)]
pub struct Kinds {
    kinds: HashMap<&'static str, Kind>,
    queues: BTreeSet<&'static str>,
    schedules: Vec<Planned>,
}

pub(super) struct Kind {
    pub(super) policy: Policy,
    pub(super) begin: Begin,
    of: &'static str,
}

impl Kinds {
    /// Adds a kind.
    ///
    /// # Errors
    ///
    /// [`JobsError::Name`], and [`JobsError::KindTwice`] when another type has its name.
    pub fn add<J: Job>(&mut self, state: J::State) -> Result<(), JobsError> {
        name::check_names(J::NAME, J::QUEUE)?;
        let begin: Begin = Box::new(move |payload, ctx| {
            let job: J = serde_json::from_str(payload)?;
            Ok(job.run(state.clone(), ctx).boxed_local())
        });
        let kind = Kind { policy: J::policy(), begin, of: type_name::<J>() };
        if let Some(other) = self.kinds.insert(J::NAME, kind) {
            return Err(JobsError::KindTwice {
                kind: J::NAME.to_owned(),
                types: (other.of, type_name::<J>()),
            });
        }
        self.queues.insert(J::QUEUE);
        Ok(())
    }

    /// Adds a schedule. Its jobs may be of a kind that only other processes run.
    ///
    /// # Errors
    ///
    /// [`JobsError::Name`], [`JobsError::Schedule`], and [`JobsError::ScheduleTwice`] when another one has its name.
    pub fn schedule(&mut self, schedule: Schedule) -> Result<(), JobsError> {
        let planned = schedule.plan()?;
        if self.schedules.iter().any(|other| other.name == planned.name) {
            return Err(JobsError::ScheduleTwice { schedule: planned.name });
        }
        self.schedules.push(planned);
        Ok(())
    }

    /// The queues that the kinds go to unless enqueued elsewhere, in order.
    pub fn queues(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.queues.iter().copied()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    pub(super) fn schedules(&self) -> &[Planned] {
        &self.schedules
    }

    pub(super) fn get(&self, kind: &str) -> Option<&Kind> {
        self.kinds.get(kind)
    }
}

impl fmt::Debug for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.kinds.keys()).finish()
    }
}
