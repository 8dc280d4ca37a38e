use super::*;

#[test]
fn everything_wrong_is_reported_at_once_with_its_place() {
    let default = "[server]\nprot = 80\nworkers = 'many'\n\n[sevrer]\nport = 1\n\n[log]\nformat = 'xml'\n";
    let production = "[server.tls]\ncertificate = 3\n\n[database]\nurl = 'mysql://h/d'\npool_size = 0\n";
    let directory = Directory::with(&[("default.toml", default), ("production.toml", production)]);
    let variables = [("PORT", "http"), ("SECRET_KEY", "short"), ("APP_LOG__LEVLE", "info")];
    let problems = directory.problems("production", &variables);
    assert_eq!(
        problems,
        [
            "config/default.toml:2: server.prot is not a setting; did you mean server.port?",
            "config/default.toml:3: server.workers must be a whole number, 0 or more, not the text \"many\"",
            "config/default.toml:5: [sevrer] is not a section; did you mean [server]?",
            "config/default.toml:9: log.format must be one of pretty, json, not the text \"xml\"",
            "config/production.toml:1: server.tls.private_key is missing: [server.tls] cannot do without it",
            "config/production.toml:2: server.tls.certificate must be a text, not the number 3",
            "config/production.toml:5: database.url has the scheme `mysql`: only sqlite:// and postgres:// are known",
            "config/production.toml:6: database.pool_size must be between 1 and 1000, got 0",
            "APP_LOG__LEVLE: log.levle is not a setting; did you mean log.level (APP_LOG__LEVEL)?",
            "PORT: server.port must be a whole number from 0 to 65535, not the text \"http\"",
            "SECRET_KEY: service.secret_key is shorter than 32 bytes: set SECRET_KEY to e.g. the output of `openssl rand -hex 32`",
        ]
    );
}

#[test]
fn the_report_has_a_heading_and_a_line_for_each_problem() {
    let report = environment(&[("PORT", "x"), ("APP_SERVER__HSOT", "y")]).load().unwrap_err().to_string();
    let lines: Vec<&str> = report.lines().collect();
    assert_eq!(lines.len(), 3, "{report}");
    assert_eq!(lines[0], "the configuration has 2 problems:");
    assert!(lines[1].starts_with("  APP_SERVER__HSOT: "), "{report}");
}

#[test]
fn a_wrong_value_says_what_is_wanted_and_what_is_there() {
    for (text, expected) in [
        (
            "[server]\nport = 70000",
            "server.port must be a whole number from 0 to 65535, not the number 70000",
        ),
        ("[server]\nport = -1", "server.port must be a whole number from 0 to 65535, not the number -1"),
        ("[server]\nport = 80.5", "server.port must be a whole number from 0 to 65535, not the number 80.5"),
        (
            "[server]\nkeep_alive = 'soon'",
            "server.keep_alive must be a duration such as \"30s\" or \"1m 30s\", not the text \"soon\"",
        ),
        (
            "[server]\nkeep_alive = 75",
            "server.keep_alive must be a duration such as \"30s\" or \"1m 30s\", not the number 75",
        ),
        ("[server]\nhost = true", "server.host must be a text, not the truth value true"),
        ("[server]\ntls = true", "server.tls must be a table, not the truth value true"),
        ("[telemetry]\nenabled = 'on'", "telemetry.enabled must be true or false, not the text \"on\""),
        ("[telemetry]\nexcluded_paths = 'a'", "telemetry.excluded_paths must be a list, not the text \"a\""),
        (
            "[telemetry]\nexcluded_paths = ['a', 1]",
            "telemetry.excluded_paths[1] must be a text, not the number 1",
        ),
        (
            "[telemetry.database]\nn_plus_one = 1",
            "telemetry.database.n_plus_one must be 0 (never) or at least 2: once is no repetition, got 1",
        ),
        (
            "[telemetry]\ntrust = 7",
            "telemetry.trust must be \"all\", \"none\" or a list of networks, not the number 7",
        ),
        (
            "[telemetry]\ntrust = ['10.0.0.0/8', '10.1.0.0/8']",
            "telemetry.trust is not valid: `10.1.0.0/8` begins in the middle: did you mean 10.0.0.0/8?",
        ),
        (
            "[telemetry]\nsampling = { routes = { 'GET /' = 2.0 } }",
            "telemetry.sampling.routes gives `GET /` a share that is not between 0.0 and 1.0: 2",
        ),
        ("[telemetry]\nkeep = { max_wait = '0s' }", "telemetry.keep.max_wait must be at least 1s"),
        (
            "[telemetry]\nbaggage = { send = ['a b'] }",
            "telemetry.baggage.send has `a b`, which is no key of baggage",
        ),
        (
            "[telemetry]\nexcluded_paths = ['health']",
            "telemetry.excluded_paths has `health`, which no path is like: start it with `/` or `*`",
        ),
        ("[log]\nformat = 1", "log.format must be one of pretty, json, not the number 1"),
    ] {
        let directory = Directory::with(&[("default.toml", text)]);
        assert_eq!(directory.problems("development", &[]), [format!("config/default.toml:2: {expected}")]);
    }
}

