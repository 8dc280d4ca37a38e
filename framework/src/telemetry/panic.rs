use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{Location, PanicHookInfo, set_hook};
use std::thread;

/// The text of a caught panic.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a text")
}

/// From now on each panic of the process is one record of its log, redacted as all are, in place of the standard
/// library's text on stderr, which would be the panic's own words.
///
/// The record is outside all spans: what panics may be in the middle of writing to one.
pub(super) fn log_panics() {
    set_hook(Box::new(|panic: &PanicHookInfo<'_>| {
        let current = thread::current();
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
        tracing::error!(
            parent: None,
            panic = panic_message(panic.payload()),
            code.file.path = panic.location().map(Location::file),
            code.line.number = panic.location().map(Location::line),
            thread.name = current.name(),
            backtrace,
            "a thread panicked"
        );
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_has_its_text_if_it_has_one() {
        assert_eq!(panic_message(&"fixed"), "fixed");
        assert_eq!(panic_message(&String::from("formatted")), "formatted");
        assert_eq!(panic_message(&7), "a panic without a text");
    }
}
