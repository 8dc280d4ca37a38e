//! The order service from outside: over HTTP, by its spans, and as a process.

mod bad_input;
mod lifecycle;
mod orders;
mod otlp;
mod postgres;
mod process;
mod trace;
