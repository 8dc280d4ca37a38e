//! Takes each request to its route.
//!
//! The router of actix compares a path with one pattern after the other, most of them regular expressions: with thirty
//! routes that was half of what the service did for a request. Here the path's segments say which few may fit, and their
//! expressions are asked then.

use std::cmp::Ordering;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::dev::{
    AppService, Extensions, HttpServiceFactory, ResourceDef, ResourceMap, Service, ServiceFactory,
    ServiceRequest, ServiceResponse, Transform as _, Url, fn_factory, fn_service,
};
use actix_web::guard::GuardContext;
use actix_web::http::Method;
use actix_web::{Error, HttpResponse, Route, web};
use futures_util::future::LocalBoxFuture;

use super::paths::Paths;
use super::route::Guard;
use super::table::Resource;
use crate::web::{RequestLayer, RequestService, method_not_allowed, no_such_route};

/// What a worker knows of all routes before it serves them.
pub(super) struct Router {
    map: Arc<Map>,
    routes: Vec<Answering>,
    /// Around what no route matches.
    unmatched: RequestLayer,
}

/// Which paths have routes. One a worker.
pub(super) struct Map {
    /// The paths of routes without parameters, sorted [by their length](by_length) first, each with the first that it has. No
    /// other route goes before that.
    fixed: Vec<(String, usize)>,
    paths: Paths,
    patterns: Vec<Pattern>,
}

struct Pattern {
    /// With a slash at its end and without.
    forms: Vec<ResourceDef>,
    guards: Vec<Guard>,
}

impl Pattern {
    fn allows(&self, request: &ServiceRequest) -> bool {
        self.guards.iter().all(|guard| guard(&request.guard_ctx()))
    }
}

