//! Phone and card numbers, told from the ids, dates, prices and addresses that digits are in besides.

use std::ops::Range;

use super::Found;

/// Digits that stand together.
struct Group {
    at: Range<usize>,
    /// What joins it to the group before: a space, `-`, `.`, `/`, or `)` of an area code. 0: they are apart.
    link: u8,
    /// A `+` stands before it.
    plus: bool,
}

impl Group {
    fn len(&self) -> usize {
        self.at.len()
    }
}

/// Digits that are part of a word, as in the ids of traces, are none of this.
pub(super) fn find(text: &[u8], found: &mut Found) {
    let mut groups = groups(text);
    let mut next = 0;
    while next < groups.len() {
        let from = &groups[next..];
        let taken = card(text, from).or_else(|| phone(text, from)).unwrap_or(0);
        if taken > 0 {
            let (first, last) = (&from[0], &from[taken - 1]);
            let end = last.at.end;
            found.push(first.at.start - usize::from(first.plus)..end);
            // Behind a number, a `+` begins the next.
            if let Some(behind) = groups.get_mut(next + taken) {
                behind.plus |= text[end..behind.at.start] == *b"+";
            }
        }
        next += taken.max(1);
    }
}

fn groups(text: &[u8]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut next = 0;
    while next < text.len() {
        if !text[next].is_ascii_digit() {
            next += 1;
            continue;
        }
        let start = next;
        next += text[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let before = &text[..start];
        // As a URL writes it.
        let encoded_plus = before.ends_with(b"%2B") || before.ends_with(b"%2b");
        let glued =
            before.last().is_some_and(u8::is_ascii_alphabetic) && !encoded_plus && !ends_in_escape(before);
        if glued || text.get(next).is_some_and(u8::is_ascii_alphabetic) {
            continue;
        }
        let link = groups.last().map_or(0, |last| match &text[last.at.end..start] {
            [link @ (b' ' | b'-' | b'.' | b'/')] => *link,
            b")" | b") " | b")-" => b')',
            _ => 0,
        });
        // Not that of a sum, or of text in base64.
        let plus =
            matches!(before, [b'+']) || matches!(before, [.., other, b'+'] if !other.is_ascii_alphanumeric());
        groups.push(Group { at: start..next, link, plus: plus || encoded_plus });
    }
    groups
}

/// `\n` and its like, as the debug text of a string has them.
fn ends_in_escape(before: &[u8]) -> bool {
    matches!(before, [.., b'\\', b'n' | b'r' | b't'])
}

/// How many groups are a card number (ISO/IEC 7812): all digits in one, or as they are printed on cards.
///
/// Nobody issues one that begins with 0 or 1, as the times of clocks do.
fn card(text: &[u8], groups: &[Group]) -> Option<usize> {
    let first = groups.first()?;
    let is_fraction = first.link == b'.';
    if is_fraction || !matches!(text[first.at.start], b'2'..=b'6') {
        return None;
    }
    let mut lengths = [0; 5];
    let mut joined = 1;
    lengths[0] = first.len();
    let link = groups.get(1).map_or(0, |group| group.link);
    if matches!(link, b' ' | b'-') {
        let more = groups[1..].iter().take(4).take_while(|group| group.link == link && !group.plus);
        for group in more {
            lengths[joined] = group.len();
            joined += 1;
        }
    }
    let shapes: [(usize, bool); 3] = [
        (5, matches!(lengths, [4, 4, 4, 4, 1..=3])),
        (4, matches!(lengths, [4, 4, 4, 1..=4, _])),
        (3, matches!(lengths, [4, 6, 4..=5, _, _])),
    ];
    let printed = shapes.into_iter().filter(|(_, fits)| *fits).map(|(count, _)| count);
    let whole = (13..=19).contains(&first.len()).then_some(1);
    printed.chain(whole).find(|count| luhn(groups[..*count].iter().map(|group| &text[group.at.clone()])))
}

/// The check digit is right (ISO/IEC 7812-1, annex B).
fn luhn<'a>(groups: impl DoubleEndedIterator<Item = &'a [u8]>) -> bool {
    let digits = groups.rev().flat_map(|group| group.iter().rev()).map(|digit| u32::from(digit - b'0'));
    let sum: u32 = digits
        .enumerate()
        .map(|(place, digit)| match (place % 2, digit * 2) {
            (0, _) => digit,
            (_, double @ 10..) => double - 9,
            (_, double) => double,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// How many groups are a phone number: `+49 170 1234567`, `0049 170 1234567`, `(555) 123-4567`, `555-123-4567`,
/// `030/1234567`. Digits alone are none: they are more often an id.
fn phone(text: &[u8], groups: &[Group]) -> Option<usize> {
    let first = groups.first()?;
    let digits = &text[first.at.clone()];
    if first.plus {
        // E.164: at most 15 digits; the shortest in use have 8.
        return if digits[0] == b'0' { None } else { reach(groups, 8, 15) };
    }
    if let [second, third, ..] = &groups[1..]
        && (first.len(), second.len(), third.len()) == (3, 3, 4)
        && matches!((second.link, third.link), (b'-', b'-') | (b'.', b'.') | (b')', b' ' | b'-' | b'.'))
    {
        return Some(3);
    }
    let second = groups.get(1)?;
    match digits {
        [b'0', b'0', b'1'..=b'9', ..] if digits.len() <= 5 && second.link == b' ' => reach(groups, 11, 17),
        [b'0', b'1'..=b'9', ..] if digits.len() <= 5 => match second.link {
            b' ' | b'/' | b')' if second.len() >= 3 => reach(groups, 9, 12),
            b'-' if second.len() >= 6 => reach(groups, 9, 12),
            _ => None,
        },
        _ => None,
    }
}

/// How many groups, joined, have so many digits.
fn reach(groups: &[Group], least: usize, most: usize) -> Option<usize> {
    let (mut count, mut digits) = (0, 0);
    for group in groups {
        if (count > 0 && (group.link == 0 || group.plus)) || digits + group.len() > most {
            break;
        }
        digits += group.len();
        count += 1;
    }
    (digits >= least).then_some(count)
}
