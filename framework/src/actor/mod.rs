#![doc = include_str!("schema.md")]

mod actors;
mod answer;
mod ask;
mod blocking;
mod carried;
mod causality;
mod context;
mod desk;
mod drain;
mod hop;
mod label;
mod later;
mod letter;
mod mail;
mod metrics;
mod origin;
mod outcome;
mod pool;
mod recorder;
mod refusal;
mod restart;
mod runner;
mod stamp;
mod vitals;

#[cfg(test)]
mod tests;

pub use actors::{ActorBuilder, Actors, BlockingPoolBuilder, PoolBuilder};
pub use ask::{AskError, AskExt, ask, offer};
pub use blocking::BlockingContext;
pub use causality::Causality;
pub use context::Context;
pub use drain::DrainReport;
pub use mail::Mail;
pub use outcome::Outcome;
pub use pool::Pool;
pub use restart::RestartPolicy;
pub use vitals::{ActorCondition, ActorSnapshot};
