use proptest::prelude::*;

use super::token::Marks;
use super::{Found, MASK, Redactor, number};

/// What is found in a text that says nothing else, and what is left of it.
fn assert_shown(cases: &[(&str, &str)]) {
    let redactor = Redactor::default();
    for (text, shown) in cases {
        assert_eq!(redactor.text(text), *shown, "of {text:?}");
    }
}

fn assert_untouched(texts: &[&str]) {
    let redactor = Redactor::default();
    for text in texts {
        assert_eq!(redactor.text(text), *text);
    }
}

#[test]
fn addresses_are_found() {
    assert_shown(&[
        ("ann@example.com", "***"),
        ("<ann.o'hara+tag@mail.example.co.uk>, said she", "<***>, said she"),
        ("write to ann@example.com.", "write to ***."),
        ("/users/ann%40example.com/orders", "/users/***/orders"),
        ("jürgen@bücher.de", "***"),
        ("a@b.co,c@d.org", "***,***"),
        ("x@y.co@z.com", "***"),
        ("ann@example.com-old, ann@example.com.2 and ann@example.com1", "***, *** and ***"),
    ]);
    assert_untouched(&["@", "a@b", "crate@1.2", "a@b.1", "user@localhost", "@media.example.com", "x@.com"]);
}

#[test]
fn who_logs_in_by_a_url_is_found_and_the_host_is_left() {
    assert_shown(&[
        ("postgres://orders:hunter2@db.example.com:5432/orders", "postgres://***@db.example.com:5432/orders"),
        ("redis://:p@ss@cache:6379", "redis://***@cache:6379"),
        ("at https://ann@host/x and ftp://bob:b@h/", "at https://***@host/x and ftp://***@h/"),
    ]);
    assert_untouched(&["https://example.com/@ann", "see http://a/b?c#d"]);
}

#[test]
fn card_numbers_are_found_by_their_check_digit() {
    assert_shown(&[
        ("4111111111111111", "***"),
        ("paid with 4111 1111 1111 1111 12/28", "paid with *** 12/28"),
        ("card=5500-0000-0000-0004;", "card=***;"),
        ("3400 000000 00009", "***"),
        ("id 7 6011000000000004", "id 7 ***"),
        (r"a line\n4111111111111111", r"a line\n***"),
    ]);
    // Another check digit, too few digits, a number that goes on.
    assert_untouched(&["4111111111111112", "411111111111", "41111111111111111111", "0.4111111111111111"]);
}

#[test]
fn phone_numbers_are_found_as_people_write_them() {
    assert_shown(&[
        ("+49 170 1234567", "***"),
        ("call +1-555-123-4567 now", "call *** now"),
        ("tel=%2B491701234567", "tel=%2***"),
        ("(555) 123-4567", "(***"),
        ("555-123-4567 or 555.123.4567", "*** or ***"),
        ("+491701234567+56123-4567", "***"),
        ("0170 1234567, 030/1234567, 020 7946 0958", "***, ***, ***"),
        ("0049 170 1234567", "***"),
    ]);
}

#[test]
fn what_has_digits_besides_is_left_alone() {
    assert_untouched(&[
        "550e8400-e29b-41d4-a716-446655440000",
        "12345678-1234-4234-9234-123456789012",
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "2026-11-24T17:46:28.123456Z",
        "2026-11-24 17:46:28+01:00",
        "24.11.2026 and 11/24/2026",
        "order 100234567, order 1764006388123456789",
        "192.168.100.200:5432",
        "[2001:db8::8a2e:370:7334]:8080",
        "took 1234.567ms of 20s",
        "1,234,567.89 EUR, 1.234.567,89, +1,234.50",
        "0x7fff5fbff8c8, 1e+10, v1.95.0-4567890",
        "process 4294967295 at 1764006388",
    ]);
}

