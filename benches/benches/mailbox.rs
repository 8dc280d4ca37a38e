//! What a traced actor costs over a plain one of actix: a tell (one of a thousand) and an ask, on one arbiter.
//!
//! `cargo bench -p benches --bench mailbox` first prints the cost that each case adds per message, measured in turns
//! with the plain actor so that a noisy machine hits all of them alike, and then lets criterion measure each.

use std::hint::black_box;
use std::time::{Duration, Instant};

use actix::dev::ToEnvelope;
use actix::prelude::*;
use benches::nowhere::{Dropping, Nowhere};
use criterion::Criterion;
use opentelemetry::trace::{SpanContext, TraceContextExt as _, TraceFlags, TraceState, Tracer as _};
use opentelemetry::{Context as Cx, ContextGuard};
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider, TracerProviderBuilder};
use spanbox::actor::Actors;
use spanbox::telemetry::{Providers, Telemetry};

/// Messages told in a row before the actor gets its turn.
const BATCH: u32 = 1000;
const ROUNDS: usize = 200;

#[derive(Message)]
#[rtype(result = "u64")]
struct Add(u64);

macro_rules! adder {
    ($name:ident, $context:ty) => {
        struct $name(u64);

        impl Actor for $name {
            type Context = $context;
        }

        impl Handler<Add> for $name {
            type Result = u64;

            fn handle(&mut self, Add(number): Add, _: &mut Self::Context) -> u64 {
                self.0 = self.0.wrapping_add(number);
                self.0
            }
        }
    };
}

adder!(Plain, actix::Context<Self>);
adder!(Traced, spanbox::actor::Context<Self>);

/// One thing to measure: where to send to, and what to send from.
enum Target {
    Plain(Addr<Plain>),
    Traced(Addr<Traced>),
}

struct Case {
    name: &'static str,
    target: Target,
    sender: Cx,
}

impl Case {
    fn plain() -> Self {
        Self { name: "plain actix", target: Target::Plain(Plain(0).start()), sender: Cx::new() }
    }

    fn traced(name: &'static str, telemetry: &Telemetry, sender: Cx) -> Self {
        let actors = Actors::new(telemetry.clone());
        let addr = actors.actor("adder", |_: &mut spanbox::actor::Context<Traced>| Traced(0)).start();
        Self { name, target: Target::Traced(addr), sender }
    }

    fn sampled(
        name: &'static str,
        processor: impl FnOnce(TracerProviderBuilder) -> TracerProviderBuilder,
    ) -> Self {
        let telemetry = telemetry(processor);
        let root = telemetry.root();
        let span = telemetry.tracer().map(|tracer| tracer.start_with_context("sender", &root));
        let sender = span.map_or_else(|| root.clone(), |span| root.with_span(span));
        Self::traced(name, &telemetry, sender)
    }

    fn all() -> Vec<Self> {
        let unsampled = telemetry(|builder| builder.with_span_processor(Dropping));
        let parent = SpanContext::new(1.into(), 2.into(), TraceFlags::default(), false, TraceState::NONE);
        let sender = unsampled.root().with_remote_span_context(parent);
        vec![
            Self::plain(),
            Self::traced("no provider", &Telemetry::disabled(), Cx::new()),
            Self::traced("unsampled parent", &unsampled, sender),
            Self::sampled("sampled, dropped", |builder| builder.with_span_processor(Dropping)),
            Self::sampled("sampled, batched to nowhere", |builder| {
                builder.with_span_processor(BatchSpanProcessor::builder(Nowhere::default()).build())
            }),
        ]
    }

    fn enter(&self) -> ContextGuard {
        self.sender.clone().attach()
    }

    async fn tell(&self) -> Duration {
        match &self.target {
            Target::Plain(addr) => self.tell_to(addr).await,
            Target::Traced(addr) => self.tell_to(addr).await,
        }
    }

