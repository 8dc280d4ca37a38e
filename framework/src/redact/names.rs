/// What the name of something that must not be shown ends in, without `_` and `-`.
const SECRET: &[&str] = &[
    "accesskey",
    "apikey",
    "authorization",
    "cardnumber",
    "connectionstring",
    "cookie",
    "credential",
    "credentials",
    "cvc",
    "cvv",
    "encryptionkey",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "pwd",
    "secret",
    "secretkey",
    "sessionid",
    "signingkey",
    "ssn",
    "token",
];

/// What is secret as the name of a parameter in a URL's query, and says nothing elsewhere.
const SECRET_IN_QUERY: &[&str] = &["code", "key", "sig", "signature", "x-amz-signature", "x-goog-signature"];

/// Knows by its name that a value must not be shown.
pub(super) struct Names {
    /// By their last byte, so that most names are compared with few or none.
    by_last: [Vec<Box<[u8]>>; 128],
}

impl Names {
    /// The names that everybody has, and more of them.
    pub(super) fn with(more: &[String]) -> Self {
        let mut by_last = [const { Vec::new() }; 128];
        for name in SECRET.iter().copied().chain(more.iter().map(String::as_str)) {
            let letters: Box<[u8]> = letters(name.as_bytes()).collect();
            // Names that are not ASCII are not attributes' names.
            let Some(last) = letters.first().and_then(|last| by_last.get_mut(usize::from(*last))) else {
                continue;
            };
            last.push(letters);
        }
        Self { by_last }
    }

    /// Whether the name is one of these, or ends in one: `password`, `db.password`, `X-Api-Key`, `accessToken`.
    pub(super) fn hide(&self, name: &[u8]) -> bool {
        let Some(last) = letters(name).next() else { return false };
        let candidates = self.by_last.get(usize::from(last)).map_or(&[][..], Vec::as_slice);
        candidates.iter().any(|secret| {
            let mut of_name = letters(name);
            secret.iter().all(|letter| of_name.next() == Some(*letter))
        })
    }
}

/// Whether a parameter of a query holds a secret though its name would not say so elsewhere.
pub(super) fn hides_in_query(name: &[u8]) -> bool {
    SECRET_IN_QUERY.iter().any(|secret| secret.as_bytes().eq_ignore_ascii_case(name))
}

/// The letters of a name from its end, in lower case, without what joins words.
fn letters(name: &[u8]) -> impl Iterator<Item = u8> {
    name.iter().rev().filter(|byte| !matches!(byte, b'_' | b'-')).map(u8::to_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_known_by_what_it_ends_in_however_its_words_are_joined() {
        let names = Names::with(&[]);
        for name in ["password", "db.user_password", "X-Api-Key", "accessToken", "Set-Cookie", "ClientSecret"]
        {
            assert!(names.hide(name.as_bytes()), "{name}");
        }
        for name in
            ["http.route", "tokens", "gen_ai.usage.input_tokens", "key", "order.id", "", "-", "é", "monkey"]
        {
            assert!(!names.hide(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn names_of_a_services_own_are_added() {
        let names = Names::with(&["customer-name".to_owned(), String::new()]);
        assert!(names.hide(b"order.customerName"));
        assert!(names.hide(b"password"));
    }
}
