use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use actix_web::web::{Data, Path};
use utoipa_swagger_ui::Config;

use super::document::{Document, MODULE};
use super::settings::OpenApiSettings;
use crate::config::Profile;
use crate::module::{Boot, BoxError, Module};
use crate::web::Problem;

/// Its own files, and the styles and images that it writes into the page.
const POLICY: &str =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

/// The description, if it is served.
#[derive(Clone)]
struct Served(Option<Document>);

/// `GET /openapi.json`, and `GET /docs/` with a page to read it on and to try it out.
pub(crate) fn module(document: Document) -> Module {
    Module::new(MODULE)
        .settings::<OpenApiSettings>()
        .on_start(async move |boot| provide(&boot, document))
        .get("/openapi.json", json)
        .get("/docs/", page)
        .get("/docs/{file}", file)
}

fn provide(boot: &Boot, document: Document) -> Result<(), BoxError> {
    let development = boot.config().profile().name() == Profile::DEVELOPMENT.name();
    let serve = boot.settings::<OpenApiSettings>()?.serve.unwrap_or(development);
    boot.provide(Served(serve.then_some(document)));
    Ok(())
}

fn served(served: &Served) -> Result<&Document, Problem> {
    served.0.as_ref().ok_or_else(|| Problem::not_found("there is nothing here"))
}

async fn json(document: Data<Served>) -> Result<HttpResponse, Problem> {
    let text = served(&document)?.text().to_owned();
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/json"))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .body(text))
}

/// Its files are named from the root, so that the page works with and without the slash at its end.
async fn page(document: Data<Served>) -> Result<HttpResponse, Problem> {
    served(&document)?;
    let html = String::from_utf8(asset("index.html")?.0)
        .map_err(Problem::internal)?
        .replace("href=\"./", "href=\"/docs/")
        .replace("src=\"./", "src=\"/docs/")
        .replace("href=\"index.css\"", "href=\"/docs/index.css\"");
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .body(html))
}

async fn file(document: Data<Served>, file: Path<String>) -> Result<HttpResponse, Problem> {
    served(&document)?;
    let (bytes, kind, gzipped) = asset(&file)?;
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, kind));
    if gzipped {
        response.insert_header((CONTENT_ENCODING, "gzip"));
    }
    Ok(response.body(bytes))
}

/// A file of Swagger UI, which is part of the program: its bytes, its type, and whether it is compressed.
fn asset(name: &str) -> Result<(Vec<u8>, String, bool), Problem> {
    let config = Arc::new(Config::from("/openapi.json"));
    match utoipa_swagger_ui::serve(name, config) {
        Ok(Some(file)) => Ok((file.bytes.into_owned(), file.content_type, file.gzpipped)),
        Ok(None) => Err(Problem::not_found("there is nothing here")),
        Err(error) => Err(Problem::internal(error.to_string())),
    }
}