    async fn ask(&self, asks: u32) -> Duration {
        match &self.target {
            Target::Plain(addr) => self.ask_of(addr, asks).await,
            Target::Traced(addr) => self.ask_of(addr, asks).await,
        }
    }

    /// The time of a batch of tells and of the ask that awaits their end.
    async fn tell_to<A>(&self, addr: &Addr<A>) -> Duration
    where
        A: Actor + Handler<Add>,
        A::Context: ToEnvelope<A, Add>,
    {
        let start = Instant::now();
        let last = {
            let _cx = self.enter();
            for number in 0..u64::from(BATCH) {
                addr.do_send(Add(number));
            }
            addr.send(Add(1))
        };
        black_box(last.await.ok());
        start.elapsed()
    }

    async fn ask_of<A>(&self, addr: &Addr<A>, asks: u32) -> Duration
    where
        A: Actor + Handler<Add>,
        A::Context: ToEnvelope<A, Add>,
    {
        let start = Instant::now();
        for number in 0..u64::from(asks) {
            let asked = {
                let _cx = self.enter();
                addr.send(Add(number))
            };
            black_box(asked.await.ok());
        }
        start.elapsed()
    }
}

fn telemetry(processor: impl FnOnce(TracerProviderBuilder) -> TracerProviderBuilder) -> Telemetry {
    let traces = processor(SdkTracerProvider::builder()).build();
    Telemetry::from_providers(Providers { traces: Some(traces), ..Providers::default() })
}

/// All cases in turns: the median time, the median of what it adds to the plain actor of the same turn, and in
/// brackets the difference of their tenth percentiles: what is added when nothing else disturbs either of them.
fn in_turns(system: &SystemRunner, cases: &[Case]) {
    let mut times = vec![[Vec::new(), Vec::new()]; cases.len()];
    for _ in 0..ROUNDS {
        for (case, [tells, asks]) in cases.iter().zip(&mut times) {
            tells.push(per_message(system.block_on(case.tell())));
            asks.push(per_message(system.block_on(case.ask(BATCH))));
        }
    }
    println!("{:<28} {:>24} {:>24}", "ns per message:", "tell, added (quiet)", "ask, added (quiet)");
    for (case, [tells, asks]) in cases.iter().zip(&times) {
        let cell = |mine: &[f64], plain: &[f64]| {
            let time = quantile(mine.iter().copied(), 0.5);
            let added = quantile(mine.iter().zip(plain).map(|(mine, plain)| mine - plain), 0.5);
            let quiet = quantile(mine.iter().copied(), 0.1) - quantile(plain.iter().copied(), 0.1);
            format!("{time:.0} {added:+.0} ({quiet:+.0})")
        };
        println!("{:<28} {:>24} {:>24}", case.name, cell(tells, &times[0][0]), cell(asks, &times[0][1]));
    }
}

fn per_message(batch: Duration) -> f64 {
    batch.as_nanos() as f64 / f64::from(BATCH)
}

fn quantile(values: impl Iterator<Item = f64>, part: f64) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * part) as usize]
}

fn main() {
    let system = System::new();
    let cases = system.block_on(async { Case::all() });
    // With the name of a case as a filter, only that one runs: for a profiler.
    if !std::env::args().skip(1).any(|argument| !argument.starts_with('-')) {
        in_turns(&system, &cases);
    }
    let mut criterion = Criterion::default().configure_from_args();
    for case in &cases {
        criterion.bench_function(&format!("{BATCH} tells, {}", case.name), |bencher| {
            bencher.iter_custom(|times| {
                system.block_on(async {
                    let mut total = Duration::ZERO;
                    for _ in 0..times {
                        total += case.tell().await;
                    }
                    total
                })
            });
        });
        criterion.bench_function(&format!("ask, {}", case.name), |bencher| {
            bencher.iter_custom(|times| system.block_on(case.ask(u32::try_from(times).unwrap_or(u32::MAX))));
        });
    }
    criterion.final_summary();
}
