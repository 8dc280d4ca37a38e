//! Pages: escaped, checked at the start, and recorded.

use std::fs;

use actix_web::web::Data;
use serde::Serialize;
use spanbox::app::Service;
use spanbox::ext::templates::{Html, TemplateEngine, Templates, context};
use spanbox::module::Module;
use spanbox::testing::contract::SPANBOX;
use spanbox::testing::{CapturedMetrics, Spans, TestApp};
use spanbox::web::Problem;

#[derive(Serialize)]
struct Page {
    name: &'static str,
}

const BASE: (&str, &str) = ("base.html", "<main>{% block body %}{% endblock %}</main>");
const GREETING: (&str, &str) =
    ("greeting.html", "{% extends 'base.html' %}{% block body %}Hello {{ name }}{% endblock %}");
const BROKEN: (&str, &str) = ("broken.html", "<p>\n{{ nobody }}</p>");
const PLAIN: (&str, &str) = ("plain.txt", "{{ name }}");

async fn greet(templates: Data<Templates>) -> Result<Html, Problem> {
    Ok(templates.render("greeting.html", Page { name: "<Ada>" })?)
}

async fn plain(templates: Data<Templates>) -> Result<Html, Problem> {
    Ok(templates.render("plain.txt", context! { name => "<Ada>" })?)
}

async fn broken(templates: Data<Templates>) -> Result<Html, Problem> {
    Ok(templates.render("broken.html", Page { name: "Ada" })?)
}

async fn missing(templates: Data<Templates>) -> Result<Html, Problem> {
    Ok(templates.render("missing.html", Page { name: "Ada" })?)
}

fn service(profile: Option<&str>, engine: TemplateEngine) -> Service {
    let module = Module::new("pages")
        .get("/greeting", greet)
        .get("/plain", plain)
        .get("/broken", broken)
        .get("/missing", missing);
    Service::new("pages", "1").profile(profile).extension(engine).module(module)
}

fn embedded() -> TemplateEngine {
    TemplateEngine::embedded(&[BASE, GREETING, BROKEN, PLAIN]).require(&["greeting.html"])
}

#[actix::test]
async fn a_page_is_html_escaped_and_a_span() {
    let metrics = CapturedMetrics::default();
    let receiver = metrics.clone();
    let app = TestApp::start(|profile| service(profile, embedded()).metric_exporter(receiver)).await;
    let page = app.get("/greeting").await;
    assert_eq!(page.text(), "<main>Hello &lt;Ada&gt;</main>");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(app.get("/plain").await.text(), "<Ada>");
    let span = app.expect_path(&["GET /greeting", "template.render"]).await;
    assert_eq!(Spans::attribute(&span, "template.name").as_deref(), Some("greeting.html"));
    let (_, spans) = app.stop().await;
    assert_eq!(SPANBOX.unlisted(&metrics.with(&spans)), [""; 0]);
}

#[actix::test]
async fn an_error_names_template_and_line_in_the_trace_alone() {
    let app = TestApp::start(|profile| service(profile, embedded())).await;
    for (path, template, part) in [
        ("/broken", "broken.html", "the template `broken.html`, line 2: undefined value"),
        ("/missing", "missing.html", "there is no template `missing.html`: there are base.html, broken.html"),
    ] {
        let answer = app.get(path).await;
        assert_eq!(answer.status, 500);
        assert!(!answer.text().contains("html"), "{answer:?}");
        let span = app.expect_path(&[&format!("GET {path}"), "template.render"]).await;
        assert_eq!(Spans::attribute(&span, "template.name").as_deref(), Some(template));
        assert!(format!("{span:?}").contains(part), "{span:?}");
    }
    app.stop().await;
}

#[actix::test]
async fn a_template_that_is_broken_or_missing_stops_the_start() {
    for (engine, part) in [
        (
            TemplateEngine::embedded(&[("x.html", "<p>\n\n{% if %}")]),
            "the template `x.html`, line 3: syntax error",
        ),
        (
            TemplateEngine::embedded(&[PLAIN]).require(&["receipt.html"]),
            "there is no template `receipt.html`: there are plain.txt",
        ),
    ] {
        let ready = service(Some("testing"), engine).environment([("PORT", "0"), ("LOG_LEVEL", "off")]);
        let error = ready.prepare().unwrap().start().await.err().unwrap().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[actix::test]
async fn the_files_of_a_directory_replace_those_in_the_program_and_are_read_again_if_that_is_wanted() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("parts")).unwrap();
    let write = |file: &str, text: &str| fs::write(directory.path().join(file), text).unwrap();
    write("greeting.html", "{% include 'parts/name.html' %}, at last");
    write("parts/name.html", "{{ name }}");
    let path = directory.path().to_str().unwrap();
    for (reload, second) in [("true", "&lt;Ada&gt;, again"), ("false", "&lt;Ada&gt;, at last")] {
        write("greeting.html", "{% include 'parts/name.html' %}, at last");
        let environment = [("APP_TEMPLATES__DIRECTORY", path), ("APP_TEMPLATES__RELOAD", reload)];
        let app = TestApp::start_with(|profile| service(profile, embedded()), environment).await;
        assert_eq!(app.get("/greeting").await.text(), "&lt;Ada&gt;, at last");
        write("greeting.html", "{% include 'parts/name.html' %}, again");
        assert_eq!(app.get("/greeting").await.text(), second, "reload = {reload}");
        app.stop().await;
    }
    let missing = [("APP_TEMPLATES__DIRECTORY", "/nowhere/at/all")];
    let errors = service(Some("testing"), embedded()).environment(missing).prepare().err().unwrap();
    assert!(errors.to_string().contains("templates.directory names /nowhere/at/all"), "{errors}");
}

#[actix::test]
async fn at_the_desk_the_files_of_the_repository_are_read() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("greeting.html"), "from the desk").unwrap();
    let reload = [("APP_TEMPLATES__RELOAD", "true")];
    let at = |path: &std::path::Path| embedded().directory(path);
    let app = TestApp::start_with(|profile| service(profile, at(directory.path())), reload).await;
    assert_eq!(app.get("/greeting").await.text(), "from the desk");
    app.stop().await;
    // Elsewhere there is no such directory, and the program has its own.
    let nowhere = directory.path().join("nowhere");
    let app = TestApp::start_with(|profile| service(profile, at(&nowhere)), reload).await;
    assert!(app.get("/greeting").await.text().starts_with("<main>"));
    app.stop().await;
}
