use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Text;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
}

impl<DB> ToSql<Text, DB> for PaymentMethod
where
    DB: Backend,
    str: ToSql<Text, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        self.as_str().to_sql(out)
    }
}

impl<DB> FromSql<Text, DB> for PaymentMethod
where
    DB: Backend,
    String: FromSql<Text, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        match String::from_sql(bytes)?.as_str() {
            "credit_card" => Ok(Self::CreditCard),
            "debit_card" => Ok(Self::DebitCard),
            "paypal" => Ok(Self::Paypal),
            other => Err(format!("the database holds an order with the payment method `{other}`").into()),
        }
    }
}
