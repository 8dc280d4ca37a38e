use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::dev::channel::channel;
use actix::{Actor, Addr, Arbiter, ArbiterHandle};

use super::blocking::{self, BlockingContext};
use super::causality::Causality;
use super::context::{Context, Factory};
use super::desk::Desk;
use super::drain::{self, DrainReport};
use super::label::short_name;
use super::metrics::{Histograms, Ledger};
use super::pool::Pool;
use super::restart::RestartPolicy;
use super::runner::Runner;
use super::vitals::{ActorSnapshot, Vitals};
use crate::telemetry::Telemetry;

/// As many messages as an actix mailbox holds by default.
const CAPACITY: usize = 16;

/// The actors of one service: starts them, lists them, stops them. Cheap to clone.
#[derive(Clone)]
pub struct Actors {
    inner: Arc<Inner>,
}

struct Inner {
    telemetry: Telemetry,
    histograms: Option<Histograms>,
    ledger: Arc<Ledger>,
    causality: Causality,
}

impl Actors {
    /// No actors yet; those started here record to `telemetry`.
    #[must_use]
    pub fn new(telemetry: Telemetry) -> Self {
        Self::with_causality(telemetry, Causality::default())
    }

    /// The same with another budget for chains of tells.
    #[must_use]
    pub fn with_causality(telemetry: Telemetry, causality: Causality) -> Self {
        let ledger = Arc::<Ledger>::default();
        let histograms = telemetry.meter().map(|meter| {
            ledger.observe(meter);
            Histograms::new(meter)
        });
        Self { inner: Arc::new(Inner { telemetry, histograms, ledger, causality }) }
    }

    /// Describes a supervised actor, built by `factory` at its start and after each panic.
    pub fn actor<A, F>(&self, name: impl Into<Cow<'static, str>>, factory: F) -> ActorBuilder<F>
    where
        A: Actor<Context = Context<A>>,
        F: Fn(&mut Context<A>) -> A + Send + 'static,
    {
        ActorBuilder { plan: Plan::new(self, name.into()), arbiter: None, factory }
    }

    /// Describes `members` supervised actors of one type behind one handle.
    pub fn pool<A, F>(&self, name: impl Into<Cow<'static, str>>, members: usize, factory: F) -> PoolBuilder<F>
    where
        A: Actor<Context = Context<A>>,
        F: Fn(&mut Context<A>) -> A + Send + Sync + 'static,
    {
        PoolBuilder { plan: Plan::new(self, name.into()), members, arbiters: Vec::new(), factory }
    }

    /// Describes `threads` actors on threads of their own that share one mailbox, and whose handlers may block.
    pub fn blocking_pool<A, F>(
        &self,
        name: impl Into<Cow<'static, str>>,
        threads: usize,
        factory: F,
    ) -> BlockingPoolBuilder<F>
    where
        A: Actor<Context = BlockingContext<A>>,
        F: Fn() -> A + Send + Sync + 'static,
    {
        BlockingPoolBuilder { plan: Plan::new(self, name.into()), threads, factory }
    }

    /// Starts a thread for actors, whose logs go where this service's go.
    ///
    /// # Panics
    ///
    /// When called outside an actix `System`.
    #[must_use = "the thread lives until it is told to stop"]
    pub fn arbiter(&self) -> Arbiter {
        let arbiter = Arbiter::new();
        let telemetry = self.inner.telemetry.clone();
        arbiter.spawn_fn(move || {
            let entered = telemetry.enter_thread();
            // Held by a task that never ends: it is dropped with the thread's other tasks.
            #[allow(clippy::disallowed_methods, reason = "it belongs to the thread and to no trace")]
            actix_rt::spawn(async move {
                let _entered = entered;
                std::future::pending::<()>().await;
            });
        });
        arbiter
    }

    /// The live actors in the order of their start.
    #[must_use]
    pub fn snapshot(&self) -> Vec<ActorSnapshot> {
        self.inner.ledger.live().iter().map(|vitals| vitals.snapshot()).collect()
    }

    /// The actor with the oldest message, in its mailbox or in work, among those whose name is wanted; and how old that
    /// may be. Only messages that are measured or traced count.
    pub(crate) fn oldest_message(&self, wanted: impl Fn(&str) -> bool) -> Option<(String, Duration)> {
        let live = self.inner.ledger.live();
        let ages = live.iter().filter(|vitals| wanted(&vitals.name));
        let ages = ages.filter_map(|vitals| Some((vitals.name.clone().into_owned(), vitals.oldest()?)));
        ages.max_by_key(|(_, age)| *age)
    }

    /// Waits until every mailbox is empty and the work of all messages is done, then stops all actors, the last
    /// started first.
    ///
    /// What is left at the deadline is stopped where it stands: queued messages become dead letters in their
    /// senders' traces, the actors' running futures are dropped. A `ResponseFuture` belongs to the runtime: it is
    /// counted and goes on. A handler that blocks its thread cannot be stopped; it is named in the report and in an
    /// error of the log. Messages may still be sent meanwhile; stop what sends them first. Timers, streams and what
    /// they started hold nothing up; see the [module](super) for what is awaited.
    pub async fn drain(&self, deadline: Instant) -> DrainReport {
        drain::drain(&self.inner.ledger, deadline).await
    }

    fn desk(
        &self,
        name: Cow<'static, str>,
        kind: &'static str,
        member: Option<usize>,
        capacity: usize,
    ) -> Arc<Desk> {
        let vitals = Arc::new(Vitals::new(name, kind, member).with_capacity(capacity));
        self.inner.ledger.enter(Arc::clone(&vitals));
        let Inner { telemetry, histograms, causality, .. } = &*self.inner;
        Arc::new(Desk::new(telemetry.clone(), histograms.as_ref(), *causality, vitals))
    }
}

impl std::fmt::Debug for Actors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Actors").field("live", &self.inner.ledger.live().len()).finish_non_exhaustive()
    }
}

