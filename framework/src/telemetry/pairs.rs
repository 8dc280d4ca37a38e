use super::environment::Notices;

/// The `key=value,key=value` of OpenTelemetry's variables, values percent-decoded. What is no pair is left out and
/// noted, without a word of what it is: it may be the half of a secret.
pub(super) fn pairs(variable: &str, list: &str, notices: &mut Notices) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for entry in list.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        match entry.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
            Some((key, value)) if !key.is_empty() => pairs.push((key.to_owned(), percent_decoded(value))),
            _ => notices.note(format!("{variable} has an entry that is no `key=value`: it is left out")),
        }
    }
    pairs
}

/// Decodes `%2C` and the like; text with a broken escape is taken as it is.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let code = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let Some(byte) = code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) else {
            return text.to_owned();
        };
        bytes.push(byte);
        rest = tail.get(2..).unwrap_or_default();
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_pair_is_noted_once_and_not_shown() {
        let mut notices = Notices::default();
        let found = pairs("LIST", "a=1, b = x%2Cy=z ,hunter2,=hunter3,", &mut notices);
        assert_eq!(
            found,
            [("a", "1"), ("b", "x,y=z")].map(|(key, value)| (key.to_owned(), value.to_owned()))
        );
        assert_eq!(notices.about("LIST"), Some("has an entry that is no `key=value`: it is left out"));
    }

    #[test]
    fn a_broken_escape_is_taken_as_it_is() {
        for text in ["100%", "%zz", "%ff", "%é"] {
            assert_eq!(percent_decoded(text), text);
        }
    }
}
