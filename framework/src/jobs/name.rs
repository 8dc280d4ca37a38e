use super::error::JobsError;

/// Queues are names of channels and streams too, with a prefix, and PostgreSQL has 63 bytes for a channel's.
const MAX_QUEUE: usize = 48;
const MAX_KIND: usize = 64;
const MAX_KEY: usize = 256;

/// Whether a kind and its queue have names that can be theirs.
pub(crate) fn check_names(kind: &str, queue: &str) -> Result<(), JobsError> {
    self::kind(kind)?;
    self::queue(queue)
}

/// Whether a queue can have this name.
pub(crate) fn queue(name: &str) -> Result<(), JobsError> {
    check("queue", name, MAX_QUEUE)
}

/// Whether a kind can have this name.
pub(crate) fn kind(name: &str) -> Result<(), JobsError> {
    check("kind", name, MAX_KIND)
}

pub(super) fn schedule(name: &str) -> Result<(), JobsError> {
    check("schedule", name, MAX_KIND)
}

fn check(what: &'static str, name: &str, max: usize) -> Result<(), JobsError> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-' | '.');
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase());
    if starts && name.len() <= max && name.chars().all(fits) {
        return Ok(());
    }
    Err(JobsError::Name { what, name: name.chars().take(80).collect(), max })
}

/// Keys are of any text; without control characters, so that they can be shown and stored everywhere.
pub(super) fn unique_key(kind: &str, key: &str) -> Result<String, JobsError> {
    if key.is_empty() || key.len() > MAX_KEY || key.chars().any(char::is_control) {
        return Err(JobsError::UniqueKey { kind: kind.to_owned(), max: MAX_KEY });
    }
    Ok(format!("{kind}:{key}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_lower_case_letters_digits_and_three_marks() {
        for good in ["a", "orders", "orders.eu-1", "process_order", &"q".repeat(MAX_QUEUE)] {
            assert!(queue(good).is_ok(), "{good}");
            assert!(kind(good).is_ok(), "{good}");
        }
        let long = "q".repeat(MAX_KIND + 1);
        for bad in ["", " ", "Orders", "1a", "_a", "a b", "a\n", "a;b", "a'b", "ä", "a\0", &long] {
            assert!(matches!(queue(bad), Err(JobsError::Name { what: "queue", .. })), "{bad:?}");
            assert!(matches!(kind(bad), Err(JobsError::Name { what: "kind", .. })), "{bad:?}");
        }
    }

    #[test]
    fn keys_are_told_apart_by_kind() {
        assert_eq!(unique_key("bill", "7").unwrap(), "bill:7");
        for bad in ["", "a\0", "a\n", &"k".repeat(MAX_KEY + 1)] {
            assert!(unique_key("bill", bad).is_err(), "{bad:?}");
        }
    }
}
