//! A second run changes nothing, and a run that is only shown none either.

use super::shop::Shop;

const PARTS: &[&str] = &[
    "resource Invoice number:string amount:money due:date",
    "resource Payment amount:money invoice:references note:references?",
    "module reports",
    "job SendReminder",
    "job CleanUp --module notes --queue nightly",
    "actor Mailer",
    "actor Tally --module notes",
    "extension Clock",
];

#[test]
fn what_is_there_already_is_left_as_it_is() {
    let shop = Shop::new();
    for part in PARTS {
        shop.generates(part);
    }
    let files = shop.files();
    for part in PARTS {
        let said = shop.generates(part);
        assert!(said.ends_with("all of it was there already\n"), "{part}: {said}");
        assert!(!said.contains("  create ") && !said.contains("  change "), "{part}: {said}");
    }
    assert_eq!(shop.files(), files);
}

#[test]
fn a_dry_run_shows_what_would_be_and_writes_nothing() {
    for part in PARTS.iter().chain(&["migration add_author"]) {
        let shop = Shop::new();
        if part.contains(":references") {
            shop.generates(PARTS[0]);
        }
        let before = shop.files();
        let shown = shop.generates(&format!("{part} --dry-run"));
        assert_eq!(shop.files(), before, "{part}");
        assert!(shown.contains("nothing was written"), "{shown}");
        let done = shop.generates(part);
        let plan = |text: &str| -> Vec<String> {
            let lines = text.lines().filter(|line| line.starts_with("  "));
            // All but the second at which it was.
            lines.map(|line| line.replace(|c: char| c.is_ascii_digit(), "0")).collect()
        };
        assert_eq!(plan(&shown), plan(&done), "{part}");
    }
}

#[test]
fn a_dry_run_tells_what_is_in_the_way() {
    let shop = Shop::new();
    shop.write("src/reports/routes.rs", "// Mine.\n");
    let told = shop.refuses("module reports --dry-run");
    assert!(told.contains("routes.rs is there already, with another text"), "{told}");
}

#[test]
fn what_was_changed_since_is_not_written_over() {
    let shop = Shop::new();
    shop.generates("module reports");
    shop.write("src/reports/routes.rs", &format!("{}// Mine.\n", shop.read("src/reports/routes.rs")));
    assert!(shop.refuses("module reports").contains("nothing was written"));
}

#[test]
fn a_migration_is_made_once_and_behind_all_others() {
    let shop = Shop::new();
    // What has none yet is given one.
    std::fs::remove_file(shop.path().join("build.rs")).unwrap();
    shop.write("migrations/sqlite/2999-12-31-235958_far_away/up.sql", "");
    shop.generates("migration add_author");
    shop.generates("migration AddTitle");
    let files = shop.files();
    for database in ["sqlite", "postgres"] {
        for (name, way) in [("2999-12-31-235959_add_author", "up"), ("3000-01-01-000000_add_title", "down")] {
            assert!(files.contains_key(&format!("migrations/{database}/{name}/{way}.sql")), "{files:?}");
        }
    }
    let told = shop.refuses("migration add_author");
    assert!(told.contains("add_author"), "{told}");
    assert!(shop.read("build.rs").contains("rerun-if-changed=migrations"));
}