#[test]
fn credentials_are_found_by_how_they_begin() {
    assert_shown(&[
        ("Authorization header was Bearer abc.DEF-123", "Authorization header was Bearer ***"),
        ("basic dXNlcjpodW50ZXIy", "basic ***"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.c2ln", "***"),
        ("key sk_live_4eC39HqLyjWD is wrong", "key *** is wrong"),
        ("ghp_0123456789abcdefABCD!", "***!"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
            "***-----END RSA PRIVATE KEY-----",
        ),
    ]);
    assert_untouched(&[
        "basic authentication is off",
        "a bearer token is missing",
        "the task-force of risk-sk-SK",
        "-----BEGIN CERTIFICATE-----",
        "theyJust",
    ]);
}

#[test]
fn values_that_a_secrets_name_stands_before_are_found() {
    assert_shown(&[
        ("/find/password%3Dhunter2/x", "/find/password%3D***"),
        ("user%22%3A%22ann%22%2C%22token%22%3a%22abc", "user%22%3A%22ann%22%2C%22token%22%3a***"),
        ("password=hunter2", "password=***"),
        ("user=ann password=hunter2 host=db", "user=ann password=*** host=db"),
        (r#"{"apiKey": "hunter 2", "id": 7}"#, r#"{"apiKey": "***", "id": 7}"#),
        (r#"{\"token\":\"hunter2\",\"id\":7}"#, r#"{\"token\":\"***\",\"id\":7}"#),
        (r#"Login { password: Some("hun\"ter2"), id: 7 }"#, r#"Login { password: ***"), id: 7 }"#),
        ("Cookie: a=b; session=hunter2\nHost: x", "Cookie: ***\nHost: x"),
        ("Authorization: Digest username=ann, x", "Authorization: ***"),
        ("/pay?code=4711&page=2&key=hunter2#top", "/pay?code=***&page=2&key=***"),
        ("client_secret => hunter2", "client_secret => ***"),
    ]);
    assert_untouched(&[
        "error code=4711, key=orders:7",
        "token::Kind::Comma",
        "password=",
        "GET http://example.com:8080/a?page=2",
        "Key (id)=(7) already exists",
    ]);
}

#[test]
fn patterns_and_names_of_a_services_own_are_added() {
    let names = ["iban".to_owned()];
    let redactor = Redactor::new(&names, &[r"\bC-\d{4}\b".to_owned()]).unwrap();
    assert_eq!(redactor.text("customer C-1234 pays by iban=DE02"), "customer *** pays by iban=***");
    assert!(redactor.hides("customer.iban") && redactor.hides("password"));
}

#[test]
fn a_pattern_that_cannot_be_used_is_named() {
    for (pattern, reason) in
        [("C-(", "is no regular expression: unclosed group"), ("x*", "matches the empty text")]
    {
        let error = Redactor::new(&[], &[pattern.to_owned()]).unwrap_err();
        assert_eq!((error.pattern.as_str(), error.reason.as_str()), (pattern, reason));
    }
    assert!(Redactor::new(&[], &[r"\w{1000}{1000}".to_owned()]).is_err());
}

#[test]
fn one_that_is_off_shows_everything() {
    let redactor = Redactor::off();
    assert_eq!(redactor.text("ann@example.com"), "ann@example.com");
    assert!(!redactor.hides("password"));
}

#[test]
fn what_is_cut_off_in_the_middle_is_not_shown_in_part() {
    let redactor = Redactor::default();
    let text = format!("{} 4111 1111 1111 1111 and more", "x".repeat(20));
    for most in 0..text.len() {
        let shown = redactor.bounded(&text, most);
        assert!(shown.len() <= most && !shown.contains("41"), "{shown}");
    }
    assert_eq!(redactor.bounded("größer", 3), "gr");
    assert_eq!(redactor.bounded(&"x".repeat(1024 * 1024), 4096).len(), 4096);
}

/// What makes matchers go back again and again. Each is as fast as any other text: a test that is not done is one that
/// hangs.
#[test]
fn texts_made_to_be_slow_are_read_to_their_end() {
    let redactor = Redactor::default();
    for part in [
        "a@",
        "@",
        "a.",
        "%40",
        "://",
        ":",
        "=",
        "password=",
        "password:\"",
        "token\\\"",
        "1 ",
        "11-",
        "+1",
        "0170 ",
        "4111 ",
        "bearer ",
        "basic%20",
        "eyJ",
        "-----BEGIN ",
        "-----BEGIN PRIVATE KEY",
        "sk-",
        "\"",
        "\\",
        "é",
    ] {
        let text = part.repeat(1024 * 1024 / part.len());
        let shown = redactor.text(&text);
        assert!(shown.len() <= text.len() + MASK.len() * 2, "{part}: {}", shown.len());
    }
}

proptest! {
    #[test]
    fn any_text_comes_out_as_text_and_clean_ones_as_they_are(text in "\\PC{0,200}", most in 0..300_usize) {
        let redactor = Redactor::default();
        let _ = redactor.text(&text);
        prop_assert!(redactor.bounded(&text, most).len() <= most);
        let words: String = text.chars().filter(|c| c.is_alphabetic() || *c == ' ').take(12).collect();
        prop_assert_eq!(redactor.text(&words), words.as_str());
    }

    /// Which is why nothing is looked for in ids.
    #[test]
    fn hexadecimal_digits_with_a_letter_among_them_are_neither_a_number_nor_a_mark(id in "[0-9]{0,20}[a-fA-F][0-9a-fA-F]{0,50}") {
        let mut found = Found::new();
        number::find(id.as_bytes(), &mut found);
        Marks::new().find(id.as_bytes(), &mut found);
        prop_assert!(found.is_empty());
        prop_assert_eq!(Redactor::default().text(&id), id.as_str());
    }

    #[test]
    fn what_is_hidden_is_hidden_wherever_it_stands(before in "[a-z ]{0,40}", after in "[ ,;\"]{1}[a-z ]{0,40}") {
        let redactor = Redactor::default();
        for secret in ["ann@example.com", "4111-1111-1111-1111", "+491701234567", "password=hunter2"] {
            let text = format!("{before} {secret}{after}");
            let shown = redactor.text(&text);
            prop_assert!(shown.contains(MASK) && !shown.contains("ann@") && !shown.contains("1111"), "{}", shown);
            prop_assert!(!shown.contains("1234567") && !shown.contains("hunter2"), "{}", shown);
        }
    }
}
