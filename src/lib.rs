//! The hexagon of antcode-gateway: what it does, with no word of how.
//!
//! ```text
//! domain  ←  ports  ←  app
//! ```
//!
//! - [`domain`] holds the things and their rules: identifiers, tasks, runs, logs, workers, control.
//! - [`ports`] are the roles the outside world plays for us, one trait a file. Each trait's
//!   documentation is a contract that every adapter keeps.
//! - [`app`] are the use cases: who is calling and may they, hand out a task, take a result.
//!
//! Nothing here does I/O, spawns a task, reads the time or the environment. The manifest proves it:
//! a crate that could is not among the dependencies.

pub mod app;
pub mod domain;
pub mod ports;
