//! What holds of a text that was redacted, whatever it is.

use std::sync::LazyLock;

use super::{MASK, Redactor};

static REDACTOR: LazyLock<Redactor> = LazyLock::new(Redactor::default);

/// What must not be shown, and what of it must not be left either.
const PLANTED: &[(&str, &str)] = &[
    ("ann.lee@example.com", "ann.lee"),
    ("ann%40mail.example.org", "mail.example"),
    ("4111 1111 1111 1111", "1111"),
    ("5500000000000004", "0000000"),
    ("+49 170 7654321", "7654321"),
    ("555-867-5309", "867"),
    ("Bearer q7.RT-55-zz", "q7.RT"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.c2ln", "eyJzdWIi"),
    ("sk_live_4eC39HqLyjWD", "4eC39HqLyjWD"),
    ("ghp_0123456789abcdefABCD", "456789abcdef"),
    ("password=hunter2!", "hunter2!"),
    ("\"api_key\": \"hunter3!\"", "hunter3!"),
    ("postgres://orders:hunter4!@db/orders", "hunter4!"),
];

/// The first byte chooses what is planted, the second how it is looked at, and what is between the lines of the rest is
/// around it.
pub fn redactor(data: &[u8]) {
    let [which, how, rest @ ..] = data else { return };
    let text = String::from_utf8_lossy(rest);
    let shown = REDACTOR.text(&text);
    // Each mask stands for a byte at least.
    assert!(shown.len() <= text.len() * MASK.len(), "{} bytes of {}", shown.len(), text.len());
    // What was hidden may have been the end of something: of who logs in by a URL, if there was a `/` in it.
    if REDACTOR.text(&shown) != shown {
        for part in shown.split(MASK) {
            assert_eq!(REDACTOR.text(part), part, "a second time, of {text:?}");
        }
    }

    let (secret, part) = PLANTED[usize::from(*which) % PLANTED.len()];
    let (before, after) = text.split_once('\n').unwrap_or((&text, ""));
    // What the text itself says of it is no leak of what was planted.
    if !text.contains(part) {
        let planted = format!("{before}\n{secret}\n{after}");
        let shown = REDACTOR.text(&planted);
        assert!(!shown.contains(part), "{secret} is shown: {shown:?} of {planted:?}");
        let most = usize::from(*how) * 4;
        let bounded = REDACTOR.bounded(&planted, most);
        assert!(bounded.len() <= most && !bounded.contains(part), "{secret} is shown in {bounded:?}");
    }
    // A text that took more than time in proportion to its length would not be done for minutes.
    if how % 64 == 0 && !text.is_empty() {
        let long = text.repeat((64 * 1024 / text.len()).max(1));
        assert!(REDACTOR.text(&long).len() <= long.len() * MASK.len());
    }
}
