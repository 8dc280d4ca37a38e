//! The management listener as an operator sees it.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::HttpResponse;
use bytes::Bytes;
use spanbox::app::{BootError, Running, Service};
use spanbox::config::Profile;
use spanbox::module::Module;
use spanbox::testing::raw;
use spanbox::web::{Json, Problem};
use tokio::sync::Notify;

async fn hello() -> Result<Json<&'static str>, Problem> {
    Ok(Json("hello"))
}

fn service(profile: &str, variables: &[(&str, &str)]) -> Service {
    Service::new("greeter", "1.2.3")
        .profile(Some(profile))
        .environment([
            ("PORT", "0"),
            ("APP_SERVER__WORKERS", "1"),
            ("APP_MANAGEMENT__ENABLED", "true"),
            ("APP_MANAGEMENT__PORT", "0"),
            ("LOG_LEVEL", "off"),
        ])
        .with_environment(variables.iter().copied())
        .module(Module::new("greetings").get("/hello", hello))
}

async fn started(variables: &[(&str, &str)]) -> (Running, SocketAddr) {
    let running = service("testing", variables).prepare().unwrap().start().await.unwrap();
    let address = running.management_address().unwrap();
    (running, address)
}

async fn ask(address: SocketAddr, method: &str, path: &str, headers: &str) -> String {
    send(address, method, path, headers, "").await
}

async fn send(address: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {length}\r\n"
    );
    let request = format!("{head}{headers}\r\n{body}");
    raw(address, request.as_bytes(), Duration::from_secs(20)).await
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

#[actix::test]
async fn metrics_are_scraped_without_a_collector_and_scrapes_are_not_requests() {
    let (running, address) = started(&[]).await;
    let public = running.addresses()[0];
    assert!(ask(public, "GET", "/hello", "").await.starts_with("HTTP/1.1 200"));
    let count = "http_server_request_duration_seconds_count{http_request_method=\"GET\",\
                 http_response_status_code=\"200\",http_route=\"/hello\",otel_scope_name=\"spanbox\",\
                 spanbox_module=\"greetings\",url_scheme=\"http\"} 1\n";
    for _ in 0..2 {
        let answer = ask(address, "GET", "/metrics", "").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{answer}");
        assert!(answer.contains(count), "{answer}");
        assert_eq!(answer.matches("_seconds_count{").count(), 1, "a scrape was counted: {answer}");
    }
    let (one, two) = tokio::join!(ask(address, "GET", "/metrics", ""), ask(address, "GET", "/metrics", ""));
    assert!(one.contains(count) && two.contains(count));
    let open =
        ask(address, "GET", "/metrics", "accept: application/openmetrics-text;version=1.0.0\r\n").await;
    assert!(open.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"));
    assert!(open.ends_with("# EOF\n"), "{open}");
    let head = ask(address, "HEAD", "/metrics", "").await;
    assert!(head.starts_with("HTTP/1.1 200") && body(&head).is_empty(), "{head}");
    running.stop().await;
}

#[actix::test]
async fn what_is_not_there_is_404_and_what_may_not_be_done_405() {
    let (running, address) = started(&[]).await;
    let answer = ask(address, "GET", "/hello", "").await;
    assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("application/problem+json"), "{answer}");
    for method in ["POST", "DELETE", "OPTIONS"] {
        let answer = ask(address, method, "/metrics", "").await;
        assert!(answer.starts_with("HTTP/1.1 405") && answer.contains("allow: GET, HEAD\r\n"), "{answer}");
    }
    let public = running.addresses()[0];
    assert!(ask(public, "GET", "/metrics", "").await.starts_with("HTTP/1.1 404"), "nothing of it is public");
    running.stop().await;
}

#[actix::test]
async fn without_metrics_the_scrape_says_so_and_the_probes_answer() {
    let (running, address) = started(&[("OTEL_SDK_DISABLED", "true")]).await;
    let answer = ask(address, "GET", "/metrics", "").await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("telemetry.enabled"), "{answer}");
    assert!(ask(address, "GET", "/health/live", "").await.starts_with("HTTP/1.1 200"));
    assert!(ask(address, "GET", "/health/ready", "").await.starts_with("HTTP/1.1 200"));
    running.stop().await;
}

