//! The public edge: what the world may do to the gateway, and what comes of it.

mod identity;
mod limits;
mod metrics;
mod tls;
mod wire;
