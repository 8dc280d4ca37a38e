use super::super::{MigrationState, Migrations, embed_migrations};
use super::*;

static GOOD: Migrations = Migrations::new(
    embed_migrations!("src/data/tests/migrations/good"),
    embed_migrations!("src/data/tests/migrations/good"),
);
static BROKEN: Migrations = Migrations::new(
    embed_migrations!("src/data/tests/migrations/broken"),
    embed_migrations!("src/data/tests/migrations/broken"),
);

static WITH_JOBS: Migrations = Migrations::new(
    embed_migrations!("src/data/tests/migrations/good"),
    embed_migrations!("src/data/tests/migrations/good"),
)
.with(&FRAMEWORK);
static FRAMEWORK: Migrations = crate::ext::idempotency::MIGRATIONS.with(&crate::jobs::MIGRATIONS);
static TWICE: Migrations = Migrations::new(
    embed_migrations!("src/data/tests/migrations/good"),
    embed_migrations!("src/data/tests/migrations/good"),
)
.with(&GOOD);

on_both!(
    a_database_from_before_the_keys_had_a_set_of_their_own_has_nothing_pending,
    two_sets_are_applied_in_one_order_and_recorded_together,
    a_version_that_two_sets_have_is_refused_before_anything_runs,
    migrations_go_up_and_down_and_tell_where_they_are,
    services_that_start_at_once_apply_each_migration_once,
    a_migration_that_fails_leaves_nothing_behind_and_is_named,
    a_migration_of_a_newer_build_is_not_reverted,
);

fn names(states: &[MigrationState]) -> Vec<(&str, bool)> {
    states.iter().map(|state| (state.name.as_str(), state.applied)).collect()
}

const FIRST: &str = "2026-01-01-000000_first";
const SECOND: &str = "2026-01-02-000000_second";

async fn tables_exist(db: &Db, table: &'static str) -> bool {
    db.read(async move |conn: &mut Conn| {
        query!(conn, c => sql_query(format!("SELECT count(*) FROM {table}")).execute(c).await)
    })
    .await
    .is_ok()
}

async fn migrations_go_up_and_down_and_tell_where_they_are(fixture: Fixture) {
    let db = &fixture.db;
    assert_eq!(names(&db.migration_status(&GOOD).await.unwrap()), [(FIRST, false), (SECOND, false)]);
    assert_eq!(names(&db.migrate(&GOOD).await.unwrap()), [(FIRST, true), (SECOND, true)]);
    assert!(tables_exist(db, "second").await);
    assert_eq!(names(&db.migrate(&GOOD).await.unwrap()), []);
    assert_eq!(names(&db.revert(&GOOD, 1).await.unwrap()), [(SECOND, false)]);
    assert!(!tables_exist(db, "second").await);
    assert_eq!(names(&db.migration_status(&GOOD).await.unwrap()), [(FIRST, true), (SECOND, false)]);
    assert_eq!(names(&db.revert(&GOOD, 5).await.unwrap()), [(FIRST, false)]);
    assert!(!tables_exist(db, "first").await);
    assert_eq!(names(&db.migrate(&GOOD).await.unwrap()).len(), 2);
    // The connection that migrated is as good as before.
    db.write(async |conn: &mut Conn| insert(conn, 1, "one", 1).await).await.unwrap();
}

async fn services_that_start_at_once_apply_each_migration_once(fixture: Fixture) {
    let mut others = Vec::new();
    for _ in 0..4 {
        others.push(fixture.reopened(|_| {}).await);
    }
    let applied = futures_util::future::join_all(others.iter().map(|db| db.migrate(&GOOD))).await;
    let mut all: Vec<String> = applied.into_iter().flat_map(Result::unwrap).map(|state| state.name).collect();
    all.sort();
    assert_eq!(all, [FIRST, SECOND]);
}

const JOBS: &str = "00000000000001_spanbox_jobs";
const KEYS: &str = "00000000000002_spanbox_idempotency";

