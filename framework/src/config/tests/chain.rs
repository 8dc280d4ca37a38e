use std::time::Duration;

use super::*;

#[test]
fn each_layer_outranks_the_one_below() {
    let directory = Directory::with(&[
        ("default.toml", "[server]\nhost = 'a'\nport = 1\nworkers = 1\nbacklog = 1\nmax_connections = 1"),
        ("production.toml", "[server]\nport = 2\nworkers = 2\nbacklog = 2"),
    ]);
    let variables =
        [("SECRET_KEY", KEY), ("PORT", "3"), ("APP_SERVER__PORT", "4"), ("APP_SERVER__WORKERS", "3")];
    let config = directory.loader("production", &variables).default_value("server.max_body_bytes", 7);
    let server: ServerSettings = config.load().unwrap().get().unwrap();
    assert_eq!(server.max_connection_rate, 256, "compiled default");
    assert_eq!(server.max_body_bytes, 7, "default in code");
    assert_eq!(server.host, "a", "default.toml above the profile's default");
    assert_eq!(server.backlog, 2, "the profile's file above default.toml");
    assert_eq!(server.workers, 3, "a variable above the profile's file");
    assert_eq!(server.port, 4, "a name with a section above the plain one");
}

#[test]
fn profiles_have_defaults_of_their_own() {
    let directory = Directory::with(&[]);
    let load = |profile| directory.loader(profile, &[("SECRET_KEY", KEY)]).load().unwrap();
    for (profile, host, port, migrate, format) in [
        ("development", "127.0.0.1", 8080, true, LogFormat::Pretty),
        ("testing", "127.0.0.1", 0, true, LogFormat::Pretty),
        ("production", "0.0.0.0", 8080, false, LogFormat::Json),
    ] {
        let config = load(profile);
        let server: ServerSettings = config.get().unwrap();
        assert_eq!((server.host.as_str(), server.port), (host, port), "{profile}");
        assert_eq!(config.get::<DatabaseSettings>().unwrap().migrate_on_start, migrate, "{profile}");
        assert_eq!(config.get::<LogSettings>().unwrap().format, format, "{profile}");
        assert_eq!(config.profile().name(), profile);
    }
}

#[test]
fn a_default_in_code_outranks_the_profiles_default() {
    let directory = Directory::with(&[]);
    let loader = directory.loader("testing", &[]).default_value("server.port", 99);
    assert_eq!(loader.load().unwrap().get::<ServerSettings>().unwrap().port, 99);
}

#[test]
fn each_plain_variable_sets_its_key() {
    for (name, value, key) in [
        ("PORT", "81", "server.port"),
        ("DATABASE_URL", "sqlite://x.db", "database.url"),
        ("REDIS_URL", "redis://localhost", "redis.url"),
        ("SECRET_KEY", "s", "service.secret_key"),
        ("ENVIRONMENT", "staging", "service.environment"),
        ("APP_VERSION", "1.2.3", "service.version"),
        ("LOG_LEVEL", "debug", "log.level"),
    ] {
        let config = environment(&[(name, value)]).load().unwrap();
        let set: Vec<_> = config.entries().iter().filter(|entry| entry.origin != Origin::Default).collect();
        assert_eq!(set.len(), 1, "{name}");
        assert_eq!((set[0].key.as_str(), &set[0].origin), (key, &Origin::Variable(name.to_owned())));
    }
}

#[test]
fn a_plain_variable_of_a_section_that_is_not_there_is_left_alone() {
    let mut loader = Loader::new("development").environment([("PORT", "x"), ("REDIS_URL", "x")]);
    loader.section::<LogSettings>();
    assert!(loader.load().is_ok());
}

#[test]
fn an_empty_variable_is_unset() {
    let config = environment(&[("PORT", ""), ("APP_SERVER__HOST", ""), ("APP_NO__SUCH", "")]).load().unwrap();
    assert_eq!(config.get::<ServerSettings>().unwrap().port, 8080);
}

#[test]
fn names_without_a_double_underscore_are_not_settings() {
    assert!(environment(&[("APP_NAME", "x"), ("APP_PORT", "x"), ("APPLE__PIE", "x")]).load().is_ok());
}

