use std::time::Duration;

use super::hop::Hop;
use super::stamp::Stamp;

/// How long a chain of tells stays one trace.
///
/// An asked message is always a child of its asker. A told one is a child too, until the chain that it belongs to
/// has become longer or older than this; then it starts a trace of its own with a link back. Without a limit, an
/// actor that keeps telling itself would live in one trace for ever.
#[derive(Clone, Copy, Debug)]
pub struct Causality {
    pub(super) depth: u16,
    pub(super) age: Duration,
}

impl Default for Causality {
    fn default() -> Self {
        Self { depth: 16, age: Duration::from_secs(60) }
    }
}

impl Causality {
    /// Tells in a row that stay in one trace. Default 16.
    #[must_use]
    pub const fn depth(mut self, depth: u16) -> Self {
        self.depth = depth;
        self
    }

    /// How old a chain of tells may grow in one trace. Default 60 s.
    #[must_use]
    pub const fn age(mut self, age: Duration) -> Self {
        self.age = age;
        self
    }

    /// Whether a tell from this position has used up the budget.
    pub(super) fn is_spent(&self, hop: Hop, now: Stamp) -> bool {
        hop.depth >= self.depth || hop.born.is_some_and(|born| now.since(born) > self.age)
    }
}
