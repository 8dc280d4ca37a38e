use std::sync::Arc;

use spanbox::actor::Pool;
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

    /// Hands over what an earlier process left unfinished among the orders up to `last`, as places become free.
    pub(super) async fn resume(self, db: Db, last: i64) {
        let mut after = 0;
        loop {
            let page = telemetry::span("resume_orders")
                .run(async {
                    let page =
                        db.read(async move |conn| store::unfinished(conn, after, last, PAGE).await).await?;
                    for id in &page {
                        let Ok(place) = Arc::clone(&self.places).acquire_owned().await else { break };
                        self.processors.do_send(ProcessOrder { id: *id, place });
                    }
                    Ok::<_, DbError>(page)
                })
                .await;
            match page {
                Ok(page) => match page.last() {
                    Some(id) => after = *id,
                    None => return,
                },
                Err(DbError::Closed) => return,
                Err(error) => {
                    tracing::error!(%error, "unfinished orders could not be looked up; the next start tries again");
                    return;
                }
            }
        }
    }
}
