//! Access tokens: JSON Web Tokens by RFC 9068, read more strictly than the library would by itself.

use std::collections::HashSet;
use std::time::Duration;

use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Header, Validation, decode, decode_header, encode, get_current_timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::error::{SignError, TokenError};
use super::keys::{Key, Keys};
use crate::redact::Secret;

/// The type of an access token (RFC 9068, section 2.1). No other token is taken for one.
const ACCESS: &str = "at+jwt";

/// Longer than any of ours; a longer one is not even looked at.
const MAX_LENGTH: usize = 4096;

/// Who a token is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bearer {
    pub(super) subject: String,
    pub(super) session: String,
    pub(super) roles: Vec<String>,
}

#[derive(Deserialize, Serialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    jti: String,
    iat: u64,
    nbf: u64,
    exp: u64,
    roles: Vec<String>,
}

/// Signs access tokens and reads them.
pub(super) struct Tokens {
    keys: Keys,
    issuer: String,
    audience: String,
    ttl: Duration,
    leeway: u64,
}

impl Tokens {
    pub(super) const fn new(
        keys: Keys,
        issuer: String,
        audience: String,
        ttl: Duration,
        leeway: Duration,
    ) -> Self {
        Self { keys, issuer, audience, ttl, leeway: leeway.as_secs() }
    }

    /// How long a token is good.
    pub(super) const fn ttl(&self) -> Duration {
        self.ttl
    }

    pub(super) fn sign(&self, bearer: &Bearer) -> Result<Secret<String>, SignError> {
        let key = self.keys.signing().ok_or_else(|| SignError::Sign("there is no key".to_owned()))?;
        let now = get_current_timestamp();
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: bearer.subject.clone(),
            sid: bearer.session.clone(),
            jti: Uuid::new_v4().simple().to_string(),
            iat: now,
            nbf: now,
            exp: now + self.ttl.as_secs(),
            roles: bearer.roles.clone(),
        };
        let mut header = Header::new(key.algorithm);
        header.typ = Some(ACCESS.to_owned());
        header.kid = Some(key.id.clone());
        let token = encode(&header, &claims, &key.encoding);
        token.map(Secret::new).map_err(|error| SignError::Sign(error.to_string()))
    }

    /// Reads a token: it is ours, by the one algorithm of its key, for us, and its time is now.
    pub(super) fn read(&self, token: &str) -> Result<Bearer, TokenError> {
        if token.len() > MAX_LENGTH {
            return Err(TokenError::Malformed);
        }
        let header = decode_header(token).map_err(|error| of(&error))?;
        let key = self.key(&header)?;
        let claims =
            decode::<Claims>(token, &key.decoding, &self.validation(key)).map_err(|error| of(&error))?;
        let Claims { sub, sid, roles, .. } = claims.claims;
        if sub.is_empty() || sid.is_empty() {
            return Err(TokenError::Malformed);
        }
        Ok(Bearer { subject: sub, session: sid, roles })
    }

    /// The key of a token. What its header says of keys elsewhere is a way in for others (RFC 8725, section 3.10), and
    /// what it calls critical nobody here understands (RFC 7515, section 4.1.11).
    fn key(&self, header: &Header) -> Result<&Key, TokenError> {
        let Header { jku, jwk, x5u, x5c, x5t, x5t_s256, crit, enc, zip, cty, .. } = header;
        let strange = jku.is_some()
            || jwk.is_some()
            || x5u.is_some()
            || x5c.is_some()
            || x5t.is_some()
            || x5t_s256.is_some()
            || crit.is_some()
            || enc.is_some()
            || zip.is_some()
            || cty.is_some();
        // RFC 9068, section 4: with the media type's `application/` or without it.
        let typ = header.typ.as_deref().unwrap_or_default().to_ascii_lowercase();
        if strange || typ.strip_prefix("application/").unwrap_or(&typ) != ACCESS {
            return Err(TokenError::Malformed);
        }
        let key = header.kid.as_deref().and_then(|id| self.keys.find(id)).ok_or(TokenError::UnknownKey)?;
        if header.alg == key.algorithm { Ok(key) } else { Err(TokenError::Signature) }
    }

    /// The library's own is lax: a minute of leeway, and `nbf` is not looked at.
    fn validation(&self, key: &Key) -> Validation {
        let mut validation = Validation::new(key.algorithm);
        validation.leeway = self.leeway;
        validation.validate_nbf = true;
        validation.required_spec_claims =
            ["exp", "nbf", "iss", "aud", "sub"].map(str::to_owned).into_iter().collect::<HashSet<_>>();
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation
    }
}

fn of(error: &Error) -> TokenError {
    match error.kind() {
        ErrorKind::ExpiredSignature => TokenError::Expired,
        ErrorKind::ImmatureSignature => TokenError::NotYet,
        ErrorKind::InvalidIssuer | ErrorKind::InvalidAudience => TokenError::Foreign,
        ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm => TokenError::Signature,
        _ => TokenError::Malformed,
    }
}
