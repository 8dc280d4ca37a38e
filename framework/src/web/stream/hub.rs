use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use futures_util::Stream;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::super::Problem;

/// Hands events of a topic to all that have subscribed to it; cheap to clone.
///
/// Each subscriber has a queue. One whose queue is full is let go: it gets what is in its queue, and then the end.
pub struct Hub<K: Eq + Hash, E> {
    shared: Arc<Shared<K, E>>,
}

struct Shared<K, E> {
    topics: Mutex<Topics<K, E>>,
    queue: usize,
    most: usize,
}

struct Topics<K, E> {
    subscribers: HashMap<K, HashMap<u64, mpsc::Sender<E>>>,
    count: usize,
    next: u64,
}

/// The events of a topic from now on. It ends when its subscriber was too slow, or the hub is gone; dropped, it is forgotten.
pub struct Subscription<E> {
    events: mpsc::Receiver<E>,
    /// Takes it off the hub.
    leave: Option<Box<dyn FnOnce() + Send>>,
}

/// There are as many subscribers as a hub may have: a 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are {most} streams already, as many as this service has room for")]
pub struct Full {
    most: usize,
}

impl From<Full> for Problem {
    fn from(full: Full) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too-many-streams")
            .detail(full.to_string())
            .header(RETRY_AFTER, HeaderValue::from_static("5"))
    }
}

impl<K, E> Hub<K, E>
where
    K: Eq + Hash + Clone + Send + 'static,
    E: Clone + Send + 'static,
{
    /// A hub whose subscribers have room for so many events each, and of which there are so many at most.
    #[must_use]
    pub fn new(queue: usize, most: usize) -> Self {
        let topics = Topics { subscribers: HashMap::new(), count: 0, next: 0 };
        Self { shared: Arc::new(Shared { topics: Mutex::new(topics), queue: queue.max(1), most }) }
    }

    /// The events of a topic from now on.
    ///
    /// # Errors
    ///
    /// [`Full`].
    pub fn subscribe(&self, topic: K) -> Result<Subscription<E>, Full> {
        let (to, events) = mpsc::channel(self.shared.queue);
        let mut topics = self.shared.topics.lock();
        if topics.count >= self.shared.most {
            return Err(Full { most: self.shared.most });
        }
        let number = topics.next;
        topics.next += 1;
        topics.count += 1;
        topics.subscribers.entry(topic.clone()).or_default().insert(number, to);
        let shared = Arc::downgrade(&self.shared);
        let leave = Box::new(move || {
            if let Some(shared) = shared.upgrade() {
                shared.topics.lock().leave(&topic, number);
            }
        });
        Ok(Subscription { events, leave: Some(leave) })
    }

    /// Hands an event to all that listen to a topic, and tells how many those are. It never waits.
    pub fn publish(&self, topic: &K, event: &E) -> usize {
        let mut topics = self.shared.topics.lock();
        let Some(subscribers) = topics.subscribers.get(topic) else { return 0 };
        let slow: Vec<_> = subscribers
            .iter()
            .filter(|(_, to)| to.try_send(event.clone()).is_err())
            .map(|(number, _)| *number)
            .collect();
        let reached = subscribers.len() - slow.len();
        for number in slow {
            topics.leave(topic, number);
        }
        reached
    }

    /// The topics that somebody listens to.
    #[must_use]
    pub fn topics(&self) -> Vec<K> {
        self.shared.topics.lock().subscribers.keys().cloned().collect()
    }

    /// How many listen.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.shared.topics.lock().count
    }
}

impl<K: Eq + Hash, E> Topics<K, E> {
    fn leave(&mut self, topic: &K, number: u64) {
        let Some(subscribers) = self.subscribers.get_mut(topic) else { return };
        if subscribers.remove(&number).is_some() {
            self.count -= 1;
        }
        if subscribers.is_empty() {
            self.subscribers.remove(topic);
        }
    }
}

impl<E> Stream for Subscription<E> {
    type Item = E;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<E>> {
        self.events.poll_recv(cx)
    }
}

impl<E> Drop for Subscription<E> {
    fn drop(&mut self) {
        if let Some(leave) = self.leave.take() {
            leave();
        }
    }
}

impl<K: Eq + Hash, E> Clone for Hub<K, E> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<K: Eq + Hash, E> fmt::Debug for Hub<K, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("subscribers", &self.shared.topics.lock().count).finish_non_exhaustive()
    }
}

impl<E> fmt::Debug for Subscription<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, StreamExt as _};

    use super::*;

    #[test]
    fn every_subscriber_of_a_topic_gets_every_event() {
        let hub = Hub::new(8, 100);
        let mut first: Vec<_> = (0..10).map(|_| hub.subscribe("a").unwrap()).collect();
        let mut other = hub.subscribe("b").unwrap();
        assert_eq!((hub.publish(&"a", &1), hub.publish(&"a", &2), hub.publish(&"c", &3)), (10, 10, 0));
        for subscription in &mut first {
            assert_eq!(subscription.by_ref().take(2).collect::<Vec<_>>().now_or_never().unwrap(), [1, 2]);
        }
        assert_eq!(other.next().now_or_never(), None);
    }

    #[test]
    fn who_does_not_read_is_let_go_and_holds_nobody_up() {
        let hub = Hub::new(4, 100);
        let slow = hub.subscribe("a").unwrap();
        let mut quick = hub.subscribe("a").unwrap();
        for event in 0..100 {
            hub.publish(&"a", &event);
            assert_eq!(quick.next().now_or_never().unwrap(), Some(event));
        }
        assert_eq!(hub.subscribers(), 1);
        // What was in its queue, and then the end.
        assert_eq!(slow.collect::<Vec<_>>().now_or_never().unwrap(), [0, 1, 2, 3]);
    }

    #[test]
    fn who_leaves_is_forgotten_and_there_is_an_upper_bound() {
        let hub = Hub::<_, u8>::new(4, 2);
        let (one, _two) = (hub.subscribe(1).unwrap(), hub.subscribe(2).unwrap());
        assert!(hub.subscribe(3).unwrap_err().to_string().contains('2'));
        drop(one);
        assert_eq!((hub.topics(), hub.subscribers()), (vec![2], 1));
        assert!(hub.subscribe(3).is_ok());
    }
}
