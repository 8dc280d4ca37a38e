use std::sync::Arc;

use actix_web::http::StatusCode;
use serde_json::{Map, Value, json};

use super::problems::PROBLEMS;
use crate::module::RouteInfo;

/// The fields of a path that are operations.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// The name of the framework's module that serves the description, and is not in it.
pub(super) const MODULE: &str = "openapi";

/// What a service says of itself: its routes, what they take and answer. See the [module documentation](super).
#[derive(Clone, Debug)]
pub struct Description {
    api: Value,
    problems: Vec<(String, u16, String)>,
}

/// The description of a service as OpenAPI 3.1; cheap to clone.
#[derive(Clone, Debug)]
pub struct Document {
    text: Arc<str>,
    operations: Arc<[Operation]>,
}

/// A method and a path that are described.
#[derive(Clone, Debug)]
struct Operation {
    method: String,
    path: String,
    /// Who may ask.
    auth: String,
}

impl Description {
    /// The description that `#[derive(utoipa::OpenApi)]` makes of the operations of a module.
    ///
    /// # Panics
    ///
    /// Never: a description is JSON.
    #[must_use]
    pub fn new(api: &utoipa::openapi::OpenApi) -> Self {
        Self { api: serde_json::to_value(api).unwrap_or_default(), problems: Vec::new() }
    }

    /// Adds that of another module. Of two schemas of one name the first one counts.
    #[must_use]
    pub fn with(mut self, api: &utoipa::openapi::OpenApi) -> Self {
        let other = serde_json::to_value(api).unwrap_or_default();
        merge(&mut self.api, other);
        self
    }

    /// Documents a kind of problem of the service's own: its slug, its status, and what it says.
    #[must_use]
    pub fn problem(mut self, kind: impl Into<String>, status: u16, says: impl Into<String>) -> Self {
        self.problems.push((kind.into(), status, says.into()));
        self
    }

    /// Puts in what all services have: the probes, the problem document, and how to sign in.
    pub(crate) fn finish(self, name: &str, version: &str) -> Document {
        let Self { mut api, problems } = self;
        merge(&mut api, framework());
        let everywhere = api["security"].clone();
        api["openapi"] = json!("3.1.0");
        api["info"] = json!({ "title": name, "version": version });
        api["components"]["schemas"]["Problem"] = problem_schema(&problems);
        let mut operations = Vec::new();
        if let Some(paths) = api.get_mut("paths").and_then(Value::as_object_mut) {
            for (path, item) in paths {
                for method in METHODS {
                    let Some(operation) = item.get_mut(method).filter(|operation| operation.is_object())
                    else {
                        continue;
                    };
                    let security = operation.get("security").unwrap_or(&everywhere);
                    operations.push(Operation {
                        method: method.to_uppercase(),
                        path: path.clone(),
                        auth: who_may(security),
                    });
                    describe_answers(operation);
                    // Whatever is not said of it is a problem.
                    operation["responses"]["default"] = json!({ "$ref": "#/components/responses/Problem" });
                }
            }
        }
        // Its maps are in the order of their keys, so that the text is the same each time.
        let text = serde_json::to_string_pretty(&api).unwrap_or_default();
        Document { text: text.into(), operations: operations.into() }
    }
}

impl Document {
    /// The document as JSON, the same for the same service.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Who may ask for a route, if it is described: `public`, `bearer`, `optional bearer`.
    pub(crate) fn auth(&self, method: &str, pattern: &str) -> Option<String> {
        let path = plain(pattern);
        let found = self.operations.iter().find(|it| it.method == method && it.path == path);
        found.map(|it| it.auth.clone())
    }

