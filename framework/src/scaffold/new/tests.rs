//! What is asked at a terminal, and what comes of the answers.

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Words {
    #[command(flatten)]
    new: New,
}

/// The choices that come of these options and these lines, and what was shown.
fn asked(options: &[&str], lines: &str) -> (Result<Choices, ScaffoldError>, String) {
    let words =
        Words::try_parse_from([&["new", "shop"], options].concat()).unwrap_or_else(|error| panic!("{error}"));
    let mut shown = Vec::new();
    let choices = words.new.ask(&mut lines.as_bytes(), &mut shown);
    (choices, String::from_utf8(shown).unwrap())
}

#[test]
fn empty_lines_are_the_defaults() {
    let (choices, shown) = asked(&[], "\n\n\n\n");
    assert_eq!(choices.unwrap(), Choices::default());
    assert_eq!(
        shown,
        "Which database? [sqlite]/postgres: Who hands jobs out? [database]/redis: With accounts, so that users sign in? \
         yes/[no]: With an example, the module `notes`? [yes]/no: "
    );
}

#[test]
fn what_is_no_answer_is_asked_again() {
    let (choices, shown) = asked(&[], "mysql\nPostgres\nredis\nperhaps\ny\nNo\n");
    let all = Choices { database: Database::Postgres, jobs: Jobs::Redis, auth: true, bare: true };
    assert_eq!(choices.unwrap(), all);
    assert!(shown.contains("`mysql` is none of them: sqlite or postgres\n"), "{shown}");
    assert!(shown.contains("`perhaps` is neither: yes or no\n"), "{shown}");
}

#[test]
fn what_was_said_is_not_asked() {
    let (choices, shown) = asked(&["--database", "postgres", "--jobs", "database", "--auth", "--bare"], "");
    assert_eq!(shown, "");
    let said = Choices { database: Database::Postgres, auth: true, bare: true, ..Choices::default() };
    assert_eq!(choices.unwrap(), said);
}

#[test]
fn an_end_of_the_answers_ends_it() {
    let (choices, _) = asked(&[], "sqlite\n");
    let error = choices.unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("nothing was written"), "{error}");
}
