//! What `spanbox generate` writes into a service and what it refuses; `built` compiles and runs it.

mod refusals;
mod shop;
mod snapshots;
mod twice;
mod wiring;
