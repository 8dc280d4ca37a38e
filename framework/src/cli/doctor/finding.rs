use serde::Serialize;

use crate::cli::output::{Colour, Output};
use crate::cli::text::safe;

/// What is to be thought of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) name: String,
    pub(super) verdict: Verdict,
    /// What was seen.
    pub(super) seen: String,
    /// What to do, of what is not well.
    pub(super) fix: Option<String>,
}

impl Finding {
    pub(super) fn ok(name: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { name: name.into(), verdict: Verdict::Ok, seen: seen.into(), fix: None }
    }

    pub(super) fn warn(name: impl Into<String>, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name: name.into(), verdict: Verdict::Warn, seen: seen.into(), fix: Some(fix.into()) }
    }

    pub(super) fn fail(name: impl Into<String>, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fail, ..Self::warn(name, seen, fix) }
    }

    /// Of what is a matter of taste at a desk and a fault in production.
    pub(super) fn for_production(
        production: bool,
        name: impl Into<String>,
        seen: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        let finding = Self::warn(name, seen, fix);
        if production { Self { verdict: Verdict::Fail, ..finding } } else { finding }
    }
}

/// A line for each, and one more for what to do.
pub(super) fn render(findings: &[Finding], output: &Output<'_>) -> String {
    let width = findings.iter().map(|finding| finding.name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for Finding { name, verdict, seen, fix } in findings {
        let (word, colour) = match verdict {
            Verdict::Ok => ("ok  ", Colour::Good),
            Verdict::Warn => ("warn", Colour::Doubtful),
            Verdict::Fail => ("fail", Colour::Bad),
        };
        let word = output.coloured(word, colour);
        text.push_str(&format!("{word}  {:width$}  {}\n", safe(name), safe(seen)));
        if let Some(fix) = fix {
            text.push_str(&format!("      {:width$}  fix: {}\n", "", safe(fix)));
        }
    }
    let count = |wanted| findings.iter().filter(|finding| finding.verdict == wanted).count();
    let (ok, warn, fail) = (count(Verdict::Ok), count(Verdict::Warn), count(Verdict::Fail));
    text.push_str(&format!("{ok} ok, {warn} warnings, {fail} failures\n"));
    text
}
