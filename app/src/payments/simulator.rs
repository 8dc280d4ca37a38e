use std::time::Duration;

use spanbox::data::{Conn, Db, DbError};
use tokio::time::sleep;

use super::error::{GatewayError, Money};
use super::gateway::Verdict;
use super::ledger::{self, Charge};
use crate::money::Amount;

/// What its names for charges begin with; their idempotency keys follow.
const PREFIX: &str = "sim-";

/// A payment gateway that moves no money: inside the service, or behind HTTP by the command `gateway`.
///
/// It knows a charge by its idempotency key. A request that failed is made again with the same key: if the charge was
/// made the first time, that one is the answer, and there is never a second.
#[derive(Clone)]
pub(super) struct Simulator {
    db: Db,
    behaviour: Behaviour,
}

/// How well it works.
#[derive(Clone, Copy, Debug)]
pub(super) struct Behaviour {
    /// The share of the requests that fail: half of them before the charge was stored, the other half after it.
    pub(super) failure_rate: f64,
    /// How long a request takes, half of it before the charge is stored.
    pub(super) latency: Duration,
    /// An amount above this is declined.
    pub(super) decline_above: Option<Amount>,
}

/// When a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    BeforeCharge,
    AfterCharge,
}

impl Fault {
    /// Of the share `rate` of all dice, which lie between 0 and 1, the lower half fails before the charge.
    fn of(dice: f64, rate: f64) -> Option<Self> {
        if dice >= rate {
            None
        } else if dice < rate / 2.0 {
            Some(Self::BeforeCharge)
        } else {
            Some(Self::AfterCharge)
        }
    }
}

impl Simulator {
    /// One with its records in this database.
    pub(super) const fn new(db: Db, behaviour: Behaviour) -> Self {
        Self { db, behaviour }
    }

    /// Charges an amount once for each key.
    pub(super) async fn charge(
        &self,
        key: &str,
        amount: Amount,
        currency: &str,
    ) -> Result<Verdict, GatewayError> {
        let fault = Fault::of(fastrand::f64(), self.behaviour.failure_rate);
        self.travel().await;
        if fault == Some(Fault::BeforeCharge) {
            return Err(GatewayError::Unreachable(None));
        }
        let verdict = self.decide(amount, Charge::new(key, amount, currency)).await?;
        self.travel().await;
        if fault == Some(Fault::AfterCharge) { Err(GatewayError::NoAnswer(None)) } else { Ok(verdict) }
    }

    /// A charge that was made, by the gateway's name for it.
    pub(super) async fn find(&self, transaction_id: &str) -> Result<Option<Charge>, DbError> {
        let Some(key) = transaction_id.strip_prefix(PREFIX).map(str::to_owned) else { return Ok(None) };
        self.db.read(async move |conn: &mut Conn| ledger::find(conn, &key).await).await
    }

    /// A request is on its way there, or back.
    async fn travel(&self) {
        if !self.behaviour.latency.is_zero() {
            sleep(self.behaviour.latency / 2).await;
        }
    }

    async fn decide(&self, amount: Amount, charge: Charge) -> Result<Verdict, GatewayError> {
        let declines = self.behaviour.decline_above.is_some_and(|limit| amount > limit);
        self.db
            .write(async move |conn: &mut Conn| {
                // What was charged once stays so, whatever the limit is now.
                if declines && ledger::find(conn, &charge.idempotency_key).await?.is_none() {
                    return Ok(Verdict::Declined { reason: "the amount is above the limit".to_owned() });
                }
                match ledger::record(conn, &charge).await? {
                    Some(earlier) if !same(&earlier, &charge) => Err(GatewayError::KeyReused {
                        key: charge.idempotency_key.clone(),
                        earlier: money(&earlier),
                        asked: money(&charge),
                    }),
                    _ => {
                        Ok(Verdict::Charged { transaction_id: format!("{PREFIX}{}", charge.idempotency_key) })
                    }
                }
            })
            .await
    }
}

fn same(one: &Charge, other: &Charge) -> bool {
    one.amount_minor == other.amount_minor && one.currency == other.currency
}

fn money(charge: &Charge) -> Money {
    Money(charge.amount(), charge.currency.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_failures_come_before_the_charge_and_half_after_it() {
        assert_eq!(Fault::of(0.0, 0.0), None);
        assert_eq!(Fault::of(0.0, 0.5), Some(Fault::BeforeCharge));
        assert_eq!(Fault::of(0.249, 0.5), Some(Fault::BeforeCharge));
        assert_eq!(Fault::of(0.25, 0.5), Some(Fault::AfterCharge));
        assert_eq!(Fault::of(0.499, 0.5), Some(Fault::AfterCharge));
        assert_eq!(Fault::of(0.5, 0.5), None);
        assert_eq!(Fault::of(0.999_999, 1.0), Some(Fault::AfterCharge));
    }
}
