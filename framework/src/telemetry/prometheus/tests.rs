use std::collections::{BTreeMap, BTreeSet};

use opentelemetry::KeyValue;

use super::Exposition;
use crate::telemetry::{ServiceInfo, Setup, Telemetry};

/// A family as a strict reader of the text takes it.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    help: String,
    unit: String,
    /// By name and labels, the labels in their order.
    samples: BTreeMap<String, String>,
}

impl Family {
    fn value(&self, sample: &str) -> f64 {
        let value = self.samples.get(sample).unwrap_or_else(|| panic!("no {sample} in {self:#?}"));
        value.trim_start_matches('+').parse().unwrap()
    }
}

/// Reads a text as strictly as both formats demand: one family in one place, its metadata first, legal names, no sample
/// twice, buckets that grow.
fn parse(text: &str, exposition: Exposition) -> BTreeMap<String, Family> {
    let open = exposition == Exposition::OpenMetrics;
    let body = if open { text.strip_suffix("# EOF\n").expect("it ends in # EOF") } else { text };
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in body.strip_suffix('\n').expect("the last line ends").split('\n') {
        if let Some(comment) = line.strip_prefix("# ") {
            let (word, rest) = comment.split_once(' ').unwrap();
            let (name, value) = rest.split_once(' ').unwrap();
            assert!(is_name(name, true), "{line}");
            if name != current {
                assert!(!families.contains_key(name), "{name} stands in two places");
                current = name.to_owned();
            }
            let family = families.entry(current.clone()).or_default();
            assert!(family.samples.is_empty(), "metadata behind samples: {line}");
            let place = match word {
                "HELP" => &mut family.help,
                "TYPE" => &mut family.kind,
                "UNIT" if open => &mut family.unit,
                _ => panic!("{line}"),
            };
            assert!(place.is_empty(), "twice: {line}");
            value.clone_into(place);
            continue;
        }
        let family = families.get_mut(&current).expect("a family before its samples");
        let (series, value) = sample(line);
        let suffix =
            series.strip_prefix(current.as_str()).unwrap_or_else(|| panic!("{line} is not of {current}"));
        let suffix = suffix.split('{').next().unwrap();
        let allowed: &[&str] = match (family.kind.as_str(), open) {
            ("counter", true) => &["_total"],
            ("info", true) => &["_info"],
            ("histogram", _) => &["_bucket", "_sum", "_count"],
            ("counter" | "gauge", _) => &[""],
            (kind, _) => panic!("{kind}: {line}"),
        };
        assert!(allowed.contains(&suffix), "{line}");
        assert!(family.kind != "counter" || open || current.ends_with("_total"), "{line}");
        assert!(family.unit.is_empty() || current.ends_with(&format!("_{}", family.unit)), "{line}");
        let number = value.trim_start_matches('+').parse::<f64>();
        assert!(number.is_ok(), "{line}");
        assert!(family.samples.insert(series.to_owned(), value.to_owned()).is_none(), "twice: {line}");
    }
    families.values().filter(|family| family.kind == "histogram").for_each(buckets_grow);
    families
}

/// The series and the value of a line, after a look at each label.
fn sample(line: &str) -> (&str, &str) {
    let Some((name, rest)) = line.split_once('{') else { return line.split_once(' ').unwrap() };
    assert!(is_name(name, true), "{line}");
    let mut rest = rest;
    let mut seen = BTreeSet::new();
    loop {
        let (label, value) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
        assert!(is_name(label, false) && seen.insert(label), "{line}");
        let mut escape = false;
        let end = value.find(|c: char| {
            let (was, plain) = (escape, !escape);
            assert!(plain || ['\\', '"', 'n'].contains(&c), "{line}");
            escape = plain && c == '\\';
            plain && !was && c == '"'
        });
        rest = &value[end.unwrap_or_else(|| panic!("{line}")) + 1..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => break,
        }
    }
    let value = rest.strip_prefix("} ").unwrap_or_else(|| panic!("{line}"));
    (&line[..line.len() - value.len() - 1], value)
}

fn is_name(name: &str, colons: bool) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colons && c == ':');
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(legal)
}

fn buckets_grow(family: &Family) {
    let mut series: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for (name, value) in family.samples.iter().filter(|(name, _)| name.contains("_bucket{")) {
        let (before, rest) = name.split_once("le=\"").unwrap();
        let (bound, after) = rest.split_once('"').unwrap();
        let bound = bound.trim_start_matches('+').parse().unwrap();
        series.entry(format!("{before}{after}")).or_default().push((bound, value.parse().unwrap()));
    }
    for buckets in series.values_mut() {
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(buckets.is_sorted_by(|a, b| a.1 <= b.1), "{buckets:?}");
        assert_eq!(buckets.last().unwrap().0, f64::INFINITY, "{buckets:?}");
    }
}

fn scraped() -> Telemetry {
    Setup::new(ServiceInfo::new("orders", "1.0.0")).environment([]).scraped(true).build().unwrap()
}

fn read(telemetry: &Telemetry, exposition: Exposition) -> BTreeMap<String, Family> {
    parse(&telemetry.exposition(exposition).unwrap(), exposition)
}

