use std::sync::Arc;
use std::time::{Duration, Instant};

use super::exchange::Exchange;
use super::floor::{Entered, Floor};
use super::signals::QueueSignals;
use super::stream::Delivery;
use super::worker::{Done, End, Report, RunJob};
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
    since: Instant,
}

impl Waiting {
    /// Its lease is kept from now on, and so is what brought it, if that was a stream.
    pub(super) fn new(leased: Leased, delivery: Option<Arc<Delivery>>, floor: &Floor) -> Self {
        let entered = floor.enter(leased.held(), delivery);
        Self { entered, leased: Box::new(leased), since: Instant::now() }
    }

    /// When it will have waited for this long.
    pub(super) fn until(&self, age: Duration) -> Instant {
        self.since + age
    }

    /// What the worker at this place gets of it: its run, which begins now.
    pub(super) fn begin(
        self,
        floor: &Floor,
        signals: &QueueSignals,
        exchange: &Arc<Exchange>,
        place: usize,
    ) -> RunJob {
        let Self { leased, entered, since } = self;
        let (held, suspect) = (leased.held(), leased.crashes > 0);
        let report = Report { exchange: Arc::clone(exchange), place, held, suspect, sent: false };
        let unknown = Policy::default();
        let policy = floor.kinds.get(&leased.kind).map_or(&unknown, |kind| &kind.policy);
        let cx = floor.signals.pick_up(signals, &leased, since.elapsed(), policy);
        let terms = Terms {
            lease: floor.settings.lease,
            limit: Some(policy.run_limit()),
            cancelled: entered.cancelled,
            settled: entered.settled,
        };
        RunJob { leased, terms, cx, report }
    }