/// What every builder has.
struct Plan {
    actors: Actors,
    name: Cow<'static, str>,
    capacity: usize,
    restart: RestartPolicy,
}

impl Plan {
    fn new(actors: &Actors, name: Cow<'static, str>) -> Self {
        Self { actors: actors.clone(), name, capacity: CAPACITY, restart: RestartPolicy::default() }
    }

    fn start<A, F>(&self, member: Option<usize>, arbiter: Option<&ArbiterHandle>, factory: F) -> Addr<A>
    where
        A: Actor<Context = Context<A>>,
        F: Fn(&mut Context<A>) -> A + Send + 'static,
    {
        let desk = self.actors.desk(self.name.clone(), short_name::<A>(), member, self.capacity);
        let ledger = Arc::clone(&self.actors.inner.ledger);
        let (sender, receiver) = channel(self.capacity);
        let restart = self.restart;
        // Made here, since an arbiter that has stopped drops what it is given.
        let unlisted = Unlist { ledger: Arc::clone(&ledger), desk: Some(Arc::clone(&desk)) };
        let start = move || {
            let root = desk.root.clone();
            let factory: Factory<A> = Rc::new(factory);
            let mut ctx = Context::seated(receiver, desk, Rc::clone(&factory));
            let actor = {
                let _cx = root.attach();
                factory(&mut ctx)
            };
            unlisted.keep();
            Runner::start(ctx, actor, Some((ledger, restart)));
        };
        match arbiter {
            Some(arbiter) => {
                arbiter.spawn_fn(start);
            }
            None => start(),
        }
        Addr::new(sender)
    }
}

/// Takes an actor off the list that never lived.
struct Unlist {
    ledger: Arc<Ledger>,
    desk: Option<Arc<Desk>>,
}

impl Unlist {
    fn keep(mut self) {
        self.desk = None;
    }
}

impl Drop for Unlist {
    fn drop(&mut self) {
        if let Some(desk) = &self.desk {
            tracing::error!(
                actor = %desk.vitals,
                "an actor was not started: its factory panicked, or its arbiter has stopped"
            );
            desk.vitals.stopped();
            self.ledger.leave(&desk.vitals);
        }
    }
}

