use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::metrics::Ledger;
use super::outcome::Outcome;
use super::vitals::Vitals;

/// What a drain did.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct DrainReport {
    /// Messages handled to the end during the drain.
    pub handled: u64,
    /// What was given up: dead letters, answers that were cut off or are still on the way, and futures that messages
    /// spawned.
    pub abandoned: u64,
    /// Actors that did not even stop, because a handler blocks their thread: their names, a pool's member with its
    /// number. What these handlers do is not counted. The drain logs them as an error; whoever ends the process
    /// should hand them on, since their threads end with it, wherever they are.
    pub unresponsive: Vec<String>,
}

/// How long an actor that was terminated may take to notice.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// Between two looks at actors that report nothing new.
const LONGEST_NAP: Duration = Duration::from_millis(10);

pub(super) async fn drain(ledger: &Ledger, deadline: Instant) -> DrainReport {
    let handled = ledger.total(Outcome::Handled);
    let lost = lost(ledger);

    let idle = wait_until_idle(ledger, deadline).await;
    let mut live = ledger.live();
    live.reverse();
    if idle {
        for vitals in &live {
            vitals.request_stop();
            wait_until(deadline, || vitals.is_stopped()).await;
        }
    }
    live.retain(|vitals| !vitals.is_stopped());
    let errands: Vec<_> = live.iter().map(|vitals| vitals.errands() as u64).collect();
    for vitals in &live {
        vitals.request_termination();
    }
    wait_until(Instant::now() + LAST_WORDS, || live.iter().all(|vitals| vitals.is_stopped())).await;

    let cut_off: u64 =
        live.iter().zip(errands).filter(|(vitals, _)| vitals.is_stopped()).map(|of| of.1).sum();
    live.retain(|vitals| !vitals.is_stopped());
    let unresponsive: Vec<_> = live.iter().map(ToString::to_string).collect();
    if !unresponsive.is_empty() {
        tracing::error!(actors = ?unresponsive, "actors did not stop: handlers block their threads");
    }
    let outlived = ledger.outlived() as u64;
    DrainReport {
        handled: ledger.total(Outcome::Handled) - handled,
        abandoned: self::lost(ledger) - lost + cut_off + outlived,
        unresponsive,
    }
}

fn lost(ledger: &Ledger) -> u64 {
    ledger.total(Outcome::DeadLetter) + ledger.total(Outcome::Cancelled)
}

/// True when all actors have said twice in a row that they are idle, and nothing was handled in between: then no
/// message is on its way from one to another either.
async fn wait_until_idle(ledger: &Ledger, deadline: Instant) -> bool {
    let mut quiet_at = None;
    loop {
        let live = ledger.live();
        let round = live.iter().map(|vitals| vitals.round()).max().unwrap_or(0) + 1;
        for vitals in &live {
            vitals.open_round(round);
        }
        let all_idle = |live: &[Arc<Vitals>]| {
            live.iter().map(|vitals| vitals.reported(round)).collect::<Option<Vec<_>>>()
        };
        if !wait_until(deadline, || all_idle(&live).is_some()).await {
            return false;
        }
        if Instant::now() >= deadline {
            return false;
        }
        let progress: u64 = Outcome::ALL.map(|outcome| ledger.total(outcome)).iter().sum();
        let idle = all_idle(&live).is_some_and(|reports| reports.iter().all(|idle| *idle));
        if idle && ledger.outlived() == 0 {
            if quiet_at == Some(progress) {
                return true;
            }
            quiet_at = Some(progress);
        } else {
            quiet_at = None;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// False if the deadline comes first.
async fn wait_until(deadline: Instant, condition: impl Fn() -> bool) -> bool {
    let mut nap = Duration::from_micros(50);
    // One turn for the actors of this thread before the first nap.
    tokio::task::yield_now().await;
    while !condition() {
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(nap).await;
        nap = (nap * 2).min(LONGEST_NAP);
    }
    true
}