    /// How it differs from what is served: routes that have no operation, and operations that have no route. None, if a
    /// test of the service sees to it.
    #[must_use]
    pub fn differences(&self, routes: &[RouteInfo]) -> Vec<String> {
        let served: Vec<_> = routes
            .iter()
            .filter(|route| route.module != MODULE)
            .map(|route| (route.method.clone(), plain(&route.pattern), &route.handler))
            .collect();
        let described = |method: &str, path: &str| {
            self.operations.iter().any(|it| it.method == method && it.path == path)
        };
        let undescribed = served.iter().filter(|(method, path, _)| !described(method, path)).map(
            |(method, path, handler)| {
                format!("{method} {path} is served and not described: give `{handler}` a #[utoipa::path]")
            },
        );
        let unserved = self
            .operations
            .iter()
            .filter(|it| !served.iter().any(|(method, at, _)| *method == it.method && *at == it.path))
            .map(|it| format!("{} {} is described and not served", it.method, it.path));
        undescribed.chain(unserved).collect()
    }
}

/// Who may ask, of a list of security requirements, any of which is enough: none is `public`.
fn who_may(security: &Value) -> String {
    let any_of = security.as_array().map(Vec::as_slice).unwrap_or_default();
    let names = |all_of: &Value| {
        let schemes = all_of.as_object().map(|all_of| all_of.keys().cloned().collect::<Vec<_>>());
        schemes.unwrap_or_default().join(" and ")
    };
    let (nobody, schemes): (Vec<String>, Vec<String>) = any_of.iter().map(names).partition(String::is_empty);
    match (schemes.is_empty(), nobody.is_empty()) {
        (true, _) => "public".to_owned(),
        (false, true) => schemes.join(" or "),
        (false, false) => format!("optional {}", schemes.join(" or ")),
    }
}

/// Every answer has to say what it is; where the code does not, its status does.
fn describe_answers(operation: &mut Value) {
    let Some(answers) = operation["responses"].as_object_mut() else { return };
    for (status, answer) in answers.iter_mut().filter(|(_, answer)| answer.get("$ref").is_none()) {
        if answer["description"].as_str().is_none_or(str::is_empty) {
            let status = status.parse().ok().and_then(|status| StatusCode::from_u16(status).ok());
            answer["description"] =
                json!(status.and_then(|status| status.canonical_reason()).unwrap_or("An answer"));
        }
    }
}

/// A pattern without the expressions of its parameters: `/orders/{id:\d+}` is `/orders/{id}`.
fn plain(pattern: &str) -> String {
    let (mut plain, mut depth, mut expression) = (String::new(), 0, false);
    for letter in pattern.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ':' if depth == 1 => expression = true,
            _ => {}
        }
        if depth == 0 {
            expression = false;
        }
        if !expression {
            plain.push(letter);
        }
    }
    plain
}

/// Puts into an object what it has not yet, at any depth; lists are joined.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                match into.get_mut(&key) {
                    Some(there) => merge(there, value),
                    None => drop(into.insert(key, value)),
                }
            }
        }
        (Value::Array(into), Value::Array(from)) => {
            for value in from {
                if !into.contains(&value) {
                    into.push(value);
                }
            }
        }
        (into @ Value::Null, from) => *into = from,
        _ => {}
    }
}

fn framework() -> Value {
    let report = json!({
        "type": "object",
        "required": ["status", "checks"],
        "properties": {
            "status": { "type": "string", "enum": ["ready", "not ready", "draining"] },
            "checks": { "type": "array", "items": {
                "type": "object",
                "required": ["name", "status", "duration_ms"],
                "properties": {
                    "name": { "type": "string" },
                    "status": { "type": "string", "enum": ["ok", "failed", "degraded"] },
                    "error": { "type": "string" },
                    "duration_ms": { "type": "number" },
                },
            } },
        },
    });
    let json = |schema: Value| json!({ "application/json": { "schema": schema } });
    let readiness = json(json!({ "$ref": "#/components/schemas/Readiness" }));
    let alive = json(json!({
        "type": "object",
        "required": ["status"],
        "properties": { "status": { "type": "string", "const": "healthy" } },
    }));
    json!({
        "paths": {
            "/health/": { "get": {
                "operationId": "health",
                "summary": "The process answers.",
                "tags": ["health"],
                "responses": { "200": { "description": "It does.", "content": alive } },
            } },
            "/health/ready": { "get": {
                "operationId": "ready",
                "summary": "The service takes requests, and what it needs is there.",
                "tags": ["health"],
                "responses": {
                    "200": { "description": "It is ready.", "content": readiness },
                    "503": { "description": "It is not, or is about to stop.", "content": readiness },
                },
            } },
        },
        "components": {
            "schemas": { "Readiness": report },
            "responses": { "Problem": {
                "description": "Something else: what went wrong is in the document.",
                "content": { "application/problem+json": {
                    "schema": { "$ref": "#/components/schemas/Problem" },
                } },
            } },
            "securitySchemes": { "bearer": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "An access token, as `Authorization: Bearer …`.",
            } },
        },
    })
}

