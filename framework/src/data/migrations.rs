use diesel::backend::Backend as DieselBackend;
use diesel::connection::{AnsiTransactionManager, TransactionManager as _};
use diesel::migration::{Migration, MigrationSource};
use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness};

use super::conn::{Backend, Conn, Kind};
use super::db::{Db, Driver, Role};
use super::error::DbError;

/// A service's migrations, one directory for each database, with the same versions in both.
///
/// ```ignore
/// use spanbox::data::{Migrations, embed_migrations};
/// use spanbox::jobs;
///
/// pub static MIGRATIONS: Migrations =
///     Migrations::new(embed_migrations!("../migrations/sqlite"), embed_migrations!("../migrations/postgres"))
///         .with(&jobs::MIGRATIONS);
/// ```
pub struct Migrations {
    sqlite: EmbeddedMigrations,
    postgres: EmbeddedMigrations,
    with: Option<&'static Self>,
}

impl Migrations {
    /// The migrations of either database.
    #[must_use]
    pub const fn new(sqlite: EmbeddedMigrations, postgres: EmbeddedMigrations) -> Self {
        Self { sqlite, postgres, with: None }
    }

    /// Adds another set, such as one of the framework's. Both are applied in one order, that of their versions, and
    /// recorded in one table; a version that both have is an error.
    ///
    /// # Panics
    ///
    /// When a set was added before; in a `static` that is an error of the compiler. Add the further one to the other.
    #[must_use]
    pub const fn with(mut self, other: &'static Self) -> Self {
        assert!(self.with.is_none(), "a set was added already; add this one to that");
        self.with = Some(other);
        self
    }

    /// Whether a set is among these.
    pub(crate) fn include(&self, other: &'static Self) -> bool {
        std::ptr::eq(self, other) || self.with.is_some_and(|with| with.include(other))
    }

    fn of(&self, backend: Backend) -> &EmbeddedMigrations {
        match backend {
            Backend::Sqlite => &self.sqlite,
            Backend::Postgres => &self.postgres,
        }
    }

    /// All of them for one database, in order.
    pub(super) fn known<DB: DieselBackend>(&self, backend: Backend) -> Result<Vec<Boxed<DB>>, DbError> {
        let mut known = Vec::new();
        let mut set = Some(self);
        while let Some(migrations) = set {
            let found = MigrationSource::<DB>::migrations(migrations.of(backend));
            known.extend(found.map_err(|error| failed("(reading them)", &error))?);
            set = migrations.with;
        }
        known.sort_by_cached_key(version);
        match known.windows(2).find(|pair| version(&pair[0]) == version(&pair[1])) {
            Some(pair) => Err(DbError::SameVersion { first: name(&pair[0]), second: name(&pair[1]) }),
            None => Ok(known),
        }
    }
}

/// One migration, and whether the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationState {
    /// What orders the migrations, e.g. `20261101000000`.
    pub version: String,
    /// The directory's name.
    pub name: String,
    /// Whether the database has it.
    pub applied: bool,
}

/// What stands behind the version of a migration that this build does not contain.
const UNKNOWN: &str = " (unknown to this version of the service)";

impl MigrationState {
    /// Whether the database has it and this build does not.
    pub(crate) fn is_unknown(&self) -> bool {
        self.name.ends_with(UNKNOWN)
    }
}

#[derive(Clone, Copy)]
pub(super) enum Task {
    Status,
    Up,
    Down(usize),
}

impl Db {
    /// Applies what is pending, in order, and tells what that was. Services that start at once wait for each other and
    /// apply each migration once.
    ///
    /// Every migration is a transaction of its own, unless its `metadata.toml` says otherwise.
    ///
    /// # Errors
    ///
    /// [`DbError::Migration`] at the first that fails, and those of [`Db::read`].
    pub async fn migrate(&self, migrations: &'static Migrations) -> Result<Vec<MigrationState>, DbError> {
        self.run_migrations(migrations, Task::Up).await
    }

    /// Reverts the last `count` applied migrations, newest first, and tells which those were.
    ///
    /// # Errors
    ///
    /// As [`Db::migrate`], and [`DbError::UnknownMigration`].
    pub async fn revert(
        &self,
        migrations: &'static Migrations,
        count: usize,
    ) -> Result<Vec<MigrationState>, DbError> {
        self.run_migrations(migrations, Task::Down(count)).await
    }

    /// All migrations of this build, in order.
    ///
    /// # Errors
    ///
    /// As [`Db::read`].
    pub async fn migration_status(
        &self,
        migrations: &'static Migrations,
    ) -> Result<Vec<MigrationState>, DbError> {
        self.run_migrations(migrations, Task::Status).await
    }

    async fn run_migrations(
        &self,
        migrations: &'static Migrations,
        task: Task,
    ) -> Result<Vec<MigrationState>, DbError> {
        match self.driver() {
            Driver::Sqlite(_) => {
                self.run(Role::Writer, Kind::Plain, async move |conn: &mut Conn| {
                    let Conn::Sqlite(conn) = conn else { return Ok(Vec::new()) };
                    let work = move |raw: &mut SqliteConnection| Ok(on_sqlite(raw, migrations, task));
                    conn.inner().spawn_blocking(work).await?
                })
                .await
            }
            Driver::Postgres(postgres) => postgres.run_migrations(migrations, task).await,
        }
    }
}

