//! That an order has changed, on its way to those who watch it.

use spanbox::data::Conn;

use super::status::Status;

/// Where changes are announced, once they are committed.
pub(super) const CHANNEL: &str = "orders";

/// A change of an order: what it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) id: i64,
    /// That of the order: a later change has a greater one.
    pub(super) version: i64,
    /// `None` when the order was deleted.
    pub(super) status: Option<Status>,
}

/// Says that an order has changed, once this unit of work is committed.
pub(super) fn changed(conn: &mut Conn, id: i64, version: i64, status: Status) {
    announce(conn, Change { id, version, status: Some(status) });
}

/// Says that an order is gone, once this unit of work is committed.
pub(super) fn deleted(conn: &mut Conn, id: i64, version: i64) {
    announce(conn, Change { id, version, status: None });
}

fn announce(conn: &mut Conn, change: Change) {
    // PostgreSQL says it itself, by a trigger, to all processes.
    if let Conn::Sqlite(_) = conn {
        conn.announce(CHANNEL, change.to_string());
    }
}

impl Change {
    /// The word for what the order is now.
    pub(super) const fn word(self) -> &'static str {
        match self.status {
            Some(status) => status.as_str(),
            None => "deleted",
        }
    }

    /// Whether nothing can follow.
    pub(super) fn is_last(self) -> bool {
        self.status.is_none_or(Status::is_final)
    }

    /// Reads what was announced; `None` for what a version of this service that is not this one may say.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let (id, version) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let status = match words.next()? {
            "deleted" => None,
            status => Some(Status::of_text(status)?),
        };
        Some(Self { id, version, status })
    }
}

/// As the trigger of PostgreSQL says it.
impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.id, self.version, self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_announced_is_understood() {
        for status in [Some(Status::Cancelled), Some(Status::Completed), None] {
            let change = Change { id: 7, version: 2, status };
            assert_eq!(Change::parse(&change.to_string()), Some(change));
        }
        for text in ["", "7", "7 2", "7 2 lost", "x 2 failed", "7 2147483648000000000000 failed"] {
            assert_eq!(Change::parse(text), None, "{text}");
        }
    }
}
