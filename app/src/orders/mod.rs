//! Orders: taken over HTTP, stored with a job, and processed by it.

mod cached;
mod change;
mod draft;
mod error;
mod events;
mod expire;
mod export;
mod lists;
mod live;
#[cfg(any(test, feature = "bench"))]
pub(crate) mod measured;
mod model;
mod patch;
mod payment_method;
mod process;
#[cfg(any(fuzzing, test))]
pub(crate) mod properties;
mod receipt;
mod routes;
mod schema;
mod seed;
mod settings;
mod status;
mod store;
mod stream;

use spanbox::actor::Context;
use spanbox::jobs::Schedule;
use spanbox::module::Module;

use crate::payments;
pub(crate) use routes::Api;

use cached::OrderCache;
use expire::ExpireStaleOrders;
use live::OrderEvents;
use process::{ProcessOrder, Processor};
pub(crate) use receipt::TEMPLATE as RECEIPT;
pub(crate) use seed::Seed;
pub(crate) use settings::OrderSettings;

/// So many clients may begin to watch at once.
const MAILBOX: usize = 4096;

/// The module `/api/orders`.
pub(crate) fn module() -> Module {
    Module::new("orders")
        .prefix("/api/orders")
        .settings::<OrderSettings>()
        .get("/", routes::list)
        .post("/", routes::create)
        .get("/analytics", routes::analytics)
        .get("/export.csv", export::export)
        .get("/{id}", routes::show)
        .patch("/{id}", change::patch)
        .delete("/{id}", routes::delete)
        .post("/{id}/cancel", change::cancel)
        .get("/{id}/events", stream::events)
        .on_start(async |boot| OrderCache::start(&boot))
        .on_start(async |boot| {
            let (db, hub) = (boot.db()?, OrderEvents::hub(boot.settings::<OrderSettings>()?.max_streams));
            let events = move |_: &mut Context<OrderEvents>| OrderEvents::new(db.clone(), hub.clone());
            boot.provide(boot.actors().actor("order-events", events).mailbox_capacity(MAILBOX).start());
            Ok(())
        })
        .job::<ProcessOrder, _>(|boot| {
            Ok(Processor::new(payments::service(boot)?, &boot.settings::<OrderSettings>()?))
        })
        .job::<ExpireStaleOrders, _>(|boot| Ok(boot.settings::<OrderSettings>()?))
        .schedule(Schedule::new::<ExpireStaleOrders>("0 3 * * *", |_tick| ExpireStaleOrders {}))
}

/// The module `/orders`: pages for people.
pub(crate) fn pages() -> Module {
    Module::new("order-pages").prefix("/orders").get("/{id}/receipt", receipt::receipt)
}
