//! Whether sessions have ended: asked of the database, and remembered for a moment.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::store;
use crate::data::{Conn, Db, DbError};

/// So many sessions are remembered. With more, what is old is forgotten, and then everything.
const MOST: usize = 50_000;

/// What is known of sessions; cheap to clone.
#[derive(Clone)]
pub(super) struct Standing {
    db: Db,
    lag: Duration,
    known: Arc<Mutex<HashMap<String, Known>>>,
}

/// What is known of one. Nothing that is over begins again.
#[derive(Clone)]
struct Known {
    since: Instant,
    /// Whose it is, while it is alive.
    alive: Option<Arc<str>>,
}

impl Standing {
    pub(super) fn new(db: Db, lag: Duration) -> Self {
        Self { db, lag, known: Arc::default() }
    }

    /// Whether a session of this subject is still good, as it was `lag` ago at most. That nobody can tell is an error.
    pub(super) async fn is_alive(&self, session: &str, subject: &str) -> Result<bool, DbError> {
        // From before the question on: what changes while it is answered counts as not seen.
        let since = Instant::now();
        let known = self.known.lock().get(session).cloned();
        let is_new = |known: &Known| since.duration_since(known.since) < self.lag;
        if let Some(known) = known.filter(|known| known.alive.is_none() || is_new(known)) {
            return Ok(known.alive.as_deref() == Some(subject));
        }
        let id = session.to_owned();
        let found = self.db.read(async move |conn: &mut Conn| store::find_session(conn, &id).await).await?;
        let alive = found.filter(|found| found.is_alive(store::now())).map(|found| found.subject.into());
        Ok(self.remember(session, Known { since, alive }).as_deref() == Some(subject))
    }

    /// Remembers that sessions have ended.
    pub(super) fn end(&self, sessions: impl IntoIterator<Item = String>) {
        let since = Instant::now();
        for session in sessions {
            self.remember(&session, Known { since, alive: None });
        }
    }

    fn remember(&self, session: &str, found: Known) -> Option<Arc<str>> {
        let mut known = self.known.lock();
        if known.len() >= MOST && !known.contains_key(session) {
            known.retain(|_, known| found.since.saturating_duration_since(known.since) < self.lag);
            if known.len() >= MOST {
                known.clear();
            }
        }
        // It has ended, or somebody has asked after this was asked.
        let is_newer =
            |known: &Known| known.alive.is_none() || (found.alive.is_some() && known.since >= found.since);
        if let Some(newer) = known.get(session).filter(|known| is_newer(known)) {
            return newer.alive.clone();
        }
        let alive = found.alive.clone();
        known.insert(session.to_owned(), found);
        alive
    }
}
