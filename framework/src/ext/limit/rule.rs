use std::time::Duration;

use actix_web::http::Method;

use super::local::Local;
use super::settings::{LimitPer, LimitRule};
use crate::web::RouteMeta;

/// A rule with its clients.
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) settings: LimitRule,
    pub(super) local: Local,
    /// `"name";q=300;w=60`, for the header.
    pub(super) policy: String,
    routes: Vec<(Method, String)>,
    methods: Vec<Method>,
}

/// What a rule says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) allowed: bool,
    /// How many more may come now.
    pub(super) remaining: u32,
    /// For how long none is taken.
    pub(super) wait: Duration,
    /// How long it takes until all may come at once again.
    pub(super) reset: Duration,
}

impl Rule {
    pub(super) fn new(name: String, settings: LimitRule, max_clients: usize) -> Self {
        let seconds = settings.window.as_secs().max(1);
        Self {
            policy: format!("\"{name}\";q={};w={seconds}", settings.requests),
            local: Local::new(settings.interval(), settings.burst(), max_clients),
            routes: settings.routes.iter().filter_map(|route| parse(route)).collect(),
            methods: settings.methods.iter().filter_map(|method| method.parse().ok()).collect(),
            name,
            settings,
        }
    }

    /// Whether a request is counted by it.
    pub(super) fn is_for(&self, per: LimitPer, method: &Method, route: Option<&RouteMeta>) -> bool {
        // HEAD is GET without the body.
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        let module = route.map(|route| route.module);
        let in_modules = if self.settings.modules.is_empty() {
            !self.routes.is_empty() || module != Some("health")
        } else {
            module.is_some_and(|module| self.settings.modules.iter().any(|it| it == module))
        };
        let in_routes = self.routes.is_empty()
            || route.is_some_and(|route| {
                self.routes.iter().any(|(of, pattern)| of == method && *pattern == route.pattern)
            });
        self.settings.per == per
            && in_modules
            && in_routes
            && (self.methods.is_empty() || self.methods.contains(method))
    }
}

fn parse(route: &str) -> Option<(Method, String)> {
    let (method, pattern) = route.split_once(' ')?;
    Some((method.parse().ok()?, pattern.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(routes: &[&str], modules: &[&str], methods: &[&str]) -> Rule {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let settings = LimitRule {
            routes: owned(routes),
            modules: owned(modules),
            methods: owned(methods),
            ..LimitRule::default()
        };
        Rule::new("r".to_owned(), settings, 10)
    }

    #[test]
    fn a_rule_is_for_what_it_names() {
        let orders = RouteMeta::new("/orders/{id}", "orders", &[Method::GET, Method::POST]);
        let health = RouteMeta::new("/health/", "health", &[Method::GET]);
        let is = |rule: &Rule, method: &Method, route| rule.is_for(LimitPer::Address, method, route);
        let all = rule(&[], &[], &[]);
        assert!(is(&all, &Method::GET, Some(&orders)) && is(&all, &Method::GET, None));
        assert!(!is(&all, &Method::GET, Some(&health)), "probes are not counted");
        assert!(!all.is_for(LimitPer::Principal, &Method::GET, None));
        let one = rule(&["GET /orders/{id}"], &[], &[]);
        assert!(is(&one, &Method::GET, Some(&orders)) && is(&one, &Method::HEAD, Some(&orders)));
        assert!(!is(&one, &Method::POST, Some(&orders)) && !is(&one, &Method::GET, None));
        let module = rule(&[], &["orders"], &["POST"]);
        assert!(is(&module, &Method::POST, Some(&orders)));
        assert!(!is(&module, &Method::GET, Some(&orders)) && !is(&module, &Method::POST, Some(&health)));
        assert!(is(&rule(&[], &["health"], &[]), &Method::GET, Some(&health)), "unless it is named");
        assert_eq!(all.policy, "\"r\";q=300;w=60");
    }
}
