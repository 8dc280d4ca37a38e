use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};

use super::*;
use crate::redact::Secret;

async fn refused(url: &str) -> DbError {
    let settings = DatabaseSettings {
        url: Secret::new(url.to_owned()),
        acquire_timeout: Duration::from_secs(3),
        ..DatabaseSettings::default()
    };
    Db::connect(&settings, &Telemetry::disabled()).await.map(drop).unwrap_err()
}

#[track_caller]
fn says(error: &DbError, parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
    assert!(!text.contains("s3cret"), "{text}");
}

#[actix::test]
async fn a_sqlite_directory_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().join("sub/test.db");
    let error = refused(&format!("sqlite://{}", path.display())).await;
    assert!(matches!(error, DbError::Open { .. }), "{error:?}");
    says(&error, &[path.to_str().unwrap(), "cannot create the directory", "database.url"]);
}

#[actix::test]
async fn a_sqlite_file_that_cannot_be_written_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let error = refused(&format!("sqlite://{}", directory.path().display())).await;
    assert!(matches!(error, DbError::Open { .. }), "{error:?}");
    says(&error, &[directory.path().to_str().unwrap(), "may write"]);
}

#[actix::test]
async fn a_file_that_is_no_database_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notes.txt");
    std::fs::write(&path, "not a database, but long enough to look at. ".repeat(50)).unwrap();
    says(&refused(&format!("sqlite://{}", path.display())).await, &["not a database"]);
}

#[actix::test]
async fn a_database_in_memory_is_refused() {
    for url in ["sqlite::memory:", "sqlite://:memory:", "sqlite:file:x?mode=memory"] {
        let error = refused(url).await;
        assert!(matches!(error, DbError::Url { .. }), "{error:?}");
        says(&error, &["memory", "use a file"]);
    }
}

/// Or each statement with a LIMIT, to which diesel binds a value, would be prepared whenever it is run.
#[actix::test]
async fn prepared_statements_keep_their_plans_in_sqlite() {
    #[derive(QueryableByName)]
    struct Used {
        #[diesel(sql_type = BigInt)]
        used: i64,
    }
    let database = TestDatabase::sqlite();
    let db = Db::connect(&database.settings(), &Telemetry::disabled()).await.unwrap();
    let used = db
        .read(async |conn: &mut Conn| {
            let asked = diesel::sql_query("SELECT sqlite_compileoption_used('ENABLE_QPSG') AS used");
            query!(conn, c => asked.get_result::<Used>(c).await)
        })
        .await;
    assert_eq!(used.unwrap().used, 1, "the .cargo/config.toml of this repository is not heeded");
}

#[actix::test]
async fn an_unreachable_server_is_named_without_the_password() {
    // Bound and dropped, so nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = refused(&format!("postgres://me:s3cret@127.0.0.1:{port}/shop")).await;
    assert!(matches!(error, DbError::Connect { .. }), "{error:?}");
    says(&error, &[&format!("me@127.0.0.1:{port}/shop"), "Connection refused", "DATABASE_URL"]);
}

#[actix::test]
async fn a_server_that_never_answers_is_given_up_in_time() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://me:s3cret@{}/shop?sslmode=disable", silent.local_addr().unwrap());
    let started = Instant::now();
    let error = refused(&url).await;
    assert!(started.elapsed() < Duration::from_secs(10));
    says(&error, &["acquire_timeout"]);
}

#[actix::test]
async fn a_url_that_is_wrong_says_how() {
    says(&refused("postgres://me:s3cret@host/x?sslmode=maybe").await, &["sslmode", "verify-full"]);
    says(&refused("postgres:///x").await, &["names no host"]);
    says(
        &refused("postgres://me:s3cret@host/x?sslmode=verify-full&sslrootcert=/none.pem").await,
        &["/none.pem"],
    );
}

#[actix::test]
#[cfg_attr(not(has_postgres), ignore = "PostgreSQL is not installed")]
async fn an_unknown_database_is_named() {
    let error = refused(&server().url_of("nowhere")).await;
    says(&error, &["\"nowhere\" does not exist", "createdb"]);
}

#[actix::test]
#[cfg_attr(not(has_postgres), ignore = "PostgreSQL is not installed")]
async fn an_unknown_user_is_named() {
    let error = refused(&server().url().replace("user=postgres", "user=nobody_known&password=s3cret")).await;
    says(&error, &["nobody_known", "does not exist"]);
}

