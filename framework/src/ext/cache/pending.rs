//! What is out of date, and what the backend has not been told of yet.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use opentelemetry::Context;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Keys that are remembered while a backend is away. With more of them nothing is read until all values from before
/// have ended by themselves.
const MOST: usize = 100_000;

/// Invalidations that the backend does not know of. Until it does, this process reads none of their keys.
#[derive(Default)]
pub(super) struct Pending {
    state: Mutex<State>,
    /// How many there are, for those who only want to know that there are none.
    count: AtomicUsize,
    arrived: Notify,
    settled: Notify,
}

#[derive(Default)]
struct State {
    last: u64,
    keys: HashMap<String, Invalid>,
    longest: Duration,
    blind_until: Option<Instant>,
}

struct Invalid {
    number: u64,
    cx: Context,
}

impl Pending {
    /// Values are stored for as long as this.
    pub(super) fn lives(&self, time: Duration) {
        let mut state = self.state.lock();
        state.longest = state.longest.max(time);
    }

    /// A key is out of date. Tells of the first one that is not remembered, because there are too many.
    pub(super) fn add(&self, key: String) -> bool {
        self.add_up_to(key, MOST)
    }

    fn add_up_to(&self, key: String, most: usize) -> bool {
        let mut state = self.state.lock();
        state.last += 1;
        let overflows = state.keys.len() >= most && !state.keys.contains_key(&key);
        let mut first = false;
        if overflows {
            first = state.blind_until.is_none_or(|until| until < Instant::now());
            state.blind_until = Some(Instant::now() + state.longest);
        } else {
            let number = state.last;
            state.keys.insert(key, Invalid { number, cx: Context::current() });
        }
        self.count.store(state.keys.len() + usize::from(overflows), Ordering::Release);
        drop(state);
        self.arrived.notify_one();
        first
    }

    /// Whether what the backend has of a key may be out of date.
    pub(super) fn contains(&self, key: &str) -> bool {
        if self.count.load(Ordering::Acquire) == 0 {
            return false;
        }
        let mut state = self.state.lock();
        if state.blind_until.is_some_and(|until| until <= Instant::now()) {
            state.blind_until = None;
            self.count.store(state.keys.len(), Ordering::Release);
        }
        state.blind_until.is_some() || state.keys.contains_key(key)
    }

    /// Waits until there is something.
    pub(super) async fn arrived(&self) {
        while self.state.lock().keys.is_empty() {
            self.arrived.notified().await;
        }
    }

    /// Up to so many of them, each with its number and the context in which it was said.
    pub(super) fn some(&self, most: usize) -> Vec<(String, u64, Context)> {
        let state = self.state.lock();
        let keys = state.keys.iter().take(most);
        keys.map(|(key, invalid)| (key.clone(), invalid.number, invalid.cx.clone())).collect()
    }

    /// The backend knows of a key, unless it was out of date again meanwhile.
    pub(super) fn done(&self, key: &str, number: u64) {
        let mut state = self.state.lock();
        if state.keys.get(key).is_some_and(|invalid| invalid.number == number) {
            state.keys.remove(key);
        }
        let blind = state.blind_until.is_some();
        self.count.store(state.keys.len() + usize::from(blind), Ordering::Release);
        drop(state);
        self.settled.notify_waiters();
    }

    /// Waits until the backend knows of everything that was said up to now.
    pub(super) async fn settle(&self) {
        let last = self.state.lock().last;
        loop {
            let settled = self.settled.notified();
            if self.state.lock().keys.values().all(|invalid| invalid.number > last) {
                return;
            }
            settled.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_was_out_of_date_again_stays_until_that_is_known_too() {
        let pending = Pending::default();
        pending.add("a".to_owned());
        let first = pending.some(10).remove(0).1;
        pending.add("a".to_owned());
        pending.done("a", first);
        assert!(pending.contains("a"));
        let second = pending.some(10).remove(0).1;
        pending.done("a", second);
        assert!(!pending.contains("a"));
    }

    #[test]
    fn with_too_many_keys_nothing_is_read_until_all_values_have_ended() {
        let pending = Pending::default();
        pending.lives(Duration::from_secs(3600));
        assert!(!pending.add_up_to("a".to_owned(), 1));
        assert!(!pending.contains("b"));
        assert!(pending.add_up_to("b".to_owned(), 1) && !pending.add_up_to("c".to_owned(), 1));
        assert!(pending.contains("of the others"));
        let number = pending.some(10).remove(0).1;
        pending.done("a", number);
        assert!(pending.contains("of the others"));
        pending.state.lock().blind_until = Some(Instant::now());
        assert!(!pending.contains("of the others"));
    }
}
