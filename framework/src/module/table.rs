//! All the routes of a service, checked together and then given to each worker.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::guard::fn_guard;
use actix_web::http::Method;
use actix_web::{HttpRequest, web};

use super::Module;
use super::route::{Guard, RouteInfo};
use crate::web::{
    Hooks, Limits, RequestLayer, RouteMeta, Target, WebSignals, method_not_allowed, no_such_route,
};

/// The routes of all modules by pattern, in an order in which the more special comes first.
#[derive(Default)]
pub(crate) struct RouteTable {
    resources: Vec<Resource>,
    mounts: Vec<Mounted>,
    infos: Vec<RouteInfo>,
}

struct Mounted {
    path: String,
    module: &'static str,
    configure: Arc<dyn Fn(&mut web::ServiceConfig) + Send + Sync>,
    guards: Vec<Guard>,
    hooks: Arc<Hooks>,
}

struct Resource {
    meta: Arc<RouteMeta>,
    /// The pattern with and without a slash at its end.
    patterns: Vec<String>,
    routes: Vec<Arc<dyn Fn() -> actix_web::Route + Send + Sync>>,
    guards: Vec<Guard>,
    hooks: Arc<Hooks>,
}

/// A module's place among the others, on the way down.
#[derive(Clone, Default)]
struct Scope {
    prefix: String,
    hooks: Hooks,
    guards: Vec<Guard>,
}

#[derive(Default)]
struct Collector {
    names: BTreeMap<&'static str, String>,
    /// By comparable pattern: who answers which method there, and with what guards.
    seen: BTreeMap<(String, String), (String, &'static str, bool)>,
    resources: Vec<Resource>,
    mounts: Vec<Mounted>,
    infos: Vec<RouteInfo>,
    wrong: Vec<String>,
}

impl RouteTable {
    /// Collects the routes of all modules. `Err` holds everything that is wrong with them, one line each.
    pub(crate) fn collect(modules: &[Module]) -> Result<Self, Vec<String>> {
        let mut collector = Collector::default();
        for module in modules {
            collector.add(module, &Scope::default());
        }
        if !collector.wrong.is_empty() {
            return Err(collector.wrong);
        }
        // The router takes the first pattern that fits: fixed segments before parameters.
        collector.resources.sort_by_key(|resource| specificity(resource.meta.pattern));
        collector.infos.sort_by(|a, b| (&a.pattern, &a.method).cmp(&(&b.pattern, &b.method)));
        Ok(Self { resources: collector.resources, mounts: collector.mounts, infos: collector.infos })
    }

    pub(crate) fn infos(&self) -> &[RouteInfo] {
        &self.infos
    }
}

impl Collector {
    fn add(&mut self, module: &Module, outer: &Scope) {
        let mut scope = outer.clone();
        self.check_names(module);
        if let Err(wrong) = check_path(&module.prefix) {
            self.wrong.push(format!("module `{}`: its prefix `{}` {wrong}", module.name, module.prefix));
            return;
        }
        scope.prefix.push_str(module.prefix.trim_end_matches('/'));
        scope.hooks.before.extend(module.hooks.before.iter().cloned());
        scope.hooks.after.extend(module.hooks.after.iter().cloned());
        scope.hooks.on_error.extend(module.hooks.on_error.iter().cloned());
        scope.guards.extend(module.guards.iter().cloned());

        let mut by_pattern: Vec<(String, Vec<&super::route::Route>)> = Vec::new();
        for route in &module.routes {
            if let Err(wrong) = check_path(&route.path) {
                self.wrong.push(format!("module `{}`: the path `{}` {wrong}", module.name, route.path));
                continue;
            }
            let pattern = match format!("{}{}", scope.prefix, route.path) {
                empty if empty.is_empty() => "/".to_owned(),
                pattern => pattern,
            };
            self.check_clash(module.name, route, &pattern, !scope.guards.is_empty());
            self.infos.push(RouteInfo {
                method: route.method.to_string(),
                pattern: pattern.clone(),
                module: module.name.to_owned(),
                handler: route.handler.to_owned(),
            });
            match by_pattern.iter_mut().find(|(known, _)| *known == pattern) {
                Some((_, routes)) => routes.push(route),
                None => by_pattern.push((pattern, vec![route])),
            }
        }
        let hooks = Arc::new(scope.hooks.clone());
        for (pattern, routes) in by_pattern {
            let methods: Vec<Method> = routes.iter().map(|route| route.method.clone()).collect();
            self.resources.push(Resource {
                meta: Arc::new(RouteMeta::new(&pattern, module.name, &methods)),
                patterns: with_and_without_slash(&pattern),
                routes: routes.iter().map(|route| Arc::clone(&route.make)).collect(),
                guards: scope.guards.clone(),
                hooks: Arc::clone(&hooks),
            });
        }
        for mount in &module.mounts {
            let path = format!("{}{}", scope.prefix, mount.path.trim_end_matches('/'));
            if let Err(wrong) = check_path(&path) {
                self.wrong.push(format!("module `{}`: the path `{path}` {wrong}", module.name));
            } else if path.is_empty() {
                self.wrong.push(format!(
                    "module `{}`: services can not be mounted at `/`, where they would hide every other route",
                    module.name
                ));
            }
            self.mounts.push(Mounted {
                path,
                module: module.name,
                configure: Arc::clone(&mount.configure),
                guards: scope.guards.clone(),
                hooks: Arc::clone(&hooks),
            });
        }
        for inner in &module.modules {
            self.add(inner, &scope);
        }
    }

