//! The commands that every service has.
//!
//! | command | does |
//! |---|---|
//! | `serve`, or none | serves requests |
//! | `worker` | runs jobs and serves nothing |
//! | `jobs` | counts, lists, shows, retries, discards and cancels jobs |
//! | `actors` | lists the actors of the service that runs, asking its management listener |
//! | `health` | asks the service that runs whether it is alive, or ready: for containers without `curl` |
//! | `routes` | lists the routes, with what surrounds each and who may ask |
//! | `config` | shows the settings; `config explain KEY` every layer's value of one |
//! | `doctor` | looks for what does not work or will not, and says what to do |
//! | `migrate` | applies, takes back, redoes and lists migrations |
//! | `openapi` | prints the description of the interface (feature `openapi`) |
//! | `completions` | prints the completions for a shell |
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
//! A service adds commands of its own by [`Cli`].
//!
//! Exit codes: 0 for success, 1 for a failure that is told on stderr (also what `doctor` found, and a service that is not
//! healthy), 2 for words that are no command or make none, 130 for a stop that was asked for twice. What prints data has
//! `--json`. Colours and bars are for terminals alone, and with `NO_COLOR` there are no colours. [`execute`] runs a command
//! within a test.

mod actors;
mod ask;
mod command;
mod completions;
mod config;
mod doctor;
mod error;
mod health;
mod jobs;
mod migrate;
mod output;
mod routes;
mod text;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

pub use command::{Command, Shell};

use crate::app::{Ready, Service, Signals};
use crate::config::Profile;
use command::Own;
use error::CliError;
use output::{Output, Terminal};

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
    command: Option<Common>,
}

#[derive(Subcommand)]
enum Common {
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
    /// List the actors of the service that runs
    Actors(actors::Actors),
    /// Ask the service that runs whether it is alive, or ready
    ///
    /// For the health check of a container, which needs no other program for it. The exit code is 0 or 1.
    Health(health::Health),
    /// List the routes, with what surrounds each and who may ask
    Routes(routes::Routes),
    /// Show the settings as they are, each with where it came from
    Config(config::Config),
    /// Look for what does not work or will not, and say what to do
    ///
    /// Settings, secrets, database, disk, migrations, Redis, the clock, ports, limits, the telemetry's variables, the
    /// collector by a span that is sent to it, and what the extensions and modules check. Nothing is changed. The exit code
    /// is 1 if anything fails.
    Doctor(doctor::Doctor),
    /// Print what makes a shell complete the words of this program
    Completions {
        /// The shell
        shell: clap_complete::Shell,
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
    Cli::new(create_app).run()
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
    Cli::new(create_app).execute(words, out, err)
}

/// The commands that every service has, and those of one's own: for a `main` that adds some.
///
/// ```
/// use clap::Args;
/// use spanbox::app::Service;
/// use spanbox::cli::{Cli, Command, Shell};
/// use spanbox::module::BoxError;
///
/// #[derive(Args)]
/// struct Greet {
///     /// Whom
///     name: String,
/// }
///
/// impl Command for Greet {
///     const NAME: &'static str = "greet";
///     const ABOUT: &'static str = "Greet somebody";
///
///     fn run(self, service: Service, shell: &mut Shell<'_>) -> Result<(), BoxError> {
///         shell.print(&format!("{} greets {}\n", service.name(), self.name))
///     }
/// }
///
/// let create_app = |profile: Option<&str>| Service::new("greeter", "1.0.0").profile(profile);
/// let (mut out, mut err) = (Vec::new(), Vec::new());
/// let code = Cli::new(create_app).command::<Greet>().execute(["greeter", "greet", "Ada"], &mut out, &mut err);
/// assert_eq!((code, out), (0, b"greeter greets Ada\n".to_vec()));
/// ```
#[must_use]
pub struct Cli<F> {
    create_app: F,
    own: Vec<Own>,
}

impl<F: FnOnce(Option<&str>) -> Service> Cli<F> {
    /// The commands that every service has.
    pub const fn new(create_app: F) -> Self {
        Self { create_app, own: Vec::new() }
    }