#[actix::test]
#[cfg_attr(not(has_postgres), ignore = "PostgreSQL is not installed")]
async fn a_wrong_password_is_told_and_not_shown() {
    let server = PgServer::start().unwrap();
    let settings = DatabaseSettings { url: Secret::new(server.url()), ..DatabaseSettings::default() };
    let db = Db::connect(&settings, &Telemetry::disabled()).await.unwrap();
    db.write(async |conn: &mut Conn| -> Result<(), DbError> {
        query!(conn, c => sql_query("CREATE ROLE needs_password").execute(c).await)?;
        let user = "CREATE ROLE alice LOGIN PASSWORD 'right' IN ROLE needs_password";
        query!(conn, c => sql_query(user).execute(c).await).map(drop)
    })
    .await
    .unwrap();
    let alice = |password: &str| server.url().replace("user=postgres", &format!("user=alice{password}"));
    says(
        &refused(&alice("&password=s3cret")).await,
        &["alice@", "password authentication failed", "check the password"],
    );
    says(&refused(&alice("")).await, &["password missing", "put one into DATABASE_URL"]);
    let settings =
        DatabaseSettings { url: Secret::new(alice("&password=right")), ..DatabaseSettings::default() };
    Db::connect(&settings, &Telemetry::disabled()).await.unwrap();
}

#[actix::test]
#[cfg_attr(not(has_postgres), ignore = "PostgreSQL is not installed")]
async fn a_socket_may_be_named_with_a_user_and_no_host() {
    let url = server().url().replace("postgres:///postgres?user=postgres&", "postgres://postgres@/postgres?");
    let settings = DatabaseSettings { url: Secret::new(url), ..DatabaseSettings::default() };
    Db::connect(&settings, &Telemetry::disabled()).await.unwrap();
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

#[derive(QueryableByName)]
struct Word {
    #[diesel(sql_type = Text)]
    w: String,
}

#[actix::test]
async fn sqlite_connections_have_their_pragmas() {
    let fixture = Fixture::new(TestDatabase::sqlite()).await;
    let (foreign_keys, busy, wal) = fixture
        .db
        .write(async |conn: &mut Conn| -> Result<_, DbError> {
            let number = |pragma: &str| sql_query(format!("SELECT * FROM (SELECT {pragma} AS n FROM pragma_{pragma})"));
            let keys: Number = query!(conn, c => number("foreign_keys").get_result(c).await)?;
            let busy: Number =
                query!(conn, c => sql_query("SELECT timeout AS n FROM pragma_busy_timeout").get_result(c).await)?;
            let wal: Word =
                query!(conn, c => sql_query("SELECT journal_mode AS w FROM pragma_journal_mode").get_result(c).await)?;
            Ok((keys.n, busy.n, wal.w))
        })
        .await
        .unwrap();
    assert_eq!((foreign_keys, busy, wal.as_str()), (1, 5000, "wal"));
}

#[actix::test]
async fn a_sqlite_read_cannot_write() {
    let fixture = Fixture::new(TestDatabase::sqlite()).await;
    let result = fixture.db.read(async |conn: &mut Conn| insert(conn, 1, "one", 1).await).await;
    assert!(result.unwrap_err().to_string().contains("readonly"));
}

/// The deferred constraint fails at COMMIT, after which SQLite keeps the transaction open.
#[actix::test]
async fn a_sqlite_commit_that_fails_leaves_no_transaction_open() {
    let fixture = Fixture::new(TestDatabase::sqlite()).await;
    let result = fixture
        .db
        .write(async |conn: &mut Conn| -> Result<(), DbError> {
            let child =
                "CREATE TABLE child (note INTEGER REFERENCES notes (id) DEFERRABLE INITIALLY DEFERRED)";
            query!(conn, c => sql_query(child).execute(c).await)?;
            query!(conn, c => sql_query("INSERT INTO child VALUES (404)").execute(c).await).map(drop)
        })
        .await;
    assert!(matches!(result, Err(DbError::Query(_))), "{result:?}");
    fixture.db.write(async |conn: &mut Conn| insert(conn, 1, "one", 1).await).await.unwrap();
    assert_eq!(fixture.bodies().await, ["one"]);
}
