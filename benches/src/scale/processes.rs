//! What more workers and more processes of the order service add, all on one PostgreSQL of this machine, which the load
//! comes from as well.

use std::env;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use spanbox::testing::{PgServer, Process};

use super::ScaleError;
use crate::collector::SERVICE;
use crate::figures::Figures;
use crate::load::ask;

/// Workers of each process.
const VARIANTS: [&[usize]; 4] = [&[1], &[2], &[1, 1], &[1, 1, 1, 1]];
const ROUNDS: usize = 3;
/// Connections over all processes; each asks again as soon as it is answered.
const CONNECTIONS: usize = 32;

pub(super) async fn measure(server: &PgServer, seconds: u64, into: &mut Figures) -> Result<(), ScaleError> {
    let directory = tempfile::tempdir()?;
    for _ in 0..ROUNDS {
        for workers in VARIANTS {
            let database = server.create_database().await?;
            let start = |workers: &usize| {
                let mut command = Command::new(env::current_exe()?);
                let command = command.current_dir(directory.path()).env_clear();
                let command = command.envs([(SERVICE, "1"), ("PORT", "0"), ("LOG_LEVEL", "info")]);
                let command = command.env("DATABASE_URL", &database);
                let command = command.env("APP_SERVER__WORKERS", workers.to_string());
                Ok::<_, ScaleError>(Process::start(command.stdin(Stdio::null())))
            };
            let processes = workers.iter().map(start).collect::<Result<Vec<_>, _>>()?;
            let placed = processes[0].post("/api/orders/", r#"{"product_name":"Widget","amount":"99.99"}"#);
            if !placed.starts_with("HTTP/1.1 201") {
                return Err(ScaleError::Answer(placed));
            }
            let list = |process: &Process| format!("http://{}/api/orders/?limit=1", process.address());
            let urls: Vec<_> = processes.iter().map(list).collect();
            let of = match workers {
                [one] => format!("1 process of {one} workers"),
                more => format!("{} processes of 1 worker", more.len()),
            };
            asked(&urls, Duration::from_secs(1)).await?;
            let count = asked(&urls, Duration::from_secs(seconds)).await?;
            #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
            into.add(of, "a list of one order", "1/s", count as f64 / seconds as f64);
        }
    }
    Ok(())
}

/// How many answers there were in so much time.
async fn asked(urls: &[String], time: Duration) -> Result<usize, ScaleError> {
    let client = awc::Client::builder().timeout(Duration::from_secs(30)).finish();
    let until = Instant::now() + time;
    let lanes = (0..CONNECTIONS).map(|lane| {
        let (client, url) = (&client, &urls[lane % urls.len()]);
        async move {
            let (mut answered, mut failed) = (0, 0);
            while Instant::now() < until {
                if ask(client, url).await { answered += 1 } else { failed += 1 }
            }
            (answered, failed)
        }
    });
    let lanes: Vec<(usize, usize)> = join_all(lanes).await;
    match lanes.iter().map(|(_, failed)| failed).sum::<usize>() {
        0 => Ok(lanes.iter().map(|(answered, _)| answered).sum()),
        failed => Err(ScaleError::Answer(format!("{failed} requests failed"))),
    }
}
