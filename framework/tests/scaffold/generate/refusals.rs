//! What is refused, with nothing written and the reason told.

use super::shop::Shop;

fn refused(words: &str, part: &str) {
    let told = Shop::new().refuses(words);
    assert!(told.contains(part), "{words}: {told}");
}

#[test]
fn names_that_are_none() {
    for (name, part) in [
        ("../evil", "has to begin with a letter"),
        ("a/../../evil", "'/' is neither"),
        ("a\\b", "'\\\\' is neither"),
        ("a.b", "'.' is neither"),
        ("2fast", "has to begin with a letter"),
        ("_x", "has to begin with a letter"),
        ("Überweisung", "has to begin with a letter"),
        ("invöice", "'ö' is neither"),
        ("match", "keyword of Rust"),
        ("Self", "keyword of Rust"),
        ("abcdefghijklmnopqrstuvwxyz_abc", "longer than 28"),
    ] {
        for kind in ["module", "job", "actor", "extension", "resource"] {
            let fields = if kind == "resource" { " a:string" } else { "" };
            refused(&format!("{kind} {name}{fields}"), part);
        }
    }
    refused("migration ../evil", "has to begin with a letter");
    refused("module serde", "that of a crate");
    refused("module health", "a part of every service");
    refused("module main", "a part of every service");
    refused("extension std", "that of a crate");
    refused("resource Option a:string", "another type of this name");
    refused("actor Addr", "actors have another");
    refused("resource sheep a:string --plural sheep", "say with --plural");
    refused("resource Thing a:string --plural order", "keyword of SQL");
    refused("job x --queue Bad!", "no name for a queue");
    refused("job x --module nowhere", "there is no module `nowhere`");
    refused("actor x --module ../notes", "has to begin with a letter");
}

#[test]
fn fields_that_are_none() {
    for (fields, part) in [
        ("", "of what?"),
        ("number", "say its type"),
        ("number:", "there is no type \"\""),
        ("number:varchar", "`string` (a line of 1 to 200 characters)"),
        ("number:varchar", "\"varchar\", did you mean `string`?;"),
        ("number:strng", "did you mean `string`?"),
        ("number:String", "did you mean `string`?"),
        ("amount:decimal", "did you mean `money`?"),
        ("number:blob", "there is no type \"blob\"; the types are"),
        ("number:string:primary", "only `unique` and `index` may follow"),
        ("number:string number:int", "there are two of this name"),
        ("amount:money amount_minor:int", "there are two of this name"),
        ("amount:money currency:string", "leave it out"),
        ("order:int", "keyword of SQL; take another, e.g. `position`"),
        ("user:string", "keyword of SQL; take another, e.g. `owner`"),
        ("group:int", "keyword of SQL"),
        ("type:string", "keyword of Rust; take another, e.g. `kind`"),
        ("id:int", "every table has a `id` already"),
        ("created_at:datetime", "every table has a `created_at` already"),
        ("version:int", "every table has a `version` already"),
        ("customer:references", "there is no table `customers` in src/schema.rs whose id is a BigInt"),
        ("customer:references", "behind the type, of notes"),
        ("customer:references:people", "there is no table `people`"),
        ("note:references:unique", "no \"unique\" may follow"),
        ("note:references:notes:index", "no \"index\" may follow"),
        ("note:references note_id:int", "there are two of this name"),
        ("part:references:invoices", "refers to itself is made by hand"),
        ("invoices:int", "name of its table"),
        ("paid:bool:unique", "leave `:unique` out"),
        (
            "a:int b:int c:int d:int e:int f:int g:int h:int i:int j:int k:int l:int m:int n:int",
            "`32-column-tables`",
        ),
        ("a-b/c:int", "'/' is neither"),
        ("x;drop:int", "';' is neither"),
    ] {
        refused(&format!("resource Invoice {fields}"), part);
    }
}

#[test]
fn a_part_that_is_there_in_another_shape() {
    let shop = Shop::new();
    shop.write("src/reports.rs", "//! Mine.\n");
    assert!(shop.refuses("module reports").contains("src/reports.rs is there already"));
    assert!(shop.refuses("extension notes").contains("src/notes is there already"));
    shop.generates("resource Invoice number:string");
    let told = shop.refuses("resource Invoice number:int");
    assert!(told.contains("invoices/model.rs") && told.contains("up.sql"), "{told}");
}

#[test]
fn a_place_that_is_no_service() {
    let empty = tempfile::tempdir().unwrap();
    let within = |path: &std::path::Path| {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let words = ["spanbox", "generate", "module", "reports", "--path", path.to_str().unwrap()];
        let code = spanbox::scaffold::execute(words, &mut out, &mut err);
        (code, String::from_utf8(err).unwrap())
    };
    let (code, told) = within(empty.path());
    assert!(code == 2 && told.contains("this is no service: there is no Cargo.toml"), "{told}");
    std::fs::write(empty.path().join("Cargo.toml"), "[workspace]\nmembers = []\n").unwrap();
    assert!(within(empty.path()).1.contains("is that of a workspace"));
    std::fs::write(empty.path().join("Cargo.toml"), "[package]\nname = \"x\"\n[dependencies]\n").unwrap();
    assert!(within(empty.path()).1.contains("does not depend on spanbox"));
    std::fs::write(empty.path().join("Cargo.toml"), "[package\n").unwrap();
    assert!(within(empty.path()).1.contains("is not TOML"));
    assert!(within(&empty.path().join("nowhere")).1.contains("nowhere"));
    let shop = Shop::new();
    // From below, too.
    assert_eq!(within(&shop.path().join("src/notes")), (0, String::new()));
    assert!(shop.read("src/lib.rs").contains("mod reports;"));
    shop.write("src/lib.rs", "//! Nothing.\n");
    assert!(shop.refuses("module other").contains("makes no service"));
}
