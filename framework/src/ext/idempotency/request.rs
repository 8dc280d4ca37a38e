use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use futures_util::FutureExt as _;
use serde::de::DeserializeOwned;

use super::in_flight::InFlight;
use super::key::{KeyId, fingerprint, key_of};
use super::reply::Reply;
use super::settings::IdempotencySettings;
use super::store::{self, Kept};
use crate::config::Config;
use crate::data::{Conn, Db, DbError};
use crate::web::{Json, Problem, json_body};

/// A JSON body, read as [`Json`] reads it, and the key that came with it if one did.
#[derive(Debug)]
pub struct Idempotent<T> {
    value: T,
    keyed: Option<Keyed>,
}

/// A key, with the body that it stands for.
struct Keyed {
    id: KeyId,
    fingerprint: String,
    in_flight: InFlight,
    keep: Duration,
}

impl std::fmt::Debug for Keyed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyed").finish_non_exhaustive()
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Idempotent<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let key = key_of(request).and_then(|key| key.map(|id| with_state(request, id)).transpose());
        let body = json_body(request, payload);
        async move {
            let key = key?;
            let body = body.await?;
            let value = Json::<T>::from_slice(&body)?.0;
            let keyed = key.map(|(id, in_flight, keep)| Keyed {
                id,
                fingerprint: fingerprint(&body),
                in_flight,
                keep,
            });
            Ok(Self { value, keyed })
        }
        .boxed_local()
    }
}

fn with_state(request: &HttpRequest, id: KeyId) -> Result<(KeyId, InFlight, Duration), Problem> {
    let in_flight = request.app_data::<Data<InFlight>>().map(|keys| InFlight::clone(keys));
    let settings = request.app_data::<Config>().and_then(|it| it.get::<IdempotencySettings>().ok());
    let missing =
        "this service keeps no answers: add spanbox::ext::idempotency::module() with Service::module";
    let (in_flight, settings) = in_flight.zip(settings).ok_or_else(|| Problem::internal(missing))?;
    Ok((id, in_flight, settings.keep))
}

impl<T> Idempotent<T> {
    /// The body, for who wants to look at it before.
    pub const fn value(&self) -> &T {
        &self.value
    }

    /// Another body in place of this one, with the same key: what it is once it was checked.
    ///
    /// # Errors
    ///
    /// That of the check.
    pub fn try_map<U, E>(self, check: impl FnOnce(T) -> Result<U, E>) -> Result<Idempotent<U>, E> {
        Ok(Idempotent { value: check(self.value)?, keyed: self.keyed })
    }
}

impl<T: Send + 'static> Idempotent<T> {
    /// Does the work in one transaction, and keeps its answer in the same one if the request has a key; or gives the answer
    /// that is kept, and does nothing.
    ///
    /// # Errors
    ///
    /// That of the work, after which nothing has happened and the key is free; 409 and 422 as the
    /// [module](super) has them; and those of the database.
    #[track_caller]
    pub fn run<E, F>(self, db: &Db, work: F) -> impl Future<Output = Result<Reply, Problem>>
    where
        E: From<DbError> + Into<Problem> + Send + 'static,
        F: for<'c> AsyncFnOnce(&'c mut Conn, T) -> Result<Reply, E> + Send + 'static,
    {
        let Self { value, keyed } = self;
        let claim = keyed.as_ref().map(|keyed| keyed.in_flight.claim(keyed.id));
        // Told at once: in the database its turn might come when the first one has long been answered.
        let in_flight = matches!(claim, Some(None));
        let unit = async move |conn: &mut Conn| -> Result<Reply, Failed<E>> {
            // Held until the unit has ended, also when nobody waits for its answer any more.
            if let Some(claim) = claim.flatten() {
                conn.at_end(move |_| drop(claim));
            }
            let Some(keyed) = keyed else { return whole(work(conn, value).await.map_err(Failed::Work)?) };
            if !store::lock(conn, keyed.id).await? {
                return Err(Failed::InFlight);
            }
            match store::find(conn, keyed.id).await? {
                Some(Kept { fingerprint, .. }) if fingerprint != keyed.fingerprint => Err(Failed::Reused),
                Some(kept) => kept.reply().ok_or(Failed::Unreadable),
                None => {
                    let reply = whole(work(conn, value).await.map_err(Failed::Work)?)?;
                    store::keep(conn, keyed.id, keyed.fingerprint, &reply, keyed.keep).await?;
                    Ok(reply)
                }
            }
        };
        let written = (!in_flight).then(|| db.write(unit));
        async move {
            match written {
                Some(written) => written.await.map_err(Problem::from),
                None => Err(Failed::<E>::InFlight.into()),
            }
        }
    }
}

/// A reply that could be written.
fn whole<E>(reply: Reply) -> Result<Reply, Failed<E>> {
    match &reply.broken {
        Some(broken) => Err(Failed::Broken(broken.clone())),
        None => Ok(reply),
    }
}

/// Why there is no answer.
enum Failed<E> {
    InFlight,
    Reused,
    /// What is kept is no answer that this version can give.
    Unreadable,
    /// The answer could not be written.
    Broken(String),
    Db(DbError),
    Work(E),
}

impl<E> From<DbError> for Failed<E> {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl<E: Into<Self>> From<Failed<E>> for Problem {
    fn from(failed: Failed<E>) -> Self {
        match failed {
            Failed::InFlight => Self::new(StatusCode::CONFLICT, "idempotency-key-in-use")
                .detail("a request with this Idempotency-Key is being carried out: send it again later")
                .header(RETRY_AFTER, HeaderValue::from_static("1")),
            Failed::Reused => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused")
                .detail("this Idempotency-Key stands for another body: use a new key for another request"),
            Failed::Unreadable => Self::internal("the answer that is kept for an Idempotency-Key is none"),
            Failed::Broken(error) => Self::internal(error),
            Failed::Db(error) => error.into(),
            Failed::Work(error) => error.into(),
        }
    }
}
