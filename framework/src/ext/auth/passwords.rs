//! Passwords: argon2id, away from the workers, and never more at once than the memory allows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use tokio::sync::Semaphore;

use super::error::PasswordError;
use super::settings::PasswordSettings;
use crate::redact::Secret;
use crate::telemetry;

/// Hashes and compares passwords, see [`Auth`](super::Auth); cheap to clone.
///
/// Each hash is computed on a thread for blocking work, `auth.password.at_once` of them at most, while the caller waits
/// without keeping its worker busy. A caller that goes away leaves no more behind than the hash that is being computed.
#[derive(Clone)]
pub struct Passwords {
    inner: Arc<Inner>,
}

struct Inner {
    params: Params,
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
    settings: PasswordSettings,
    /// The hash of a password that nobody has, for those who are not there.
    nobody: String,
}

/// What became of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// It is the password.
    Right,
    /// It is the password, and its hash was made with other parameters than those of today: store a new one.
    Outdated,
    /// It is not the password.
    Wrong,
}

impl Passwords {
    pub(super) fn new(settings: &PasswordSettings) -> Result<Self, PasswordError> {
        let PasswordSettings { memory_kib, iterations, parallelism, .. } = *settings;
        let params = Params::new(memory_kib, iterations, parallelism, None).map_err(argon2)?;
        let nobody = nobody(&params)?.to_string();
        let permits = Arc::new(Semaphore::new(settings.at_once));
        let waiting = AtomicUsize::new(0);
        let inner = Inner { params, permits, waiting, settings: settings.clone(), nobody };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The hash of a password with a salt of its own, as a PHC string of about 100 characters.
    ///
    /// # Errors
    ///
    /// [`PasswordError`].
    pub async fn hash(&self, password: Secret<String>) -> Result<String, PasswordError> {
        let params = self.inner.params.clone();
        let work = self.compute(move || {
            let hash = hasher(&params).hash_password(password.expose().as_bytes());
            hash.map(|hash| hash.to_string()).map_err(argon2)
        });
        telemetry::span("auth.password.hash").run(work).await
    }

    /// Compares a password with a stored hash. Without one the same work is done, and the password is wrong: who is not
    /// there takes as long as who is.
    ///
    /// # Errors
    ///
    /// [`PasswordError`].
    pub async fn verify(
        &self,
        password: Secret<String>,
        stored: Option<String>,
    ) -> Result<Match, PasswordError> {
        let params = self.inner.params.clone();
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.inner.nobody.clone());
        let work = self.compute(move || {
            let hash = PasswordHash::new(&stored).map_err(argon2)?;
            match hasher(&params).verify_password(password.expose().as_bytes(), &hash) {
                Ok(()) if !known => Ok(Match::Wrong),
                Ok(()) if is_of(&hash, &params) => Ok(Match::Right),
                Ok(()) => Ok(Match::Outdated),
                Err(argon2::password_hash::Error::PasswordInvalid) => Ok(Match::Wrong),
                Err(error) => Err(argon2(error)),
            }
        });
        telemetry::span("auth.password.verify").run(work).await
    }

    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let permits = Arc::clone(&self.inner.permits);
        let permit = match Arc::clone(&permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let _waits = self.wait()?;
                permits.acquire_owned().await.map_err(argon2)?
            }
        };
        // The permit goes with the work, which nobody can stop.
        let work = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        });
        work.await.map_err(argon2)?
    }

    /// A place among those who wait.
    fn wait(&self) -> Result<Waiting<'_>, PasswordError> {
        let place = Waiting(&self.inner.waiting);
        let before = self.inner.waiting.fetch_add(1, Ordering::Relaxed);
        if before >= self.inner.settings.waiting {
            return Err(PasswordError::Busy { waiting: before });
        }
        Ok(place)
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The hash of nobody's password. It names these parameters, and its salt and its digest are of the usual length, so that a
/// comparison with it takes as long as any; it was made with the least parameters, since a start should not take that long.
fn nobody(params: &Params) -> Result<PasswordHash, PasswordError> {
    let least =
        Params::new(Params::MIN_M_COST, Params::MIN_T_COST, Params::MIN_P_COST, None).map_err(argon2)?;
    let mut hash = hasher(&least).hash_password(b"").map_err(argon2)?;
    hash.params = params.try_into().map_err(argon2)?;
    Ok(hash)
}

fn hasher(params: &Params) -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
}

