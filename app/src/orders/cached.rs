//! Orders and what they come to, by way of the cache.
//!
//! Every statement that changes an order announces it with [`changed`], in the unit of work that changes it, whichever
//! process that is; after the COMMIT what the cache has of it is out of date. Kept is the row and no answer: who may see
//! it is asked after it was found.

use std::time::Duration;

use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};
use spanbox::data::{Conn, Db, DbError};
use spanbox::ext::cache::{Cache, Namespace};
use spanbox::module::{Boot, BoxError};

use super::error::OrderError;
use super::model::{Line, Order, Whole};
use super::payment_method::PaymentMethod;
use super::status::Status;
use super::store::{self, StatusTotal};
use crate::accounts::{Caller, Scope};
use crate::money::Currency;

/// The channel on which changes are announced.
const CHANGED: &str = "order_changed";
/// The key of the totals of all orders.
const ALL: &str = "all";

/// How long rows are kept where all processes hear of changes.
const SHARED: Duration = Duration::from_secs(60);
/// How long they are kept in this process, which does not hear of what others change: the longest time that an order is
/// shown as it was.
const ALONE: Duration = Duration::from_secs(1);

/// A row as it is kept: a column more or less, and what was kept before counts as not there.
#[derive(Deserialize, Serialize)]
#[serde(remote = "Order")]
struct Row {
    id: i64,
    product_name: String,
    amount_minor: i64,
    currency: Currency,
    status: Status,
    payment_method: PaymentMethod,
    line_count: i32,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
    user_id: Option<i64>,
    version: i64,
}

/// A line of it.
#[derive(Deserialize, Serialize)]
#[serde(remote = "Line")]
struct LineRow {
    order_id: i64,
    product: String,
    quantity: i32,
    unit_price_minor: i64,
}

#[derive(Deserialize, Serialize)]
struct KeptLine(#[serde(with = "LineRow")] Line);

#[derive(Deserialize, Serialize)]
struct Kept {
    #[serde(with = "Row")]
    order: Order,
    lines: Vec<KeptLine>,
}

/// What is read often.
#[derive(Clone)]
pub(super) struct OrderCache {
    cache: Cache,
    orders: Namespace<Kept>,
    totals: Namespace<Vec<StatusTotal>>,
    ttl: Duration,
}

/// Says in a unit of work that it changes an order of a user, or of nobody.
pub(super) fn changed(conn: &mut Conn, id: i64, owner: Option<i64>) {
    conn.announce(CHANGED, format!("{id} {}", totals_of(owner)));
}

/// The key of the totals of a user's orders, or of nobody's.
fn totals_of(owner: Option<i64>) -> String {
    owner.map_or_else(|| "nobody".to_owned(), |user| format!("user-{user}"))
}

impl OrderCache {
    /// Provides it, and listens to changes.
    pub(super) fn start(boot: &Boot) -> Result<(), BoxError> {
        let cache = (*boot.provided::<Cache>()?).clone();
        let ttl = if cache.is_shared() { SHARED } else { ALONE };
        let (orders, totals) = (cache.namespace("orders", 1), cache.namespace("totals", 1));
        let orders = Self { cache, orders, totals, ttl };
        if orders.cache.is_on() {
            let changed = orders.clone();
            boot.db()?.on_announced(CHANGED, move |what| {
                let Some((id, of_owner)) = what.split_once(' ') else { return };
                changed.orders.invalidate(id);
                changed.totals.invalidate(of_owner);
                changed.totals.invalidate(ALL);
            });
        }
        boot.provide(orders);
        Ok(())
    }

    /// An order with its lines, as far as the caller may see it: that of another is not there.
    pub(super) async fn find(&self, db: &Db, caller: Caller, id: i64) -> Result<Whole, OrderError> {
        let load = async || {
            let found = db.read(async move |conn: &mut Conn| {
                let order = store::find(conn, id).await?;
                Ok::<_, OrderError>(store::whole(conn, order).await?)
            });
            found.await.map(Kept::from)
        };
        let Kept { order, lines } = self.orders.get_or_load(&id.to_string(), self.ttl, load).await?;
        if !caller.may_see(order.user_id) {
            return Err(OrderError::NotFound(id));
        }
        Ok(Whole { order, lines: lines.into_iter().map(|KeptLine(line)| line).collect() })
    }

    /// What the orders of each status and currency come to, of those that somebody sees.
    pub(super) async fn totals(&self, db: &Db, scope: Scope) -> Result<Vec<StatusTotal>, DbError> {
        let key = match scope {
            Scope::All => ALL.to_owned(),
            Scope::Of(user) => totals_of(Some(user)),
            Scope::Nobodys => totals_of(None),
        };
        let load = async || db.read(async move |conn| store::totals(conn, scope).await).await;
        self.totals.get_or_load(&key, self.ttl, load).await
    }

    /// Waits until no process reads any more what was changed before this.
    pub(super) async fn settled(&self) {
        self.cache.settled().await;
    }
}

impl From<Whole> for Kept {
    fn from(Whole { order, lines }: Whole) -> Self {
        Self { order, lines: lines.into_iter().map(KeptLine).collect() }
    }
}
