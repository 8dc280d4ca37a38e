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
use super::model::Order;
use super::status::Status;
use super::store::{self, StatusTotal};

/// The channel on which changes are announced.
const CHANGED: &str = "order_changed";
/// The key of the totals, of which there are one.
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
    currency: String,
    status: Status,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
}

#[derive(Deserialize, Serialize)]
struct Kept(#[serde(with = "Row")] Order);

/// What is read often.
#[derive(Clone)]
pub(super) struct OrderCache {
    cache: Cache,
    orders: Namespace<Kept>,
    totals: Namespace<Vec<StatusTotal>>,
    ttl: Duration,
}

/// Says in a unit of work that it changes an order.
pub(super) fn changed(conn: &mut Conn, id: i64) {
    conn.announce(CHANGED, id.to_string());
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
            boot.db()?.on_announced(CHANGED, move |id| {
                changed.orders.invalidate(id);
                changed.totals.invalidate(ALL);
            });
        }
        boot.provide(orders);
        Ok(())
    }

    /// An order, whoever asks.
    pub(super) async fn find(&self, db: &Db, id: i64) -> Result<Order, OrderError> {
        let load = async || db.read(async move |conn| store::find(conn, id).await).await.map(Kept);
        self.orders.get_or_load(&id.to_string(), self.ttl, load).await.map(|Kept(order)| order)
    }

    /// What the orders of each status and currency come to.
    pub(super) async fn totals(&self, db: &Db) -> Result<Vec<StatusTotal>, DbError> {
        let load = async || db.read(async |conn| store::totals(conn).await).await;
        self.totals.get_or_load(ALL, self.ttl, load).await
    }

    /// Waits until no process reads any more what was changed before this.
    pub(super) async fn settled(&self) {
        self.cache.settled().await;
    }
}
