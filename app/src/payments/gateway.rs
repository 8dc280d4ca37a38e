use super::error::GatewayError;
use super::remote::Remote;
use super::simulator::Simulator;
use crate::money::Amount;

/// The payment gateway.
///
/// It knows a charge by its idempotency key, wherever it is: what is asked again with the same key is charged once.
#[derive(Clone)]
pub(crate) enum Gateway {
    /// Inside the process.
    Simulated(Simulator),
    /// Over HTTP.
    Remote(Remote),
}

/// What the gateway says to a request that it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Verdict {
    /// The amount is charged, now or by an earlier request with the same key.
    Charged { transaction_id: String },
    /// It is not, and never will be.
    Declined { reason: String },
}

/// What is to be charged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) key: &'a str,
    pub(super) amount: Amount,
    pub(super) currency: &'a str,
    pub(super) method: &'a str,
}

impl Gateway {
    /// What spans call it.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Simulated(_) => "simulated",
            Self::Remote(_) => "remote",
        }
    }

    /// Charges an amount once for each key.
    pub(super) async fn charge(&self, asked: Asked<'_>) -> Result<Verdict, GatewayError> {
        match self {
            Self::Simulated(simulator) => simulator.charge(asked.key, asked.amount, asked.currency).await,
            Self::Remote(remote) => remote.charge(asked).await,
        }
    }
}