#[actix::test]
async fn it_answers_while_the_service_starts_and_while_it_drains() {
    static STARTED: Notify = Notify::const_new();
    static GO_ON: Notify = Notify::const_new();
    static STOPPING: Notify = Notify::const_new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let port = address.port().to_string();
    let service = service("testing", &[("APP_MANAGEMENT__PORT", &port)])
        .on_start(|_| async {
            STARTED.notify_one();
            GO_ON.notified().await;
            Ok(())
        })
        .on_stop(|_| async {
            STOPPING.notify_one();
            GO_ON.notified().await;
        });
    let start = service.prepare().unwrap().start();
    let looking = async {
        STARTED.notified().await;
        assert!(ask(address, "GET", "/health/live", "").await.starts_with("HTTP/1.1 200"));
        let ready = ask(address, "GET", "/health/ready", "").await;
        assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("not ready"), "{ready}");
        GO_ON.notify_one();
    };
    let (running, ()) = tokio::join!(start, looking);
    let running = running.unwrap();
    assert!(ask(address, "GET", "/health/ready", "").await.starts_with("HTTP/1.1 200"));
    let looking = async {
        STOPPING.notified().await;
        let ready = ask(address, "GET", "/health/ready", "").await;
        assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("draining"), "{ready}");
        assert!(ask(address, "GET", "/metrics", "").await.starts_with("HTTP/1.1 200"));
        GO_ON.notify_one();
    };
    tokio::join!(running.stop(), looking);
    assert!(std::net::TcpStream::connect(address).is_err(), "it has ended with the service");
}

#[actix::test]
async fn a_port_that_is_taken_ends_the_start_unless_the_listener_is_optional() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let variables = [("APP_MANAGEMENT__PORT", port.as_str())];
    let error = service("testing", &variables).prepare().unwrap().start().await.err().unwrap();
    assert!(matches!(error, BootError::Management { .. }), "{error}");
    assert!(error.to_string().contains("APP_MANAGEMENT__PORT"), "{error}");
    let development = Profile::DEVELOPMENT.name().to_owned();
    let running = service(&development, &variables).prepare().unwrap().start().await.unwrap();
    assert_eq!(running.management_address(), None);
    running.stop().await;
}

#[actix::test]
async fn the_logs_levels_are_changed_while_it_runs_and_what_is_none_changes_nothing() {
    let (running, address) = started(&[("LOG_LEVEL", "off,greeter=warn")]).await;
    let levels = async |method: &str, path: &str, text: &str| {
        let answer = send(address, method, path, "", text).await;
        (answer[9..12].to_owned(), body(&answer).to_owned())
    };
    let ok = |text: &str| ("200".to_owned(), format!("{text}\n"));
    assert_eq!(levels("GET", "/log", "").await, ok("off,greeter=warn"));
    assert_eq!(levels("PUT", "/log", "error,greeter::api=info\n").await, ok("error,greeter::api=info"));
    assert_eq!(
        levels("PUT", "/log/greeter::db", "debug").await,
        ok("error,greeter::api=info,greeter::db=debug")
    );
    for (path, text) in
        [("/log", "loud"), ("/log", ""), ("/log", "a b=info"), ("/log/greeter", "x"), ("/log/a=b", "info")]
    {
        let (status, told) = levels("PUT", path, text).await;
        assert!(
            status == "400" && told.contains("write e.g.") || told.contains("is no level"),
            "{path} {text}: {told}"
        );
    }
    let (status, told) = levels("PUT", "/log", &"a".repeat(10_000)).await;
    assert!(status == "413" && told.contains("8192"), "{told}");
    assert_eq!(levels("POST", "/log", "").await.0, "405");
    assert_eq!(levels("GET", "/log/greeter", "").await.0, "405");
    assert_eq!(levels("GET", "/log", "").await, ok("error,greeter::api=info,greeter::db=debug"));
    assert_eq!(levels("DELETE", "/log", "").await, ok("off,greeter=warn"));
    running.stop().await;
}

async fn echo(body: Bytes) -> HttpResponse {
    HttpResponse::Ok().body(body)
}

async fn stream() -> HttpResponse {
    let chunks = ["abc", "de", "f"].map(|chunk| Ok::<_, std::convert::Infallible>(Bytes::from(chunk)));
    HttpResponse::Ok().streaming(futures_util::stream::iter(chunks))
}

