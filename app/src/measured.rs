//! What of the service `benches -- scale` measures by itself (feature `bench`).

use spanbox::data::Migrations;

pub use crate::orders::measured::{
    List, Whose, advance, fill, list, list_plan, place, read, total, total_plan,
};

/// The tables of the service, and of what it uses of the framework.
#[must_use]
pub fn migrations() -> &'static Migrations {
    &crate::MIGRATIONS
}
