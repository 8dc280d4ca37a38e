//! What `spanbox new` does not do.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Output;

use crate::variants::texts;
use crate::{new, spanbox};

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs it and answers what it says when it refuses. Nothing has changed then.
fn refused(directory: &Path, words: &[&str], code: i32) -> String {
    let before = texts(directory);
    let output = spanbox(directory, &[&["new"], words].concat());
    assert_eq!(output.status.code(), Some(code), "{words:?}: {}", stderr(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{words:?}");
    assert_eq!(texts(directory), before, "{words:?}");
    stderr(&output)
}

#[test]
fn nothing_is_written_over_what_is_there() {
    let directory = tempfile::tempdir().unwrap();
    new(directory.path(), &["shop", "--yes"]);
    let told = refused(directory.path(), &["shop", "--yes"], 1);
    assert!(
        told.contains("shop holds .cargo, .dockerignore, .github, .gitignore, Cargo.toml, 9 more already"),
        "{told}"
    );
    assert!(told.contains("choose another name, or with --path a directory"), "{told}");

    fs::create_dir(directory.path().join("till")).unwrap();
    fs::write(directory.path().join("till/notes.txt"), "mine").unwrap();
    assert!(refused(directory.path(), &["till", "--yes"], 1).contains("till holds notes.txt already"));
    symlink("till", directory.path().join("link")).unwrap();
    assert!(refused(directory.path(), &["link", "--yes"], 1).contains("link holds notes.txt already"));
    let file = refused(directory.path(), &["desk", "--yes", "--path", "till/notes.txt"], 1);
    assert!(file.contains("till/notes.txt is a file already"), "{file}");
    let below = refused(directory.path(), &["desk", "--yes", "--path", "till/notes.txt/desk"], 1);
    assert!(below.contains("till/notes.txt/desk"), "{below}");
}

#[test]
fn a_directory_that_is_empty_or_not_there_will_do() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("empty")).unwrap();
    for path in ["empty", "not/there/yet"] {
        let report = new(directory.path(), &["shop", "--yes", "--path", path]);
        assert!(report.contains(&format!("cd {path}\n")), "{report}");
        assert!(directory.path().join(path).join("src/main.rs").is_file());
    }
}

#[test]
fn a_name_that_is_none_is_told_with_one_that_is() {
    let directory = tempfile::tempdir().unwrap();
    for (name, other) in [
        ("Shop", "shop"),
        ("../shop", "shop"),
        ("crate", "crate-service"),
        ("serde", "serde-service"),
        ("2nd", "service-2nd"),
    ] {
        let told = refused(directory.path(), &[name, "--yes"], 2);
        assert!(told.contains(&format!("take e.g. `{other}`")), "{told}");
    }
    assert!(refused(directory.path(), &["--yes"], 2).contains("<NAME>"));
}

#[test]
fn words_that_make_no_sense_are_told() {
    let directory = tempfile::tempdir().unwrap();
    for (words, told) in [
        (&["shop", "--database", "mysql"] as &[&str], "[possible values: sqlite, postgres]"),
        (&["shop", "--jobs", "rabbit"], "[possible values: database, redis]"),
        (&["shop", "--spanbox-path", "x", "--spanbox-version", "1"], "cannot be used with"),
        (&["shop", "--spanbox-git", "x", "--spanbox-version", "1"], "cannot be used with"),
        (&["shop", "--rev", "abc"], "--spanbox-git"),
        (&["shop", "--spanbox-path", "nowhere"], "there is no Cargo.toml of the package spanbox in nowhere"),
        (&["shop", "--brae"], "--bare"),
    ] {
        let said = refused(directory.path(), words, 2);
        assert!(said.contains(told), "{words:?}: {said}");
    }
}

#[test]
fn without_a_terminal_nothing_is_asked_and_the_defaults_hold() {
    let directory = tempfile::tempdir().unwrap();
    new(directory.path(), &["shop", "--path", "asked"]);
    new(directory.path(), &["shop", "--path", "said", "--yes", "--database", "sqlite", "--jobs", "database"]);
    assert_eq!(texts(&directory.path().join("asked")), texts(&directory.path().join("said")));
}
