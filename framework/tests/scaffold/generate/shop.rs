//! A service to generate parts of, in a directory of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::variants::texts;

/// A service as `spanbox new` writes it, in a directory that is gone with this.
pub(crate) struct Shop {
    directory: TempDir,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Shop {
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// One with users who sign in.
    pub(crate) fn with_accounts() -> Self {
        Self::with(&["--auth"])
    }

    fn with(options: &[&str]) -> Self {
        let shop = Self { directory: tempfile::tempdir().unwrap() };
        let path = shop.path();
        let words = ["new", "shop", "--yes", "--spanbox-version", "0.1", "--path", path.to_str().unwrap()];
        let said = execute(&[&words, options].concat());
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
        shop
    }

    /// One whose `src/lib.rs` says something else.
    pub(crate) fn with_lib(lib: &str) -> Self {
        let shop = Self::new();
        shop.write("src/lib.rs", lib);
        shop
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().canonicalize().unwrap()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Every file with what it says.
    pub(crate) fn files(&self) -> BTreeMap<String, String> {
        texts(&self.path())
    }

    /// Runs `spanbox generate` with these words here.
    pub(crate) fn generate(&self, words: &str) -> Said {
        let path = self.path();
        let first = ["generate", "--path", path.to_str().unwrap()];
        execute(&[&first[..], &words.split_whitespace().collect::<Vec<_>>()].concat())
    }

    /// The same, which has to succeed.
    pub(crate) fn generates(&self, words: &str) -> String {
        let said = self.generate(words);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{words}: {said:?}");
        said.out
    }

    /// The same, which has to be refused, and then nothing may have changed.
    pub(crate) fn refuses(&self, words: &str) -> String {
        let before = self.files();
        let said = self.generate(words);
        assert_ne!(said.code, 0, "{words}: {said:?}");
        assert_eq!(self.files(), before, "{words}");
        said.err
    }
}

fn execute(words: &[&str]) -> Said {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = spanbox::scaffold::execute([&["spanbox"], words].concat(), &mut out, &mut err);
    Said { code, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}