    /// What is to be written of it if it is not run.
    pub(super) fn give_back(self) -> Done {
        let end = End::Unfinished { then: Then::GiveBack, error: None };
        let (held, suspect) = (self.leased.held(), self.leased.crashes > 0);
        Done { place: 0, held, end, span: None, suspect }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use opentelemetry_sdk::trace::SdkTracerProvider;

    use super::*;
    use crate::data::Db;
    use crate::jobs::carried::Carried;
    use crate::jobs::context::Cancelled;
    use crate::jobs::kinds::Kinds;
    use crate::jobs::run::signals::Signals;
    use crate::jobs::settings::JobsSettings;
    use crate::telemetry::{Providers, Telemetry};
    use crate::testing::{Capture, TestDatabase};

    fn leased(id: i64) -> Leased {
        Leased {
            id,
            token: 1,
            queue: "notes".to_owned(),
            kind: "note".to_owned(),
            payload: "{}".to_owned(),
            priority: 5,
            attempt: 1,
            max_attempts: 3,
            crashes: 0,
            waited: Duration::from_secs(7),
            delayed: Duration::ZERO,
            carried: Carried::default(),
        }
    }

    /// What surrounds a job, and the spans that are made.
    fn on_a_floor(test: impl FnOnce(&Floor, &Arc<Exchange>, &Capture)) {
        let capture = Capture::new();
        let traces = SdkTracerProvider::builder().with_span_processor(capture.clone()).build();
        let providers = Providers { traces: Some(traces), ..Providers::default() };
        let signals = Signals::new(&Telemetry::from_providers(providers));
        let database = TestDatabase::sqlite();
        actix_rt::System::new().block_on(async {
            let db = Db::connect(&database.settings(), &Telemetry::disabled()).await.unwrap();
            let floor = Floor::new(
                db,
                None,
                JobsSettings::default(),
                Kinds::default(),
                signals,
                "worker".to_owned(),
                &["notes".into()],
            );
            test(&floor, &Arc::new(Exchange::new(2)), &capture);
        });
    }

    #[test]
    fn only_a_run_that_begins_has_a_span() {
        on_a_floor(|floor, exchange, capture| {
            let done = Waiting::new(leased(1), None, floor).give_back();
            assert_eq!((done.held.id, done.span), (1, None));
            assert!(capture.open().is_empty() && capture.spans().all().is_empty());

            let signals = floor.signals.of_queue(&"notes".into());
            let since = Instant::now().checked_sub(Duration::from_secs(2)).unwrap();
            let waiting = Waiting { since, ..Waiting::new(leased(2), None, floor) };
            let run = waiting.begin(floor, &signals, exchange, 3);
            assert_eq!(run.report.place, 3);
            assert_eq!(capture.open(), ["process notes"]);
            let spans = capture.spans();
            let wait = spans.named("jobs.queue.wait").next().expect("what it waited is a span");
            assert!(wait.end_time.duration_since(wait.start_time).unwrap() >= Duration::from_secs(9));
        });
    }

    #[test]
    fn a_heartbeat_that_comes_while_a_job_is_settled_takes_no_lease_for_lost() {
        on_a_floor(|floor, _, _| {
            let (kept, settled) = (leased(1).held(), leased(2).held());
            let waiting = [leased(1), leased(2)].map(|job| Waiting::new(job, None, floor));
            floor.settle([settled]);
            assert_eq!(floor.hear(&[kept, settled], &[]), 1);
            let told = waiting.each_ref().map(|waiting| *waiting.entered.cancelled.borrow());
            assert_eq!(told, [Some(Cancelled::LeaseLost), None]);
        });
    }

    #[test]
    fn what_waits_is_handed_over_in_its_order_to_whoever_is_idle_first() {
        on_a_floor(|floor, exchange, _| {
            let signals = floor.signals.of_queue(&"notes".into());
            for id in 1..=5 {
                exchange.add(Waiting::new(leased(id), None, floor));
            }
            assert_eq!((exchange.room(5), exchange.room(1)), (2, 0));
            let begin = |(place, job): (usize, Waiting)| job.begin(floor, &signals, exchange, place);
            let first = begin(exchange.pair().unwrap());
            let second = begin(exchange.pair().unwrap());
            assert_eq!((first.leased.id, first.report.place), (1, 0));
            assert_eq!((second.leased.id, second.report.place), (2, 1));
            assert!(exchange.pair().is_none(), "no worker is idle");

            // A worker that has ended takes the next; the other holds up none.
            let next = first.report.send(End::Completed, None).unwrap();
            assert_eq!(next.leased.id, 3);
            assert!(exchange.filled.notified().now_or_never().is_some());
            let third = begin((0, next));
            assert_eq!(third.report.send(End::Completed, None).unwrap().leased.id, 4);
            assert!(exchange.filled.notified().now_or_never().is_none(), "it was told");

            // One whose worker is gone with it is given back, and the place is free.
            drop(second);
            let done = exchange.take_done();
            assert!(matches!(
                done[2],
                Done { place: 1, end: End::Unfinished { then: Then::GiveBack, .. }, .. }
            ));
            assert_eq!(exchange.pair().map(|(place, job)| (place, job.leased.id)), Some((1, 5)));
            assert_eq!(floor.in_hand(), 5, "their leases are kept until their ends are written");
        });
    }

    #[test]
    fn more_is_wanted_before_the_last_job_is_taken() {
        on_a_floor(|floor, exchange, _| {
            let signals = floor.signals.of_queue(&"notes".into());
            for id in 1..=6 {
                exchange.add(Waiting::new(leased(id), None, floor));
            }
            let wanted = || exchange.wanted.notified().now_or_never().is_some();
            let (place, mut job) = exchange.pair().unwrap();
            let mut asked = Vec::new();
            loop {
                let run = job.begin(floor, &signals, exchange, place);
                let next = run.report.send(End::Completed, None);
                asked.push(wanted());
                assert!(!exchange.is_at_rest(), "what has ended is not taken");
                let Some(next) = next else { break };
                job = next;
            }
            // With three left of the six, and when the worker is idle.
            assert_eq!(asked, [false, true, false, false, false, true]);
            exchange.take_done();
            assert!(exchange.is_at_rest());
        });
    }
}