    fn check_names(&mut self, module: &Module) {
        let fits = !module.name.is_empty()
            && module
                .name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !fits {
            self.wrong.push(format!(
                "module `{}`: a name is made of lower-case letters, digits and `-`",
                module.name
            ));
        }
        let at = if module.prefix.is_empty() { "/" } else { &module.prefix };
        if let Some(other) = self.names.insert(module.name, at.to_owned()) {
            self.wrong.push(format!(
                "module `{}`: there are two of this name, at `{other}` and at `{at}`; give one another name",
                module.name
            ));
        }
    }

    fn check_clash(
        &mut self,
        module: &'static str,
        route: &super::route::Route,
        pattern: &str,
        guarded: bool,
    ) {
        let key = (route.method.to_string(), comparable(pattern));
        let here = (pattern.to_owned(), module, guarded);
        let Some((other, owner, other_guarded)) = self.seen.insert(key, here) else { return };
        // Two modules with guards may share a route: the guards tell them apart.
        if !(guarded && other_guarded && owner != module) {
            self.wrong.push(format!(
                "module `{module}`: {} {pattern} is taken already by {other} of module `{owner}`; only the first would ever answer",
                route.method
            ));
        }
    }
}

/// Puts the routes on a worker's application.
pub(crate) fn configure(
    table: &RouteTable,
    signals: &Arc<WebSignals>,
    limits: &Arc<Limits>,
    config: &mut web::ServiceConfig,
) {
    for resource in &table.resources {
        let mut service = web::resource(resource.patterns.clone());
        for guard in resource.guards.iter().cloned() {
            service = service.guard(fn_guard(move |context| guard(context)));
        }
        for make in &resource.routes {
            service = service.route(make());
        }
        let allow = resource.meta.allow.clone();
        let service = service
            .default_service(web::to(move || {
                let problem = method_not_allowed(&allow);
                async move { Err::<actix_web::HttpResponse, _>(problem) }
            }))
            .wrap(RequestLayer {
                signals: Arc::clone(signals),
                limits: Arc::clone(limits),
                target: Target::Route(Arc::clone(&resource.meta)),
                hooks: Arc::clone(&resource.hooks),
            });
        config.service(service);
    }
    for mount in &table.mounts {
        let mut scope = web::scope(&mount.path);
        for guard in mount.guards.iter().cloned() {
            scope = scope.guard(fn_guard(move |context| guard(context)));
        }
        let scope = scope
            .default_service(web::to(|request: HttpRequest| no_such_route(request)))
            .configure(|config| (mount.configure)(config));
        config.service(scope.wrap(RequestLayer {
            signals: Arc::clone(signals),
            limits: Arc::clone(limits),
            target: Target::Mount(mount.module),
            hooks: Arc::clone(&mount.hooks),
        }));
    }
    let unmatched =
        web::resource("/{path:.*}").default_service(web::to(|request: HttpRequest| no_such_route(request)));
    config.service(unmatched.wrap(RequestLayer {
        signals: Arc::clone(signals),
        limits: Arc::clone(limits),
        target: Target::Nothing,
        hooks: Arc::default(),
    }));
}

/// What makes two patterns the same to the router: the names of parameters and a slash at the end do not count.
fn comparable(pattern: &str) -> String {
    let segments = pattern.split('/').filter(|segment| !segment.is_empty());
    segments
        .map(|segment| match (segment.find('{'), segment.contains(':')) {
            (Some(start), false) => format!("{}{{}}", &segment[..start]),
            _ => segment.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("/")
}

/// Sorts fixed segments before parameters, and those before tails.
fn specificity(pattern: &str) -> Vec<u8> {
    pattern
        .split('/')
        .map(|segment| match segment {
            tail if tail.contains(":.*") => 2,
            parameter if parameter.contains('{') => 1,
            _ => 0,
        })
        .collect()
}

fn with_and_without_slash(pattern: &str) -> Vec<String> {
    let without = pattern.trim_end_matches('/');
    if without.is_empty() || pattern.contains(":.*") {
        return vec![pattern.to_owned()];
    }
    vec![without.to_owned(), format!("{without}/")]
}

fn check_path(path: &str) -> Result<(), &'static str> {
    if !path.is_empty() && !path.starts_with('/') {
        return Err("must start with `/`");
    }
    if path.contains("//") {
        return Err("has an empty segment (`//`)");
    }
    if path.matches('{').count() != path.matches('}').count() {
        return Err("has a brace that is not closed");
    }
    Ok(())
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
            Module::new("orders").prefix("/api/orders/").get("/{key}", nothing),
            Module::new("Bad Name").prefix("api"),
            Module::new("paths").get("x", nothing).get("/{x", nothing),
        ];
        let wrong = RouteTable::collect(&modules).err().unwrap();
        let text = wrong.join("\n");
        assert_eq!(wrong.len(), 6, "{text}");
        assert!(text.contains("two of this name"), "{text}");
        assert!(
            text.contains("GET /api/orders/{key} is taken already by /api/orders/{id} of module `orders`"),
            "{text}"
        );
        assert!(text.contains("lower-case"), "{text}");
        assert!(text.contains("its prefix `api` must start"), "{text}");
        assert!(text.contains("the path `x` must start"), "{text}");
        assert!(text.contains("brace"), "{text}");
    }

    #[test]
    fn fixed_segments_come_before_parameters() {
        let modules = [Module::new("a")
            .prefix("/api")
            .get("/{id}", nothing)
            .get("/{id}/x", nothing)
            .get("/analytics", nothing)];
        let table = RouteTable::collect(&modules).unwrap();
        let patterns: Vec<_> = table.resources.iter().map(|resource| resource.meta.pattern).collect();
        assert_eq!(patterns, ["/api/analytics", "/api/{id}", "/api/{id}/x"]);
    }
}
