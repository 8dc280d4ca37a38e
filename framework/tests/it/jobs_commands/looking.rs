use super::*;

on_both!(
    a_dead_job_is_found_shown_and_retried,
    counts_are_by_queue_and_state,
    lists_are_read_by_pages_one_state_after_the_other,
    a_kind_is_looked_for_among_so_many_jobs_and_no_more,
);

fn a_dead_job_is_found_shown_and_retried(shop: &Shop) {
    let id = shop.job(State::Dead, bill(7).max_attempts(1).unique("order-7", Duration::ZERO));
    let list = shop.run("jobs list").well();
    let line = list.lines().nth(1).unwrap();
    for part in
        [&id.to_string(), "dead", "bills", "bill", "1/1", "ended 2", "s ago)", "gateway \\u{1b}[2J", "…"]
    {
        assert!(line.contains(part), "{part} is missing in {list}");
    }
    assert!(!list.contains("ada@"), "{list}");
    let whole = shop.run("jobs list --json").json();
    assert_eq!(whole["jobs"][0]["id"], id);
    assert_eq!(whole["next_cursor"], Value::Null);
    assert!(whole["jobs"][0]["error"].as_str().unwrap().contains(HOSTILE));
    assert!(whole["jobs"][0].get("payload").is_none());

    let shown = shop.run(&format!("jobs show {id}")).well();
    for part in [
        "state        dead\n",
        "attempt      1 of 1\n",
        "lease        none, last token 1\n",
        "last worker  host:1:abc\n",
        "unique key   bill:order-7 (given up)\n",
        "  in many words: no no",
        "payload\n  {\n    \"order\": 7,\n    \"to\": \"ada@example.org",
    ] {
        assert!(shown.contains(part), "{part} is missing in {shown}");
    }
    let shown = shop.run(&format!("jobs show {id} --json")).json();
    assert_eq!(shown["payload"]["order"], 7);
    assert_eq!(shown["payload"]["to"], format!("ada@example.org{HOSTILE}"));
    assert_eq!(shown["unique_key"], "bill:order-7");
    assert_eq!((&shown["worker"], &shown["lease_until"]), (&"host:1:abc".into(), &Value::Null));

    assert_eq!(shop.run(&format!("jobs retry {id} {id}")).well(), format!("job {id} is due again\n"));
    assert_eq!(shop.run("jobs list").well(), "no jobs are dead or parked\n");
    let list = shop.run("jobs list --state available").well();
    assert!(list.contains(" 0/1 ") && list.contains(" due 2"), "{list}");
}

fn counts_are_by_queue_and_state(shop: &Shop) {
    assert_eq!(shop.run("jobs").well(), "there are no jobs\n");
    for (n, state) in State::ALL.into_iter().chain([State::Dead]).enumerate() {
        shop.job(state, bill(i64::try_from(n).unwrap()));
    }
    let expected = "\
QUEUE  AVAILABLE  RUNNING  COMPLETED  DEAD  CANCELLED  PARKED
bills          1        1          1     2          1       1
";
    assert_eq!(shop.run("jobs").well(), expected);
    assert_eq!(shop.run("jobs counts").well(), expected);
    for words in ["jobs --json", "jobs counts --json"] {
        let counts = shop.run(words).json();
        let dead = serde_json::json!({"queue": "bills", "state": "dead", "jobs": 2, "at_least": false});
        assert!(counts["counts"].as_array().unwrap().contains(&dead), "{counts}");
    }
}

fn lists_are_read_by_pages_one_state_after_the_other(shop: &Shop) {
    // The last that ended comes first.
    let ids = |state| {
        let mut ids: Vec<_> = (0..7).map(|n| shop.job(state, bill(n))).collect();
        ids.reverse();
        ids
    };
    let expected = [ids(State::Dead), ids(State::Parked)].concat();
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    for page in 1.. {
        let text = shop.run(&format!("jobs list --limit 5 --queue bills{cursor}")).well();
        let json = shop.run(&format!("jobs list --limit 5 --queue bills{cursor} --json")).json();
        let ids: Vec<_> =
            json["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_i64().unwrap()).collect();
        let lines =
            text.lines().skip(1).filter_map(|line| line.split_whitespace().next()?.parse::<i64>().ok());
        assert_eq!(lines.collect::<Vec<_>>(), ids, "{text}");
        listed.extend(ids);
        let Some(next) = json["next_cursor"].as_str() else {
            assert_eq!(page, 3);
            break;
        };
        assert!(text.ends_with(&format!("there is more: --cursor {next}\n")), "{text}");
        cursor = format!(" --cursor {next}");
    }
    assert_eq!(listed, expected);
    let other = shop.run(&format!("jobs list --state running{cursor}")).failed(2);
    assert!(other.contains("give the same --state"), "{other}");
    let nothing = shop.run("jobs list --state running --state completed --queue other --kind x").well();
    assert_eq!(nothing, "no jobs of the kind x in the queue other are running or completed\n");
}

fn a_kind_is_looked_for_among_so_many_jobs_and_no_more(shop: &Shop) {
    let first = shop.job(State::Dead, bill(1));
    shop.sql(
        "WITH RECURSIVE n(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < 10050) \
         INSERT INTO spanbox_jobs (queue, kind, payload, state, priority, run_at, max_attempts, created_at, finished_at) \
         SELECT 'bills', 'other', '{}', 'dead', 5, 1, 1, 1, 8000000000000000 FROM n",
    );
    let last = shop.job(State::Parked, bill(2));
    let text = shop.run("jobs list --kind bill").well();
    assert!(
        text.starts_with("no jobs of the kind bill are dead or parked on this page\n10000 jobs"),
        "{text}"
    );
    let cursor = text.trim().rsplit(' ').next().unwrap();
    let page = shop.run(&format!("jobs list --kind bill --json --cursor {cursor}")).json();
    let ids: Vec<_> = page["jobs"].as_array().unwrap().iter().map(|job| &job["id"]).collect();
    assert_eq!((ids, &page["next_cursor"]), (vec![&Value::from(first), &Value::from(last)], &Value::Null));
    // What a limit leaves behind is found by its cursor, whatever lies between.
    let page = shop.run(&format!("jobs list --kind bill --limit 1 --json --cursor {cursor}")).json();
    assert_eq!(page["jobs"][0]["id"], first);
    let cursor = page["next_cursor"].as_str().unwrap();
    let page = shop.run(&format!("jobs list --kind bill --limit 1 --json --cursor {cursor}")).json();
    assert_eq!((&page["jobs"][0]["id"], &page["next_cursor"]), (&Value::from(last), &Value::Null));
}
