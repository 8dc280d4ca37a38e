use spanbox::telemetry;

use super::error::PaymentError;
use super::gateway::{Asked, Gateway, Verdict};
use crate::money::Amount;

/// How one can pay.
const METHODS: [&str; 3] = ["credit_card", "debit_card", "paypal"];

/// Processes payments; cheap to clone.
#[derive(Clone)]
pub(crate) struct PaymentService {
    gateway: Gateway,
}

/// What is to be paid. The order is what makes it one payment, however often it is tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Payment<'a> {
    pub(crate) order_id: i64,
    pub(crate) amount: Amount,
    pub(crate) currency: &'a str,
    pub(crate) method: &'a str,
}

impl PaymentService {
    pub(super) const fn new(gateway: Gateway) -> Self {
        Self { gateway }
    }

    /// Charges what an order comes to. Asked again for the same order, it is the same charge.
    #[spanbox::traced(fields(
        order.id = payment.order_id,
        payment.amount = %payment.amount,
        payment.method = payment.method,
    ))]
    pub(crate) async fn process_payment(&self, payment: Payment<'_>) -> Result<Verdict, PaymentError> {
        validate_payment_method(payment.method)?;
        let verdict = self.charge(payment).await?;
        tell(&verdict);
        Ok(verdict)
    }

    #[spanbox::traced(
        name = "payment_gateway.charge",
        kind = "client",
        fields(payment.gateway = self.gateway.name(), payment.amount = %payment.amount),
    )]
    async fn charge(&self, payment: Payment<'_>) -> Result<Verdict, PaymentError> {
        let key = format!("order-{}", payment.order_id);
        let Payment { amount, currency, method, .. } = payment;
        let verdict = self.gateway.charge(Asked { key: &key, amount, currency, method }).await?;
        tell(&verdict);
        Ok(verdict)
    }
}

#[spanbox::traced(fields(payment.method = method))]
fn validate_payment_method(method: &str) -> Result<(), PaymentError> {
    if METHODS.contains(&method) { Ok(()) } else { Err(PaymentError::Method(method.to_owned())) }
}

/// Says on the current span how it went.
fn tell(verdict: &Verdict) {
    match verdict {
        Verdict::Charged { transaction_id } => {
            telemetry::set_attribute("payment.transaction_id", transaction_id.clone());
        }
        Verdict::Declined { reason } => telemetry::set_attribute("payment.declined", reason.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_method_is_refused_for_good() {
        for method in METHODS {
            assert!(validate_payment_method(method).is_ok(), "{method}");
        }
        for method in ["", "cash", "CREDIT_CARD", "credit_card "] {
            assert!(validate_payment_method(method).is_err_and(|error| error.is_final()), "{method}");
        }
    }
}
