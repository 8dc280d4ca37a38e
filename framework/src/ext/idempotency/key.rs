use std::fmt::Write as _;

use actix_web::HttpRequest;
use sha2::{Digest as _, Sha256};

use crate::web::{Principal, Problem};

/// The header.
pub(super) const HEADER: &str = "idempotency-key";

/// As many characters as a key has.
const LONGEST: usize = 255;

/// A key together with who sent it and for what, as a hash: what the database knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct KeyId([u8; 32]);

impl KeyId {
    pub(super) fn of(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// In 64 hexadecimal digits.
    pub(super) fn to_hex(self) -> String {
        hex(&self.0)
    }

    /// A number for PostgreSQL's advisory locks.
    pub(super) fn lock(self) -> i64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.0[..8]);
        i64::from_be_bytes(first)
    }
}

/// What tells one body from another.
pub(super) fn fingerprint(body: &[u8]) -> String {
    hex(&Sha256::digest(body))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The key of a request, if it has one.
pub(super) fn key_of(request: &HttpRequest) -> Result<Option<KeyId>, Problem> {
    let mut values = request.headers().get_all(HEADER);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::bad_request("there is more than one Idempotency-Key: send one"));
    }
    let key = value.to_str().ok().and_then(parse).ok_or_else(|| {
        Problem::bad_request(format!(
            "the Idempotency-Key is none: expected 1 to {LONGEST} visible ASCII characters, e.g. a UUID in double quotes"
        ))
    })?;
    let principal = Principal::of(request);
    // Nobody's keys must not meet those of somebody with an empty id.
    let who = principal.as_ref().map_or(["anonymous", ""], |principal| ["principal", principal.id()]);
    Ok(Some(KeyId::of(&[who[0], who[1], request.method().as_str(), request.path(), &key])))
}

/// A string of structured fields (RFC 9651, section 3.3.3), as the draft has it, or the same without quotes, as many clients
/// send it; the two are one key.
pub(super) fn parse(value: &str) -> Option<String> {
    let value = value.trim_matches([' ', '\t']);
    let key = match value.strip_prefix('"') {
        Some(rest) => unquoted(rest)?,
        None if value.contains(['"', '\\', ',', ';']) => return None,
        None => value.to_owned(),
    };
    let fits = (1..=LONGEST).contains(&key.len()) && key.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    fits.then_some(key)
}

/// What stands before the closing quote, which has to be the end.
fn unquoted(rest: &str) -> Option<String> {
    let (mut key, mut escaped) = (String::new(), false);
    let mut characters = rest.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' | '\\' if escaped => key.push(character),
            _ if escaped => return None,
            '"' => return characters.next().is_none().then_some(key),
            '\\' => {
                escaped = true;
                continue;
            }
            other => key.push(other),
        }
        escaped = false;
    }
    None
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_is_one_with_and_without_quotes() {
        for (value, key) in [
            ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
            ("\"8e03978e\"", "8e03978e"),
            (r#""a\"b\\c""#, r#"a"b\c"#),
            ("  x  ", "x"),
        ] {
            assert_eq!(parse(value).as_deref(), Some(key), "{value}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let long = "x".repeat(256);
        for value in [
            "",
            "\"\"",
            "\"a",
            "a\"",
            "\"a\"b",
            "\"a\", \"b\"",
            "a, b",
            "a b",
            "\"a b\"",
            r#""a\b""#,
            "\"é\"",
            &long,
        ] {
            assert_eq!(parse(value), None, "{value}");
        }
    }

    #[test]
    fn a_key_belongs_to_who_sent_it_and_to_what_it_asks_for() {
        let request = |path: &str, who: Option<&str>| {
            let request = TestRequest::post().uri(path).insert_header((HEADER, "k")).to_http_request();
            if let Some(who) = who {
                Principal::new(who.to_owned(), Vec::new()).set_on(&request);
            }
            key_of(&request).unwrap().unwrap()
        };
        let ids = [
            request("/a", None),
            request("/b", None),
            request("/a", Some("1")),
            request("/a", Some("2")),
            request("/a", Some("")),
        ];
        let different: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(different.len(), ids.len());
        assert_eq!(request("/a", None), ids[0]);
    }

    #[test]
    fn two_keys_are_refused() {
        let request =
            TestRequest::post().append_header((HEADER, "a")).append_header((HEADER, "b")).to_http_request();
        assert_eq!(key_of(&request).unwrap_err().status(), 400);
    }

    proptest! {
        #[test]
        fn no_value_makes_it_panic_and_a_key_fits(value in "\\PC{0,300}") {
            if let Some(key) = parse(&value) {
                prop_assert!((1..=LONGEST).contains(&key.len()));
                prop_assert!(key.bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }
}
