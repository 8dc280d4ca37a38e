//! What was measured, for people and for programs.

use serde::Serialize;

use super::bare::LIMIT;
use super::peers::Peer;
use super::place::Store;
use super::running::RUN;
use super::{MeasureError, Options};
use crate::figures::{Figures, Summary, shown, table};
use crate::machine::Machine;

#[derive(Serialize)]
struct Report {
    machine: Machine,
    load_after: String,
    versions: Vec<String>,
    rounds: u16,
    figures: Vec<Summary>,
    ratios: Vec<Ratio>,
}

/// A figure that another one is held against, with what is aimed for.
#[derive(Serialize)]
struct Ratio {
    what: String,
    is: f64,
    aim: String,
    reached: bool,
}

pub(super) fn print(
    options: &Options,
    figures: &Figures,
    machine: Machine,
    versions: Vec<String>,
) -> Result<(), MeasureError> {
    let report = Report {
        load_after: Machine::now().load,
        machine,
        versions,
        rounds: options.rounds,
        figures: figures.summaries(),
        ratios: ratios(figures),
    };
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    let Machine { model, cores, load } = &report.machine;
    println!("{model}, {cores} cores; load {load} before, {} after", report.load_after);
    println!("{}; {} rounds\n", report.versions.join(", "), report.rounds);
    let mut rows = vec![["", "", "median", "least", "most", "unit"].map(str::to_owned).to_vec()];
    for figure in &report.figures {
        let numbers = [figure.median, figure.least, figure.most].map(shown);
        let mut row = vec![figure.of.clone(), figure.what.clone()];
        row.extend(numbers);
        row.push(figure.unit.to_owned());
        rows.push(row);
    }
    println!("{}", table(&rows));
    let mut rows = vec![["", "", "is", "aim"].map(str::to_owned).to_vec()];
    for Ratio { what, is, aim, reached } in &report.ratios {
        let mark = if *reached { "reached" } else { "missed" };
        rows.push(vec![what.clone(), mark.to_owned(), shown(*is), aim.clone()]);
    }
    println!("{}", table(&rows));
    Ok(())
}

fn ratios(figures: &Figures) -> Vec<Ratio> {
    let mut ratios = Vec::new();
    let mut at_least = |what: String, is: Option<f64>, aim: f64| {
        ratios.extend(is.map(|is| Ratio { what, is, aim: format!("at least {aim}"), reached: is >= aim }));
    };
    for store in Store::ALL {
        let name = store.name();
        at_least(format!("{name}: run ÷ limit"), figures.ratio((name, RUN), (name, LIMIT)), 0.4);
    }
    for peer in Peer::ALL {
        let (ours, aim) = peer.aim();
        let what = format!("{} ÷ {}", ours.name(), peer.name());
        at_least(what, figures.ratio((ours.name(), RUN), (peer.name(), peer.what())), aim);
    }
    let mut at_most = |store: Store, what: &str, aim: f64| {
        let is = figures.median(store.name(), what);
        let what = format!("{}: {what}, ms", store.name());
        ratios.extend(is.map(|is| Ratio { what, is, aim: format!("at most {aim}"), reached: is <= aim }));
    };
    at_most(Store::Sqlite, "pickup when idle: p50", 1.0);
    at_most(Store::Postgres, "pickup when idle: p50", 4.0);
    at_most(Store::Postgres, "pickup when idle: p99", 15.0);
    ratios
}
