//! OpenTelemetry's names as Prometheus's, by the specification's "Prometheus and OpenMetrics Compatibility".

use std::borrow::Cow;

/// What an instrument is to Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The name of an instrument with the unit at its end, and that unit. A counter's `_total` is left to its samples.
pub(crate) fn family(name: &str, unit: &str, kind: Kind) -> (String, Option<Cow<'static, str>>) {
    let mut name = legal(name, |c| c == ':');
    if kind == Kind::Counter {
        name.truncate(name.strip_suffix("_total").unwrap_or(&name).len());
    }
    let unit = match unit {
        // A share of something, where it is not a count of it.
        "1" => (kind == Kind::Gauge).then_some(Cow::Borrowed("ratio")),
        unit => suffix(unit),
    };
    if let Some(unit) = &unit
        && !name.strip_suffix(&**unit).is_some_and(|rest| rest.is_empty() || rest.ends_with('_'))
    {
        name.push('_');
        name.push_str(unit);
    }
    (name, unit)
}

/// The name of an attribute as a label's.
pub(crate) fn label(name: &str) -> String {
    match name {
        // A bucket's own, and a quantile's.
        "le" | "quantile" => format!("{name}_"),
        _ => legal(name, |_| false),
    }
}

/// Letters, digits and single `_`, and not a digit first.
fn legal(name: &str, also: fn(char) -> bool) -> String {
    let mut legal = String::with_capacity(name.len() + 1);
    for c in name.chars() {
        if legal.is_empty() && c.is_ascii_digit() {
            legal.push('_');
        }
        if c.is_ascii_alphanumeric() || also(c) {
            legal.push(c);
        } else if !legal.ends_with('_') {
            legal.push('_');
        }
    }
    if legal.is_empty() { "_".to_owned() } else { legal }
}

/// A unit of UCUM as Prometheus says it; `{annotations}` are none.
fn suffix(unit: &str) -> Option<Cow<'static, str>> {
    match unit.split_once('/') {
        None => plural(unit).map(Cow::Borrowed),
        Some((of, per)) => {
            let per = singular(per)?;
            Some(Cow::Owned(plural(of).map_or_else(|| format!("per_{per}"), |of| format!("{of}_per_{per}"))))
        }
    }
}

fn plural(unit: &str) -> Option<&'static str> {
    Some(match unit {
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "TiBy" => "tibibytes",
        "KBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "TBy" => "terabytes",
        "m" => "meters",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "Cel" => "celsius",
        "Hz" => "hertz",
        "%" => "percent",
        _ => return None,
    })
}

fn singular(unit: &str) -> Option<&'static str> {
    Some(match unit {
        "s" => "second",
        "min" | "m" => "minute",
        "h" => "hour",
        "d" => "day",
        "w" => "week",
        "mo" => "month",
        "y" => "year",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_its_unit_at_its_end_once() {
        for (name, unit, kind, expected) in [
            ("http.server.request.duration", "s", Kind::Histogram, "http_server_request_duration_seconds"),
            ("http.server.active_requests", "{request}", Kind::Gauge, "http_server_active_requests"),
            ("process.cpu.time", "s", Kind::Counter, "process_cpu_time_seconds"),
            ("wait_seconds", "s", Kind::Histogram, "wait_seconds"),
            ("bytes", "By", Kind::Gauge, "bytes"),
            ("kilobytes", "By", Kind::Gauge, "kilobytes_bytes"),
            ("process.cpu.utilization", "1", Kind::Gauge, "process_cpu_utilization_ratio"),
            ("jobs.done.total", "1", Kind::Counter, "jobs_done"),
            ("disk.speed", "By/s", Kind::Gauge, "disk_speed_bytes_per_second"),
            ("disk.rate", "{write}/s", Kind::Gauge, "disk_rate_per_second"),
            ("odd", "furlong/fortnight", Kind::Gauge, "odd"),
            ("5xx--count", "", Kind::Counter, "_5xx_count"),
            ("rule:sum", "", Kind::Gauge, "rule:sum"),
        ] {
            assert_eq!(family(name, unit, kind).0, expected, "{name} {unit}");
        }
    }

    #[test]
    fn a_label_is_a_legal_one_and_never_the_buckets() {
        for (name, expected) in [
            ("http.route", "http_route"),
            ("a:b", "a_b"),
            ("1st", "_1st"),
            ("é", "_"),
            ("", "_"),
            ("le", "le_"),
        ] {
            assert_eq!(label(name), expected, "{name}");
        }
    }
}
