use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::entry::{self, Entry, Nonce};
use super::flight::Load;
use super::signals::Outcome;
use super::{Cache, Inner};
use crate::data::{Conn, Ending};

/// How long a load may take for its value to be kept.
const LEASE: Duration = Duration::from_secs(10);
/// As much of a key as is readable in the backend; what is longer is hashed.
const LONGEST_KEY: usize = 100;

/// The values of one kind in a [`Cache`]; cheap to clone.
pub struct Namespace<T> {
    inner: Option<Arc<Inner>>,
    name: &'static str,
    prefix: Arc<str>,
    stale_for: Duration,
    /// Whether it was said that values can not be read, or not be kept.
    told: Arc<AtomicBool>,
    kind: PhantomData<fn() -> T>,
}

/// What was found under a key.
enum Found<T> {
    Fresh(T),
    Stale(T, Nonce),
    Nothing,
    /// The backend was not asked, or did not answer.
    Unknown,
}

impl<T: Serialize + DeserializeOwned> Namespace<T> {
    pub(super) fn new(cache: &Cache, name: &'static str, version: u32) -> Self {
        let prefix = format!("{}:{name}.{version}.{}:", cache.service, entry::FORMAT);
        Self {
            inner: cache.inner.clone(),
            name,
            prefix: prefix.into(),
            stale_for: Duration::ZERO,
            told: Arc::default(),
            kind: PhantomData,
        }
    }

    /// For so long after its time, a value is still given to everybody but the one who loads a new one. Default: not at
    /// all. A value that was [invalidated](Self::invalidate) is never given.
    #[must_use]
    pub fn stale_for(mut self, time: Duration) -> Self {
        self.stale_for = time;
        self
    }

    /// The value of a key, if there is a fresh one.
    pub async fn get(&self, key: &str) -> Option<T> {
        let inner = self.inner.as_ref()?;
        let found = self.look(inner, &self.key(key)).await;
        let outcome = match found {
            Found::Fresh(_) => Outcome::Hit,
            Found::Unknown => Outcome::Bypassed,
            Found::Stale(..) | Found::Nothing => Outcome::Miss,
        };
        inner.signals.looked_up(self.name, outcome);
        if let Found::Fresh(value) = found { Some(value) } else { None }
    }

    /// Keeps a value for `ttl`, or up to a tenth less. It overwrites whatever is there: with a source that others change,
    /// use [`get_or_load`](Self::get_or_load), which does not keep what was out of date before it was kept.
    pub async fn set(&self, key: &str, value: &T, ttl: Duration) {
        let Some(inner) = &self.inner else { return };
        let key = self.key(key);
        if let Some(bytes) = self.encode(inner, value, ttl)
            && !inner.bypassed(&key)
        {
            let lives = self.lives(inner, ttl);
            inner.heard(inner.backend.put(&key, &bytes, lives).await);
        }
    }

    /// Deletes a key, and waits until the backend knows of it as [`Cache::settled`] does.
    pub async fn delete(&self, key: &str) {
        self.invalidate(key);
        if let Some(inner) = &self.inner {
            inner.settled().await;
        }
    }

    /// The value of a key; if there is none, the loader's, which is then kept for `ttl`, or up to a tenth less.
    ///
    /// Who asks while somebody of this process is loading gets the same value. If that one gives up (its future is
    /// dropped, its loader panics), the next one loads. If its loader fails, everybody loads alone. In other processes one
    /// more may load at the same time.
    ///
    /// What was loaded is kept only if the key was not [invalidated](Self::invalidate) since before the loader ran, here
    /// or in any process with the same backend, and if it took less than ten seconds. A cache that is away costs the
    /// loads, and nothing else.
    ///
    /// # Errors
    ///
    /// Those of the loader.
    pub async fn get_or_load<E>(
        &self,
        key: &str,
        ttl: Duration,
        load: impl AsyncFnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let Some(inner) = &self.inner else { return load().await };
        let key = self.key(key);
        let found = self.look(inner, &key).await;
        let told = |outcome| inner.signals.looked_up(self.name, outcome);
        let known = !matches!(found, Found::Unknown);
        let (stale, seat) = match found {
            Found::Fresh(value) => {
                told(Outcome::Hit);
                return Ok(value);
            }
            Found::Stale(value, nonce) => (Some((value, nonce)), inner.flights.board(&key, &inner.pending)),
            Found::Nothing | Found::Unknown => (None, inner.flights.board(&key, &inner.pending)),
        };
        let (mut turn, replaced) = match stale {
            None => (seat.turn().await, None),
            Some((value, nonce)) => match seat.try_turn() {
                Some(turn) => (turn, Some(nonce)),
                None => {
                    told(Outcome::Stale);
                    return Ok(value);
                }
            },
        };
        match &*turn {
            Load::Done(body) => {
                if let Ok(value) = serde_json::from_slice(body) {
                    told(Outcome::Joined);
                    return Ok(value);
                }
            }
            Load::Failed => {
                drop(turn);
                told(Outcome::Miss);
                return load().await;
            }
            Load::Pending { .. } => {}
        }
        let inherited = if let Load::Pending { lease } = &*turn { *lease } else { None };
        let lease = match replaced.or(inherited) {
            Some(nonce) => Some(nonce),
            None if !known => None,
            None => match self.lease(inner, &key).await {
                Lease::Taken(nonce) => Some(nonce),
                Lease::Refused => None,
                Lease::There(value) => {
                    told(Outcome::Joined);
                    return Ok(value);
                }
            },
        };
        *turn = Load::Pending { lease };
        told(if known { Outcome::Miss } else { Outcome::Bypassed });
        let loaded = load().await;
        // Those who come from now on shall look again, and not into this one.
        seat.land();
        match &loaded {
            Err(_) => {
                *turn = Load::Failed;
                if lease.is_some() && replaced.is_none() {
                    // It would keep others from keeping what they load.
                    inner.pending.add(key.clone());
                }
            }
            Ok(value) => {
                if let Ok(body) = serde_json::to_vec(value) {
                    if let Some(nonce) = lease
                        && self.fits(inner, &body)
                        && !inner.bypassed(&key)
                    {
                        let (bytes, lives) = (entry::value(&body, ttl), self.lives(inner, ttl));
                        inner.heard(inner.backend.replace(&key, &nonce, &bytes, lives).await);
                    }
                    *turn = Load::Done(body);
                } else {
                    *turn = Load::Failed;
                }
            }
        }
        loaded
    }