#[test]
fn every_wrong_key_of_one_section_is_found() {
    let directory = Directory::with(&[("default.toml", "[server]\nport = 'x'\nworkers = 'y'\nhost = 1")]);
    assert_eq!(directory.problems("development", &[]).len(), 3);
}

#[test]
fn a_wrong_value_is_a_problem_also_when_a_higher_layer_replaces_it() {
    let directory = Directory::with(&[("default.toml", "[server]\nport = 'x'")]);
    let problems = directory.problems("development", &[("PORT", "80")]);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("config/default.toml:2: server.port"), "{problems:?}");
}

#[test]
fn broken_toml_is_reported_with_its_line_and_column_and_without_its_text() {
    let text = "[service]\nsecret_key = hunter2\n";
    let directory =
        Directory::with(&[("default.toml", text), ("development.toml", "[server]\nport = 1\nport = 2")]);
    let problems = directory.problems("development", &[("PORT", "x")]);
    assert_eq!(problems.len(), 3, "the other layers are still checked: {problems:?}");
    assert!(problems[0].starts_with("config/default.toml:2: is not TOML at column 14: "), "{problems:?}");
    assert!(
        problems[1].starts_with("config/development.toml:3: is not TOML at column 1: duplicate"),
        "{problems:?}"
    );
    assert!(problems[0].ends_with("; the line is `secret_key = ***`"), "{problems:?}");
    assert!(problems[1].ends_with("; the line is `port = 2`"), "{problems:?}");
    assert!(!problems.concat().contains("hunter2"), "{problems:?}");
}

#[test]
fn of_broken_toml_the_line_is_shown_as_far_as_it_is_known_to_be_no_secret() {
    for (text, shown) in [
        ("[server]\nport = 80x", "port = 80x"),
        ("[server\nport = 80", "[server"),
        ("[server]\nport: 80", "port: ***"),
        ("[server]\nprot = hunter2", "prot = ***"),
        ("[server]\nport = 80 secret_key = hunter2", "port = ***"),
        ("[database]\nurl = postgres://me:hunter2@db/x", "url = ***"),
        ("[telemetry.headers]\nauthorization = hunter2", "authorization = ***"),
        ("telemetry.headers.x = hunter2", "telemetry.headers.x = ***"),
        ("[service]\nsecret_key = \"\"\"\nport = 1\nhunter2", "***"),
        ("[service]\nsecret_key = [\n  hunter2,\n]", "***"),
    ] {
        let problems = Directory::with(&[("default.toml", text)]).problems("development", &[]);
        assert!(problems[0].ends_with(&format!("; the line is `{shown}`")), "{text}: {problems:?}");
    }
}

#[test]
fn what_an_unreadable_file_may_set_is_not_reported_as_missing() {
    let directory = Directory::with(&[("production.toml", "[service")]);
    assert_eq!(directory.problems("production", &[]).len(), 1);
}

