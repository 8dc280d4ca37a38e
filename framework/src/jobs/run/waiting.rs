use std::sync::Arc;
use std::time::{Duration, Instant};

use super::floor::{Entered, Floor};
use super::signals::QueueSignals;
use super::stream::EntryId;
use super::worker::{Done, End, Outbox, Report, RunJob};
use crate::jobs::context::Terms;
use crate::jobs::policy::Policy;
use crate::jobs::store::{Leased, Then};

/// A job that was leased and waits for a worker.
///
/// What its run needs is made when there is one, so that the next turn does not wait for all that this one brought, and a
/// job that is given back leaves no span of a run that never was.
pub(super) struct Waiting {
    leased: Box<Leased>,
    entered: Entered,
    report: Report,
    since: Instant,
}

impl Waiting {
    /// Its lease is kept from now on; also what `entry`, the queue and the entry of its stream, says of it.
    pub(super) fn new(
        leased: Leased,
        entry: Option<(Arc<str>, EntryId)>,
        floor: &Floor,
        outbox: &Arc<Outbox>,
    ) -> Self {
        let (held, suspect) = (leased.held(), leased.crashes > 0);
        let report = Report { outbox: Arc::clone(outbox), place: 0, held, suspect, sent: false };
        Self { entered: floor.enter(held, entry), leased: Box::new(leased), report, since: Instant::now() }
    }

    /// When it will have waited for this long.
    pub(super) fn until(&self, age: Duration) -> Instant {
        self.since + age
    }

    /// What the worker at this place gets of it: its run, which begins now.
    pub(super) fn begin(self, floor: &Floor, signals: &QueueSignals, place: usize) -> RunJob {
        let Self { leased, entered, mut report, since } = self;
        let unknown = Policy::default();
        let policy = floor.kinds.get(&leased.kind).map_or(&unknown, |kind| &kind.policy);
        let cx = floor.signals.pick_up(signals, &leased, since.elapsed(), policy);
        let terms = Terms {
            lease: floor.settings.lease,
            limit: Some(policy.run_limit()),
            cancelled: entered.cancelled,
            settled: entered.settled,
        };
        report.place = place;
        RunJob { leased, terms, cx, report }
    }

    /// What is to be written of it if it is not run.
    pub(super) fn give_back(mut self) -> Done {
        self.report.sent = true;
        let end = End::Unfinished { then: Then::GiveBack, error: None };
        let Report { held, suspect, .. } = self.report;
        Done { place: 0, held, end, span: None, suspect }
    }
}
