//! What a request takes from a client's write to its read, on one connection to a server in a process of its own: by bare
//! actix-web, and by a service of the same route with telemetry disabled, unsampled, sampled, and with all that a service
//! has besides. Cores are left to the system, so that it says nothing of throughput: `benches -- overhead` does.
//!
//! `cargo bench -p benches --bench request`.

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use benches::connection::Connection;
use benches::hello::{self, LEAN, NOWHERE, SERVICE};
use benches::server::{Server, command};
use criterion::Criterion;

const START: Duration = Duration::from_secs(60);

const DISABLED: &[(&str, &str)] = &[("OTEL_SDK_DISABLED", "true")];
const UNSAMPLED: &[(&str, &str)] = &[(NOWHERE, "traces"), ("OTEL_TRACES_SAMPLER", "always_off")];
const SAMPLED: &[(&str, &str)] = &[(NOWHERE, "traces")];
const MEASURED: &[(&str, &str)] = &[(NOWHERE, "traces,metrics")];

fn main() -> ExitCode {
    if let Some(served) = hello::serve() {
        return served;
    }
    match measure(&mut Criterion::default().configure_from_args()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(criterion: &mut Criterion) -> Result<(), Box<dyn std::error::Error>> {
    let cases = [
        ("bare actix-web", "bare", &[][..], false),
        ("telemetry disabled", "spanbox", DISABLED, true),
        ("unsampled", "spanbox", UNSAMPLED, true),
        ("sampled", "spanbox", SAMPLED, true),
        ("sampled, and metrics", "spanbox", MEASURED, true),
        ("sampled, and metrics, with all that a service has by default", "spanbox", MEASURED, false),
    ];
    for (name, service, recorded, lean) in cases {
        let directory = tempfile::tempdir()?;
        let mut program = command(None, env::current_exe()?, directory.path());
        program.envs([(SERVICE, service), ("PORT", "0"), ("APP_SERVER__WORKERS", "1")]);
        program.envs([("APP_MANAGEMENT__ENABLED", "false"), ("APP_TELEMETRY__KEEP__ENABLED", "false")]);
        program.envs(recorded.iter().copied());
        if lean {
            program.envs(LEAN);
        }
        let server = Server::start(&mut program, START)?;
        let mut connection = Connection::open(server.address())?;
        let mut failed = None;
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| match connection.get("/hello") {
                Ok(200) => {}
                other => failed = Some(other),
            });
        });
        if let Some(other) = failed {
            return Err(format!("{name}: /hello was answered with {other:?}").into());
        }
    }
    criterion.final_summary();
    Ok(())
}