#[test]
fn every_kind_of_instrument_is_read_by_a_strict_reader_of_either_format() {
    let telemetry = scraped();
    let meter = telemetry.meter().unwrap();
    let stage = [KeyValue::new("order.stage", "paid")];
    meter.u64_counter("orders.placed").with_description("Orders.\nAll \\ of them.").build().add(3, &stage);
    meter.f64_counter("process.cpu.time").with_unit("s").build().add(0.5, &[]);
    meter.i64_up_down_counter("orders.open").with_unit("{order}").build().add(-2, &stage);
    meter.f64_gauge("load").with_unit("1").build().record(0.25, &[]);
    let duration = meter.f64_histogram("wait").with_unit("s").with_boundaries(vec![0.1, 1.0]).build();
    for value in [0.05, 0.5, 0.7, 30.0] {
        duration.record(value, &stage);
    }
    let labels = "order_stage=\"paid\",otel_scope_name=\"spanbox\"";
    for exposition in [Exposition::Prometheus, Exposition::OpenMetrics] {
        let families = read(&telemetry, exposition);
        let open = exposition == Exposition::OpenMetrics;
        let placed = &families[if open { "orders_placed" } else { "orders_placed_total" }];
        assert_eq!((placed.kind.as_str(), placed.help.as_str()), ("counter", "Orders.\\nAll \\\\ of them."));
        assert_eq!(placed.value(&format!("orders_placed_total{{{labels}}}")), 3.0);
        let cpu = &families[if open { "process_cpu_time_seconds" } else { "process_cpu_time_seconds_total" }];
        assert_eq!(cpu.value("process_cpu_time_seconds_total{otel_scope_name=\"spanbox\"}"), 0.5);
        assert_eq!(cpu.unit, if open { "seconds" } else { "" });
        let open_orders = &families["orders_open"];
        assert_eq!(open_orders.kind, "gauge");
        assert_eq!(open_orders.value(&format!("orders_open{{{labels}}}")), -2.0);
        assert_eq!(families["load_ratio"].value("load_ratio{otel_scope_name=\"spanbox\"}"), 0.25);
        let wait = &families["wait_seconds"];
        let bucket = |bound| wait.value(&format!("wait_seconds_bucket{{{labels},le=\"{bound}\"}}"));
        assert_eq!((bucket("0.1"), bucket("1.0"), bucket("+Inf")), (1.0, 3.0, 4.0));
        assert_eq!(wait.value(&format!("wait_seconds_sum{{{labels}}}")), 31.25);
        assert_eq!(wait.value(&format!("wait_seconds_count{{{labels}}}")), 4.0);
        let target = &families[if open { "target" } else { "target_info" }];
        let (series, value) = target.samples.first_key_value().unwrap();
        assert!(series.contains("service_name=\"orders\"") && value == "1", "{series}");
    }
}

#[test]
fn what_a_label_may_hold_is_anything_and_names_that_become_one_are_one_label() {
    let telemetry = scraped();
    let hostile = "a\"b\\c\nd} 1\n# EOF\ne=\"é\"";
    let attributes = [
        KeyValue::new("text", hostile),
        KeyValue::new("user.kind", "2"),
        KeyValue::new("user-kind", "1"),
        KeyValue::new("le", "3"),
        KeyValue::new("__otel scope", true),
    ];
    telemetry.meter_of("shop").unwrap().u64_histogram("tries").build().record(1, &attributes);
    for exposition in [Exposition::Prometheus, Exposition::OpenMetrics] {
        let families = read(&telemetry, exposition);
        let series = families["tries"].samples.keys().find(|name| name.contains("_count{")).unwrap();
        assert!(series.contains("user_kind=\"1;2\""), "{series}");
        assert!(series.contains("le_=\"3\""), "{series}");
        assert!(series.contains(r#"text="a\"b\\c\nd} 1\n# EOF\ne=\"é\"""#), "{series}");
    }
}

#[test]
fn one_name_in_two_scopes_is_one_family_and_of_two_kinds_the_first_is_written() {
    let telemetry = scraped();
    telemetry.meter_of("a").unwrap().u64_counter("done").build().add(1, &[]);
    telemetry.meter_of("b").unwrap().u64_counter("done").build().add(2, &[]);
    telemetry.meter_of("a").unwrap().u64_counter("odd").build().add(1, &[]);
    telemetry.meter_of("b").unwrap().u64_gauge("odd").build().record(1, &[]);
    let families = read(&telemetry, Exposition::OpenMetrics);
    assert_eq!(families["done"].samples.len(), 2);
    assert_eq!(families["odd"].samples.len(), 1);
}

#[test]
fn a_scrape_changes_nothing_of_the_next_one() {
    let telemetry = scraped();
    let done = telemetry.meter().unwrap().u64_counter("done").build();
    for expected in 1..=3 {
        done.add(1, &[]);
        let families = read(&telemetry, Exposition::Prometheus);
        assert_eq!(
            families["done_total"].value("done_total{otel_scope_name=\"spanbox\"}"),
            f64::from(expected)
        );
    }
}

#[test]
fn nobody_scrapes_what_was_not_asked_for() {
    let telemetry = Setup::new(ServiceInfo::new("orders", "1.0.0")).environment([]).build().unwrap();
    assert!(telemetry.meter().is_none());
    assert_eq!(telemetry.exposition(Exposition::Prometheus), None);
}
