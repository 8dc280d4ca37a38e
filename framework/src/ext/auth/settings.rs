use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::keys::Keys;
use crate::config::Section;
use crate::redact::Secret;

/// The longest that a revoked token may still be taken for a good one.
const MAX_REVOCATION_LAG: Duration = Duration::from_secs(5);

/// `[auth]`: tokens and passwords.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthSettings {
    /// The keys of the access tokens, separated by commas: the first signs, all are accepted. So a key is rotated: put
    /// the new one in front, and take the old one out after `access_ttl`. A key is `ed25519:` and 64 hexadecimal digits
    /// (EdDSA), or any other text of 32 bytes or more without a comma (HS256). Not set: one that is derived from
    /// `service.secret_key`; without that, one that this process makes and forgets.
    #[serde(serialize_with = "Secret::masked")]
    pub keys: Option<Secret<String>>,
    /// `iss` of the tokens. Not set: the name that [`Auth::new`](super::Auth::new) was given.
    pub issuer: Option<String>,
    /// `aud` of the tokens. Not set: the same name.
    pub audience: Option<String>,
    /// How long an access token is good. Default 15 min, at most a day.
    #[serde(with = "humantime_serde")]
    pub access_ttl: Duration,
    /// How long a refresh token is good, which is exchanged for another one. Default 14 days.
    #[serde(with = "humantime_serde")]
    pub refresh_ttl: Duration,
    /// How long a session lasts, however often it is refreshed. Default 90 days.
    #[serde(with = "humantime_serde")]
    pub session_ttl: Duration,
    /// By how much the clocks of two machines may differ, for `exp` and `nbf`. Default 2 s, at most a minute.
    #[serde(with = "humantime_serde")]
    pub leeway: Duration,
    /// A refresh token that comes again within so long after its use is refused, and does no more: two tabs of one
    /// browser, a retry of a client whose connection broke. Later it is taken for a stolen one, and the session ends.
    /// Default 5 s, at most a minute.
    #[serde(with = "humantime_serde")]
    pub reuse_grace: Duration,
    /// How old may be what a process knows of a session: so long after a sign-out another process may still take its
    /// access tokens. Default 3 s, at most 5 s; `0s` asks the database for every request.
    #[serde(with = "humantime_serde")]
    pub revocation_lag: Duration,
    /// Records the user's own id on the spans of requests (`enduser.id`) in place of a keyed hash of it
    /// (`enduser.pseudo.id`). Default false.
    pub raw_user_id: bool,
    /// How passwords are hashed.
    pub password: PasswordSettings,
}

/// `[auth.password]`: argon2id, by default with the parameters that OWASP recommends.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PasswordSettings {
    /// The memory of one hash, in KiB. Default 19456 (19 MiB); the `testing` profile's is 64.
    pub memory_kib: u32,
    /// The passes over it. Default 2; the `testing` profile's is 1.
    pub iterations: u32,
    /// The lanes. Default 1.
    pub parallelism: u32,
    /// How many hashes are computed at once, each on a thread of its own: with `memory_kib` the most memory that
    /// passwords take. Default 2.
    pub at_once: usize,
    /// How many may wait for their turn; what comes then is answered 503. Default 64.
    pub waiting: usize,
}

impl Default for AuthSettings {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        Self {
            keys: None,
            issuer: None,
            audience: None,
            access_ttl: Duration::from_secs(15 * 60),
            refresh_ttl: DAY * 14,
            session_ttl: DAY * 90,
            leeway: Duration::from_secs(2),
            reuse_grace: Duration::from_secs(5),
            revocation_lag: Duration::from_secs(3),
            raw_user_id: false,
            password: PasswordSettings::default(),
        }
    }
}

impl Default for PasswordSettings {
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, iterations: 2, parallelism: 1, at_once: 2, waiting: 64 }
    }
}

impl Section for AuthSettings {
    const NAME: &'static str = "auth";

    fn check(&self, production: bool) -> Vec<(&'static str, String)> {
        const MINUTE: Duration = Duration::from_secs(60);
        let mut wrong = Vec::new();
        if let Some(keys) = &self.keys
            && let Err(error) = Keys::parse(keys.expose(), production)
        {
            wrong.push(("keys", error));
        }
        for (key, name) in [("issuer", &self.issuer), ("audience", &self.audience)] {
            if name.as_ref().is_some_and(|name| name.trim().is_empty()) {
                wrong.push((key, "must not be empty: leave it out for the service's name".to_owned()));
            }
        }
        let second = Duration::from_secs(1);
        for (key, span, least, most) in [
            ("access_ttl", self.access_ttl, second, MINUTE * 60 * 24),
            ("refresh_ttl", self.refresh_ttl, second, Duration::MAX),
            ("session_ttl", self.session_ttl, second, Duration::MAX),
            ("leeway", self.leeway, Duration::ZERO, MINUTE),
            ("reuse_grace", self.reuse_grace, Duration::ZERO, MINUTE),
            ("revocation_lag", self.revocation_lag, Duration::ZERO, MAX_REVOCATION_LAG),
        ] {
            if span < least {
                wrong.push((key, format!("must be at least {least:?}, got {span:?}")));
            } else if span > most {
                wrong.push((key, format!("must be at most {most:?}, got {span:?}")));
            }
        }
        wrong.extend(self.password.check(production));
        wrong
    }
}

impl PasswordSettings {
    fn check(&self, production: bool) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if let Err(error) = argon2::Params::new(self.memory_kib, self.iterations, self.parallelism, None) {
            let (memory, passes) = (self.memory_kib, self.iterations);
            let lanes = self.parallelism;
            wrong.push((
                "password.memory_kib",
                format!(
                    "can not be used ({error}): memory_kib {memory}, iterations {passes}, parallelism {lanes}"
                ),
            ));
        }
        // The weakest of OWASP's equivalent choices: 7 MiB and 5 passes, 12 MiB and 3, 46 MiB and 1.
        let work = u64::from(self.memory_kib) * u64::from(self.iterations);
        if production && (self.memory_kib < 7168 || work < 35_840) {
            let message = "is too little for production: use 19456 with 2 iterations, or 7168 with 5";
            wrong.push(("password.memory_kib", message.to_owned()));
        }
        if self.memory_kib > 1024 * 1024 {
            wrong.push(("password.memory_kib", "must be at most 1048576, a GiB for each hash".to_owned()));
        }
        if !(1..=64).contains(&self.at_once) {
            wrong.push(("password.at_once", format!("must be between 1 and 64, got {}", self.at_once)));
        }
        wrong
    }
}
