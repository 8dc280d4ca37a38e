//! The blocks of code in the documents, and the commands in their sentences.

use std::fs;
use std::path::{Path, PathBuf};

/// A block between fences, or a command between backticks.
pub(super) struct Block {
    /// The document, from the top of the repository.
    pub(super) page: String,
    /// The line that it begins in, from 1.
    pub(super) line: usize,
    /// What stands behind the fence: the language, and what it is besides.
    pub(super) tag: String,
    pub(super) text: String,
}

impl Block {
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.page, self.line)
    }
}

pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The documents for people: what is in a directory `src` is part of the API's own pages, which rustdoc tests.
pub(super) fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md")];
    for directory in ["docs", "deploy"] {
        for entry in fs::read_dir(root().join(directory)).unwrap().map(Result::unwrap) {
            if entry.path().extension().is_some_and(|is| is == "md") {
                pages.push(entry.path());
            }
        }
    }
    pages.sort();
    pages
}

/// Every block of every document.
pub(super) fn all() -> Vec<Block> {
    pages().iter().flat_map(|page| of(page).0).collect()
}

/// Every command that a sentence or a table names between backticks.
pub(super) fn inline() -> Vec<Block> {
    pages().iter().flat_map(|page| of(page).1).collect()
}

fn of(page: &Path) -> (Vec<Block>, Vec<Block>) {
    let name = page.strip_prefix(root()).unwrap().display().to_string();
    let text = fs::read_to_string(page).unwrap();
    let (mut blocks, mut inline) = (Vec::<Block>::new(), Vec::new());
    let mut inside = false;
    for (at, line) in text.lines().enumerate() {
        let block = |tag: &str, text: String| Block {
            page: name.clone(),
            line: at + 1,
            tag: tag.trim().to_owned(),
            text,
        };
        match line.trim_start().strip_prefix("```") {
            Some(tag) if !inside => {
                blocks.push(block(tag, String::new()));
                inside = true;
            }
            Some(rest) => {
                assert!(rest.trim().is_empty(), "{name}:{}: where does this block end?", at + 1);
                inside = false;
            }
            None if inside => {
                let text = &mut blocks.last_mut().unwrap().text;
                text.push_str(line);
                text.push('\n');
            }
            None => inline.extend(line.split('`').skip(1).step_by(2).map(|code| block("", code.to_owned()))),
        }
    }
    assert!(!inside, "{name}: the last block has no end");
    (blocks, inline)
}
