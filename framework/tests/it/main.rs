//! The framework from outside: services of a few lines, and the rules of the repository.

mod boot;
mod modules;
mod requests;
mod tidy;
