//! Requests that a client may send again: `Idempotency-Key` (IETF draft `httpapi-idempotency-key-header`).
//!
//! A client that got no answer does not know whether its request was carried out. With a key that it made up it may send
//! the same request again, as often as it likes: what it asks for happens once, and each answer is the first one, byte for
//! byte. The answer is stored in the transaction that did the work, so that there are always both or neither, also after
//! `kill -9`.
//!
//! A service adds [`module`] once, and its handlers take their body as an [`Idempotent`]:
//!
//! ```
//! use actix_web::http::StatusCode;
//! use serde::{Deserialize, Serialize};
//! use spanbox::app::Service;
//! use spanbox::data::{Conn, Db, DbError, Migrations};
//! use spanbox::ext::idempotency::{self, Idempotent, Reply};
//! use spanbox::jobs;
//! use spanbox::module::Module;
//! use spanbox::web::Problem;
//!
//! #[derive(Deserialize, Serialize)]
//! struct Gift {
//!     to: String,
//! }
//!
//! async fn give(db: Db, gift: Idempotent<Gift>) -> Result<Reply, Problem> {
//!     gift.run(&db, async |_conn: &mut Conn, gift: Gift| -> Result<Reply, DbError> {
//!         // Whatever is written here is written once for a key.
//!         Ok(Reply::json(StatusCode::CREATED, &gift))
//!     })
//!     .await
//! }
//!
//! static MIGRATIONS: Migrations = idempotency::MIGRATIONS.with(&jobs::MIGRATIONS);
//!
//! let service = Service::new("gifts", "1.0.0")
//!     .migrations(&MIGRATIONS)
//!     .module(idempotency::module())
//!     .module(Module::new("gifts").post("/gifts", give));
//! assert!(service.prepare().is_ok());
//! ```
//!
//! | a request | is answered |
//! |---|---|
//! | without the header | as if there were no keys |
//! | with a new key | by the handler; an answer that is no error is kept for `idempotency.keep` (24 h) |
//! | with a key and the same body | by what is kept, and `Idempotency-Replayed: true` beside it |
//! | with a key and another body | 422, `idempotency-key-reused` |
//! | with a key whose first request is still carried out | 409, `idempotency-key-in-use`, and `Retry-After` |
//! | with more than one key, or one that is none | 400 |
//!
//! A key belongs to who sent it ([`Principal`](crate::web::Principal); all who are not known are one), to the method and
//! to the path. The database knows it by a hash. An error keeps nothing: the transaction is rolled back, and the key is
//! free. On SQLite a second process waits for the first one's transaction where another on PostgreSQL is told 409. The job
//! `prune_idempotency_keys` forgets what has expired, every hour, a thousand at a time.

mod in_flight;
mod key;
mod module;
#[cfg(any(fuzzing, test))]
pub(crate) mod properties;
mod prune;
mod reply;
mod request;
mod settings;
mod store;

pub use module::module;
pub use prune::PruneIdempotencyKeys;
pub use reply::Reply;
pub use request::Idempotent;
pub use settings::IdempotencySettings;
pub use store::MIGRATIONS;
