//! The database's URL: checked at boot, shown without its password.

use serde::Serializer;
use url::Url;

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

/// What is wrong with a database URL, without showing it.
pub(super) fn check(raw: &str) -> Result<(), String> {
    if let Some(path) = raw.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        return if path.is_empty() {
            Err("names no file: use e.g. sqlite://var/orders.db, or sqlite:///abs/path.db".to_owned())
        } else {
            Ok(())
        };
    }
    match Url::parse(raw) {
        Ok(url) if matches!(url.scheme(), "postgres" | "postgresql") => Ok(()),
        Ok(url) => {
            Err(format!("has the scheme `{}`: only sqlite:// and postgres:// are known", url.scheme()))
        }
        Err(error) => {
            Err(format!("is no URL ({error}): use sqlite://path or postgres://user:password@host:5432/name"))
        }
    }
}
