//! All the routes of a service, checked together and then given to each worker.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use actix_web::guard::fn_guard;
use actix_web::http::Method;
use actix_web::{HttpRequest, web};

use super::Module;
use super::boot::Given;
use super::collect::Collector;
use super::pattern::specificity;
use super::route::{Guard, RouteInfo};
use super::router::Router;
use crate::config::{SamplingSettings, closest};
use crate::web::{
    Edge, Hooks, LastHost, Limits, RequestLayer, RouteMeta, Series, Target, WebSignals, no_such_route,
};

/// The routes of all modules by pattern, in an order in which the more special comes first.
#[derive(Default)]
pub(crate) struct RouteTable {
    resources: Vec<Resource>,
    mounts: Vec<Mounted>,
    infos: Vec<RouteInfo>,
    /// Each module, with the one around it.
    modules: BTreeMap<&'static str, Option<&'static str>>,
    /// The hooks around paths that no route matches.
    unmatched: Arc<Hooks>,
}

/// A path and all that answers there.
pub(super) struct Resource {
    pub(super) meta: Arc<RouteMeta>,
    /// The pattern with and without a slash at its end.
    pub(super) patterns: Vec<String>,
    /// By method.
    pub(super) routes: Vec<(Method, Arc<dyn Fn() -> actix_web::Route + Send + Sync>)>,
    pub(super) guards: Vec<Guard>,
    pub(super) hooks: Arc<Hooks>,
    pub(super) critical: bool,
}

/// Services of actix itself, and all below their path.
pub(super) struct Mounted {
    pub(super) path: String,
    pub(super) module: &'static str,
    pub(super) configure: Arc<dyn Fn(&mut web::ServiceConfig) + Send + Sync>,
    pub(super) guards: Vec<Guard>,
    pub(super) middleware: Vec<String>,
    pub(super) hooks: Arc<Hooks>,
    pub(super) critical: bool,
}

impl RouteTable {
    /// Collects the routes of all modules; `outermost` is the one whose hooks see also what no route matches. `Err`
    /// holds everything that is wrong, one line each.
    pub(crate) fn collect<'a>(
        modules: impl IntoIterator<Item = &'a Module>,
        outermost: &Module,
    ) -> Result<Self, Vec<String>> {
        let mut collector = Collector::default();
        modules.into_iter().for_each(|module| collector.add(module));
        if !collector.wrong.is_empty() {
            return Err(collector.wrong);
        }
        // The router takes the first pattern that fits: fixed segments before parameters.
        collector.resources.sort_by_key(|resource| specificity(resource.meta.pattern));
        collector.mounts.sort_by_key(|mount| std::cmp::Reverse(mount.path.len()));
        collector.infos.sort_by(|a, b| (&a.pattern, &a.method).cmp(&(&b.pattern, &b.method)));
        Ok(Self {
            resources: collector.resources,
            mounts: collector.mounts,
            infos: collector.infos,
            modules: collector.modules,
            unmatched: Arc::new(outermost.hooks.clone()),
        })
    }

    pub(crate) fn infos(&self) -> &[RouteInfo] {
        &self.infos
    }

    /// What is mounted, each as a route for any method.
    pub(crate) fn mounted(&self) -> Vec<RouteInfo> {
        let info = |mount: &Mounted| RouteInfo {
            method: "*".to_owned(),
            pattern: format!("{}/*", mount.path),
            module: mount.module.to_owned(),
            handler: "services of actix".to_owned(),
            middleware: mount.middleware.clone(),
            auth: None,
        };
        self.mounts.iter().map(info).collect()
    }

    /// Notes what stands around all routes, the outermost first, and who may ask for each as far as `auth` knows, by method
    /// and pattern.
    pub(crate) fn annotate(&mut self, around: &[String], auth: impl Fn(&str, &str) -> Option<String>) {
        let lists = self.mounts.iter_mut().map(|mount| &mut mount.middleware);
        for list in lists.chain(self.infos.iter_mut().map(|info| &mut info.middleware)) {
            list.splice(0..0, around.iter().cloned()).for_each(drop);
        }
        for info in &mut self.infos {
            info.auth = auth(&info.method, &info.pattern).or(info.auth.take());
        }
    }

    /// What of these is no route, as `GET /api/orders/{id}`, one line each; `key` is the setting that names them.
    pub(crate) fn check_routes<'a>(
        &self,
        key: &str,
        named: impl IntoIterator<Item = &'a str>,
    ) -> Vec<String> {
        let routes = self.route_names();
        let known: BTreeSet<&str> = routes.iter().map(String::as_str).collect();
        named
            .into_iter()
            .filter(|name| !known.contains(name))
            .map(|name| unknown(key, "route", name, &known))
            .collect()
    }

    fn route_names(&self) -> Vec<String> {
        self.infos.iter().map(|info| format!("{} {}", info.method, info.pattern)).collect()
    }

    /// What the settings of sampling name and the service does not have, one line each.
    pub(crate) fn check_sampling(&self, sampling: &SamplingSettings) -> Vec<String> {
        let routes = self.route_names();
        let routes: BTreeSet<&str> = routes.iter().map(String::as_str).collect();
        let modules: BTreeSet<&str> = self.modules.keys().copied().collect();
        let known = [
            ("module", "modules", sampling.modules.keys(), modules),
            ("route", "routes", sampling.routes.keys(), routes),
        ];
        let mut wrong = Vec::new();
        for (what, key, named, known) in known {
            for name in named.filter(|name| !known.contains(name.as_str())) {
                wrong.push(unknown(&format!("telemetry.sampling.{key}"), what, name, &known));
            }
        }
        wrong
    }

    /// A module and those around it.
    fn path_to(&self, module: &'static str) -> Vec<&'static str> {
        std::iter::successors(Some(module), |inner| self.modules.get(inner).copied().flatten()).collect()
    }
}

