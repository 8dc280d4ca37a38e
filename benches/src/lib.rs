//! Measurements of spanbox: what the benchmarks and the program `benches` share.

pub mod collector;
pub mod figures;
pub mod jobs;
pub mod load;
pub mod machine;
pub mod nowhere;
pub mod scale;
pub mod slow;
pub mod start;
pub mod streams;
