//! The order service, built on spanbox: a folder per module of the service, and the factory that puts them together.

mod money;
mod orders;
mod payments;
mod schema;

use diesel_migrations::embed_migrations;
use spanbox::app::Service;
use spanbox::data::Migrations;
use spanbox::ext::idempotency;
use spanbox::jobs;

static MIGRATIONS: Migrations =
    Migrations::new(embed_migrations!("../migrations/sqlite"), embed_migrations!("../migrations/postgres"))
        .with(&jobs::MIGRATIONS);

/// The service, as `main`, the tests and the benchmarks all start it. Any number of them run in one process.
///
/// `profile` is `development`, `testing`, `production` or `None` for what `APP_PROFILE` says.
pub fn create_app(profile: Option<&str>) -> Service {
    Service::new("orders", env!("CARGO_PKG_VERSION"))
        .profile(profile)
        .default_setting("database.url", "sqlite://var/orders.db")
        .migrations(&MIGRATIONS)
        .module(idempotency::module())
        .module(orders::module())
        .module(payments::module())
}
