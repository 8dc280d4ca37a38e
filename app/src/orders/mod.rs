//! Orders: taken over HTTP, stored with a job, and processed by it.

mod cached;
mod cursor;
mod error;
mod expire;
mod model;
mod process;
mod routes;
mod settings;
mod status;
mod store;

use spanbox::jobs::Schedule;
use spanbox::module::Module;

use crate::payments;
pub(crate) use routes::Api;

use cached::OrderCache;
use expire::ExpireStaleOrders;
use process::{ProcessOrder, Processor};
use settings::OrderSettings;

/// The module `/api/orders`.
pub(crate) fn module() -> Module {
    Module::new("orders")
        .prefix("/api/orders")
        .settings::<OrderSettings>()
        .get("/", routes::list)
        .post("/", routes::create)
        .get("/analytics", routes::analytics)
        .get("/{id}", routes::show)
        .delete("/{id}", routes::delete)
        .on_start(async |boot| OrderCache::start(&boot))
        .job::<ProcessOrder, _>(|boot| {
            Ok(Processor::new(payments::service(boot)?, &boot.settings::<OrderSettings>()?))
        })
        .job::<ExpireStaleOrders, _>(|boot| Ok(boot.settings::<OrderSettings>()?))
        .schedule(Schedule::new::<ExpireStaleOrders>("0 3 * * *", |_tick| ExpireStaleOrders {}))
}
