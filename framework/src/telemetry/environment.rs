use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

/// The variables that a setup reads, taken once. An empty variable counts as unset, as the OpenTelemetry
/// specification says, and an invalid one too, once that is noted.
#[derive(Clone, Debug, Default)]
pub(super) struct Environment {
    variables: BTreeMap<String, String>,
    /// The names that were asked for, where somebody wants to know.
    asked: Option<Arc<Mutex<BTreeSet<String>>>>,
}

impl Environment {
    /// The variables of the process; those that are not Unicode are left out.
    pub(super) fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The same variables, and from now on it is known which are asked for.
    pub(super) fn watched(&self) -> Self {
        Self { variables: self.variables.clone(), asked: Some(Arc::default()) }
    }

    /// The names that were asked for, set or not.
    pub(super) fn asked(&self) -> BTreeSet<String> {
        self.asked.as_ref().map(|asked| asked.lock().clone()).unwrap_or_default()
    }

    /// Every variable that is set, by its name.
    pub(super) fn set(&self) -> impl Iterator<Item = (&str, &str)> {
        let trimmed = self.variables.iter().map(|(name, value)| (name.as_str(), value.trim()));
        trimmed.filter(|(_, value)| !value.is_empty())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        if let Some(asked) = &self.asked {
            asked.lock().insert(name.to_owned());
        }
        self.variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// The first of the variables that is set, with its name.
    pub(super) fn first<'a>(&self, names: &[&'a str]) -> Option<(&'a str, &str)> {
        names.iter().find_map(|name| Some((*name, self.get(name)?)))
    }

    /// Whether any variable's name starts with the prefix.
    pub(super) fn has_prefix(&self, prefix: &str) -> bool {
        self.variables.range(prefix.to_owned()..).next().is_some_and(|(name, _)| name.starts_with(prefix))
    }

    /// What the first of the variables says that says something valid, or else the default, which is `shown`. Those
    /// that are not valid are noted: they are `flaw`.
    pub(super) fn read<T>(
        &self,
        names: &[&str],
        (default, shown): (T, &str),
        flaw: &str,
        notices: &mut Notices,
        parse: impl Fn(&str) -> Option<T>,
    ) -> T {
        let mut invalid = Vec::new();
        let mut valid = None;
        for (name, text) in names.iter().filter_map(|name| Some((*name, self.get(name)?))) {
            match parse(text) {
                Some(value) => {
                    valid = Some((value, text));
                    break;
                }
                None => invalid.push((name, text)),
            }
        }
        let (value, used) = valid.unwrap_or((default, shown));
        for (name, text) in invalid {
            notices.note(format!("{name} is `{text}`, which is {flaw}: {used} is used"));
        }
        value
    }

    /// `true` or `false`, in any case; false unless it is set.
    pub(super) fn is_true(&self, names: &[&str], notices: &mut Notices) -> bool {
        self.read(names, (false, "false"), "neither `true` nor `false`", notices, |text| {
            text.to_ascii_lowercase().parse().ok()
        })
    }

    /// A number of at least 1. Anything else is the default, and noted.
    pub(super) fn positive<T>(&self, name: &str, default: T, notices: &mut Notices) -> T
    where
        T: FromStr + PartialOrd + From<u8> + Display,
    {
        self.at_least_one(&[name], default, notices)
    }

    /// A whole number, 0 or more: of the first of the variables that has one. What is none is noted.
    pub(super) fn whole<T: FromStr + Display>(&self, names: &[&str], default: T, notices: &mut Notices) -> T {
        let shown = default.to_string();
        self.read(names, (default, &shown), "no whole number", notices, |text| text.parse().ok())
    }

    /// A positive number of milliseconds, of the first of the variables that has one.
    pub(super) fn millis(&self, names: &[&str], default: u64, notices: &mut Notices) -> Duration {
        Duration::from_millis(self.at_least_one(names, default, notices))
    }

    fn at_least_one<T>(&self, names: &[&str], default: T, notices: &mut Notices) -> T
    where
        T: FromStr + PartialOrd + From<u8> + Display,
    {
        let shown = default.to_string();
        self.read(names, (default, &shown), "no number above 0", notices, |text| {
            text.parse::<T>().ok().filter(|number| *number >= T::from(1))
        })
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self { variables: variables.into_iter().collect(), asked: None }
    }
}

/// What a setup could live with but somebody should know; logged once the logs are up. What is said of a variable
/// begins with its name and never shows a secret.
#[derive(Debug, Default)]
pub(super) struct Notices(Vec<String>);

impl Notices {
    pub(super) fn note(&mut self, notice: String) {
        // Three signals share one variable; once is enough.
        if !self.0.contains(&notice) {
            self.0.push(notice);
        }
    }

    /// What is said of a variable, without its name.
    pub(super) fn about(&self, name: &str) -> Option<&str> {
        self.0.iter().find_map(|notice| notice.strip_prefix(name)?.strip_prefix(' '))
    }

    pub(super) fn log(&self) {
        for notice in &self.0 {
            tracing::warn!(target: super::TARGET, "{notice}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        assert_eq!(environment(&[("A", " ")]).get("A"), None);
    }

    #[test]
    fn only_the_word_true_is_true_and_what_is_neither_true_nor_false_is_noted() {
        for (text, expected, noted) in [
            ("true", true, false),
            ("TRUE", true, false),
            ("False", false, false),
            ("1", false, true),
            ("yes", false, true),
        ] {
            let mut notices = Notices::default();
            assert_eq!(environment(&[("A", text)]).is_true(&["A"], &mut notices), expected, "{text}");
            assert_eq!(notices.about("A").is_some(), noted, "{text}");
        }
    }

    #[test]
    fn what_is_invalid_gives_way_to_the_next_variable_and_says_to_what() {
        let mut notices = Notices::default();
        let environment = environment(&[("OWN", "soon"), ("ALL", "250")]);
        assert_eq!(environment.millis(&["OWN", "ALL"], 5, &mut notices), Duration::from_millis(250));
        assert_eq!(notices.about("OWN"), Some("is `soon`, which is no number above 0: 250 is used"));
        assert_eq!(notices.about("ALL"), None);
    }

    #[test]
    fn it_is_known_what_was_asked_for() {
        let environment = environment(&[("A", "1")]).watched();
        environment.first(&["A", "B"]);
        environment.get("C");
        assert_eq!(environment.asked().into_iter().collect::<Vec<_>>(), ["A", "C"]);
    }

    #[test]
    fn a_number_that_is_none_is_the_default_and_noted_once() {
        let mut notices = Notices::default();
        for text in ["0", "-1", "many"] {
            assert_eq!(environment(&[("A", text)]).positive("A", 512_usize, &mut notices), 512, "{text}");
            assert_eq!(environment(&[("A", text)]).positive("A", 512_usize, &mut notices), 512, "{text}");
        }
        assert_eq!(notices.0.len(), 3);
    }

    #[test]
    fn a_prefix_is_found_among_others() {
        let environment = environment(&[("A", "1"), ("K8S_NODE", "n"), ("Z", "1")]);
        assert!(environment.has_prefix("K8S_"));
        assert!(!environment.has_prefix("KUBERNETES_"));
    }
}
