//! What each kind of part is, to the letter. `INSTA_UPDATE=always` writes them anew.

use insta::assert_snapshot;

use super::shop::Shop;

/// The way of a path without the time of a migration, which is that of the test.
fn timeless(text: &str) -> String {
    let mut timeless = String::new();
    for line in text.split_inclusive('\n') {
        let time = line.find("/20").filter(|at| {
            let time = line.get(at + 1..at + 18).unwrap_or_default();
            time.len() == 17 && time.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
        });
        // Those of the service itself stay.
        match time.filter(|_| !line.contains("2026-01-01-000000")) {
            Some(at) => timeless.push_str(&format!("{}/(time){}", &line[..at], &line[at + 18..])),
            None => timeless.push_str(line),
        }
    }
    timeless
}

/// Generates a part and holds the report and each new file against what they were.
fn snapshot(name: &str, words: &str) {
    snapshot_of(name, words, &[""]);
}

/// The same for the files that have one of these in their names.
fn snapshot_of(name: &str, words: &str, wanted: &[&str]) {
    snapshot_in(&Shop::new(), name, words, wanted);
}

fn snapshot_in(shop: &Shop, name: &str, words: &str, wanted: &[&str]) {
    let before = shop.files();
    let report = shop.generates(words);
    assert_snapshot!(format!("{name}-report"), timeless(&report));
    for (path, text) in shop.files().iter().filter(|(path, _)| !before.contains_key(*path)) {
        if !wanted.iter().any(|part| path.contains(part)) {
            continue;
        }
        let path = timeless(&format!("/{path}")).replace(['/', '.'], "_");
        assert_snapshot!(format!("{name}{}", path.replace("(time)_", "")), timeless(text));
    }
    for changed in ["src/lib.rs", "src/schema.rs", "tests/it/main.rs"] {
        if wanted.iter().any(|part| changed.contains(part)) && shop.read(changed) != before[changed] {
            let path = changed.replace(['/', '.'], "_");
            assert_snapshot!(format!("{name}_{path}"), shop.read(changed));
        }
    }
}

#[test]
fn a_resource() {
    snapshot("resource", "resource Invoice number:string:unique amount:money due:date note:text?");
}

#[test]
fn a_resource_that_refers_to_others_for_who_has_signed_in() {
    const WANTED: &[&str] = &["draft", "error", "up.sql", "routes", "schema", "store", "tests/it/"];
    let shop = Shop::with_accounts();
    shop.generates("resource Invoice number:string:unique amount:money author:references:users");
    snapshot_in(&shop, "refers", "resource Payment invoice:references author:references?:users", WANTED);
}

#[test]
fn a_resource_of_every_type() {
    const WANTED: &[&str] = &["draft", "model", "up.sql", "schema", "tests/it/"];
    let words = "resource sample line:string words:text small:int:index large:bigint yes:bool share:float price:money \
        day:date at:datetime key:uuid:unique";
    snapshot_of("types", words, WANTED);
    let words = "resource sample line:string? words:text? small:int? large:bigint?:unique yes:bool? share:float? price:money? \
        day:date? at:datetime? key:uuid?";
    snapshot_of("optional", words, WANTED);
}

#[test]
fn a_module() {
    snapshot("module", "module reports");
}

#[test]
fn a_module_for_who_has_signed_in() {
    snapshot_in(&Shop::with_accounts(), "guarded", "module reports", &["routes", "tests/it/reports"]);
}

#[test]
fn a_job() {
    snapshot("job", "job SendReminder --queue mails");
}

#[test]
fn an_actor() {
    snapshot("actor", "actor Mailer --module notes");
}

#[test]
fn an_extension() {
    snapshot("extension", "extension SmsGateway");
}

#[test]
fn a_migration() {
    snapshot("migration", "migration add_author_to_notes");
}
