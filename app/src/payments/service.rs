use opentelemetry::trace::SpanKind;
use spanbox::telemetry;

use super::error::PaymentError;
use super::gateway::{Gateway, Verdict};
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
    pub(crate) async fn process_payment(&self, payment: Payment<'_>) -> Result<Verdict, PaymentError> {
        telemetry::span("process_payment")
            .attribute("order.id", payment.order_id)
            .attribute("payment.amount", payment.amount.to_string())
            .attribute("payment.method", payment.method.to_owned())
            .run(async {
                let verdict = match validate_method(payment.method) {
                    Ok(()) => self.charge(payment).await,
                    Err(error) => Err(error),
                };
                tell(&verdict);
                verdict
            })
            .await
    }

    async fn charge(&self, payment: Payment<'_>) -> Result<Verdict, PaymentError> {
        let key = format!("order-{}", payment.order_id);
        telemetry::span("payment_gateway.charge")
            .kind(SpanKind::Client)
            .attribute("payment.gateway", Gateway::NAME)
            .attribute("payment.amount", payment.amount.to_string())
            .run(async {
                let charged = self.gateway.charge(&key, payment.amount, payment.currency).await;
                let verdict = charged.map_err(PaymentError::from);
                tell(&verdict);
                verdict
            })
            .await
    }
}

fn validate_method(method: &str) -> Result<(), PaymentError> {
    telemetry::span("validate_payment_method").attribute("payment.method", method.to_owned()).in_scope(|_| {
        if METHODS.contains(&method) {
            return Ok(());
        }
        let error = PaymentError::Method(method.to_owned());
        telemetry::record_error(&error);
        Err(error)
    })
}

/// Says on the current span how it went.
fn tell(verdict: &Result<Verdict, PaymentError>) {
    match verdict {
        Ok(Verdict::Charged { transaction_id }) => {
            telemetry::set_attribute("payment.transaction_id", transaction_id.clone());
        }
        Ok(Verdict::Declined { reason }) => telemetry::set_attribute("payment.declined", *reason),
        Err(error) => telemetry::record_error(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_method_is_refused_for_good() {
        for method in METHODS {
            assert!(validate_method(method).is_ok(), "{method}");
        }
        for method in ["", "cash", "CREDIT_CARD", "credit_card "] {
            assert!(validate_method(method).is_err_and(|error| error.is_final()), "{method}");
        }
    }
}
