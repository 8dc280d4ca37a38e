use std::fmt::Display;
use std::io::{ErrorKind, Write};

use super::CliError;

/// Where a command writes.
pub(super) struct Output<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
}

impl<'a> Output<'a> {
    pub(super) fn new(out: &'a mut dyn Write, err: &'a mut dyn Write) -> Self {
        Self { out, err }
    }

    /// The same once more, for as long as it is borrowed.
    pub(super) fn again(&mut self) -> Output<'_> {
        Output { out: &mut *self.out, err: &mut *self.err }
    }

    /// Writes to stdout. Who reads no further (`orders config | head`) has what they wanted.
    pub(super) fn print(&mut self, text: &str) -> Result<(), CliError> {
        match self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            written => Ok(written?),
        }
    }

    /// Writes to stderr. When that fails nobody can be told of it.
    pub(super) fn complain(&mut self, what: impl Display) {
        let _ = write!(self.err, "{what}");
    }
}
