use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal as _, Write};

use super::CliError;

/// How wide a bar is.
const BAR: u64 = 30;

/// Where a command writes.
pub(super) struct Output<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    terminal: Terminal,
}

/// Who reads.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Terminal {
    /// Stdout is one, and `NO_COLOR` is not set (no-color.org).
    colour: bool,
    /// Stderr is one.
    bar: bool,
}

/// What a colour is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    Good,
    Doubtful,
    Bad,
}

impl Terminal {
    /// That of this process.
    pub(super) fn of_process() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colour: std::io::stdout().is_terminal() && !unwanted, bar: std::io::stderr().is_terminal() }
    }
}

impl<'a> Output<'a> {
    pub(super) fn new(out: &'a mut dyn Write, err: &'a mut dyn Write, terminal: Terminal) -> Self {
        Self { out, err, terminal }
    }

    /// The same once more, for as long as it is borrowed.
    pub(super) fn again(&mut self) -> Output<'_> {
        Output { out: &mut *self.out, err: &mut *self.err, terminal: self.terminal }
    }

    /// Writes to stdout. Who reads no further (`orders config | head`) has what they wanted.
    pub(super) fn print(&mut self, text: &str) -> Result<(), CliError> {
        match self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            written => Ok(written?),
        }
    }

    /// The text in a colour, where somebody would see it.
    pub(super) fn coloured(&self, text: &str, colour: Colour) -> String {
        if !self.terminal.colour {
            return text.to_owned();
        }
        let code = match colour {
            Colour::Good => 32,
            Colour::Doubtful => 33,
            Colour::Bad => 31,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// Writes to stderr. When that fails nobody can be told of it.
    pub(super) fn complain(&mut self, what: impl Display) {
        let _ = write!(self.err, "{what}");
    }

    /// Draws on stderr how far something is, where that is a terminal.
    pub(super) fn progress(&mut self, done: u64, of: u64) {
        if self.terminal.bar {
            let bar = bar(done, of);
            let end = if done >= of { "\n" } else { "" };
            self.complain(format_args!("\r{bar}{end}"));
            let _ = self.err.flush();
        }
    }
}

fn bar(done: u64, of: u64) -> String {
    let of = of.max(1);
    let done = done.min(of);
    let share = |whole: u64| u128::from(done) * u128::from(whole) / u128::from(of);
    let full = usize::try_from(share(BAR)).unwrap_or(0);
    let rest = usize::try_from(BAR).unwrap_or(0) - full;
    format!("[{}{}] {:>3} % {done}/{of}", "#".repeat(full), "-".repeat(rest), share(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_full_as_the_work_is_done() {
        assert_eq!(bar(0, 10), format!("[{}]   0 % 0/10", "-".repeat(30)));
        assert_eq!(bar(5, 10), format!("[{}{}]  50 % 5/10", "#".repeat(15), "-".repeat(15)));
        assert_eq!(bar(12, 10), format!("[{}] 100 % 10/10", "#".repeat(30)));
        assert_eq!(bar(0, 0), format!("[{}]   0 % 0/1", "-".repeat(30)));
    }

    #[test]
    fn who_is_no_terminal_gets_neither_colours_nor_bars() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut output = Output::new(&mut out, &mut err, Terminal::default());
        assert_eq!(output.coloured("ok", Colour::Good), "ok");
        output.progress(1, 2);
        assert!(err.is_empty(), "{err:?}");
        let mut output = Output::new(&mut out, &mut err, Terminal { colour: true, bar: true });
        assert_eq!(output.coloured("ok", Colour::Good), "\u{1b}[32mok\u{1b}[0m");
        output.progress(2, 2);
        assert!(err.starts_with(b"\r[") && err.ends_with(b"2/2\n"), "{err:?}");
    }
}
