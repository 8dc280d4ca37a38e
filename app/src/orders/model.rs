use chrono::{DateTime, NaiveDateTime, SubsecRound as _, Utc};
use diesel::{Insertable, Queryable, Selectable};
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

use super::status::Status;
use crate::money::{Amount, readable};
use crate::schema::orders;

/// The currency of every order so far.
const CURRENCY: &str = "USD";

/// An order as the table holds it.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = orders)]
pub(crate) struct Order {
    pub(crate) id: i64,
    pub(crate) product_name: String,
    pub(crate) amount_minor: i64,
    pub(crate) currency: String,
    pub(crate) status: Status,
    pub(crate) created_at: NaiveDateTime,
    pub(crate) updated_at: NaiveDateTime,
}

impl Order {
    pub(crate) const fn amount(&self) -> Amount {
        Amount::from_minor(self.amount_minor)
    }
}

/// As a client sees it: the amount as decimal text, times in RFC 3339.
#[derive(Serialize, ToSchema)]
#[schema(as = Order)]
pub(super) struct Wire<'a> {
    id: i64,
    product_name: &'a str,
    amount: Amount,
    /// ISO 4217.
    #[schema(example = "USD")]
    currency: &'a str,
    status: Status,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl Serialize for Order {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Wire {
            id: self.id,
            product_name: &self.product_name,
            amount: self.amount(),
            currency: &self.currency,
            status: self.status,
            created_at: self.created_at.and_utc(),
            updated_at: self.updated_at.and_utc(),
        }
        .serialize(serializer)
    }
}

/// What a client sends to place an order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrderDraft {
    #[schema(schema_with = product_name)]
    pub(crate) product_name: ProductName,
    #[schema(schema_with = readable)]
    pub(crate) amount: Amount,
}

/// No control characters, and one that is not blank.
const NAME: &str = r"^[^\u0000-\u001f\u007f-\u009f]*[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000][^\u0000-\u001f\u007f-\u009f]*$";

/// 1 to 200 characters, none of them a control character, with something to read among them.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct ProductName(String);

fn product_name() -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(200))
        .pattern(Some(NAME))
        .examples(["Widget"])
        .into()
}

impl TryFrom<String> for ProductName {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        if name.trim().is_empty() {
            Err("must not be empty")
        } else if name.chars().count() > 200 {
            Err("is longer than 200 characters")
        } else if name.chars().any(char::is_control) {
            Err("must not contain control characters")
        } else {
            Ok(Self(name))
        }
    }
}

/// A row to insert.
#[derive(Debug, Insertable)]
#[diesel(table_name = orders)]
pub(crate) struct NewOrder {
    product_name: String,
    amount_minor: i64,
    currency: &'static str,
    status: Status,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
}

impl From<OrderDraft> for NewOrder {
    fn from(draft: OrderDraft) -> Self {
        let now = now();
        Self {
            product_name: draft.product_name.0,
            amount_minor: draft.amount.minor(),
            currency: CURRENCY,
            status: Status::Pending,
            created_at: now,
            updated_at: now,
        }
    }
}

/// The time in UTC as precisely as both databases keep it.
pub(crate) fn now() -> NaiveDateTime {
    Utc::now().naive_utc().trunc_subsecs(6)
}