fn unknown(key: &str, what: &str, name: &str, known: &BTreeSet<&str>) -> String {
    let hint = match closest(name, known.iter().copied()) {
        Some(close) => format!("did you mean `{close}`?"),
        None => format!("known are {}", known.iter().copied().collect::<Vec<_>>().join(", ")),
    };
    format!("{key}: there is no {what} `{name}`; {hint}")
}

/// Puts the routes on a worker's application.
pub(crate) fn configure(
    table: &RouteTable,
    signals: &Arc<WebSignals>,
    limits: &Arc<Limits>,
    edge: &Arc<Edge>,
    given: &Given,
    config: &mut web::ServiceConfig,
) {
    let layer = |target: Target, critical: bool, roots, hooks: &Hooks| {
        let mut all = given.hooks.clone();
        all.extend(hooks);
        RequestLayer {
            signals: Arc::clone(signals),
            limits: Arc::clone(limits),
            edge: Arc::clone(edge),
            spared: edge.spared(critical, &target),
            target,
            roots,
            hooks: Arc::new(all),
            around: Arc::clone(&given.around),
            series: Series::default(),
            last_host: LastHost::default(),
        }
    };
    let of_resource = |resource: &Resource| {
        layer(
            Target::Route(Arc::clone(&resource.meta)),
            resource.critical,
            signals.roots(&table.path_to(resource.meta.module), Some(&resource.meta)),
            &resource.hooks,
        )
    };
    let unmatched = layer(Target::Nothing, false, signals.roots(&[], None), &table.unmatched);
    // A target that is no path, as in `OPTIONS *`, has no service.
    config.default_service(Router::new(&[], of_resource, unmatched.clone()).factory());
    let router = Router::new(&table.resources, of_resource, unmatched);
    for mount in &table.mounts {
        // A route of a module below its path goes first.
        let map = router.map();
        let mut scope = web::scope(&mount.path).guard(fn_guard(move |context| !map.has(context)));
        for guard in mount.guards.iter().cloned() {
            scope = scope.guard(fn_guard(move |context| guard(context)));
        }
        let scope = scope
            .default_service(web::to(|request: HttpRequest| no_such_route(request)))
            .configure(|config| (mount.configure)(config));
        let roots = signals.roots(&table.path_to(mount.module), None);
        config.service(scope.wrap(layer(Target::Mount(mount.module), mount.critical, roots, &mount.hooks)));
    }
    config.service(router);
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn nothing() -> &'static str {
        ""
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let modules = [
            Module::new("orders").prefix("/api/orders").get("/", nothing).get("/{id}", nothing),
            Module::new("orders").prefix("/api/orders/").post("/{key}", nothing),
            Module::new("Bad Name").prefix("api"),
            Module::new("paths").get("x", nothing).get("/{x", nothing),
        ];
        let wrong = RouteTable::collect(&modules, &Module::new("service")).err().unwrap();
        let text = wrong.join("\n");
        assert_eq!(wrong.len(), 6, "{text}");
        assert!(text.contains("two of this name"), "{text}");
        assert!(
            text.contains("/api/orders/{key} is taken already by /api/orders/{id} of module `orders`"),
            "{text}"
        );
        assert!(text.contains("lower-case"), "{text}");
        assert!(text.contains("its prefix `api` must start"), "{text}");
        assert!(text.contains("the path `x` must start"), "{text}");
        assert!(text.contains("brace"), "{text}");
    }

    #[test]
    fn a_route_that_would_never_answer_is_refused() {
        let guarded = |module: Module| module.guard(|_| true);
        let table = |modules: &[Module]| RouteTable::collect(modules, &Module::new("service"));
        for (modules, part) in [
            (
                vec![Module::new("a").get("/x", nothing), Module::new("b").post("/x", nothing)],
                "taken already",
            ),
            (
                vec![Module::new("a").get("/{id}", nothing).delete("/{key}", nothing)],
                "name its parameters alike",
            ),
            (vec![Module::new("a").get("/x", nothing).get("/x/", nothing)], "twice"),
            (
                vec![guarded(Module::new("a").get("/x", nothing)), Module::new("b").get("/x", nothing)],
                "taken already",
            ),
            (
                vec![Module::new("a").configure("/x", |_| ()), Module::new("b").configure("/x/", |_| ())],
                "taken already",
            ),
            (vec![Module::new("a").configure("/", |_| ())], "hide every other"),
            (vec![Module::new("a").get("/{a}/{a}", nothing)], "alike"),
            (vec![Module::new("a").get("/{a:[}", nothing)], "expression"),
        ] {
            let wrong = table(&modules).err().unwrap_or_default().join("\n");
            assert!(wrong.contains(part), "{part}: {wrong}");
        }
        let fine = [Module::new("a").get("/x", nothing).post("/x/", nothing)];
        assert_eq!(table(&fine).unwrap().resources.len(), 1);
        let apart =
            [guarded(Module::new("a").get("/x", nothing)), guarded(Module::new("b").get("/x", nothing))];
        assert!(table(&apart).is_ok());
    }

    #[test]
    fn fixed_segments_come_before_parameters() {
        let modules = [Module::new("a")
            .prefix("/api")
            .get("/{id}", nothing)
            .get("/{id}/x", nothing)
            .get("/analytics", nothing)];
        let table = RouteTable::collect(&modules, &Module::new("service")).unwrap();
        let patterns: Vec<_> = table.resources.iter().map(|resource| resource.meta.pattern).collect();
        assert_eq!(patterns, ["/api/analytics", "/api/{id}", "/api/{id}/x"]);
    }
}
