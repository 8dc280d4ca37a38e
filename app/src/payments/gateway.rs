use std::time::Duration;

use spanbox::data::{Conn, Db};
use tokio::time::sleep;

use super::error::{GatewayError, Money};
use super::ledger::{self, Charge};
use super::settings::PaymentSettings;
use crate::money::{Amount, Currency};

/// The payment gateway: for now one that is simulated inside the process, with records of its own.
///
/// It knows a charge by its idempotency key. A request that failed is made again with the same key: if the charge was
/// made the first time, that one is the answer, and there is never a second.
#[derive(Clone)]
pub(crate) struct Gateway {
    db: Db,
    failure_rate: f64,
    latency: Duration,
    decline_above: Option<Amount>,
}

/// What the gateway says to a request that it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Verdict {
    /// The amount is charged, now or by an earlier request with the same key.
    Charged { transaction_id: String },
    /// It is not, and never will be.
    Declined { reason: &'static str },
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

impl Gateway {
    /// What spans call it.
    pub(super) const NAME: &'static str = "simulated";

    pub(super) fn new(db: Db, settings: &PaymentSettings) -> Self {
        Self {
            db,
            failure_rate: settings.failure_rate,
            latency: settings.latency,
            decline_above: settings.limit(),
        }
    }

    /// Charges an amount once for each key.
    pub(super) async fn charge(
        &self,
        key: &str,
        amount: Amount,
        currency: &str,
    ) -> Result<Verdict, GatewayError> {
        let fault = Fault::of(fastrand::f64(), self.failure_rate);
        self.travel().await;
        if fault == Some(Fault::BeforeCharge) {
            return Err(GatewayError::Unreachable);
        }
        let verdict = self.decide(amount, Charge::new(key, amount, currency)).await?;
        self.travel().await;
        if fault == Some(Fault::AfterCharge) { Err(GatewayError::NoAnswer) } else { Ok(verdict) }
    }

    /// A request is on its way there, or back.
    async fn travel(&self) {
        if !self.latency.is_zero() {
            sleep(self.latency / 2).await;
        }
    }

    async fn decide(&self, amount: Amount, charge: Charge) -> Result<Verdict, GatewayError> {
        let declines = self.decline_above.is_some_and(|limit| amount > limit);
        self.db
            .write(async move |conn: &mut Conn| {
                // What was charged once stays so, whatever the limit is now.
                if declines && ledger::find(conn, &charge.idempotency_key).await?.is_none() {
                    return Ok(Verdict::Declined { reason: "the amount is above the limit" });
                }
                match ledger::record(conn, &charge).await? {
                    Some(earlier) if !same(&earlier, &charge) => Err(GatewayError::KeyReused {
                        key: charge.idempotency_key.clone(),
                        earlier: money(&earlier),
                        asked: money(&charge),
                    }),
                    _ => Ok(Verdict::Charged { transaction_id: format!("sim-{}", charge.idempotency_key) }),
                }
            })
            .await
    }
}

fn same(one: &Charge, other: &Charge) -> bool {
    one.amount_minor == other.amount_minor && one.currency == other.currency
}

fn money(charge: &Charge) -> Money {
    let amount = match Currency::of(&charge.currency) {
        Some(currency) => Amount::of(charge.amount_minor, currency),
        None => Amount::from_minor(charge.amount_minor),
    };
    Money(amount, charge.currency.clone())
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
