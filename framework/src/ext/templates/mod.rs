//! Pages rendered from templates, behind the feature `templates`.
//!
//! The extension [`TemplateEngine`] reads `[templates]` and provides [`Templates`]; the language is that of Jinja2
//! ([minijinja](https://docs.rs/minijinja)).
//!
//! ```
//! use actix_web::web::Data;
//! use spanbox::app::Service;
//! use spanbox::ext::templates::{Html, TemplateEngine, Templates, context};
//! use spanbox::module::Module;
//! use spanbox::web::Problem;
//!
//! async fn greet(templates: Data<Templates>) -> Result<Html, Problem> {
//!     Ok(templates.render("greeting.html", context! { name => "<Ada>" })?)
//! }
//!
//! let engine = TemplateEngine::embedded(&[("greeting.html", "<p>Hello {{ name }}</p>")]).require(&["greeting.html"]);
//! let service = Service::new("greeter", "1.0.0")
//!     .extension(engine)
//!     .module(Module::new("greetings").get("/greet", greet));
//! assert!(service.prepare().is_ok());
//! ```
//!
//! - **Escaped.** What is put into a template called `.html`, `.htm` or `.xml` is escaped, unless it says `|safe`.
//! - **Checked.** A template with an error in it, and one that is required and not there, stop the start. A variable that is
//!   not there is an error, not an empty text.
//! - **Recorded.** Each rendering is a span `template.render`. An error names the template and the line; the client sees
//!   a 500 and the trace's id.
//! - **At the desk** (`templates.reload`, true in the profile `development`) the files are read again for each rendering.

mod engine;
mod html;
mod settings;

pub use engine::{TemplateEngine, TemplateError, Templates};
pub use html::Html;
pub use minijinja::context;
pub use settings::TemplateSettings;
