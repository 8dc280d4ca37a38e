//! What stands for values in Redis in a program without the feature `redis`: a type that has no value. The check of the
//! settings lets no URL of a Redis pass.

use std::convert::Infallible;
use std::time::Duration;

use super::entry::Nonce;
use crate::data::RedisError;
use crate::redact::Secret;
use crate::telemetry::Telemetry;

#[derive(Clone)]
pub(super) struct InRedis(Infallible);

impl InRedis {
    pub(super) fn new(_: &Secret<String>, _: &Telemetry, _: Duration) -> Result<Self, RedisError> {
        Err(RedisError::BuiltWithout)
    }

    pub(super) fn server(&self) -> &str {
        match self.0 {}
    }

    pub(super) async fn get(&self, _: &str) -> Result<Option<Vec<u8>>, RedisError> {
        match self.0 {}
    }

    pub(super) async fn put(&self, _: &str, _: &[u8], _: Duration) -> Result<(), RedisError> {
        match self.0 {}
    }

    pub(super) async fn put_new(&self, _: &str, _: &[u8], _: Duration) -> Result<bool, RedisError> {
        match self.0 {}
    }

    pub(super) async fn replace(
        &self,
        _: &str,
        _: &Nonce,
        _: &[u8],
        _: Duration,
    ) -> Result<bool, RedisError> {
        match self.0 {}
    }

    pub(super) async fn delete(&self, _: &str) -> Result<(), RedisError> {
        match self.0 {}
    }

    pub(super) async fn ping(&self) -> Result<(), RedisError> {
        match self.0 {}
    }
}
