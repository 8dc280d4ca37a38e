//! The documents do not lie: each block of code in them is compiled, run, or held against what there is.

mod blocks;
mod shell;

use std::fs;
use std::path::Path;

use orders::create_app;

use blocks::Block;

/// What a block may be, and what holds it.
const TAGS: [(&str, &str); 9] = [
    ("rust", "compiled and run with the tests of the framework"),
    (
        "rust,no_run",
        "compiled with the tests of the framework, since it would not end or needs what is not there",
    ),
    ("toml", "settings: the service is prepared with them"),
    ("toml manifest", "parsed: part of a Cargo.toml"),
    ("json", "parsed"),
    ("yaml", "parsed"),
    ("sh", "each command is held against the commands, routes, settings and files of this repository"),
    ("sh shop", "the same, for a service that `spanbox new` has written"),
    ("text", "what is shown to people: nothing"),
];

/// Python stands in one page alone, beside what answers it.
const PYTHON: &str = "docs/FROM-FLASK.md";

fn of(tags: &[&str]) -> impl Iterator<Item = Block> {
    blocks::all().into_iter().filter(|block| tags.contains(&block.tag.as_str()))
}

#[track_caller]
fn nothing(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_block_says_what_it_is() {
    let known = |block: &Block| {
        TAGS.iter().any(|(tag, _)| *tag == block.tag) || block.tag == "python" && block.page == PYTHON
    };
    let unknown = blocks::all().into_iter().filter(|block| !known(block));
    let mut wrong: Vec<_> =
        unknown.map(|it| format!("{}: `{}` is none of {TAGS:?}", it.place(), it.tag)).collect();
    let page = fs::read_to_string(blocks::root().join("docs/CONTRIBUTING.md")).unwrap();
    let untold = TAGS.iter().filter(|(tag, _)| !page.contains(&format!("| `{tag}` |")));
    wrong.extend(untold.map(|(tag, is)| format!("docs/CONTRIBUTING.md does not say that `{tag}` is {is}")));
    nothing(wrong);
}

#[test]
fn every_page_is_found_from_the_readme() {
    let readme = fs::read_to_string(blocks::root().join("README.md")).unwrap();
    let root = blocks::root();
    let pages =
        blocks::pages().into_iter().map(|page| page.strip_prefix(&root).unwrap().display().to_string());
    let lost = pages.filter(|page| page != "README.md" && !readme.contains(&format!("]({page})")));
    nothing(lost.map(|page| format!("{page}: README.md does not lead to it")).collect());
}

#[test]
fn every_page_with_rust_is_tested_by_rustdoc() {
    fn includes(directory: &Path, page: &str) -> bool {
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
            if path.is_dir() {
                return includes(&path, page);
            }
            let is_rust = path.extension().is_some_and(|is| is == "rs");
            is_rust && fs::read_to_string(&path).unwrap().contains(&format!("../{page}\""))
        })
    }
    let mut pages: Vec<_> = of(&["rust", "rust,no_run"]).map(|block| block.page).collect();
    pages.dedup();
    let source = blocks::root().join("framework/src");
    let left = pages.into_iter().filter(|page| !includes(&source, page));
    nothing(left.map(|page| format!("{page}: name it in framework/src/documents.rs")).collect());
}

#[test]
fn every_block_of_settings_is_one_that_the_service_takes() {
    let mut wrong = Vec::new();
    for block in of(&["toml"]) {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("default.toml"), &block.text).unwrap();
        let service = create_app(Some("development"));
        let service =
            service.config_directory(directory.path()).environment([("REDIS_URL", "redis://localhost:6379")]);
        wrong.extend(service.prepare().err().map(|errors| format!("{}: {errors}", block.place())));
    }
    nothing(wrong);
}

#[test]
fn every_block_of_data_parses() {
    let mut wrong = Vec::new();
    for block in of(&["json", "yaml", "toml manifest"]) {
        let error = match block.tag.as_str() {
            "json" => serde_json::from_str::<serde_json::Value>(&block.text).err().map(|it| it.to_string()),
            "yaml" => serde_saphyr::from_str::<serde_json::Value>(&block.text).err().map(|it| it.to_string()),
            _ => block.text.parse::<toml_edit::DocumentMut>().err().map(|it| it.to_string()),
        };
        wrong.extend(error.map(|error| format!("{}: {error}", block.place())));
    }
    nothing(wrong);
}

#[test]
fn every_command_of_a_block_is_one_that_there_is() {
    let mut wrong = Vec::new();
    let mut commands = 0;
    for block in of(&["sh", "sh shop"]) {
        for line in shell::lines(&block) {
            commands += 1;
            let error = line.wrong(block.tag == "sh shop").err();
            wrong.extend(error.map(|error| format!("{}: {error}", block.place())));
        }
    }
    assert!(commands > 20, "only {commands} commands were found");
    nothing(wrong);
}

#[test]
fn every_command_of_a_sentence_is_one_that_there_is() {
    let begins = |block: &Block| {
        let mut words = block.text.split(' ');
        match words.next() {
            Some("cargo") => words.next() == Some("run"),
            Some("orders" | "spanbox") => {
                words.next().is_some_and(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
            }
            _ => false,
        }
    };
    let mut wrong = Vec::new();
    for block in blocks::inline().into_iter().filter(begins) {
        for line in shell::lines(&block) {
            wrong.extend(
                line.wrong(false).err().map(|error| format!("{}: `{}`: {error}", block.place(), block.text)),
            );
        }
    }
    nothing(wrong);
}
