//! What was measured, for people and for programs.

use serde::Serialize;

use super::growth::{Growth, Plan};
use super::store::Store;
use super::{Options, ScaleError, backlog};
use crate::figures::{Figures, Summary, shown, spread, table};
use crate::machine::Machine;

/// What a page, a list and a lease may cost in the largest table, beside what they cost in the smallest.
const AIM: f64 = 1.2;

#[derive(Serialize)]
struct Report<'a> {
    machine: &'a Machine,
    load_after: String,
    growth: &'a [Growth],
    plans: &'a [Plan],
    figures: Vec<Summary>,
}

pub(super) fn print(
    options: &Options,
    machine: Machine,
    growth: &[Growth],
    plans: &[Plan],
    figures: &Figures,
) -> Result<(), ScaleError> {
    let load_after = Machine::now().load;
    let summaries = figures.summaries();
    if options.json {
        let report = Report { machine: &machine, load_after, growth, plans, figures: summaries };
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    println!(
        "{}, {} cores; load {} before, {load_after} after\n",
        machine.model, machine.cores, machine.load
    );
    for store in Store::ALL {
        let of_store: Vec<_> = growth.iter().filter(|figure| figure.store == store.name()).collect();
        if !of_store.is_empty() {
            println!("{}", table(&grown(&of_store)));
        }
    }
    if !summaries.is_empty() {
        println!("{}", spread(["", ""], &summaries));
    }
    let ratios: Vec<_> =
        Store::ALL.iter().flat_map(|store| behind(*store, options.backlog, figures)).collect();
    if !ratios.is_empty() {
        println!("{}", table(&ratios));
    }
    for Plan { store, what, steps } in plans {
        println!("{store}: {what}\n  {}\n", steps.join("\n  "));
    }
    Ok(())
}

/// A row for each operation: its median in each table in microseconds, what the largest is of the smallest, and the 99th
/// hundredth of both.
fn grown(figures: &[&Growth]) -> Vec<Vec<String>> {
    let mut sizes: Vec<i64> = figures.iter().map(|figure| figure.rows).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let store = figures.first().map_or("", |figure| figure.store);
    let mut head = vec![store.to_owned(), "µs, p50".to_owned()];
    head.extend(sizes.iter().map(i64::to_string));
    head.extend(["×", "p99 of the first", "p99 of the last"].map(str::to_owned));
    let mut rows = vec![head];
    let mut names: Vec<&str> = Vec::new();
    for figure in figures {
        if !names.contains(&figure.what) {
            names.push(figure.what);
        }
    }
    for name in names {
        let of_size = |rows: i64| figures.iter().find(|figure| figure.what == name && figure.rows == rows);
        let medians = sizes.iter().map(|rows| of_size(*rows).map_or(f64::NAN, |figure| figure.p50));
        let medians: Vec<f64> = medians.collect();
        let ends = [sizes.first(), sizes.last()].map(|rows| rows.and_then(|rows| of_size(*rows)));
        let [Some(first), Some(last)] = ends else { continue };
        let times = last.p50 / first.p50;
        let mut row = vec![name.to_owned(), if times <= AIM { "" } else { "more than 1.2" }.to_owned()];
        row.extend(medians.into_iter().map(shown));
        row.extend([times, first.p99, last.p99].map(shown));
        rows.push(row);
    }
    rows
}

/// What each step of a job costs behind the backlog, beside what it costs without.
fn behind(store: Store, backlog: i64, figures: &Figures) -> Vec<Vec<String>> {
    let (none, all) = (backlog::of(store, 0), backlog::of(store, backlog));
    let names = backlog::BATCHES.into_iter().flat_map(backlog::names);
    let ratio = |what: String| {
        let times = figures.ratio((all.as_str(), what.as_str()), (none.as_str(), what.as_str()))?;
        Some(vec![format!("{}, behind {backlog} jobs ÷ behind none", store.name()), what, shown(times)])
    };
    names.filter_map(ratio).collect()
}
