//! Figures of several rounds: their median and spread, side by side.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

/// What was measured.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Where: the store, or the other queue.
    pub of: String,
    /// What of it.
    pub what: String,
    /// In which unit.
    pub unit: &'static str,
}

/// All that was measured, in the order of its first measurement.
#[derive(Debug, Default)]
pub struct Figures {
    order: Vec<Key>,
    samples: BTreeMap<Key, Vec<f64>>,
}

/// A figure over all rounds.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Where it was measured.
    pub of: String,
    /// What it is.
    pub what: String,
    /// Its unit.
    pub unit: &'static str,
    /// Of an even number of rounds the lower one in the middle.
    pub median: f64,
    /// The least of all rounds.
    pub least: f64,
    /// The most of all rounds.
    pub most: f64,
    /// One for each round.
    pub samples: Vec<f64>,
}

impl Figures {
    /// Adds the figure of a round.
    pub fn add(&mut self, of: impl Into<String>, what: impl Into<String>, unit: &'static str, value: f64) {
        let key = Key { of: of.into(), what: what.into(), unit };
        if !self.samples.contains_key(&key) {
            self.order.push(key.clone());
        }
        self.samples.entry(key).or_default().push(value);
    }

    /// The figures over all rounds.
    #[must_use]
    pub fn summaries(&self) -> Vec<Summary> {
        self.order.iter().filter_map(|key| Some(summary(key, self.samples.get(key)?))).collect()
    }

    /// The median of a figure, if it was measured.
    #[must_use]
    pub fn median(&self, of: &str, what: &str) -> Option<f64> {
        let (_, samples) = self.samples.iter().find(|(key, _)| key.of == of && key.what == what)?;
        Some(quantile(samples, 0.5))
    }

    /// How many times the one figure is of the other: the median of the rounds' ratios, since both figures of a round
    /// had the same neighbours.
    #[must_use]
    pub fn ratio(&self, one: (&str, &str), other: (&str, &str)) -> Option<f64> {
        let ratios = self.pairs(one, other, |one, other| one / other);
        (!ratios.is_empty()).then(|| quantile(&ratios, 0.5))
    }

    /// What is made of two figures of each round; nothing where one of them was not measured.
    #[must_use]
    pub fn pairs(&self, one: (&str, &str), other: (&str, &str), make: impl Fn(f64, f64) -> f64) -> Vec<f64> {
        let of = |(of, what): (&str, &str)| {
            self.samples.iter().find(|(key, _)| key.of == of && key.what == what).map(|(_, samples)| samples)
        };
        let (Some(one), Some(other)) = (of(one), of(other)) else { return Vec::new() };
        one.iter().zip(other).map(|(one, other)| make(*one, *other)).collect()
    }
}

fn summary(key: &Key, samples: &[f64]) -> Summary {
    Summary {
        of: key.of.clone(),
        what: key.what.clone(),
        unit: key.unit,
        median: quantile(samples, 0.5),
        least: quantile(samples, 0.0),
        most: quantile(samples, 1.0),
        samples: samples.to_vec(),
    }
}

/// The value that this part of the others is not above; NaN of none.
#[must_use]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a place"
)]
pub fn quantile(values: &[f64], part: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let place = (values.len().saturating_sub(1) as f64 * part) as usize;
    values.get(place).copied().unwrap_or(f64::NAN)
}

/// A table with its columns aligned; the first two hold words, the others figures.
#[must_use]
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            let _ =
                if column < 2 { write!(line, "{cell:<width$}  ") } else { write!(line, "{cell:>width$}  ") };
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// A table of figures with their spread; `heads` are over where and what.
#[must_use]
pub fn spread(heads: [&str; 2], summaries: &[Summary]) -> String {
    let [of, what] = heads;
    let mut rows = vec![[of, what, "median", "least", "most", "unit"].map(str::to_owned).to_vec()];
    for Summary { of, what, unit, median, least, most, .. } in summaries {
        let mut row = vec![of.clone(), what.clone()];
        row.extend([*median, *least, *most].map(shown));
        row.push((*unit).to_owned());
        rows.push(row);
    }
    table(&rows)
}

/// A figure for people: three places that count.
#[must_use]
pub fn shown(value: f64) -> String {
    match value.abs() {
        most if most >= 100.0 => grouped(value),
        most if most >= 10.0 => format!("{value:.1}"),
        most if most >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut out = String::from(if value < 0.0 { "-" } else { "" });
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_of_figures_of_the_same_round() {
        let mut figures = Figures::default();
        for (one, other) in [(1.0, 2.0), (10.0, 20.0), (100.0, 100.0)] {
            figures.add("a", "speed", "jobs/s", one);
            figures.add("b", "speed", "jobs/s", other);
        }
        assert_eq!(figures.ratio(("a", "speed"), ("b", "speed")), Some(0.5));
        assert_eq!(figures.ratio(("a", "speed"), ("c", "speed")), None);
        assert_eq!(figures.median("b", "speed"), Some(20.0));
    }

    #[test]
    fn figures_are_shown_with_three_places_that_count() {
        assert_eq!(
            [0.1234, 1.234, 12.34, 123.4, 12345.6].map(shown),
            ["0.123", "1.23", "12.3", "123", "12,346"]
        );
        assert_eq!([-123.4, -12345.6].map(shown), ["-123", "-12,346"]);
    }
}
