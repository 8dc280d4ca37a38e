use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker, ready};
use std::time::Instant;

use actix::dev::ContextFut;
use actix::{Actor, ActorContext as _};
use tokio::time::Sleep;

use super::context::Context;
use super::desk::Desk;
use super::letter::{Grave, Host as _};
use super::metrics::Ledger;
use super::restart::{Intensity, RestartPolicy};
use crate::telemetry::panic_message;

/// An actor at work: actix's own future of it, and around that the restarts, the stops and the reports of a drain.
pub(super) struct Runner<A: Actor<Context = Context<A>>> {
    actor: Option<ContextFut<A, Context<A>>>,
    desk: Arc<Desk>,
    listing: Option<Arc<Ledger>>,
    intensity: Intensity,
    pause: Option<Pin<Box<Sleep>>>,
    waker: Option<Waker>,
    begun: bool,
    stopping: bool,
    round: u64,
}

impl<A: Actor<Context = Context<A>>> Runner<A> {
    /// Runs `actor` as a task of this thread; `listing` is where it is listed, with what becomes of it in a panic.
    pub(super) fn start(mut ctx: Context<A>, actor: A, listing: Option<(Arc<Ledger>, RestartPolicy)>) {
        let desk = Arc::clone(&ctx.recorder().desk);
        let (listing, policy) =
            listing.map_or((None, RestartPolicy::never()), |(ledger, policy)| (Some(ledger), policy));
        let runner = Self {
            actor: ctx.into_future(actor),
            desk,
            listing,
            intensity: Intensity::new(policy),
            pause: None,
            waker: None,
            begun: false,
            stopping: false,
            round: 0,
        };
        #[allow(clippy::disallowed_methods, reason = "an actor outlives the trace that it was started in")]
        actix_rt::spawn(runner);
    }

    /// Drops the actor and what is in its mailbox, and takes it off the list.
    fn bury(&mut self) {
        let Some(mut actor) = self.actor.take() else { return };
        {
            let _grave = self.desk.root.with_value(Grave(Arc::clone(&self.desk))).attach();
            // A destructor or a `stopped` that panics must not take the thread's other actors with it.
            let dropped = catch_unwind(AssertUnwindSafe(move || {
                if actor.ctx().state().stopping() {
                    actor.ctx().terminate();
                }
                drop(actor);
            }));
            if let Err(panic) = dropped {
                let text = panic_message(&*panic);
                tracing::error!(actor = %self.desk.vitals, panic = %text, "an actor panicked as it stopped");
            }
        }
        self.desk.vitals.set_depth(0);
        self.desk.vitals.stopped();
        if let Some(listing) = &self.listing {
            listing.leave(&self.desk.vitals);
        }
    }

    /// The pause before the next attempt, or `None` if the actor is given up.
    fn after_panic(&mut self, text: &str) -> Option<Pin<Box<Sleep>>> {
        let name = &self.desk.vitals;
        match self.intensity.next_pause(Instant::now()) {
            Some(pause) => {
                tracing::warn!(actor = %name, panic = %text, ?pause, "an actor panicked and is restarted");
                self.desk.vitals.restarting();
                Some(Box::pin(tokio::time::sleep(pause)))
            }
            None => {
                tracing::error!(
                    actor = %name,
                    panic = %text,
                    "an actor panicked too often and is stopped; what is in its mailbox becomes dead letters"
                );
                None
            }
        }
    }

    fn drive(&mut self, task: &mut TaskContext<'_>) -> Poll<()> {
        loop {
            let vitals = &self.desk.vitals;
            let Some(actor) = &mut self.actor else { return Poll::Ready(()) };
            let asked_to_stop = vitals.is_stop_requested();
            if vitals.is_termination_requested() || (asked_to_stop && self.pause.is_some()) {
                actor.ctx().terminate();
                return Poll::Ready(());
            }
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(task));
                self.pause = None;
                actor.ctx().begin_restart();
            }
            actor.ctx().recorder().forget_time();
            // `started`, `stopping` and `stopped` have no sender whose context they could run in.
            let _root = (!self.begun || self.stopping).then(|| self.desk.root.clone().attach());
            self.begun = true;
            let before = (asked_to_stop && !vitals.is_busy()).then(|| vitals.progress());
            match catch_unwind(AssertUnwindSafe(|| Pin::new(&mut *actor).poll(task))) {
                Ok(Poll::Ready(())) => return Poll::Ready(()),
                Ok(Poll::Pending) => {}
                Err(panic) => actor.ctx().crash(panic_message(&*panic)),
            }
            if let Some(text) = actor.ctx().take_crash() {
                // Polled once more, so that the futures of the broken actor are dropped before the pause.
                let swept = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut *actor).poll(task)));
                if matches!(swept, Ok(Poll::Ready(()))) {
                    return Poll::Ready(());
                }
                self.pause = self.after_panic(&text);
                if self.pause.is_none() {
                    if let Some(actor) = &mut self.actor {
                        actor.ctx().terminate();
                    }
                    return Poll::Ready(());
                }
                continue;
            }
            if actor.ctx().take_reborn() {
                vitals.restarted();
                continue;
            }
            if !asked_to_stop || self.stopping || vitals.is_busy() || !actor.ctx().has_emptied_mailbox() {
                return Poll::Pending;
            }
            actor.ctx().recorder().publish();
            if before != Some(vitals.progress()) {
                // It may have sent itself something: it is looked at once more, after the thread's other tasks.
                task.waker().wake_by_ref();
                return Poll::Pending;
            }
            // Only now, so that what others sent to it as they stopped is handled to the end.
            self.stopping = true;
            actor.ctx().stop();
        }
    }
}

impl<A: Actor<Context = Context<A>>> Future for Runner<A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<()> {
        let this = self.get_mut();
        if !this.waker.as_ref().is_some_and(|waker| waker.will_wake(task.waker())) {
            this.waker = Some(task.waker().clone());
            this.desk.vitals.set_waker(task.waker().clone());
        }
        // Read before the mailbox is: an answer must not claim more than was looked at.
        let round = this.desk.vitals.round();
        if this.drive(task).is_ready() {
            this.bury();
            return Poll::Ready(());
        }
        if let Some(actor) = &mut this.actor {
            let ctx = actor.ctx();
            ctx.recorder().publish();
            let empty = this.pause.is_none() && ctx.has_emptied_mailbox();
            if empty {
                ctx.recorder().idle();
            }
            if round != this.round {
                this.round = round;
                this.desk.vitals.report(round, empty && !this.desk.vitals.is_busy());
            }
        }
        Poll::Pending
    }
}

impl<A: Actor<Context = Context<A>>> Unpin for Runner<A> {}

impl<A: Actor<Context = Context<A>>> Drop for Runner<A> {
    fn drop(&mut self) {
        self.bury();
    }
}
