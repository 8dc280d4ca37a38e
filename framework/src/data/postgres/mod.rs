//! PostgreSQL (feature `postgres`; without it, `no_postgres.rs` stands here).

mod conn;
mod listen;
mod migrations;
mod target;
mod tls;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use diesel_async::pooled_connection::deadpool::{Object, Pool, PoolError};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

use super::conn::{Conn, Kind};
use super::error::DbError;
use super::pool::{PoolSignals, PoolState};
use super::recorder::Recorder;
use super::traced::Traced;
use super::unit::{After, Opening, Unit};
use crate::config::DatabaseSettings;
use crate::telemetry::Telemetry;
use target::Target;

pub use conn::{PgConn, Pooled};

const THREAD: &str = "db-postgres";

/// PostgreSQL: a pool whose connections and units of work live on one thread of their own.
///
/// On the caller's thread a unit would die with its request, and a connection with the runtime of the web worker that
/// happened to open it. Here a unit crosses threads twice, however many statements it has, and the waits of all
/// connections share one runtime.
pub(super) struct Postgres {
    queue: Mutex<Option<mpsc::UnboundedSender<Unit>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    handle: Handle,
    pub(super) target: Arc<Target>,
    recorder: Arc<Recorder>,
    signals: Arc<PoolSignals>,
    size: usize,
    pool: Pool<PgConn>,
}

impl Postgres {
    pub(super) fn new(settings: &DatabaseSettings, telemetry: &Telemetry) -> Result<Self, DbError> {
        let failed = |source| DbError::Thread { name: THREAD.to_owned(), source };
        let target = Target::parse(settings)?;
        let recorder = Arc::new(Recorder::new(telemetry, target.attributes.clone()));
        let signals = Arc::new(PoolSignals::new(telemetry, &target.attributes, target.pool.clone()));
        let size = settings.pool_size.max(1);
        let pool = pool(&target, &recorder, &signals, size)?;
        let weak = pool.weak();
        signals.observe(telemetry, move || weak.upgrade().map(|pool| PoolState::from(pool.status())));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (queue, units) = mpsc::unbounded_channel();
        let shared = Shared { pool: pool.clone(), target: target.clone(), signals: signals.clone() };
        let telemetry = telemetry.clone();
        let thread = std::thread::Builder::new()
            .name(THREAD.to_owned())
            .spawn(move || {
                let _telemetry = telemetry.enter_thread();
                let local = LocalSet::new();
                local.block_on(&runtime, shared.serve(units));
                // The units that had begun, or were queued, end before the thread does.
                runtime.block_on(local);
            })
            .map_err(failed)?;
        Ok(Self {
            queue: Mutex::new(Some(queue)),
            thread: Mutex::new(Some(thread)),
            handle,
            target,
            recorder,
            signals,
            size,
            pool,
        })
    }

    /// Where it is, for messages.
    pub(super) fn shown(&self) -> &str {
        &self.target.shown
    }

    pub(super) fn signals(&self) -> &PoolSignals {
        &self.signals
    }

    /// Connections at most.
    pub(super) const fn size(&self) -> usize {
        self.size
    }

    /// The longest wait for a connection since the last call.
    pub(super) fn longest_wait(&self) -> Duration {
        self.signals.longest_wait(PoolState::from(self.pool.status()).pending, Instant::now())
    }

    /// Queues a unit; after [`Postgres::close`] it is dropped, which its caller sees.
    pub(super) fn submit(&self, unit: Unit) {
        if let Some(queue) = &*self.queue.lock() {
            let _ = queue.send(unit);
        }
    }

    /// Takes no more units; those that are queued still run.
    pub(super) fn close(&self) {
        self.queue.lock().take();
    }

    /// Refuses those that still wait for a connection.
    pub(super) fn abandon(&self) {
        self.pool.close();
    }