#[test]
fn unknown_names_are_refused_with_the_closest_known_one() {
    for (text, expected) in [
        (
            "[server]\nrequst_timeout = '1s'",
            "2: server.requst_timeout is not a setting; did you mean server.request_timeout?",
        ),
        ("[server]\nlevel = 'info'", "2: server.level is not a setting; did you mean log.level?"),
        ("[server]\ncolour = 'red'", "2: server.colour is not a setting"),
        ("\nport = 80", "2: port is not a setting; did you mean server.port?"),
        ("[loging]\nlevel = 'x'", "1: [loging] is not a section; did you mean [log]?"),
        ("[a.b]\nc = 1", "1: [a] is not a section"),
        (
            "[server.tls]\ncertifcate = 'c'\nprivate_key = 'k'\ncertificate = 'c'",
            "2: server.tls.certifcate is not a setting; did you mean server.tls.certificate?",
        ),
        ("server = 1", "1: server must be a table"),
    ] {
        let directory = Directory::with(&[("default.toml", text)]);
        assert_eq!(directory.problems("development", &[]), [format!("config/default.toml:{expected}")]);
    }
}

#[test]
fn each_unknown_variable_is_refused() {
    let errors =
        environment(&[("APP_SEVRER__PORT", "1"), ("APP_SEVRER__HOST", "h"), ("APP__SERVER__PORT", "1")]);
    let lines: Vec<String> = errors.load().unwrap_err().problems().iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "APP_SEVRER__HOST: sevrer.host is not a setting; did you mean server.host (APP_SERVER__HOST)?",
            "APP_SEVRER__PORT: sevrer.port is not a setting; did you mean server.port (APP_SERVER__PORT)?",
            "APP__SERVER__PORT: _server.port is not a setting; did you mean server.port (APP_SERVER__PORT)?",
        ]
    );
}

#[test]
fn a_wrong_secret_is_never_repeated() {
    let text =
        "[service]\nsecret_key = ['hunter2']\n[redis]\nurl = 424242\n[payments]\napi_key = { k = 'hunter2' }";
    let directory = Directory::with(&[("default.toml", text)]);
    let variables =
        [("DATABASE_URL", "postgres://u:hunter2@h:port/d"), ("APP_SERVICE__SECERT_KEY", "hunter2")];
    let mut loader = directory.loader("development", &variables);
    loader.section::<Payments>();
    let errors = loader.load().unwrap_err();
    let report = format!("{errors}{errors:?}{loader:?}");
    assert_eq!(errors.problems().len(), 5, "{report}");
    assert!(!report.contains("hunter2") && !report.contains("424242"), "{report}");
}

#[test]
fn production_refuses_a_missing_a_default_and_a_short_secret() {
    let good = format!("[service]\nsecret_key = '{KEY}'");
    for (default, key, expected) in [
        ("", "", Some("default: service.secret_key is required in production")),
        (
            "",
            "dev-f5b1c9a07e3d42688b6f0e9d1c2a3b4c",
            Some("SECRET_KEY: service.secret_key is a development default"),
        ),
        ("", "short", Some("SECRET_KEY: service.secret_key is shorter than 32 bytes")),
        (good.as_str(), "", Some("config/default.toml:2: service.secret_key is the same in every profile")),
        (good.as_str(), KEY, None),
        ("", KEY, None),
    ] {
        let directory = Directory::with(&[("default.toml", default)]);
        let variables = [("SECRET_KEY", key)];
        assert!(directory.loader("development", &variables).load().is_ok(), "development takes any: {key}");
        match (directory.loader("production", &variables).load(), expected) {
            (Ok(_), None) => {}
            (Err(errors), Some(expected)) => {
                let lines = directory.lines(&errors);
                assert!(lines.len() == 1 && lines[0].starts_with(expected), "{lines:?}");
            }
            (outcome, _) => panic!("{key}: {outcome:?}"),
        }
    }
}

#[test]
fn production_refuses_a_secret_that_the_code_gives() {
    let directory = Directory::with(&[]);
    let loader = directory.loader("production", &[]).default_value("service.secret_key", KEY);
    let lines = directory.lines(&loader.load().unwrap_err());
    assert!(lines.len() == 1 && lines[0].starts_with("set in code: service.secret_key"), "{lines:?}");
}

