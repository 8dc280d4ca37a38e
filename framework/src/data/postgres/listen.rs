use std::sync::Arc;
use std::time::Duration;

use diesel::sql_query;
use diesel_async::RunQueryDsl as _;
use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::Postgres;
use super::target::Target;
use crate::data::Heard;

/// How long to wait before the listener connects again, at first and at most.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl Postgres {
    pub(in crate::data) fn listen(
        &self,
        channel: &'static str,
        to: mpsc::UnboundedSender<Heard>,
    ) -> AbortHandle {
        let target = Arc::clone(&self.target);
        #[allow(clippy::disallowed_methods, reason = "it belongs to the connection and to no trace")]
        let task = self.handle.spawn(async move {
            let mut pause = SHORTEST_PAUSE;
            while !to.is_closed() {
                match hear(&target, channel, &to).await {
                    Ok(()) => pause = SHORTEST_PAUSE,
                    Err(error) => {
                        tracing::debug!(server = target.shown, channel, error, "not listening to PostgreSQL");
                    }
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        });
        task.abort_handle()
    }
}

/// Listens until the connection ends; an error says that it was not made.
async fn hear(target: &Target, channel: &str, to: &mpsc::UnboundedSender<Heard>) -> Result<(), String> {
    let mut conn = target.connect().await.map_err(|error| error.to_string())?;
    let listen = sql_query(format!("LISTEN \"{channel}\"")).execute(&mut conn).await;
    listen.map_err(|error| error.to_string())?;
    let _ = to.send(Heard::Attentive);
    let mut notifications = std::pin::pin!(conn.notifications_stream());
    while let Some(Ok(notification)) = notifications.next().await {
        let _ = to.send(Heard::Said(notification.payload));
    }
    Ok(())
}
