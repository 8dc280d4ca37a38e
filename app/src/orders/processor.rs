use actix::{Actor, AtomicResponse, Handler, Message, WrapFuture as _};
use spanbox::actor::Context;
use spanbox::data::Db;
use spanbox::telemetry;

use super::error::OrderError;
use super::model::Order;
use super::settings::OrderSettings;
use super::status::Status;
use super::store;
use crate::money::Amount;

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
}

impl OrderProcessor {
    pub(crate) fn new(db: Db, settings: &OrderSettings) -> Self {
        Self { db, high_value: settings.high_value(), refused: settings.refused() }
    }

    async fn process(self, id: i64) -> Result<(), OrderError> {
        let order = self
            .db
            .write(async move |conn| {
                let order = store::find(conn, id).await?;
                store::advance(conn, id, Status::Processing).await?;
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

    fn handle(&mut self, ProcessOrder { id }: ProcessOrder, _ctx: &mut Context<Self>) -> Self::Result {
        let this = self.clone();
        let work = telemetry::span("process_order").attribute("order.id", id).run(async move {
            match this.process(id).await {
                Ok(()) => {}
                // Deleted meanwhile, or another processor has it: nothing is left to do.
                Err(error @ (OrderError::NotFound(_) | OrderError::IllegalStep { .. })) => {
                    tracing::info!(order = id, %error, "an order needs no processing");
                }
                Err(error) => {
                    telemetry::record_error(&error);
                    tracing::error!(order = id, %error, "an order could not be processed");
                }
            }
        });
        AtomicResponse::new(Box::pin(work.into_actor(self)))
    }
}
