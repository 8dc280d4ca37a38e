//! Names of services.

/// As long as crates.io takes.
const MAX: usize = 64;

/// The words that are Rust's own (the Rust reference, "Keywords").
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop",
    "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static",
    "struct", "super", "trait", "true", "try", "type", "typeof", "union", "unsafe", "unsized", "use",
    "virtual", "where", "while", "yield",
];

/// Crates that a service uses or that Rust brings, `it`, its own tests, and directories that cargo makes.
pub(super) const TAKEN: &[&str] = &[
    "actix",
    "actix_web",
    "alloc",
    "build",
    "chrono",
    "core",
    "deps",
    "diesel",
    "diesel_async",
    "diesel_migrations",
    "examples",
    "incremental",
    "it",
    "proc_macro",
    "serde",
    "serde_json",
    "spanbox",
    "spanbox_macros",
    "std",
    "test",
    "thiserror",
    "tracing",
    "utoipa",
];

/// What Windows calls devices, so that no file can have the name.
const DEVICES: &[&str] = &["aux", "con", "nul", "prn"];

/// The name of a service that a crate, a directory, a database and an image can have too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name(String);

impl Name {
    /// Takes a name; or says why it is none, and which one would be.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match reason(text) {
            None => Ok(Self(text.to_owned())),
            Some(reason) => Err(format!("{reason}: take e.g. `{}`", suggestion(text))),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// As it stands in paths of Rust.
    pub(super) fn in_rust(&self) -> String {
        self.0.replace('-', "_")
    }
}

/// Why this is no name; `None` if it is one.
fn reason(text: &str) -> Option<&'static str> {
    let in_rust = text.replace('-', "_");
    let device = || {
        let number =
            |port: &str| in_rust.strip_prefix(port).is_some_and(|rest| rest.len() == 1 && rest != "0");
        DEVICES.contains(&in_rust.as_str()) || number("com") || number("lpt")
    };
    if text.is_empty() {
        Some("a service has a name")
    } else if text.contains(['/', '\\']) {
        Some("a name is no path, which --path takes")
    } else if !text
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte))
    {
        Some("a name has lower-case letters a to z, digits, `-` and `_` alone")
    } else if !text.starts_with(|first: char| first.is_ascii_lowercase()) {
        Some("a name begins with a letter")
    } else if text.ends_with(['-', '_']) {
        Some("a name ends with a letter or a digit")
    } else if text.len() > MAX {
        Some("a name has at most 64 characters")
    } else if KEYWORDS.contains(&in_rust.as_str()) {
        Some("this is a word of Rust's own")
    } else if TAKEN.contains(&in_rust.as_str()) {
        Some("a crate or a directory that the service needs has this name")
    } else if device() {
        Some("Windows has a device of this name")
    } else {
        None
    }
}

/// A name that comes near.
fn suggestion(text: &str) -> String {
    let last = text.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or_default();
    let mut name = String::new();
    for c in last.chars().map(|c| c.to_ascii_lowercase()) {
        if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' {
            name.push(c);
        } else if !name.ends_with('-') {
            name.push('-');
        }
    }
    let mut name = name.trim_matches(['-', '_']).to_owned();
    name.truncate(MAX - "-service".len());
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        name.insert_str(0, "service-");
        name.truncate(MAX);
    }
    let name = name.trim_end_matches(['-', '_']);
    match reason(name) {
        None => name.to_owned(),
        Some(_) if name.is_empty() => "shop".to_owned(),
        Some(_) => format!("{name}-service"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_will_do() {
        for name in ["shop", "my-shop", "shop_2", "a", "notes", &"x".repeat(64)] {
            assert_eq!(Name::parse(name).map(|name| name.as_str().to_owned()), Ok(name.to_owned()));
        }
        assert_eq!(Name::parse("my-shop").unwrap().in_rust(), "my_shop");
    }

    #[test]
    fn a_name_that_will_not_do_says_why_and_which_would() {
        for (name, why, other) in [
            ("", "has a name", "shop"),
            ("Shop", "lower-case", "shop"),
            ("My Shop!", "lower-case", "my-shop"),
            ("größe", "lower-case", "gr-e"),
            ("1shop", "begins with a letter", "service-1shop"),
            ("-x", "begins with a letter", "x"),
            ("shop-", "ends with", "shop"),
            ("../shop", "--path", "shop"),
            ("a\\b", "--path", "b"),
            ("..", "lower-case", "shop"),
            ("shop\n", "lower-case", "shop"),
            ("async", "word of Rust", "async-service"),
            ("self", "word of Rust", "self-service"),
            ("std", "crate or a directory", "std-service"),
            ("test", "crate or a directory", "test-service"),
            ("spanbox", "crate or a directory", "spanbox-service"),
            ("actix-web", "crate or a directory", "actix-web-service"),
            ("com1", "Windows", "com1-service"),
            (&"x".repeat(65), "at most 64", &"x".repeat(56)),
        ] {
            let error = Name::parse(name).unwrap_err();
            assert!(error.contains(why) && error.ends_with(&format!("`{other}`")), "{name:?}: {error}");
            assert!(Name::parse(other).is_ok(), "{other}");
        }
    }
}
