use std::cell::Cell;
use std::mem;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use opentelemetry::trace::Span as _;
use opentelemetry::{Context, InstrumentationScope};
use opentelemetry_http::Bytes;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};

use super::client::SpanClient;
use super::plan::Batching;
use super::relay::Line;
use super::tally::Tally;
use super::wire::{self, Batch};
use super::worker::Worker;

/// The processor of the spans that are exported. Each is written when it ends, by the thread it ends on, and what waits are
/// the bytes; the batch processor of the SDK hands the spans themselves to a thread of its own, which pays for their memory again
/// when it frees what another has allocated.
#[derive(Debug)]
pub(super) struct Outbox {
    waiting: Arc<Waiting>,
    orders: mpsc::UnboundedSender<Order>,
    tally: Arc<Tally>,
}

/// What has ended and is not sent.
#[derive(Debug)]
struct Waiting {
    batches: Mutex<Batches>,
    /// A batch is full.
    full: Notify,
    /// Spans of a batch.
    size: u64,
}

#[derive(Debug)]
struct Batches {
    full: Vec<Batch>,
    open: Batch,
    /// Where a batch was that has been sent, for one that comes. Who ends spans are many threads, and the allocator keeps for
    /// each what it has freed.
    room: Vec<u8>,
    /// Nothing is sent any more.
    closed: bool,
}

thread_local! {
    /// Where spans are written before they are added to a batch, so that nobody waits for one that is being written.
    static WRITTEN: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Larger rooms to write in are not kept.
const KEPT: usize = 16 * 1024;

/// What the sender is to do at once, and whom to tell how it went.
#[derive(Debug)]
enum Order {
    Flush(SyncSender<OTelSdkResult>),
    Stop(SyncSender<OTelSdkResult>),
}

/// Who sends the batches, one after the other.
struct Sender {
    waiting: Arc<Waiting>,
    client: SpanClient,
    line: Line,
    delay: Duration,
}

impl Outbox {
    /// The sender runs on the worker until it is told to stop, or nobody is left who could tell it.
    pub(super) fn start(
        client: SpanClient,
        line: Line,
        worker: &Worker,
        resource: &Resource,
        batching: &Batching,
        tally: Arc<Tally>,
    ) -> Self {
        let size = batching.batch as u64;
        let open = Batch::new(wire::head(resource));
        let batches = Mutex::new(Batches { full: Vec::new(), open, room: Vec::new(), closed: false });
        let waiting = Arc::new(Waiting { batches, full: Notify::new(), size });
        let sender = Sender { waiting: Arc::clone(&waiting), client, line, delay: batching.delay };
        let (orders, received) = mpsc::unbounded_channel();
        worker.spawn(sender.run(received));
        Self { waiting, orders, tally }
    }

    /// Waits until an order is carried out.
    fn order(&self, order: fn(SyncSender<OTelSdkResult>) -> Order, limit: Option<Duration>) -> OTelSdkResult {
        let (done, result) = sync_channel(1);
        if self.orders.send(order(done)).is_err() {
            return Err(OTelSdkError::AlreadyShutdown);
        }
        let result = match limit {
            Some(limit) => result.recv_timeout(limit),
            None => result.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match result {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => Err(OTelSdkError::Timeout(limit.unwrap_or_default())),
            Err(RecvTimeoutError::Disconnected) => Err(OTelSdkError::AlreadyShutdown),
        }
    }
}

impl Batches {
    fn take_open(&mut self) -> Batch {
        self.open.take(mem::take(&mut self.room))
    }
}

impl Waiting {
    fn add(&self, scope: &InstrumentationScope, span: &[u8]) {
        let mut batches = self.batches.lock();
        if batches.closed {
            return;
        }
        batches.open.add(scope, span);
        if batches.open.spans() >= self.size {
            let batch = batches.take_open();
            batches.full.push(batch);
            drop(batches);
            self.full.notify_one();
        }
    }
}

impl SpanProcessor for Outbox {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        self.tally.began(span.span_context(), cx);
    }

    fn on_end(&self, span: SpanData) {
        if !self.tally.admit() {
            return;
        }
        // A thread that is at its end has it no more.
        let mut written = WRITTEN.try_with(Cell::take).unwrap_or_default();
        wire::span(&span, &mut written);
        self.waiting.add(&span.instrumentation_scope, &written);
        if written.capacity() <= KEPT {
            written.clear();
            let _ = WRITTEN.try_with(|room| room.set(written));
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.order(Order::Flush, None)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.order(Order::Stop, Some(timeout))
    }
}

impl Sender {
    async fn run(self, mut orders: mpsc::UnboundedReceiver<Order>) {
        loop {
            let order = tokio::select! {
                () = self.waiting.full.notified() => {
                    // Of what is not full yet more may come.
                    let _ = self.send(|batches| mem::take(&mut batches.full)).await;
                    continue;
                }
                () = tokio::time::sleep(self.delay) => None,
                order = orders.recv() => match order {
                    Some(order) => Some(order),
                    None => break,
                },
            };
            let stops = matches!(order, Some(Order::Stop(_)));
            let result = self
                .send(|batches| {
                    batches.closed |= stops;
                    let open = (batches.open.spans() > 0).then(|| batches.take_open());
                    mem::take(&mut batches.full).into_iter().chain(open).collect()
                })
                .await;
            if let Some(Order::Flush(done) | Order::Stop(done)) = order {
                // Who does not wait any more need not know.
                let _ = done.send(result);
            }
            if stops {
                break;
            }
        }
    }

    /// Sends some of what waits. Answers the last failure.
    async fn send(&self, take: impl FnOnce(&mut Batches) -> Vec<Batch>) -> OTelSdkResult {
        let batches = take(&mut self.waiting.batches.lock());
        let mut result = Ok(());
        for batch in batches {
            result = self.send_one(batch).await.and(result);
        }
        result
    }

    async fn send_one(&self, batch: Batch) -> OTelSdkResult {
        let spans = batch.spans();
        let request = Bytes::from(batch.into_request());
        let packed = self.client.packed(&request);
        let export = async || match &packed {
            Ok(request) => self.client.export(request.clone()).await,
            Err(error) => Err(OTelSdkError::InternalFailure(format!("not compressed: {error}"))),
        };
        let result = self.line.send((spans, spans), export).await;
        drop(packed);
        // Unless somebody still holds it, such as a connection that was given up.
        if request.is_unique() && request.len() <= wire::ROOM {
            let mut room = Vec::from(request);
            room.clear();
            self.waiting.batches.lock().room = room;
        }
        result
    }
}
