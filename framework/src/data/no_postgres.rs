//! What stands for PostgreSQL in a program without the feature `postgres`: types that have no value, so that the rest is
//! written once. No connection leads there, and a URL that does is refused.

use std::convert::Infallible;
use std::panic::Location;
use std::time::Duration;

use diesel::QueryResult;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::conn::Kind;
use super::error::DbError;
use super::listen::Heard;
use super::migrations::{MigrationState, Migrations, Task};
use super::pool::PoolSignals;
use super::traced::Hook;
use super::unit::Unit;
use crate::config::{DatabaseSettings, built_without};
use crate::telemetry::Telemetry;

/// A connection to PostgreSQL, which there is none of without the feature `postgres`.
pub struct Pooled(Infallible);

impl Pooled {
    /// Never called, as there is none to call it on: it stands where [`query!`](crate::query) has nothing to compile.
    #[doc(hidden)]
    pub fn absent(&self) -> ! {
        match self.0 {}
    }

    pub(super) fn hooks(&mut self) -> &mut Vec<Hook> {
        match self.0 {}
    }

    pub(super) fn work_for(&mut self, _: &'static Location<'static>) {
        match self.0 {}
    }

    pub(super) async fn begin(&mut self, _: Kind) -> QueryResult<()> {
        match self.0 {}
    }

    pub(super) async fn commit(&mut self) -> Result<(), DbError> {
        match self.0 {}
    }

    pub(super) async fn rollback(&mut self) -> QueryResult<()> {
        match self.0 {}
    }

    pub(super) fn is_broken(&mut self) -> bool {
        match self.0 {}
    }
}

pub(super) struct Postgres(Infallible);

impl Postgres {
    pub(super) fn new(_: &DatabaseSettings, _: &Telemetry) -> Result<Self, DbError> {
        let without = built_without("postgres", "use sqlite://path");
        Err(DbError::Url { reason: format!("is not sqlite://, and {without}") })
    }

    pub(super) fn shown(&self) -> &str {
        match self.0 {}
    }

    pub(super) fn signals(&self) -> &PoolSignals {
        match self.0 {}
    }

    pub(super) fn size(&self) -> usize {
        match self.0 {}
    }

    pub(super) fn longest_wait(&self) -> Duration {
        match self.0 {}
    }

    pub(super) fn submit(&self, _: Unit) {
        match self.0 {}
    }

    pub(super) fn close(&self) {
        match self.0 {}
    }

    pub(super) fn abandon(&self) {
        match self.0 {}
    }

    pub(super) async fn gone(&self) {
        match self.0 {}
    }

    pub(super) fn listen(&self, _: &'static str, _: mpsc::UnboundedSender<Heard>) -> AbortHandle {
        match self.0 {}
    }

    pub(super) async fn run_migrations(
        &self,
        _: &'static Migrations,
        _: Task,
    ) -> Result<Vec<MigrationState>, DbError> {
        match self.0 {}
    }
}
