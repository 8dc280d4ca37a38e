//! The order service, built on spanbox: a folder per module of the service, and the factory that puts them together.

mod accounts;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(any(test, feature = "bench"))]
#[doc(hidden)]
pub mod measured;
mod money;
mod orders;
mod payments;
mod schema;
mod stored_as_text;

use diesel_migrations::embed_migrations;
use spanbox::app::Service;
use spanbox::cli::Cli;
use spanbox::data::Migrations;
use spanbox::ext::auth::{self, Auth};
use spanbox::ext::cache::CacheExtension;
use spanbox::ext::client::HttpClient;
use spanbox::ext::cors::Cors;
use spanbox::ext::idempotency;
use spanbox::ext::limit::Limit;
use spanbox::ext::openapi::Description;
use spanbox::ext::session::CookieSessions;
use spanbox::ext::templates::TemplateEngine;
use spanbox::jobs;
use utoipa::OpenApi as _;

static MIGRATIONS: Migrations =
    Migrations::new(embed_migrations!("../migrations/sqlite"), embed_migrations!("../migrations/postgres"))
        .with(&FRAMEWORK);

/// The tables of what the service uses of the framework.
static FRAMEWORK: Migrations = auth::MIGRATIONS.with(&ANSWERS);
static ANSWERS: Migrations = idempotency::MIGRATIONS.with(&jobs::MIGRATIONS);

/// The service, as `main`, the tests and the benchmarks all start it. Any number of them run in one process.
///
/// `profile` is `development`, `testing`, `production` or `None` for what `APP_PROFILE` says.
pub fn create_app(profile: Option<&str>) -> Service {
    Service::new("orders", env!("CARGO_PKG_VERSION"))
        .profile(profile)
        .default_setting("database.url", "sqlite://var/orders.db")
        .migrations(&MIGRATIONS)
        .extension(HttpClient)
        .extension(Cors)
        .extension(Limit)
        .extension(Auth::new("orders"))
        .extension(CookieSessions)
        .extension(TemplateEngine::embedded(&[orders::RECEIPT]).directory("app/templates"))
        .extension(CacheExtension::new("orders"))
        .describe(description())
        .module(accounts::module())
        .module(idempotency::module())
        .module(orders::module())
        .module(orders::pages())
        .module(payments::module())
}

/// What each module says of itself.
fn description() -> Description {
    let operations = Description::new(&orders::Api::openapi()).with(&accounts::Api::openapi());
    accounts::PROBLEMS
        .into_iter()
        .fold(operations, |description, (kind, status, says)| description.problem(kind, status, says))
}

/// The commands of the program: those of every service, `gateway` and `seed`.
pub fn commands() -> Cli<fn(Option<&str>) -> Service> {
    Cli::new(create_app as fn(Option<&str>) -> Service)
        .command::<payments::GatewayCommand>()
        .command::<orders::Seed>()
}
