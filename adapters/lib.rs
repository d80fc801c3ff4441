//! The outside world of antcode-gateway: whatever does I/O.
//!
//! - [`host`]: the process we run in — settings, logs, signals, the command line.
//! - [`inbound`]: the ways in — the workers' gRPC port and the operator's HTTP port.
//! - [`outbound`]: what the core needs of others — queues, stores, keys — each an implementation of
//!   a port.
//! - [`metrics`]: the names of what is counted, for all of them.
//! - [`client`]: the tools of an operator, which speak to a gateway that runs.
//!
//! Adapters know the core and never each other; the composition root, `src/main.rs`, plugs them
//! together.

pub mod client;
pub mod host;
pub mod inbound;
pub mod metrics;
pub mod outbound;

#[cfg(test)]
mod fuzz;
