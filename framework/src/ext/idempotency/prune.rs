use serde::{Deserialize, Serialize};

use super::store;
use crate::data::Conn;
use crate::jobs::{Job, JobContext, JobError};

/// So many answers are forgotten in one unit of work.
const BATCH: i64 = 1000;

/// Forgets the answers that have expired.
#[derive(Debug, Deserialize, Serialize)]
pub struct PruneIdempotencyKeys {}

impl Job for PruneIdempotencyKeys {
    const NAME: &'static str = "prune_idempotency_keys";
    type State = ();

    async fn run(self, (): (), ctx: JobContext) -> Result<(), JobError> {
        let now = store::now();
        loop {
            let pruned =
                ctx.db().write(async move |conn: &mut Conn| store::prune(conn, now, BATCH).await).await?;
            if pruned < BATCH as usize || ctx.cancellation().is_some() {
                return Ok(());
            }
        }
    }
}
