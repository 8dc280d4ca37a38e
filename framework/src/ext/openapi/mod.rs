//! The description of a service's interface, as OpenAPI 3.1, from its code.
//!
//! A handler says what it takes and answers with `#[utoipa::path]`, its types with `#[derive(utoipa::ToSchema)]`; a module
//! gathers its operations in a type with `#[derive(utoipa::OpenApi)]`; and the service is given them with
//! [`Service::describe`](crate::app::Service::describe). What all services have is put in: the probes, the problem
//! document with every kind of problem, and as the answer to every operation whose status nobody mentioned. The
//! security scheme `bearer` is there for `security(("bearer" = []))`.
//!
//! The `development` profile serves it as `GET /openapi.json`, and at `/docs/` a page to read it on and to try it out
//! (`openapi.serve` says otherwise); the command `openapi` prints it. A test of the service holds it against the routes
//! with [`Document::differences`], so that none is forgotten:
//!
//! ```
//! use spanbox::app::Service;
//! use spanbox::ext::openapi::Description;
//! use spanbox::module::Module;
//! use spanbox::web::{Json, Problem};
//! use utoipa::{OpenApi, ToSchema};
//!
//! #[derive(serde::Serialize, ToSchema)]
//! struct Greeting {
//!     words: String,
//! }
//!
//! /// Greets somebody.
//! #[utoipa::path(get, path = "/hello/{name}", params(("name" = String, Path)), responses((status = 200, body = Greeting)))]
//! async fn hello(name: actix_web::web::Path<String>) -> Result<Json<Greeting>, Problem> {
//!     Ok(Json(Greeting { words: format!("hello {name}") }))
//! }
//!
//! #[derive(OpenApi)]
//! #[openapi(paths(hello))]
//! struct Api;
//!
//! let service = Service::new("greeter", "1.0.0")
//!     .describe(Description::new(&Api::openapi()).problem("too-rude", 422, "The name is no name."))
//!     .module(Module::new("greetings").get("/hello/{name}", hello));
//! let ready = service.prepare().unwrap();
//! let document = ready.document().unwrap();
//! assert_eq!(document.differences(ready.routes()), [""; 0]);
//! assert!(document.text().contains("\"Greets somebody.\""));
//! ```

mod conditions;
mod document;
mod problems;
mod serve;
mod settings;

pub use conditions::{IfMatch, IfNoneMatch};
pub use document::{Description, Document};
pub use settings::OpenApiSettings;

pub(crate) use serve::module;
