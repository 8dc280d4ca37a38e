use super::*;

on_both!(
    it_is_told_of_each_job_why_nothing_was_done_with_it,
    a_job_whose_key_another_one_holds_is_not_retried,
    all_of_a_queue_are_retried_or_discarded,
);

fn it_is_told_of_each_job_why_nothing_was_done_with_it(shop: &Shop) {
    let ids = State::ALL.map(|state| (state, shop.job(state, bill(1))));
    for (command, refused) in [
        ("retry", ["it runs when it is due", "wait for its end", "enqueued anew", "enqueued anew"]),
        ("discard", ["`jobs cancel` it", "`jobs cancel` it", "to be discarded", "to be discarded"]),
        ("cancel", ["to be cancelled", "`jobs discard` it", "to be cancelled", "`jobs discard` it"]),
    ] {
        let unfit: Vec<_> = ids
            .iter()
            .filter(|(state, _)| match command {
                "cancel" => !matches!(state, State::Available | State::Running),
                _ => !matches!(state, State::Dead | State::Parked),
            })
            .collect();
        let all: Vec<_> = unfit.iter().map(|(_, id)| id.to_string()).collect();
        let told = shop.run(&format!("jobs {command} 999999 {}", all.join(" "))).failed(1);
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(lines[0], "shop: job 999999 is not there: it never was, or it ended and was forgotten");
        for (((state, id), why), line) in unfit.iter().zip(refused).zip(&lines[1..]) {
            assert!(
                line.starts_with(&format!("shop: job {id} is {state}: ")) && line.contains(why),
                "{line}"
            );
            assert_eq!(shop.state(*id), *state);
        }
        assert!(lines[5].starts_with("shop: 5 of 5 jobs could not be "), "{told}");
    }
    let id = |state| ids.iter().find(|(of, _)| *of == state).unwrap().1;
    // Some of them fit: those are done, and the exit code still says that not all were.
    let told =
        shop.run(&format!("jobs cancel {} {} {}", id(State::Available), id(State::Dead), id(State::Running)));
    assert_eq!(told.out.lines().count(), 2, "{told:?}");
    assert!(told.out.contains("runs: its worker is told"), "{told:?}");
    assert!(told.failed(1).contains("1 of 3 jobs could not be cancelled"));
    assert_eq!(shop.state(id(State::Available)), State::Cancelled);
    let shown = shop.run(&format!("jobs show {}", id(State::Running))).well();
    assert!(
        shown.contains("asked to be cancelled\n") && shown.contains("\nworker       host:1:abc\n"),
        "{shown}"
    );
    assert!(shown.contains("(in 9m "), "{shown}");
    assert!(shop.run(&format!("jobs discard {}", id(State::Dead))).well().contains("is cancelled"));
    assert_eq!(shop.state(id(State::Dead)), State::Cancelled);
    assert!(shop.run("jobs show 999999").failed(1).contains("there is no job 999999"));
}

fn a_job_whose_key_another_one_holds_is_not_retried(shop: &Shop) {
    let keyed = || bill(1).unique("k", Duration::ZERO);
    let dead = shop.job(State::Dead, keyed());
    let other = shop.job(State::Available, keyed());
    let told = shop.run(&format!("jobs retry {dead}")).failed(1);
    assert!(told.contains(&format!("is dead: job {other} holds its unique key bill:k")), "{told}");
    let told = shop.run("jobs retry --all --queue bills").failed(1);
    assert!(told.contains(&format!("job {other} holds its unique key bill:k")), "{told}");
    shop.run(&format!("jobs cancel {other}")).well();
    shop.run(&format!("jobs retry {dead}")).well();
    assert_eq!(shop.state(dead), State::Available);
}

fn all_of_a_queue_are_retried_or_discarded(shop: &Shop) {
    let fill = "WITH RECURSIVE n(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < 1300) \
         INSERT INTO spanbox_jobs (queue, kind, payload, state, priority, run_at, max_attempts, created_at, finished_at, \
            unique_key) \
         SELECT CASE WHEN n <= 100 THEN 'others' ELSE 'bills' END, CASE WHEN n <= 300 THEN 'other' ELSE 'bill' END, '{}', \
            CASE WHEN n % 2 = 0 THEN 'dead' ELSE 'parked' END, 5, 1, 1, 1, n % 7, \
            CASE WHEN n > 1200 THEN 'bill:' || n END FROM n";
    let (running, available) = (shop.job(State::Running, bill(1)), shop.job(State::Available, bill(2)));
    for (command, word) in [("retry", "retried"), ("discard", "discarded")] {
        shop.sql(fill);
        let told = shop.run(&format!("jobs {command} --all --queue bills --kind other --state dead"));
        assert_eq!(told.well(), format!("{word} 100 jobs of the queue bills\n"));
        let told = shop.run(&format!("jobs {command} --all --queue bills --kind bill"));
        assert_eq!(told.well(), format!("{word} 1000 jobs of the queue bills\n"));
        let told = shop.run(&format!("jobs {command} --all --queue bills"));
        assert_eq!(told.well(), format!("{word} 100 jobs of the queue bills\n"));
        let told = shop.run(&format!("jobs {command} --all --queue bills"));
        assert_eq!(told.well(), format!("{word} 0 jobs of the queue bills\n"));
        let counts = shop.run("jobs").well();
        let others: Vec<_> = counts.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(others, ["others", "0", "0", "0", "50", "0", "50"], "{counts}");
        shop.sql("DELETE FROM spanbox_jobs WHERE state <> 'running' AND payload = '{}'");
    }
    assert_eq!((shop.state(running), shop.state(available)), (State::Running, State::Available));
    // Two of one key: one gets it.
    let keyed = || bill(1).unique("k", Duration::ZERO);
    let twice = [shop.job(State::Dead, keyed()), shop.job(State::Dead, keyed())];
    let told = shop.run("jobs retry --all --queue bills");
    assert_eq!((told.code, told.out.as_str()), (1, "retried 1 job of the queue bills\n"), "{told:?}");
    assert_eq!(twice.map(|id| shop.state(id)), [State::Available, State::Dead]);

    let mut production = shop.environment();
    production.push(("APP_PROFILE", "production".to_owned()));
    production.push(("SECRET_KEY", "0123456789abcdef0123456789abcdef".to_owned()));
    let refused = run_in(production.clone(), "jobs discard --all --queue bills").failed(1);
    assert!(refused.contains("--yes"), "{refused}");
    assert_eq!(shop.state(twice[1]), State::Dead);
    let told = run_in(production, "jobs discard --all --queue bills --yes").well();
    assert_eq!(told, "discarded 1 job of the queue bills\n");
}