/// Most paths are told apart by their length alone.
fn by_length(one: &str, other: &str) -> Ordering {
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

/// What answers at a path.
struct Answering {
    methods: Vec<(Method, Route)>,
    otherwise: Route,
    layer: RequestLayer,
    data: Rc<Extensions>,
}

impl Router {
    /// `layer` is what surrounds the routes of a resource.
    pub(super) fn new(
        resources: &[Resource],
        layer: impl Fn(&Resource) -> RequestLayer,
        unmatched: RequestLayer,
    ) -> Self {
        let answering = |resource: &Resource| {
            let mut data = Extensions::new();
            data.insert(Arc::clone(&resource.meta));
            let allow = resource.meta.allow.clone();
            Answering {
                methods: resource.routes.iter().map(|(method, make)| (method.clone(), make())).collect(),
                otherwise: web::to(move || {
                    let problem = method_not_allowed(&allow);
                    async move { Err::<HttpResponse, _>(problem) }
                }),
                layer: layer(resource),
                data: Rc::new(data),
            }
        };
        Self {
            map: Arc::new(Map::new(resources)),
            routes: resources.iter().map(answering).collect(),
            unmatched,
        }
    }

    pub(super) fn map(&self) -> Arc<Map> {
        Arc::clone(&self.map)
    }
}

impl Map {
    fn new(resources: &[Resource]) -> Self {
        let (mut fixed, mut paths) = (Vec::new(), Paths::default());
        for (place, resource) in resources.iter().enumerate() {
            paths.add(resource.meta.pattern, place);
            if resource.meta.is_fixed() {
                fixed.extend(resource.patterns.iter().map(|form| (form.clone(), place)));
            }
        }
        fixed.sort_by(|(one, place), (other, of)| by_length(one, other).then(place.cmp(of)));
        fixed.dedup_by(|later, first| later.0 == first.0);
        let pattern = |resource: &Resource| Pattern {
            forms: resource.patterns.iter().map(|form| ResourceDef::new(form.as_str())).collect(),
            guards: resource.guards.clone(),
        };
        Self { fixed, paths, patterns: resources.iter().map(pattern).collect() }
    }

    /// Whether a route has this request, for who would take what is left.
    pub(super) fn has(&self, context: &GuardContext<'_>) -> bool {
        // As the server reads it: what is escaped without need is not.
        let url = Url::new(context.head().uri.clone());
        let fits = |place: &usize| {
            let Pattern { forms, guards } = &self.patterns[*place];
            forms.iter().any(|form| form.is_match(url.path())) && guards.iter().all(|guard| guard(context))
        };
        let first = self.paths.next(url.path(), None);
        std::iter::successors(first, |after| self.paths.next(url.path(), Some(*after)))
            .any(|place| fits(&place))
    }

    /// Finds the route of a request and reads its parameters.
    fn find(&self, request: &mut ServiceRequest) -> Option<usize> {
        let mut after = None;
        let path = request.match_info().unprocessed();
        if let Ok(at) = self.fixed.binary_search_by(|(fixed, _)| by_length(fixed, path)) {
            let (fixed, place) = &self.fixed[at];
            if self.patterns[*place].allows(request) {
                // As actix does; a pattern is shorter than that.
                request.match_info_mut().skip(u16::try_from(fixed.len()).unwrap_or(u16::MAX));
                return Some(*place);
            }
            after = Some(*place);
        }
        loop {
            let place = self.paths.next(request.match_info().unprocessed(), after)?;
            let pattern = &self.patterns[place];
            let allowed = |request: &ServiceRequest| pattern.allows(request);
            if pattern.forms.iter().any(|form| form.capture_match_info_fn(request, allowed)) {
                return Some(place);
            }
            after = Some(place);
        }
    }
}

impl HttpServiceFactory for Router {
    fn register(self, config: &mut AppService) {
        let everything = ResourceDef::prefix("");
        // For who asks a request which pattern it matches.
        let mut map = ResourceMap::new(everything.clone());
        for pattern in &self.map.patterns {
            pattern.forms.iter().for_each(|form| map.add(&mut form.clone(), None));
        }
        config.register_service(everything, None, self.factory(), Some(Rc::new(map)));
    }
}

impl Router {
    /// A function and no type of its own, so that the future of an answer has its own type: actix has a box for it anyway.
    pub(super) fn factory(
        self,
    ) -> impl ServiceFactory<
        ServiceRequest,
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        Config = (),
        InitError = (),
    > {
        fn_factory(move || {
            let routing = self.routing();
            async move {
                let routing = Rc::new(routing.await?);
                Ok::<_, ()>(fn_service::<_, _, _, _, _, ()>(move |request| routing.call(request)))
            }
        })
    }

    /// The routes of a worker.
    fn routing(&self) -> impl Future<Output = Result<Routing, ()>> + use<> {
        let unmatched = web::to(no_such_route).new_service(());
        let (map, layer) = (self.map(), self.unmatched.clone());
        let routes: Vec<_> = self
            .routes
            .iter()
            .map(|of| {
                let methods: Vec<_> = of
                    .methods
                    .iter()
                    .map(|(method, route)| (method.clone(), route.new_service(())))
                    .collect();
                (methods, of.otherwise.new_service(()), of.layer.clone(), Rc::clone(&of.data))
            })
            .collect();
        async move {
            let mut services = Vec::with_capacity(routes.len());
            for (making, otherwise, layer, data) in routes {
                let mut methods = Vec::with_capacity(making.len());
                for (method, route) in making {
                    methods.push((method, route.await?));
                }
                let methods = Methods { methods, otherwise: otherwise.await? };
                services.push((data, layer.new_transform(methods).await?));
            }
            let unmatched = Methods { methods: Vec::new(), otherwise: unmatched.await? };
            Ok(Routing { map, routes: services, unmatched: layer.new_transform(unmatched).await? })
        }
    }
}

/// The routes of a service on one worker.
struct Routing {
    map: Arc<Map>,
    routes: Vec<(Rc<Extensions>, RequestService<Methods>)>,
    unmatched: RequestService<Methods>,
}

impl Routing {
    fn call(
        &self,
        mut request: ServiceRequest,
    ) -> impl Future<Output = Result<ServiceResponse<BoxBody>, Error>> + use<> {
        let service = match self.map.find(&mut request) {
            Some(place) => {
                let (data, service) = &self.routes[place];
                request.add_data_container(Rc::clone(data));
                service
            }
            None => &self.unmatched,
        };
        service.respond(request)
    }
}

type Answers = <Route as ServiceFactory<ServiceRequest>>::Service;

/// What answers at a path, by method. A guard of actix would note for each request which methods it has asked for, for an
/// answer that is never given here.
pub(super) struct Methods {
    methods: Vec<(Method, Answers)>,
    otherwise: Answers,
}

impl Service<ServiceRequest> for Methods {
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    actix_web::dev::always_ready!();

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let asked = request.method();
        // HEAD is GET without the body.
        let answers = |method: &Method| method == asked || (asked == Method::HEAD && method == Method::GET);
        let route = self.methods.iter().find(|(method, _)| answers(method));
        route.map_or(&self.otherwise, |(_, route)| route).call(request)
    }
}