#[actix::test]
async fn bodies_are_measured_when_that_is_wanted_streams_too_and_what_is_none_is_not() {
    let service = service("testing", &[("APP_TELEMETRY__BODY_SIZES", "true")]);
    let service = service.module(Module::new("bodies").post("/echo", echo).get("/stream", stream));
    let running = service.prepare().unwrap().start().await.unwrap();
    let (public, address) = (running.addresses()[0], running.management_address().unwrap());
    assert!(send(public, "POST", "/echo", "", "12345").await.ends_with("12345"));
    let chunked = "POST /echo HTTP/1.1\r\nhost: test\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n\
                   3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n";
    assert!(raw(public, chunked.as_bytes(), Duration::from_secs(20)).await.ends_with("abcdefg"));
    assert!(ask(public, "GET", "/stream", "").await.starts_with("HTTP/1.1 200"));
    assert!(ask(public, "HEAD", "/stream", "").await.starts_with("HTTP/1.1 200"));
    let text = ask(address, "GET", "/metrics", "").await;
    let value = |name: &str, route: &str, method: &str| {
        let route = format!("http_route=\"{route}\"");
        let method = format!("http_request_method=\"{method}\"");
        let of = |line: &&str| {
            line.starts_with(&format!("{name}{{")) && line.contains(&route) && line.contains(&method)
        };
        text.lines().find(of).map(|line| line.rsplit(' ').next().unwrap().to_owned())
    };
    let some = |value: &str| Some(value.to_owned());
    assert_eq!(value("http_server_request_body_size_bytes_sum", "/echo", "POST"), some("12"), "{text}");
    assert_eq!(value("http_server_request_body_size_bytes_count", "/echo", "POST"), some("2"));
    assert_eq!(value("http_server_response_body_size_bytes_sum", "/echo", "POST"), some("12"));
    assert_eq!(value("http_server_response_body_size_bytes_sum", "/stream", "GET"), some("6"));
    assert_eq!(value("http_server_response_body_size_bytes_count", "/stream", "HEAD"), None);
    assert_eq!(value("http_server_request_body_size_bytes_count", "/stream", "GET"), None, "it has none");
    running.stop().await;
}

#[cfg(target_os = "linux")]
#[actix::test]
async fn the_process_and_its_runtimes_are_measured() {
    let (running, address) = started(&[]).await;
    let text = ask(address, "GET", "/metrics", "").await;
    let value = |series: &str| -> f64 {
        let line = text.lines().find(|line| line.starts_with(&format!("{series} ")));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
            .unwrap_or_else(|| panic!("no {series} in {text}"))
    };
    let scope = "{otel_scope_name=\"spanbox\"}";
    for mode in ["system", "user"] {
        let series =
            format!("process_cpu_time_seconds_total{{cpu_mode=\"{mode}\",otel_scope_name=\"spanbox\"}}");
        assert!(value(&series) >= 0.0);
    }
    for mode in ["system", "user"] {
        let series =
            format!("process_cpu_utilization_ratio{{cpu_mode=\"{mode}\",otel_scope_name=\"spanbox\"}}");
        assert!((0.0..=1.0).contains(&value(&series)), "{text}");
    }
    let built: Vec<_> = text.lines().filter(|line| line.starts_with("spanbox_build_info{")).collect();
    assert!(
        matches!(built[..], [one] if one.contains("spanbox_build_profile=\"debug\"") && one.ends_with(" 1")),
        "{text}"
    );
    assert!(value(&format!("process_memory_usage_bytes{scope}")) > f64::from(1 << 20));
    assert!(value(&format!("process_memory_virtual_bytes{scope}")) > f64::from(1 << 20));
    assert!(value(&format!("process_thread_count{scope}")) >= 3.0);
    assert!(value(&format!("process_unix_file_descriptor_count{scope}")) >= 3.0);
    assert!(value(&format!("process_uptime_seconds{scope}")) >= 0.0);
    // The one that started it, a worker, and the management listener's.
    assert_eq!(value(&format!("spanbox_runtime_threads{scope}")), 3.0, "{text}");
    assert!(value(&format!("spanbox_runtime_busy_time_seconds_total{scope}")) > 0.0);
    assert!(text.contains("service_version=\"1.2.3\""), "{text}");
    running.stop().await;
}
