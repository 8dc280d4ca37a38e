use actix_web::http::Method;
use opentelemetry::Context;

use super::excluded::Excluded;
use super::route::RouteMeta;
use crate::config::SamplingSettings;
use crate::telemetry::Telemetry;

/// The contexts that the requests of one route begin in: that of the service, with the share of new traces that is this
/// route's own. Made at the start, so that no request looks for its share.
#[derive(Clone)]
pub(crate) struct Roots {
    all: Context,
    /// For the methods that have a share of their own.
    by_method: Vec<(Method, Context)>,
    /// Whether they are served without a span, where this is the same for each of their paths.
    excluded: Option<bool>,
}

impl Roots {
    /// Of a route, or of anything else that the modules serve: the innermost first.
    pub(super) fn new(
        telemetry: &Telemetry,
        root: &Context,
        excluded: &Excluded,
        sampling: &SamplingSettings,
        modules: &[&'static str],
        route: Option<&RouteMeta>,
    ) -> Self {
        let module = modules.iter().find_map(|module| sampling.modules.get(*module));
        let by_method = route.into_iter().flat_map(RouteMeta::names).filter_map(|(method, name)| {
            let get = || name.strip_prefix("HEAD ").map(|pattern| format!("GET {pattern}"));
            let own = sampling.routes.get(name).or_else(|| sampling.routes.get(&get()?))?;
            Some((method.clone(), telemetry.root_sampled(*own)))
        });
        Self {
            all: module.map_or_else(|| root.clone(), |ratio| telemetry.root_sampled(*ratio)),
            by_method: by_method.collect(),
            excluded: route.filter(|route| route.is_fixed()).and_then(|route| {
                let path = route.pattern.trim_end_matches('/');
                let matches = excluded.matches(path);
                (matches == excluded.matches(&format!("{path}/"))).then_some(matches)
            }),
        }
    }

    /// Whether a request for this path is served without a span.
    pub(super) fn excludes(&self, excluded: &Excluded, path: &str) -> bool {
        self.excluded.unwrap_or_else(|| excluded.matches(path))
    }

    pub(super) fn of(&self, method: &Method) -> &Context {
        self.by_method.iter().find(|(own, _)| own == method).map_or(&self.all, |(_, root)| root)
    }
}