    /// What is kept of a key is out of date. From now on this process does not read it, and a load that began before is
    /// not kept; other processes with the same backend see so as soon as the backend knows, which
    /// [`Cache::settled`] waits for. While the backend is away that is remembered.
    pub fn invalidate(&self, key: &str) {
        if let Some(inner) = &self.inner {
            inner.invalidate(self.key(key));
        }
    }

    /// [Invalidates](Self::invalidate) a key when a unit of work is committed, or may have been: after the COMMIT, and
    /// before whoever asked for the unit hears of it.
    pub fn invalidate_after(&self, conn: &mut Conn, key: &str) {
        let Some(inner) = self.inner.clone() else { return };
        let key = self.key(key);
        conn.at_end(move |ending| {
            if ending != Ending::RolledBack {
                inner.invalidate(key);
            }
        });
    }

    async fn look(&self, inner: &Inner, key: &str) -> Found<T> {
        if inner.bypassed(key) {
            return Found::Unknown;
        }
        let Some(answer) = inner.heard(inner.backend.get(key).await) else { return Found::Unknown };
        // What was invalidated while it was read is out of date.
        if inner.bypassed(key) {
            return Found::Unknown;
        }
        let Some(bytes) = answer else { return Found::Nothing };
        match entry::read(&bytes) {
            Some(Entry::Lease) => return Found::Nothing,
            Some(Entry::Value { nonce, fresh, body }) => match serde_json::from_slice(body) {
                Ok(value) if fresh => return Found::Fresh(value),
                Ok(value) if !self.stale_for.is_zero() => return Found::Stale(value, nonce),
                // Past its time by the clock that counts; the backend counts whole seconds.
                Ok(_) => {}
                Err(error) => self.unreadable(inner, &error.to_string()),
            },
            None => self.unreadable(inner, "it is no entry of a cache"),
        }
        inner.heard(inner.backend.delete(key).await);
        Found::Nothing
    }

    async fn lease(&self, inner: &Inner, key: &str) -> Lease<T> {
        let (nonce, bytes) = entry::lease();
        match inner.heard(inner.backend.put_new(key, &bytes, LEASE).await) {
            Some(true) => Lease::Taken(nonce),
            Some(false) => match self.look(inner, key).await {
                Found::Fresh(value) => Lease::There(value),
                _ => Lease::Refused,
            },
            None => Lease::Refused,
        }
    }

    fn encode(&self, inner: &Inner, value: &T, ttl: Duration) -> Option<Vec<u8>> {
        let body = serde_json::to_vec(value).ok()?;
        self.fits(inner, &body).then(|| entry::value(&body, ttl))
    }

    fn fits(&self, inner: &Inner, body: &[u8]) -> bool {
        let fits = body.len() <= inner.max_value_bytes;
        if !fits {
            inner.signals.failed("too_large");
            if !self.told.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    namespace = self.name,
                    bytes = body.len(),
                    limit = inner.max_value_bytes,
                    "a value is too large to be kept (cache.max_value_bytes); this is said once"
                );
            }
        }
        fits
    }

    fn unreadable(&self, inner: &Inner, error: &str) {
        inner.signals.failed("unreadable");
        if !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                namespace = self.name,
                error,
                "a value in the cache can not be read and counts as none: give the namespace another version when its \
                 type changes; this is said once"
            );
        }
    }

    /// How long the backend keeps what is fresh for `ttl`.
    fn lives(&self, inner: &Inner, ttl: Duration) -> Duration {
        let lives = ttl + self.stale_for;
        inner.pending.lives(lives);
        lives
    }

    fn key(&self, key: &str) -> String {
        let readable = key.len() <= LONGEST_KEY && key.bytes().all(|byte| byte.is_ascii_graphic());
        if readable && !key.starts_with('#') {
            return format!("{}{key}", self.prefix);
        }
        let mut text = format!("{}#", self.prefix);
        for byte in Sha256::digest(key.as_bytes()) {
            text.push_str(&format!("{byte:02x}"));
        }
        text
    }
}

/// What became of the wish to load.
enum Lease<T> {
    Taken(Nonce),
    /// Somebody else loads, or there is no telling: what is loaded is not kept.
    Refused,
    /// Somebody else has loaded.
    There(T),
}

impl<T> Clone for Namespace<T> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            name: self.name,
            prefix: self.prefix.clone(),
            stale_for: self.stale_for,
            told: self.told.clone(),
            kind: PhantomData,
        }
    }
}

impl<T> std::fmt::Debug for Namespace<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Namespace").field("name", &self.name).finish_non_exhaustive()
    }
}
