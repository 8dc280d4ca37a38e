//! Measurements of spanbox: what the benchmarks and the program `benches` share.

pub mod collector;
pub mod connection;
pub mod figures;
pub mod hello;
pub mod instructions;
pub mod jobs;
pub mod limit;
pub mod load;
pub mod machine;
pub mod memory;
pub mod nowhere;
pub mod overhead;
pub mod scale;
pub mod server;
pub mod sink;
pub mod slow;
pub mod start;
pub mod streams;
pub mod wrk;
