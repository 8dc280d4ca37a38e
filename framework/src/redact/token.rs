//! Credentials that are known by how they begin.

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::Found;

/// How a credential begins, and how it goes on.
const MARKS: &[(&str, Kind)] = &[
    ("bearer ", Kind::Scheme),
    ("bearer%20", Kind::Scheme),
    ("basic ", Kind::Scheme),
    ("basic%20", Kind::Scheme),
    ("-----BEGIN ", Kind::Pem),
    // A JSON web token: `{"` in base64.
    ("eyJ", Kind::Key(10)),
    ("AIza", Kind::Key(30)),
    ("AKIA", Kind::Key(16)),
    ("ASIA", Kind::Key(16)),
    ("SG.", Kind::Key(16)),
    ("dop_v1_", Kind::Key(16)),
    ("github_pat_", Kind::Key(16)),
    ("gho_", Kind::Key(16)),
    ("ghp_", Kind::Key(16)),
    ("ghr_", Kind::Key(16)),
    ("ghs_", Kind::Key(16)),
    ("ghu_", Kind::Key(16)),
    ("glpat-", Kind::Key(16)),
    ("npm_", Kind::Key(16)),
    ("pypi-", Kind::Key(16)),
    ("rk_live_", Kind::Key(8)),
    ("rk_test_", Kind::Key(8)),
    ("sk-", Kind::Key(20)),
    ("sk_live_", Kind::Key(8)),
    ("sk_test_", Kind::Key(8)),
    ("whsec_", Kind::Key(16)),
    ("xoxa-", Kind::Key(10)),
    ("xoxb-", Kind::Key(10)),
    ("xoxp-", Kind::Key(10)),
    ("xoxr-", Kind::Key(10)),
    ("xoxs-", Kind::Key(10)),
    ("ya29.", Kind::Key(16)),
];

/// No PEM block has a longer label.
const MAX_LABEL: usize = 64;

/// No text that is shorter has a credential in it.
pub(super) const SHORTEST: usize = 13;

#[derive(Clone, Copy)]
enum Kind {
    /// An authentication scheme of HTTP; its credentials are hidden, and the scheme is not.
    Scheme,
    /// A private key, to its end.
    Pem,
    /// The mark is part of the key, and at least so many characters follow.
    Key(usize),
}

/// Finds all marks in one pass.
pub(super) struct Marks(Option<AhoCorasick>);

impl Marks {
    pub(super) fn new() -> Self {
        let marks = MARKS.iter().map(|(mark, _)| mark);
        // It fails only for lists of another size.
        let mut builder = AhoCorasick::builder();
        Self(builder.ascii_case_insensitive(true).kind(Some(AhoCorasickKind::DFA)).build(marks).ok())
    }

    pub(super) fn find(&self, text: &[u8], found: &mut Found) {
        let Some(marks) = &self.0 else { return };
        let mut hidden = 0;
        for mark in marks.find_iter(text) {
            let (exact, kind) = MARKS[mark.pattern().as_usize()];
            let (start, end) = (mark.start(), mark.end());
            let within = start.checked_sub(1).is_some_and(|before| text[before].is_ascii_alphanumeric());
            // What is hidden already is not read again.
            if start < hidden || (within && !text[..start].ends_with(b"%20")) {
                continue;
            }
            let range = match kind {
                Kind::Scheme => {
                    let from = end + text[end..].iter().take_while(|byte| **byte == b' ').count();
                    let to = from + credentials(&text[from..]);
                    if is_credential(&text[from..to]) { from..to } else { continue }
                }
                _ if text[start..end] != *exact.as_bytes() => continue,
                Kind::Pem => match private_key(&text[end..]) {
                    Some(length) => start..end + length,
                    None => continue,
                },
                Kind::Key(least) => {
                    let to = end + credentials(&text[end..]);
                    if to - end >= least { start..to } else { continue }
                }
            };
            hidden = range.end;
            found.push(range);
        }
    }
}

/// How many characters a `token68` or a web token has (RFC 9110, section 11.2; RFC 7519).
fn credentials(text: &[u8]) -> usize {
    text.iter()
        .take_while(|byte| {
            byte.is_ascii_alphanumeric()
                || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=' | b'%')
        })
        .count()
}

/// Told from words of a sentence, as in `basic authentication` and `bearer token`.
fn is_credential(word: &[u8]) -> bool {
    let is_word = word.iter().skip(1).all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'.' | b'-'));
    word.len() >= if is_word { 16 } else { 8 }
}

/// How far a PEM block goes on, if it is a private key's.
fn private_key(text: &[u8]) -> Option<usize> {
    let label = text.iter().take(MAX_LABEL).take_while(|byte| **byte != b'-').count();
    if !text[..label].ends_with(b"PRIVATE KEY") {
        return None;
    }
    Some(text.windows(9).position(|part| part == b"-----END ").unwrap_or(text.len()))
}
