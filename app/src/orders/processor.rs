use std::time::Duration;

use actix::clock::sleep;
use actix::{Actor, AtomicResponse, Handler, Message, WrapFuture as _};
use spanbox::actor::Context;
use spanbox::data::Db;
use spanbox::telemetry;

use super::error::OrderError;
use super::intake::Place;
use super::model::Order;
use super::settings::OrderSettings;
use super::status::Status;
use super::store;
use crate::money::Amount;

/// How long an order waits for the database at first, and at most.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Takes orders from `pending` to `completed` or `failed`, one at a time.
#[derive(Clone)]
pub(crate) struct OrderProcessor {
    db: Db,
    high_value: Amount,
    refused: Amount,
}

/// An order that was stored and waits to be processed.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct ProcessOrder {
    pub(crate) id: i64,
    /// Given back when the order is processed.
    pub(crate) place: Place,
}

impl OrderProcessor {
    pub(crate) fn new(db: Db, settings: &OrderSettings) -> Self {
        Self { db, high_value: settings.high_value(), refused: settings.refused() }
    }

    /// Processes an order, and goes on trying while the database is away: the orders behind it wait in the mailbox,
    /// and are not dropped one after the other.
    async fn process_at_last(self, id: i64) -> Result<(), OrderError> {
        let mut pause = SHORTEST_PAUSE;
        loop {
            match self.process(id).await {
                Err(OrderError::Database(error)) if error.is_transient() => {
                    tracing::warn!(order = id, %error, retry_in = ?pause, "an order has to wait for the database");
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                ended => return ended,
            }
        }
    }

    async fn process(&self, id: i64) -> Result<(), OrderError> {
        let order = self
            .db
            .write(async move |conn| {
                let order = store::find(conn, id).await?;
                // An order that is being processed already was left so by a process that died, or has another
                // processor: each step is taken once, whoever takes it.
                if order.status != Status::Processing {
                    store::advance(conn, id, Status::Processing).await?;
                }
                Ok::<_, OrderError>(order)
            })
            .await?;
        let outcome = if order.amount() > self.high_value && !self.validate_high_value(&order) {
            Status::Failed
        } else {
            Status::Completed
        };
        self.db.write(async move |conn| store::advance(conn, id, outcome).await).await
    }

    fn validate_high_value(&self, order: &Order) -> bool {
        telemetry::span("validate_high_value_order").in_scope(|_| {
            let accepted = order.amount() <= self.refused;
            telemetry::set_attribute("order.amount", order.amount().to_string());
            telemetry::set_attribute("order.accepted", accepted);
            accepted
        })
    }
}

impl Actor for OrderProcessor {
    type Context = Context<Self>;
}

impl Handler<ProcessOrder> for OrderProcessor {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, ProcessOrder { id, place }: ProcessOrder, _ctx: &mut Context<Self>) -> Self::Result {
        let this = self.clone();
        let work = telemetry::span("process_order").attribute("order.id", id).run(async move {
            match this.process_at_last(id).await {
                Ok(()) => {}
                // Deleted meanwhile, or another processor has it: nothing is left to do.
                Err(error @ (OrderError::NotFound(_) | OrderError::IllegalStep { .. })) => {
                    tracing::debug!(order = id, %error, "an order needs no processing");
                }
                Err(error) => {
                    telemetry::record_error(&error);
                    tracing::error!(order = id, %error, "an order could not be processed");
                }
            }
            drop(place);
        });
        AtomicResponse::new(Box::pin(work.into_actor(self)))
    }
}
