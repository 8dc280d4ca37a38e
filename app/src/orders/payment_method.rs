use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;
use diesel::sql_types::Text;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::stored_as_text::stored_as_text;

/// How an order is paid.
#[derive(
    AsExpression, Clone, Copy, Debug, Default, Deserialize, FromSqlRow, PartialEq, Eq, Serialize, ToSchema,
)]
#[diesel(sql_type = Text)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PaymentMethod {
    /// The default.
    #[default]
    CreditCard,
    DebitCard,
    Paypal,
}

impl PaymentMethod {
    /// As the payments know it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::CreditCard => "credit_card",
            Self::DebitCard => "debit_card",
            Self::Paypal => "paypal",
        }
    }

    fn of_text(name: &str) -> Option<Self> {
        [Self::CreditCard, Self::DebitCard, Self::Paypal].into_iter().find(|method| method.as_str() == name)
    }
}

stored_as_text!(PaymentMethod, "an order with the payment method");
