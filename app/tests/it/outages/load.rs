//! Requests to a service at a steady rate, from a thread of their own: they go on whatever a test waits for.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use spanbox::testing::raw;
use tokio::time::{MissedTickBehavior, interval};

/// Requests a second, all clients together.
const RATE: u32 = 80;
/// So many clients ask, each one request after another.
const CLIENTS: u32 = 8;
/// Nothing takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is asked in turns.
const ORDER: &str = r#"{"product_name":"Widget","amount":"9.99"}"#;
const READS: [&str; 9] = [
    "/api/orders/1",
    "/api/orders/2",
    "/api/orders/",
    "/api/orders/3",
    "/health/ready",
    "/api/orders/1",
    "/api/orders/analytics",
    "/api/orders/2",
    "/api/orders/?status=completed&limit=10",
];

/// How a request was answered.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// 0 when it was not.
    status: u16,
    pub(super) took: Duration,
    request: String,
    text: String,
}

impl Answer {
    pub(super) fn is_order(&self) -> bool {
        self.request.starts_with("POST")
    }

    /// The request, and the whole answer.
    pub(super) fn shown(&self) -> String {
        format!("{} after {:.0?}: {:?}", self.request, self.took, self.text)
    }

    /// What a service without any trouble answers.
    pub(super) fn is_right(&self) -> bool {
        self.status == if self.is_order() { 201 } else { 200 }
    }
}

#[derive(Default)]
struct Shared {
    answers: Mutex<Vec<Answer>>,
    more: Condvar,
    ends: AtomicBool,
}

/// The requests, until it is ended or dropped.
pub(super) struct Load {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    pub(super) fn start(address: SocketAddr) -> Self {
        let shared = Arc::<Shared>::default();
        let (clients, of_all) = (Arc::clone(&shared), Arc::clone(&shared));
        let thread = thread::spawn(move || {
            let all = (0..CLIENTS).map(|first| ask(address, first, &clients));
            actix::System::new().block_on(join_all(all));
        });
        Self { shared: of_all, thread: Some(thread) }
    }

    /// How many answers there are.
    pub(super) fn count(&self) -> usize {
        self.shared.answers.lock().unwrap().len()
    }

    /// Waits until there are so many more answers.
    pub(super) fn more(&self, count: usize) {
        let answers = self.shared.answers.lock().unwrap();
        let wanted = answers.len() + count;
        let few = |answers: &mut Vec<Answer>| answers.len() < wanted;
        let (_answers, waited) = self.shared.more.wait_timeout_while(answers, PATIENCE, few).unwrap();
        assert!(!waited.timed_out(), "there are no {count} answers more");
    }

    /// Those of the answers that came after so many.
    pub(super) fn since(&self, count: usize) -> Vec<Answer> {
        self.shared.answers.lock().unwrap()[count..].to_vec()
    }

    /// Waits for what is under way, and gives all answers.
    pub(super) fn end(mut self) -> Vec<Answer> {
        self.shared.ends.store(true, Relaxed);
        self.thread.take().unwrap().join().unwrap();
        self.since(0)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.ends.store(true, Relaxed);
    }
}

/// One client, which begins its turns in another place than the others.
async fn ask(address: SocketAddr, first: u32, shared: &Shared) {
    let mut turn = interval(Duration::from_secs(1) * CLIENTS / RATE);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in first.. {
        turn.tick().await;
        if shared.ends.load(Relaxed) {
            return;
        }
        let place = usize::try_from(number).unwrap() % (READS.len() + 1);
        let (request, body) = match READS.get(place) {
            Some(path) => (format!("GET {path}"), ""),
            None => ("POST /api/orders/".to_owned(), ORDER),
        };
        let length = body.len();
        let sent = format!(
            "{request} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        let began = Instant::now();
        let text = raw(address, sent.as_bytes(), PATIENCE).await;
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        let answer = Answer { status, took: began.elapsed(), request, text };
        shared.answers.lock().unwrap().push(answer);
        shared.more.notify_all();
    }
}
