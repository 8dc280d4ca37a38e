//! Who watches orders, and what they are told.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix::fut::wrap_future;
use actix::prelude::*;
use spanbox::data::{Backend, Conn, Db, DbError, Heard};
use spanbox::telemetry;
use spanbox::web::stream::{Full, Hub, Subscription};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};

use super::events::{CHANNEL, Change};
use super::store;

/// So many changes may wait for a client; an order has three in its life, and one for each time that it is revised.
const QUEUE: usize = 16;
/// As many orders are looked at in one statement.
const BATCH: usize = 500;

/// Hears of every change of an order and tells those who watch it; one of a service.
///
/// PostgreSQL tells of all changes, whoever makes them. SQLite's file tells nobody: changes of this process are announced in
/// it, and those of others are found within a second by looking at the orders that are watched. Before the first who
/// watches is listened for, after a lost connection, and of changes of other processes on SQLite, only what an order is then is
/// told, and not what it was in between.
pub(super) struct OrderEvents {
    db: Db,
    hub: Hub<i64, Change>,
    /// Told when somebody watches: until then nothing is listened to.
    wanted: Arc<Notify>,
}

/// Asks for the changes of an order from now on.
#[derive(Message)]
#[rtype(result = "Result<Subscription<Change>, Full>")]
pub(super) struct Watch {
    pub(super) order: i64,
}

impl OrderEvents {
    pub(super) fn new(db: Db, hub: Hub<i64, Change>) -> Self {
        Self { db, hub, wanted: Arc::default() }
    }

    /// Where the changes of orders are handed out, to so many streams at most.
    pub(super) fn hub(most: usize) -> Hub<i64, Change> {
        Hub::new(QUEUE, most)
    }
}

impl Actor for OrderEvents {
    type Context = spanbox::actor::Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let watching = watch(self.db.clone(), self.hub.clone(), Arc::clone(&self.wanted));
        ctx.spawn(wrap_future(watching));
    }
}

impl Handler<Watch> for OrderEvents {
    type Result = MessageResult<Watch>;

    fn handle(&mut self, Watch { order }: Watch, _: &mut Self::Context) -> Self::Result {
        let subscription = self.hub.subscribe(order);
        self.wanted.notify_one();
        MessageResult(subscription)
    }
}

/// Hands out what is heard and what is found, for as long as there is a database.
async fn watch(db: Db, hub: Hub<i64, Change>, wanted: Arc<Notify>) {
    wanted.notified().await;
    let mut listener = db.listen(CHANNEL);
    let mut look = interval(match db.backend() {
        Backend::Sqlite => Duration::from_secs(1),
        // In case that a connection is dead and nobody has noticed.
        Backend::Postgres => Duration::from_secs(30),
    });
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = HashMap::new();
    loop {
        let lost = tokio::select! {
            heard = listener.next() => match heard {
                Some(Heard::Said(text)) => {
                    if let Some(change) = Change::parse(&text) {
                        tell(&hub, &mut told, change);
                    }
                    false
                }
                Some(Heard::Attentive) => true,
                None => return,
            },
            _ = look.tick() => true,
        };
        if lost {
            let found = telemetry::unrecorded(find(&db, &hub)).await;
            match found {
                Ok(changes) => changes.into_iter().for_each(|change| tell(&hub, &mut told, change)),
                Err(error) => tracing::debug!(%error, "the orders that are watched could not be looked at"),
            }
            let watched = hub.topics();
            told.retain(|id, _| watched.contains(id));
        }
    }
}

/// Hands out a change unless it is known.
fn tell(hub: &Hub<i64, Change>, told: &mut HashMap<i64, i64>, change: Change) {
    if told.get(&change.id).is_some_and(|version| *version >= change.version) {
        return;
    }
    if hub.publish(&change.id, &change) > 0 {
        told.insert(change.id, change.version);
    }
}

/// What the orders that are watched are now.
async fn find(db: &Db, hub: &Hub<i64, Change>) -> Result<Vec<Change>, DbError> {
    let watched = hub.topics();
    let mut changes = Vec::with_capacity(watched.len());
    for ids in watched.chunks(BATCH) {
        let asked = ids.to_vec();
        let there = db.read(async move |conn: &mut Conn| store::standing(conn, asked).await).await?;
        let there: HashMap<_, _> =
            there.into_iter().map(|(id, version, status)| (id, (version, status))).collect();
        changes.extend(ids.iter().map(|id| match there.get(id) {
            Some((version, status)) => Change { id: *id, version: *version, status: Some(*status) },
            // Whatever version it had.
            None => Change { id: *id, version: i64::MAX, status: None },
        }));
    }
    Ok(changes)
}
