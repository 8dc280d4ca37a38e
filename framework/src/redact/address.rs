//! E-mail addresses, and who logs in by a URL.

use super::Found;

/// As much as RFC 5321 (section 4.5.3.1) lets stand before and behind the `@`.
const MAX_LOCAL: usize = 64;
const MAX_DOMAIN: usize = 255;

/// Each `@`, also as a URL writes it, is looked around no further than an address can reach.
pub(super) fn find(text: &[u8], found: &mut Found) {
    let mut host = None;
    for at in 0..text.len() {
        let width = match text[at] {
            b'@' => 1,
            b'%' if text[at..].starts_with(b"%40") => 3,
            b':' if text[at..].starts_with(b"://") => {
                let end = userinfo(text, at + 3);
                host = end.or(host);
                found.extend(end.map(|end| at + 3..end));
                continue;
            }
            _ => continue,
        };
        if host == Some(at) {
            // What follows is a host, and no secret.
            continue;
        }
        let local = text[at.saturating_sub(MAX_LOCAL)..at].iter().rev().take_while(|byte| is_local(**byte));
        let start = at - local.count();
        let rest = &text[at + width..];
        let domain = rest.iter().take(MAX_DOMAIN).take_while(|byte| is_domain(**byte)).count();
        let domain = trimmed(&rest[..domain]);
        if start < at && has_top_level(domain) {
            found.push(start..at + width + domain.len());
        }
    }
}

/// Where what stands between `://` and the last `@` before the host's end has its end.
fn userinfo(text: &[u8], start: usize) -> Option<usize> {
    let authority = text[start..].iter().take_while(|byte| {
        !byte.is_ascii_whitespace() && !matches!(byte, b'/' | b'?' | b'#' | b'"' | b'<' | b'>' | b'`')
    });
    let authority = &text[start..start + authority.count()];
    authority.iter().rposition(|byte| *byte == b'@').filter(|at| *at > 0).map(|at| start + at)
}

const fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-' | b'\'' | b'!' | b'#' | b'$' | b'*' | b'~')
        || !byte.is_ascii()
}

const fn is_domain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-') || !byte.is_ascii()
}

/// Some label behind the first may be that of a domain: `a@b` and `crate@1.2` are no addresses. What stands behind it, as in
/// `ann@example.com.2` and `ann@example.com-old`, makes it none the less one.
fn has_top_level(domain: &[u8]) -> bool {
    let letter = |byte: &u8| byte.is_ascii_alphabetic() || !byte.is_ascii();
    let mut labels = domain.split(|byte| *byte == b'.');
    labels.next().is_some_and(|first| !first.is_empty())
        && labels.any(|label| label.len() >= 2 && label[..2].iter().all(letter))
}

/// Without the end of a sentence.
fn trimmed(domain: &[u8]) -> &[u8] {
    let end = domain.iter().rposition(|byte| !matches!(byte, b'.' | b'-'));
    &domain[..end.map_or(0, |last| last + 1)]
}