macro_rules! plan_setters {
    () => {
        /// How many messages the mailbox holds before it says no. Default 16; 0 is without limit.
        ///
        /// Each address has one place more, as in actix; `do_send` is never refused.
        pub fn mailbox_capacity(mut self, messages: usize) -> Self {
            self.plan.capacity = messages;
            self
        }

        /// What happens after a panic. Default: [`RestartPolicy::default`].
        pub fn restart(mut self, policy: RestartPolicy) -> Self {
            self.plan.restart = policy;
            self
        }
    };
}

/// An actor that is described and not started, see [`Actors::actor`].
#[must_use = "nothing happens until `start`"]
pub struct ActorBuilder<F> {
    plan: Plan,
    arbiter: Option<ArbiterHandle>,
    factory: F,
}

impl<F> ActorBuilder<F> {
    plan_setters!();

    /// The thread that it lives on. Default: the one that calls [`start`](Self::start).
    pub fn on(mut self, arbiter: ArbiterHandle) -> Self {
        self.arbiter = Some(arbiter);
        self
    }

    /// Starts it.
    ///
    /// # Panics
    ///
    /// When called outside an actix `System`, and when the factory panics on this thread: a service whose actor
    /// cannot be built should not start. On another arbiter that panic is logged, and the address is closed.
    pub fn start<A>(self) -> Addr<A>
    where
        A: Actor<Context = Context<A>>,
        F: Fn(&mut Context<A>) -> A + Send + 'static,
    {
        self.plan.start(None, self.arbiter.as_ref(), self.factory)
    }
}

/// A pool that is described and not started, see [`Actors::pool`].
#[must_use = "nothing happens until `start`"]
pub struct PoolBuilder<F> {
    plan: Plan,
    members: usize,
    arbiters: Vec<ArbiterHandle>,
    factory: F,
}

impl<F> PoolBuilder<F> {
    plan_setters!();

    /// The threads that the members live on, in turn. Default: all on the one that calls [`start`](Self::start).
    pub fn on_arbiters(mut self, arbiters: impl IntoIterator<Item = ArbiterHandle>) -> Self {
        self.arbiters = arbiters.into_iter().collect();
        self
    }

    /// Starts the members, at least one.
    ///
    /// # Panics
    ///
    /// As [`ActorBuilder::start`].
    pub fn start<A>(self) -> Pool<A>
    where
        A: Actor<Context = Context<A>>,
        F: Fn(&mut Context<A>) -> A + Send + Sync + 'static,
    {
        let factory = Arc::new(self.factory);
        let members = (0..self.members.max(1)).map(|number| {
            let factory = Arc::clone(&factory);
            let arbiter = self.arbiters.get(number % self.arbiters.len().max(1));
            self.plan.start(Some(number), arbiter, move |ctx: &mut Context<A>| factory(ctx))
        });
        Pool::new(self.plan.name.clone(), members.collect())
    }
}

/// A pool of threads that is described and not started, see [`Actors::blocking_pool`].
#[must_use = "nothing happens until `start`"]
pub struct BlockingPoolBuilder<F> {
    plan: Plan,
    threads: usize,
    factory: F,
}

impl<F> BlockingPoolBuilder<F> {
    plan_setters!();

    /// Starts the threads, at least one.
    ///
    /// # Errors
    ///
    /// When the operating system gives no thread.
    ///
    /// # Panics
    ///
    /// When called outside an actix `System`.
    pub fn start<A>(self) -> std::io::Result<Addr<A>>
    where
        A: Actor<Context = BlockingContext<A>>,
        F: Fn() -> A + Send + Sync + 'static,
    {
        let Self { plan, threads, factory } = self;
        let desk = plan.actors.desk(plan.name.clone(), short_name::<A>(), None, plan.capacity);
        let ledger = Arc::clone(&plan.actors.inner.ledger);
        let (sender, receiver) = channel(plan.capacity);
        let addr = Addr::new(sender);
        let ends = (addr.downgrade(), receiver);
        blocking::start(
            threads.max(1),
            ends,
            (desk, ledger),
            plan.restart,
            Box::new(factory),
            blocking::thread,
        )?;
        Ok(addr)
    }
}
