use std::fmt;

use actix_web::http::StatusCode;
use bytes::Bytes;
use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;

use super::ClientError;

/// An answer, read whole.
#[derive(Clone)]
pub struct Response {
    pub(super) server: String,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Response {
    /// The status, whichever it is.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// A header's text; `None` also for one that is no text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.body
    }

    /// The body as text; what is no UTF-8 in it is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// [`ClientError::Body`] with what does not fit and where, not with what is there in its place.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        let mut deserializer = serde_json::Deserializer::from_slice(&self.body);
        let read = serde_path_to_error::deserialize(&mut deserializer);
        read.map_err(|error| ClientError::Body {
            server: self.server.clone(),
            reason: {
                let inner = error.inner();
                format!("`{}` in line {} does not fit what was read", error.path(), inner.line())
            },
        })
    }

    /// The answer itself if its status is one of success.
    ///
    /// # Errors
    ///
    /// [`ClientError::Status`] for any other.
    pub fn success(self) -> Result<Self, ClientError> {
        if self.status.is_success() {
            return Ok(self);
        }
        Err(ClientError::Status { server: self.server, status: self.status })
    }
}

/// Without headers and body, which may be personal.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("server", &self.server)
            .field("status", &self.status.as_u16())
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}