async fn two_sets_are_applied_in_one_order_and_recorded_together(fixture: Fixture) {
    let db = &fixture.db;
    // The service was there before it took the framework's set in.
    assert_eq!(names(&db.migrate(&GOOD).await.unwrap()), [(FIRST, true), (SECOND, true)]);
    let status = db.migration_status(&WITH_JOBS).await.unwrap();
    assert_eq!(names(&status), [(JOBS, false), (KEYS, false), (FIRST, true), (SECOND, true)]);
    assert_eq!(names(&db.migrate(&WITH_JOBS).await.unwrap()), [(JOBS, true), (KEYS, true)]);
    assert!(tables_exist(db, "spanbox_jobs").await);
    let reverted = db.revert(&WITH_JOBS, 4).await.unwrap();
    assert_eq!(names(&reverted), [(SECOND, false), (FIRST, false), (KEYS, false), (JOBS, false)]);
    assert!(!tables_exist(db, "spanbox_jobs").await);
    // From nothing, by two that start at once.
    let other = fixture.reopened(|_| {}).await;
    let (one, two) = tokio::join!(db.migrate(&WITH_JOBS), other.migrate(&WITH_JOBS));
    let mut all: Vec<_> = one.unwrap().into_iter().chain(two.unwrap()).map(|state| state.name).collect();
    all.sort();
    assert_eq!(all, [JOBS, KEYS, FIRST, SECOND]);
}

async fn a_version_that_two_sets_have_is_refused_before_anything_runs(fixture: Fixture) {
    let error = fixture.db.migrate(&TWICE).await.unwrap_err();
    assert!(matches!(&error, DbError::SameVersion { first, .. } if first == FIRST), "{error:?}");
    assert!(!tables_exist(&fixture.db, "first").await);
}

async fn a_migration_that_fails_leaves_nothing_behind_and_is_named(fixture: Fixture) {
    let error = fixture.db.migrate(&BROKEN).await.unwrap_err();
    assert!(error.to_string().contains("2026-01-02-000000_broken"), "{error}");
    assert!(error.to_string().contains("first"), "{error}");
    let status = fixture.db.migration_status(&BROKEN).await.unwrap();
    assert_eq!(names(&status), [(FIRST, true), ("2026-01-02-000000_broken", false)]);
    assert!(!tables_exist(&fixture.db, "half").await);
    fixture.db.write(async |conn: &mut Conn| insert(conn, 1, "one", 1).await).await.unwrap();
}

async fn a_migration_of_a_newer_build_is_not_reverted(fixture: Fixture) {
    fixture.db.migrate(&GOOD).await.unwrap();
    let error = fixture.db.revert(&BROKEN, 2).await;
    // The versions are equal in both, so make one that only the database knows.
    drop(error);
    fixture
        .db
        .write(async |conn: &mut Conn| {
            let sql = "INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')";
            query!(conn, c => sql_query(sql).execute(c).await)
        })
        .await
        .unwrap();
    let error = fixture.db.revert(&GOOD, 1).await.unwrap_err();
    assert!(
        matches!(&error, DbError::UnknownMigration { version } if version == "99990101000000"),
        "{error:?}"
    );
}

/// Until then the set of jobs had both, by these names; the sets of a service that says so now are recorded the same.
async fn a_database_from_before_the_keys_had_a_set_of_their_own_has_nothing_pending(fixture: Fixture) {
    let db = &fixture.db;
    let applied = db.migrate(&FRAMEWORK).await.unwrap();
    assert_eq!(names(&applied), [(JOBS, true), (KEYS, true)]);
    assert!(tables_exist(db, "spanbox_idempotency").await && tables_exist(db, "spanbox_jobs").await);
    assert_eq!(names(&db.migrate(&FRAMEWORK).await.unwrap()), []);
    // A service that never wanted the keys goes on without them.
    assert_eq!(names(&db.migrate(&crate::jobs::MIGRATIONS).await.unwrap()), []);
}