#[test]
fn an_unknown_profile_is_refused_with_the_closest_one() {
    let directory = Directory::with(&[("staging.toml", ""), ("default.toml", "")]);
    for (profile, expected) in [
        (
            "prodction",
            "`prodction` is not a profile (there is no config/prodction.toml); did you mean production?",
        ),
        ("stagin", "`stagin` is not a profile (there is no config/stagin.toml); did you mean staging?"),
        (
            "qa",
            "`qa` is not a profile (there is no config/qa.toml); known are development, production, staging, testing",
        ),
        (
            "../secrets",
            "`../secrets` is not a profile (a name is lower-case letters, digits, `_` and `-`, a letter first); known are development, production, staging, testing",
        ),
    ] {
        assert_eq!(directory.problems(profile, &[]), [expected]);
    }
    assert_eq!(directory.problems("default", &[]).len(), 1, "default.toml is no profile's file");
}

#[test]
fn an_unknown_profile_from_a_variable_names_the_variable() {
    let errors = framework(Loader::from_environment(None, [("APP_PROFILE", "testng")])).load().unwrap_err();
    assert!(
        errors.problems()[0].to_string().starts_with("APP_PROFILE: `testng` is not a profile"),
        "{errors}"
    );
}

#[test]
fn a_directory_that_was_asked_for_must_be_there() {
    let by_caller = environment(&[]).directory("no/such").load().unwrap_err();
    assert_eq!(by_caller.problems()[0].to_string(), "there is no configuration directory no/such");
    let by_variable = environment(&[("APP_CONFIG_DIR", "no/such")]).load().unwrap_err();
    assert_eq!(
        by_variable.problems()[0].to_string(),
        "APP_CONFIG_DIR: there is no configuration directory no/such"
    );
}

#[test]
fn a_check_of_a_nested_key_is_attributed_to_who_set_it() {
    let directory = Directory::with(&[("default.toml", "[payments]\n\n[payments.retry]\nattempts = 0")]);
    let mut loader = directory.loader("development", &[]);
    loader.section::<Payments>();
    let lines = directory.lines(&loader.load().unwrap_err());
    assert_eq!(lines, ["config/default.toml:4: payments.retry.attempts must be at least 1"]);
}

#[test]
fn a_wrong_item_of_a_list_of_tables_is_found() {
    let directory =
        Directory::with(&[("default.toml", "[[payments.routes]]\npath = '/a'\n[[payments.routes]]\n")]);
    let mut loader = directory.loader("development", &[]);
    loader.section::<Payments>();
    let lines = directory.lines(&loader.load().unwrap_err());
    assert_eq!(
        lines,
        [
            "config/default.toml:1: payments.routes[1].path is missing: [payments.routes[1]] cannot do without it"
        ]
    );
}

#[test]
fn a_default_in_code_for_no_key_is_refused() {
    let errors = environment(&[]).default_value("database.ulr", "x").load().unwrap_err();
    assert_eq!(
        errors.problems()[0].to_string(),
        "set in code: database.ulr is not a setting; did you mean database.url?"
    );
}

#[test]
fn a_log_level_that_is_a_slip_is_refused() {
    for (level, right) in [
        ("info", true),
        ("INFO", true),
        ("off", true),
        ("info,orders=debug,actix_web=warn", true),
        ("inof", false),
        ("info,orders=dbg", false),
        (",", false),
    ] {
        assert_eq!(environment(&[("LOG_LEVEL", level)]).load().is_ok(), right, "{level}");
    }
}

#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default)]
struct Impostor {
    port: u16,
}

impl Section for Impostor {
    const NAME: &'static str = "server";
}

#[derive(Clone, Default, Deserialize, Serialize)]
struct Strict {
    must: u16,
}

impl Section for Strict {
    const NAME: &'static str = "strict";
}

#[test]
fn two_types_for_one_section_are_refused() {
    let mut loader = environment(&[]);
    loader.section::<Impostor>();
    let report = loader.load().unwrap_err().to_string();
    assert!(report.contains("server is the section of both") && report.contains("Impostor"), "{report}");
}

#[test]
fn a_section_without_defaults_is_refused() {
    let mut loader = environment(&[]);
    loader.section::<Strict>();
    let report = loader.load().unwrap_err().to_string();
    assert!(report.contains("put #[serde(default)] on"), "{report}");
}