fn problem_schema(own: &[(String, u16, String)]) -> Value {
    let framework = PROBLEMS.iter().map(|(kind, status, says)| (*kind, *status, *says));
    let own = own.iter().map(|(kind, status, says)| (kind.as_str(), *status, says.as_str()));
    let mut all: Vec<_> = framework.chain(own).collect();
    all.sort_unstable();
    let table: String =
        all.iter().map(|(kind, status, says)| format!("\n- `{kind}` ({status}): {says}")).collect();
    let kinds: Vec<Value> = all
        .iter()
        .map(|(kind, status, says)| {
            json!({ "type": crate::web::problem_type(kind), "status": status, "description": says })
        })
        .collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert(
        "description".to_owned(),
        json!(format!("A problem document (RFC 9457). The last part of its `type` is one of:\n{table}")),
    );
    schema.insert("required".to_owned(), json!(["type", "title", "status"]));
    schema.insert("x-problem-types".to_owned(), json!(kinds));
    schema.insert(
        "properties".to_owned(),
        json!({
            "type": { "type": "string", "format": "uri", "description": "The kind of problem, which stays the same from release to release." },
            "title": { "type": "string", "description": "The status in words." },
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "detail": { "type": "string", "description": "What went wrong this time." },
            "errors": { "type": "array", "description": "The inputs that are wrong.", "items": {
                "type": "object",
                "required": ["field", "detail"],
                "properties": {
                    "field": { "type": "string", "description": "Its name, or its path as in `lines[0].quantity`." },
                    "detail": { "type": "string", "description": "What is wrong with it." },
                },
            } },
            "trace_id": { "type": "string", "pattern": "^[0-9a-f]{32}$", "description": "For whoever is asked about it." },
        }),
    );
    Value::Object(schema)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_plain_without_its_expressions() {
        for (pattern, expected) in [
            ("/a/{id}", "/a/{id}"),
            (r"/a/{id:\d+}/b", "/a/{id}/b"),
            (r"/a/{id:[0-9]{2}}/{name}", "/a/{id}/{name}"),
            ("/a/b:c", "/a/b:c"),
            ("/{tail:.*}", "/{tail}"),
        ] {
            assert_eq!(plain(pattern), expected);
        }
    }

    #[test]
    fn who_may_ask_is_told_in_words() {
        for (security, expected) in [
            (json!(null), "public"),
            (json!([]), "public"),
            (json!([{}]), "public"),
            (json!([{ "bearer": [] }]), "bearer"),
            (json!([{}, { "bearer": [] }]), "optional bearer"),
            (json!([{ "bearer": [] }, { "cookie": [], "csrf": [] }]), "bearer or cookie and csrf"),
        ] {
            assert_eq!(who_may(&security), expected, "{security}");
        }
    }

    #[test]
    fn what_is_there_stays_and_what_is_not_is_put_in() {
        let mut into = json!({ "a": 1, "b": { "c": [1] } });
        merge(&mut into, json!({ "a": 2, "b": { "c": [1, 2], "d": 3 }, "e": 4 }));
        assert_eq!(into, json!({ "a": 1, "b": { "c": [1, 2], "d": 3 }, "e": 4 }));
    }
}
