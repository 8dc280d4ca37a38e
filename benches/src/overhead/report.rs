//! What was measured, for people and for programs.

use serde::Serialize;

use super::case::{Case, Program, Recorded, Route};
use super::peers::Peer;
use super::turn::{CPU, LOST, MEMORY, P50, P99, THROUGHPUT, figure};
use super::{Options, OverheadError};
use crate::figures::{Figures, Summary, quantile, shown, table};
use crate::machine::Machine;

/// Where and with what.
pub(super) struct Setting {
    pub(super) machine: Machine,
    pub(super) versions: Vec<String>,
    pub(super) cores: Option<(usize, usize)>,
    pub(super) notes: Vec<String>,
}

#[derive(Serialize)]
struct Report {
    machine: Machine,
    load_after: String,
    versions: Vec<String>,
    /// The cores of the server, and of everything else.
    cores: Option<(usize, usize)>,
    rounds: u16,
    seconds: u64,
    connections: u32,
    figures: Vec<Summary>,
    ratios: Vec<Ratio>,
    notes: Vec<String>,
}

/// Two figures of each round, held against each other.
#[derive(Serialize)]
struct Ratio {
    what: String,
    median: f64,
    least: f64,
    most: f64,
    aim: String,
    reached: bool,
}

pub(super) fn print(
    options: &Options,
    cases: &[Case],
    figures: &Figures,
    setting: Setting,
) -> Result<(), OverheadError> {
    let report = Report {
        machine: setting.machine,
        load_after: Machine::now().load,
        versions: setting.versions,
        cores: setting.cores,
        rounds: options.rounds,
        seconds: options.seconds,
        connections: options.connections,
        figures: figures.summaries(),
        ratios: ratios(figures),
        notes: setting.notes,
    };
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    let Machine { model, cores, load } = &report.machine;
    println!("{model}, {cores} cores; load {load} before, {} after", report.load_after);
    println!("{}", report.versions.join(", "));
    let place = match report.cores {
        Some((server, rest)) => {
            format!("the server on core {server}, the clients and the collector on core {rest}")
        }
        None => "everything on one core, since there is but one".to_owned(),
    };
    println!(
        "{} rounds of {} s, {} connections; {place}\n",
        report.rounds, report.seconds, report.connections
    );
    for route in Route::ALL {
        let of_route: Vec<Case> = cases.iter().copied().filter(|case| case.route == route).collect();
        if !of_route.is_empty() {
            println!("{}", of(route, &of_route, figures));
        }
    }
    println!(
        "Medians; in brackets those of the rounds' ratios to the first row, for throughput with the least and the most."
    );
    for note in &report.notes {
        println!("- {note}");
    }
    let mut rows = vec![["", "", "median", "least", "most", "aim"].map(str::to_owned).to_vec()];
    for Ratio { what, median, least, most, aim, reached } in &report.ratios {
        let mark = if *reached { "reached" } else { "missed" };
        let mut row = vec![what.clone(), mark.to_owned()];
        row.extend([median, least, most].map(|value| shown(*value)));
        row.push(aim.clone());
        rows.push(row);
    }
    if !report.ratios.is_empty() {
        println!("\n{}", table(&rows));
    }
    Ok(())
}

/// The table of a route.
fn of(route: Route, cases: &[Case], figures: &Figures) -> String {
    let name = route.name();
    let first = Case::baseline(route);
    let heads =
        [name, "", "p50, ms", "p99, ms", "throughput, 1/s", "CPU, µs a request", "memory, MiB", "spans lost"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for case in cases {
        let median = |what| figures.median(name, &figure(*case, what)).unwrap_or(f64::NAN);
        let times = |what| {
            let (one, other) = (figure(*case, what), figure(first, what));
            figures.pairs((name, &one), (name, &other), |one, other| one / other)
        };
        let with_ratio = |what| {
            let median = shown(median(what));
            if *case == first { median } else { format!("{median} ({:.2})", quantile(&times(what), 0.5)) }
        };
        let mut throughput = with_ratio(THROUGHPUT);
        if *case != first {
            let times = times(THROUGHPUT);
            let spread = format!(", {:.2}–{:.2})", quantile(&times, 0.0), quantile(&times, 1.0));
            throughput = throughput.replace(')', &spread);
        }
        let (one, other) = (figure(*case, CPU), figure(first, CPU));
        let more = figures.pairs((name, &one), (name, &other), |one, other| one - other);
        let mut cpu = shown(median(CPU));
        if *case != first {
            cpu = format!("{cpu} ({:+.1})", quantile(&more, 0.5));
        }
        let lost = format!("{:.0} %", median(LOST));
        let row = [with_ratio(P50), with_ratio(P99), throughput, cpu, with_ratio(MEMORY), lost];
        rows.push([case.variant(), String::new()].into_iter().chain(row).collect());
    }
    table(&rows)
}

/// What is aimed for, of what was measured.
fn ratios(figures: &Figures) -> Vec<Ratio> {
    let mut all = Vec::new();
    let mut hold = |what: String, values: Vec<f64>, at_least: bool, aim: f64| {
        if values.is_empty() {
            return;
        }
        let median = quantile(&values, 0.5);
        all.push(Ratio {
            what,
            median,
            least: quantile(&values, 0.0),
            most: quantile(&values, 1.0),
            aim: format!("{} {aim}", if at_least { "at least" } else { "at most" }),
            reached: if at_least { median >= aim } else { median <= aim },
        });
    };
    let times = |one: Case, other: Case, what| {
        let (first, second) = (figure(one, what), figure(other, what));
        figures.pairs((one.route.name(), &first), (other.route.name(), &second), |one, other| one / other)
    };
    let hello = |recorded| Case { route: Route::Hello, program: Program::Lean, recorded };
    let bare = Case::baseline(Route::Hello);
    for (recorded, aim) in [(Recorded::Metrics, 0.85), (Recorded::Tenth, 0.95), (Recorded::Nothing, 0.99)] {
        let case = hello(recorded);
        hold(format!("{} ÷ bare: throughput", case.name()), times(case, bare, THROUGHPUT), true, aim);
    }
    let metrics = hello(Recorded::Metrics);
    let (one, other) = (figure(metrics, CPU), figure(bare, CPU));
    let name = Route::Hello.name();
    let more = figures.pairs((name, &one), (name, &other), |one, other| one - other);
    hold(format!("{} − bare: CPU, µs", metrics.name()), more, false, 2.0);
    for route in Route::ALL.into_iter().filter(|route| *route != Route::Hello) {
        let traced = Case { route, program: Program::Orders, recorded: Recorded::Traces };
        let untraced = Case::baseline(route);
        for (what, at_least, aim) in [(THROUGHPUT, true, 0.97), (P99, false, 1.05), (MEMORY, false, 1.1)] {
            let name = format!("{} ÷ without: {}", traced.name(), what.0);
            hold(name, times(traced, untraced, what), at_least, aim);
        }
        // Each had one core.
        let flask = Case { route, program: Program::Peer(Peer::Flask), recorded: Recorded::Traces };
        for (what, at_least, aim) in [(THROUGHPUT, true, 20.0), (MEMORY, false, 0.25)] {
            let name = format!("{} ÷ Flask, traced: {}", traced.name(), what.0);
            hold(name, times(traced, flask, what), at_least, aim);
        }
    }
    all
}
