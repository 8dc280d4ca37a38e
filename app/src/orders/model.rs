use chrono::{DateTime, NaiveDateTime, SubsecRound as _, Utc};
use diesel::{AsChangeset, Insertable, Queryable, Selectable};
use serde::{Serialize, Serializer};
use spanbox::web::ETag;
use utoipa::ToSchema;

use super::draft::{PlacedLine, Placement};
use super::payment_method::PaymentMethod;
use super::status::Status;
use crate::money::{Amount, Currency};
use crate::schema::{order_lines, orders};

/// An order as the table holds it.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = orders)]
pub(crate) struct Order {
    pub(crate) id: i64,
    pub(crate) product_name: String,
    pub(crate) amount_minor: i64,
    pub(crate) currency: Currency,
    pub(crate) status: Status,
    pub(crate) payment_method: PaymentMethod,
    /// How many lines are stored for it; none if it was given as one product.
    pub(crate) line_count: i32,
    pub(crate) created_at: NaiveDateTime,
    pub(crate) updated_at: NaiveDateTime,
    /// Whose it is; nobody's without one.
    pub(crate) user_id: Option<i64>,
    /// Counts its changes from 1.
    pub(crate) version: i64,
}

/// A line of an order as the table holds it.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = order_lines)]
pub(crate) struct Line {
    pub(crate) order_id: i64,
    pub(crate) product: String,
    pub(crate) quantity: i32,
    pub(crate) unit_price_minor: i64,
}

impl Line {
    pub(crate) fn quantity(&self) -> u32 {
        // The table holds none below 1.
        u32::try_from(self.quantity).unwrap_or_default()
    }

    pub(crate) fn unit_price(&self, currency: Currency) -> Amount {
        Amount::of(self.unit_price_minor, currency)
    }
}

impl Order {
    pub(crate) fn amount(&self) -> Amount {
        Amount::of(self.amount_minor, self.currency)
    }

    /// What a client shows to say that it knows the order as it is.
    pub(crate) fn etag(&self) -> ETag {
        ETag::new(format_args!("{}-{}", self.id, self.version))
    }

    fn wire<'a>(&'a self, lines: Option<Vec<WireLine<'a>>>) -> Wire<'a> {
        Wire {
            id: self.id,
            product_name: &self.product_name,
            amount: self.amount(),
            currency: self.currency,
            payment_method: self.payment_method,
            status: self.status,
            version: self.version,
            created_at: self.created_at.and_utc(),
            updated_at: self.updated_at.and_utc(),
            lines,
        }
    }
}

/// As a client sees it: amounts as decimal text, times in RFC 3339.
#[derive(Serialize, ToSchema)]
#[schema(as = Order)]
pub(super) struct Wire<'a> {
    id: i64,
    product_name: &'a str,
    amount: Amount,
    currency: Currency,
    payment_method: PaymentMethod,
    status: Status,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lines: Option<Vec<WireLine<'a>>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = OrderLine)]
pub(super) struct WireLine<'a> {
    product: &'a str,
    quantity: u32,
    unit_price: Amount,
    total: Amount,
}

impl Serialize for Order {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.wire(None).serialize(serializer)
    }
}

/// An order with its lines. One that was given as one product has one line.
#[derive(Clone, Debug)]
pub(crate) struct Whole {
    pub(crate) order: Order,
    pub(crate) lines: Vec<Line>,
}

impl Serialize for Whole {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { order, lines } = self;
        let line = |line: &'_ Line| {
            let unit_price = line.unit_price(order.currency);
            // What they come to was checked when they were taken.
            let total = unit_price.times(line.quantity()).unwrap_or(unit_price);
            (line.quantity(), unit_price, total)
        };
        let wire = if order.line_count == 0 {
            let amount = order.amount();
            vec![WireLine { product: &order.product_name, quantity: 1, unit_price: amount, total: amount }]
        } else {
            let wire = lines.iter().map(|it| {
                let (quantity, unit_price, total) = line(it);
                WireLine { product: &it.product, quantity, unit_price, total }
            });
            wire.collect()
        };
        order.wire(Some(wire)).serialize(serializer)
    }
}

/// A row to insert: all of it, so that its statement is always the same.
#[derive(Debug, Insertable)]
#[diesel(table_name = orders, treat_none_as_default_value = false)]
pub(crate) struct NewOrder {
    product_name: String,
    amount_minor: i64,
    currency: Currency,
    payment_method: PaymentMethod,
    line_count: i32,
    status: Status,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
    user_id: Option<i64>,
    version: i64,
}

impl NewOrder {
    /// What a client sent, as an order of a user, or of nobody.
    pub(crate) fn new(placement: &Placement, user_id: Option<i64>) -> Self {
        let now = now();
        Self {
            product_name: placement.product_name.clone(),
            amount_minor: placement.amount.minor(),
            currency: placement.currency,
            payment_method: placement.payment_method,
            line_count: count(&placement.lines),
            status: Status::Pending,
            created_at: now,
            updated_at: now,
            user_id,
            version: 1,
        }
    }

    /// The same as it would be if it had been placed and ended at other times: nobody's, and not to be processed.
    pub(crate) fn ended(self, status: Status, created_at: NaiveDateTime, updated_at: NaiveDateTime) -> Self {
        // Placed, taken in hand and ended; or called off before that.
        let version = if status == Status::Cancelled { 2 } else { 3 };
        Self { status, created_at, updated_at, version, ..self }
    }
}

/// What an order becomes when its client changes it.
#[derive(Debug, AsChangeset)]
#[diesel(table_name = orders)]
pub(crate) struct Revision {
    product_name: String,
    amount_minor: i64,
    currency: Currency,
    payment_method: PaymentMethod,
    line_count: i32,
    updated_at: NaiveDateTime,
}

impl From<&Placement> for Revision {
    fn from(placement: &Placement) -> Self {
        Self {
            product_name: placement.product_name.clone(),
            amount_minor: placement.amount.minor(),
            currency: placement.currency,
            payment_method: placement.payment_method,
            line_count: count(&placement.lines),
            updated_at: now(),
        }
    }
}

/// A line to insert.
#[derive(Debug, Serialize)]
pub(crate) struct NewLine<'a> {
    position: i32,
    product: &'a str,
    quantity: u32,
    unit_price_minor: i64,
}

impl<'a> NewLine<'a> {
    /// The lines of an order, in their order.
    pub(crate) fn all(lines: &'a [PlacedLine]) -> Vec<Self> {
        let line = |(position, line): (i32, &'a PlacedLine)| Self {
            position,
            product: &line.product,
            quantity: line.quantity,
            unit_price_minor: line.unit_price.minor(),
        };
        (1..).zip(lines).map(line).collect()
    }
}

fn count(lines: &[PlacedLine]) -> i32 {
    i32::try_from(lines.len()).unwrap_or(i32::MAX)
}

/// The time in UTC as precisely as both databases keep it.
pub(crate) fn now() -> NaiveDateTime {
    Utc::now().naive_utc().trunc_subsecs(6)
}
