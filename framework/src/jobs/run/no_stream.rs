//! What stands for the streams of Redis in a program without the feature `redis`: types that have no value, so that the
//! rest is written once. The database hands all jobs out.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::floor::{Floor, Stop};
use crate::data::{Db, Redis, RedisError};
use crate::jobs::error::JobsError;
use crate::jobs::store::Leased;

pub(super) struct Entry(Infallible);

impl Entry {
    pub(super) fn taken(self, _: &Arc<str>, _: bool) -> (Arc<Delivery>, Vec<Leased>) {
        match self.0 {}
    }
}

pub(super) struct Delivery(Infallible);

impl Delivery {
    pub(super) fn leave(self: Arc<Self>) -> Option<Arc<Self>> {
        match self.0 {}
    }
}

pub(super) struct Stream(Infallible);

impl Stream {
    pub(super) async fn open(redis: Redis, _: &Db, _: String, _: &[Arc<str>]) -> Result<Self, JobsError> {
        redis.absent()
    }

    pub(super) async fn waiting(&self, _: &str) -> Result<usize, RedisError> {
        match self.0 {}
    }

    pub(super) async fn beat(&self, _: Duration, _: &[Arc<Delivery>]) -> Result<(), RedisError> {
        match self.0 {}
    }

    pub(super) async fn leave(&self) -> Result<(), RedisError> {
        match self.0 {}
    }
}

pub(super) struct Feed(Infallible);

impl Feed {
    pub(super) fn new(stream: Arc<Stream>, _: Arc<str>, _: watch::Receiver<Stop>, _: Db) -> Self {
        match stream.0 {}
    }

    pub(super) fn reads(&self) -> bool {
        match self.0 {}
    }

    pub(super) fn want(&mut self, _: usize) {
        match self.0 {}
    }

    pub(super) async fn next(&mut self) -> Vec<Entry> {
        match self.0 {}
    }

    pub(super) fn is_current(&self, _: &Entry) -> bool {
        match self.0 {}
    }
}

pub(super) async fn acknowledge(
    stream: Arc<Stream>,
    _: Arc<str>,
    _: mpsc::UnboundedReceiver<Arc<Delivery>>,
    _: watch::Receiver<Stop>,
) {
    match stream.0 {}
}

pub(super) async fn relay_all(_: &Floor, stream: &Stream) {
    match stream.0 {}
}

pub(super) async fn check_epoch(_: &Floor, stream: &Stream) -> Result<(), JobsError> {
    match stream.0 {}
}

pub(super) async fn sweep(_: &Floor, stream: &Stream) -> Result<(), JobsError> {
    match stream.0 {}
}