    /// Waits until the thread has closed its connections.
    pub(super) async fn gone(&self) {
        let Some(thread) = self.thread.lock().take() else { return };
        let (done, gone) = oneshot::channel::<()>();
        let waiter = std::thread::Builder::new().name("db-close".to_owned()).spawn(move || {
            let _ = thread.join();
            drop(done);
        });
        if waiter.is_ok() {
            let _ = gone.await;
        }
    }
}

fn pool(
    target: &Arc<Target>,
    recorder: &Arc<Recorder>,
    signals: &Arc<PoolSignals>,
    size: usize,
) -> Result<Pool<PgConn>, DbError> {
    let mut config = ManagerConfig::default();
    // A check for a closed socket and an open transaction, without a round trip.
    config.recycling_method = RecyclingMethod::Fast;
    let (connect_to, recorded_by, signals) = (target.clone(), recorder.clone(), signals.clone());
    config.custom_setup = Box::new(move |_| {
        let (target, recorder, signals) = (connect_to.clone(), recorded_by.clone(), signals.clone());
        Box::pin(async move {
            let since = signals.clock();
            let conn = target.connect().await?;
            signals.created(since);
            Ok(Traced::new(conn, recorder))
        })
    });
    // The URL stays with the target: the manager only hands it to the closure above.
    let manager = AsyncDieselConnectionManager::<PgConn>::new_with_config(String::new(), config);
    Pool::builder(manager)
        .max_size(size)
        .build()
        .map_err(|error| DbError::Connect { server: target.shown.clone(), reason: error.to_string() })
}

#[derive(Clone)]
struct Shared {
    pool: Pool<PgConn>,
    target: Arc<Target>,
    signals: Arc<PoolSignals>,
}

impl Shared {
    async fn serve(self, mut units: mpsc::UnboundedReceiver<Unit>) {
        while let Some(unit) = units.recv().await {
            let shared = self.clone();
            #[allow(clippy::disallowed_methods, reason = "a unit carries the context of its caller itself")]
            tokio::task::spawn_local(async move { shared.serve_one(unit).await });
        }
    }

    async fn serve_one(&self, unit: Unit) {
        let mut begun = false;
        // After a restart of the server every pooled connection may be dead, each found out by its BEGIN.
        for _ in 0..=self.pool.status().max_size {
            let object = match self.get().await {
                Ok(object) => object,
                Err(error) => {
                    if begun || unit.begin(&self.signals) {
                        unit.refuse(error).await;
                    }
                    return;
                }
            };
            if !begun && !unit.begin(&self.signals) {
                return;
            }
            begun = true;
            let since = self.signals.clock();
            let mut conn = Conn::Postgres(Pooled(object));
            match unit.open(&mut conn).await {
                Ok(()) => {
                    let plain = unit.kind == Kind::Plain;
                    let (after, _) = unit.run(&mut conn).await;
                    if after == After::Broken || (plain && conn.is_broken()) {
                        discard(conn);
                    }
                    return self.signals.used(since);
                }
                Err(Opening::Lost(_)) => discard(conn),
                Err(Opening::Refused(error)) => return unit.refuse(error).await,
            }
        }
        let reason = "every connection broke as soon as it was used; look at the server's log".to_owned();
        unit.refuse(DbError::Connect { server: self.target.shown.clone(), reason }).await;
    }

    async fn get(&self) -> Result<Object<PgConn>, DbError> {
        self.pool.get().await.map_err(|error| match error {
            PoolError::Closed => DbError::Closed,
            PoolError::Backend(error) => {
                DbError::Connect { server: self.target.shown.clone(), reason: error.to_string() }
            }
            other => DbError::Connect { server: self.target.shown.clone(), reason: other.to_string() },
        })
    }
}

/// Closes the connection instead of giving it back; the server rolls back what is open on it.
fn discard(conn: Conn) {
    if let Conn::Postgres(Pooled(object)) = conn {
        drop(Object::take(object));
    }
}
