//! The testing kit: databases that a test owns. Feature `testing`.
//!
//! ```
//! use spanbox::testing::TestDatabase;
//!
//! let database = TestDatabase::sqlite();
//! let settings = database.settings();
//! assert_eq!(settings.url.expose(), database.url());
//! ```

mod database;
mod installed;
mod postgres;

pub use database::TestDatabase;
pub use postgres::{PgServer, PgServerError};