    /// Adds a command.
    ///
    /// # Panics
    ///
    /// Those of clap when commands are carried out, for two of one name or arguments that clash.
    pub fn command<C: Command>(mut self) -> Self {
        self.own.push(Own::new::<C>());
        self
    }

    /// Runs the command that the process was called with, as [`run`] does.
    pub fn run(self) -> ExitCode {
        let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
        self.carry_out(std::env::args_os(), Output::new(&mut out, &mut err, Terminal::of_process())).into()
    }

    /// Runs a command of these words, as [`execute`] does.
    ///
    /// # Panics
    ///
    /// When called inside a runtime: a command brings its own.
    pub fn execute<W>(self, words: W, out: &mut dyn Write, err: &mut dyn Write) -> u8
    where
        W: IntoIterator<Item: Into<OsString> + Clone>,
    {
        self.carry_out(words, Output::new(out, err, Terminal::default()))
    }

    fn describe(&self) -> clap::Command {
        self.own.iter().fold(Arguments::command(), |described, own| described.subcommand((own.describe)()))
    }

    fn carry_out<W>(self, words: W, mut output: Output<'_>) -> u8
    where
        W: IntoIterator<Item: Into<OsString> + Clone>,
    {
        let mut described = self.describe();
        let matches = match described.try_get_matches_from_mut(words) {
            Ok(matches) => matches,
            // The help is one of these, too.
            Err(told) if told.use_stderr() => {
                output.complain(&told);
                return 2;
            }
            Err(told) => return output.print(&told.to_string()).map_or(1, |()| 0),
        };
        let fresh = self.describe();
        let profile = match matches.subcommand() {
            Some(("doctor", doctor)) if doctor.get_flag("production") => {
                Some(Profile::PRODUCTION.name().to_owned())
            }
            _ => matches.get_one::<String>("profile").cloned(),
        };
        let service = (self.create_app)(profile.as_deref());
        let name = service.name();
        let own = matches
            .subcommand()
            .and_then(|(word, inner)| self.own.iter().find(|own| own.name == word).map(|own| (own, inner)));
        let outcome = match own {
            Some((own, inner)) => own.carry_out(inner, service, &mut output),
            None => match Arguments::from_arg_matches(&matches) {
                // It does not matter whether the service could start.
                Ok(Arguments { command: Some(Common::Completions { shell }), .. }) => {
                    completions::print(shell, fresh, name, &mut output)
                }
                Ok(Arguments { command: Some(Common::Doctor(doctor)), .. }) => {
                    doctor.run(service, &mut output)
                }
                Ok(arguments) => carry_out(service, arguments, &mut output),
                Err(told) => {
                    output.complain(told.format(&mut described));
                    return 2;
                }
            },
        };
        match outcome {
            Ok(()) => 0,
            Err(error) => {
                output.complain(format_args!("{name}: {error}\n"));
                error.exit_code()
            }
        }
    }
}

impl<F> std::fmt::Debug for Cli<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cli").finish_non_exhaustive()
    }
}

fn carry_out(service: Service, arguments: Arguments, output: &mut Output<'_>) -> Result<(), CliError> {
    if arguments.version {
        return output.print(&format!("{} {}\n", service.name(), service.version()));
    }
    let ready = service.prepare()?;
    match arguments.command {
        None | Some(Common::Serve) => serve(ready, None),
        Some(Common::Worker { queue }) => serve(ready, Some(queue)),
        Some(Common::Jobs(jobs)) => jobs::run(&ready, jobs, output),
        Some(Common::Actors(actors)) => actors.run(&ready, output),
        Some(Common::Health(health)) => health.run(&ready, output),
        Some(Common::Routes(routes)) => routes.run(&ready, output),
        Some(Common::Config(config)) => config::run(&ready, config, output),
        // Carried out before the service is made ready.
        Some(Common::Doctor(_) | Common::Completions { .. }) => Ok(()),
        #[cfg(feature = "openapi")]
        Some(Common::Openapi) => match ready.document() {
            Some(document) => output.print(&format!("{}\n", document.text())),
            None => Err(CliError::NoDescription { service: ready.name() }),
        },
        Some(Common::Migrate { direction }) => migrate::migrate(&ready, &direction, output),
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
