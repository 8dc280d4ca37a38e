//! Commands that a service adds to those that every service has.

use clap::{ArgMatches, Args};

use super::{CliError, Output, serve};
use crate::app::{BootErrors, Service};
use crate::module::BoxError;

/// A command of a service's own; its fields are its arguments, see [`Cli::command`](super::Cli::command).
pub trait Command: Args {
    /// The word that calls it.
    const NAME: &'static str;

    /// What it does, for the help: one line.
    const ABOUT: &'static str;

    /// Carries it out. `service` is the one that the program is of, in the profile that was asked for; nothing of it is
    /// checked or started yet.
    ///
    /// # Errors
    ///
    /// Whatever went wrong: it is told on stderr, and the exit code is 1.
    fn run(self, service: Service, shell: &mut Shell<'_>) -> Result<(), BoxError>;
}

/// Where a [`Command`] runs.
pub struct Shell<'a> {
    output: Output<'a>,
}

impl Shell<'_> {
    /// Writes to stdout. Who reads no further has what they wanted.
    ///
    /// # Errors
    ///
    /// When it can not be written.
    pub fn print(&mut self, text: &str) -> Result<(), BoxError> {
        Ok(self.output.print(text)?)
    }

    /// Draws a bar on stderr of how far something is, where stderr is a terminal, and nothing elsewhere: to be called again
    /// and again, and at last with `done` as large as `of`.
    pub fn progress(&mut self, done: u64, of: u64) {
        self.output.progress(done, of);
    }

    /// Serves the requests of a service, the program's own or another one, until SIGTERM or Ctrl-C.
    ///
    /// # Errors
    ///
    /// What is wrong with it, or why it did not start.
    ///
    /// # Panics
    ///
    /// When called inside a runtime.
    pub fn serve(&mut self, service: Service) -> Result<(), BoxError> {
        let ready = service.prepare().map_err(|errors: BootErrors| CliError::from(errors))?;
        Ok(serve(ready, None)?)
    }
}

impl std::fmt::Debug for Shell<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shell").finish_non_exhaustive()
    }
}

/// A command whose type is forgotten.
pub(super) struct Own {
    pub(super) name: &'static str,
    pub(super) describe: fn() -> clap::Command,
    run: fn(&ArgMatches, Service, &mut Shell<'_>) -> Result<(), BoxError>,
}

impl Own {
    pub(super) fn new<C: Command>() -> Self {
        Self {
            name: C::NAME,
            describe: || C::augment_args(clap::Command::new(C::NAME).about(C::ABOUT)),
            run: |matches, service, shell| C::from_arg_matches(matches)?.run(service, shell),
        }
    }

    pub(super) fn carry_out(
        &self,
        matches: &ArgMatches,
        service: Service,
        output: &mut Output<'_>,
    ) -> Result<(), CliError> {
        (self.run)(matches, service, &mut Shell { output: output.again() }).map_err(CliError::Own)
    }
}