#[test]
fn a_variables_text_is_read_as_its_keys_type() {
    let mut loader = environment(&[
        ("SECRET_KEY", "12345"),
        ("ENVIRONMENT", "true"),
        ("APP_SERVER__REQUEST_TIMEOUT", "90s"),
        ("APP_DATABASE__MIGRATE_ON_START", "0"),
        ("APP_TELEMETRY__ENABLED", "False"),
        ("APP_TELEMETRY__SAMPLE_RATIO", "1"),
        ("APP_TELEMETRY__EXCLUDED_PATHS", "/a, /b/*,"),
        ("APP_TELEMETRY__PROTOCOL", "grpc"),
        ("APP_TELEMETRY__TRUST", "10.0.0.0/8, ::1"),
        ("APP_TELEMETRY__SAMPLING__ROUTES", "{ 'GET /a' = 0.5 }"),
        ("APP_PAYMENTS__CURRENCIES", r#"["EUR", "1"]"#),
        ("APP_PAYMENTS__LIMITS__EUR", "7"),
        ("APP_PAYMENTS__RETRY", "{ attempts = 3 }"),
        ("APP_PAYMENTS__RETRY__JITTER", "yes"),
    ]);
    loader.section::<Payments>();
    let config = loader.load().unwrap();
    let service: ServiceSettings = config.get().unwrap();
    assert_eq!(service.secret_key.unwrap().expose(), "12345");
    assert_eq!(service.environment.unwrap(), "true");
    assert_eq!(config.get::<ServerSettings>().unwrap().request_timeout, Duration::from_secs(90));
    assert!(!config.get::<DatabaseSettings>().unwrap().migrate_on_start);
    let telemetry: TelemetrySettings = config.get().unwrap();
    assert!(!telemetry.enabled);
    assert!((telemetry.sample_ratio - 1.0).abs() < f64::EPSILON);
    assert_eq!(telemetry.excluded_paths, ["/a", "/b/*"]);
    assert_eq!(telemetry.protocol, Some(OtlpProtocol::Grpc));
    assert_eq!(serde_json::to_value(&telemetry.trust).unwrap(), serde_json::json!(["10.0.0.0/8", "::1/128"]));
    assert_eq!(telemetry.sampling.routes.into_iter().collect::<Vec<_>>(), [("GET /a".to_owned(), 0.5)]);
    let payments: Payments = config.get().unwrap();
    assert_eq!(payments.currencies, ["EUR", "1"]);
    assert_eq!(payments.limits["eur"], 7);
    let retry = payments.retry.unwrap();
    assert_eq!((retry.attempts, retry.jitter), (3, true));
}

#[test]
fn nested_tables_that_are_off_by_default_take_their_own_keys() {
    let directory = Directory::with(&[("default.toml", "[server.tls]\ncertificate = 'cert.pem'")]);
    let loader = directory.loader("development", &[("APP_SERVER__TLS__PRIVATE_KEY", "key.pem")]);
    let tls = loader.load().unwrap().get::<ServerSettings>().unwrap().tls.unwrap();
    assert_eq!(tls.certificate.to_str(), Some("cert.pem"));
    assert_eq!(tls.private_key.to_str(), Some("key.pem"));
}

#[test]
fn the_profile_is_the_callers_or_else_the_variables_or_else_development() {
    let variable = [("APP_PROFILE", "testing")];
    let empty = [("APP_PROFILE", "")];
    assert_eq!(Loader::from_environment(Some("production"), variable).profile(), &Profile::PRODUCTION);
    assert_eq!(Loader::from_environment(None, variable).profile(), &Profile::TESTING);
    assert_eq!(Loader::from_environment(None, empty).profile(), &Profile::DEVELOPMENT);
}

#[test]
fn a_profile_of_ones_own_is_the_file_that_bears_its_name() {
    let directory = Directory::with(&[("staging-2.toml", "[server]\nport = 5")]);
    let config = directory.loader("staging-2", &[]).load().unwrap();
    assert_eq!(config.get::<ServerSettings>().unwrap().port, 5);
    assert!(!config.profile().is_production());
}

#[test]
fn a_variable_names_the_directory_unless_the_caller_does() {
    let named = Directory::with(&[("default.toml", "[server]\nport = 1")]);
    let other = Directory::with(&[("default.toml", "[server]\nport = 2")]);
    let path = named.0.path().to_str().unwrap();
    let port = |loader: Loader| loader.load().unwrap().get::<ServerSettings>().unwrap().port;
    assert_eq!(port(environment(&[("APP_CONFIG_DIR", path)])), 1);
    assert_eq!(port(environment(&[("APP_CONFIG_DIR", path)]).directory(other.0.path())), 2);
}

#[test]
fn without_a_directory_the_compiled_defaults_run() {
    let config = environment(&[]).load().unwrap();
    assert_eq!(config.get::<ServerSettings>().unwrap().port, 8080);
    assert!(config.entries().iter().all(|entry| entry.origin == Origin::Default));
}

#[test]
fn a_modules_section_is_read_like_the_frameworks() {
    let text = "[payments]\ngateway = 'g'\napi_key = 'hunter2'\n[payments.limits]\nEUR = 1\n[[payments.routes]]\npath = '/a'";
    let directory = Directory::with(&[("default.toml", text)]);
    let mut loader = directory.loader("development", &[("APP_PAYMENTS__GATEWAY", "h")]);
    loader.section::<Payments>().section::<Payments>();
    let payments: Payments = loader.load().unwrap().get().unwrap();
    assert_eq!((payments.gateway.as_str(), payments.api_key.expose().as_str()), ("h", "hunter2"));
    assert_eq!((payments.limits["EUR"], payments.routes[0].path.as_str()), (1, "/a"));
}

#[test]
fn a_section_that_was_not_registered_is_an_error() {
    let error = environment(&[]).load().unwrap().get::<Payments>().unwrap_err();
    assert_eq!(error, ConfigError::NotRegistered("payments"));
}

#[test]
fn a_configuration_goes_to_other_threads() {
    fn shared<T: Clone + Send + Sync>() {}
    shared::<Config>();
}
