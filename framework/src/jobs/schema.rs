use crate::data::{Migrations, embed_migrations};

/// The table of the jobs, `spanbox_jobs`, in both databases.
///
/// A service adds it to its own migrations: `Migrations::new(…).with(&jobs::MIGRATIONS)`. Its version comes before
/// any date, so that the table is there before a service's migrations and goes after them.
pub static MIGRATIONS: Migrations =
    Migrations::new(embed_migrations!("migrations/sqlite"), embed_migrations!("migrations/postgres"));
