//! The testing kit, behind the feature `testing`.
//!
//! A [`TestApp`] is a real service on a port, a database and a telemetry of its own; its spans are asserted as cause
//! and effect, and [`TestApp::stop`] fails when something is left running or has lost its cause.
//!
//! The private servers ([`PgServer`], [`RedisServer`], [`MemcachedServer`]) are programs of the machine, and can be started
//! with any features; a [`TestDatabase`] on PostgreSQL takes the feature `postgres`.
//!
//! ```
//! use spanbox::app::Service;
//! use spanbox::module::Module;
//! use spanbox::testing::TestApp;
//! use spanbox::web::{Json, Problem};
//!
//! async fn hello() -> Result<Json<&'static str>, Problem> {
//!     Ok(Json("hello"))
//! }
//!
//! fn create_app(profile: Option<&str>) -> Service {
//!     Service::new("greeter", "1.0.0").profile(profile).module(Module::new("greetings").get("/hello", hello))
//! }
//!
//! # actix_rt::System::new().block_on(async {
//! let app = TestApp::start(create_app).await;
//! assert_eq!(app.get("/hello").await.json::<String>(), "hello");
//! app.expect_path(&["GET /hello"]).await;
//! app.stop().await;
//! # });
//! ```

mod app;
mod capture;
pub mod contract;
mod database;
mod installed;
mod memcached;
#[cfg(feature = "postgres")]
mod pg_database;
mod postgres;
mod process;
mod receiver;
mod redis;
mod server;
mod trace;
mod watched;

pub use app::{Answer, TestApp};
pub use capture::Capture;
pub use contract::{CapturedMetrics, Emitted};
pub use database::TestDatabase;
pub use memcached::{MemcachedServer, MemcachedServerError};
pub use postgres::{PgServer, PgServerError};
pub use process::{Process, raw};
pub use receiver::{OtlpReceiver, ReceivedEvent, ReceivedLog, ReceivedSpan, ReceiverMode};
pub use redis::{RedisServer, RedisServerError};
pub use trace::Spans;
