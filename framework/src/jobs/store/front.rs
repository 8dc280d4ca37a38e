//! How far a queue has been leased.

use std::time::{Duration, Instant};

/// How long what comes back behind a front waits for it, at most.
const LOOK_BACK: Duration = Duration::from_secs(1);
/// One for each priority.
const PRIORITIES: usize = 10;

/// A queue, and where whoever holds this goes on to lease from it.
///
/// PostgreSQL keeps what was leased in its indexes until the table is vacuumed, and a lease that begins at the queue's
/// beginning wades through it: the longer the queue and the faster it is worked off, the more. So where at least as many
/// jobs were due as were asked for, the next lease begins where the last one ended; at the beginning again where that finds
/// too few, and every second, for what was given back or committed late. SQLite's index has only what is there.
///
/// (Brandur Leach describes the trouble in [Postgres Job Queues & Failure By MVCC](https://brandur.org/postgres-queues).)
#[derive(Clone, Debug)]
pub struct Front {
    queue: String,
    /// When it was last looked from the beginning, if it is not looked from there next.
    since: Option<Instant>,
    run_at: [i64; PRIORITIES],
}

impl Front {
    /// At the beginning of a queue.
    pub fn new(queue: impl Into<String>) -> Self {
        Self { queue: queue.into(), since: None, run_at: [i64::MIN; PRIORITIES] }
    }

    /// The queue.
    #[must_use]
    pub fn queue(&self) -> &str {
        &self.queue
    }

    /// Goes back to the beginning if that was long ago, and tells whether what is due may be behind it.
    pub(super) fn look_back(&mut self) -> bool {
        if self.since.is_some_and(|since| since.elapsed() >= LOOK_BACK) {
            self.go_back();
        }
        self.since.is_some()
    }

    /// From when on what is due is looked for, by priority, as an array of PostgreSQL.
    pub(super) fn array(&self) -> String {
        let times: Vec<_> = self.run_at.iter().map(i64::to_string).collect();
        format!("{{{}}}", times.join(","))
    }

    /// Jobs of these priorities were leased that were due then, as many as were asked for.
    pub(super) fn advance(&mut self, jobs: impl IntoIterator<Item = (i64, i64)>) {
        for (priority, run_at) in jobs {
            if let Some(place) = usize::try_from(priority).ok().and_then(|n| self.run_at.get_mut(n)) {
                *place = run_at.max(*place);
            }
        }
        self.since.get_or_insert_with(Instant::now);
    }

    /// There were fewer.
    pub(super) fn go_back(&mut self) {
        self.since = None;
        self.run_at = [i64::MIN; PRIORITIES];
    }

    /// As if the last look from the beginning was so long ago.
    #[cfg(test)]
    pub(in crate::jobs) fn age(&mut self) {
        self.since = self.since.and_then(|since| since.checked_sub(LOOK_BACK));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_priority_has_its_own_and_all_go_back_in_time() {
        let mut front = Front::new("notes");
        assert!(!front.look_back());
        front.advance([(0, 7), (9, 5), (9, 3)]);
        assert!(front.look_back());
        let none = i64::MIN;
        assert_eq!(front.array(), format!("{{7,{none},{none},{none},{none},{none},{none},{none},{none},5}}"));
        front.age();
        assert!(!front.look_back());
        assert_eq!(front.array(), Front::new("notes").array());
    }
}
