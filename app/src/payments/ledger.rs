//! Every statement about charges, for both databases.

use chrono::{NaiveDateTime, SubsecRound as _, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use spanbox::data::{Conn, DbError};
use spanbox::query;

use crate::money::{Amount, Currency};
use crate::schema::charges;

/// A charge as the table holds it, and as it is stored.
#[derive(Clone, Debug, Insertable, Queryable, Selectable)]
#[diesel(table_name = charges, treat_none_as_default_value = false)]
pub(super) struct Charge {
    pub(super) idempotency_key: String,
    pub(super) amount_minor: i64,
    pub(super) currency: String,
    created_at: NaiveDateTime,
}

impl Charge {
    /// A charge that is made now.
    pub(super) fn new(idempotency_key: &str, amount: Amount, currency: &str) -> Self {
        Self {
            idempotency_key: idempotency_key.to_owned(),
            amount_minor: amount.minor(),
            currency: currency.to_owned(),
            created_at: Utc::now().naive_utc().trunc_subsecs(6),
        }
    }

    /// What was charged, with the decimals of its currency.
    pub(super) fn amount(&self) -> Amount {
        match Currency::of(&self.currency) {
            Some(currency) => Amount::of(self.amount_minor, currency),
            None => Amount::from_minor(self.amount_minor),
        }
    }
}

pub(super) async fn find(conn: &mut Conn, key: &str) -> Result<Option<Charge>, DbError> {
    query!(conn, c => charges::table
        .find(key)
        .select(Charge::as_select())
        .first(c)
        .await
        .optional())
}

/// Stores a charge unless its key has one, which is given then.
pub(super) async fn record(conn: &mut Conn, charge: &Charge) -> Result<Option<Charge>, DbError> {
    let stored = query!(&mut *conn, c => diesel::insert_into(charges::table)
        .values(charge)
        .on_conflict(charges::idempotency_key)
        .do_nothing()
        .execute(c)
        .await)?;
    if stored == 1 { Ok(None) } else { find(conn, &charge.idempotency_key).await }
}