fn on_sqlite(
    raw: &mut SqliteConnection,
    migrations: &Migrations,
    task: Task,
) -> Result<Vec<MigrationState>, DbError> {
    let known = migrations.known(Backend::Sqlite)?;
    carry_out::<Sqlite, _>(raw, &known, task, |raw, step| {
        // diesel's own transaction becomes a savepoint in this one, which other processes wait for.
        AnsiTransactionManager::begin_transaction_sql(raw, "BEGIN IMMEDIATE")?;
        match step(raw) {
            Ok(()) => Ok(AnsiTransactionManager::commit_transaction(raw)?),
            Err(error) => {
                AnsiTransactionManager::rollback_transaction(raw)?;
                Err(error)
            }
        }
    })
}

pub(super) type Step<'a, C> = dyn Fn(&mut C) -> Result<(), Failure> + 'a;
pub(super) type Failure = Box<dyn std::error::Error + Send + Sync>;
pub(super) type Boxed<DB> = Box<dyn Migration<DB>>;

pub(super) fn carry_out<DB, C>(
    conn: &mut C,
    known: &[Boxed<DB>],
    task: Task,
    alone: impl Fn(&mut C, &Step<'_, C>) -> Result<(), Failure>,
) -> Result<Vec<MigrationState>, DbError>
where
    DB: DieselBackend,
    C: MigrationHarness<DB>,
{
    let mut done = Vec::new();
    match task {
        Task::Status => {
            let applied = applied(conn)?;
            done.extend(known.iter().map(|migration| {
                let state = state(migration, false);
                MigrationState { applied: applied.contains(&state.version), ..state }
            }));
            let unknown =
                applied.into_iter().filter(|have| known.iter().all(|known| version(known) != *have));
            done.extend(unknown.map(|version| MigrationState {
                name: format!("{version}{UNKNOWN}"),
                version,
                applied: true,
            }));
        }
        Task::Up => {
            let have = applied(conn)?;
            for version in have.iter().filter(|have| !known.iter().any(|known| version(known) == **have)) {
                tracing::warn!(
                    version,
                    "the database has a migration that this version of the service does not know"
                );
            }
            for migration in known.iter().filter(|migration| !have.contains(&version(migration))) {
                let step = |conn: &mut C| -> Result<(), Failure> { conn.run_migration(migration).map(drop) };
                if exclusively(conn, migration, false, &step, &alone)? {
                    tracing::info!(migration = %migration.name(), "migration applied");
                    done.push(state(migration, true));
                }
            }
        }
        Task::Down(count) => {
            for newest in applied(conn)?.into_iter().take(count) {
                let Some(migration) = known.iter().find(|migration| version(migration) == newest) else {
                    return Err(DbError::UnknownMigration { version: newest });
                };
                let step =
                    |conn: &mut C| -> Result<(), Failure> { conn.revert_migration(migration).map(drop) };
                if exclusively(conn, migration, true, &step, &alone)? {
                    tracing::info!(migration = %migration.name(), "migration reverted");
                    done.push(state(migration, false));
                }
            }
        }
    }
    Ok(done)
}

/// Runs the step under the lock, if by then the migration still is as it was (`applied` or not).
fn exclusively<DB, C>(
    conn: &mut C,
    migration: &Boxed<DB>,
    expected: bool,
    step: &Step<'_, C>,
    alone: impl Fn(&mut C, &Step<'_, C>) -> Result<(), Failure>,
) -> Result<bool, DbError>
where
    DB: DieselBackend,
    C: MigrationHarness<DB>,
{
    let ran = std::cell::Cell::new(false);
    let checked = |conn: &mut C| -> Result<(), Failure> {
        let have = conn.applied_migrations()?;
        if have.iter().any(|have| have.to_string() == version(migration)) == expected {
            step(conn)?;
            ran.set(true);
        }
        Ok(())
    };
    let result =
        if migration.metadata().run_in_transaction() { alone(conn, &checked) } else { checked(conn) };
    result.map_err(|error| failed(&name(migration), &error))?;
    Ok(ran.get())
}

/// The versions that the database has, newest first.
fn applied<DB: DieselBackend, C: MigrationHarness<DB>>(conn: &mut C) -> Result<Vec<String>, DbError> {
    let applied = conn.applied_migrations().map_err(|error| failed("(reading the applied ones)", &error))?;
    Ok(applied.iter().map(ToString::to_string).collect())
}

fn version<DB: DieselBackend>(migration: &Boxed<DB>) -> String {
    migration.name().version().to_string()
}

fn name<DB: DieselBackend>(migration: &Boxed<DB>) -> String {
    migration.name().to_string()
}

fn state<DB: DieselBackend>(migration: &Boxed<DB>, applied: bool) -> MigrationState {
    MigrationState { version: version(migration), name: name(migration), applied }
}

fn failed(name: &str, error: &Failure) -> DbError {
    DbError::Migration { name: name.to_owned(), reason: error.to_string() }
}
