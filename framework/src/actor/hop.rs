//! How far the code that runs now is down a chain of tells.
//!
//! It stands beside OpenTelemetry's current context and is set and restored with it. As a value inside the context
//! it would cost three allocations for every message; here it costs two moves.

use std::cell::Cell;

use super::stamp::Stamp;

/// A position in a chain of tells.
#[derive(Clone, Copy, Default)]
pub(super) struct Hop {
    /// Tells since the chain began.
    pub(super) depth: u16,
    /// When the chain began, if a clock was read.
    pub(super) born: Option<Stamp>,
}

thread_local! {
    static CURRENT: Cell<Hop> = const { Cell::new(Hop { depth: 0, born: None }) };
}

impl Hop {
    pub(super) fn current() -> Self {
        CURRENT.get()
    }

    /// Makes this the current position until the guard is dropped.
    pub(super) fn enter(self) -> HopGuard {
        HopGuard(CURRENT.replace(self))
    }
}

pub(super) struct HopGuard(Hop);

impl Drop for HopGuard {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}
