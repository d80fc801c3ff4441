//! What a client of the gateway sees, over a socket; and what every adapter of a port must do.
//!
//! One binary, for one link of all those crates.

mod support;

mod cancelled;
mod contract;
mod control;
mod edge;
mod errors;
mod example;
#[cfg(feature = "redis")]
mod faults;
mod identity;
mod limits;
mod logs;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "mysql")]
mod mysql_results;
mod program;
mod results;
mod servers;
mod shutdown;
mod stream;
mod tasks;
