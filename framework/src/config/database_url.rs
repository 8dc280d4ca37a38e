//! The database's URL: checked at boot, shown without its password.

use std::path::Path;

use serde::Serializer;
use url::Url;

use super::feature::built_without;
use crate::redact::{MASK, Secret};

/// Writes the URL with its password, and the values of its query, masked.
pub(super) fn masked<S: Serializer>(url: &Secret<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&display(url.expose()))
}

fn display(raw: &str) -> String {
    if raw.starts_with("sqlite:") {
        return raw.to_owned();
    }
    let Ok(mut url) = Url::parse(raw) else { return MASK.to_owned() };
    if url.password().is_some() && url.set_password(Some(MASK)).is_err() {
        return MASK.to_owned();
    }
    let keys: Vec<String> = url.query_pairs().map(|(key, _)| key.into_owned()).collect();
    if !keys.is_empty() {
        url.query_pairs_mut().clear().extend_pairs(keys.iter().map(|key| (key, MASK)));
    }
    url.into()
}

/// The file that an SQLite URL names.
pub(super) fn sqlite_file(raw: &str) -> Option<&Path> {
    let path = raw.strip_prefix("sqlite:")?;
    Some(Path::new(path.strip_prefix("//").unwrap_or(path)))
}

/// What is wrong with a database URL, without showing it.
pub(super) fn check(raw: &str) -> Result<(), String> {
    check_with(raw, cfg!(feature = "postgres"))
}

fn check_with(raw: &str, has_postgres: bool) -> Result<(), String> {
    if let Some(path) = sqlite_file(raw) {
        return if path.as_os_str().is_empty() {
            Err("names no file: use e.g. sqlite://var/orders.db, or sqlite:///abs/path.db".to_owned())
        } else {
            Ok(())
        };
    }
    match Url::parse(raw) {
        Ok(url) if matches!(url.scheme(), "postgres" | "postgresql") => {
            let without = || built_without("postgres", "use sqlite://path");
            if has_postgres { Ok(()) } else { Err(format!("is a PostgreSQL, and {}", without())) }
        }
        Ok(url) => {
            Err(format!("has the scheme `{}`: only sqlite:// and postgres:// are known", url.scheme()))
        }
        Err(error) => {
            Err(format!("is no URL ({error}): use sqlite://path or postgres://user:password@host:5432/name"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_url_keeps_what_helps_and_hides_what_is_secret() {
        for (raw, shown) in [
            ("sqlite://var/orders.db", "sqlite://var/orders.db"),
            ("postgres://db.example/orders", "postgres://db.example/orders"),
            ("postgres://me:hunter2@db.example:5432/orders", "postgres://me:***@db.example:5432/orders"),
            (
                "postgres://db.example/orders?sslmode=require&password=hunter2",
                "postgres://db.example/orders?sslmode=***&password=***",
            ),
            ("host=db password=hunter2", "***"),
        ] {
            assert_eq!(display(raw), shown);
        }
    }

    #[test]
    fn only_sqlite_and_postgres_pass_and_the_message_shows_no_password() {
        for right in
            ["sqlite://var/orders.db", "sqlite:///abs/o.db", "postgres://h/d", "postgresql://u:p@h:5432/d"]
        {
            assert_eq!(check_with(right, true), Ok(()), "{right}");
        }
        for wrong in [
            "",
            "sqlite://",
            "mysql://u:hunter2@h/d",
            "host=h password=hunter2",
            "postgres://u:hunter2@h:x/d",
        ] {
            let message = check_with(wrong, true).unwrap_err();
            assert!(!message.contains("hunter2"), "{message}");
        }
    }

    #[test]
    fn without_the_feature_postgres_is_refused_with_what_to_do() {
        assert_eq!(check_with("sqlite://var/orders.db", false), Ok(()));
        let message = check_with("postgres://u:hunter2@h/d", false).unwrap_err();
        assert!(message.contains("add \"postgres\" to the features of spanbox"), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
        let other = check_with("mysql://h/d", false).unwrap_err();
        assert!(other.contains("only sqlite:// and postgres://"), "{other}");
    }
}
