//! The commands that every service has: `serve` (also without a command), `worker`, `jobs`, `config`, `migrate`, and
//! with the feature `openapi` that.
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
//! Exit codes: 0 for success, 1 for a failure that is told on stderr, 2 for words that are no command or make none, 130
//! for a stop that was asked for twice. [`execute`] runs a command within a test.

mod config;
mod error;
mod jobs;
mod migrate;
mod output;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::app::{Ready, Service, Signals};
use error::CliError;
use output::Output;

/// How long the database may take to close after a command.
const CLOSE: Duration = Duration::from_secs(5);

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
    /// Count, list, show, retry, discard or cancel jobs
    Jobs(jobs::Jobs),
    /// Show the settings as they are, each with where it came from
    Config {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the description of the interface, as OpenAPI 3.1
    #[cfg(feature = "openapi")]
    Openapi,
    /// Apply, take back or list the migrations of the database
    Migrate {
        #[command(subcommand)]
        direction: migrate::Direction,
    },
}

/// Runs the command that the process was called with. To be called by `main` alone: `serve` makes the service's
/// telemetry that of the process.
pub fn run<F>(create_app: F) -> ExitCode
where
    F: FnOnce(Option<&str>) -> Service,
{
    execute(create_app, std::env::args_os(), &mut std::io::stdout(), &mut std::io::stderr()).into()
}

/// Runs a command as [`run`] does, of these words, the first of which is the program's name. It writes to `out` and
/// `err` and answers the exit code: for tests of a service's commands.
///
/// ```
/// use spanbox::app::Service;
///
/// let create_app = |profile: Option<&str>| Service::new("greeter", "1.0.0").profile(profile);
/// let (mut out, mut err) = (Vec::new(), Vec::new());
/// assert_eq!(spanbox::cli::execute(create_app, ["greeter", "--version"], &mut out, &mut err), 0);
/// assert_eq!(out, b"greeter 1.0.0\n");
/// ```
///
/// # Panics
///
/// When called inside a runtime: a command brings its own.
pub fn execute<F, W>(create_app: F, words: W, out: &mut dyn Write, err: &mut dyn Write) -> u8
where
    F: FnOnce(Option<&str>) -> Service,
    W: IntoIterator<Item: Into<OsString> + Clone>,
{
    let mut output = Output::new(out, err);
    let arguments = match Arguments::try_parse_from(words) {
        Ok(arguments) => arguments,
        // The help is one of these, too.
        Err(told) if told.use_stderr() => {
            output.complain(&told);
            return 2;
        }
        Err(told) => return output.print(&told.to_string()).map_or(1, |()| 0),
    };
    let service = create_app(arguments.profile.as_deref());
    let name = service.name();
    let outcome = carry_out(service, arguments, &mut output);
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            output.complain(format_args!("{name}: {error}\n"));
            error.exit_code()
        }
    }
}

fn carry_out(service: Service, arguments: Arguments, output: &mut Output<'_>) -> Result<(), CliError> {
    if arguments.version {
        return output.print(&format!("{} {}\n", service.name(), service.version()));
    }
    let ready = service.prepare()?;
    match arguments.command {
        None | Some(Command::Serve) => serve(ready, None),
        Some(Command::Worker { queue }) => serve(ready, Some(queue)),
        Some(Command::Jobs(jobs)) => jobs::run(&ready, jobs, output),
        Some(Command::Config { json }) => config::show(&ready, json, output),
        #[cfg(feature = "openapi")]
        Some(Command::Openapi) => match ready.document() {
            Some(document) => output.print(&format!("{}\n", document.text())),
            None => Err(CliError::NoDescription { service: ready.name() }),
        },
        Some(Command::Migrate { direction }) => migrate::migrate(&ready, &direction, output),
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
