use serde_json::json;

use super::*;

const SECRET: &str = "hunter2-correct-horse-battery-staple";

fn production() -> (Directory, Config) {
    let directory = Directory::with(&[
        (
            "default.toml",
            "# comment\n[server]\nport = 1 # one\n\n[payments]\nlimits = { EUR = 1 }\nretry.attempts = 1\n",
        ),
        ("production.toml", "server.port = 2\nserver.tls = { certificate = 'c', private_key = 'k' }\n"),
    ]);
    let url = "postgres://me:hunter2@db.example/orders?password=hunter2";
    let variables = [
        ("SECRET_KEY", SECRET),
        ("DATABASE_URL", url),
        ("REDIS_URL", "redis://:hunter2@cache"),
        ("APP_PAYMENTS__API_KEY", "hunter2"),
        // Alone it does not make a table that could show it: the rest of the table is in a file.
        ("APP_PAYMENTS__RETRY__TOKEN", "hunter2"),
        ("PORT", "3"),
    ];
    let mut loader =
        directory.loader("production", &variables).default_value("payments.gateway", "say \"hi\"\\");
    loader.section::<Payments>();
    let config = loader.load().unwrap();
    (directory, config)
}

fn origins(directory: &Directory, config: &Config) -> Vec<(String, String)> {
    let entries = config.entries().iter();
    entries.map(|entry| (entry.key.clone(), directory.short(&entry.origin.to_string()))).collect()
}

#[test]
fn every_key_says_where_its_value_comes_from() {
    let (directory, config) = production();
    let origins = origins(&directory, &config);
    for (key, origin) in [
        ("server.port", "PORT"),
        ("server.host", "default (production)"),
        ("server.backlog", "default"),
        ("server.tls.certificate", "config/production.toml:2"),
        ("payments.limits.EUR", "config/default.toml:6"),
        ("payments.gateway", "set in code"),
        ("payments.api_key", "APP_PAYMENTS__API_KEY"),
        ("database.url", "DATABASE_URL"),
        ("payments.retry.token", "APP_PAYMENTS__RETRY__TOKEN"),
        ("payments.retry.jitter", "default"),
        ("service.version", "default"),
    ] {
        assert!(origins.contains(&(key.to_owned(), origin.to_owned())), "{key} {origin}: {origins:?}");
    }
}

#[test]
fn the_entries_are_every_key_of_every_section_once() {
    let config = environment(&[]).load().unwrap();
    let mut keys: Vec<&str> = config.entries().iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(keys.len(), 3 + 18 + 6 + 1 + 34 + 2);
    assert_eq!(keys[..4], ["service.version", "service.environment", "service.secret_key", "server.host"]);
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), config.entries().len());
}

#[test]
fn no_secret_is_shown_anywhere() {
    let (_directory, config) = production();
    let json = serde_json::to_string(config.entries()).unwrap();
    let mut shown = format!("{}{config:?}{json}", config.render());
    for entry in config.entries() {
        let explanation = config.explain(&entry.key).unwrap();
        shown.push_str(&format!(
            "{explanation}{explanation:?}{}",
            serde_json::to_string(&explanation).unwrap()
        ));
    }
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains(r#"url = "postgres://me:***@db.example/orders?password=***""#), "{shown}");
    assert_eq!(config.get::<ServiceSettings>().unwrap().secret_key.unwrap().expose(), SECRET);
}

#[test]
fn what_is_rendered_is_toml_with_the_values_in_effect() {
    let (_directory, config) = production();
    let text = config.render();
    let document = toml_edit::Document::parse(text.as_str()).unwrap();
    assert_eq!(document["server"]["port"].as_integer(), Some(3));
    assert_eq!(document["server"]["keep_alive"].as_str(), Some("1m 15s"));
    assert_eq!(document["server"]["tls"]["certificate"].as_str(), Some("c"));
    assert_eq!(document["service"]["secret_key"].as_str(), Some("***"));
    assert_eq!(document["payments"]["gateway"].as_str(), Some("say \"hi\"\\"));
    assert_eq!(document["telemetry"]["excluded_paths"].as_array().map(toml_edit::Array::len), Some(5));
}

#[test]
fn a_rendered_configuration_reads_back_as_itself() {
    let config = environment(&[("PORT", "3")]).load().unwrap();
    let directory = Directory::with(&[("default.toml", &config.render())]);
    let again = directory.loader("development", &[]).load().unwrap();
    let values =
        |config: &Config| config.entries().iter().map(|entry| entry.value.clone()).collect::<Vec<_>>();
    assert_eq!(values(&again), values(&config));
}

#[test]
fn a_section_is_rendered_in_aligned_lines() {
    let mut loader = Loader::new("development").environment([("REDIS_URL", ""), ("LOG_LEVEL", "debug")]);
    loader.section::<LogSettings>().section::<RedisSettings>();
    let expected = "\
# profile: development

[log]
level = \"debug\"    # LOG_LEVEL
format = \"pretty\"  # default

[redis]
# url is not set  # default
";
    assert_eq!(loader.load().unwrap().render(), expected);
}

#[test]
fn an_entry_is_plain_json() {
    let config = environment(&[("PORT", "3")]).load().unwrap();
    let port = config.entries().iter().find(|entry| entry.key == "server.port").unwrap();
    assert_eq!(
        serde_json::to_value(port).unwrap(),
        json!({"key": "server.port", "value": 3, "origin": "PORT"})
    );
}

#[test]
fn an_explanation_lists_every_layer_and_the_last_wins() {
    let (directory, config) = production();
    let explanation = directory.short(&config.explain("server.port").unwrap().to_string());
    let expected = "server.port\n  8080  # default\n  1  # config/default.toml:3\n  2  # config/production.toml:1\n> 3  # PORT";
    assert_eq!(explanation, expected);
}

#[test]
fn an_unknown_key_is_not_explained_but_corrected() {
    let error = environment(&[]).load().unwrap().explain("server.prot").unwrap_err();
    assert_eq!(error.to_string(), "server.prot is not a setting; did you mean server.port?");
}
