//! What stands for Redis in a program without the feature `redis`: a type that has no value.

use std::convert::Infallible;

use super::redis_info::RedisInfo;
use crate::config::built_without;
use crate::redact::Secret;
use crate::telemetry::Telemetry;

/// A Redis server, which there is none of without the feature `redis`.
#[derive(Clone, Debug)]
pub struct Redis(Infallible);

/// Why there is no Redis.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisError {
    /// The program has no part that speaks to one.
    #[error("there is a Redis in the settings, and {}", built_without("redis", "take it out"))]
    BuiltWithout,
}

impl Redis {
    /// There is none.
    ///
    /// # Errors
    ///
    /// Always [`RedisError::BuiltWithout`].
    pub fn new(_: &Secret<String>, _: &Telemetry) -> Result<Self, RedisError> {
        Err(RedisError::BuiltWithout)
    }

    /// Host and port of one that there is.
    #[must_use]
    pub fn server(&self) -> &str {
        match self.0 {}
    }

    /// What one that there is says of itself.
    ///
    /// # Errors
    ///
    /// None: this is never called.
    pub async fn info(&self) -> Result<RedisInfo, RedisError> {
        match self.0 {}
    }

    /// Never called, as there is none to call it on: for what would be made of one.
    pub(crate) fn absent(&self) -> ! {
        match self.0 {}
    }
}
