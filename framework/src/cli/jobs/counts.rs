use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;

use super::desk::Desk;
use super::text::{json, safe, table};
use super::{CliError, Output};
use crate::data::Conn;
use crate::jobs::State;
use crate::jobs::store::{self, Count};

/// Beyond this it is not counted.
const LIMIT: usize = 100_000;

#[derive(Args)]
pub(super) struct Counts {
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    counts: Vec<CountView<'a>>,
}

#[derive(Serialize)]
struct CountView<'a> {
    queue: &'a str,
    state: &'static str,
    jobs: i64,
    /// There may be more.
    at_least: bool,
}

impl Counts {
    pub(super) async fn run(&self, desk: &Desk, output: &mut Output<'_>) -> Result<(), CliError> {
        let counts = desk.read(async |conn: &mut Conn| store::counts(conn, LIMIT).await).await?;
        if !self.json {
            return output.print(&render(&counts, LIMIT));
        }
        output.print(&json(&Document { counts: counts.iter().map(CountView::new).collect() })?)
    }
}

impl<'a> CountView<'a> {
    fn new(count: &'a Count) -> Self {
        let Count { queue, state, jobs } = count;
        Self { queue, state: state.name(), jobs: *jobs, at_least: reached(*jobs, LIMIT) }
    }
}

fn reached(jobs: i64, limit: usize) -> bool {
    usize::try_from(jobs).is_ok_and(|jobs| jobs >= limit)
}

/// A line per queue.
fn render(counts: &[Count], limit: usize) -> String {
    if counts.is_empty() {
        return "there are no jobs\n".to_owned();
    }
    let mut queues: BTreeMap<&str, [i64; State::ALL.len()]> = BTreeMap::new();
    for count in counts {
        let row = queues.entry(&count.queue).or_default();
        for (jobs, state) in row.iter_mut().zip(State::ALL) {
            if state == count.state {
                *jobs = count.jobs;
            }
        }
    }
    let shown = |jobs: &i64| if reached(*jobs, limit) { format!("{jobs}+") } else { jobs.to_string() };
    let head = std::iter::once("QUEUE".to_owned()).chain(State::ALL.map(|state| state.name().to_uppercase()));
    let rows =
        queues.iter().map(|(queue, row)| std::iter::once(safe(queue)).chain(row.iter().map(shown)).collect());
    let rows: Vec<Vec<String>> = std::iter::once(head.collect()).chain(rows).collect();
    table(&rows, |column| column > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_aligned_and_one_at_the_limit_says_so() {
        let count = |queue: &str, state, jobs| Count { queue: queue.to_owned(), state, jobs };
        let counts = [
            count("mails", State::Available, 7),
            count("orders", State::Available, 1000),
            count("orders", State::Dead, 999),
        ];
        assert_eq!(
            render(&counts, 1000),
            "\
QUEUE   AVAILABLE  RUNNING  COMPLETED  DEAD  CANCELLED  PARKED
mails           7        0          0     0          0       0
orders      1000+        0          0   999          0       0
"
        );
        assert_eq!(render(&[], 1000), "there are no jobs\n");
    }
}
