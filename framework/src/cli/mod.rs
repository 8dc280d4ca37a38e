//! The commands that every service has: `serve` (also without a command), `worker`, `config`, `migrate`.
//!
//! A service's `main` is one line:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use spanbox::app::Service;
//!
//! fn create_app(profile: Option<&str>) -> Service {
//!     Service::new("greeter", "1.0.0").profile(profile)
//! }
//!
//! fn main() -> ExitCode {
//!     spanbox::cli::run(create_app)
//! }
//! ```
//!
//! Exit codes: 0 for success, 1 for a failure that is told on stderr, 2 for words that are no command, 130 for a
//! stop that was asked for twice.

mod config;
mod migrate;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::app::{BootError, BootErrors, Ready, Service, Signals};
use crate::data::DbError;

#[derive(Parser)]
#[command(disable_version_flag = true)]
struct Arguments {
    /// The profile: development, testing, production, or one with a file of its own [default: APP_PROFILE, else
    /// development]
    #[arg(long, short, global = true)]
    profile: Option<String>,
    /// Print the version
    #[arg(long, short = 'V')]
    version: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve requests until SIGTERM or Ctrl-C (the default)
    Serve,
    /// Run jobs until SIGTERM or Ctrl-C, without serving requests
    Worker {
        /// Only the jobs of this queue; may be given again [default: all queues]
        #[arg(long, short)]
        queue: Vec<String>,
    },
    /// Show the settings as they are, each with where it came from
    Config {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Apply, take back or list the migrations of the database
    Migrate {
        #[command(subcommand)]
        direction: migrate::Direction,
    },
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error(transparent)]
    Description(#[from] BootErrors),
    #[error(transparent)]
    Boot(#[from] BootError),
    #[error(transparent)]
    Database(#[from] DbError),
    #[error(
        "this would take tables away with what is in them, in production: say `migrate down --yes` if that is meant"
    )]
    Unconfirmed,
    #[error("this service has no database, so there is nothing to migrate")]
    NoDatabase,
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("the settings could not be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Runs the command that the process was called with. To be called by `main` alone: `serve` makes the service's
/// telemetry that of the process.
pub fn run<F>(create_app: F) -> ExitCode
where
    F: FnOnce(Option<&str>) -> Service,
{
    let matches = Arguments::command().get_matches();
    let arguments = match Arguments::from_arg_matches(&matches) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    let service = create_app(arguments.profile.as_deref());
    if arguments.version {
        return match print(&format!("{} {}\n", service.name(), service.version())) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    let name = service.name();
    let outcome = service.prepare().map_err(CliError::from).and_then(|ready| match arguments.command {
        None | Some(Command::Serve) => serve(ready, None),
        Some(Command::Worker { queue }) => serve(ready, Some(queue)),
        Some(Command::Config { json }) => config::show(&ready, json),
        Some(Command::Migrate { direction }) => migrate::migrate(ready, &direction),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves requests, or runs jobs alone.
fn serve(ready: Ready, queues: Option<Vec<String>>) -> Result<(), CliError> {
    actix_rt::System::new().block_on(async {
        let mut signals = Signals::listen()?;
        let start = async {
            match queues {
                None => ready.start_outermost().await,
                Some(queues) => ready.start_worker_outermost(queues).await,
            }
        };
        let running = tokio::select! {
            running = start => running?,
            signal = signals.next() => {
                tracing::info!(signal, "asked to stop before it served");
                return Ok(());
            }
        };
        running.run_until(&mut signals).await;
        Ok(())
    })
}

/// Writes to stdout. Who reads no further (`orders config | head`) has what they wanted.
fn print(text: &str) -> Result<(), CliError> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}
