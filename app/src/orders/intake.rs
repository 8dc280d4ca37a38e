use std::sync::Arc;

use spanbox::actor::Pool;
use spanbox::context;
use spanbox::data::{Conn, Db, DbError};
use spanbox::telemetry;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::OrderError;
use super::model::{NewOrder, Order};
use super::processor::{OrderProcessor, ProcessOrder};
use super::store;

/// How many unfinished orders are looked up at once.
const PAGE: i64 = 500;

/// The way in for orders: stored, then handed to a processor, never more of them than may wait.
#[derive(Clone)]
pub(crate) struct Intake {
    processors: Pool<OrderProcessor>,
    places: Arc<Semaphore>,
}

/// A place among the orders that wait, given back when the order is processed.
pub(crate) type Place = OwnedSemaphorePermit;

impl Intake {
    pub(super) fn new(processors: Pool<OrderProcessor>, max_backlog: usize) -> Self {
        Self { processors, places: Arc::new(Semaphore::new(max_backlog)) }
    }

    /// Stores an order and hands it over with the commit, whether or not the client is still there.
    pub(super) async fn take(&self, db: &Db, order: NewOrder) -> Result<Order, OrderError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| OrderError::Backlog)?;
        let processors = self.processors.clone();
        let stored = db
            .write(async move |conn: &mut Conn| {
                let order = store::insert(conn, order).await?;
                let message = ProcessOrder { id: order.id, place };
                conn.after_commit(move || processors.do_send(message));
                Ok::<_, DbError>(order)
            })
            .await?;
        Ok(stored)
    }

    /// Hands over what an earlier process left unfinished: the oldest of it at once, the rest as places become free.
    pub(super) async fn resume(&self, db: Db) -> Result<(), DbError> {
        let last = db.read(async |conn: &mut Conn| store::newest(conn).await).await?;
        let Some(next) = self.resume_page(&db, 0, last).await? else { return Ok(()) };
        let intake = self.clone();
        context::spawn(async move {
            let mut after = Some(next);
            while let Some(id) = after {
                after = match intake.resume_page(&db, id, last).await {
                    Ok(next) => next,
                    Err(DbError::Closed) => None,
                    Err(error) => {
                        tracing::error!(%error, "unfinished orders are left to the next start");
                        None
                    }
                };
            }
        });
        Ok(())
    }

    /// Hands over a page of unfinished orders above `after`; gives the last of them when there may be more.
    async fn resume_page(&self, db: &Db, after: i64, last: i64) -> Result<Option<i64>, DbError> {
        let page = db.read(async move |conn| store::unfinished(conn, after, last, PAGE).await).await?;
        let next = page.last().copied().filter(|_| page.len() as i64 == PAGE);
        let handed_over =
            telemetry::span("resume_orders").attribute("orders.count", page.len() as i64).run(async {
                for id in page {
                    let Ok(place) = Arc::clone(&self.places).acquire_owned().await else { return };
                    self.processors.do_send(ProcessOrder { id, place });
                }
            });
        handed_over.await;
        Ok(next)
    }
}
