//! Lines go where they belong, also in sources that are laid out in another way.

use super::shop::Shop;

/// The lines of a text that another one has not.
fn added<'a>(before: &str, after: &'a str) -> Vec<&'a str> {
    after.lines().filter(|line| !before.lines().any(|old| old == *line)).map(str::trim).collect()
}

#[test]
fn a_library_with_comments_and_attributes_and_no_modules_yet() {
    let lib = r#"// Copyright: nobody.

//! The shop. `Service::new("no")` is not it, nor is `mod never;`.
#![warn(
    missing_docs
)]

/* mod old; Service::new("old").module(old::module()) */
use spanbox::app::Service;

const TEXT: &str = "mod x; Service::new(\"y\")";

/// The service.
#[must_use]
pub fn create_app(profile: Option<&str>) -> Service {
    let quote = '"';
    let service = Service::new("shop", "1") // with nothing
        /* yet */ .profile(profile);
    drop((quote, TEXT));
    service
}
"#;
    let shop = Shop::with_lib(lib);
    shop.generates("module reports");
    let after = shop.read("src/lib.rs");
    assert_eq!(
        added(lib, &after),
        ["mod reports;", "/* yet */ .profile(profile).module(reports::module());"]
    );
    assert!(after.contains("missing_docs\n)]\n\nmod reports;\n\n/* mod old;"), "{after}");
    assert!(after.contains(".profile(profile).module(reports::module());"), "{after}");
}

#[test]
fn modules_are_declared_in_their_order_and_added_behind_the_last() {
    let lib = r#"//! The shop.

#[cfg(feature = "admin")]
mod admin;
pub mod notes; // and more
pub(crate) mod users;

use spanbox::app::Service;

pub fn create_app(profile: Option<&str>) -> Service {
    Service::new("shop", "1")
        .profile(profile)
        .module(users::module(|| (")", ')')))
        // .module(gone::module())
        .module(notes::module()) // the last
        .on_start(async |_| Ok(()))
}

#[cfg(test)]
mod tests;
"#;
    let shop = Shop::with_lib(lib);
    shop.generates("module zebras");
    shop.generates("module reports");
    shop.generates("module aardvarks");
    let after = shop.read("src/lib.rs");
    let expected = lib
        .replace("#[cfg(feature", "mod aardvarks;\n#[cfg(feature")
        .replace("and more\n", "and more\nmod reports;\n")
        .replace("mod users;\n", "mod users;\nmod zebras;\n")
        .replace(
            "// the last\n",
            "// the last\n        .module(zebras::module())\n        .module(reports::module())\n        .module(aardvarks::module())\n",
        );
    assert_eq!(after, expected);
}

#[test]
fn line_ends_of_windows_stay() {
    let shop = Shop::new();
    for (path, text) in shop.files() {
        shop.write(&path, &text.replace('\n', "\r\n"));
    }
    shop.generates("resource Invoice number:string amount:money");
    shop.generates("job SendReminder --module notes");
    for path in ["src/lib.rs", "src/schema.rs", "src/notes/mod.rs", "tests/it/main.rs", "Cargo.toml"] {
        let text = shop.read(path);
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count(), "{path}: {text:?}");
    }
    assert!(shop.read("src/lib.rs").contains("mod invoices;\r\nmod money;\r\nmod notes;\r\n"));
    let files = shop.files();
    shop.generates("resource Invoice number:string amount:money");
    assert_eq!(shop.files(), files);
}

#[test]
fn a_service_that_describes_nothing_yet_is_described() {
    let shop = Shop::new();
    let lib = shop.read("src/lib.rs");
    let lib = lib
        .replace("        .describe(Description::new(&notes::Api::openapi()))\n", "")
        .replace("use spanbox::ext::openapi::Description;\n", "")
        .replace("use utoipa::OpenApi as _;\n", "");
    let shop = Shop::with_lib(&lib);
    shop.generates("resource Invoice number:string");
    let after = shop.read("src/lib.rs");
    for line in [
        "use spanbox::ext::openapi::Description;",
        "use utoipa::OpenApi as _;",
        ".describe(Description::new(&invoices::Api::openapi()))",
    ] {
        assert_eq!(after.matches(line).count(), 1, "{line}: {after}");
    }
}

#[test]
fn tables_that_may_be_joined_are_listed() {
    let shop = Shop::new();
    let schema = shop.read("src/schema.rs");
    shop.write(
        "src/schema.rs",
        &format!("{schema}\ndiesel::allow_tables_to_appear_in_same_query!(notes,);\n"),
    );
    shop.generates("resource Invoice number:string");
    let after = shop.read("src/schema.rs");
    assert!(after.contains("}\n\ndiesel::table! {\n    invoices (id) {"), "{after}");
    assert!(
        after.ends_with("}\n\ndiesel::allow_tables_to_appear_in_same_query!(notes, invoices);\n"),
        "{after}"
    );
}

#[test]
fn a_table_and_those_that_it_refers_to_may_be_joined_once() {
    let shop = Shop::new();
    shop.generates("resource Invoice number:string note:references other:references?:notes");
    shop.generates("resource Payment number:string invoice:references");
    let after = shop.read("src/schema.rs");
    assert!(
        after.ends_with(
            "}\n\ndiesel::joinable!(invoices -> notes (note_id));\n\
             diesel::joinable!(payments -> invoices (invoice_id));\n\
             diesel::allow_tables_to_appear_in_same_query!(notes, invoices, payments);\n"
        ),
        "{after}"
    );
}

#[test]
fn where_there_is_no_place_the_line_is_told_and_nothing_is_written() {
    let shop = Shop::new();
    shop.write("src/notes/mod.rs", "//! Notes, which `Module::new(\"x\")` would make.\n");
    let told = shop.refuses("job SendReminder --module notes");
    assert!(
        told.contains("src/notes/mod.rs") && told.contains(".job::<send_reminder::SendReminder, _>"),
        "{told}"
    );
    let told = shop.refuses("actor Mailer --module notes");
    assert!(told.contains(".actor(\"mailer\", …).start()") && told.contains("add it by hand"), "{told}");
    let shop = Shop::with_lib("pub fn create_app() { Service::new (\"a\") }\n");
    let told = shop.refuses("resource Invoice number:string");
    assert!(told.contains("static MIGRATIONS") && told.contains("has no database"), "{told}");
}

#[test]
fn jobs_bring_their_tables_and_crates_are_added_once() {
    let shop = Shop::new();
    let lib = shop
        .read("src/lib.rs")
        .replace("\n        .with(&jobs::MIGRATIONS)", "")
        .replace("use spanbox::jobs;\n", "");
    shop.write("src/lib.rs", &lib);
    shop.generates("job SendReminder");
    assert!(shop.read("src/lib.rs").contains(".with(&spanbox::jobs::MIGRATIONS);"));
    let manifest = shop.read("Cargo.toml");
    let without = ["thiserror =", "serde_json ="];
    let lines = manifest.lines().filter(|line| !without.iter().any(|name| line.starts_with(name)));
    let manifest: String = lines.map(|line| format!("{line}\n")).collect();
    shop.write("Cargo.toml", &manifest);
    shop.generates("resource Invoice amount:money key:uuid");
    shop.generates("resource Bill amount:money key:uuid");
    let manifest_after = shop.read("Cargo.toml");
    let added = added(&manifest, &manifest_after);
    let names: Vec<_> = added.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(names, ["iso_currency", "thiserror", "uuid", "serde_json"]);
}
