//! Signing in, staying signed in, and signing out.

use std::time::Duration;

use serde::Serialize;
use uuid::Uuid;

use super::Auth;
use super::error::SignError;
use super::store::{self, RefreshToken, Session, micros};
use super::text;
use super::tokens::Bearer;
use crate::data::{Conn, DbError};
use crate::redact::Secret;

/// What a client gets when it signs in, and again when it refreshes. It is written as RFC 6749, section 5.1, wants it.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct SignedIn {
    /// A JSON Web Token, for `Authorization: Bearer …`.
    #[serde(serialize_with = "reveal")]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub access_token: Secret<String>,
    /// `Bearer`.
    pub token_type: &'static str,
    /// For how many seconds the access token is good.
    pub expires_in: u64,
    /// For one exchange against the next pair.
    #[serde(serialize_with = "reveal")]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub refresh_token: Secret<String>,
    /// For how many seconds it is good.
    pub refresh_expires_in: u64,
    /// The session of both.
    #[serde(skip)]
    pub session: String,
}

/// The one place that a token goes out by.
fn reveal<S: serde::Serializer>(token: &Secret<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(token.expose())
}

/// What a refresh token is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Exchange {
    /// For the next pair of this session: [`Auth::renew`] makes it, once the caller knows that the user may have it.
    Good {
        /// Whose session it is.
        subject: String,
        /// The session.
        session: String,
    },
    /// For nothing: there is no such token, its time is over, or its session has ended.
    Unknown,
    /// For nothing: it has been used a moment ago, see `auth.reuse_grace`.
    Late,
    /// For nothing any more: it was used before, somebody has stolen it or the one after it, and its session has been
    /// ended.
    Reused {
        /// Whose session it was.
        subject: String,
    },
}

impl Auth {
    /// Begins a session of a subject, in the unit of work that knows of it.
    ///
    /// # Errors
    ///
    /// [`SignError`].
    pub async fn sign_in(
        &self,
        conn: &mut Conn,
        subject: &str,
        roles: Vec<String>,
    ) -> Result<SignedIn, SignError> {
        let now = store::now();
        let session = Session {
            id: Uuid::new_v4().simple().to_string(),
            subject: subject.to_owned(),
            created_at: now,
            expires_at: now + micros(self.inner.settings.session_ttl),
            revoked_at: None,
        };
        store::open(conn, &session).await?;
        self.issue(conn, &session, roles, now).await
    }

    /// Uses a refresh token up. Of many who come with the same, one gets [`Exchange::Good`].
    ///
    /// It is one unit of work with what follows; the unit must be committed whatever comes out, so that a stolen token
    /// ends its session.
    ///
    /// # Errors
    ///
    /// [`DbError`].
    pub async fn exchange(&self, conn: &mut Conn, token: &Secret<String>) -> Result<Exchange, DbError> {
        let (hash, now) = (text::hash(token.expose()), store::now());
        let used = store::use_token(conn, &hash, now).await?;
        let Some((token, session)) = store::find_token(conn, &hash).await? else {
            return Ok(Exchange::Unknown);
        };
        if !session.is_alive(now) {
            return Ok(Exchange::Unknown);
        }
        let Session { id, subject, .. } = session;
        if used {
            return Ok(Exchange::Good { subject, session: id });
        }
        let Some(used_at) = token.used_at else { return Ok(Exchange::Unknown) };
        if now.saturating_sub(used_at) < micros(self.inner.settings.reuse_grace) {
            return Ok(Exchange::Late);
        }
        self.sign_out(conn, &id).await?;
        tracing::warn!("a refresh token came twice: its session was ended, as one of the two has stolen it");
        Ok(Exchange::Reused { subject })
    }

    /// Makes the next pair of a session, after [`Exchange::Good`] and in the same unit of work. The roles are those of
    /// now.
    ///
    /// # Errors
    ///
    /// [`SignError`].
    pub async fn renew(
        &self,
        conn: &mut Conn,
        session: &str,
        roles: Vec<String>,
    ) -> Result<Option<SignedIn>, SignError> {
        let now = store::now();
        let Some(session) = store::find_session(conn, session).await?.filter(|found| found.is_alive(now))
        else {
            return Ok(None);
        };
        store::forget_expired(conn, &session.id, now).await?;
        self.issue(conn, &session, roles, now).await.map(Some)
    }

    /// Ends a session: at once here, and within `auth.revocation_lag` elsewhere.
    ///
    /// # Errors
    ///
    /// [`DbError`].
    pub async fn sign_out(&self, conn: &mut Conn, session: &str) -> Result<(), DbError> {
        store::revoke(conn, session).await?;
        self.forget(conn, vec![session.to_owned()]);
        Ok(())
    }

    /// Ends all sessions of a subject, as another password, other roles and a lock-out have to.
    ///
    /// # Errors
    ///
    /// [`DbError`].
    pub async fn sign_out_everywhere(&self, conn: &mut Conn, subject: &str) -> Result<usize, DbError> {
        let ended = store::revoke_all(conn, subject).await?;
        let count = ended.len();
        self.forget(conn, ended);
        Ok(count)
    }

    fn forget(&self, conn: &mut Conn, sessions: Vec<String>) {
        let standing = self.inner.standing.clone();
        conn.after_commit(move || standing.end(sessions));
    }

    async fn issue(
        &self,
        conn: &mut Conn,
        session: &Session,
        roles: Vec<String>,
        now: i64,
    ) -> Result<SignedIn, SignError> {
        let refresh = text::random();
        // A token that outlives its session is good for nothing.
        let expires_at = (now + micros(self.inner.settings.refresh_ttl)).min(session.expires_at);
        let token = RefreshToken {
            hash: text::hash(&refresh),
            session_id: session.id.clone(),
            expires_at,
            used_at: None,
        };
        store::insert_token(conn, &token).await?;
        let bearer = Bearer { subject: session.subject.clone(), session: session.id.clone(), roles };
        let left = u64::try_from(expires_at - now).unwrap_or_default();
        Ok(SignedIn {
            access_token: self.inner.tokens.sign(&bearer)?,
            token_type: "Bearer",
            expires_in: self.inner.tokens.ttl().as_secs(),
            refresh_token: Secret::new(refresh),
            refresh_expires_in: Duration::from_micros(left).as_secs(),
            session: session.id.clone(),
        })
    }
}
