//! What ten thousand actors cost: memory of each, and a message to all.

use std::time::Instant;

use actix::prelude::*;
use futures_util::future::join_all;
use spanbox::actor::{Actors, Context};
use spanbox::telemetry::Telemetry;

use super::ScaleError;
use crate::figures::Figures;
use crate::machine::memory_of;
use crate::nowhere;

#[derive(Message)]
#[rtype(result = "u64")]
struct Ping;

/// It remembers how often it was asked.
struct Asked(u64);

impl Actor for Asked {
    type Context = Context<Self>;
}

impl Handler<Ping> for Asked {
    type Result = u64;

    fn handle(&mut self, _: Ping, _: &mut Self::Context) -> u64 {
        self.0 += 1;
        self.0
    }
}

pub(super) async fn measure(count: usize, rounds: u16, into: &mut Figures) -> Result<(), ScaleError> {
    // Kept until the end: memory that one of the two gave back would be the other's.
    let without = Actors::new(Telemetry::disabled());
    let _kept = actors(&without, "no telemetry", count, rounds, into).await?;
    let (telemetry, _nowhere) = nowhere::telemetry()?;
    let with = Actors::new(telemetry);
    let _kept = actors(&with, "all recorded", count, rounds, into).await?;
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "figures for people")]
async fn actors(
    actors: &Actors,
    name: &str,
    count: usize,
    rounds: u16,
    into: &mut Figures,
) -> Result<Vec<Addr<Asked>>, ScaleError> {
    let of = format!("{count} actors, {name}");
    let memory = || memory_of(std::process::id()) * 1024.0 / count as f64;
    let (before, began) = (memory(), Instant::now());
    let all: Vec<_> =
        (0..count).map(|_| actors.actor("asked", |_: &mut Context<Asked>| Asked(0)).start()).collect();
    let answers = join_all(all.iter().map(|actor| actor.send(Ping))).await;
    into.add(
        of.as_str(),
        "started, and asked once",
        "µs/actor",
        began.elapsed().as_secs_f64() * 1e6 / count as f64,
    );
    into.add(of.as_str(), "memory", "KiB/actor", memory() - before);
    let mut asked = answers.iter().filter(|answer| answer.is_ok()).count();
    for _ in 0..rounds {
        let began = Instant::now();
        let answers = join_all(all.iter().map(|actor| actor.send(Ping))).await;
        into.add(
            of.as_str(),
            "all asked at once",
            "µs/message",
            began.elapsed().as_secs_f64() * 1e6 / count as f64,
        );
        asked += answers.iter().filter(|answer| answer.is_ok()).count();
    }
    into.add(of.as_str(), "memory after that", "KiB/actor", memory() - before);
    if asked == count * (usize::from(rounds) + 1) { Ok(all) } else { Err(ScaleError::Unanswered(asked)) }
}