/// Whether a hash was made with these parameters.
fn is_of(hash: &PasswordHash, params: &Params) -> bool {
    hash.algorithm == Algorithm::Argon2id.ident()
        && hash.version == Some(Version::V0x13.into())
        && Params::try_from(hash).is_ok_and(|of| {
            (of.m_cost(), of.t_cost(), of.p_cost()) == (params.m_cost(), params.t_cost(), params.p_cost())
        })
}

fn argon2(error: impl std::fmt::Display) -> PasswordError {
    PasswordError::Argon2(error.to_string())
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passwords").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc;

    use super::*;

    fn passwords(memory_kib: u32, at_once: usize, waiting: usize) -> Passwords {
        let settings =
            PasswordSettings { memory_kib, iterations: 1, at_once, waiting, ..PasswordSettings::default() };
        Passwords::new(&settings).unwrap()
    }

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    #[actix::test]
    async fn a_password_is_told_from_others_and_from_that_of_nobody() {
        let passwords = passwords(64, 2, 8);
        let hash = passwords.hash(secret("hunter2")).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
        assert_ne!(passwords.hash(secret("hunter2")).await.unwrap(), hash, "the salt is its own");
        for (password, stored, expected) in [
            ("hunter2", Some(hash.clone()), Match::Right),
            ("hunter3", Some(hash), Match::Wrong),
            ("hunter2", None, Match::Wrong),
            ("", None, Match::Wrong),
        ] {
            assert_eq!(passwords.verify(secret(password), stored).await.unwrap(), expected, "{password}");
        }
        let broken = passwords.verify(secret("hunter2"), Some("hunter2".to_owned())).await;
        assert!(matches!(broken, Err(PasswordError::Argon2(_))), "{broken:?}");
    }

    #[test]
    fn nobodys_hash_is_compared_with_as_any_of_today() {
        let params = Params::new(64, 3, 2, None).unwrap();
        let text = nobody(&params).unwrap().to_string();
        let (hash, of_somebody) =
            (PasswordHash::new(&text).unwrap(), hasher(&params).hash_password(b"x").unwrap());
        assert!(is_of(&hash, &params), "{text}");
        assert_eq!(text.len(), of_somebody.to_string().len());
        let compared = hasher(&params).verify_password(b"", &hash);
        assert!(matches!(compared, Err(argon2::password_hash::Error::PasswordInvalid)), "{compared:?}");
    }

    #[actix::test]
    async fn a_hash_of_other_parameters_is_outdated() {
        let old = passwords(32, 1, 8).hash(secret("hunter2")).await.unwrap();
        let today = passwords(64, 1, 8);
        assert_eq!(today.verify(secret("hunter2"), Some(old.clone())).await.unwrap(), Match::Outdated);
        assert_eq!(today.verify(secret("hunter3"), Some(old)).await.unwrap(), Match::Wrong);
    }

    #[actix::test]
    async fn no_more_than_allowed_are_computed_at_once_and_no_more_wait() {
        let passwords = passwords(64, 2, 3);
        let (ended, ends) = mpsc::channel::<()>();
        let (ends, running) = (Arc::new(Mutex::new(ends)), Arc::new(AtomicUsize::new(0)));
        let one = || {
            let (ends, running) = (Arc::clone(&ends), Arc::clone(&running));
            passwords.compute(move || {
                running.fetch_add(1, Ordering::SeqCst);
                let _ = ends.lock().unwrap().recv();
                running.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            })
        };
        let mut accepted: Vec<_> = (0..5).map(|_| Box::pin(one())).collect();
        for work in &mut accepted {
            assert!(futures_util::poll!(work.as_mut()).is_pending());
        }
        assert_eq!(
            (passwords.inner.permits.available_permits(), passwords.inner.waiting.load(Ordering::SeqCst)),
            (0, 3)
        );
        let refused = one().await;
        assert!(matches!(refused, Err(PasswordError::Busy { waiting: 3 })), "{refused:?}");
        // One that goes away makes room.
        drop(accepted.pop());
        let mut next = Box::pin(one());
        assert!(futures_util::poll!(next.as_mut()).is_pending());
        accepted.push(next);
        (0..5).for_each(|_| ended.send(()).unwrap());
        for work in accepted {
            work.await.unwrap();
        }
        assert_eq!((running.load(Ordering::SeqCst), passwords.inner.waiting.load(Ordering::SeqCst)), (0, 0));
    }
}
