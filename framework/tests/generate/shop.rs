//! A service to generate parts of, in a directory of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// All features that there are: as the tests of the workspace are built, so that nothing is built twice.
const FEATURES: &[&str] = &[
    "auth",
    "cache",
    "cli",
    "client",
    "cors",
    "limit",
    "openapi",
    "postgres",
    "redis",
    "session",
    "templates",
    "testing",
];

/// A directory with the service of `service/`, gone with this.
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
        let shop = Self { directory: tempfile::tempdir().unwrap() };
        let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/generate/service");
        for (path, text) in files(&template) {
            let path = path.strip_suffix(".in").unwrap_or(&path);
            let features: Vec<_> = FEATURES.iter().map(|feature| format!("\"{feature}\"")).collect();
            let text = text
                .replace("{spanbox}", env!("CARGO_MANIFEST_DIR"))
                .replace("{features}", &features.join(", "));
            shop.write(path, &text);
        }
        shop
    }

    /// One whose `src/lib.rs` says something else.
    pub(crate) fn with_lib(lib: &str) -> Self {
        let shop = Self::new();
        shop.write("src/lib.rs", lib);
        shop
    }

    /// One with a table of users and the extension by which they sign in; it is not one that compiles.
    pub(crate) fn with_accounts() -> Self {
        let shop = Self::new();
        let lib = shop.read("src/lib.rs");
        shop.write(
            "src/lib.rs",
            &lib.replace("        .describe(", "        .extension(Auth::new(\"shop\"))\n        .describe("),
        );
        let users =
            "diesel::table! {\n    users (id) {\n        id -> BigInt,\n        email -> Text,\n    }\n}\n";
        shop.write("src/schema.rs", &format!("{}\n{users}", shop.read("src/schema.rs")));
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
        files(&self.path())
    }

    /// Runs `spanbox generate` with these words here.
    pub(crate) fn generate(&self, words: &str) -> Said {
        self.generate_words(&words.split_whitespace().collect::<Vec<_>>())
    }

    pub(crate) fn generate_words(&self, words: &[&str]) -> Said {
        let path = self.path();
        let words = [&["spanbox", "generate", "--path", path.to_str().unwrap()], words].concat();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = spanbox::scaffold::execute(words, &mut out, &mut err);
        Said { code, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
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

fn files(root: &Path) -> BTreeMap<String, String> {
    let (mut found, mut directories) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            found.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
    found
}
