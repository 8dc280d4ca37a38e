use spanbox::data::DbError;
use spanbox::ext::client::ClientError;

use crate::money::Amount;

/// Why nothing is known of a payment. That it was declined is no error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PaymentError {
    #[error("{0:?} is no payment method: use credit_card, debit_card or paypal")]
    Method(String),
    #[error(transparent)]
    Gateway(#[from] GatewayError),
}

/// What can go wrong between us and the gateway.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GatewayError {
    #[error("the payment gateway could not be reached, so nothing was charged")]
    Unreachable(#[source] Option<ClientError>),
    #[error(
        "the payment gateway did not answer, so whether it charged is not known: ask again with the same key"
    )]
    NoAnswer(#[source] Option<ClientError>),
    #[error(
        "the payment gateway answered {status}, so whether it charged is not known: ask again with the same key"
    )]
    Unwell { status: u16 },
    #[error("the payment gateway refused what it was asked ({status}): {detail}")]
    Refused { status: u16, detail: String },
    #[error(
        "the idempotency key {key} stands for a charge of {earlier}, not {asked}: find out who charged under it"
    )]
    KeyReused { key: String, earlier: Money, asked: Money },
    #[error("the payment gateway can not reach its records: {0}")]
    Records(#[from] DbError),
}

impl PaymentError {
    /// Whether asking again is of no use.
    pub(crate) const fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Method(_) | Self::Gateway(GatewayError::KeyReused { .. } | GatewayError::Refused { .. })
        )
    }
}

/// An amount with its currency, as an error shows it.
#[derive(Debug)]
pub(crate) struct Money(pub(crate) Amount, pub(crate) String);

impl std::fmt::Display for Money {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.0, self.1)
    }
}
