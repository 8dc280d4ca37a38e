use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

/// The variables that a setup reads, taken once. An empty variable counts as unset, as the OpenTelemetry
/// specification says.
#[derive(Clone, Debug, Default)]
pub(super) struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// The variables of the process; those that are not Unicode are left out.
    pub(super) fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
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

    /// Only `true`, in any case, is true.
    pub(super) fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// A number of at least 1. Anything else is the default, and noted.
    pub(super) fn positive<T>(&self, name: &str, default: T, notices: &mut Notices) -> T
    where
        T: FromStr + PartialOrd + From<u8> + Display,
    {
        let Some(text) = self.get(name) else { return default };
        match text.parse::<T>() {
            Ok(number) if number >= T::from(1) => number,
            _ => {
                notices.note(format!("{name} is `{text}`, which is no number above 0: {default} is used"));
                default
            }
        }
    }

    /// A whole number, 0 or more: of the first of the variables that has one. What is none is noted.
    pub(super) fn whole<T: FromStr>(&self, names: &[&str], default: T, notices: &mut Notices) -> T {
        let number = names.iter().find_map(|name| {
            let text = self.get(name)?;
            let number = text.parse().ok();
            if number.is_none() {
                notices.note(format!("{name} is `{text}`, which is no whole number: it is ignored"));
            }
            number
        });
        number.unwrap_or(default)
    }

    /// A positive number of milliseconds.
    pub(super) fn millis(&self, names: &[&str], default: u64, notices: &mut Notices) -> Duration {
        let name = self.first(names).map_or("", |(name, _)| name);
        Duration::from_millis(self.positive(name, default, notices))
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self { variables: variables.into_iter().collect() }
    }
}

/// What a setup could live with but somebody should know; logged once the logs are up.
#[derive(Debug, Default)]
pub(super) struct Notices(Vec<String>);

impl Notices {
    pub(super) fn note(&mut self, notice: String) {
        // Three signals share one variable; once is enough.
        if !self.0.contains(&notice) {
            self.0.push(notice);
        }
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
    fn only_the_word_true_is_true() {
        for (text, expected) in
            [("true", true), ("TRUE", true), ("1", false), ("yes", false), ("false", false)]
        {
            assert_eq!(environment(&[("A", text)]).is_true("A"), expected, "{text}");
        }
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
