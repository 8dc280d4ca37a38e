//! Values that must not be shown.

mod secret;

pub use secret::{MASK, Secret};
