//! How things are written to a terminal. What jobs and others hold came from outside: nothing of it reaches the terminal that
//! it would act on.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

/// What a terminal acts on, a reader of lines takes for the end of one, or turns the direction of the text around.
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text in one line, with what a terminal acts on escaped.
pub(super) fn safe(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if acts(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// The text in as many lines as it has, each indented and as [`safe`].
pub(super) fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {}\n", safe(line))).collect()
}

/// The beginning of the first line, as [`safe`], with a sign when there is more.
pub(super) fn beginning(text: &str, width: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    let shown: String = line.chars().take(width).collect();
    let more = shown.len() < text.trim_end().len();
    format!("{}{}", safe(&shown), if more { "…" } else { "" })
}

/// Rows in columns as wide as they have to be; the first row is the head.
pub(super) fn table(rows: &[Vec<String>], is_number: impl Fn(usize) -> bool) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut shown = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(
                |(column, (cell, &width))| {
                    if is_number(column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
                },
            )
            .collect();
        shown.push_str(cells.join("  ").trim_end());
        shown.push('\n');
    }
    shown
}

/// A value as a JSON document, with what a terminal acts on escaped.
pub(super) fn json<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    let text = serde_json::to_string_pretty(value)?;
    let mut shown = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        match character {
            '\n' => shown.push('\n'),
            // Outside of strings, from a payload that somebody else wrote: JSON has these in no other place.
            '\r' | '\t' => shown.push(' '),
            // All of them lie in the basic plane, so that four digits are enough.
            character if acts(character) => shown.push_str(&format!("\\u{:04x}", character as u32)),
            character => shown.push(character),
        }
    }
    shown.push('\n');
    Ok(shown)
}

/// JSON over several lines. By hand, because what reads and writes it anew changes long numbers and the order of keys.
pub(super) fn pretty(text: &str) -> String {
    let mut shown = String::new();
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    // Strings have these in other words.
    let mut characters = text.chars().filter(|c| !matches!(c, '\n' | '\r' | '\t')).peekable();
    let line = |shown: &mut String, depth: usize| {
        shown.push('\n');
        shown.push_str(&"  ".repeat(depth));
    };
    while let Some(character) = characters.next() {
        if quoted {
            shown.push(character);
            quoted = character != '"' || escaped;
            escaped = character == '\\' && !escaped;
            continue;
        }
        match character {
            ' ' => {}
            '{' | '[' => {
                while characters.next_if_eq(&' ').is_some() {}
                shown.push(character);
                match characters.next_if(|next| matches!(next, '}' | ']')) {
                    Some(end) => shown.push(end),
                    None => {
                        depth += 1;
                        line(&mut shown, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut shown, depth);
                shown.push(character);
            }
            ',' => {
                shown.push(',');
                line(&mut shown, depth);
            }
            ':' => shown.push_str(": "),
            '"' => {
                shown.push('"');
                quoted = true;
            }
            other => shown.push(other),
        }
    }
    shown
}

/// A time of the database, RFC 3339 in UTC.
pub(super) fn time(micros: i64, format: SecondsFormat) -> String {
    let time: Option<DateTime<Utc>> = DateTime::from_timestamp_micros(micros);
    // Nobody's clock says such a time, but a table can hold it.
    time.map_or_else(|| format!("{micros}us"), |time| time.to_rfc3339_opts(format, true))
}

/// A time and how far it is from now.
pub(super) fn when(micros: i64, now: i64) -> String {
    let far = rounded(Duration::from_micros(micros.abs_diff(now)));
    let far = humantime::format_duration(far);
    let far = if micros > now { format!("in {far}") } else { format!("{far} ago") };
    format!("{} ({far})", time(micros, SecondsFormat::Secs))
}

/// To the minute from an hour on, to the hour from a day on.
fn rounded(span: Duration) -> Duration {
    let seconds = span.as_secs();
    let unit = match seconds {
        0..3600 => 1,
        3600..86_400 => 60,
        _ => 3600,
    };
    Duration::from_secs(seconds - seconds % unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "\u{1b}[2Jgone\r\u{9b}31m\u{202e}\0\u{7f}\nnext";

    #[test]
    fn nothing_that_a_terminal_acts_on_is_shown() {
        let json = json(&HOSTILE).unwrap();
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), HOSTILE);
        for shown in [safe(HOSTILE), beginning(HOSTILE, 99), indented(HOSTILE).replace('\n', ""), json] {
            assert!(!shown.trim_end().contains(acts), "{shown:?}");
        }
        assert_eq!(indented(HOSTILE).lines().count(), 2);
    }

    #[test]
    fn the_beginning_says_when_there_is_more() {
        for (text, expected) in [
            ("short", "short"),
            ("short\n", "short"),
            ("exactly10!", "exactly10!"),
            ("äöüäöüäöüäö", "äöüäöüäöüä…"),
            ("two\nlines", "two…"),
            ("", ""),
        ] {
            assert_eq!(beginning(text, 10), expected);
        }
    }

    #[test]
    fn pretty_json_is_the_same_json_in_its_own_words() {
        let text = r#"{"b":[1,{"a":"x, {y}: \" \\"},[],{ }],"a":123456789012345678901234567890.10}"#;
        let expected = r#"{
  "b": [
    1,
    {
      "a": "x, {y}: \" \\"
    },
    [],
    {}
  ],
  "a": 123456789012345678901234567890.10
}"#;
        let shown = pretty(text);
        assert_eq!(shown, expected);
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&shown), value(text));
        assert_eq!(pretty(&shown), shown);
        assert_eq!(pretty("\"\u{9b}\""), "\"\u{9b}\"");
    }

    #[test]
    fn times_are_told_with_how_far_they_are() {
        let now = 1_795_435_200_000_000;
        for (seconds, expected) in [
            (0, "2026-11-23T12:00:00Z (0s ago)"),
            (-75, "2026-11-23T11:58:45Z (1m 15s ago)"),
            (3600 * 3 + 59, "2026-11-23T15:00:59Z (in 3h)"),
            (-86_400 * 2 - 3700, "2026-11-21T10:58:20Z (2days 1h ago)"),
        ] {
            assert_eq!(when(now + seconds * 1_000_000, now), expected);
        }
        assert!(when(i64::MIN, now).ends_with("ago)") && when(i64::MAX, now).contains("(in "));
    }
}
