//! What must hold whatever comes in, for the fuzz targets of `app/fuzz/` and the tests (`cfg(fuzzing)`).

pub use crate::orders::properties::{cursor, order};
