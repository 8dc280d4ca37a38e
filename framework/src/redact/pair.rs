//! Values that a name stands before: `password=hunter2`, `"apiKey": "…"`, `Authorization: …`, `?key=…`.

use std::ops::Range;

use super::Found;
use super::names::{Names, hides_in_query};

/// No name is longer.
const MAX_NAME: usize = 64;

pub(super) fn find(text: &[u8], names: &Names, found: &mut Found) {
    let mut next = 0;
    while let Some(sign) = text[next..].iter().position(|byte| matches!(byte, b'=' | b':' | b'%')) {
        let sign = next + sign;
        next = sign + 1;
        let colon = match text[sign] {
            // As it stands in a URL.
            b'%' => match text.get(next..next + 2) {
                Some(b"3D" | b"3d") => false,
                Some(b"3A" | b"3a") => true,
                _ => continue,
            },
            sign => sign == b':',
        };
        if text[sign] == b'%' {
            next += 2;
        }
        // A path in Rust, the scheme of a URL.
        if colon && (matches!(text.get(next), Some(b':' | b'/')) || text[..sign].ends_with(b":")) {
            continue;
        }
        let (name, before) = name_before(&text[..sign]);
        let in_query = matches!(before, Some(b'?' | b'&'));
        if name.is_empty() || !(names.hide(name) || (in_query && hides_in_query(name))) {
            continue;
        }
        let start = next + text[next..].iter().take_while(|byte| matches!(byte, b' ' | b'=' | b'>')).count();
        let rest = &text[start..];
        let value = if colon && is_header(name) { rest_of_line(rest) } else { value(rest) };
        next = next.max(start + value.end);
        if !value.is_empty() {
            found.push(start + value.start..start + value.end);
        }
    }
}

/// The name that ends here, perhaps in quotes, and what stands before it.
fn name_before(text: &[u8]) -> (&[u8], Option<u8>) {
    let text = text.trim_ascii_end();
    let quotes = [&b"\""[..], b"'", b"%22", b"%27"];
    let text = quotes.iter().find_map(|quote| text.strip_suffix(*quote)).unwrap_or(text);
    // In a text that holds JSON as a text.
    let text = text.strip_suffix(b"\\").unwrap_or(text);
    let length = text
        .iter()
        .rev()
        .take(MAX_NAME)
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        .count();
    let (before, name) = text.split_at(text.len() - length);
    (name, before.last().copied())
}

/// Headers whose values have more than one word.
fn is_header(name: &[u8]) -> bool {
    [&b"authorization"[..], b"cookie"].iter().any(|header| {
        name.len() >= header.len() && name[name.len() - header.len()..].eq_ignore_ascii_case(header)
    })
}

fn rest_of_line(text: &[u8]) -> Range<usize> {
    match text.first() {
        Some(b'"' | b'\'' | b'\\') => value(text),
        _ => 0..text.iter().take_while(|byte| !matches!(byte, b'\r' | b'\n' | b'"')).count(),
    }
}

/// One word, or what is in quotes: `hunter2`, `"two words"`, `Some("two words")`.
fn value(text: &[u8]) -> Range<usize> {
    let ends = |byte: u8| {
        byte.is_ascii_whitespace()
            || matches!(byte, b'&' | b',' | b';' | b'"' | b'\'' | b')' | b'}' | b']' | b'<' | b'>' | b'\\')
    };
    let word = text.iter().take_while(|byte| !ends(**byte)).count();
    let escaped = text.get(word) == Some(&b'\\');
    match (text.get(word + usize::from(escaped)), word.checked_sub(1).map(|last| text[last])) {
        (Some(quote @ (b'"' | b'\'')), None | Some(b'(' | b'[')) => {
            let start = word + usize::from(escaped) + 1;
            let end = start + quoted(&text[start..], *quote, escaped);
            if word == 0 { start..end } else { 0..end }
        }
        _ => 0..word,
    }
}

/// How much there is up to the quote that ends it, or up to the end.
fn quoted(text: &[u8], quote: u8, escaped: bool) -> usize {
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'\\' if escaped && text.get(at + 1) == Some(&quote) => return at,
            // The next one is part of the text, whatever it is.
            b'\\' => at += 2,
            byte if byte == quote => return at,
            _ => at += 1,
        }
    }
    text.len()
}
