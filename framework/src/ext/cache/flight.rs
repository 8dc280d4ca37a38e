//! One load of a key at a time, whoever asks for it in this process.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex as Lock;
use tokio::sync::{Mutex, MutexGuard};

use super::entry::Nonce;
use super::pending::Pending;

/// The loads that are under way.
#[derive(Default)]
pub(super) struct Flights(Lock<HashMap<String, Arc<Flight>>>);

/// What has come of a load so far.
pub(super) enum Load {
    /// Nothing: whose turn it is does it. The lease is that of somebody who gave up before.
    Pending { lease: Option<Nonce> },
    /// The value, as it is stored.
    Done(Vec<u8>),
    /// An error, which only the one who met it has: everybody else loads alone, and nobody waits any longer.
    Failed,
}

#[derive(Debug)]
struct Flight(Mutex<Load>);

/// A place in a flight. The last one to leave ends it.
pub(super) struct Seat<'a> {
    flights: &'a Flights,
    pending: &'a Pending,
    key: &'a str,
    flight: Arc<Flight>,
}

impl Flights {
    /// A place in the load of a key. If it is given up by all who wait for it, its lease is `pending` to be deleted.
    pub(super) fn board<'a>(&'a self, key: &'a str, pending: &'a Pending) -> Seat<'a> {
        let mut flights = self.0.lock();
        let flight = flights
            .entry(key.to_owned())
            .or_insert_with(|| Arc::new(Flight(Mutex::new(Load::Pending { lease: None }))));
        Seat { flights: self, pending, key, flight: Arc::clone(flight) }
    }

    /// How many wait for a load, and whoever does it.
    #[cfg(test)]
    pub(super) fn aboard(&self, key: &str) -> usize {
        self.0.lock().get(key).map_or(0, |flight| Arc::strong_count(flight) - 1)
    }

    /// From now on nobody joins the load that is under way: what it read is out of date.
    pub(super) fn forget(&self, key: &str) {
        self.0.lock().remove(key);
    }
}

impl Seat<'_> {
    /// Waits for this one's turn: until the load is done, has failed, or was given up.
    pub(super) async fn turn(&self) -> MutexGuard<'_, Load> {
        self.flight.0.lock().await
    }

    /// The turn if nobody has it.
    pub(super) fn try_turn(&self) -> Option<MutexGuard<'_, Load>> {
        self.flight.0.try_lock().ok()
    }

    /// The load has come to its end: those who come now begin another one.
    pub(super) fn land(&self) {
        let mut flights = self.flights.0.lock();
        if flights.get(self.key).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight)) {
            flights.remove(self.key);
        }
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut flights = self.flights.0.lock();
        let listed = flights.get(self.key).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight));
        // The other one is in the map, and nobody takes a seat while that is locked.
        if Arc::strong_count(&self.flight) > 1 + usize::from(listed) {
            return;
        }
        if listed {
            flights.remove(self.key);
        }
        drop(flights);
        let orphaned =
            self.flight.0.try_lock().is_ok_and(|load| matches!(&*load, Load::Pending { lease: Some(_) }));
        if orphaned {
            self.pending.add(self.key.to_owned());
        }
    }
}

impl std::fmt::Debug for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pending { .. } => "Pending",
            Self::Done(_) => "Done",
            Self::Failed => "Failed",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_to_leave_ends_the_flight() {
        let flights = Flights::default();
        let pending = Pending::default();
        let (first, second) = (flights.board("a", &pending), flights.board("a", &pending));
        drop(first);
        assert_eq!(flights.0.lock().len(), 1);
        drop(second);
        assert_eq!((flights.0.lock().len(), pending.contains("a")), (0, false));
    }

    #[test]
    fn a_lease_that_nobody_uses_any_more_is_to_be_deleted() {
        let (flights, pending) = (Flights::default(), Pending::default());
        let (first, second) = (flights.board("a", &pending), flights.board("a", &pending));
        *first.try_turn().unwrap() = Load::Pending { lease: Some([0; 16]) };
        drop(first);
        assert!(!pending.contains("a"), "the second one has it");
        drop(second);
        assert!(pending.contains("a"));
    }

    #[test]
    fn nobody_joins_a_flight_that_was_forgotten_and_its_end_is_not_that_of_the_next() {
        let (flights, pending) = (Flights::default(), Pending::default());
        let old = flights.board("a", &pending);
        flights.forget("a");
        let new = flights.board("a", &pending);
        assert!(!Arc::ptr_eq(&old.flight, &new.flight));
        old.land();
        drop(old);
        assert!(Arc::ptr_eq(&flights.board("a", &pending).flight, &new.flight));
    }
}
