//! What must not be shown, and how it is kept from being shown.
//!
//! - [`Secret`] and [`Pii`] are values that know that they are none of anybody's business: they cannot be written by
//!   accident, and do not compile as an attribute or as a field of a log record.
//! - A [`Redactor`] finds what texts hold all the same: e-mail addresses, phone and card numbers, credentials. A
//!   service's telemetry has one in front of everything that leaves it: spans, logs, the attributes of metrics, the lines
//!   on stderr, and the errors that are stored with jobs.
//!
//! ```
//! use spanbox::redact::Redactor;
//!
//! let redactor = Redactor::default();
//! assert_eq!(redactor.text("no account of ann@example.com"), "no account of ***");
//! assert_eq!(redactor.text("GET /pay?card=4111-1111-1111-1111"), "GET /pay?card=***");
//! assert_eq!(redactor.text("postgres://orders:hunter2@db/orders"), "postgres://***@db/orders");
//! assert_eq!(redactor.text("order 100234567 took 12.5 ms"), "order 100234567 took 12.5 ms");
//! assert!(redactor.hides("user.password"));
//! ```

mod address;
mod names;
mod number;
mod pair;
mod pii;
#[cfg(any(fuzzing, test))]
pub(crate) mod properties;
mod redactor;
mod secret;
#[cfg(test)]
mod tests;
mod token;

pub use pii::Pii;
pub use redactor::{PatternError, Redactor};
pub use secret::{MASK, Secret};

/// Where something was found, in bytes of the text.
type Found = Vec<std::ops::Range<usize>>;
