use std::time::Duration;

use serde::{Deserialize, Serialize};
use spanbox::data::Conn;
use spanbox::jobs::{Backoff, Enqueue, Job, JobContext, JobError, JobsError, Policy};
use spanbox::telemetry;

use super::error::OrderError;
use super::model::Order;
use super::settings::OrderSettings;
use super::status::Status;
use super::store;
use crate::money::Amount;
use crate::payments::{Payment, PaymentService, Verdict};

/// Takes an order from `pending` to `completed` or `failed`.
///
/// It may run more than once; each step is taken once all the same. The status only moves on from the one before, the
/// charge has a key of the order's, and the last step is one transaction with the end of the job.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct ProcessOrder {
    order_id: i64,
}

/// What its runs need.
#[derive(Clone)]
pub(super) struct Processor {
    payments: PaymentService,
    high_value: Amount,
    refused: Amount,
}

impl ProcessOrder {
    /// Stores the job in the transaction that stores the order.
    pub(super) async fn enqueue(conn: &mut Conn, order_id: i64) -> Result<(), JobsError> {
        let job = Enqueue::new(Self { order_id }).unique(Self::key(order_id), Duration::ZERO);
        job.enqueue(conn).await.map(drop)
    }

    /// An order has one of these at a time, by this key.
    pub(super) fn key(order_id: i64) -> String {
        order_id.to_string()
    }
}

impl Job for ProcessOrder {
    const NAME: &'static str = "process_order";
    const QUEUE: &'static str = "orders";
    type State = Processor;

    /// Soon again after a hiccup of the gateway, and for half an hour when it is away: often enough that seconds after it is
    /// back its orders are charged. While it is away most runs ask nobody, for the breaker of its client is open.
    fn policy() -> Policy {
        let backoff = Backoff::new(Duration::from_millis(100)).max(Duration::from_millis(2500));
        Policy::default().max_attempts(1000).backoff(backoff)
    }

    async fn run(self, processor: Processor, ctx: JobContext) -> Result<(), JobError> {
        processor.process(self.order_id, &ctx).await
    }
}

impl Processor {
    pub(super) fn new(payments: PaymentService, settings: &OrderSettings) -> Self {
        Self { payments, high_value: settings.high_value(), refused: settings.refused() }
    }

    #[spanbox::traced(name = ProcessOrder::NAME, fields(order.id = id))]
    async fn process(&self, id: i64, ctx: &JobContext) -> Result<(), JobError> {
        let Some(order) = begin(id, ctx).await? else {
            tracing::debug!(order = id, "an order that is gone or at its end needs no processing");
            return Ok(());
        };
        let accepted = order.amount() <= self.high_value || self.validate_high_value_order(&order);
        let outcome = if accepted && self.pay(&order).await? { Status::Completed } else { Status::Failed };
        end(id, outcome, ctx).await
    }

    #[spanbox::traced(fields(order.amount = %order.amount()))]
    fn validate_high_value_order(&self, order: &Order) -> bool {
        let accepted = order.amount() <= self.refused;
        telemetry::set_attribute("order.accepted", accepted);
        accepted
    }

    /// Whether the order is paid. That it can not be is an answer; an error says that there is none yet.
    async fn pay(&self, order: &Order) -> Result<bool, JobError> {
        let payment = Payment {
            order_id: order.id,
            amount: order.amount(),
            currency: order.currency.as_str(),
            method: order.payment_method.as_str(),
        };
        match self.payments.process_payment(payment).await {
            Ok(Verdict::Charged { .. }) => Ok(true),
            Ok(Verdict::Declined { reason }) => {
                tracing::info!(order = order.id, reason, "the payment of an order was declined");
                Ok(false)
            }
            Err(error) if error.is_final() => Err(JobError::give_up(error)),
            Err(error) => Err(JobError::retry(error)),
        }
    }
}

/// Takes the order in hand, unless there is nothing to do with it. One that is being processed already was left so by
/// an earlier run.
async fn begin(id: i64, ctx: &JobContext) -> Result<Option<Order>, JobError> {
    let begun = ctx.db().write(async move |conn: &mut Conn| {
        let Some(order) = store::lock(conn, id).await? else { return Ok(None) };
        match order.status {
            Status::Pending => store::advance(conn, id, Status::Processing).await.map(Some),
            Status::Processing => Ok(Some(order)),
            Status::Completed | Status::Failed | Status::Cancelled => Ok(None),
        }
    });
    Ok(begun.await?)
}

/// Ends the order, and with it the job.
async fn end(id: i64, outcome: Status, ctx: &JobContext) -> Result<(), JobError> {
    let job = ctx.clone();
    let ended = ctx.db().write(async move |conn: &mut Conn| {
        match store::advance(conn, id, outcome).await {
            Err(error @ (OrderError::NotFound(_) | OrderError::IllegalStep { .. })) => {
                tracing::warn!(order = id, %error, "an order was ended by others while it was processed");
            }
            advanced => drop(advanced?),
        }
        job.complete_in(conn).await
    });
    ended.await
}
