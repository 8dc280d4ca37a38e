//! `spanbox generate`.

use std::io::Write;

use clap::Args;

use super::ScaffoldError;

/// A part of a service.
#[derive(Args, Debug)]
pub(super) struct Generate {}

impl Generate {
    pub(super) fn run(self, _out: &mut dyn Write) -> Result<(), ScaffoldError> {
        Ok(())
    }
}
