//! What stands for counting in Redis in a program without the feature `redis`: a type that has no value. The check of
//! the settings lets no `store = "redis"` pass.

use std::convert::Infallible;

use super::client::Client;
use super::rule::{Rule, Verdict};
use crate::data::Redis;

pub(super) struct Shared(Infallible);

impl Shared {
    pub(super) fn new(redis: Redis, _: &[u8], _: String) -> Self {
        redis.absent()
    }

    pub(super) async fn check(&self, _: &[(&Rule, Client)]) -> Option<Vec<Verdict>> {
        match self.0 {}
    }
}
