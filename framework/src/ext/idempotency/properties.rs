//! What holds of the values of the header `Idempotency-Key`, whatever they are.

use super::key::parse;

/// A string of structured fields as its grammar has it (RFC 9651, section 3.3.3), read by the rules and not by the way that
/// the header is read.
fn quoted(value: &str) -> Option<String> {
    let inner = value.strip_prefix('"')?.strip_suffix('"').filter(|_| value.len() >= 2)?;
    let mut key = String::new();
    let mut rest = inner;
    while let Some(first) = rest.chars().next() {
        let taken = match rest.as_bytes() {
            [b'\\', escaped @ (b'"' | b'\\'), ..] => {
                key.push(char::from(*escaped));
                2
            }
            [b'\\' | b'"', ..] => return None,
            _ if first.is_ascii() && !first.is_ascii_control() => {
                key.push(first);
                1
            }
            _ => return None,
        };
        rest = &rest[taken..];
    }
    Some(key)
}

/// As the value of the header: what is taken for a key is one by the draft, and is read again as it was.
pub fn idempotency_key(data: &[u8]) {
    let Ok(value) = std::str::from_utf8(data) else { return };
    let key = parse(value);
    if let Some(key) = &key {
        assert!((1..=255).contains(&key.len()), "{value:?} is a key of {} characters", key.len());
        assert!(key.bytes().all(|byte| byte.is_ascii_graphic()), "{value:?} is the key {key:?}");
        let written = format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""));
        assert_eq!(parse(&written).as_ref(), Some(key), "{written} is read again");
    }
    let value = value.trim_matches([' ', '\t']);
    if value.starts_with('"') {
        // The draft's string, of what one can see.
        let expected = quoted(value).filter(|key| (1..=255).contains(&key.len()) && !key.contains(' '));
        assert_eq!(key, expected, "{value:?}");
    } else if let Some(key) = key {
        // As it came, and so that it can not be meant to be several.
        assert!(key == value && !key.contains([',', ';', '"', '\\']), "{value:?} is the key {key:?}");
    }
}
