//! What is personal or secret, put into every field, header, path and query of every route: it is in nothing that the
//! service exports, logs, keeps of a job or shows of its settings.

use std::process::{Command, Stdio};
use std::time::Duration;

use spanbox::testing::{OtlpReceiver, Process, TestDatabase, raw};

/// Each as a client would send it, and what of it must not be found anywhere.
const CANARIES: [(&str, &str); 7] = [
    ("canary.ann@example.com", "canary.ann"),
    ("4111 1111 1111 1111", "4111 1111"),
    ("4111111111111111", "41111111"),
    ("+44 20 7946 0958", "7946 0958"),
    ("Bearer eyJCANARY0.eyJCANARY1.c2lnbmF0dXJl", "eyJCANARY"),
    ("ghp_CANARYcanaryCANARYcanaryCANARY0123", "ghp_CANARY"),
    ("password=canary-hunter2", "hunter2"),
];
const SECRET_KEY: &str = "canary-secret-key-0123456789abcdef";

/// As it stands in a URL.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// The requests that carry a text, to every route and to none.
fn requests(text: &str) -> Vec<String> {
    let in_url = encoded(text);
    let json = serde_json::Value::from(text);
    let bodies = [
        format!(r#"{{"product_name":{json},"amount":"1.00"}}"#),
        format!(r#"{{"product_name":"W","amount":{json}}}"#),
        format!(r#"{{"product_name":"W","amount":"1.00",{json}:{json}}}"#),
        format!(r#"{{"product_name":"W","amount":"1.00","currency":{json},"payment_method":{json}}}"#),
        format!(r#"{{"lines":[{{"product":{json},"quantity":1,"unit_price":"1.00"}}]}}"#),
        format!(r#"{{"lines":[{{"product":"W","quantity":{json},"unit_price":{json},{json}:1}}]}}"#),
        format!(r#"{{"product_name":{json}"#),
        json.to_string(),
        text.to_owned(),
    ];
    let paths = [
        format!("/api/orders/{in_url}"),
        format!("/api/orders/?status={in_url}&cursor={in_url}&{in_url}={in_url}&token={in_url}"),
        format!("/api/orders/analytics?email={in_url}"),
        format!("/api/orders/export.csv?status={in_url}"),
        format!("/api/orders/{in_url}/events"),
        format!("/api/orders/{in_url}/cancel"),
        format!("/api/orders/1?{in_url}"),
        format!("/{in_url}"),
        format!("/health/ready?{in_url}"),
    ];
    let mut requests = Vec::new();
    for body in bodies {
        for line in ["POST /api/orders/", "PATCH /api/orders/1"] {
            let head = format!(
                "{line} HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\nconnection: close"
            );
            let key = format!("idempotency-key: {text}\r\n");
            for header in ["", &key] {
                requests.push(format!("{head}\r\n{header}content-length: {}\r\n\r\n{body}", body.len()));
            }
        }
    }
    for header in ["if-match", "if-none-match", "last-event-id"] {
        for (method, path) in
            [("GET", "/api/orders/1"), ("GET", "/api/orders/1/events"), ("POST", "/api/orders/1/cancel")]
        {
            requests.push(format!(
                "{method} {path} HTTP/1.1\r\nhost: test\r\n{header}: \"{text}\"\r\nconnection: close\r\n\r\n"
            ));
        }
    }
    requests.extend(accounts(text));
    for path in paths {
        for method in ["GET", "DELETE", "PUT"] {
            requests.push(format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n"));
        }
    }
    for header in [
        "authorization",
        "cookie",
        "x-api-key",
        "user-agent",
        "referer",
        "baggage",
        "tracestate",
        "x-forwarded-for",
    ] {
        let value = if header == "baggage" { format!("user={in_url}") } else { text.to_owned() };
        requests.push(format!(
            "GET /api/orders/ HTTP/1.1\r\nhost: test\r\n{header}: {value}\r\nconnection: close\r\n\r\n"
        ));
    }
    requests.push(format!("GET / HTTP/1.1\r\nhost: {in_url}\r\nconnection: close\r\n\r\n"));
    requests.push(format!("{} / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n", text.replace(' ', "")));
    requests
}

/// The same for accounts: as an address, as a password, as a token and as anything else.
fn accounts(text: &str) -> Vec<String> {
    let json = serde_json::Value::from(text);
    let (form, long) = (encoded(text), format!("{text} {text}"));
    let long = serde_json::Value::from(long);
    let bodies = [
        ("register", format!(r#"{{"email":{json},"password":{long}}}"#)),
        ("register", format!(r#"{{"email":{json},"password":"{SECRET_KEY}"}}"#)),
        ("register", format!(r#"{{"email":{json},"password":{json},{json}:{json}}}"#)),
        ("login", format!(r#"{{"email":{json},"password":{long}}}"#)),
        ("login", format!(r#"{{"email":{json},"password":"{SECRET_KEY}"}}"#)),
        ("login", format!(r#"{{"email":"somebody@example.com","password":{json}}}"#)),
        ("refresh", format!(r#"{{"refresh_token":{json}}}"#)),
        ("password", format!(r#"{{"current_password":{json},"new_password":{long}}}"#)),
    ];
    let mut requests = Vec::new();
    for (route, body) in bodies {
        let head = format!("POST /api/accounts/{route} HTTP/1.1\r\nhost: test\r\nconnection: close");
        let body = format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        requests.push(format!("{head}\r\n{body}"));
        requests.push(format!("{head}\r\nauthorization: Bearer {text}\r\n{body}"));
    }
    for route in ["sign-in", "sign-out"] {
        let body = format!("csrf_token={form}&email={form}&password={form}&{form}={form}");
        requests.push(format!(
            "POST /accounts/{route} HTTP/1.1\r\nhost: test\r\ncookie: session={form}\r\norigin: https://{form}\r\n\
             connection: close\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        ));
    }
    for path in ["me", &form, &format!("{form}/disable")] {
        requests.push(format!(
            "GET /api/accounts/{path}?{form} HTTP/1.1\r\nhost: test\r\nauthorization: {text}\r\nconnection: close\r\n\r\n"
        ));
    }
    requests
}

fn assert_none(what: &str, shown: &str) {
    for needle in CANARIES.iter().map(|(_, needle)| *needle).chain([SECRET_KEY]) {
        let at = shown.find(needle);
        assert!(at.is_none(), "{needle} is in the {what}: {}", around(shown, at.unwrap_or_default()));
    }
}

fn around(text: &str, at: usize) -> &str {
    &text[text.floor_char_boundary(at.saturating_sub(200))
        ..text.ceil_char_boundary((at + 100).min(text.len()))]
}

#[actix::test]
async fn what_is_personal_or_secret_is_in_nothing_that_leaves_the_service() {
    let receiver = OtlpReceiver::start().unwrap();
    let database = TestDatabase::fresh().await;
    let directory = tempfile::tempdir().unwrap();
    let orders = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orders"));
        command
            .current_dir(directory.path())
            .env_clear()
            .env("PORT", "0")
            .env("DATABASE_URL", database.url())
            .env("SECRET_KEY", SECRET_KEY)
            .env("LOG_LEVEL", "debug")
            // Hashes that are quickly made; wrong passwords for as long as it takes.
            .env("APP_AUTH__PASSWORD__MEMORY_KIB", "64")
            .env("APP_ACCOUNTS__ADDRESS_FAILURES", "0")
            .env("APP_LOG__FORMAT", "json")
            .env("APP_TELEMETRY__CAPTURE__REQUEST_HEADERS", "user-agent,referer,x-forwarded-for")
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.http_endpoint())
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
            .stdin(Stdio::null());
        command
    };
    let process = Process::start(&mut orders());
    let mut answered = 0;
    for (text, _) in CANARIES {
        for request in requests(text) {
            let answer = raw(process.address(), request.as_bytes(), Duration::from_secs(20)).await;
            assert!(answer.starts_with("HTTP/1.1 "), "{request}: {answer}");
            assert!(!answer.starts_with("HTTP/1.1 5"), "{request}: {answer}");
            answered += 1;
        }
    }
    let (status, log) = process.terminate(Duration::from_secs(60));
    assert!(status.success(), "{log}");
    let (spans, logs) = (receiver.spans(), receiver.logs());
    // Those of the probe are none, and what is no HTTP has no span either.
    assert!(spans.len() > answered && !logs.is_empty(), "{} and {}", spans.len(), logs.len());
    assert_none("spans", &format!("{spans:?}"));
    assert_none("logs", &format!("{logs:?}"));
    assert_none("lines", &log);
    let shown = |arguments: &[&str]| {
        let output = orders().args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_none("settings", &shown(&["config"]));
    assert_none("settings", &shown(&["config", "--json"]));
    let jobs = shown(&["jobs", "list", "--state", "completed"]);
    assert!(jobs.contains("process_order"), "{jobs}");
    assert_none("jobs", &jobs);
}
