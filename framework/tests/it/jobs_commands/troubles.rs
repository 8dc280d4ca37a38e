use std::io::Write;

use spanbox::data::{Migrations, embed_migrations};

use super::*;

on_both!(
    a_lock_that_is_held_too_long_is_told,
    a_database_without_the_table_is_told_how_to_get_it,
    who_reads_no_further_stops_nothing,
);

fn a_lock_that_is_held_too_long_is_told(shop: &Shop) {
    let id = shop.job(State::Available, bill(1));
    let (locked, is_locked) = tokio::sync::oneshot::channel();
    let (release, released) = tokio::sync::oneshot::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            shop.write(async move |conn: &mut Conn| {
                let sql = "UPDATE spanbox_jobs SET run_at = run_at";
                query!(conn, c => sql_query(sql).execute(c).await)?;
                locked.send(()).unwrap();
                released.await.unwrap();
                Ok(())
            });
        });
        is_locked.blocking_recv().unwrap();
        let mut environment = shop.environment();
        environment.push(("APP_DATABASE__BUSY_TIMEOUT", "50ms".to_owned()));
        environment.push(("APP_DATABASE__ACQUIRE_TIMEOUT", "200ms".to_owned()));
        let told = run_in(environment, &format!("jobs cancel {id}")).failed(1);
        assert!(
            told.starts_with("shop: another process holds a lock in the database for longer than"),
            "{told}"
        );
        // Looking waits for nobody.
        shop.run("jobs list --state available").well();
        release.send(()).unwrap();
    });
    assert_eq!(shop.state(id), State::Available);
}

fn a_database_without_the_table_is_told_how_to_get_it(shop: &Shop) {
    shop.run("migrate down").well();
    for words in
        ["jobs", "jobs list", "jobs show 1", "jobs retry 1", "jobs discard --all --queue a", "jobs cancel 1"]
    {
        let told = shop.run(words).failed(1);
        let expected = "shop: the database lacks the table of the jobs (00000000000001_spanbox_jobs): make it \
            with `shop migrate up`\n";
        assert!(told.ends_with(expected), "{words}: {told}");
    }
}

/// A reader that has gone.
struct Gone;

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn who_reads_no_further_stops_nothing(shop: &Shop) {
    let ids = [shop.job(State::Dead, bill(1)), shop.job(State::Dead, bill(2))].map(|id| id.to_string());
    for words in [vec!["jobs", "list"], vec!["jobs", "--help"], vec!["jobs", "retry", &ids[0], &ids[1]]] {
        let environment = shop.environment();
        let create_app = |_: Option<&str>| {
            Service::new("shop", "1.0.0").environment(environment).migrations(&jobs::MIGRATIONS)
        };
        let words = std::iter::once("shop").chain(words);
        assert_eq!(execute(create_app, words, &mut Gone, &mut Gone), 0);
    }
    assert_eq!(shop.run("jobs list").well(), "no jobs are dead or parked\n");
}

#[test]
fn words_that_make_no_command_are_exit_code_2_and_say_what_would() {
    for (words, expected) in [
        ("jobs retry x", "the id of a job is a whole number"),
        ("jobs retry 0", "the id of a job is a whole number"),
        ("jobs retry 99999999999999999999", "the id of a job is a whole number"),
        ("jobs show", "<ID>"),
        ("jobs list --state ded", "a similar value exists: 'dead'"),
        ("jobs list --limit 0", "1..=1000"),
        ("jobs list --limit 1001", "1..=1000"),
        ("jobs list --cursor dead.1", "use the one that the page before ended with"),
        ("jobs list --cursor running.0.0.1", "give the same --state"),
        ("jobs list --queue Bills", "use lower-case letters"),
        ("jobs retry", "<IDS>..."),
        ("jobs retry --all", "--queue"),
        ("jobs retry --queue bills", "--all"),
        ("jobs retry 1 --all --queue bills", "cannot be used with"),
        ("jobs discard --all --queue bills --state running", "[possible values: dead, parked]"),
        ("jobs discard 1 --yes", "cannot be used with"),
        ("jobs discard 1 --queue a", "cannot be used with"),
        ("jobs retry --kind b 1", "cannot be used with"),
        ("jobs discard --queue a", "<IDS>"),
        ("jobs cancel", "<IDS>..."),
        ("jobs lits", "a similar subcommand exists: 'list'"),
    ] {
        let told = run_in(vec![("DATABASE_URL", "sqlite://var/never-made.db".to_owned())], words).failed(2);
        assert!(told.contains(expected), "{words}: {told}");
    }
    assert!(!std::path::Path::new("var/never-made.db").exists());
}

#[test]
fn a_service_without_jobs_or_a_database_that_is_not_there_is_told() {
    let quiet = || [("LOG_LEVEL", "off")];
    let without = |_: Option<&str>| Service::new("shop", "1.0.0").environment(quiet());
    assert!(run_service(without, "jobs").failed(1).contains("has no database, so there is no job in it"));
    static OTHERS: Migrations = Migrations::new(
        embed_migrations!("../migrations/sqlite"),
        embed_migrations!("../migrations/postgres"),
    );
    let of_others = |_: Option<&str>| Service::new("shop", "1.0.0").environment(quiet()).migrations(&OTHERS);
    assert!(run_service(of_others, "jobs").failed(1).contains("`.with(&spanbox::jobs::MIGRATIONS)`"));
    let nowhere = vec![("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none".to_owned())];
    let told = run_in(nowhere, "jobs list").failed(1);
    assert!(told.contains("cannot connect to PostgreSQL at") && told.contains("127.0.0.1:1"), "{told}");
    let nowhere = vec![("DATABASE_URL", "sqlite:///dev/null/none.db".to_owned())];
    let told = run_in(nowhere, "jobs retry 1").failed(1);
    assert!(told.contains("there is no database at /dev/null/none.db: "), "{told}");
}
