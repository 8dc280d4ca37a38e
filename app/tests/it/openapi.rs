//! The description of the interface is that of what is served.

use std::fs;
use std::path::Path;

use orders::create_app;
use regex::Regex;
use serde_json::Value;
use spanbox::testing::TestApp;

fn document() -> Value {
    let service = create_app(Some("testing")).environment([("PORT", "0"), ("APP_MANAGEMENT__PORT", "0")]);
    let ready = service.prepare().unwrap();
    serde_json::from_str(ready.document().unwrap().text()).unwrap()
}

#[test]
fn every_route_is_described_and_every_operation_is_served() {
    let service = create_app(Some("testing")).environment([("PORT", "0"), ("APP_MANAGEMENT__PORT", "0")]);
    let ready = service.prepare().unwrap();
    assert_eq!(ready.document().unwrap().differences(ready.routes()), [""; 0]);
}

#[test]
fn the_command_prints_it_and_always_the_same() {
    let print = || {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = spanbox::cli::execute(create_app, ["orders", "openapi"], &mut out, &mut err);
        assert_eq!((code, String::from_utf8(err).unwrap().as_str()), (0, ""));
        String::from_utf8(out).unwrap()
    };
    let first = print();
    assert_eq!(first, print());
    let document: Value = serde_json::from_str(&first).unwrap();
    assert_eq!((&document["openapi"], &document["info"]["title"]), (&"3.1.0".into(), &"orders".into()));
}

#[test]
fn each_kind_of_problem_that_the_service_names_is_described() {
    let document = document();
    let described: Vec<&str> = document["components"]["schemas"]["Problem"]["x-problem-types"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| kind["type"].as_str().unwrap())
        .collect();
    let named = Regex::new(r#"Problem::new\(\s*[^,"]+,\s*"([a-z-]+)""#).unwrap();
    let (mut missing, mut found) = (Vec::new(), 0);
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(directory) = directories.pop() {
        for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            for kind in named.captures_iter(&fs::read_to_string(&path).unwrap()) {
                found += 1;
                let kind = format!("urn:problem-type:spanbox:{}", &kind[1]);
                if !described.contains(&kind.as_str()) {
                    missing.push(format!("{}: {kind}", path.display()));
                }
            }
        }
    }
    assert!(found > 0, "this test looks for the wrong words");
    assert_eq!(missing, [""; 0], "say what they are with Description::problem");
}

#[actix::test]
async fn it_is_served_with_a_page_to_read_it_on_where_that_is_wanted() {
    let app = TestApp::start_with(create_app, [("APP_OPENAPI__SERVE", "true")]).await;
    let served = app.get("/openapi.json").await;
    assert_eq!(served.json::<Value>(), document());
    let named = Regex::new(r#"(?:src|href)="([^"]+)""#).unwrap();
    for path in ["/docs", "/docs/"] {
        let page = app.get(path).await;
        assert_eq!(
            (page.status.as_u16(), page.header("content-type")),
            (200, Some("text/html; charset=utf-8"))
        );
        let text = page.text();
        let files: Vec<_> = named.captures_iter(&text).map(|file| file[1].to_owned()).collect();
        assert!(files.len() >= 4, "{text}");
        for file in files {
            assert_eq!(app.get(&file).await.status, 200, "{file}");
        }
    }
    assert!(app.get("/docs/swagger-initializer.js").await.text().contains("/openapi.json"));
    assert_eq!(app.get("/docs/nothing.js").await.status, 404);
    app.stop().await;
}

#[actix::test]
async fn it_is_not_served_unless_that_is_wanted() {
    let app = TestApp::start(create_app).await;
    for path in ["/openapi.json", "/docs/", "/docs/index.html"] {
        assert_eq!(app.get(path).await.status, 404, "{path}");
    }
    app.stop().await;
}
