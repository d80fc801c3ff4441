//! The public edge: what the world may do to the gateway, and what comes of it.

mod audit;
#[cfg(feature = "redis")]
mod breaker;
mod identity;
mod limits;
mod metrics;
mod tls;
mod wire;
