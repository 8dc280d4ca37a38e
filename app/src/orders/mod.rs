//! Orders: taken over HTTP, stored, and processed by actors.

mod cursor;
mod error;
mod intake;
mod model;
mod processor;
mod routes;
mod settings;
mod status;
mod store;

use spanbox::module::{Boot, BoxError, Module};

use intake::Intake;
use processor::OrderProcessor;
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
        .on_start(start)
}

/// Starts the processors and gives them what an earlier process left undone.
async fn start(boot: Boot) -> Result<(), BoxError> {
    let settings = boot.settings::<OrderSettings>()?;
    let db = boot.db()?;
    let processor = OrderProcessor::new(db.clone(), &settings);
    let pool =
        boot.actors().pool("order-processor", settings.processors, move |_ctx| processor.clone()).start();
    let intake = Intake::new(pool, settings.max_backlog);
    intake.resume(db).await?;
    boot.provide(intake);
    Ok(())
}
