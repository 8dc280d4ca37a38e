use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use regex::Regex;

use super::names::Names;
use super::token::{Marks, SHORTEST};
use super::{Found, MASK, address, number, pair};

/// How far behind the end of what is kept it is looked for what begins before it: further than an address reaches.
const LOOKAHEAD: usize = 512;

/// No phone number has fewer digits.
const FEWEST_DIGITS: usize = 8;

/// Finds what must not be shown in texts, and puts [`MASK`] in its place, whole.
///
/// - E-mail addresses, phone numbers as they are written, card numbers (13 to 19 digits whose check digit is right).
/// - Credentials: of HTTP's schemes `Bearer` and `Basic`, JSON web tokens, private keys in PEM, and keys with the
///   prefixes of well-known services.
/// - Who logs in by a URL, and parameters of a query such as `key` and `signature`.
/// - Values that a secret's name stands before, as in `password=…` and `"api_key": "…"`. The same names hide attributes
///   and fields, see [`Redactor::hides`].
/// - What the patterns of the service's own match.
///
/// It takes time in proportion to the text's length, whatever is in it, and tens of nanoseconds for a short one in which
/// there is nothing. Ids, times, prices, addresses of machines and digits alone are let through; an id of 13 digits or
/// more that begins as a card does and whose check digit is right by chance is not.
///
/// It is cheap to clone. By default it has the rules above and no pattern.
#[derive(Clone)]
pub struct Redactor {
    rules: Option<Arc<Rules>>,
}

struct Rules {
    names: Names,
    marks: Marks,
    patterns: Vec<Regex>,
}

/// A pattern that cannot be used.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the pattern `{pattern}` {reason}")]
pub struct PatternError {
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Redactor {
    /// With more names of secrets, and with patterns: regular expressions, in the syntax of the `regex` crate.
    ///
    /// # Errors
    ///
    /// The first pattern that is none, that is too large (compiled, 1 MiB), or that matches the empty text.
    pub fn new(names: &[String], patterns: &[String]) -> Result<Self, PatternError> {
        let patterns = patterns.iter().map(|pattern| compiled(pattern)).collect::<Result<_, _>>()?;
        Ok(Self { rules: Some(Arc::new(Rules { names: Names::with(names), marks: Marks::new(), patterns })) })
    }

    /// Shows everything.
    #[must_use]
    pub const fn off() -> Self {
        Self { rules: None }
    }

    /// The text with a [`MASK`] for each thing that must not be shown.
    #[must_use]
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.bounded(text, usize::MAX)
    }

    /// The same of as much of the text as `most` bytes hold. Of what is behind them no more is read than what it takes
    /// to know what begins before.
    pub(crate) fn bounded<'a>(&self, text: &'a str, most: usize) -> Cow<'a, str> {
        let kept = cut(text, most);
        let Some(rules) = &self.rules else { return Cow::Borrowed(kept) };
        let found = rules.find(cut(text, most.saturating_add(LOOKAHEAD)));
        if found.is_empty() { Cow::Borrowed(kept) } else { Cow::Owned(masked(kept, found, most)) }
    }

    /// Whether a value of this name must not be shown, whatever it is: `password`, `http.request.header.authorization`,
    /// `clientSecret`, and names of the service's own. A name counts by what it ends in; `_`, `-` and case do not count.
    #[must_use]
    pub fn hides(&self, name: &str) -> bool {
        self.rules.as_ref().is_some_and(|rules| rules.names.hide(name.as_bytes()))
    }
}

impl Default for Redactor {
    fn default() -> Self {
        Self {
            rules: Some(Arc::new(Rules {
                names: Names::with(&[]),
                marks: Marks::new(),
                patterns: Vec::new(),
            })),
        }
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").field("on", &self.rules.is_some()).finish_non_exhaustive()
    }
}

impl Rules {
    fn find(&self, text: &str) -> Found {
        let mut found = Found::new();
        let bytes = text.as_bytes();
        let (seen, digits) = survey(bytes);
        // The id of a trace or of a request: no number, as letters are among the digits, and no mark.
        let is_id = seen & (LETTER | BEYOND) == LETTER;
        if seen & ADDRESS != 0 {
            address::find(bytes, &mut found);
        }
        if digits >= FEWEST_DIGITS && !is_id {
            number::find(bytes, &mut found);
        }
        if seen & PAIR != 0 {
            pair::find(bytes, &self.names, &mut found);
        }
        if bytes.len() >= SHORTEST && !is_id {
            self.marks.find(bytes, &mut found);
        }
        for pattern in &self.patterns {
            found
                .extend(pattern.find_iter(text).map(|found| found.range()).filter(|found| !found.is_empty()));
        }
        found
    }
}

const DIGIT: u8 = 1;
const ADDRESS: u8 = 2;
const PAIR: u8 = 4;
/// A hexadecimal digit that is a letter.
const LETTER: u8 = 8;
/// No hexadecimal digit.
const BEYOND: u8 = 16;

/// What a byte may be the sign of.
const SIGNS: [u8; 256] = {
    let mut signs = [BEYOND; 256];
    let mut byte = 0;
    while byte < signs.len() {
        if (byte as u8).is_ascii_digit() {
            signs[byte] = DIGIT;
        } else if (byte as u8).is_ascii_hexdigit() {
            signs[byte] = LETTER;
        }
        byte += 1;
    }
    signs[b'@' as usize] |= ADDRESS;
    signs[b'%' as usize] |= ADDRESS | PAIR;
    signs[b'=' as usize] |= PAIR;
    signs[b':' as usize] |= PAIR;
    signs
};

/// The signs that are there, and how many digits: most texts need no second look.
fn survey(text: &[u8]) -> (u8, usize) {
    let seen = text.iter().fold(0, |seen, byte| seen | SIGNS[usize::from(*byte)]);
    let digits = if seen & DIGIT == 0 { 0 } else { text.iter().filter(|byte| byte.is_ascii_digit()).count() };
    (seen, digits)
}

fn compiled(pattern: &str) -> Result<Regex, PatternError> {
    let error = |reason: String| PatternError { pattern: pattern.to_owned(), reason };
    let regex = regex::RegexBuilder::new(pattern)
        .size_limit(1024 * 1024)
        .build()
        .map_err(|wrong| error(format!("is no regular expression: {}", last_line(&wrong.to_string()))))?;
    if regex.is_match("") { Err(error("matches the empty text".to_owned())) } else { Ok(regex) }
}

/// Where the `regex` crate says what is wrong, below a picture of the pattern.
fn last_line(text: &str) -> &str {
    text.lines().next_back().unwrap_or(text).trim_start_matches("error: ")
}

/// As much of the text's beginning as so many bytes hold.
fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// The text with a mask for each range, those that touch under one.
fn masked(text: &str, mut found: Found, most: usize) -> String {
    found.sort_unstable_by_key(|range| range.start);
    let mut shown = String::with_capacity(text.len().min(most) + MASK.len());
    let mut at = 0;
    let mut last_end = None;
    for range in found {
        let (start, end) = (text.floor_char_boundary(range.start), text.ceil_char_boundary(range.end));
        if range.start >= text.len() {
            break;
        }
        // Inside of the one before, or right behind it.
        if last_end.is_none_or(|last| start > last) {
            shown.push_str(&text[at..start]);
            shown.push_str(MASK);
        }
        at = at.max(end);
        last_end = Some(at);
    }
    shown.push_str(&text[at..]);
    shown.truncate(shown.floor_char_boundary(most));
    shown
}
