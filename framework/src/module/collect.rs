//! Gathers the routes of all modules and finds everything that is wrong with them.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::http::Method;

use super::Module;
use super::pattern::{check, comparable, with_and_without_slash};
use super::route::{Guard, Route, RouteInfo};
use super::table::{Mounted, Resource};
use crate::web::{Hooks, RouteMeta};

/// A module's place among the others, on the way down.
#[derive(Clone, Default)]
struct Scope {
    prefix: String,
    hooks: Hooks,
    guards: Vec<Guard>,
    middleware: Vec<String>,
    critical: bool,
    outer: Option<&'static str>,
}

#[derive(Default)]
pub(super) struct Collector {
    /// Where each module is.
    names: BTreeMap<&'static str, String>,
    /// Each module, with the one around it.
    pub(super) modules: BTreeMap<&'static str, Option<&'static str>>,
    /// Who has a path, by what makes paths the same.
    owners: BTreeMap<String, Vec<Owner>>,
    pub(super) resources: Vec<Resource>,
    pub(super) mounts: Vec<Mounted>,
    pub(super) infos: Vec<RouteInfo>,
    pub(super) wrong: Vec<String>,
}

struct Owner {
    pattern: String,
    module: &'static str,
    guarded: bool,
}

/// Whether something can be called this: lower-case letters, digits and `-`.
pub(crate) fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty() && name.bytes().all(allowed)
}

/// The routes of one module on one path.
struct Group<'a> {
    pattern: String,
    routes: Vec<&'a Route>,
}

impl Collector {
    pub(super) fn add(&mut self, module: &Module) {
        self.descend(module, &Scope::default());
    }

    fn descend(&mut self, module: &Module, outer: &Scope) {
        self.check_names(module);
        self.modules.insert(module.name, outer.outer);
        if let Err(wrong) = check(&module.prefix) {
            self.wrong.push(format!("module `{}`: its prefix `{}` {wrong}", module.name, module.prefix));
            return;
        }
        let mut scope = outer.clone();
        scope.outer = Some(module.name);
        scope.prefix.push_str(module.prefix.trim_end_matches('/'));
        scope.hooks.extend(&module.hooks);
        scope.middleware.extend(module.middleware.iter().cloned());
        scope.critical |= module.critical;
        scope.guards.extend(module.guards.iter().cloned());
        let hooks = Arc::new(scope.hooks.clone());

        for group in self.groups(module, &scope) {
            self.claim(module.name, &group.pattern, !scope.guards.is_empty());
            let methods: Vec<Method> = group.routes.iter().map(|route| route.method.clone()).collect();
            self.resources.push(Resource {
                meta: Arc::new(RouteMeta::new(&group.pattern, module.name, &methods)),
                patterns: with_and_without_slash(&group.pattern),
                routes: group
                    .routes
                    .iter()
                    .map(|route| (route.method.clone(), Arc::clone(&route.make)))
                    .collect(),
                guards: scope.guards.clone(),
                hooks: Arc::clone(&hooks),
                critical: scope.critical,
            });
        }
        self.add_mounts(module, &scope, &hooks);
        for inner in &module.modules {
            self.descend(inner, &scope);
        }
    }

    /// The routes of a module by path. The server asks the first resource that fits a path and no other, so all
    /// methods of a path have to be in one.
    fn groups<'a>(&mut self, module: &'a Module, scope: &Scope) -> Vec<Group<'a>> {
        let mut groups: Vec<Group<'a>> = Vec::new();
        for route in &module.routes {
            let pattern = match format!("{}{}", scope.prefix, route.path) {
                empty if empty.is_empty() => "/".to_owned(),
                pattern => pattern,
            };
            if let Err(wrong) = check(&route.path).and_then(|()| check(&pattern)) {
                self.wrong.push(format!("module `{}`: the path `{}` {wrong}", module.name, route.path));
                continue;
            }
            self.infos.push(RouteInfo {
                method: route.method.to_string(),
                pattern: pattern.clone(),
                module: module.name.to_owned(),
                handler: route.handler.to_owned(),
                middleware: scope.middleware.clone(),
                auth: route.auth.map(str::to_owned),
            });
            let key = comparable(&pattern);
            let Some(group) = groups.iter_mut().find(|group| comparable(&group.pattern) == key) else {
                groups.push(Group { pattern, routes: vec![route] });
                continue;
            };
            if group.pattern.trim_end_matches('/') != pattern.trim_end_matches('/') {
                self.wrong.push(format!(
                    "module `{}`: {pattern} is the same path as {}: name its parameters alike",
                    module.name, group.pattern
                ));
            }
            if group.routes.iter().any(|other| other.method == route.method) {
                self.wrong.push(format!(
                    "module `{}`: {} {pattern} is there twice, and only the first would ever answer",
                    module.name, route.method
                ));
            }
            group.routes.push(route);
        }
        groups
    }

    /// A path belongs to one module, or to several that guards tell apart.
    fn claim(&mut self, module: &'static str, pattern: &str, guarded: bool) {
        let owners = self.owners.entry(comparable(pattern)).or_default();
        for owner in owners.iter().filter(|owner| !(guarded && owner.guarded)) {
            self.wrong.push(format!(
                "module `{module}`: {pattern} is taken already by {} of module `{}`, which alone would ever answer; \
                 put all methods of a path in one module, or guard both",
                owner.pattern, owner.module
            ));
        }
        owners.push(Owner { pattern: pattern.to_owned(), module, guarded });
    }

    fn add_mounts(&mut self, module: &Module, scope: &Scope, hooks: &Arc<Hooks>) {
        for mount in &module.mounts {
            let path = format!("{}{}", scope.prefix, mount.path.trim_end_matches('/'));
            if let Err(wrong) = check(&path) {
                self.wrong.push(format!("module `{}`: the path `{path}` {wrong}", module.name));
                continue;
            }
            if path.is_empty() {
                self.wrong.push(format!(
                    "module `{}`: services can not be mounted at `/`, where they would hide every other route",
                    module.name
                ));
                continue;
            }
            self.claim(module.name, &format!("{path}/*"), !scope.guards.is_empty());
            self.mounts.push(Mounted {
                path,
                module: module.name,
                configure: Arc::clone(&mount.configure),
                guards: scope.guards.clone(),
                middleware: scope.middleware.clone(),
                hooks: Arc::clone(hooks),
                critical: scope.critical,
            });
        }
    }

    fn check_names(&mut self, module: &Module) {
        if !is_name(module.name) {
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
}
